# SPDX-License-Identifier: BSD-2-Clause
"""Perfetto traces for tests, read with Perfetto's own classes. As a program (run by read_trace() in the interpreter that has
them, tools/py-env) it prints what a trace says as JSON; as a module it puts slices together and checks that they nest."""
import functools
import json
import pathlib
import subprocess
import sys

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
MONOTONIC, REALTIME = 3, 1


class Slice:
    """One slice or instant; times in ns of CLOCK_MONOTONIC."""

    def __init__(self, track, event, depth):
        self.track, self.name, self.category, self.args = track, event["name"], event["category"], event["args"]
        self.start = self.end = event["ns"]
        self.flows, self.flow_ends = event["flows"], event["flow_ends"]  # ids of arrows that begin and end here
        self.instant = event["type"] == INSTANT
        self.depth = depth  # how many slices of the track are open around it
        self.parent = None


class Trace:
    def __init__(self, said):
        self.tracks = {t["uuid"]: t for t in said["tracks"]}
        self.events = said["events"]
        self.clocks = said["clocks"]
        assert len(self.tracks) == len(said["tracks"]), "a uuid comes twice"
        self.slices, self.instants, self.counters = [], [], {}
        for uuid, track in self.tracks.items():
            assert not track["parent"] or track["parent"] in self.tracks, track
        per_track = {}
        for e in self.events:
            assert e["track"] in self.tracks, e
            per_track.setdefault(e["track"], []).append(e)
        for uuid, events in per_track.items():
            self._read_track(uuid, events)

    def _read_track(self, uuid, events):
        """In the order of the file, which is also that of time: trace processor sorts by time and keeps the order of ties."""
        open_, last = [], 0
        for e in events:
            assert bool(self.tracks[uuid]["counter"]) == (e["type"] == COUNTER), (self.path(uuid), e)
            if e["type"] == COUNTER:
                self.counters.setdefault(uuid, []).append((e["ns"], e["value"]))
                continue
            if e["type"] == INSTANT:
                self.instants.append(Slice(self.path(uuid), e, 0))
                continue
            assert e["ns"] >= last, (self.path(uuid), e, last)
            last = e["ns"]
            if e["type"] == BEGIN:
                s = Slice(self.path(uuid), e, len(open_))
                s.parent = open_[-1] if open_ else None
                open_.append(s)
            else:
                s = open_.pop()
                s.end = e["ns"]
                assert s.end >= s.start
                assert not s.parent or s.parent.start <= s.start
                self.slices.append(s)
        assert not open_, (self.path(uuid), [s.name for s in open_])

    @functools.lru_cache(maxsize=None)
    def path(self, uuid):
        """Names from the top: ("shop/checkout:app", "server 4711", "GC")"""
        names = []
        while uuid:
            names.insert(0, self.tracks[uuid]["name"])
            uuid = self.tracks[uuid]["parent"]
        return tuple(names)

    def unix_ns(self, ns):
        """By the last pair of clocks that is not after it."""
        pair = max((c for c in self.clocks if c[0] <= ns), default=self.clocks[0])
        return ns - pair[0] + pair[1]


def read_trace(path, python):
    """python: an interpreter with the package perfetto."""
    r = subprocess.run([python, pathlib.Path(__file__).resolve(), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=100)
    assert r.returncode == 0, r.stderr[-3000:]
    return Trace(json.loads(r.stdout))


# ---- in the interpreter with Perfetto's classes ----------------------------------------------------------------------

def no_unknown_fields(trace):
    """All that is in the bytes belongs to a field that Perfetto knows, with the wire type that it has there."""
    before = trace.ByteSize()
    trace.DiscardUnknownFields()
    assert trace.ByteSize() == before


def annotation(a):
    if a.dict_entries:
        return {x.name: annotation(x) for x in a.dict_entries}
    if a.array_values:
        return [annotation(x) for x in a.array_values]
    for name in ("bool_value", "int_value", "uint_value", "double_value", "string_value"):
        if a.HasField(name):
            return getattr(a, name)
    return []  # a list of nothing


def event(packet):
    e = packet.track_event
    assert packet.timestamp_clock_id == MONOTONIC
    value = e.counter_value if e.HasField("counter_value") else e.double_counter_value
    return {"ns": packet.timestamp, "type": int(e.type), "track": e.track_uuid, "name": e.name, "value": value,
            "category": list(e.categories), "args": {a.name: annotation(a) for a in e.debug_annotations},
            "flows": list(e.flow_ids), "flow_ends": list(e.terminating_flow_ids)}


def track(t):
    counter = None
    if t.HasField("counter"):
        counter = t.counter.unit_name or str(t.counter.unit)
    return {"uuid": t.uuid, "parent": t.parent_uuid, "name": t.name, "rank": t.sibling_order_rank, "counter": counter}


def main(path):
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb
    trace = pb.Trace()
    trace.ParseFromString(pathlib.Path(path).read_bytes())
    no_unknown_fields(trace)
    said = {"tracks": [], "events": [], "clocks": []}
    for i, p in enumerate(trace.packet):
        assert p.trusted_packet_sequence_id
        assert bool(p.sequence_flags & 1) == (i == 0)
        if p.HasField("track_descriptor"):
            said["tracks"].append(track(p.track_descriptor))
        elif p.HasField("clock_snapshot"):
            clocks = {c.clock_id: c.timestamp for c in p.clock_snapshot.clocks}
            assert p.clock_snapshot.primary_trace_clock == MONOTONIC
            said["clocks"].append((clocks[MONOTONIC], clocks[REALTIME]))
        else:
            assert said["clocks"], "an event before the clocks"
            said["events"].append(event(p))
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])

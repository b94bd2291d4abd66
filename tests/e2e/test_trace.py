# SPDX-License-Identifier: BSD-2-Clause
"""trace and replay on the real thing: one run to every format at once, its recording replayed to the same bytes, damaged and
foreign files, no privilege."""
import collections
import contextlib
import json
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time
import zlib

import pytest

from gs import BIN, ROOT, Cgroup, Started, Trace, fixture, gs, lines
from pftrace import read_trace

FORMATS = ["pftrace", "jsonl", "json"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Five seconds of a throttled, collecting program, to four files; the folder and the closing lines."""
    d = tmp_path_factory.mktemp("trace")
    with Cgroup("gs-trace", cpus=0.3) as cg, \
            Started(fixture("gcload"), "-rate", 400, "-live", 8, "-procs", 4, cgroup=[cg.dir]) as load:
        load.line()
        time.sleep(1)
        outs = [x for f in ["gsraw", *FORMATS] for x in ("-o", d / f"t.{f}")]
        r = gs("trace", "-p", load.pid, "-d", "6", "--span-min", "all=0", *outs)
        assert r.returncode == 0, r.stderr
        pid = load.pid
        load.end()
    return d, r.stderr, pid


def test_closing_lines(run):
    """File, size, events, lost, verdicts, for each file; sizes are those of the files."""
    d, said, _ = run
    for f in ["gsraw", *FORMATS]:
        m = re.search(rf"t\.{f}: (\d+) bytes, (\d+) events.*, (\d+) lost, (\d+) verdicts$", said, re.M)
        assert m, said
        assert int(m[1]) == (d / f"t.{f}").stat().st_size
        assert int(m[2]) > 50 and int(m[4]) >= 1
    events = lines((d / "t.jsonl").read_text())
    assert int(re.search(r"t\.jsonl: \d+ bytes, (\d+) events", said)[1]) == len(events)


def test_kinds_and_order_of_things(run):
    d, _, pid = run
    events = lines((d / "t.jsonl").read_text())
    kinds = {e["kind"] for e in events}
    assert {"gc.cycle", "gc.pause", "gc.mark", "cpu.throttle", "cpu.runq", "verdict"} <= kinds
    assert all(e["duration_seconds"] >= 0 for e in events)
    assert {e["pid"] for e in events if e["kind"] == "gc.cycle"} == {pid}
    verdict = next(e for e in events if e["kind"] == "verdict")
    assert verdict["id"] == "throttled" and verdict["state"] == "started"


def test_replay_gives_the_same_bytes(run, tmp_path):
    """Every format out of the recording equals what the live run wrote."""
    d, _, _ = run
    for f in FORMATS:
        r = gs("replay", d / "t.gsraw", "--span-min", "all=0", "-o", tmp_path / f"t.{f}")
        assert r.returncode == 0, r.stderr
        assert (tmp_path / f"t.{f}").read_bytes() == (d / f"t.{f}").read_bytes(), f


def test_replay_of_a_replay(run, tmp_path):
    d, _, _ = run
    assert gs("replay", d / "t.gsraw", "-o", tmp_path / "u.gsraw").returncode == 0
    assert (tmp_path / "u.gsraw").read_bytes() == (d / "t.gsraw").read_bytes()


def test_replay_as_text_and_json(run):
    d, _, pid = run
    r = gs("replay", d / "t.gsraw", "--once")
    assert r.returncode == 0 and "throttled" in r.stdout and f"host/pid {pid}" in r.stdout
    snapshots = lines(gs("replay", d / "t.gsraw", "--json").stdout)
    assert len(snapshots) >= 6
    assert {s["schema"] for s in snapshots} == {"gopherscope.snapshot/1"}
    assert snapshots[-1]["window_seconds"] == pytest.approx(6, abs=1)  # all there is of its 10 s
    short = lines(gs("replay", d / "t.gsraw", "-w", 2, "--json").stdout)
    assert short[-1]["window_seconds"] == 2
    c = snapshots[-1]["containers"][0]
    assert c["cpu"]["throttle"]["ratio"] > 0.05 and c["gc"]["cycles"] > 5
    assert [v["id"] for v in c["verdicts"]][:1] == ["throttled"]


def test_replay_needs_no_privilege(run, tmp_path):
    d, _, _ = run
    shutil.copy(d / "t.gsraw", tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "t.gsraw").chmod(0o644)
    with open(tmp_path / "t.gsraw", "rb") as f:
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", BIN, "replay", "-",
                            "-o", "-"], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert r.returncode == 0, r.stderr
    assert r.stdout == (d / "t.jsonl").read_bytes()


@pytest.mark.parametrize("share,words", [(0.5, "cut off after"), (0.999, "cut off after")])
def test_replay_of_a_cut_file(run, tmp_path, share, words):
    """What came before the cut is shown, and the cut is said."""
    d, _, _ = run
    data = (d / "t.gsraw").read_bytes()
    (tmp_path / "c.gsraw").write_bytes(data[:int(len(data) * share)])
    r = gs("replay", tmp_path / "c.gsraw", "-o", tmp_path / "c.jsonl")
    assert r.returncode == 0 and words in r.stderr
    whole = (d / "t.jsonl").read_text().splitlines()
    got = [x for x in (tmp_path / "c.jsonl").read_text().splitlines() if '"kind":"lost"' not in x]
    assert got and got == whole[:len(got)]


def test_replay_of_a_damaged_file(run, tmp_path):
    d, _, _ = run
    data = bytearray((d / "t.gsraw").read_bytes())
    data[len(data) // 2] ^= 0x55
    (tmp_path / "b.gsraw").write_bytes(data)
    r = gs("replay", tmp_path / "b.gsraw", "--once")
    assert "damaged after" in r.stderr or "cut off" in r.stderr


def repeated(data, times):
    """A recording's records, so many times."""
    size, = struct.unpack_from("<I", data, 16)
    end = len(data) - 24  # a frame and the number of records, which counts without being known here
    (cnt,) = struct.unpack_from("<Q", data, end + 16)
    frame = struct.pack("<IHHI", 8, 0xffff, 0, zlib.crc32(struct.pack("<Q", cnt * times)))
    return data[:size] + data[size:end] * times + frame + struct.pack("<IQ", zlib.crc32(frame), cnt * times)


@pytest.mark.parametrize("args", [["-o", "x.pftrace", "-o", "x.json"], ["--json"]])
def test_replay_is_interrupted(run, tmp_path, args):
    """Minutes of work end at once with the signal, and leave nothing behind."""
    d, _, _ = run
    data = (d / "t.gsraw").read_bytes()
    (tmp_path / "one.gsraw").write_bytes(repeated(data, 1))
    assert (tmp_path / "one.gsraw").read_bytes() == data
    (tmp_path / "one.gsraw").write_bytes(repeated(data, 1 + 400_000_000 // len(data)))
    p = subprocess.Popen([BIN, "replay", "one.gsraw", *args], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    assert p.poll() is None
    p.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    _, err = p.communicate(timeout=30)
    assert p.returncode == 1 and "interrupted after" in err and time.monotonic() - sent < 5
    assert [f.name for f in tmp_path.iterdir()] == ["one.gsraw"]
    (tmp_path / "one.gsraw").unlink()


@pytest.mark.parametrize("content,words", [(b"", "it is empty"), (b"GSRAW", "no recording"), (b"\x7fELF" + b"x" * 4096, "no recording")])
def test_replay_of_something_else(tmp_path, content, words):
    (tmp_path / "x.gsraw").write_bytes(content)
    r = gs("replay", tmp_path / "x.gsraw", "--once")
    assert r.returncode == 1 and f"cannot replay {tmp_path}/x.gsraw: " in r.stderr and words in r.stderr and r.stderr.count("\n") == 1, r.stderr
    assert r.stdout == ""


def test_replay_of_nothing(tmp_path):
    r = gs("replay", tmp_path / "absent.gsraw")
    assert r.returncode == 1 and "No such file" in r.stderr


def nesting(tracks):
    """Slices of each track nest: every end belongs to the begin on top."""
    for name, events in tracks.items():
        depth = []
        for t, kind, what in events:
            if kind == "begin":
                depth.append((t, what))
            else:
                assert depth, (name, "end without begin", t)
                begun, _ = depth.pop()
                assert t >= begun, (name, "negative duration")
        assert not depth, (name, "never ended", depth)


def test_perfetto_opens(run):
    """Perfetto's own classes read the file; every event of the JSON lines is in it, at the same time; slices nest."""
    pb = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    d, _, _ = run
    trace = pb.Trace()
    trace.ParseFromString((d / "t.pftrace").read_bytes())
    offset = next(({c.clock_id: c.timestamp for c in p.clock_snapshot.clocks} for p in trace.packet if p.HasField("clock_snapshot")))
    real = offset[1] - offset[3]  # REALTIME - MONOTONIC
    tracks, starts, instants, counters = {}, [], [], 0
    for p in trace.packet:
        if not p.HasField("track_event"):
            continue
        e = p.track_event
        if e.type == e.TYPE_SLICE_BEGIN:
            tracks.setdefault(e.track_uuid, []).append((p.timestamp, "begin", e.name))
            starts.append((e.name, p.timestamp + real))
        elif e.type == e.TYPE_SLICE_END:
            tracks.setdefault(e.track_uuid, []).append((p.timestamp, "end", ""))
        elif e.type == e.TYPE_INSTANT:
            instants.append((e.name, p.timestamp + real))
        elif e.type == e.TYPE_COUNTER:
            counters += 1
    for events in tracks.values():
        events.sort(key=lambda x: x[0])  # as trace_processor does: by time, ties in file order
    nesting(tracks)
    assert counters >= 5  # CPU used, a second each; a stripped program tells no heap yet, a shared cgroup no memory
    seen = {}
    for kind, at in starts + instants:
        seen.setdefault(kind, []).append(at)
    for e in lines((d / "t.jsonl").read_text()):
        if e["kind"] == "lost":
            continue
        # The JSON line converts by the pair of its second, Perfetto by the one of the snapshot: real time may be slewed.
        at = int(e["time_unix_nano"])
        assert any(abs(at - t) < 1_000_000 for t in seen.get(e["kind"], [])), e


def test_otlp_is_valid(run):
    """Against OpenTelemetry's protobuf classes: ids, times, parents."""
    pb = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    d, _, _ = run
    spans = []
    for line in (d / "t.json").read_text().splitlines():
        doc = json.loads(line)
        for r in doc["resourceSpans"]:
            for sc in r["scopeSpans"]:
                for s in sc["spans"]:
                    assert re.fullmatch("[0-9a-f]{32}", s["traceId"]) and re.fullmatch("[0-9a-f]{16}", s["spanId"])
                    spans.append(s)
        json_format.ParseDict(without_ids(doc), pb.TracesData())
    names = [s["name"] for s in spans]
    assert {"gc.cycle", "gc.pause", "cpu.throttle"} <= set(names)
    ids = {s["spanId"]: s for s in spans}
    for s in spans:
        assert int(s["endTimeUnixNano"]) >= int(s["startTimeUnixNano"])
        assert s["kind"] == 1
        if s.get("parentSpanId"):
            parent = ids[s["parentSpanId"]]
            assert parent["name"] == "gc.cycle" and parent["traceId"] == s["traceId"]
    events = lines((d / "t.jsonl").read_text())
    for kind in ("gc.cycle", "gc.pause", "cpu.throttle"):
        assert names.count(kind) == sum(e["kind"] == kind for e in events)


def without_ids(o):
    """OTLP/JSON writes ids in hex where protobuf's own JSON wants base64: not what is checked here."""
    if isinstance(o, dict):
        return {k: without_ids(v) for k, v in o.items() if k not in ("traceId", "spanId", "parentSpanId")}
    return [without_ids(x) for x in o] if isinstance(o, list) else o


def test_one_file_is_no_reason_to_lose_another(tmp_path):
    """A second output that exists is refused before anything is recorded."""
    (tmp_path / "old.jsonl").write_text("mine")
    r = gs("trace", "-d", "1", "-o", tmp_path / "new.gsraw", "-o", tmp_path / "old.jsonl")
    assert r.returncode == 1 and "--force" in r.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.jsonl"]
    assert (tmp_path / "old.jsonl").read_text() == "mine"


def test_default_name_is_perfetto(tmp_path):
    with Started(fixture("gcload"), "-rate", 0, "-force", "20ms", "-live", 0) as load:
        load.line()
        r = gs("trace", "-p", load.pid, "-d", "1", cwd=tmp_path)
    assert r.returncode == 0, r.stderr
    (name,) = [p.name for p in pathlib.Path(tmp_path).iterdir()]
    assert re.fullmatch(r"gopherscope-\d{8}-\d{6}\.pftrace", name)


# ---- goroutine windows -----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def perfetto_python():
    r = subprocess.run([ROOT / "tools/py-env"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=400)
    if r.returncode:
        pytest.skip("no interpreter with Perfetto's classes: " + r.stderr.strip()[-300:])
    return r.stdout.strip()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """Goroutines that wake each other, in one window, to three files; the folder and the JSON lines."""
    d = tmp_path_factory.mktemp("window")
    with Started(fixture("schedload"), stdin=subprocess.PIPE) as load, contextlib.closing(load.p.stdin) as to_load:
        load.line()
        with Trace("-p", load.pid, "--signals", "+go_sched", "--max-overhead", "none", "-o", d / "w.gsraw",
                   "-o", d / "w.pftrace") as trace:
            time.sleep(0.5)  # the window opens
            to_load.write("run 300\n")  # of the second: reading a trace takes long
            to_load.flush()
            load.line()
            time.sleep(0.2)
            return d, trace.stop(), trace.path.read_bytes()


def test_goroutine_window_in_perfetto(window, perfetto_python):
    """Slices nest and arrows end (checked as the trace is read, and here); each run of the JSON lines is one on its P."""
    d, events, _ = window
    trace = read_trace(d / "w.pftrace", perfetto_python)
    sched = [s for s in trace.slices if s.category == ["sched"] and len(s.track) > 3]
    ps = collections.Counter(s.track[-1] for s in sched if s.track[-2] == "goroutine scheduler: Ps")
    assert len([e for e in events if e["kind"] == "sched.window"]) == 1
    assert sum(ps.values()) > 1000
    assert ps == collections.Counter(f"P {e['p']}" for e in events if e["kind"] == "sched.run" and e["p"] is not None)
    spans = sum(e["kind"] in ("sched.wait", "sched.run", "sched.park") for e in events)
    assert sum(s.track[-2] == "goroutines" for s in sched) == spans
    begins = {i: s for s in trace.slices + trace.instants for i in s.flows}
    ends = {i: s for s in trace.slices for i in s.flow_ends}
    # A wait that ended has a run after it: the window's end closes runs, too.
    assert len(begins) > 100 and set(begins) == set(ends)
    for i, a in begins.items():
        woken = re.fullmatch(r"(?:wakes|creates) (G\d+)", a.name)[1]
        assert a.start <= ends[i].start and ends[i].track[-1].split()[0] == woken


def test_goroutine_window_replayed(window, tmp_path):
    d, _, said = window
    r = gs("replay", d / "w.gsraw", "-o", tmp_path / "w.jsonl", "-o", tmp_path / "w.pftrace")
    assert r.returncode == 0, r.stderr
    assert (tmp_path / "w.jsonl").read_bytes() == said
    assert (tmp_path / "w.pftrace").read_bytes() == (d / "w.pftrace").read_bytes()

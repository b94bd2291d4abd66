# SPDX-License-Identifier: BSD-2-Clause
"""Perfetto traces of a made-up run (perfetto_sample.c), read with Perfetto's own classes and compared with the JSON lines of
the same run: nothing is missing, nothing is bent, everything nests."""
import collections
import json
import os
import re
import subprocess

import pytest

from gs import ROOT
from pftrace import read_trace

SPANS = {"gc.cycle", "gc.mark", "gc.pause", "cpu.throttle", "cpu.throttle_missed", "cpu.runq", "tcp.connect", "dns.query"}
TOLD = ("schema", "kind", "time_unix_nano", "duration_seconds", "goid", "owner")
APP = "shop/checkout-api-7d9c6b5f4-x2x9k:app"
POD = "shop/checkout-api-7d9c6b5f4-x2x9k"
BAD = "shop/\ufffd\ufffd bad \ufffd:sidecar"


@pytest.fixture(scope="module")
def python():
    r = subprocess.run([ROOT / "tools/py-env"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=400)
    if r.returncode:
        pytest.skip("no interpreter with Perfetto's classes: " + r.stderr.strip()[-300:])
    return r.stdout.strip()


@pytest.fixture(scope="module")
def sample():
    b = os.environ.get("B") or "build"
    target = f"{b}/tests/tools/perfetto_sample"
    subprocess.run(["make", "--no-print-directory", f"B={b}", target], cwd=ROOT, check=True, timeout=400,
                   stdout=subprocess.DEVNULL)
    return ROOT / target


@pytest.fixture(scope="module", params=[1, 2])
def run(request, sample, python, tmp_path_factory):
    """(trace, lines of JSON) of one seed"""
    out = tmp_path_factory.mktemp("run") / "run"
    subprocess.run([sample, out, str(request.param)], check=True, timeout=60, stdout=subprocess.DEVNULL)
    lines = [json.loads(x) for x in open(f"{out}.jsonl")]
    return read_trace(f"{out}.pftrace", python), lines


def is_sched(x):
    """Of goroutine windows: a line, or what is drawn. These are drawn twice, and their names are words for people."""
    return x["kind"].startswith("sched.") if isinstance(x, dict) else x.category == ["sched"]


@pytest.fixture(scope="module")
def others(run):
    """Without goroutine windows: (trace, lines, slices, slices and instants)."""
    trace, lines = run
    slices = [s for s in trace.slices if not is_sched(s)]
    return trace, [x for x in lines if not is_sched(x)], slices, slices + [s for s in trace.instants if not is_sched(s)]


def known(value):
    """Without what is null, and objects of nothing else: a trace has no word for it."""
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items() if v is not None and known(v) != {}}
    return [known(v) for v in value] if isinstance(value, list) else value


def fields(line):
    return known({k: v for k, v in line.items() if k not in TOLD})


def group_of(owner):
    """How the group of an owner is called."""
    if owner["pod"]:
        return f"{owner['namespace']}/{owner['pod']}" + (f":{owner['container']}" if owner["container"] else "")
    return "host/pid 77 kubelet" if owner["cgroup"] else None


def key(kind, unix_ns, seconds, args):
    return kind, unix_ns, round(seconds * 1e9), json.dumps(args, sort_keys=True)


def test_every_event_is_there(others):
    """As often as in the JSON, with the same start, duration and fields. Slices that do not nest, or end before they begin,
    are refused where the trace is read."""
    trace, lines, slices, all_ = others
    want = collections.Counter(key(x["kind"], int(x["time_unix_nano"]), x["duration_seconds"], fields(x)) for x in lines)
    got = collections.Counter(key(s.name, trace.unix_ns(s.start), (s.end - s.start) / 1e9, s.args)
                              for s in all_)
    missing, extra = want - got, got - want
    assert not missing and not extra, (list(missing)[:3], list(extra)[:3], len(missing), len(extra))
    assert {k[0] for k in want} == SPANS | {"tcp.retransmit", "tcp.reset", "oom.kill", "process.start", "process.exit",
                                            "verdict", "lost"}
    assert {s.name for s in slices} == SPANS
    assert all(s.category == [s.name.split(".")[0]] for s in all_)


def test_groups(others):
    """Everything is in the group of its owner."""
    trace, lines, _, all_ = others
    want = collections.Counter((x["kind"], group_of(x["owner"])) for x in lines if x["kind"] != "lost")
    got = collections.Counter((s.name, s.track[0]) for s in all_ if s.name != "lost")
    assert want == got
    assert {t[0] for t in map(trace.path, trace.tracks)} == {APP, POD, BAD, "host/pid 77 kubelet",
                                                             "gopherscope 0.1 on worker-3"}


def test_processes(others):
    """A pid that comes again has a group of its own; events of a process are in its group."""
    trace, _, _, all_ = others
    groups = [trace.path(u) for u, t in trace.tracks.items() if t["parent"] and trace.path(u)[-1].startswith("server")]
    assert sorted(groups) == sorted([(APP, "server0 4000"), (BAD, "server1 4010"), ("host/pid 77 kubelet", "server2 4020"),
                                     (APP, "server3 4030"), (BAD, "server4 4040"), ("host/pid 77 kubelet", "server5 4050"),
                                     (APP, "server6 4000")])
    for s in all_:
        if "pid" in s.args and s.name != "oom.kill":
            assert s.track[1].split()[-1] == str(s.args["pid"]), s.track


LANES = {"gc.cycle": "GC", "gc.mark": "GC", "gc.pause": "GC", "cpu.throttle": "throttled CPU ",
         "cpu.throttle_missed": "throttled, not seen", "cpu.runq": "run queue worker ", "tcp.connect": "network",
         "dns.query": "network", "tcp.retransmit": "retransmits, resets", "tcp.reset": "retransmits, resets",
         "oom.kill": "oom kills", "process.start": "process", "process.exit": "process", "verdict": "verdicts",
         "lost": "gopherscope 0.1 on worker-3"}


def test_track_names(others):
    _, _, _, all_ = others
    for s in all_:
        alone = s.name == "gc.pause" and s.track[-1].startswith("stop-the-world")
        assert alone or s.track[-1].startswith(LANES[s.name]), (s.name, s.track)
        if s.name == "cpu.throttle":
            assert s.track[-1] == f"throttled CPU {s.args['cpu']}"
        if s.name == "cpu.runq":
            assert s.track[-1] == f"run queue worker {s.args['tid']}"


def test_lanes(run):
    """Overlapping slices are side by side on numbered tracks, the first one is used as long as it is free."""
    trace, _ = run
    per = collections.defaultdict(list)
    for s in trace.slices:
        if s.track[-1].startswith("network"):
            assert s.depth == 0
            per[s.track].append(s)
    names = {t[-1] for t in per}
    assert {"network", "network 2", "network 3"} <= names
    assert names <= {"network"} | {f"network {n}" for n in range(2, 256)}
    first = [v for k, v in per.items() if k[-1] == "network"]
    assert sum(map(len, first)) > max(sum(len(v) for k, v in per.items() if k[-1] == f"network {n}") for n in (2, 3, 4))


def test_gc_nests(run):
    """Cycles contain their pauses and their mark phase; only pauses outside, and mark phases that end within a pause, are
    elsewhere."""
    trace, _ = run
    cycles = [s for s in trace.slices if s.name == "gc.cycle"]
    inside = [s for s in trace.slices if s.name in ("gc.pause", "gc.mark") and s.depth]
    assert cycles and all(s.depth == 0 and s.track[-1] == "GC" for s in cycles)
    for s in inside:
        top = s
        while top.parent:
            assert top.parent.start <= top.start and top.end <= top.parent.end
            top = top.parent
        assert top.name == "gc.cycle"
    per = collections.Counter(id(top_of(s)) for s in inside if s.name == "gc.pause")
    assert all(per[id(c)] >= 2 for c in cycles)  # sweep termination and mark termination at least
    marks = [s for s in trace.slices if s.name == "gc.mark"]
    beside = [s for s in marks if s.track[-1] == "GC mark"]
    assert 0 < len(beside) < len(marks) / 2
    pauses = collections.defaultdict(list)
    for s in trace.slices:
        if s.name == "gc.pause":
            pauses[s.track[:2]].append(s)
    for m in beside:
        # Those whose cycle never ended have nothing to be in.
        assert any(p.start < m.end < p.end for p in pauses[m.track[:2]]) or not any(
            c.track[:2] == m.track[:2] and c.start <= m.start and m.end <= c.end for c in cycles)
    for p in (p for v in pauses.values() for p in v if not p.depth):
        assert p.track[-1].startswith("stop-the-world")


def top_of(s):
    while s.parent:
        s = s.parent
    return s


def test_counters(run):
    trace, _ = run
    got = {trace.path(u): (trace.tracks[u]["counter"], v) for u, v in trace.counters.items()}
    for process in ("server0 4000", "server3 4030"):
        for name, unit in (("heap live", "3"), ("heap goal", "3"), ("goroutines", "2"), ("GOMAXPROCS", "2")):
            assert got[APP, process, name][0] == unit
    assert len(got[APP, "server0 4000", "heap live"][1]) == 60
    assert 30 < len(got[APP, "server0 4000", "heap goal"][1]) < 60  # off or unknown are no values
    assert all(v >= 0 for _, values in got.values() for _, v in values)
    assert {v for _, v in got[APP, "server0 4000", "GOMAXPROCS"][1]} == {4}
    assert got[APP, "CPU used"][0] == "CPUs" and len(got[APP, "CPU used"][1]) == 59
    # a value stands where its time begins, at the reading before
    assert got[APP, "CPU used"][1][0][0] == got[APP, "working set"][1][0][0]
    assert (APP, "memory limit") not in got and (BAD, "memory limit") in got  # the first has none
    for values in trace.counters.values():
        assert values == sorted(values, key=lambda x: x[0])


# ---- goroutine windows ----

BENT_NS = 10000  # how much later than its line a slice may begin: stamps of two CPUs on one P


def of_process(line):
    """Groups of the process of a line, as far as they matter here: pids of this run with goroutine windows are unique."""
    return group_of(line["owner"]), f"server{(line['pid'] - 4000) // 10} {line['pid']}"


def ends_of(trace, line):
    """End in ns of CLOCK_MONOTONIC, and the length."""
    length = round(line["duration_seconds"] * 1e9)
    return int(line["time_unix_nano"]) - trace.clocks[0][1] + trace.clocks[0][0] + length, length


def goroutine_of(text):
    """"G7 main.worker" or "G7": 7"""
    return int(re.match(r"G(\d+)( |$)", text)[1])


def compare_slices(trace, want, slices):
    """want: (process, number of the track, end): (line, name). The slices are these, begin at the line's start or, where the
    one before has not ended yet, up to BENT_NS later."""
    got = {}
    for s in slices:
        got.setdefault((s.track[:2], number_of(s.track), s.end, s.name), []).append(s)
    assert sum(map(len, got.values())) == sum(map(len, want.values())) == len(slices)
    for k, lines in want.items():
        assert len(got.get(k, [])) == len(lines), (k, lines)
        for line, s in zip(sorted(lines, key=lambda x: -x["duration_seconds"]), sorted(got[k], key=lambda s: s.start)):
            late = s.start - (s.end - ends_of(trace, line)[1])
            assert 0 <= late <= BENT_NS, (k, late)


def number_of(track):
    return int(re.search(r"\d+", track[-1])[0])


def span_name(line):
    if line["kind"] == "sched.run":
        return f"running on P {line['p']}"
    if line["kind"] == "sched.park":
        return "parked" + (f": {line['reason']}" if line["reason"] else "")
    word = {None: "", "woken": ": woken", "netpoll": ": netpoll", "created": ": created", "yielded": ": preempted",
            "syscall": ": system call"}[line["wake"]]
    return "runnable" + word + (f" by G{line['waker_goid']}" if line["waker_goid"] else "")


def sched_slices(trace, group):
    """Slices below a group of a process; without what a window lost."""
    return [s for s in trace.slices if is_sched(s) and len(s.track) == 4 and s.track[2] == group and s.track[3] != "lost"]


def test_goroutine_spans(run):
    """Every span is on the track of its goroutine, every run on that of its P, with the same start and end; none is inside
    of another, and their notes are those of the line."""
    trace, lines = run
    on_goroutines, on_ps, functions = {}, {}, {}
    for x in lines:
        if x["kind"] in ("sched.wait", "sched.run", "sched.park"):
            end, _ = ends_of(trace, x)
            on_goroutines.setdefault((of_process(x), x["goid"], end, span_name(x)), []).append(x)
            functions[x["goid"]] = x["function"]
        if x["kind"] == "sched.run":
            name = f"{x['function']} G{x['goid']}" if x["function"] else f"G{x['goid']}"
            on_ps.setdefault((of_process(x), x["p"], end, name), []).append(x)
    goroutines, ps = sched_slices(trace, "goroutines"), sched_slices(trace, "goroutine scheduler: Ps")
    assert len(on_goroutines) > 2000 and len(on_ps) > 1000 and len({k[3] for k in on_goroutines}) > 10
    compare_slices(trace, on_goroutines, goroutines)
    compare_slices(trace, on_ps, ps)
    assert not any(s.depth for s in goroutines + ps)
    assert {s.track[3] for s in ps} == {"P 0", "P 1", "P 2"}
    for s in goroutines:
        goid = goroutine_of(s.track[3])
        assert s.track[3] == f"G{goid}" + (f" {functions[goid]}" if functions[goid] else ""), s.track
    check_notes(trace, goroutines, on_goroutines)


def check_notes(trace, slices, want):
    first = set()
    for s in sorted(slices, key=lambda s: s.start):
        goid = goroutine_of(s.track[3])
        line = want[s.track[:2], goid, s.end, s.name][0]
        names = {"sched.wait": [], "sched.run": ["end", "reason", "site", "site_at"], "sched.park": ["site", "site_at"]}
        notes = {k: line[k] for k in names[line["kind"]] if line[k]}
        created = {k: v for k, v in s.args.items() if k.startswith("created")}
        assert {k: v for k, v in s.args.items() if k not in created} == notes, (s.args, line)
        if goid not in first:
            assert created == ({"created_by": "main.main", "created_at": "main.go:7"} if goid % 5 else {}), (goid, s.args)
        else:
            assert not created
        first.add(goid)


def test_arrows(run):
    """From each wake by a goroutine, at its time and on that one's track, to the run that came of it: every arrow that begins
    ends, once."""
    trace, lines = run
    want = collections.Counter()
    for x in lines:
        if x["kind"] == "sched.wait" and x["wake"] in ("woken", "created") and x["waker_goid"]:
            end, length = ends_of(trace, x)
            if not length:
                continue  # an arrow must have a length, too
            want[of_process(x), x["wake"], x["waker_goid"], x["goid"], end - length, end] += 1
    begins = {i: s for s in trace.slices + trace.instants for i in s.flows}
    ends = {i: s for s in trace.slices + trace.instants for i in s.flow_ends}
    assert sum(len(s.flows) for s in trace.slices + trace.instants) == len(begins), "an id comes twice"
    assert sum(len(s.flow_ends) for s in trace.slices + trace.instants) == len(ends), "an id ends twice"
    assert set(begins) == set(ends) and len(begins) > 500
    got = collections.Counter()
    for i, a in begins.items():
        b = ends[i]
        verb, woken = re.fullmatch(r"(wakes|creates) G(\d+)", a.name).groups()
        assert a.instant and b.name.startswith("running on P ") and a.track[:3] == b.track[:3]
        assert a.start < b.start and goroutine_of(b.track[3]) == int(woken)
        word = {"wakes": "woken", "creates": "created"}[verb]
        got[a.track[:2], word, goroutine_of(a.track[3]), int(woken), a.start, b.start] += 1
    assert got == want


def window_key(end, length, args):
    return end, length, json.dumps(args, sort_keys=True)


def test_goroutine_windows(run):
    """One slice each, with the fields of its line; what a window lost is said beside the Ps, over all of it."""
    trace, lines = run
    windows = [x for x in lines if x["kind"] == "sched.window"]
    slices = [s for s in trace.slices if is_sched(s) and s.track[-1] == "goroutine windows"]
    want = collections.Counter(window_key(*ends_of(trace, x), fields(x)) for x in windows)
    got = collections.Counter(window_key(s.end, s.end - s.start, s.args) for s in slices)
    assert want == got and len(windows) == 18 and {s.name for s in slices} == {"goroutine window"}
    lost = {(of_process(x), *ends_of(trace, x)): sum(x["lost"].values()) for x in windows if not x["complete"]}
    said = {(s.track[:2], s.end, s.end - s.start): s.name for s in trace.slices if is_sched(s) and s.track[-1] == "lost"}
    assert said == {k: f"window lost {n} events" for k, n in lost.items()} and len(said) == 6


def test_same_bytes(sample, tmp_path):
    """Nothing depends on when and where it is written."""
    for name in ("a", "b"):
        subprocess.run([sample, tmp_path / name, "4"], check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert (tmp_path / "a.pftrace").read_bytes() == (tmp_path / "b.pftrace").read_bytes()

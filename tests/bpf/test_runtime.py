# SPDX-License-Identifier: BSD-2-Clause
"""`runtime --json` against what the program says of itself (runtime/metrics, MemStats) at a moment at which it blocks on
stdin. The values between its last read and ours may move only by what that blocking does: a read or two of waits for a P
(its wake-up), a background sweep or scavenge. So everything is compared exactly, and a moment that was not quiet is asked
for again; waits for a P must lie between the reports before and after. Each value is said where it is compared."""
import json
import os
import signal
import subprocess
import time

import gs
import pytest

STANDARD = ["1.18.10", "1.21.13", "1.23.12", "1.25.5", "1.27.4"]
ALL = ["1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.5", "1.26.8", "1.27.4"]
TRIES = 12
STEPS = ["report", "spawn 300", "keep 8000000", "gc", "churn 30000000", "contend 8", "gogc 50", "gc", "procs 3", "end 200",
         "limit 60000000", "churn 9000000", "gc", "gogc -1", "limit 9223372036854775807", "gogc 100", "churn 20000000"]
EXACT = {  # ours: the metric's name
    ("gc", "cycles"): "/gc/cycles/total:gc-cycles",
    ("gc", "cycles_forced"): "/gc/cycles/forced:gc-cycles",
    ("memory", "heap_live_bytes"): "/gc/heap/live:bytes",
    ("memory", "allocated_bytes"): "/gc/heap/allocs:bytes",
    ("memory", "allocations"): "/gc/heap/allocs:objects",
    ("memory", "total_bytes"): "/memory/classes/total:bytes",
    ("memory", "released_bytes"): "/memory/classes/heap/released:bytes",
    ("memory", "stacks_bytes"): "/memory/classes/heap/stacks:bytes",
    ("settings", "gomaxprocs"): "/sched/gomaxprocs:threads",
    ("scheduler", "goroutines_created"): "/sched/goroutines-created:goroutines",
}
HISTS = {"stw_total_gc": ["/sched/pauses/total/gc:seconds", "/gc/pauses:seconds"],
         "stw_total_other": ["/sched/pauses/total/other:seconds"],
         "stw_stopping_gc": ["/sched/pauses/stopping/gc:seconds"],
         "stw_stopping_other": ["/sched/pauses/stopping/other:seconds"]}


class Values(gs.Started):
    """The fixture, asked line by line."""

    def __init__(self, version, variant, *prefix, **env):
        clean = {k: v for k, v in os.environ.items() if k not in ("GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG")}
        super().__init__(*prefix, gs.fixture("rtvalues", version, variant), stdin=subprocess.PIPE, env={**clean, **env})
        self.first = self.line()

    def ask(self, what="report"):
        self.p.stdin.write(what + "\n")
        self.p.stdin.flush()
        return self.line()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.p.stdin.close()


def runtime(pid):
    out = gs.gs("runtime", "--pid", pid, "--json")
    assert out.returncode == 0, out.stderr
    got, = gs.lines(out.stdout)
    assert got["schema"] == "gopherscope.runtime/1" and got["pid"] == pid and got["error"] is None
    return got


def ns(seconds):
    return round(seconds * 1e9)


def counts(hist):
    """Ours as the fixture's: [lower bound in ns, count]; negative ones first, too long ones at the end."""
    rows = [[ns(low), n] for low, n in hist["buckets"]]
    return ([[-1, hist["negative"]]] if hist["negative"] else []) + rows + (
        [[1 << 47, hist["too_long"]]] if hist["too_long"] else [])


def bucket_of(rows, q):
    """Lower bound of the bucket with the q-quantile, by nearest rank, as the fixture's counts have it."""
    total, seen = sum(n for _, n in rows), 0
    for low, n in rows:
        seen += n
        if seen >= q * total:
            return low
    return None


def differences(a, got):
    """What is not equal to report a."""
    m, bad = a["metrics"], []

    def same(name, ours, theirs):
        if ours != theirs:
            bad.append((name, ours, theirs))
    for (group, key), name in EXACT.items():
        if name in m:
            same(key, got[group][key], m[name])
    same("created", got["scheduler"]["goroutines_created"] is None, "/sched/goroutines-created:goroutines" not in m)
    goal, off = got["memory"]["heap_goal_bytes"], a["gogc"] < 0 and a["memory_limit"] == 2**63 - 1
    same("goal", goal, -1 if off else m["/gc/heap/goal:bytes"])
    same("gogc", got["settings"]["gogc"], a["gogc"])
    same("limit", got["settings"]["memory_limit_bytes"], -1 if a["memory_limit"] == 2**63 - 1 else a["memory_limit"])
    same("pause total", ns(got["gc"]["pause_seconds"]), a["pause_total_ns"])
    same("forced", got["gc"]["cycles_forced"], a["numforcedgc"])
    same("last gc", int(got["gc"]["last_end_unix_nano"] or 0), a["last_gc"])
    same("pauses", [[int(p["end_unix_nano"]), ns(p["pause_seconds"])] for p in got["gc"]["pauses"]], a["pauses"])
    same("phase", got["gc"]["phase"], "off")
    for name, val in got["cpu_seconds"].items():  # a double of seconds there
        if f"/cpu/classes/{name}:cpu-seconds" in m:
            same(name, ns(val), ns(m[f"/cpu/classes/{name}:cpu-seconds"]))
    for name, theirs in HISTS.items():
        for t in theirs[:1] if theirs[0] in m else theirs[1:]:
            if t in m:
                same(name, counts(got["histograms"][name]), m[t])
                for q, key in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1, "max")):
                    ours = got["histograms"][name][key]
                    same(name + key, ours and ns(ours[0]), bucket_of(m[t], q))
    return bad


def check_between(a, got, b):
    """What blocking on stdin itself moves: between the two reports, by a few."""
    lo, hi = (dict(map(tuple, r["metrics"]["/sched/latencies:seconds"])) for r in (a, b))
    ours = dict(map(tuple, counts(got["histograms"]["sched_latency"])))
    for low in set(lo) | set(hi) | set(ours):
        assert lo.get(low, 0) <= ours.get(low, 0) <= hi.get(low, 0), low
    # Those that were told to end may still be on their way (busy machine); a cleanup or bgsweep that runs counts or not.
    least, most = sorted((a["goroutines"], b["goroutines"]))
    assert least - 2 <= got["scheduler"]["goroutines"] <= most + 2
    name = "/sync/mutex/wait/total:seconds"
    wait = got["scheduler"]["mutex_wait_seconds"]
    if name in a["metrics"]:
        assert ns(a["metrics"][name]) <= ns(wait) <= ns(b["metrics"][name])
    else:
        assert wait is None
    if "/sched/threads/total:threads" in a["metrics"] and not a["metrics"]["/cgo/go-to-c-calls:calls"]:
        assert a["metrics"]["/sched/threads/total:threads"] <= got["scheduler"]["threads"]


def check_metrics(a, got):
    """The twelve are there, and made of the numbers compared before."""
    m = got["metrics"]
    assert len(m) == 12 and all({"kind", "unit", "points"} <= set(v) for v in m.values())

    def value(name):
        return [p["value"] for p in m[name]["points"]]
    mem = got["memory"]
    assert value("go.memory.used") == [mem["stacks_bytes"],
                                       mem["total_bytes"] - mem["released_bytes"] - mem["stacks_bytes"]]
    assert value("go.memory.gc.cycles") == [a["numgc"]] and value("go.processor.limit") == [a["gomaxprocs"]]
    assert value("go.config.gogc") == ([a["gogc"]] if a["gogc"] >= 0 else [])
    limit = a["memory_limit"]
    assert value("go.memory.limit") == ([limit] if limit < 2**63 - 1 else [])
    for name, hist in (("go.schedule.duration", "sched_latency"), ("go.memory.gc.pause.duration", "stw_total_gc")):
        point, = m[name]["points"]
        bounds = [ns(x) for x in point["bounds"]]
        want = [0] * (len(bounds) + 1)
        for low, n in counts(got["histograms"][hist]):
            want[sum(low >= b for b in bounds)] += n
        assert point["counts"] == want and point["count"] == sum(want)


def is_quiet(a, b):
    """Between two reports: the main goroutine's wake-up, the scavenger's and the sweeper's, not goroutines that still end."""
    waits = [sum(n for _, n in r["metrics"]["/sched/latencies:seconds"]) for r in (a, b)]
    return waits[1] - waits[0] <= 12


def agree(t, step):
    t.ask(step)
    for i in range(TRIES):
        a = t.ask()
        got = runtime(t.pid)
        b = t.ask()
        bad = differences(a, got)
        if not bad and is_quiet(a, b):
            check_between(a, got, b)
            check_metrics(a, got)
            return got
        time.sleep(0.01 * 2 ** min(i, 4))
    raise AssertionError((step, bad or "never quiet"))


def run(version, variant, steps, **env):
    with Values(version, variant, **env) as t:
        for step in steps:
            got = agree(t, step)
        assert got["gc"]["last_cycle"]["number"] == got["gc"]["cycles"]
        fds = len(os.listdir(f"/proc/{t.pid}/fd"))
        assert got["process"]["fds"] == fds and got["process"]["threads"] == len(os.listdir(f"/proc/{t.pid}/task"))
        return got


@pytest.mark.parametrize("variant", ["plain", "stripped"])
@pytest.mark.parametrize("version", STANDARD)
def test_agrees(version, variant):
    run(version, variant, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["plain", "stripped", "cgo", "cgostatic", "pie", "piestripped"])
@pytest.mark.parametrize("version", ALL)
def test_agrees_everywhere(version, variant):
    run(version, variant, STEPS, GOMEMLIMIT="100MiB", GOGC="60")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["staticpie", "race"])
@pytest.mark.parametrize("version", ALL)
def test_right_or_refused(version, variant):
    """Builds that few run: the same numbers, or none and a reason."""
    with Values(version, variant) as t:
        out = gs.gs("runtime", "--pid", t.pid, "--json")
    got, = gs.lines(out.stdout)
    if got["error"]:
        assert out.returncode == 1 and got["settings"] is None
    else:
        run(version, variant, STEPS)


@pytest.mark.parametrize("version,env,steps,by", [
    ("1.24.13", {}, ["report"], "default"),
    ("1.24.13", {"GOMAXPROCS": "3"}, ["report"], "environment"),
    ("1.24.13", {"GOMAXPROCS": "junk"}, ["report"], "default"),
    ("1.24.13", {"GOMAXPROCS": "3"}, ["procs 5"], "code"),
    ("1.24.13", {}, ["procs 5"], "code"),
    ("1.27.4", {}, ["report"], "default, CPU limit ignored"),  # its go.mod says 1.18
    ("1.27.4", {"GODEBUG": "containermaxprocs=0,containermaxprocs=1"}, ["report"], "default"),
    ("1.27.4", {"GOMAXPROCS": "7"}, ["report"], "environment"),
    ("1.27.4", {}, ["procs 5"], "code"),
])
def test_who_set_gomaxprocs(version, env, steps, by):
    with Values(version, "stripped", **env) as t:
        for step in steps:
            a = t.ask(step)
        got = runtime(t.pid)["settings"]
        assert got["gomaxprocs"] == a["gomaxprocs"] and got["gomaxprocs_by"] == by
        assert got["gomaxprocs_env"] == env.get("GOMAXPROCS")


def test_stopped_process():
    with Values("1.26.8", "stripped") as t:
        a = t.ask("gc")
        os.kill(t.pid, signal.SIGSTOP)
        try:
            assert not differences(a, runtime(t.pid))
        finally:
            os.kill(t.pid, signal.SIGCONT)


def test_other_namespaces():
    """Its own pid and mount namespaces: found by the host's pid, whatever it is called inside."""
    with Values("1.23.12", "stripped", "unshare", "--pid", "--mount", "--fork", "--mount-proc") as t:
        a = t.ask("gc")
        inner = gs.wait_for(lambda: open(f"/proc/{t.pid}/task/{t.pid}/children").read().split())
        assert a["pid"] == 1 and not differences(a, runtime(int(inner[0])))
        os.kill(int(inner[0]), signal.SIGKILL)


def test_gomaxprocs_changes_meanwhile():
    """Each answer is whole: as many Ps as it says, numbered, or it is refused in words."""
    with Values("1.25.5", "stripped") as t:
        for n in range(2, 14):
            t.p.stdin.write("".join(f"procs {k}\n" for k in (n, 40, 3, n)))
            t.p.stdin.flush()
            out = gs.gs("runtime", "--pid", t.pid, "--json")
            got, = gs.lines(out.stdout)
            if got["error"]:
                assert "self-check" in got["error"] or "changed" in got["error"]
            else:
                assert [p["id"] for p in got["ps"]] == list(range(got["settings"]["gomaxprocs"]))
            for _ in range(4):
                t.line()


def test_text():
    with Values("1.27.4", "stripped", GOMEMLIMIT="64MiB") as t:
        t.ask("gc")
        out = gs.gs("runtime", "--pid", t.pid)
        assert out.returncode == 0, out.stderr
        for words in ("Settings\n", "GOMEMLIMIT                64M\n", "GC\n", "Memory\n", "Scheduler\n", "Ps\n", "CPU time",
                      "Last cycles, stop-the-world\n"):
            assert words in out.stdout
        assert "?" not in out.stdout


def test_nothing_to_show():
    with subprocess.Popen(["sleep", "60"]) as p:
        try:
            assert gs.gs("runtime", "--pid", p.pid, "--json").returncode == 3
        finally:
            p.kill()

# SPDX-License-Identifier: BSD-2-Clause
"""gopherscope on another kernel than this machine's: Debian's 6.1 with pure cgroup v2 (in the long run also v1 beside v2, and
newer kernels). One boot each; the guest only runs things and records, the comparisons are made here."""
import json

import pytest

import gs
import vm

pytestmark = pytest.mark.limit(400)

QUOTA = 0.3
CPUS = 2

# The tracer is started detached and attached by a signal, because it says when that is done: emulated machines differ in speed.
SCRIPT = r"""
[ -d /sys/fs/cgroup/cpu,cpuacct ] && cpu=/sys/fs/cgroup/cpu,cpuacct || cpu=/sys/fs/cgroup
mkdir $cpu/burst
if [ -e $cpu/burst/cpu.max ]; then echo "30000 100000" > $cpu/burst/cpu.max
else echo 100000 > $cpu/burst/cpu.cfs_period_us; echo 30000 > $cpu/burst/cpu.cfs_quota_us; fi
burst() { sh -c 'echo $$ > '$cpu'/burst/cgroup.procs; exec "$@"' sh "$@"; }
# Light work in the group, before and after what is measured: its timer runs, and with it the tracer's own check of the sum.
light() { burst ./burn -n 1 -d 500ms -on 5ms -off 50ms >> out/light.json; sleep 0.5; }
await() { # await WORD FILE: at most 60 s
	i=0
	until grep -q "$1" $2 2>/dev/null; do i=$((i + 1)); [ $i -lt 600 ] || return 1; sleep 0.1; done
}

./gopherscope check > out/check.txt 2>&1
./gopherscope check --json > out/check.json 2>> out/check.txt; echo $? > out/check.status

./gopherscope trace --toggle -o /t/out/trace.jsonl > trace.said 2> out/trace.err &
tracer=$!
await ready trace.said || exit 10
kill -USR1 $tracer
await on trace.said || exit 11
light
cat $cpu/burst/cpu.stat > out/stat.before
./gcload-old -delay 4s -d 4s -force 250ms -rate 20 -every 0 > out/gcload-old.json & a=$!
./gcload-new -delay 4s -d 4s -force 250ms -rate 20 -every 0 > out/gcload-new.json & b=$!
burst ./burn -n 2 -delay 4s -d 4s > out/burn.json & c=$!
wait $a $b $c
light
sleep 1
cat $cpu/burst/cpu.stat > out/stat.after
kill -INT $tracer
wait $tracer; echo $? > out/trace.status

burst ./burn -n 2 -d 30s > /dev/null & a=$!
./gcload-new -force 250ms -every 0 > /dev/null & b=$!
sleep 1
./gopherscope list --json > out/list.json 2> out/list.err; echo $? > out/list.status
./gopherscope top --once --json -w 4 > out/top.json 2> out/top.err; echo $? > out/top.status
kill $a $b
wait $a $b
exit 0
"""

KERNELS = [
    pytest.param(("bookworm", False), id="6.1"),
    pytest.param(("bookworm", True), id="6.1-hybrid", marks=pytest.mark.slow),
    pytest.param(("trixie", False), id="6.12", marks=pytest.mark.slow),
    pytest.param(("trixie-backports", False), id="newest", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=KERNELS)
def guest(request):
    suite, hybrid = request.param
    files = {
        "gopherscope": gs.BIN,
        "gcload-old": gs.fixture("gcload", "1.18.10"),
        "gcload-new": gs.fixture("gcload", "1.27.4"),
        "burn": gs.fixture("burn"),
    }
    try:
        result = vm.run(vm.fetch_kernel(suite), SCRIPT, files, hybrid=hybrid, cpus=CPUS, timeout=240)
    except vm.VmUnavailable as e:
        pytest.skip(str(e))
    assert result.status == 0, result.console + text(result, "trace.err") + text(result, "check.txt")
    print(f"kernel {result.kernel}, {result.seconds:.0f} s")
    return result


def text(result, name):
    return result.files.get(name, b"").decode(errors="replace")


def lines(result, name):
    return gs.lines(text(result, name))


def cpu_stat(result, name):
    d = dict(line.split() for line in text(result, name).splitlines())
    return int(d["throttled_usec"]) / 1e6 if "throttled_usec" in d else int(d["throttled_time"]) / 1e9


def test_every_object_loads(guest):
    assert text(guest, "check.status").strip() == "0", text(guest, "check.txt")
    check = json.loads(text(guest, "check.json"))
    assert check["btf"] and check["can_run"]
    assert check["kernel"] == guest.kernel
    states = {s["name"]: s["state"] for s in check["signals"]}
    assert {"go_gc", "cpu_throttle", "proc_watch"} <= set(states)
    assert set(states.values()) == {"on"}, check["signals"]


def test_trace_ends_well(guest):
    assert text(guest, "trace.status").strip() == "0", text(guest, "trace.err")
    # A process that begins may hit a probe before it is known, or be in a pause when it is attached to; nothing else is missing.
    lost = {(e["signal"], e["reason"]): e["count"] for e in lines(guest, "trace.jsonl") if e["kind"] == "lost"}
    assert lost.pop(("go_gc", "unknown_process"), 0) + lost.pop(("go_gc", "unpaired"), 0) <= 4
    assert not lost


@pytest.mark.parametrize("which", ["old", "new"])
def test_gc_cycles(guest, which):
    """Each cycle that the runtime counted, once, with its two pauses. Lengths only of some: this machine takes a
    processor away from the guest for milliseconds, also between the runtime's clock and our probe."""
    truth = lines(guest, f"gcload-{which}.json")[-1]
    events = [e for e in lines(guest, "trace.jsonl") if e["pid"] == truth["pid"]]
    cycles = [e for e in events if e["kind"] == "gc.cycle"]
    assert truth["kind"] == "final" and truth["num_gc"] >= 10
    assert len(cycles) == truth["num_gc"]
    assert {c["pauses"] for c in cycles} == {2}
    reasons = [e["reason"] for e in events if e["kind"] == "gc.pause" and (e["reason"] or "").startswith("GC ")]
    assert len(reasons) == 2 * truth["num_gc"]
    shares = [c["pause_seconds"] * 1e9 / t for c, t in zip(cycles, truth["pause_ns"])]
    assert sum(0.6 < s < 1.25 for s in shares) >= 3, shares


def test_process_events(guest):
    truth = lines(guest, "gcload-new.json")[-1]
    kinds = [e["kind"] for e in lines(guest, "trace.jsonl") if e["pid"] == truth["pid"]]
    assert kinds.count("process.start") == 1
    assert kinds.count("process.exit") == 1


def test_throttled_time(guest):
    """Intervals, and the records of time that no timer showed, against cpu.stat: 2 %. Intervals alone: most of it, because a
    processor that this machine takes away from the guest for long can hide an end."""
    truth = cpu_stat(guest, "stat.after") - cpu_stat(guest, "stat.before")
    began = lines(guest, "light.json")[1]["unix_nano"]
    ours = [e for e in lines(guest, "trace.jsonl")
            if e["kind"].startswith("cpu.throttle") and (e["owner"]["cgroup"] or "").endswith("/burst")
            and int(e["time_unix_nano"]) >= began]
    intervals = [e for e in ours if e["kind"] == "cpu.throttle"]
    length = sum(e["duration_seconds"] for e in intervals)
    missed = sum(e["missed_seconds"] for e in ours if e["kind"] == "cpu.throttle_missed")
    assert truth > 1
    assert length + missed == pytest.approx(truth, rel=0.02)
    assert length == pytest.approx(truth, rel=0.1)
    assert {e["cpu"] for e in intervals} <= set(range(CPUS))


def test_list(guest):
    assert text(guest, "list.status").strip() == "0", text(guest, "list.err")
    found = lines(guest, "list.json")
    assert {p["comm"] for p in found} >= {"burn", "gcload-new"}
    assert {p["go_version"].removeprefix("go") for p in found if p["comm"] == "gcload-new"} == {"1.27.4"}


def test_top(guest):
    """One window: the burning container is throttled, the other process collects."""
    assert text(guest, "top.status").strip() == "0", text(guest, "top.err")
    snapshot = lines(guest, "top.json")[-1]
    burst = [c for c in snapshot["containers"] if (c["owner"]["cgroup"] or "").endswith("/burst")]
    assert len(burst) == 1
    assert burst[0]["cpu"]["limit_cpus"] == pytest.approx(QUOTA)
    assert burst[0]["cpu"]["throttle"]["ratio"] > 0.3
    assert sum(c["gc"]["cycles"] or 0 for c in snapshot["containers"]) >= 8

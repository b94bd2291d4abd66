# SPDX-License-Identifier: BSD-2-Clause
"""Processes are found, named and attributed by themselves, whoever started first and however deep they sit."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from gs import BIN, Cgroup, Started, Trace, fixture, gs, lines, wait_for


def listed(pid, *args):
    return next((p for p in lines(gs("list", "--json", *args).stdout) if p["pid"] == pid), None)


@pytest.mark.parametrize("version,variant", [("1.18.10", "stripped"), ("1.22.12", "plain"), ("1.26.8", "pie"),
                                             ("1.27.4", "stripped"), ("1.24.13", "cgo")])
def test_list(version, variant):
    with Started(fixture("gcload", version, variant), "-rate", 0) as load:
        load.line()
        p = listed(load.pid)
    assert p["schema"] == "gopherscope.process/1"
    assert p["go_version"] == f"go{version}"
    assert p["stripped"] == (variant == "stripped")
    assert p["pie"] == (variant == "pie")
    assert p["cgo"] == (variant == "cgo")
    assert p["module"] == "gcload"
    assert p["signals"]["go_gc"]["state"] == "on"
    runtime = p["signals"]["go_runtime"]
    assert runtime["state"] == "on" and runtime["via"] == ("table, code refs" if variant == "stripped" else "DWARF, symbol table")


def test_started_later_appears_in_time():
    """Within 200 ms of being 100 ms old: 300 ms after its start, with its first cycles counted."""
    with Trace() as trace:
        with Started(fixture("gcload"), "-rate", 0, "-live", 0, "-every", 0, "-delay", "400ms", "-force", "50ms") as load:
            start = load.line()
            time.sleep(2)
            final = load.end()[-1]
        time.sleep(0.3)
        events = [e for e in trace.stop() if e.get("pid") == load.pid]
    kinds = [e["kind"] for e in events]
    assert kinds.count("process.start") == 1 and kinds.count("process.exit") == 1
    # Nothing was missed although the first forced cycle came 450 ms after the start.
    assert kinds.count("gc.cycle") == final["num_gc"] - start["num_gc"] > 20


def test_exit_code():
    with Trace() as trace:
        with Started(fixture("gcload"), "-rate", 0) as load:
            load.line()
            time.sleep(0.5)
            load.p.send_signal(signal.SIGKILL)
            load.p.wait()
        time.sleep(0.3)
        ends = [e for e in trace.stop() if e["kind"] == "process.exit" and e["pid"] == load.pid]
    assert len(ends) == 1
    assert ends[0]["signal"] == signal.SIGKILL


def test_short_lived_are_not_attached():
    """A Go process that ends at once (runc, exec probes) is counted, never attached."""
    path = fixture("hello")
    with Trace() as trace:
        pids = []
        for _ in range(20):
            p = subprocess.Popen([path], stdout=subprocess.DEVNULL)
            pids.append(p.pid)
            p.wait()
        time.sleep(0.5)
        events = trace.stop(codes=(0, 3))  # 3: nothing was there to observe
    assert not [e for e in events if e["kind"] == "process.start" and e["pid"] in pids]


def test_deleted_binary(tmp_path):
    """The file is gone, /proc/PID/exe still leads to it."""
    import shutil
    path = tmp_path / "gone"
    shutil.copy(fixture("gcload"), path)
    with Started(path, "-rate", 0, "-live", 0, "-every", 0, "-force", "50ms", "-delay", "2s") as load:
        load.line()
        path.unlink()
        with Trace("-p", load.pid) as trace:
            time.sleep(4)
            cycles = [e for e in trace.stop() if e["kind"] == "gc.cycle"]
    assert len(cycles) > 20


def test_two_pid_namespaces_deep():
    """The tracer in the outer namespace names the process by its outer pid."""
    path = fixture("gcload")
    inner = f"exec unshare --pid --fork --mount-proc {path} -rate 0 -live 0 -every 0 -force 50ms -delay 2s"
    with Started("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", inner) as outer:
        assert outer.line()["pid"] == 1  # in its own namespace

        def target():
            return next((p for p in lines(gs("list", "--json").stdout) if p["exe"] == path), None)
        pid = wait_for(target)["pid"]
        nspid = next(x for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("NSpid:"))
        assert len(nspid.split()) == 4  # this one and two more
        with Trace("-p", pid) as trace:
            time.sleep(3)
            events = trace.stop()
        os.kill(pid, signal.SIGTERM)
        outer.wait()
    assert len([e for e in events if e["kind"] == "gc.cycle" and e["pid"] == pid]) > 15


def test_tracer_in_a_nested_pid_namespace():
    """On a nested node the kernel's pids are not those of the procfs that the tracer reads."""
    path = fixture("gcload")
    script = (f"{path} -rate 0 -live 0 -every 0 -force 50ms -delay 1500ms > /dev/null & pid=$!; "
              f"{BIN} trace -d 3 -o -; kill $pid; wait $pid; echo \"{{\\\"inner\\\":$pid}}\"")
    r = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60)
    events = lines(r.stdout)
    inner = events[-1]["inner"]
    cycles = [e for e in events if e.get("kind") == "gc.cycle"]
    assert len(cycles) > 15, r.stderr
    assert {e["pid"] for e in cycles} == {inner}


def test_snapshot_of_a_limited_cgroup():
    """The demo in small: GOMAXPROCS 4 under 0.3 CPU; top's numbers against the program's and the kernel's own."""
    with Cgroup("gs-test-top", cpus=0.3) as g:
        with Started(fixture("gcload", "1.26.8", "plain"), "-rate", 400, "-live", 8, "-procs", 4, "-every", 0,
                     cgroup=[g.dir]) as load:
            load.line()
            time.sleep(1)
            r = gs("top", "--once", "--json", "-w", "5", "-p", load.pid)
            final = load.end()[-1]
    assert r.returncode == 0, r.stderr
    s = lines(r.stdout)[0]
    assert s["schema"] == "gopherscope.snapshot/1"
    c = s["containers"][0]
    assert [p["pid"] for p in c["processes"]] == [load.pid]
    assert c["processes"][0]["gomaxprocs"] == 4
    assert c["cpu"]["limit_cpus"] == pytest.approx(0.3)
    assert c["gc"]["gogc"] == 100 and c["gc"]["memory_limit_bytes"] == -1
    assert 0 < c["gc"]["cycles"] <= final["num_gc"]
    assert c["gc"]["cycles_total"] <= final["num_gc"]
    t = c["cpu"]["throttle"]
    assert 0 < t["union_seconds"] <= s["window_seconds"]
    assert t["union_seconds"] <= t["cpu_seconds"] + 1e-6
    # The kernel charges an interval when it ends, we clip it to the window: one period a CPU at each edge.
    assert t["kernel_cpu_seconds"] == pytest.approx(t["cpu_seconds"], abs=2 * 0.1 * os.cpu_count() + 0.02 * t["cpu_seconds"])
    assert c["cpu"]["usage_seconds"] == pytest.approx(0.3 * s["window_seconds"], rel=0.15)
    ids = [v["id"] for v in c["verdicts"]]
    assert ids[0] == "throttled"
    assert s["agent"]["lost"] == {} or all(not r for r in s["agent"]["lost"].values())


def test_why():
    with Cgroup("gs-test-why", cpus=0.3) as g:
        with Started(fixture("gcload", "1.26.8", "plain"), "-rate", 400, "-live", 8, "-procs", 4, "-every", 0,
                     cgroup=[g.dir]) as load:
            load.line()
            r = gs("why", load.pid, "-w", "3")
            j = lines(gs("why", load.pid, "-w", "3", "--json").stdout)
    assert r.returncode == 0, r.stderr
    assert "Held by its CPU limit" in r.stdout and "DO " in r.stdout and "SEEN" in r.stdout
    assert j[0]["containers"][0]["verdicts"][0]["evidence"]


def test_why_names_the_choices():
    a, b = fixture("gcload"), fixture("burn")
    with Started(a, "-rate", 0) as x, Started(b, "-n", 1, "-d", "20s", "-on", "1ms", "-off", "50ms") as y:
        x.line(), y.line()
        r = gs("why", "-w", "1", "g*")
        assert r.returncode == 0
        r = gs("why", "-w", "1", "no-such-pod")
        assert r.returncode == 3 and "no Go process matches 'no-such-pod'" in r.stderr

# SPDX-License-Identifier: BSD-2-Clause
"""Goroutine windows are safe: they open and close under load, while the program is killed, replaced, forks or is traced by two;
its own checked work stays right, the tracer keeps its size, the kernel keeps nothing. And they stay inside of their budget."""
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from gs import BIN, Cgroup, Started, Trace, fixture, gs, lines, wait_for
from terminal import Terminal

ONLY = "-cpu_sched,-net_tcp,-net_dns,+go_sched"
WINDOWS = ("--signals", ONLY)
FREE = (*WINDOWS, "--max-overhead", "none")
SHORT_AND_LONG = [pytest.param(False, id="short"), pytest.param(True, id="long", marks=[pytest.mark.slow, pytest.mark.limit(900)])]


class Program(Started):
    """A fixture that takes commands and checks its own work."""

    def __init__(self, *args, name="schedload", exe=None, **kw):
        super().__init__(exe or fixture(name), *args, stdin=subprocess.PIPE, **kw)
        self.line()

    def tell(self, cmd):
        self.p.stdin.write(cmd + "\n")
        self.p.stdin.flush()

    def answer(self):
        """What it did; fails if it has found a fault in its own work."""
        answer = self.line()
        assert not answer["error"], answer
        return answer

    def check(self, ms=200):
        """It lives, and works as it should."""
        self.tell(f"run {ms}")
        assert self.answer()["ops"]["echo"] > 0

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def windows_of(events, pid=None):
    return [e for e in events if e["kind"] == "sched.window" and pid in (None, e["pid"])]


def wait_for_window(trace, pid):
    """Until events of a window on the process are in the file, which has another name while it is written."""
    def seen():
        return any('"sched.run"' in line and f'"pid":{pid},' in line
                   for f in trace.path.parent.iterdir() for line in f.read_text().splitlines())
    wait_for(seen, 15)


def bpf_ids(of):
    out = subprocess.run(["bpftool", "-j", of, "show"], stdout=subprocess.PIPE, text=True, check=True,
                         env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    return {x["id"] for x in json.loads(out.stdout or "[]")}


def held_by(pid):
    """BPF programs and links that a process holds: ("prog" or "link", id)."""
    found = set()
    for fd in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = fd.read_text()
        except OSError:
            continue
        is_link = re.search(r"^link_id:\t(\d+)$", text, re.M)
        prog = re.search(r"^prog_id:\t(\d+)$", text, re.M)
        found |= {("link", int(is_link[1]))} if is_link else {("prog", int(prog[1]))} if prog else set()
    return found


def check_nothing_left(held):
    """The kernel has none of these any more; it frees them a moment after their last holder has ended."""
    assert held
    wait_for(lambda: not held & ({("prog", i) for i in bpf_ids("prog")} | {("link", i) for i in bpf_ids("link")}))


def size_of(pid):
    """Resident KiB and descriptors."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]), len(os.listdir(f"/proc/{pid}/fd"))


def check_receipt(w):
    assert w["hits"] == sum(w["hits_by_kind"].values()) and w["cost_seconds"] > 0, w
    assert w["complete"] == (not any(w["lost"].values())), w


# ---- open and close, again and again


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_tracers_come_and_go(long):
    with Program() as prog:
        hits = []
        for _ in range(200 if long else 4):
            prog.tell("run 1500")  # longer than the tracer takes to begin
            r = gs("trace", "-p", prog.pid, *FREE, "-d", "0.3", "-o", "-")
            assert r.returncode == 0, r.stderr
            (w,) = windows_of(lines(r.stdout))
            check_receipt(w)
            assert w["end"] == "stop", w
            hits.append(w["hits"])
            prog.answer()
        prog.check()
    assert sum(n > 1000 for n in hits) > len(hits) / 2, hits  # a busy machine may make some of them short


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_windows_come_and_go(long):
    """One tracer whose windows end by the budget: it does not grow, and keeps no descriptor of a window."""
    rounds, sizes = 200 if long else 12, []
    with Program() as prog, Trace("-p", prog.pid, *WINDOWS, "--max-overhead", "1%", duration=800) as trace:
        for _ in range(rounds):
            prog.tell("run 400")
            prog.answer()
            sizes.append(size_of(trace.pid))
        held = held_by(trace.pid)
        windows = windows_of(trace.stop())
    print(len(windows), "windows; KiB, descriptors:", sizes[0], sizes[len(sizes) // 2], sizes[-1])
    check_nothing_left(held)
    assert len(windows) >= rounds / 10, windows
    for w in windows:
        check_receipt(w)
    assert {w["end"] for w in windows[:-1]} == {"budget"}
    half = len(sizes) // 2
    early, late = sizes[half // 2:half], sizes[half:]  # the first windows fill its tables
    # open windows hold a ring and links; the least of each half is one without
    assert min(d for _, d in late) <= min(d for _, d in early) and max(d for _, d in late) <= max(d for _, d in early) + 8, sizes
    assert min(k for k, _ in late) <= min(k for k, _ in early) + 4096, sizes


# ---- the program ends or changes


def kill_in_window(rng):
    with Program(stderr=subprocess.DEVNULL) as prog:  # SIGQUIT prints its goroutines
        prog.tell("run 5000")
        with Trace("-p", prog.pid, *FREE) as trace:
            time.sleep(rng.uniform(0, 0.5))
            held = held_by(trace.pid)
            prog.p.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGQUIT]))
            prog.p.wait()
            time.sleep(rng.uniform(0, 0.2))
            assert trace.p.poll() is None  # it records until its time is over
            windows = windows_of(trace.stop())
    check_nothing_left(held)
    # "stop": we ended before the kernel had told us of its end
    assert len(windows) <= 1 and all(w["end"] in ("gone", "stop") for w in windows), windows
    for w in windows:
        assert w["hits"] == sum(w["hits_by_kind"].values()) and w["complete"], w
    return [w["end"] for w in windows]


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_killed_program(long):
    cnt, rng = 100 if long else 5, random.Random(6)
    ends = [end for _ in range(cnt) for end in kill_in_window(rng)]
    assert len(ends) > cnt / 3 and ends.count("gone") >= ends.count("stop"), ends


def test_killed_tracer():
    """The kernel takes the probes out of the program, which does not notice."""
    with Program() as prog:
        for _ in range(2):
            prog.tell("run 2000")
            with Trace("-p", prog.pid, *FREE) as trace:
                wait_for_window(trace, prog.pid)
                held = held_by(trace.pid)
                trace.p.kill()
                trace.p.wait()
            check_nothing_left(held)
            prog.answer()
        prog.check()


def copy_in_place(source, app):
    with open(source, "rb") as old, open(app, "wb") as new:
        shutil.copyfileobj(old, new)


@pytest.mark.parametrize("way", ["moved", "in place"])
def test_replaced_program(tmp_path, way):
    """A new executable in the place of the one that runs in a window: the old process goes on, the new one is right."""
    app, versions = tmp_path / "app", [fixture("schedload", v) for v in ("1.26.8", "1.22.12", "1.27.4")]
    with Trace(*WINDOWS) as trace:
        shutil.copy(versions[0], app)
        pids = []
        for i in range(2):
            with Program(exe=app) as prog:
                prog.tell("run 2000")
                pids.append(prog.pid)
                if i % 2 == 0:
                    wait_for_window(trace, prog.pid)
                else:
                    time.sleep(random.uniform(0, 0.3))  # while its probes come
                if way == "moved":
                    shutil.copy(versions[(i + 1) % 3], tmp_path / "new")
                    os.rename(tmp_path / "new", app)
                    with Program(exe=app) as new:
                        new.check()
                else:
                    with pytest.raises(OSError) as e:
                        copy_in_place(versions[(i + 1) % 3], app)
                    assert e.value.errno == errno.ETXTBSY
                prog.answer()
                prog.p.stdin.close()
                assert prog.p.wait(10) == 0
            if way == "in place":
                began = time.time()
                copy_in_place(versions[(i + 1) % 3], app)
                assert time.time() - began < 2
        events = trace.stop()
    assert windows_of(events, pids[0])
    for pid in pids:
        for w in windows_of(events, pid):
            check_receipt(w)


# ---- others


def test_two_tracers():
    """Each has a whole window, and both count the same."""
    with Program() as prog:
        with Trace("-p", prog.pid, *FREE) as one, Trace("-p", prog.pid, *FREE) as two:
            time.sleep(0.5)  # both windows are open
            prog.tell("run 1000")
            answer = prog.answer()
            time.sleep(0.3)
            windows = [windows_of(t.stop()) for t in (one, two)]
    (a,), (b,) = windows
    check_receipt(a), check_receipt(b)
    assert a["complete"] and b["complete"]
    cnts = [w["hits_by_kind"]["new"] for w in (a, b)]
    assert min(cnts) >= sum(answer["started"].values())
    for kind, n in a["hits_by_kind"].items():
        # the second one to stop sees more of what lies around the run
        assert abs(n - b["hits_by_kind"][kind]) <= max(50, n // 100), (kind, a, b)


def test_children():
    """A fork has the probes' pages until it executes; what its children do is not in the window."""
    with Program("-children", "20ms") as prog, Trace("-p", prog.pid, *FREE) as trace:
        time.sleep(0.5)
        prog.tell("run 1500")
        answer = prog.answer()
        time.sleep(0.3)
        events = trace.stop()
    (w,) = windows_of(events)
    check_receipt(w)
    assert answer["ops"]["child"] > 10 and w["complete"], (answer, w)
    assert w["late"] < max(50, w["hits"] // 20), w
    assert {e["pid"] for e in events if e["kind"].startswith("sched.")} == {prog.pid}


def test_other_process_of_the_file():
    """The kernel's filter: a process that works hard has no hit where a sleeping one of the same file has the window."""
    with Program() as asleep, Program() as busy, Trace("-p", asleep.pid, *FREE) as trace:
        time.sleep(0.5)
        busy.tell("run 1500")
        answer = busy.answer()
        events = trace.stop()
    (w,) = windows_of(events)
    done = sum(answer["started"].values())
    print(f"{w['hits']} hits, {w['late']} late, while the other one started {done} goroutines")
    assert done > 1000 and w["hits"] < 200 and w["late"] < 200, (done, w)


# ---- the budget


def test_budget_is_kept():
    with Program() as prog:
        prog.tell("run 6500")
        time.sleep(0.2)
        with Trace("-p", prog.pid, *WINDOWS, "--max-overhead", "0.5%") as trace:
            began, before = time.time(), prog.cpu_seconds()
            time.sleep(5)
            seconds, used = time.time() - began, prog.cpu_seconds() - before
            windows = windows_of(trace.stop())
        prog.answer()
    cost, rate = sum(w["cost_seconds"] for w in windows), used / seconds
    print(f"{len(windows)} windows cost {cost:.4f} s of {used:.2f} s CPU in {seconds:.1f} s: {100 * cost / used:.3f} %")
    assert windows and "budget" in {w["end"] for w in windows}
    # earned in the time, and what it begins with; a window is seen to be too dear some ms late, and has late hits
    assert 0 < cost <= 0.005 * (used + 10 * rate) * 1.3, windows


def test_no_budget_at_all():
    r = gs("trace", "-p", os.getpid(), *WINDOWS, "--max-overhead", "0", "-d", "1", "-o", "-")
    assert r.returncode == 2 and "--max-overhead 0 allows no optional probe" in r.stderr, r.stderr


def test_budget_in_json():
    with Program() as prog:
        prog.tell("run 4000")
        with Started(BIN, "top", "--json", "-p", prog.pid, *WINDOWS, "-w", "10s", "-d", "4") as top:
            snapshots = top.wait()
    c = snapshots[-1]["containers"][0]
    o, w = c["overhead"], c["sched"]["window"]
    assert w["windows"] > 0 and w["hits"] > 0 and w["cost_seconds"] > 0, w
    assert o["max_ratio"] == 0.005 and o["off"] == [] and o["go_sched"] > 0, o
    assert c["cost_ratio"] > 0, c
    # between windows, while it is busy: then it is known when the next one comes
    seen = [x["containers"][0]["overhead"] for x in snapshots if x["containers"]]
    assert any(x["waiting"] == 1 and x["next_seconds"] is not None for x in seen), seen


def trigger(after, *args):
    with Program(*args) as prog, Trace("-p", prog.pid, *FREE, "--sched-trigger", after) as trace:
        prog.tell("run 2500")
        prog.answer()
        return windows_of(trace.stop())


def test_trigger():
    assert not trigger("2s", "-cpu", 0)
    windows = trigger("1ms", "-cpu", 6)  # three times as many as Ps
    assert windows
    for w in windows:
        check_receipt(w)


def test_at_quota():
    """A program that its limit holds is not made slower, unless asked for."""
    with Cgroup("gs-test-windows", cpus=0.1) as g, Program(cgroup=[g.dir]) as prog:
        prog.tell("run 12000")
        time.sleep(1)
        with Trace("-p", prog.pid, *FREE) as held:
            time.sleep(2.5)
            held.p.send_signal(signal.SIGINT)
            _, said = held.p.communicate(timeout=30)
            assert not windows_of(lines(held.path.read_text()))
        assert f"(pid {prog.pid}): its CPU limit holds it now" in "".join(held.said) + said
        with Trace("-p", prog.pid, *FREE, "--at-quota") as asked:
            time.sleep(2)
            windows = windows_of(asked.stop())
        assert g.stat()[1] > 10
        prog.p.kill()
        prog.p.wait()
    assert len(windows) == 1 and windows[0]["hits"] > 10, windows


def test_stopped_tracer():
    """Ctrl-Z closes the window first; when we go on, the next one opens."""
    with Program() as prog, Trace("-p", prog.pid, *FREE) as trace:
        prog.tell("run 6000")
        wait_for_window(trace, prog.pid)
        trace.p.send_signal(signal.SIGTSTP)
        time.sleep(1)
        trace.p.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        windows = windows_of(trace.stop())
        prog.answer()
    assert len(windows) == 2 and [w["end"] for w in windows] == ["stop", "stop"], windows


def test_limit_in_a_window():
    """A window that is open when the limit begins to hold its program ends by that, not by its length of 10 s."""
    with Cgroup("gs-test-windows", cpus=0.1) as g, Program(cgroup=[g.dir]) as prog, Trace("-p", prog.pid, *FREE) as trace:
        time.sleep(2.5)  # it is idle: the window opens
        prog.tell("run 12000")
        time.sleep(3.5)
        windows = windows_of(trace.stop())
        prog.p.kill()
        prog.p.wait()
    assert [w["end"] for w in windows] == ["quota"] and 1 < windows[0]["duration_seconds"] < 6, windows


def test_assists_over_budget(tmp_path):
    """Probes that are on all the time are off where they cost more than allowed; the program goes on. A limit slows it down:
    more than 50,000 hits a second are a storm, which ends them at once and for good."""
    said = tmp_path / "said"
    with Cgroup("gs-test-assists", cpus=0.2) as g, Program(name="assist", cgroup=[g.dir]) as prog, open(said, "w") as err, \
            Started(BIN, "top", "--json", "-p", prog.pid, "--signals", "+go_assist", "--max-overhead", "0.01%", "-d", "5",
                    stderr=err) as top:
        top.line()
        prog.tell("run 4000")
        snapshots = top.wait()
        prog.answer()
    assert f"(pid {prog.pid}): it cost " in said.read_text() and "go_assist off for" in said.read_text(), said.read_text()
    o = snapshots[-1]["containers"][0]["overhead"]
    assert o["off"] == ["go_assist"], o


# ---- the view


def test_key_s():
    with Program() as prog:
        prog.tell("run 8000")
        t = Terminal([str(BIN), "top", "-p", str(prog.pid), "--max-overhead", "none"], 140, 50)
        try:
            t.wait_for("gopherscope  ", 10)
            time.sleep(2.5)  # its CPU and switches are known
            t.read(0.2)
            t.keys("s")
            t.wait_for("% of its CPU for 2 s, y/n", 5)
            t.keys("y")
            t.keys("\r4")
            t.wait_for("open now", 5)
            t.read(2.5)
            text = t.text()
        finally:
            t.close()
        prog.answer()
    assert "main.fanOut" in text and re.search(r"main\.(worker|producer|askConn)", text), text


@pytest.mark.parametrize("args,why", [
    pytest.param([], "--max-overhead does not cover one yet", id="idle"),
    pytest.param(["--max-overhead", "none", "--sched-trigger", "5s"], "did not reach --sched-trigger", id="trigger")])
def test_no_window_is_explained(tmp_path, args, why):
    with Program() as prog:
        r = gs("trace", "-p", prog.pid, *WINDOWS, *args, "-d", 2, "-o", tmp_path / "t.jsonl")
    assert r.returncode == 0 and f"(pid {prog.pid}): " in r.stderr and why in r.stderr, r.stderr
    assert "sched." not in (tmp_path / "t.jsonl").read_text()

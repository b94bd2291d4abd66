# SPDX-License-Identifier: BSD-2-Clause
"""gctrace and schedtrace against what the same run of the program prints itself with GODEBUG: line by line, digit by digit."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import gs as gs_module
from gs import BIN, fixture, gs, wait_for

ATTACH = 1.2  # seconds that the fixture waits before its first cycle
FIVE = [("1.18.10", "plain"), ("1.21.13", "stripped"), ("1.22.12", "plain"), ("1.26.8", "stripped"), ("1.27.4", "plain")]
TEN = [(v, variant) for v in ("1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.5",
                              "1.26.8", "1.27.4") for variant in ("plain", "stripped")]
FAST = ("-rate", 300, "-live", 1)  # some 80 cheap cycles a second here, alone on two CPUs
ENOUGH = 210  # cycles
NO_PROBES = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin"]


class Program:
    """A fixture with GODEBUG; what it prints of itself goes to a file."""

    def __init__(self, tmp_path, argv, debug="gctrace=1", **env):
        self.path = tmp_path / "own.txt"
        with open(self.path, "w") as own:
            self.p = subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL, stderr=own,
                                      env={**os.environ, "GODEBUG": debug, **env})
        self.pid = self.p.pid

    def lines(self, head="gc "):
        return [x for x in self.path.read_text().splitlines() if x.startswith(head)]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()


def load(version, variant, *args, seconds=4):
    return [fixture("gcload", version, variant), "-every", 0, "-delay", f"{ATTACH}s", "-d", f"{seconds}s", *args]


def own_signals():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Tool:
    """A command of ours that runs until the program has ended; its lines."""

    def __init__(self, *argv, prefix=()):
        self.p = subprocess.Popen([*prefix, BIN, *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, preexec_fn=own_signals)

    def lines(self, stop=False, timeout=20):
        """By itself where its target ends; stop: by Ctrl-C."""
        if stop:
            self.p.send_signal(signal.SIGINT)
        out, self.err = self.p.communicate(timeout=timeout)
        assert self.p.returncode == 0, self.err
        return out.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()
        self.p.communicate()


def traced(tmp_path, argv, *options, debug="gctrace=1", prefix=(), enough=None, **env):
    """The program's own lines, ours, and what we said besides. enough: ends it after so many cycles."""
    with Program(tmp_path, argv, debug, **env) as program:
        with Tool("gctrace", program.pid, *options, prefix=prefix) as tool:
            if enough:
                wait_for(lambda: len(program.lines()) >= enough, timeout=20)
                program.p.terminate()
            program.p.wait(timeout=60)
            return program.lines(), tool.lines(), tool.err


def stacks_removed(line):
    """1.19 prints a counter that moves on between our copy and its line (gcController.maxStackScan)."""
    return re.sub(r"\d+ MB stacks", "MB stacks", line)


def same(version, own, ours):
    if version.startswith("1.19"):
        own, ours = list(map(stacks_removed, own)), list(map(stacks_removed, ours))
    # The world goes on between our copy and the program's line: it may end there.
    assert 0 <= len(ours) - len(own) <= 1
    assert ours[:len(own)] == own


def numbers(lines):
    return [int(x.split()[1]) for x in lines]


def check_version(tmp_path, version, variant):
    """More than 200 cycles, each of them, each digit; 80 a second where the machine is free, never less than 20."""
    began = time.time()
    own, ours, said = traced(tmp_path, load(version, variant, *FAST, seconds=60), enough=ENOUGH)
    assert said == ""
    assert numbers(own) == list(range(1, len(own) + 1))
    same(version, own, ours)
    assert len(own) / (time.time() - began - ATTACH) >= 20


@pytest.mark.parametrize("version,variant", FIVE)
def test_lines(tmp_path, version, variant):
    check_version(tmp_path, version, variant)


@pytest.mark.slow
@pytest.mark.parametrize("version,variant", [x for x in TEN if x not in FIVE])
def test_lines_of_all(tmp_path, version, variant):
    check_version(tmp_path, version, variant)


def test_fifty_a_second(tmp_path):
    """Forced cycles, back to back: 50 a second and more, by the program's own clock."""
    own, ours, said = traced(tmp_path, load("1.26.8", "plain", "-rate", 0, "-live", 0, "-force", "8ms", seconds=60),
                             enough=ENOUGH)
    assert said == ""
    assert all(x.endswith("(forced)") for x in own)
    same("1.26.8", own, ours)
    first, last = (float(re.search(r"@([\d.]+)s", x).group(1)) for x in (own[0], own[-1]))
    assert (len(own) - 1) / (last - first) >= 50


@pytest.mark.parametrize("version", ["1.20.14", "1.27.4"])
def test_memory_limit_alone(tmp_path, version):
    """GOGC off: the goal is the memory limit's; heap and forced cycles mixed."""
    own, ours, said = traced(tmp_path, load(version, "stripped", "-rate", 200, "-live", 8, "-force", "300ms", seconds=2),
                             GOGC="off", GOMEMLIMIT="24MiB")
    assert said == ""
    assert len(own) > 20 and 0 < sum("forced" in x for x in own) < len(own)
    same(version, own, ours)


def test_a_process_that_execs(tmp_path):
    """The same pid, another program: counted anew, and no cycle of either is missing."""
    argv = [fixture("gcexec", "1.24.13", "plain"), f"{ATTACH}s", 40, *load("1.21.13", "stripped", *FAST, seconds=1)]
    own, ours, _ = traced(tmp_path, argv)
    assert numbers(own[:41]) == [*range(1, 41), 1]
    assert len(own) > 50
    same("1.24.13", own, ours)


def test_json(tmp_path):
    """The same cycles as objects; the line can be made from each."""
    own, ours, _ = traced(tmp_path, load("1.26.8", "plain", *FAST, seconds=1), "--json")
    ours = [json.loads(x) for x in ours]
    assert [x["number"] for x in ours] == numbers(own) and len(own) > 15
    for text, cycle in zip(own, ours):
        assert cycle["schema"] == "gopherscope.gctrace/1"
        before, after, live = map(int, re.search(r"(\d+)->(\d+)->(\d+) MB", text).groups())
        assert [cycle[f"heap_{k}_bytes"] >> 20 for k in ("before", "after", "live")] == [before, after, live]
        assert int(cycle["cpu_ratio"] * 100) == int(re.search(r"(\d+)%", text).group(1))
        assert f"@{int(cycle['since_start_seconds'] * 1000) / 1000:.3f}s" in text
        assert cycle["forced"] == text.endswith("(forced)")


def test_several_by_a_pattern(tmp_path):
    """Each line names its process; one that starts later is followed from its first cycle on."""
    copy = tmp_path / "gs-many"
    shutil.copy(fixture("gcload", "1.26.8", "plain"), copy)
    argv = [copy, "-every", 0, "-delay", f"{ATTACH}s", "-rate", 0, "-live", 0, "-force", "50ms"]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Program(tmp_path / "a", [*argv, "-d", "3s"]) as a, Tool("gctrace", "gs-many*") as tool:
        time.sleep(0.7)
        with Program(tmp_path / "b", [*argv, "-d", "1s"]) as b:
            for p in (a, b):
                p.p.wait(timeout=30)
            time.sleep(0.4)
            lines = tool.lines(stop=True)
            for p in (a, b):
                mark = f" {p.pid}: "
                assert [x.split(mark, 1)[1] for x in lines if mark in x] == p.lines()
                assert len(p.lines()) > 10
            assert all(x.split(":")[0].startswith("host/") for x in lines)


LEAK_WORDS = " (checking for goroutine leaks)"


@pytest.mark.parametrize("polled", [False, True])
def test_leak_cycles(tmp_path, polled):
    """Cycles that look for leaked goroutines (the profile of that name, 1.27) have words of their own. Whoever reads
    the runtime afterwards cannot tell: the line is the same without them, and JSON says null."""
    prefix = NO_PROBES if polled else ()
    own = tmp_path / "own.txt"
    with open(own, "w") as err, gs_module.Started(fixture("census", "1.27.4", "plain"), stdin=subprocess.PIPE, stderr=err,
                                                  env={**os.environ, "GODEBUG": "gctrace=1"}) as program:
        program.line()
        with Tool("gctrace", program.pid, prefix=prefix) as text, Tool("gctrace", program.pid, "--json", prefix=prefix) as js:
            time.sleep(ATTACH)
            before = len(own.read_text().splitlines())
            for word in ("gc", "leaks", "leaks", "gc", "leaks", "gc"):
                program.p.stdin.write(word + "\n")
                program.p.stdin.flush()
                program.line()
                time.sleep(0.1)
            own = own.read_text().splitlines()[before:]
            program.p.stdin.close()
            program.p.kill()
            ours, objects = text.lines(), [json.loads(x) for x in js.lines()]
    assert [LEAK_WORDS in x for x in own].count(True) == 3 and len(own) >= 6
    assert ours == [x.replace(LEAK_WORDS, "") for x in own] if polled else ours == own
    assert [x["leak_check"] for x in objects] == [None if polled else LEAK_WORDS in x for x in own]


@pytest.mark.parametrize("version,variant", [("1.18.10", "stripped"), ("1.19.13", "plain")])
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_polled_lines_of_old_versions(tmp_path, version, variant):
    """1.18 keeps what it prints for the goal elsewhere, 1.19 what it prints for the stacks."""
    own, ours, said = traced(tmp_path, load(version, variant, "-rate", 24, "-live", 12, "-goroutines", 1500, seconds=3),
                             prefix=NO_PROBES)
    assert "read every 10 ms instead" in said
    assert len(own) >= 4 and abs(len(own) - len(ours)) <= 1
    assert max(int(re.search(r"(\d+) MB stacks", x).group(1)) for x in own) >= 2
    numbered = {x.split()[1]: x for x in own}  # one that is over before the next look is missed, and told
    ours = [x for x in ours if x.split()[1] in numbered]  # and it may end between our look and its line
    own = [numbered[x.split()[1]] for x in ours]
    same(version, own, ours)
    if version.startswith("1.19"):  # 8 KB of a P's own count move later: at most 1 MB in the line
        mb = [[int(re.search(r"(\d+) MB stacks", x).group(1)) for x in lines] for lines in (own, ours)]
        assert all(abs(a - b) <= 1 for a, b in zip(*mb))


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_polled_without_the_right_to_probe(tmp_path):
    """Every 10 ms by passive reads: says so, tells what it saw, and counts what it did not."""
    own, ours, said = traced(tmp_path, load("1.26.8", "plain", "-rate", 0, "-live", 0, "-force", "100ms", seconds=2),
                             prefix=NO_PROBES)
    assert "CAP_BPF" in said and "read every 10 ms instead" in said
    assert ours == own and len(own) > 12
    own, ours, said = traced(tmp_path, load("1.26.8", "plain", "-rate", 0, "-live", 0, "-force", "3ms", seconds=1),
                             prefix=NO_PROBES)
    assert set(ours) <= set(own)
    missed = int(re.search(r"(\d+) cycles were missed", said).group(1))
    # The last ones may end with the process, before they are read.
    assert 0 < missed and len(own) - 20 <= len(ours) + missed <= len(own)


# ---- schedtrace ------------------------------------------------------------------------------------------------------

def fields(line):
    """A line's numbers by name; lists of them for the queues and ticks."""
    d = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
    lists = [list(map(int, x.split())) for x in re.findall(r"\[([\d ]+)\]", line)]
    return {**d, "queues": lists[0], **({"ticks": lists[1]} if len(lists) > 1 else {}),
            "ms": int(re.match(r"SCHED (\d+)ms:", line).group(1))}


def shape(line):
    return re.sub(r"\d+", "0", line)


@pytest.mark.parametrize("version,variant", FIVE)
def test_schedtrace(tmp_path, version, variant):
    """A quiet program: words and layout equal, and what does not move between two looks is equal.

    Threads that are idle come and go with the runtime's own sysmon and scavenger: of those the looks are compared as
    ranges."""
    argv = [fixture("gcload", version, variant), "-every", 0, "-delay", "60s", "-procs", 3, "-goroutines", 50]
    with Program(tmp_path, argv, "schedtrace=100") as program:
        time.sleep(0.5)
        with Tool("schedtrace", program.pid, "-i", "100ms", "-d", "1.2s") as tool:
            ours = tool.lines()
        own = program.lines("SCHED")[3:]
    assert len(ours) >= 6  # 12 where the machine is free
    assert {shape(x).rstrip() for x in ours} == {shape(x).rstrip() for x in own}
    own, ours = list(map(fields, own)), list(map(fields, ours))
    for key in ("gomaxprocs", "threads", "runqueue", "queues"):
        assert {str(x[key]) for x in ours} <= {str(x[key]) for x in own}, key
    for key in ("idleprocs", "spinningthreads", "idlethreads"):
        assert max(abs(x[key] - own[-1][key]) for x in ours) <= 2, key
    # The runtime counts from its first line, some ms after it began to run; ours from the latter.
    assert all(a["ms"] < b["ms"] for a, b in zip(ours, ours[1:]))
    assert own[0]["ms"] - 200 <= ours[0]["ms"] <= own[-1]["ms"] + 300
    if "ticks" in own[0]:
        assert all(sum(own[0]["ticks"]) - 200 <= sum(x["ticks"]) <= sum(own[-1]["ticks"]) + 200 for x in ours)


def test_schedtrace_once_and_json(tmp_path):
    argv = [fixture("gcload", "1.26.8", "plain"), "-every", 0, "-delay", "60s", "-procs", 2]
    with Program(tmp_path, argv, "") as program:
        time.sleep(0.4)
        r = gs("schedtrace", program.pid, "--once")
        assert r.returncode == 0 and len(r.stdout.splitlines()) == 1, r.stderr
        r = gs("schedtrace", program.pid, "--once", "--json")
        d = json.loads(r.stdout)
        threads = len(os.listdir(f"/proc/{program.pid}/task"))
    assert d["schema"] == "gopherscope.schedtrace/1" and d["pid"] == program.pid
    assert d["gomaxprocs"] == 2 and [p["id"] for p in d["procs"]] == [0, 1]
    assert d["threads"] == threads  # every thread of a Go program without cgo is an M


def test_schedtrace_ends_with_its_program(tmp_path):
    argv = [fixture("gcload", "1.26.8", "plain"), "-every", 0, "-d", "1s", "-rate", 1]
    with Program(tmp_path, argv, "") as program, Tool("schedtrace", program.pid, "-i", "100ms") as tool:
        program.p.wait(timeout=20)
        assert len(tool.lines(timeout=5)) > 3


def test_nothing_to_trace():
    with subprocess.Popen(["sleep", "60"]) as p:
        for command in ("gctrace", "schedtrace"):
            assert gs(command, p.pid, timeout=20).returncode == 3
        p.kill()

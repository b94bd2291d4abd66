# SPDX-License-Identifier: BSD-2-Clause
"""The census of goroutines against what was planted, runtime.NumGoroutine() and the program's own goroutine profile."""
import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from gs import ROOT, fixture

STANDARD = ["1.18.10", "1.21.13", "1.23.12", "1.26.8", "1.27.4"]
OTHERS = ["1.19.13", "1.20.14", "1.22.12", "1.24.13", "1.25.5"]
BUILDS = [(v, w) for v in STANDARD for w in ("plain", "stripped")]
BUILDS += [pytest.param(v, w, marks=pytest.mark.slow) for v in OTHERS for w in ("plain", "stripped")]
BUILDS += [pytest.param("1.26.8", w, marks=pytest.mark.slow) for w in ("pie", "piestripped", "cgo", "cgostatic")]
BUILDS += [pytest.param(v, w, marks=pytest.mark.slow) for v in ("1.18.10", "1.27.4") for w in ("staticpie", "race")]

N = 10
PLANTS = ["recv", "nil", "send", "select", "forever", "mutex", "rwmutex", "group", "cond", "sleep", "pipe", "conn",
          "syscall", "rawsyscall", "generic", "deep3", "deep60"]


class Target:
    """The fixture: one command, one answer."""

    def __init__(self, version, variant="plain", prefix=(), **env):
        self.p = subprocess.Popen([*prefix, fixture("census", version, variant)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, env=dict(os.environ, **env))
        self.pid = self.p.pid
        self.p.stdout.readline()

    def ask(self, *words):
        self.p.stdin.write(" ".join(map(str, words)) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def plant_all(self, n=N):
        for name in PLANTS:
            self.ask(name, n)

    def settle(self, busy=0):
        """Waits until every goroutine stands where it will stay; the last census."""
        for _ in range(100):
            c = census(self.pid)
            if c["states"]["runnable"] + c["states"]["running"] == busy:
                return c
            time.sleep(0.05)
        raise AssertionError(f"never stood still: {c['states']}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p.poll() is None:
            self.p.kill()
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()


def census(pid, *args):
    build = build_folder()
    out = subprocess.run([build / "tests/bpf/test_census", "-p", str(pid), *map(str, args)], check=True, text=True,
                         stdout=subprocess.PIPE, timeout=60)
    return json.loads(out.stdout)


def build_folder():
    return ROOT / os.environ.get("B", "build")


def minor(version):
    return int(version.split(".")[1])


def function(place):
    return place["function"] if place else None


def counts(c, system=False):
    """(state, reason, created, blocked) -> goroutines, without main's own."""
    out = collections.Counter()
    for g in c["groups"]:
        if g["system"] == system and g["start"] != "runtime.main":
            out[g["state"], g["reason"], function(g["created"]), function(g["blocked"])] += g["count"]
    return out


def planted(version):
    """What plant_all() leaves. Reasons of sync got words of their own in 1.20 and 1.24."""
    lock = "sync.Mutex.Lock" if minor(version) >= 20 else "semacquire"
    rlock = "sync.RWMutex.RLock" if minor(version) >= 20 else "semacquire"
    group = "sync.WaitGroup.Wait" if minor(version) >= 24 else "semacquire"
    rows = [("chan receive", "plantRecv", "waitRecv", N), ("chan receive (nil chan)", "plantNil", "waitNil", N),
            ("chan send", "plantSend", "waitSend", N), ("select", "plantSelect", "waitSelect", N),
            ("select (no cases)", "plantForever", "waitForever", N), (lock, "plantMutex", "waitMutex", N),
            (rlock, "plantRWMutex", "waitRWMutex", N), (group, "plantGroup", "waitGroup", N),
            ("sync.Cond.Wait", "plantCond", "waitCond", N), ("sleep", "plantSleep", "waitSleep", N),
            ("IO wait", "plantPipe", "waitPipe", 1), ("semacquire", "plantPipe", "waitPipe", N - 1),
            ("IO wait", "plantConn", "waitConn", N), ("chan receive", "plantGeneric", "(*box[...]).wait", N),
            ("chan receive", "plantDeep", "waitRecv", 2 * N)]
    want = {("waiting", r, "main." + c, "main." + b): n for r, c, b, n in rows}
    want["syscall", "", "main.plantSyscall", "main.waitSyscall"] = N
    want["syscall", "", "main.plantRawSyscall", "main.waitRawSyscall"] = N
    return want


# ---- the program's own goroutine profile (debug=2), read independently

PLUMBING = {"runtime", "sync", "sync/atomic", "syscall", "os", "net", "time", "io", "bufio", "reflect", "crypto/tls"}


def is_plumbing(name):
    head, _, last = name.split("[")[0].rpartition("/")
    package = (head + "/" if head else "") + last.split(".")[0]
    return package in PLUMBING or package.startswith(("internal/", "runtime/internal/"))


def profile(text):
    """[(reason, created, [(function, line)])] of all goroutines but main's."""
    out = []
    for block in text.strip().split("\n\n"):
        head, *rest = block.split("\n")
        m = re.match(r"goroutine (\d+) (?:\{[^}]*\} )?\[([^,\]]*)", head)
        frames, created = [], None
        for name, place in zip(rest[::2], rest[1::2]):
            line = int(re.search(r":(\d+)", place)[1])
            if name.startswith("created by "):
                created = name[len("created by "):].split(" in goroutine")[0]
            else:
                frames.append((name[:name.rindex("(")], line))
        if m[1] != "1":
            out.append((m[2].replace(" (leaked)", ""), created, frames))
    return out


def own_stacks(t, tmp_path):
    path = tmp_path / "profile"
    t.ask("dump", path)
    return profile(path.read_text())


def check_profile(t, c, tmp_path):
    """Blocked function and line, by reason and creation."""
    own = collections.Counter()
    for reason, created, frames in own_stacks(t, tmp_path):
        place = next((f for f in frames if not is_plumbing(f[0])), frames[-1])
        own[reason, created, *place] += 1
    ours = collections.Counter()
    for g in c["groups"]:
        if not g["system"] and g["start"] != "runtime.main":
            ours[g["reason"] or g["state"], function(g["created"]), g["blocked"]["function"], g["blocked"]["line"]] += g["count"]
    assert ours == own


def visible(names):
    """Tracebacks leave out package runtime and the compiler's wrappers."""
    return tuple(n for n in names if not n.startswith("runtime.") and ".gowrap" not in n)


def check_stacks(t, tmp_path):
    """Whole stacks, as far as they are kept; a wrapper that 1.18 to 1.21 call .funcN may be one more at the end."""
    own = collections.Counter()
    for reason, created, frames in own_stacks(t, tmp_path):
        own[reason, created, visible(f for f, _ in frames if not f.startswith("..."))] += 1
    for g in census(t.pid, "-s")["groups"]:
        if g["system"] or g["start"] == "runtime.main":
            continue
        stack, head = visible(g["stack"]), (g["reason"] or g["state"], function(g["created"]))
        if g["frames"] == 32:
            fits = [k for k in own if k[:2] == head and k[2][:len(stack)] == stack]
        else:
            fits = [k for k in own if k[:2] == head and k[2] in (stack, stack[:-1])]
        assert fits, (head, stack, [k[2] for k in own if k[:2] == head])
        own[fits[0]] -= g["count"]
        assert own[fits[0]] >= 0
    assert not +own


@pytest.mark.parametrize("version,variant", BUILDS)
def test_planted(version, variant, tmp_path):
    with Target(version, variant) as t:
        t.plant_all()
        t.ask("finalizer")
        t.ask("gc")
        c = t.settle()
        report = t.ask("report")
        assert c["total"] == c["walked"] and c["scale"] == 1 and c["unreadable"] == 0 and c["stacks_known"]
        assert c["total"] - c["system"] == report["goroutines"]
        assert dict(counts(c)) == planted(version)
        assert sum(g["count"] for g in c["groups"]) == c["total"] == sum(c["states"].values())
        check_profile(t, c, tmp_path)
        check_stacks(t, tmp_path)
        # The runtime's own have a place, too, and reasons in its words.
        system = counts(c, system=True)
        assert system["waiting", "force gc (idle)", system_creator(system), "runtime.forcegchelper"] == 1
        assert all(k[3] and k[3].startswith("runtime.") for k in system), system


def system_creator(system):
    return next(k[2] for k in system if k[1] == "force gc (idle)")


@pytest.mark.parametrize("version", ["1.18.10", "1.24.13", "1.27.4"])
def test_busy(version):
    """Running ones and those that wait for a P: which is which changes, their sum does not."""
    with Target(version, GOMAXPROCS="2") as t:
        t.ask("recv", 20)
        t.ask("busy", 6)
        time.sleep(0.2)
        seen = set()
        for _ in range(30):
            c = census(t.pid)
            busy = [g for g in c["groups"] if function(g["created"]) == "main.plantBusy"]
            assert sum(g["count"] for g in busy) == 6
            assert {g["state"] for g in busy} <= {"running", "runnable", "preempted", "waiting"}
            # A goroutine whose stack is being scanned is "waiting" for none of the program's reasons.
            seen |= {g["state"] for g in busy}
            places = {function(g["blocked"]) for g in busy if g["state"] == "runnable"}
            assert places <= {"main.spin", None}, places
            assert counts(c)["waiting", "chan receive", "main.plantRecv", "main.waitRecv"] == 20
        assert {"running", "runnable"} <= seen


@pytest.mark.parametrize("version", ["1.18.10", "1.27.4"])
def test_moving(version):
    """Where a goroutine is blocked belongs to why it waits, also when it moves on while it is looked at: else unknown."""
    with Target(version, GOMAXPROCS="2") as t:
        t.ask("move", 300)
        right = {"chan receive": "main.moveRecv", "chan send": "main.moveSend"}
        known = waiting = 0
        for _ in range(8):
            for g in census(t.pid)["groups"]:
                if function(g["created"]) == "main.plantMove" and g["state"] == "waiting":
                    assert function(g["blocked"]) in (None, right[g["reason"]]), g
                    known += g["count"] if g["blocked"] else 0
                    waiting += g["count"]
        assert known > waiting / 2


def test_leaked():
    with Target("1.27.4") as t:
        t.ask("leaked", 100)
        t.ask("recv", 30)
        t.settle()
        assert t.ask("leaks")["leaks"] == 100
        c = t.settle()
        assert c["states"]["leaked"] == 100
        assert counts(c)["leaked", "chan receive", "main.plantLeaked", "main.leak"] == 100
        assert counts(c)["waiting", "chan receive", "main.plantRecv", "main.waitRecv"] == 30
        assert c["total"] - c["system"] == t.ask("report")["goroutines"]


def test_age_by_another_clock():
    """In a time namespace the runtime's stamps are of a clock that is not ours: ages are unknown, not wrong."""
    with Target("1.26.8", prefix=["unshare", "-T", "--monotonic", "-5", "--"]) as t:
        t.ask("recv", 5)
        t.ask("gc")
        t.ask("gc")
        c = t.settle()
        assert counts(c)["waiting", "chan receive", "main.plantRecv", "main.waitRecv"] == 5
        assert all(g["oldest_ns"] == -1 for g in c["groups"])


@pytest.mark.parametrize("version", ["1.18.10", "1.26.8"])
def test_age(version):
    """The runtime stamps a wait at the second collection that sees it, with the end of the first one's marking."""
    with Target(version) as t:
        t.ask("recv", 5)
        c = t.settle()
        assert all(g["oldest_ns"] == -1 for g in c["groups"] if g["blocked"] and g["blocked"]["function"] == "main.waitRecv")
        before = time.monotonic_ns()
        t.ask("gc")
        after = time.monotonic_ns()
        time.sleep(0.3)
        t.ask("gc")
        low = time.monotonic_ns()
        c = census(t.pid)
        high = time.monotonic_ns()
        age, = (g["oldest_ns"] for g in c["groups"] if function(g["blocked"]) == "main.waitRecv")
        assert low - after <= age <= high - before
        t.ask("gc")
        assert census(t.pid, "-a", 100)["groups"]
        young = census(t.pid, "-a", 3600_000)
        assert not young["groups"] and young["walked"] == c["walked"]


@pytest.mark.parametrize("version", ["1.20.14", "1.27.4"])
def test_many(version):
    with Target(version) as t:
        t.ask("recv", 9_000)
        t.ask("deep3", 1_000)
        c = t.settle()
        assert c["total"] - c["system"] == t.ask("report")["goroutines"]
        assert counts(c) == {("waiting", "chan receive", "main.plantRecv", "main.waitRecv"): 9_000,
                             ("waiting", "chan receive", "main.plantDeep", "main.waitRecv"): 1_000}
        # A sample of 1,000: the size is estimated from the part that lives, shares of it with the error of a draw of n
        # out of w; five standard deviations fail once in two million draws.
        for _ in range(20):
            s = census(t.pid, "-m", 1_000)
            assert s["walked"] <= 1_000
            assert abs(s["total"] - c["total"]) <= 0.02 * c["total"]
            deep = counts(s)["waiting", "chan receive", "main.plantDeep", "main.waitRecv"]
            assert abs(deep - 100) <= 5 * (1_000 * 0.1 * 0.9) ** 0.5


@pytest.mark.parametrize("version", ["1.18.10", "1.27.4"])
def test_burst(version):
    """Most g's are dead: a sample still says how many live, which the runtime counts."""
    with Target(version) as t:
        t.ask("burst", 20_000)
        t.ask("recv", 1_000)
        c = t.settle()
        assert c["total"] - c["system"] == t.ask("report")["goroutines"] == 1_001
        assert counts(c) == {("waiting", "chan receive", "main.plantRecv", "main.waitRecv"): 1_000}
        for _ in range(5):
            s = census(t.pid, "-m", 5_000)
            # Its own few are estimated, by at most all of them (15) in the sample of a quarter.
            assert s["walked"] < 1_000 and 1_001 <= s["total"] <= 1_001 + 4 * 15


def test_100000():
    with Target("1.26.8") as t:
        t.ask("recv", 60_000)
        t.ask("select", 39_990)
        c = t.settle()
        assert c["total"] - c["system"] == t.ask("report")["goroutines"] == 99_991
        assert counts(c) == {("waiting", "chan receive", "main.plantRecv", "main.waitRecv"): 60_000,
                             ("waiting", "select", "main.plantSelect", "main.waitSelect"): 39_990}
        assert c["cpu_ns"] < 2_000_000_000  # a guard against a walk that became quadratic, not a measurement


@pytest.mark.parametrize("version", ["1.18.10", "1.27.4"])
def test_churn(version):
    """10,000 goroutines a second begin and end: those that stay are counted exactly, the sum is plausible."""
    with Target(version) as t:
        t.ask("recv", 2_000)
        t.settle()
        t.ask("churn", 10_000)
        began = time.monotonic()
        taken = 0
        while time.monotonic() - began < 3:
            c = census(t.pid, "-n", 10)
            assert "error" not in c, c
            assert counts(c)["waiting", "chan receive", "main.plantRecv", "main.waitRecv"] == 2_000
            assert 2_002 <= c["total"] - c["system"] <= 2_002 + 400  # the rest: at most some ticks of 100
            assert c["unreadable"] * 100 <= c["walked"]
            taken += 10
        assert t.ask("report")["churned"] > 3_000 and taken >= 30


def test_stopped():
    """SIGSTOP: nothing is asked of the program."""
    with Target("1.26.8") as t:
        t.plant_all()
        before = t.settle()
        os.kill(t.pid, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            stack.callback(os.kill, t.pid, signal.SIGCONT)
            c = census(t.pid)
        assert counts(c) == counts(before) == planted("1.26.8")

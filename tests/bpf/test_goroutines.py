# SPDX-License-Identifier: BSD-2-Clause
"""`goroutines`: its profile against the one that the program writes of itself, stack by stack; table, growth, marks."""
import collections
import json
import os
import re
import signal
import subprocess
import time

import pytest

from gs import BIN, ROOT, Started, fixture, gs

ALL = ["1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.13", "1.25.5", "1.26.8", "1.27.4"]
FEW = {"1.18.10", "1.20.14", "1.22.12", "1.25.5", "1.27.4"}
VERSIONS = [pytest.param(v, marks=() if v in FEW else pytest.mark.slow) for v in ALL]
GO = "/usr/local/go/bin/go" if os.path.exists("/usr/local/go/bin/go") else "go"


def pprof(*args):
    return subprocess.run([GO, "tool", "pprof", *map(str, args)], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60).stdout


def stacks(path):
    """Goroutines by stack, as `go tool pprof -raw` tells a profile: a stack is (function, file:line) innermost first."""
    counts, locations, part = [], {}, None
    for line in pprof("-raw", path).splitlines():
        if line in ("Locations", "Mappings", "Samples:"):
            part = line
        elif part == "Samples:" and (m := re.match(r" +(\d+): ([\d ]*)$", line)):
            counts.append((int(m[1]), m[2].split()))
        elif part == "Locations":
            m = re.match(r" +(?:(\d+): 0x[0-9a-f]+ M=\d+ )?(.+) (\S+):(\d+):\d+ s=\d+$", line)
            assert m, line
            if m[1]:
                lines = locations[m[1]] = []
            lines.append((m[2].strip(), f"{m[3]}:{m[4]}"))
    out = collections.Counter()
    for n, ids in counts:
        out[tuple(frame for i in ids for frame in locations[i])] += n
    return out


def is_main(stack):
    return any(function == "main.main" for function, _ in stack)


class Target(Started):
    """A fixture that takes commands, one a line."""

    def __init__(self, name, version="1.26.8", variant="stripped"):
        super().__init__(fixture(name, version, variant), stdin=subprocess.PIPE)
        self.line()

    def tell(self, command):
        self.p.stdin.write(f"{command}\n")
        self.p.stdin.flush()
        return self.line()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.p.stdin.close()


def goroutines(pid, *args):
    done = gs("goroutines", "-p", pid, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(pid, *args):
    return json.loads(goroutines(pid, "--json", *args))


def sites(found):
    """(count, state, reason, creator, place) of the groups."""
    def at(site):
        return site and f"{site['function']}:{site['line']}"
    return {(g["count"], g["state"], g["reason"], at(g["created_by"]), at(g["blocked_at"])) for g in found["groups"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("variant", ["stripped"])
def test_profile_is_its_own(version, variant, tmp_path):
    """Equal, count by count and line by line. Without the main goroutine, which writes the one and waits in the other."""
    with Target("parked", version, variant) as target:
        goroutines(target.pid, "-o", tmp_path / "ours.pb.gz")
        target.tell(tmp_path / "own.pb.gz")
    ours, own = (collections.Counter({s: n for s, n in stacks(tmp_path / f).items() if not is_main(s)})
                 for f in ("ours.pb.gz", "own.pb.gz"))
    assert sum(own.values()) >= 90 and len(own) >= 20
    assert ours == own


def line_of(text):
    """`main.go:N` of the only line of the census fixture with that text."""
    lines = (ROOT / "tests/fixtures/go/census/main.go").read_text().splitlines()
    (n,) = [i for i, line in enumerate(lines, 1) if text in line]
    return n


@pytest.mark.parametrize("version,variant", [("1.18.10", "stripped"), ("1.27.4", "piestripped"), ("1.24.13", "cgo")])
def test_planted(version, variant):
    """Each population once, with its state, reason, count, creator and place; nothing of the runtime's own."""
    with Target("census", version, variant) as target:
        for kind, n in (("recv", 12), ("select", 5), ("mutex", 7), ("generic", 3), ("syscall", 2), ("sleep", 4)):
            target.tell(f"{kind} {n}")
        said = target.tell("report")
        time.sleep(0.2)
        found = look(target.pid)
    assert found["schema"] == "gopherscope.goroutines/1" and found["pid"] == target.pid
    assert found["goroutines"] == said["goroutines"] == sum(g["count"] for g in found["groups"])
    assert found["looked_at"] == found["goroutines"] + found["system_goroutines"] and not found["estimated"]
    lock = "semacquire" if version.startswith("1.18") else "sync.Mutex.Lock"
    want = {
        (12, "waiting", "chan receive", f"main.plantRecv:{line_of('go waitRecv()')}",
         f"main.waitRecv:{line_of('func waitRecv()')}"),
        (5, "waiting", "select", f"main.plantSelect:{line_of('go waitSelect(c)')}",
         f"main.waitSelect:{line_of('func waitSelect(') + 1}"),
        (7, "waiting", lock, f"main.plantMutex:{line_of('go waitMutex()')}",
         f"main.waitMutex:{line_of('func waitMutex()')}"),
        (3, "waiting", "chan receive", f"main.plantGeneric:{line_of('b.wait() }()')}",
         f"main.(*box[...]).wait:{line_of('wait() T {')}"),
        (2, "syscall", None, f"main.plantSyscall:{line_of('go waitSyscall(')}",
         f"main.waitSyscall:{line_of('syscall.Read(fd')}"),
        (4, "waiting", "sleep", f"main.plantSleep:{line_of('go waitSleep()')}",
         f"main.waitSleep:{line_of('func waitSleep()')}"),
    }
    got = sites(found)
    assert want <= got, got
    rest = got - want  # the main goroutine, which reads
    assert [g[0] for g in rest] == [1] and all(g[3] is None and g[4].startswith("main.main:") for g in rest), rest


def test_table_and_stacks():
    with Target("census") as target:
        target.tell("recv 12")
        target.tell("deep3 2")
        time.sleep(0.2)
        text = goroutines(target.pid)
        stacks_text = goroutines(target.pid, "--stacks")
        own = look(target.pid, "--all")
        told = target.tell("report")["goroutines"]
    head, titles, *rows = text.splitlines()
    assert f"pid {target.pid}  go1.26.8  {told} goroutines and {own['system_goroutines']} of the runtime's own" in head
    assert titles.split() == "COUNT +/min STATE WAIT REASON OLDEST CREATED BY BLOCKED AT".split()
    assert rows[0].split() == ["12", "-", "waiting", "chan", "receive", "?", "main.plantRecv",
                               f"main.go:{line_of('go waitRecv()')}", "main.waitRecv", f"main.go:{line_of('func waitRecv()')}"]
    assert len(rows) == 3
    block = stacks_text[stacks_text.index("main.waitDeep"):]
    frames = [line.split() for line in block.splitlines()[:5]]
    assert [f[0] for f in frames] == ["main.waitDeep"] * 4 + ["created"], block  # depth 3: four calls
    assert frames[0][1].endswith(f"/main.go:{line_of('if n == 0 {') + 1}")
    assert own["system_goroutines"] == sum(g["count"] for g in own["groups"] if g["system"]) > 0


def test_growth_and_marks():
    """Growth over the real time between the looks; a place where more and more wait, and one where many want a lock."""
    with Target("census") as target:
        for command in ("recv 12", "sleep 30", "mutex 60", "gc", "gc"):
            target.tell(command)
        time.sleep(1.2)  # "blocked" means longer than a second
        with Started(BIN, "goroutines", "-p", target.pid, "--json", "--diff", "2s") as ours:
            time.sleep(1)
            target.tell("recv 40")
            out = ours.wait()
    assert len(out) == 1 and 1.9 < out[0]["growth_seconds"] < 4
    groups = {g["blocked_at"]["function"]: g for g in out[0]["groups"]}
    recv, sleep, mutex = (groups[f"main.{f}"] for f in ("waitRecv", "waitSleep", "waitMutex"))
    assert recv["count"] == 52 and recv["mark"] == "leak?"
    assert recv["per_minute"] == pytest.approx(40 * 60 / out[0]["growth_seconds"])
    assert sleep["per_minute"] == mutex["per_minute"] == 0
    assert sleep["mark"] is None and mutex["mark"] == "blocked"
    assert 1.2 < mutex["oldest_wait_seconds"] < 60


def test_ends_between():
    """A process that ends, or becomes another program, between two looks is told, not compared. Ctrl-C looks at once."""
    def two_looks(target, between, diff="2s"):
        with Started(BIN, "goroutines", "-p", target.pid, "--diff", diff, stderr=subprocess.PIPE) as ours:
            time.sleep(1)
            between(ours)
            out, err = ours.p.communicate(timeout=20)
            ours.p.stderr.close()
            return ours.p.returncode, out, err
    with Target("census") as target:
        target.tell("recv 5")
        code, out, _ = two_looks(target, lambda ours: ours.p.send_signal(signal.SIGINT), "60s")
        assert code == 0 and "main.plantRecv" in out
        code, out, err = two_looks(target, lambda _: target.tell("exec"))
        assert code == 1 and out == "" and "another program" in err
        code, out, err = two_looks(target, lambda _: (target.p.kill(), target.p.wait()))
        assert code == 1 and out == "" and f"pid {target.pid}" in err


def test_leaked():
    """1.27 knows what can never go on, after it has looked for it."""
    with Target("census", "1.27.4") as target:
        target.tell("leaked 9")
        target.tell("gc")
        target.tell("leaks")
        groups = [g for g in look(target.pid)["groups"] if g["mark"]]
        text = goroutines(target.pid)
    assert [(g["count"], g["state"], g["mark"], g["blocked_at"]["function"]) for g in groups] == \
        [(9, "leaked", "leaked", "main.leak")]
    assert any(line.rstrip().endswith("leaked") for line in text.splitlines()[2:])


def test_min_age():
    with Target("census") as target:
        for command in ("recv 5", "gc", "gc"):
            target.tell(command)
        time.sleep(1)
        target.tell("sleep 6")  # no collection has seen them: their age is not known
        old, never = look(target.pid, "--min-age", "900ms"), look(target.pid, "--min-age", "1h")
    assert [(g["count"], g["blocked_at"]["function"]) for g in old["groups"]] == [(5, "main.waitRecv")]
    assert never["groups"] == [] and never["goroutines"] == 12


def test_files(tmp_path):
    path = tmp_path / "p.pb.gz"
    with Target("census") as target:
        def run(*args):
            return gs("goroutines", "-p", target.pid, *args)
        assert run("-o", path).returncode == 0 and "Type: goroutine" in pprof("-top", path)
        inode = path.stat().st_ino
        refused = run("-o", path)
        assert refused.returncode == 1 and "--force" in refused.stderr and path.stat().st_ino == inode
        assert run("-o", path, "--force").returncode == 0 and path.stat().st_ino != inode
        named = run("-o", tmp_path / "p.txt")
        assert named.returncode == 2 and ".pb.gz" in named.stderr
        gone = run("-o", tmp_path / "nowhere" / "p.pb.gz")
        assert gone.returncode == 1 and "cannot write" in gone.stderr
    assert sorted(f.name for f in tmp_path.iterdir()) == ["p.pb.gz"]


def test_several():
    """A glob takes them all, an object each; without one, several matches are for the user to name."""
    with Target("census") as a, Target("census", "1.22.12") as b:
        a.tell("recv 3")
        b.tell("select 4")
        done = gs("goroutines", "host/pid * census*", "--json")
        found = {json.loads(x)["pid"]: json.loads(x) for x in done.stdout.splitlines()}
        assert {a.pid, b.pid} <= set(found)
        assert 3 in {g["count"] for g in found[a.pid]["groups"]} and 4 in {g["count"] for g in found[b.pid]["groups"]}
    none = gs("goroutines", "-p", os.getpid())
    assert none.returncode == 3 and none.stdout == ""


@pytest.mark.slow
def test_sample():
    """Above 100,000 a sample is looked at and says so; counts are right within its chance, growth is told only beyond it."""
    with Target("census") as target:
        target.tell("recv 100000")
        target.tell("deep3 20000")
        time.sleep(0.5)
        with Started(BIN, "goroutines", "-p", target.pid, "--json", "--diff", "2s") as ours:
            time.sleep(1)
            target.tell("select 2000")
            (found,) = ours.wait()
        text = goroutines(target.pid)
    assert found["estimated"] and found["looked_at"] == 100000
    # all of them is the runtime's own count; how many of them are its own is estimated: 8, give or take 5 times sqrt(8 * 0.22)
    assert found["goroutines"] == pytest.approx(122001, abs=7)
    counts = {(g["created_by"] or g)["function"]: (g["count"], g["per_minute"]) for g in found["groups"]}
    assert counts["main.plantRecv"][1] is None and counts["main.plantDeep"][1] is None  # they do not grow
    # 5 standard deviations of a sample of 100,000 of 122,008: sqrt(n * (1.22 - 1)) is 148, 66 and 21
    assert counts["main.plantRecv"][0] == pytest.approx(100000, abs=750)
    assert counts["main.plantDeep"][0] == pytest.approx(20000, abs=330)
    assert counts["main.plantSelect"][0] == pytest.approx(2000, abs=110)
    assert counts["main.plantSelect"][1] == pytest.approx(2000 * 60 / found["growth_seconds"], rel=0.1)
    assert re.search(r"100000 of 12200\d looked at", text) and "~100k" in text

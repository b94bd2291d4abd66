# SPDX-License-Identifier: BSD-2-Clause
"""From a real cause to what the user reads: each cause is made, in a container of ours, and the verdict, the numbers behind it
and the events are compared with the kernel's own counters or with the program's own.

This machine may be busy with something else. So nothing here is judged by how long it took: what is counted is exact, because
counters are read while the programs under test are idle, times are bounded from both sides by those who made them, and what
must have a CPU weighs more than all that runs beside it."""
import contextlib
import pathlib
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time

import pytest

from gs import BIN, Started, cpu_is_v2, fixture, gs, lines, wait_for
from netlab import Link, Namespaces, Talking

A, B = "10.99.0.1", "10.99.0.2" # of the link
ON_CPU_0 = ["taskset", "-c", 0]


def read_stat(path):
    """Lines of a key and a value."""
    return {k: int(v) for k, v in (x.split()[:2] for x in path.read_text().splitlines())}


class Box:
    """A container as the kernel sees one: cgroups that are named as Docker does, and perhaps a network namespace."""

    def __init__(self, space=None, before=()):
        self.id = secrets.token_hex(32)
        self.before = [*(["ip", "netns", "exec", space] if space else []), *before]
        root = pathlib.Path("/sys/fs/cgroup")
        mounts = [root] if cpu_is_v2() else [root / x for x in ("cpu", "memory", "unified") if (root / x).is_dir()]
        self.dirs = [m / f"docker-{self.id}.scope" for m in mounts]

    def __enter__(self):
        for d in self.dirs:
            if cpu_is_v2():
                with contextlib.suppress(OSError):
                    (d.parent / "cgroup.subtree_control").write_text("+cpu +memory")
            d.mkdir()
        return self

    def __exit__(self, *exc):
        for d in self.dirs:
            wait_for(lambda: removed(d))

    def file(self, v1, v2):
        """A control file, by its name here; None where its controller is not."""
        name = v2 if cpu_is_v2() else v1
        return next((d / name for d in self.dirs if (d / name).exists()), None)

    def set_cpus(self, cpus):
        """None: no limit."""
        quota = -1 if cpus is None else int(cpus * 100000)
        self.file("cpu.cfs_quota_us", "cpu.max").write_text(str(quota) if quota > 0 or not cpu_is_v2() else "max")

    def be_heavy(self, times):
        """Than anything else on this machine, which then has to wait for it. 100 at most."""
        self.file("cpu.shares", "cpu.weight").write_text(str(times * (100 if cpu_is_v2() else 1024)))

    def start(self, *argv, **kw):
        return Started(*self.before, *argv, cgroup=self.dirs, **kw)

    def row(self, snapshot):
        """Its part of a snapshot; None where it has none."""
        return next((c for c in snapshot["containers"] if c["owner"]["container_id"] == self.id), None)


def removed(d):
    try:
        d.rmdir()
        return True
    except OSError:
        return False


class Program(Talking):
    """A fixture in a box that answers commands."""

    def __init__(self, box, name, *args):
        Started.__init__(self, *box.before, fixture(name), *args, cgroup=box.dirs, stdin=subprocess.PIPE)
        self.ready = self.line()

    def do(self, command):
        self.say(command)
        return self.line()


class Top(Started):
    """`top --json`, a snapshot a second over everything since its start."""

    def __init__(self, *args):
        super().__init__(BIN, "top", "--json", "-w", 60, *args, stderr=subprocess.DEVNULL)
        self.last = self.line()

    def until(self, what, most=30):
        """The first snapshot for which what() is true."""
        for _ in range(most):
            if what(self.last):
                return self.last
            self.last = self.line()
        raise AssertionError(f"not within {most} snapshots: {self.last}")

    def after(self, seconds):
        """The first snapshot that was taken so long after now, or later."""
        want = (time.time() + seconds) * 1e9
        return self.until(lambda s: int(s["time_unix_nano"]) > want)


class Recording(Started):
    """`trace` to a file; records when the constructor returns."""

    def __init__(self, path, *args):
        super().__init__(BIN, "trace", "-v", "-o", path, "-d", 120, *args, stderr=subprocess.PIPE)
        self.path = path
        for line in self.p.stderr:
            if line.startswith("gopherscope: recording"):
                return
        raise AssertionError("it ended early")

    def stop(self):
        self.p.send_signal(signal.SIGINT)
        _, err = self.p.communicate(timeout=30)
        assert self.p.returncode == 0, err
        return lines(self.path.read_text())

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.p.stderr.close()


def verdict(row, name):
    return next((v for v in row["verdicts"] if v["id"] == name), None) if row else None


def evidence(v, name):
    return next((e["value"] for e in v["evidence"] if e["name"] == name), None)


def why(box, seconds):
    r = gs("why", box.id[:12], "--json", "-w", seconds)
    assert r.returncode == 0, r.stderr
    return box.row(lines(r.stdout)[0])


@pytest.fixture
def spaces():
    with Namespaces() as s:
        yield s


# ---- CPU ------------------------------------------------------------------------------------------------------------

def waits_of(pid):
    """What the kernel counts of a process's threads: seconds of waiting for a CPU, and how often they got one."""
    fields = [x.read_text().split() for x in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(f[1]) for f in fields) / 1e9, sum(int(f[2]) for f in fields)


def watched(box, load):
    """`why` of a box, and what the kernel counted meanwhile: a little longer, as `why` takes a second to start."""
    time.sleep(1.5)
    before, began = waits_of(load.pid), time.monotonic()
    row = why(box, 5)
    waited, got = (b - a for a, b in zip(before, waits_of(load.pid)))
    runq = row["cpu"]["runq_seconds"]
    print(f"kernel: waiting {waited / (time.monotonic() - began):.2f} of the time, {got} waits; {runq}")
    return row, waited / (time.monotonic() - began), runq["sum"] / row["cpu"]["runq_watched_seconds"]


def test_contended(tmp_path):
    """One busy thread on one CPU with two busy neighbours, each of its weight: it waits for their slices."""
    neighbour = tmp_path / "gs-neighbour"
    neighbour.symlink_to("/bin/sh")
    busy = [neighbour, "-c", "while :; do :; done"]
    with Box(before=ON_CPU_0) as box, Box(before=ON_CPU_0) as beside:
        box.be_heavy(10)
        beside.be_heavy(20)
        with box.start(fixture("burn"), "-n", 1, "-d", "60s") as load, beside.start(*busy), beside.start(*busy), \
                Recording(tmp_path / "x.jsonl", box.id[:12]) as trace:
            load.line()
            row, kernel, ours = watched(box, load)
            events = trace.stop()
    v = verdict(row, "cpu-contended")
    print(v and v["text"], row["cpu"])
    assert v["severity"] in ("warning", "critical")
    assert row["cpu"]["runq_seconds"]["p99"] >= 0.005
    assert ours == pytest.approx(kernel, abs=0.3) # ours is of one second of the five
    assert not verdict(row, "throttled")
    waits = [e for e in events if e["kind"] == "cpu.runq"]
    assert {e["owner"]["container_id"] for e in waits} == {box.id} and {e["pid"] for e in waits} == {load.pid}
    assert [e["preempted_by"]["comm"] for e in waits].count("gs-neighbour") >= len(waits) / 4
    assert "gs-neighbour" in v["text"]  # not its own sysmon, which often runs right before


def test_throttled_is_not_contended():
    """It waits for most of the time, for the quota's sake: the kernel counts that as waiting for a CPU, we do not. Where the
    machine is busy it may wait for a CPU as well, however heavy it is: one calm second of three is enough, as who forgets the
    quota is wrong in each."""
    with Box() as box:
        box.set_cpus(0.3)
        box.be_heavy(100)
        with box.start(fixture("burn"), "-n", 1, "-d", "60s") as load:
            load.line()
            for _ in range(3):
                row, kernel, ours = watched(box, load)
                throttled = row["cpu"]["runq_throttled_seconds"] / row["cpu"]["runq_watched_seconds"]
                assert row["verdicts"][0]["id"] == "throttled"
                assert row["cpu"]["runq_seconds"]["count"] >= 8 # it is throttled ten times a second
                assert kernel > 0.5 and throttled > 0.5 and ours < kernel / 2
                if not verdict(row, "cpu-contended") and row["cpu"]["runq_seconds"]["p99"] < 0.010:
                    return
    raise AssertionError(verdict(row, "cpu-contended"))


@pytest.mark.slow
def test_verdict_begins_and_ends(tmp_path):
    """A quota that is set and removed again while a trace runs."""
    with Box() as box, box.start(fixture("burn"), "-n", 1, "-d", "60s") as load, \
            Recording(tmp_path / "x.jsonl", "-w", 2, box.id[:12]) as trace:
        load.line()
        box.be_heavy(20) # else it may get too little to be throttled
        time.sleep(1)
        limited = time.time()
        box.set_cpus(0.3)
        time.sleep(5.5)
        free = time.time()
        box.set_cpus(None)
        time.sleep(4.5)
        events = trace.stop()
    mine = [e for e in events if e["kind"] == "verdict" and e["id"] == "throttled"]
    states = [(e["state"], int(e["time_unix_nano"]) / 1e9) for e in mine]
    print([(state, round(at - limited, 1)) for state, at in states])
    assert states[0][0] == "started" and limited < states[0][1] < free + 0.5
    assert states[-1][0] == "ended" and states[-1][1] > free
    assert {e["owner"]["container_id"] for e in mine} == {box.id}


# ---- memory ---------------------------------------------------------------------------------------------------------

LIMIT = 64 << 20


def limit_memory(box):
    """Its limit, and no swap beside it. Skips where this machine cannot."""
    limit = box.file("memory.limit_in_bytes", "memory.max")
    if not limit:
        pytest.skip("no memory controller here")
    limit.write_text(str(LIMIT))
    swap = box.file("memory.memsw.limit_in_bytes", "memory.swap.max")
    if swap:
        swap.write_text("0" if cpu_is_v2() else str(LIMIT))


def working_set(box):
    inactive = read_stat(box.file("memory.stat", "memory.stat"))["inactive_file" if cpu_is_v2() else "total_inactive_file"]
    return int(box.file("memory.usage_in_bytes", "memory.current").read_text()) - inactive


def test_memory_runs_out(tmp_path):
    with Box() as box:
        limit_memory(box)
        with Program(box, "memeat") as program, Recording(tmp_path / "x.jsonl", box.id[:12]) as trace, Top(box.id[:12]) as top:
            top.until(box.row)
            while working_set(box) < 0.915 * LIMIT:
                program.do("1")
            first = top.until(lambda s: verdict(box.row(s), "oom-risk"))
            truth = working_set(box)
            program.say("100")
            program.p.wait(20)
            last = top.until(lambda s: box.row(s)["gone"])
            time.sleep(0.5)
            events = trace.stop()
        kills = read_stat(box.file("memory.oom_control", "memory.events"))["oom_kill"]
    check_risk(box.row(first), truth)
    check_killed(box.row(last), kills)
    (kill,) = [e for e in events if e["kind"] == "oom.kill"]
    assert kill["pid"] == program.pid and kill["owner"]["container_id"] == box.id
    assert 0.8 * LIMIT < kill["anon_rss_bytes"] <= LIMIT
    (end,) = [e for e in events if e["kind"] == "process.exit"]
    assert end["pid"] == program.pid and end["signal"] == 9 and end["owner"]["container_id"] == box.id
    assert int(end["time_unix_nano"]) >= int(kill["time_unix_nano"])


def check_risk(row, truth):
    risk = verdict(row, "oom-risk")
    print(risk["text"], risk["advice"])
    assert risk["severity"] == "warning" and "64M limit" in risk["text"]
    assert evidence(risk, "oom_kills") == 0
    assert evidence(risk, "memory_working_set_ratio") == pytest.approx(truth / LIMIT, abs=0.01) # the kernel charges in batches
    assert row["memory"]["limit_bytes"] == LIMIT


def check_killed(row, kills):
    risk = verdict(row, "oom-risk")
    print(risk["text"], risk["advice"])
    assert risk["severity"] == "critical" and "killed 1 process" in risk["text"]
    assert kills == row["memory"]["oom_kills_window"] == 1


# ---- names ----------------------------------------------------------------------------------------------------------

KUBERNETES = """search default.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5
"""


class Asking(Started):
    """Fixture dnsclient."""

    def __init__(self, box, *args):
        super().__init__(*box.before, fixture("dnsclient"), *args, cgroup=box.dirs, stdin=subprocess.PIPE)
        self.ready = self.line()

    def go(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()

    def asked(self):
        """Seconds of each lookup, by its own clock."""
        return [x["ns"] / 1e9 for x in self.wait()]


def nearest_rank(values, p):
    return sorted(values)[max(0, -(-len(values) * p // 100) - 1)]


def test_names(spaces, tmp_path):
    """Three containers in one network namespace: one asks for a name that takes long, one for names that exist only after the
    search list, one for a name that nobody answers for."""
    conf = tmp_path / "resolv.conf"
    conf.write_text(KUBERNETES)
    as_pod = ["unshare", "-m", "sh", "-c", f'mount --bind {conf} /etc/resolv.conf && exec "$0" "$@"']
    server = ["ip", "netns", "exec", spaces.a, sys.executable, "-B", pathlib.Path(__file__).parent / "dns_server.py", 80]
    with Talking(*server) as dns, Box(spaces.a) as slow, Box(spaces.a, before=as_pod) as storm, Box(spaces.a) as mute, \
            Asking(slow, "-network", "ip4", "-n", 40, "slow.example.org.") as a, \
            Asking(storm, "-n", 20, "api.example.org") as b, \
            Asking(mute, "-network", "ip4", "-n", 6, "-timeout", "300ms", "mute.example.org.") as c, Top() as top:
        boxes = [slow, storm, mute]
        top.until(lambda s: all(x.row(s) for x in boxes))
        for x in (a, b, c):
            x.go()
        own = [x.asked() for x in (a, b, c)]
        s = top.until(lambda s: mute.row(s)["net"]["dns_timeouts"] == 6 and all(verdict(x.row(s), "dns") for x in boxes))
        dns.p.stdin.close()
        held = dns.line()["held"]
    rows = [x.row(s) for x in boxes]
    for row in rows:
        print(row["net"]["dns_seconds"], {k: verdict(row, "dns")[k] for k in ("severity", "culprit", "text", "advice")})
    check_slow(rows[0], held["slow.example.org"], own[0])
    check_storm(rows[1], {name: len(x) for name, x in held.items() if name.startswith("api.")})
    check_mute(rows[2], len(held["mute.example.org"]))


def check_slow(row, held, own):
    """A query took at least as long as the server held it and at most as long as the lookup that it was for."""
    net, v = row["net"], verdict(row, "dns")
    assert net["dns_queries"] == len(held) == len(own) == 40 and net["dns_failures"] == 0
    for p in (50, 99):
        assert 0.08 <= nearest_rank(held, p) <= net["dns_seconds"][f"p{p}"] <= nearest_rank(own, p)
    assert net["dns_seconds"]["p50"] - statistics.median(held) < 0.005
    assert v["severity"] == "warning" and v["culprit"] is None and re.search(r"take \d+ ms \(p99\)", v["text"])


def check_storm(row, asked):
    net, v = row["net"], verdict(row, "dns")
    suffixes = ("", ".cluster.local", ".svc.cluster.local", ".default.svc.cluster.local")
    assert asked == {f"api.example.org{x}": 40 for x in suffixes} # A and AAAA
    assert net["dns_queries"] == 160 and net["dns_nxdomain"] == net["dns_failures"] == 120
    assert v["culprit"] == "nxdomain" and "ndots:2" in v["advice"] and "75%" in v["text"]


def check_mute(row, asked):
    net, v = row["net"], verdict(row, "dns")
    assert net["dns_queries"] == net["dns_timeouts"] == net["dns_failures"] == asked == 6
    assert v["severity"] == "critical" and v["culprit"] == "timeout" and "6 timeouts" in v["text"]


# ---- network --------------------------------------------------------------------------------------------------------

def delta(before, after):
    return {k: v - before[k] for k, v in after.items()}


def test_loss(spaces):
    """A link that loses 3 %, a peer that never answers, a port that nobody listens on. The kernel's counters and ours stand still
    when they are read, so they are equal: no tolerance."""
    spaces.run(spaces.a, "sysctl", "-q", "-w", "net.ipv4.tcp_syn_retries=1")
    spaces.run(spaces.b, "ip", "route", "add", "blackhole", "10.99.9.0/24")
    with Link(spaces, delay_ms=5, loss=3, seed=5), Box(spaces.a) as mine, Box(spaces.b) as other, \
            Program(other, "netload") as server, Program(mine, "netload") as client, Program(mine, "netload") as lost:
        spaces.run(spaces.a, "ip", "route", "add", "10.99.9.0/24", "dev", "delay0")
        server.do(f"serve {B}:7000")
        assert client.do(f"open {B}:7000 20")["error"] == ""
        with Top(mine.id[:12]) as top:
            top.until(lambda s: mine.row(s) and len(mine.row(s)["processes"]) == 2)
            before = spaces.snmp(spaces.a)
            lost.say("fail 10.99.9.1:7000 1")
            client.do("get 40")
            refused = client.do(f"fail {A}:7001 5")["failed"] # not over the link: no SYN is lost
            timed_out = lost.line()["failed"]
            s = top.after(2)
            kernel = delta(before, spaces.snmp(spaces.a))
    assert refused == {f"dial tcp {A}:7001: connect: connection refused": 5}
    assert timed_out == {"dial tcp 10.99.9.1:7000: connect: connection timed out": 1}
    check_loss(mine.row(s), kernel)


def check_loss(row, kernel):
    net, v = row["net"], verdict(row, "net-loss")
    print({k: kernel[k] for k in ("OutSegs", "RetransSegs", "ActiveOpens")}, v["text"], v["advice"])
    assert net["retransmits"] + net["syn_retransmits"] == kernel["RetransSegs"]
    # SYNs belong to no connection yet, resets to none any more
    assert net["segments"] - net["retransmits"] == kernel["OutSegs"] - kernel["ActiveOpens"] - kernel["OutRsts"]
    assert net["syn_retransmits"] >= 1 and net["retransmits"] >= 10
    assert net["failed_connects"] == {"ECONNREFUSED": 5, "ETIMEDOUT": 1}
    assert net["connects_failed"] == kernel["AttemptFails"] == 6
    assert v["severity"] in ("warning", "critical") and f"most to {B}:7000" in v["text"]
    assert f"look at the path to {B}:7000" in v["advice"]
    assert "check that 10.99.9.1:7000 answers" in v["advice"] # it timed out; the other only refused
    assert evidence(v, "retransmits") == net["retransmits"]


def kernel_rtts(spaces, space):
    """Smoothed round trips of open connections in seconds, from ss."""
    return [float(x) / 1e3 for x in re.findall(r" rtt:([0-9.]+)/", spaces.run(space, "ss", "-tin"))]


def test_round_trips_and_identity(spaces):
    """Two containers, connections from one to the other, some from before we looked: each side has its own, as many as the
    programs count themselves, with the kernel's round trips and segments."""
    with Link(spaces, delay_ms=20) as link, Box(spaces.a) as mine, Box(spaces.b) as other, \
            Program(other, "netload") as server, Program(mine, "netload") as client:
        sides = (mine, spaces.a), (other, spaces.b)
        server.do(f"serve {B}:7000")
        assert client.do(f"open {B}:7000 6")["error"] == ""
        with Top() as top:
            s = top.until(lambda s: all(b.row(s) and b.row(s)["net"]["connections"] == 6 for b, _ in sides))
            before = [spaces.snmp(space) for _, space in sides]
            rtts = [kernel_rtts(spaces, space) for _, space in sides]
            client.do("get 1")
            time.sleep(0.5) # the last ACKs are late
            for known, (_, space) in zip(rtts, sides):
                known += kernel_rtts(spaces, space)
            s = top.after(1.5)
            ours = [b.row(s)["net"]["rtt_seconds"] for b, _ in sides]
            first = client.do("get 5"), server.do("count")
            s = top.after(2)
            sent = [(b.row(s)["net"]["segments"], spaces.snmp(space)["OutSegs"] - x["OutSegs"])
                    for (b, space), x in zip(sides, before)]
            client.do(f"open {B}:7000 4")
            client.do("drop 3")
            s = top.after(2)
            last = client.do("count"), server.do("count")
        handshakes = [v / 1e9 for v in link.finish()["handshake_ns"].values()]
    check_round_trips(ours, rtts, handshakes)
    assert sent[0][0] == sent[0][1] >= 30 and sent[1][0] == sent[1][1] >= 30, sent
    check_identity(mine.row(s), "client", client, [x["opened_client"] for x in (first[0], last[0])], last[0]["open_client"])
    check_identity(other.row(s), "server", server, [x["opened_server"] for x in (first[1], last[1])], last[1]["open_server"])


def check_round_trips(ours, kernel, handshakes):
    """One request on each old connection: its round trip is the kernel's from before it or from after it. The client's is that of
    the link, with an eighth of how late the server got a CPU for this one; the server's has the client's late ACK in it."""
    print(ours, kernel, statistics.median(handshakes))
    for mine, known in zip(ours, kernel):
        assert mine["count"] >= 6 and len(known) == 12
        assert min(known) - 2e-6 <= mine["min"] <= mine["max"] <= max(known) + 2e-6 # ss rounds
    assert 0.040 <= ours[0]["min"] < min(handshakes) + 0.003
    assert abs(ours[0]["p50"] - statistics.median(handshakes)) < 0.003


def check_identity(row, role, program, opened, still_open):
    """Of that program, in that role and no other; opened: by its own count before and after."""
    net, no = row["net"], "server" if role == "client" else "client"
    assert [p["pid"] for p in row["processes"]] == [program.pid]
    assert net[f"opened_{role}"] == opened[1] - opened[0] == 4
    assert net[f"open_{role}"] == net["connections"] == still_open == 7
    assert net[f"opened_{no}"] == net[f"open_{no}"] == 0
    (peer,) = net["peers"]
    assert (peer["address"], peer["port"]) == ((B, 7000) if role == "client" else (A, None))
    assert (peer["role"], peer["open"], peer["opened"]) == (role, 7, 4)


def test_dials_at_once(tmp_path):
    """Programs that dial before anybody can know that they are there: each connect is in the trace, with its container."""
    with socket.create_server(("127.0.0.1", 0)) as s, Recording(tmp_path / "x.jsonl") as trace, contextlib.ExitStack() as stack:
        port = s.getsockname()[1]
        boxes = [stack.enter_context(Box()) for _ in range(5)]
        programs = [stack.enter_context(Program(b, "netload", "-early", f"127.0.0.1:{port}")) for b in boxes]
        time.sleep(2) # until they are old enough to be looked at
        events = trace.stop()
    ages = []
    for box, program in zip(boxes, programs):
        mine = {e["kind"]: e for e in events if e["pid"] == program.pid and e["kind"] in ("process.start", "tcp.connect")}
        connect, at = mine["tcp.connect"], int(mine["tcp.connect"]["time_unix_nano"])
        assert connect["error"] is None and connect["peer"] == {"address": "127.0.0.1", "port": port}
        assert connect["owner"]["container_id"] == box.id
        assert at < program.ready["unix_nano"]
        ages.append((at - int(mine["process.start"]["time_unix_nano"])) / 1e6)
    print("ms after the start:", ages)
    assert len([e for e in events if e["kind"] == "tcp.connect" and e["peer"]["port"] == port]) == 5
    assert min(ages) < 50

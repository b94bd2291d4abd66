# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces, the link between them with a known delay and loss, programs in them, and the network signals that watch
those (tests/net). Everything ends with its `with`; names carry our pid."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

from gs import ROOT, Started, fixture

B = ROOT / os.environ.get("B", "build")


def tool(name):
    path = B / "tests/net" / name
    if not path.exists():
        subprocess.run(["make", "-s", "-C", ROOT, f"B={os.environ.get('B', 'build')}", path.relative_to(ROOT)], check=True,
                       timeout=600)
    return path


def ip(*args):
    subprocess.run(["ip", *map(str, args)], check=True, timeout=20)


class Namespaces:
    """Two network namespaces, names in .a and .b."""

    def __init__(self):
        self.a, self.b = (f"gs-{os.getpid()}-{x}" for x in "ab")

    def __enter__(self):
        for name in (self.a, self.b):
            ip("netns", "add", name)
            self.run(name, "ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *exc):
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", name], timeout=20)

    def run(self, name, *args):
        return subprocess.run(["ip", "netns", "exec", name, *map(str, args)], check=True, stdout=subprocess.PIPE, text=True,
                              timeout=20).stdout

    def inum(self, name):
        return pathlib.Path(f"/var/run/netns/{name}").stat().st_ino

    def counters(self, name, file, prefix):
        keys, values = (x.split()[1:] for x in self.run(name, "cat", file).splitlines() if x.startswith(prefix))
        return dict(zip(keys, map(int, values)))

    def snmp(self, name):
        """The kernel's own TCP counters of that namespace."""
        return self.counters(name, "/proc/net/snmp", "Tcp:")

    def netstat(self, name):
        """... and those that no standard names."""
        return self.counters(name, "/proc/net/netstat", "TcpExt:")


class Talking(Started):
    """A program that answers each line on its standard input with lines on its output."""

    def __init__(self, *argv):
        super().__init__(*argv, stdin=subprocess.PIPE)
        ready = self.line()
        assert ready["kind"] == "ready", ready

    def say(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()

    def __exit__(self, *exc):
        self.p.stdin.close()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            pass
        super().__exit__(*exc)


class Link(Talking):
    """The delay and loss device; .report after finish(): what it passed and dropped, and how long it kept each handshake."""

    def __init__(self, spaces, delay_ms=20, loss=0, seed=1):
        super().__init__(tool("delaydev"), spaces.a, spaces.b, "-d", delay_ms, "-l", loss, "-s", seed)

    def finish(self):
        self.p.stdin.close()
        report = self.line()
        self.p.wait(10)
        return report


class Peer(Talking):
    """tests/net/peer.py in a namespace."""

    def __init__(self, space):
        super().__init__("ip", "netns", "exec", space, sys.executable, "-B", ROOT / "tests/net/peer.py")

    def do(self, *command):
        self.say(json.dumps(command))
        return self.line()


class GoPeer(Talking):
    """Fixture netpeer in a namespace."""

    def __init__(self, space, version):
        super().__init__("ip", "netns", "exec", space, fixture("netpeer", version))

    def do(self, *command):
        """Its error text, and how long it took by its own clock."""
        self.say(" ".join(map(str, command)))
        answer = self.line()
        return answer["error"], answer["took_ns"]


class Harness(Talking):
    """tests/net/net_harness; reads records into .records."""

    def __init__(self, *signals):
        try:
            super().__init__(tool("net_harness"), *signals)
        except json.JSONDecodeError:
            if self.p.wait(10) == 77:
                pytest.skip("BPF is not allowed here")
            raise
        self.signals = signals
        self.records = []
        self.counters = {}
        for name, c in self.sync().items():
            if name in signals:
                assert c["mode"] == "on", c

    def command(self, text):
        self.say(text)
        while (record := self.line()) != {}:
            if record["kind"] == "counters":
                self.counters[record["signal"]] = record
            else:
                self.records.append(record)

    def watch(self, peer):
        self.command(f"watch {peer.pid}")

    def sync(self):
        """Everything that has happened until now is in .records; the counters of each signal."""
        self.command("counters")
        return self.counters

    def take(self, kind, **fields):
        """Records of a kind with these values, after sync()."""
        return [r for r in self.records if r["kind"] == kind and all(r[k] == v for k, v in fields.items())]

    def check_counters(self, signal):
        c = self.sync()[signal]
        assert c["hits"] == c["events"] + c["filtered"] + c["lost"], c
        assert c["lost"] == 0, c
        assert not [r for r in self.records if r["kind"] == "bad"]
        return c

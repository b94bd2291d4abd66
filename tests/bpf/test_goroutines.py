# SPDX-License-Identifier: BSD-2-Clause
"""`goroutines`: its profile against the one that the program writes of itself, stack by stack; table, growth, marks."""
import collections
import json
import os
import re
import subprocess
import time

import pytest

from gs import Started, fixture, gs

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

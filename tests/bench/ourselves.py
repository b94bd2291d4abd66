# SPDX-License-Identifier: BSD-2-Clause
"""What gopherscope itself uses with ten Go processes, and how long it takes to its first event."""
import contextlib
import statistics
import subprocess
import time

from measure import BIN, cpu_ns, die, drain, fixture, memory, started

SECONDS = 20


def first_event(rounds, row):
    """From exec of the tracer to the first GC event on its standard output, with a process that forces a cycle every 5 ms."""
    took = []
    with started(fixture("fixtures/go/gcload"), "-force", "5ms", "-rate", "0", "-live", "1", "-every", "0") as load:
        load.stdout.readline()
        time.sleep(0.5)
        for _ in range(rounds):
            began = time.monotonic()
            with started(BIN, "trace", "-o", "-", "-f", "jsonl", "-d", "20", "-p", load.pid, stderr=subprocess.DEVNULL) as p:
                for line in p.stdout:
                    if '"gc.' in line:
                        took.append((time.monotonic() - began) * 1e3)
                        break
            if not took:
                die("no GC event within 20 s")
    middle = statistics.median(took)
    row("start to first event", f"{middle:.0f} ms (worst {max(took):.0f}, {len(took)} starts), goal 300 ms", middle > 300)


def observed(name, args):
    """Percent of a core, MB of RSS, peak."""
    with started(BIN, *args, stderr=subprocess.DEVNULL) as p:
        time.sleep(3)
        before, began = cpu_ns(p.pid), time.monotonic()
        drain(p, SECONDS)
        share = (cpu_ns(p.pid) - before) / 1e7 / (time.monotonic() - began)
        if p.poll() is not None:
            die(f"gopherscope {name} ended with {p.returncode}")
        return share, *memory(p.pid)


def run(rounds, row):
    first_event(rounds, row)
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(started(fixture("fixtures/go/gcload"), "-rate", "8", "-live", "4", "-every", "0")) for _ in range(10)]
        for p in loads:
            p.stdout.readline()
        for name, args in (("trace", ("trace", "-o", "/dev/null", "-f", "jsonl", "--force", "-d", "1h")), ("top", ("top", "--json"))):
            share, rss, peak = observed(name, args)
            row(f"{name}, 10 Go processes: CPU", f"{share:.3f} % of a core over {SECONDS} s, goal 0.2 %", name == "trace" and share > 0.2)
            row(f"{name}, 10 Go processes: RSS", f"{rss:.1f} MB (peak {peak:.1f}), goal 15 MB", rss > 15)

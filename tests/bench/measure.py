# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: programs, a server under load with its own count of requests and of CPU time, pairs of windows
with their interval, and what a process of ours uses itself."""
import contextlib
import glob
import json
import math
import mmap
import os
import pathlib
import random
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = os.environ.get("GOPHERSCOPE") or str(pathlib.Path(os.environ.get("B") or ROOT / "build").resolve() / "gopherscope")
GO = "1.26.8"
SETTLE = 0.01  # after a switch, before the window begins
DRAWS = 2000


class Failed(Exception):
    """One row cannot be measured; the others can."""


def die(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def check():
    if os.geteuid():
        die("needs root")
    if not os.access(BIN, os.X_OK):
        die(f"no {BIN}: run make first")


def machine():
    return f"{os.uname().release} {os.uname().machine}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Go {GO}"


def fixture(folder):
    r = subprocess.run([ROOT / "tools/go-fixture", ROOT / "tests" / folder, GO], stdout=subprocess.PIPE, text=True, check=True)
    return r.stdout.strip()


def end(p):
    """Ends a process of ours by its pid."""
    if p.poll() is None:
        p.terminate()
    try:
        p.wait(20)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    if p.stdout:
        p.stdout.close()


@contextlib.contextmanager
def started(*argv, **kw):
    p = subprocess.Popen([str(a) for a in argv], **{"stdout": subprocess.PIPE, "text": True, **kw})
    try:
        yield p
    finally:
        end(p)


def answer(p, seconds=10):
    """The next line that the process prints."""
    if not select.select([p.stdout], [], [], seconds)[0]:
        die(f"{p.args[0]} said nothing within {seconds} s")
    return p.stdout.readline().strip()


def drain(p, seconds):
    """Reads what the process prints, so that it never waits for us."""
    until = time.monotonic() + seconds
    os.set_blocking(p.stdout.fileno(), False)
    while time.monotonic() < until:
        if select.select([p.stdout], [], [], max(0, until - time.monotonic()))[0] and not os.read(p.stdout.fileno(), 1 << 16):
            return


# ---- what a process uses ------------------------------------------------------------------------------------------------

def memory(pid):
    """MB of RSS now, and at its largest."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return [int(re.search(rf"^{k}:\s*(\d+)", text, re.M).group(1)) / 1024 for k in ("VmRSS", "VmHWM")]


def threads_ns(pid):
    """CPU time of each thread by its id, from schedstat, which counts nanoseconds."""
    times = {}
    for f in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(OSError):
            times[int(f.split("/")[4])] = int(pathlib.Path(f).read_text().split()[0])
    return times


def cpu_ns(pid):
    return sum(threads_ns(pid).values())


# ---- a server under load ------------------------------------------------------------------------------------------------

class Server:
    """The server and its load: CPU nanoseconds and requests since the start."""

    def __init__(self, stack, rate, *args):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gopherscope-bench."))
        path = os.path.join(folder, "requests")
        self.p = stack.enter_context(started(fixture("bench/server"), "-counter", path, *args))
        hello = json.loads(answer(self.p))
        load = [fixture("bench/load"), "-addr", hello["addr"]] + (["-rate", rate, "-c", 16] if rate else [])
        stack.enter_context(started(*load))
        self.pid = hello["pid"]
        self.clock = (~self.pid << 3) | 2  # CLOCK_PROCESS_CPUTIME_ID of another process
        with open(path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ)
        time.sleep(1)

    def read(self):
        return time.clock_gettime_ns(self.clock), int.from_bytes(self.map[:8], sys.byteorder)

    def window(self, seconds):
        """CPU ns per request, and requests a second, of one window."""
        time.sleep(SETTLE)
        began, (cpu, n) = time.monotonic(), self.read()
        time.sleep(seconds)
        took, (cpu2, n2) = time.monotonic() - began, self.read()
        if n2 == n:
            die("the server answers nothing")
        return (cpu2 - cpu) / (n2 - n), (n2 - n) / took


# ---- pairs --------------------------------------------------------------------------------------------------------------

def percent(log_ratio):
    return (math.exp(log_ratio) - 1) * 100


def interval(values, middle=statistics.median):
    """The middle of logarithms and its bootstrap 95 % interval, in percent."""
    rng = random.Random(1)
    middles = sorted(middle(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    return [percent(v) for v in (middle(values), middles[DRAWS // 40], middles[-DRAWS // 40 - 1])]


class Pairs:
    """Windows with the tracer on and off, in changing order: off on on off off on on off."""

    def __init__(self, server, tracer, window):
        self.server, self.tracer, self.window_seconds = server, tracer, window
        self.cpu, self.rate, self.without = [], [], []  # logarithms of on/off, a pair each; ns per request without
        self.own_ns = self.own_seconds = 0
        self.memory = None

    def one(self, on):
        self.tracer.set(on)
        pid = on and self.tracer.pid()
        before, began = cpu_ns(pid) if pid else 0, time.monotonic()
        measured = self.server.window(self.window_seconds)
        if pid:
            self.own_ns += cpu_ns(pid) - before
            self.own_seconds += time.monotonic() - began
            self.memory = memory(pid)
        return measured

    def pair(self):
        order = (True, False) if len(self.cpu) % 2 else (False, True)
        m = {on: self.one(on) for on in order}
        self.cpu.append(math.log(m[True][0] / m[False][0]))
        self.rate.append(math.log(m[True][1] / m[False][1]))
        self.without.append(m[False][0])

    def run(self, seconds):
        least = 8 if self.window_seconds < 2 else 4
        until = time.monotonic() + seconds
        while time.monotonic() < until or len(self.cpu) < least:
            self.pair()
        self.tracer.set(False)
        return self

    def result(self, middle=statistics.median):
        return {
            "cpu_percent": interval(self.cpu, middle),
            "rate_percent": interval(self.rate, middle),
            "pairs": len(self.cpu),
            "request_ns": statistics.median(self.without),
            "own_cpu_percent": self.own_ns / 1e7 / self.own_seconds if self.own_seconds else None,
            "rss_mb": self.memory and self.memory[0],
            "peak_mb": self.memory and self.memory[1],
        }

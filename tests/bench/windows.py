# SPDX-License-Identifier: BSD-2-Clause
"""What windows of go_sched cost, seen inside one run: the server's CPU time per request in each window against the seconds
around it, and beside it what gopherscope says that it cost. Windows are from `sched.window` lines; the server's clock and
count of requests are read every 10 ms."""
import bisect
import contextlib
import json
import random
import subprocess
import tempfile
import time

from measure import BIN, DRAWS, Failed

KIND = '"kind":"sched.window"'
STEP = 0.01
AROUND_NS = 3_000_000_000  # of each side is what a window is compared with
# Probes come before the start of a window and go after its end; what that costs is the window's.
BEFORE_NS, AFTER_NS = 100_000_000, 300_000_000


@contextlib.contextmanager
def recorded(*args):
    """A trace whose sched.window lines are kept. Yields the process and the file of the lines, whole after the end."""
    with tempfile.TemporaryFile("w+") as lines:
        p = subprocess.Popen([BIN, "trace", "-o", "-", "-f", "jsonl", *map(str, args)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        only = subprocess.Popen(["grep", "-F", KIND], stdin=p.stdout, stdout=lines)
        p.stdout.close()
        try:
            yield p, lines, only
        finally:
            if p.poll() is None:
                p.terminate()
            p.wait(30)
            only.wait(30)
            p.stderr.close()


def sample(server, p):
    """(time, CPU ns, requests) every 10 ms until the process ends."""
    rows = []
    while p.poll() is None:
        rows.append((time.time_ns(), *server.read()))
        time.sleep(STEP)
    return rows


def parse(text):
    """A sched.window line as what is used here."""
    o = json.loads(text)
    start = int(o["time_unix_nano"])
    lost = o.get("lost") or 0
    return {"start": start, "end": start + round(o["duration_seconds"] * 1e9), "cost": o["cost_seconds"],
            "cpu": o.get("cpu_seconds"), "lost": sum(lost.values()) if isinstance(lost, dict) else lost, "why": o.get("end")}


def run(server, seconds, *args):
    """A whole run of trace with these options on the server. -> samples, windows"""
    with recorded("-p", server.pid, "-d", seconds, *args) as (p, lines, only):
        rows = sample(server, p)
        only.wait(30)
        said = p.stderr.read()
        if p.returncode:
            raise Failed(f"trace ended with {p.returncode}: {said.strip()}")
        lines.seek(0)
        return rows, sorted((parse(text) for text in lines), key=lambda w: w["start"])


class Course:
    """CPU time and requests at any moment between two samples."""

    def __init__(self, rows):
        self.times, self.cpu, self.requests = zip(*rows)

    def at(self, t):
        i = min(max(bisect.bisect(self.times, t), 1), len(self.times) - 1)
        share = (t - self.times[i - 1]) / (self.times[i] - self.times[i - 1])
        share = min(max(share, 0), 1)
        return [v[i - 1] + (v[i] - v[i - 1]) * share for v in (self.cpu, self.requests)]

    def between(self, start, end):
        """CPU ns and requests."""
        a, b = self.at(start), self.at(end)
        return b[0] - a[0], b[1] - a[1]

    @property
    def span(self):
        return self.times[0], self.times[-1]


def stretches(windows, span):
    """Each window with the time around it in which there is none: (start, end, before it from, after it until)."""
    grown = [(w["start"] - BEFORE_NS, w["end"] + AFTER_NS) for w in windows]
    for i, (start, end) in enumerate(grown):
        left = grown[i - 1][1] if i else span[0]
        right = grown[i + 1][0] if i + 1 < len(grown) else span[1]
        yield start, end, max(left, start - AROUND_NS), min(right, end + AROUND_NS)


def extra(course, start, end, left, right):
    """CPU ns that the requests of [start, end] took more than those around it, the part of it while the window was open, and
    what the requests of that time would have taken without. None where there is nothing around it."""
    cpu, n = course.between(start, end)
    around = [course.between(a, b) for a, b in ((left, start), (end, right)) if b > a]
    cpu0, n0 = (sum(v) for v in zip(*around)) if around else (0, 0)
    if n0 < 100 or start < course.span[0] or end > course.span[1]:
        return None
    each = cpu0 / n0
    open_ns, open_n = course.between(start + BEFORE_NS, end - AFTER_NS)
    return cpu - n * each, open_ns - open_n * each, open_n * each


def ratio_interval(tops, bottoms):
    """sum(tops) / sum(bottoms) with a bootstrap 95 % interval over the windows."""
    rng, k = random.Random(1), range(len(tops))
    draws = []
    for _ in range(DRAWS):
        chosen = rng.choices(k, k=len(tops))
        below = sum(bottoms[i] for i in chosen)
        draws.append(sum(tops[i] for i in chosen) / below if below else 0)
    draws.sort()
    return [sum(tops) / sum(bottoms), draws[DRAWS // 40], draws[-DRAWS // 40 - 1]]


def between_them(windows):
    """Windows of the same lengths half way between two, where there is none: what the machine's noise makes of it."""
    made = []
    for a, b in zip(windows, windows[1:]):
        length, middle = a["end"] - a["start"], (a["end"] + b["start"]) // 2
        if b["start"] - a["end"] > 2 * (BEFORE_NS + AFTER_NS) + length:
            made.append({**a, "start": middle - length // 2, "end": middle + length // 2, "cost": 0})
    return made


def account(course, windows):
    """What these windows cost: measured and told, as shares of the CPU time of the whole run and of that in windows."""
    used = [(w, *e) for w, e in ((w, extra(course, *s)) for w, s in zip(windows, stretches(windows, course.span))) if e]
    if not used:
        return None
    total = course.between(*course.span)[0]
    more, more_open, plain = ([u[i] for u in used] for i in (1, 2, 3))
    told = [u[0]["cost"] * 1e9 for u in used]
    scale = len(used) / total
    measured = ratio_interval(more, [1] * len(used))
    return {
        "windows": len(windows), "used": len(used),
        "seconds": sum(w["end"] - w["start"] for w in windows) / 1e9,
        "run_seconds": (course.span[1] - course.span[0]) / 1e9,
        "lost": sum(w["lost"] for w in windows),
        "cost_percent": [100 * v * scale for v in measured],  # of the CPU time of the run
        "open_percent": 100 * sum(more_open) / total,          # the part of it while they were open
        "told_percent": 100 * sum(told) / total,
        "inside_percent": [100 * v for v in ratio_interval(more_open, plain)],
        "measured_over_told": ratio_interval(more, told) if sum(told) else None,
    }

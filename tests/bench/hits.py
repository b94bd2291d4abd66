# SPDX-License-Identifier: BSD-2-Clause
"""One probe hit of ours against bpftrace's count of the same two functions."""
import contextlib
import json
import shutil
import statistics
import time

import tracers
from measure import fixture, started

FUNCTIONS = ("runtime.stopTheWorldWithSema", "runtime.startTheWorldWithSema")
GOAL = 8


def medians(loop, seconds):
    """Medians of one call that the loop prints during these seconds; the line that began before does not count."""
    end, values = time.monotonic() + seconds, []
    began = time.time_ns() + 100_000_000
    while time.monotonic() < end or not values:
        line = json.loads(loop.stdout.readline())
        if line["unix_nano"] > began:
            values.append(line["median_ns"])
    return statistics.median(values)


def one_round(loop, ours, theirs):
    """ns of one hit of ours, of theirs, and two of the call without any."""
    base = medians(loop, 0.6)
    ours.set(True)
    with_ours = medians(loop, 0.6)
    ours.set(False)
    base2 = medians(loop, 0.6)
    theirs.set(True)
    with_theirs = medians(loop, 0.6)
    theirs.set(False)
    return (with_ours - (base + base2) / 2) / 2, (with_theirs - base2) / 2, base, base2  # two hits a call


def measure(rounds):
    binary = fixture("bench/stw")
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(started(binary))
        ours, theirs = tracers.Toggle(loop.pid, stack), tracers.bpftrace(stack, binary, FUNCTIONS)
        mine, other, *plain = zip(*(one_round(loop, ours, theirs) for _ in range(rounds)))
    return statistics.median(mine), statistics.median(other), statistics.median(plain[0] + plain[1])


def run(rounds, row):
    if not shutil.which("bpftrace"):
        row("one probe hit", "not measured: bpftrace is missing (tools/install-deps bench)")
        return
    mine, other, plain = measure(rounds)
    ratio = other / max(mine, 1)
    row("one probe hit", f"ours {mine:.0f} ns (with its event), bpftrace {other:.0f} ns (count at entry): {ratio:.1f} x cheaper, "
        f"goal {GOAL} x; call without {plain:.0f} ns, {rounds} rounds", ratio < GOAL)

# SPDX-License-Identifier: BSD-2-Clause
"""go_gc against the program's own MemStats: every cycle once, every pause with its reason and length."""
import statistics
import time

import pytest

from gs import VERSIONS, Started, Trace, fixture

GC_REASONS = {"GC sweep termination", "GC mark termination"}
SETTLE = 2.0  # the fixture waits this long before its first cycle, so that the tracer is attached


def record(version, variant, force="60ms", seconds=4):
    """Runs gcload forcing cycles under a tracer; its start and final reports and our events."""
    with Started(fixture("gcload", version, variant), "-rate", 0, "-live", 2, "-every", 0, "-force", force, "-delay",
                 f"{SETTLE}s") as load:
        start = load.line()
        with Trace("-p", load.pid) as trace:
            time.sleep(SETTLE + seconds)
            final = load.end()[-1]
            time.sleep(0.3)
            events = trace.stop()
    return start, final, events


def own_pauses(final, cycles):
    return [ns / 1e9 for ns in final["pause_ns"][-cycles:]]


def our_pauses(events):
    """Sum of the GC pauses of each cycle, in order: those that end between a cycle's start and end."""
    pauses = [(int(e["time_unix_nano"]), e["duration_seconds"]) for e in events
              if e["kind"] == "gc.pause" and e["reason"] in GC_REASONS]
    sums = []
    for c in (e for e in events if e["kind"] == "gc.cycle"):
        begin = int(c["time_unix_nano"])
        end = begin + c["duration_seconds"] * 1e9
        slack = 2000  # conversions of monotonic stamps round to 1 us or so
        sums.append(sum(d for t, d in pauses if begin - slack <= t < end + slack))
    return sums


def check_counts(start, final, events):
    want = final["num_gc"] - start["num_gc"]
    cycles = [e for e in events if e["kind"] == "gc.cycle"]
    lost = [e for e in events if e["kind"] == "lost" and e["signal"] == "go_gc"]
    assert want > 20
    assert len(cycles) == want, lost
    assert len([e for e in events if e["kind"] == "gc.mark"]) == want
    assert not lost
    assert all(e["pid"] == final["pid"] for e in cycles)
    # Two pauses a cycle, more where mark termination had to resume.
    assert len([e for e in events if e["kind"] == "gc.pause" and e["reason"] in GC_REASONS]) >= 2 * want
    return want


@pytest.mark.parametrize("version", VERSIONS)
def test_cycles_and_pauses(version):
    start, final, events = record(version, "stripped")
    want = check_counts(start, final, events)
    own, ours = own_pauses(final, want), our_pauses(events)
    diff = [a - b for a, b in zip(own, ours)]
    if int(version.split(".")[1]) >= 22:
        # Begin and end are the runtime's own stamps; 1 us for the rounding of seconds in JSON and in this test.
        assert max(map(abs, diff)) <= 1e-6, diff
    else:
        # Paired by two probes; the runtime begins to count before the first: 10 % or 100 us on the median.
        assert abs(statistics.median(diff)) <= max(0.1 * statistics.median(own), 100e-6), diff


@pytest.mark.parametrize("version,variant", [("1.26.8", "plain"), ("1.27.4", "piestripped"), ("1.24.13", "cgo"),
                                             ("1.20.14", "pie")])
def test_other_builds(version, variant):
    start, final, events = record(version, variant, seconds=2)
    want = final["num_gc"] - start["num_gc"]
    assert want > 10
    assert len([e for e in events if e["kind"] == "gc.cycle"]) == want


@pytest.mark.parametrize("version", ["1.18.10", "1.21.13", "1.26.8"])
def test_reason_of_other_stops(version):
    """ReadMemStats stops the world once for each report."""
    with Started(fixture("gcload", version), "-rate", 0, "-live", 0, "-every", "100ms", "-delay", "60s") as load:
        load.line()
        with Trace("-p", load.pid) as trace:
            time.sleep(2.5)
            reports = len(load.end())
            time.sleep(0.3)
            events = trace.stop()
    stops = [e for e in events if e["kind"] == "gc.pause" and e["reason"] == "read mem stats"]
    assert reports > 15
    assert reports * 0.5 <= len(stops) <= reports  # those before the attach are not seen


def test_heap_triggered_cycles_under_load():
    """Allocation, not runtime.GC, starts the cycles; counts still agree."""
    with Started(fixture("gcload", "1.26.8"), "-rate", 200, "-live", 8, "-every", 0, "-delay", "2s") as load:
        start = load.line()
        with Trace("-p", load.pid) as trace:
            time.sleep(6)
            final = load.end()[-1]
            time.sleep(0.3)
            events = trace.stop()
    cycles = [e for e in events if e["kind"] == "gc.cycle"]
    # A cycle may be running at the end: the program counts it when it finishes, as we do.
    assert len(cycles) == final["num_gc"] - start["num_gc"]
    assert {e["trigger"] for e in cycles} == {"heap"}

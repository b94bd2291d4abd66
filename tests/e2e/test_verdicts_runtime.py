# SPDX-License-Identifier: BSD-2-Clause
"""What the runtime's own bookkeeping leads to: for each of its five verdicts a program that has the trouble, and the same program
without it. Where a verdict names a place or a number, it is that of the program's source or of the program itself.

Shares of CPU and waits are those of a machine that others use too: the programs weigh more than all that runs beside them, and
the troubles are far above their thresholds."""
import pathlib
import re
import time

import pytest

from gs import Started, fixture
from test_diagnose import Box, Top, evidence, verdict, why

SOURCE = pathlib.Path(__file__).parent.parent / "fixtures/go/trouble/main.go"
FIVE = {"gc-cpu", "mem-limit-gc", "p-starved", "goroutine-leak", "goroutine-blocked"}


def line_of(text, after=""):
    """Number of the first line of the fixture that has this text, behind one that has the other."""
    found = SOURCE.read_text().splitlines()
    begin = next(i for i, x in enumerate(found) if after in x)
    return next(i for i, x in enumerate(found) if i >= begin and text in x) + 1


class Trouble(Started):
    def __init__(self, box, mode, *args, version="1.26.8"):
        super().__init__(fixture("trouble", version), "-mode", mode, "-d", "400s", *args, cgroup=box.dirs)
        box.be_heavy(100)
        self.ready = self.line()


def look(mode, *args, seconds=5, settle=2, version="1.26.8", known=lambda row: True):
    """The row that `why` has of the program. Where its threads waited for a CPU too long to say what they used it for, or were
    held by others (known() is not true), it is asked again."""
    with Box() as box, Trouble(box, mode, *args, version=version):
        time.sleep(settle)
        for _ in range(4):
            row = why(box, seconds)
            print(row["gc"]["cpu_ratio"], row["sched"]["latency_seconds"]["p99"], row["cpu"]["runq_seconds"]["p99"])
            if known(row):
                break
    for v in row["verdicts"]:
        print(v["severity"], v["id"], "|", v["text"], "|", v["advice"])
    return row


def share_known(row):
    return row["gc"]["cpu_ratio"] is not None


def threads_ran(row):
    """Nothing but its Ps can have held its goroutines: the rule's own condition."""
    return row["cpu"]["runq_seconds"]["count"] is not None and (row["cpu"]["runq_seconds"]["p99"] or 0) < 0.005


def of_five(row):
    return {v["id"] for v in row["verdicts"]} & FIVE


def test_nothing():
    assert not of_five(look("fine", seconds=3))


# ---- the collector --------------------------------------------------------------------------------------------------

def test_gc_cpu():
    """GC takes most of it, GOGC 10 is told with a computed one in its place; a fortieth of the work is no trouble."""
    # the runtime's own workers take a quarter, the rest is assists, which neighbours on the CPU make fewer: asked again then
    row = look("gc", known=lambda row: share_known(row) and row["gc"]["cpu_ratio"] > 0.3)
    v = verdict(row, "gc-cpu")
    assert of_five(row) == {"gc-cpu"} and v["severity"] == "warning" # less than a minute is known
    assert evidence(v, "gc_cpu_ratio") == row["gc"]["cpu_ratio"] > 0.3
    assert evidence(v, "gogc") == 10 and "GOGC=" in v["advice"]
    advised = int(re.search(r"GOGC=(\d+)", v["advice"])[1])
    assert 15 <= advised <= 40 # half as much again at least, four times at most
    assert not of_five(look("gc", "-calm", seconds=3, known=share_known))


def test_mem_limit_gc():
    row = look("memlimit", known=share_known)
    v = verdict(row, "mem-limit-gc")
    assert of_five(row) == {"mem-limit-gc"} and v["severity"] in ("warning", "critical")
    assert evidence(v, "gomemlimit") == 40 << 20 and evidence(v, "go_memory_ratio") >= 0.9
    assert "GOMEMLIMIT 40M" in v["text"]
    assert "mem-limit-gc" not in of_five(look("memlimit", "-calm", seconds=3, known=share_known)) # no GOMEMLIMIT


# ---- the scheduler --------------------------------------------------------------------------------------------------

def test_p_starved():
    row = look("pstarved", known=threads_ran)
    print(row["sched"]["latency_seconds"], row["cpu"]["runq_seconds"])
    v = verdict(row, "p-starved")
    assert of_five(row) == {"p-starved"} and v["severity"] == "critical"
    assert evidence(v, "sched_latency_p99") == row["sched"]["latency_seconds"]["p99"] > 0.020
    assert evidence(v, "procs") == 1 and "raise GOMAXPROCS (is 1" in v["advice"]
    assert not of_five(look("pstarved", "-calm", seconds=3, known=threads_ran))


# ---- goroutines -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.18.10", pytest.param("1.22.12", marks=pytest.mark.slow), "1.26.8"])
def test_blocked(version):
    """79 of 80 goroutines want a lock that the other one holds for a minute."""
    row = look("blocked", settle=2, seconds=3, version=version)
    v = verdict(row, "goroutine-blocked")
    assert of_five(row) == {"goroutine-blocked"}
    assert evidence(v, "goroutines") == 79
    assert f"main.work main.go:{line_of('lock.Lock()')}" in v["text"]
    # they began about when it started; what is known of a wait is late or early by one of its collections, 0.5 s
    assert 3 < evidence(v, "oldest_wait") < 15


def test_not_blocked():
    assert not of_five(look("blocked", "-calm", settle=2, seconds=3))


@pytest.mark.slow
def test_waiting_for_a_group_is_no_lock():
    """sync.WaitGroup says "semacquire" from 1.20 to 1.24, as locks did before."""
    assert not of_five(look("group", settle=2, seconds=3, version="1.22.12"))


@pytest.mark.slow
@pytest.mark.limit(400)
def test_leak():
    """Ten a second that wait for ever, beside a program where as many come and go: three minutes of watching is the rule."""
    with Box() as leaks, Box() as calm, Trouble(leaks, "leak") as program, Trouble(calm, "leak", "-calm"):
        time.sleep(10)
        with Top() as top:
            s = top.until(lambda s: verdict(leaks.row(s), "goroutine-leak"), most=260)
            own = [(x["unix_nano"], x["goroutines"]) for x in program.end()]
    v = verdict(leaks.row(s), "goroutine-leak")
    print(v["text"], v["advice"])
    at = int(s["time_unix_nano"])
    seen = [n for t, n in own if at - 13e9 < t < at + 1e9] # a census is up to 10 s old, plus our second and the program's
    assert of_five(leaks.row(s)) == {"goroutine-leak"}
    assert f"main.leak main.go:{line_of('go subscribe()')}" in v["text"]
    assert evidence(v, "watched") >= 180 and evidence(v, "growth_ratio") >= 2
    assert min(seen) - 20 <= evidence(v, "goroutines") <= max(seen) # some are just about to be created or not waiting yet
    assert not of_five(calm.row(s))

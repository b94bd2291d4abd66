# SPDX-License-Identifier: BSD-2-Clause
"""A Go program's own execution trace (runtime/trace), as `go tool trace -d=parsed` prints it: the truth about its
goroutines."""
import bisect
import collections
import dataclasses
import os
import re
import statistics
import subprocess

TOOL = "go1.27.4"  # reads the traces of all older versions
CHANGE = re.compile(r"M=-?\d+ P=(-?\d+) G=(-?\d+) StateTransition Time=(\d+) GoID=(\d+) (\w+)->(\w+) Reason=\"([^\"]*)\"")
FRAME = re.compile(r"\t(\S.*) @ 0x[0-9a-f]+$")
NOBODY = -1
EDGE = 50_000  # ns by which a run of ours may lie outside of the trace that has it


def parsed(path):
    env = {**os.environ, "GOTOOLCHAIN": TOOL}
    return subprocess.run(["go", "tool", "trace", "-d=parsed", path], env=env, check=True, text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/").stdout


@dataclasses.dataclass
class Run:
    """A goroutine got a P. Times are of the trace's clock, ns."""
    time: int
    p: int
    ready: int = None     # it became runnable then; None: before the trace
    wake: str = None      # created, yielded, syscall, ready, network
    waker: int = NOBODY   # goid of who made it runnable
    parked: str = None    # reason of the park before


@dataclasses.dataclass
class Created:
    time: int
    creator: int
    function: str  # that it runs
    by: str        # function with the go statement
    at: str        # its file:line


@dataclasses.dataclass
class Trace:
    runs: dict      # goid: [Run]
    created: dict   # goid: Created
    first: int
    last: int


def wake_of(was, parked):
    if was == "Waiting":
        return "network" if parked == "network" else "ready"
    return {"NotExist": "created", "Running": "yielded", "Syscall": "syscall"}.get(was)


def top_frame(lines, i):
    """Function and file:line of the first frame of the stack whose heading is lines[i]."""
    m = FRAME.match(lines[i + 1]) if i + 1 < len(lines) else None
    return (m[1], lines[i + 2].strip()) if m else ("", "")


def stacks_after(lines, i):
    """First frames of the goroutine's own stack and of the stack of who changed it, below the event in lines[i]."""
    own = by = ("", "")
    for k in range(i + 1, len(lines)):
        if lines[k] == "TransitionStack=":
            own = top_frame(lines, k)
        elif lines[k] == "Stack=":
            by = top_frame(lines, k)
        elif lines[k].startswith("M="):
            break
    return own, by


def read(text):
    """What the text says of goroutines."""
    lines, runs, created = text.split("\n"), collections.defaultdict(list), {}
    runnable, parked, times = {}, {}, []
    for i, line in enumerate(lines):
        m = CHANGE.match(line) if line.startswith("M=") else None
        if not m:
            continue
        p, by, time, goid, was, now, why = int(m[1]), int(m[2]), int(m[3]), int(m[4]), m[5], m[6], m[7]
        times.append(time)
        if was == "NotExist":
            own, creator = stacks_after(lines, i)
            created[goid] = Created(time, by, own[0], *creator)
        if now == "Waiting" and was != "Waiting":  # that is how a later part of the trace begins
            parked[goid] = why
        elif now == "Runnable":
            runnable[goid] = (time, wake_of(was, parked.get(goid)), by, parked.pop(goid, None))
        elif was == "Runnable" and now == "Running":
            runs[goid].append(Run(time, p, *runnable.pop(goid, (None, None, NOBODY, None))))
    return Trace(dict(runs), created, min(times), max(times))


# ---- the same by us: events of `trace -f jsonl` --------------------------------------------------------------------

@dataclasses.dataclass
class Ours:
    runs: dict   # goid: [event], by time
    waits: dict  # goid: [(end, event)], by end
    windows: list


def start_of(e):
    return int(e["time_unix_nano"])


def length_of(e):
    return round(e["duration_seconds"] * 1e9)


def ours_of(events):
    runs, waits, windows = collections.defaultdict(list), collections.defaultdict(list), []
    for e in events:
        if e["kind"] == "sched.run":
            runs[e["goid"]].append(e)
        elif e["kind"] == "sched.wait":
            waits[e["goid"]].append((start_of(e) + length_of(e), e))
        elif e["kind"] == "sched.window":
            windows.append(e)
    for of in runs.values():
        of.sort(key=start_of)
    for of in waits.values():
        of.sort(key=lambda w: w[0])
    return Ours(dict(runs), dict(waits), windows)


def wait_before(ours, run):
    """The wait that ended with the run; None: it had none. Seconds in JSON are good to some ns, slices are longer."""
    waits = ours.waits.get(run["goid"], ())
    i = bisect.bisect_left(waits, start_of(run) - 500, key=lambda w: w[0])
    return waits[i][1] if i < len(waits) and waits[i][0] <= start_of(run) + 500 else None


def offset_of(truth, ours):
    """Traces before Go 1.22 begin at 0: of goroutines that were created in the trace and ran equally often the n-th run
    is the n-th; the middle of all, as a thread may be preempted between our stamp and the runtime's."""
    diffs = [start_of(o) - t.time for goid, runs in truth.runs.items()
             if goid in truth.created and len(runs) == len(ours.runs.get(goid, ()))
             for t, o in zip(runs, ours.runs[goid])]
    assert len(diffs) > 100, len(diffs)
    return round(statistics.median(diffs))


def pair(truth, ours, slack):
    """Pairs of two sorted lists of times: by order where equally many, else the nearest within the slack, in order; and the
    indices of the first that have none."""
    if len(truth) == len(ours):
        return list(zip(range(len(truth)), range(len(ours)))), []
    pairs, missing, k = [], [], 0
    for i, t in enumerate(truth):
        while k < len(ours) and ours[k] < t - slack:
            k += 1
        if k < len(ours) and ours[k] <= t + slack:
            pairs.append((i, k))
            k += 1
        else:
            missing.append(i)
    return pairs, missing


def pair_calls(truth, ours, slack):
    """Pairs where the truth has more than we: each of ours with the nearest that is left."""
    pairs, left = [], set(range(len(truth)))
    for k, o in enumerate(ours):
        i = min(left, key=lambda i: abs(truth[i] - o), default=None)
        if i is not None and abs(truth[i] - o) <= slack:
            pairs.append((i, k))
            left.remove(i)
    return pairs, sorted(left)


def woke_from_call(ours, run):
    wait = wait_before(ours, run)
    return wait is not None and wait["wake"] == "syscall"


def split(runs, other_cnt):
    """Runs that are not, and that are, a return from a system call. One that the trace (or one of its parts) begins with does
    not say: it is the former if we have one more of them."""
    unsaid_is_call = sum(r.wake not in ("syscall", None) for r in runs) >= other_cnt
    calls = ("syscall", None) if unsaid_is_call else ("syscall",)
    return [r for r in runs if r.wake not in calls], [r for r in runs if r.wake in calls]


def match_runs(truth, ours, offset, slack):
    """[(Run, event)] of the same runs, [(goid, Run)] that we do not have, and events that lie well within the trace and
    are in no pair. Back from a system call the trace tells of a run also where a goroutine found a P by itself and went on
    (exitsyscall's fast path after sysmon took its P): nobody calls execute then, so these may be without one of ours."""
    pairs, missing, extra = [], [], []
    inside = truth.first + offset + slack, truth.last + offset - slack
    for goid in truth.runs.keys() | ours.runs.keys():
        near = [e for e in ours.runs.get(goid, ())
                if truth.first + offset - EDGE <= start_of(e) <= truth.last + offset + EDGE]
        apart = split(truth.runs.get(goid, []), [woke_from_call(ours, e) for e in near].count(False))
        for from_call, t in enumerate(apart):
            o = [e for e in near if woke_from_call(ours, e) == bool(from_call)]
            got, left = (pair_calls if from_call else pair)([r.time + offset for r in t], [start_of(e) for e in o], slack)
            used = {k for _, k in got}
            pairs += [(t[i], o[k]) for i, k in got]
            missing += [(goid, t[i]) for i in left if not from_call]
            extra += [e for k, e in enumerate(o) if k not in used and inside[0] <= start_of(e) <= inside[1]]
    return pairs, missing, extra

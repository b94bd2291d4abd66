# SPDX-License-Identifier: BSD-2-Clause
"""Real containers: found, named, limited, attributed; one image in two containers."""
import time

import pytest

from gs import Podman, Trace, fixture, gs, lines, wait_for


@pytest.fixture
def podman(tmp_path):
    with Podman(tmp_path, fixture("gcload")) as p:
        yield p


LOAD = ["-rate", 0, "-live", 0, "-every", 0, "-force", "50ms", "-delay", "3s"]


def test_named_limited_attributed(podman):
    cid, pid = podman.run("gs-web", "-rate", 300, "-live", 4, "-procs", 4, "-every", 0,
                          options=["--cpus", "0.3", "--memory", "256m"])
    p = wait_for(lambda: next((x for x in lines(gs("list", "--json").stdout) if x["pid"] == pid), None))
    assert p["owner"]["container"] == "gs-web"
    assert p["owner"]["container_id"] == cid
    assert p["owner"]["runtime"] == "podman"
    assert p["owner"]["pod"] is None
    for target in ("gs-web", "podman/gs-web", cid[:12]):
        r = gs("top", "--once", "--json", "-w", "3", target)
        assert r.returncode == 0, r.stderr
        c = lines(r.stdout)[0]["containers"]
        assert len(c) == 1 and c[0]["owner"]["container_id"] == cid
    c = c[0]
    assert c["cpu"]["limit_cpus"] == pytest.approx(0.3)
    assert c["memory"]["limit_bytes"] == 256 << 20
    assert 0 < c["memory"]["working_set_bytes"] < 256 << 20
    assert c["cpu"]["throttle"]["nr_throttled"] > 20
    assert c["cpu"]["throttle"]["intervals"] >= c["cpu"]["throttle"]["nr_throttled"] - 2
    assert [v["id"] for v in c["verdicts"]][0] == "throttled"
    text = gs("top", "--once", "-w", "2", "gs-web").stdout
    assert "podman/gs-web" in text and "throttled" in text


def test_two_containers_of_one_image(podman):
    """A uprobe sits on the shared lower file: every event once, each with its own container."""
    started = {name: podman.run(name, *LOAD) for name in ("gs-a", "gs-b")}
    with Trace("gs-[ab]") as trace:
        time.sleep(5)
        final = {name: podman.stop(name) for name in started}
        time.sleep(0.3)
        events = trace.stop()
    for name, (cid, pid) in started.items():
        want = final[name][-1]["num_gc"] - final[name][0]["num_gc"]
        mine = [e for e in events if e["kind"] == "gc.cycle" and e["pid"] == pid]
        assert len(mine) == want > 10
        assert {e["owner"]["container_id"] for e in mine} == {cid}
        assert {e["owner"]["container"] for e in mine} == {name}
    lost = [e for e in events if e["kind"] == "lost" and e["signal"] == "go_gc"]
    assert not lost


def test_only_one_of_two_is_wanted(podman):
    """The other container's hits on the shared file are filtered, not lost."""
    (cid, pid), _ = podman.run("gs-a", *LOAD), podman.run("gs-b", *LOAD)
    with Trace("gs-a") as trace:
        time.sleep(5)
        events = trace.stop()
    assert {e["pid"] for e in events if e["kind"] == "gc.cycle"} == {pid}
    assert not [e for e in events if e["kind"] == "lost" and e["signal"] == "go_gc"]


def test_started_under_the_tracer(podman):
    """runc and its helpers come and go; the container's process is found and named."""
    with Trace() as trace:
        cid, pid = podman.run("gs-late", "-rate", 0, "-live", 0, "-every", 0, "-force", "50ms", "-delay", "500ms")
        time.sleep(2.5)
        final = podman.stop("gs-late")
        time.sleep(0.5)
        events = [e for e in trace.stop() if e.get("pid") == pid]
    starts = [e for e in events if e["kind"] == "process.start"]
    assert len(starts) == 1
    cycles = [e for e in events if e["kind"] == "gc.cycle"]
    assert len(cycles) == final[-1]["num_gc"] - final[0]["num_gc"] > 10
    assert {e["owner"]["container"] for e in cycles} == {"gs-late"}

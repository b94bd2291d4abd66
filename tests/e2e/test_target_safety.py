# SPDX-License-Identifier: BSD-2-Clause
"""The targets do not notice the tracer, and not its end either: it is killed at random moments, while programs that check
themselves move their stacks and collect garbage all the time; programs are overwritten and started again under it."""
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from gs import BIN, Started, Trace, fixture

KILLS = int(os.environ.get("GOPHERSCOPE_TEST_KILLS", 8))


@pytest.mark.parametrize("version", ["1.18.10", "1.22.12", "1.27.4"])
def test_killed_tracer(version):
    with Started(fixture("growstack", version), "-pause", "1ms") as grow, \
            Started(fixture("gcload", version), "-rate", 400, "-live", 4, "-force", "5ms", "-every", 0) as load:
        grow.line(), load.line()
        for _ in range(KILLS):
            p = subprocess.Popen([BIN, "top", "--json"], stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0.02, 1.2))
            p.send_signal(signal.SIGKILL)
            p.wait()
            assert grow.p.poll() is None and load.p.poll() is None
        last, final = grow.end()[-1], load.end()[-1]
        assert grow.p.returncode == 0 and load.p.returncode == 0
        assert last["kind"] == "final" and last["done"] > 100 and final["kind"] == "final" and final["num_gc"] > 10


@pytest.mark.parametrize("agents", [1, 2])
def test_overwritten_program(tmp_path, agents):
    """`cp new app && ./app` right after the old one ended: the kernel would run the old instructions under the probes."""
    versions = [fixture("gcload", v) for v in ("1.26.8", "1.18.10", "1.22.12")]
    app = tmp_path / "app"
    # into pipes that nobody reads for now: they come to wait for their reader, and must give way all the same
    traces = [Trace("--signals", "-cpu_sched,-net_tcp,-net_dns", pipe=True) for _ in range(agents)]
    pids = []
    try:
        for i in range(6):
            with open(versions[i % 3], "rb") as old, open(app, "wb") as new:  # in place: the same inode
                began = time.time()
                shutil.copyfileobj(old, new)
            assert time.time() - began < 2
            app.chmod(0o755)
            with Started(app, "-rate", 50, "-live", 1, "-every", 0, "-force", "50ms") as load:
                load.line()
                pids.append(load.pid)
                time.sleep(0.8)
                assert load.p.poll() is None
                load.end(signal.SIGKILL)
        events = [t.stop() for t in traces]
    finally:
        for t in traces:
            t.__exit__()
    for recorded in events:
        assert pids[0] in {e["pid"] for e in recorded if e["kind"] == "gc.cycle"}

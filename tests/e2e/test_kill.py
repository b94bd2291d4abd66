# SPDX-License-Identifier: BSD-2-Clause
"""The targets do not notice the tracer's end: it is killed at random moments, while programs that check themselves move
their stacks and collect garbage all the time."""
import os
import random
import signal
import subprocess
import time

import pytest

from gs import BIN, Started, fixture

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

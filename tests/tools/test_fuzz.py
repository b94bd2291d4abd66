# SPDX-License-Identifier: BSD-2-Clause
"""Damaged recordings for a minute (tests/fuzz), with libFuzzer or our own driver."""
import os
import re
import subprocess

import pytest

from gs import ROOT


@pytest.mark.slow
@pytest.mark.limit(400)
def test_replay():
    b = os.environ.get("B") or "build"
    r = subprocess.run(["make", "--no-print-directory", f"B={b}", "fuzz", "FUZZ_SECONDS=60"], cwd=ROOT, timeout=360,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert r.returncode == 0, r.stdout[-4000:]
    runs = re.search(r"^Done (\d+) runs", r.stdout, re.M)
    assert runs and int(runs[1]) > 10000, r.stdout[-4000:]

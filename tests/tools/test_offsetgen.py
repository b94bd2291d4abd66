# SPDX-License-Identifier: BSD-2-Clause
"""The generated tables of user/symbols are what tools/offsetgen makes of the toolchains that it names."""
import os
import subprocess

import pytest

from gs import ROOT


@pytest.mark.slow  # downloads and builds with a dozen toolchains where they are not there yet
def test_tables_are_up_to_date():
    r = subprocess.run([os.path.join(ROOT, "tools/offsetgen"), "--check"], capture_output=True, text=True, timeout=1200)
    assert r.returncode == 0, r.stdout + r.stderr

# SPDX-License-Identifier: BSD-2-Clause
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def pytest_collection_modifyitems(items):
    """Everything here needs root and a kernel with BTF. Without them it is skipped, in CI that is a failure (run-tests)."""
    why = None
    if os.geteuid():
        why = "needs root"
    elif not os.path.exists("/sys/kernel/btf/vmlinux"):
        why = "needs /sys/kernel/btf/vmlinux"
    if why:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=why))

# SPDX-License-Identifier: BSD-2-Clause
"""A pytest plugin (run-tests loads it with -p): a test that takes longer than its limit fails and the next one goes on.

The alarm interrupts system calls of the main thread, where tests wait for processes, and raises what pytest.fail raises, which
no `except Exception` of a test swallows.
"""
import signal

import pytest

SECONDS = 120


def limited(item, phase):
    mark = item.get_closest_marker("limit")
    seconds = mark.args[0] if mark else SECONDS

    def late(signum, frame):
        pytest.fail(f"{phase} took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from limited(item, "set-up")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from limited(item, "the test")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from limited(item, "tear-down")

# SPDX-License-Identifier: BSD-2-Clause
"""Damaged input for a minute each (tests/fuzz), with libFuzzer or our own driver: recordings, and Go programs with spoiled
places. What was found once, and what reaches far, lies in tests/fuzz/corpus and is tried each time."""
import os
import re
import subprocess

import pytest

from gs import ROOT, fixture

B = os.environ.get("B") or "build"
# What an input's first byte chooses from: corpus files count on this order.
PROGRAMS = [("1.18.10", "plain"), ("1.24.13", "stripped"), ("1.27.4", "piestripped"), ("1.26.8", "arm64"), ("1.27.4", "rawdwarf"),
            ("1.20.14", "rawdwarf")]
TARGETS = ["elf", "buildinfo", "pclntab", "moduledata", "dwarf"]
ENOUGH = {"elf": 500, "buildinfo": 10000, "pclntab": 500, "moduledata": 500, "dwarf": 1000}  # runs in a minute, loaded


def make(*args):
    r = subprocess.run(["make", "--no-print-directory", f"B={B}", *args], cwd=ROOT, timeout=360,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert r.returncode == 0, r.stdout[-4000:]
    return r.stdout


def fuzz_symbols(what, *args):
    make("fuzz-symbols")
    env = dict(os.environ, FUZZ_WHAT=what, ASAN_OPTIONS="handle_abort=1",
               FUZZ_BASES=":".join(fixture("hello", v, variant) for v, variant in PROGRAMS))
    # -O1 with sanitizers reads a program in 10 ms; 10 s for one is an endless loop, also on a loaded machine
    r = subprocess.run([ROOT / B / "fuzz/fuzz_symbols", "-max_len=600", "-timeout=10", "-rss_limit_mb=1024",
                        f"-artifact_prefix={ROOT / B}/fuzz/{what}-", *map(str, args)], env=env, timeout=300,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert r.returncode == 0, r.stdout[-4000:]
    return r.stdout


@pytest.mark.slow
@pytest.mark.limit(400)
def test_replay():
    runs = re.search(r"^Done (\d+) runs", make("fuzz", "FUZZ_SECONDS=60"), re.M)
    assert runs and int(runs[1]) > 10000


@pytest.mark.limit(300)
@pytest.mark.parametrize("what", TARGETS)
def test_corpus(what):
    files = sorted((ROOT / "tests/fuzz/corpus" / what).iterdir())
    assert files
    fuzz_symbols(what, *files)


@pytest.mark.slow
@pytest.mark.limit(400)
@pytest.mark.parametrize("what", TARGETS)
def test_symbols(what, tmp_path):
    text = fuzz_symbols(what, "-max_total_time=60", tmp_path, ROOT / "tests/fuzz/corpus" / what)
    runs = re.search(r"^Done (\d+) runs", text, re.M)
    assert runs and int(runs[1]) > ENOUGH[what]

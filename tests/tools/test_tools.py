# SPDX-License-Identifier: BSD-2-Clause
"""The tools around the program, without privilege: what they refuse, and what they say."""
import importlib.machinery
import importlib.util
import subprocess

import pytest

from gs import ROOT

TOOLS = ROOT / "tools"


def layers(folder):
    r = subprocess.run([TOOLS / "layers", folder], capture_output=True, text=True, timeout=20)
    return r.returncode, r.stdout + r.stderr


# file and what it includes -> is that allowed?
INCLUDES = [
    ("user/procs/a.c", '"symbols/b.h"', True),
    ("user/procs/a.c", '"procs/b.h"', True),
    ("user/procs/a.c", '"base/b.h"', True),
    ("user/procs/a.c", '"event.h"', True),
    ("user/probes/a.c", '"go_gc.skel.h"', True),
    ("user/procs/a.c", "<stdio.h>", True),
    ("user/session.c", '"view/b.h"', True),
    ("user/procs/a.c", '"probes/b.h"', False),
    ("user/base/a.c", '"symbols/b.h"', False),
    ("user/procs/a.c", '"../base/b.h"', False),
    ("user/procs/a.c", '"b.h"', False),
    ("user/procs/a.c", '"session.h"', False),
    ("user/view/a.c", '"export/b.h"', False),
    ("user/export/a.c", '"view/b.h"', False),
    ("user/other/a.c", '"base/b.h"', False),
    ("user/procs/a.h", '"view/b.h"', False),
    ("bpf/a.bpf.c", '"emit.bpf.h"', True),
    ("bpf/a.bpf.c", '"vmlinux.h"', True),
    ("bpf/a.bpf.c", "<bpf/bpf_helpers.h>", True),
    ("bpf/a.bpf.c", '"base/b.h"', False),
    ("bpf/a.bpf.c", "<stdint.h>", False),
    ("include/a.h", "<linux/types.h>", True),
    ("include/a.h", '"base/b.h"', False),
    ("include/a.h", "<stdio.h>", False),
]


@pytest.mark.parametrize("where,what,good", INCLUDES)
def test_layers(tmp_path, where, what, good):
    for name in ("include/event.h", "bpf/emit.bpf.h", "user/session.h", "user/base/b.h", where):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("int x;\n")
    (tmp_path / where).write_text(f"int x;\n#include {what}\n")
    code, text = layers(tmp_path)
    assert (code == 0) == good, text
    assert good or text.startswith(f"{where}:2: ")


def test_layers_of_nothing(tmp_path):
    assert layers(tmp_path)[0] == 2


def test_layers_here():
    assert layers(ROOT) == (0, "")


def test_dependencies_are_there():
    r = subprocess.run([TOOLS / "deps-check", "build"], capture_output=True, text=True, timeout=20)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_missing_dependency_is_named(tmp_path):
    """A PATH with bash and little else, headers elsewhere: every command is missing and named with its package."""
    (tmp_path / "bash").symlink_to("/bin/bash")
    text = (TOOLS / "deps-check").read_text().replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin", f"PATH={tmp_path}")
    script = tmp_path / "deps-check"
    script.write_text(text.replace("/usr/include", str(tmp_path)))
    r = subprocess.run(["/bin/bash", script, "build"], capture_output=True, text=True, timeout=20, env={"PATH": str(tmp_path)})
    assert r.returncode == 1
    assert "missing: clang 16 or newer (package clang-16)" in r.stderr
    assert "missing: jansson.h (package libjansson-dev)" in r.stderr
    packages = subprocess.run(["/bin/bash", script, "--packages", "build"], capture_output=True, text=True, timeout=20,
                              env={"PATH": str(tmp_path)})
    assert {"gcc", "make", "bpftool", "libbpf-dev", "libelf-dev", "zlib1g-dev"} <= set(packages.stdout.split())
    assert packages.stderr == ""


def runner(tmp_path, monkeypatch, strict=False):
    monkeypatch.setenv("B", str(tmp_path))
    monkeypatch.setenv("CI", "true" if strict else "false")
    loader = importlib.machinery.SourceFileLoader("run_tests", str(TOOLS / "run-tests"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module.Runner(slow=False)


def program(folder, text):
    path = folder / "prog"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


# what a unit test binary does -> passed, failed, skipped
BINARIES = [
    ('echo "[  PASSED  ] 3 test(s)."', (3, 0, 0)),
    ('echo "[  PASSED  ] 2 test(s)."; echo "[  FAILED  ] 1 test(s), listed below:"; exit 1', (2, 1, 0)),
    ('echo "[  PASSED  ] 2 test(s)."; echo "[  SKIPPED ] 1 test(s), listed below:"', (2, 0, 1)),
    ('echo "[  PASSED  ] 2 test(s)."; exit 1', (2, 1, 0)),
    ('kill -SEGV $$', (0, 1, 0)),
    ('true', (0, 1, 0)),
    ('sleep 60', (0, 1, 0)),
]


@pytest.mark.parametrize("text,sums", BINARIES)
def test_unit_result(tmp_path, monkeypatch, text, sums):
    r = runner(tmp_path, monkeypatch)
    r.unit_binary(program(tmp_path, text), "unit/x", 2)
    assert tuple(r.sums.values()) == sums


SUITE = """
import pytest
def test_a(): pass
def test_b(): pytest.skip("because")
@pytest.mark.slow
def test_c(): assert False
"""


@pytest.mark.parametrize("strict,sums", [(False, (1, 0, 1)), (True, (1, 1, 0))])
def test_a_skip_counts(tmp_path, monkeypatch, capsys, strict, sums):
    r = runner(tmp_path, monkeypatch, strict)
    (tmp_path / "test_x.py").write_text(SUITE)
    r.pytest_file(["python3"], "x", str(tmp_path / "test_x.py"), True)
    assert tuple(r.sums.values()) == sums
    assert "because" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["def test_a(): assert 0", "import nothing_of_this_name", "def test_a(:"])
def test_a_broken_file_fails(tmp_path, monkeypatch, text):
    r = runner(tmp_path, monkeypatch)
    (tmp_path / "test_x.py").write_text(text)
    r.pytest_file(["python3"], "x", str(tmp_path / "test_x.py"), True)
    assert r.sums["failed"] == 1
    assert r.close() == 1


FLAKY = """
import os, pytest
def once(name):
    if not os.path.exists(name): open(name, "w").close(); assert 0, "the first time"
def test_ok(): pass
def test_flaky(): once({!r} + "/flaky")
@pytest.mark.parametrize("n", range({}))
def test_bad(n): assert 0
"""


# failing tests beside the flaky one -> passed, failed
@pytest.mark.parametrize("bad,privileged,sums", [(0, True, (2, 0)), (2, True, (2, 2)), (3, True, (1, 4)), (0, False, (1, 1))])
def test_a_second_attempt(tmp_path, monkeypatch, capsys, bad, privileged, sums):
    """Only of few privileged tests; it is said, with what failed."""
    r = runner(tmp_path, monkeypatch)
    (tmp_path / "test_x.py").write_text(FLAKY.format(str(tmp_path), bad))
    r.pytest_file(["python3"], "x", str(tmp_path / "test_x.py"), privileged)
    assert (r.sums["passed"], r.sums["failed"]) == sums
    said = capsys.readouterr().out
    assert ("test_flaky: passed when run again, failed before: AssertionError: the first time" in said) == (sums[0] == 2)


def test_time_limit(tmp_path, monkeypatch):
    r = runner(tmp_path, monkeypatch)
    (tmp_path / "test_x.py").write_text("import pytest, time\n@pytest.mark.limit(1)\ndef test_a(): time.sleep(30)\ndef test_b(): pass\n")
    r.pytest_file(["python3"], "x", str(tmp_path / "test_x.py"), True)
    assert tuple(r.sums.values()) == (1, 1, 0)

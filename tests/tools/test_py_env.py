# SPDX-License-Identifier: BSD-2-Clause
"""tools/py-env without a network: quiet when asked, clear when it cannot."""
import os
import subprocess

from gs import ROOT


def py_env(cache, *args, **env):
    r = subprocess.run([ROOT / "tools/py-env", *args], capture_output=True, text=True, timeout=50,
                       env={**os.environ, "GOPHERSCOPE_CACHE": str(cache), **env})
    return r.returncode, r.stdout, r.stderr


def test_check_is_quiet(tmp_path):
    assert py_env(tmp_path / "none", "--check") == (1, "", "")
    assert not (tmp_path / "none").exists()


def test_pip_cannot_fetch(tmp_path):
    code, out, err = py_env(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    assert (code, out) == (1, "")
    assert "py-env: pip could not fetch" in err or "python3-venv" in err
    # what is half made is not taken for made
    assert py_env(tmp_path, "--check") == (1, "", "")


def test_made_of_other_packages(tmp_path):
    """A list that changed since, or a Python that is gone: made anew."""
    (tmp_path / "py/bin").mkdir(parents=True)
    (tmp_path / "py/bin/python3").symlink_to("/bin/true")
    (tmp_path / "py/.gopherscope").write_text("pytest\n")
    assert py_env(tmp_path, "--check")[0] == 1


def test_usage(tmp_path):
    code, out, err = py_env(tmp_path, "--help")
    assert code == 2 and out == "" and "usage" in err

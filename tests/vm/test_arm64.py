# SPDX-License-Identifier: BSD-2-Clause
"""The program for arm64, on an arm64 kernel in an emulated machine, beside stripped arm64 Go programs: what it reads of their
runtimes equals what they say themselves, its gctrace lines are the runtime's own, its census finds what was planted."""
import json
import os
import re
import shutil
import subprocess

import pytest

import gs
import vm

pytestmark = [pytest.mark.slow, pytest.mark.limit(600)]

VERSIONS = ["1.18.10", "1.22.12", "1.27.4"]
PLANTED = 50

# A report is made between two looks: what both looks agree on must be what the report says.
SCRIPT = r"""
talk() { # talk VERSION: starts ./rtvalues-VERSION, which reads the fifo
	mkfifo in-$1
	./rtvalues-$1 < in-$1 > out/report-$1 2>&1 &
	pid=$!
	exec 3> in-$1
}
answers() { # answers VERSION N: it has said N lines
	i=0
	until [ "$(wc -l < out/report-$1)" -ge $2 ]; do i=$((i + 1)); [ $i -lt 300 ] || return 1; sleep 0.1; done
}
./gopherscope check --json > out/check 2>&1
for v in @VERSIONS@; do
	talk $v
	echo "keep 20000000" >&3; echo "spawn @PLANTED@" >&3; echo gc >&3; answers $v 4 || exit 11
	./gopherscope runtime $pid --json > out/before-$v 2>> out/errors
	echo report >&3; answers $v 5 || exit 12
	./gopherscope runtime $pid --json > out/after-$v 2>> out/errors
	./gopherscope goroutines $pid --json > out/goroutines-$v 2>> out/errors
	exec 3>&-
	wait $pid
	GODEBUG=gctrace=1 ./gcload-$v -rate 0 -live 2 -every 0 -force 200ms -delay 4s -d 12s > out/load-$v 2> out/gctrace-$v &
	sleep 1
	./gopherscope gctrace $! -d 10s > out/ours-$v 2>> out/errors
	wait
done
dmesg | grep -E 'WARNING|BUG|Oops|stall|lockup' > out/complaints || true
"""


@pytest.fixture(scope="module")
def guest():
    b = os.environ.get("B") or "build"
    if not shutil.which("aarch64-linux-gnu-gcc"):
        pytest.skip("aarch64-linux-gnu-gcc is missing (tools/install-deps long)")
    try:
        root = vm.fetch("fetch-arm64")
        kernel = vm.fetch_kernel("bookworm", "arm64")
    except vm.VmUnavailable as e:
        pytest.skip(str(e))
    r = subprocess.run(["make", "--no-print-directory", f"B={b}", "arm64"], cwd=gs.ROOT, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=500)
    assert r.returncode == 0, r.stdout[-3000:]
    files = {"gopherscope": gs.ROOT / b / "arm64/gopherscope"}
    for v in VERSIONS:
        for name in ("rtvalues", "gcload"):
            files[f"{name}-{v}"] = gs.fixture(name, v, "arm64stripped")
    script = SCRIPT.replace("@VERSIONS@", " ".join(VERSIONS)).replace("@PLANTED@", str(PLANTED))
    try:
        r = vm.run(kernel, script, {n: str(p) for n, p in files.items()}, machine="aarch64", root=root, timeout=420)
    except vm.VmUnavailable as e:
        pytest.skip(str(e))
    assert r.status == 0, r.console[-3000:] + r.files.get("errors", b"").decode()
    return r.files


def last(guest, name):
    return json.loads(guest[name].decode().splitlines()[-1])


def test_machine(guest):
    check = json.loads(guest["check"])
    assert check["machine"] == "aarch64" and check["can_run"]
    assert {s["name"]: s["state"] for s in check["signals"]}["go_gc"] == "on"
    assert guest["complaints"] == b"", guest["complaints"].decode()


@pytest.mark.parametrize("version", VERSIONS)
def test_values(guest, version):
    before, after, own = last(guest, "before-" + version), last(guest, "after-" + version), last(guest, "report-" + version)
    assert before["layout"] == "table, code refs"
    ours = {
        "numgc": ("gc", "cycles"), "numforcedgc": ("gc", "cycles_forced"), "gomaxprocs": ("settings", "gomaxprocs"),
        "gogc": ("settings", "gogc"), "goroutines": ("scheduler", "goroutines"), "heap_goal": ("memory", "heap_goal_bytes"),
    }
    for name, (group, key) in ours.items():
        assert before[group][key] == own[name] == after[group][key], name
    assert round(before["gc"]["pause_seconds"] * 1e9) == own["pause_total_ns"]
    assert [round(p["pause_seconds"] * 1e9) for p in before["gc"]["pauses"]] == [p[1] for p in own["pauses"]]
    assert own["numgc"] >= 2


@pytest.mark.parametrize("version", VERSIONS)
def test_goroutines(guest, version):
    groups = last(guest, "goroutines-" + version)["groups"]
    planted = [g for g in groups if g["count"] == PLANTED and g["reason"] == "chan receive"]
    assert len(planted) == 1, groups
    created, blocked = planted[0]["created_by"], planted[0]["blocked_at"]
    assert created["function"].startswith("main.spawn") and created["file"].endswith("main.go"), created
    assert blocked["function"].startswith("main.spawn") and blocked["line"] > 0, blocked


@pytest.mark.parametrize("version", VERSIONS)
def test_gctrace(guest, version):
    own = [x for x in guest["gctrace-" + version].decode().splitlines() if x.startswith("gc ")]
    ours = guest["ours-" + version].decode().splitlines()
    assert len(ours) > 20, guest["errors"].decode()[-2000:]
    assert all(re.match(r"gc \d+ @", x) for x in ours)
    assert set(ours) <= set(own)
    first = own.index(ours[0])
    assert own[first:first + len(ours)] == ours, "a cycle is missing"

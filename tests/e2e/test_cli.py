# SPDX-License-Identifier: BSD-2-Clause
"""What a person meets at the command line: messages, exit codes, clean ends."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from gs import BIN, Started, fixture, gs, lines, wait_for

GOOD, FAILED, USAGE, NOTHING, PRIVILEGE = range(5)


def in_empty_node(*args, timeout=60):
    """gopherscope in a pid namespace of its own: a node on which it is the only process."""
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", BIN, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)


def without(cap, *args):
    """gopherscope as root without one capability."""
    command = " ".join([str(BIN), *map(str, args)])
    return subprocess.run(["capsh", f"--drop={cap}", "--", "-c", command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)


def as_nobody(*args):
    """gopherscope without any privilege."""
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BIN, *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def programs_of(pid):
    """Ids of the BPF programs that a process holds."""
    found = set()
    for fd in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            found.update(re.findall(r"^prog_id:\t(\d+)$", fd.read_text(), re.M))
        except OSError:
            pass
    return found


def loaded_programs():
    """Ids of all BPF programs of the kernel."""
    out = subprocess.run(["bpftool", "prog", "show"], stdout=subprocess.PIPE, text=True, check=True,
                         env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    return set(re.findall(r"^(\d+):", out.stdout, re.M))


def one_line(text):
    assert text.startswith("gopherscope: "), text
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("args,words", [
    (["nonsense"], "unknown command 'nonsense'"),
    (["top", "--nonsense"], "--nonsense"),
    (["top", "-w", "0"], "out of range, 1s to 60s"),
    (["-n", "list", "shop/cart"], "unknown command 'shop/cart'"),
    (["top", ""], "is empty"),
    (["top", "--signals", "go_gc"], "write +NAME or -NAME"),
    (["top", "-w", "1parsec"], "no duration"),
    (["top", "-d"], "missing value"),
    (["list", "-o", "x"], "option '--output': not for this command"),
    (["why"], "needs a TARGET"),
    (["trace", "a", "b"], "unexpected argument 'b'"),
    (["top", "--signals", "+telepathy"], "unknown signal 'telepathy'"),
    (["trace", "-o", "x.svg"], "the format is not known"),
    (["replay"], "needs a FILE"),
    (["gctrace"], "needs a TARGET"),
    (["goroutine", "1"], "unknown command 'goroutine'"),
    (["goroutines", "1", "-o", "x.svg"], "name it FILE.pb.gz"),
    (["goroutines", "1", "--diff", "0"], "out of range, 1s to 1h"),
    (["runtime", "1", "--stacks"], "option '--stacks': not for this command"),
    (["schedtrace", "1", "-f", "pftrace"], "text or json"),
])
def test_usage_errors(args, words, tmp_path):
    r = gs(*args, cwd=tmp_path)
    assert r.returncode == USAGE
    assert words in one_line(r.stderr)
    assert r.stdout == ""


def test_help_and_version():
    for args in (["--help"], ["top", "-h"], ["-h"]):
        r = gs(*args)
        assert r.returncode == GOOD and "usage: gopherscope" in r.stdout and r.stderr == ""
    r = gs("--version")
    assert r.returncode == GOOD and re.match(r"gopherscope \S+\n$", r.stdout)


@pytest.mark.parametrize("args", [["list"], ["top", "--once", "-w", "1"], ["why", "x", "-w", "1"], ["trace", "-d", "1", "-o", "-"]])
def test_empty_node(args):
    r = in_empty_node(*args)
    assert r.returncode == NOTHING, r.stderr
    assert re.search(r"no Go process (on this node \(\d+ process(es)? looked at\)|matches)", one_line(r.stderr))
    assert not [x for x in lines(r.stdout) if x["kind"] != "lost"]


def test_check_runs_here():
    r = gs("check")
    assert r.returncode == GOOD, r.stdout + r.stderr
    for signal_name in ("go_gc", "go_runtime", "cpu_throttle", "proc_watch", "net_tcp", "net_dns", "mem_oom"):
        assert re.search(rf"^{signal_name} +on ", r.stdout, re.M), r.stdout
    assert re.search(r"^cpu_sched +window ", r.stdout, re.M), r.stdout
    assert re.search(r"^RESULT  can run; 0 of 8 signals off$", r.stdout, re.M)
    states = {s["name"]: s["state"] for s in lines(gs("check", "--json").stdout)[0]["signals"]}
    assert states.pop("cpu_sched") == "window"
    assert states.pop("go_assist") == states.pop("go_sched") == "off"  # only when asked for
    assert set(states.values()) == {"on"}


@pytest.mark.parametrize("cap", ["cap_bpf", "cap_perfmon", "cap_sys_ptrace", "cap_dac_read_search", "cap_syslog"])
def test_capability_missing(cap):
    """CAP_SYS_ADMIN covers BPF, PERFMON and SYSLOG, so it goes as well. Each loss has its own message or signal."""
    drop = cap if cap in ("cap_sys_ptrace", "cap_dac_read_search") else f"{cap},cap_sys_admin"
    r = without(drop, "check")
    name = cap.upper()
    assert name in r.stdout, r.stdout
    if cap in ("cap_bpf", "cap_perfmon"):
        assert r.returncode == PRIVILEGE
        r = without(drop, "top", "--once", "-w", "1")
        assert r.returncode == PRIVILEGE and name in one_line(r.stderr)
    if cap == "cap_syslog":
        assert re.search(r"^cpu_throttle +OFF .*CAP_SYSLOG", r.stdout, re.M), r.stdout
        assert r.returncode == GOOD
    if cap == "cap_sys_ptrace":
        assert re.search(r"^go_runtime +DEGRADED .*CAP_SYS_PTRACE", r.stdout, re.M), r.stdout
        assert "WARN  privileges: CAP_SYS_PTRACE is missing" in r.stdout
        r = without(drop, "top", "--once", "-w", "1")  # in the header, or where nothing can be read, as the error
        assert "CAP_SYS_PTRACE is missing" in r.stdout + r.stderr


def test_no_privilege_at_all():
    r = as_nobody("top", "--once", "-w", "1")
    assert r.returncode == PRIVILEGE
    assert "run as root" in one_line(r.stderr) and "CAP_BPF" in r.stderr
    r = as_nobody("list")
    assert r.returncode == PRIVILEGE
    assert "CAP_SYS_PTRACE is missing; run as root" in one_line(r.stderr)
    r = as_nobody("check")
    assert r.returncode == PRIVILEGE and len(re.findall(r"^\w+ +OFF ", r.stdout, re.M)) == 9, r.stdout


def test_no_btf():
    r = subprocess.run(["unshare", "-m", "sh", "-c",
                        f"mount -t tmpfs none /sys/kernel/btf && exec {BIN} top --once -w 1"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert r.returncode == PRIVILEGE
    assert "BTF" in one_line(r.stderr)


def test_unreadable_process():
    """As nobody, a Go process of root cannot be opened: list --all says so instead of leaving it out."""
    with Started(fixture("gcload"), "-rate", 0) as load:
        load.line()
        r = as_nobody("list", "--all")
    row = next(x for x in r.stdout.splitlines() if x.split()[0] == str(load.pid))
    assert "Permission denied" in row


def test_full_disk_leaves_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    with Started(fixture("gcload"), "-rate", 0, "-force", "2ms", "-live", 0) as load:
        load.line()
        r = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=8k none {small} && "
                            f"{BIN} trace -p {load.pid} -d 4 -o {small}/out.jsonl; code=$?; ls -A {small} >&2; exit $code"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert r.returncode == FAILED
    assert "No space left on device" in r.stderr
    assert "out.jsonl" not in r.stderr.splitlines()[1:]  # ls printed nothing


def test_trace_file(tmp_path):
    out = tmp_path / "t.jsonl"
    with Started(fixture("gcload"), "-rate", 0, "-force", "20ms", "-live", 0) as load:
        load.line()
        r = gs("trace", "-p", load.pid, "-d", "1", "-o", out)
        assert r.returncode == GOOD
        assert re.search(r"t\.jsonl: \d+ bytes, \d+ events, 0 lost", r.stderr)
        assert {e["schema"] for e in lines(out.read_text())} == {"gopherscope.event/1"}
        before = out.read_bytes()
        r = gs("trace", "-p", load.pid, "-d", "1", "-o", out)
        assert r.returncode == FAILED and "--force" in r.stderr and out.read_bytes() == before
        assert gs("trace", "-p", load.pid, "-d", "1", "-o", out, "--force").returncode == GOOD
    assert [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]


def test_trace_of_nothing_leaves_no_file(tmp_path):
    r = in_empty_node("trace", "-d", "0.2", "-o", tmp_path / "t.jsonl")
    assert r.returncode == NOTHING and not list(tmp_path.iterdir())


def test_ctrl_c_at_once(tmp_path):
    """While probes are being loaded: no half-written file, whatever the moment."""
    with Started(fixture("gcload"), "-rate", 0, "-force", "20ms", "-live", 0) as load:
        load.line()
        for ms in (0, 2, 5, 10, 20, 50, 100):
            with Started(BIN, "trace", "-p", load.pid, "-d", "60", "-o", tmp_path / f"{ms}.jsonl",
                         stderr=subprocess.DEVNULL) as t:
                time.sleep(ms / 1000)
                t.p.send_signal(signal.SIGINT)
                t.p.wait(5)
    assert not [p.name for p in tmp_path.iterdir() if "partial" in p.name]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_end_by_signal(sig, tmp_path):
    """Ends within a second, with a whole file and nothing left in the kernel."""
    out = tmp_path / "t.jsonl"
    with Started(fixture("gcload"), "-rate", 0, "-force", "20ms", "-live", 0) as load:
        load.line()
        with Started(BIN, "trace", "-p", load.pid, "-d", "60", "-o", out, stderr=subprocess.DEVNULL) as t:
            wait_for(lambda: len(programs_of(t.pid)) > 4)
            time.sleep(0.5)
            ours = programs_of(t.pid)
            began = time.time()
            t.p.send_signal(sig)
            assert t.p.wait(5) == GOOD
            assert time.time() - began < 1.5
        assert lines(out.read_text())
        wait_for(lambda: not ours & loaded_programs())


def test_killed_leaves_nothing():
    with Started(fixture("gcload"), "-rate", 0, "-force", "20ms", "-live", 0) as load:
        load.line()
        with Started(BIN, "trace", "-p", load.pid, "-d", "60", "-o", "/dev/null", stderr=subprocess.DEVNULL) as t:
            wait_for(lambda: len(programs_of(t.pid)) > 4)
            time.sleep(0.3)
            ours = programs_of(t.pid)
            assert ours <= loaded_programs()
            t.p.kill()
        wait_for(lambda: not ours & loaded_programs())
        assert load.p.poll() is None  # the target lives on
        assert load.end()[-1]["kind"] == "final"


def test_pipe_closed_early():
    with Started(fixture("gcload"), "-rate", 0) as load:
        load.line()
        r = subprocess.run(f"{BIN} top -i 0.2 | head -3", shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=30)
    assert len(r.stdout.splitlines()) == 3 and r.stderr == ""


@pytest.mark.parametrize("args", [("trace", "-o", "-", "-d", 60), ("top", "--json", "-i", "0.1")])
def test_stuck_reader(args):
    """A pipe that nobody reads is full soon: SIGTERM ends us all the same."""
    with Started(fixture("gcload"), "-rate", 0, "-force", "1ms", "-live", 0) as load:
        load.line()
        with Started(BIN, *args, stderr=subprocess.DEVNULL) as t:
            def writing():
                time.sleep(0.1)
                return "pipe_w" in pathlib.Path(f"/proc/{t.pid}/wchan").read_text()
            wait_for(lambda: all(writing() for _ in range(10)), 60)
            t.p.send_signal(signal.SIGTERM)
            assert t.p.wait(5) == GOOD


@pytest.mark.parametrize("command", ["gctrace", "schedtrace", "goroutines", "runtime", "why"])
def test_why_a_pid_is_no_target(command):
    """As `list --all` says it, in one line."""
    with subprocess.Popen(["sleep", "60"]) as p:
        r = gs(command, p.pid)
        assert r.returncode == NOTHING and f"matches '{p.pid}': sleep: not Go; " in one_line(r.stderr)
        p.kill()
    r = gs(command, p.pid)  # nobody reuses it so soon
    assert r.returncode == NOTHING and ": there is no such process; " in one_line(r.stderr)
    r = gs(command, 2)
    assert r.returncode == NOTHING and ("kernel thread; " in r.stderr or "not Go; " in r.stderr), r.stderr


def test_gctrace_of_a_program_that_does_not_collect():
    with Started(fixture("gcload"), "-delay", "60s") as p:
        p.line()
        r = gs("gctrace", p.pid, "-d", "300ms")
        assert r.returncode == GOOD and r.stdout == ""
        assert f"no GC cycle of '{p.pid}' ended in this time" in one_line(r.stderr)
        assert gs("gctrace", p.pid, "-d", "300ms", "-q").stderr == ""


def test_goroutines_to_a_pipe_leaves_nothing_out():
    """The runtime's own have names that do not fit into 120 columns."""
    with Started(fixture("gcload"), "-every", "50ms") as p:
        for _ in range(10):  # it has collected: its workers are there
            p.line()
        r = gs("goroutines", p.pid, "--all")
    assert r.returncode == GOOD and r.stdout.endswith("\n")
    assert re.search(r" runtime\.gcBgMarkStartWorkers  mgc\.go:\d+ +runtime\.gcBgMarkWorker  mgc\.go:\d+\n", r.stdout), r.stdout
    assert "\u2026" not in r.stdout


def test_goroutine_profile_says_what_it_wrote(tmp_path):
    path = tmp_path / "g.pb.gz"
    with Started(fixture("gcload")) as p:
        p.line()
        r = gs("goroutines", p.pid, "-o", path)
        assert r.returncode == GOOD and r.stdout == ""
        assert r.stderr == f"{path}: {path.stat().st_size} bytes, 2 goroutines\n"  # main, os/signal's
        r = gs("goroutines", p.pid, "-o", path, "--force", "-q")
        assert r.returncode == GOOD and r.stderr == ""


def test_goroutines_of_a_process_that_ends_meanwhile():
    with Started(fixture("gcload"), "-d", "1500ms") as p:
        p.line()
        r = gs("goroutines", p.pid, "--diff", "3s")
    assert r.returncode == FAILED and r.stdout == ""
    assert one_line(r.stderr) == f"gopherscope: cannot read the goroutines of pid {p.pid}: the process is gone\n"

# SPDX-License-Identifier: BSD-2-Clause
"""What the privileged tests share: the program under test, fixtures, cgroups, containers. Ends only what it started."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("GOPHERSCOPE", ROOT / "build" / "gopherscope"))
VERSIONS = ["1.18.10", "1.21.13", "1.22.12", "1.24.13", "1.26.8", "1.27.4"]


def fixture(name, version="1.26.8", variant="stripped"):
    """Path of a Go fixture, built once and cached outside the repository."""
    out = subprocess.run([ROOT / "tools/go-fixture", ROOT / "tests/fixtures/go" / name, version, variant],
                         check=True, stdout=subprocess.PIPE, text=True, timeout=600)
    return out.stdout.strip()


def gs(*args, timeout=60, **kw):
    """Runs gopherscope to its end; a CompletedProcess with text output."""
    return subprocess.run([BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **kw)


def lines(text):
    return [json.loads(x) for x in text.splitlines() if x.startswith("{")]


class Started:
    """A process of ours whose standard output is JSON lines; ended by pid."""

    def __init__(self, *argv, cgroup=None, **kw):
        def enter():
            for s in (signal.SIGINT, signal.SIGQUIT):  # a runner in a shell's background ignores them, and hands that on
                signal.signal(s, signal.SIG_DFL)
            for c in cgroup or ():
                (c / "cgroup.procs").write_text("0")
        self.p = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True,
                                  preexec_fn=enter, **kw)
        self.pid = self.p.pid

    def line(self):
        """Next JSON line."""
        return json.loads(self.p.stdout.readline())

    def end(self, sig=signal.SIGTERM, timeout=30):
        """Signals it and returns the rest of its lines."""
        if self.p.poll() is None:
            self.p.send_signal(sig)
        out, _ = self.p.communicate(timeout=timeout)
        return lines(out)

    def wait(self, timeout=60):
        out, _ = self.p.communicate(timeout=timeout)
        return lines(out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        self.p.stdout.close()


def wait_for(what, timeout=10, step=0.05):
    """Calls what() until it gives something true; fails the test after the timeout."""
    end = time.time() + timeout
    while time.time() < end:
        got = what()
        if got:
            return got
        time.sleep(step)
    raise AssertionError(f"not within {timeout} s: {what}")


class Trace(Started):
    """`gopherscope trace` to a file (a pipe that nobody reads would hold it up); records when the constructor returns."""

    def __init__(self, *args, duration=120, pipe=False, **kw):
        self.folder = tempfile.TemporaryDirectory(prefix="gs-trace-")
        self.path = pathlib.Path("-" if pipe else self.folder.name + "/t.jsonl")
        super().__init__(BIN, "trace", "-v", "-o", self.path, "-d", duration, *args, stderr=subprocess.PIPE, **kw)
        self.said = []
        for line in self.p.stderr:
            self.said.append(line)
            if line.startswith("gopherscope: recording"):
                break
        else:
            raise AssertionError("".join(self.said))

    def stop(self, timeout=30, codes=(0,)):
        """Lines recorded; asserts a clean end by Ctrl-C."""
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
        out, err = self.p.communicate(timeout=timeout)
        assert self.p.returncode in codes, "".join(self.said) + err
        if self.path.exists():
            return lines(self.path.read_text())
        return lines(out[:out.rfind("\n") + 1])  # where nobody read the pipe its last line is cut

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.p.stderr.close()
        self.folder.cleanup()


# ---- cgroups: the cpu controller of this machine, v1 or v2 ----------------------------------------------------------

def cpu_is_v2():
    return not pathlib.Path("/sys/fs/cgroup/cpu").is_dir()


def cpu_mount():
    return pathlib.Path("/sys/fs/cgroup" if cpu_is_v2() else "/sys/fs/cgroup/cpu")


class Cgroup:
    """A cgroup of our own in the cpu hierarchy, below another of ours or the root."""

    def __init__(self, name, parent=None, cpus=None, period_us=100000):
        # With our pid: two runs at once do not meet.
        self.dir = (parent.dir if parent else cpu_mount()) / f"{name}-{os.getpid()}"
        if cpu_is_v2():
            with contextlib.suppress(OSError):
                (self.dir.parent / "cgroup.subtree_control").write_text("+cpu")
        self.dir.mkdir()
        if cpus:
            self.limit(cpus, period_us)

    def limit(self, cpus, period_us=100000):
        quota = int(cpus * period_us)
        if cpu_is_v2():
            (self.dir / "cpu.max").write_text(f"{quota} {period_us}")
        else:
            (self.dir / "cpu.cfs_period_us").write_text(str(period_us))
            (self.dir / "cpu.cfs_quota_us").write_text(str(quota))

    def stat(self):
        """nr_periods, nr_throttled, throttled seconds as the kernel counts them."""
        d = dict(line.split() for line in (self.dir / "cpu.stat").read_text().splitlines())
        t = int(d["throttled_usec"]) / 1e6 if "throttled_usec" in d else int(d["throttled_time"]) / 1e9
        return int(d["nr_periods"]), int(d["nr_throttled"]), t

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        def removed():
            try:
                self.dir.rmdir()
                return True
            except OSError:
                return False
        wait_for(removed)


# ---- containers -----------------------------------------------------------------------------------------------------

class Podman:
    """Containers of one image with one static binary in it, in a storage of our own that is removed at the end."""

    def __init__(self, folder, binary):
        self.run_dir = tempfile.mkdtemp(prefix="gs-", dir="/tmp")  # podman takes no more than 50 characters
        self.base = ["podman", "--root", folder / "storage", "--runroot", self.run_dir, "--storage-driver",
                     os.environ.get("GOPHERSCOPE_TEST_STORAGE", "overlay"), "--cgroup-manager=cgroupfs"]
        self.names = []
        image = folder / "img.tar"
        subprocess.run(["tar", "-cf", image, "-C", pathlib.Path(binary).parent, "--transform", "s|.*|app|",
                        pathlib.Path(binary).name], check=True)
        self("import", image, "gs-test-image")

    def __call__(self, *args):
        r = subprocess.run([*self.base, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        assert r.returncode == 0, r.stderr
        return r.stdout.strip()

    def run(self, name, *argv, options=()):
        """Starts a container; its id and the host pid of its process."""
        self.names.append(name)
        # Without CAP_SYS_RESOURCE runc may not raise the limits that podman asks for by default.
        cid = self("run", "-d", "--name", name, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
                   "--network=none", *options, "gs-test-image", "/app", *map(str, argv)).splitlines()[-1]
        return cid, int(self("inspect", "-f", "{{.State.Pid}}", name))

    def logs(self, name):
        return lines(self("logs", name))

    def stop(self, name):
        """SIGTERM, wait, and all lines that it printed."""
        self("stop", "-t", "5", name)
        return self.logs(name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for name in self.names:
            subprocess.run([*self.base, "rm", "-f", "-t", "1", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([*self.base, "rmi", "-f", "gs-test-image"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.run_dir, ignore_errors=True)

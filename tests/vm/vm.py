#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a shell script as root inside another kernel: QEMU without KVM, an initramfs written here, nothing installed.

The guest has busybox, the given files in /t (its working directory) and dynamic binaries with the libraries that ldd names.
Its console is the output of the run; what the script leaves in /t/out comes back as files, through a second serial port,
so that kernel messages cannot get in between. Pure cgroup v2 unless hybrid is asked for (v1 controllers, v2 beside them).
Emulation is good for correctness (throttled time agrees within 1-2 %), and useless for costs in nanoseconds.

A guest whose hot kernel code is patched again and again (trace events on sched_switch or sched_wakeup that come and go, as
cpu_sched's windows do) needs all its processors in one thread of the emulator: patching=True. With a thread each, under QEMU 7.2.22
such a guest dies: "Oops: int3" one byte behind the patched place, as if a processor still ran a breakpoint that the kernel has taken
away (that is a guess; what is measured follows). It needs nothing of ours: a program that writes 1 and 0 to the `enable` files of
sched_switch, sched_wakeup and sched_wakeup_new, beside three pairs of processes that play ping-pong, ended 6.12 four times of four
after 3 to 11 s, before its tenth round where they were counted, and 7.3 twice of two after 24 and 44 s, in try_to_wake_up, __schedule
or ttwu_do_activate; 6.1, with one pair, stood still instead ("soft lockup" of the writer for 104 s, one run). In one thread the same
load let 32 rounds pass on 6.12 and 134 on 7.3 (a minute each), one pair 141 on 6.12 and 51 on 6.1, and 2,000 windows passed on a
6.18 that is not emulated, all without a word from the kernel.

    vm.py [--suite bookworm] [--hybrid] [--patching] [--module veth]... SCRIPT [FILE...]
"""
import argparse
import dataclasses
import glob
import lzma
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# Machine, console and emulator by processor architecture.
MACHINES = {
    "x86_64": (["qemu-system-x86_64", "-machine", "q35", "-cpu", "max"], "ttyS0"),
    "aarch64": (["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"], "ttyAMA0"),
}

INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tracefs t /sys/kernel/tracing
mount -t bpf b /sys/fs/bpf
ln -sf /proc/self/fd /dev/fd
if [ @HYBRID@ = 1 ]; then
    mount -t tmpfs c /sys/fs/cgroup
    for c in cpu,cpuacct memory cpuset pids; do
        mkdir -p /sys/fs/cgroup/$c
        mount -t cgroup -o $c c /sys/fs/cgroup/$c
    done
    mkdir /sys/fs/cgroup/unified
    mount -t cgroup2 c /sys/fs/cgroup/unified
else
    mount -t cgroup2 c /sys/fs/cgroup
    for c in cpu memory cpuset io pids; do echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
fi
while read -r m; do insmod /lib/modules/$m || echo "insmod $m failed"; done < /modules
ip link set lo up
mkdir -p /t/out
echo "=== guest $(uname -r)"
cd /t
sh ./run.sh
echo "=== exit $?"
if [ -c /dev/@BACK@ ]; then stty -F /dev/@BACK@ raw -echo 2>/dev/null; tar -c -C /t/out . | gzip -1 > /dev/@BACK@; fi
echo "=== end"
poweroff -f
"""


class VmError(Exception):
    """The machine could not be started, or did not come to its end: a reason to fail."""


class VmUnavailable(Exception):
    """Something outside is missing (emulator, kernel mirror): a reason to skip."""


@dataclasses.dataclass
class Result:
    kernel: str
    status: int
    console: str
    files: dict
    seconds: float


class Cpio:
    """An initramfs in the `newc` format, which needs no root and no tool to write."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.count = 0
        self.dirs = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.count += 1
        name = name.encode() + b"\0"
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self.out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def directory(self, name):
        for i, c in enumerate(name + "/"):
            if c == "/" and name[:i] and name[:i] not in self.dirs:
                self.dirs.add(name[:i])
                self._entry(name[:i], stat.S_IFDIR | 0o755)

    def data(self, name, data, mode=0o755):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def file(self, name, path):
        with open(path, "rb") as f:
            self.data(name, f.read(), os.stat(path).st_mode & 0o777)

    def device(self, name, major, minor):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.out.close()


def foreign_libraries(path, root):
    """The same for another architecture, whose libraries lie below root: {path in the guest: path here}."""
    found, todo = {}, [path]
    while todo:
        r = subprocess.run(["readelf", "-ld", todo.pop()], capture_output=True, text=True)
        names = re.findall(r"\(NEEDED\).*\[(\S+)\]", r.stdout) + re.findall(r"interpreter: /lib/(\S+)\]", r.stdout)
        for name in names:
            at = next(iter(glob.glob(f"{root}/lib/*/{name}") + glob.glob(f"{root}/usr/lib/*/{name}")), None)
            if not at:
                raise VmUnavailable(f"no {name} below {root}")
            guest = "lib/" + name  # where the loader looks anyway
            if guest not in found:
                found[guest] = os.path.realpath(at)
                todo.append(at)
    return found


def libraries(path):
    """Absolute paths of what the dynamic linker loads for a binary, itself included; empty for a static one."""
    r = subprocess.run(["ldd", path], capture_output=True, text=True)
    return re.findall(r"(?:=> |^\s*)(/\S+)", r.stdout, re.M) if r.returncode == 0 else []


def find_kernel(directory):
    # Up to 7.2 boot/vmlinuz-VERSION, from 7.3 usr/lib/modules/VERSION/vmlinuz.
    for path, _, names in os.walk(directory):
        for n in names:
            if n.startswith("vmlinuz"):
                return os.path.join(path, n)
    raise VmError(f"no vmlinuz under {directory}")


def read_module(path):
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-qdc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def load_order(directory, wanted):
    """[(file name, content)] of modules after what they depend on, from the depends= lines inside, without modules.dep."""
    at = {}
    for p in glob.glob(os.path.join(glob.escape(directory), "**", "*.ko*"), recursive=True):
        at[os.path.basename(p).split(".ko")[0].replace("-", "_")] = p
    order = {}

    def add(name):
        name = name.replace("-", "_")
        if not name or name in order or name not in at:  # absent: built into the kernel
            return
        data = read_module(at[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for d in (depends.group(1).decode() if depends else "").split(","):
            add(d)
        order[name] = data

    for w in wanted:
        add(w)
    return [(n + ".ko", d) for n, d in order.items()]


def write_initramfs(path, kernel_dir, script, files, modules, hybrid, back, root=None):
    cpio = Cpio(path)
    for d in ("proc", "sys", "dev", "tmp", "run", "t", "etc", "lib/modules"):
        cpio.directory(d)
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.data("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
    busybox = root + "/bin/busybox" if root else shutil.which("busybox", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    if not busybox:
        raise VmUnavailable("busybox is missing (package busybox-static)")
    cpio.file("bin/busybox", busybox)
    needed = {}
    for name, source in {**files, "": busybox}.items():
        if name:
            cpio.file("t/" + name, source)
        needed.update(foreign_libraries(source, root) if root else {p.lstrip("/"): p for p in libraries(source)})
    for guest, lib in sorted(needed.items()):
        cpio.file(guest, lib)
    order = load_order(kernel_dir, modules)
    for name, data in order:
        cpio.data("lib/modules/" + name, data, 0o644)
    cpio.data("modules", "".join(n + "\n" for n, _ in order).encode(), 0o644)
    cpio.data("t/run.sh", script.encode())
    cpio.data("init", INIT.replace("@HYBRID@", str(int(hybrid))).replace("@BACK@", back).encode())
    cpio.close()


def untar(path):
    try:
        with tarfile.open(path, "r:gz") as tar:
            return {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
    except (tarfile.TarError, EOFError, OSError) as e:
        raise VmError(f"what the guest sent back is damaged: {e}") from None


def tail(console):
    return "\n".join(console.splitlines()[-25:])


def run(kernel_dir, script, files=None, modules=(), hybrid=False, memory_mb=1024, cpus=2, timeout=120, log=None, patching=False,
        machine=None, root=None):
    """Boots, runs SCRIPT (text) in /t beside FILES ({name in /t: path}), powers off. -> Result

    patching: hot kernel code is patched again and again in there, see above; such a guest is half as fast.
    machine, root: another architecture ("aarch64") and the folder with its libraries and busybox (fetch-arm64)."""
    machine = machine or platform.machine()
    command, console = MACHINES[machine]
    if not shutil.which(command[0]):
        raise VmUnavailable(f"{command[0]} is missing")
    kernel = find_kernel(kernel_dir)
    with tempfile.TemporaryDirectory(prefix="gopherscope-vm.") as work:
        initrd, back = os.path.join(work, "initrd"), os.path.join(work, "back.tgz")
        # x86 has a second port of the same kind; arm64's virt machine gets a virtio one.
        x86 = machine == "x86_64"
        write_initramfs(initrd, kernel_dir, script, files or {}, modules if x86 else [*modules, "virtio_pci", "virtio_console"],
            hybrid, "ttyS1" if x86 else "vport0p1", root)
        port = ["-serial", "file:" + back] if x86 else ["-device", "virtio-serial-pci", "-chardev", f"file,id=b,path={back}",
            "-device", "virtserialport,chardev=b"]
        accel = "tcg,thread=" + ("single" if patching else "multi")
        args = [*command, "-accel", accel, "-smp", str(cpus), "-m", str(memory_mb), "-display", "none", "-nodefaults", "-serial", "stdio", *port,
            "-no-reboot", "-kernel", kernel, "-initrd", initrd,
            "-append", f"console={console} panic=-1 quiet loglevel=3 mitigations=off"]
        began = time.monotonic()
        with subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
            try:
                raw, _ = qemu.communicate(timeout=timeout)
                late = False
            except subprocess.TimeoutExpired:
                qemu.kill()
                raw, _ = qemu.communicate()
                late = True
        seconds = time.monotonic() - began
        text = raw.decode(errors="replace").replace("\r", "")
        if log:
            with open(log, "w") as f:
                f.write(text)
        if late:
            raise VmError(f"no end after {timeout} s; console:\n{tail(text)}")
        m = re.search(r"^.*=== guest (\S+)\n(.*)^=== exit (\d+)$", text, re.S | re.M)
        if not m or "=== end" not in text:
            raise VmError(f"the guest did not come to its end; console:\n{tail(text)}")
        return Result(m.group(1), int(m.group(3)), m.group(2), untar(back), seconds)


def fetch(tool, *args):
    r = subprocess.run([os.path.join(HERE, tool), *args], capture_output=True, text=True)
    if r.returncode:
        raise VmUnavailable((r.stderr.strip().splitlines() or [tool + " failed"])[-1])
    return r.stdout.strip()


def fetch_kernel(suite="bookworm", arch=None):
    return fetch("fetch-kernel", suite, *([arch] if arch else []))


def main():
    p = argparse.ArgumentParser(description="run a script in a virtual machine with a Debian kernel")
    p.add_argument("--suite", default="bookworm")
    p.add_argument("--hybrid", action="store_true")
    p.add_argument("--patching", action="store_true")
    p.add_argument("--module", action="append", default=[])
    p.add_argument("--timeout", type=float, default=300)
    p.add_argument("script")
    p.add_argument("file", nargs="*")
    a = p.parse_args()
    with open(a.script) as f:
        script = f.read()
    try:
        r = run(fetch_kernel(a.suite), script, {os.path.basename(f): f for f in a.file}, a.module, a.hybrid,
        timeout=a.timeout, patching=a.patching)
    except (VmError, VmUnavailable) as e:
        sys.exit(f"vm.py: {e}")
    sys.stdout.write(r.console)
    for name, data in sorted(r.files.items()):
        print(f"--- {name}: {len(data)} bytes")
    print(f"=== {r.kernel}: status {r.status}, {r.seconds:.1f} s")
    sys.exit(r.status)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-2-Clause
"""Tracers that a benchmark switches on and off: gopherscope by its hidden switch (trace --toggle), by stopping it, or as a
process that comes and goes; others as processes; the Go execution tracer inside the server. Each has set(on) and pid(): whose
CPU time and memory are the tracer's own, 0 for nobody's."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time

from measure import BIN, Failed, answer, end, started

OURS_READY = 0.7  # from exec until everything is attached, with room
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}


def trace_args(target, *args, form="jsonl"):
    return (BIN, "trace", "-o", "/dev/null", "-f", form, "--force", "-d", "24h", "-p", str(target), *args)


class NoTracer:
    def set(self, on):
        time.sleep(0.02)

    def pid(self):
        return 0


class Toggle:
    """The tracer with its hidden switch: SIGUSR1 attaches, SIGUSR2 detaches, each answered by a line."""

    def __init__(self, target, stack, *args):
        self.p = stack.enter_context(started(*trace_args(target, "--toggle", *args), stderr=subprocess.DEVNULL))
        self.expect("ready")

    def set(self, on):
        self.p.send_signal(signal.SIGUSR1 if on else signal.SIGUSR2)
        self.expect("on" if on else "off")

    def pid(self):
        return self.p.pid

    def expect(self, word):
        said = answer(self.p)
        if said != word:
            raise Failed(f"the tracer said '{said}' instead of '{word}' (exit status {self.p.poll()})")


class Stopped:
    """An observer that attaches nothing, running in some windows and standing still in others."""

    def __init__(self, stack, *argv):
        self.p = stack.enter_context(started(*argv, **QUIET))
        stack.callback(self.p.send_signal, signal.SIGCONT)  # or it would not hear that it has to end
        time.sleep(2)
        self.set(False)

    def set(self, on):
        if self.p.poll() is not None:
            raise Failed(f"{self.p.args[1]} ended with {self.p.returncode}")
        self.p.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def pid(self):
        return self.p.pid


class InServer:
    """The Go execution tracer of the server itself, writing to nowhere."""

    def __init__(self, server):
        self.p = server.p

    def set(self, on):
        self.p.send_signal(signal.SIGUSR1 if on else signal.SIGUSR2)
        if answer(self.p) != ("on" if on else "off"):
            raise Failed("the server cannot trace itself")

    def pid(self):
        return 0


class Process:
    """A tracer that is started and ended; ready(p, tty) returns when it is attached."""

    def __init__(self, stack, argv, ready, tty=False):
        self.argv, self.ready, self.tty, self.p = [str(a) for a in argv], ready, tty, None
        stack.callback(self.set, False)

    def start(self):
        if not self.tty:
            self.p = subprocess.Popen(self.argv, **{**QUIET, "stdout": subprocess.PIPE}, text=True)
            return self.p.stdout.fileno()
        master, slave = pty.openpty()
        try:
            self.p = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        return master

    def set(self, on):
        if not on:
            if self.p:
                end(self.p)
            self.p = None
            return
        if self.p:
            if self.p.poll() is not None:
                raise Failed(f"{self.argv[0]} ended with {self.p.returncode}")
            return
        fd = self.start()
        try:
            self.ready(fd)
            if self.p.poll() is not None:
                raise Failed(f"{self.argv[0]} ended with {self.p.returncode}")
        finally:
            if self.tty:
                os.close(fd)

    def pid(self):
        return self.p.pid


def sleep_ready(seconds):
    return lambda fd: time.sleep(seconds)


def word_ready(word):
    """Ready when it has printed this."""
    def wait(fd):
        seen, until = b"", time.monotonic() + 20
        while word.encode() not in seen:
            if not select.select([fd], [], [], max(0, until - time.monotonic()))[0]:
                raise Failed(f"'{word}' was not said within 20 s")
            more = os.read(fd, 4096)
            if not more:
                raise Failed(f"it ended before '{word}'")
            seen += more
    return wait


def which(name):
    """Where a program is; sbin is not in everybody's path."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def ours(stack, *args, ready=OURS_READY):
    return Process(stack, (BIN, *args), sleep_ready(ready))


def bpftrace(stack, binary, functions):
    """bpftrace that counts the hits of these functions, at their entry: it has no other place."""
    program = " ".join(f'uprobe:{binary}:"{f}" {{ @ = count(); }}' for f in functions)
    # The interval comes last in the program, so the uprobes are there when it first speaks.
    return Process(stack, ("bpftrace", "-B", "line", "-e", program + ' interval:ms:300 { printf("on\\n"); }'), word_ready("on"))


def libbpf_tool(stack, name):
    return Process(stack, (which(name), "3600", "1"), word_ready("Ctrl-C"), tty=True)

# SPDX-License-Identifier: BSD-2-Clause
"""A program in a pty of a given size, with the terminal emulator pyte on the other side."""
import errno
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte


class Screen(pyte.Screen):
    last = " "

    def draw(self, data):
        self.last = data[-1:] or self.last
        super().draw(data)

    def repeat(self, count=1):
        """REP, which pyte lacks and ncurses uses where the terminal's description has it."""
        super().draw(self.last * (count or 1))


    def _scroll(self, count, row, step):
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = row
        for _ in range(count or 1):
            step()
        self.cursor.x, self.cursor.y = x, y

    def scroll_up(self, count=1):
        """SU, of the lines between the margins."""
        self._scroll(count, self.margins.bottom if self.margins else self.lines - 1, self.index)

    def scroll_down(self, count=1):
        self._scroll(count, self.margins.top if self.margins else 0, self.reverse_index)

    def title_stack(self, *args, **kwargs):
        """XTWINOPS: nothing to see."""


class Stream(pyte.ByteStream):
    csi = dict(pyte.ByteStream.csi, b="repeat", S="scroll_up", T="scroll_down", t="title_stack")
    events = pyte.ByteStream.events | {"repeat", "scroll_up", "scroll_down", "title_stack"}


class Terminal:
    def __init__(self, argv, cols=120, rows=40, env=None, stderr=None):
        self.cols, self.rows = cols, rows
        self.screen = Screen(cols, rows)
        self.stream = Stream(self.screen)
        self.raw = b""
        self.status = None
        self.master, slave = pty.openpty()
        self.slave_name = os.ttyname(slave)
        self._set_size(slave, rows, cols)
        self.before = termios.tcgetattr(slave)
        # A writer that is nobody's reader: without it the settings cannot be looked at after the end.
        self.keep = os.open(self.slave_name, os.O_RDWR | os.O_NOCTTY)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            for s in (signal.SIGINT, signal.SIGQUIT):  # a runner in a shell's background ignores them, and hands that on
                signal.signal(s, signal.SIG_DFL)
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1):
                os.dup2(slave, fd)
            os.dup2(stderr if stderr is not None else slave, 2)
            os.closerange(3, 256)
            full = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", TZ="UTC")
            full.pop("NO_COLOR", None)
            full.update(env or {})
            try:
                os.execve(argv[0], argv, full)
            finally:
                os._exit(127)
        os.close(slave)

    def _set_size(self, fd, rows, cols):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def resize(self, cols, rows):
        """The kernel's part only: SIGWINCH goes to the foreground group."""
        self.cols, self.rows = cols, rows
        self._set_size(self.master, rows, cols)
        self.screen.resize(rows, cols)

    def read(self, seconds=0.0):
        """Everything that comes within so many seconds. -> bytes read"""
        got, end = 0, time.monotonic() + seconds
        while True:
            left = max(0, end - time.monotonic())
            if not select.select([self.master], [], [], left)[0]:
                return got
            try:
                data = os.read(self.master, 65536)
            except OSError as e:
                if e.errno == errno.EIO:
                    return got
                raise
            if not data:
                return got
            got += len(data)
            self.raw += data
            self.stream.feed(data)

    def settle(self, quiet=0.08, limit=1):
        """Reads until nothing came for a while."""
        end = time.monotonic() + limit
        while time.monotonic() < end and self.read(quiet):
            pass

    def wait_for(self, text, limit=10):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            self.read(0.05)
            if text in self.text():
                return
        raise AssertionError(f"no {text!r} on the screen:\n{self.text()}")

    def keys(self, data, quiet=0.08):
        os.write(self.master, data if isinstance(data, bytes) else data.encode())
        self.settle(quiet)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def row_of(self, text):
        for i, line in enumerate(self.lines()):
            if text in line:
                return i
        raise AssertionError(f"no row with {text!r}:\n{self.text()}")

    def cell(self, row, col):
        return self.screen.buffer[row][col]

    def cursor_row(self):
        """Row of the first cell in reverse, None without."""
        for row in range(self.rows):
            if self.screen.buffer[row][0].reverse:
                return row
        return None

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status

    def wait(self, limit=10):
        """Wait status of the program, which must have ended by then."""
        end = time.monotonic() + limit
        while self.poll() is None:
            assert time.monotonic() < end, "it did not end"
            if self.master >= 0:
                self.read(0.02)
            else:
                time.sleep(0.02)
        if self.master >= 0:
            self.read(0)
        return self.status

    def hang_up(self):
        """The terminal goes away."""
        os.close(self.keep)
        os.close(self.master)
        self.keep = self.master = -1

    def settings(self):
        return termios.tcgetattr(self.keep)

    def close(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -1
        for fd in (self.keep, self.master):
            if fd >= 0:
                os.close(fd)
        self.keep = self.master = -1

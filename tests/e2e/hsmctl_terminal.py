# SPDX-License-Identifier: Apache-2.0
"""A program with a terminal of its own, for what is asked there."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

GUARD = 60


class Terminal:
    """Starts `command` with a pseudo-terminal as its controlling one; its standard streams are
    pipes, as in a script."""

    def __init__(self, command, env, cwd):
        self.master, self.slave = pty.openpty()
        self.shown = ""
        self.child = subprocess.Popen(
            [str(word) for word in command], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=self._in_the_child, pass_fds=[self.slave])

    def _in_the_child(self):
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        # A test run in the background hands on that these are ignored; a terminal's shell does not.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()
        os.close(self.master)
        os.close(self.slave)

    def echo(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait_for(self, text):
        """Waits until the terminal has shown `text` since the last call."""
        end = time.monotonic() + GUARD
        while text not in self.shown:
            assert time.monotonic() < end, f"no '{text}' in '{self.shown}'"
            if select.select([self.master], [], [], 1)[0]:
                self.shown += os.read(self.master, 4096).decode()
        self.shown = self.shown.split(text, 1)[1]

    def type(self, text):
        os.write(self.master, text.encode())

    def finish(self):
        """Exit code, standard output, standard error, and what the terminal showed last."""
        out, err = self.child.communicate(timeout=GUARD)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 4096).decode()
        return self.child.returncode, out.decode(), err.decode(), self.shown

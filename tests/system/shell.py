# SPDX-License-Identifier: Apache-2.0
"""shell - `coffer` as people and scripts use it: command lines, exit codes, and on a terminal"""

import fcntl
import os
import pty
import select
import subprocess
import termios

import harness
from harness import check, parse_json, wait_for


class Shell:
    def __init__(self, cluster):
        self.cluster = cluster
        self.tools = cluster.tools
        self.environment = cluster.environment()

    def run(self, *arguments, expect=0, is_theirs=False, **more):
        """Standard output of `coffer ARGUMENTS`; its exit code must be `expect`. is_theirs: that
        is the code of a command it ran."""
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        done = self.cluster.coffer(*arguments, env=self.environment, text=False, **more)
        check(done.returncode == expect, f"coffer {' '.join(map(str, arguments))[:80]}: exit code",
              done.returncode, done.stderr.decode(), done.stdout[:200])
        if expect != 0 and not is_theirs and not (expect == 1 and not done.stderr):
            check(done.stderr.count(b"\n") == 1 or expect == 2, "one sentence says why",
                  done.stderr.decode())
        return done.stdout

    def json(self, *arguments, expect=0, **more):
        """The objects, one on each line; one alone where there is one."""
        text = self.run("-o", "json", *arguments, expect=expect, **more).decode()
        check(text == "" or text.endswith("\n"), "lines", text)
        objects = [parse_json(line, arguments) for line in text.splitlines()]
        check(all(isinstance(o, dict) for o in objects), "an object on each line", objects)
        return objects[0] if len(objects) == 1 else objects


def number(text):
    check(text.strip().isdigit() and text.endswith(b"\n"), "a number on a line", text)
    return int(text)


class Terminal:
    """`coffer`, mostly without a verb, on a terminal of its own."""

    def __init__(self, shell, *arguments):
        self.history = shell.cluster.folder / "history"
        self.seen = b""
        environment = {**shell.environment, "TERM": "dumb", "LC_ALL": "C.UTF-8",
                       "COFFER_HISTORY": str(self.history)}
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [shell.tools.coffer, *arguments], stdin=slave, stdout=slave, stderr=slave,
            env=environment,
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
                                harness.die_with_parent()))
        os.close(slave)
        os.set_blocking(self.master, False)
        if not arguments:
            self.prompt()

    def type(self, text):
        os.write(self.master, text)

    def read(self):
        """All that was shown and not expected yet."""
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            pass  # nothing yet, or the other end is closed
        return self.seen

    def read_soon(self):
        select.select([self.master], [], [], 0.02)
        return self.read()

    def expect(self, wanted):
        """Waits until it stands behind all that was expected before; returns what stood between."""

        try:
            wait_for(f"the shell shows {wanted}", lambda: wanted in self.read_soon(), 20, 0)
        except harness.Failed as failed:
            raise harness.Failed(f"{failed}: {self.seen[-500:]}") from None
        before, self.seen = self.seen.split(wanted, 1)
        return before

    def prompt(self):
        """The prompt, and then that it is the shell that shows what is typed."""
        before = self.expect(b"coffer> ")
        wait_for("the shell reads", lambda: not termios.tcgetattr(self.master)[3] & termios.ECHO,
                 20, 0)
        return before

    def run(self, line):
        """What a line printed."""
        self.type(line + b"\n")
        self.expect(line + b"\r\n")
        return self.prompt()

    def end(self, line):
        self.type(line)
        code = self.process.wait(20)
        os.close(self.master)
        return code

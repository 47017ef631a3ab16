# SPDX-License-Identifier: Apache-2.0
"""harness - runs the tests of one file, starts processes, and ends them whatever happens

A test file defines functions and gives them to run(); each gets the Tools of this run. Every wait
is for a condition, with a limit far beyond what a healthy machine needs. Whatever was started is
in one list, and is killed by its process id at the end.

Exit code: 0 all passed, 1 one failed, 77 nothing could be run (why is printed).
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

LIMIT_S = 60  # of a wait, where nothing else is said
SKIPPED = 77


class Skip(Exception):
    """What is needed is not there; the text says what."""


class Failed(Exception):
    """A check that did not hold."""


def check(condition, text, *details):
    if not condition:
        raise Failed(": ".join([text, *map(str, details)]))


def wait_for(what, condition, limit_s=LIMIT_S, every_s=0.02):
    """Asks `condition` until it is true, and returns what it said."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {limit_s} s: {what}")
        time.sleep(every_s)  # between two looks at the condition


PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """In the child: if the test itself is killed, nothing is left behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans():
    """Who outlives its parent becomes ours: the first process may look after it seconds late."""
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "this kernel gives nobody orphans")


def has_ended(orphan):
    try:
        return os.waitpid(orphan, os.WNOHANG)[0] == orphan
    except ChildProcessError:
        return True  # its parent saw to it before


class Process:
    """A child with its output in files, or on pipes where it is spoken to."""

    def __init__(self, tools, name, arguments, folder, talks=False, environment=None):
        self.name = name
        self.arguments = [str(a) for a in arguments]
        self.errors_path = folder / f"{name}.stderr"
        self.expected_end = False
        errors = open(self.errors_path, "ab")
        output = subprocess.PIPE if talks else errors
        self.popen = subprocess.Popen(
            self.arguments, cwd=folder, stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=output, stderr=errors, env=environment, preexec_fn=die_with_parent)
        errors.close()
        tools.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def end(self):
        """It is gone when this returns, whatever it is."""
        self.kill()

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self):
        self.expected_end = True
        self.signal(signal.SIGKILL)
        self.popen.wait()
        self.close_pipes()

    def close_pipes(self):
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass

    def wait(self, limit_s=LIMIT_S):
        """The exit code; negative: the signal."""
        try:
            return self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {limit_s} s") from None

    def ask(self, line):
        """Writes a command and reads the line that answers."""
        try:
            self.popen.stdin.write(line.encode() + b"\n")
            self.popen.stdin.flush()
            answer = self.popen.stdout.readline().decode().strip()
        except OSError as error:
            raise Failed(f"{self.name}: {line}: {error}: {self.errors()}") from None
        check(answer, f"{self.name} said nothing to `{line}`", self.errors())
        return answer

    def errors(self):
        return self.errors_path.read_text(errors="replace")[-4000:]

    def memory_kb(self):
        """Resident memory, by the kernel's account."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise Failed(f"{self.name} has no memory")


class Server(Process):
    """
    A cofferd: a supervisor, and the server, its child. The supervisor is what was started and what
    ends; the server is what is killed, stopped and measured.
    """

    @property
    def pid(self):
        """Of the server; None while there is none."""
        try:
            children = pathlib.Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
            found = children.read_text().split()
            return int(found[0]) if found else None
        except OSError:
            return None

    def signal(self, number):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            if self.is_running():
                os.kill(self.popen.pid, number)  # as a service manager would
            return
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):  # it died meanwhile
                os.kill(pid, number)

    def kill(self):
        """The server; its supervisor tells the others, and ends."""
        self.expected_end = True
        self.signal(signal.SIGKILL)
        code = self.wait()
        check(code == 128 + signal.SIGKILL, f"{self.name}: its supervisor ended with {code}")

    def kill_both(self):
        """As if the host had died: nobody is told."""
        self.expected_end = True
        server = self.pid
        self.popen.kill()
        self.popen.wait()
        if server is not None:
            wait_for("the server dies with its supervisor", lambda: has_ended(server))

    def end(self):
        self.kill_both()


class Tools:
    """The programs under test, a folder for this run, and what must be undone."""

    def __init__(self, options):
        self.options = options
        self.cofferd = options.cofferd
        self.coffer = options.coffer
        self.cofferctl = options.cofferctl
        self.recorder = options.recorder
        self.relay = options.relay
        self.lincheck = options.lincheck
        self.all = options.all or os.environ.get("COFFER_TESTS_ALL") == "1"
        runs = pathlib.Path(options.folder).absolute()
        runs.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{options.name}-", dir=runs))
        self.processes = []
        self.undo = []  # called in reverse

    def run(self, arguments, limit_s=LIMIT_S, **more):
        """Runs a program to its end; returns what subprocess.run() does, as text."""
        more.setdefault("text", True)
        return subprocess.run([str(a) for a in arguments], capture_output=True, timeout=limit_s,
                              check=False, **more)

    def clean_up(self):
        for process in reversed(self.processes):
            try:
                process.signal(signal.SIGCONT)
                process.end()
            except (OSError, Failed) as error:
                print(f"# {process.name}: {error}")
        for undo in reversed(self.undo):
            try:
                undo()
            except (OSError, subprocess.SubprocessError) as error:
                print(f"# not undone: {error}")
        self.processes.clear()
        self.undo.clear()


def parse_options(name):
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where runs are kept")
    for program in ("cofferd", "coffer", "cofferctl", "recorder", "relay", "lincheck", "bench",
                    "etcd-load", "etcd-lock", "gateway-load", "onlooker", "contenders", "kill-at"):
        parser.add_argument(f"--{program}", type=lambda p: pathlib.Path(p).absolute())
    parser.add_argument("--all", action="store_true", help="the long version")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
    parser.add_argument("--only", default="", help="tests whose name holds this")
    parser.add_argument("--name", default=name)
    parser.add_argument("--driver", default="")
    parser.add_argument("--no-huge", action="store_true")
    return parser.parse_args()


def show_logs(tools):
    """The end of every log, for who has to find out."""
    for path in sorted(tools.folder.glob("**/*")):
        if path.suffix in (".log", ".stderr") and path.stat().st_size:
            print(f"# --- {path}")
            for line in path.read_text(errors="replace").splitlines()[-15:]:
                print(f"#   {line}")


def stopped(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def run(tests, name=None):
    """Runs the tests in order, prints a line for each, and ends the program."""
    name = name or pathlib.Path(sys.argv[0]).stem
    tools = Tools(parse_options(name))
    adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    passed, failed, skipped = 0, 0, []
    for test in tests:
        if tools.options.only not in test.__name__:
            continue
        label = test.__name__.removeprefix("test_").replace("_", " ")
        start = time.monotonic()
        try:
            test(tools)
            passed += 1
            print(f"ok - {label} ({time.monotonic() - start:.1f} s)")
        except Skip as skip:
            skipped.append(str(skip))
            print(f"skipped - {label}: {skip}")
        except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            failed += 1
            print(f"not ok - {label} ({time.monotonic() - start:.1f} s): {error}")
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
            show_logs(tools)
        finally:
            tools.clean_up()
            sys.stdout.flush()
    if failed or tools.options.keep:
        print(f"# kept: {tools.folder}")
    else:
        shutil.rmtree(tools.folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    if failed:
        sys.exit(1)
    if not passed:
        print(skipped[0] if skipped else "no tests")
        sys.exit(SKIPPED if skipped else 1)
    sys.exit(0)


def parse_json(text, what):
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failed(f"{what} is no JSON ({error}): {text[:300]!r}") from None

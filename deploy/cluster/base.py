# SPDX-License-Identifier: Apache-2.0
"""base.py - what all the others use: where things lie, what is kept, how to wait and to say"""
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# Where the cluster lies. Tests have one of their own beside it.
STATE = os.path.abspath(os.environ.get("COFFER_LOCAL_STATE")
                        or os.path.join(ROOT, "build", "local"))

class Failure(Exception):
    """One sentence for a person: what is wrong, and how to mend it."""


def say(text):
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Nobody listens any more (`| head`); the work goes on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def milliseconds(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.0995 else f"{seconds * 1000:.1f} ms"


def wait_for(condition, limit_s, what):
    """Asks until the answer is true, and returns it; a Failure when the time is over."""
    end = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise Failure(f"waited {limit_s} s in vain: {what() if callable(what) else what}")
        time.sleep(0.01)


def run(*command, check=True, timeout=60, **more):
    """Runs a tool. A failure becomes a sentence with what the tool said."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False, **more)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed; `deploy/dependencies run` does it") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)} took more than {timeout} s") from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise Failure(f"{' '.join(command)}: {said}")
    return done


def is_root():
    return os.geteuid() == 0


def load():
    """Returns the cluster of this tree, or None."""
    try:
        with open(os.path.join(STATE, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failure(f"{STATE}/cluster.json cannot be read ({error}); remove {STATE}") from None


def save(cluster):
    path = os.path.join(STATE, "cluster.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(cluster, file, indent=1)
    os.replace(path + ".new", path)


def need():
    cluster = load()
    if cluster is None:
        raise Failure("no cluster here; `deploy/local up` makes one")
    return cluster


@contextlib.contextmanager
def only_one():
    """Of two commands that change things in one tree the second is refused."""
    os.makedirs(os.path.dirname(STATE), exist_ok=True)
    folder = os.open(os.path.dirname(STATE), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise Failure("another deploy/local is at work in this tree; wait for it") from None
    try:
        yield
    finally:
        os.close(folder)


def numbers(cluster):
    """All servers: those that founded the cluster, then the spares."""
    return range(1, cluster["servers"] + cluster["spares"] + 1)


def spares(cluster):
    return numbers(cluster)[cluster["servers"]:]


def folder_of(number):
    return os.path.join(STATE, f"server-{number}")


def config_of(number):
    return os.path.join(folder_of(number), "coffer.conf")


def number_of(cluster, text):
    if not text.isdigit() or int(text) not in numbers(cluster):
        raise Failure(f"server {text}: this cluster has servers 1 to {len(numbers(cluster))}")
    return int(text)


def program(cluster, name):
    return cluster["programs"][name]


def servers_text(cluster):
    return ",".join(cluster["addresses"][str(number)] for number in numbers(cluster))

# SPDX-License-Identifier: Apache-2.0
"""servers.py - the processes, and what they and the client say

A server is known by its configuration file on its command line and by the cluster's folder as its
working directory, so a recycled process id is never taken for one, and one whose pid file was lost
is found all the same. Its supervisor has both, too, and goes by another name (comm).
"""
import json
import os
import signal
import subprocess
import time

import base
from base import Failure, numbers, run, say, servers_text, spares, wait_for

LEVEL_LIMIT_S, STOP_LIMIT_S = 60, 10

def start_time_of(pid):
    """When this process started, in the kernel's ticks; None if it is gone or only a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def role_of(pid, number):
    """Is this process of server `number` of this very tree? "server", "supervisor" or None."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
        here, there = os.stat(base.STATE), os.stat(f"/proc/{pid}/cwd")
    except OSError:
        return None
    if os.fsencode(base.config_of(number)) not in words or not os.path.samestat(here, there) \
            or os.path.basename(words[0]) != b"cofferd" or start_time_of(pid) is None:
        return None
    return {"cofferd": "server", "cofferd-super": "supervisor"}.get(name)


def pid_of(number, role="server"):
    """
    Returns the process id of a server, or of its supervisor; or None. The pid file, which holds the
    server's, is only the first guess.
    """
    try:
        with open(os.path.join(base.folder_of(number), "pid"), encoding="utf-8") as file:
            pid, started = (int(word) for word in file.read().split())
        if start_time_of(pid) == started and role_of(pid, number) == role:
            return pid
    except (OSError, ValueError):
        pass
    for name in os.listdir("/proc"):
        if name.isdigit() and role_of(int(name), number) == role:
            return int(name)
    return None


def send(number, what, role="server"):
    """Sends a signal to a server, never to another process. Returns its pid, or None if down."""
    pid = pid_of(number, role)
    if pid is None:
        return None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        # The handle is of one process for ever; only now is it sure which one.
        if role_of(pid, number) != role:
            return None
        signal.pidfd_send_signal(handle, what)
    except ProcessLookupError:
        return None
    except PermissionError:
        raise Failure(f"server {number} (pid {pid}) belongs to another user") from None
    finally:
        os.close(handle)
    return pid


def end(number, what):
    """Sends a signal to a supervisor, which passes it on or takes its server along; or to that."""
    if send(number, what, "supervisor") is None:
        send(number, what)


def is_gone(number, process=None):
    if process is not None:
        process.poll()
    return pid_of(number) is None and pid_of(number, "supervisor") is None


def stop(number, what, processes, limit_s=STOP_LIMIT_S):
    pid = send(number, what)
    if pid is not None:
        wait_for(lambda: is_gone(number, processes.get(number)), limit_s,
                 f"server {number} (pid {pid}) does not end")
    return pid


def launch(cluster, number, first=None):
    """
    Starts a server; `first` is what its very first start says. Returns its supervisor's process;
    whether it is well is seen later.
    """
    command = [base.program(cluster, "cofferd"), "-c", base.config_of(number)]
    if first is not None:
        command.append(first)
    if cluster["transport"] == "veth":
        # Not `ip netns exec`, which hides the file system of BPF.
        command = ["nsenter", f"--net=/run/netns/coffer-{number}", *command]
    with open(os.path.join(base.folder_of(number), "log"), "ab") as log:
        process = subprocess.Popen(command, cwd=base.STATE, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True)
    # nsenter becomes the supervisor, which says so by its name before it makes the server.
    wait_for(lambda: (pid_of(number, "supervisor") and pid_of(number))
             or process.poll() is not None, 5, f"server {number} does not start")
    pid = pid_of(number) or 0
    with open(os.path.join(base.folder_of(number), "pid"), "w", encoding="utf-8") as file:
        file.write(f"{pid} {start_time_of(pid) or 0}\n")
    return process


def last_words(number, count=3):
    try:
        with open(os.path.join(base.folder_of(number), "log"), encoding="utf-8",
                  errors="replace") as file:
            lines = file.read().strip().splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-count:]) or "(it said nothing)"


def status_of(cluster, number):
    """Returns what cofferctl says of a server, or None if it does not answer."""
    path = os.path.join(f"server-{number}", "control.sock")
    if not os.path.exists(os.path.join(base.STATE, path)):
        return None
    try:
        done = run(base.program(cluster, "cofferctl"), "-s", path, "status", "-o", "json",
                   check=False, timeout=10, cwd=base.STATE)
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (Failure, ValueError):
        return None


def leader_of(cluster):
    """Returns the number of the server that leads and decides, or None."""
    for number in numbers(cluster):
        status = status_of(cluster, number) if pid_of(number) is not None else None
        if status and status.get("role") == "leader" and status.get("deciding", True):
            return number
    return None


def client(cluster, *arguments):
    """Runs `coffer`. Returns (exit code, output, what it complained of, seconds)."""
    environment = dict(os.environ, COFFER_SERVERS=servers_text(cluster))
    begin = time.monotonic()
    done = run(base.program(cluster, "coffer"), *arguments, check=False, timeout=60,
               env=environment)
    return done.returncode, done.stdout.strip(), done.stderr.strip(), time.monotonic() - begin


def role_of_status(status, number):
    """What a server is to the cluster; an outsider that is a member learns."""
    role = status.get("role", "?")
    return "learner" if role == "outsider" and number in status.get("learners", []) else role


def is_level(cluster, number, goal):
    """Has this server, as a member, applied at least `goal`?"""
    status = status_of(cluster, number)
    return status is not None and status.get("applied", 0) >= goal \
        and role_of_status(status, number) in ("leader", "follower", "learner")


def add_spares(cluster):
    """Brings those that wait outside in as learners."""
    words = [str(number) for number in spares(cluster)]
    run(base.program(cluster, "cofferctl"), "-s", os.path.join("server-1", "control.sock"),
        "member", "add", *words, "--learner", cwd=base.STATE)


def voters_of(cluster, statuses):
    """Who votes, as far as anybody that is up knows."""
    known = [status for status in statuses.values() if status and status.get("voters")]
    newest = max(known, key=lambda status: status.get("configuration", 0), default={})
    return newest.get("voters", range(1, cluster["servers"] + 1))


def members_left(cluster, statuses):
    """
    How many servers may vote; None if some server that is up does not say. In mode memory who is
    down has forgotten all, and an outsider is taken back only by a majority that has not.
    """
    if any(status is None and pid_of(number) is not None for number, status in statuses.items()):
        return None
    return sum(status is not None and status.get("role") != "outsider"
               for status in statuses.values())


def why_not(cluster):
    """What is wrong with servers that do not serve; a Failure where no time mends it."""
    statuses = {number: status_of(cluster, number) for number in numbers(cluster)}
    voters = voters_of(cluster, statuses)
    up = sum(pid_of(number) is not None for number in voters)
    majority = len(voters) // 2 + 1
    members = members_left(cluster, statuses)
    if cluster["durability"] == "memory" and members is not None and members < majority:
        raise Failure("a majority lost its memory at once, and what was acknowledged with it;"
                      " `deploy/local down` and `deploy/local up` make a new cluster")
    if up < majority:
        return (f"{up} of {len(voters)} servers that vote are up, and a majority is {majority};"
                " `deploy/local up` starts the others")
    return f"the servers do not agree on a leader; see {base.STATE}/server-*/log"


def wait_ready(cluster, processes, limit_s=LEVEL_LIMIT_S):
    """
    Waits until some server leads and those in `processes` have all that it had when it was asked.
    Returns the leader. Nothing is waited for that cannot come; who was removed is taken out.
    """
    why = ["the servers do not answer"]

    def is_ready():
        for number, process in list(processes.items()):
            if process.poll() is None:
                continue
            words = last_words(number)
            if "was removed from the cluster" not in words:
                raise Failure(f"server {number} ended (exit code {process.returncode}). It said:\n"
                              + words)
            say(f"server {number} was removed from the cluster, and stays down")
            del processes[number]
        leader = leader_of(cluster)
        status = status_of(cluster, leader) if leader else None
        if status is None:
            why[0] = why_not(cluster)
            return None
        behind = [number for number in processes
                  if not is_level(cluster, number, status["applied"])]
        why[0] = f"servers {behind} are not level with server {leader}, which leads"
        return None if behind else leader

    return wait_for(is_ready, limit_s, lambda: why[0])

# SPDX-License-Identifier: Apache-2.0
"""__main__.py - what deploy/local does once Python is there

    build/local/cluster.json     what was asked for, and what the machine was like before
    build/local/server-I/        coffer.conf, data/, log, pid, control.sock
    build/local/links            shared-file links, on /dev/shm where there is one:
                                 link-I-J between servers, bench-I for one client process

Nothing waits by sleeping: each wait has a condition and a limit.
"""
import argparse
import contextlib
import glob
import os
import secrets
import shlex
import shutil
import signal
import sys
import time

import base
from base import (Failure, folder_of, load, milliseconds, need, number_of, numbers, only_one, save,
                  say, spares, wait_for)
from files import build, choose_addresses, gateway_of, make_folders, web_of
from host import (give_back_huge_pages, huge_pages, make_network, network_stands,
                  take_network_away)
from servers import (LEVEL_LIMIT_S, STOP_LIMIT_S, add_spares, client, end, is_gone, last_words,
                     launch, leader_of, pid_of, role_of_status, servers_text, status_of, stop,
                     wait_ready)

START_LIMIT_S = 30
SPARES_MAX = 3  # with seven servers all ten ports are taken
DEMO_PATH = "/local/hello"

def take_away(cluster, processes, keep_logs):
    """Ends and removes everything of a cluster; says nothing."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        for number in numbers(cluster):
            end(number, what)
        with contextlib.suppress(Failure):
            wait_for(lambda: all(is_gone(number, processes.get(number))
                                 for number in numbers(cluster)), STOP_LIMIT_S, "ending")
            break
    running = [number for number in numbers(cluster) if not is_gone(number)]
    if running:
        raise Failure(f"servers {running} cannot be ended")
    take_network_away(cluster)
    give_back_huge_pages(cluster)
    if cluster.get("links", "").startswith("/dev/shm/coffer-"):
        shutil.rmtree(cluster["links"], ignore_errors=True)
    if keep_logs:
        for name in glob.glob(os.path.join(base.STATE, "server-*", "*")):
            if os.path.basename(name) != "log":
                shutil.rmtree(name, ignore_errors=True)
                if os.path.lexists(name):
                    os.unlink(name)
        for name in ("links", "cluster.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(base.STATE, name))
    else:
        shutil.rmtree(base.STATE)


def start_new(cluster, processes):
    for number in numbers(cluster)[:cluster["servers"]]:
        processes[number] = launch(cluster, number, "--new-cluster")
    leader = wait_ready(cluster, processes, START_LIMIT_S)
    expect(cluster, 0, "nop")
    return leader


def start_spares(cluster, processes):
    begin = time.monotonic()
    for number in spares(cluster):
        processes[number] = launch(cluster, number, "--join")
    if cluster["spares"] != 0:
        add_spares(cluster)
        wait_ready(cluster, processes, START_LIMIT_S)
        say(f"spares: servers {list(spares(cluster))} follow as learners,"
            f" {milliseconds(time.monotonic() - begin)}")


def expect(cluster, code, *arguments):
    """Runs the client, which must end with this code. Returns (output, seconds)."""
    result, output, complaint, seconds = client(cluster, *arguments)
    if result != code:
        raise Failure(f"coffer {' '.join(arguments)}: exit code {result} instead of {code}"
                      f" {complaint or output}")
    return output, seconds


def show(cluster, processes):
    """The main job, with times; each is the wall time of one command, its start included."""
    revision, seconds = expect(cluster, 0, "set", DEMO_PATH, "hello")
    say(f"  set {DEMO_PATH} hello: revision {revision}, {milliseconds(seconds)}")
    wrong = str(int(revision) + 1000)
    _, seconds = expect(cluster, 1, "set", DEMO_PATH, "no", "--if-rev", wrong)
    say(f"  set {DEMO_PATH} no --if-rev {wrong}: refused, the revision is another,"
        f" {milliseconds(seconds)}")
    leader = wait_for(lambda: leader_of(cluster), LEVEL_LIMIT_S, "there is no leader")
    begin = time.monotonic()
    pid = stop(leader, signal.SIGKILL, processes)
    say(f"  kill -9 of server {leader}, the leader (pid {pid})")
    revision, _ = expect(cluster, 0, "set", DEMO_PATH, "again", "--if-rev", revision)
    say(f"  set {DEMO_PATH} again: revision {revision},"
        f" {milliseconds(time.monotonic() - begin)} after the kill")
    follower = wait_for(lambda: leader_of(cluster), LEVEL_LIMIT_S, "there is no new leader")
    say(f"  server {follower} leads now")
    begin = time.monotonic()
    processes[leader] = launch(cluster, leader)
    wait_ready(cluster, {leader: processes[leader]})
    say(f"  server {leader} is back and level, {milliseconds(time.monotonic() - begin)}")
    value, seconds = expect(cluster, 0, "get", DEMO_PATH)
    if value != "again":
        raise Failure(f"{DEMO_PATH} is {value!r}, not what was acknowledged")
    say(f"  get {DEMO_PATH}: {value}, {milliseconds(seconds)}")


def show_doors(cluster):
    say("clients of Doozer, by TCP, any of: "
        + " ".join(gateway_of(cluster, number) for number in numbers(cluster)))
    say("the tree in a browser, live, at each server: "
        + " ".join(f"http://{web_of(cluster, number)}/" for number in numbers(cluster)))


def new_cluster(options, programs):
    return {
        "id": f"{secrets.randbits(63) + 1:016x}",
        "servers": options.servers,
        "spares": options.spares,
        "transport": options.transport,
        "durability": options.durability,
        "no_huge": options.no_huge,
        "pmd": options.pmd,
        "programs": programs,
        "addresses": {},
    }


def keep_running(cluster, options):
    """`up` where there is a cluster: what is down is started again, nothing else is touched."""
    asked = (options.servers, options.transport, options.durability, options.spares)
    stands = tuple(cluster[key] for key in ("servers", "transport", "durability", "spares"))
    if asked != stands:
        say(f"a cluster of {stands[0]} servers over {stands[1]} is here already and is kept;"
            " `deploy/local down` first, to have another one")
    else:
        say("this cluster is here already and is kept")
    down = [number for number in numbers(cluster) if pid_of(number) is None]
    begin = time.monotonic()
    processes = {number: launch(cluster, number) for number in down}
    try:
        wait_ready(cluster, processes, START_LIMIT_S)
    finally:
        command_status(options)
        show_doors(cluster)
    if processes:  # without those that were removed
        say(f"servers {list(processes)} were down; started and level,"
            f" {milliseconds(time.monotonic() - begin)}")


def make_ground(cluster):
    """What servers stand on beside their folders; what is there already is kept."""
    if cluster["transport"] == "kernel":
        cluster["no_huge"] = True
    else:
        huge_pages(cluster)
    if cluster["transport"] == "veth" and not network_stands(cluster):
        take_network_away(cluster)
        make_network(cluster)
    if not cluster["addresses"]:
        choose_addresses(cluster)
    make_folders(cluster)
    save(cluster)


def command_up(options):
    cluster = load()
    if cluster is not None:
        if any(pid_of(number) is not None for number in numbers(cluster)):
            keep_running(cluster, options)
            return
        if cluster["durability"] == "disk" and os.path.isdir(folder_of(1)):
            # They died, or the machine was restarted: what they acknowledged is on their disks.
            cluster["programs"] = build()
            make_ground(cluster)
            keep_running(cluster, options)
            return
        # Nobody is left, and memory was all they had.
        say("what is left of a cluster that no longer runs is taken away")
        take_away(cluster, {}, False)
    os.makedirs(base.STATE, exist_ok=True)
    programs = build()
    cluster = new_cluster(options, programs)
    processes = {}
    save(cluster)
    try:
        make_ground(cluster)
        begin = time.monotonic()
        leader = start_new(cluster, processes)
        say(f"cluster: {cluster['servers']} servers over {cluster['transport']},"
            f" durability {cluster['durability']}, server {leader} leads,"
            f" {milliseconds(time.monotonic() - begin)} after the start")
        start_spares(cluster, processes)
        show(cluster, processes)
    except BaseException:
        take_away(cluster, processes, True)
        raise
    show_doors(cluster)
    say('it runs; to speak with it: eval "$(deploy/local env)" and then'
        f" `coffer get {DEMO_PATH}`; to end it: deploy/local down")


def line_of(cluster, number):
    pid = pid_of(number)
    if pid is None:
        return f"server {number}  down"
    status = status_of(cluster, number)
    if status is None:
        return f"server {number}  silent     pid {pid}"
    ballot = status.get("ballot")
    if isinstance(ballot, dict):
        ballot = f"{ballot.get('round')}.{ballot.get('node')}"
    return (f"server {number}  {role_of_status(status, number):9}  pid {pid}"
            f"  {cluster['addresses'][str(number)]}  ballot {ballot}"
            f"  length {status.get('length')}  decided {status.get('decided')}"
            f"  applied {status.get('applied')}")


def command_status(_options):
    cluster = need()
    for number in numbers(cluster):
        say(line_of(cluster, number))


def command_kill(options):
    cluster = need()
    number = number_of(cluster, options.server)
    pid = stop(number, signal.SIGKILL, {})
    if pid is None:
        raise Failure(f"server {number} is down already")
    say(f"server {number} (pid {pid}) killed")


def command_start(options):
    cluster = need()
    number = number_of(cluster, options.server)
    pid = pid_of(number)
    if pid is not None:
        raise Failure(f"server {number} runs already (pid {pid})")
    begin = time.monotonic()
    process = launch(cluster, number)
    processes = {number: process}
    try:
        wait_ready(cluster, processes, START_LIMIT_S)
    except Failure as failure:
        if process.poll() is not None:
            raise
        say(f"server {number} started (pid {pid_of(number)}) and waits: {failure}")
        return
    if not processes:
        raise Failure(f"server {number} ended. It said:\n{last_words(number)}")
    say(f"server {number} started (pid {pid_of(number)}) and level,"
        f" {milliseconds(time.monotonic() - begin)}")


def command_down(_options):
    cluster = load()
    if cluster is None:
        if os.path.isdir(base.STATE):
            shutil.rmtree(base.STATE)
        say("no cluster here")
        return
    take_away(cluster, {}, False)
    say(f"ended; {os.path.relpath(base.STATE, base.ROOT)} is gone")


def command_env(_options):
    cluster = need()
    folders = sorted({os.path.dirname(path) for path in cluster["programs"].values()})
    path = ":".join(shlex.quote(folder) for folder in folders)
    say(f'export PATH={path}:"$PATH" COFFER_SERVERS={shlex.quote(servers_text(cluster))}')


def parse(arguments):
    parser = argparse.ArgumentParser(prog="deploy/local", description="A cluster of real servers"
                                     " on this machine. deploy/README.md says more.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="install, build, start, show the main job")
    up.add_argument("--servers", type=int, default=3, choices=(3, 5, 7))
    up.add_argument("--spares", type=int, default=0, choices=range(SPARES_MAX + 1), metavar="N",
                    help=f"further servers, which follow as learners (0 to {SPARES_MAX})")
    up.add_argument("--transport", default="shm", choices=("shm", "veth", "kernel"),
                    help="shm: DPDK and shared-file links, needs no rights (default); veth: DPDK"
                    " in a network namespace for each server, needs root; kernel: no DPDK")
    up.add_argument("--durability", default="disk", choices=("memory", "disk"))
    up.add_argument("--no-huge", action="store_true", help="without hugepages")
    up.add_argument("--pmd", default="af_packet", choices=("af_packet", "af_xdp"),
                    help="the driver of DPDK with --transport veth")
    commands.add_parser("status", help="a line for each server")
    for name, text in (("kill", "end server I by SIGKILL"), ("start", "start server I again")):
        commands.add_parser(name, help=text).add_argument("server", metavar="I")
    commands.add_parser("down", help="end all servers and leave nothing behind")
    commands.add_parser("env", help="what a shell needs to speak with the cluster, for eval")
    return parser.parse_args(arguments)


COMMANDS = {
    "up": command_up, "status": command_status, "kill": command_kill, "start": command_start,
    "down": command_down, "env": command_env,
}


def main(arguments):
    options = parse(arguments)
    try:
        if options.command in ("status", "env"):
            COMMANDS[options.command](options)
        else:
            with only_one():
                COMMANDS[options.command](options)
    except Failure as failure:
        print(f"local: {failure}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"local: {error.filename}: {error.strerror}; was it made by another user?",
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("local: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

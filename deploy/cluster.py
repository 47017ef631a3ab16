#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cluster.py - what deploy/local does once Python is there

    build/local/cluster.json     what was asked for, and what the machine was like before
    build/local/server-I/        coffer.conf, data/, log, pid, control.sock
    build/local/links            shared-file links, on /dev/shm where there is one:
                                 link-I-J between servers, bench-I for one client process

A server is known by its configuration file on its command line and by this folder as its working
directory, so a recycled process id is never taken for one, and one whose pid file was lost is
found all the same. Nothing waits by sleeping: each wait has a condition and a limit.
"""
import argparse
import contextlib
import fcntl
import glob
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
BUILD = os.path.join(ROOT, "build", "release")
STATE = os.path.join(ROOT, "build", "local")
PROGRAMS = ("cofferd", "coffer", "cofferctl", "coffer-bench")

BRIDGE, NETWORK, CLIENT_PORT = "coffer0", "10.77.0.", 8046
PORT_BASES = range(8101, 9101, 10)
MEMORY_MB = 128  # of each server with DPDK
HUGE_PAGES = "/proc/sys/vm/nr_hugepages"
START_LIMIT_S, LEVEL_LIMIT_S, STOP_LIMIT_S = 30, 60, 10
DEMO_PATH = "/local/hello"


class Failure(Exception):
    """One sentence for a person: what is wrong, and how to mend it."""


def say(text):
    print(text, flush=True)


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
            raise Failure(f"waited {limit_s} s in vain: {what}")
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


# ---- what is kept between two commands ----------------------------------------------------------

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
    """Two commands that change things in one tree go one after the other."""
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    folder = os.open(os.path.join(ROOT, "build"), os.O_RDONLY)
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
    return range(1, cluster["servers"] + 1)


def folder_of(number):
    return os.path.join(STATE, f"server-{number}")


def config_of(number):
    return os.path.join(folder_of(number), "coffer.conf")


def number_of(cluster, text):
    if not text.isdigit() or int(text) not in numbers(cluster):
        raise Failure(f"server {text}: this cluster has servers 1 to {cluster['servers']}")
    return int(text)


def program(cluster, name):
    return cluster["programs"][name]


def servers_text(cluster):
    return ",".join(cluster["addresses"][str(number)] for number in numbers(cluster))


# ---- processes ----------------------------------------------------------------------------------

def start_time_of(pid):
    """When this process started, in the kernel's ticks; None if it is gone or only a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_server(pid, number):
    """Is this process server `number` of this very tree?"""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        here, there = os.stat(STATE), os.stat(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return os.fsencode(config_of(number)) in words and os.path.samestat(here, there) \
        and os.path.basename(words[0]) == b"cofferd" and start_time_of(pid) is not None


def pid_of(number):
    """Returns the process id of a server, or None. The pid file is only the first guess."""
    try:
        with open(os.path.join(folder_of(number), "pid"), encoding="utf-8") as file:
            pid, started = (int(word) for word in file.read().split())
        if start_time_of(pid) == started and is_server(pid, number):
            return pid
    except (OSError, ValueError):
        pass
    for name in os.listdir("/proc"):
        if name.isdigit() and is_server(int(name), number):
            return int(name)
    return None


def send(number, what):
    """Sends a signal to a server, never to another process. Returns its pid, or None if down."""
    pid = pid_of(number)
    if pid is None:
        return None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        # The handle is of one process for ever; only now is it sure which one.
        if not is_server(pid, number):
            return None
        signal.pidfd_send_signal(handle, what)
    except ProcessLookupError:
        return None
    except PermissionError:
        raise Failure(f"server {number} (pid {pid}) belongs to another user") from None
    finally:
        os.close(handle)
    return pid


def is_gone(number, process=None):
    if process is not None:
        process.poll()
    return pid_of(number) is None


def stop(number, what, processes, limit_s=STOP_LIMIT_S):
    pid = send(number, what)
    if pid is not None:
        wait_for(lambda: is_gone(number, processes.get(number)), limit_s,
                 f"server {number} (pid {pid}) does not end")
    return pid


def launch(cluster, number, is_new):
    """Starts the process of a server. Returns it; whether it is well is seen later."""
    command = [program(cluster, "cofferd"), "-c", config_of(number)]
    if is_new:
        command.append("--new-cluster")
    if cluster["transport"] == "veth":
        # Not `ip netns exec`, which hides the file system of BPF.
        command = ["nsenter", f"--net=/run/netns/coffer-{number}", *command]
    with open(os.path.join(folder_of(number), "log"), "ab") as log:
        process = subprocess.Popen(command, cwd=STATE, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True)
    # nsenter becomes cofferd: same process id, other command line.
    wait_for(lambda: is_server(process.pid, number) or process.poll() is not None, 5,
             f"server {number} does not start")
    with open(os.path.join(folder_of(number), "pid"), "w", encoding="utf-8") as file:
        file.write(f"{process.pid} {start_time_of(process.pid) or 0}\n")
    return process


def last_words(number, count=3):
    try:
        with open(os.path.join(folder_of(number), "log"), encoding="utf-8",
                  errors="replace") as file:
            lines = file.read().strip().splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-count:]) or "(it said nothing)"


# ---- what the servers and the client say --------------------------------------------------------

def status_of(cluster, number):
    """Returns what cofferctl says of a server, or None if it does not answer."""
    path = os.path.join(f"server-{number}", "control.sock")
    if not os.path.exists(os.path.join(STATE, path)):
        return None
    try:
        done = run(program(cluster, "cofferctl"), "-s", path, "status", "-o", "json",
                   check=False, timeout=10, cwd=STATE)
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
    done = run(program(cluster, "coffer"), *arguments, check=False, timeout=60, env=environment)
    return done.returncode, done.stdout.strip(), done.stderr.strip(), time.monotonic() - begin


def is_level(cluster, number, goal):
    """Has this server, as a voting member, applied at least `goal`?"""
    status = status_of(cluster, number)
    return status is not None and status.get("role") in ("leader", "follower") \
        and status.get("applied", 0) >= goal


def wait_level(cluster, number, process, limit_s=LEVEL_LIMIT_S):
    """Waits until a server has all that the leader had when it was asked."""
    def goal():
        if process.poll() is not None:
            raise Failure(f"server {number} ended (exit code {process.returncode}). It said:\n"
                          + last_words(number))
        leader = leader_of(cluster)
        status = status_of(cluster, leader) if leader else None
        return status and (status["applied"],)

    applied = wait_for(goal, limit_s, "there is no leader")[0]
    wait_for(lambda: goal() and is_level(cluster, number, applied), limit_s,
             f"server {number} is not level with the leader")


# ---- building -----------------------------------------------------------------------------------

def build():
    """Makes the release build, and returns {program: path}."""
    os.makedirs(STATE, exist_ok=True)
    log = os.path.join(STATE, "build.log")
    commands = []
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        shutil.rmtree(BUILD, ignore_errors=True)
        commands.append(["meson", "setup", BUILD, ROOT, "--buildtype=release", "-Ddebug=true"])
    commands.append(["meson", "compile", "-C", BUILD,
                     *(f"{name}:executable" for name in PROGRAMS)])
    begin = time.monotonic()
    say("build: release, in build/release")
    with open(log, "wb") as file:
        for command in commands:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                  check=False)
            if done.returncode != 0:
                with open(log, encoding="utf-8", errors="replace") as text:
                    tail = "".join(text.readlines()[-20:])
                raise Failure(f"{' '.join(command)} failed:\n{tail}all of it: {log}")
    targets = json.loads(run("meson", "introspect", BUILD, "--targets").stdout)
    found = {target["name"]: target["filename"][0] for target in targets
             if target["name"] in PROGRAMS and target["type"] == "executable"}
    say(f"build: done in {time.monotonic() - begin:.0f} s")
    return found


# ---- hugepages ----------------------------------------------------------------------------------

def read_number(path):
    try:
        with open(path, encoding="utf-8") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def memory_info(key):
    with open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def huge_pages(cluster):
    """Sees that there are enough, and sets no_huge if there are not. Says what it did."""
    if cluster["no_huge"]:
        say("hugepages: not used (--no-huge)")
        return
    page_kb = memory_info("Hugepagesize")
    if page_kb == 0:
        cluster["no_huge"] = True
        say("hugepages: this kernel has none; going on without, as with --no-huge")
        return
    needed = cluster["servers"] * (-(-MEMORY_MB * 1024 // page_kb))
    free = memory_info("HugePages_Free") - memory_info("HugePages_Rsvd")
    if free >= needed:
        say(f"hugepages: {needed} of {page_kb} kB needed, {free} are free; nothing to set")
        return
    before = read_number(HUGE_PAGES)
    wanted = before + needed - free
    try:
        with open(HUGE_PAGES, "w", encoding="utf-8") as file:
            file.write(f"{wanted}\n")
    except OSError as error:
        cluster["no_huge"] = True
        say(f"hugepages: {needed} needed, {free} free, and vm.nr_hugepages may not be set"
            f" ({error.strerror}); going on without, as with --no-huge")
        return
    after = read_number(HUGE_PAGES)
    cluster["huge_before"], cluster["huge_set"] = before, after
    save(cluster)
    if after < wanted:
        give_back_huge_pages(cluster)
        cluster["no_huge"] = True
        say(f"hugepages: {wanted} asked for, the kernel found memory for {after};"
            " going on without, as with --no-huge")
        return
    say(f"hugepages: vm.nr_hugepages set from {before} to {after}"
        f" ({MEMORY_MB} MiB for each server); `down` puts it back")


def give_back_huge_pages(cluster):
    before = cluster.pop("huge_before", None)
    after = cluster.pop("huge_set", None)
    if before is None:
        return
    if read_number(HUGE_PAGES) != after:
        say("hugepages: somebody else has changed vm.nr_hugepages meanwhile; left as it is")
        return
    try:
        with open(HUGE_PAGES, "w", encoding="utf-8") as file:
            file.write(f"{before}\n")
    except OSError as error:
        say(f"hugepages: vm.nr_hugepages cannot be put back to {before} ({error.strerror})")


# ---- network namespaces -------------------------------------------------------------------------

def net_names(cluster):
    return [f"coffer-{number}" for number in numbers(cluster)]


def is_device(name):
    return os.path.exists(f"/sys/class/net/{name}")


def make_network(cluster):
    """
        host: coffer0 (bridge, 10.77.0.254) -- coffer-I (veth) == veth1 :namespace coffer-I

    The namespace gives veth1 no address of its own, so its kernel stays silent and the server
    speaks for 10.77.0.I.
    """
    if not is_root():
        raise Failure("transport veth makes network namespaces, and that needs root;"
                      " try sudo, or --transport shm, which needs no rights")
    taken = [name for name in [BRIDGE] + net_names(cluster) if is_device(name)]
    taken += [name for name in net_names(cluster) if os.path.exists(f"/run/netns/{name}")]
    if taken:
        raise Failure(f"{taken[0]} is there already, and is not of this tree: another cluster runs"
                      " on this machine; end it with its own `deploy/local down`")
    if f"inet {NETWORK}" in run("ip", "-4", "addr").stdout:
        raise Failure(f"a device of this machine has an address {NETWORK}x already")
    cluster["network"] = True  # from here on `down` has something to take away
    save(cluster)
    run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    run("ip", "address", "add", NETWORK + "254/24", "dev", BRIDGE)
    no_router_messages(BRIDGE)
    for number, name in enumerate(net_names(cluster), 1):
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "veth1", "netns", name)
        no_router_messages(name)
        no_router_messages("veth1", "nsenter", f"--net=/run/netns/{name}")
        run("ip", "link", "set", name, "master", BRIDGE, "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "link", "set", "veth1", "up")
        # A sum left for the hardware to finish would never be finished on these devices.
        run("ethtool", "-K", name, "tx", "off")
        run("nsenter", f"--net=/run/netns/{name}", "ethtool", "-K", "veth1", "tx", "off")
        cluster["addresses"][str(number)] = f"{NETWORK}{number}:{CLIENT_PORT}"
    run("ip", "link", "set", BRIDGE, "up")
    run("ethtool", "-K", BRIDGE, "tx", "off")
    say(f"network: bridge {BRIDGE} ({NETWORK}254) and {cluster['servers']} namespaces coffer-1 ..."
        f" with {NETWORK}1 ...")


def no_router_messages(device, *prefix):
    """IPv6 of the kernel would chatter on the wire of the server."""
    run(*prefix, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{device}/disable_ipv6",
        check=False)


def take_network_away(cluster):
    if not cluster.get("network"):
        return
    for name in net_names(cluster):
        run("ip", "link", "delete", name, check=False)
        run("ip", "netns", "delete", name, check=False)
    run("ip", "link", "delete", BRIDGE, check=False)
    left = [name for name in [BRIDGE] + net_names(cluster) if is_device(name)]
    left += [name for name in net_names(cluster) if os.path.exists(f"/run/netns/{name}")]
    if left:
        raise Failure(f"could not be taken away: {' '.join(left)}")
    cluster["network"] = False


# ---- configuration ------------------------------------------------------------------------------

def is_free(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind((address, port))
        except OSError:
            return False
    return True


def choose_addresses(cluster):
    if cluster["transport"] == "veth":
        return
    for base in PORT_BASES:
        if all(is_free("127.0.0.1", base + number - 1) for number in numbers(cluster)):
            break
    else:
        raise Failure("no free UDP ports on 127.0.0.1 from 8101 on")
    if base != PORT_BASES[0]:
        say(f"ports: 8101 ... are taken by somebody else; using {base} ...")
    cluster["addresses"] = {str(number): f"127.0.0.1:{base + number - 1}"
                            for number in numbers(cluster)}


def ports_of(cluster, number):
    """The lines port.N of a server."""
    lines = []
    if cluster["transport"] == "shm":
        for peer in numbers(cluster):
            if peer != number:
                low, high = min(number, peer), max(number, peer)
                side = "first" if number == low else "second"
                lines.append(f"link links/link-{low}-{high} {side} peer {peer}")
        lines.append(f"link links/bench-{number} first clients")
    elif cluster["transport"] == "veth":
        lines.append(f"ethdev net_{cluster['pmd']}0,iface=veth1 address {NETWORK}{number}/24")
    return [f"port.{place} = {line}" for place, line in enumerate(lines, 1)]


def config_text(cluster, number):
    dpdk = cluster["transport"] != "kernel"
    lines = [
        "# Written by deploy/local. Paths are relative to build/local, where the server runs.",
        f"cluster = {cluster['id']}",
        f"node = {number}",
    ]
    lines += [f"server.{other} = {cluster['addresses'][str(other)]}" for other in numbers(cluster)]
    listen = "none" if cluster["transport"] == "veth" else cluster["addresses"][str(number)]
    lines += [
        f"data = server-{number}/data",
        f"management = server-{number}/control.sock",
        "log = stderr",
        f"transport = {'dpdk' if dpdk else 'kernel'}",
        f"durability = {cluster['durability']}",
        f"listen = {listen}",
    ]
    if dpdk:
        lines += [f"no_huge = {'yes' if cluster['no_huge'] else 'no'}", f"memory_mb = {MEMORY_MB}"]
    return "\n".join(lines + ports_of(cluster, number)) + "\n"


def make_folders(cluster):
    for number in numbers(cluster):
        os.makedirs(folder_of(number), mode=0o700, exist_ok=True)
        with open(config_of(number), "w", encoding="utf-8") as file:
            file.write(config_text(cluster, number))
    if cluster["transport"] == "shm":
        links = os.path.join(STATE, "links")
        if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
            # On a disk the kernel would write the rings back now and then.
            cluster["links"] = tempfile.mkdtemp(prefix="coffer-", dir="/dev/shm")
            save(cluster)
            os.symlink(cluster["links"], links)
        else:
            os.mkdir(links, 0o700)


# ---- the commands -------------------------------------------------------------------------------

def take_away(cluster, processes, keep_logs):
    """Ends and removes everything of a cluster; says nothing."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        for number in numbers(cluster):
            send(number, what)
        with contextlib.suppress(Failure):
            wait_for(lambda: all(is_gone(number, processes.get(number))
                                 for number in numbers(cluster)), STOP_LIMIT_S, "ending")
            break
    running = [number for number in numbers(cluster) if pid_of(number) is not None]
    if running:
        raise Failure(f"servers {running} cannot be ended")
    take_network_away(cluster)
    give_back_huge_pages(cluster)
    if cluster.get("links", "").startswith("/dev/shm/coffer-"):
        shutil.rmtree(cluster["links"], ignore_errors=True)
    if keep_logs:
        for name in glob.glob(os.path.join(STATE, "server-*", "*")):
            if os.path.basename(name) != "log":
                shutil.rmtree(name, ignore_errors=True)
                if os.path.lexists(name):
                    os.unlink(name)
        for name in ("links", "cluster.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(STATE, name))
    else:
        shutil.rmtree(STATE)


def start_new(cluster, processes):
    for number in numbers(cluster):
        processes[number] = launch(cluster, number, True)

    def all_ready():
        for number in numbers(cluster):
            if processes[number].poll() is not None:
                raise Failure(f"server {number} did not start. It said:\n{last_words(number)}")
        leader = leader_of(cluster)
        return leader and all(is_level(cluster, number, 0) for number in numbers(cluster)) \
            and client(cluster, "nop")[0] == 0 and leader

    return wait_for(all_ready, START_LIMIT_S, "the servers do not agree on a leader; see"
                    f" {STATE}/server-*/log")


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
    processes[leader] = launch(cluster, leader, False)
    wait_level(cluster, leader, processes[leader])
    say(f"  server {leader} is back and level, {milliseconds(time.monotonic() - begin)}")
    value, seconds = expect(cluster, 0, "get", DEMO_PATH)
    if value != "again":
        raise Failure(f"{DEMO_PATH} is {value!r}, not what was acknowledged")
    say(f"  get {DEMO_PATH}: {value}, {milliseconds(seconds)}")


def new_cluster(options, programs):
    return {
        "id": f"{secrets.randbits(63) + 1:016x}",
        "servers": options.servers,
        "transport": options.transport,
        "durability": options.durability,
        "no_huge": options.no_huge,
        "pmd": options.pmd,
        "programs": programs,
        "addresses": {},
    }


def keep_running(cluster, options):
    """`up` where there is a cluster: what is down is started again, nothing else is touched."""
    asked = (options.servers, options.transport, options.durability)
    stands = (cluster["servers"], cluster["transport"], cluster["durability"])
    if asked != stands:
        say(f"a cluster of {stands[0]} servers over {stands[1]} runs here already and is kept;"
            " `deploy/local down` first, to have another one")
    else:
        say("this cluster runs already and is kept")
    for number in numbers(cluster):
        if pid_of(number) is None:
            start_one(cluster, number)
    command_status(options)


def command_up(options):
    cluster = load()
    if cluster is not None:
        if any(pid_of(number) is not None for number in numbers(cluster)):
            keep_running(cluster, options)
            return
        # Nobody is left (the machine was restarted, perhaps), and memory was all they had.
        say("what is left of a cluster that no longer runs is taken away")
        take_away(cluster, {}, False)
    programs = build()
    cluster = new_cluster(options, programs)
    processes = {}
    save(cluster)
    try:
        if cluster["transport"] == "kernel":
            cluster["no_huge"] = True
        else:
            huge_pages(cluster)
        if cluster["transport"] == "veth":
            make_network(cluster)
        choose_addresses(cluster)
        make_folders(cluster)
        save(cluster)
        begin = time.monotonic()
        leader = start_new(cluster, processes)
        say(f"cluster: {cluster['servers']} servers over {cluster['transport']},"
            f" durability {cluster['durability']}, server {leader} leads,"
            f" {milliseconds(time.monotonic() - begin)} after the start")
        show(cluster, processes)
    except (Failure, KeyboardInterrupt):
        take_away(cluster, processes, True)
        raise
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
    return (f"server {number}  {status.get('role', '?'):9}  pid {pid}"
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


def start_one(cluster, number):
    begin = time.monotonic()
    process = launch(cluster, number, False)
    try:
        wait_level(cluster, number, process, START_LIMIT_S)
    except Failure:
        if process.poll() is not None:
            raise
        up = sum(pid_of(other) is not None for other in numbers(cluster))
        say(f"server {number} started (pid {process.pid}) and waits; {up} of"
            f" {cluster['servers']} servers are up. In mode memory, servers that lost what they"
            " had come back only while a majority of others still has it; if a majority was lost"
            " at once: `deploy/local down` and `up`")
        return
    say(f"server {number} started (pid {process.pid}) and level,"
        f" {milliseconds(time.monotonic() - begin)}")


def command_start(options):
    cluster = need()
    number = number_of(cluster, options.server)
    pid = pid_of(number)
    if pid is not None:
        raise Failure(f"server {number} runs already (pid {pid})")
    start_one(cluster, number)


def command_down(_options):
    cluster = load()
    if cluster is None:
        if os.path.isdir(STATE):
            shutil.rmtree(STATE)
        say("no cluster here")
        return
    take_away(cluster, {}, False)
    say("ended; build/local is gone")


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
    up.add_argument("--transport", default="shm", choices=("shm", "veth", "kernel"),
                    help="shm: DPDK and shared-file links, needs no rights (default); veth: DPDK"
                    " in a network namespace for each server, needs root; kernel: no DPDK")
    up.add_argument("--durability", default="memory", choices=("memory", "disk"))
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

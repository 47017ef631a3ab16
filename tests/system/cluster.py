# SPDX-License-Identifier: Apache-2.0
"""cluster - some cofferd of one's own, over one of the transports

    cluster = Kernel(tools, 3)      one UDP socket each; a relay between each two, so it can be cut
    cluster = Shm(tools, 3)         DPDK over shared-file links, or through a relay (relayed=True)
    cluster = Veth(tools, 3, "af_packet")   namespaces, a bridge, a DPDK port on each veth
    cluster = Veth(tools, 1, "af_packet", direct_mtu=1500)  no bridge: p1 in the hub is the wire

    cluster.up()                    new, with a leader, all level
    cluster.kill(n), kill_all(), kill_host(n), end(n), start(n), stop(n), go_on(n)
    cluster.cut(a, b), isolate(n), heal()
    cluster.leader(), status(n), wait_level()
    cluster.down()                  ends all by SIGTERM and looks at what they left
"""

import fcntl
import os
import pathlib
import random
import re
import secrets
import signal
import socket
import time

from harness import Failed, Process, Server, Skip, check, parse_json, wait_for

PORT = 8046
READY_LIMIT_S = 60
LEVEL_LIMIT_S = 60
HUGEPAGES_LIMIT_S = 120


def loopback_net():
    """Three bytes of 127.x.y that nobody else uses now."""
    for _ in range(100):
        net = f"127.{random.randint(64, 250)}.{random.randint(0, 250)}"
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            probe.bind((f"{net}.1", PORT))
            return net
        except OSError:
            continue
        finally:
            probe.close()
    raise Failed("no free loopback addresses")


class Node:
    def __init__(self, number, folder):
        self.number = number
        self.folder = folder
        self.config = folder / f"{number}.conf"
        self.socket = f"{number}.sock"
        self.log = folder / f"{number}.log"
        self.process = None
        self.starts = 0
        self.log_offset = 0  # of the present start


class Cluster:
    """What all transports have in common; `settings` are further lines of the configuration."""

    transport = ""
    brings_notes = True  # of a supervisor, surely

    def __init__(self, tools, count, settings=(), name="c", durability="memory"):
        self.tools = tools
        self.durability = durability
        self.count = count
        self.settings = list(settings)
        self.folder = tools.folder / f"{name}{len(list(tools.folder.iterdir()))}"
        self.folder.mkdir()
        self.id = secrets.token_hex(8)
        self.nodes = {n: Node(n, self.folder) for n in range(1, count + 1)}
        self.pairs = [(a, b) for a in self.nodes for b in self.nodes if a < b]
        self.is_down = False
        self.first_arguments = []  # of every server's very first start
        self.members = list(self.nodes)  # who votes
        self.founders = list(self.nodes)
        self.removed = {}  # nodes that ended because they were told so
        self.segment_mb = 8
        self.expected_errors = None  # what lines of level=error may be, as a pattern

    # --- what a transport says ------------------------------------------------------------------

    def client_address(self, number):
        """(host, port) at which clients reach the server."""
        raise NotImplementedError

    def server_lines(self, number):
        """The lines of the configuration that differ by transport."""
        raise NotImplementedError

    def prepare(self):
        """Before the first start."""

    def command(self, arguments):
        """A client's command line, in the client's place."""
        return [str(a) for a in arguments]

    def server_command(self, _number, arguments):
        return [str(a) for a in arguments]

    # --- starting and ending --------------------------------------------------------------------

    def servers_text(self):
        return ",".join("{}:{}".format(*self.client_address(n)) for n in self.nodes)

    def environment(self):
        return {**os.environ, "COFFER_SERVERS": self.servers_text()}

    def write_config(self, number):
        node = self.nodes[number]
        lines = [f"cluster = {self.id}", f"node = {number}", f"data = data{number}",
                 f"management = {node.socket}", f"log = {node.log.name}",
                 f"durability = {self.durability}", f"segment_mb = {self.segment_mb}",
                 *self.server_lines(number), *self.settings]
        lines.append("members = " + " ".join(str(n) for n in self.founders))
        node.config.write_text("\n".join(lines) + "\n")

    def start(self, number, wait=True):
        node = self.nodes[number]
        check(node.process is None or not node.process.is_running(), "starts twice")
        arguments = [self.tools.cofferd, "-c", node.config.name]
        if node.starts == 0:
            arguments += ["--new-cluster" if number in self.founders else "--join",
                          *self.first_arguments]
        node.starts += 1
        node.log_offset = node.log.stat().st_size if node.log.exists() else 0
        node.process = Server(self.tools, f"cofferd-{number}",
                              self.server_command(number, arguments), self.folder)
        if wait:
            self.wait_ready(number)

    def log_text(self, number, since_start=True):
        node = self.nodes[number]
        if not node.log.exists():
            return ""
        with open(node.log, errors="replace") as file:
            if since_start:
                file.seek(node.log_offset)
            return file.read()

    def wait_ready(self, number):
        node = self.nodes[number]

        def is_ready():
            check(node.process.is_running(), f"server {number} ended at its start",
                  node.process.errors(), self.log_text(number)[-2000:])
            return re.search(r"\bevent=ready\b|^ready\b", self.log_text(number), re.M)

        wait_for(f"server {number} is ready", is_ready, READY_LIMIT_S)

    def up(self):
        self.prepare()
        for number in self.nodes:
            self.write_config(number)
        for number in self.members:
            self.start(number, wait=False)
        for number in self.members:
            self.wait_ready(number)
        self.wait_level()
        return self

    def kill(self, number):
        self.nodes[number].process.kill()

    def kill_all(self):
        """Every member at once: none is waited for before all have the signal."""
        for number in self.members:
            self.nodes[number].process.signal(signal.SIGKILL)
        for number in self.members:
            self.kill(number)

    def kill_host(self, number):
        """The server and its supervisor: the others find out by silence."""
        self.nodes[number].process.kill_both()

    def end(self, number):
        """By SIGTERM, as a service manager does."""
        process = self.nodes[number].process
        process.expected_end = True
        process.signal(signal.SIGTERM)
        code = process.wait()
        check(code == 0, f"server {number} ended with {code}", process.errors())

    def stop(self, number):
        self.nodes[number].process.signal(signal.SIGSTOP)

    def go_on(self, number):
        self.nodes[number].process.signal(signal.SIGCONT)

    def await_removed(self, number):
        """The server was told that it is no member any more, and ends with a sentence."""
        node = self.nodes.pop(number)
        node.process.expected_end = True
        code = node.process.wait()
        check(code == 1 and "was removed from the cluster" in node.process.errors(),
              f"removed server {number} ended with {code}", node.process.errors())
        self.removed[number] = node
        self.members = [n for n in self.members if n != number]

    def start_removed(self, number):
        """Once more; it will be told again."""
        self.nodes[number] = self.removed.pop(number)
        self.start(number, wait=False)
        self.nodes[number].process.expected_end = True

    def running(self):
        return [n for n, node in self.nodes.items()
                if node.process is not None and node.process.is_running()]

    def down(self):
        """Ends every server by SIGTERM; each must end well, and none may have broken before."""
        for number in self.members:
            self.nodes[number].process.signal(signal.SIGTERM)
        for number in self.members:
            node = self.nodes[number]
            code = node.process.wait()
            check(code == 0, f"server {number} ended with {code}", node.process.errors())
        self.is_down = True
        self.check_health()

    def check_health(self):
        """No server ended by itself, and none broke a promise."""
        for number, node in self.nodes.items():
            if node.process is None:
                continue
            ended = node.process is not None and not node.process.is_running()
            if ended and not node.process.expected_end and not self.is_down:
                raise Failed(f"server {number} ended by itself with {node.process.popen.poll()}: "
                             f"{node.process.errors()}")
            for text in (node.process.errors(), self.log_text(number, since_start=False)):
                if self.expected_errors:
                    text = re.sub(f".*level=error.*(?:{self.expected_errors}).*", "", text)
                found = re.search(r"broken promise|AddressSanitizer|runtime error|Sanitizer:|"
                                  r"level=error", text)
                check(not found, f"server {number} says", text[-3000:])

    # --- looking --------------------------------------------------------------------------------

    def ctl(self, number, *arguments, limit_s=10):
        return self.tools.run([self.tools.cofferctl, "-s", self.nodes[number].socket, *arguments],
                              limit_s=limit_s, cwd=self.folder)

    def coffer(self, *arguments, **more):
        """A client's command, in the client's place; `more` is for Tools.run()."""
        more.setdefault("env", self.environment())
        return self.tools.run(self.command([self.tools.coffer, *arguments]), **more)

    def status(self, number):
        """What the server tells of itself, or None if it does not answer."""
        done = self.ctl(number, "status", "-o", "json")
        if done.returncode != 0:
            return None
        return parse_json(done.stdout, f"status of server {number}")

    def leader(self, limit_s=READY_LIMIT_S, but=()):
        """The number of the server that leads and decides, according to itself."""

        def find():
            for number in self.running():
                if number in but:
                    continue
                status = self.status(number)
                if status and status["role"] == "leader" and status["deciding"]:
                    return number
            return None

        return wait_for("somebody leads", find, limit_s)

    def followers(self):
        leader = self.leader()
        return [n for n in self.members if n != leader]

    def wait_level(self, limit_s=LEVEL_LIMIT_S):
        """One leader, everybody follows it, and all applied the same; returns the index."""
        last = {}

        def is_level():
            self.check_health()
            last.clear()
            last.update({n: self.status(n) for n in self.members})
            if not all(last.values()):
                return None
            roles = sorted(s["role"] for s in last.values())
            leaders = {s["leader"] for s in last.values()}
            applied = {s["applied"] for s in last.values()}
            decided = {s["decided"] for s in last.values()}
            if roles == ["follower"] * (len(self.members) - 1) + ["leader"] and len(leaders) == 1 \
                    and len(applied) == 1 and decided == applied:
                return applied.pop()
            return None

        try:
            return wait_for("all are level", is_level, limit_s, 0.05)
        except Failed as failed:
            short = {n: {k: s[k] for k in ("role", "leader", "ballot", "length", "decided",
                                           "applied", "deciding")} if s else None
                     for n, s in last.items()}
            raise Failed(f"{failed}: {short}") from None

    def wait_ctl(self, limit_s=LEVEL_LIMIT_S):
        """With `pulse_ms = 0`: /ctl is written, and nothing more comes of itself; how many."""
        files = 2 + 7 * len(self.members)  # name, config; five of each node, its seat, its name

        def is_there():
            done = self.coffer("find", "/ctl/**")
            return done.returncode == 0 and len(done.stdout.split()) == files

        wait_for("/ctl is written", is_there, limit_s, 0.05)
        self.wait_level()
        return files

    def wait_caught_up(self, number):
        """While traffic goes on: the server has applied what the leader had when asked first."""
        target = self.status(self.leader())["applied"]

        def is_there():
            self.check_health()
            status = self.status(number)
            return status and status["role"] in ("follower", "leader") and \
                status["applied"] >= target

        wait_for(f"server {number} is level again", is_there, LEVEL_LIMIT_S)

    # --- cutting --------------------------------------------------------------------------------

    def cut(self, a, b):
        raise NotImplementedError

    def cut_one_way(self, a, b):
        raise Skip("no one-way cuts here")

    def isolate(self, number):
        for other in self.nodes:
            if other != number:
                self.cut(number, other)

    def heal(self):
        raise NotImplementedError


class Relayed(Cluster):
    """Cut by a relay process that stands between each two servers."""

    relay = None

    def start_relay(self, pairs):
        self.relay = Process(self.tools, "relay", [self.tools.relay, *pairs], self.folder,
                             talks=True)
        answer = self.relay.popen.stdout.readline()
        check(answer == b"ok\n", "the relay starts", self.relay.errors())

    def tell_relay(self, command):
        check(self.relay.ask(command) == "ok", f"the relay does not know `{command}`")

    def cut(self, a, b):
        self.tell_relay(f"cut {a} {b}")

    def cut_one_way(self, a, b):
        self.tell_relay(f"cut1 {a} {b}")

    def heal(self):
        self.tell_relay("heal")


class Kernel(Relayed):
    transport = "kernel"

    def __init__(self, tools, count, settings=(), relayed=True, durability="memory"):
        super().__init__(tools, count, settings, "kernel", durability)
        self.net = loopback_net()
        self.relayed = relayed

    def client_address(self, number):
        return (f"{self.net}.{number}", PORT)

    def seen(self, by, other):
        """Where server `by` sees server `other`."""
        if by == other or not self.relayed:
            return "{}:{}".format(*self.client_address(other))
        return f"{self.net}.{100 + 10 * by + other}:{PORT}"

    def server_lines(self, number):
        lines = [f"server.{n} = {self.seen(number, n)}" for n in self.nodes]
        return [*lines, "transport = kernel"]

    def prepare(self):
        if self.relayed:
            self.start_relay([
                f"udp {a} {b} {self.seen(a, b)} {self.seen(b, a)} {self.seen(a, a)} "
                f"{self.seen(b, b)}" for a, b in self.pairs])


def is_locked_now(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def need_hugepages(tools, count):
    """Sees that `count` pages of 2 MiB are free; what was added is given back at the end. One test
    at a time, of all that run on this machine."""
    folder = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")

    def number(name):
        return int((folder / name).read_text())

    def add(more):
        (folder / "nr_hugepages").write_text(str(max(0, number("nr_hugepages") + more)))

    if not folder.exists():
        raise Skip("needs hugepages of 2 MiB, and this kernel has none")
    lock = os.open(folder, os.O_RDONLY)
    tools.undo.append(lambda: os.close(lock))
    wait_for("no other test uses hugepages", lambda: is_locked_now(lock), HUGEPAGES_LIMIT_S)
    missing = count - number("free_hugepages") + number("resv_hugepages")
    if missing <= 0:
        return
    if os.geteuid() != 0:
        raise Skip(f"needs {count} free hugepages of 2 MiB, or root to make them")
    before = number("nr_hugepages")
    add(missing)
    added = number("nr_hugepages") - before
    tools.undo.append(lambda: add(-added))
    if added < missing:
        raise Skip(f"{count} hugepages of 2 MiB: the kernel has no memory for so many")


class Shm(Relayed):
    transport = "shm"

    def __init__(self, tools, count, no_huge=True, relayed=False, settings=(),
                 durability="memory"):
        super().__init__(tools, count, settings, "shm", durability)
        self.net = loopback_net()
        self.no_huge = no_huge
        self.relayed = relayed
        if not no_huge:
            need_hugepages(tools, 70 * count)

    def client_address(self, number):
        return (f"{self.net}.{number}", PORT)

    def link(self, by, other):
        low, high = min(by, other), max(by, other)
        return f"link{low}-{high}{f'.{by}' if self.relayed else ''}"

    def server_lines(self, number):
        lines = ["server.{} = {}:{}".format(n, *self.client_address(n)) for n in self.nodes]
        others = [n for n in self.nodes if n != number]
        for place, other in enumerate(others, 1):
            end = "first" if number < other else "second"
            lines.append(f"port.{place} = link {self.link(number, other)} {end} peer {other}")
        return [*lines, "transport = dpdk", f"no_huge = {'yes' if self.no_huge else 'no'}",
                "memory_mb = 64", "poll = adaptive"]

    def prepare(self):
        if self.relayed:
            self.start_relay([f"link {a} {b} {self.link(a, b)} {self.link(b, a)}"
                              for a, b in self.pairs])


class Veth(Cluster):
    """A namespace for each server, one more with the bridge and the clients."""

    transport = "veth"
    brings_notes = False  # the address is the port's; the kernel of the namespace has none

    def __init__(self, tools, count, driver, settings=(), direct_mtu=None, durability="memory"):
        super().__init__(tools, count, settings, "veth", durability)
        if os.geteuid() != 0:
            raise Skip("needs root, for network namespaces")
        if self.ip("link", "help").returncode not in (0, 255):
            raise Skip("needs iproute2")
        self.driver = driver
        self.direct_mtu = direct_mtu
        self.mark = f"cft{os.getpid()}x{secrets.token_hex(2)}"
        self.hub = f"{self.mark}h"

    def ip(self, *arguments):
        return self.tools.run(["ip", *arguments])

    def must_ip(self, *arguments):
        done = self.ip(*arguments)
        check(done.returncode == 0, f"ip {' '.join(arguments)}", done.stderr.strip())

    def namespace(self, number):
        return f"{self.mark}s{number}"

    def add_namespace(self, name):
        done = self.ip("netns", "add", name)
        if done.returncode != 0:
            raise Skip(f"no network namespaces here: {done.stderr.strip()}")
        self.tools.undo.append(lambda: self.ip("netns", "del", name))
        self.must_ip("-n", name, "link", "set", "dev", "lo", "up")

    def no_offload(self, namespace, device):
        """A veth hands over sums that were never made; a DPDK port looks at them."""
        done = self.tools.run(["ip", "netns", "exec", namespace, "ethtool", "-K", device, "tx",
                               "off"])
        if done.returncode != 0:
            raise Skip(f"ethtool cannot switch off checksum offload: {done.stderr.strip()}")

    def prepare(self):
        self.add_namespace(self.hub)
        if self.direct_mtu is None:
            self.must_ip("-n", self.hub, "link", "add", "name", "br0", "type", "bridge")
            self.must_ip("-n", self.hub, "link", "set", "dev", "br0", "up")
            self.must_ip("-n", self.hub, "addr", "add", "10.77.0.254/24", "dev", "br0")
            self.no_offload(self.hub, "br0")
        for number in self.nodes:
            self.add_wire(number)

    def add_wire(self, number):
        """From p<number> in the hub to veth0 of the server."""
        space, port = self.namespace(number), f"p{number}"
        self.add_namespace(space)
        self.must_ip("-n", self.hub, "link", "add", "name", port, "type", "veth",
                     "peer", "name", "veth0", "netns", space)
        if self.direct_mtu is None:
            self.must_ip("-n", self.hub, "link", "set", "dev", port, "master", "br0")
        for namespace, device in ((self.hub, port), (space, "veth0")):
            if self.direct_mtu is not None:
                self.must_ip("-n", namespace, "link", "set", "dev", device, "mtu",
                             str(self.direct_mtu), "addrgenmode", "none")
            self.must_ip("-n", namespace, "link", "set", "dev", device, "up")
            self.no_offload(namespace, device)

    def client_address(self, number):
        return (f"10.77.0.{number}", PORT)

    def server_lines(self, number):
        lines = ["server.{} = {}:{}".format(n, *self.client_address(n)) for n in self.nodes]
        device = f"net_{self.driver}0,iface=veth0"
        return [*lines, f"port.1 = ethdev {device} address 10.77.0.{number}/24", "listen = none",
                "transport = dpdk", "no_huge = yes", "memory_mb = 64", "poll = adaptive"]

    def command(self, arguments):
        return ["ip", "netns", "exec", self.hub, *map(str, arguments)]

    def server_command(self, number, arguments):
        return ["ip", "netns", "exec", self.namespace(number), *map(str, arguments)]

    def cut(self, a, b):
        """Two isolated ports of a bridge reach everybody but each other."""
        for number in (a, b):
            self.must_ip("-n", self.hub, "link", "set", "dev", f"p{number}", "type",
                         "bridge_slave", "isolated", "on")

    def isolate(self, number):
        self.must_ip("-n", self.hub, "link", "set", "dev", f"p{number}", "down")

    def heal(self):
        for number in self.nodes:
            self.must_ip("-n", self.hub, "link", "set", "dev", f"p{number}", "type",
                         "bridge_slave", "isolated", "off")
            self.must_ip("-n", self.hub, "link", "set", "dev", f"p{number}", "up")


class Recorder:
    """Clients at work, and the history of what they were told."""

    count = 0

    def __init__(self, cluster, *options):
        Recorder.count += 1
        tools = cluster.tools
        self.cluster = cluster
        self.history = cluster.folder / f"history{Recorder.count}.jsonl"
        self.process = Process(tools, f"recorder{Recorder.count}", cluster.command([
            tools.recorder, "--servers", cluster.servers_text(), "--output", self.history.name,
            "--prefix", f"/run{Recorder.count}", "--seed", str(Recorder.count), *options]),
            cluster.folder, talks=True)
        self.started = time.monotonic()

    def status(self):
        return parse_json(self.process.ask("status"), "the recorder's status")

    def acked(self):
        return self.status()["acked"]

    def wait_more(self, more, what="writes go on", limit_s=60):
        """Waits for `more` acknowledged writes; the longest gap between two of them, in ms."""
        first = self.status()  # also of what was meanwhile: a gap is told once
        target = first["acked"] + more
        gaps = [first["gap_ms"]]

        def is_there():
            self.cluster.check_health()
            status = self.status()
            gaps.append(status["gap_ms"])
            return status["acked"] >= target

        wait_for(what, is_there, limit_s)
        return max(gaps)

    def finish(self, limit_s=120):
        """Reads all back and checks the history; returns the last counts."""
        self.process.popen.stdin.write(b"finish\n")
        self.process.popen.stdin.flush()
        self.process.expected_end = True
        code = self.process.wait(limit_s)
        last = self.process.popen.stdout.read().decode().strip().splitlines()
        self.process.close_pipes()
        check(code == 0, f"the recorder ended with {code}", self.process.errors())
        counts = parse_json(last[-1], "the recorder's last status")
        check(counts["acked"] >= 100 and counts["made"] >= 10, "too little was done", counts)
        done = self.cluster.tools.run([self.cluster.tools.lincheck, "--timeout", "60",
                                       self.history], limit_s=120)
        check(done.returncode == 0, f"the history {self.history} is not linearizable",
              done.stdout[-4000:] + done.stderr)
        return counts

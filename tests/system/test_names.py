#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   servers and clusters are found by names.
Method: real servers over kernel UDP that know each other by names of hosts; a name cluster, and
        clusters and bare hosts that know it, killed as hosts and before steps towards the disk."""

import os
import selectors
import shutil
import socket
import threading

import harness
from cluster import Kernel, loopback_net
from doozer import Connection
from harness import Failed, Server, Skip, check, parse_json, wait_for

LIMIT_S = 40
STEPS_MAX = 40
CUTS_MAX = 60


class Hosts(Kernel):
    """All on one host, which the system's resolver knows: one port for each."""

    def __init__(self, tools, count, **more):
        super().__init__(tools, count, relayed=False, **more)
        probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in self.nodes]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        self.ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()

    def client_address(self, number):
        return ("localhost", self.ports[number - 1])


def test_hosts_by_name(tools):
    cluster = Hosts(tools, 3, durability="disk").up()
    done = cluster.coffer("set", "/a", "v")
    check(done.returncode == 0, "a write", done.stderr)
    leader = cluster.leader()
    cluster.kill(leader)
    done = cluster.coffer("--servers", "no..host," + cluster.servers_text(), "get", "/a")
    check(done.stdout == "v", "who cannot be resolved is passed over", done)
    cluster.start(leader)
    cluster.wait_level()
    done = cluster.coffer("--servers", "no..host", "get", "/a")
    check(done.returncode == 2 and "no..host" in done.stderr, "nobody can be resolved", done)
    cluster.down()


class Names:
    """A name cluster, as clients see it."""

    def __init__(self, tools, count=3, *settings):
        self.tools = tools
        self.cluster = Kernel(tools, count, settings=["name = names", *settings], relayed=False,
                              durability="disk")
        for secret, text in (("secret", "swordfish"), ("other", "minnow")):
            (self.cluster.folder / secret).write_text(text + "\n")
        self.cluster.up()
        self.list = self.cluster.servers_text()

    def run(self, *words):
        done = self.cluster.coffer(*words)
        return done.stdout if done.returncode == 0 else None

    def get(self, path):
        return self.run("get", path)

    def addresses(self, name):
        """What is told of the cluster of that name."""
        paths = (self.run("find", f"/ctl/ns/{name}/*") or "").split()
        return sorted(filter(None, (self.get(path) for path in paths)))

    def wait_addresses(self, name, expected, what, limit_s=LIMIT_S):
        last = []

        def is_so():
            last[:] = self.addresses(name)
            return last == sorted(expected)

        try:
            wait_for(what, is_so, limit_s, 0.1)
        except Failed as failed:
            raise Failed(f"{failed}: {last}, not {sorted(expected)}") from None

    def client(self, name, *words, **more):
        """As somebody who knows nothing but the name cluster."""
        return self.tools.run([self.tools.coffer, "-b", self.list, "-c", name, *words], **more)


class Gate:
    """
    The way of one host to a name cluster of one server: it lets so many datagrams through, of both
    directions, and holds what comes behind until it is opened.
    """

    def __init__(self, tools, server, address, passes):
        self.server, self.passes, self.is_open = server, passes, False
        self.held = []  # (socket, address, bytes)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((address, 0))
        self.list = "{}:{}".format(*self.front.getsockname())
        self.ways = {}  # address of a client: its socket towards the server
        self.wakes, self.wake = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.front, selectors.EVENT_READ)
        self.selector.register(self.wakes, selectors.EVENT_READ)
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        tools.undo.append(self.end)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.wakes:
                    return
                self.take(key.fileobj)

    def take(self, came_by):
        try:
            data, client = came_by.recvfrom(65536)
        except OSError:
            return  # nobody is there now
        if came_by is not self.front:
            client = next(c for c, way in self.ways.items() if way is came_by)
            self.pass_on(self.front, client, data)
            return
        if client not in self.ways:
            self.ways[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.ways[client].connect(self.server)
            self.selector.register(self.ways[client], selectors.EVENT_READ)
        self.pass_on(self.ways[client], None, data)

    def pass_on(self, way, client, data):
        with self.lock:
            if not self.is_open and self.passes == 0:
                self.held.append((way, client, data))
                return
            self.passes -= 0 if self.is_open else 1
        self.send(way, client, data)

    def send(self, way, client, data):
        try:
            way.sendto(data, client) if client else way.send(data)
        except OSError:
            pass  # as on any wire

    def holds(self):
        with self.lock:
            return len(self.held) != 0

    def open(self):
        with self.lock:
            self.is_open = True
            held, self.held = self.held, []
        for one in held:
            self.send(*one)

    def end(self):
        self.wake.send(b"x")
        self.thread.join()
        for one in (self.front, self.wake, self.wakes, *self.ways.values()):
            one.close()


class Bare:
    """A host with one program on it, that knows the name cluster."""

    def __init__(self, names, name, address, boot=None, more=()):
        self.names, self.name, self.address = names, name, address
        self.boot, self.more = boot or names.list, list(more)
        self.tools = names.tools
        self.folder = self.tools.folder / f"{name}-{address}"
        self.folder.mkdir()
        self.process = None

    def start(self, **more):
        self.process = Server(self.tools, f"{self.name}-{self.address}",
                              [self.tools.cofferd, "--boot", self.boot, "--name", self.name,
                               "--listen", self.address, *self.more], self.folder, **more)
        return self

    def status(self):
        done = self.tools.run([self.tools.cofferctl, "-s", self.folder / "cofferd.sock", "status",
                               "-o", "json"])
        return parse_json(done.stdout, "its status") if done.returncode == 0 else None

    def takes_part(self):
        check(self.process.is_running(), f"{self.address} ended", self.process.errors())
        status = self.status()
        return status and status["leader"] and status["applied"] and status

    def made_it(self):
        return "founding=yes" in self.process.errors()

    def waits(self):
        check(self.process.is_running(), f"{self.address} ended", self.process.errors())
        return "event=waits" in self.process.errors()


def end(names, *others):
    for host in others:
        host.process.kill_both()
    names.cluster.down()


def address_of(cluster, number):
    return "{}:{}".format(*cluster.client_address(number))


def as_doozer_finds(boot, name, path):
    """What Doozer's clients do with a boot URI; the file as each server that they find has it."""
    asker, found = Connection(boot), []
    rev = asker.call("REV")["rev"]
    folder = f"/ctl/ns/{name}"
    while "path" in (told := asker.call("GETDIR", path=folder, offset=len(found), rev=rev)):
        entry = asker.call("GET", path=f"{folder}/{told['path'].decode()}", rev=rev)
        host, port = entry["value"].decode().split(":")
        found.append(Connection((host, int(port))).call("GET", path=path)["value"])
    check(told["err_code"] == 8, "RANGE ends it", told)
    return found


def test_two_clusters(tools):
    names = Names(tools)
    cluster = Kernel(tools, 3, settings=["name = db", f"boot = {names.list}"], relayed=False,
                     durability="disk")
    cluster.expected_errors = "name_taken"
    cluster.up()
    all_three = [address_of(cluster, n) for n in (1, 2, 3)]
    names.wait_addresses("db", all_three, "all servers are told")
    check(names.get("/ctl/boot/db").startswith(cluster.id), "whose name it is")
    check(names.client("db", "set", "/a", "v").returncode == 0, "a client finds the cluster")
    uri = "doozer:?ca=" + names.list.replace(",", "&ca=")
    done = tools.run([tools.coffer, "-b", uri, "-a", "doozer:?cn=db", "get", "/a"])
    check(done.stdout == "v", "by a URI, too", done)
    check(as_doozer_finds(names.cluster.client_address(2), "db", "/a") == [b"v"] * 3,
          "Doozer's clients find all its servers")
    done = names.client("nobody", "get", "/a")
    check(done.returncode == 3 and "nobody" in done.stderr, "a name that none has", done)

    path = names.run("find", "/ctl/ns/db/*").split()[0]
    names.run("set", path, "nonsense")
    names.run("set", "/ctl/ns/db/AAAAAAAAAAAAAAAA", "10.0.0.1:1")
    names.run("del", "/ctl/boot/db")
    names.wait_addresses("db", all_three, "what is wrong is put right")
    check(names.get("/ctl/boot/db"), "and what was missing")

    leader = cluster.leader()
    cluster.kill_host(leader)
    left = [address_of(cluster, n) for n in (1, 2, 3) if n != leader]
    names.wait_addresses("db", left, "who is dead is told no more")
    check(names.client("db", "get", "/a").stdout == "v", "the others are found")
    cluster.start(leader)
    names.wait_addresses("db", all_three, "it is back")

    names.cluster.kill_host(names.cluster.leader())
    gone = next(n for n in (1, 2, 3) if n != cluster.leader())
    done = cluster.ctl(cluster.leader(), "member", "remove", str(gone), "--even", limit_s=60)
    check(done.returncode == 0, "a member is removed", done.stderr)
    cluster.await_removed(gone)
    names.wait_addresses("db", [address_of(cluster, n) for n in cluster.members],
                         "the name cluster's leader dies, and a member goes")
    cluster.down()
    names.wait_addresses("db", [address_of(cluster, n) for n in cluster.members],
                         "of who ended last nobody says that it is gone")
    names.cluster.is_down = True  # one was killed; the others are ended by the harness


def test_name_is_taken(tools):
    names = Names(tools, 1)
    first = Kernel(tools, 1, settings=["name = db", f"boot = {names.list}"], relayed=False).up()
    names.wait_addresses("db", [address_of(first, 1)], "it is told")
    for name, said in (("db", "another cluster"), ("names", "has that name itself")):
        second = Kernel(tools, 1, settings=[f"name = {name}", f"boot = {names.list}"],
                        relayed=False)
        second.expected_errors = "name_taken"
        second.up()
        wait_for("it is told why it is not told", lambda s=second, t=said: "name_taken" in
                 s.log_text(1) and t in s.log_text(1), LIMIT_S, 0.1)
        second.down()
    names.wait_addresses("db", [address_of(first, 1)], "the first keeps its name")
    first.down()
    names.cluster.down()


def test_secrets(tools):
    """Nobody is told anything, or tells it, without the secret of the name cluster."""
    names = Names(tools, 1, "rw_secret = secret", "ro_secret = other")
    (names.cluster.folder / "boot").write_text("swordfish\n")
    first = Kernel(tools, 1, settings=["name = db", f"boot = {names.list}",
                                       f"boot_secret = {names.cluster.folder}/boot"],
                   relayed=False).up()
    with_secret = {**os.environ, "COFFER_BOOT_SECRET": "swordfish"}

    def is_found():
        done = names.client("db", "rev", env=with_secret)
        return done.returncode == 0

    wait_for("it is told, and found", is_found, LIMIT_S, 0.1)
    done = names.client("db", "rev")
    check(done.returncode == 4 and "secret" in done.stderr, "without it nothing is", done)
    host = Bare(names, "db", f"{first.net}.9").start()
    host.process.expected_end = True
    check(host.process.wait() == 1 and "secret" in host.process.errors(), "nor a host",
          host.process.errors())
    host.start(environment=with_secret)
    wait_for("with it a host joins", host.takes_part, LIMIT_S, 0.1)
    host.process.kill_both()
    first.down()
    names.cluster.down()


def test_a_race_makes_one_cluster(tools):
    names = Names(tools)
    net = loopback_net()
    hosts = [Bare(names, "web", f"{net}.{n}").start() for n in (1, 2, 3)]
    wait_for("all take part", lambda: all(h.takes_part() for h in hosts), LIMIT_S, 0.1)
    made = [h for h in hosts if h.made_it()]
    check(len(made) == 1, "one made it", [h.address for h in made])
    check(len({h.status()["cluster"] for h in hosts}) == 1, "there is one cluster")
    check(made[0].status()["learners"] == [2, 3], "the others follow", made[0].status())
    names.wait_addresses("web", [f"{made[0].address}:8046"], "who votes is told")
    check(names.client("web", "set", "/ctl/cal/1", "").returncode == 0, "a seat more")
    wait_for("another votes", lambda: len(names.addresses("web")) == 2, LIMIT_S, 0.1)
    for host in hosts:
        host.process.kill_both()
    for host in hosts:
        host.start()
    wait_for("all are back by the same words", lambda: all(h.takes_part() for h in hosts),
             LIMIT_S, 0.1)
    check(len({h.status()["cluster"] for h in hosts}) == 1, "there is one cluster still")
    check(names.client("web", "set", "/a", "v").returncode == 0, "it works")
    end(names, *hosts)


def test_a_winner_is_dead(tools):
    names = Names(tools, 1)
    net = loopback_net()
    names.run("set", "/ctl/boot/web", f"00000000000000aa {net}.9:8046")
    hosts = [Bare(names, "web", f"{net}.{n}").start() for n in (1, 2)]
    wait_for("both wait", lambda: all(h.waits() for h in hosts), LIMIT_S, 0.1)
    for host in hosts:
        check(f"{net}.9:8046" in host.process.errors(), "for whom", host.process.errors())
        check("coffer del /ctl/boot/web" in host.process.errors(), "and what to do")
        check(not (host.folder / "coffer.conf").exists() and not (host.folder / "data").exists(),
              "nothing is made")
    hosts[1].process.kill_both()
    names.run("del", "/ctl/boot/web")
    wait_for("one makes it", hosts[0].takes_part, LIMIT_S, 0.1)
    hosts[1].start()
    wait_for("the other joins", hosts[1].takes_part, LIMIT_S, 0.1)
    check(hosts[0].made_it() and not hosts[1].made_it(), "who made it")
    hosts[0].process.kill_both()
    shutil.rmtree(hosts[0].folder / "data")
    hosts[0].start()
    wait_for("who lost its folder is a stranger", lambda: hosts[0].status() and
             hosts[0].status()["role"] == "outsider", LIMIT_S, 0.1)
    check(hosts[0].process.errors().count("founding=yes") == 1, "it makes no cluster again",
          hosts[0].process.errors())
    end(names, *hosts)


def slow_winner(tools, names, passes):
    """
    A host whose words to the name cluster end after so many datagrams. Meanwhile its claim is
    deleted, and another host comes; then it goes on. False: so many are more than it needs.
    """
    net, name = loopback_net(), f"slow{passes}"
    gate = Gate(tools, names.cluster.client_address(1), f"{net}.9", passes)
    slow = Bare(names, name, f"{net}.1", boot=gate.list).start()
    slow.process.expected_end = True  # or it says that it has lost the name
    wait_for("it is held, or through", lambda: gate.holds() or slow.status(), LIMIT_S, 0.02)
    is_held = gate.holds() and not slow.status()
    claimed = names.get(f"/ctl/boot/{name}")
    names.run("del", f"/ctl/boot/{name}")
    other = Bare(names, name, f"{net}.2").start()
    wait_for("the other makes it, or waits", lambda: other.waits() or other.takes_part(), LIMIT_S,
             0.05)
    gate.open()

    def take_part():
        if not slow.process.is_running():
            said = slow.process.errors()
            check("deleted meanwhile" in said, "why it ended", said)
            slow.start()
        return slow.takes_part() and other.takes_part()

    wait_for("both take part", take_part, LIMIT_S, 0.05)
    check(slow.status()["cluster"] == other.status()["cluster"], f"two clusters at {passes}",
          slow.process.errors(), other.process.errors())
    made = [h for h in (slow, other) if h.made_it()]
    for host in (slow, other):
        host.process.kill_both()
    return is_held, claimed is not None and made == [other]


def test_a_winner_is_only_slow(tools):
    """Its claim is taken from it, wherever in its talk with the name cluster it stands."""
    names = Names(tools, 1)
    lost = passes = 0
    is_held = True
    while is_held and passes < CUTS_MAX:
        is_held, has_lost = slow_winner(tools, names, passes)
        lost += has_lost
        passes += 1 if tools.all else 6
    check(not is_held and lost != 0, "it never lost its name", passes)
    print(f"summary: cut off after 0 to {passes} datagrams, {lost} times others got its name")
    names.cluster.down()


def test_settings(tools):
    """The same words on each host: who makes the cluster has them, and who joins; once."""
    names = Names(tools, 1)
    net = loopback_net()
    for key, secret in (("rw", "swordfish"), ("ro", "minnow")):
        (tools.folder / key).write_text(secret + "\n")
    file = tools.folder / "settings"
    file.write_text("# of all hosts\ndurability = memory\npromote_ms = 60000 # a minute\n"
                    f"rw_secret = {tools.folder}/rw\nro_secret = {tools.folder}/ro")
    words = ["--settings", file, "--set", "sessions_max=300", "--set", "log = stderr"]
    hosts = [Bare(names, "db", f"{net}.{n}", more=words).start() for n in (1, 2, 3)]
    wait_for("all take part", lambda: all(h.takes_part() for h in hosts), LIMIT_S, 0.1)
    for host in hosts:
        check(host.status()["durability"] == "memory", "what was set", host.status())
        made = (host.folder / "coffer.conf").read_text()
        for line in ("promote_ms = 60000", "sessions_max = 300", "log = stderr", "rw_secret"):
            key = line.split(" ")[0]
            there = [one for one in made.splitlines() if one.split("=")[0].strip() == key]
            check(len(there) == 1, f"{key} stands there once", made)
    secret = {**os.environ, "COFFER_BOOT_SECRET": "", "COFFER_SECRET": "swordfish"}
    check(names.client("db", "set", "/a", "v", env=secret).returncode == 0, "with the secret")
    check(names.client("db", "set", "/a", "v").returncode == 4, "not without")

    def refused(host, said, *more):
        host.more = [*words, *more]
        host.process.expected_end = True
        host.start()
        host.process.expected_end = True
        check(host.process.wait() == 1, "its exit code")
        check(said in host.process.errors().splitlines()[-1], said, host.process.errors())

    joined = next(h for h in hosts if not h.made_it())  # who made it is its memory
    joined.process.kill_both()
    refused(joined, "`watches_max` is another one in", "--set", "watches_max=7777")
    joined.more = words
    joined.start()
    wait_for("by the same words it is back", joined.takes_part, LIMIT_S, 0.1)
    late = Bare(names, "db", f"{net}.4", more=["--set", "durability=disk"])
    late.start(environment=secret)
    late.process.expected_end = True
    check(late.process.wait() == 1 and "`durability` is another one in --set than in the cluster"
          in late.process.errors(), "who says something else does not join", late.process.errors())
    for words, said in ((["--set", "node=2"], "--set:1: `node` is found out"),
                        (["--set", "durability=rock"], "makes no sense"),
                        (["--set", "durability"], "KEY=VALUE"),
                        (["--settings", tools.folder / "nowhere"], "cannot be read"),
                        (["--settings", file, "--set", "durability=disk"], "already given")):
        refused(late, said)
    end(names, *hosts)


def test_a_winner_is_cut_short(tools):
    """kill -9 before a step towards its disk; started again, it finds its own claim."""
    if not tools.all:
        raise Skip("only with --all")
    names = Names(tools, 1)
    net = loopback_net()
    step = is_beyond = 0
    while not is_beyond and step < STEPS_MAX:
        step += 1
        host = Bare(names, f"n{step}", f"{net}.{step}")
        host.start(environment={"LD_PRELOAD": str(tools.options.kill_at), "KILL_AT": str(step)})
        host.process.expected_end = True
        wait_for("it is killed, or beyond", lambda h=host: not h.process.is_running() or
                 h.status(), LIMIT_S, 0.05)
        is_beyond = host.process.is_running()
        claimed = names.get(f"/ctl/boot/{host.name}")
        host.process.kill_both()
        host.start()
        wait_for(f"step {step}: it goes on", host.takes_part, LIMIT_S, 0.05)
        names.wait_addresses(host.name, [f"{host.address}:8046"], f"step {step}: it is made")
        after = names.get(f"/ctl/boot/{host.name}")
        check(claimed in (None, after), f"step {step}: by its claim", claimed, after)
        check(not (host.folder / "coffer.conf.claim").exists(), f"step {step}: it is settled")
        host.process.kill_both()
    check(is_beyond and step > 5, "it was killed before its steps", step)
    print(f"summary: a winner was killed at steps below {step}")
    names.cluster.down()


if __name__ == "__main__":
    harness.run([test_hosts_by_name, test_two_clusters, test_name_is_taken, test_secrets,
                 test_a_race_makes_one_cluster, test_a_winner_is_dead,
                 test_a_winner_is_only_slow, test_settings, test_a_winner_is_cut_short])

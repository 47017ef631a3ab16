#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   /ctl is the live state of a cluster, and writing its seats changes the members.
Method: three real servers and spares over kernel UDP, `coffer` as any client, kill -9 of who leads;
        after each step the tree must become what the members are, and stay so."""

import shutil

import harness
from cluster import Kernel
from harness import check, parse_json, wait_for

LIMIT_S = 40
PULSE_MS = 200
QUIET_LOOKS = 15  # 0.1 s and more between two: several pulses and looks of the keeper


class Tree:
    """/ctl as clients see it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.environment = cluster.environment()  # of who was there at first

    def run(self, *words, fails=False):
        done = self.cluster.coffer(*words, env=self.environment)
        check(fails or done.returncode == 0, f"coffer {words}", done.stderr)
        return done.stdout if done.returncode == 0 else None

    def get(self, path):
        return self.run("get", path, fails=True)

    def find(self, glob):
        return self.run("find", glob).split()

    def seats(self):
        return {path.rsplit("/", 1)[1]: self.get(path) for path in self.find("/ctl/cal/*")}

    def ids(self):
        """Number of a server by its id."""
        numbers = {f"{host}:{port}": n for n in self.cluster.nodes
                   for host, port in [self.cluster.client_address(n)]}
        return {path.split("/")[3]: numbers.get(self.get(path))
                for path in self.find("/ctl/node/*/addr")}

    def wait_seated(self, voters, what, empty=0):
        """Each voter has one seat, and a record of it; nobody else has one."""
        last = []

        def is_so():
            self.cluster.check_health()
            ids, seats = self.ids(), self.seats()
            holders = sorted(ids.get(v) or 0 for v in seats.values() if v)
            records = {path.split("/")[3]: self.get(path) for path in
                       self.find("/ctl/node/*/seat")}
            names = {path.split("/")[4] for path in self.find("/ctl/ns/local/*")}
            last[:] = [ids, seats, records, names]
            voting = {i for i, n in ids.items() if n in voters}
            return holders == sorted(voters) and list(seats.values()).count("") == empty and \
                records == {v: name for name, v in seats.items() if v} and names == voting

        try:
            wait_for(what, is_so, LIMIT_S, 0.1)
        except harness.Failed as failed:
            raise harness.Failed(f"{failed}: {last}") from None
        status = self.cluster.status(self.cluster.leader())
        check(status["voters"] == sorted(voters), "who votes", status["voters"])

    def seat_of(self, number):
        own = [i for i, n in self.ids().items() if n == number]
        return next(name for name, value in self.seats().items() if value in own)

    def wait_error(self, former, word):
        wait_for("the refusal is told in /ctl/err",
                 lambda: self.get("/ctl/err") != former and word in (self.get("/ctl/err") or ""),
                 LIMIT_S, 0.1)

    def wait_spares(self, count):
        """Those that take part, whether they vote or not."""
        wait_for("all nodes are told", lambda: len(self.ids()) == count, LIMIT_S, 0.1)


def three_and_spares(tools, spares, durability="memory", **more):
    cluster = Kernel(tools, 3 + spares, relayed=False, durability=durability, **more)
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    for number in range(4, 4 + spares):
        cluster.start(number)
        done = cluster.ctl(1, "member", "add", str(number), "--learner", limit_s=60)
        check(done.returncode == 0, "a spare is added", done.stderr)
    tree = Tree(cluster)
    tree.wait_seated([1, 2, 3], "founders have seats")
    tree.wait_spares(3 + spares)
    return cluster, tree


def end(cluster):
    cluster.members = list(cluster.nodes)
    cluster.down()


def the_tree_is_live(cluster, tree):
    check(tree.get("/ctl/name") == "local", "the name")
    check(sorted(tree.seats()) == ["0", "1", "2"], "seats from 0 on", tree.seats())
    by_number = {n: i for i, n in tree.ids().items()}
    check(sorted(by_number) == [1, 2, 3, 4, 5], "all five take part", by_number)
    for number, name in by_number.items():
        check(len(name) == 16 and set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), name)
        check(tree.get(f"/ctl/node/{name}/version"), "a version")
        check(tree.get(f"/ctl/node/{name}/hostname"), "a host name")
        check(tree.get(f"/ctl/node/{name}/writable") == ("true" if number < 4 else None),
              "who votes is writable")
    config = tree.get("/ctl/config")
    check(f"cluster = {cluster.id}" in config and "server.5 = " in config, "the settings", config)


def what_servers_own_is_put_right(cluster, tree):
    name = next(i for i, n in tree.ids().items() if n == 4)
    for path, wrong in (("/ctl/name", "other"), (f"/ctl/node/{name}/addr", "nowhere"),
                        ("/ctl/config", ""), (f"/ctl/node/{name}/writable", "true")):
        right = tree.get(path)
        tree.run("set", path, wrong)
        wait_for(f"{path} is put right", lambda p=path, r=right: tree.get(p) == r, LIMIT_S, 0.1)
        if right is not None:
            tree.run("del", path)
            wait_for(f"{path} is there again", lambda p=path, r=right: tree.get(p) == r, LIMIT_S,
                     0.1)
    tree.run("set", "/ctl/node/AAAAAAAAAAAAAAAA/addr", "ghost")
    wait_for("a node that is none goes", lambda: not tree.find("/ctl/node/AAAAAAAAAAAAAAAA/*"),
             LIMIT_S, 0.1)
    before = tree.get("/ctl/err")
    tree.run("set", "/ctl/cal/9", "BBBBBBBBBBBBBBBB")
    tree.wait_error(before, "no server")
    tree.wait_seated([1, 2, 3], "a stranger's seat goes")
    seat = tree.seat_of(2)
    tree.run("set", f"/ctl/cal/{seat}", "nonsense")
    tree.wait_seated([1, 2, 3], "nonsense in a seat is put right")
    check(tree.seat_of(2) == seat, "by who had it")


def an_idle_cluster_eats_no_revisions(cluster, tree):
    last = []

    def is_still():
        last.append(tree.run("rev"))
        return len(last) > QUIET_LOOKS and len(set(last[-QUIET_LOOKS:])) == 1

    wait_for("an idle cluster keeps its revision", is_still, LIMIT_S, 0.1)
    before = {i: int(tree.get(f"/ctl/node/{i}/applied")) for i in tree.ids()}
    tree.run("set", "/something", "v")
    rev = int(tree.run("rev"))
    wait_for("what is applied is told", lambda: all(
        int(tree.get(f"/ctl/node/{i}/applied")) >= rev > then for i, then in before.items()),
             LIMIT_S, 0.1)


def test_tree(tools):
    cluster, tree = three_and_spares(tools, 2, settings=[f"pulse_ms = {PULSE_MS}"])
    the_tree_is_live(cluster, tree)
    what_servers_own_is_put_right(cluster, tree)
    an_idle_cluster_eats_no_revisions(cluster, tree)
    end(cluster)


def test_seats(tools):
    cluster, tree = three_and_spares(tools, 2)
    tree.run("set", "/ctl/cal/3", "")
    wait_for("a spare gets the seat", lambda: tree.seats().get("3"), LIMIT_S, 0.1)
    got = tree.ids()[tree.seats()["3"]]
    tree.wait_seated([1, 2, 3, got], "a spare votes")

    other = 9 - got  # of 4 and 5
    name = next(i for i, n in tree.ids().items() if n == other)
    seat = tree.seat_of(2)
    tree.run("set", f"/ctl/cal/{seat}", name)
    cluster.await_removed(2)
    tree.wait_seated([1, 3, 4, 5], "an id in another's seat replaces it")
    check(tree.seat_of(other) == seat, "in that seat")

    tree.run("del", f"/ctl/cal/{tree.seat_of(3)}")
    cluster.await_removed(3)
    tree.wait_seated([1, 4, 5], "who lost its seat is removed")
    check(sorted(tree.ids().values()) == [1, 4, 5], "files of who is gone are gone", tree.ids())

    seat = tree.seat_of(1)
    tree.run("set", f"/ctl/cal/{seat}", "")
    cluster.await_removed(1)
    tree.wait_seated([4, 5], "emptied without a spare: removed", empty=1)
    check(tree.get(f"/ctl/cal/{seat}") == "", "the seat waits")
    end(cluster)


def test_refused(tools):
    cluster, tree = three_and_spares(tools, 0, durability="disk")
    dead = next(n for n in cluster.members if n != cluster.leader())
    cluster.kill_host(dead)
    other = next(n for n in cluster.members if n not in (dead, cluster.leader()))
    cluster.members = [n for n in cluster.members if n != dead]
    before, seat = tree.get("/ctl/err"), tree.seat_of(other)
    tree.run("del", f"/ctl/cal/{seat}")
    tree.wait_error(before, "would vote")
    cluster.members = [1, 2, 3]
    tree.wait_seated([1, 2, 3], "the seat returns")
    check(tree.seat_of(other) == seat, "as it was")
    for number in (n for n in (1, 2, 3) if n != dead):
        tree.run("del", f"/ctl/cal/{tree.seat_of(number)}")
        tree.wait_seated([1, 2, 3], "each of them returns")
    tree.run("set", f"/ctl/cal/{tree.seat_of(dead)}", "")
    left = [n for n in (1, 2, 3) if n != dead]
    tree.wait_seated(left, "the dead one can be removed", empty=1)
    cluster.nodes.pop(dead)
    end(cluster)


def kill_amidst(cluster, tree, change):
    """The leader dies at once after the write; kill -9, supervisor and all."""
    leader = cluster.leader()
    change(leader)
    cluster.kill_host(leader)
    return leader


def test_leader_dies_amidst(tools):
    cluster, tree = three_and_spares(tools, 2, durability="disk")
    for seat in ("3", "4"):
        dead = kill_amidst(cluster, tree, lambda _, s=seat: tree.run("set", f"/ctl/cal/{s}", ""))
        wait_for("the seat is taken", lambda s=seat: tree.seats().get(s), LIMIT_S, 0.1)
        cluster.start(dead)
    tree.wait_seated([1, 2, 3, 4, 5], "both spares vote, once each")

    gone = []

    def remove(leader):
        gone.append(next(n for n in (1, 2, 3, 4, 5) if n != leader))
        tree.run("del", f"/ctl/cal/{tree.seat_of(gone[0])}")

    dead = kill_amidst(cluster, tree, remove)
    cluster.await_removed(gone[0])
    cluster.start(dead)
    tree.wait_seated(sorted(n for n in (1, 2, 3, 4, 5) if n != gone[0]), "it is removed, alone")
    end(cluster)


def bare_host(cluster, name, *arguments):
    """One file copied, and started."""
    folder = cluster.folder / name
    folder.mkdir()
    shutil.copy(cluster.tools.cofferd, folder / "cofferd")
    return folder, ["./cofferd", "--join", *arguments]


def refused_host(cluster, name, *arguments):
    folder, command = bare_host(cluster, name, *arguments)
    done = cluster.tools.run(command, cwd=folder, limit_s=80)
    check(done.returncode == 1 and done.stderr.count("\n") == 1, "it is refused", done)
    check(not (folder / "coffer.conf").exists(), "nothing is left")
    return done.stderr


def test_bare_host_joins(tools):
    cluster = Kernel(tools, 3, relayed=False, durability="disk").up()
    tree = Tree(cluster)
    tree.wait_seated([1, 2, 3], "founders have seats")
    own = f"{cluster.net}.77"
    nobody = f"{cluster.net}.99"
    folder, command = bare_host(cluster, "bare", nobody, cluster.client_address(2)[0], "--listen",
                                own)
    server = harness.Server(tools, "bare", command, folder)
    wait_for("it takes part", lambda: f"{own}:8046" in [
        tree.get(path) for path in tree.find("/ctl/node/*/addr")], LIMIT_S, 0.1)
    wait_for("the request is done", lambda: not tree.find("/ctl/join/*"), LIMIT_S, 0.1)
    check(cluster.status(1)["learners"] == [4], "it follows, and does not vote")
    tree.run("set", "/ctl/cal/3", "")
    wait_for("it votes", lambda: cluster.status(1)["voters"] == [1, 2, 3, 4], LIMIT_S, 0.1)

    # No file of the others names it; what they write goes through it all the same.
    tree.environment["COFFER_SERVERS"] += "," + own
    done = cluster.ctl(1, "leader", "transfer", "4")
    check(done.returncode == 0, "it shall lead", done.stderr)
    wait_for("it leads", lambda: cluster.status(1)["leader"] == 4, LIMIT_S, 0.1)
    for name in (i for i, n in tree.ids().items() if n in (1, 2, 3)):
        tree.run("del", f"/ctl/node/{name}/hostname")
        wait_for("who has it in no file reaches it", lambda n=name: tree.get(
            f"/ctl/node/{n}/hostname"), LIMIT_S, 0.1)

    text = refused_host(cluster, "twin", cluster.client_address(1)[0], "--listen", own)
    check("has that address" in text, "an address is one server's", text)
    text = refused_host(cluster, "lost", nobody)
    check("no server" in text, "nobody is there", text)

    server.kill_both()
    server = harness.Server(tools, "again", ["./cofferd", "-c", "coffer.conf"], folder)
    tree.run("set", "/after", "v")

    def is_level():
        done = tools.run([tools.cofferctl, "-s", folder / "cofferd.sock", "status", "-o", "json"])
        status = parse_json(done.stdout, "its status") if done.returncode == 0 else {}
        return status.get("role") == "follower" and \
            status["applied"] >= cluster.status(cluster.leader())["applied"]

    wait_for("it is level after a start as any other", is_level, LIMIT_S, 0.1)
    cluster.down()
    server.kill_both()


if __name__ == "__main__":
    harness.run([test_tree, test_seats, test_refused, test_leader_dies_amidst,
                 test_bare_host_joins])

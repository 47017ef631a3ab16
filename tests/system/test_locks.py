#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   a lock has one holder as far as the resource looks at the token, whatever dies or sleeps.
Method: three servers over kernel UDP; 200 clients in four processes fight for one lock and count
        in a file, torn into a read and a write, and in the tree, under the token. Leaders are
        killed; processes stop between read and write for longer than their sessions live."""

import pathlib
import random
import time

import harness
from cluster import Kernel
from harness import Process, check, wait_for

PROCESSES = 4
CLIENTS = 50  # in each
TTL_MS = 400
LOCK = "/fight/lock"


class Contenders:
    def __init__(self, cluster, count, clients, ttl_ms):
        self.cluster = cluster
        self.path = cluster.folder / "number"
        self.processes = [
            Process(cluster.tools, f"contenders{i}", cluster.command([
                cluster.tools.options.contenders, cluster.servers_text(), clients, ttl_ms, LOCK,
                self.path]), cluster.folder, talks=True)
            for i in range(count)]

    def counts(self, but=()):
        """Sums of what each was asked: grants, written, fenced, counted, unsure, refused, lost."""
        told = [list(map(int, process.ask("count").split()))
                for process in self.processes if process not in but]
        return [sum(column) for column in zip(*told)]

    def wait_more(self, grants, but=()):
        target = self.counts(but)[0] + grants
        wait_for("the lock goes on from one to the next",
                 lambda: self.counts(but)[0] >= target, 60)

    def finish(self):
        told = [list(map(int, process.ask("finish").split())) for process in self.processes]
        for process in self.processes:
            process.popen.stdin.close()
            check(process.wait() == 0, "the contenders are content", process.errors())
        return [sum(column) for column in zip(*told)]

    def check(self, counts):
        """Each write that was taken is in the file, and each that was told is in the tree."""
        _, written, _, counted, unsure, _, _ = counts
        number = int(self.path.read_text().split()[1])
        check(number == written, "no write was lost", number, counts)
        tree = int(self.cluster.coffer("get", "/fight/count").stdout)
        check(counted <= tree <= counted + unsure, "nor in the tree", tree, counts)


def fall_asleep(process):
    """It holds the lock, has read, and stops before it writes."""
    check(process.ask("sleep") == "ok", "it will stop")
    wait_for("it stops", lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text()
             .rsplit(")", 1)[1].split()[0] == "T")


def fight_on(cluster, contenders, seconds):
    """Kills the leader, and stops a process for longer than a session lives, in turns."""
    end = time.monotonic() + seconds
    chance = random.Random(7)
    rounds = 0
    while time.monotonic() < end or rounds < 4:
        asleep = chance.choice(contenders.processes)
        fall_asleep(asleep)
        # As many grants as there would be in a few lives of a session: those of it are over.
        wait_until = time.monotonic() + 3 * TTL_MS / 1000
        while time.monotonic() < wait_until:
            contenders.wait_more(1, but=[asleep])
        if rounds % 2 == 0:
            victim = cluster.leader()
            cluster.kill(victim)
            contenders.wait_more(20, but=[asleep])
            cluster.start(victim)
            cluster.wait_caught_up(victim)
        asleep.signal(harness.signal.SIGCONT)
        contenders.wait_more(20)
        rounds += 1
    return rounds


def test_two_hundred_fight_for_one_lock(tools):
    cluster = Kernel(tools, 3).up()
    contenders = Contenders(cluster, PROCESSES, CLIENTS, TTL_MS)
    contenders.wait_more(100)
    rounds = fight_on(cluster, contenders, 60 if tools.all else 10)
    counts = contenders.finish()
    print("    rounds {}; grants {}, written {}, fenced {}, counted {}, unsure {}, refused {}, "
          "lost {}".format(rounds, *counts))
    contenders.check(counts)
    check(counts[6] > 0, "some lost the lock while they slept", counts)
    check(counts[2] > 0, "and some who did not know it were refused", counts)
    left = cluster.coffer("find", "/ctl/lock/**").stdout
    check(left == "", "nobody holds it, nobody waits", left)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_two_hundred_fight_for_one_lock])

# SPDX-License-Identifier: Apache-2.0
"""fight - clients that fight for one lock, in processes that fall asleep; see contenders.c

    fight(cluster, processes, clients, seconds)
    fight_beside(cluster, processes, limits, seconds)
"""

import pathlib
import random
import signal
import time

from harness import Process, check, wait_for

TTL_MS = 400
LOCK = "/fight/lock"


class Contenders:
    def __init__(self, cluster, count, clients, limits=()):
        """`limits`: of the clients in turn; none: each is alone, and counts in a file, too."""
        self.cluster = cluster
        self.path = None if limits else cluster.folder / "number"
        self.histories = [cluster.folder / f"contenders{i}.jsonl" for i in range(count)]
        self.processes = [
            Process(cluster.tools, f"contenders{i}", cluster.command([
                cluster.tools.options.contenders, cluster.servers_text(), clients, TTL_MS, LOCK,
                self.path or "-", self.histories[i], *limits]), cluster.folder, talks=True)
            for i in range(count)]

    def counts(self, but=(), word="count"):
        """Sums of what each was asked: grants, written, fenced, counted, unsure, refused, lost."""
        told = [list(map(int, process.ask(word).split()))
                for process in self.processes if process not in but]
        return [sum(column) for column in zip(*told)]

    def wait_more(self, grants, but=()):
        target = self.counts(but)[0] + grants
        wait_for("the lock goes on from one to the next",
                 lambda: self.counts(but)[0] >= target, 60)

    def finish(self):
        counts = self.counts(word="finish")
        for process in self.processes:
            process.popen.stdin.close()
            check(process.wait() == 0, "the contenders are content", process.errors())
        return counts

    def check(self, counts):
        """Each write that was taken is in the file, and each that was told is in the tree; and
        the lock had such holders as its order of tokens, limits and leases let it have."""
        _, written, _, counted, unsure, _, _ = counts
        if self.path:
            number = int(self.path.read_text().split()[1])
            check(number == written, "no write was lost", number, counts)
        tree = int(self.cluster.coffer("get", "/fight/count").stdout)
        check(counted <= tree <= counted + unsure, "nor in the tree", tree, counts)
        history = self.cluster.folder / "contenders.jsonl"
        history.write_text("".join(path.read_text() for path in self.histories))
        done = self.cluster.tools.run([self.cluster.tools.lincheck, "--timeout", "60",
                                       "--memory", "4096", history], limit_s=120)
        check(done.returncode == 0, "a correct lock could have had these holders",
              done.stdout[-4000:] + done.stderr)
        left = self.cluster.coffer("find", "/ctl/lock/**").stdout
        check(left == "", "nobody holds it, nobody waits", left)


def fall_asleep(process):
    """It holds the lock, has read, and stops before it writes."""
    check(process.ask("sleep") == "ok", "it will stop")
    wait_for("it stops", lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text()
             .rsplit(")", 1)[1].split()[0] == "T")


def disturb(cluster, kind, wait):
    """The leader is killed, or stopped for a while; or nothing."""
    if kind == 0:
        victim = cluster.leader()
        cluster.kill(victim)
        wait()
        cluster.start(victim)
        cluster.wait_caught_up(victim)
    elif kind == 2:
        victim = cluster.leader()
        cluster.stop(victim)
        wait()
        cluster.go_on(victim)


def fight_on(cluster, contenders, seconds):
    """Leaders are killed and stopped while a holder sleeps for longer than its session lives."""
    end = time.monotonic() + seconds
    chance = random.Random(7)
    rounds = 0
    while time.monotonic() < end or rounds < 4:
        asleep = chance.choice(contenders.processes)
        fall_asleep(asleep)
        is_over = time.monotonic() + 3 * TTL_MS / 1000
        while time.monotonic() < is_over:
            contenders.wait_more(1, but=[asleep])
        disturb(cluster, rounds % 4, lambda: contenders.wait_more(20, but=[asleep]))
        asleep.signal(signal.SIGCONT)
        contenders.wait_more(20)
        rounds += 1
    return rounds


def fight_beside(cluster, processes, limits, seconds):
    """Shared, permits and alone, each client as its place in `limits` says."""
    fight_to_the_end(cluster, Contenders(cluster, processes, 2 * len(limits), limits), seconds)


def fight(cluster, processes, clients, seconds):
    """All of them alone."""
    counts = fight_to_the_end(cluster, Contenders(cluster, processes, clients), seconds)
    check(counts[2] > 0, "and some who did not know it were refused", counts)


def fight_to_the_end(cluster, contenders, seconds):
    """From the first grant to the last word."""
    contenders.wait_more(100)
    rounds = fight_on(cluster, contenders, seconds)
    counts = contenders.finish()
    print("    rounds {}; grants {}, written {}, fenced {}, counted {}, unsure {}, refused {}, "
          "lost {}".format(rounds, *counts))
    contenders.check(counts)
    check(counts[6] > 0, "some lost the lock while they slept", counts)
    return counts

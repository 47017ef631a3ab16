#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   a full disk is told before it hurts; what grows is refused with an answer of its own,
        what shrinks goes on, reads and sessions too; with room again all goes on by itself.
Method: data folders on small tmpfs, filled by a file in them; recorded load; lincheck."""

import errno
import itertools
import os

import folders
import harness
import stories
from cluster import Kernel, Recorder
from harness import Skip, check, wait_for

SIZE_MB = 24
VALUE = "v" * 30000


class Small(Kernel):
    """Each data folder is a file system of its own."""

    def prepare(self):
        if os.geteuid() != 0:
            raise Skip("needs root, to mount a small file system")
        super().prepare()
        for number in self.nodes:
            path = folders.data_of(self, number)
            path.mkdir(mode=0o700)
            done = self.tools.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700",
                                   "tmpfs", path])
            if done.returncode != 0:
                raise Skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
            self.tools.undo.append(lambda p=path: self.tools.run(["umount", "-l", p]))

    def fill(self, number):
        """Takes all the room that is left."""
        with open(folders.data_of(self, number) / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError as error:
                check(error.errno == errno.ENOSPC, "the disk is full", error)

    def make_room(self, number):
        (folders.data_of(self, number) / "filler").unlink()

    def trouble(self, number):
        return self.status(number)["journal"]["trouble"]

    def wait_trouble(self, numbers, what):
        wait_for(f"status of {numbers} tells: {what}",
                 lambda: all(self.trouble(n) == what for n in numbers))


def small_cluster(tools):
    cluster = Small(tools, 3, durability="disk", relayed=False, settings=["snapshot_mb = 0"])
    cluster.segment_mb = 2
    return cluster.up()


def check_refused(done):
    check(done.returncode == 4 and "disks are full" in done.stderr, "what grows is refused",
          done.returncode, done.stderr)


def test_one_full_disk(tools):
    """Of a follower: the others go on. Of the leader: what grows is refused until it has room."""
    cluster = small_cluster(tools)
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    follower = cluster.followers()[0]
    cluster.fill(follower)
    wait_for("its disk is full", lambda: cluster.trouble(follower) == "full")
    check("event=disk_full full=1" in cluster.log_text(follower), "the log tells")
    recorder.wait_more(6 * stories.MORE, "writes go on with one follower's disk full")
    cluster.make_room(follower)
    cluster.wait_trouble([follower], "none")
    cluster.wait_caught_up(follower)
    check("event=disk_full full=0" in cluster.log_text(follower), "the log tells")
    leader = cluster.leader()
    cluster.fill(leader)
    turns = itertools.count()
    wait_for("what grows is refused",
             lambda: cluster.coffer("set", f"/new/{next(turns)}", VALUE).returncode == 4)
    check(cluster.trouble(leader) == "full", "the leader's status tells")
    cluster.make_room(leader)
    wait_for("it is taken again", lambda: cluster.coffer("set", "/again", VALUE).returncode == 0)
    stories.end(cluster, recorder, "one disk full", 0)
    cluster.down()


def test_all_disks_full(tools):
    cluster = small_cluster(tools)
    for number in range(8):
        check(cluster.coffer("set", f"/old/{number}", VALUE).returncode == 0, "a file is made")
    for number in cluster.nodes:
        cluster.fill(number)
    for number in range(300):
        done = cluster.coffer("set", f"/fill/{number}", VALUE)
        if done.returncode != 0:
            break
    check_refused(done)
    check(any(cluster.trouble(n) == "full" for n in cluster.nodes), "the status tells")
    check(any("event=disk_full full=1" in cluster.log_text(n) for n in cluster.nodes), "the log")
    # The alarm came before the wall.
    check(cluster.coffer("get", "/old/2").stdout == VALUE, "a read goes on")
    check(cluster.coffer("set", "/old/3", "short").returncode == 0, "what shrinks goes on")
    for number in range(4, 8):
        check(cluster.coffer("del", f"/old/{number}").returncode == 0, "a delete goes on")
    check(cluster.coffer("nop").returncode == 0, "agreement goes on")
    for number in cluster.nodes:
        cluster.make_room(number)
    wait_for("what grows is taken again, by itself",
             lambda: cluster.coffer("set", "/old/4", VALUE).returncode == 0, 30)
    cluster.wait_level()
    cluster.down()


def test_load_into_the_wall(tools):
    """What may go on goes on until nothing is left; then all waits, and goes on with room."""
    cluster = small_cluster(tools)
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    for number in cluster.nodes:
        cluster.fill(number)
    cluster.wait_trouble(cluster.nodes, "full")
    done = cluster.coffer("set", "/new", VALUE)
    check_refused(done)

    def at_the_wall():
        before = recorder.acked()
        done = cluster.coffer("--timeout=1", "del", "/nothing")
        return done.returncode in (3, 5) and recorder.acked() == before

    wait_for("the spare is used up, too", at_the_wall)
    for number in cluster.nodes:
        cluster.make_room(number)
    recorder.wait_more(stories.MORE, "all goes on with room again")
    for number in cluster.nodes:
        cluster.wait_caught_up(number)
    stories.end(cluster, recorder, "into the wall and back", 0)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_one_full_disk, test_all_disks_full, test_load_into_the_wall])

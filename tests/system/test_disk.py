#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   in mode disk nothing acknowledged is lost, whoever dies, and however many at once; and a
        damaged file is mended from the others, never taken for what it was not.
Method: three and five real processes over kernel UDP and links, all killed by -9 at once under
        recorded load, four to fifty times; links cut; bytes changed in the files of one server
        while it is down; lincheck."""

import os
import signal

import folders
import harness
import stories
from cluster import Kernel, Recorder, Shm
from folders import change, data_of, verify
from harness import check


def test_all_are_killed_kernel(tools):
    for count in (3, 5):
        cluster = Kernel(tools, count, durability="disk", relayed=False).up()
        stories.all_are_killed(cluster, 50 if tools.all else 10 if count == 3 else 4)
        cluster.down()


def test_all_are_killed_shm(tools):
    for count in (3, 5) if tools.all else (3,):
        cluster = Shm(tools, count, durability="disk").up()
        stories.all_are_killed(cluster, 20 if tools.all else 3)
        cluster.down()


def test_leader_and_follower_are_killed(tools):
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    stories.leader_is_killed(cluster)
    stories.follower_is_killed(cluster)
    cluster.down()


def damage(cluster, number, what):
    segment = folders.segments(cluster, number)[-1]
    frames, live = folders.frames_of(segment), folders.live_frames_of(segment)
    middle, last = live[len(live) // 2], frames[-1]
    if what == "superblock":
        change(data_of(cluster, number) / "superblock", 4096 + 30)
    elif what == "head":
        change(segment, middle + 40)
    elif what == "body":
        change(segment, middle + 700)
    elif what == "last":
        change(segment, last + 600)
    elif what == "many":
        change(segment, middle, 20000)
    elif what == "cut":
        os.truncate(segment, middle)
    elif what == "gone":
        folders.segments(cluster, number)[0].unlink()


def test_planned_work_fails_no_request(tools):
    if not tools.all:
        raise harness.Skip("only with --all; in mode memory it is always shown")
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    stories.all_are_restarted_in_turn(cluster)
    stories.leadership_goes_round(cluster)
    cluster.down()


def test_majority_is_killed(tools):
    """Nothing is acknowledged by who is left; with one more, all that was is there."""
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()

    def coffer(*arguments):
        return cluster.coffer("--timeout", "2", *arguments)

    check(coffer("set", "/a", "old").returncode == 0, "a write")
    dead = [cluster.leader(), cluster.followers()[0]]
    for number in dead:
        cluster.kill(number)
    done = coffer("set", "/b", "new")
    check(done.returncode in (3, 5), "a write is not acknowledged", done)
    done = coffer("get", "/a")
    check(done.returncode == 3, "nor is a read answered", done)
    cluster.start(dead[1])
    done = coffer("get", "/a")
    check(done.stdout == "old", "with one more it is there", done)
    check(coffer("set", "/a", "new").returncode == 0, "and writes go on")
    cluster.start(dead[0])
    cluster.wait_level()
    cluster.down()


def test_links_are_cut(tools):
    cluster = Kernel(tools, 3, durability="disk").up()
    stories.link_is_cut(cluster)
    stories.link_is_cut_one_way(cluster)
    stories.leader_is_isolated(cluster)
    cluster.down()


def test_damage_is_mended(tools):
    """One server after the other is down, and some bytes of its files are others then."""
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    for turn, what in enumerate(("superblock", "head", "body", "last", "many", "cut", "gone")):
        victim = turn % 3 + 1
        folders.kill_with_entries(cluster, recorder, [victim])
        code, report = verify(cluster, victim)
        before = report["journal"]["corrupt"]  # of its turn before: mended further on
        check(code == 0 and report["journal"].get("mended", True), "what was damaged is mended",
              report)
        check(all(report["superblock"]["copies_good"]), "the superblock is whole", report)
        damage(cluster, victim, what)
        code, report = verify(cluster, victim)
        seen = {"superblock": not all(report["superblock"]["copies_good"]),
                "gone": report["journal"]["frames"] == 0 or
                report["journal"]["first"] > report["journal"]["needed_from"]}
        seen = seen.get(what, report["journal"]["corrupt"] > before)
        check(code == 1 and not report["good"] and seen, f"damage of {what} is seen", what, report)
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        recorder.wait_more(stories.WARM)
    stories.end(cluster, recorder, "damaged seven times", 0)
    cluster.down()


def test_folder_is_set_aside_by_hand(tools):
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    recorder = Recorder(cluster)
    recorder.wait_more(stories.WARM)
    victim = cluster.followers()[0]
    done = cluster.tools.run([tools.cofferctl, "repair", data_of(cluster, victim)])
    check(done.returncode == 1 and "using it" in done.stderr, "not while it runs", done)
    cluster.kill(victim)
    done = cluster.tools.run([tools.cofferctl, "repair", data_of(cluster, victim)])
    check(done.returncode == 0, "set aside", done)
    check(not (data_of(cluster, victim) / "journal").exists(), "no journal is left")
    cluster.start(victim)
    cluster.wait_caught_up(victim)
    stories.end(cluster, recorder, "one set aside", 0)
    cluster.down()


def test_full_folder_refuses_what_grows(tools):
    """No snapshot makes room here: the journal grows to its bound. Deletes go on in the rest."""
    cluster = Kernel(tools, 3, durability="disk", relayed=False,
                     settings=["data_max_mb = 24", "snapshot_mb = 0"]).up()

    value = "v" * 30000
    for number in range(2000):
        done = cluster.coffer("set", f"/fill/{number}", value)
        if done.returncode != 0:
            break
    check("disk" in done.stderr and done.returncode == 4, "the full disk is told", done)
    check(number > 50, "there was room for some", number)
    check(any(cluster.status(n)["journal"]["trouble"] == "full" for n in cluster.nodes), "status")
    check(cluster.coffer("del", "/fill/1").returncode == 0, "a delete goes on")
    check(cluster.coffer("get", "/fill/2").stdout == value, "a read goes on")
    for node in cluster.nodes:
        cluster.nodes[node].process.signal(signal.SIGTERM)
        cluster.nodes[node].process.wait()
    cluster.settings[0] = "data_max_mb = 100"
    for node in cluster.nodes:
        cluster.write_config(node)
        cluster.start(node, wait=False)
    cluster.wait_level()
    check(cluster.coffer("set", "/fill/1", value).returncode == 0, "with room again, writes go on")
    cluster.down()


def test_everything_for_long(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    cluster = Kernel(tools, 5, durability="disk").up()
    stories.everything_at_once(cluster, 60)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_all_are_killed_kernel, test_all_are_killed_shm,
                 test_leader_and_follower_are_killed, test_planned_work_fails_no_request,
                 test_majority_is_killed, test_links_are_cut,
                 test_damage_is_mended, test_folder_is_set_aside_by_hand,
                 test_full_folder_refuses_what_grows, test_everything_for_long])

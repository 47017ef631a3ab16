# SPDX-License-Identifier: Apache-2.0
"""stories - what goes wrong while clients work; the same over each transport

Each story begins and ends with all servers level. Clients write all the while; what they were told
must be linearizable, and whatever was acknowledged must be there at the end.
"""

import re
import time

from cluster import Recorder
from harness import check

WARM = 150  # acknowledged writes before something goes wrong
MORE = 250  # and after


def end(cluster, recorder, name, gap_ms):
    counts = recorder.finish()
    cluster.wait_level()
    cluster.check_health()
    print(f"# {cluster.transport}, {cluster.durability}: {name}: "
          f"{counts['acked']} writes acknowledged, "
          f"{counts['unknown']} without an answer, longest gap {gap_ms:.0f} ms")
    return counts


def is_told(cluster, number):
    """Did the others hear of a death of this server?"""
    starts = re.findall(r"event=starts .*\bstart=(\d+)",
                        cluster.log_text(number, since_start=False))
    return any(f"event=reported_dead start={starts[-1]} node={number}"
               in cluster.log_text(n) for n in cluster.nodes if n != number)


def leader_is_killed(cluster, *options):
    recorder = Recorder(cluster, *options)
    recorder.wait_more(WARM)
    leader = cluster.leader()
    cluster.kill(leader)
    gap_ms = recorder.wait_more(MORE, f"writes go on without server {leader}, which led")
    other = cluster.leader()
    check(other != leader, "a dead server leads")
    told = is_told(cluster, leader)
    check(told or not cluster.brings_notes, "its supervisor told nobody")
    cluster.start(leader)
    cluster.wait_caught_up(leader)
    recorder.wait_more(MORE // 2)
    how = "told by its supervisor" if told else "found out by silence"
    print(f"summary: {cluster.transport}: kill -9 of the leader, {how}: longest gap between two "
          f"acknowledged writes {gap_ms:.1f} ms")
    return end(cluster, recorder, "leader killed", gap_ms)


def leader_is_lost_with_its_supervisor(cluster):
    """Nobody tells of it: the others find out by silence."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    leader = cluster.leader()
    cluster.kill_host(leader)
    gap_ms = recorder.wait_more(MORE, f"writes go on without the host of server {leader}")
    check(not is_told(cluster, leader), "somebody told")
    print(f"summary: {cluster.transport}: the leader and its supervisor killed: longest gap "
          f"between two acknowledged writes {gap_ms:.1f} ms")
    cluster.start(leader)
    cluster.wait_caught_up(leader)
    end(cluster, recorder, "leader lost with its supervisor", gap_ms)


def all_are_restarted_in_turn(cluster):
    """The planned way: SIGTERM, start, the next when that one is level. No request fails."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    gap_ms = 0
    for number in cluster.nodes:
        cluster.end(number)
        gap_ms = max(gap_ms, recorder.wait_more(WARM, f"writes go on without server {number}"))
        cluster.start(number)
        cluster.wait_caught_up(number)
    counts = end(cluster, recorder, "all restarted in turn", gap_ms)
    check(counts["unknown"] == 0 and counts["unreached"] == 0, "a request failed", counts)
    print(f"summary: {cluster.transport}: all servers restarted in turn under load: "
          f"{counts['done']} requests, none failed, longest gap between two acknowledged writes "
          f"{gap_ms:.1f} ms")


def leadership_goes_round(cluster):
    """An operator makes one after the other lead, under load; nothing fails."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    gap_ms = 0
    for number in [*cluster.nodes, *cluster.nodes]:
        done = cluster.ctl(number, "leader", "transfer", str(number))
        check(done.returncode == 0, f"server {number} is made to lead", done.stderr)
        gap_ms = max(gap_ms, recorder.wait_more(50))
    counts = end(cluster, recorder, "leadership transferred", gap_ms)
    check(counts["unknown"] == 0 and counts["unreached"] == 0, "a request failed", counts)
    print(f"summary: {cluster.transport}: leadership transferred {2 * cluster.count} times under "
          f"load: {counts['done']} requests, none failed, longest gap between two acknowledged "
          f"writes {gap_ms:.1f} ms")


def follower_is_killed(cluster):
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    follower = cluster.followers()[0]
    cluster.kill(follower)
    gap_ms = recorder.wait_more(MORE, f"writes go on without server {follower}, which followed")
    cluster.start(follower)
    cluster.wait_caught_up(follower)
    recorder.wait_more(MORE // 2)
    end(cluster, recorder, "follower killed", gap_ms)


def leader_is_stopped(cluster, seconds=2):
    """It wakes up believing that it leads, with requests in its queue from long ago."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    leader = cluster.leader()
    start = time.monotonic()
    cluster.stop(leader)
    gap_ms = recorder.wait_more(MORE, f"writes go on while server {leader}, which led, is stopped")
    while time.monotonic() < start + seconds:
        gap_ms = max(gap_ms, recorder.wait_more(20))
    cluster.go_on(leader)
    cluster.wait_caught_up(leader)
    check(cluster.status(leader)["events"]["slept"] > 0, "it knows that it slept")
    recorder.wait_more(MORE // 2)
    end(cluster, recorder, f"leader stopped for {seconds} s", gap_ms)


def link_is_cut(cluster):
    """Between the leader and one follower, both ways; the other one hears both."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    leader = cluster.leader()
    follower = cluster.followers()[0]
    cluster.cut(leader, follower)
    gap_ms = recorder.wait_more(MORE, f"writes go on with {leader}-{follower} cut")
    cluster.heal()
    cluster.wait_caught_up(follower)
    recorder.wait_more(MORE // 2)
    end(cluster, recorder, "link cut", gap_ms)


def link_is_cut_one_way(cluster):
    """The leader is heard by the follower no more, and the other way round."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    gap_ms = 0
    for forward in (True, False):
        leader = cluster.leader()
        follower = cluster.followers()[-1]
        pair = (leader, follower) if forward else (follower, leader)
        cluster.cut_one_way(*pair)
        gap_ms = max(gap_ms, recorder.wait_more(MORE, f"writes go on with {pair} cut"))
        cluster.heal()
        cluster.wait_caught_up(follower)
    end(cluster, recorder, "link cut one way", gap_ms)


def leader_is_isolated(cluster):
    """It reaches nobody, but clients reach it: it must not answer them from its old lease."""
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    leader = cluster.leader()
    cluster.isolate(leader)
    gap_ms = recorder.wait_more(MORE, f"writes go on with server {leader}, which led, cut off")
    check(cluster.leader(but=(leader,)) != leader, "nobody else leads")
    cluster.heal()
    cluster.wait_caught_up(leader)
    recorder.wait_more(MORE // 2)
    end(cluster, recorder, "leader cut off", gap_ms)


def leader_is_stopped_for_the_impatient(cluster):
    """Clients give up after 40 ms, so that many writes end without an answer: done, or not."""
    recorder = Recorder(cluster, "--timeout-ms", "40", "--clients", "4")
    recorder.wait_more(WARM)
    gap_ms = 0
    for _ in range(3):
        leader = cluster.leader()
        cluster.stop(leader)
        gap_ms = max(gap_ms, recorder.wait_more(MORE))
        cluster.go_on(leader)
        cluster.wait_caught_up(leader)
    counts = end(cluster, recorder, "leader stopped, clients impatient", gap_ms)
    check(counts["unknown"] > 0, "no write ended without an answer", counts)


def all_are_killed(cluster, rounds, *options):
    """Mode disk: every server dies at the same moment, and what was acknowledged is there."""
    recorder = Recorder(cluster, *options)
    recorder.wait_more(WARM)
    gap_ms = 0
    for _ in range(rounds):
        cluster.kill_all()
        for number in cluster.nodes:
            cluster.start(number, wait=False)
        gap_ms = max(gap_ms, recorder.wait_more(MORE, "writes go on after all were killed"))
        for number in cluster.nodes:
            cluster.wait_ready(number)
            cluster.wait_caught_up(number)
    return end(cluster, recorder, f"all killed {rounds} times", gap_ms)


def everything_at_once(cluster, rounds):
    """For the long version: one after the other in one history, with what is left of the last."""
    recorder = Recorder(cluster, "--clients", "5", "--lanes", "3", "--pause-us", "8000")
    recorder.wait_more(WARM)
    gap_ms = 0
    for turn in range(rounds):
        leader = cluster.leader()
        follower = cluster.followers()[turn % (cluster.count - 1)]
        victim = leader if turn % 2 == 0 else follower
        step = turn % 5
        if step == 0:
            cluster.kill(victim)
            gap_ms = max(gap_ms, recorder.wait_more(MORE))
            cluster.start(victim)
        elif step == 1:
            cluster.stop(victim)
            gap_ms = max(gap_ms, recorder.wait_more(MORE))
            cluster.go_on(victim)
        elif step == 2:
            cluster.cut(leader, follower)
            gap_ms = max(gap_ms, recorder.wait_more(MORE))
            cluster.heal()
        elif step == 3:
            cluster.isolate(victim)
            gap_ms = max(gap_ms, recorder.wait_more(MORE))
            cluster.heal()
        else:
            cluster.kill(leader)
            cluster.start(leader, wait=False)
            gap_ms = max(gap_ms, recorder.wait_more(MORE))
            cluster.wait_ready(leader)
        for number in cluster.nodes:
            cluster.wait_caught_up(number)
    end(cluster, recorder, f"{rounds} faults", gap_ms)

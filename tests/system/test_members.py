# SPDX-License-Identifier: Apache-2.0
"""test_members - the members of a real cluster change while clients work

Three servers found it; others are started empty, with --join. What clients were told must be
linearizable over all configurations, and every acknowledged write must be there at the end. In
mode disk all are killed at once after each change.
"""

import shutil

import harness
from cluster import Kernel, Recorder, Shm
from harness import check, wait_for

WARM = 150  # acknowledged writes between two changes


def change(cluster, asked, *words):
    """Any server may be asked; it answers when it is done."""
    done = cluster.ctl(asked, "member", *words, limit_s=60)
    check(done.returncode == 0, f"member {' '.join(words)}, asked of {asked}",
          done.stderr + done.stdout)
    return done.stdout


def settle(cluster, recorder, what):
    """Writes go on with the members of now; in mode disk also after all have died at once."""
    gap_ms = recorder.wait_more(WARM, what)
    if cluster.durability != "disk":
        return gap_ms
    cluster.kill_all()
    for number in cluster.members:
        cluster.start(number, wait=False)
    recorder.wait_more(WARM, f"{what}, after all were killed")
    for number in cluster.members:
        cluster.wait_ready(number)
        cluster.wait_caught_up(number)
        voters = cluster.status(number)["voters"]
        check(voters == sorted(cluster.members), f"server {number} knows who votes", voters)
    return gap_ms


def members_grow_shrink_and_are_replaced(cluster):
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    recorder = Recorder(cluster)
    gap_ms = recorder.wait_more(WARM)

    cluster.start(4)
    cluster.start(5)
    check("vote" in change(cluster, 2, "add", "4", "5"), "it says who votes")
    cluster.members = [1, 2, 3, 4, 5]
    gap_ms = max(gap_ms, settle(cluster, recorder, "writes go on with five"))
    check(cluster.status(5)["voters"] == [1, 2, 3, 4, 5], "who was added knows it")

    leader = cluster.leader()
    other = next(n for n in cluster.members if n not in (leader, 4))
    change(cluster, leader, "remove", str(leader), str(other))
    cluster.await_removed(leader)
    cluster.await_removed(other)
    gap_ms = max(gap_ms, settle(cluster, recorder, "writes go on without who led"))
    cluster.start_removed(leader)
    cluster.await_removed(leader)

    dead = next(n for n in cluster.members if n != cluster.leader())
    cluster.kill_host(dead)
    cluster.start(6)
    asked = next(n for n in cluster.members if n != dead)
    change(cluster, asked, "replace", str(dead), "6")
    cluster.members = [n for n in cluster.members if n != dead] + [6]
    gap_ms = max(gap_ms, settle(cluster, recorder, "writes go on with an empty machine"))
    cluster.start(dead)
    cluster.await_removed(dead)

    counts = recorder.finish()
    cluster.wait_level()
    check(cluster.status(6)["configuration"] == 4, "the fourth configuration")
    print(f"summary: {cluster.transport}, {cluster.durability}: 3 to 5 to 3 servers, then one "
          f"replaced by an empty machine, under load: {counts['acked']} writes acknowledged, "
          f"{counts['unknown']} without an answer, longest gap {gap_ms:.0f} ms")
    cluster.down()


def test_kernel(tools):
    members_grow_shrink_and_are_replaced(Kernel(tools, 6))


def test_kernel_disk(tools):
    members_grow_shrink_and_are_replaced(Kernel(tools, 6, durability="disk", relayed=False))


def test_shm(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    members_grow_shrink_and_are_replaced(Shm(tools, 6))


def test_shm_disk(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    members_grow_shrink_and_are_replaced(Shm(tools, 6, durability="disk"))


def old_clients_follow_while_they_can(cluster):
    """store/PROTOCOL.md, "When members change": the list is the client's own."""
    old = [f"{cluster.net}.{n}:8046" for n in (1, 2, 3)]

    def write(leader, servers):
        done = cluster.ctl(3, "leader", "transfer", str(leader))
        check(done.returncode == 0, f"server {leader} is made to lead", done.stderr)
        done = cluster.tools.run([cluster.tools.coffer, "--servers", ",".join(servers),
                                  "--timeout", "3", "set", "/old", "client"])
        return done.returncode

    check(write(3, old) == 0, "who knows the leader goes on")
    check(write(5, old) == 3, "who knows no leader is told that nothing was changed")
    check(write(5, [*old, f"{cluster.net}.5:8046"]) == 0, "one address more, and it goes on")


def test_one_sleeps_through_two_changes(tools):
    """When it wakes up, everybody it knows as a member is gone."""
    cluster = Kernel(tools, 5, durability="disk", relayed=False)
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    cluster.kill_host(3)
    for old, new in ((2, 4), (1, 5)):
        cluster.start(new)
        change(cluster, 1, "replace", str(old), str(new))
        cluster.await_removed(old)
        cluster.members = [n for n in cluster.members if n != old] + [new]
        recorder.wait_more(WARM, f"writes go on with {new} for {old}")
    cluster.start(3)
    cluster.wait_caught_up(3)
    check(cluster.status(3)["voters"] == [3, 4, 5], "it knows who votes", cluster.status(3))
    old_clients_follow_while_they_can(cluster)
    cluster.kill_host(4 if cluster.leader() == 4 else 5)
    recorder.wait_more(WARM, "writes go on with its vote")
    recorder.finish()
    cluster.members = cluster.running()
    cluster.down()


def test_a_wiped_folder_is_replaced(tools):
    """It promised what it does not know any more: it must not come back as who it was."""
    cluster = Kernel(tools, 4, durability="disk", relayed=False)
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    recorder = Recorder(cluster)
    recorder.wait_more(WARM)
    wiped = cluster.followers()[0]
    cluster.kill_host(wiped)
    shutil.rmtree(cluster.folder / f"data{wiped}")
    cluster.start(wiped, wait=False)
    process = cluster.nodes[wiped].process
    process.expected_end = True
    check(process.wait() == 1 and "cofferctl member replace" in process.errors(),
          "it is refused, and told what to do", process.errors())
    cluster.nodes.pop(wiped)
    cluster.start(4)
    change(cluster, cluster.leader(), "replace", str(wiped), "4")
    cluster.members = [n for n in cluster.members if n != wiped] + [4]
    settle(cluster, recorder, "writes go on with the new one")
    recorder.finish()
    cluster.wait_level()
    cluster.down()


def test_a_spare_takes_the_place_of_the_dead(tools):
    """promote_ms: nobody is there to say `member replace`. The dead one waits as a spare then."""
    for durability in ("disk", "memory") if tools.all else ("disk",):
        cluster = Kernel(tools, 4, ["promote_ms = 1000"], durability=durability, relayed=False)
        cluster.founders = cluster.members = [1, 2, 3]
        cluster.up()
        cluster.start(4)
        change(cluster, 1, "add", "4", "--learner")
        recorder = Recorder(cluster)
        recorder.wait_more(WARM)
        dead = cluster.leader()
        cluster.kill_host(dead)
        cluster.members = sorted({1, 2, 3, 4} - {dead})
        wait_for("the spare votes", lambda: (cluster.status(4) or {}).get("voters") ==
                 cluster.members, 60)
        settle(cluster, recorder, "writes go on with the spare")
        cluster.start(dead, wait=False)
        wait_for("the dead one follows", lambda: (cluster.status(dead) or {}).get("learners") ==
                 [dead], 60)
        check(cluster.status(dead)["role"] == "outsider", "it does not vote")
        recorder.finish()
        cluster.wait_level()
        cluster.members = [1, 2, 3, 4]
        cluster.down()


def test_what_makes_no_sense_is_refused(tools):
    cluster = Kernel(tools, 4, relayed=False)
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    for words, why in ((["add", "4"], "4 servers"), (["remove", "1"], "2 servers"),
                       (["remove", "1", "2", "3"], "no server would be left"),
                       (["add", "17"], "from 1 to 16"), (["add", "4=x"], "N=IP:PORT"),
                       (["replace", "1"], "replace OLD NEW"), (["replace", "1", "1"], "twice")):
        done = cluster.ctl(1, "member", *words, limit_s=60)
        check(done.returncode != 0 and why in done.stderr, f"member {' '.join(words)}",
              done.stderr)
    listed = cluster.ctl(2, "member", "list").stdout
    check(len(listed.splitlines()) >= 4 and "leads" in listed, "the list", listed)
    cluster.start(4, wait=False)
    cluster.nodes[4].process.expected_end = True
    change(cluster, 3, "add", "4", "--learner")
    wait_for("it follows", lambda: (cluster.status(4) or {}).get("learners") == [4], 20)
    check(cluster.status(4)["role"] == "outsider", "it does not vote")
    cluster.members = [1, 2, 3, 4]
    cluster.down()


if __name__ == "__main__":
    harness.run([test_kernel, test_kernel_disk, test_shm, test_shm_disk,
                 test_one_sleeps_through_two_changes, test_a_wiped_folder_is_replaced,
                 test_a_spare_takes_the_place_of_the_dead,
                 test_what_makes_no_sense_is_refused])

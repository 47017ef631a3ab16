# SPDX-License-Identifier: Apache-2.0
"""test_members - the members of a real cluster change while clients work

Three servers found it; others are started empty, with --join. What clients were told must be
linearizable over all configurations, and every acknowledged write must be there at the end.
"""

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


def members_grow_shrink_and_are_replaced(cluster):
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    recorder = Recorder(cluster)
    gap_ms = recorder.wait_more(WARM)

    cluster.start(4)
    cluster.start(5)
    check("vote" in change(cluster, 2, "add", "4", "5"), "it says who votes")
    cluster.members = [1, 2, 3, 4, 5]
    gap_ms = max(gap_ms, recorder.wait_more(WARM, "writes go on with five"))
    check(cluster.status(5)["voters"] == [1, 2, 3, 4, 5], "who was added knows it")

    leader = cluster.leader()
    other = next(n for n in cluster.members if n not in (leader, 4))
    change(cluster, leader, "remove", str(leader), str(other))
    cluster.await_removed(leader)
    cluster.await_removed(other)
    gap_ms = max(gap_ms, recorder.wait_more(WARM, "writes go on without who led"))

    dead = next(n for n in cluster.members if n != cluster.leader())
    cluster.kill_host(dead)
    cluster.nodes[dead].process.expected_end = True
    cluster.start(6)
    asked = next(n for n in cluster.members if n != dead)
    change(cluster, asked, "replace", str(dead), "6")
    cluster.members = [n for n in cluster.members if n != dead] + [6]
    gap_ms = max(gap_ms, recorder.wait_more(WARM, "writes go on with an empty machine"))
    cluster.start(dead)
    cluster.await_removed(dead)

    counts = recorder.finish()
    cluster.wait_level()
    check(cluster.status(6)["configuration"] == 4, "the fourth configuration")
    print(f"summary: {cluster.transport}: 3 to 5 to 3 servers, then one replaced by an empty "
          f"machine, under load: {counts['acked']} writes acknowledged, {counts['unknown']} "
          f"without an answer, longest gap {gap_ms:.0f} ms")
    cluster.down()


def test_kernel(tools):
    members_grow_shrink_and_are_replaced(Kernel(tools, 6))


def test_shm(tools):
    members_grow_shrink_and_are_replaced(Shm(tools, 6))


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
    harness.run([test_kernel, test_shm, test_what_makes_no_sense_is_refused])

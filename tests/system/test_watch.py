#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   every watch is told each matching event once and in order, while servers die; and who
        slept for too long is told so.
Method: three servers over kernel UDP, ten thousand watches on one handle that checks them."""

import harness
from cluster import Kernel
from harness import Process, check, wait_for

WATCHES = 10000
FILES = 2000
KEPT = 65536  # events, by each server


def look_on(cluster, watches, files):
    tools = cluster.tools
    onlooker = Process(tools, "onlooker", [tools.options.onlooker, cluster.servers_text(),
                                           watches, files], cluster.folder, talks=True)
    answer = onlooker.popen.stdout.readline().decode().strip()
    check(answer == "ok", "all watches are kept", answer, onlooker.errors())
    return onlooker


def wait_events(onlooker, more):
    target = int(onlooker.ask("count")) + more
    wait_for("watches are told", lambda: int(onlooker.ask("count")) >= target)


def test_ten_thousand_watches_while_servers_die(tools):
    cluster = Kernel(tools, 3).up()
    onlooker = look_on(cluster, WATCHES, FILES)
    check(onlooker.ask("write") == "ok", "writes")
    wait_events(onlooker, 200)
    for choose in (lambda: cluster.followers()[0], cluster.leader) * 2:
        victim = choose()
        cluster.kill(victim)
        wait_events(onlooker, 200)
        cluster.start(victim)
        cluster.wait_caught_up(victim)
        wait_events(onlooker, 50)
    answer = onlooker.ask("stop").split()
    check(answer[0] == "ok", "each is told once and in order", *answer)
    events, told = map(int, answer[1:])
    check(events >= 1200 and told == events * WATCHES // FILES, "all of it", events, told)
    onlooker.popen.stdin.close()
    check(onlooker.wait() == 0, "the onlooker is content", onlooker.errors())
    cluster.down()


def test_who_sleeps_too_long_is_told(tools):
    cluster = Kernel(tools, 3).up()
    onlooker = look_on(cluster, 1, 1)
    check(onlooker.ask("hold") == "ok", "it sleeps")
    done = tools.run([tools.options.bench, "write", "--clients", "8", "--outstanding", "64",
                      "--requests", str(KEPT + 5000), "--warm-up", "0"],
                     env=cluster.environment())
    check(done.returncode == 0, "more is written than is kept", done.stderr)
    answer = onlooker.ask("resume").split()
    check(answer[0] == "late", "it is told that it is too late", *answer)
    check(1000 < int(answer[1]) <= KEPT, "and what the oldest is", *answer)
    onlooker.popen.stdin.close()
    check(onlooker.wait() == 0, "the onlooker is content", onlooker.errors())
    cluster.down()


if __name__ == "__main__":
    harness.run([test_ten_thousand_watches_while_servers_die, test_who_sleeps_too_long_is_told])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   in mode disk nothing acknowledged is lost, whoever dies, and however many at once; and a
        damaged file is mended from the others, never taken for what it was not.
Method: real processes over kernel UDP and shared-file links, killed by -9 under recorded load;
        bytes changed in the files of one server while it is down; lincheck."""

import harness
import stories
from cluster import Kernel, Shm
from harness import check


def test_all_are_killed_kernel(tools):
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    stories.all_are_killed(cluster, 20 if tools.all else 4)
    cluster.down()


def test_all_are_killed_shm(tools):
    cluster = Shm(tools, 3, durability="disk").up()
    stories.all_are_killed(cluster, 20 if tools.all else 3)
    cluster.down()


def test_leader_and_follower_are_killed(tools):
    cluster = Kernel(tools, 3, durability="disk", relayed=False).up()
    stories.leader_is_killed(cluster)
    stories.follower_is_killed(cluster)
    cluster.down()


def test_everything_for_long(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    cluster = Kernel(tools, 5, durability="disk").up()
    stories.everything_at_once(cluster, 60)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_all_are_killed_kernel, test_all_are_killed_shm,
                 test_leader_and_follower_are_killed, test_everything_for_long])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   three servers over DPDK and shared-file links keep every promise while one dies, stops
        or is cut off.
Method: real processes, with and without hugepages (--no-huge); killed and stopped on the links
        themselves, cut through a relay that stands between them; clients over the slow path."""

import harness
import stories
from cluster import Shm


def test_leader_and_follower_are_killed(tools):
    cluster = Shm(tools, 3, tools.options.no_huge).up()
    stories.leader_is_killed(cluster)
    stories.follower_is_killed(cluster)
    stories.leader_is_stopped(cluster)
    cluster.down()


def test_planned_work_fails_no_request(tools):
    if tools.options.no_huge and not tools.all:
        raise harness.Skip("only with hugepages, or with --all")
    cluster = Shm(tools, 3, tools.options.no_huge).up()
    stories.all_are_restarted_in_turn(cluster)
    stories.leadership_goes_round(cluster)
    cluster.down()


def test_links_are_cut(tools):
    cluster = Shm(tools, 3, tools.options.no_huge, relayed=True).up()
    stories.link_is_cut(cluster)
    stories.leader_is_isolated(cluster)
    cluster.down()


def test_links_are_cut_one_way(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    cluster = Shm(tools, 3, tools.options.no_huge, relayed=True).up()
    stories.link_is_cut_one_way(cluster)
    stories.everything_at_once(cluster, 40)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_leader_and_follower_are_killed, test_planned_work_fails_no_request,
                 test_links_are_cut,
                 test_links_are_cut_one_way])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   three servers over kernel UDP keep every promise while one dies, stops or is cut off.
Method: real processes on loopback, a relay between each two, clients that record; lincheck."""

import harness
import stories
from cluster import Kernel

def cluster_of(tools):
    """A cluster of its own for each test: what is left of one fault does not hide another."""
    return Kernel(tools, 3).up()


def test_leader_and_follower_are_killed(tools):
    cluster = cluster_of(tools)
    stories.leader_is_killed(cluster)
    stories.follower_is_killed(cluster)
    cluster.down()


def test_leader_is_lost_with_its_supervisor(tools):
    cluster = cluster_of(tools)
    stories.leader_is_lost_with_its_supervisor(cluster)
    cluster.down()


def test_planned_work_fails_no_request(tools):
    cluster = cluster_of(tools)
    stories.all_are_restarted_in_turn(cluster)
    stories.leadership_goes_round(cluster)
    cluster.down()


def test_leader_is_stopped(tools):
    cluster = cluster_of(tools)
    stories.leader_is_stopped(cluster)
    stories.leader_is_stopped_for_the_impatient(cluster)
    cluster.down()


def test_links_are_cut(tools):
    cluster = cluster_of(tools)
    stories.link_is_cut(cluster)
    stories.link_is_cut_one_way(cluster)
    stories.leader_is_isolated(cluster)
    cluster.down()


def test_links_lose_and_double(tools):
    """One datagram in 20 is lost and one in 20 comes twice, and the leader dies."""
    cluster = cluster_of(tools)
    cluster.tell_relay("loss 50")
    cluster.tell_relay("double 50")
    cluster.brings_notes = False
    stories.leader_is_killed(cluster)
    cluster.down()


def test_five_servers_for_long(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    cluster = Kernel(tools, 5).up()
    stories.everything_at_once(cluster, 60)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_leader_and_follower_are_killed, test_leader_is_lost_with_its_supervisor,
                 test_planned_work_fails_no_request, test_leader_is_stopped, test_links_are_cut,
                 test_links_lose_and_double, test_five_servers_for_long])

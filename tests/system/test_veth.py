#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   three servers with DPDK ports on veth keep every promise while one dies, stops or is cut.
Method: a namespace for each server, a bridge, net_af_packet or net_af_xdp (--driver); cut at the
        bridge: two isolated ports, or a port that is down. Needs root."""

import harness
import stories
from cluster import Veth
from fight import fight
from harness import wait_for


def cluster_of(tools, durability="memory"):
    return Veth(tools, 3, tools.options.driver or "af_packet", durability=durability).up()


def everybody_reaches_the_leader(cluster):
    """Each server writes its own files of /ctl, as a client that has no way but its worker's."""
    def is_there():
        done = cluster.coffer("find", "/ctl/node/*/addr")
        return done.returncode == 0 and len(done.stdout.split()) == 3

    wait_for("every server's word is in /ctl", is_there)


def test_servers_are_killed_stopped_and_cut(tools):
    cluster = cluster_of(tools)
    everybody_reaches_the_leader(cluster)
    stories.leader_is_killed(cluster)
    stories.follower_is_killed(cluster)
    stories.leader_is_stopped(cluster)
    stories.link_is_cut(cluster)
    stories.leader_is_isolated(cluster)
    if tools.options.driver != "af_xdp" or tools.all:
        fight(cluster, 2, 20, 10 if tools.all else 0)
    cluster.down()


def test_mode_disk(tools):
    if tools.options.driver == "af_xdp" and not tools.all:
        raise harness.Skip("only over af_packet, or with --all")
    cluster = cluster_of(tools, "disk")
    stories.leader_is_isolated(cluster)
    stories.all_are_killed(cluster, 10 if tools.all else 2)
    cluster.down()


def test_faults_for_long(tools):
    if not tools.all:
        raise harness.Skip("only with --all")
    for durability in ("memory", "disk"):
        cluster = cluster_of(tools, durability)
        stories.everything_at_once(cluster, 40)
        cluster.down()


if __name__ == "__main__":
    harness.run([test_servers_are_killed_stopped_and_cut, test_mode_disk,
                 test_faults_for_long])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   servers and clusters are found by names.
Method: real servers over kernel UDP that know each other by names of hosts."""

import socket

import harness
from cluster import Kernel
from harness import check


class Hosts(Kernel):
    """All on one host, which the system's resolver knows: one port for each."""

    def __init__(self, tools, count, **more):
        super().__init__(tools, count, relayed=False, **more)
        probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in self.nodes]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        self.ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()

    def client_address(self, number):
        return ("localhost", self.ports[number - 1])


def test_hosts_by_name(tools):
    cluster = Hosts(tools, 3, durability="disk").up()
    done = cluster.coffer("set", "/a", "v")
    check(done.returncode == 0, "a write", done.stderr)
    leader = cluster.leader()
    cluster.kill(leader)
    done = cluster.coffer("--servers", "no..host," + cluster.servers_text(), "get", "/a")
    check(done.stdout == "v", "who cannot be resolved is passed over", done)
    cluster.start(leader)
    cluster.wait_level()
    done = cluster.coffer("--servers", "no..host", "get", "/a")
    check(done.returncode == 2 and "no..host" in done.stderr, "nobody can be resolved", done)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_hosts_by_name])

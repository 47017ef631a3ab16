#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   a lock has one holder as far as the resource looks at the token, whatever dies or sleeps.
Method: three servers over kernel UDP; 200 clients in four processes fight for one lock and count
        in a file, torn into a read and a write, and in the tree, under the token. Leaders are
        killed; processes stop between read and write for longer than their sessions live. Then the
        same with shared ones, permits and such that want it alone; lincheck judges both."""

import harness
from cluster import Kernel
from fight import fight, fight_beside


def test_two_hundred_fight_for_one_lock(tools):
    cluster = Kernel(tools, 3).up()
    fight(cluster, 4, 50, 60 if tools.all else 4)
    cluster.down()


def test_shared_and_permits_beside_each_other(tools):
    cluster = Kernel(tools, 3).up()
    fight_beside(cluster, 2, [0, 0, 0, 3, 3, 3, 2, 1], 60 if tools.all else 2)
    cluster.down()


if __name__ == "__main__":
    harness.run([test_two_hundred_fight_for_one_lock, test_shared_and_permits_beside_each_other])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutants.py - plants a mistake, runs seeds until a checker finds it, and does so for each

usage: mutants.py [--seeds N] [--jobs N] SOURCE BUILD [MUTANT ...]

Builds the simulator of SOURCE in BUILD with -DMUTANT_n=1 (store/base/mutant.h) and runs it until
the first seed that fails, at most N (10,000). Says for each how many seeds that took and what was
found; the last line is their median. Exit: 0 all were found.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

MUTANTS = {
    1: "promise sent before it is durable",
    2: "accept acknowledged before it is durable",
    3: "vote forgotten at restart",
    4: "leader's own vote counted before its flush",
    5: "acknowledgement of another ballot counted",
    6: "doubled answer counted twice",
    7: "quorum of n/2",
    8: "new leader picks the longest log",
    9: "log cut below the decided index",
    10: "hole in the log skipped",
    11: "lease checked before the packets are received",
    13: "lease counted from the arrival of the answer",
    14: "deferral at a new leader left out",
    15: "session table missing from the snapshot",
    16: "session expiry by a server's own clock",
    19: "snapshot index off by one",
    21: "entries behind a stop-sign",
    22: "removed server still counted",
    23: "unknown entries taken for absent",
    24: "new folder takes part under the old identity",
    25: "packet of an old incarnation heard",
    28: "grace period skipped",
    29: "reply before the root is published",
    30: "wait resumes one revision late",
    31: "promise of an old incarnation counted",
    32: "server without memory takes part without REJOIN",
    33: "read by lease before L0 is applied",
    34: "decided index recorded only with further entries",
    35: "staged entries of a given up adoption recovered",
    36: "early datagram acknowledged, then dropped",
    37: "journal forgotten beyond what the snapshot has",
    38: "server with unknown entries takes part",
    39: "older copy of a folder counted",
    40: "patience of a damaged server runs while nobody leads",
    41: "death note believed without the secret of its start",
    42: "next configuration begun under an incarnation named in it",
    43: "log not cut at the step into the next configuration",
    44: "past of a file that came again left out",
    45: "files that are gone missing from the past",
    46: "page of a watch taken for acknowledged when it is sent",
    47: "quiet watch goes on over events that the ring has lost",
    48: "session expired early, by the drift",
    49: "new leader does not count the times to live afresh",
    50: "resumed session goes on with numbers that its former client may have given",
    51: "read at a revision amid an entry sees a part",
    52: "any token compares as the present one",
    53: "watch joins a search of the past that has passed it by",
    54: "who comes takes a lock past those who wait",
    55: "lock that is given back not passed on",
    56: "token of who waited is the ticket",
    57: "owners forgotten where changes are taken back",
    58: "session expires and leaves what it owns",
    59: "new leader forgets the locks that rest",
    60: "lock does not rest after its holder's death",
    61: "event of a transaction tells that nothing of it follows",
    62: "shared holder beside others",
    63: "lowest limit among the holders not looked at",
    64: "lock passed on to all who wait",
    65: "lock passed on to one, where several fit",
    66: "count of a holder that locked again lost",
    67: "priority of who waits lost",
    68: "token of a dead holder good while its lock rests",
    69: "refused list leaves its part",
    70: "revision not raised in a restore: tokens come twice",
    71: "session resumed with another secret",
    72: "waiters that one entry could not grant the lock are forgotten",
    73: "leader does not go on where one entry could not grant enough",
    74: "who waits behind one that died is not looked at",
    75: "client counts its session from the last sending of what was answered",
}

# Too rare for chance (one seed in ten thousand, or fewer), or nothing that the simulator does: a
# test of its own finds it.
TESTS = {
    31: "tests/scenario/test_restart",
    35: "tests/unit/test_replica",
    36: "tests/unit/test_acceptor",
    39: "tests/scenario/test_disk",
    40: "tests/unit/test_mend",
    42: "tests/unit/test_turnover",
    43: "tests/unit/test_turnover",
    53: "tests/unit/test_watches",
    66: "tests/unit/test_lock",
    68: "tests/unit/test_lock",
    70: "tests/unit/test_lock",
    71: "tests/unit/test_desk",
    73: "tests/scenario/test_locks",
}


def build(arguments, mutant):
    words = f"-Dc_args=-DMUTANT_{mutant}=1"
    if os.path.exists(os.path.join(arguments.build, "build.ninja")):
        command = ["meson", "configure", arguments.build, words]
    else:
        command = ["meson", "setup", arguments.build, arguments.source, "--buildtype=release",
                   "-Ddebug=true", words]
    for step in (command, ["ninja", "-C", arguments.build, "-j", str(arguments.jobs),
                           TESTS.get(mutant, "tests/sim/coffer-sim")]):
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"mutants: {' '.join(step)} failed:\n{done.stdout}")


def ask(arguments, test):
    """Returns the name of the test that fails, or None."""
    done = subprocess.run([os.path.join(arguments.build, test)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    failed = re.search(r"^\[  FAILED  \] (test_\w+)$", done.stdout, re.M)
    return failed.group(1) if failed else None


def hunt(arguments):
    """Returns (seeds it took, what was found), or None if it lives."""
    command = [os.path.join(arguments.build, "tests/sim/coffer-sim"), "--until", "--lines", "0",
               "--seeds", str(arguments.seeds), "--jobs", str(arguments.jobs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    took = re.search(r"^failed after (\d+) seeds$", done.stdout, re.M)
    if took is None:
        return None
    found = re.search(rf"^seed {took.group(1)} FAILED: (?:at [0-9.]+ us: )?(.*)$", done.stdout,
                      re.M)
    said = re.search(r"broken promise: .*$", done.stdout, re.M)
    what = found.group(1) if found else "the process ended"
    if what.startswith("signal") and said:
        what = said.group()
    return int(took.group(1)), what


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("source")
    parser.add_argument("build")
    parser.add_argument("mutants", nargs="*", type=int, metavar="MUTANT")
    arguments = parser.parse_args()
    took, asked, alive = {}, [], []
    for mutant in arguments.mutants or MUTANTS:
        build(arguments, mutant)
        result = ask(arguments, TESTS[mutant]) if mutant in TESTS else hunt(arguments)
        if result is None:
            alive.append(mutant)
            print(f"{mutant:3} {MUTANTS[mutant]}: NOT FOUND")
        elif mutant in TESTS:
            asked.append(mutant)
            print(f"{mutant:3} {MUTANTS[mutant]}: {result} failed")
        else:
            took[mutant] = result[0]
            print(f"{mutant:3} {MUTANTS[mutant]}: {result[0]} seeds: {result[1]}")
        sys.stdout.flush()
    median = int(statistics.median(took.values())) if took else 0
    most = max(took.values(), default=0)
    print(f"summary: {len(took) + len(asked)} of {len(took) + len(asked) + len(alive)} mutants "
          f"found, {len(asked)} by a test of their own, the rest by a median of {median} seeds, "
          f"at most {most}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())

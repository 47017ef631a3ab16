#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   `coffer` does what its manual says: verbs, exit codes 0 to 5, text and JSON.
Method: the program itself, against three servers over kernel UDP, none, and a minority."""

import socket

import harness
from cluster import Kernel
from harness import check, parse_json, wait_for


class Shell:
    def __init__(self, cluster):
        self.cluster = cluster
        self.tools = cluster.tools
        self.environment = cluster.environment()

    def run(self, *arguments, expect=0, **more):
        """Standard output of `coffer ARGUMENTS`; its exit code must be `expect`."""
        done = self.tools.run([self.tools.coffer, *map(str, arguments)], env=self.environment,
                              text=False, **more)
        check(done.returncode == expect, f"coffer {' '.join(map(str, arguments))[:80]}: exit code",
              done.returncode, done.stderr.decode(), done.stdout[:200])
        if expect != 0 and not (expect == 1 and not done.stderr):
            check(done.stderr.count(b"\n") == 1 or expect == 2, "one sentence says why",
                  done.stderr.decode())
        return done.stdout

    def json(self, *arguments, expect=0, **more):
        return parse_json(self.run("-o", "json", *arguments, expect=expect, **more), arguments)


def number(text):
    check(text.strip().isdigit() and text.endswith(b"\n"), "a number on a line", text)
    return int(text)


def writes_and_reads(shell):
    first = number(shell.run("set", "/a", "one"))
    check(shell.run("get", "/a") == b"one", "get prints the value, nothing else")
    second = number(shell.run("set", "/a", "two", "--if-rev", str(first)))
    check(second > first, "revisions grow", first, second)
    shell.run("set", "/a", "three", "--if-rev", str(first), expect=1)
    check(shell.run("get", "/a") == b"two", "a set whose condition is false does nothing")
    shell.run("add", "/a", "x", expect=1)
    number(shell.run("add", "/new", "x"))
    shell.run("set", "/other", "x", "--if-rev", "0")
    shell.run("set", "/other", "x", "--if-rev", "0", expect=1)
    shell.run("del", "/a", "--if-rev", str(first), expect=1)
    shell.run("del", "/a", "--if-rev", str(second))
    shell.run("get", "/a", expect=1)
    shell.run("del", "/a", expect=1)
    shell.run("stat", "/a", expect=1)
    check(number(shell.run("rev")) > second, "the store's revision counts the delete")
    shell.run("nop")


def values_of_every_kind(shell):
    binary = bytes(range(256)) * 100
    shell.run("set", "/bin", "-", input=binary)
    check(shell.run("get", "/bin") == binary, "25,600 bytes of every value")
    path = shell.cluster.folder / "value"
    path.write_bytes(b"from a file\n")
    shell.run("set", "/file", f"@{path}")
    check(shell.run("get", "/file") == b"from a file\n", "@FILE")
    shell.run("set", "/empty", "")
    check(shell.run("get", "/empty") == b"", "an empty value")
    shell.run("set", "/most", "-", input=b"m" * 32768)
    check(shell.run("get", "/most") == b"m" * 32768, "the largest value")
    shell.run("set", "/more", "-", input=b"m" * 32769, expect=4)
    shell.run("set", "/none", f"@{path}.none", expect=2)


def lists(shell):
    for name in ("/d/one", "/d/two", "/d/sub/three", "/e"):
        shell.run("set", name, "v")
    text = shell.run("ls", "/d").decode().split()
    check([t.rstrip("/") for t in text] == ["one", "sub", "two"], "ls", text)
    found = shell.run("find", "/d/**").decode().split()
    check(found == ["/d/one", "/d/sub/three", "/d/two"], "find", found)
    check(shell.run("find", "/nothing/**") == b"", "find of nothing")
    shell.run("ls", "/d/one", expect=4)
    shell.run("get", "/d", expect=4)
    shell.run("ls", "/absent", expect=1)


def former_revisions(shell):
    first = number(shell.run("set", "/past/a", "one"))
    second = number(shell.run("set", "/past/b/c", "x"))
    third = number(shell.run("set", "/past/a", "two"))
    gone = number(shell.run("del", "/past/b/c"))
    shell.run("del", "/past/a")
    shell.run("ls", "/past", expect=1)
    check(shell.run("get", "/past/a", "--rev", first) == b"one", "the former value")
    check(shell.run("get", "/past/a", "--rev", second) == b"one", "and until it changed")
    check(shell.run("get", "/past/a", "--rev", third) == b"two", "from then on the next")
    shell.run("get", "/past/b/c", "--rev", first, expect=1)
    shell.run("get", "/past/b/c", "--rev", gone, expect=1)
    shell.run("get", "/past/b", "--rev", third, expect=4)
    check(shell.run("ls", "/past", "--rev", third) == b"a\nb/\n", "ls of a directory that is gone")
    check(shell.run("find", "/past/**", "--rev", gone) == b"/past/a\n", "find")
    check(shell.json("stat", "/past", "--rev", third)["children"] == 2, "stat")
    check(shell.json("get", "/past/a", "--rev", third)["revision"] == third, "get in JSON")
    for stale in ((), ("--stale",)):
        check(shell.run("get", "/past/a", "--rev", third, *stale) == b"two", "stale or not", stale)
    shell.run("--timeout", "0.5", "get", "/past/a", "--rev", number(shell.run("rev")) + 1, expect=3)


def answers_in_json(shell):
    made = shell.json("set", "/j", "text")
    check(isinstance(made["revision"], int), "set tells the revision", made)
    got = shell.json("get", "/j")
    check(got["revision"] == made["revision"], "get tells the same", got)
    self_of = shell.json("self")
    check(1 <= self_of["node"] <= 3, "self names the server", self_of)
    failed = shell.json("set", "/j", "x", "--if-rev", "1", expect=1)
    check(isinstance(failed, dict) and failed, "a refusal is JSON too", failed)
    for arguments in (("stat", "/j"), ("ls", "/"), ("find", "/**"), ("rev",), ("nop",)):
        shell.json(*arguments)


def wrong_use(shell):
    for arguments in ((), ("frobnicate",), ("set",), ("set", "/a"), ("get",), ("get", "/a", "/b"),
                      ("set", "/a", "v", "--if-rev", "many"), ("get", "/a", "--if-rev", "1"),
                      ("get", "/a", "--rev", "0"), ("set", "/a", "v", "--rev", "1"),
                      ("rev", "--rev", "1"),
                      ("-o", "xml", "rev"), ("--no-such-option", "rev")):
        shell.run(*arguments, expect=2)
    for path in ("a", "/a/", "//a", "/a*", ""):
        shell.run("get", path, expect=4)
    shell.run("find", "[", expect=4)
    shell.environment["COFFER_SERVERS"] = "nonsense"
    shell.run("rev", expect=2)


def test_verbs_and_exit_codes(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    for part in (writes_and_reads, values_of_every_kind, lists, former_revisions, answers_in_json,
                 wrong_use):
        part(Shell(cluster))
    check("coffer" in tools.run([tools.coffer, "--help"]).stdout, "--help")
    cluster.wait_level()
    cluster.down()


def test_nobody_and_no_quorum(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    shell = Shell(cluster)
    shell.run("set", "/a", "v")
    leader = cluster.leader()
    for number_of in cluster.followers():
        cluster.kill(number_of)
    wait_for("the leader alone leads no more",
             lambda: cluster.status(leader)["role"] != "leader")
    shell.run("--timeout", "2", "get", "/a", expect=3)
    done = tools.run([tools.coffer, "--timeout", "2", "set", "/a", "w"], env=shell.environment)
    check(done.returncode == 3 and "no quorum" in done.stderr, "a write to a minority",
          done.returncode, done.stderr)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((f"{cluster.net}.99", 0))
    shell.environment["COFFER_SERVERS"] = "{}:{}".format(*silent.getsockname())
    shell.run("--timeout", "1", "get", "/a", expect=3)
    shell.run("--timeout", "1", "set", "/a", "v", expect=3)
    shell.environment.pop("COFFER_SERVERS")
    silent.close()


def test_outcome_unknown(tools):
    """The answer to a write is cut off on its way back: exit code 5."""
    cluster = Kernel(tools, 3).up()
    shell = Shell(cluster)
    shell.run("set", "/a", "v")
    leader = cluster.leader()
    for number_of in cluster.nodes:
        if number_of != leader:
            cluster.cut(leader, number_of)
    shell.environment["COFFER_SERVERS"] = "{}:{}".format(*cluster.client_address(leader))
    done = tools.run([tools.coffer, "--timeout", "2", "set", "/a", "w"], env=shell.environment)
    check(done.returncode in (3, 5), "a write to a leader that is cut off", done.returncode,
          done.stderr)
    check(done.stderr.count("\n") == 1, "one sentence says why", done.stderr)
    cluster.heal()
    cluster.wait_level()
    cluster.down()


if __name__ == "__main__":
    harness.run([test_verbs_and_exit_codes, test_nobody_and_no_quorum, test_outcome_unknown])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   what is wrong at the start ends the start with one sentence: what, where, how to mend it.
Method: cofferd with one thing wrong at a time; and the same configuration without it starts."""

import os
import pathlib
import shutil
import socket
import tempfile

import harness
from cluster import Kernel
from harness import Skip, check


class Case:
    """One server's configuration, to be spoilt."""

    def __init__(self, tools):
        self.cluster = Kernel(tools, 1, relayed=False)
        self.cluster.prepare()
        self.cluster.write_config(1)
        self.tools = tools
        self.node = self.cluster.nodes[1]
        self.good = self.node.config.read_text()

    def fails(self, what, mentions, *arguments, text=None, **more):
        """cofferd must end soon, by itself, with one sentence that holds each of `mentions`."""
        if text is not None:
            self.node.config.write_text(text)
        arguments = arguments or ("-c", self.node.config.name, "--new-cluster")
        done = self.tools.run([self.tools.cofferd, *arguments], limit_s=30,
                              cwd=self.cluster.folder, **more)
        check(done.returncode > 0, f"{what}: exit code", done.returncode, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line]
        check(len(lines) == 1, f"{what}: says one sentence", done.stderr)
        for word in mentions:
            check(word in done.stderr, f"{what}: does not name {word}", done.stderr)
        check(not (self.cluster.folder / "data1").exists() or what.startswith("again"),
              f"{what}: made the data folder all the same")

    def with_line(self, line, instead_of=None):
        """The good configuration with one line more, or one line changed."""
        lines = [l for l in self.good.splitlines()
                 if instead_of is None or not l.startswith(instead_of)]
        return "\n".join([*lines, line]) + "\n"


def test_wrong_keys_and_values(tools):
    case = Case(tools)
    name = case.node.config.name
    for line, instead_of, mentions in (
            ("heartbeet_ms = 10", None, ["heartbeet_ms", "heartbeat_ms"]),
            ("frobnicate = yes", None, ["frobnicate"]),
            ("heartbeat_ms = soon", None, ["heartbeat_ms", "soon"]),
            ("heartbeat_ms = -1", None, ["heartbeat_ms"]),
            ("window = 65", None, ["window", "64"]),
            ("log_entries = 3000", None, ["log_entries"]),
            ("poll = sometimes", None, ["poll", "sometimes", "adaptive"]),
            ("node = 2", "node =", ["node"]),
            ("node = 9", "node =", ["node"]),
            ("cluster = xyz", "cluster =", ["cluster"]),
            ("server.1 = localhost", "server.1 =", ["server.1"]),
            ("server.1 = no..host:8046", "server.1 =", ["server.1", "no..host", "resolved"]),
            ("server.1 = 127.0.0.1:99999", "server.1 =", ["server.1"]),
            ("server.9 = 127.0.0.1:9", None, ["server.9"]),
            ("node = 1", None, ["node"]),
            ("lease_ms = 500", None, ["lease_ms", "suspicion_ms"]),
            ("durability = paper", "durability =", ["paper", "memory"]),
            ("transport = carrier pigeon", "transport =", ["transport"]),
            ("no equals sign", None, [name]),
            ("= 5", None, [name]),
            ("data =", "data =", ["data"])):
        case.fails(line, [name, *mentions], text=case.with_line(line, instead_of))
    for missing in ("cluster", "node", "server.1"):
        text = "\n".join(l for l in case.good.splitlines() if not l.startswith(missing)) + "\n"
        case.fails(f"without {missing}", [missing.split(".")[0]], text=text)
    case.fails("an endless line", [name], text=case.good + "data = " + "x" * 100_000 + "\n")
    case.fails("binary", [name], text=case.good + "\0\0\0\n")


def test_wrong_command_line(tools):
    case = Case(tools)
    case.fails("no such file", ["none.conf"], "-c", "none.conf")
    done = tools.run([tools.cofferd, "--frobnicate"], cwd=case.cluster.folder)
    check(done.returncode > 0 and "frobnicate" in done.stderr, "an unknown option", done)
    done = tools.run([tools.cofferd], cwd=case.cluster.folder)
    check(done.returncode > 0 and done.stderr, "no arguments", done)


def test_founding_and_restarting(tools):
    case = Case(tools)
    case.node.config.write_text(case.good)
    case.fails("a restart without a first start", ["--new-cluster"], "-c", case.node.config.name)
    case.node.log.unlink(missing_ok=True)  # it tells of the failure above
    case.cluster.start(1)
    case.cluster.wait_level()
    case.fails("again, while it runs", ["data1"], "-c", case.node.config.name)
    case.cluster.kill(1)
    case.fails("again a first start", ["data1"])
    case.fails("again with another cluster's data", ["cluster"], "-c", case.node.config.name,
               text=case.with_line("cluster = 1234", "cluster ="))
    files = [p for p in (case.cluster.folder / "data1").rglob("*") if p.is_file()]
    check(files, "there is a superblock")
    for path in files:
        path.write_bytes(os.urandom(max(path.stat().st_size, 64)))
    case.fails("again with a damaged superblock", ["data1"], "-c", case.node.config.name,
               text=case.good)


def test_address_in_use(tools):
    case = Case(tools)
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(case.cluster.client_address(1))
    case.fails("again with its address in use", ["{}:{}".format(*taken.getsockname())],
               text=case.good)
    taken.close()
    taken = socket.create_server(("127.0.0.1", 0))
    for key in ("gateway", "web"):
        case.fails(f"again with the address of its {key} in use",
                   [f"`{key}", "Address already in use"],
                   text=case.with_line("{} = {}:{}".format(key, *taken.getsockname())))
    taken.close()


def test_missing_rights(tools):
    """As an ordinary user, in a folder that he may enter, with a copy of the program."""
    if os.geteuid() != 0:
        raise Skip("needs root, to become somebody else")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    case = Case(tools)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        (folder / "locked").mkdir(mode=0o700)
        program = shutil.copy(tools.cofferd, folder / "cofferd")
        config = folder / "1.conf"
        for line, instead_of in (("data = locked/data", "data ="),
                                 ("management = locked/sock", "management ="),
                                 ("log = locked/log", "log =")):
            config.write_text(case.with_line(line, instead_of))
            done = tools.run([program, "-c", config, "--new-cluster"], limit_s=30, cwd=folder,
                             **nobody)
            check(done.returncode > 0 and done.stderr.count("\n") == 1, f"{line}: one sentence",
                  done.returncode, done.stderr)
            check("locked" in done.stderr, f"{line}: names it", done.stderr)
            shutil.rmtree(folder / "data1", ignore_errors=True)


if __name__ == "__main__":
    harness.run([test_wrong_keys_and_values, test_wrong_command_line, test_founding_and_restarting,
                 test_address_in_use, test_missing_rights])

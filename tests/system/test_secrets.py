#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   who does not know a server's secrets does nothing there but what they leave open, by
        Coffer's own protocol as by Doozer's; who knows them is served as ever.
Method: real servers with both secrets, or with one to write; `coffer`, its watches, coffer-bench
        and a client of Doozer, each with a right secret, a wrong one, none."""

import subprocess

import harness
from cluster import Kernel, Veth
from doozer import Connection
from harness import check

DENIED = "permission denied"
READS = (["get", "/a"], ["stat", "/a"], ["ls", "/"], ["find", "/"], ["walk", "/**"],
         ["wait", "/a", "--from", "1"], ["log"])
WRITES = (["set", "/a", "x"], ["add", "/b", "x"], ["del", "/a"], ["touch", "/a"], ["nop"])


class Client:
    """`coffer` with a secret in the environment, or none."""

    def __init__(self, cluster, secret=None):
        self.cluster = cluster
        self.environment = {k: v for k, v in cluster.environment().items() if k != "COFFER_SECRET"}
        if secret is not None:
            self.environment["COFFER_SECRET"] = secret

    def run(self, *arguments, expect=0):
        done = self.cluster.coffer(*arguments, env=self.environment, stdin=subprocess.DEVNULL)
        check(done.returncode == expect, f"coffer {' '.join(arguments)}", done.returncode,
              done.stdout, done.stderr)
        return done.stdout if expect == 0 else done.stderr

    def denied(self, *arguments):
        told = self.run(*arguments, expect=4)
        check(DENIED in told and told.count("\n") == 1, "a sentence says so", told)


def secret_files(tools, **secrets):
    """Lines of the configuration."""
    lines = []
    for key, secret in secrets.items():
        path = tools.folder / f"{key}-{len(list(tools.folder.iterdir()))}"
        path.write_text(secret + "\nnot this line\n")
        lines.append(f"{key} = {path}")
    return lines


def test_both_secrets(tools):
    cluster = Kernel(tools, 3, secret_files(tools, rw_secret="w", ro_secret="r"),
                     relayed=False).up()
    writer, reader = Client(cluster, "w"), Client(cluster, "r")
    writer.run("set", "/a", "one")
    writer.run("set", "/large", "v" * 30000)  # of many datagrams
    for client in (writer, reader):
        check(client.run("get", "/large") == "v" * 30000, "a large value")
        for read in READS:
            client.run(*read)
    for stranger in (Client(cluster), Client(cluster, "x"), Client(cluster, "")):
        for verb in (*READS, *WRITES, ["get", "/a", "--stale"], ["set", "/large", "v" * 30000]):
            stranger.denied(*verb)
        stranger.run("rev")
        stranger.run("self")
    for verb in (*WRITES[:3], ["nop"], ["set", "/large", "v" * 30000]):
        reader.denied(*verb)
    check(writer.run("get", "/a") == "one", "nothing was changed")
    denied = sum(cluster.status(n)["drops"]["denied"] for n in (1, 2, 3))
    check(denied >= 3 * (len(READS) + len(WRITES)), "counted", denied)
    path = tools.folder / "key"
    path.write_text("w\n")
    Client(cluster, "x").run("--secret", str(path), "set", "/a", "two")
    Client(cluster).run("--secret", str(tools.folder / "nowhere"), "get", "/a", expect=2)
    check(reader.run("get", "/a") == "two", "the file of a secret goes first")
    cluster.down()


def test_a_secret_to_write_leaves_reads_open(tools):
    cluster = Kernel(tools, 1, secret_files(tools, rw_secret="w"), relayed=False).up()
    Client(cluster, "w").run("set", "/a", "one")
    for client in (Client(cluster), Client(cluster, "x")):
        for read in READS:
            client.run(*read)
        for write in WRITES:
            client.denied(*write)
    cluster.down()


def test_the_gateway_agrees_and_all_servers_serve_it(tools):
    cluster = Kernel(tools, 3, secret_files(tools, rw_secret="w", ro_secret="r"),
                     relayed=False).up()
    for number in (1, 2, 3):  # followers, too: they ask the leader with the secret
        writer, reader, stranger = (Connection(cluster.client_address(number)) for _ in range(3))
        check("err_code" not in writer.call("ACCESS", value="w"), "the secret")
        check("err_code" not in reader.call("ACCESS", value="r"), "the secret to read")
        told = stranger.call("ACCESS", value="x")
        check(told["err_detail"] == DENIED.encode(), "no secret", told)
        check("rev" in writer.call("SET", path="/g", value=str(number), rev=-1), "it writes")
        check(reader.call("GET", path="/g")["value"] == str(number).encode(), "it reads")
        check(reader.call("WAIT", path="/g", rev=1)["value"] == b"1", "it waits")
        for client, verb in ((reader, "SET"), (stranger, "SET"), (stranger, "GET")):
            told = client.call(verb, path="/g", value="x", rev=1)
            check(told.get("err_detail") == DENIED.encode(), "denied", verb, told)
        check("rev" in stranger.call("REV") and "value" in stranger.call("SELF"), "left open")
    guesser = Connection(cluster.client_address(1))
    for n in range(100):  # at most one of them a second is judged, when there were a few
        told = guesser.call("ACCESS", value=f"guess {n}")
        check(told["err_detail"] == DENIED.encode(), "wrong", told)
    drops = cluster.status(1)["drops"]
    check(drops["gateway_denied"] + drops["gateway_unjudged"] == 101, "counted", drops)
    check(drops["gateway_denied"] > 1 and drops["gateway_unjudged"] > 1, "each", drops)
    check(reader.call("GET", path="/g")["value"] == b"3", "others go on")
    check(Client(cluster, "r").run("get", "/g") == "3", "both see the same")
    cluster.down()


def test_a_watch_needs_it_all_the_time(tools):
    cluster = Kernel(tools, 3, secret_files(tools, rw_secret="w", ro_secret="r"),
                     relayed=False).up()
    writer, reader = Client(cluster, "w"), Client(cluster, "r")
    watch = subprocess.Popen([tools.coffer, "watch", "/w/**", "--from", "1"],
                             env=reader.environment, stdout=subprocess.PIPE, text=True)
    try:
        for n in range(5):
            writer.run("set", f"/w/{n}", str(n))
            check(watch.stdout.readline().startswith(f"/w/{n} "), "the event", n)
            check(watch.stdout.readline() == f"{n}\n", "its value", n)
        leader = cluster.leader()
        cluster.kill(leader)
        writer.run("set", "/w/last", "v")
        check(watch.stdout.readline().startswith("/w/last "), "after a failover")
        cluster.start(leader)
    finally:
        watch.kill()
        watch.wait()
    Client(cluster).denied("watch", "/w/**")
    cluster.down()


def test_workers_of_dpdk_and_the_bench(tools):
    """Clients come to all workers of an ethdev; those beyond the first answer reads themselves."""
    cluster = Veth(tools, 3, "af_packet", ["workers = 2", *secret_files(
        tools, rw_secret="w", ro_secret="r")]).up()
    Client(cluster, "w").run("set", "/a", "one")
    for _ in range(10):  # each from a port of its own
        check(Client(cluster, "r").run("get", "/a") == "one", "over DPDK")
        check(Client(cluster, "r").run("log", "/a").startswith("/a "), "a watch")
        Client(cluster).denied("get", "/a")
        Client(cluster).denied("log")
        Client(cluster, "r").denied("set", "/a", "x")
    for words in ("mixed", "watch", "read"):
        more = ["--watches", "20"] if words == "watch" else []
        done = tools.run(cluster.command([tools.options.bench, words, "--requests", "50", "--json",
                                          *more]), env=Client(cluster, "w").environment)
        check(done.returncode == 0, "the bench", words, done.stderr)
        check(words == "watch" or harness.parse_json(done.stdout, words)["errors"] == 0,
              "without errors", words, done.stdout)
    cluster.down()


def refused_start(tools, lines, words):
    cluster = Kernel(tools, 1, lines, relayed=False)
    cluster.write_config(1)
    done = tools.run([tools.cofferd, "-c", cluster.nodes[1].config, "--new-cluster"],
                     cwd=cluster.folder)
    check(done.returncode == 1 and all(w in done.stderr for w in words), "it does not start",
          done.returncode, done.stderr)


def test_secrets_that_keep_nobody_out_are_refused(tools):
    refused_start(tools, secret_files(tools, ro_secret="r"), ("ro_secret", "rw_secret"))
    refused_start(tools, secret_files(tools, rw_secret=""), ("rw_secret", "No data"))
    refused_start(tools, [f"rw_secret = {tools.folder}/nowhere"], ("nowhere",))


if __name__ == "__main__":
    harness.run([test_both_secrets, test_a_secret_to_write_leaves_reads_open,
                 test_the_gateway_agrees_and_all_servers_serve_it,
                 test_a_watch_needs_it_all_the_time, test_workers_of_dpdk_and_the_bench,
                 test_secrets_that_keep_nobody_out_are_refused])

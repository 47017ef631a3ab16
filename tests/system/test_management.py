#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   the management socket tells the operator the truth, is his alone, and bears nonsense.
Method: cofferctl, and a raw socket, against one and three servers over kernel UDP."""

import os
import random
import signal
import socket
import stat

import harness
from cluster import Kernel
from harness import check, parse_json, wait_for

KEYS = ("node role leader ballot length decided applied log_start lease_left_ms deciding "
        "durability transport peers counters drops poll_gap_us").split()


def test_status_in_text_and_json(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    leader = cluster.leader()
    for number in cluster.nodes:
        status = cluster.status(number)
        missing = [key for key in KEYS if key not in status]
        check(not missing, f"status of server {number} lacks", missing)
        check(status["node"] == number and status["leader"] == leader, "node and leader", status)
        check(status["role"] == ("leader" if number == leader else "follower"), "role", status)
        check(status["durability"] == "memory" and status["transport"] == "kernel", "mode", status)
        check(len(status["peers"]) in (2, 3), "its peers", status["peers"])
        check({"round", "node"} <= set(status["ballot"]), "ballot", status["ballot"])
        text = cluster.ctl(number, "status")
        check(text.returncode == 0 and status["role"] in text.stdout, "status as text", text)
    check(cluster.status(leader)["lease_left_ms"] > 0, "the leader has a lease")
    cluster.down()


def test_status_tells_of_the_journal(tools):
    cluster = Kernel(tools, 3, relayed=False, durability="disk").up()
    status = cluster.status(1)
    journal = status["journal"]
    check(status["durability"] == "disk" and journal["trouble"] == "none", "mode", status)
    check(journal["groups"] > 0 and journal["bytes"] >= 4096 * journal["frames"] > 0 and
          journal["flush_worst_us"] >= journal["flush_last_us"] > 0, "what was written", journal)
    check("trouble: none" in cluster.ctl(1, "status").stdout, "as text")
    cluster.down()


def test_leader_is_transferred_from_any_server(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    leader = cluster.leader()
    first, second = cluster.followers()
    for at, to in ((leader, first), (second, leader), (first, second)):
        done = cluster.ctl(at, "leader", "transfer", str(to))
        check(done.returncode == 0 and done.stdout == f"server {to} leads\n", "it leads", done)
        check(cluster.leader() == to, "the cluster says so, too")
    done = cluster.ctl(first, "leader", "transfer", "-o", "json")
    check(done.returncode == 0, "to anybody else", done)
    told = parse_json(done.stdout, "the answer")
    check(told["former"] == second and told["leader"] == cluster.leader() != second, "who", told)
    again = cluster.ctl(first, "leader", "transfer", str(told["leader"]))
    check(again.returncode == 0, "who leads already goes on", again)
    for node in ("0", "7", "x", "-1"):
        done = cluster.ctl(first, "leader", "transfer", node)
        check(done.returncode in (1, 2), "there is no such server", node, done)
    cluster.wait_level()
    cluster.down()


def test_socket_is_the_owners(tools):
    cluster = Kernel(tools, 1, relayed=False).up()
    path = cluster.folder / cluster.nodes[1].socket
    mode = path.stat().st_mode
    check(stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, "mode 0600", oct(mode))
    if os.geteuid() == 0:
        done = tools.run([tools.cofferctl, "-s", path, "status"], user=65534, group=65534,
                         extra_groups=[])
        check(done.returncode != 0 and done.stderr.count("\n") == 1, "a stranger is refused", done)
    cluster.down()
    check(not path.exists(), "the socket goes with the server")


def raw(path, data, limit_s=5):
    """What the server answers to these bytes until it closes or is silent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(limit_s)
        talk.connect(str(path))
        answer = b""
        try:
            talk.sendall(data)
            talk.shutdown(socket.SHUT_WR)
            while True:
                more = talk.recv(65536)
                if not more:
                    return answer
                answer += more
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            return answer


def test_garbage_does_no_harm(tools):
    cluster = Kernel(tools, 1, relayed=False).up()
    path = cluster.folder / cluster.nodes[1].socket
    process = cluster.nodes[1].process
    chance = random.Random(3)
    for data in (b"", b"\n", b"frobnicate\n", b"status now please\n", b"STATUS\n", b"\0\0\0\n",
                 b"x" * 100_000, b"x" * 100_000 + b"\n", b"status\xff\n", b"{\"a\":1}\n",
                 b"status -o\n", b"status\n" * 50):
        raw(path, data)
        check(process.is_running(), "the server lives", data[:20])
    check(raw(path, b"frobnicate\n"), "an unknown command is answered")
    before = process.memory_kb()
    for _ in range(500):
        raw(path, chance.randbytes(chance.randrange(300)) + b"\n")
    hanging = []
    for _ in range(200):  # half lines that are never finished
        talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        talk.setblocking(False)
        try:
            talk.connect(str(path))
            talk.send(b"stat")
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        hanging.append(talk)
    for talk in hanging:
        talk.close()
    wait_for("status works after the garbage", lambda: cluster.status(1), 20)
    grown = process.memory_kb() - before
    check(grown < 4096, f"memory grew by {grown} KiB")
    cluster.down()


def test_snapshot_is_saved_and_verified(tools):
    cluster = Kernel(tools, 3, ["pulse_ms = 0"], relayed=False).up()
    files = 50 + cluster.wait_ctl()
    for number in range(50):
        done = cluster.coffer("set", f"/d/{number}", "v" * 1000 * (number % 30))
        check(done.returncode == 0, "a write", done)
    cluster.wait_level()
    digests = set()
    for number in cluster.nodes:
        done = cluster.ctl(number, "snapshot", "save", f"copy-{number}", "-o", "json")
        check(done.returncode == 0, "a copy is saved", done)
        saved = parse_json(done.stdout, "what was saved")
        done = cluster.ctl(number, "snapshot", "verify", f"copy-{number}", "-o", "json")
        check(done.returncode == 0, "the copy is whole", done)
        found = parse_json(done.stdout, "what is in it")
        check(found["digest"] == saved["digest"] and found["index"] == saved["index"], found, saved)
        check(found["cluster"] == cluster.id and found["node"] == number, "whose it is", found)
        check(found["files"] == files, "what is in it", found)
        digests.add(found["digest"])
    check(len(digests) == 1, "all servers hold the same", digests)
    done = cluster.ctl(1, "snapshot", "save", "copy-1")
    check(done.returncode == 1 and "not there yet" in done.stderr, "no file is written over", done)
    done = cluster.ctl(1, "snapshot", "save", "nowhere/copy")
    check(done.returncode == 1 and done.stderr.count("\n") == 1, "a wrong place is said", done)
    path = cluster.folder / "copy-1"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    done = cluster.ctl(1, "snapshot", "verify", "copy-1")
    check(done.returncode == 1 and "damaged" in done.stderr, "damage is found", done)
    cluster.down()
    restore(tools, cluster.folder / "copy-2", cluster.folder / "copy-1", cluster.id)


def restore(tools, copy, damaged, old_id):
    """Another cluster begins with the copy, and keeps it on its disks."""
    cluster = Kernel(tools, 3, durability="disk", relayed=False)
    new_id, cluster.id = cluster.id, old_id
    cluster.prepare()
    for number, path, text in ((1, copy, "id of its own"), (1, damaged, "damaged")):
        cluster.write_config(number)
        done = tools.run([tools.cofferd, "-c", cluster.nodes[number].config.name, "--new-cluster",
                          "--restore", path], cwd=cluster.folder)
        check(done.returncode == 1 and text in done.stderr and done.stderr.count("\n") == 1,
              "what cannot be restored is said", done)
        cluster.id = new_id
    cluster.nodes[1].log.unlink()  # with the errors that were asked for
    cluster.first_arguments = ["--restore", copy]
    cluster.up()
    done = cluster.coffer("stat", "/d/7", "-o", "json")
    check(done.returncode == 0, "a file is there again", done)
    old = parse_json(done.stdout, "of a file")["revision"]
    done = cluster.coffer("set", "/d/7", "new", "--if-rev", str(old))
    check(done.returncode == 0 and int(done.stdout) > 2**40, "revisions go on higher", done)
    for verb in (("get", "/d/8", "--rev"), ("ls", "/d", "--rev"), ("wait", "/d/**", "--from")):
        done = cluster.coffer(*verb, str(old))
        check(done.returncode == 4 and "kept" in done.stderr,
              "older history is too late", done)
    cluster.kill_all()
    for number in cluster.nodes:
        cluster.start(number, wait=False)
    for path, value in (("/d/7", "new"), ("/d/8", "v" * 8000)):
        done = cluster.coffer("get", path)
        check(done.stdout == value, "it is there after all were killed", done)
    cluster.wait_level()
    cluster.down()


def test_wrong_use_and_no_server(tools):
    cluster = Kernel(tools, 1, relayed=False).up()
    for arguments in ((), ("frobnicate",), ("status", "-o", "xml"), ("status", "more"),
                      ("snapshot",), ("snapshot", "save"), ("snapshot", "load", "x")):
        done = cluster.ctl(1, *arguments)
        check(done.returncode == 2, f"cofferctl {arguments}", done.returncode, done.stderr)
    cluster.down()
    done = cluster.ctl(1, "status")
    check(done.returncode not in (0, 2) and done.stderr.count("\n") == 1, "nobody is there", done)


def test_sigterm_ends_and_a_restart_rejoins(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    leader = cluster.leader()
    process = cluster.nodes[leader].process
    process.expected_end = True
    process.signal(signal.SIGTERM)
    check(process.wait() == 0, "SIGTERM ends it well", process.errors())
    check(cluster.leader() != leader, "another leads")
    cluster.start(leader)
    cluster.wait_level()
    cluster.down()


if __name__ == "__main__":
    harness.run([test_status_in_text_and_json, test_status_tells_of_the_journal,
                 test_leader_is_transferred_from_any_server,
                 test_socket_is_the_owners,
                 test_garbage_does_no_harm, test_snapshot_is_saved_and_verified,
                 test_wrong_use_and_no_server,
                 test_sigterm_ends_and_a_restart_rejoins])

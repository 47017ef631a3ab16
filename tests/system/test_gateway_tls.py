#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   with a certificate the gateway serves clients by TLS as it does others without; who does
        not shake hands well, or in time, is closed and counted, and keeps nobody out; files that
        are no good are refused before anything is served, and never replace good ones.
Method: real servers; Python's ssl as the client, which checks the certificate; raw sockets."""

import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import harness
from cluster import Kernel
from doozer import Connection, answer, request
from harness import check, wait_for

HELLO_HEAD = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def make_pair(folder, name):
    """A key and a certificate that vouches for itself."""
    if shutil.which("openssl") is None:
        raise harness.Skip("openssl makes the certificates")
    cert, key = folder / f"{name}.cert", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def context_of(cert, version=None):
    """Believes this certificate alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cert)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class World:
    def __init__(self, tools, settings=(), count=1):
        self.folder = tools.folder / f"files{len(list(tools.folder.iterdir()))}"
        self.folder.mkdir()
        self.cert, self.key = make_pair(self.folder, "one")
        self.tls = context_of(self.cert)
        self.cluster = Kernel(tools, count, [
            f"gateway_tls_cert = {self.cert}", f"gateway_tls_key = {self.key}", "pulse_ms = 0",
            *settings], relayed=False).up()

    def address(self, number=1):
        return self.cluster.client_address(number)

    def connect(self, number=1, tls=None):
        return Connection(self.address(number), tls=tls or self.tls)

    def status(self, kind, name):
        return self.cluster.status(1)[kind][name]


def is_ended(raw):
    """The server says nothing more; an alert may come before."""
    raw.settimeout(20)
    try:
        while raw.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_verbs_by_both_versions(tools):
    world = World(tools, count=3)
    for number, version in ((1, ssl.TLSVersion.TLSv1_2), (2, ssl.TLSVersion.TLSv1_3)):
        tls = context_of(world.cert, version)
        client, waiter = world.connect(number, tls), world.connect(number, tls)
        check(client.socket.version() == version.name.replace("_", "."), "the version")
        rev = client.call("SET", path=f"/a{number}", value="one", rev=0)["rev"]
        got = client.call("GET", path=f"/a{number}")
        check((got["value"], got["rev"]) == (b"one", rev), "what was set", got)
        waiter.send(request("WAIT", tag=7, path=f"/w{number}", rev=1))
        big = bytes(n % 251 for n in range(32768))
        client.send(request("SET", tag=1, path=f"/big{number}", value=big, rev=0))
        check("rev" in answer(client.read()[4:]), "a large value")
        client.send(b"".join(request("GET", tag=n, path=f"/big{number}") for n in range(200)))
        seen = {}
        for _ in range(200):
            reply = answer(client.read()[4:])
            check(reply["value"] == big, "a large answer", len(reply["value"]))
            seen[reply["tag"]] = seen.get(reply["tag"], 0) + 1
        check(seen == dict.fromkeys(range(200), 1), "each once")
        for byte in request("SET", tag=2, path=f"/w{number}", value="now", rev=-1):
            client.send(bytes([byte]))
        check("rev" in answer(client.read()[4:]), "a frame that comes byte by byte")
        event = answer(waiter.read()[4:])
        check((event["tag"], event["value"]) == (7, b"now"), "is waited for", event)
        check("err_code" not in client.call("NOP"), "and a barrier")
        plain = client.socket.unwrap()  # says that it is done, and waits for the same
        check(plain.recv(1) == b"", "then it is closed")
    wait_for("they are gone", lambda: world.status("counters", "gateway_connections") <= 2, 20)
    drops = world.cluster.status(1)["drops"]
    check(drops["gateway_tls_bad"] == drops["gateway_tls_slow"] == 0, "nobody was refused", drops)
    world.cluster.down()


def test_handshake_byte_by_byte_and_pipelined(tools):
    world = World(tools)
    for step in (1, 7):
        raw = socket.create_connection(world.address(), 20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = world.tls.wrap_bio(came, goes)

        def send():
            out = goes.read()
            for at in range(0, len(out), step):
                raw.sendall(out[at:at + step])

        def until(work):
            while True:
                try:
                    return work()
                except ssl.SSLWantReadError:
                    send()
                    came.write(raw.recv(65536))

        until(tls.do_handshake)
        tls.write(request("SET", tag=1, path="/p", value="v" * 9000, rev=-1))
        tls.write(request("REV", tag=2))
        send()  # with the end of the handshake
        data, tags = b"", []
        while len(tags) < 2:
            data += until(lambda: tls.read(65536))
            while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big"):
                size = 4 + int.from_bytes(data[:4], "big")
                tags.append(answer(data[4:size])["tag"])
                data = data[size:]
        check(sorted(tags) == [1, 2] and not data, "both are answered", tags)
        check(len(world.connect().call("GET", path="/p")["value"]) == 9000, "and done")
        raw.close()
    world.cluster.down()


def test_who_shakes_no_hands_is_closed(tools):
    world = World(tools)
    plain = Connection(world.address())
    plain.send(request("REV", tag=1))
    check(plain.read() == b"", "a plain client is closed, and told nothing")
    bad = 1
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, HELLO_HEAD + b"\0" * 508,
                 b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x16\x03\x01\xff\xff" + b"\0" * 100):
        raw = socket.create_connection(world.address(), 20)
        raw.sendall(data)
        check(is_ended(raw), "closed")
        bad += 1
        check(world.status("drops", "gateway_tls_bad") == bad, "counted", data[:10])
    stranger = make_pair(world.folder, "stranger")[0]
    try:
        world.connect(tls=context_of(stranger))
        check(False, "a certificate that is not known is believed")
    except ssl.SSLError as error:
        check("CERTIFICATE_VERIFY_FAILED" in str(error), "not believed", error)
    good = world.connect()
    good.socket.unwrap().close()
    broken = world.connect()
    check("rev" in broken.call("REV"), "it is well")
    raw = socket.socket(fileno=broken.socket.detach())
    before = world.status("drops", "gateway_tls_bad")
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # no record of this connection
    check(is_ended(raw), "closed")
    check(world.status("drops", "gateway_tls_bad") == before + 1, "counted")
    check("rev" in world.connect().call("REV"), "others are served")
    world.cluster.down()


def test_who_never_ends_its_handshake_keeps_nobody_out(tools):
    world = World(tools, ["gateway_patience_ms = 600000"])
    held = []
    for n in range(300):  # more than may shake hands at once
        raw = socket.create_connection(world.address(), 20)
        raw.sendall(HELLO_HEAD[:n % len(HELLO_HEAD)])
        held.append(raw)
    wait_for("all came", lambda: world.status("counters", "gateway_accepted") == 300, 20)
    check("rev" in world.connect().call("REV"), "a newcomer is served")
    check(world.status("drops", "gateway_tls_slow") == 300 - 256 + 1, "the oldest went")
    check(is_ended(held[0]), "the first")
    held[299].settimeout(0.1)
    try:
        check(held[299].recv(1), "the last one is closed")
    except socket.timeout:
        pass
    world.cluster.down()
    world = World(tools, ["gateway_patience_ms = 300"])
    raw = socket.create_connection(world.address(), 20)
    raw.sendall(HELLO_HEAD)
    check(is_ended(raw), "after its time it is closed")
    check(world.status("drops", "gateway_tls_slow") == 1, "counted")
    deaf = world.connect()
    check("rev" in deaf.call("SET", path="/f", value="x" * 8192, rev=-1), "a file")
    deaf.send(request("GET", tag=1, path="/f") * 2000)
    wait_for("who takes no answers is closed",
             lambda: world.status("drops", "gateway_unread") == 1, 20)
    world.cluster.down()


def test_many_come_at_once(tools):
    world = World(tools)
    failed = []

    def come(n):
        try:
            client = world.connect()
            for i in range(5):
                check("rev" in client.call("SET", path=f"/m/{n}", value=str(i), rev=-1), "a write")
            client.close()
        except (OSError, harness.Failed, TypeError) as error:
            failed.append(error)

    threads = [threading.Thread(target=come, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failed, "all are served", failed)
    counters = world.cluster.status(1)["counters"]
    check(counters["gateway_tls"] == 100, "counted", counters["gateway_tls"])
    world.cluster.down()


def test_idle_connections_cost_little(tools):
    if b"__asan_init" in tools.cofferd.read_bytes():
        raise harness.Skip("a sanitizer takes memory of its own")
    world = World(tools)

    def memory_kb():
        text = open(f"/proc/{world.cluster.status(1)['pid']}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))

    warm = [world.connect() for _ in range(50)]
    before = memory_kb()
    idle = [world.connect() for _ in range(400)]
    for client in idle:
        check("rev" in client.call("REV"), "each is open")
    used_kb = (memory_kb() - before) / len(idle)
    check(used_kb < 40, "KiB of each idle connection", used_kb)
    for client in (*warm, *idle):
        client.close()
    wait_for("closed", lambda: world.status("counters", "gateway_connections") == 0, 20)
    world.cluster.down()


def test_a_new_certificate_by_sighup(tools):
    world = World(tools)
    cluster = world.cluster
    server = cluster.nodes[1].process
    old = world.connect()
    cert, key = make_pair(world.folder, "two")
    shutil.copy(cert, world.cert)
    server.signal(signal.SIGHUP)
    wait_for("half of a pair is not taken",
             lambda: "event=gateway_certificate_kept" in cluster.log_text(1), 20)
    check("not the key of" in cluster.log_text(1), "it is told why")
    check("rev" in world.connect().call("REV"), "the old one is still shown")
    shutil.copy(key, world.key)
    server.signal(signal.SIGHUP)
    wait_for("the new one is read",
             lambda: cluster.log_text(1).count("event=gateway_certificate ") == 2, 20)
    check("rev" in world.connect(tls=context_of(cert)).call("REV"), "the new one is shown")
    check("rev" in old.call("REV"), "who was there goes on")
    cluster.expected_errors = "gateway_certificate_kept"
    cluster.down()


def test_unfit_files_are_refused(tools):
    folder = tools.folder / "unfit"
    folder.mkdir()
    cert, key = make_pair(folder, "one")
    other = make_pair(folder, "other")[1]
    config = folder / "coffer.conf"
    for lines, told in (
            ((cert, folder / "none"), ["gateway_tls_key", "No such file"]),
            ((folder / "none", key), ["gateway_tls_cert", "No such file"]),
            ((key, key), ["gateway_tls_cert", "no start line"]),
            ((cert, cert), ["gateway_tls_key", "no private key"]),
            ((cert, other), ["gateway_tls_key", "not the key of"])):
        config.write_text("cluster = 1\nnode = 1\nserver.1 = 127.0.0.1:18046\n"
                          f"data = {folder}/data\nmanagement = {folder}/s\n"
                          f"gateway_tls_cert = {lines[0]}\ngateway_tls_key = {lines[1]}\n")
        for way in (["--check"], ["--new-cluster", "--no-supervisor"]):
            done = tools.run([tools.cofferd, "-c", config, *way])
            said = done.stderr.strip().split("\n")[-1]
            check(done.returncode == 1 and all(word in said for word in told), way, done.returncode,
                  done.stderr)
    config.write_text(config.read_text().replace(str(other), str(key)))
    done = tools.run([tools.cofferd, "-c", config, "--check"])
    check(done.returncode == 0 and "good" in done.stdout, "a good pair", done.stderr)


if __name__ == "__main__":
    harness.run([test_verbs_by_both_versions, test_handshake_byte_by_byte_and_pipelined,
                 test_who_shakes_no_hands_is_closed,
                 test_who_never_ends_its_handshake_keeps_nobody_out, test_many_come_at_once,
                 test_idle_connections_cost_little, test_a_new_certificate_by_sighup,
                 test_unfit_files_are_refused])

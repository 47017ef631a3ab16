#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   clients of Doozer find Doozer: the captured bytes of a real one are answered alike, but
        for what control/DOOZER.md names; hostile ones cost little and harm nobody.
Method: the cases of tests/doozer played in order to real servers, with revisions and the server's
        name translated to this run's; raw sockets; clients with the habits of Doozer's own."""

import re
import socket
import struct
import threading
import time

import doozer
import harness
from cluster import Kernel
from doozer import Connection, answer, cases, fields, frame, message, request
from harness import check, wait_for

SILENT_S = 0.4
# Case -> the heading of DOOZER.md that explains why it is answered otherwise.
DIFFERENCES = {
    "GET /ctl/err after failed set": "A failed write leaves no trace",
    "WAIT error event": "A failed write leaves no trace",
    "WAIT nop in past (glob /)": "A NOP is no event",
    "GET at rev 1": "What stands in /ctl",
    "GET at rev 0": "What stands in /ctl",
    "WAIT rev 0": "What stands in /ctl",
    "WAIT rev -7": "What stands in /ctl",
    "GET no leading slash, any first byte": "Paths",
    "DEL below a file /q/f/z": "Defects that were not copied",
    "GET /q/f after DEL /q/f/z": "Defects that were not copied",
    "STAT of emptied dir": "Defects that were not copied",
    "tag as bytes (wrong wire type)": "Malformed input",
    "ro: GET": "What stands in /ctl",
    "GET without ACCESS": "What stands in /ctl",
    "GET empty path": "Defects that were not copied",
    "GETDIR empty path": "Defects that were not copied",
    "frame length 0x7fffffff, no body": "Malformed input",
    'slave GET after DEL (real bug: follow() turns DEL into SET "")':
        "Defects that were not copied",
    "slave STAT /k after DEL": "Defects that were not copied",
    "member GET /k/x still diverged": "Defects that were not copied",
}
used = set()


def address_of(cluster, number=1):
    return cluster.client_address(number)


class Player:
    """Plays cases; translates the revisions of the captured run to those of this one."""

    def __init__(self, address):
        self.address = address
        self.connection = Connection(address)
        self.revs = {}
        self.id = self.connection.call("SELF")["value"]
        check(re.fullmatch(rb"[A-Z2-7]{16}", self.id), "a server's name", self.id)

    def rev(self, captured):
        if captured <= 0 or captured > 10**6:
            return captured
        return self.revs.get(captured, self.revs.get(captured - 1, captured - 2) + 1)

    def outgoing(self, data):
        """The request of this run; what is no whole message stays as it is."""
        try:
            out, rest = b"", data
            while rest:
                size = struct.unpack(">I", rest[:4])[0]
                check(len(rest) >= 4 + size, "whole")
                parts = [(n, w, self.rev(v) if n == 9 and w == 0 else v)
                         for n, w, v in fields(rest[4:4 + size])]
                out += frame(message(parts))
                rest = rest[4 + size:]
            return out
        except (ValueError, struct.error, harness.Failed):
            return data

    def expected(self, case, got):
        """The reply of this run: of a SET or REV its revision is learnt, else translated."""
        parts = fields(case.reply[4:])
        mine = {n: v for n, _, v in fields(got[4:])} if got else {}
        verbs = {v for n, _, v in fields(case.request[4:]) if n == 2}
        is_told = bool({2, 5} & verbs)
        out = []
        for number, wire, value in parts:
            if number == 3 and wire == 0 and value > 0:
                if is_told and number in mine:
                    self.revs.update({value: mine[number]})
                value = self.rev(value)
            if number == 6 and re.fullmatch(rb"[A-Z2-7]{16}", value):
                value = self.id
            out.append((number, wire, value))
        return frame(message(out))

    def judge(self, case, got):
        if case.is_silent:
            good = got is None
        elif case.is_closed:
            good = got == b""
        else:
            good = bool(got) and got == self.expected(case, got)
        if case.name in DIFFERENCES:
            check(not good, "named as a difference, and is none", case.name)
            used.add(case.name)
            return
        check(good, f"case {case.name!r}", "request", case.request.hex(), "captured",
              case.reply.hex(), "expected", self.expected(case, got).hex() if case.reply else "",
              "got", got.hex() if got else got)

    def ask(self, case, connection=None):
        connection = connection or self.connection
        connection.send(self.outgoing(case.request))
        return connection.read(SILENT_S if case.is_silent or case.name in DIFFERENCES else None)

    def play(self, case):
        fresh = case.is_silent or case.is_closed or case.name in DIFFERENCES
        if not fresh:
            self.judge(case, self.ask(case))
            return
        alone = Connection(self.address)
        self.judge(case, self.ask(case, alone))
        alone.close()


def one_server(tools, settings=()):
    """That writes nothing more of itself."""
    cluster = Kernel(tools, 1, ["pulse_ms = 0", *settings], relayed=False).up()
    cluster.wait_ctl()
    return cluster


def play_waits(player, rest):
    """A case that is released, or not, by the one that stands before it."""
    write, wait = rest.pop(0), rest.pop(0)
    waiter = Connection(player.address)
    waiter.send(player.outgoing(wait.request))
    player.play(write)
    player.judge(wait, waiter.read(SILENT_S if wait.is_silent else None))
    waiter.close()


def play_pair(player, rest):
    """Two requests at once that are answered in their order."""
    first, second = rest.pop(0), rest.pop(0)
    connection = Connection(player.address)
    connection.send(player.outgoing(first.request))
    player.judge(first, connection.read())
    player.judge(second, connection.read())
    connection.close()


def play_pipelined(player, rest):
    """A SET and a GET at once: any order, and the GET may see the file or not."""
    case = rest.pop(0)
    rest.pop(0)
    connection = Connection(player.address)
    connection.send(player.outgoing(case.request))
    replies = {r["tag"]: r for r in (answer(connection.read()[4:]) for _ in range(2))}
    check(replies[1].keys() == {"tag", "rev"}, "the SET is answered", replies)
    check((replies[2]["rev"], replies[2]["value"]) in ((0, b""), (replies[1]["rev"], b"z")),
          "the GET is of before or after it", replies)
    connection.close()


def test_every_verb_as_captured(tools):
    cluster = one_server(tools)
    player = Player(address_of(cluster))
    for section, listed in cases("single-node.txt").items():
        rest = list(listed)
        while rest:
            if "other conn" in rest[0].name or rest[0].name == "SET before watch rev reached":
                play_waits(player, rest)
            elif "first reply" in rest[0].name and "same tag" in rest[0].name:
                play_pair(player, rest)
            elif "pipelined" in rest[0].name:
                play_pipelined(player, rest)
            else:
                player.play(rest.pop(0))
    cluster.down()


def write_many(connection, count, path):
    """`count` changes, a hundred at a time."""
    for at in range(0, count, 100):
        connection.send(b"".join(request("SET", tag=n, path=path, value="x", rev=-1)
                                 for n in range(min(100, count - at))))
        for _ in range(min(100, count - at)):
            check("rev" in answer(connection.read()[4:]), "a write")


def judge_plainly(case, got):
    check(got == case.reply, f"case {case.name!r}", case.reply.hex(), got)


def test_what_is_forgotten_as_captured(tools):
    cluster = one_server(tools)
    player = Player(address_of(cluster))
    write_many(player.connection, 65536 + 200, "/old")
    for case in cases("access-slave-history-crash.txt")["history cleaned: -hist 5"]:
        if case.name != "REV":
            player.connection.send(case.request)  # its old revision is old here, too
            judge_plainly(case, player.connection.read())
    cluster.down()


def play_secrets(tools, section, rw, ro):
    settings = []
    for key, secret in (("rw_secret", rw), ("ro_secret", ro)):
        if secret:
            path = tools.folder / f"{key}-{len(list(tools.folder.iterdir()))}"
            path.write_text(secret + "\n")
            settings.append(f"{key} = {path}")
    cluster = Kernel(tools, 1, settings, relayed=False).up()
    player = Player(address_of(cluster))
    for case in cases("access-slave-history-crash.txt")[section]:
        name = case.name
        if name.startswith(("rw: SET", "still rw: SET", "SET without")):
            got = player.ask(case)
            wanted = doozer.answer(case.reply[4:])
            check(answer(got[4:]).keys() == wanted.keys(), name, got)
        elif name.startswith("no access: REV"):
            check("rev" in answer(player.ask(case)[4:]), name)
        else:
            player.judge(case, player.ask(case))
    cluster.down()


def test_secrets_as_captured(tools):
    play_secrets(tools, "secrets: DOOZER_RWSECRET=w DOOZER_ROSECRET=r", "w", "r")
    play_secrets(tools, "only DOOZER_RWSECRET=w", "w", "")


def test_what_crashed_doozer_does_not(tools):
    cluster = one_server(tools)
    player = Player(address_of(cluster))
    for case in cases("access-slave-history-crash.txt")["crashers (each on a fresh server)"]:
        player.play(case)
        check("rev" in player.connection.call("REV"), "it lives")
    for size in (2980, 2990, 3100, 32768):
        check("rev" in player.connection.call("SET", path="/big", value="x" * size, rev=-1),
              "a value of", size)
        check(len(player.connection.call("GET", path="/big")["value"]) == size, "is read")
    told = player.connection.call("SET", path="/big", value="x" * 32769, rev=-1)
    check(told["err_code"] == 127 and b"32768" in told["err_detail"], "too large", told)
    cluster.down()


def test_who_is_no_member_yet_only_reads(tools):
    cluster = Kernel(tools, 5, ["pulse_ms = 0"], relayed=False)
    cluster.founders = cluster.members = [1, 2, 3]
    cluster.up()
    cluster.start(4)
    cluster.start(5)
    slave, master = Player(address_of(cluster, 4)), Player(address_of(cluster, 1))
    slave.revs = master.revs
    for case in cases("access-slave-history-crash.txt")["slave (attached, not activated)"]:
        if case.name.startswith(("slave SET", "slave DEL", "slave NOP", "slave SELF",
                                 "slave sees", "slave GET after", "slave STAT")):
            slave.judge(case, slave.ask(case))
        elif case.name in ("master SET", "master DEL", "master GET after DEL", "master NOP"):
            master.judge(case, master.ask(case))
        elif case.name.startswith("activate"):
            done = cluster.ctl(2, "member", "add", "4", "5", limit_s=60)
            check(done.returncode == 0, "two more", done.stderr)
            wait_for("a new connection may write", lambda: "rev" in Connection(
                slave.address).call("SET", path="/new", value="x", rev=-1), 20)
        elif case.name.startswith(("old slave connection", "member GET /k/x")):
            slave.judge(case, slave.ask(case))
    cluster.members = [1, 2, 3, 4, 5]
    cluster.down()


def test_globs_match_as_captured(tools):
    """Each path alone in the store, as files may not stand below files; each glob walks it."""
    cluster = one_server(tools)
    asker = Connection(address_of(cluster))
    rows, bad = [], []
    for line in (doozer.DATA / "glob-matrix.txt").read_text().splitlines():
        if line.startswith("/"):
            glob, matched = line.split(":")
            rows.append((glob.strip(), set(matched.split())))
        elif line.startswith('"') and "invalid" in line:
            bad.append(line.split(" -> invalid glob pattern: "))
    paths = set().union(*(matched for _, matched in rows)) - {"/"}
    check(len(rows) == 17 and len(paths) == 14 and len(bad) == 13, "the whole matrix", len(rows),
          len(paths), len(bad))
    for path in sorted(paths):
        check("rev" in asker.call("SET", path=path, value="v", rev=0), "a file", path)
        for glob, matched in rows:
            asker.send(b"".join(request("WALK", tag=n, path=glob, offset=n) for n in range(40)))
            told = [answer(asker.read()[4:]) for _ in range(40)]
            found = {t["path"].decode() for t in told if "path" in t}
            check((path in found) == (path in matched), glob, path, found)
        check("err_code" not in asker.call("DEL", path=path, rev=-1), "and away")
    for _, glob in bad:
        for verb in ("WALK", "WAIT"):
            told = asker.call(verb, path=glob, offset=0, rev=1)
            check((told["err_code"], told["err_detail"].decode()) ==
                  (127, f"invalid glob pattern: {glob}"), verb, glob, told)
    cluster.down()


def test_every_difference_is_written_down(tools):
    text = (doozer.DATA.parent.parent / "control" / "DOOZER.md").read_text()
    headings = set(re.findall(r"^## (.*)$", text, re.M))
    for case, heading in DIFFERENCES.items():
        check(heading in headings, "DOOZER.md has the heading", heading)
        check(case in used, "a difference that none of the cases shows", case)


def test_listing_goes_on_at_its_revision(tools):
    cluster = Kernel(tools, 3, relayed=False).up()
    writer = Connection(address_of(cluster, 1))
    for n in range(200):
        check("rev" in writer.call("SET", path=f"/d/{n:03}/x", value=str(n), rev=0), "a write")
    for at in (1, 2, 3):  # any server, the followers too
        reader = Connection(address_of(cluster, at))
        rev = reader.call("REV")["rev"]
        check("rev" in writer.call("SET", path="/d/0000/new", value="n", rev=-1), "meanwhile")
        names, paths = [], []
        for offset in range(201):
            name = reader.call("GETDIR", path="/d", offset=offset, rev=rev)
            file = reader.call("WALK", path="/d/**", offset=offset, rev=rev)
            if "err_code" in name:
                check(name["err_code"] == file["err_code"] == 8, "RANGE ends both", name, file)
                break
            names.append(name["path"].decode())
            paths.append(file["path"].decode())
            check(file["flags"] == 4 and file["rev"] <= rev, "a file of then", file)
        check(names == sorted(names) and len(names) == 200 + (at > 1), "all names", len(names))
        check(paths == [p for p in paths if p.startswith("/d/")] and len(paths) == len(names),
              "all files", len(paths))
        check("rev" in writer.call("DEL", path="/d/0000/new", rev=-1) or True, "and back")
        check("rev" in writer.call("SET", path="/d/0000/new", value="n", rev=-1), "again")
    cluster.down()


def write_files(connection, paths):
    """A hundred at a time."""
    for at in range(0, len(paths), 100):
        some = paths[at:at + 100]
        connection.send(b"".join(request("SET", tag=n, path=path, value=path, rev=0)
                                 for n, path in enumerate(some)))
        for _ in some:
            check("rev" in answer(connection.read()[4:]), "a write")


def test_large_listings_come_in_steps(tools):
    """More files than a server looks at for one request; others write meanwhile."""
    cluster = Kernel(tools, 3, relayed=False).up()
    writer = Connection(address_of(cluster, 1))
    count = 10000
    write_files(writer, [f"/d/{n:05}" for n in range(count)] + ["/d/last"])
    rev = writer.call("REV")["rev"]
    reader = Connection(address_of(cluster, 2))
    for named in ({}, {"rev": rev}):
        def walk(glob, offset):
            return reader.call("WALK", path=glob, offset=offset, **named)

        def getdir(offset):
            return reader.call("GETDIR", path="/d", offset=offset, **named)

        check(walk("/**/last", 0)["value"] == b"/d/last", "the one that matches", named)
        check(walk("/d/*a*", 1)["err_code"] == 8, "RANGE", named)
        check(walk("/d/x*", 0)["err_code"] == 8, "RANGE of none", named)
        check(getdir(count)["path"] == b"last", "the last name", named)
        check(getdir(count + 1)["err_code"] == 8, "RANGE behind it", named)
        check(getdir(2**31 - 1)["err_code"] == 8, "RANGE far behind it", named)
        for offset in (count - 3, count - 2, count - 1, 7, 8, 8, 9):  # on, and anywhere
            check(getdir(offset)["path"] == b"%05d" % offset, "a name", offset, named)
            check(walk("/d/**", offset)["value"] == b"/d/%05d" % offset, "a file", offset, named)

    # Without a revision an offset counts in what stands when it is asked for.
    check(reader.call("GETDIR", path="/d", offset=4)["path"] == b"00004", "a name")
    check("err_code" not in writer.call("DEL", path="/d/00001", rev=-1), "an earlier one goes")
    check(reader.call("GETDIR", path="/d", offset=5)["path"] == b"00006", "counted anew")
    check(reader.call("GETDIR", path="/d", offset=6)["path"] == b"00007", "and on")

    walkers = [Connection(address_of(cluster, n % 3 + 1), 60) for n in range(30)]
    for walker in walkers:
        walker.send(b"".join(request("WALK", tag=n, path="/**x" + "*" * 400 + "y", offset=n)
                             for n in range(20)))
    for n in range(200):
        check("rev" in writer.call("SET", path="/w", value=str(n), rev=-1), "a write beside", n)
    for walker in walkers:
        for _ in range(20):
            check(answer(walker.read()[4:])["err_code"] == 8, "each comes to its end")
    cluster.down()


def test_garbage_and_borders(tools):
    cluster = one_server(tools)
    address = address_of(cluster)
    for data in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\1\0\1",
                 b"\0\0\0\1\x80", b"\0\0\0\2\x0f\0", frame(b"\xff" * 100)):
        bad = Connection(address)
        bad.send(data)
        check(bad.read() == b"", "closed", data[:8].hex())
    half = Connection(address)
    half.send(request("REV", tag=1)[:3])
    late = Connection(address)
    for byte in request("REV", tag=2):
        late.send(bytes([byte]))
    check(answer(late.read()[4:])["tag"] == 2, "a frame that comes byte by byte")
    half.send(request("REV", tag=1)[3:])
    check(answer(half.read()[4:])["tag"] == 1, "the other half")
    late.send(frame(b""))
    check(answer(late.read()[4:])["err_code"] == 2, "a length of 0: no verb at all")
    late.send(frame(b"\x08\x07\x10\x05\xf8\x07\x01\xba\x3e\x02hi"))
    told = answer(late.read()[4:])
    check(told["tag"] == 7 and "rev" in told, "fields that nobody knows are passed over", told)
    for verb in (0, 4, 8, 10, 11, 12, 13, 98, 100, 2**31 - 1, -1):
        check(late.call(verb)["err_code"] == 2, "unknown verb", verb)
    drops = cluster.status(1)["drops"]
    check(drops["gateway_long"] == 4 and drops["gateway_malformed"] == 3, "counted", drops)
    cluster.down()


def test_many_waits_and_a_closed_connection_drops_them(tools):
    cluster = one_server(tools)
    many, other = Connection(address_of(cluster)), Connection(address_of(cluster))
    many.send(b"".join(request("WAIT", tag=n, path=f"/w/{n}", rev=1) for n in range(500)))
    wait_for("they wait", lambda: cluster.status(1)["counters"]["gateway_waits"] == 500, 10)
    check(cluster.status(1)["counters"]["inside_watches"] >= 500, "each is a watch of the cluster")
    for n in range(0, 500, 2):
        check("rev" in other.call("SET", path=f"/w/{n}", value=f"v{n}", rev=-1), "a write")
    got = {}
    for _ in range(250):
        event = answer(many.read()[4:])
        got[event["tag"]] = event
    check(sorted(got) == list(range(0, 500, 2)), "each is told once", len(got))
    check(all(e["value"] == f"v{n}".encode() for n, e in got.items()), "its own")
    many.close()
    wait_for("dropped", lambda: cluster.status(1)["counters"]["gateway_waits"] == 0, 10)
    cluster.down()


def test_who_never_reads_is_closed_and_others_go_on(tools):
    cluster = one_server(tools)
    address = address_of(cluster)
    good, deaf = Connection(address), socket.create_connection(address, 5)
    check("rev" in good.call("SET", path="/big", value="x" * 32768, rev=-1), "a large file")
    check("rev" in good.call("SET", path="/w/0", value="y" * 32768, rev=-1), "and one waited for")
    # As many waits as may be, each with a large answer: nobody can stop those by not reading.
    deaf.sendall(b"".join(request("WAIT", tag=n, path="/w/*", rev=1) for n in range(1024)))

    def is_closed():
        check("rev" in good.call("REV"), "others are served")
        return cluster.status(1)["drops"]["gateway_unread"] >= 1

    wait_for("the deaf one is closed", is_closed, 60)
    deaf.close()
    cluster.down()


def test_who_stops_reading_is_closed_in_time(tools):
    """Its answers never come near 2 MiB, as no more is read from it: what is left is patience."""
    cluster = one_server(tools, ["gateway_patience_ms = 300"])
    address = address_of(cluster)
    good = Connection(address)
    check("rev" in good.call("SET", path="/f", value="x" * 8192, rev=-1), "a file")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(address)
    deaf.settimeout(20)
    asked = request("GET", tag=1, path="/f") * 2000
    deaf.sendall(asked)

    def is_closed():
        check("rev" in good.call("REV"), "others are served")
        return cluster.status(1)["drops"]["gateway_unread"] == 1

    wait_for("the deaf one is closed", is_closed, 20)
    check(cluster.status(1)["counters"]["gateway_connections"] == 1, "it alone")
    taken = 0
    try:
        while more := deaf.recv(1 << 20):
            taken += len(more)
    except ConnectionResetError:
        pass
    check(taken < 2000 * 8192, "its answers ended", taken)
    cluster.down()


def test_ten_thousand_idle_connections_cost_little(tools):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10000, hard - 700)
    if hard < 2000:
        raise harness.Skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cluster = one_server(tools, [f"gateway_connections = {count + 1}"])
    address = address_of(cluster)

    def memory_kb():
        text = open(f"/proc/{cluster.status(1)['pid']}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))

    before = memory_kb()
    idle = [socket.create_connection(address, 10) for _ in range(count)]
    wait_for("open", lambda: cluster.status(1)["counters"]["gateway_connections"] >= count, 20)
    used_kb = (memory_kb() - before) / count
    check(used_kb < 4, "KiB of each idle connection", used_kb)
    good = Connection(address)
    check("rev" in good.call("SET", path="/still", value="1", rev=-1), "it serves")
    check(Connection(address).read() == b"", "one more than may be is closed")
    check(cluster.status(1)["drops"]["gateway_refused"] == 1, "and counted")
    idle.pop().close()
    wait_for("room", lambda: cluster.status(1)["counters"]["gateway_connections"] == count, 20)
    check("rev" in Connection(address).call("REV"), "there is room again")
    for one in idle:
        one.close()
    wait_for("closed", lambda: cluster.status(1)["counters"]["gateway_connections"] == 1, 20)
    cluster.down()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_clients_with_doozers_habits(tools):
    """The Go client: tags from 0, the lowest free one, and it reads fields without a look whether
    they are there. pydoozer: tags from 0, head and body with one recv each."""
    cluster = Kernel(tools, 3, relayed=False).up()
    go = Connection(address_of(cluster, 2))
    go.send(request("SET", tag=0, path="/app/lead", value="me", rev=0))
    check(answer(go.read()[4:])["tag"] == 0, "tag 0 is echoed")
    go.send(request("WAIT", tag=0, path="/app/*", rev=1) + request("GET", tag=1, path="/app/lead"))
    replies = {r["tag"]: r for r in (answer(go.read()[4:]), answer(go.read()[4:]))}
    check({"rev", "path", "flags"} <= set(replies[0]) and replies[1]["value"] == b"me", "both")
    python = socket.create_connection(address_of(cluster, 3), 10)
    python.sendall(request("GET", tag=0, path="/app/none"))
    size = struct.unpack(">I", python.recv(4))[0]
    check(answer(python.recv(size)) == {"tag": 0, "rev": 0, "value": b""}, "missing, in one piece")
    stop = threading.Event()
    seen = []

    def watch():  # as doozer-journal: WAIT from the last revision + 1
        connection, rev = Connection(address_of(cluster, 3), 60), 1
        while not stop.is_set():
            event = connection.call("WAIT", path="/app/**", rev=rev)
            seen.append(event["rev"])
            rev = event["rev"] + 1

    watcher = threading.Thread(target=watch)
    watcher.start()
    revs = [go.call("SET", path=f"/app/{n}", value="v", rev=-1)["rev"] for n in range(50)]
    wait_for("the watcher keeps up", lambda: len(seen) >= 51, 20)
    stop.set()
    check("rev" in go.call("SET", path="/app/end", value="v", rev=-1), "the last")
    watcher.join(20)
    check(seen[1:51] == revs, "nothing is missed, nothing twice", seen, revs)
    leader = cluster.leader()
    cluster.kill(leader)
    other = Connection(address_of(cluster, next(n for n in (1, 2, 3) if n != leader)), 30)
    check("rev" in other.call("SET", path="/app/after", value="v", rev=-1), "a failover is borne")
    cluster.start(leader)
    cluster.down()


def test_clients_with_further_habits(tools):
    """fraggle: ACCESS with nothing first, 2^63 - 1 as the revision of who wants to write anyhow.
    ruby_doozer and the client for PHP: the secret as path, which nobody reads. Go, doozerjs, PHP:
    the length by one write and the message by another. Go: a listing counted to its end, each
    entry looked at as of one revision, and the tag of an answer used again at once."""
    cluster = one_server(tools)
    client = Connection(address_of(cluster))
    check(client.call("ACCESS", value="") == {"tag": 1}, "nothing is the secret of those without")
    check(client.call("ACCESS", path="secret") == {"tag": 1}, "nor is a path one")
    anyhow = 2**63 - 1
    for n in range(2):
        check("rev" in client.call("SET", path="/d/a", value=str(n), rev=anyhow), "clobbered", n)
    check(client.call("DEL", path="/d/a", rev=anyhow) == {"tag": 1}, "and deleted")
    paths = [f"/d/{n}/f" for n in range(12)]
    for path in paths:
        whole = request("SET", tag=0, path=path, value=path, rev=0)
        client.send(whole[:4])
        client.send(whole[4:])
        check(answer(client.read()[4:])["tag"] == 0, "in two pieces", path)
    rev = client.call("REV", tag=0)["rev"]
    check("rev" in client.call("SET", path="/d/later/f", value="x", rev=0), "a later one")
    names = []
    while "path" in (told := client.call("GETDIR", tag=0, path="/d", offset=len(names), rev=rev)):
        names.append(told["path"].decode())
        stat = client.call("STAT", tag=0, path=f"/d/{names[-1]}", rev=rev)
        check((stat["rev"], stat["len"]) == (-2, 1), "a directory of then", stat)
    check(told == {"tag": 0, "err_code": 8} and names == sorted(names) and
          names == sorted(path.split("/")[2] for path in paths), "all of then", told, names)
    cluster.down()


def test_waits_outlive_servers(tools):
    """A watch at a follower while the leader dies; pydoozer and fraggle: who loses its server sends
    the same frames to another."""
    cluster = Kernel(tools, 3, relayed=False).up()
    leader = cluster.leader()
    near, far = (n for n in (1, 2, 3) if n != leader)
    watcher, writer = (Connection(address_of(cluster, n), 60) for n in (near, far))
    rev = writer.call("REV")["rev"]
    lost = Connection(address_of(cluster, leader))
    frames = request("WAIT", tag=0, path="/late", rev=1) + request("WAIT", tag=1, path="/w/*",
                                                                   rev=rev + 1)
    lost.send(frames)
    revs, seen = [], []
    for n in range(100):
        if n == 50:
            cluster.kill_host(leader)
        told = writer.call("SET", path=f"/w/{n % 7}", value=str(n), rev=-1)
        check("rev" in told, "a write", n, told)
        revs.append(told["rev"])
        event = watcher.call("WAIT", path="/w/*", rev=(seen or [rev])[-1] + 1)
        check(event["value"] == str(n).encode(), "the next event", n, event)
        seen.append(event["rev"])
    check(seen == revs, "each once, none missed", seen, revs)
    check(answer(lost.read()[4:])["tag"] == 1 and lost.read() == b"", "closed with its server")
    again = Connection(address_of(cluster, near))
    again.send(frames)
    event = answer(again.read()[4:])
    check((event["tag"], event["rev"]) == (1, revs[0]), "what was there is told again", event)
    check("rev" in writer.call("SET", path="/late", value="v", rev=0), "what it waits for")
    event = answer(again.read()[4:])
    check((event["tag"], event["value"]) == (0, b"v"), "the other one, too", event)
    cluster.start(leader)
    cluster.wait_level()
    cluster.down()


if __name__ == "__main__":
    harness.run([test_every_verb_as_captured, test_what_is_forgotten_as_captured,
                 test_secrets_as_captured, test_what_crashed_doozer_does_not,
                 test_who_is_no_member_yet_only_reads, test_globs_match_as_captured,
                 test_every_difference_is_written_down, test_listing_goes_on_at_its_revision,
                 test_large_listings_come_in_steps,
                 test_garbage_and_borders, test_many_waits_and_a_closed_connection_drops_them,
                 test_who_never_reads_is_closed_and_others_go_on,
                 test_who_stops_reading_is_closed_in_time,
                 test_ten_thousand_idle_connections_cost_little,
                 test_clients_with_doozers_habits, test_clients_with_further_habits,
                 test_waits_outlive_servers])

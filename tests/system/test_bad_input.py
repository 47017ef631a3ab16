#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   whatever comes to a server's port, it lives, keeps its state, and says why it refuses.
Method: three servers over kernel UDP; datagrams made by hand, wrong in one way each; then floods.
        After each the store is the same, and the memory of the servers too."""

import os
import random
import socket
import struct

import harness
import wire
from cluster import Kernel
from harness import check, wait_for

FLOOD = 100_000
SEALED_FLOOD = 8_000
PEER_FLOOD = 6_000


class World:
    """One cluster for the tests of this file, with a session and some files in it."""

    def __init__(self, tools):
        self.cluster = Kernel(tools, 3, ["pulse_ms = 0"], relayed=False).up()
        self.files = 3 + self.cluster.wait_ctl()
        self.leader = self.cluster.leader()
        self.speaker = wire.Speaker(self.cluster.client_address(self.leader))
        self.cluster_id = int(self.cluster.id, 16)
        self.secret = random.getrandbits(64)
        opened = self.speaker.ask_new(wire.message(wire.OPEN, ttl_ms=60000), secret=self.secret)
        check(opened and opened.answer == "OK", "a session", opened and opened.answer)
        self.session = opened.session
        self.written = 0
        for name in (b"/a", b"/dir/b", b"/dir/c"):
            answer = self.write(wire.SET, name, b"as it was")
            check(answer.answer == "OK", "set", answer.answer)

    def next_head(self):
        self.written += 1
        return {"session": self.session, "secret": self.secret, "number": self.written}

    def write(self, verb, path, value=b"", condition=wire.IF_EQUAL, rev=wire.ANY):
        text = wire.message(verb, path, value, condition, rev, first=self.written + 1)
        return self.speaker.ask_new(text, **self.next_head())

    def refused(self, answer, expected, what):
        check(answer is not None, f"{what}: no answer")
        check(answer.answer == expected, f"{what}: is not refused as {expected}", answer.answer)

    def status(self):
        return self.cluster.status(self.leader)

    def state(self):
        """What must not change: every file with its revision, as the leader tells."""
        answer = self.speaker.ask_new(wire.message(wire.WALK, b"/**"))
        check(answer and answer.answer == "OK", "walk", answer and answer.answer)
        return [answer.store_revision, answer.entries()]

    def users_files(self):
        """Without /ctl: a server that starts again in mode memory is a new node there."""
        return [entry for entry in self.state()[1] if not entry[2].startswith(b"/ctl/")]

    def dropped(self):
        return sum(self.status()["drops"].values())


def unharmed(tools, test):
    """Runs `test` in a world; the state must be the same after it, and all must be well."""
    world = World(tools)
    before = world.state()
    check(len(before[1]) == world.files, "three files and /ctl", before)
    test(world)
    check(world.state() == before, "the state changed", before, world.state())
    world.cluster.wait_level()
    world.speaker.close()
    world.cluster.down()


def good_get(number=77):
    return wire.request(wire.message(wire.GET, b"/a"), number=number)


def drops_it(world, what, data):
    """The datagram is counted as dropped, and nothing is answered to it."""
    speaker = wire.Speaker(world.speaker.address)
    before = world.dropped()
    speaker.send(data)
    wait_for(f"{what} is counted", lambda: world.dropped() > before, 20)
    check(speaker.receive(0.05) is None, f"{what} is answered")
    speaker.close()


def damaged_datagrams(world):
    good = good_get()
    for size in (0, 1, 7, 39):
        if size:
            drops_it(world, f"{size} bytes", good[:size])
    drops_it(world, "a cut datagram", good[:-1])
    drops_it(world, "a longer datagram", good + b"\0")
    drops_it(world, "one bit of the body", good[:-1] + bytes([good[-1] ^ 1]))
    drops_it(world, "one bit of the header", good[:20] + bytes([good[20] ^ 4]) + good[21:])
    drops_it(world, "a wrong magic", wire.seal(b"DOOZ" + good[4:]))
    before = world.status()["drops"]["bad_magic"]
    drops_it(world, "rubbish", random.Random(1).randbytes(1000))
    check(world.status()["drops"]["bad_magic"] == before + 1, "with its reason")
    drops_it(world, "an unknown kind", wire.datagram(good[40:], kind=9))
    drops_it(world, "an answer", wire.datagram(good[40:], kind=wire.ANSWER))
    drops_it(world, "a wrong size", wire.datagram(good[40:], size=4000))
    drops_it(world, "an oversized datagram", wire.datagram(bytes(1500)))
    drops_it(world, "the largest datagram", wire.datagram(bytes(60000)))


def foreign_datagrams(world):
    speaker = world.speaker
    old = wire.datagram(wire.head(number=5) + wire.message(wire.GET, b"/a"), version=2)
    # The head of an unknown version need not be understood: any number will do.
    answer = next(iter_answers(speaker, old), None)
    world.refused(answer, "BAD_VERSION", "another version")
    text = wire.message(wire.GET, b"/a")
    world.refused(speaker.ask_new(text, cluster=world.cluster_id ^ 1), "WRONG_CLUSTER",
                  "another cluster")
    answer = speaker.ask_new(text, cluster=world.cluster_id)
    world.refused(answer, "OK", "this cluster")
    for body in (b"", bytes(44), bytes(1300), os.urandom(300)):
        drops_it(world, "a peer's datagram from a stranger",
                 wire.datagram(body, kind=wire.PEER, cluster=world.cluster_id))


def iter_answers(speaker, data):
    for _ in range(20):
        speaker.send(data)
        came = speaker.receive(0.25)
        if came is not None:
            yield wire.Answer(came)


def wrong_requests(world):
    ask = world.speaker.ask_new
    world.refused(ask(wire.message(200)), "BAD_VERB", "an unknown verb")
    world.refused(ask(wire.message(0)), "BAD_VERB", "verb 0")
    world.refused(ask(wire.message(wire.GET, b"/a") + b"more"), "BAD_REQUEST", "bytes behind it")
    world.refused(ask(wire.message(wire.GET, b"/a", condition=7)), "BAD_REQUEST", "a condition")
    world.refused(ask(wire.message(wire.GET, b"/a", seen=1 << 63)), "BAD_REQUEST", "seen < 0")
    bad_size = wire.message(wire.GET, b"/a").replace(b"\x02\x00/a", b"\xff\xff/a")
    world.refused(ask(bad_size), "BAD_REQUEST", "a path beyond the end")
    for path in (b"", b"a", b"/a/", b"//a", b"/a//b", b"/\x01", b"/\xff\xfe", b"/a*", b"/?",
                 b"/\x7f", b"/\xc2\x80", b"/\xed\xa0\x80"):
        world.refused(ask(wire.message(wire.GET, path)), "BAD_PATH", f"get {path!r}")
        world.refused(world.write(wire.SET, path, b"v"), "BAD_PATH", f"set {path!r}")
        world.refused(world.write(wire.DELETE, path), "BAD_PATH", f"del {path!r}")
    long_name = b"/" + b"n" * 256
    long_path = b"/" + b"/".join([b"n" * 200] * 3)
    for path in (long_name, long_path):
        for answer in (ask(wire.message(wire.GET, path)), world.write(wire.SET, path, b"v")):
            check(answer and answer.answer in ("TOO_LARGE", "BAD_PATH"), "a path over the limit",
                  answer and answer.answer)
    world.refused(ask(wire.message(wire.LIST, b"/dir/b")), "NOT_DIRECTORY", "list of a file")
    world.refused(ask(wire.message(wire.GET, b"/dir")), "IS_DIRECTORY", "get of a directory")
    world.refused(world.write(wire.SET, b"/dir", b"v"), "IS_DIRECTORY", "set of a directory")
    world.refused(world.write(wire.SET, b"/a/x", b"v"), "NOT_DIRECTORY", "set below a file")
    world.refused(world.write(wire.SET, b"/a", b"v", rev=7777), "MISMATCH", "a wrong revision")
    answer = ask(wire.message(wire.WALK, b"//**["))
    check(answer and answer.answer == "BAD_GLOB", "a bad glob", answer and answer.answer)


def wrong_sessions(world):
    ask = world.speaker.ask_new
    text = wire.message(wire.SET, b"/a", b"stolen", wire.IF_EQUAL, wire.ANY, first=1)
    world.refused(ask(text, session=world.session, secret=world.secret ^ 1, number=50),
                  "BAD_SECRET", "a wrong secret")
    world.refused(ask(text, session=world.session, secret=0, number=51), "BAD_SECRET", "no secret")
    world.refused(ask(text, session=world.session + 12345, secret=world.secret, number=52),
                  "NO_SESSION", "no such session")
    world.refused(ask(text, session=0, secret=0, number=53), "NO_SESSION", "no session")
    close = wire.message(wire.CLOSE, first=1)
    world.refused(ask(close, session=world.session, secret=world.secret ^ 1, number=54),
                  "BAD_SECRET", "a close with a wrong secret")
    alive = wire.message(wire.ALIVE)
    world.refused(ask(alive, session=world.session, secret=world.secret ^ 1, number=55),
                  "BAD_SECRET", "a keep-alive with a wrong secret")
    number = world.written + 5000
    answer = ask(text, session=world.session, secret=world.secret, number=number)
    world.refused(answer, "WINDOW", "a number far beyond the window")


def segments(world):
    """Messages of several segments: over the limit, contradicting, never finished."""
    head = world.next_head()
    value = bytes(32 * 1024 + 1)
    text = wire.message(wire.SET, b"/a", value, wire.IF_EQUAL, wire.ANY, first=head["number"])
    pieces = [text[i:i + wire.PIECE] for i in range(0, len(text), wire.PIECE)]
    answer = None
    for _ in range(20):
        for index, piece in enumerate(pieces):
            world.speaker.send(wire.datagram(wire.head(segment=index, segments=len(pieces), **head)
                                             + piece))
        came = world.speaker.receive(0.5)
        if came is not None:
            answer = wire.Answer(came)
            if answer.segments == 1:
                break
    world.refused(answer, "TOO_LARGE", "a value over the limit")
    last = wire.datagram(wire.head(segment=1, segments=2, session=world.session,
                                   secret=world.secret, number=head["number"] + 1) + b"tail")
    note = world.speaker.ask(last, head["number"] + 1)
    check(note is not None and note.segments == 0 and note.missing == 1,
          "a request for the missing segment")
    for segment, count, piece in ((3, 3, b"x"), (0, 33, b"y" * wire.PIECE), (0, 2, b"short"),
                                  (0, 0, b"z"), (9, 0, b""), (0, 1, b"")):
        drops_it(world, f"segment {segment} of {count}",
                 wire.datagram(wire.head(segment=segment, segments=count, number=9) + piece))
    for number in range(3000):  # half messages of thousands of strangers
        world.speaker.send(wire.datagram(wire.head(
            session=number, secret=number + 1, number=1, segment=0, segments=20) +
            b"h" * wire.PIECE))


def memory(world):
    return {n: world.cluster.nodes[n].process.memory_kb() for n in world.cluster.nodes}


def fenced_flood(world, name, make, count):
    """Sends `count` datagrams to all servers; each must still answer after that."""
    before = memory(world)
    addresses = [world.cluster.client_address(n) for n in world.cluster.nodes]
    speaker = wire.Speaker(addresses[0])
    for number in range(count):
        speaker.address = addresses[number % 3]
        speaker.send(make(number))
        if number % 64 == 63:  # keep our own queue of answers short
            while speaker.receive(0.001) is not None:
                pass
    speaker.close()
    world.leader = world.cluster.leader()
    world.speaker.address = world.cluster.client_address(world.leader)
    for number in world.cluster.nodes:
        check(world.cluster.status(number) is not None, f"server {number} answers after {name}")
    after = memory(world)
    grown = {n: after[n] - before[n] for n in after}
    print(f"# {name}: memory grew by {grown} KiB")
    check(max(grown.values()) < 8 * 1024, f"memory grew by {grown} KiB in {name}")


def floods(world):
    chance = random.Random(7)
    noise = [chance.randbytes(chance.randrange(1, 1472)) for _ in range(997)]
    fenced_flood(world, "random bytes", lambda n: noise[n % 997], FLOOD // 2)
    header = struct.pack("<IIBBHI", wire.MAGIC, 0, 1, 1, 0, 200)
    fenced_flood(world, "damaged datagrams",
                 lambda n: header + struct.pack("<Q", n) + noise[n % 997][:172].ljust(172, b"x"),
                 FLOOD // 2)


def sealed_floods(world):
    """Right in all but what they say: each passes the CRC."""
    chance = random.Random(8)
    kinds = (wire.REQUEST, wire.REQUEST, wire.ANSWER, wire.PEER)

    def bodies(_number):
        size = chance.choice((0, 4, 43, 44, 60, 84, 90, 130))
        return wire.datagram(chance.randbytes(size), kind=chance.choice(kinds),
                             flags=chance.choice((0, 0, 1, 2, 65535)),
                             cluster=chance.choice((0, world.cluster_id)))

    def requests(number):
        text = bytearray(wire.message(chance.randrange(13), b"/dir/b", b"", first=1,
                                      condition=chance.randrange(4)))
        for _ in range(chance.randrange(3)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        return wire.request(bytes(text), number=number, session=chance.choice((0, world.session)),
                            secret=chance.getrandbits(64), segments=chance.choice((1, 1, 1, 2)))

    fenced_flood(world, "random bodies", bodies, SEALED_FLOOD)
    fenced_flood(world, "random requests", requests, SEALED_FLOOD)


def test_damaged_datagrams_are_dropped(tools):
    unharmed(tools, damaged_datagrams)


def test_foreign_datagrams_are_refused(tools):
    unharmed(tools, foreign_datagrams)


def test_wrong_requests_are_refused(tools):
    unharmed(tools, wrong_requests)


def test_wrong_sessions_are_refused(tools):
    unharmed(tools, wrong_sessions)


def test_half_messages_cost_nothing(tools):
    unharmed(tools, segments)


def test_floods_change_nothing(tools):
    unharmed(tools, floods)


def test_sealed_floods_change_nothing(tools):
    unharmed(tools, sealed_floods)


def capture(place, count):
    """Datagrams that the servers send to a dead one, whose address this is."""
    place.settimeout(0.5)
    found = []

    def is_enough():
        try:
            found.append(place.recv(65536))
        except TimeoutError:
            pass
        return len(found) >= count

    wait_for("the others try to reach the dead server", is_enough, 30, 0)
    return found


def spoil(chance, data, node):
    """A peer's datagram, as if from `node`, with some bytes changed and the CRC right again."""
    bytes_of = bytearray(data)
    bytes_of[wire.HEADER + 1] = chance.choice((node, node, bytes_of[wire.HEADER + 1]))
    for _ in range(chance.randrange(4)):
        place = chance.randrange(wire.HEADER, len(bytes_of))
        if wire.HEADER + 8 <= place < wire.HEADER + 20:
            continue  # a later incarnation would be believed: there is no authentication yet
        bytes_of[place] = chance.choice((0, 1, 255, chance.randrange(256)))
    if chance.randrange(8) == 0:
        bytes_of = bytes_of[:chance.randrange(wire.HEADER, len(bytes_of))]
        bytes_of[12:16] = struct.pack("<I", len(bytes_of))
    return wire.seal(bytes(bytes_of))


def test_peer_that_lost_its_mind(tools):
    """From a peer's own address, under incarnations that are not its own; then it comes back."""
    world = World(tools)
    cluster, chance = world.cluster, random.Random(9)
    before = world.users_files()
    dead = cluster.followers()[0]
    cluster.kill(dead)
    place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    place.bind(cluster.client_address(dead))
    good = capture(place, 60)
    others = [n for n in cluster.nodes if n != dead]
    for number in range(PEER_FLOOD):
        data = spoil(chance, good[number % len(good)], dead - 1)
        place.sendto(data, cluster.client_address(others[number % 2]))
        if number % 200 == 199:
            for other in others:
                wait_for("a server answers", lambda o=other: cluster.status(o), 20)
    place.close()
    cluster.check_health()
    cluster.start(dead)
    cluster.wait_level()
    world.speaker.address = cluster.client_address(cluster.leader())
    check(world.users_files() == before, "the state changed", before, world.users_files())
    cluster.down()


def test_full_store_refuses_what_grows(tools):
    cluster = Kernel(tools, 3, ["quota_mb = 1"], relayed=False).up()

    def coffer(*arguments):
        return cluster.coffer(*arguments, input="v" * 30000).returncode

    codes = [coffer("set", f"/full/{i}", "-") for i in range(60)]
    check(codes[0] == 0 and codes[-1] == 4, "sets until it is full", codes)
    check(codes == sorted(codes), "refusals before the store is full", codes)
    check(coffer("del", "/full/0") == 0, "a delete in a full store")
    check(coffer("set", "/full/again", "-") == 0, "a set after a delete")
    cluster.wait_level()
    cluster.down()


if __name__ == "__main__":
    harness.run([test_damaged_datagrams_are_dropped, test_foreign_datagrams_are_refused,
                 test_wrong_requests_are_refused, test_wrong_sessions_are_refused,
                 test_half_messages_cost_nothing, test_floods_change_nothing,
                 test_sealed_floods_change_nothing, test_peer_that_lost_its_mind,
                 test_full_store_refuses_what_grows])

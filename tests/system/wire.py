# SPDX-License-Identifier: Apache-2.0
"""wire - the client protocol from its description (store/PROTOCOL.md), not from its code

Datagram: magic, CRC-32C, version, kind, flags, size, cluster, 16 bytes of tag, body.
Body: head of 44 bytes and a piece of the message.
"""

import socket
import struct
import time

MAGIC = 0x31524643
VERSION = 1
REQUEST, ANSWER, PEER = 1, 2, 3
SIZE_MAX = 1408
HEADER, HEAD = 40, 44
PIECE = SIZE_MAX - HEADER - HEAD

(OPEN, CLOSE, ALIVE, SET, DELETE, NOP, GET, STAT, LIST, WALK, REV, SELF) = range(1, 13)
IF_EQUAL, IF_AT_MOST = 1, 2
ANY = -1
STALE_OK, ORDERED = 1, 2

ANSWERS = ("OK MISMATCH NOT_FOUND IS_DIRECTORY NOT_DIRECTORY BAD_PATH BAD_GLOB TOO_LARGE QUOTA "
           "TOO_LATE NO_SESSION BAD_SECRET STALE WINDOW SESSIONS_FULL NOT_LEADER NO_QUORUM "
           "OVERLOADED BAD_REQUEST BAD_VERSION WRONG_CLUSTER BAD_VERB "
           "DISK_FULL TOO_EARLY").split()


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    table = CRC
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def seal(datagram):
    """The same bytes with the right CRC."""
    bare = datagram[:4] + b"\0\0\0\0" + datagram[8:]
    return bare[:4] + struct.pack("<I", crc32c(bare)) + bare[8:]


def datagram(body, kind=REQUEST, flags=0, cluster=0, version=VERSION, magic=MAGIC, size=None):
    size = HEADER + len(body) if size is None else size
    return seal(struct.pack("<IIBBHIQ16x", magic, 0, version, kind, flags, size, cluster) + body)


def head(session=0, secret=0, number=1, segment=0, segments=1, configuration=0, missing=0,
         version=0):
    return struct.pack("<IIQQQQHH", configuration, missing, session, secret, number, version,
                       segment, segments)


def message(verb, path=b"", value=b"", condition=0, rev=0, limit=0, ttl_ms=0, first=0, seen=0,
            after=b""):
    return (struct.pack("<BBHIQQq", verb, condition, limit, ttl_ms, first, seen, rev) +
            struct.pack("<H", len(path)) + path + struct.pack("<H", len(after)) + after +
            struct.pack("<I", len(value)) + value)


def request(text, flags=0, cluster=0, **heads):
    """One datagram for a message that fits."""
    return datagram(head(**heads) + text, flags=flags, cluster=cluster)


class Answer:
    """A decoded answer of one segment, or a repair note (`missing` is not 0)."""

    def __init__(self, data):
        (magic, _, self.version, self.kind, self.flags, size, self.cluster) = \
            struct.unpack_from("<IIBBHIQ", data)
        if magic != MAGIC or size != len(data) or seal(data) != data:
            raise ValueError("not a whole datagram")
        (self.configuration, self.missing, self.head_session, _, self.number, self.rev_of,
         self.segment, self.segments) = struct.unpack_from("<IIQQQQHH", data, HEADER)
        text = data[HEADER + HEAD:]
        self.answer = None
        self.piece = text
        if self.segments == 1:
            (self.verb, answer, self.node, self.leader, self.role, self.durability, self.marks,
             self.revision, self.store_revision, self.session, self.ttl_ms, self.children,
             self.count, value_size) = struct.unpack_from("<BBBBBBHqqQIIII", text)
            self.answer = ANSWERS[answer]
            self.value = text[48:48 + value_size]

    def entries(self):
        """(revision, is_directory, name) of a page."""
        page, found = self.value, []
        while page:
            revision, is_directory, size = struct.unpack_from("<qBH", page)
            found.append((revision, bool(is_directory), page[11:11 + size]))
            page = page[11 + size:]
        return found


class Speaker:
    """A socket that says whatever it likes to one server."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.number = 1000

    def close(self):
        self.socket.close()

    def send(self, data):
        while True:
            try:
                self.socket.sendto(data, self.address)
                return
            except BlockingIOError:
                time.sleep(0.0005)  # the kernel's own queue is full
            except ConnectionRefusedError:
                continue

    def receive(self, limit_s):
        """The next datagram, or None."""
        self.socket.settimeout(max(limit_s, 0.001))
        try:
            return self.socket.recv(65536)
        except (TimeoutError, BlockingIOError):
            return None
        finally:
            self.socket.setblocking(False)

    def ask(self, data, number, limit_s=10):
        """Sends until an answer with this number comes."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self.send(data)
            again = time.monotonic() + 0.25
            while time.monotonic() < again:
                came = self.receive(again - time.monotonic())
                if came is None:
                    break
                answer = Answer(came)
                if answer.number == number:
                    return answer
        return None

    def ask_new(self, text, limit_s=10, flags=0, cluster=0, **heads):
        """Asks with a number of its own."""
        self.number += 1
        heads.setdefault("number", self.number)
        return self.ask(request(text, flags, cluster, **heads), heads["number"], limit_s)

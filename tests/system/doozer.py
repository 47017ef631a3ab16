# SPDX-License-Identifier: Apache-2.0
"""Doozer's wire, written for the tests alone: frames, captured cases, a client."""

import pathlib
import re
import socket
import struct

VERBS = dict(GET=1, SET=2, DEL=3, REV=5, WAIT=6, NOP=7, WALK=9, GETDIR=14, STAT=16, SELF=20,
             ACCESS=99)
REQUEST = dict(tag=1, verb=2, path=4, value=5, other_tag=6, offset=7, rev=9)
RESPONSE = {1: "tag", 2: "flags", 3: "rev", 5: "path", 6: "value", 8: "len", 100: "err_code",
            101: "err_detail"}
DATA = pathlib.Path(__file__).parent.parent / "doozer"
REV_FIELD = {">": 9, "<": 3}
SECTION = re.compile(r"^# (.*)$", re.M)


def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def fields(message):
    """(number, wire type, value) of each field; ValueError if it is no message."""
    at, out = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            if at == len(message):
                raise ValueError
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            value = number()
            out.append((key >> 3, 0, value - (1 << 64) if value >> 63 else value))
        elif key & 7 == 2:
            size = number()
            out.append((key >> 3, 2, message[at:at + size]))
            at += size
        else:
            raise ValueError
    return out


def message(parts):
    return b"".join(varint(number << 3 | wire) + (varint(value) if wire == 0 else
                                                  varint(len(value)) + value)
                    for number, wire, value in parts)


def frame(body):
    return struct.pack(">I", len(body)) + body


def request(verb=None, **named):
    if verb is not None:
        named["verb"] = VERBS.get(verb, verb)
    parts = []
    for name, number in REQUEST.items():
        value = named.get(name)
        if isinstance(value, str):
            value = value.encode()
        if value is not None:
            parts.append((number, 0 if isinstance(value, int) else 2, value))
    return frame(message(parts))


def answer(body):
    return {RESPONSE[number]: value for number, _, value in fields(body)}


class Connection:
    """With an ssl.SSLContext as `tls`: over that."""

    def __init__(self, address, limit_s=20, tls=None):
        self.socket = socket.create_connection(address, limit_s)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)
        self.limit_s = limit_s

    def send(self, data):
        self.socket.sendall(data)

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read(self, limit_s=None):
        """A frame; None: nothing came in time; b"": closed."""
        self.socket.settimeout(self.limit_s if limit_s is None else limit_s)
        try:
            head = self.take(4)
            return head + self.take(struct.unpack(">I", head)[0])
        except socket.timeout:
            return None
        except (EOFError, ConnectionResetError):
            return b""

    def call(self, verb, **named):
        self.send(request(verb, **{"tag": 1, **named}))
        reply = self.read()
        return answer(reply[4:]) if reply else reply

    def close(self):
        self.socket.close()


class Case:
    def __init__(self, name, lines):
        self.name = name
        found = {line[0]: line[2:] for line in lines if line[:2] in ("> ", "< ", "= ")}
        self.is_cut = "..." in found.get(">", "") or "..." in found.get("<", "")
        self.request = b"" if self.is_cut else bytes.fromhex(found.get(">", ""))
        told = found.get("<", "")
        self.is_silent = told.startswith("(no reply")
        self.is_closed = told.startswith("(connection closed")
        self.reply = b"" if self.is_cut or told.startswith("(") else bytes.fromhex(told)


def cases(name):
    """{section: [Case]} of a captured file, in its order."""
    out, section, lines = {}, None, []

    def end():
        if lines:
            out.setdefault(section, []).append(Case(lines[0][3:], lines[1:]))
            lines.clear()

    for line in (DATA / name).read_text().split("\n"):
        if line.startswith("## "):
            end()
            lines.append(line)
        elif line.startswith("# "):
            end()
            section = line[2:]
        elif lines:
            lines.append(line)
    end()
    return out

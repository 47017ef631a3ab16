#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   an ethdev port answers ARP, ICMP echo and clients, and drops any other frame, counted by
        its reason and by nothing else.
Method: one server whose port (--driver: net_af_packet or net_af_xdp) is one end of a veth; the test
        writes frames into the other end by a raw socket, one wrong in one way each, and then two
        pings, one after the other. When the first comes back, the frame was dealt with; when the
        second does, all that was said to it is out. Nothing else may have come, and exactly one
        counter may have grown, by one. Needs root."""

import os
import pathlib
import socket
import struct

import harness
import wire
from cluster import PORT, Veth
from harness import check, libc

MTU = 3000  # so that the kernel lets a frame pass that is longer than a port's buffer
SERVER, CLIENT, STRANGER = "10.77.0.1", "10.77.0.50", "10.77.0.51"
CLIENT_PORT = 40000
EVERYBODY = b"\xff" * 6
IPV4, ARP, IPV6, VLAN, VLAN_SERVICE = 0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8
ICMP, TCP, UDP = 1, 6, 17
MORE_FRAGMENTS, DONT_FRAGMENT = 0x2000, 0x4000
CLONE_NEWNET = 0x40000000
LIMIT_S = 20


def ones_sum(data):
    """RFC 1071, so that a header with its right sum gives 0."""
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip4(payload, protocol=UDP, source=CLIENT, target=SERVER, fragment=DONT_FRAGMENT, ttl=64,
        version=4, options=b"", size=None, spoil=0, ident=1):
    words = 5 + len(options) // 4
    size = 4 * words + len(payload) if size is None else size
    head = struct.pack(">BBHHHBBH4s4s", version << 4 | words, 0, size, ident, fragment, ttl,
                       protocol, 0, socket.inet_aton(source), socket.inet_aton(target)) + options
    return head[:10] + struct.pack(">H", ones_sum(head) ^ spoil) + head[12:] + payload


def pseudo(size, source, target):
    return socket.inet_aton(source) + socket.inet_aton(target) + struct.pack(">BBH", 0, UDP, size)


def udp(payload, port=PORT, source_port=CLIENT_PORT, size=None, source=CLIENT, target=SERVER,
        spoil=0, has_sum=True):
    size = 8 + len(payload) if size is None else size
    head = struct.pack(">HHHH", source_port, port, size, 0)
    total = ones_sum(pseudo(size, source, target) + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", total ^ spoil if has_sum else 0) + payload


def echo(number, kind=8, spoil=0, payload=b"coffer" * 4):
    head = struct.pack(">BBHHH", kind, 0, 0, 77, number)
    return head[:2] + struct.pack(">H", ones_sum(head + payload) ^ spoil) + head[4:] + payload


class Port:
    """The raw end of the veth, and the server at the other one."""

    def __init__(self, tools):
        self.tools = tools
        self.driver = tools.options.driver or "af_packet"
        self.cluster = Veth(tools, 1, self.driver, direct_mtu=MTU).up()
        self.socket = self.open_socket()
        tools.undo.append(self.socket.close)
        self.mac = self.mac_of(self.cluster.hub, "p1")
        self.server_mac = self.mac_of(self.cluster.namespace(1), "veth0")
        self.number = 0
        self.counted = self.counters()

    def open_socket(self):
        """In the namespace of the other end; the test itself stays where it is."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        away = os.open(f"/run/netns/{self.cluster.hub}", os.O_RDONLY)
        try:
            check(libc.setns(away, CLONE_NEWNET) == 0, "the namespace is entered")
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
            raw.bind(("p1", 0))
        finally:
            check(libc.setns(home, CLONE_NEWNET) == 0, "the namespace is left")
            os.close(home)
            os.close(away)
        raw.settimeout(LIMIT_S)
        return raw

    def mac_of(self, namespace, device):
        done = self.tools.run(["ip", "netns", "exec", namespace, "cat",
                               f"/sys/class/net/{device}/address"])
        return bytes.fromhex(done.stdout.strip().replace(":", ""))

    def counters(self):
        """Everything that is dropped, and what a port answers by itself."""
        status = self.cluster.status(1)
        answered = {k: status["counters"][k] for k in ("arp_answered", "icmp_answered")}
        return {**status["drops"], **answered}

    def frame(self, payload, ethertype=IPV4, target=None, source=None):
        return (target or self.server_mac) + (source or self.mac) + \
            struct.pack(">H", ethertype) + payload

    def send(self, frame):
        self.socket.send(frame)

    def receive(self):
        """The next frame that came from the server."""
        while True:
            try:
                data, address = self.socket.recvfrom(65536)
            except TimeoutError:
                raise harness.Failed(f"no frame came within {LIMIT_S} s") from None
            if address[2] != 4:  # PACKET_OUTGOING: our own
                return data

    def ping(self):
        """Sends a ping and waits for its answer; returns the frames that came before it."""
        self.number += 1
        self.send(self.frame(ip4(echo(self.number), ICMP)))
        reply, came = echo(self.number, kind=0), []
        while True:
            frame = self.receive()
            if frame[34:34 + len(reply)] == reply:
                return came
            came.append(frame)

    def answers(self, *frames):
        """Sends frames; returns what is said to them."""
        for frame in frames:
            self.send(frame)
        return self.ping() + self.ping()

    def counts(self, what, **expected):
        """Since the last look these have grown, and nothing else."""
        before, self.counted = self.counted, self.counters()
        grown = {k: v - before[k] for k, v in self.counted.items() if v != before[k]}
        pings = grown.pop("icmp_answered", 0) - expected.pop("icmp_answered", 0)
        check(pings == 2, f"{what}: {pings} pings are counted")
        check(grown == expected, f"{what}: is to be counted as {expected}", grown)

    def drops(self, what, reason, *frames):
        """Each of the frames is counted once by this reason, nothing else is, none is answered."""
        came = self.answers(*frames)
        check(not came, f"{what} is answered", [f.hex() for f in came])
        self.counts(what, **{reason: len(frames)})

    def arp(self, operation=1, address=SERVER, sender=CLIENT, hardware=1, sizes=0x0604):
        return struct.pack(">HHHH6s4s6s4s", hardware, IPV4, sizes, operation, self.mac,
                           socket.inet_aton(sender), bytes(6), socket.inet_aton(address))


def get(number, path=b"/a"):
    return wire.request(wire.message(wire.GET, path), number=number)


def test_arp_requests_are_answered(tools):
    port = Port(tools)
    for target in (EVERYBODY, port.server_mac):
        came = port.answers(port.frame(port.arp(), ARP, target))
        check(len(came) == 1, "one answer", came)
        answer = port.mac + port.server_mac + struct.pack(
            ">HHHHH6s4s6s4s", ARP, 1, IPV4, 0x0604, 2, port.server_mac,
            socket.inet_aton(SERVER), port.mac, socket.inet_aton(CLIENT))
        check(came[0][:len(answer)] == answer, "the answer", came[0].hex())
        port.counts("ARP", arp_answered=1)
    port.cluster.down()


def test_pings_are_answered(tools):
    port = Port(tools)
    for size in (0, 1, 56, 1472):
        text = echo(500, payload=os.urandom(size))
        came = port.answers(port.frame(ip4(text, ICMP, ident=7)))
        check(len(came) == 1, "one answer", came)
        frame = came[0]
        check(frame[:14] == port.mac + port.server_mac + b"\x08\0", "Ethernet", frame.hex())
        check(frame[26:34] == socket.inet_aton(SERVER) + socket.inet_aton(CLIENT), "from, to")
        icmp = frame[34:34 + len(text)]
        check(ones_sum(frame[14:34]) == 0 and ones_sum(icmp) == 0, "sums", frame.hex())
        check(icmp[0] == 0 and icmp[4:] == text[4:], "the same bytes come back", frame.hex())
        port.counts("a ping", icmp_answered=1)
    port.cluster.down()


def test_good_requests_are_answered(tools):
    port = Port(tools)
    ways = {
        "plain": ip4(udp(get(1))),
        "padded": ip4(udp(get(2))) + bytes(13),
        "without a sum": ip4(udp(get(3), has_sum=False)),
        "with options": ip4(udp(get(4)), options=b"\x01" * 8),
        "from another host": ip4(udp(get(5), source=STRANGER), source=STRANGER),
    }
    for number, (way, packet) in enumerate(ways.items(), 1):
        came = port.answers(port.frame(packet))
        check(len(came) == 1, f"{way}: one answer", came)
        frame = came[0]
        size = struct.unpack(">H", frame[16:18])[0]
        datagram, who = frame[34:14 + size], socket.inet_ntoa(frame[30:34])
        check(frame[:12] == port.mac + port.server_mac, f"{way}: MACs", frame.hex())
        check(who == (STRANGER if number == 5 else CLIENT), f"{way}: to {who}")
        check(struct.unpack(">HH", datagram[:4]) == (PORT, CLIENT_PORT), f"{way}: ports")
        check(ones_sum(frame[14:34]) == 0, f"{way}: the header's sum")
        check(ones_sum(pseudo(size - 20, SERVER, who) + datagram) == 0, f"{way}: the UDP sum")
        answer = wire.Answer(datagram[8:])
        check((answer.number, answer.answer) == (number, "NOT_FOUND"), way, answer.answer)
        port.counts(way)
    port.cluster.down()


def test_wrong_frames_are_dropped_and_counted(tools):
    port = Port(tools)
    good = udp(get(1))
    packet = ip4(good)

    def drops(reason, what, payload, *ethernet, **addresses):
        port.drops(what, f"drop_{reason}", port.frame(payload, *ethernet, **addresses))

    drops("ethertype", "IPv6", bytes(40), IPV6)
    drops("ethertype", "an old Ethernet", bytes(46), 46)
    for vlan, what in ((VLAN, "a VLAN"), (VLAN_SERVICE, "a provider's VLAN")):
        for tag in (0, 5, 0x6005):
            drops("ethertype", f"{what}, tag {tag}", struct.pack(">HH", tag, IPV4) + packet, vlan)
    drops("address", "another MAC", packet, target=b"\x02" + port.server_mac[1:5] + b"\x99")
    drops("address", "everybody's MAC", packet, target=EVERYBODY)
    drops("address", "a group as sender", packet, source=b"\x01\0\x5e\0\0\1")
    drops("address", "nobody as sender", packet, source=bytes(6))
    drops("address", "another host", ip4(udp(get(1), target=STRANGER), target=STRANGER))
    for source in ("0.0.0.1", "224.0.0.1", "255.255.255.255"):
        drops("address", f"from {source}", ip4(udp(get(1), source=source), source=source))
    drops("address", "a ping to another host", ip4(echo(1), ICMP, target=STRANGER))
    drops("address", "ARP for another host", port.arp(address=STRANGER), ARP, EVERYBODY)
    drops("arp", "ARP: another operation", port.arp(operation=7), ARP)
    drops("arp", "ARP: another hardware", port.arp(hardware=6), ARP)
    drops("arp", "ARP: other sizes", port.arp(sizes=0x0606), ARP)
    drops("arp", "ARP: our own address as sender", port.arp(sender=SERVER), ARP)
    drops("ip_header", "another version", ip4(good, version=6))
    drops("ip_header", "a header of 16 bytes", b"\x44" + packet[1:])
    drops("ip_header", "a wrong sum", ip4(good, spoil=0x100))
    drops("ip_header", "no time to live", ip4(good, ttl=0))
    drops("protocol", "TCP", ip4(bytes(20), TCP))
    drops("protocol", "a ping's answer", ip4(echo(1, kind=0), ICMP))
    drops("protocol", "a ping with a wrong sum", ip4(echo(1, spoil=1), ICMP))
    drops("udp_port", "another port", ip4(udp(get(1), port=PORT + 1)))
    drops("udp_port", "no port to answer to", ip4(udp(get(1), source_port=0)))
    drops("udp_sum", "a wrong UDP sum", ip4(udp(get(1), spoil=0x8001)))
    port.cluster.down()


def test_truncated_and_long_frames_are_dropped_and_counted(tools):
    port = Port(tools)
    good = udp(get(1))
    packet = ip4(good)
    for size in (0, 1, 19, 20, 27, 28, len(packet) - 1):
        port.drops(f"{size} bytes of a packet", "drop_short", port.frame(packet[:size]))
    port.drops("a header over the packet", "drop_short", port.frame(b"\x4f" + packet[1:50]))
    port.drops("a length under the header's", "drop_short", port.frame(ip4(good, size=19)))
    port.drops("UDP over IP", "drop_short", port.frame(ip4(udp(get(1), size=len(good) + 1))))
    port.drops("UDP under its header", "drop_short", port.frame(ip4(udp(get(1), size=7))))
    port.drops("a short ping", "drop_short", port.frame(ip4(echo(1)[:7], ICMP)))
    port.drops("short ARP", "drop_short", port.frame(port.arp()[:27], ARP))
    for size in (wire.SIZE_MAX + 1, 1472, 1600):
        port.drops(f"a datagram of {size} bytes", "long",
                   port.frame(ip4(udp(wire.datagram(bytes(size - wire.HEADER))))))
    # af_packet hands over as much as its buffer holds; af_xdp's kernel side drops the frame.
    port.drops("a frame over the port's buffer",
               "drop_port" if port.driver == "af_xdp" else "drop_short",
               port.frame(ip4(udp(bytes(MTU - 28)))))
    port.cluster.down()


def test_fragments_are_dropped_and_counted(tools):
    """But for af_packet, whose driver asks the kernel to put fragments together (its sockets have
    PACKET_FANOUT_FLAG_DEFRAG): a lone one never leaves the kernel, all of them come as one frame
    without a fragment's marks, and are answered as such."""
    port = Port(tools)
    whole = udp(get(9))
    half = len(whole) // 16 * 8
    first = port.frame(ip4(whole[:half], fragment=MORE_FRAGMENTS, ident=5))
    last = port.frame(ip4(whole[half:], fragment=half // 8, ident=5))
    if port.driver == "af_xdp":
        port.drops("the first fragment", "drop_fragment", first)
        port.drops("the last fragment", "drop_fragment", last)
        port.drops("two fragments", "drop_fragment", first, last)
    else:
        check(not port.answers(first), "a fragment is answered")
        port.counts("a fragment that the kernel keeps")
        came = port.answers(last)
        check(len(came) == 1 and wire.Answer(came[0][42:]).number == 9, "the whole is answered")
        port.counts("the whole")
    port.cluster.down()


if __name__ == "__main__":
    harness.run([test_arp_requests_are_answered, test_pings_are_answered,
                 test_good_requests_are_answered, test_wrong_frames_are_dropped_and_counted,
                 test_truncated_and_long_frames_are_dropped_and_counted,
                 test_fragments_are_dropped_and_counted])

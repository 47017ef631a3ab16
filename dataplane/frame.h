/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * frame.h - Ethernet, IPv4, UDP, ARP, ICMP echo: frames to fields and back
 *
 *      0         14          34        42
 *      Ethernet  IPv4 20-60  UDP 8     payload: one Coffer datagram
 *      Ethernet  IPv4 20     ICMP echo request or reply
 *      Ethernet  ARP 28
 *
 * IPv4 only, untagged, no fragments. Addresses and ports are in host order once parsed. What is
 * parsed borrows from the frame.
 *
 * The sum of an IP header is always verified. A UDP sum is verified when asked: kernels hand
 * frames of their own machine over with the pseudo-header's sum only (CHECKSUM_PARTIAL), which
 * is told apart here; and Coffer datagrams have a CRC of their own.
 *
 * Pure. Sources: RFC 791, 768, 826, 792, 1071 (the sum).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/limits.h"

enum {
	DP_MAC_SIZE = 6,
	DP_ETHERNET_SIZE = 14,
	DP_IPV4_SIZE = 20,
	DP_UDP_SIZE = 8,
	DP_HEADERS_SIZE = DP_ETHERNET_SIZE + DP_IPV4_SIZE + DP_UDP_SIZE,
	DP_ARP_SIZE = DP_ETHERNET_SIZE + 28,
	DP_FRAME_SIZE_MAX = DP_HEADERS_SIZE + STORE_DATAGRAM_SIZE_MAX, /* of what we build */
};

struct dp_mac {
	uint8_t bytes[DP_MAC_SIZE];
};

enum dp_frame_kind {
	DP_FRAME_UDP = 1,
	DP_FRAME_ARP,
	DP_FRAME_ECHO, /* an ICMP echo request */
};

/* Why a frame was not taken; each has a counter in counters.h. */
enum dp_frame_fault {
	DP_FRAME_GOOD = 0,
	DP_FRAME_SHORT,     /* less than its headers, or than the lengths they name */
	DP_FRAME_ETHERTYPE, /* neither IPv4 nor ARP */
	DP_FRAME_IP_HEADER, /* version, length, sum, time to live */
	DP_FRAME_FRAGMENT,
	DP_FRAME_PROTOCOL, /* neither UDP nor an ICMP echo request in good order */
	DP_FRAME_ADDRESS,  /* from an address nobody can have: group, broadcast, zero */
	DP_FRAME_BAD_ARP,
	DP_FRAME_FAULT_COUNT
};

enum dp_frame_operation {
	DP_ARP_REQUEST = 1,
	DP_ARP_REPLY = 2,
};

struct dp_frame {
	enum dp_frame_kind kind;
	struct dp_mac source_mac, target_mac; /* of the Ethernet header */
	uint32_t source, target;              /* IPv4; ARP: the protocol addresses */
	uint16_t source_port, target_port;    /* UDP */
	uint16_t udp_sum;                     /* UDP: as it stands in the frame */
	struct slice payload;                 /* UDP: behind its header; ECHO: the ICMP message */
	struct slice udp;                     /* UDP: header and payload */
	uint16_t operation;                   /* ARP: enum dp_frame_operation */
	struct dp_mac sender_mac;             /* ARP */
};

enum dp_frame_fault dp_frame_parse(struct slice bytes, struct dp_frame *ret_frame);

enum dp_sum {
	DP_SUM_GOOD = 0,
	DP_SUM_NONE,    /* the sender made none */
	DP_SUM_PARTIAL, /* the pseudo-header's only: from a kernel of this machine */
	DP_SUM_BAD,
};

/* Verifies the UDP sum of a frame that dp_frame_parse() found to be UDP. */
enum dp_sum dp_frame_udp_sum(const struct dp_frame *frame);

/* From whom to whom. */
struct dp_way {
	struct dp_mac source_mac, target_mac;
	uint32_t source, target;
	uint16_t source_port, target_port;
};

enum {
	DP_OFFLOAD_IP_SUM = 1,  /* the port fills in the IP header's sum: leave zero */
	DP_OFFLOAD_UDP_SUM = 2, /* the port finishes the UDP sum: leave the pseudo-header's */
};

/*
 * Builds a frame around a datagram of at most STORE_DATAGRAM_SIZE_MAX bytes (must).
 * memory   DP_FRAME_SIZE_MAX bytes are always enough
 * offload  bits of DP_OFFLOAD_
 * Returns the frame's size. Short frames are not padded: the port does that.
 */
size_t dp_frame_build_udp(void *memory, const struct dp_way *way, struct slice payload,
                          unsigned offload);

/* Builds an ARP frame from us (source) to a neighbour (target), DP_ARP_SIZE bytes. */
size_t dp_frame_build_arp(void *memory, enum dp_frame_operation operation,
                          const struct dp_way *way);

/* Turns an echo request, as dp_frame_parse() took it, into its reply, in place. */
void dp_frame_turn_echo(void *memory, size_t size);

/* True for the address of one station: neither a group's nor zero. */
bool dp_mac_is_one(const struct dp_mac *mac);

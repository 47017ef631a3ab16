/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/frame.h"

#include "store/base/check.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ARP_ETHERNET = 1,
	IP_ICMP = 1,
	IP_UDP = 17,
	IP_TTL = 64,
	IP_DONT_FRAGMENT = 0x4000,
	IP_MORE_FRAGMENTS = 0x2000,
	IP_FRAGMENT_OFFSET = 0x1fff,
	ICMP_ECHO_REPLY = 0,
	ICMP_ECHO = 8,
	ICMP_SIZE_MIN = 8,
};

/* Where fields stand, from the start of their header. */
enum {
	ETHERNET_TYPE = 12,
	IP_LENGTH = 2,
	IP_FRAGMENT = 6,
	IP_TIME = 8,
	IP_PROTOCOL = 9,
	IP_SUM = 10,
	IP_SOURCE = 12,
	IP_TARGET = 16,
	UDP_TARGET = 2,
	UDP_LENGTH = 4,
	UDP_SUM = 6,
	ICMP_SUM = 2,
	ARP_PROTOCOL = 2,
	ARP_SIZES = 4,
	ARP_OPERATION = 6,
	ARP_SENDER_MAC = 8,
	ARP_SENDER = 14,
	ARP_TARGET_MAC = 18,
	ARP_TARGET = 24,
};

static_assert(DP_FRAME_SIZE_MAX <= 1514, "what we build fits an ordinary Ethernet frame");

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

static void put16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void put32(uint8_t *bytes, uint32_t value)
{
	put16(bytes, (uint16_t)(value >> 16));
	put16(bytes + 2, (uint16_t)value);
}

static struct dp_mac get_mac(const uint8_t *bytes)
{
	struct dp_mac mac;

	memcpy(mac.bytes, bytes, sizeof(mac.bytes));
	return mac;
}

static void put_mac(uint8_t *bytes, const struct dp_mac *mac)
{
	memcpy(bytes, mac->bytes, sizeof(mac->bytes));
}

bool dp_mac_is_one(const struct dp_mac *mac)
{
	static const struct dp_mac zero;

	return (mac->bytes[0] & 1) == 0 && memcmp(mac, &zero, sizeof(zero)) != 0;
}

/* --- sums ------------------------------------------------------------------------------------ */

/*
 * Ones' complement sum in the machine's byte order, 4 bytes at a time: RFC 1071 2 (B), (C). At
 * most 2^16 bytes, so the 64-bit sum cannot overflow.
 */
static uint64_t sum_of(struct slice bytes, uint64_t sum)
{
	const uint8_t *next = bytes.data;
	size_t left = bytes.size;

	for (; left >= 4; left -= 4, next += 4) {
		uint32_t word;

		memcpy(&word, next, sizeof(word));
		sum += word;
	}
	if (left != 0) {
		uint32_t word = 0;

		memcpy(&word, next, left);
		sum += word;
	}
	return sum;
}

/* As it would be read from the frame: in network order. */
static uint16_t fold(uint64_t sum)
{
	uint8_t bytes[2];
	uint16_t folded;

	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	folded = (uint16_t)sum;
	memcpy(bytes, &folded, sizeof(bytes));
	return get16(bytes);
}

/* RFC 768: addresses, zero, protocol, length of the UDP header and payload. */
static uint64_t pseudo_sum(uint32_t source, uint32_t target, size_t udp_size)
{
	uint8_t header[12];

	put32(header, source);
	put32(header + 4, target);
	put16(header + 8, IP_UDP);
	put16(header + 10, (uint16_t)udp_size);
	return sum_of(slice_make(header, sizeof(header)), 0);
}

enum dp_sum dp_frame_udp_sum(const struct dp_frame *frame)
{
	const uint64_t pseudo = pseudo_sum(frame->source, frame->target, frame->udp.size);

	must(frame->kind == DP_FRAME_UDP);
	if (frame->udp_sum == 0) {
		return DP_SUM_NONE;
	}
	if (fold(sum_of(frame->udp, pseudo)) == UINT16_MAX) {
		return DP_SUM_GOOD;
	}
	return frame->udp_sum == fold(pseudo) ? DP_SUM_PARTIAL : DP_SUM_BAD;
}

/* --- parse ----------------------------------------------------------------------------------- */

static enum dp_frame_fault parse_arp(struct slice bytes, struct dp_frame *frame)
{
	const uint8_t *arp = bytes.data + DP_ETHERNET_SIZE;

	if (bytes.size < DP_ARP_SIZE) {
		return DP_FRAME_SHORT;
	}
	frame->kind = DP_FRAME_ARP;
	frame->operation = get16(arp + ARP_OPERATION);
	frame->sender_mac = get_mac(arp + ARP_SENDER_MAC);
	frame->source = get32(arp + ARP_SENDER);
	frame->target = get32(arp + ARP_TARGET);
	if (get16(arp) != ARP_ETHERNET || get16(arp + ARP_PROTOCOL) != ETHERTYPE_IPV4 ||
	    get16(arp + ARP_SIZES) != (DP_MAC_SIZE << 8 | 4) ||
	    (frame->operation != DP_ARP_REQUEST && frame->operation != DP_ARP_REPLY) ||
	    !dp_mac_is_one(&frame->sender_mac)) {
		return DP_FRAME_BAD_ARP;
	}
	return DP_FRAME_GOOD;
}

static enum dp_frame_fault parse_udp(struct slice bytes, struct dp_frame *frame)
{
	size_t size;

	if (bytes.size < DP_UDP_SIZE) {
		return DP_FRAME_SHORT;
	}
	size = get16(bytes.data + UDP_LENGTH);
	if (size < DP_UDP_SIZE || size > bytes.size) {
		return DP_FRAME_SHORT;
	}
	frame->kind = DP_FRAME_UDP;
	frame->source_port = get16(bytes.data);
	frame->target_port = get16(bytes.data + UDP_TARGET);
	frame->udp_sum = get16(bytes.data + UDP_SUM);
	frame->udp = slice_make(bytes.data, size);
	frame->payload = slice_make(bytes.data + DP_UDP_SIZE, size - DP_UDP_SIZE);
	return DP_FRAME_GOOD;
}

static enum dp_frame_fault parse_icmp(struct slice bytes, size_t header_size,
                                      struct dp_frame *frame)
{
	if (bytes.size < ICMP_SIZE_MIN) {
		return DP_FRAME_SHORT;
	}
	/* An answer to IP options (a route given by the sender) is nobody's business. */
	if (get16(bytes.data) != ICMP_ECHO << 8 || header_size != DP_IPV4_SIZE ||
	    fold(sum_of(bytes, 0)) != UINT16_MAX) {
		return DP_FRAME_PROTOCOL;
	}
	frame->kind = DP_FRAME_ECHO;
	frame->payload = bytes;
	return DP_FRAME_GOOD;
}

/* True for what may stand as the source of a datagram that is to be answered. */
static bool is_one_host(uint32_t address)
{
	return address >> 24 != 0 && address >> 28 < 0xe;
}

static enum dp_frame_fault parse_ipv4(struct slice bytes, struct dp_frame *frame)
{
	const uint8_t *ip = bytes.data + DP_ETHERNET_SIZE;
	const size_t room = bytes.size - DP_ETHERNET_SIZE;
	size_t header_size, size;

	if (room < DP_IPV4_SIZE) {
		return DP_FRAME_SHORT;
	}
	header_size = (size_t)(ip[0] & 15) * 4;
	size = get16(ip + IP_LENGTH);
	if (ip[0] >> 4 != 4 || header_size < DP_IPV4_SIZE) {
		return DP_FRAME_IP_HEADER;
	}
	if (header_size > size || size > room) {
		return DP_FRAME_SHORT;
	}
	if (fold(sum_of(slice_make(ip, header_size), 0)) != UINT16_MAX || ip[IP_TIME] == 0) {
		return DP_FRAME_IP_HEADER;
	}
	if ((get16(ip + IP_FRAGMENT) & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET)) != 0) {
		return DP_FRAME_FRAGMENT;
	}
	frame->source = get32(ip + IP_SOURCE);
	frame->target = get32(ip + IP_TARGET);
	if (!is_one_host(frame->source)) {
		return DP_FRAME_ADDRESS;
	}
	if (ip[IP_PROTOCOL] == IP_UDP) {
		return parse_udp(slice_make(ip + header_size, size - header_size), frame);
	}
	if (ip[IP_PROTOCOL] == IP_ICMP) {
		return parse_icmp(slice_make(ip + header_size, size - header_size), header_size,
		                  frame);
	}
	return DP_FRAME_PROTOCOL;
}

enum dp_frame_fault dp_frame_parse(struct slice bytes, struct dp_frame *ret_frame)
{
	struct dp_frame frame = {0};
	enum dp_frame_fault fault;

	if (bytes.size < DP_ETHERNET_SIZE) {
		return DP_FRAME_SHORT;
	}
	frame.target_mac = get_mac(bytes.data);
	frame.source_mac = get_mac(bytes.data + DP_MAC_SIZE);
	if (!dp_mac_is_one(&frame.source_mac)) {
		return DP_FRAME_ADDRESS;
	}
	switch (get16(bytes.data + ETHERNET_TYPE)) {
	case ETHERTYPE_IPV4:
		fault = parse_ipv4(bytes, &frame);
		break;
	case ETHERTYPE_ARP:
		fault = parse_arp(bytes, &frame);
		break;
	default:
		fault = DP_FRAME_ETHERTYPE;
		break;
	}
	if (fault == DP_FRAME_GOOD) {
		*ret_frame = frame;
	}
	return fault;
}

/* --- build ----------------------------------------------------------------------------------- */

static void build_ethernet(uint8_t *frame, const struct dp_way *way, uint16_t type)
{
	put_mac(frame, &way->target_mac);
	put_mac(frame + DP_MAC_SIZE, &way->source_mac);
	put16(frame + ETHERNET_TYPE, type);
}

static void build_ipv4(uint8_t *ip, const struct dp_way *way, size_t size, unsigned offload)
{
	memset(ip, 0, DP_IPV4_SIZE);
	ip[0] = 4 << 4 | DP_IPV4_SIZE / 4;
	put16(ip + IP_LENGTH, (uint16_t)size);
	put16(ip + IP_FRAGMENT, IP_DONT_FRAGMENT);
	ip[IP_TIME] = IP_TTL;
	ip[IP_PROTOCOL] = IP_UDP;
	put32(ip + IP_SOURCE, way->source);
	put32(ip + IP_TARGET, way->target);
	if ((offload & DP_OFFLOAD_IP_SUM) == 0) {
		put16(ip + IP_SUM, (uint16_t)~fold(sum_of(slice_make(ip, DP_IPV4_SIZE), 0)));
	}
}

size_t dp_frame_build_udp(void *memory, const struct dp_way *way, struct slice payload,
                          unsigned offload)
{
	uint8_t *frame = memory;
	uint8_t *ip = frame + DP_ETHERNET_SIZE;
	uint8_t *udp = ip + DP_IPV4_SIZE;
	const size_t udp_size = DP_UDP_SIZE + payload.size;
	const uint64_t pseudo = pseudo_sum(way->source, way->target, udp_size);
	uint16_t sum;

	must(payload.size <= STORE_DATAGRAM_SIZE_MAX);
	build_ethernet(frame, way, ETHERTYPE_IPV4);
	build_ipv4(ip, way, DP_IPV4_SIZE + udp_size, offload);
	put16(udp, way->source_port);
	put16(udp + UDP_TARGET, way->target_port);
	put16(udp + UDP_LENGTH, (uint16_t)udp_size);
	put16(udp + UDP_SUM, 0);
	if (payload.size != 0) {
		memcpy(udp + DP_UDP_SIZE, payload.data, payload.size);
	}
	if ((offload & DP_OFFLOAD_UDP_SUM) != 0) {
		put16(udp + UDP_SUM, fold(pseudo));
	} else {
		sum = (uint16_t)~fold(sum_of(slice_make(udp, udp_size), pseudo));
		put16(udp + UDP_SUM, sum == 0 ? UINT16_MAX : sum); /* zero means "none" */
	}
	return DP_ETHERNET_SIZE + DP_IPV4_SIZE + udp_size;
}

size_t dp_frame_build_arp(void *memory, enum dp_frame_operation operation, const struct dp_way *way)
{
	static const struct dp_mac nobody;
	uint8_t *frame = memory;
	uint8_t *arp = frame + DP_ETHERNET_SIZE;

	build_ethernet(frame, way, ETHERTYPE_ARP);
	put16(arp, ARP_ETHERNET);
	put16(arp + ARP_PROTOCOL, ETHERTYPE_IPV4);
	put16(arp + ARP_SIZES, DP_MAC_SIZE << 8 | 4);
	put16(arp + ARP_OPERATION, (uint16_t)operation);
	put_mac(arp + ARP_SENDER_MAC, &way->source_mac);
	put32(arp + ARP_SENDER, way->source);
	put_mac(arp + ARP_TARGET_MAC, operation == DP_ARP_REPLY ? &way->target_mac : &nobody);
	put32(arp + ARP_TARGET, way->target);
	return DP_ARP_SIZE;
}

void dp_frame_turn_echo(void *memory, size_t size)
{
	uint8_t *frame = memory;
	uint8_t *ip = frame + DP_ETHERNET_SIZE;
	uint8_t *icmp = ip + DP_IPV4_SIZE;
	const struct dp_mac target_mac = get_mac(frame);
	const struct dp_mac source_mac = get_mac(frame + DP_MAC_SIZE);
	const uint32_t source = get32(ip + IP_SOURCE);
	const uint32_t target = get32(ip + IP_TARGET);
	const size_t icmp_size = get16(ip + IP_LENGTH) - (size_t)DP_IPV4_SIZE;

	must(size >= DP_ETHERNET_SIZE + DP_IPV4_SIZE + ICMP_SIZE_MIN);
	must(ip[0] == (4 << 4 | DP_IPV4_SIZE / 4));
	must(icmp[0] == ICMP_ECHO);
	must(icmp_size <= size - DP_ETHERNET_SIZE - DP_IPV4_SIZE);
	put_mac(frame, &source_mac);
	put_mac(frame + DP_MAC_SIZE, &target_mac);
	ip[IP_TIME] = IP_TTL;
	put32(ip + IP_SOURCE, target);
	put32(ip + IP_TARGET, source);
	put16(ip + IP_SUM, 0);
	put16(ip + IP_SUM, (uint16_t)~fold(sum_of(slice_make(ip, DP_IPV4_SIZE), 0)));
	icmp[0] = ICMP_ECHO_REPLY;
	put16(icmp + ICMP_SUM, 0);
	put16(icmp + ICMP_SUM, (uint16_t)~fold(sum_of(slice_make(icmp, icmp_size), 0)));
}

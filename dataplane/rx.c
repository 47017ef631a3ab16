/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/rx.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "store/base/check.h"

enum {
	PREFETCH_AHEAD = 3,
};

static void drop(struct dp_rx *rx, enum dp_counter why)
{
	dp_count(rx->tx->counters, why, 1);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned dp_rx_burst(struct dp_rx *rx)
{
	struct dp_tx *tx = rx->tx;

	rx->count = dp_pass_take(tx->pass, rx->worker, rx->mbufs, DP_BURST_PORT);
	memset(rx->ports, DP_RX_INBOX, rx->count);
	for (unsigned i = 0; i < tx->port_count && rx->count < DP_BURST_MAX; i++) {
		const unsigned index = (rx->next + i) % tx->port_count;
		struct dp_port *port = &tx->ports[index];
		unsigned count;

		if (!dp_port_is_read_by(port, rx->worker)) {
			continue;
		}
		count = dp_port_receive(port, rx->worker, rx->mbufs + rx->count,
		                        least(DP_BURST_PORT, DP_BURST_MAX - rx->count),
		                        tx->counters);
		memset(rx->ports + rx->count, (int)index, count);
		rx->count += count;
		dp_count(tx->counters, DP_RX_FRAMES, count);
	}
	rx->next = rx->next + 1 < tx->port_count ? rx->next + 1 : 0;
	for (unsigned i = 0; i < least(PREFETCH_AHEAD, rx->count); i++) {
		rte_prefetch0(rte_pktmbuf_mtod(rx->mbufs[i], void *));
	}
	return rx->count;
}

struct rte_mbuf *dp_rx_keep(struct dp_rx *rx, unsigned i)
{
	struct rte_mbuf *mbuf = rx->mbufs[i];

	must(mbuf != NULL);
	rx->mbufs[i] = NULL;
	return mbuf;
}

void dp_rx_free(struct dp_rx *rx)
{
	rte_pktmbuf_free_bulk(rx->mbufs, rx->count);
	rx->count = 0;
}

bool dp_rx_is_waiting(const struct dp_rx *rx)
{
	const struct dp_tx *tx = rx->tx;

	for (unsigned i = 0; i < tx->port_count; i++) {
		const struct dp_port *port = &tx->ports[i];

		if (port->kind == DP_PORT_LINK && port->owner == rx->worker &&
		    !dp_link_is_empty(port->link)) {
			return true;
		}
	}
	return !dp_pass_is_empty(tx->pass, rx->worker);
}

static struct slice bytes_of(struct rte_mbuf *mbuf)
{
	return slice_make(rte_pktmbuf_mtod(mbuf, void *), rte_pktmbuf_data_len(mbuf));
}

/* --- frames of an ethdev --------------------------------------------------------------------- */

static void on_arp(struct dp_rx *rx, unsigned index, uint64_t now_ns, const struct dp_frame *frame)
{
	struct dp_arp *arp = &rx->tx->ports[index].arp;
	uint8_t answer[DP_ARP_SIZE];

	switch (dp_arp_receive(arp, now_ns, frame, answer)) {
	case DP_ARP_ANSWER:
		dp_tx_frame_bytes(rx->tx, index, slice_make(answer, sizeof(answer)));
		drop(rx, DP_ARP_ANSWERED);
		break;
	case DP_ARP_NOT_OURS:
		drop(rx, DP_DROP_ADDRESS);
		break;
	case DP_ARP_BAD:
		drop(rx, DP_DROP_ARP);
		break;
	case DP_ARP_LEARNED:
		break;
	}
}

/* Worker 0 owns the tables: the frame goes there, and is parsed again. */
static void pass_arp(struct dp_rx *rx, unsigned i, unsigned index)
{
	struct rte_mbuf *mbuf = rx->mbufs[i];

	*dp_pass_mark(mbuf) = (struct dp_pass_mark){.kind = DP_PASS_FRAME, .port = index};
	if (dp_pass_put(rx->tx->pass, 0, mbuf)) {
		(void)dp_rx_keep(rx, i);
	} else {
		drop(rx, DP_DROP_RING);
	}
}

static void on_echo(struct dp_rx *rx, unsigned i, unsigned index, const struct dp_frame *frame)
{
	struct rte_mbuf *mbuf = rx->mbufs[i];
	const struct dp_arp *arp = &rx->tx->ports[index].arp;

	if (memcmp(&frame->target_mac, &arp->mac, sizeof(arp->mac)) != 0 ||
	    frame->target != arp->address) {
		drop(rx, DP_DROP_ADDRESS);
		return;
	}
	dp_frame_turn_echo(rte_pktmbuf_mtod(mbuf, void *), rte_pktmbuf_data_len(mbuf));
	mbuf->ol_flags = 0;
	dp_tx_frame(rx->tx, index, dp_rx_keep(rx, i));
	drop(rx, DP_ICMP_ANSWERED);
}

/* The member that has this address and port. */
static int find_peer(const struct dp_tx *tx, uint32_t address, uint16_t udp_port)
{
	for (int i = 0; i < STORE_NODES_MAX; i++) {
		if (tx->routes[i].address == address && tx->routes[i].udp_port == udp_port &&
		    tx->routes[i].port >= 0) {
			return i;
		}
	}
	return PAXOS_NOBODY;
}

/* True if neither the port nor we find the UDP sum wrong. */
static bool has_good_sum(const struct rte_mbuf *mbuf, const struct dp_frame *frame)
{
	switch (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
		return true;
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return false;
	default:
		return dp_frame_udp_sum(frame) != DP_SUM_BAD;
	}
}

static bool on_udp(struct dp_rx *rx, const struct rte_mbuf *mbuf, unsigned index,
                   const struct dp_frame *frame, struct dp_packet *ret_packet)
{
	const struct dp_arp *arp = &rx->tx->ports[index].arp;
	const struct dp_address address = {
		.port = (uint8_t)index,
		.mac = frame->source_mac,
		.address = frame->source,
		.udp_port = frame->source_port,
		.kind = DP_PORT_ETHDEV,
	};

	if (memcmp(&frame->target_mac, &arp->mac, sizeof(arp->mac)) != 0 ||
	    frame->target != arp->address) {
		drop(rx, DP_DROP_ADDRESS);
		return false;
	}
	if (frame->target_port != rx->tx->udp_port || frame->source_port == 0) {
		drop(rx, DP_DROP_UDP_PORT);
		return false;
	}
	if (!has_good_sum(mbuf, frame)) {
		drop(rx, DP_DROP_UDP_SUM);
		return false;
	}
	ret_packet->bytes = frame->payload;
	ret_packet->source.peer = find_peer(rx->tx, frame->source, frame->source_port);
	ret_packet->source.address = dp_address_pack(&address);
	return true;
}

static enum dp_counter reason_of(enum dp_frame_fault fault)
{
	static const enum dp_counter reasons[DP_FRAME_FAULT_COUNT] = {
		[DP_FRAME_SHORT] = DP_DROP_SHORT,         [DP_FRAME_ETHERTYPE] = DP_DROP_ETHERTYPE,
		[DP_FRAME_IP_HEADER] = DP_DROP_IP_HEADER, [DP_FRAME_FRAGMENT] = DP_DROP_FRAGMENT,
		[DP_FRAME_PROTOCOL] = DP_DROP_PROTOCOL,   [DP_FRAME_ADDRESS] = DP_DROP_ADDRESS,
		[DP_FRAME_BAD_ARP] = DP_DROP_ARP,
	};

	must(fault != DP_FRAME_GOOD);
	must(fault < DP_FRAME_FAULT_COUNT);
	return reasons[fault];
}

static bool open_frame(struct dp_rx *rx, unsigned i, unsigned index, uint64_t now_ns,
                       struct dp_packet *ret_packet)
{
	struct rte_mbuf *mbuf = rx->mbufs[i];
	struct dp_frame frame;
	enum dp_frame_fault fault;

	/* A frame in several pieces is longer than anything we speak. */
	if (mbuf->nb_segs != 1) {
		drop(rx, DP_DROP_FRAGMENT);
		return false;
	}
	fault = dp_frame_parse(bytes_of(mbuf), &frame);
	if (fault != DP_FRAME_GOOD) {
		drop(rx, reason_of(fault));
		return false;
	}
	switch (frame.kind) {
	case DP_FRAME_UDP:
		return on_udp(rx, mbuf, index, &frame, ret_packet);
	case DP_FRAME_ECHO:
		on_echo(rx, i, index, &frame);
		return false;
	case DP_FRAME_ARP:
		if (rx->worker != 0) {
			pass_arp(rx, i, index);
		} else {
			on_arp(rx, index, now_ns, &frame);
		}
		return false;
	}
	return false;
}

/* --- all of them ----------------------------------------------------------------------------- */

static bool open_passed(struct dp_rx *rx, unsigned i, uint64_t now_ns, struct dp_packet *ret_packet)
{
	struct rte_mbuf *mbuf = rx->mbufs[i];
	const struct dp_pass_mark *mark = dp_pass_mark(mbuf);

	switch (mark->kind) {
	case DP_PASS_DATAGRAM:
		ret_packet->bytes = bytes_of(mbuf);
		ret_packet->source = mark->source;
		return true;
	case DP_PASS_FRAME:
		return open_frame(rx, i, mark->port, now_ns, ret_packet);
	case DP_PASS_REPLY:
		dp_tx_link(rx->tx, mark->port, bytes_of(mbuf));
		return false;
	}
	return false;
}

bool dp_rx_open(struct dp_rx *rx, unsigned i, uint64_t now_ns, struct dp_packet *ret_packet)
{
	struct dp_address address = {.kind = DP_PORT_LINK};
	const unsigned index = rx->ports[i];

	must(i < rx->count);
	if (i + PREFETCH_AHEAD < rx->count) {
		rte_prefetch0(rte_pktmbuf_mtod(rx->mbufs[i + PREFETCH_AHEAD], void *));
	}
	if (index == DP_RX_INBOX) {
		return open_passed(rx, i, now_ns, ret_packet);
	}
	dp_count(rx->tx->counters, DP_RX_BYTES, rte_pktmbuf_pkt_len(rx->mbufs[i]));
	if (rx->tx->ports[index].kind == DP_PORT_ETHDEV) {
		return open_frame(rx, i, index, now_ns, ret_packet);
	}
	address.port = (uint8_t)index;
	ret_packet->bytes = bytes_of(rx->mbufs[i]);
	ret_packet->source.peer = rx->tx->ports[index].peer;
	ret_packet->source.address = dp_address_pack(&address);
	return true;
}

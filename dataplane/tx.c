/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tx.h"

#include <string.h>

#include <rte_mbuf.h>

#include "store/base/check.h"

static_assert(sizeof(struct dp_address) == sizeof(struct paxos_address), "one is the other");
static_assert(offsetof(struct dp_address, kind) == sizeof(struct paxos_address) - 1,
              "the last byte tells a worker's address from mail's");
static_assert(DP_PORTS_MAX <= 32, "touched ports are bits of a word");

struct paxos_address dp_address_pack(const struct dp_address *address)
{
	struct paxos_address packed;

	memcpy(&packed, address, sizeof(packed));
	return packed;
}

struct dp_address dp_address_unpack(const struct paxos_address *packed)
{
	struct dp_address address;

	memcpy(&address, packed, sizeof(address));
	return address;
}

/* --- routes ---------------------------------------------------------------------------------- */

static int find_link(const struct dp_tx *tx, unsigned peer)
{
	for (unsigned i = 0; i < tx->port_count; i++) {
		if (tx->ports[i].kind == DP_PORT_LINK && tx->ports[i].peer == (int)peer) {
			return (int)i;
		}
	}
	return -1;
}

static int find_ethdev(const struct dp_tx *tx, uint32_t address)
{
	int by_gateway = -1;

	for (unsigned i = 0; i < tx->port_count && address != 0; i++) {
		const struct dp_arp *arp = &tx->ports[i].arp;

		if (tx->ports[i].kind != DP_PORT_ETHDEV) {
			continue;
		}
		if ((address & arp->mask) == (arp->address & arp->mask)) {
			return (int)i;
		}
		if (arp->gateway != 0 && by_gateway < 0) {
			by_gateway = (int)i;
		}
	}
	return by_gateway;
}

void dp_tx_find_routes(struct dp_tx *tx, const struct dp_config *config)
{
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		struct dp_route *route = &tx->routes[i];

		*route = (struct dp_route){.port = -1};
		if (i >= config->count || i == config->node) {
			continue;
		}
		route->address = config->peers[i].address;
		route->udp_port = config->peers[i].port;
		route->is_given = true;
		route->port = find_link(tx, i);
		if (route->port < 0) {
			route->port = find_ethdev(tx, route->address);
		}
	}
}

void dp_tx_learn(struct dp_tx *tx, unsigned peer, struct store_address at)
{
	struct dp_route *route = &tx->routes[peer];

	must(peer < STORE_NODES_MAX);
	if (route->is_given) {
		return;
	}
	*route = (struct dp_route){
		.port = find_ethdev(tx, at.ip), .address = at.ip, .udp_port = at.port};
}

/* --- ethdev ---------------------------------------------------------------------------------- */

static void send_backlog(struct dp_tx *tx, unsigned port)
{
	struct dp_backlog *backlog = &tx->backlogs[port];
	const unsigned sent =
		dp_port_send(&tx->ports[port], tx->worker, backlog->mbufs, backlog->count);

	backlog->count -= sent;
	if (sent != 0 && backlog->count != 0) {
		memmove(backlog->mbufs, backlog->mbufs + sent,
		        backlog->count * sizeof(backlog->mbufs[0]));
	}
	dp_count(tx->counters, DP_TX_FRAMES, sent);
}

void dp_tx_frame(struct dp_tx *tx, unsigned port, struct rte_mbuf *mbuf)
{
	struct dp_backlog *backlog = &tx->backlogs[port];

	must(port < tx->port_count);
	if (backlog->count >= DP_BACKLOG_BURST) {
		send_backlog(tx, port);
	}
	if (backlog->count == DP_BACKLOG_MAX) {
		dp_count(tx->counters, DP_DROP_TX_FULL, 1);
		rte_pktmbuf_free(mbuf);
		return;
	}
	dp_count(tx->counters, DP_TX_BYTES, rte_pktmbuf_pkt_len(mbuf));
	backlog->mbufs[backlog->count++] = mbuf;
	tx->touched |= 1u << port;
}

/* An mbuf with room for `size` bytes, or NULL, counted. */
static struct rte_mbuf *make_mbuf(struct dp_tx *tx, struct rte_mempool *pool)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	if (mbuf == NULL) {
		dp_count(tx->counters, DP_DROP_NO_MBUF, 1);
	}
	return mbuf;
}

static void set_size(struct rte_mbuf *mbuf, size_t size)
{
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = (uint32_t)size;
}

void dp_tx_frame_bytes(struct dp_tx *tx, unsigned port, struct slice bytes)
{
	struct rte_mbuf *mbuf = make_mbuf(tx, tx->ports[port].mbufs);

	must(bytes.size <= DP_FRAME_SIZE_MAX);
	if (mbuf != NULL) {
		memcpy(rte_pktmbuf_mtod(mbuf, void *), bytes.data, bytes.size);
		set_size(mbuf, bytes.size);
		dp_tx_frame(tx, port, mbuf);
	}
}

static void send_udp(struct dp_tx *tx, unsigned index, const struct dp_mac *mac, uint32_t address,
                     uint16_t udp_port, struct slice bytes)
{
	struct dp_port *port = &tx->ports[index];
	struct rte_mbuf *mbuf = make_mbuf(tx, port->mbufs);
	const struct dp_way way = {
		.source_mac = port->arp.mac,
		.target_mac = *mac,
		.source = port->arp.address,
		.target = address,
		.source_port = tx->udp_port,
		.target_port = udp_port,
	};

	if (mbuf == NULL) {
		return;
	}
	set_size(mbuf,
	         dp_frame_build_udp(rte_pktmbuf_mtod(mbuf, void *), &way, bytes, port->offload));
	if (port->offload != 0) {
		mbuf->ol_flags |=
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
		mbuf->l2_len = DP_ETHERNET_SIZE;
		mbuf->l3_len = DP_IPV4_SIZE;
	}
	dp_tx_frame(tx, index, mbuf);
}

/* --- links ----------------------------------------------------------------------------------- */

void dp_tx_link(struct dp_tx *tx, unsigned port, struct slice bytes)
{
	must(port < tx->port_count);
	must(tx->ports[port].owner == tx->worker);
	if (!dp_link_put(tx->ports[port].link, bytes)) {
		dp_count(tx->counters, DP_DROP_TX_FULL, 1);
		return;
	}
	dp_count(tx->counters, DP_TX_FRAMES, 1);
	dp_count(tx->counters, DP_TX_BYTES, bytes.size);
	tx->touched |= 1u << port;
}

static void pass_reply(struct dp_tx *tx, unsigned port, struct slice bytes)
{
	struct rte_mbuf *mbuf = make_mbuf(tx, tx->mbufs);

	if (mbuf == NULL) {
		return;
	}
	memcpy(rte_pktmbuf_mtod(mbuf, void *), bytes.data, bytes.size);
	set_size(mbuf, bytes.size);
	*dp_pass_mark(mbuf) = (struct dp_pass_mark){.kind = DP_PASS_REPLY, .port = port};
	if (!dp_pass_put(tx->pass, tx->ports[port].owner, mbuf)) {
		dp_count(tx->counters, DP_DROP_RING, 1);
		rte_pktmbuf_free(mbuf);
	}
}

/* --- effects --------------------------------------------------------------------------------- */

void dp_tx_send(struct dp_tx *tx, uint64_t now_ns, unsigned peer, struct slice bytes)
{
	const struct dp_route *route = &tx->routes[peer];
	struct dp_mac mac;

	must(peer < STORE_NODES_MAX);
	if (route->port < 0) {
		dp_count(tx->counters, DP_DROP_NO_NEIGHBOUR, 1);
		return;
	}
	if (tx->ports[route->port].kind == DP_PORT_LINK) {
		dp_tx_link(tx, (unsigned)route->port, bytes);
		return;
	}
	if (!dp_arp_find(&tx->ports[route->port].arp, now_ns, route->address, &mac)) {
		dp_count(tx->counters, DP_DROP_NO_NEIGHBOUR, 1);
		return;
	}
	send_udp(tx, (unsigned)route->port, &mac, route->address, route->udp_port, bytes);
}

void dp_tx_reply(struct dp_tx *tx, const struct paxos_address *address, struct slice bytes)
{
	const struct dp_address client = dp_address_unpack(address);

	must(client.port < tx->port_count);
	must(client.kind == tx->ports[client.port].kind);
	if (client.kind == DP_PORT_ETHDEV) {
		send_udp(tx, client.port, &client.mac, client.address, client.udp_port, bytes);
	} else if (tx->ports[client.port].owner == tx->worker) {
		dp_tx_link(tx, client.port, bytes);
	} else {
		pass_reply(tx, client.port, bytes);
	}
}

void dp_tx_burst(struct dp_tx *tx)
{
	for (uint32_t left = tx->touched; left != 0; left &= left - 1) {
		const unsigned port = (unsigned)__builtin_ctz(left);

		if (tx->ports[port].kind == DP_PORT_LINK) {
			dp_link_flush(tx->ports[port].link);
		} else {
			send_backlog(tx, port);
		}
		if (tx->backlogs[port].count == 0) {
			tx->touched &= ~(1u << port);
		}
	}
}

bool dp_tx_has_backlog(const struct dp_tx *tx)
{
	return tx->touched != 0;
}

void dp_tx_close(struct dp_tx *tx)
{
	for (unsigned i = 0; i < DP_PORTS_MAX; i++) {
		rte_pktmbuf_free_bulk(tx->backlogs[i].mbufs, tx->backlogs[i].count);
		tx->backlogs[i].count = 0;
	}
}

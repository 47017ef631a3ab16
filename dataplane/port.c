/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/port.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "store/base/check.h"

enum {
	DESCRIPTORS = 1024,
	/*
	 * af_xdp keeps 4,096 in its fill queue and as many may wait to be sent; the rest is for
	 * bursts, rings and caches.
	 */
	MBUFS = 4096 + 4096 - 1,
	MBUFS_FOR_A_QUEUE = 2 * DESCRIPTORS,
	NAME_SIZE = 64,
};

#define RECEIVE_OFFLOADS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define SEND_OFFLOADS    (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define SPREAD           (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP)

bool dp_port_is_pci(const char *device)
{
	static const char pattern[] = "xxxx:xx:xx.x";
	size_t i;

	for (i = 0; pattern[i] != '\0'; i++) {
		if (pattern[i] == 'x' ? !isxdigit((unsigned char)device[i])
		                      : device[i] != pattern[i]) {
			return false;
		}
	}
	return device[i] == '\0' || device[i] == ',';
}

/* --- ethdev ---------------------------------------------------------------------------------- */

/* "net_af_packet0,iface=veth1": the device is made now. A PCI one was found by EAL. */
static int find_device(const struct dp_port_config *config, uint16_t *ret_id)
{
	const char *comma = strchr(config->device, ',');
	char name[NAME_SIZE];
	int r;

	(void)snprintf(
		name, sizeof(name), "%.*s",
		(int)(comma == NULL ? strlen(config->device) : (size_t)(comma - config->device)),
		config->device);
	if (!dp_port_is_pci(config->device)) {
		r = rte_eal_hotplug_add("vdev", name, comma == NULL ? "" : comma + 1);
		if (r < 0) {
			return r;
		}
	}
	return rte_eth_dev_get_port_by_name(name, ret_id);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int make_pool(struct dp_port *port)
{
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof(name), "dp_port%u", port->index);
	port->mbufs = rte_pktmbuf_pool_create(
		name, MBUFS + MBUFS_FOR_A_QUEUE * (port->queue_count - 1), DP_MBUF_CACHE,
		DP_MBUF_PRIVATE_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return port->mbufs == NULL ? -rte_errno : 0;
}

static int configure(struct dp_port *port, const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf device = {0};

	if (port->queue_count > 1) {
		device.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		device.rx_adv_conf.rss_conf.rss_hf = SPREAD & info->flow_type_rss_offloads;
	}
	device.rxmode.offloads = RECEIVE_OFFLOADS & info->rx_offload_capa;
	if ((info->tx_offload_capa & SEND_OFFLOADS) == SEND_OFFLOADS) {
		device.txmode.offloads = SEND_OFFLOADS;
		port->offload = DP_OFFLOAD_IP_SUM | DP_OFFLOAD_UDP_SUM;
	}
	return rte_eth_dev_configure(port->id, (uint16_t)port->queue_count,
	                             (uint16_t)port->queue_count, &device);
}

static int set_up_queues(struct dp_port *port)
{
	uint16_t receive = DESCRIPTORS, send = DESCRIPTORS;
	int r;

	r = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &receive, &send);
	for (uint16_t i = 0; i < port->queue_count && r >= 0; i++) {
		r = rte_eth_rx_queue_setup(port->id, i, receive, (unsigned)SOCKET_ID_ANY, NULL,
		                           port->mbufs);
		if (r >= 0) {
			r = rte_eth_tx_queue_setup(port->id, i, send, (unsigned)SOCKET_ID_ANY,
			                           NULL);
		}
	}
	return r;
}

static int start_device(struct dp_port *port, unsigned worker_count)
{
	struct rte_eth_dev_info info;
	int r;

	r = rte_eth_dev_info_get(port->id, &info);
	if (r < 0) {
		return r;
	}
	port->queue_count = least(worker_count, least(info.max_rx_queues, info.max_tx_queues));
	if (port->queue_count == 0) {
		return -ENODEV;
	}
	r = make_pool(port);
	if (r < 0) {
		return r;
	}
	r = configure(port, &info);
	if (r < 0) {
		return r;
	}
	r = set_up_queues(port);
	if (r < 0) {
		return r;
	}
	return rte_eth_dev_start(port->id);
}

static void close_ethdev(struct dp_port *port)
{
	if (port->is_started) {
		(void)rte_eth_dev_stop(port->id);
	}
	(void)rte_eth_dev_close(port->id);
	rte_mempool_free(port->mbufs);
}

static int open_ethdev(struct dp_port *port, const struct dp_port_config *config,
                       unsigned worker_count)
{
	struct rte_ether_addr mac;
	struct dp_mac own;
	int r;

	r = find_device(config, &port->id);
	if (r < 0) {
		return r;
	}
	r = start_device(port, worker_count);
	if (r < 0) {
		goto close;
	}
	port->is_started = true;
	r = rte_eth_macaddr_get(port->id, &mac);
	if (r < 0) {
		goto close;
	}
	memcpy(own.bytes, mac.addr_bytes, sizeof(own.bytes));
	dp_arp_init(&port->arp, &own, config->address, config->prefix, config->gateway);
	return 0;

close:
	close_ethdev(port);
	return r;
}

/* --- both kinds ------------------------------------------------------------------------------ */

static int open_link(struct dp_port *port, const struct dp_port_config *config,
                     unsigned worker_count)
{
	port->peer = config->peer;
	port->owner = config->peer != PAXOS_NOBODY || worker_count == 1
	                      ? 0
	                      : 1 + port->index % (worker_count - 1);
	return dp_link_open(&port->link, config->device, config->second);
}

static const char *advice(const struct dp_port *port, int r)
{
	if (port->kind == DP_PORT_LINK && r == -EBUSY) {
		return ": another process holds this end; stop it, or name another file";
	}
	if (port->kind == DP_PORT_LINK && r == -EPROTO) {
		return ": the process at the other end has another layout; use the same version";
	}
	return "";
}

int dp_port_open(struct dp_port *port, const struct dp_port_config *config, unsigned index,
                 unsigned worker_count, struct rte_mempool *mbufs, char reason[DP_REASON_SIZE])
{
	int r;

	*port = (struct dp_port){
		.kind = config->kind,
		.index = index,
		.peer = PAXOS_NOBODY,
	};
	if (config->kind == DP_PORT_LINK) {
		port->mbufs = mbufs;
		r = open_link(port, config, worker_count);
		if (r < 0) {
			(void)snprintf(reason, DP_REASON_SIZE, "port %u, link %.100s: %s%s",
			               index + 1, config->device, strerror(-r), advice(port, r));
		}
	} else {
		r = open_ethdev(port, config, worker_count);
		if (r < 0) {
			(void)snprintf(reason, DP_REASON_SIZE,
			               "port %u, ethdev %.60s: %s; DPDK says: %.100s", index + 1,
			               config->device, strerror(-r), dp_eal_error());
		}
	}
	if (r < 0) {
		*port = (struct dp_port){0};
	}
	return r;
}

void dp_port_close(struct dp_port *port)
{
	if (port->kind == DP_PORT_LINK) {
		dp_link_close(port->link);
	} else if (port->kind == DP_PORT_ETHDEV) {
		close_ethdev(port);
	}
	*port = (struct dp_port){0};
}

bool dp_port_is_read_by(const struct dp_port *port, unsigned worker)
{
	return port->kind == DP_PORT_LINK ? worker == port->owner : worker < port->queue_count;
}

static unsigned receive_from_link(struct dp_port *port, struct rte_mbuf **ret_mbufs, unsigned max,
                                  struct dp_counters *counters)
{
	unsigned count = 0;

	while (count < max && !dp_link_is_empty(port->link)) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->mbufs);
		size_t size;

		if (mbuf == NULL) {
			dp_count(counters, DP_DROP_NO_MBUF, 1); /* it stays where it is */
			break;
		}
		size = dp_link_get(port->link, rte_pktmbuf_mtod(mbuf, void *));
		if (size == 0) {
			rte_pktmbuf_free(mbuf);
			break;
		}
		mbuf->data_len = (uint16_t)size;
		mbuf->pkt_len = (uint32_t)size;
		ret_mbufs[count++] = mbuf;
	}
	return count;
}

unsigned dp_port_receive(struct dp_port *port, unsigned worker, struct rte_mbuf **ret_mbufs,
                         unsigned max, struct dp_counters *counters)
{
	if (port->kind == DP_PORT_LINK) {
		return receive_from_link(port, ret_mbufs, max, counters);
	}
	return rte_eth_rx_burst(port->id, (uint16_t)worker, ret_mbufs, (uint16_t)max);
}

unsigned dp_port_send(struct dp_port *port, unsigned worker, struct rte_mbuf **mbufs,
                      unsigned count)
{
	must(port->kind == DP_PORT_ETHDEV);
	return rte_eth_tx_burst(port->id, (uint16_t)worker, mbufs, (uint16_t)count);
}

uint64_t dp_port_lost(const struct dp_port *port)
{
	struct rte_eth_stats lost;

	if (port->kind != DP_PORT_ETHDEV || rte_eth_stats_get(port->id, &lost) != 0) {
		return 0;
	}
	return lost.imissed + lost.ierrors + lost.rx_nombuf;
}

void dp_port_look_after(struct dp_port *port, struct dp_counters *counters)
{
	struct dp_link_counters counted;

	must(port->kind == DP_PORT_LINK);
	(void)dp_link_heal(port->link); /* what failed now is tried again in a second */
	dp_link_counters(port->link, &counted);
	dp_count(counters, DP_DROP_LINK, counted.damaged - port->damaged_seen);
	dp_count(counters, DP_HEALED, counted.healed - port->healed_seen);
	port->damaged_seen = counted.damaged;
	port->healed_seen = counted.healed;
}

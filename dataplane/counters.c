/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/counters.h"

#include <stddef.h>

#include "store/base/check.h"

static const char *const texts[DP_COUNTER_COUNT] = {
	[DP_RX_FRAMES] = "rx_frames",
	[DP_RX_BYTES] = "rx_bytes",
	[DP_TX_FRAMES] = "tx_frames",
	[DP_TX_BYTES] = "tx_bytes",
	[DP_DROP_SHORT] = "drop_short",
	[DP_DROP_ETHERTYPE] = "drop_ethertype",
	[DP_DROP_IP_HEADER] = "drop_ip_header",
	[DP_DROP_FRAGMENT] = "drop_fragment",
	[DP_DROP_PROTOCOL] = "drop_protocol",
	[DP_DROP_ADDRESS] = "drop_address",
	[DP_DROP_UDP_PORT] = "drop_udp_port",
	[DP_DROP_UDP_SUM] = "drop_udp_sum",
	[DP_DROP_ARP] = "drop_arp",
	[DP_DROP_NO_NEIGHBOUR] = "drop_no_neighbour",
	[DP_DROP_NO_MBUF] = "drop_no_mbuf",
	[DP_DROP_LINK] = "drop_link",
	[DP_DROP_RING] = "drop_ring",
	[DP_DROP_TX_FULL] = "drop_tx_full",
	[DP_DROP_PORT] = "drop_port",
	[DP_ARP_ANSWERED] = "arp_answered",
	[DP_ICMP_ANSWERED] = "icmp_answered",
	[DP_PASSED] = "passed",
	[DP_READS] = "reads",
	[DP_WATCHES] = "watches",
	[DP_WATCH_ASKS] = "watch_asks",
	[DP_WATCH_EVENTS] = "watch_events",
	[DP_WATCH_PAGES] = "watch_pages",
	[DP_WATCH_RESENT] = "watch_resent",
	[DP_WATCH_TOO_LATE] = "watch_too_late",
	[DP_WATCH_FULL] = "watch_full",
	[DP_WATCH_EXPIRED] = "watch_expired",
	[DP_TURNS] = "turns",
	[DP_TURNS_EMPTY] = "turns_empty",
	[DP_SLEEPS] = "sleeps",
	[DP_WAKES] = "wakes",
	[DP_HEALED] = "healed",
	[DP_POLL_GAP_MAX_NS] = "poll_gap_max_ns",
	[DP_POLL_GAP_NS] = "poll_gap_ns",
};

const char *dp_counter_text(enum dp_counter counter)
{
	must(counter < DP_COUNTER_COUNT);
	must(texts[counter] != NULL);
	return texts[counter];
}

void dp_counters_add(uint64_t totals[DP_COUNTER_COUNT], const struct dp_counters *counters)
{
	for (enum dp_counter i = 0; i < DP_COUNTER_COUNT; i++) {
		const uint64_t value = dp_counted(counters, i);

		if (i != DP_POLL_GAP_MAX_NS && i != DP_POLL_GAP_NS) {
			totals[i] += value;
		} else if (value > totals[i]) {
			totals[i] = value;
		}
	}
}

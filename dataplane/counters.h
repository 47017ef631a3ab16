/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * counters.h - what one worker counts; one for each reason a frame was dropped
 *
 * Threads: one writer, the worker; any reader, who may be late. Values stand on lines of their own,
 *          so that a reader costs the writer nothing but a miss.
 */

#include <stdatomic.h>
#include <stdint.h>

/* One for each reason a frame was dropped, and what else is counted; names in dp_counter_text(). */
enum dp_counter {
	DP_RX_FRAMES = 0,
	DP_RX_BYTES,
	DP_TX_FRAMES,
	DP_TX_BYTES,
	DP_DROP_SHORT,     /* less than its headers */
	DP_DROP_ETHERTYPE, /* neither IPv4 nor ARP; a VLAN's tag too */
	DP_DROP_IP_HEADER, /* version, length, checksum, time to live */
	DP_DROP_FRAGMENT,
	DP_DROP_PROTOCOL,
	DP_DROP_ADDRESS, /* not for us */
	DP_DROP_UDP_PORT,
	DP_DROP_UDP_SUM,
	DP_DROP_ARP,
	DP_DROP_NO_NEIGHBOUR, /* we do not know the receiver's MAC yet; asked for */
	DP_DROP_NO_MBUF,
	DP_DROP_LINK,    /* a damaged slot of a shared-file link */
	DP_DROP_RING,    /* the ring between two workers is full */
	DP_DROP_TX_FULL, /* backlog or link full: freed, the peer asks again */
	DP_DROP_PORT,    /* lost by an ethdev or its driver: queue full, frame over its buffer */
	DP_ARP_ANSWERED,
	DP_ICMP_ANSWERED,
	DP_PASSED,  /* by a worker beyond 0 to worker 0 */
	DP_READS,   /* answered by a worker beyond 0; watches that were asked for, too */
	DP_WATCHES, /* kept now; this and the next, with the replica's: consensus/watches.h */
	DP_WATCH_ASKS,
	DP_WATCH_EVENTS,
	DP_WATCH_PAGES,
	DP_WATCH_RESENT,
	DP_WATCH_TOO_LATE,
	DP_WATCH_FULL,
	DP_WATCH_EXPIRED,
	DP_TURNS,
	DP_TURNS_EMPTY,
	DP_SLEEPS,
	DP_WAKES,           /* by a doorbell */
	DP_HEALED,          /* a link's file was gone or another, and opened again */
	DP_POLL_GAP_MAX_NS, /* largest gap between two turns, ever */
	DP_POLL_GAP_NS,     /* largest gap in the last second */
	DP_COUNTER_COUNT
};

/* "rx_frames" and so on. */
const char *dp_counter_text(enum dp_counter counter);

struct dp_counters {
	_Alignas(64) _Atomic uint64_t values[DP_COUNTER_COUNT];
};

static inline uint64_t dp_counted(const struct dp_counters *counters, enum dp_counter counter)
{
	return atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
}

/* Sets a value that does not only grow. */
static inline void dp_count_set(struct dp_counters *counters, enum dp_counter counter,
                                uint64_t value)
{
	atomic_store_explicit(&counters->values[counter], value, memory_order_relaxed);
}

/* One writer: no locked instruction is needed. */
static inline void dp_count(struct dp_counters *counters, enum dp_counter counter, uint64_t more)
{
	dp_count_set(counters, counter, dp_counted(counters, counter) + more);
}

/* Adds one worker's counters to the whole; of poll gaps the larger stays. */
void dp_counters_add(uint64_t totals[DP_COUNTER_COUNT], const struct dp_counters *counters);

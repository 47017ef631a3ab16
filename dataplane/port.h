/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * port.h - a place where datagrams come in and go out: an ethdev, or a shared-file link
 *
 *      ETHDEV  frames: Ethernet, IPv4, UDP. A queue for each worker as far as the device has them;
 *              worker i reads and writes queue i. Mbufs come from the port's own pool (af_xdp
 *              shares the pool's memory with the kernel).
 *      LINK    bare datagrams. One worker, the owner, reads and writes it: worker 0 for a peer's
 *              link, one of the others (if there are any) for a client's.
 *
 * Threads: opened and closed by the one that calls dp_start(). Then a queue, or a link, belongs to
 *          its worker; `arp` belongs to worker 0; the rest does not change.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane/arp.h"
#include "dataplane/config.h"
#include "dataplane/counters.h"
#include "dataplane/eal.h"
#include "dataplane/link.h"

struct dp_port {
	enum dp_port_kind kind;
	unsigned index;
	struct rte_mempool *mbufs; /* ETHDEV: owned; LINK: the workers' */
	/* LINK */
	struct dp_link *link; /* owned */
	int peer;
	unsigned owner;        /* the worker that reads and writes it */
	uint64_t damaged_seen; /* the owner's last look at the link's counters */
	uint64_t healed_seen;
	/* ETHDEV */
	uint16_t id;
	bool is_started;
	unsigned queue_count;
	unsigned offload; /* DP_OFFLOAD_ bits of what the port does when sending */
	struct dp_arp arp;
};

/* What an mbuf of ours carries beside the frame; see pass.h. */
enum {
	DP_MBUF_PRIVATE_SIZE = 64,
	DP_MBUF_CACHE = 256,
};

/* True if `device` is written as a PCI address, 0000:00:05.0. */
bool dp_port_is_pci(const char *device);

/*
 * Opens the port in the caller's memory.
 *
 * worker_count  queues wanted of an ethdev
 * mbufs         borrowed for the port's life: for what comes in by a link
 *
 * Returns 0, or a negative errno; then reason holds a sentence and nothing is open.
 */
int dp_port_open(struct dp_port *port, const struct dp_port_config *config, unsigned index,
                 unsigned worker_count, struct rte_mempool *mbufs, char reason[DP_REASON_SIZE]);

/* A zeroed port is fine. */
void dp_port_close(struct dp_port *port);

/* True if worker `worker` reads this port. */
bool dp_port_is_read_by(const struct dp_port *port, unsigned worker);

/*
 * Takes up to `max` frames (ETHDEV) or datagrams (LINK). The mbufs are given to the caller.
 * Returns how many.
 */
unsigned dp_port_receive(struct dp_port *port, unsigned worker, struct rte_mbuf **ret_mbufs,
                         unsigned max, struct dp_counters *counters);

/* ETHDEV: sends frames; takes the first n mbufs and returns n. Never blocks, never waits. */
unsigned dp_port_send(struct dp_port *port, unsigned worker, struct rte_mbuf **mbufs,
                      unsigned count);

/*
 * Frames that the device or its driver has lost before a worker could read them; 0 for a link. May
 * ask the device: not for a worker, and for one thread at a time.
 */
uint64_t dp_port_lost(const struct dp_port *port);

/* LINK: looks after the file (once a second is enough) and counts what the link has counted. */
void dp_port_look_after(struct dp_port *port, struct dp_counters *counters);

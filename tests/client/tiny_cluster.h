/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tiny_cluster.h - three real replicas in one thread, reached over UDP on 127.0.0.1
 *
 * For tests of what stands on the client's side of the wire. Peers hand each other datagrams
 * directly; what comes from and goes to clients may be lost by a seeded chance.
 *
 * Threads: one more than the caller's; the functions may be called from any.
 */

#include <stdint.h>

enum {
	TINY_SERVERS = 3
};

struct tiny_cluster;

/* Loses `loss_percent` of clients' datagrams each way. NULL: something of the system failed. */
struct tiny_cluster *tiny_cluster_new(unsigned loss_percent, uint64_t seed);
void tiny_cluster_free(struct tiny_cluster *cluster);

/* "127.0.0.1:port,...", in the order of the nodes. Good until the cluster is freed. */
const char *tiny_cluster_servers(const struct tiny_cluster *cluster);

/* Waits until some server leads and decides; its index. Aborts after ten seconds. */
unsigned tiny_cluster_leader(struct tiny_cluster *cluster);

/* From here on a server neither hears nor speaks. For good. */
void tiny_cluster_silence(struct tiny_cluster *cluster, unsigned server);

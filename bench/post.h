/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * post.h - datagrams to and from a few others, by kernel UDP or by shared-file links
 *
 *      post_put(post, peer, bytes) ... post_flush(post)         out, in one burst
 *      while (post_get(post, &peer, &bytes)) { ... }            in, never waits
 *
 * A peer is an index from 0. With kernel UDP there is one socket, taken and given by recvmmsg
 * and sendmmsg; a datagram from an address that is no peer's is dropped. With links there is one
 * link for each peer (dataplane/link.h). A datagram that cannot be sent is dropped and counted.
 *
 * Threads: one.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/rights.h"

enum {
	POST_PEERS_MAX = 16,
	POST_BURST = 64, /* datagrams in one system call */
	POST_PATH_SIZE_MAX = 256,
};

struct post_config {
	bool is_link;
	unsigned count;       /* of peers */
	struct store_key key; /* of who asks; for those who make the datagrams */
	/* kernel UDP */
	struct sockaddr_in own; /* port 0: any */
	struct sockaddr_in peers[POST_PEERS_MAX];
	/* links */
	char paths[POST_PEERS_MAX][POST_PATH_SIZE_MAX];
	bool second[POST_PEERS_MAX]; /* which end is ours */
};

struct post;

/* 0 or a negative errno. Given back to post_close(). */
int post_open(struct post **ret_post, const struct post_config *config);
/* NULL is fine. */
void post_close(struct post *post);

/* Copies `bytes`, at most STORE_DATAGRAM_SIZE_MAX (must), for the next flush. */
void post_put(struct post *post, unsigned peer, struct slice bytes);
void post_flush(struct post *post);

/* The next datagram, good until the next post_get(). False: there is none now. */
bool post_get(struct post *post, unsigned *ret_peer, struct slice *ret_bytes);

/* A peer whose host said that nobody listens there (kernel UDP only). False: no news. */
bool post_refused(struct post *post, unsigned *ret_peer);

/* Once a second is enough: links whose file was replaced are opened again. */
void post_heal(struct post *post);

/* Datagrams that were not sent because a buffer was full. */
uint64_t post_dropped(const struct post *post);

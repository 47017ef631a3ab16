/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/post.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/link.h"
#include "store/base/check.h"
#include "store/limits.h"

enum {
	BUFFER_BYTES = 8 << 20, /* of the socket; a burst of a thousand small datagrams fits */
};

/* One direction of the socket: a burst, as recvmmsg and sendmmsg want it. */
struct burst {
	unsigned count, next;
	struct mmsghdr messages[POST_BURST];
	struct iovec pieces[POST_BURST];
	struct sockaddr_in addresses[POST_BURST];
	uint8_t bytes[POST_BURST][STORE_DATAGRAM_SIZE_MAX];
};

struct post {
	struct post_config config;
	struct dp_link *links[POST_PEERS_MAX];
	unsigned turn; /* the link that is looked at next */
	int fd;
	uint64_t dropped;
	bool error_waits; /* the socket said something went wrong: look at its error queue */
	struct burst in, out;
};

static void burst_init(struct burst *burst)
{
	for (unsigned i = 0; i < POST_BURST; i++) {
		burst->pieces[i].iov_base = burst->bytes[i];
		burst->pieces[i].iov_len = STORE_DATAGRAM_SIZE_MAX;
		burst->messages[i].msg_hdr.msg_name = &burst->addresses[i];
		burst->messages[i].msg_hdr.msg_namelen = sizeof(burst->addresses[i]);
		burst->messages[i].msg_hdr.msg_iov = &burst->pieces[i];
		burst->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void set_buffers(int fd)
{
	const int size = BUFFER_BYTES;

	/* More than rmem_max needs a right; without it the kernel's own bound must do. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
}

static int open_socket(struct post *post)
{
	const struct post_config *config = &post->config;
	const int yes = 1;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0) {
		return -errno;
	}
	set_buffers(fd);
	if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes)) < 0 ||
	    (config->own.sin_port != 0 &&
	     bind(fd, (const struct sockaddr *)&config->own, sizeof(config->own)) < 0)) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	burst_init(&post->in);
	burst_init(&post->out);
	post->fd = fd;
	return 0;
}

int post_open(struct post **ret_post, const struct post_config *config)
{
	struct post *post;
	int r = 0;

	must(config->count >= 1);
	must(config->count <= POST_PEERS_MAX);
	post = calloc(1, sizeof(*post));
	if (post == NULL) {
		return -ENOMEM;
	}
	post->config = *config;
	post->fd = -1;
	if (!config->is_link) {
		r = open_socket(post);
	}
	for (unsigned i = 0; config->is_link && r == 0 && i < config->count; i++) {
		r = dp_link_open(&post->links[i], config->paths[i], config->second[i]);
	}
	if (r < 0) {
		post_close(post);
		return r;
	}
	*ret_post = post;
	return 0;
}

void post_close(struct post *post)
{
	if (post == NULL) {
		return;
	}
	for (unsigned i = 0; i < POST_PEERS_MAX; i++) {
		dp_link_close(post->links[i]);
	}
	if (post->fd >= 0) {
		(void)close(post->fd);
	}
	free(post);
}

/* --- kernel UDP ----------------------------------------------------------------------------- */

static void socket_flush(struct post *post)
{
	struct burst *out = &post->out;

	while (out->next < out->count) {
		const int sent = sendmmsg(post->fd, &out->messages[out->next],
		                          out->count - out->next, MSG_DONTWAIT);

		if (sent > 0) {
			out->next += (unsigned)sent;
			continue;
		}
		/*
		 * An error of an earlier datagram is told here and clears itself; a full buffer
		 * costs this one datagram. Either way the loop goes on and ends.
		 */
		if (errno == EINTR || (errno == ECONNREFUSED && !post->error_waits)) {
			post->error_waits = post->error_waits || errno == ECONNREFUSED;
			continue;
		}
		out->next++;
		post->dropped++;
	}
	out->count = 0;
	out->next = 0;
}

static void socket_put(struct post *post, unsigned peer, struct slice bytes)
{
	struct burst *out = &post->out;

	if (out->count == POST_BURST) {
		socket_flush(post);
	}
	memcpy(out->bytes[out->count], bytes.data, bytes.size);
	out->pieces[out->count].iov_len = bytes.size;
	out->addresses[out->count] = post->config.peers[peer];
	out->count++;
}

static bool find_peer(const struct post *post, const struct sockaddr_in *address,
                      unsigned *ret_peer)
{
	for (unsigned i = 0; i < post->config.count; i++) {
		const struct sockaddr_in *peer = &post->config.peers[i];

		if (peer->sin_port == address->sin_port &&
		    peer->sin_addr.s_addr == address->sin_addr.s_addr) {
			*ret_peer = i;
			return true;
		}
	}
	return false;
}

static bool socket_fill(struct post *post)
{
	struct burst *in = &post->in;
	int count;

	/* Only what was used needs to be put right. */
	for (unsigned i = 0; i < in->count; i++) {
		in->messages[i].msg_hdr.msg_namelen = sizeof(in->addresses[i]);
	}
	in->next = 0;
	in->count = 0;
	count = recvmmsg(post->fd, in->messages, POST_BURST, MSG_DONTWAIT, NULL);
	if (count < 0) {
		post->error_waits = post->error_waits || (errno != EAGAIN && errno != EINTR);
		return false;
	}
	in->count = (unsigned)count;
	return count > 0;
}

static bool socket_get(struct post *post, unsigned *ret_peer, struct slice *ret_bytes)
{
	struct burst *in = &post->in;

	for (;;) {
		if (in->next == in->count && !socket_fill(post)) {
			return false;
		}
		const unsigned i = in->next++;

		if (find_peer(post, &in->addresses[i], ret_peer)) {
			*ret_bytes = slice_make(in->bytes[i], in->messages[i].msg_len);
			return true;
		}
	}
}

bool post_refused(struct post *post, unsigned *ret_peer)
{
	struct sockaddr_in address;
	uint8_t control[512];
	struct msghdr message;

	while (post->error_waits) {
		message = (struct msghdr){
			.msg_name = &address,
			.msg_namelen = sizeof(address),
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		if (recvmsg(post->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			post->error_waits = false;
			return false;
		}
		/* The name is where the datagram that failed was going. */
		if (find_peer(post, &address, ret_peer)) {
			return true;
		}
	}
	return false;
}

/* --- links ---------------------------------------------------------------------------------- */

static bool link_get(struct post *post, unsigned *ret_peer, struct slice *ret_bytes)
{
	for (unsigned i = 0; i < post->config.count; i++) {
		const unsigned peer = post->turn;
		const size_t size = dp_link_get(post->links[peer], post->in.bytes[0]);

		if (size != 0) {
			*ret_peer = peer;
			*ret_bytes = slice_make(post->in.bytes[0], size);
			return true;
		}
		post->turn = peer + 1 == post->config.count ? 0 : peer + 1;
	}
	return false;
}

/* --- either --------------------------------------------------------------------------------- */

void post_put(struct post *post, unsigned peer, struct slice bytes)
{
	must(peer < post->config.count);
	must(bytes.size <= STORE_DATAGRAM_SIZE_MAX);
	if (!post->config.is_link) {
		socket_put(post, peer, bytes);
	} else if (!dp_link_put(post->links[peer], bytes)) {
		post->dropped++;
	}
}

void post_flush(struct post *post)
{
	if (!post->config.is_link) {
		socket_flush(post);
		return;
	}
	for (unsigned i = 0; i < post->config.count; i++) {
		dp_link_flush(post->links[i]);
	}
}

bool post_get(struct post *post, unsigned *ret_peer, struct slice *ret_bytes)
{
	return post->config.is_link ? link_get(post, ret_peer, ret_bytes)
	                            : socket_get(post, ret_peer, ret_bytes);
}

void post_heal(struct post *post)
{
	for (unsigned i = 0; post->config.is_link && i < post->config.count; i++) {
		/* If it cannot be opened now, the old file stays and the next call tries again. */
		(void)dp_link_heal(post->links[i]);
	}
}

uint64_t post_dropped(const struct post *post)
{
	return post->dropped;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/grpc_line.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
	READ_SIZE = 65536,
};

int grpc_line_open(struct grpc_line *line, unsigned port, const char *path)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
	const int yes = 1;

	line->wants_out = false;
	line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (line->fd < 0 ||
	    connect(line->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0) {
		return -errno;
	}
	(void)snprintf(line->authority, sizeof(line->authority), "127.0.0.1:%u", port);
	grpc_init(&line->grpc, line->authority, path);
	return 0;
}

bool grpc_line_flush(struct grpc_line *line)
{
	for (;;) {
		const struct slice bytes = grpc_output(&line->grpc);
		ssize_t sent;

		if (bytes.size == 0) {
			line->wants_out = false;
			return true;
		}
		sent = send(line->fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0) {
			grpc_sent(&line->grpc, (size_t)sent);
		} else if (errno != EINTR) {
			line->wants_out = errno == EAGAIN;
			return line->wants_out;
		}
	}
}

bool grpc_line_hear(struct grpc_line *line)
{
	static uint8_t bytes[READ_SIZE];
	const ssize_t size = recv(line->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (size > 0) {
		return grpc_feed(&line->grpc, slice_make(bytes, (size_t)size));
	}
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

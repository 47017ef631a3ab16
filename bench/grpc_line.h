/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * grpc_line.h - one method of a server on 127.0.0.1, over a TCP connection of its own
 *
 * Threads: one. The socket does not block and goes with the process.
 */

#include "bench/grpc.h"

struct grpc_line {
	int fd;
	bool wants_out; /* the socket's buffer is full: flush again when it may be written */
	struct grpc grpc;
	char authority[32];
};

/* In the caller's memory, which stays where it is; `path` is borrowed. 0 or a negative errno. */
int grpc_line_open(struct grpc_line *line, unsigned port, const char *path);

/* Sends what waits; takes what came. False: the connection is gone. */
bool grpc_line_flush(struct grpc_line *line);
bool grpc_line_hear(struct grpc_line *line);

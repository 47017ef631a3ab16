/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * grpc.h - just enough of gRPC over HTTP/2 to ask one method many times over one connection
 *
 *      grpc_call(g, now_ns, message) ... grpc_output(g)   bytes for the connection
 *      grpc_feed(g, bytes) ... grpc_next(g, &call)        calls that came to their end
 *
 * Why not a library: etcd, against which Coffer is measured, shares the machine with whoever
 * asks it, so the asker has to be cheap. After the first request each header is one byte (HPACK's
 * dynamic table), and answers' headers are not decoded: a call went well if a message came
 * before its end, since gRPC tells an error by headers alone. RFC 9113, RFC 7541, gRPC's
 * PROTOCOL-HTTP2.md.
 *
 * Pure. Threads: one. A peer that talks nonsense breaks the connection, nothing else.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/base/wire.h"

enum {
	GRPC_CALLS_MAX = 1024,        /* under way on one connection */
	GRPC_PLACES = 4096,           /* streams told apart; a power of two */
	GRPC_OUT_SIZE = 1 << 18,      /* bytes that wait to be sent */
	GRPC_IN_SIZE = 1 << 16,       /* of an answer's frame, at most */
	GRPC_MESSAGE_SIZE_MAX = 8192, /* of a request */
};

struct grpc_call {
	uint32_t stream; /* odd; 0: the place is free */
	bool answered;   /* a message came */
	uint64_t start_ns;
};

struct grpc {
	const char *authority, *path; /* borrowed for life */
	bool broken;
	uint32_t next_stream;
	unsigned under_way;
	int64_t window;    /* bytes of DATA the server takes yet */
	uint64_t consumed; /* bytes of DATA not yet given back */
	struct grpc_call places[GRPC_PLACES];
	struct grpc_call done[GRPC_CALLS_MAX];
	unsigned done_first, done_count;
	uint8_t out[GRPC_OUT_SIZE];
	size_t out_first, out_size;
	uint8_t in[GRPC_IN_SIZE];
	size_t in_size;
};

/* Starts a connection: its preface waits in the output. Nothing to undo. */
void grpc_init(struct grpc *grpc, const char *authority, const char *path);

/* Asks (copied). False: no room now, or the connection is broken. */
bool grpc_call(struct grpc *grpc, uint64_t now_ns, struct slice message);

/* What is to be sent; after sending `size` bytes of it, grpc_sent(). */
struct slice grpc_output(const struct grpc *grpc);
void grpc_sent(struct grpc *grpc, size_t size);

/* Takes what came. False: the connection is broken (`broken` is set). */
bool grpc_feed(struct grpc *grpc, struct slice bytes);

/* A field of a message, as protobuf writes it. */
void grpc_put_number(struct wire_writer *writer, unsigned field, uint64_t value);
void grpc_put_bytes(struct wire_writer *writer, unsigned field, struct slice bytes);

/* A call that came to its end, or false. */
bool grpc_next(struct grpc *grpc, struct grpc_call *ret_call);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * handle.h - what a handle of the client library is made of; private to it
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/client/coffer.h"
#include "store/client.h"

struct ctl_pending {
	coffer_done_fn *done; /* NULL: free */
	void *context;
};

struct coffer {
	struct client *client; /* owned */
	unsigned server_count;
	int sockets[COFFER_SERVERS_MAX]; /* owned; -1: none */
	int epoll_fd, timer_fd;          /* owned */
	uint64_t timer_ns;               /* what the timer is set to; UINT64_MAX: off */
	bool calling_back;
	struct ctl_pending pending[COFFER_REQUESTS_MAX];
	uint8_t value[PROTO_MESSAGE_SIZE_MAX]; /* of the last waiting call's result */
};

/* CLOCK_BOOTTIME, which never jumps and counts the time the machine was suspended. */
uint64_t ctl_handle_now_ns(void);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admin.h - the management socket
 *
 *      operator ---- one line ---->  admin  ---- status asked ---->  worker
 *               <--- one JSON line          <--- status ----------
 *
 * A unix socket of mode 0600. A request is a line (admin_request.h), the answer is one line of
 * JSON: {"ok": true, ...} or {"ok": false, "error": "..."}. A connection asks one thing after
 * another; it is not read while its answer is due. Connections, lines and patience are bounded.
 *
 * Threads: the control thread's. The process ignores SIGPIPE.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "consensus/effect.h"
#include "control/reason.h"
#include "store/base/slice.h"

enum {
	CTL_ADMIN_CONNECTIONS_MAX = 16,
	CTL_ADMIN_IDLE_MS = 60000, /* a silent connection is closed */
	CTL_ADMIN_WAIT_MS = 2000,  /* for the worker's answer */
};

struct ctl_admin;

/* What the management socket needs of the house. */
struct ctl_admin_host {
	void *context;
	/* Asks for a status; ctl_admin_status() brings it with the same address. False: not now. */
	bool (*ask_status)(void *context, const struct paxos_address *address);
	/* The status as a new object; NULL if the bytes make no sense. */
	json_t *(*status)(void *context, struct slice bytes);
};

/*
 * Listens at `path`. A socket file that nobody answers at is replaced; anything else there is
 * not. Host is copied. Returns 0, or a negative errno and the sentence; then, too, the loop has
 * to run once more, so that what was begun is closed. Before threads start: the umask is changed.
 */
int ctl_admin_open(struct ctl_admin **ret_admin, uv_loop_t *loop, const char *path,
                   const struct ctl_admin_host *host, struct ctl_reason *ret_reason);

/* A status came (borrowed). One that nobody waits for any more is dropped. */
void ctl_admin_status(struct ctl_admin *admin, const struct paxos_address *address,
                      struct slice bytes);

/*
 * Removes the socket file and begins to close. The loop has to run until nothing is left in it;
 * the memory is freed there. NULL is fine.
 */
void ctl_admin_close(struct ctl_admin *admin);

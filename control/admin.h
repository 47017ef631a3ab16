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
#include "control/admin_request.h"
#include "control/reason.h"

enum {
	CTL_ADMIN_CONNECTIONS_MAX = 16,
	CTL_ADMIN_IDLE_MS = 60000, /* a silent connection is closed */
};

struct ctl_admin;

/* A command that the house obeys; `help` is the socket's own. */
struct ctl_admin_command {
	const char *name;
	const char *text;     /* for `help`: what it takes and does */
	unsigned patience_ms; /* then its answer is given up */
	/*
	 * Begins it. Returns NULL, and ctl_admin_answer() ends it with the same address, at once or
	 * later; or a sentence (static) that refuses it.
	 */
	const char *(*begin)(void *context, const struct paxos_address *address,
	                     const struct ctl_admin_request *request);
};

/* What the management socket needs of the house; the table ends with a row without a name. */
struct ctl_admin_host {
	void *context;
	const struct ctl_admin_command *commands;
};

/*
 * Listens at `path`. A socket file that nobody answers at is replaced; anything else there is
 * not. Host is copied. Returns 0, or a negative errno and the sentence; then, too, the loop has
 * to run once more, so that what was begun is closed. Before threads start: the umask is changed.
 */
int ctl_admin_open(struct ctl_admin **ret_admin, uv_loop_t *loop, const char *path,
                   const struct ctl_admin_host *host, struct ctl_reason *ret_reason);

/*
 * Ends a command well: `object` (taken) is the answer, "ok" is put in; NULL says that there was no
 * memory for it. An answer that nobody waits for any more is dropped.
 */
void ctl_admin_answer(struct ctl_admin *admin, const struct paxos_address *address, json_t *object);

/* Ends a command badly, with a sentence (copied). */
void ctl_admin_refuse(struct ctl_admin *admin, const struct paxos_address *address,
                      const char *sentence);

/*
 * Removes the socket file and begins to close. The loop has to run until nothing is left in it;
 * the memory is freed there. NULL is fine.
 */
void ctl_admin_close(struct ctl_admin *admin);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * names.h - tells a name cluster where the servers of this cluster are
 *
 *      name cluster (`boot`)                             this cluster, called NAME
 *      /ctl/boot/NAME = "CLUSTER ADDRESS"                whose name it is; never taken from another
 *      /ctl/ns/NAME/ID = "IP:PORT"   <-- conditional --  leader: each voter that is heard
 *
 * By level: while this server leads, a turn reads what stands there, compares and writes; after
 * each change of the members or of who is heard, and each CTL_NAMES_LOOK_MS. A turn that was cut
 * short is begun again. Where the name cluster is away, nothing of this cluster waits for it.
 *
 * It is a client of that cluster by libcoffer. Its names are resolved by a thread of the pool.
 *
 * Threads: the control thread.
 */

#include <uv.h>

#include "control/config.h"
#include "control/logger.h"
#include "control/reason.h"
#include "control/tree.h"

enum {
	CTL_NAMES_LOOK_MS = 5000
};

struct ctl_names_config {
	uv_loop_t *loop;
	const struct ctl_config *config; /* boot, cluster, name */
	const char *secret;              /* of the name cluster; "": none */
	struct ctl_logger *logger;
};

struct ctl_names;

/*
 * What config points to is borrowed until close. *ret_names is NULL where `boot` is none. 0, or a
 * negative errno and the sentence.
 */
int ctl_names_open(struct ctl_names **ret_names, const struct ctl_names_config *config,
                   struct ctl_reason *ret_reason);

/* Who the members are, and whether this server leads; copied. NULL is fine. */
void ctl_names_tell(struct ctl_names *names, const struct ctl_tree_facts *facts);

/* The loop has to run until nothing is left in it; that waits for the resolver. NULL is fine. */
void ctl_names_close(struct ctl_names *names);

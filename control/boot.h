/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * boot.h - a replica and its store, from nothing, or from what the data folder holds
 *
 *      data folder -> store -> replica <- snapshot, journal (disk)
 *                                 |
 *                                 +- they cannot be mended in place: set aside, a new incarnation,
 *                                    and the same again from nothing; the server rejoins
 *
 * Threads: any one.
 */

#include "consensus/replica.h"
#include "control/config.h"
#include "control/home.h"
#include "control/journal.h"
#include "control/logger.h"
#include "control/reason.h"
#include "control/supervisor.h"
#include "store/store.h"

/* What is NULL is not there (yet). */
struct ctl_boot {
	const struct ctl_config *config; /* borrowed, as logger */
	struct ctl_logger *logger;
	const struct store_keys *keys; /* borrowed: what clients have to know */
	struct ctl_birth *birth;       /* borrowed; NULL: there is no supervisor */
	struct ctl_home home;
	struct store *store;
	struct paxos_replica *replica;
	struct ctl_journal *journal; /* disk; not started */
};

/*
 * Makes it all. `restore` is the path of a snapshot that a new cluster begins with, or NULL. 0, or
 * a negative errno and the sentence; end it in either case.
 */
int ctl_boot_begin(struct ctl_boot *boot, enum ctl_start start, const char *restore,
                   struct ctl_reason *ret_reason);

/* When nobody uses any of it any more. */
void ctl_boot_end(struct ctl_boot *boot);

/* The bounds of the store, for the sum that is told. */
struct store_config ctl_boot_store_config(const struct ctl_config *config);

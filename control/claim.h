/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * claim.h - the very first start of a server that knows a name cluster, and a name
 *
 *      /ctl/ns/NAME there --names servers--> joins them (attach.h)
 *                         --names nobody---> claims /ctl/boot/NAME, if there is none
 *                                              it is ours    --> looks again: still nobody?
 *                                                                makes the cluster
 *                                              it is another's --> waits, and looks again
 *
 * Of many that start at once, one makes the cluster. Who it is stands in two places, so that it may
 * be cut short anywhere: in the name cluster as "CLUSTER ADDRESS", and here in a configuration,
 * FILE.claim, written before with an id of the cluster that nobody else has. Started again, it
 * finds its own claim, and goes on. Before its replica says a word that is confirmed, and
 * FILE.claim becomes FILE: from then on no start of it makes a cluster, whatever becomes of its
 * data folder.
 *
 * A claim of a server that never comes back is for an operator to delete: the others say so. If it
 * was only slow it makes no second cluster: confirming is one transaction, "while the claim is
 * mine, my address stands below /ctl/ns/NAME". Whoever gets the claim after that was deleted looks
 * for addresses once more, finds that one, and gives the claim back.
 *
 * Threads: any one; blocks for as long as there is neither a cluster nor a way to make one.
 */

#include <stdint.h>

#include "control/client/place.h"
#include "control/config_value.h"
#include "control/home.h"
#include "control/logger.h"
#include "control/reason.h"
#include "control/settings.h"

struct ctl_claim {
	struct ctl_place boot;               /* the name cluster */
	const char *name;                    /* of the cluster */
	const char *listen;                  /* as of ctl_attach; NULL: towards the name cluster */
	const char *file;                    /* where the configuration stands, or shall stand */
	const struct ctl_settings *settings; /* that it shall have, too */
	const char *secret;                  /* of the cluster; NULL: COFFER_SECRET */
	struct ctl_logger *logger;
};

/*
 * How this server starts. Where `file` is there already, it makes no cluster: AGAIN if there is a
 * superblock, too, else JOIN. 0, or a negative errno and the sentence.
 */
int ctl_claim(const struct ctl_claim *claim, enum ctl_start *ret_start,
              struct ctl_reason *ret_reason);

/* The configuration to start with: FILE.claim if there is no FILE, but that. */
void ctl_claim_file(const char *file, char ret_file[CTL_PATH_SIZE_MAX]);

/*
 * Before the replica of a server that makes its cluster says a word: its address stands in the name
 * cluster, and the claim was still its own. Waits for the name cluster. 0, also where it has
 * nothing to confirm; -ESTALE: the name is another's by now.
 */
int ctl_claim_confirm(const struct ctl_claim *claim, uint64_t incarnation,
                      struct ctl_reason *ret_reason);

/* FILE.claim becomes FILE, durably; nothing if there is none. As above. */
int ctl_claim_settle(const char *file, struct ctl_reason *ret_reason);

/* The other way round, for a start that failed before its replica said a word. */
void ctl_claim_withdraw(const char *file);

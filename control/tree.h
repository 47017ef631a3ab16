/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tree.h - the files of /ctl, as they were read, and what is to be written to them
 *
 *      /ctl/name                 name of the cluster                             leader
 *      /ctl/config               keys that are the same everywhere, for joiners  leader
 *      /ctl/node/ID/addr         IP:PORT                                         the node
 *      /ctl/node/ID/hostname                                                     the node
 *      /ctl/node/ID/version                                                      the node
 *      /ctl/node/ID/writable     "true": it votes                                the node
 *      /ctl/node/ID/applied      revision, each pulse                            the node
 *      /ctl/node/ID/seat         which seat it has; "-": it had one              leader
 *      /ctl/cal/SEAT             ID of a voter; empty: one is wanted             operator, leader
 *      /ctl/join/KEY             IP:PORT, then a number behind it                joiner, leader
 *      /ctl/ns/NAME/ID           address of a voter                              leader
 *      /ctl/boot/NAME            in a name cluster: whose name it is             claim.h, names.h
 *      /ctl/err                  why a wish was refused                          leader
 *
 * Pure. Threads: any one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/node_id.h"
#include "store/base/slice.h"
#include "store/entry.h"
#include "store/limits.h"

enum {
	CTL_TREE_FILES_MAX = 320, /* below the globs */
	CTL_TREE_PATH_SIZE = 128, /* the end included; longer ones are nobody's */
	CTL_TREE_VALUE_SIZE = 2048,
	CTL_TREE_ACTIONS_MAX = 64, /* of one plan; the rest is for the next */
	CTL_TREE_TEXT_SIZE = 256,
};

/* Where /ctl is looked at. */
enum {
	CTL_TREE_GLOBS = 5,
	CTL_TREE_GLOB_NODES = 2, /* "/ctl/node/" and what is below */
};

/* The I-th glob for a cluster of that name. */
void ctl_tree_glob(unsigned i, const char *name, char ret_glob[CTL_TREE_PATH_SIZE]);

struct ctl_tree_file {
	char path[CTL_TREE_PATH_SIZE];
	store_rev_t revision;
	bool is_known; /* the value was read */
	bool is_odd;   /* longer than any of ours, or with a zero byte: equal to nothing */
	char value[CTL_TREE_VALUE_SIZE];
};

struct ctl_tree {
	unsigned count;
	struct ctl_tree_file files[CTL_TREE_FILES_MAX];
};

struct ctl_tree_member {
	bool is_voter, is_learner;
	bool is_ready;             /* a learner that was heard of lately */
	bool is_alive;             /* not silent for so long that it is told no more */
	char id[CTL_NODE_ID_SIZE]; /* empty: its incarnation is not named yet */
	struct store_address address;
};

struct ctl_tree_facts {
	const char *name, *config, *hostname, *version;
	struct ctl_tree_member members[STORE_NODES_MAX];
	bool leads;
	int own; /* index; -1: this server takes no part, so it writes nothing */
	/* What the changer refused last, and why; given up if it is still wished. */
	uint32_t refused_add, refused_remove;
	const char *refusal;
};

struct ctl_tree_action {
	bool is_delete;
	store_rev_t revision; /* of the file; 0: it is absent; STORE_REV_ANY: whatever stands */
	char path[CTL_TREE_PATH_SIZE];
	char value[CTL_TREE_VALUE_SIZE];
};

struct ctl_tree_plan {
	unsigned count; /* actions */
	struct ctl_tree_action actions[CTL_TREE_ACTIONS_MAX];
	/* Sets; a change of the members that is wished, when nothing of the seats is written. */
	uint32_t add, remove;
	bool as_learners;
	struct store_address address; /* as_learners: of the one that is added */
	/* private: */
	uint32_t kept; /* voters whose seat is put back */
	bool moves_seats;
	char error[CTL_TREE_TEXT_SIZE];
};

/* Adds an action, if there is room; for what is not the plan's business. */
void ctl_tree_set(struct ctl_tree_plan *plan, store_rev_t revision, const char *path,
                  const char *value);

/* What was read of it. */
void ctl_tree_take_value(struct ctl_tree_file *file, struct slice value);

/* The file of that path, or NULL. */
const struct ctl_tree_file *ctl_tree_find(const struct ctl_tree *tree, const char *path);

/* The member that has this ID, by its index; -1: nobody has. */
int ctl_tree_member_of(const struct ctl_tree_facts *facts, struct slice id);

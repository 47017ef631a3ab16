/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cofferd_order.h - what the command line of cofferd asks for
 */

#include <stdbool.h>

#include "control/attach.h"
#include "control/client/place.h"
#include "control/home.h"

enum {
	ORDER_PAIRS_MAX = 64
};

struct order {
	const char *config;
	const char *restore;      /* a snapshot that a new cluster begins with, or NULL */
	struct ctl_attach attach; /* no servers: the configuration is there */
	struct ctl_place boot;    /* the name cluster, */
	const char *name;         /* and how this one is called there; NULL: it is not asked */
	const char *settings;     /* a file of them, or NULL */
	const char *pairs[ORDER_PAIRS_MAX];
	unsigned pair_count;
	enum ctl_start start;
	bool check, print_config, no_supervisor;
	bool new_cluster, join, has_boot; /* as they were given */
};

/* 0, or the code to end with; then it was said why. */
int order_parse(struct order *order, int count, char **words);

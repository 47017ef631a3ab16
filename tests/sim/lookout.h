/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lookout.h - the watches of one client of the simulated cluster
 *
 * A lookout turns a real store/watcher over the simulated network: it keeps a few watches, pauses
 * some and resumes them, ends some and goes on with others where those stood, and begins anew where
 * one is lost. What it is given goes into the watchbook.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/watcher.h"
#include "tests/sim/stage.h"

enum {
	LOOKOUT_WATCHES_MAX = 4
};

struct lookout_options {
	unsigned watches;              /* of each client, LOOKOUT_WATCHES_MAX at most; 0: none */
	struct watcher_config watcher; /* seed and secret are filled in */
	uint64_t whim_ns;              /* between two changes of mind, on average */
};

struct lookout {
	unsigned index; /* of the client */
	const struct lookout_options *options;
	struct watcher *watcher; /* owned; NULL: it has no watches */
	struct {
		uint64_t tag;
		bool is_paused;
	} watches[LOOKOUT_WATCHES_MAX];
	uint64_t whim_ns; /* when to change its mind next */
	bool is_steady;   /* it does not any more */
	uint64_t acts;    /* changes of mind */
};

void lookout_init(struct lookout *lookout, unsigned index, const struct lookout_options *options,
                  struct stage *stage);
void lookout_deinit(struct lookout *lookout);

/* A packet that is a watch's. */
void lookout_arrival(struct lookout *lookout, struct stage *stage, unsigned server,
                     struct slice bytes);

void lookout_tick(struct lookout *lookout, struct stage *stage);
uint64_t lookout_deadline_ns(const struct lookout *lookout);

/* Nothing is paused any more, nor changed. */
void lookout_calm(struct lookout *lookout, struct stage *stage);

/* All its watches were given everything up to this revision. */
bool lookout_has_seen(const struct lookout *lookout, const struct stage *stage,
                      store_rev_t revision);

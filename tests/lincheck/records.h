/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * records.h - a history as lincheck keeps it, and its operations as text
 *
 * Private to tests/lincheck.
 */

#include "tests/lincheck/lincheck.h"
#include "tests/lincheck/model.h"
#include "tests/lincheck/names.h"
#include "tests/lincheck/text.h"

#define RECORD_NONE UINT32_MAX

struct record {
	struct model_op op;
	int64_t call_ns, ret_ns;
	uint64_t srev; /* 0: not told */
	uint64_t line;
	uint32_t key, client;
};

struct key {
	bool is_file, is_lock;
	uint32_t init;         /* a record, or RECORD_NONE */
	uint32_t first, count; /* in `order`, from the last check */
};

struct lincheck {
	struct names key_names, values, clients;
	struct record *records; /* owned */
	uint32_t count, room;
	struct key *keys; /* owned; as many as key_names */
	uint32_t keys_room;
	uint64_t unknown, dropped;
	struct text text, text_failures;
};

/* Whether it changed the store, as far as was told; then its srev is its own. */
bool record_is_change(const struct record *record);

/* One operation in a few words: `line 7, client 2: get -> "a" rev 1 [40, 50]`. */
void record_put(struct text *text, const struct lincheck *lincheck, const struct record *record);

/* What stands: `"a" rev 1`, `absent`, `held by 7`, `free`. */
void record_put_state(struct text *text, const struct lincheck *lincheck, bool is_lock,
                      const struct model_state *state);

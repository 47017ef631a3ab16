/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store_fixture.h - a store and short words to apply entries to it, for the tests of the store
 *
 * Include after cmocka. Sessions: `session` is the one that say_set() and its like use; it takes
 * numbers in order and waits for one answer at a time.
 */

#include "store/store.h"

struct fixture {
	struct store *store;
	uint64_t session;
	uint64_t number;
};

static inline struct store_result fixture_apply(struct fixture *fixture,
                                                const struct store_entry *entry)
{
	struct store_result result = {.answer = STORE_ANSWER_COUNT};

	store_apply(fixture->store, store_applied(fixture->store) + 1, entry, &result);
	return result;
}

static inline struct store_result fixture_open(struct fixture *fixture, uint64_t secret)
{
	return fixture_apply(
		fixture,
		&(struct store_entry){.kind = STORE_ENTRY_OPEN, .secret = secret, .ttl_ms = 5000});
}

/* A request of a session with everything named. */
static inline struct store_result fixture_request(struct fixture *fixture, uint64_t session,
                                                  uint64_t number, uint64_t first_unanswered,
                                                  struct store_op op)
{
	return fixture_apply(fixture, &(struct store_entry){.kind = STORE_ENTRY_OP,
	                                                    .session = session,
	                                                    .number = number,
	                                                    .first_unanswered = first_unanswered,
	                                                    .op = op});
}

static inline struct store_result fixture_op(struct fixture *fixture, struct store_op op)
{
	const uint64_t number = ++fixture->number;

	return fixture_request(fixture, fixture->session, number, number, op);
}

static inline struct store_result fixture_set(struct fixture *fixture, const char *path,
                                              const char *value)
{
	return fixture_op(fixture, (struct store_op){.verb = STORE_VERB_SET,
	                                             .condition = STORE_IF_EQUAL,
	                                             .rev = STORE_REV_ANY,
	                                             .path = slice_text(path),
	                                             .value = slice_text(value)});
}

static inline struct store_result fixture_set_if(struct fixture *fixture, const char *path,
                                                 const char *value, enum store_condition condition,
                                                 store_rev_t rev)
{
	return fixture_op(fixture, (struct store_op){.verb = STORE_VERB_SET,
	                                             .condition = condition,
	                                             .rev = rev,
	                                             .path = slice_text(path),
	                                             .value = slice_text(value)});
}

static inline struct store_result fixture_delete_if(struct fixture *fixture, const char *path,
                                                    enum store_condition condition, store_rev_t rev)
{
	return fixture_op(fixture, (struct store_op){.verb = STORE_VERB_DELETE,
	                                             .condition = condition,
	                                             .rev = rev,
	                                             .path = slice_text(path)});
}

static inline struct store_result fixture_delete(struct fixture *fixture, const char *path)
{
	return fixture_delete_if(fixture, path, STORE_IF_EQUAL, STORE_REV_ANY);
}

static inline const struct store_root *fixture_root(struct fixture *fixture)
{
	store_publish(fixture->store);
	return store_root(fixture->store);
}

/* Nobody reads: whatever is listed may go. */
static inline void fixture_grace(struct fixture *fixture)
{
	store_publish(fixture->store);
	store_grace_passed(fixture->store, store_grace_wanted(fixture->store));
}

static inline void fixture_begin_with(struct fixture *fixture, const struct store_config *config)
{
	*fixture = (struct fixture){0};
	assert_int_equal(store_new(&fixture->store, config), 0);
	fixture->session = fixture_open(fixture, 99).session;
	assert_int_equal(fixture->session, 1);
}

static inline void fixture_begin(struct fixture *fixture)
{
	fixture_begin_with(fixture, &(struct store_config){.quota_bytes = 16 << 20,
	                                                   .sessions_max = 64,
	                                                   .events_max = 1024});
}

static inline void fixture_end(struct fixture *fixture)
{
	store_free(fixture->store);
	fixture->store = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core_fixture.h - a core with its store, for the tests of a replica's parts
 *
 * Three servers, this one is 0; the smallest log there is. What it wants done is asked for by
 * core_takes() and core_expect(). Include after cmocka.
 */

#include <urcu-qsbr.h>

#include "consensus/core.h"
#include "consensus/quorum.h"

static inline void core_begin(struct paxos_core *core)
{
	const struct store_config store_config = {
		.quota_bytes = 1 << 20, .sessions_max = 64, .grants_max = 2, .events_max = 16};
	struct paxos_config config = {
		.founders = paxos_first(3), .cluster = 7, .incarnation = 1, .start = 1};
	struct store *store;

	paxos_config_default(&config);
	config.log_entries = 16;
	config.log_bytes = 1 << 18;
	config.watches_max = 16;
	assert_int_equal(store_new(&store, &store_config), 0);
	assert_int_equal(paxos_core_init(core, &config, store), 0);
	core->takes_part = true;
}

/* The next effect of a kind; those before it are passed over. */
static inline bool core_takes(struct paxos_core *core, enum paxos_effect_kind kind,
                              struct paxos_effect *ret_effect)
{
	while (paxos_outbox_take(&core->outbox, ret_effect)) {
		if (ret_effect->kind == kind) {
			return true;
		}
	}
	return false;
}

/* Nothing of the kind is left; nor is anything else afterwards. */
static inline void core_expect_none(struct paxos_core *core, enum paxos_effect_kind kind)
{
	struct paxos_effect effect;

	assert_false(core_takes(core, kind, &effect));
}

/* The next datagram to a member. Its body is good until something else is sent. */
static inline struct paxos_msg core_expect(struct paxos_core *core, unsigned peer,
                                           enum paxos_msg_kind kind)
{
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct paxos_msg msg;

	assert_true(core_takes(core, PAXOS_EFFECT_SEND, &effect));
	assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(paxos_msg_decode(datagram.body, &msg));
	assert_int_equal(msg.kind, kind);
	assert_int_equal(effect.peer, peer);
	return msg;
}

/* Appends an entry to the log. */
static inline void core_append(struct paxos_core *core, const struct store_entry *entry)
{
	uint8_t *bytes = paxos_log_reserve(&core->log, STORE_ENTRY_SIZE_MAX);

	assert_non_null(bytes);
	paxos_log_commit(&core->log,
	                 (uint32_t)store_entry_encode(entry, bytes, STORE_ENTRY_SIZE_MAX));
}

static inline void core_append_nops(struct paxos_core *core, unsigned count)
{
	const struct store_entry nop = {
		.kind = STORE_ENTRY_OP,
		.op = {.verb = STORE_VERB_NOP, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY},
	};

	for (unsigned i = 0; i < count; i++) {
		core_append(core, &nop);
	}
}

/* A SET by the session of entry 1, its request `number`. */
static inline void core_append_set(struct paxos_core *core, uint64_t number, const char *path,
                                   struct slice value)
{
	core_append(core, &(struct store_entry){.kind = STORE_ENTRY_OP,
	                                        .session = 1,
	                                        .number = number,
	                                        .first_unanswered = number,
	                                        .op = {.verb = STORE_VERB_SET,
	                                               .condition = STORE_IF_EQUAL,
	                                               .rev = STORE_REV_ANY,
	                                               .path = slice_text(path),
	                                               .value = value}});
}

/* Datagrams to nobody, until no more fit. */
static inline void core_stuff_outbox(struct paxos_core *core)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_SEND};

	while (paxos_outbox_begin(&core->outbox) != NULL) {
		paxos_outbox_commit(&core->outbox, &effect, 8, false);
	}
}

static inline void core_empty_outbox(struct paxos_core *core)
{
	struct paxos_effect effect;

	while (paxos_outbox_take(&core->outbox, &effect)) {
	}
}

/* Applies the log up to `index`, and shows it to readers. */
static inline void core_apply(struct paxos_core *core, uint64_t index)
{
	struct store_result result;
	struct store_entry entry;

	while (core->decided < index) {
		paxos_core_apply(core, &entry, &result);
	}
	store_publish(core->store);
}

static inline void core_end(struct paxos_core *core)
{
	store_free(core->store);
	paxos_core_deinit(core);
}

/* The store belongs to a reader of liburcu; so the whole group runs as one. */
static inline int core_register(void **state)
{
	(void)state;
	urcu_qsbr_register_thread();
	return 0;
}

static inline int core_unregister(void **state)
{
	(void)state;
	urcu_qsbr_unregister_thread();
	return 0;
}

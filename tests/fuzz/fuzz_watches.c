/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watches of a worker among hostile clients. The input is a list of steps: what (u8), who (u8),
 * size (u8), bytes; the bytes of an ask are a request's message, those of a change a path. Whatever
 * comes, each ask is answered once, pages are in order and within what was asked for, and no more
 * watches are kept than there may be.
 */
#include <urcu-qsbr.h>

#include "consensus/watches.h"
#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/path.h"
#include "store/proto_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	WATCHES = 4,
	EVENTS = 16,
	STEPS_MAX = 512,
};

struct world {
	struct store *store;
	struct paxos_watches *watches;
	uint64_t now_ns;
	unsigned sent; /* since the last step */
};

static void look(void *context, const struct paxos_address *address, const struct proto_head *asked,
                 struct proto_answer *answer)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	struct world *world = context;
	struct slice left = answer->value;
	store_rev_t before = answer->from - 1;
	struct proto_event event;
	uint32_t count = 0;
	bool bad = false;

	(void)address;
	(void)asked;
	world->sent++;
	answer->node = 1;
	must(proto_answer_encode(answer, message, sizeof(message)) != 0);
	must(answer->answer != STORE_OK || answer->from <= answer->revision);
	for (; proto_event_next(&left, &event, &bad); count++) {
		must(event.revision > before && event.revision < answer->revision);
		must(count == 0 || event.previous == before);
		before = event.revision;
	}
	must(!bad);
	must(count == answer->count);
}

static void ask(struct world *world, uint8_t who, struct slice message)
{
	const struct paxos_address address = {.bytes = {who & 3}};
	struct proto_request request;
	bool bad_verb;

	if (proto_request_decode(message, &request, &bad_verb) && request.verb == PROTO_WATCH) {
		request.head = (struct proto_head){.number = who >> 2 & 3, .segments = 1};
		paxos_watches_ask(world->watches, world->now_ns, &address, &request,
		                  &(struct paxos_watch_post){.send = look, .context = world});
		must(world->sent == 1);
	}
}

static void change(struct world *world, uint8_t what, struct slice path)
{
	const bool is_set = what % 4 != 0;
	const struct store_entry entry = {
		.kind = STORE_ENTRY_OP,
		.session = 1,
		.number = store_applied(world->store),
		.first_unanswered = store_applied(world->store),
		.op = {.verb = is_set ? STORE_VERB_SET : STORE_VERB_DELETE,
	               .condition = STORE_IF_EQUAL,
	               .rev = STORE_REV_ANY,
	               .path = path,
	               .value = is_set ? path : (struct slice){0}},
	};
	struct store_result result;

	if (store_path_check(path) != STORE_PATH_GOOD) {
		return; /* such a change is not proposed */
	}
	store_apply(world->store, store_applied(world->store) + 1, &entry, &result);
	store_publish(world->store);
	store_grace_passed(world->store, store_grace_wanted(world->store));
}

static void take_turn(struct world *world, uint8_t ms)
{
	world->now_ns += (uint64_t)ms * 1000000;
	paxos_watches_turn(world->watches, world->now_ns,
	                   &(struct paxos_watch_post){.send = look, .context = world});
	must(world->sent <= PAXOS_WATCH_PAGES_MAX);
	must(paxos_watches_counters(world->watches)->watches <= WATCHES);
	(void)paxos_watches_deadline_ns(world->watches);
}

static void begin(struct world *world)
{
	const struct store_config config = {
		.quota_bytes = 1 << 20, .sessions_max = 1, .events_max = EVENTS};
	const struct store_entry open = {.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = 1000};
	struct store_result result;

	rcu_register_thread();
	must(store_new(&world->store, &config) == 0);
	store_apply(world->store, 1, &open, &result);
	store_publish(world->store);
	must(paxos_watches_new(&world->watches, WATCHES, world->store) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = wire_reader_make(slice_make(data, size));
	struct world world = {.now_ns = 1000000000};

	begin(&world);
	for (unsigned i = 0; i < STEPS_MAX && wire_left(&reader) != 0; i++) {
		const uint8_t what = wire_u8(&reader);
		const uint8_t who = wire_u8(&reader);
		const struct slice bytes = wire_bytes(&reader, wire_u8(&reader));

		if (!wire_ok(&reader)) {
			break;
		}
		world.sent = 0;
		if (what % 3 == 0) {
			ask(&world, who, bytes);
		} else if (what % 3 == 1) {
			change(&world, who, bytes);
		} else {
			take_turn(&world, who);
		}
	}
	paxos_watches_free(world.watches);
	store_free(world.store);
	rcu_unregister_thread();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watcher among hostile servers. The input is a list of steps: what (u8), which watch (u8),
 * server (u8), size (u16), bytes. Whatever comes, events of a watch ascend and name the one before.
 */
#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/watcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SERVERS = 2,
	WATCHES = 3,
	FIRST = 10,
	STEPS_MAX = 256
};

struct world {
	struct watcher *watcher;
	uint64_t now_ns;
	uint64_t tags[WATCHES];
	store_rev_t last[WATCHES];
};

static void begin(struct world *world)
{
	const struct watcher_request request = {.glob = slice_text("/a"), .from = FIRST};
	uint64_t tag;

	if (watcher_watch(world->watcher, world->now_ns, &request, &tag) == 0) {
		const unsigned index = watcher_index(tag);

		must(index < WATCHES);
		world->tags[index] = tag;
		world->last[index] = 0;
	}
}

static void obey(struct world *world)
{
	struct watcher_effect effect;
	unsigned index;

	while (watcher_take(world->watcher, &effect)) {
		index = watcher_index(effect.tag);
		if (effect.kind == WATCHER_EFFECT_SEND) {
			must(effect.server < SERVERS && watcher_is_for(effect.bytes));
		} else if (effect.kind == WATCHER_EFFECT_EVENT) {
			must(effect.tag == world->tags[index]);
			must(effect.event.revision >= FIRST);
			must(effect.event.revision > world->last[index]);
			must(effect.event.previous == world->last[index]);
			world->last[index] = effect.event.revision;
		} else {
			must(effect.tag == world->tags[index]);
		}
	}
}

/* One segment of a whole message, as from a server that knows the watch's number. */
static void say(struct world *world, unsigned server, uint64_t number, struct slice message)
{
	struct proto_head head = {.number = number, .version = message.size};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

	if (message.size == 0) {
		return;
	}
	head.segments = (uint16_t)proto_segments(message.size);
	for (unsigned i = 0; i < head.segments; i++) {
		head.segment = (uint16_t)i;
		watcher_receive(world->watcher, world->now_ns, server,
		                slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_ANSWER,
		                                                       0, 0, message, bytes)));
		obey(world);
	}
}

/* A page whose head is made of the first bytes, and whose events are the others. */
static void say_page(struct world *world, unsigned server, uint64_t number, struct slice bytes)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	struct wire_reader reader = wire_reader_make(bytes);
	struct proto_answer answer = {.verb = PROTO_WATCH};
	size_t size;

	answer.answer = (enum store_answer)(wire_u8(&reader) % STORE_ANSWER_COUNT);
	answer.has_more = (wire_u8(&reader) & 1) != 0;
	answer.from = wire_u8(&reader);
	answer.revision = wire_u8(&reader);
	answer.count = wire_u8(&reader);
	answer.ttl_ms = wire_u8(&reader);
	answer.age_ms = wire_u16(&reader);
	if (!wire_ok(&reader)) {
		return;
	}
	answer.value = slice_make(reader.next, wire_left(&reader));
	size = proto_answer_encode(&answer, message, sizeof(message));
	say(world, server, number, slice_make(message, size));
}

static void step(struct world *world, struct wire_reader *reader)
{
	const unsigned what = wire_u8(reader) % 8;
	const unsigned index = wire_u8(reader) % WATCHES;
	const unsigned server = wire_u8(reader) % SERVERS;
	const uint16_t size = wire_u16(reader);
	const size_t left = wire_left(reader);
	const struct slice bytes = wire_bytes(reader, size < left ? size : left);
	const uint64_t tag = world->tags[index];

	world->now_ns += size * (uint64_t)100000;
	if (what == 0) {
		watcher_tick(world->watcher, world->now_ns);
	} else if (what == 1) {
		watcher_receive(world->watcher, world->now_ns, server, bytes);
	} else if (what == 2) {
		say(world, server, tag, bytes);
	} else if (what == 3) {
		(void)watcher_pause(world->watcher, world->now_ns, tag);
	} else if (what == 4) {
		(void)watcher_resume(world->watcher, world->now_ns, tag, 0);
	} else if (what == 5) {
		(void)watcher_unwatch(world->watcher, world->now_ns, tag);
		obey(world);
		begin(world);
	} else if (what == 6) {
		watcher_unreachable(world->watcher, world->now_ns, server);
	} else {
		say_page(world, server, tag, bytes);
	}
	obey(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = wire_reader_make(slice_make(data, size));
	struct world world = {.now_ns = 1};
	struct watcher_config config;

	watcher_config_default(&config);
	config.servers = SERVERS;
	config.watches_max = WATCHES;
	if (watcher_new(&world.watcher, &config) != 0) {
		return 0;
	}
	for (unsigned i = 0; i < WATCHES; i++) {
		begin(&world);
	}
	obey(&world);
	for (unsigned i = 0; i < STEPS_MAX && wire_left(&reader) >= 5; i++) {
		step(&world, &reader);
	}
	watcher_free(world.watcher);
	return 0;
}

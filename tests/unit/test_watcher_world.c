/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   over a bad network, with servers that forget, lag and fall silent, every watch gets every
 *         matching event once and in order.
 * Method: seeded worlds: one log, three servers that keep watches as they come, letters that are
 *         lost, doubled and late.
 */
#include <stdlib.h>

#include "store/base/prng.h"
#include "tests/unit/watcher_fake.h"

enum {
	SERVERS = 3,
	WATCHES = 60,
	PATHS = 7,
	EVENTS = 400,
	EVENTS_PER_PAGE = 3,
	LETTERS_MAX = 8192,
	SEEDS = 20,
	STEP_MS = 1,
	STEPS_MAX = 60000,
};

struct kept {
	uint64_t number; /* 0: free */
	unsigned path;   /* PATHS: all */
	store_rev_t next, last;
	bool is_owed; /* a page with events waits for its acknowledgement */
	uint64_t again_ns, backoff_ns, ends_ns;
};

struct model {
	store_rev_t head;
	uint64_t silent_until_ns;
	struct kept kept[4 * WATCHES];
};

struct letter {
	uint64_t due_ns; /* 0: free */
	bool to_server;
	unsigned server;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct world {
	struct watch_fake fake;
	struct prng prng;
	store_rev_t newest;
	struct model servers[SERVERS];
	struct letter letters[LETTERS_MAX];
	uint64_t tags[WATCHES];
	unsigned paths[WATCHES];
	store_rev_t wanted[WATCHES], last[WATCHES]; /* the next event it must get */
	bool is_paused[WATCHES];
};

static bool matches(unsigned path, store_rev_t revision)
{
	return path == PATHS || revision * 5 % 11 % PATHS == path;
}

static store_rev_t next_match(unsigned path, store_rev_t from)
{
	while (!matches(path, from)) {
		from++;
	}
	return from;
}

static void post(struct world *world, bool to_server, unsigned server, struct slice bytes)
{
	for (unsigned copies = prng_chance(&world->prng, 1, 10) ? 2 : 1; copies != 0; copies--) {
		struct letter *letter;

		if (prng_chance(&world->prng, 1, 5)) {
			continue;
		}
		letter = &world->letters[prng_below(&world->prng, LETTERS_MAX)];
		*letter = (struct letter){
			.due_ns = world->fake.now_ns + 1 + prng_below(&world->prng, 8 * FAKE_MS),
			.to_server = to_server,
			.server = server,
			.size = bytes.size,
		};
		memcpy(letter->bytes, bytes.data, bytes.size);
	}
}

/* --- servers -------------------------------------------------------------------------------- */

static void send_page(struct world *world, unsigned server, struct kept *kept, uint32_t ttl_ms)
{
	struct model *model = &world->servers[server];
	uint8_t page[512], message[1024], bytes[STORE_DATAGRAM_SIZE_MAX];
	struct proto_answer answer = {.verb = PROTO_WATCH, .from = kept->next, .ttl_ms = ttl_ms};
	struct proto_head head = {.number = kept->number, .segments = 1};
	store_rev_t revision = kept->next, last = kept->last;
	size_t size = 0;

	for (; revision <= model->head && answer.count < EVENTS_PER_PAGE; revision++) {
		const struct proto_event event = {.revision = revision,
		                                  .previous = last,
		                                  .kind = STORE_EVENT_DELETE,
		                                  .path = slice_text("/w")};

		if (matches(kept->path, revision)) {
			size = proto_event_put(page, size, sizeof(page), &event);
			last = revision;
			answer.count++;
		}
	}
	answer.revision = revision;
	answer.store_revision = model->head;
	answer.value = slice_make(page, size);
	kept->is_owed = answer.count != 0;
	if (!kept->is_owed) {
		kept->next = revision;
	}
	kept->again_ns = world->fake.now_ns + kept->backoff_ns;
	size = proto_answer_encode(&answer, message, sizeof(message));
	post(world, false, server,
	     slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, FAKE_CLUSTER,
	                                            slice_make(message, size), bytes)));
}

static struct kept *find_kept(struct model *model, uint64_t number)
{
	for (unsigned i = 0; i < 4 * WATCHES; i++) {
		if (model->kept[i].number == number) {
			return &model->kept[i];
		}
	}
	return NULL;
}

static void on_ask(struct world *world, unsigned server, struct slice bytes)
{
	struct model *model = &world->servers[server];
	struct store_datagram datagram;
	struct proto_request request;
	struct proto_head head;
	struct slice piece;
	struct kept *kept;
	bool bad_verb;

	assert_int_equal(store_datagram_open(bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_true(proto_request_decode(piece, &request, &bad_verb));
	kept = find_kept(model, head.number);
	if (kept == NULL) {
		kept = find_kept(model, 0);
	}
	assert_non_null(kept);
	assert_int_equal(request.path.size, 1);
	*kept = (struct kept){.number = head.number,
	                      .path = request.path.data[0],
	                      .next = request.rev,
	                      .last = request.last,
	                      .backoff_ns = 20 * FAKE_MS,
	                      .ends_ns = world->fake.now_ns + request.ttl_ms * FAKE_MS};
	send_page(world, server, kept, request.ttl_ms);
	if (request.ttl_ms == 0) {
		*kept = (struct kept){0};
	}
}

static void turn_server(struct world *world, unsigned server)
{
	struct model *model = &world->servers[server];
	const uint64_t now_ns = world->fake.now_ns;

	if (prng_chance(&world->prng, 1, 3000)) {
		model->silent_until_ns = now_ns + prng_below(&world->prng, 3000 * FAKE_MS);
		memset(model->kept, 0, sizeof(model->kept));
	}
	if (now_ns < model->silent_until_ns) {
		return;
	}
	if (model->head < world->newest) {
		model->head += (store_rev_t)prng_below(&world->prng,
		                                       (uint64_t)(world->newest - model->head) + 1);
	}
	for (unsigned i = 0; i < 4 * WATCHES; i++) {
		struct kept *kept = &model->kept[i];

		if (kept->number == 0) {
			continue;
		}
		if (now_ns >= kept->ends_ns) {
			*kept = (struct kept){0};
		} else if (kept->is_owed && now_ns >= kept->again_ns) {
			kept->backoff_ns *= 2;
			send_page(world, server, kept, 10000);
		} else if (!kept->is_owed && next_match(kept->path, kept->next) <= model->head) {
			send_page(world, server, kept, 10000);
		}
	}
}

/* --- the client's side ---------------------------------------------------------------------- */

static void check_event(struct world *world, const struct watcher_effect *effect)
{
	const unsigned index = watcher_index(effect->tag);

	assert_int_equal(effect->tag, world->tags[index]);
	assert_false(world->is_paused[index]);
	assert_int_equal(effect->event.revision, world->wanted[index]);
	assert_int_equal(effect->event.previous, world->last[index]);
	world->last[index] = effect->event.revision;
	world->wanted[index] = next_match(world->paths[index], effect->event.revision + 1);
	if (prng_chance(&world->prng, 1, 20)) {
		world->is_paused[index] = true;
		assert_int_equal(
			watcher_pause(world->fake.watcher, world->fake.now_ns, effect->tag), 0);
	}
}

static void obey(struct world *world)
{
	struct watcher_effect effect;

	while (watcher_take(world->fake.watcher, &effect)) {
		assert_int_not_equal(effect.kind, WATCHER_EFFECT_END);
		if (effect.kind == WATCHER_EFFECT_SEND) {
			post(world, true, effect.server, effect.bytes);
		} else if (effect.kind == WATCHER_EFFECT_EVENT) {
			check_event(world, &effect);
		} else {
			/* All below `next` was told. */
			assert_true(world->wanted[watcher_index(effect.tag)] >= effect.next);
		}
	}
}

static void deliver(struct world *world)
{
	for (unsigned i = 0; i < LETTERS_MAX; i++) {
		struct letter *letter = &world->letters[i];
		const struct slice bytes = slice_make(letter->bytes, letter->size);
		const uint64_t now_ns = world->fake.now_ns;

		if (letter->due_ns == 0 || letter->due_ns > now_ns) {
			continue;
		}
		letter->due_ns = 0;
		if (now_ns < world->servers[letter->server].silent_until_ns) {
			continue;
		}
		if (letter->to_server) {
			on_ask(world, letter->server, bytes);
		} else {
			watcher_receive(world->fake.watcher, now_ns, letter->server, bytes);
			obey(world);
		}
	}
}

static bool all_told(const struct world *world)
{
	for (unsigned i = 0; i < WATCHES; i++) {
		if (world->wanted[i] <= world->newest) {
			return false;
		}
	}
	return world->newest == EVENTS;
}

static void begin(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	prng_init(&world->prng, seed);
	fake_open(&world->fake, SERVERS, WATCHES);
	for (unsigned i = 0; i < WATCHES; i++) {
		const uint8_t path = (uint8_t)(i % (PATHS + 1));
		const struct watcher_request request = {
			.glob = slice_make(&path, 1),
			.from = 1 + (store_rev_t)prng_below(&world->prng, 50)};

		world->paths[i] = path;
		world->wanted[i] = next_match(path, request.from);
		assert_int_equal(watcher_watch(world->fake.watcher, world->fake.now_ns, &request,
		                               &world->tags[i]),
		                 0);
		assert_int_equal(watcher_index(world->tags[i]), i);
	}
}

static void turn(struct world *world)
{
	world->fake.now_ns += STEP_MS * FAKE_MS;
	if (world->newest < EVENTS && prng_chance(&world->prng, 1, 8)) {
		world->newest++;
	}
	for (unsigned i = 0; i < SERVERS; i++) {
		turn_server(world, i);
	}
	for (unsigned i = 0; i < WATCHES; i++) {
		if (world->is_paused[i] && prng_chance(&world->prng, 1, 50)) {
			world->is_paused[i] = false;
			assert_int_equal(watcher_resume(world->fake.watcher, world->fake.now_ns,
			                                world->tags[i], 0),
			                 0);
		}
	}
	deliver(world);
	watcher_tick(world->fake.watcher, world->fake.now_ns);
	obey(world);
}

static void test_every_event_comes_once_and_in_order(void **state)
{
	struct world *world = malloc(sizeof(*world));
	uint64_t moved = 0, known = 0, gaps = 0;

	(void)state;
	assert_non_null(world);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct watcher_counters counters;
		unsigned steps = 0;

		begin(world, seed);
		while (!all_told(world)) {
			assert_in_range(steps, 0, STEPS_MAX);
			turn(world);
			steps++;
		}
		watcher_counters(world->fake.watcher, &counters);
		assert_int_equal(counters.strange, 0);
		assert_int_equal(watcher_count(world->fake.watcher), WATCHES);
		moved += counters.moved;
		known += counters.known;
		gaps += counters.gaps;
		watcher_free(world->fake.watcher);
	}
	free(world);
	/* What the world is for did happen. */
	assert_true(moved > 1000 && known > 1000 && gaps > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_event_comes_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

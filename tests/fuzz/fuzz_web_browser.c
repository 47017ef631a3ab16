/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_web_browser.c - whatever a page sends, it is asked of the servers, answered or hung up
 *
 * The input is a list of messages, a line each. No server answers; the first byte says whether the
 * view may write, after which messages the page reads what it is told, and by its highest bit
 * whether there are secrets: "w" and "r". Without one it never comes to anything.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/web_browser.h"
#include "control/web_request.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	RING_SIZE = 1 << 20
};

struct world {
	_Alignas(RING_LINE) uint8_t to_worker[RING_SIZE];
	_Alignas(RING_LINE) uint8_t from_worker[RING_SIZE];
	struct paxos_mailbox mailbox;
	struct ctl_insides insides;
	struct ctl_config config;
	uv_loop_t loop;
	struct ctl_inside *inside;
	struct store_keys keys;
	struct ctl_web_guard guard;
	uint64_t now_ns;
	struct ctl_web_desk *desk;
	struct ctl_web_browser *browser;
	unsigned due;
	bool is_wanted;
};

static void on_wants(void *context)
{
	((struct world *)context)->is_wanted = true;
}

static void open_world(struct world *world, bool edit, bool shut)
{
	struct ctl_web_desk_config desk = {.guard = &world->guard, .node = 1, .edit = edit};
	struct ctl_reason reason;

	world->keys = (struct store_keys){.rw = store_key_of(slice_text(shut ? "w" : "")),
	                                  .ro = store_key_of(slice_text(shut ? "r" : ""))};
	ctl_web_guard_init(&world->guard, &world->keys);
	world->now_ns = 1;
	paxos_mailbox_init(&world->mailbox, world->to_worker, world->from_worker, RING_SIZE);
	world->insides = (struct ctl_insides){0};
	world->config = (struct ctl_config){.node = 1, .count = 1};
	world->config.servers[0] = (struct ctl_address){.ip = 0x7f000001, .port = 9};
	must(uv_loop_init(&world->loop) == 0);
	must(ctl_inside_open(&world->inside,
	                     &(struct ctl_inside_config){.loop = &world->loop,
	                                                 .mailbox = &world->mailbox,
	                                                 .insides = &world->insides,
	                                                 .config = &world->config,
	                                                 .watches_max = 16},
	                     &reason) == 0);
	desk.inside = world->inside;
	world->desk = ctl_web_desk_new(&desk);
	world->browser = ctl_web_browser_new(world->desk, 0, on_wants, world);
	must(world->browser != NULL);
	world->due = 0;
}

static void close_world(struct world *world)
{
	ctl_web_browser_free(world->browser);
	ctl_inside_close(world->inside);
	(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&world->loop) == 0);
	ctl_web_desk_free(world->desk);
}

/* Everything there is to be said, as the text that it would be. */
static void read_all(struct world *world)
{
	json_t *object;

	while ((object = ctl_web_browser_take(world->browser)) != NULL) {
		const char *say = json_string_value(json_object_get(object, "say"));

		must(ctl_web_door_is_open(ctl_web_browser_door(world->browser)) ||
		     strcmp(say, "secret") == 0);
		must(say != NULL && json_dumpb(object, NULL, 0, JSON_COMPACT) != 0);
		if (strcmp(say, "answer") == 0) {
			must(world->due-- != 0);
			must(json_is_integer(json_object_get(object, "id")));
		}
		json_decref(object);
	}
}

/* 0: none. */
static enum ctl_web_verb verb_of(struct slice message)
{
	struct ctl_web_request request;
	enum ctl_web_verb verb;

	if (!ctl_web_request_parse(message, &request)) {
		return (enum ctl_web_verb)0;
	}
	verb = request.verb;
	must(verb >= CTL_WEB_WATCH && verb <= CTL_WEB_ACCESS);
	must(request.rev >= 0 && request.id >= 0);
	must(request.path.size <= message.size && request.text.size <= message.size);
	ctl_web_request_free(&request);
	return verb;
}

/* A secret that was told is judged at once. */
static void judge(struct world *world)
{
	const struct ctl_web_door *door = ctl_web_browser_door(world->browser);
	const uint64_t denied = world->guard.denied;
	const unsigned rights = door->rights;

	(void)ctl_web_guard_turn(&world->guard, world->now_ns);
	world->now_ns += CTL_WEB_GUESS_MS * (uint64_t)1000000;
	must((door->rights & rights) == rights);
	must(door->rights == rights || world->guard.denied == denied);
}

/* False: the page is hung up. */
static bool say(struct world *world, struct slice message)
{
	const enum ctl_web_verb verb = verb_of(message);
	const bool is_open = (ctl_web_browser_door(world->browser)->rights & STORE_MAY_READ) != 0;
	const bool is_asked = is_open && verb != CTL_WEB_WATCH && verb != CTL_WEB_ACCESS;
	const bool good = verb == CTL_WEB_ACCESS ||
	                  (verb != 0 && is_open && (!is_asked || world->due < CTL_WEB_ASKS_MAX));

	must(ctl_web_browser_receive(world->browser, message) == good);
	world->due += good && is_asked ? 1 : 0;
	judge(world);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	const uint8_t how = size != 0 ? data[0] : 0;
	unsigned count = 0;
	bool goes_on = size > 1;

	open_world(&world, (how & 1) != 0, (how & 0x80) != 0);
	for (size_t at = 1; goes_on && at < size; count++) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		const size_t length = end != NULL ? (size_t)(end - data) - at : size - at;

		goes_on = say(&world, slice_make(data + at, length));
		if ((how >> (count % 8) & 1) != 0) {
			(void)uv_run(&world.loop, UV_RUN_NOWAIT);
			read_all(&world);
		}
		at += length + 1;
	}
	read_all(&world);
	close_world(&world);
	return 0;
}

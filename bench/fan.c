/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/fan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bench/hist.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/client.h"
#include "store/watcher.h"

enum {
	TURN_MAX = 128,               /* datagrams taken in one turn */
	HEAL_NS = 1000 * 1000 * 1000, /* between two looks for links made anew */
	WRITES_KEPT = 4096,           /* the last ones, whose events may still come */
};

#define FILE_NAME   "/bench/watched"
#define PATIENCE_NS ((uint64_t)20000000000u) /* so long for the next thing that has to happen */

struct write { /* one that was sent */
	uint64_t number;
	uint64_t due_ns;
	unsigned told; /* watches that know of it */
};

struct round { /* what one pass of the writer came to */
	struct hist commit, told, told_all;
	uint64_t writes, errors, untold;
};

struct fan {
	const struct fan_config *config;
	struct post *post;
	struct client *client;
	struct watcher *watcher;
	unsigned watches; /* begun */
	unsigned held;    /* that were answered */
	bool *is_held;    /* by watcher_index() */
	struct write writes[WRITES_KEPT];
	uint64_t written, answered, complete; /* numbers of writes; begin with 1 */
	store_rev_t revision;                 /* of the last write that was acknowledged */
	unsigned durability, leader, node;
	uint64_t ended; /* watches that ended by themselves */
	struct round *round;
	uint64_t count_from_ns, last_ns, heal_ns, gap_max_ns;
	uint8_t value[STORE_VALUE_SIZE_MAX];
};

/* --- what comes ----------------------------------------------------------------------------- */

static struct write *write_of(struct fan *fan, uint64_t number)
{
	struct write *write = &fan->writes[number % WRITES_KEPT];

	return write->number == number ? write : NULL;
}

static void on_event(struct fan *fan, uint64_t now_ns, const struct proto_event *event)
{
	struct write *write;
	uint64_t number = 0;

	if (event->value.size >= sizeof(number)) {
		memcpy(&number, event->value.data, sizeof(number));
	}
	write = write_of(fan, number);
	if (number == 0 || write == NULL) {
		return; /* of somebody else, or of long ago */
	}
	write->told++;
	if (write->due_ns >= fan->count_from_ns) {
		hist_add(&fan->round->told, now_ns - write->due_ns);
	}
	if (write->told == fan->watches) {
		fan->complete++;
		if (write->due_ns >= fan->count_from_ns) {
			hist_add(&fan->round->told_all, now_ns - write->due_ns);
		}
	}
}

static void on_done(struct fan *fan, uint64_t now_ns, const struct client_result *result)
{
	struct write *write = write_of(fan, result->context);

	fan->answered++;
	if (result->outcome != CLIENT_DONE) {
		fan->round->errors++;
		if (write != NULL && write->told < fan->watches) {
			write->number = 0; /* nobody need be told */
			fan->complete++;
		}
		return;
	}
	fan->durability = result->answer.durability;
	fan->leader = result->answer.leader;
	if (result->answer.revision > fan->revision) {
		fan->revision = result->answer.revision;
	}
	if (write != NULL && write->due_ns >= fan->count_from_ns) {
		fan->round->writes++;
		hist_add(&fan->round->commit, now_ns - write->due_ns);
	}
}

static void take_effects(struct fan *fan, uint64_t now_ns)
{
	struct watcher_effect watched;
	struct client_effect effect;

	while (client_take(fan->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			post_put(fan->post, effect.server, effect.bytes);
		} else {
			on_done(fan, now_ns, &effect.result);
		}
	}
	while (watcher_take(fan->watcher, &watched)) {
		if (watched.kind == WATCHER_EFFECT_SEND) {
			post_put(fan->post, watched.server, watched.bytes);
		} else if (watched.kind == WATCHER_EFFECT_EVENT) {
			on_event(fan, now_ns, &watched.event);
		} else if (watched.kind == WATCHER_EFFECT_END) {
			fan->ended++;
		} else if (!fan->is_held[watcher_index(watched.tag)]) {
			fan->is_held[watcher_index(watched.tag)] = true;
			fan->held++;
		}
	}
}

static void hear(struct fan *fan, uint64_t now_ns, unsigned server, struct slice bytes)
{
	if (watcher_is_for(bytes)) {
		watcher_receive(fan->watcher, now_ns, server, bytes);
	} else {
		client_receive(fan->client, now_ns, server, bytes);
	}
	take_effects(fan, now_ns);
}

static void look_after(struct fan *fan, uint64_t now_ns)
{
	unsigned server;

	while (post_refused(fan->post, &server)) {
		client_unreachable(fan->client, now_ns, server);
		watcher_unreachable(fan->watcher, now_ns, server);
	}
	client_tick(fan->client, now_ns);
	watcher_tick(fan->watcher, now_ns);
	take_effects(fan, now_ns);
	if (now_ns >= fan->heal_ns) {
		post_heal(fan->post);
		fan->heal_ns = now_ns + HEAL_NS;
	}
}

static void turn(struct fan *fan)
{
	const uint64_t now_ns = report_now_ns();
	unsigned server, done = 0;
	struct slice bytes;

	if (fan->last_ns >= fan->count_from_ns && now_ns - fan->last_ns > fan->gap_max_ns) {
		fan->gap_max_ns = now_ns - fan->last_ns;
	}
	fan->last_ns = now_ns;
	while (done < TURN_MAX && post_get(fan->post, &server, &bytes)) {
		/* Each at its own moment: to hear the others before it took a while, too. */
		hear(fan, report_now_ns(), server, bytes);
		done++;
	}
	look_after(fan, report_now_ns());
	post_flush(fan->post);
	if (done == 0) {
		(void)sched_yield();
	}
}

/* --- the writer ----------------------------------------------------------------------------- */

static void submit(struct fan *fan, uint64_t due_ns)
{
	const uint64_t number = fan->written + 1;
	struct write *write = &fan->writes[number % WRITES_KEPT];
	struct client_request request = {
		.verb = PROTO_SET,
		.path = slice_text(FILE_NAME),
		.context = number,
	};

	memcpy(fan->value, &number, sizeof(number));
	request.value = slice_make(fan->value, fan->config->value_size);
	if (client_submit(fan->client, report_now_ns(), &request, NULL) < 0) {
		return; /* too many are under way: it is late, and due since due_ns */
	}
	if (write->number != 0 && write->told < fan->watches) {
		fan->round->untold++;
		fan->complete++;
	}
	*write = (struct write){.number = number, .due_ns = due_ns};
	fan->written++;
}

/* True if nothing is awaited any more. */
static bool is_settled(const struct fan *fan)
{
	return fan->answered == fan->written &&
	       (fan->watches == 0 || fan->complete == fan->written);
}

/* Whether the next write may be sent, and since when it is due. */
static bool is_due(const struct fan *fan, uint64_t start_ns, uint64_t first, uint64_t *ret_due_ns)
{
	const double interval_ns = fan->config->rate > 0 ? 1e9 / fan->config->rate : 0;
	const uint64_t now_ns = report_now_ns();

	*ret_due_ns = now_ns;
	if (interval_ns > 0) {
		*ret_due_ns = start_ns + (uint64_t)((double)(fan->written - first) * interval_ns);
		return *ret_due_ns <= now_ns;
	}
	return is_settled(fan);
}

static int settle(struct fan *fan)
{
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;

	while (!is_settled(fan)) {
		if (report_now_ns() > end_ns) {
			return -ENETUNREACH;
		}
		turn(fan);
	}
	return 0;
}

static int run_round(struct fan *fan, struct round *round)
{
	const struct fan_config *config = fan->config;
	const uint64_t start_ns = report_now_ns(), first = fan->written;
	uint64_t end_ns = UINT64_MAX, moved_ns = start_ns, seen = 0, due_ns;

	fan->round = round;
	fan->count_from_ns = start_ns;
	if (config->requests == 0) {
		fan->count_from_ns += (uint64_t)(config->warm_up_seconds * 1e9);
		end_ns = fan->count_from_ns + (uint64_t)(config->seconds * 1e9);
	}
	while ((fan->last_ns < end_ns || round->writes == 0) &&
	       (config->requests == 0 || fan->written - first < config->requests)) {
		if (is_due(fan, start_ns, first, &due_ns)) {
			submit(fan, due_ns);
		}
		turn(fan);
		if (is_settled(fan) || fan->answered + fan->complete != seen) {
			seen = fan->answered + fan->complete;
			moved_ns = fan->last_ns;
		}
		if (fan->last_ns - moved_ns > PATIENCE_NS) {
			return -ENETUNREACH;
		}
	}
	return settle(fan);
}

/* --- watches -------------------------------------------------------------------------------- */

static int begin_watches(struct fan *fan)
{
	const struct watcher_request request = {.glob = slice_text(FILE_NAME),
	                                        .from = fan->revision + 1};
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;
	uint64_t tag;

	for (unsigned i = 0; i < fan->config->watches; i++) {
		must(watcher_watch(fan->watcher, report_now_ns(), &request, &tag) == 0);
	}
	fan->watches = fan->config->watches;
	fan->complete = fan->written; /* of those before, nobody is told */
	memset(fan->writes, 0, sizeof(fan->writes));
	while (fan->held < fan->watches) {
		if (report_now_ns() > end_ns || fan->ended != 0) {
			return -ENETUNREACH;
		}
		turn(fan);
	}
	return 0;
}

static int open_session(struct fan *fan, struct round *round)
{
	const struct client_request request = {.verb = PROTO_NOP};
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;

	fan->round = round;
	fan->count_from_ns = UINT64_MAX;
	must(client_submit(fan->client, report_now_ns(), &request, NULL) == 0);
	while (fan->answered == 0) {
		if (report_now_ns() > end_ns) {
			return -ENETUNREACH;
		}
		turn(fan);
	}
	fan->answered = 0;
	return fan->durability == 0 ? -ENETUNREACH : 0;
}

/* --- report --------------------------------------------------------------------------------- */

static void put(json_t *report, const char *name, uint64_t value)
{
	(void)json_object_set_new(report, name, json_integer((json_int_t)value));
}

static json_t *report_watcher(const struct fan *fan)
{
	struct watcher_counters counters;
	json_t *report = json_object();

	watcher_counters(fan->watcher, &counters);
	put(report, "sent", counters.sent);
	put(report, "received", counters.received);
	put(report, "events", counters.events);
	put(report, "known", counters.known);
	put(report, "resent", counters.resent);
	put(report, "moved", counters.moved);
	put(report, "not_posted", post_dropped(fan->post));
	return report;
}

static json_t *make_report(const struct fan *fan, const struct round *alone,
                           const struct round *watched)
{
	const struct fan_config *config = fan->config;
	json_t *report = json_object();

	(void)json_object_set_new(report, "what", json_string("watch"));
	(void)json_object_set_new(report, "loop",
	                          json_string(config->rate > 0 ? "open" : "closed"));
	if (config->rate > 0) {
		(void)json_object_set_new(report, "rate_per_s", json_real(config->rate));
	}
	put(report, "watches", config->watches);
	put(report, "writers", 1);
	(void)json_object_set_new(report, "durability", report_durability(fan->durability));
	put(report, "servers", config->post.count);
	put(report, "leader", fan->leader);
	put(report, "value_size", config->value_size);
	(void)json_object_set_new(report, "transport",
	                          json_string(config->post.is_link ? "shm" : "kernel"));
	(void)json_object_set_new(report, "commit_alone", report_latency(&alone->commit));
	(void)json_object_set_new(report, "commit_watched", report_latency(&watched->commit));
	(void)json_object_set_new(report, "told", report_latency(&watched->told));
	(void)json_object_set_new(report, "told_all", report_latency(&watched->told_all));
	put(report, "errors", alone->errors + watched->errors);
	put(report, "untold", watched->untold);
	put(report, "ended", fan->ended);
	(void)json_object_set_new(report, "watcher", report_watcher(fan));
	(void)json_object_set_new(report, "poll_gap_us", report_us(fan->gap_max_ns));
	(void)json_object_set_new(report, "commit", json_string(report_commit()));
	(void)json_object_set_new(report, "machine", report_machine());
	return report;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int open_both(struct fan *fan)
{
	const struct fan_config *config = fan->config;
	struct watcher_config watcher;
	struct client_config client;
	uint64_t chance[2];
	int r;

	/* From a stranger, not from the one who knows the seed. */
	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
		return -errno;
	}
	client_config_default(&client);
	client.servers = config->post.count;
	client.timeout_ns = config->timeout_ns;
	client.seed = config->seed;
	client.secret = chance[0];
	client.key = config->post.key;
	watcher_config_default(&watcher);
	watcher.servers = config->post.count;
	watcher.watches_max = config->watches;
	watcher.seed = ~config->seed;
	watcher.secret = chance[1];
	watcher.key = config->post.key;
	fan->is_held = calloc(config->watches, sizeof(*fan->is_held));
	if (fan->is_held == NULL) {
		return -ENOMEM;
	}
	r = post_open(&fan->post, &config->post);
	if (r == 0) {
		r = client_new(&fan->client, &client);
	}
	return r < 0 ? r : watcher_new(&fan->watcher, &watcher);
}

/* Closes the session, so that servers need not wait for its end. They forget watches soon. */
static void close_both(struct fan *fan)
{
	const struct client_request request = {.verb = PROTO_CLOSE};
	const uint64_t end_ns = report_now_ns() + 500000000u;
	const uint64_t answered = fan->answered;

	(void)client_submit(fan->client, report_now_ns(), &request, NULL);
	while (fan->answered == answered && report_now_ns() < end_ns) {
		turn(fan);
	}
}

static struct round *round_new(void)
{
	struct round *round = calloc(1, sizeof(*round));

	must(round != NULL);
	hist_init(&round->commit);
	hist_init(&round->told);
	hist_init(&round->told_all);
	return round;
}

json_t *fan_measure(const struct fan_config *config, int *ret_error)
{
	struct round *alone = round_new(), *watched = round_new();
	struct fan *fan = calloc(1, sizeof(*fan));
	json_t *report = NULL;

	must(fan != NULL);
	fan->config = config;
	memset(fan->value, 'a', sizeof(fan->value));
	*ret_error = open_both(fan);
	if (*ret_error == 0) {
		*ret_error = open_session(fan, alone);
	}
	if (*ret_error == 0) {
		*ret_error = run_round(fan, alone);
	}
	if (*ret_error == 0) {
		*ret_error = begin_watches(fan);
	}
	if (*ret_error == 0) {
		*ret_error = run_round(fan, watched);
	}
	if (*ret_error == 0) {
		report = make_report(fan, alone, watched);
		close_both(fan);
	}
	client_free(fan->client);
	watcher_free(fan->watcher);
	post_close(fan->post);
	free(fan->is_held);
	free(fan);
	free(watched);
	free(alone);
	return report;
}

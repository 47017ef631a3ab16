/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bench/hist.h"
#include "bench/report.h"
#include "bench/route.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/client.h"

enum {
	TURN_MAX = 128,               /* datagrams taken, and requests made, in one turn */
	TICK_NS = 200 * 1000,         /* between two looks for what is overdue */
	HEAL_NS = 1000 * 1000 * 1000, /* between two looks for links made anew */
	KEY_SIZE = sizeof("/bench/0123456789"),
	NODES = STORE_NODES_MAX + 1,
};

#define PREPARE_NS ((uint64_t)20000000000u) /* so long for the next session or key, at most */
#define SETTLE_NS  ((uint64_t)10000000000u) /* and the last answers by then */

enum phase {
	PHASE_OPEN = 1, /* a NOP for each client opens its session */
	PHASE_FILL,     /* every key gets a value */
	PHASE_RUN,
};

struct counts {
	uint64_t done;     /* came to an end while we counted */
	uint64_t answered; /* requests that count, answered with OK */
	uint64_t outcomes[CLIENT_UNKNOWN + 1];
	uint64_t answers[STORE_ANSWER_COUNT]; /* of what was not DONE */
};

struct load {
	const struct load_config *config;
	struct post *post;
	struct client **clients;
	struct prng prng;
	struct route route;

	/* Who may ask next: a queue of client indexes, one for each free place. */
	uint32_t *credits;
	uint64_t credit_first, credit_count, credit_size;

	enum phase phase;
	uint64_t issued, issue_max, under_way;
	uint64_t start_ns; /* of the phase's schedule */
	uint64_t count_from_ns, count_to_ns;
	uint64_t last_ns, last_done_ns, tick_ns, heal_ns, gap_max_ns;
	double interval_ns; /* open loop: between two requests */

	struct hist reads, writes;
	struct counts counts;
	uint64_t by_node[NODES];
	unsigned durability, leader;
	uint8_t value[STORE_VALUE_SIZE_MAX];
};

/* --- requests ------------------------------------------------------------------------------- */

static void put_credit(struct load *load, uint32_t client)
{
	must(load->credit_count < load->credit_size);
	load->credits[(load->credit_first + load->credit_count) % load->credit_size] = client;
	load->credit_count++;
}

static uint32_t take_credit(struct load *load)
{
	const uint32_t client = load->credits[load->credit_first];

	must(load->credit_count != 0);
	load->credit_first = (load->credit_first + 1) % load->credit_size;
	load->credit_count--;
	return client;
}

static bool is_read(struct load *load)
{
	if (load->phase != PHASE_RUN || load->config->kind == LOAD_WRITE) {
		return false;
	}
	return load->config->kind == LOAD_READ ||
	       prng_chance(&load->prng, load->config->read_percent, 100);
}

static void take_effects(struct load *load, uint32_t index, uint64_t now_ns);

/* By hand: who measures shares the machine with what is measured. */
static struct slice name_file(char path[KEY_SIZE], uint64_t key)
{
	memcpy(path, "/bench/0000000000", KEY_SIZE);
	for (char *digit = path + KEY_SIZE - 2; key != 0; key /= 10) {
		*digit-- = (char)('0' + key % 10);
	}
	return slice_make(path, KEY_SIZE - 1);
}

static void submit(struct load *load, uint64_t now_ns, uint64_t intended_ns)
{
	const uint32_t index = take_credit(load);
	const bool reads = is_read(load);
	const uint64_t key = load->phase == PHASE_FILL
	                             ? load->issued
	                             : prng_below(&load->prng, load->config->keys);
	struct client_request request = {
		.verb = reads ? PROTO_GET : PROTO_SET,
		.flags = reads && load->config->stale ? PROTO_FLAG_STALE : 0,
		.context = intended_ns,
	};
	char path[KEY_SIZE];

	if (load->phase == PHASE_OPEN) {
		request.verb = PROTO_NOP;
	} else {
		request.path = name_file(path, key);
	}
	if (request.verb == PROTO_SET) {
		/* Not the same bytes each time. */
		memcpy(load->value, &load->issued,
		       load->config->value_size < 8 ? load->config->value_size : 8);
		request.value = slice_make(load->value, load->config->value_size);
	}
	/* There is a credit, so there is room; verbs and flags are ours. */
	must(client_submit(load->clients[index], now_ns, &request, NULL) == 0);
	load->issued++;
	load->under_way++;
	take_effects(load, index, now_ns);
}

static void count_result(struct load *load, uint64_t now_ns, const struct client_result *result)
{
	const bool reads = result->verb == PROTO_GET;

	if (result->heard && result->outcome == CLIENT_DONE) {
		load->durability = result->answer.durability;
		load->leader = result->answer.leader;
	}
	if (load->phase != PHASE_RUN || result->context < load->count_from_ns ||
	    result->context >= load->count_to_ns) {
		return;
	}
	if (now_ns < load->count_to_ns) {
		load->counts.done++;
		load->last_done_ns = now_ns;
	}
	load->counts.outcomes[result->outcome]++;
	if (result->outcome != CLIENT_DONE) {
		load->counts.answers[result->answer.answer]++;
		return;
	}
	load->counts.answered++;
	if (result->answer.node < NODES) {
		load->by_node[result->answer.node]++;
	}
	hist_add(reads ? &load->reads : &load->writes, now_ns - result->context);
}

static void take_effects(struct load *load, uint32_t index, uint64_t now_ns)
{
	struct client_effect effect;

	while (client_take(load->clients[index], &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			if (load->config->clients > 1) {
				route_sent(&load->route, index, effect.bytes);
			}
			post_put(load->post, effect.server, effect.bytes);
			continue;
		}
		load->under_way--;
		put_credit(load, index);
		count_result(load, now_ns, &effect.result);
	}
}

/* --- a turn --------------------------------------------------------------------------------- */

static unsigned issue(struct load *load, uint64_t now_ns)
{
	unsigned done = 0;

	while (done < TURN_MAX && load->credit_count != 0 && load->issued < load->issue_max) {
		uint64_t intended_ns = now_ns;

		if (load->phase == PHASE_RUN && load->interval_ns > 0) {
			intended_ns = load->start_ns +
			              (uint64_t)((double)load->issued * load->interval_ns);
			if (intended_ns > now_ns) {
				break;
			}
		}
		if (load->phase == PHASE_RUN && intended_ns >= load->count_to_ns) {
			break;
		}
		submit(load, now_ns, intended_ns);
		done++;
	}
	return done;
}

static void hear(struct load *load, uint64_t now_ns, unsigned server, struct slice bytes)
{
	uint32_t index = 0, end = 1;

	if (load->config->clients > 1) {
		index = route_find(&load->route, bytes);
		end = index + 1;
		if (index == ROUTE_ALL) {
			index = 0;
			end = load->config->clients;
		}
	}
	for (; index < end; index++) {
		client_receive(load->clients[index], now_ns, server, bytes);
		take_effects(load, index, now_ns);
	}
}

static void look_after(struct load *load, uint64_t now_ns)
{
	unsigned server;

	if (now_ns < load->tick_ns) {
		return;
	}
	load->tick_ns = now_ns + TICK_NS;
	while (post_refused(load->post, &server)) {
		for (uint32_t i = 0; i < load->config->clients; i++) {
			client_unreachable(load->clients[i], now_ns, server);
			take_effects(load, i, now_ns);
		}
	}
	for (uint32_t i = 0; i < load->config->clients; i++) {
		if (client_deadline_ns(load->clients[i]) <= now_ns) {
			client_tick(load->clients[i], now_ns);
			take_effects(load, i, now_ns);
		}
	}
	if (now_ns >= load->heal_ns) {
		post_heal(load->post);
		load->heal_ns = now_ns + HEAL_NS;
	}
}

static void turn(struct load *load)
{
	uint64_t now_ns = report_now_ns();
	unsigned server, done = 0;
	struct slice bytes;

	if (now_ns >= load->count_from_ns && now_ns < load->count_to_ns &&
	    now_ns - load->last_ns > load->gap_max_ns) {
		load->gap_max_ns = now_ns - load->last_ns;
	}
	load->last_ns = now_ns;
	while (done < TURN_MAX && post_get(load->post, &server, &bytes)) {
		/* The burst was taken when its first was: one look at the clock is enough. */
		now_ns = done == 0 ? report_now_ns() : now_ns;
		hear(load, now_ns, server, bytes);
		done++;
	}
	done += issue(load, now_ns);
	look_after(load, now_ns);
	post_flush(load->post);
	if (done == 0) {
		(void)sched_yield();
	}
}

/* --- phases --------------------------------------------------------------------------------- */

static void begin_phase(struct load *load, enum phase phase, uint64_t issue_max)
{
	load->phase = phase;
	load->issued = 0;
	load->issue_max = issue_max;
	load->start_ns = report_now_ns();
	load->last_ns = load->start_ns;
	load->count_from_ns = UINT64_MAX;
	load->count_to_ns = UINT64_MAX;
	/* Client 0, 1, 2 ... and again: the first requests go round. */
	must(load->under_way == 0);
	load->credit_first = 0;
	load->credit_count = 0;
	for (unsigned i = 0; i < load->config->outstanding; i++) {
		for (uint32_t client = 0; client < load->config->clients; client++) {
			put_credit(load, client);
		}
	}
}

static int prepare(struct load *load, enum phase phase, uint64_t issue_max)
{
	uint64_t issued = 0, end_ns;

	begin_phase(load, phase, issue_max);
	end_ns = load->start_ns + PREPARE_NS;
	while (load->issued < issue_max || load->under_way != 0) {
		if (load->issued != issued) {
			issued = load->issued;
			end_ns = load->last_ns + PREPARE_NS;
		}
		if (load->last_ns > end_ns) {
			return -ENETUNREACH;
		}
		turn(load);
	}
	return load->durability == 0 ? -ENETUNREACH : 0;
}

static void run(struct load *load)
{
	const struct load_config *config = load->config;
	uint64_t end_ns;

	begin_phase(load, PHASE_RUN, config->requests != 0 ? config->requests : UINT64_MAX);
	load->interval_ns = config->rate > 0 ? 1e9 / config->rate : 0;
	load->count_from_ns = load->start_ns;
	if (config->requests == 0) {
		load->count_from_ns += (uint64_t)(config->warm_up_seconds * 1e9);
		load->count_to_ns = load->count_from_ns + (uint64_t)(config->seconds * 1e9);
	}
	while (load->issued < load->issue_max && load->last_ns < load->count_to_ns) {
		turn(load);
	}
	/* Nobody asks any more; what is under way ends, by its deadline at the latest. */
	load->issue_max = load->issued;
	end_ns = load->last_ns + SETTLE_NS;
	while (load->under_way != 0 && load->last_ns < end_ns) {
		turn(load);
	}
}

/* Sessions are closed, so that servers have no need to wait for their end. */
static void close_sessions(struct load *load)
{
	const struct client_request request = {.verb = PROTO_CLOSE};
	const uint64_t end_ns = report_now_ns() + 500000000u;

	load->phase = PHASE_OPEN; /* nothing is counted any more */
	load->issue_max = 0;
	for (uint32_t i = 0; i < load->config->clients && load->under_way == 0; i++) {
		const uint64_t now_ns = report_now_ns();

		if (client_session(load->clients[i]) != 0) {
			(void)take_credit(load);
			must(client_submit(load->clients[i], now_ns, &request, NULL) == 0);
			load->under_way++;
			take_effects(load, i, now_ns);
			while (load->under_way != 0 && report_now_ns() < end_ns) {
				turn(load);
			}
		}
	}
}

/* --- report --------------------------------------------------------------------------------- */

static const char *kind_text(enum load_kind kind)
{
	switch (kind) {
	case LOAD_WRITE:
		return "write";
	case LOAD_READ:
		return "read";
	case LOAD_MIXED:
		break;
	}
	return "mixed";
}

static json_t *report_outcomes(const struct load *load)
{
	static const char *const names[] = {"done", "refused", "unreached", "unknown"};
	json_t *outcomes = json_object();

	for (unsigned i = 0; i <= CLIENT_UNKNOWN; i++) {
		(void)json_object_set_new(outcomes, names[i],
		                          json_integer((json_int_t)load->counts.outcomes[i]));
	}
	for (unsigned i = 0; i < STORE_ANSWER_COUNT; i++) {
		if (load->counts.answers[i] != 0) {
			(void)json_object_set_new(
				outcomes, store_answer_text((enum store_answer)i),
				json_integer((json_int_t)load->counts.answers[i]));
		}
	}
	return outcomes;
}

static json_t *report_clients(const struct load *load)
{
	struct client_counters one, sum = {0};
	json_t *report = json_object();

	for (unsigned i = 0; i < load->config->clients; i++) {
		client_counters(load->clients[i], &one);
		sum.sent += one.sent;
		sum.resent += one.resent;
		sum.redirected += one.redirected;
		sum.overloaded += one.overloaded;
		sum.lost += one.lost;
	}
	(void)json_object_set_new(report, "sent", json_integer((json_int_t)sum.sent));
	(void)json_object_set_new(report, "resent", json_integer((json_int_t)sum.resent));
	(void)json_object_set_new(report, "redirected", json_integer((json_int_t)sum.redirected));
	(void)json_object_set_new(report, "overloaded", json_integer((json_int_t)sum.overloaded));
	(void)json_object_set_new(report, "sessions_lost", json_integer((json_int_t)sum.lost));
	(void)json_object_set_new(report, "not_posted",
	                          json_integer((json_int_t)post_dropped(load->post)));
	return report;
}

static json_t *report_nodes(const struct load *load)
{
	json_t *nodes = json_object();
	char name[4];

	for (unsigned i = 1; i < NODES; i++) {
		if (load->by_node[i] != 0) {
			(void)snprintf(name, sizeof(name), "%u", i);
			(void)json_object_set_new(nodes, name,
			                          json_integer((json_int_t)load->by_node[i]));
		}
	}
	return nodes;
}

static void report_setting(const struct load *load, json_t *report)
{
	const struct load_config *config = load->config;

	(void)json_object_set_new(report, "what", json_string(kind_text(config->kind)));
	(void)json_object_set_new(report, "loop",
	                          json_string(config->rate > 0 ? "open" : "closed"));
	if (config->rate > 0) {
		(void)json_object_set_new(report, "rate_per_s", json_real(config->rate));
	}
	(void)json_object_set_new(report, "clients", json_integer(config->clients));
	(void)json_object_set_new(report, "outstanding", json_integer(config->outstanding));
	(void)json_object_set_new(report, "durability", report_durability(load->durability));
	(void)json_object_set_new(report, "servers", json_integer(config->post.count));
	(void)json_object_set_new(report, "leader", json_integer(load->leader));
	(void)json_object_set_new(report, "value_size", json_integer(config->value_size));
	(void)json_object_set_new(report, "keys", json_integer(config->keys));
	(void)json_object_set_new(report, "transport",
	                          json_string(config->post.is_link ? "shm" : "kernel"));
	if (config->kind == LOAD_MIXED) {
		(void)json_object_set_new(report, "read_percent",
		                          json_integer(config->read_percent));
	}
}

static json_t *make_report(const struct load *load)
{
	static struct hist both;
	const uint64_t end_ns =
		load->config->requests != 0 ? load->last_done_ns : load->count_to_ns;
	const double seconds =
		end_ns > load->count_from_ns ? (double)(end_ns - load->count_from_ns) / 1e9 : 0;
	const uint64_t answered = load->counts.outcomes[CLIENT_DONE];
	uint64_t errors = 0;
	json_t *report = json_object();

	hist_init(&both);
	hist_merge(&both, &load->reads);
	hist_merge(&both, &load->writes);
	for (unsigned i = CLIENT_DONE + 1; i <= CLIENT_UNKNOWN; i++) {
		errors += load->counts.outcomes[i];
	}
	report_setting(load, report);
	(void)json_object_set_new(report, "seconds", json_real(seconds));
	(void)json_object_set_new(report, "latency", report_latency(&both));
	if (load->config->kind == LOAD_MIXED) {
		(void)json_object_set_new(report, "latency_read", report_latency(&load->reads));
		(void)json_object_set_new(report, "latency_write", report_latency(&load->writes));
	}
	(void)json_object_set_new(report, "throughput_per_s",
	                          json_real(seconds > 0 ? (double)load->counts.done / seconds : 0));
	(void)json_object_set_new(report, "answered", json_integer((json_int_t)answered));
	(void)json_object_set_new(report, "errors", json_integer((json_int_t)errors));
	(void)json_object_set_new(report, "outcomes", report_outcomes(load));
	(void)json_object_set_new(report, "answered_by", report_nodes(load));
	(void)json_object_set_new(report, "client", report_clients(load));
	(void)json_object_set_new(report, "poll_gap_us", report_us(load->gap_max_ns));
	(void)json_object_set_new(report, "commit", json_string(report_commit()));
	(void)json_object_set_new(report, "machine", report_machine());
	return report;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void load_free(struct load *load)
{
	if (load == NULL) {
		return;
	}
	for (unsigned i = 0; load->clients != NULL && i < load->config->clients; i++) {
		client_free(load->clients[i]);
	}
	free(load->clients);
	free(load->credits);
	post_close(load->post);
	free(load);
}

static int make_clients(struct load *load)
{
	const struct load_config *config = load->config;
	struct client_config client;
	int r = 0;

	client_config_default(&client);
	client.servers = config->post.count;
	client.requests_max = config->outstanding;
	client.timeout_ns = config->timeout_ns;
	client.key = config->post.key;
	load->credit_size = (uint64_t)config->clients * config->outstanding;
	load->credits = calloc(load->credit_size, sizeof(*load->credits));
	load->clients = calloc(config->clients, sizeof(*load->clients));
	if (load->credits == NULL || load->clients == NULL) {
		return -ENOMEM;
	}
	for (unsigned i = 0; i < config->clients && r == 0; i++) {
		client.seed = prng_next(&load->prng);
		/* Secret from a stranger, though not from the one who knows the seed. */
		if (getrandom(&client.secret, sizeof(client.secret), 0) < 0) {
			return -errno;
		}
		r = client_new(&load->clients[i], &client);
	}
	return r;
}

json_t *load_measure(const struct load_config *config, int *ret_error)
{
	struct load *load = calloc(1, sizeof(*load));
	json_t *report = NULL;
	int r;

	if (load == NULL) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	load->config = config;
	prng_init(&load->prng, config->seed);
	route_init(&load->route);
	hist_init(&load->reads);
	hist_init(&load->writes);
	for (unsigned i = 0; i < config->value_size; i++) {
		load->value[i] = (uint8_t)('a' + prng_below(&load->prng, 26));
	}
	r = post_open(&load->post, &config->post);
	if (r == 0) {
		r = make_clients(load);
	}
	if (r == 0 && config->kind != LOAD_READ) {
		r = prepare(load, PHASE_OPEN, config->clients);
	}
	if (r == 0 && config->kind != LOAD_WRITE) {
		r = prepare(load, PHASE_FILL, config->keys);
	}
	if (r == 0) {
		run(load);
		report = make_report(load);
		close_sessions(load);
	}
	load_free(load);
	*ret_error = r;
	return report;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/pulse.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bench/hist.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/proto.h"

enum {
	TURN_MAX = 128,
	TTL_MS = 10000,
	REPEAT_NS = 1000 * 1000 * 1000,
	LOOK_NS = REPEAT_NS / 10,
	WINDOW = 256, /* under way */
};

#define PATIENCE_NS ((uint64_t)20000000000u)

struct session {
	uint64_t id; /* 0: not open yet */
	uint64_t secret;
	uint64_t number; /* of the request under way */
	uint64_t sent_ns;
	bool is_asked; /* and has not answered */
};

struct pulse {
	const struct pulse_config *config;
	struct post *post;
	struct session *sessions;
	uint64_t base; /* numbers are base + the session's index + a multiple of all sessions */
	unsigned open, begun, next, server;
	uint64_t look_ns;
	bool is_over; /* nothing more is sent */
	uint64_t count_from_ns, count_to_ns, answered, refused, repeated;
	struct hist hist;
};

/* OPEN until the session is there, then ALIVE; at the end CLOSE. */
static void ask(struct pulse *pulse, unsigned index, enum proto_verb verb)
{
	struct session *session = &pulse->sessions[index];
	const struct proto_request request = {.verb = verb,
	                                      .ttl_ms = verb == PROTO_OPEN ? TTL_MS : 0,
	                                      .first_unanswered = verb == PROTO_CLOSE ? 1 : 0};
	uint8_t message[PROTO_REQUEST_OVERHEAD], datagram[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = {.session = session->id, .secret = session->secret, .segments = 1};
	size_t size = proto_request_encode(&request, message, sizeof(message));

	session->number += pulse->config->sessions;
	session->sent_ns = report_now_ns();
	session->is_asked = true;
	head.number = verb == PROTO_CLOSE ? 1 : session->number;
	must(size > 0);
	size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 0, slice_make(message, size),
	                            datagram);
	store_rights_seal(&pulse->config->post.key, datagram, size);
	post_put(pulse->post, pulse->server, slice_make(datagram, size));
}

static void ask_next(struct pulse *pulse)
{
	const unsigned index = pulse->next++ % pulse->config->sessions;

	/* One that is lost has its turn when it is sent again. */
	if (!pulse->sessions[index].is_asked) {
		ask(pulse, index, PROTO_ALIVE);
	}
}

static void on_refusal(struct pulse *pulse, const struct proto_answer *answer)
{
	pulse->refused++;
	/* Who leads stands in the list where its number says, or another will know. */
	pulse->server = answer->leader != 0 && answer->leader <= pulse->config->post.count
	                        ? answer->leader - 1u
	                        : (pulse->server + 1) % pulse->config->post.count;
}

static void on_answer(struct pulse *pulse, unsigned index, const struct proto_answer *answer)
{
	struct session *session = &pulse->sessions[index];
	const uint64_t now_ns = report_now_ns();

	if (answer->answer != STORE_OK) {
		on_refusal(pulse, answer);
		return; /* it is asked again as if nothing had come */
	}
	if (answer->verb == PROTO_OPEN) {
		pulse->open += session->id == 0;
		session->id = answer->session;
	} else if (session->sent_ns >= pulse->count_from_ns && now_ns < pulse->count_to_ns) {
		pulse->answered++;
		hist_add(&pulse->hist, now_ns - session->sent_ns);
	}
	session->is_asked = false;
	if (answer->verb == PROTO_ALIVE && !pulse->is_over) {
		ask_next(pulse);
	}
}

static void hear(struct pulse *pulse, struct slice bytes)
{
	struct store_datagram datagram;
	struct proto_answer answer;
	struct proto_head head;
	struct slice piece;
	unsigned index;

	if (store_datagram_open(bytes, &datagram) != STORE_DATAGRAM_GOOD ||
	    datagram.kind != STORE_DATAGRAM_ANSWER ||
	    !proto_segment_decode(&datagram, &head, &piece) || head.segments != 1 ||
	    !proto_answer_decode(piece, &answer)) {
		return;
	}
	index = (unsigned)((head.number - pulse->base) % pulse->config->sessions);
	if (head.number == pulse->sessions[index].number) {
		on_answer(pulse, index, &answer);
	}
}

static void repeat(struct pulse *pulse, uint64_t now_ns)
{
	pulse->look_ns = now_ns + LOOK_NS;
	for (unsigned i = 0; i < pulse->begun && !pulse->is_over; i++) {
		const struct session *session = &pulse->sessions[i];

		if (session->is_asked && now_ns - session->sent_ns >= REPEAT_NS) {
			pulse->repeated++;
			ask(pulse, i, session->id == 0 ? PROTO_OPEN : PROTO_ALIVE);
		}
	}
}

static void turn(struct pulse *pulse)
{
	const uint64_t now_ns = report_now_ns();
	struct slice bytes;
	unsigned server, done = 0;

	while (done < TURN_MAX && post_get(pulse->post, &server, &bytes)) {
		hear(pulse, bytes);
		done++;
	}
	if (now_ns >= pulse->look_ns) {
		repeat(pulse, now_ns);
	}
	post_flush(pulse->post);
	if (done == 0) {
		(void)sched_yield();
	}
}

static void begin_one(struct pulse *pulse)
{
	const unsigned i = pulse->begun++;
	uint64_t secret;

	must(getrandom(&secret, sizeof(secret), 0) == (ssize_t)sizeof(secret));
	pulse->sessions[i] = (struct session){
		.secret = secret | 1,
		.number = pulse->base + i,
	};
	ask(pulse, i, PROTO_OPEN);
}

/* Opens all sessions, and asks the first of them. */
static int begin(struct pulse *pulse)
{
	const unsigned count = pulse->config->sessions;
	uint64_t end_ns = report_now_ns() + PATIENCE_NS;
	unsigned open = 0;

	while (pulse->open < count) {
		while (pulse->begun < count && pulse->begun - pulse->open < WINDOW) {
			begin_one(pulse);
		}
		turn(pulse);
		if (pulse->open != open) {
			open = pulse->open;
			end_ns = report_now_ns() + PATIENCE_NS;
		}
		if (report_now_ns() > end_ns) {
			return -ENETUNREACH;
		}
	}
	for (unsigned i = 0; i < WINDOW && i < count; i++) {
		ask_next(pulse);
	}
	return 0;
}

static json_t *make_report(const struct pulse *pulse)
{
	json_t *report = json_object();

	(void)json_object_set_new(report, "sessions", json_integer(pulse->config->sessions));
	(void)json_object_set_new(report, "answered_per_s",
	                          json_real((double)pulse->answered / pulse->config->seconds));
	(void)json_object_set_new(report, "latency", report_latency(&pulse->hist));
	(void)json_object_set_new(report, "refused", json_integer((json_int_t)pulse->refused));
	(void)json_object_set_new(report, "repeated", json_integer((json_int_t)pulse->repeated));
	return report;
}

json_t *pulse_measure(const struct pulse_config *config, int *ret_error)
{
	struct pulse *pulse = calloc(1, sizeof(*pulse));
	json_t *report = NULL;

	must(pulse != NULL);
	must(config->sessions >= 1 && config->sessions <= PULSE_SESSIONS_MAX);
	pulse->config = config;
	pulse->base = (report_now_ns() | 1) >> 2; /* below the numbers of watches */
	pulse->count_from_ns = UINT64_MAX;
	pulse->sessions = calloc(config->sessions, sizeof(*pulse->sessions));
	must(pulse->sessions != NULL);
	hist_init(&pulse->hist);
	*ret_error = post_open(&pulse->post, &config->post);
	if (*ret_error == 0) {
		*ret_error = begin(pulse);
	}
	if (*ret_error == 0) {
		pulse->count_from_ns = report_now_ns() + (uint64_t)(config->warm_up_seconds * 1e9);
		pulse->count_to_ns = pulse->count_from_ns + (uint64_t)(config->seconds * 1e9);
		while (report_now_ns() < pulse->count_to_ns) {
			turn(pulse);
		}
		pulse->is_over = true;
		for (unsigned i = 0; i < config->sessions; i++) {
			ask(pulse, i, PROTO_CLOSE);
			turn(pulse); /* not waited for: who is not heard any more expires */
		}
		report = make_report(pulse);
	}
	post_close(pulse->post);
	free(pulse->sessions);
	free(pulse);
	return report;
}

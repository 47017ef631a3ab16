/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/check.h"
#include "tests/system/recorder.h"

enum {
	RECEIVE_BURST = 64,
	FAULTS_SHOWN = 20,
	MADE_ROOM = 1024,
	PAST_NEAR = 64, /* revisions */
	PAST_FAR = 20000,
};

/* --- start and end ------------------------------------------------------------------------- */

bool recorder_parse_servers(struct recorder_config *config, const char *text)
{
	config->server_count = 0;
	while (config->server_count < CLIENT_SERVERS_MAX) {
		struct sockaddr_in *server = &config->servers[config->server_count];
		char host[16];
		unsigned port;
		int used = 0;

		if (sscanf(text, "%15[0-9.]:%u%n", host, &port, &used) != 2 || port > UINT16_MAX) {
			return false;
		}
		*server = (struct sockaddr_in){.sin_family = AF_INET,
		                               .sin_port = htons((uint16_t)port)};
		if (inet_pton(AF_INET, host, &server->sin_addr) != 1) {
			return false;
		}
		config->server_count++;
		text += used;
		if (*text == 0) {
			return true;
		}
		if (*text++ != ',') {
			return false;
		}
	}
	return false;
}

static int open_member(struct recorder *recorder, struct recorder_member *member, unsigned index)
{
	struct client_config config;

	client_config_default(&config);
	config.servers = recorder->config.server_count;
	config.requests_max = recorder->config.lanes;
	config.timeout_ns = recorder->config.timeout_ns;
	config.seed = recorder->config.seed * RECORDER_CLIENTS_MAX + index + 1;
	if (getrandom(&config.secret, sizeof(config.secret), 0) != sizeof(config.secret)) {
		return -EIO;
	}
	member->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (member->fd < 0) {
		return -errno;
	}
	return client_new(&member->client, &config);
}

int recorder_new(struct recorder **ret_recorder, const struct recorder_config *config,
                 const char *output)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int r = recorder != NULL ? 0 : -ENOMEM;

	if (r == 0) {
		recorder->config = *config;
		prng_init(&recorder->prng, config->seed);
		recorder->output = fopen(output, "w");
		r = recorder->output != NULL ? 0 : -errno;
	}
	for (unsigned i = 0; r == 0 && i < config->clients; i++) {
		r = open_member(recorder, &recorder->members[i], i);
	}
	if (r == 0) {
		*ret_recorder = recorder;
	}
	errno = -r;
	return r; /* what was taken goes with the process */
}

int recorder_close(struct recorder *recorder)
{
	const bool is_whole = ferror(recorder->output) == 0 && fclose(recorder->output) == 0;

	for (unsigned i = 0; i < recorder->config.clients; i++) {
		client_free(recorder->members[i].client);
		(void)close(recorder->members[i].fd);
	}
	free(recorder->made);
	free(recorder);
	return is_whole ? 0 : -EIO;
}

/* --- asking -------------------------------------------------------------------------------- */

static void path_of(const struct recorder *recorder, unsigned member,
                    const struct recorder_lane *lane, char path[RECORDER_PATH_SIZE])
{
	const char *prefix = recorder->config.prefix;

	if (lane->kind == RECORDER_MAKE) {
		(void)snprintf(path, RECORDER_PATH_SIZE, "%s/made/c%u-%" PRIu64, prefix, member,
		               lane->made);
	} else if (lane->kind == RECORDER_BACK) {
		const struct recorder_made *made = &recorder->made[lane->made];

		(void)snprintf(path, RECORDER_PATH_SIZE, "%s/made/c%u-%" PRIu64, prefix,
		               made->member, made->number);
	} else {
		(void)snprintf(path, RECORDER_PATH_SIZE, "%s/k%u", prefix, lane->key);
	}
}

static enum recorder_kind choose(struct recorder *recorder)
{
	static const struct {
		enum recorder_kind kind;
		unsigned weight;
	} choices[] = {
		{RECORDER_GET, 26}, {RECORDER_PAST, 8}, {RECORDER_SET, 20},  {RECORDER_CAS, 16},
		{RECORDER_ADD, 8},  {RECORDER_DEL, 4},  {RECORDER_MAKE, 12}, {RECORDER_DEL_IF, 6},
	};
	uint64_t left = prng_below(&recorder->prng, 100);

	for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (left < choices[i].weight) {
			return choices[i].kind;
		}
		left -= choices[i].weight;
	}
	must(false);
}

/* Mostly of late, and now and then long ago; 0: none is known. */
static store_rev_t draw_past(struct recorder *recorder, const struct recorder_member *member)
{
	const uint64_t back = prng_chance(&recorder->prng, 1, 8) ? PAST_FAR : PAST_NEAR;
	const store_rev_t rev = member->seen - (store_rev_t)prng_below(&recorder->prng, back);

	return rev > 0 ? rev : member->seen;
}

/* What this lane asks next; false if there is nothing. */
static bool plan(struct recorder *recorder, unsigned index, struct recorder_lane *lane)
{
	struct recorder_member *member = &recorder->members[index];

	if (recorder->is_reading_back) {
		while (recorder->next_back < recorder->made_count &&
		       recorder->made[recorder->next_back].is_read) {
			recorder->next_back++;
		}
		lane->made = recorder->next_back;
		if (lane->made >= recorder->made_count + recorder->config.keys) {
			return false;
		}
		lane->kind = lane->made < recorder->made_count ? RECORDER_BACK : RECORDER_LAST;
		lane->key = (unsigned)(lane->made - recorder->made_count);
		recorder->next_back++;
		return true;
	}
	lane->kind = choose(recorder);
	lane->key = (unsigned)prng_below(&recorder->prng, recorder->config.keys);
	lane->rev = member->revs[lane->key];
	if (lane->kind == RECORDER_PAST) {
		lane->rev = draw_past(recorder, member);
		lane->kind = lane->rev == 0 ? RECORDER_GET : RECORDER_PAST;
	}
	lane->made = ++member->values;
	(void)snprintf(lane->text, sizeof(lane->text), "c%u-%" PRIu64, index, lane->made);
	return true;
}

static void ask(struct recorder *recorder, unsigned index, unsigned which)
{
	static uint8_t value[STORE_VALUE_SIZE_MAX];
	struct recorder_member *member = &recorder->members[index];
	struct recorder_lane *lane = &member->lanes[which];
	struct client_request request = {.condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY};
	char path[RECORDER_PATH_SIZE];
	int r;

	if (!plan(recorder, index, lane)) {
		lane->start_ns = UINT64_MAX;
		return;
	}
	path_of(recorder, index, lane, path);
	request.path = slice_text(path);
	request.context = which;
	switch (lane->kind) {
	case RECORDER_CAS:
	case RECORDER_DEL_IF:
		request.rev = lane->rev;
		break;
	case RECORDER_ADD:
	case RECORDER_MAKE:
		request.rev = 0;
		break;
	case RECORDER_IDLE:
	case RECORDER_GET:
	case RECORDER_PAST:
	case RECORDER_SET:
	case RECORDER_DEL:
	case RECORDER_BACK:
	case RECORDER_LAST:
		break;
	}
	if (lane->kind == RECORDER_DEL || lane->kind == RECORDER_DEL_IF) {
		request.verb = PROTO_DELETE;
	} else if (lane->kind == RECORDER_GET || lane->kind == RECORDER_PAST ||
	           lane->kind == RECORDER_BACK || lane->kind == RECORDER_LAST) {
		request.verb = PROTO_GET;
		request.condition = 0;
		request.rev = lane->kind == RECORDER_PAST ? lane->rev : 0;
	} else {
		request.verb = PROTO_SET;
		request.value = slice_make(value, recorder_value_make(lane->text, value));
	}
	lane->call_ns = recorder_now_ns();
	r = client_submit(member->client, lane->call_ns, &request, NULL);
	must(r == 0);
}

/* --- what comes back ----------------------------------------------------------------------- */

static void fault(struct recorder *recorder, unsigned index, const struct recorder_lane *lane,
                  const struct client_result *result, const char *what)
{
	char path[RECORDER_PATH_SIZE];

	path_of(recorder, index, lane, path);
	recorder->faults++;
	if (recorder->faults <= FAULTS_SHOWN) {
		(void)fprintf(stderr,
		              "recorder: %s: client %u, %s, called at %" PRIu64
		              ": outcome %u, %s, rev %" PRId64 " of %" PRId64 ", sent %u times\n",
		              what, index, path, lane->call_ns, result->outcome,
		              store_answer_text(result->answer.answer), result->answer.revision,
		              result->answer.store_revision, result->sends);
	}
}

static void keep_made(struct recorder *recorder, unsigned index, const struct recorder_lane *lane,
                      store_rev_t rev)
{
	if (recorder->made_count == recorder->made_room) {
		const uint64_t room =
			recorder->made_room == 0 ? MADE_ROOM : 2 * recorder->made_room;

		recorder->made = realloc(recorder->made, room * sizeof(*recorder->made));
		must(recorder->made != NULL);
		recorder->made_room = room;
	}
	recorder->made[recorder->made_count++] =
		(struct recorder_made){.member = index, .number = lane->made, .rev = rev};
}

static void on_made(struct recorder *recorder, unsigned index, const struct recorder_lane *lane,
                    const struct client_result *result)
{
	if (result->outcome == CLIENT_DONE) {
		keep_made(recorder, index, lane, result->answer.revision);
	} else if (result->outcome == CLIENT_REFUSED && result->answer.answer == STORE_MISMATCH) {
		fault(recorder, index, lane, result, "done twice: nobody else makes this file");
	}
}

static void on_back(struct recorder *recorder, unsigned index, const struct recorder_lane *lane,
                    const struct client_result *result)
{
	struct recorder_made *made = &recorder->made[lane->made];
	char text[RECORDER_TEXT_SIZE], expected[RECORDER_TEXT_SIZE];

	if (result->outcome == CLIENT_UNREACHED ||
	    (result->outcome == CLIENT_REFUSED && result->answer.answer != STORE_NOT_FOUND)) {
		recorder->unread++;
		return;
	}
	made->is_read = true;
	(void)snprintf(expected, sizeof(expected), "c%u-%" PRIu64, made->member, made->number);
	if (result->outcome != CLIENT_DONE || !recorder_value_check(result->answer.value, text) ||
	    strcmp(text, expected) != 0 || result->answer.revision != made->rev) {
		fault(recorder, index, lane, result, "an acknowledged write is missing");
	}
}

static void on_shared(struct recorder *recorder, unsigned index, const struct recorder_lane *lane,
                      const struct client_result *result, uint64_t now_ns)
{
	struct recorder_member *member = &recorder->members[index];
	const enum store_answer answer = result->answer.answer;

	if (!recorder_write(recorder->output, recorder->config.prefix, index, lane, result,
	                    now_ns)) {
		fault(recorder, index, lane, result, "an answer that cannot be");
	}
	if (lane->kind == RECORDER_LAST && result->outcome != CLIENT_DONE &&
	    answer != STORE_NOT_FOUND) {
		recorder->unread++;
	}
	if (result->answer.store_revision > member->seen) {
		member->seen = result->answer.store_revision;
	}
	if (lane->kind == RECORDER_PAST) {
		return; /* no news of what stands */
	}
	if (result->outcome == CLIENT_DONE) {
		const bool is_gone = result->verb == PROTO_DELETE;

		member->revs[lane->key] = is_gone ? 0 : result->answer.revision;
	} else if (result->outcome == CLIENT_REFUSED && answer == STORE_MISMATCH) {
		member->revs[lane->key] = result->answer.revision;
	} else if (result->outcome == CLIENT_REFUSED && answer == STORE_NOT_FOUND) {
		member->revs[lane->key] = 0;
	}
}

static void count_result(struct recorder *recorder, const struct client_result *result,
                         uint64_t now_ns)
{
	struct recorder_counts *counts = &recorder->counts;

	counts->done += result->outcome == CLIENT_DONE;
	counts->refused += result->outcome == CLIENT_REFUSED;
	counts->unreached += result->outcome == CLIENT_UNREACHED;
	counts->unknown += result->outcome == CLIENT_UNKNOWN;
	if (result->outcome == CLIENT_DONE && result->verb != PROTO_GET) {
		const uint64_t gap_ns = counts->last_ack_ns != 0 ? now_ns - counts->last_ack_ns : 0;

		counts->acked++;
		counts->last_ack_ns = now_ns;
		counts->gap_ns = gap_ns > counts->gap_ns ? gap_ns : counts->gap_ns;
	}
}

/* Refusals that this use of the service never earns. */
static bool is_strange(const struct recorder_lane *lane, const struct client_result *result)
{
	if (result->outcome != CLIENT_REFUSED) {
		return false;
	}
	switch (result->answer.answer) {
	case STORE_MISMATCH:
	case STORE_NOT_FOUND:
	case STORE_OVERLOADED:
	case STORE_NO_QUORUM:
	case STORE_NOT_LEADER:
	case STORE_DISK_FULL:
		return false;
	case STORE_TOO_EARLY: /* a server that lags, or has not kept it */
	case STORE_TOO_LATE:
		return lane->kind != RECORDER_PAST;
	case STORE_OK:
	case STORE_IS_DIRECTORY:
	case STORE_NOT_DIRECTORY:
	case STORE_BAD_PATH:
	case STORE_BAD_GLOB:
	case STORE_TOO_LARGE:
	case STORE_QUOTA:
	case STORE_NO_SESSION:
	case STORE_BAD_SECRET:
	case STORE_STALE:
	case STORE_WINDOW:
	case STORE_SESSIONS_FULL:
	case STORE_BAD_REQUEST:
	case STORE_BAD_VERSION:
	case STORE_WRONG_CLUSTER:
	case STORE_BAD_VERB:
	case STORE_DENIED:
	case STORE_LOCKED:
	case STORE_NOT_HELD:
	case STORE_NOT_NUMBER:
	case STORE_GUARDED:
	case STORE_SESSION_FULL:
	case STORE_ANSWER_COUNT:
		break;
	}
	return true;
}

static void on_result(struct recorder *recorder, unsigned index, const struct client_result *result)
{
	const uint64_t now_ns = recorder_now_ns();
	struct recorder_lane *lane = &recorder->members[index].lanes[result->context];

	count_result(recorder, result, now_ns);
	if (is_strange(lane, result)) {
		fault(recorder, index, lane, result, "a refusal without a reason");
	}
	if (lane->kind == RECORDER_MAKE) {
		on_made(recorder, index, lane, result);
	} else if (lane->kind == RECORDER_BACK) {
		on_back(recorder, index, lane, result);
	} else {
		on_shared(recorder, index, lane, result, now_ns);
	}
	lane->kind = RECORDER_IDLE;
	lane->start_ns = recorder->is_reading_back ? 0 : now_ns + recorder->config.pause_ns;
}

/* --- a turn -------------------------------------------------------------------------------- */

static void take_effects(struct recorder *recorder, unsigned index)
{
	struct recorder_member *member = &recorder->members[index];
	struct client_effect effect;

	while (client_take(member->client, &effect)) {
		const struct sockaddr_in *server;

		if (effect.kind == CLIENT_EFFECT_DONE) {
			on_result(recorder, index, &effect.result);
			continue;
		}
		server = &recorder->config.servers[effect.server];
		/* What cannot be sent is as good as lost; the client asks again. */
		(void)sendto(member->fd, effect.bytes.data, effect.bytes.size, 0,
		             (const struct sockaddr *)server, sizeof(*server));
	}
}

static void receive(struct recorder *recorder, unsigned index)
{
	struct recorder_member *member = &recorder->members[index];
	uint8_t bytes[2048];

	for (unsigned i = 0; i < RECEIVE_BURST; i++) {
		struct sockaddr_in source = {0};
		socklen_t source_size = sizeof(source);
		const ssize_t size = recvfrom(member->fd, bytes, sizeof(bytes), 0,
		                              (struct sockaddr *)&source, &source_size);

		if (size < 0) {
			return;
		}
		for (unsigned s = 0; s < recorder->config.server_count; s++) {
			const struct sockaddr_in *server = &recorder->config.servers[s];

			if (server->sin_port == source.sin_port &&
			    server->sin_addr.s_addr == source.sin_addr.s_addr) {
				client_receive(member->client, recorder_now_ns(), s,
				               slice_make(bytes, (size_t)size));
				take_effects(recorder, index);
				break;
			}
		}
	}
}

void recorder_turn(struct recorder *recorder)
{
	for (unsigned i = 0; i < recorder->config.clients; i++) {
		struct recorder_member *member = &recorder->members[i];

		receive(recorder, i);
		client_tick(member->client, recorder_now_ns());
		take_effects(recorder, i);
		for (unsigned l = 0; !recorder->is_draining && l < recorder->config.lanes; l++) {
			if (member->lanes[l].kind == RECORDER_IDLE &&
			    member->lanes[l].start_ns <= recorder_now_ns()) {
				ask(recorder, i, l);
			}
		}
		take_effects(recorder, i);
	}
}

uint64_t recorder_deadline_ns(const struct recorder *recorder)
{
	uint64_t deadline_ns = UINT64_MAX;

	for (unsigned i = 0; i < recorder->config.clients; i++) {
		const struct recorder_member *member = &recorder->members[i];
		const uint64_t client_ns = client_deadline_ns(member->client);

		deadline_ns = client_ns < deadline_ns ? client_ns : deadline_ns;
		for (unsigned l = 0; !recorder->is_draining && l < recorder->config.lanes; l++) {
			const struct recorder_lane *lane = &member->lanes[l];

			if (lane->kind == RECORDER_IDLE && lane->start_ns < deadline_ns) {
				deadline_ns = lane->start_ns;
			}
		}
	}
	return deadline_ns;
}

unsigned recorder_outstanding(const struct recorder *recorder)
{
	unsigned count = 0;

	for (unsigned i = 0; i < recorder->config.clients; i++) {
		for (unsigned l = 0; l < recorder->config.lanes; l++) {
			count += recorder->members[i].lanes[l].kind != RECORDER_IDLE;
		}
	}
	return count;
}

void recorder_start_read_back(struct recorder *recorder)
{
	recorder->is_draining = false;
	recorder->is_reading_back = true;
	recorder->next_back = 0;
	recorder->unread = 0;
	for (unsigned i = 0; i < recorder->config.clients; i++) {
		for (unsigned l = 0; l < recorder->config.lanes; l++) {
			recorder->members[i].lanes[l].start_ns = 0;
		}
	}
}

bool recorder_read_back_is_over(const struct recorder *recorder)
{
	return recorder->next_back >= recorder->made_count + recorder->config.keys &&
	       recorder_outstanding(recorder) == 0;
}

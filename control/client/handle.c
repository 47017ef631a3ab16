/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c - the handle: sockets and a clock around store/client
 *
 * A connected socket for each server: the kernel drops what comes from elsewhere, and tells when
 * nobody listens there. They and a timer stand in one epoll descriptor, which is what is polled.
 */
#include "control/client/coffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "control/client/handle.h"
#include "control/client/servers.h"
#include "control/client/txn.h"
#include "store/base/check.h"

enum {
	SOCKET_BYTES = 1 << 20, /* asked of the kernel for what comes in */
	RECEIVES_MAX = 256,     /* datagrams taken from one socket in one call */
};

#define NS_PER_MS ((uint64_t)1000 * 1000)
#define NS_PER_S  ((uint64_t)1000 * 1000 * 1000)

static_assert((int)COFFER_CLOSE == (int)PROTO_CLOSE && (int)COFFER_SET == (int)PROTO_SET &&
                      (int)COFFER_SELF == (int)PROTO_SELF && (int)COFFER_TXN == (int)PROTO_TXN &&
                      (int)COFFER_SESSIONS == (int)PROTO_SESSIONS &&
                      (int)COFFER_OWNED == (int)PROTO_OWNED,
              "verbs are the protocol's");
static_assert((int)COFFER_IF_AT_MOST == (int)STORE_IF_AT_MOST, "conditions are the protocol's");
static_assert((int)COFFER_SESSION_FULL == (int)STORE_SESSION_FULL && STORE_ANSWER_COUNT == 30,
              "answers are the protocol's");
static_assert((int)COFFER_UNKNOWN == (int)CLIENT_UNKNOWN, "outcomes are the client's");
static_assert((int)COFFER_STALE == (int)PROTO_FLAG_STALE, "flags are the protocol's");
static_assert((int)COFFER_ORDERED == (int)PROTO_FLAG_ORDERED, "flags are the protocol's");
static_assert((int)COFFER_PATH_SIZE_MAX == (int)STORE_PATH_SIZE_MAX, "limits are the store's");
static_assert((int)COFFER_VALUE_SIZE_MAX == (int)STORE_VALUE_SIZE_MAX, "limits are the store's");
static_assert((int)COFFER_PORT == (int)STORE_PORT, "the port is the store's");
static_assert((int)COFFER_SERVERS_MAX == (int)CLIENT_SERVERS_MAX, "limits are the client's");
static_assert((int)COFFER_SERVERS_MAX == (int)WATCHER_SERVERS_MAX, "limits are the watcher's");
static_assert((int)COFFER_WATCHES_MAX == (int)WATCHER_WATCHES_MAX, "limits are the watcher's");
static_assert((int)COFFER_REQUESTS_MAX == (int)CLIENT_REQUESTS_MAX, "limits are the client's");

uint64_t ctl_handle_now_ns(void)
{
	struct timespec now;

	/* As the servers do: a session goes on ending while the client's machine sleeps. */
	must(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- opening ------------------------------------------------------------------------------ */

void coffer_options_default(struct coffer_options *options)
{
	struct watcher_config watcher;
	struct client_config config;

	client_config_default(&config);
	watcher_config_default(&watcher);
	*options = (struct coffer_options){
		.timeout_ms = (uint32_t)(config.timeout_ns / NS_PER_MS),
		.ttl_ms = config.ttl_ms,
		.requests_max = COFFER_REQUESTS_MAX,
		.watches_max = watcher.watches_max,
	};
}

static int poll_too(const struct coffer *coffer, int fd, uint32_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = data}};

	return epoll_ctl(coffer->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_socket(struct coffer *coffer, unsigned server, const struct sockaddr_in *address)
{
	const int size = SOCKET_BYTES;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	coffer->sockets[server] = fd;
	/* As much as the kernel grants; less means that bursts are asked for again. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		return -errno;
	}
	return poll_too(coffer, fd, server);
}

static struct store_key key_of(const struct coffer_options *options)
{
	const char *secret = options->secret;

	if (secret == NULL) {
		secret = getenv("COFFER_SECRET");
	}
	if (secret == NULL || secret[0] == '\0') {
		return (struct store_key){0};
	}
	return store_key_of(slice_text(secret));
}

static int open_client(struct coffer *coffer, const struct coffer_options *options)
{
	struct client_config config;
	uint64_t chance[2];

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
		return -errno;
	}
	client_config_default(&config);
	config.servers = coffer->server_count;
	config.requests_max = options->requests_max;
	config.cluster = options->cluster;
	config.seed = chance[0];
	config.secret = chance[1];
	config.key = key_of(options);
	config.ttl_ms = options->ttl_ms;
	config.one_session = options->one_session;
	config.resume = options->session;
	config.resume_secret = options->session_secret;
	config.timeout_ns = options->timeout_ms * NS_PER_MS;
	return client_new(&coffer->client, &config);
}

static int open_watcher(struct coffer *coffer, const struct coffer_options *options)
{
	struct watcher_config config;
	uint64_t chance[2];
	int r;

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
		return -errno;
	}
	watcher_config_default(&config);
	config.servers = coffer->server_count;
	config.watches_max = options->watches_max;
	config.cluster = options->cluster;
	config.seed = chance[0];
	config.secret = chance[1];
	config.key = key_of(options);
	r = watcher_new(&coffer->watcher, &config);
	if (r < 0) {
		return r;
	}
	coffer->watches_max = options->watches_max;
	coffer->watches = calloc(options->watches_max, sizeof(*coffer->watches));
	return coffer->watches == NULL ? -ENOMEM : 0;
}

static int open_descriptors(struct coffer *coffer, const struct sockaddr_in *addresses)
{
	int r;

	coffer->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (coffer->epoll_fd < 0) {
		return -errno;
	}
	coffer->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (coffer->timer_fd < 0) {
		return -errno;
	}
	r = poll_too(coffer, coffer->timer_fd, COFFER_SERVERS_MAX);
	for (unsigned i = 0; i < coffer->server_count && r == 0; i++) {
		r = open_socket(coffer, i, &addresses[i]);
	}
	return r;
}

static void close_fd(int fd)
{
	if (fd >= 0) {
		(void)close(fd); /* of a socket or timer: nothing to be lost */
	}
}

static void free_handle(struct coffer *coffer)
{
	for (unsigned i = 0; i < COFFER_SERVERS_MAX; i++) {
		close_fd(coffer->sockets[i]);
	}
	close_fd(coffer->timer_fd);
	close_fd(coffer->epoll_fd);
	client_free(coffer->client);
	watcher_free(coffer->watcher);
	ctl_locks_free(coffer);
	ctl_observers_free(coffer);
	free(coffer->watches);
	free(coffer);
}

int coffer_open(struct coffer **ret_coffer, const char *servers,
                const struct coffer_options *options)
{
	struct sockaddr_in addresses[COFFER_SERVERS_MAX];
	struct coffer_options defaults;
	struct coffer *coffer;
	int r;

	coffer_options_default(&defaults);
	if (options == NULL) {
		options = &defaults;
	}
	if (servers == NULL) {
		servers = getenv("COFFER_SERVERS");
	}
	r = ctl_servers_resolve(servers, addresses, COFFER_SERVERS_MAX);
	if (r < 0) {
		return r;
	}
	coffer = calloc(1, sizeof(*coffer));
	if (coffer == NULL) {
		return -ENOMEM;
	}
	coffer->epoll_fd = coffer->timer_fd = -1;
	memset(coffer->sockets, -1, sizeof(coffer->sockets));
	coffer->server_count = (unsigned)r;
	coffer->timeout_ns = options->timeout_ms * NS_PER_MS;
	r = open_client(coffer, options);
	if (r == 0) {
		r = open_watcher(coffer, options);
	}
	if (r == 0) {
		r = open_descriptors(coffer, addresses);
	}
	if (r < 0) {
		free_handle(coffer);
		return r;
	}
	coffer->keeps_session = options->keep_session;
	client_tick(coffer->client, ctl_handle_now_ns()); /* a session to go on with is asked for */
	ctl_handle_flush(coffer);
	*ret_coffer = coffer;
	return 0;
}

/* --- turning ------------------------------------------------------------------------------ */

static void send_one(const struct coffer *coffer, unsigned server, struct slice bytes)
{
	/*
	 * What the socket remembers of an earlier datagram (ECONNREFUSED) is told here first; this
	 * one is then sent by the second call. A full socket loses it: it will be sent again.
	 */
	for (unsigned i = 0; i < 2; i++) {
		if (send(coffer->sockets[server], bytes.data, bytes.size, MSG_NOSIGNAL) >= 0 ||
		    errno != ECONNREFUSED) {
			return;
		}
	}
}

static struct coffer_result translate(const struct client_result *in, uint64_t now_ns)
{
	const struct proto_answer *answer = &in->answer;
	const bool is_read = in->verb == PROTO_GET || in->verb == PROTO_STAT;

	return (struct coffer_result){
		.outcome = (enum coffer_outcome)in->outcome,
		.answer = (enum coffer_answer)answer->answer,
		.heard = in->heard,
		.revision = answer->revision,
		.store_revision = answer->store_revision,
		.owner = is_read ? answer->session : 0,
		.first = answer->first,
		.number = answer->number,
		.is_else = (answer->result & STORE_RESULT_ELSE) != 0,
		.is_condition = (answer->result & STORE_RESULT_IF) != 0,
		.is_queued = (answer->result & STORE_RESULT_QUEUED) != 0,
		.op = in->verb == PROTO_TXN ? answer->count : 0,
		.value = answer->value.data,
		.value_size = answer->value.size,
		.is_directory = answer->is_directory,
		.children = answer->children,
		.count = answer->count,
		.has_more = answer->has_more,
		.node = answer->node,
		.leader = answer->leader,
		.role = answer->role,
		.durability = answer->durability,
		.sends = in->sends,
		.latency_ns = now_ns - in->submit_ns,
	};
}

static void call_back(struct coffer *coffer, const struct client_result *result, uint64_t now_ns)
{
	const struct coffer_result told = translate(result, now_ns);
	struct ctl_pending *pending;
	coffer_done_fn *done;

	must(result->context < COFFER_REQUESTS_MAX);
	pending = &coffer->pending[result->context];
	done = pending->done;
	must(done != NULL);
	pending->done = NULL;
	coffer->calling_back = true;
	done(pending->context, &told);
	coffer->calling_back = false;
}

/* Obeys the watcher until it wants nothing more. Returns how many callbacks were called. */
static int obey_watcher(struct coffer *coffer)
{
	struct watcher_effect effect;
	int called = 0;

	while (watcher_take(coffer->watcher, &effect)) {
		if (effect.kind == WATCHER_EFFECT_SEND) {
			send_one(coffer, effect.server, effect.bytes);
		} else {
			/* What is asked from inside of the callback is not older than its news. */
			client_saw(coffer->client, watcher_seen(coffer->watcher));
			ctl_watch_news(coffer, &effect);
			called++;
		}
	}
	return called;
}

/* Obeys the client until it wants nothing more. Returns how many callbacks were called. */
static int obey(struct coffer *coffer, uint64_t now_ns)
{
	struct client_effect effect;
	int called = 0;

	while (client_take(coffer->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			send_one(coffer, effect.server, effect.bytes);
		} else if (effect.result.context == CTL_PENDING_REV) {
			called += ctl_watch_on_rev(coffer, now_ns, &effect.result);
		} else {
			call_back(coffer, &effect.result, now_ns);
			called++;
		}
	}
	return called;
}

/* Sends what is due, but leaves news and results to coffer_process(). */
static void obey_sends(struct coffer *coffer)
{
	struct watcher_effect watched;
	struct client_effect effect;

	while (client_take_send(coffer->client, &effect)) {
		send_one(coffer, effect.server, effect.bytes);
	}
	while (watcher_take_send(coffer->watcher, &watched)) {
		send_one(coffer, watched.server, watched.bytes);
	}
}

/* The watcher keeps one page: it is taken before the next datagram is given. */
static int receive_one(struct coffer *coffer, unsigned server, struct slice bytes)
{
	if (!watcher_is_for(bytes)) {
		client_receive(coffer->client, ctl_handle_now_ns(), server, bytes);
		return 0;
	}
	watcher_receive(coffer->watcher, ctl_handle_now_ns(), server, bytes);
	return obey_watcher(coffer);
}

static int receive_all(struct coffer *coffer, unsigned server)
{
	int called = 0;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX + 1];

	for (unsigned i = 0; i < RECEIVES_MAX; i++) {
		const ssize_t size = recv(coffer->sockets[server], bytes, sizeof(bytes), 0);

		if (size >= 0) {
			called += receive_one(coffer, server, slice_make(bytes, (size_t)size));
		} else if (errno == ECONNREFUSED) {
			client_unreachable(coffer->client, ctl_handle_now_ns(), server);
			watcher_unreachable(coffer->watcher, ctl_handle_now_ns(), server);
		} else {
			break; /* EAGAIN: nothing more. Else as if nothing had come. */
		}
	}
	return called;
}

/* Makes the timer fire when something is due, or at once if callbacks wait. */
static void set_timer(struct coffer *coffer)
{
	const uint64_t watcher_ns = watcher_deadline_ns(coffer->watcher);
	const uint64_t locks_ns = ctl_locks_deadline_ns(coffer);
	const uint64_t observers_ns = ctl_observers_deadline_ns(coffer);
	uint64_t due_ns = client_deadline_ns(coffer->client);
	struct itimerspec when = {0};

	if (watcher_ns < due_ns) {
		due_ns = watcher_ns;
	}
	if (locks_ns < due_ns) {
		due_ns = locks_ns == 0 ? 1 : locks_ns;
	}
	if (observers_ns < due_ns) {
		due_ns = observers_ns;
	}
	if (client_has_results(coffer->client) || watcher_has_news(coffer->watcher)) {
		due_ns = 1;
	}
	if (due_ns == coffer->timer_ns) {
		return;
	}
	coffer->timer_ns = due_ns;
	if (due_ns != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(due_ns / NS_PER_S);
		when.it_value.tv_nsec = (long)(due_ns % NS_PER_S);
	}
	must(timerfd_settime(coffer->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

void ctl_handle_flush(struct coffer *coffer)
{
	if (!coffer->calling_back) {
		obey_sends(coffer);
		set_timer(coffer);
	}
}

int coffer_process(struct coffer *coffer)
{
	struct epoll_event events[COFFER_SERVERS_MAX + 1];
	uint64_t expirations;
	int count, called = 0;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	coffer->told = 0;
	count = epoll_wait(coffer->epoll_fd, events, COFFER_SERVERS_MAX + 1, 0);
	for (int i = 0; i < count; i++) {
		if (events[i].data.u32 < coffer->server_count) {
			called += receive_all(coffer, events[i].data.u32);
		} else if (read(coffer->timer_fd, &expirations, sizeof(expirations)) > 0) {
			coffer->timer_ns = 0; /* has fired: to be set again */
		}
	}
	client_tick(coffer->client, ctl_handle_now_ns());
	watcher_tick(coffer->watcher, ctl_handle_now_ns());
	called += obey(coffer, ctl_handle_now_ns());
	called += obey_watcher(coffer);
	ctl_locks_turn(coffer, ctl_handle_now_ns());
	ctl_observers_turn(coffer);
	ctl_watch_ask_rev(coffer, ctl_handle_now_ns());
	ctl_handle_flush(coffer); /* what the callbacks asked for */
	return called + coffer->told;
}

int coffer_fd(const struct coffer *coffer)
{
	return coffer->epoll_fd;
}

uint64_t coffer_session(const struct coffer *coffer, uint64_t *ret_secret)
{
	if (ret_secret != NULL) {
		*ret_secret = client_session_secret(coffer->client);
	}
	return client_session(coffer->client);
}

uint64_t coffer_valid_until_ns(const struct coffer *coffer)
{
	return client_valid_until_ns(coffer->client);
}

unsigned coffer_outstanding(const struct coffer *coffer)
{
	return client_outstanding(coffer->client) - (coffer->rev_is_asked ? 1 : 0);
}

/* --- asking ------------------------------------------------------------------------------- */

static struct ctl_pending *free_pending(struct coffer *coffer)
{
	for (unsigned i = 0; i < COFFER_REQUESTS_MAX; i++) {
		if (coffer->pending[i].done == NULL) {
			return &coffer->pending[i];
		}
	}
	return NULL;
}

static struct slice text_or_nothing(const char *text)
{
	return text == NULL ? (struct slice){0} : slice_text(text);
}

static bool request_is_good(const struct coffer_request *request)
{
	const bool is_txn = request->verb == COFFER_TXN;
	const bool needs_path = request->verb >= COFFER_SET && request->verb <= COFFER_FIND &&
	                        request->verb != COFFER_NOP;

	return ((request->verb >= COFFER_SET && request->verb <= COFFER_SELF) ||
	        request->verb == COFFER_CLOSE || request->verb == COFFER_SESSIONS ||
	        request->verb == COFFER_OWNED || is_txn) &&
	       is_txn == (request->txn != NULL) &&
	       request->flags <= (COFFER_STALE | COFFER_ORDERED) && request->limit <= UINT16_MAX &&
	       !(needs_path && request->path == NULL) &&
	       !(request->value == NULL && request->value_size != 0);
}

int coffer_submit(struct coffer *coffer, const struct coffer_request *request, coffer_done_fn *done,
                  void *context, uint64_t *ret_id)
{
	const uint64_t now_ns = ctl_handle_now_ns();
	struct ctl_pending *pending;
	struct client_request out;
	int r;

	if (done == NULL || !request_is_good(request)) {
		return -EINVAL;
	}
	pending = free_pending(coffer);
	if (pending == NULL) {
		return -EAGAIN;
	}
	out = (struct client_request){
		.verb = (enum proto_verb)request->verb,
		.flags = (uint16_t)request->flags,
		.condition = (enum store_condition)request->condition,
		.rev = request->rev,
		.offset = request->offset,
		.limit = (uint16_t)request->limit,
		.path = text_or_nothing(request->path),
		.after = text_or_nothing(request->after),
		.value = slice_make(request->value, request->value_size),
		.context = (uint64_t)(pending - coffer->pending),
	};
	if (request->verb == COFFER_TXN) {
		r = ctl_txn_bytes(request->txn, &out.value, &out.owns);
		if (r < 0) {
			return r;
		}
	}
	if (request->timeout_ms != 0) {
		out.deadline_ns = now_ns + request->timeout_ms * NS_PER_MS;
	}
	r = client_submit(coffer->client, now_ns, &out, ret_id);
	if (r < 0) {
		return r;
	}
	*pending = (struct ctl_pending){.done = done, .context = context};
	ctl_handle_flush(coffer);
	return 0;
}

int coffer_cancel(struct coffer *coffer, uint64_t id)
{
	const int r = client_cancel(coffer->client, ctl_handle_now_ns(), id);

	ctl_handle_flush(coffer);
	return r;
}

void coffer_renew(struct coffer *coffer)
{
	client_renew(coffer->client, ctl_handle_now_ns());
	ctl_handle_flush(coffer);
}

void coffer_close(struct coffer *coffer)
{
	const struct client_request close_session = {.verb = PROTO_CLOSE};
	uint64_t now_ns;

	if (coffer == NULL) {
		return;
	}
	must(!coffer->calling_back);
	now_ns = ctl_handle_now_ns();
	ctl_locks_hush(coffer);
	ctl_observers_hush(coffer);
	ctl_watch_end_all(coffer, now_ns);
	client_cancel_all(coffer->client, now_ns);
	(void)obey(coffer, now_ns);
	if (client_session(coffer->client) != 0 && !coffer->keeps_session) {
		(void)client_submit(coffer->client, now_ns, &close_session, NULL);
	}
	obey_sends(coffer);
	free_handle(coffer);
}

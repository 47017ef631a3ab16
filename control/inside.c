/* SPDX-License-Identifier: Apache-2.0 */
#include "control/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/clock.h"
#include "store/base/check.h"

enum {
	NS_PER_MS = 1000000,
};

#define NEVER UINT64_MAX

static_assert((int)CLIENT_SERVERS_MAX >= (int)STORE_NODES_MAX, "every server has a place");
static_assert((int)WATCHER_SERVERS_MAX >= (int)STORE_NODES_MAX, "every server has a place");

struct pending {
	ctl_inside_done_fn *done; /* NULL: free */
	void *context;
};

struct watch {
	ctl_inside_news_fn *news; /* NULL: free */
	void *context;
	uint64_t tag;
};

struct ctl_inside {
	struct ctl_inside_config config;
	struct paxos_address address; /* in mail */
	struct client *client;
	struct watcher *watcher;
	struct watch *watches;           /* by watcher_index() */
	unsigned nodes[STORE_NODES_MAX]; /* index of each server, as client and watcher count */
	unsigned server_count;
	uv_timer_t timer;
	uint64_t timer_ns; /* what it is set to; NEVER: off */
	bool is_turning;
	uint64_t dropped_mailbox;
	struct pending pending[CLIENT_REQUESTS_MAX]; /* by client_index() */
};

/* --- out ------------------------------------------------------------------------------------- */

static unsigned own_node(const struct ctl_inside *inside)
{
	return (unsigned)inside->config.config->node - 1;
}

static void send_one(struct ctl_inside *inside, unsigned server, struct slice bytes)
{
	struct paxos_mail mail = {
		.kind = PAXOS_MAIL_CLIENT, .address = inside->address, .bytes = bytes};

	if (inside->nodes[server] != own_node(inside)) {
		mail.kind = PAXOS_MAIL_PASS_ON;
		mail.address = paxos_address_server(inside->nodes[server]);
	}
	if (paxos_mailbox_is_crowded(inside->config.mailbox) ||
	    !paxos_mailbox_put_to_worker(inside->config.mailbox, &mail)) {
		inside->dropped_mailbox++;
	}
}

static void tell_done(struct ctl_inside *inside, const struct client_result *result)
{
	struct pending *place = &inside->pending[client_index(result->tag)];
	const struct pending told = *place;

	must(told.done != NULL);
	place->done = NULL;
	told.done(told.context, result);
}

static struct watch *find_watch(struct ctl_inside *inside, uint64_t tag)
{
	const unsigned index = watcher_index(tag);

	if (index >= inside->config.watches_max || inside->watches[index].news == NULL ||
	    inside->watches[index].tag != tag) {
		return NULL;
	}
	return &inside->watches[index];
}

static void tell_news(struct ctl_inside *inside, const struct watcher_effect *effect)
{
	struct watch *watch = find_watch(inside, effect->tag);
	struct watch told;

	must(watch != NULL);
	told = *watch;
	client_saw(inside->client, watcher_seen(inside->watcher));
	if (effect->kind == WATCHER_EFFECT_END) {
		*watch = (struct watch){0};
	}
	told.news(told.context, effect);
}

static void obey_watcher(struct ctl_inside *inside)
{
	struct watcher_effect effect;

	while (watcher_take(inside->watcher, &effect)) {
		if (effect.kind == WATCHER_EFFECT_SEND) {
			send_one(inside, effect.server, effect.bytes);
		} else {
			tell_news(inside, &effect);
		}
	}
}

static void obey_client(struct ctl_inside *inside)
{
	struct client_effect effect;

	while (client_take(inside->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			send_one(inside, effect.server, effect.bytes);
		} else {
			tell_done(inside, &effect.result);
		}
	}
}

/* Sends what is due; results and news wait for the next turn. */
static void obey_sends(struct ctl_inside *inside)
{
	struct watcher_effect watched;
	struct client_effect effect;

	while (client_take_send(inside->client, &effect)) {
		send_one(inside, effect.server, effect.bytes);
	}
	while (watcher_take_send(inside->watcher, &watched)) {
		send_one(inside, watched.server, watched.bytes);
	}
}

/* --- turning --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void set_timer(struct ctl_inside *inside)
{
	const uint64_t watcher_ns = watcher_deadline_ns(inside->watcher);
	uint64_t due_ns = client_deadline_ns(inside->client);
	uint64_t now_ns;

	due_ns = watcher_ns < due_ns ? watcher_ns : due_ns;
	if (client_has_results(inside->client) || watcher_has_news(inside->watcher)) {
		due_ns = 0;
	}
	if (due_ns >= inside->timer_ns) {
		return; /* if it comes early, it finds nothing due and is set again */
	}
	inside->timer_ns = due_ns;
	now_ns = ctl_clock_ns();
	uv_update_time(inside->config.loop);
	must(uv_timer_start(&inside->timer, on_timer,
	                    due_ns > now_ns ? (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0,
	                    0) == 0);
}

/* After a call from outside; inside of a callback the turn does it. */
static void flush(struct ctl_inside *inside)
{
	if (!inside->is_turning) {
		obey_sends(inside);
		set_timer(inside);
	}
}

static void turn(struct ctl_inside *inside)
{
	must(!inside->is_turning);
	inside->is_turning = true;
	client_tick(inside->client, ctl_clock_ns());
	watcher_tick(inside->watcher, ctl_clock_ns());
	obey_client(inside);
	obey_watcher(inside);
	inside->is_turning = false;
	flush(inside); /* what the callbacks asked for */
}

static void on_timer(uv_timer_t *timer)
{
	struct ctl_inside *inside = timer->data;

	inside->timer_ns = NEVER;
	turn(inside);
}

/* The watcher keeps one page: it is taken before the next datagram is given. */
static void receive(struct ctl_inside *inside, unsigned server, struct slice bytes)
{
	inside->is_turning = true;
	if (watcher_is_for(bytes)) {
		watcher_receive(inside->watcher, ctl_clock_ns(), server, bytes);
		obey_watcher(inside);
	} else {
		client_receive(inside->client, ctl_clock_ns(), server, bytes);
		obey_client(inside);
	}
	inside->is_turning = false;
}

/* From the server that is that node, if it is one of ours. */
static void receive_from(struct ctl_inside *inside, unsigned node, struct slice bytes)
{
	for (unsigned i = 0; i < inside->server_count; i++) {
		if (inside->nodes[i] == node) {
			receive(inside, i, bytes);
			flush(inside);
			return;
		}
	}
}

void ctl_insides_mail(struct ctl_insides *insides, const struct paxos_mail *mail)
{
	const unsigned number = paxos_address_inside_of(&mail->address);

	for (unsigned i = 0; i < CTL_INSIDES_MAX; i++) {
		struct ctl_inside *inside = insides->list[i];

		if (inside == NULL) {
			continue;
		}
		if (mail->kind == PAXOS_MAIL_ANSWERED) {
			receive_from(inside, paxos_address_server_of(&mail->address), mail->bytes);
		} else if (number == i + 1) {
			receive_from(inside, own_node(inside), mail->bytes);
		}
	}
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int draw(uint64_t ret_chance[2])
{
	const size_t size = 2 * sizeof(ret_chance[0]);

	return getrandom(ret_chance, size, 0) == (ssize_t)size ? 0 : -errno;
}

static int open_client(struct ctl_inside *inside)
{
	struct client_config config;
	uint64_t chance[2];
	int r;

	r = draw(chance);
	if (r < 0) {
		return r;
	}
	client_config_default(&config);
	config.servers = inside->server_count;
	if (inside->config.window != 0) {
		config.requests_max = inside->config.window;
	}
	config.cluster = inside->config.config->cluster;
	config.seed = chance[0];
	config.secret = chance[1];
	config.key = inside->config.insides->key;
	if (inside->config.timeout_ns != 0) {
		config.timeout_ns = inside->config.timeout_ns;
	}
	return client_new(&inside->client, &config);
}

static int open_watcher(struct ctl_inside *inside)
{
	struct watcher_config config;
	uint64_t chance[2];
	int r;

	r = draw(chance);
	if (r < 0) {
		return r;
	}
	watcher_config_default(&config);
	config.servers = inside->server_count;
	config.watches_max = inside->config.watches_max;
	if (inside->config.window != 0) {
		config.window = inside->config.window;
	}
	config.cluster = inside->config.config->cluster;
	config.seed = chance[0];
	config.secret = chance[1];
	config.key = inside->config.insides->key;
	r = watcher_new(&inside->watcher, &config);
	if (r < 0) {
		return r;
	}
	inside->watches = calloc(config.watches_max, sizeof(*inside->watches));
	return inside->watches == NULL ? -ENOMEM : 0;
}

static void add_server(struct ctl_inside *inside, unsigned node)
{
	for (unsigned i = 0; i < inside->server_count; i++) {
		if (inside->nodes[i] == node) {
			return;
		}
	}
	must(inside->server_count < STORE_NODES_MAX);
	inside->nodes[inside->server_count++] = node;
	client_add(inside->client, (uint8_t)(node + 1));
	watcher_add(inside->watcher, (uint8_t)(node + 1));
}

static void learn(struct ctl_inside *inside)
{
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		if ((inside->config.insides->members >> i & 1) != 0) {
			add_server(inside, i);
		}
	}
}

void ctl_insides_learn(struct ctl_insides *insides, uint32_t members)
{
	if ((members & ~insides->members) == 0) {
		return;
	}
	insides->members |= members;
	for (unsigned i = 0; i < CTL_INSIDES_MAX; i++) {
		if (insides->list[i] != NULL) {
			learn(insides->list[i]);
		}
	}
}

/* Counts those that have an address, in the order of their numbers. */
static void count_servers(struct ctl_inside *inside)
{
	const struct ctl_config *config = inside->config.config;

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		if (i == own_node(inside) || config->servers[i].ip != 0) {
			inside->nodes[inside->server_count++] = i;
		}
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_inside *inside = handle->data;

	client_free(inside->client);
	watcher_free(inside->watcher);
	free(inside->watches);
	free(inside);
}

static int take_number(struct ctl_inside *inside)
{
	struct ctl_insides *insides = inside->config.insides;

	for (unsigned i = 0; i < CTL_INSIDES_MAX; i++) {
		if (insides->list[i] == NULL) {
			insides->list[i] = inside;
			inside->address = paxos_address_inside((uint8_t)(i + 1));
			return 0;
		}
	}
	return -EMFILE;
}

int ctl_inside_open(struct ctl_inside **ret_inside, const struct ctl_inside_config *config,
                    struct ctl_reason *ret_reason)
{
	struct ctl_inside *inside = calloc(1, sizeof(*inside));
	int r;

	must(config->config->node >= 1 && config->config->node <= STORE_NODES_MAX);
	if (inside == NULL) {
		ctl_reason_say(ret_reason, "no memory for a client inside; free some");
		return -ENOMEM;
	}
	inside->config = *config;
	inside->timer_ns = NEVER;
	must(uv_timer_init(config->loop, &inside->timer) == 0);
	inside->timer.data = inside;
	count_servers(inside);
	r = take_number(inside);
	r = r < 0 ? r : open_client(inside);
	r = r < 0 ? r : open_watcher(inside);
	if (r < 0) {
		ctl_reason_say(ret_reason, "a client inside cannot be made (%s); allow more memory",
		               strerror(-r));
		ctl_inside_close(inside);
		return r;
	}
	learn(inside);
	*ret_inside = inside;
	return 0;
}

void ctl_inside_close(struct ctl_inside *inside)
{
	if (inside == NULL) {
		return;
	}
	must(!inside->is_turning);
	for (unsigned i = 0; i < CTL_INSIDES_MAX; i++) {
		if (inside->config.insides->list[i] == inside) {
			inside->config.insides->list[i] = NULL;
		}
	}
	uv_close((uv_handle_t *)&inside->timer, on_closed);
}

/* --- asking ---------------------------------------------------------------------------------- */

int ctl_inside_submit(struct ctl_inside *inside, const struct client_request *request,
                      ctl_inside_done_fn *done, void *context, uint64_t *ret_tag)
{
	struct pending *place;
	uint64_t tag;
	int r;

	must(done != NULL);
	r = client_submit(inside->client, ctl_clock_ns(), request, &tag);
	if (r < 0) {
		return r;
	}
	place = &inside->pending[client_index(tag)];
	must(place->done == NULL);
	*place = (struct pending){.done = done, .context = context};
	if (ret_tag != NULL) {
		*ret_tag = tag;
	}
	flush(inside);
	return 0;
}

int ctl_inside_watch(struct ctl_inside *inside, const struct watcher_request *request,
                     ctl_inside_news_fn *news, void *context, uint64_t *ret_tag)
{
	struct watch *watch;
	uint64_t tag;
	int r;

	must(news != NULL);
	if (request->from < 1) {
		return -EINVAL;
	}
	r = watcher_watch(inside->watcher, ctl_clock_ns(), request, &tag);
	if (r < 0) {
		return r;
	}
	watch = &inside->watches[watcher_index(tag)];
	must(watch->news == NULL);
	*watch = (struct watch){.news = news, .context = context, .tag = tag};
	if (ret_tag != NULL) {
		*ret_tag = tag;
	}
	flush(inside);
	return 0;
}

int ctl_inside_unwatch(struct ctl_inside *inside, uint64_t tag)
{
	struct watch *watch = find_watch(inside, tag);

	if (watch == NULL) {
		return -ENOENT;
	}
	*watch = (struct watch){0};
	must(watcher_unwatch(inside->watcher, ctl_clock_ns(), tag) == 0);
	flush(inside);
	return 0;
}

int ctl_inside_pause(struct ctl_inside *inside, uint64_t tag)
{
	const int r = watcher_pause(inside->watcher, ctl_clock_ns(), tag);

	flush(inside);
	return r;
}

int ctl_inside_resume(struct ctl_inside *inside, uint64_t tag)
{
	const int r = watcher_resume(inside->watcher, ctl_clock_ns(), tag, 0);

	flush(inside);
	return r;
}

/* --- what can be seen ------------------------------------------------------------------------- */

store_rev_t ctl_inside_seen(const struct ctl_inside *inside)
{
	const store_rev_t told = client_seen(inside->client);
	const store_rev_t watched = watcher_seen(inside->watcher);

	return told > watched ? told : watched;
}

void ctl_inside_counters(const struct ctl_inside *inside, struct ctl_inside_counters *ret_counters)
{
	*ret_counters = (struct ctl_inside_counters){
		.dropped_mailbox = inside->dropped_mailbox,
		.outstanding = client_outstanding(inside->client),
		.watches = watcher_count(inside->watcher),
	};
	client_counters(inside->client, &ret_counters->client);
	watcher_counters(inside->watcher, &ret_counters->watcher);
}

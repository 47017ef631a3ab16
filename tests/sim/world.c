/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "consensus/quorum.h"
#include "store/base/check.h"

enum {
	STORM = 50000, /* events to come at once; a tenth of it was never seen */
};

void world_options_default(struct world_options *options)
{
	struct paxos_config *paxos = &options->server.paxos;
	struct client_config *client = &options->user.client;

	memset(options, 0, sizeof(*options));
	options->seed = 1;
	options->servers = 3;
	options->clients = 1;
	options->keys = 12;
	options->counters = 2;
	options->net = (struct net_options){.delay_min_ns = US(5), .delay_mean_ns = US(20)};
	paxos_config_default(paxos);
	paxos->cluster = 0xc0ffe4;
	paxos->durability = PAXOS_MEMORY;
	paxos->heartbeat_ns = MS(10);
	paxos->lease_ns = MS(50);
	paxos->suspicion_ns = MS(60);
	paxos->drift_ppm = 1000;
	paxos->log_entries = 1024;
	paxos->watches_max = 64;
	paxos->log_bytes = 1 << 20;
	paxos->session_ttl_ms_min = 100;
	paxos->assemblies = 8;
	options->server.store = (struct store_config){.quota_bytes = 16 << 20,
	                                              .sessions_max = 64,
	                                              .grants_max = 2,
	                                              .killed_max = STORE_KILLED_MAX,
	                                              .events_max = 64};
	options->server.poll_ns = US(2);
	options->server.grace_ns = MS(1);
	options->server.disk_ns = US(200);
	options->server.ring = 512;
	client_config_default(client);
	client->cluster = paxos->cluster;
	client->requests_max = 16;
	client->ttl_ms = 10000;
	options->locker.client = *client;
	options->locker.deadline_ns = MS(60000);
	watcher_config_default(&options->locker.watcher);
	options->locker.watcher.cluster = paxos->cluster;
	watcher_config_default(&options->user.lookout.watcher);
	options->user.lookout.watcher.cluster = paxos->cluster;
	options->user.lookout.watcher.watches_max = 2 * LOOKOUT_WATCHES_MAX;
	options->user.think_ns = MS(1);
	options->user.deadline_min_ns = MS(60000);
	options->user.deadline_max_ns = MS(60000);
}

struct world *world_new(const struct world_options *options)
{
	struct world *world = calloc(1, sizeof(*world));
	struct stage *stage;

	must(world != NULL);
	must(options->servers <= STORE_VOTERS_MAX);
	must(options->servers + options->spares <= NET_CLIENT);
	must(options->clients + options->locker.lockers <= NET_CLIENTS_MAX);
	rcu_register_thread();
	stage = &world->stage;
	world->options = *options;
	world->options.server.paxos.founders = paxos_first(options->servers);
	world->options.server.servers = world_servers(world);
	world->options.user.client.servers = world_servers(world);
	world->options.user.lookout.watcher.servers = world_servers(world);
	world->options.locker.client.servers = world_servers(world);
	world->options.locker.watcher.servers = world_servers(world);
	world->options.locker.first = options->clients;
	stage->now_ns = MS(1);
	prng_init(&stage->prng, options->seed);
	scroll_init(&stage->scroll, options->verbose);
	queue_init(&stage->queue);
	net_init(&stage->net, &options->net);
	ledger_init(&stage->ledger, &stage->scroll, options->keys, options->counters);
	checker_init(&stage->checker, &stage->scroll, &stage->ledger, world_servers(world),
	             options->server.paxos.durability, &options->server.store);
	watchbook_init(&stage->watchbook, &stage->scroll, &stage->ledger);
	stage->checker.founders = paxos_first(options->servers);
	stage->checker.vault.drift_ppm = options->server.paxos.drift_ppm;
	for (unsigned i = 0; i < world_servers(world); i++) {
		server_init(&world->servers[i], i, &world->options.server, stage);
		world->servers[i].joins = i >= options->servers;
		world->servers[i].folder.is_rejoining = world->servers[i].joins;
		server_start(&world->servers[i], stage, i < options->servers);
	}
	for (unsigned i = 0; i < options->clients; i++) {
		user_init(&world->users[i], i, &world->options.user, stage);
		user_nudge(&world->users[i], stage);
	}
	for (unsigned i = 0; i < options->locker.lockers; i++) {
		locker_init(&world->lockers[i], options->clients + i, &world->options.locker,
		            stage);
	}
	return world;
}

void world_free(struct world *world)
{
	struct stage *stage = &world->stage;
	struct event event;

	while (queue_take(&stage->queue, &event)) {
		if (event.kind == EVENT_ARRIVAL) {
			net_done(&stage->net, event.data);
		}
	}
	for (unsigned i = 0; i < world->options.clients; i++) {
		user_deinit(&world->users[i]);
	}
	for (unsigned i = 0; i < world->options.locker.lockers; i++) {
		locker_deinit(&world->lockers[i]);
	}
	for (unsigned i = 0; i < world_servers(world); i++) {
		server_deinit(&world->servers[i], stage);
	}
	checker_deinit(&stage->checker);
	watchbook_deinit(&stage->watchbook);
	ledger_deinit(&stage->ledger);
	net_deinit(&stage->net);
	queue_deinit(&stage->queue);
	rcu_unregister_thread();
	free(world);
}

unsigned world_servers(const struct world *world)
{
	return world->options.servers + world->options.spares;
}

/* --- time ----------------------------------------------------------------------------------- */

static void arrive(struct world *world, struct packet *packet)
{
	const unsigned clients = world->options.clients;
	struct stage *stage = &world->stage;

	if (packet->target < NET_CLIENT) {
		if (packet->target < world_servers(world)) {
			server_arrival(&world->servers[packet->target], stage, packet);
			return;
		}
	} else if (packet->target - NET_CLIENT < clients) {
		user_arrival(&world->users[packet->target - NET_CLIENT], stage, packet);
	} else if (packet->target - NET_CLIENT < clients + world->options.locker.lockers) {
		locker_arrival(&world->lockers[packet->target - NET_CLIENT - clients], stage,
		               packet);
	}
	net_done(&stage->net, packet);
}

bool world_step(struct world *world)
{
	struct stage *stage = &world->stage;
	struct event event;

	if (stage->scroll.failed || !queue_take(&stage->queue, &event)) {
		return false;
	}
	must(event.time_ns >= stage->now_ns);
	stage->now_ns = event.time_ns;
	stage->events++;
	if (stage->queue.count > STORM) {
		scroll_fail(&stage->scroll, stage->now_ns, "a storm: %zu events to come at once",
		            stage->queue.count);
		return false;
	}
	switch (event.kind) {
	case EVENT_ARRIVAL:
		arrive(world, event.data);
		break;
	case EVENT_TURN:
		server_turn_due(&world->servers[event.node], stage, event.tag);
		break;
	case EVENT_DISK:
		server_disk_due(&world->servers[event.node], stage, event.tag);
		break;
	case EVENT_SNAPSHOT:
		server_snapshot_due(&world->servers[event.node], stage, event.tag);
		break;
	case EVENT_ROOM:
		server_fill_disk(&world->servers[event.node], stage, UINT64_MAX);
		break;
	case EVENT_GRACE:
		server_grace_due(&world->servers[event.node], stage, event.tag, event.value);
		break;
	case EVENT_USER:
		user_wake_due(&world->users[event.node], stage, event.tag);
		break;
	case EVENT_LOCKER:
		locker_wake_due(&world->lockers[event.node - world->options.clients], stage,
		                event.tag);
		break;
	case EVENT_ACT:
		vault_act(&stage->checker.vault, stage->now_ns, event.node,
		          (store_rev_t)event.value);
		break;
	case EVENT_UP:
		if (!world->servers[event.node].is_up &&
		    world->servers[event.node].run == event.tag) {
			server_start(&world->servers[event.node], stage, false);
		}
		break;
	case EVENT_KIND_COUNT:
	default:
		must(false);
		break;
	}
	return !stage->scroll.failed;
}

void world_run(struct world *world, uint64_t ns)
{
	const uint64_t end_ns = world->stage.now_ns + ns;

	while (queue_next_ns(&world->stage.queue) <= end_ns && world_step(world)) {
	}
	if (!world_failed(world)) {
		world->stage.now_ns = end_ns;
	}
}

bool world_until(struct world *world, bool (*holds)(const struct world *), uint64_t ns)
{
	const uint64_t end_ns = world->stage.now_ns + ns;

	while (!holds(world)) {
		if (queue_next_ns(&world->stage.queue) > end_ns || !world_step(world)) {
			return !world_failed(world) && holds(world);
		}
	}
	return !world_failed(world);
}

bool world_failed(const struct world *world)
{
	return world->stage.scroll.failed;
}

/* --- faults ---------------------------------------------------------------------------------- */

static void fault(struct world *world, unsigned node, enum scroll_fault kind, uint64_t a,
                  uint64_t b)
{
	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, node, kind, a, b);
}

void world_cut_one_way(struct world *world, uint32_t from, uint32_t to)
{
	fault(world, 0, SCROLL_CUT, from, to);
	net_cut(&world->stage.net, from, to, true);
}

void world_cut(struct world *world, uint32_t a, uint32_t b)
{
	world_cut_one_way(world, a, b);
	world_cut_one_way(world, b, a);
}

void world_isolate(struct world *world, unsigned node)
{
	world_cut(world, WORLD_SERVER(node), WORLD_ALL & ~WORLD_SERVER(node));
}

void world_open(struct world *world, uint32_t a, uint32_t b)
{
	fault(world, 0, SCROLL_OPEN, a, b);
	net_cut(&world->stage.net, a, b, false);
	net_cut(&world->stage.net, b, a, false);
}

void world_heal(struct world *world)
{
	fault(world, 0, SCROLL_HEAL, 0, 0);
	net_heal(&world->stage.net);
}

void world_crash(struct world *world, unsigned node)
{
	server_crash(&world->servers[node], &world->stage);
}

void world_restart(struct world *world, unsigned node)
{
	server_start(&world->servers[node], &world->stage, false);
}

void world_wipe(struct world *world, unsigned node)
{
	server_wipe(&world->servers[node], &world->stage);
}

void world_change(struct world *world, unsigned node, const struct paxos_change *change,
                  uint64_t ns)
{
	server_change(&world->servers[node], &world->stage, change, ns);
}

void world_pause(struct world *world, unsigned node, uint64_t ns)
{
	server_pause(&world->servers[node], &world->stage, ns);
}

/* --- clients --------------------------------------------------------------------------------- */

static struct ledger_operation parse(const struct user *user, const char *text)
{
	static const struct {
		const char *name;
		enum ledger_kind kind;
	} words[] = {
		{"set", LEDGER_SET}, {"add", LEDGER_ADD},         {"del", LEDGER_DELETE},
		{"get", LEDGER_GET}, {"stale", LEDGER_GET},       {"cas", LEDGER_CAS},
		{"nop", LEDGER_NOP}, {"count", LEDGER_INCREMENT}, {"max", LEDGER_MAX},
	};
	struct ledger_operation o = {0};
	char word[16] = "";
	unsigned key = 0;

	must(sscanf(text, "%15s %u", word, &key) >= 1);
	must(key < LEDGER_KEYS_MAX);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, word) == 0) {
			o.kind = words[i].kind;
		}
	}
	must(o.kind != 0);
	o.key = key;
	o.is_stale = strcmp(word, "stale") == 0;
	o.rev = o.kind == LEDGER_ADD ? 0 : user->revs[key];
	o.value = o.kind == LEDGER_INCREMENT ? user->values[key] + 1 : 0;
	return o;
}

uint64_t world_say(struct world *world, unsigned client, const char *text)
{
	struct user *user = &world->users[client];
	const uint64_t number = user_submit(user, &world->stage, parse(user, text),
	                                    world->stage.now_ns + MS(60000));

	must(number != 0);
	return number;
}

const struct ledger_operation *world_operation(const struct world *world, uint64_t number)
{
	must(number < world->stage.ledger.operation_count);
	return &world->stage.ledger.operations[number];
}

bool world_does(struct world *world, unsigned client, const char *text, uint64_t ns)
{
	const uint64_t end_ns = world->stage.now_ns + ns;
	const uint64_t number = world_say(world, client, text);

	while (!world_operation(world, number)->is_returned) {
		if (queue_next_ns(&world->stage.queue) > end_ns || !world_step(world)) {
			return false;
		}
	}
	return world_operation(world, number)->outcome == CLIENT_DONE;
}

/* --- what can be seen ------------------------------------------------------------------------ */

struct paxos_status world_status(const struct world *world, unsigned node)
{
	return server_status(&world->servers[node]);
}

static void print_server(const struct world *world, unsigned node, FILE *file)
{
	const struct server *server = &world->servers[node];
	const struct paxos_status s = server_status(server);

	if (!server->is_up) {
		fprintf(file, "  s%u is %s, start %u\n", node,
		        server->is_removed ? "removed" : "down", server->start);
		return;
	}
	fprintf(file,
	        "  s%u %s%s start %u, configuration %u, leader %d, promised %" PRIu64
	        "/%u, accepted %" PRIu64 "/%u, log %" PRIu64 " to %" PRIu64 ", durable %" PRIu64
	        ", decided %" PRIu64 ", L0 %" PRIu64 ", lease %" PRId64 " us, disk %" PRIu64
	        " of %" PRIu64 "\n",
	        node, paxos_role_text(s.role), s.deciding ? " deciding" : "", server->start,
	        s.configuration, s.leader, s.promised.round, s.promised.node, s.accepted.round,
	        s.accepted.node, s.log_start, s.length, s.durable, s.decided, s.adopted_length,
	        s.lease_end_ns == 0
	                ? 0
	                : ((int64_t)s.lease_end_ns -
	                   (int64_t)clock_local_ns(&server->clock, world->stage.now_ns)) /
	                          1000,
	        server->folder.disk.durable, disk_last(&server->folder.disk));
	fprintf(file, "     hears");
	for (unsigned i = 0; i < world_servers(world); i++) {
		if (s.peers[i].connected) {
			fprintf(file, " s%u%s", i, s.peers[i].unhappy ? " (unhappy)" : "");
		}
	}
	fputc('\n', file);
}

static void print_lockers(const struct world *world, FILE *file)
{
	const struct oracle_claim *claims;
	const unsigned count = oracle_claims(world->stage.checker.oracle, &claims);

	for (unsigned i = 0; i < world->options.locker.lockers; i++) {
		const struct locker *locker = &world->lockers[i];

		fprintf(file,
		        "  c%u is a locker, state %d, lock %u, token %" PRId64 ", session %" PRIu64
		        "%s%s\n",
		        locker->index, (int)locker->state, locker->lock, locker->token,
		        locker->session, locker->is_asking ? ", asks" : "",
		        locker->watch != 0 ? ", watches" : "");
	}
	for (unsigned i = 0; i < count; i++) {
		fprintf(file, "  %s: session %" PRIu64 " %s %" PRId64 "\n", claims[i].name,
		        claims[i].session,
		        !claims[i].is_holder   ? "waits, ticket"
		        : claims[i].is_resting ? "is dead, token"
		                               : "holds it, token",
		        claims[i].number);
	}
}

void world_print(const struct world *world, FILE *file)
{
	const struct store_members *members = store_members(world->stage.checker.store);

	fprintf(file, "  configuration %u since %" PRIu64 ", voters 0x%x, learners 0x%x\n",
	        members->configuration, members->since, members->voters, members->learners);
	for (unsigned i = 0; i < world_servers(world); i++) {
		print_server(world, i, file);
	}
	for (unsigned i = 0; i < world->options.clients; i++) {
		fprintf(file, "  c%u has %u operations open, asks s%u\n", i, world->users[i].open,
		        client_aim(world->users[i].client));
	}
	print_lockers(world, file);
}

/* After its last turn: cheaper than a status of now, and as good between turns. */
static const struct paxos_status *last_status(const struct world *world, unsigned node)
{
	const struct checker_server *server = &world->stage.checker.server[node];

	return server->is_up && server->has_status ? &server->status : NULL;
}

int world_leader(const struct world *world)
{
	const struct paxos_status *best = NULL;

	for (unsigned i = 0; i < world_servers(world); i++) {
		const struct paxos_status *status = last_status(world, i);

		if (status != NULL && status->role == PAXOS_LEADER && status->deciding &&
		    (best == NULL || paxos_ballot_compare(status->promised, best->promised) > 0)) {
			best = status;
		}
	}
	return best == NULL ? -1 : best->node;
}

bool world_has_leader(const struct world *world)
{
	return world_leader(world) >= 0;
}

bool world_is_quiet(const struct world *world)
{
	return world->stage.ledger.open == 0;
}

bool world_has_no_claims(const struct world *world)
{
	const struct oracle_claim *claims;

	for (unsigned i = 0; i < world->options.locker.lockers; i++) {
		if (world->lockers[i].state != LOCKER_IDLE &&
		    world->lockers[i].state != LOCKER_DOWN) {
			return false;
		}
	}
	return oracle_claims(world->stage.checker.oracle, &claims) == 0;
}

bool world_has_seen_all(const struct world *world)
{
	const struct stage *stage = &world->stage;

	for (unsigned i = 0; i < world->options.clients; i++) {
		if (!lookout_has_seen(&world->users[i].lookout, stage,
		                      (store_rev_t)stage->ledger.change_count)) {
			return false;
		}
	}
	return true;
}

/* All whom it knows of are gone, too, or new themselves: there is nobody to tell it. */
static bool is_left_behind(const struct world *world, const struct paxos_status *status)
{
	if (status->configuration == store_members(world->stage.checker.store)->configuration) {
		return false;
	}
	for (unsigned i = 0; i < world_servers(world); i++) {
		const struct paxos_status *other = last_status(world, i);

		if (paxos_has(status->voters, i) && other != NULL &&
		    other->configuration > status->configuration) {
			return false;
		}
	}
	return true;
}

bool world_agrees(const struct world *world)
{
	const struct checker *checker = &world->stage.checker;
	const struct store_members *members = store_members(checker->store);
	const uint32_t voters = checker_voters(checker);

	if (!world_has_leader(world) || checker->applied != checker->decided) {
		return false;
	}
	for (unsigned i = 0; i < world_servers(world); i++) {
		const struct paxos_status *status = last_status(world, i);
		const bool votes = paxos_has(voters, i);

		if (!votes && !paxos_has(members->learners, i)) {
			/* Told and ended, or never a member. */
			if (status != NULL && status->configuration != 0 &&
			    !is_left_behind(world, status)) {
				return false;
			}
		} else if (status == NULL || (status->role == PAXOS_OUTSIDER) == votes ||
		           status->applied != checker->decided ||
		           status->length != status->applied) {
			return false;
		}
	}
	return true;
}

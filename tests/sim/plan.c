/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/plan.h"

#include <inttypes.h>
#include <string.h>

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "tests/sim/chance.h"
#include "tests/sim/harm.h"

static const char *const fault_names[PLAN_FAULT_COUNT] = {
	[PLAN_CRASH] = "crash",
	[PLAN_CRASH_MIDWAY] = "crash midway",
	[PLAN_CRASH_TOLD] = "crash told",
	[PLAN_RESIGN] = "resign",
	[PLAN_HANDOVER] = "handover",
	[PLAN_OLD_NOTE] = "old note",
	[PLAN_FALSE_NOTE] = "false note",
	[PLAN_PAUSE] = "pause",
	[PLAN_PAUSE_ALL] = "pause all",
	[PLAN_STALL] = "stall",
	[PLAN_DISK_STALL] = "disk stall",
	[PLAN_DISK_FULL] = "disk full",
	[PLAN_DISK_FAILS] = "disk fails",
	[PLAN_HURT] = "hurt",
	[PLAN_FORMAT] = "format",
	[PLAN_SAVE] = "save",
	[PLAN_ROLL_BACK] = "roll back",
	[PLAN_HELIX] = "helix",
	[PLAN_ISOLATE] = "isolate",
	[PLAN_SPLIT] = "split",
	[PLAN_STAR] = "star",
	[PLAN_CHAIN] = "chain",
	[PLAN_CLIENTS] = "clients cut off",
	[PLAN_FLAP] = "flap",
	[PLAN_CLOG] = "clog",
	[PLAN_SLOW] = "slow",
	[PLAN_LOSSY] = "lossy",
	[PLAN_RATE] = "rate",
	[PLAN_CHANGE] = "change",
	[PLAN_HEAL] = "heal",
};

/* --- drawing --------------------------------------------------------------------------------- */

static uint64_t between(struct plan *plan, uint64_t low, uint64_t high)
{
	return chance_between(&plan->prng, low, high);
}

static uint64_t one_of(struct plan *plan, const uint64_t *values, size_t count)
{
	return values[prng_below(&plan->prng, count)];
}

#define ONE_OF(plan, ...)                                                                          \
	one_of(plan, (const uint64_t[]){__VA_ARGS__},                                              \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* Nothing in a third of the seeds; else up to max, mostly small: the square of an even number. */
static uint32_t strength(struct plan *plan, uint32_t max_ppm)
{
	const uint64_t part = between(plan, 1, 1000);

	if (prng_chance(&plan->prng, 1, 3)) {
		return 0;
	}
	return (uint32_t)(part * part * max_ppm / 1000000);
}

static void draw_paxos(struct plan *plan, struct paxos_config *paxos)
{
	const uint64_t heartbeat_ns = plan->heartbeat_ns;

	paxos->heartbeat_ns = heartbeat_ns;
	paxos->suspicion_ns = heartbeat_ns * between(plan, 4, 12);
	paxos->lease_ns = prng_chance(&plan->prng, 1, 5)
	                          ? 0
	                          : between(plan, 2 * heartbeat_ns, paxos->suspicion_ns);
	paxos->drift_ppm = (uint32_t)ONE_OF(plan, 100, 1000, 20000, 200000);
	paxos->resend_ns = between(plan, heartbeat_ns / 20, heartbeat_ns);
	paxos->log_entries = (uint32_t)ONE_OF(plan, 16, 64, 256, 4096);
	paxos->log_bytes = ONE_OF(plan, 256 << 10, 1 << 20);
	paxos->window = (uint32_t)ONE_OF(plan, 1, 2, 8, 64);
	paxos->assemblies = (uint32_t)ONE_OF(plan, 1, 4, 16);
	paxos->session_ttl_ms_min = 10;
	paxos->snapshot_bytes = ONE_OF(plan, 2000, 8000, 32000, 1 << 20);
	paxos->undurable_bytes = ONE_OF(plan, 128 << 10, 8 << 20);
}

static void draw_net(struct plan *plan, struct net_options *net)
{
	const uint64_t heartbeat_ns = plan->heartbeat_ns;

	net->loss_ppm = strength(plan, 300000);
	net->duplicate_ppm = strength(plan, 300000);
	net->flip_ppm = strength(plan, 30000);
	net->late_ppm = strength(plan, 10000);
	net->late_ns = heartbeat_ns * between(plan, 10, 200);
	net->delay_min_ns = US(2);
	net->delay_mean_ns = ONE_OF(plan, US(10), US(50), heartbeat_ns / 20, heartbeat_ns / 4);
	net->in_order = prng_chance(&plan->prng, 1, 2);
}

static void draw_user(struct plan *plan, struct user_options *user)
{
	const uint64_t heartbeat_ns = plan->heartbeat_ns;

	user->client.ttl_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 30, 600));
	user->client.drift_ppm = 0; /* what the servers add must do */
	if (prng_chance(&plan->prng, 1, 3)) {
		user->client.ttl_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 5, 30));
	}
	if (prng_chance(&plan->prng, 1, 2)) {
		user->life_ns = heartbeat_ns * between(plan, 20, 200);
	}
	user->client.resend_first_ns = between(plan, heartbeat_ns / 10, 4 * heartbeat_ns);
	user->client.resend_min_ns = heartbeat_ns / 10;
	user->client.resend_max_ns = heartbeat_ns * between(plan, 4, 40);
	user->client.pause_max_ns = heartbeat_ns * between(plan, 1, 10);
	user->outstanding = (unsigned)between(plan, 1, 8);
	user->think_ns = between(plan, heartbeat_ns / 4, heartbeat_ns * 8);
	user->deadline_min_ns = heartbeat_ns * between(plan, 5, 100);
	user->deadline_max_ns = user->deadline_min_ns + heartbeat_ns * between(plan, 0, 500);
	user->stale_ppm = strength(plan, 500000);
	user->value_max = (uint32_t)ONE_OF(plan, 64, 64, 1000, 3000, 8000);
	for (unsigned kind = 1; kind < LEDGER_KIND_COUNT; kind++) {
		user->weights[kind] = (unsigned)between(plan, 0, 10);
	}
	user->weights[LEDGER_GET] += 5;
	user->weights[LEDGER_SET] += 2;
	user->weights[LEDGER_INCREMENT] += 4;
	user->weights[LEDGER_TXN] += 2;
}

/* In half of the seeds. */
static void draw_lookout(struct plan *plan, struct lookout_options *lookout)
{
	const uint64_t heartbeat_ns = plan->heartbeat_ns;
	struct watcher_config *watcher = &lookout->watcher;

	if (prng_chance(&plan->prng, 1, 2)) {
		return;
	}
	lookout->watches = (unsigned)between(plan, 1, LOOKOUT_WATCHES_MAX);
	lookout->whim_ns = heartbeat_ns * between(plan, 5, 200);
	watcher->ttl_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 30, 300));
	watcher->age_max_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 10, 100));
	watcher->probe_ns = heartbeat_ns * between(plan, 4, 50);
	watcher->silent_ns = heartbeat_ns * between(plan, 4, 50);
	watcher->resend_first_ns = between(plan, heartbeat_ns / 10, 4 * heartbeat_ns);
	watcher->resend_min_ns = heartbeat_ns / 10;
	watcher->resend_max_ns = heartbeat_ns * between(plan, 4, 40);
}

/* In half of the seeds. */
static void draw_locker(struct plan *plan, const struct user_options *user,
                        struct locker_options *locker)
{
	const uint64_t heartbeat_ns = plan->heartbeat_ns;

	if (prng_chance(&plan->prng, 1, 2)) {
		return;
	}
	locker->lockers = (unsigned)between(plan, 2, 6);
	locker->client = user->client;
	locker->client.requests_max = 8;
	locker->client.ttl_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 5, 60));
	locker->watcher = user->lookout.watcher;
	locker->think_ns = heartbeat_ns * between(plan, 1, 40);
	locker->hold_ns = heartbeat_ns * between(plan, 1, 40);
	locker->patience_ns = heartbeat_ns * between(plan, 20, 300);
	locker->work_ns = heartbeat_ns * between(plan, 1, 8);
	locker->nap_ns = heartbeat_ns * between(plan, 1, 20);
	locker->freeze_ns = heartbeat_ns * between(plan, 5, 100);
	locker->down_ns = heartbeat_ns * between(plan, 5, 100);
	locker->deadline_ns = heartbeat_ns * between(plan, 20, 200);
	locker->die_ppm = strength(plan, 100000);
	locker->freeze_ppm = strength(plan, 100000);
	locker->operator_ppm = strength(plan, 100000);
	locker->delay_ms = (uint32_t)(heartbeat_ns / 1000000 * between(plan, 0, 60));
}

void plan_draw(struct plan *plan, uint64_t seed, const struct plan_limits *limits)
{
	struct world_options *options = &plan->options;
	enum paxos_durability durability;
	unsigned servers;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	prng_init(&plan->prng, seed);
	world_options_default(options);
	plan->heartbeat_ns = ONE_OF(plan, MS(2), MS(5), MS(10), MS(20));
	plan->duration_ns = plan->heartbeat_ns * between(plan, 200, 500);
	plan->gap_ns = plan->heartbeat_ns * between(plan, 4, 40);
	plan->down_ns = plan->heartbeat_ns * between(plan, 1, 60);
	plan->heal_gap_ns = plan->heartbeat_ns * between(plan, 5, 60);
	servers = (unsigned)ONE_OF(plan, 3, 3, 5, 5, 7);
	durability = prng_chance(&plan->prng, 1, 2) ? PAXOS_MEMORY : PAXOS_DISK;
	options->seed = prng_next(&plan->prng);
	options->servers = limits->servers != 0 ? limits->servers : servers;
	options->spares = (unsigned)prng_below(&plan->prng, NET_CLIENT - options->servers + 1);
	if (prng_chance(&plan->prng, 1, 2)) {
		options->spares = 0; /* and no changes of the members */
	}
	options->server.paxos.durability =
		limits->durability != 0 ? limits->durability : durability;
	options->verbose = limits->verbose;
	options->clients = (unsigned)between(plan, 1, 6);
	options->counters = (uint32_t)between(plan, 1, 3);
	options->keys = options->counters + (uint32_t)between(plan, 1, 16);
	draw_paxos(plan, &options->server.paxos);
	draw_net(plan, &options->net);
	draw_user(plan, &options->user);
	draw_lookout(plan, &options->user.lookout);
	draw_locker(plan, &options->user, &options->locker);
	options->server.store.grants_max = (uint32_t)ONE_OF(plan, 1, 1, 2);
	options->server.paxos.watches_max = (uint32_t)ONE_OF(plan, 30, 64);
	options->server.poll_ns = ONE_OF(plan, US(1), US(50), plan->heartbeat_ns / 10);
	options->server.grace_ns = plan->heartbeat_ns * between(plan, 0, 20) + 1;
	options->server.disk_ns = ONE_OF(plan, US(100), plan->heartbeat_ns / 4, plan->heartbeat_ns);
	options->server.ring = (uint32_t)ONE_OF(plan, 16, 64, 1024);
	options->server.aside_ppm = strength(plan, 1000000);
	for (unsigned i = 0; i < PLAN_FAULT_COUNT; i++) {
		plan->weights[i] =
			prng_chance(&plan->prng, 1, 3) ? 0 : (unsigned)between(plan, 1, 100);
	}
	if (options->spares != 0) {
		plan->weights[PLAN_CHANGE] += 120; /* most are refused, or overtaken */
		plan->weights[PLAN_HURT] += 250;
	} else {
		plan->weights[PLAN_CHANGE] = 0;
	}
	for (unsigned i = 0; i < PLAN_FAULT_COUNT; i++) {
		plan->weight_sum += plan->weights[i];
	}
	plan->weights[PLAN_HEAL] += 1;
	plan->weight_sum += 1;
}

/* --- faults ---------------------------------------------------------------------------------- */

/* The leader in half of the cases, else anybody. */
static unsigned victim(struct plan *plan, const struct world *world)
{
	const int leader = world_leader(world);

	if (leader >= 0 && prng_chance(&plan->prng, 1, 2)) {
		return (unsigned)leader;
	}
	return (unsigned)prng_below(&plan->prng, world_servers(world));
}

static bool may_crash(const struct world *world, unsigned node)
{
	return world->options.server.paxos.durability == PAXOS_DISK
	               ? !harm_forbids_crash(world)
	               : checker_may_forget(&world->stage.checker, node);
}

static void crash(struct plan *plan, struct world *world, enum plan_fault fault)
{
	struct server *server = &world->servers[victim(plan, world)];
	const bool at_once = prng_chance(&plan->prng, 1, 8);

	if (!server->is_up || server->crash_after >= 0 || !may_crash(world, server->node)) {
		return;
	}
	plan->counts[fault]++;
	if (fault == PLAN_CRASH_MIDWAY) {
		server->crash_after = (int)prng_below(&plan->prng, 12);
		return; /* plan_run() starts it again */
	}
	if (fault == PLAN_RESIGN) {
		server_resign(server, &world->stage);
	} else {
		server_crash(server, &world->stage);
	}
	if (fault == PLAN_CRASH_TOLD) {
		server_report(server, &world->stage);
	}
	if (at_once) {
		server_start(server, &world->stage, false);
	}
}

static void hand_over(struct plan *plan, struct world *world)
{
	struct server *server = &world->servers[victim(plan, world)];
	const unsigned to = (unsigned)prng_below(&plan->prng, world_servers(world));

	if (server->is_up) {
		(void)server_transfer(server, &world->stage,
		                      prng_chance(&plan->prng, 1, 2) ? (int)to : PAXOS_NOBODY);
	}
}

/* Whoever is down and has no start planned gets one. */
static void plan_starts(struct plan *plan, struct world *world)
{
	for (unsigned i = 0; i < world_servers(world); i++) {
		struct server *server = &world->servers[i];

		if (server->is_up || server->up_planned == server->run) {
			continue;
		}
		if (server->is_removed && prng_chance(&plan->prng, 1, 2)) {
			server_wipe(server, &world->stage);
		}
		server->up_planned = server->run;
		queue_put(&world->stage.queue,
		          (struct event){.time_ns = world->stage.now_ns +
		                                    chance_exponential(&plan->prng, plan->down_ns),
		                         .kind = EVENT_UP,
		                         .node = i,
		                         .tag = server->run});
	}
}

static uint64_t pause_length(struct plan *plan, const struct world *world)
{
	const uint64_t suspicion_ns = world->options.server.paxos.suspicion_ns;

	return ONE_OF(plan, plan->heartbeat_ns / 10, plan->heartbeat_ns, suspicion_ns / 2,
	              suspicion_ns, 3 * suspicion_ns, 10 * suspicion_ns);
}

static void pause_some(struct plan *plan, struct world *world, bool all)
{
	const unsigned one = victim(plan, world);

	for (unsigned i = 0; i < world_servers(world); i++) {
		if (world->servers[i].is_up && (all || i == one)) {
			world_pause(world, i, pause_length(plan, world));
		}
	}
}

static uint32_t servers_set(const struct world *world)
{
	return ((uint32_t)1 << world_servers(world)) - 1;
}

static void isolate(struct plan *plan, struct world *world)
{
	const uint32_t one = WORLD_SERVER(victim(plan, world));
	const uint32_t rest =
		(prng_chance(&plan->prng, 1, 2) ? servers_set(world) : WORLD_ALL) & ~one;
	const uint64_t way = between(plan, 0, 2);

	if (way != 1) {
		world_cut_one_way(world, one, rest);
	}
	if (way != 2) {
		world_cut_one_way(world, rest, one);
	}
}

static void split(struct plan *plan, struct world *world)
{
	const uint32_t ends = servers_set(world) | WORLD_CLIENTS;
	const uint32_t a = (uint32_t)prng_next(&plan->prng) & ends;

	world_cut(world, a, ends & ~a);
}

static void star(struct plan *plan, struct world *world)
{
	const unsigned middle = (unsigned)prng_below(&plan->prng, world_servers(world));

	for (unsigned i = 0; i < world_servers(world); i++) {
		if (i != middle) {
			world_cut(world, WORLD_SERVER(i),
			          servers_set(world) & ~WORLD_SERVER(i) & ~WORLD_SERVER(middle));
		}
	}
}

static void chain(struct world *world)
{
	for (unsigned i = 0; i < world_servers(world); i++) {
		uint32_t far = servers_set(world) & ~WORLD_SERVER(i) & ~WORLD_SERVER(i + 1);

		if (i > 0) {
			far &= ~WORLD_SERVER(i - 1);
		}
		world_cut(world, WORLD_SERVER(i), far);
	}
}

static void cut_clients(struct plan *plan, struct world *world)
{
	const uint32_t some = (uint32_t)prng_next(&plan->prng) & servers_set(world);

	if (prng_chance(&plan->prng, 1, 2)) {
		world_cut_one_way(world, some, WORLD_CLIENTS);
	} else {
		world_cut(world, some, WORLD_CLIENTS);
	}
}

static void flap(struct plan *plan, struct world *world)
{
	const uint64_t suspicion_ns = world->options.server.paxos.suspicion_ns;

	plan->flap_a = WORLD_SERVER(victim(plan, world));
	plan->flap_b =
		(prng_chance(&plan->prng, 1, 2) ? (uint32_t)prng_next(&plan->prng) : ~(uint32_t)0) &
		servers_set(world) & ~plan->flap_a;
	plan->flap_gap_ns = ONE_OF(plan, suspicion_ns / 4, suspicion_ns / 2, suspicion_ns);
	plan->flap_ns = world->stage.now_ns;
	plan->flaps_left = (unsigned)between(plan, 2, 16);
}

static void worsen(struct plan *plan, struct world *world, enum plan_fault fault)
{
	const unsigned one = victim(plan, world);
	const uint64_t way = between(plan, 0, 2);
	const uint64_t slow_ns = plan->heartbeat_ns * between(plan, 1, 20) / 4;
	const uint32_t loss_ppm = (uint32_t)ONE_OF(plan, 100000, 500000, 1000000);
	const uint64_t clogged_ns = plan->heartbeat_ns * between(plan, 1, 40);

	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, one,
	           fault == PLAN_SLOW   ? SCROLL_SLOW
	           : fault == PLAN_CLOG ? SCROLL_CLOG
	                                : SCROLL_LOSSY,
	           slow_ns, loss_ppm);
	for (unsigned i = 0; i < NET_ENDS_MAX; i++) {
		struct net_link *out = &world->stage.net.links[one][i];
		struct net_link *in = &world->stage.net.links[i][one];

		for (unsigned j = 0; j < 2; j++) {
			struct net_link *link = j == 0 ? out : in;

			if (way == j || (fault == PLAN_CLOG && prng_chance(&plan->prng, 1, 2))) {
				continue;
			}
			link->slow_ns = fault == PLAN_SLOW ? slow_ns : link->slow_ns;
			link->loss_ppm = fault == PLAN_LOSSY ? loss_ppm : link->loss_ppm;
			link->clogged_ns = fault == PLAN_CLOG ? world->stage.now_ns + clogged_ns
			                                      : link->clogged_ns;
		}
	}
}

static void change_rate(struct plan *plan, struct world *world)
{
	struct server *server = &world->servers[victim(plan, world)];
	const uint32_t ppm = (uint32_t)prng_below(
		&plan->prng, (uint64_t)world->options.server.paxos.drift_ppm + 1);

	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, server->node,
	           SCROLL_RATE, ppm, 0);
	clock_set_rate(&server->clock, world->stage.now_ns, ppm);
}

/* A cut or the like begins; in half of the cases what stood before is healed first. */
static void cut(struct plan *plan, struct world *world, enum plan_fault fault)
{
	if (prng_chance(&plan->prng, 1, 2)) {
		world_heal(world);
	}
	plan->heal_ns = world->stage.now_ns + chance_exponential(&plan->prng, plan->heal_gap_ns);
	if (fault == PLAN_ISOLATE) {
		isolate(plan, world);
	} else if (fault == PLAN_SPLIT) {
		split(plan, world);
	} else if (fault == PLAN_STAR) {
		star(plan, world);
	} else if (fault == PLAN_CHAIN) {
		chain(world);
	} else if (fault == PLAN_CLIENTS) {
		cut_clients(plan, world);
	} else {
		worsen(plan, world, fault);
	}
}

static void stall(struct plan *plan, struct world *world)
{
	struct server *server = &world->servers[victim(plan, world)];

	server->stall_ns = pause_length(plan, world);
	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, server->node,
	           SCROLL_STALL, server->stall_ns, 0);
}

static void stall_disk(struct plan *plan, struct world *world)
{
	struct server *server = &world->servers[victim(plan, world)];

	server->disk_stall_ns =
		ONE_OF(plan, prng_below(&plan->prng, 100 * plan->heartbeat_ns),
	               prng_below(&plan->prng, 100 * plan->heartbeat_ns), MS(1000), MS(30000));
	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, server->node,
	           SCROLL_DISK_STALL, server->disk_stall_ns, 0);
}

/* What folders can suffer. Counted only if it could be done. */
static bool harm(struct plan *plan, struct world *world, enum plan_fault fault)
{
	const unsigned node = victim(plan, world);
	bool is_done = false;

	if (fault == PLAN_DISK_FULL) {
		const bool all = prng_chance(&plan->prng, 1, 4);

		for (unsigned i = 0; i < world_servers(world); i++) {
			if (all || i == node) {
				is_done = harm_fill(world, &plan->prng, i,
				                    plan->heartbeat_ns * between(plan, 1, 60));
			}
		}
	} else if (fault == PLAN_DISK_FAILS) {
		is_done = harm_fail_write(world, node);
	} else if (fault == PLAN_HURT) {
		is_done = harm_hurt(world, &plan->prng, node);
	} else if (fault == PLAN_FORMAT) {
		is_done = harm_format(world, node);
	} else if (fault == PLAN_SAVE) {
		is_done = harm_save(world, node);
	} else if (fault == PLAN_ROLL_BACK) {
		for (unsigned i = 0; i < world_servers(world) && !is_done; i++) {
			is_done = harm_roll_back(world, i) || harm_lose_tail(world, i);
		}
	} else {
		is_done = harm_helix(world, &plan->prng);
	}
	plan->counts[fault] += is_done;
	return is_done;
}

/* What wants quiet members takes the place of the next changes until it could be done. */
static void harm_or_wait(struct plan *plan, struct world *world, enum plan_fault fault)
{
	if (!harm(plan, world, fault) && (fault == PLAN_ROLL_BACK || fault == PLAN_HELIX) &&
	    world->options.server.paxos.durability == PAXOS_DISK) {
		plan->waiting = fault;
		plan->waits = 8;
	}
}

static bool harm_instead(struct plan *plan, struct world *world)
{
	if (plan->waits == 0) {
		return false;
	}
	plan->waits = harm(plan, world, plan->waiting) ? 0 : plan->waits - 1;
	return true;
}

static uint32_t some_of(struct plan *plan, uint32_t set, unsigned count)
{
	uint32_t some = 0;

	for (; count > 0 && set != 0; count--) {
		unsigned skip = (unsigned)prng_below(&plan->prng, paxos_count(set));
		unsigned node = 0;

		for (; paxos_each(set, &node) && skip > 0; node++) {
			skip--;
		}
		some |= paxos_bit(node);
		set &= ~paxos_bit(node);
	}
	return some;
}

/* Grows, shrinks, replaces, by one or two, as the members stand as far as anybody knows. */
static void change_members(struct plan *plan, struct world *world)
{
	const struct store_members *members = store_members(world->stage.checker.store);
	const uint32_t others = paxos_first(world_servers(world)) & ~members->voters;
	const unsigned asked = (unsigned)prng_below(&plan->prng, world_servers(world));
	const unsigned some = 1 + (unsigned)prng_below(&plan->prng, 2);
	const uint64_t kind = between(plan, 0, 5);
	const uint64_t now_ns = world->stage.now_ns;
	struct paxos_change change = {.is_even = prng_chance(&plan->prng, 1, 3)};
	struct changes changes = world->stage.changes;
	uint64_t deadline_ns, until_ns;
	uint32_t voters;

	if (!world->servers[asked].is_up || members->configuration == 0 ||
	    harm_instead(plan, world) || harm_forbids_crash(world)) {
		return; /* who joins has heard nothing yet, and would not find it out */
	}
	if (kind != 1) {
		change.add = some_of(plan, others, kind == 0 ? some : 1);
	}
	if (kind == 1 || kind >= 3) {
		change.remove = some_of(plan, members->voters, kind == 1 ? some : 1);
	}
	change.as_learners = kind == 2;
	if (change.add == 0 && change.remove == 0) {
		return;
	}
	voters = (members->voters & ~change.remove) | (change.as_learners ? 0 : change.add);
	if (!changes_put(&changes, now_ns, voters & ~members->voters, change.remove, UINT64_MAX) ||
	    !changes_leave_majority(&changes, &world->stage.checker, now_ns, world->stage.impaired,
	                            STORE_NODES_MAX) ||
	    (world->options.server.paxos.durability == PAXOS_MEMORY &&
	     !checker_remembers(&world->stage.checker, voters, STORE_NODES_MAX))) {
		return; /* what the rest can mend shall not be left to the one that is hurt */
	}
	plan->counts[PLAN_CHANGE]++;
	deadline_ns = plan->heartbeat_ns * between(plan, 10, 100);
	until_ns = now_ns + 2 * deadline_ns; /* its clock may go slower than true time */
	changes.asked[changes.count - 1].until_ns = until_ns;
	world->stage.changes = changes;
	if (change.remove != 0) {
		world->stage.removing_ns = until_ns;
	}
	world_change(world, asked, &change, deadline_ns);
	if (world->stage.changing_ns < until_ns) {
		world->stage.changing_ns = until_ns;
	}
}

static void inject(struct plan *plan, struct world *world)
{
	uint64_t drawn = prng_below(&plan->prng, plan->weight_sum);
	unsigned fault = 0;

	for (; drawn >= plan->weights[fault]; fault++) {
		drawn -= plan->weights[fault];
	}
	if (fault > PLAN_RESIGN && fault != PLAN_CHANGE &&
	    (fault < PLAN_DISK_FULL || fault > PLAN_HELIX)) {
		plan->counts[fault]++;
	}
	switch ((enum plan_fault)fault) {
	case PLAN_CRASH:
	case PLAN_CRASH_MIDWAY:
	case PLAN_CRASH_TOLD:
	case PLAN_RESIGN:
		crash(plan, world, (enum plan_fault)fault);
		break;
	case PLAN_HANDOVER:
		hand_over(plan, world);
		break;
	case PLAN_OLD_NOTE:
		server_report(&world->servers[victim(plan, world)], &world->stage);
		break;
	case PLAN_FALSE_NOTE:
		server_slander(&world->servers[victim(plan, world)], &world->stage);
		break;
	case PLAN_PAUSE:
	case PLAN_PAUSE_ALL:
		pause_some(plan, world, fault == PLAN_PAUSE_ALL);
		break;
	case PLAN_STALL:
	case PLAN_DISK_STALL:
		(fault == PLAN_STALL ? stall : stall_disk)(plan, world);
		break;
	case PLAN_DISK_FULL:
	case PLAN_DISK_FAILS:
	case PLAN_HURT:
	case PLAN_FORMAT:
	case PLAN_SAVE:
	case PLAN_ROLL_BACK:
	case PLAN_HELIX:
		harm_or_wait(plan, world, (enum plan_fault)fault);
		break;
	case PLAN_FLAP:
		flap(plan, world);
		break;
	case PLAN_RATE:
	case PLAN_CHANGE:
		(fault == PLAN_RATE ? change_rate : change_members)(plan, world);
		break;
	case PLAN_HEAL:
		world_heal(world);
		break;
	case PLAN_ISOLATE:
	case PLAN_SPLIT:
	case PLAN_STAR:
	case PLAN_CHAIN:
	case PLAN_CLIENTS:
	case PLAN_CLOG:
	case PLAN_SLOW:
	case PLAN_LOSSY:
		cut(plan, world, (enum plan_fault)fault);
		break;
	case PLAN_FAULT_COUNT:
	default:
		must(false);
		break;
	}
}

static void flap_once(struct plan *plan, struct world *world)
{
	if (plan->flaps_left-- % 2 == 0) {
		world_cut(world, plan->flap_a, plan->flap_b);
	} else {
		world_open(world, plan->flap_a, plan->flap_b);
	}
	plan->flap_ns = plan->flaps_left == 0 ? UINT64_MAX : plan->flap_ns + plan->flap_gap_ns;
}

/* --- the run --------------------------------------------------------------------------------- */

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void rage(struct plan *plan, struct world *world)
{
	const struct stage *stage = &world->stage;
	const uint64_t end_ns = stage->now_ns + plan->duration_ns;
	uint64_t fault_ns = stage->now_ns + chance_exponential(&plan->prng, plan->gap_ns);

	world->stage.harms = true;
	plan->heal_ns = UINT64_MAX;
	plan->flap_ns = UINT64_MAX;
	while (!world_failed(world)) {
		const uint64_t next_ns = earliest(earliest(fault_ns, plan->heal_ns),
		                                  earliest(plan->flap_ns, end_ns));

		world_run(world, next_ns > stage->now_ns ? next_ns - stage->now_ns : 0);
		if (world_failed(world) || stage->now_ns >= end_ns) {
			return;
		}
		if (stage->now_ns >= plan->flap_ns) {
			flap_once(plan, world);
		}
		if (stage->now_ns >= plan->heal_ns) {
			world_heal(world);
			plan->heal_ns = UINT64_MAX;
		}
		if (stage->now_ns >= fault_ns) {
			inject(plan, world);
			fault_ns =
				stage->now_ns + 1 + chance_exponential(&plan->prng, plan->gap_ns);
		}
		plan_starts(plan, world);
	}
}

/* Everything is made good again. */
static void calm(struct plan *plan, struct world *world)
{
	struct net_options *net = &world->stage.net.options;

	world_heal(world);
	net->loss_ppm = 0;
	net->duplicate_ppm = 0;
	net->flip_ppm = 0;
	net->late_ppm = 0;
	world->stage.harms = false;
	world->options.server.disk_ns =
		earliest(world->options.server.disk_ns, plan->heartbeat_ns / 10);
	net->delay_mean_ns = earliest(net->delay_mean_ns, plan->heartbeat_ns / 10);
	for (unsigned i = 0; i < world_servers(world); i++) {
		struct server *server = &world->servers[i];

		server->crash_after = -1;
		server->folder.fails_next = false;
		server->stall_ns = 0;
		server_hurry_disk(server, &world->stage);
		if (server->is_removed) {
			continue;
		}
		server_fill_disk(server, &world->stage, UINT64_MAX);
		if (!server->is_up) {
			server_start(server, &world->stage, false);
		} else {
			server_pause(server, &world->stage, 0);
			server_nudge(server, &world->stage);
		}
	}
	for (unsigned i = 0; i < world->options.clients; i++) {
		world->users[i].is_quiet = true;
		lookout_calm(&world->users[i].lookout, &world->stage);
	}
	for (unsigned i = 0; i < world->options.locker.lockers; i++) {
		locker_calm(&world->lockers[i], &world->stage);
	}
}

/* No change begins any more; who was removed, and is a member again, comes back. */
static void settle(struct world *world)
{
	const uint64_t changing_ns = world->stage.changing_ns;

	if (changing_ns > world->stage.now_ns) {
		world_run(world, changing_ns - world->stage.now_ns);
	}
	for (unsigned i = 0; i < world_servers(world) && !world_failed(world); i++) {
		if (world->servers[i].is_removed) {
			server_start(&world->servers[i], &world->stage, false);
		}
	}
}

static uint64_t traced(const struct world *world, enum paxos_trace_kind kind)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < world_servers(world); i++) {
		sum += world->servers[i].counts.traces[kind];
	}
	return sum;
}

static uint64_t stands(const struct world *world)
{
	return traced(world, PAXOS_TRACE_STANDS);
}

/* Nobody stands; or one does whom the leader called: the wish for that came very late. */
static bool keeps_still(struct world *world, uint64_t ns)
{
	const uint64_t stood = stands(world), handed = traced(world, PAXOS_TRACE_HANDOVER);
	const int leader = world_leader(world);

	world_run(world, ns);
	if (traced(world, PAXOS_TRACE_HANDOVER) == handed) {
		return world_leader(world) == leader && stands(world) == stood;
	}
	return traced(world, PAXOS_TRACE_HANDOVER) == handed + 1 && stands(world) <= stood + 1;
}

static bool demand(struct world *world, bool holds, const char *what)
{
	if (!holds && !world_failed(world)) {
		scroll_fail(&world->stage.scroll, world->stage.now_ns, "no progress: %s", what);
	}
	return !world_failed(world);
}

static void submit_all(struct world *world, uint64_t bound_ns)
{
	for (unsigned i = 0; i < world->options.clients; i++) {
		(void)user_submit(&world->users[i], &world->stage,
		                  (struct ledger_operation){.kind = LEDGER_SET},
		                  world->stage.now_ns + bound_ns);
	}
}

/* Each client writes once more; all of these must be done. */
static bool probe(struct world *world, uint64_t bound_ns)
{
	uint64_t first;

	/* The faults may have outlived a session whose client does not know it yet. */
	submit_all(world, bound_ns);
	if (!demand(world, world_until(world, world_is_quiet, bound_ns + 1),
	            "a write after the faults never ended")) {
		return false;
	}
	first = world->stage.ledger.operation_count;
	submit_all(world, bound_ns);
	if (!demand(world, world_until(world, world_is_quiet, bound_ns + 1),
	            "a write after the faults never ended")) {
		return false;
	}
	for (; first < world->stage.ledger.operation_count; first++) {
		if (!demand(world, world_operation(world, first)->outcome == CLIENT_DONE,
		            "a write after the faults was not done in time")) {
			return false;
		}
	}
	return true;
}

static void close_books(struct world *world)
{
	const struct store *stores[STORE_NODES_MAX] = {0};
	struct stage *stage = &world->stage;
	const struct store_members *members = store_members(stage->checker.store);

	must(members->configuration != 0);
	for (unsigned i = 0; i < world_servers(world); i++) {
		if (world->servers[i].is_up && paxos_has(members->voters | members->learners, i)) {
			stores[i] = world->servers[i].store;
			checker_reread(&stage->checker, stage->now_ns, i,
			               world->servers[i].replica);
		}
	}
	(void)demand(world, !harm_is_hidden(world),
	             "an older copy of a folder was never found out");
	(void)demand(world, checker_agrees(&stage->checker, stage->now_ns, stores),
	             "servers have not applied all that was decided");
	ledger_close(&stage->ledger, stage->now_ns);
	watchbook_close(&stage->watchbook, stage->now_ns);
}

/* Until the last session has expired and the last lock has rested, one after the other. */
static uint64_t claims_bound_ns(const struct world *world)
{
	const struct locker_options *locker = &world->options.locker;
	const uint64_t lives_ms = 2 * (uint64_t)locker->client.ttl_ms + locker->delay_ms;

	return locker->deadline_ns + locker->lockers * lives_ms * 1000000;
}

bool plan_run(struct plan *plan, struct world *world)
{
	const struct paxos_config *paxos = &world->options.server.paxos;
	const uint64_t bound_ns = 60 * paxos->suspicion_ns +
	                          4 * world->options.user.client.resend_max_ns +
	                          100 * plan->heartbeat_ns;
	const uint64_t deadline_ns = plan->options.user.deadline_max_ns;
	uint64_t begin_ns, stands_before;

	rage(plan, world);
	if (world_failed(world)) {
		return false;
	}
	calm(plan, world);
	settle(world);
	begin_ns = world->stage.now_ns;
	stands_before = stands(world);
	world_run(world, 3 * plan->heartbeat_ns); /* that a disk has room again is told by then */
	if (!demand(world, world_until(world, world_agrees, bound_ns), "servers do not agree") ||
	    !demand(world, world_until(world, world_is_quiet, bound_ns + deadline_ns),
	            "what was under way has not ended") ||
	    !demand(world,
	            world_until(world, world_has_no_claims, bound_ns + claims_bound_ns(world)),
	            "somebody waits for a lock, or holds one, to no end") ||
	    !probe(world, bound_ns) ||
	    !demand(world, world_until(world, world_agrees, bound_ns),
	            "servers do not agree after a write")) {
		return false;
	}
	plan->calm_ns = world->stage.now_ns - begin_ns;
	plan->calm_stands = stands(world) - stands_before;
	if (!demand(world, keeps_still(world, 30 * plan->heartbeat_ns),
	            "elections go on although nothing is wrong") ||
	    !demand(world, world_until(world, world_has_seen_all, bound_ns),
	            "a watch was not given all") ||
	    /* The last, since sessions still expire. */
	    !demand(world, world_until(world, world_agrees, bound_ns), "servers do not agree")) {
		return false;
	}
	close_books(world);
	return !world_failed(world);
}

void plan_print(const struct plan *plan, FILE *file)
{
	const struct world_options *options = &plan->options;
	const struct paxos_config *paxos = &options->server.paxos;

	fprintf(file,
	        "seed %" PRIu64
	        ": %u servers and %u spares, mode %s, %u clients with %u at once, %u keys\n"
	        "  heartbeat %" PRIu64 " ms, suspicion %" PRIu64 " us, lease %" PRIu64
	        " us, drift %u ppm, log %u entries, window %u\n"
	        "  loss %u ppm, doubled %u, damaged %u, late %u; delay %" PRIu64
	        " us; disk %" PRIu64 " us; ring %u\n ",
	        plan->seed, options->servers, options->spares,
	        paxos->durability == PAXOS_DISK ? "disk" : "memory", options->clients,
	        options->user.outstanding, options->keys, paxos->heartbeat_ns / 1000000,
	        paxos->suspicion_ns / 1000, paxos->lease_ns / 1000, paxos->drift_ppm,
	        paxos->log_entries, paxos->window, options->net.loss_ppm,
	        options->net.duplicate_ppm, options->net.flip_ppm, options->net.late_ppm,
	        options->net.delay_mean_ns / 1000, options->server.disk_ns / 1000,
	        options->server.ring);
	for (unsigned i = 0; i < PLAN_FAULT_COUNT; i++) {
		if (plan->counts[i] != 0) {
			fprintf(file, " %s %" PRIu64 ",", fault_names[i], plan->counts[i]);
		}
	}
	fprintf(file, " calm after %" PRIu64 " ms and %" PRIu64 " candidacies\n",
	        plan->calm_ns / 1000000, plan->calm_stands);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/server.h"

#include <string.h>

#include "consensus/msg.h"
#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/base/mutant.h"
#include "tests/sim/aside.h"
#include "tests/sim/chance.h"

/* --- life and death -------------------------------------------------------------------------- */

void server_init(struct server *server, unsigned node, const struct server_options *options,
                 struct stage *stage)
{
	memset(server, 0, sizeof(*server));
	server->node = node;
	server->options = options;
	server->crash_after = -1;
	folder_init(&server->folder);
	server->clock = (struct clock){
		.base_true_ns = stage->now_ns,
		.base_local_ns = chance_between(&stage->prng, 1, (uint64_t)1 << 40),
		.ppm = (uint32_t)prng_below(&stage->prng, (uint64_t)options->paxos.drift_ppm + 1),
	};
}

static void drop_packets(struct server *server, struct stage *stage)
{
	while (server->first != NULL) {
		struct packet *packet = server->first;

		server->first = packet->next;
		net_done(&stage->net, packet);
	}
	server->last = NULL;
	server->waiting = 0;
}

/* What a process has in memory. */
static void close_process(struct server *server)
{
	paxos_watches_free(server->aside_watches);
	paxos_replica_free(server->replica);
	store_free(server->store);
	server->aside_watches = NULL;
	server->replica = NULL;
	server->store = NULL;
}

void server_deinit(struct server *server, struct stage *stage)
{
	drop_packets(server, stage);
	if (server->is_up) {
		close_process(server);
	}
	folder_deinit(&server->folder);
}

static void fault(struct server *server, struct stage *stage, enum scroll_fault kind, uint64_t a,
                  uint64_t b)
{
	scroll_put(&stage->scroll, stage->now_ns, SCROLL_FAULT, server->node, kind, a, b);
}

/* The disk stands by what the server stands by, once all it was told is durable. */
static void give_word(struct server *server, const struct paxos_status *status)
{
	disk_give_word(&server->folder.disk, &(struct disk_word){.is_given = true,
	                                                         .promised = status->promised,
	                                                         .accepted = status->accepted,
	                                                         .length = status->length});
}

/* A replica over what its folder holds. False: that is of no use. */
static bool make(struct server *server, struct stage *stage, const struct paxos_config *config)
{
	struct paxos_status status;

	must(store_new(&server->store, &server->options->store) == 0);
	must(paxos_replica_new(&server->replica, config, server->store) == 0);
	must(paxos_watches_new(&server->aside_watches, config->watches_max, server->store) == 0);
	folder_run(&server->folder);
	if (config->durability == PAXOS_MEMORY) {
		return true;
	}
	if (folder_recover(&server->folder, stage, server->node, server->replica, server->store)) {
		/* A turn that a crash cut short gave none for what it left there. */
		paxos_replica_status(server->replica, &status);
		give_word(server, &status);
		return true;
	}
	close_process(server);
	return false;
}

static void new_incarnation(struct server *server, struct stage *stage)
{
	server->incarnation =
		(uint64_t)server->start << 32 | (uint32_t)(prng_next(&stage->prng) | 1);
}

static void note_impaired(struct server *server, struct stage *stage)
{
	const uint32_t bit = (uint32_t)1 << server->node;

	stage->impaired &= ~bit;
	stage->impaired |= folder_is_impaired(&server->folder) ? bit : 0;
}

/* Its supervisor starts it again. */
static void plan_start(struct server *server, struct stage *stage)
{
	server->up_planned = server->run;
	queue_put(&stage->queue,
	          (struct event){.time_ns = stage->now_ns + server->options->paxos.heartbeat_ns,
	                         .kind = EVENT_UP,
	                         .node = server->node,
	                         .tag = server->run});
}

/* Nothing of the folder is of use: a new one, under a new incarnation, joins again. */
static void set_aside(struct server *server, struct stage *stage)
{
	fault(server, stage, SCROLL_SET_ASIDE, 0, 0);
	folder_set_aside(&server->folder);
	note_impaired(server, stage);
	checker_set_aside(&stage->checker, server->node);
	if (!mutant(24)) {
		new_incarnation(server, stage);
	}
}

/* Plans a turn, unless an earlier one is planned. */
static void plan_turn(struct server *server, struct stage *stage, uint64_t true_ns)
{
	if (true_ns < stage->now_ns) {
		true_ns = stage->now_ns;
	}
	if (true_ns < server->paused_ns) {
		true_ns = server->paused_ns;
	}
	if (server->turn_ns <= true_ns) {
		return;
	}
	server->turn_ns = true_ns;
	queue_put(&stage->queue, (struct event){.time_ns = true_ns,
	                                        .kind = EVENT_TURN,
	                                        .node = server->node,
	                                        .tag = ++server->turn_tag});
}

void server_start(struct server *server, struct stage *stage, bool founding)
{
	struct paxos_config config = server->options->paxos;

	must(!server->is_up);
	server->run++;
	server->start++;
	if (founding || config.durability == PAXOS_MEMORY || server->incarnation == 0) {
		new_incarnation(server, stage);
	}
	if (server->folder.is_lost) {
		set_aside(server, stage);
	}
	config.node = (uint8_t)server->node;
	server->secret = prng_next(&stage->prng) | 1;
	config.secret = server->secret;
	config.start = server->start;
	config.founding = founding;
	config.founders = server->joins ? 0 : config.founders;
	config.seed = prng_next(&stage->prng);
	for (unsigned tries = 0; tries < 2; tries++) {
		config.incarnation = server->incarnation;
		config.rejoining = server->folder.is_rejoining && !mutant(24);
		fault(server, stage, SCROLL_START, config.incarnation, config.start);
		if (make(server, stage, &config)) {
			break;
		}
		must(tries == 0); /* an empty folder can be read */
		set_aside(server, stage);
	}
	server->is_up = true;
	server->is_removed = false;
	server->counts.starts++;
	server->grace_told = 0;
	server->held = NULL;
	server->grace_runs = false;
	server->crash_after = -1;
	server->stall_ns = 0;
	server->paused_ns = 0;
	server->gap_ns = 0;
	server->decided = 0;
	server->role = 0;
	server->turn_ns = UINT64_MAX;
	paxos_replica_start(server->replica, clock_local_ns(&server->clock, stage->now_ns));
	checker_started(&stage->checker, stage->now_ns, server->node, &config, &server->clock,
	                server->replica);
	plan_turn(server, stage, stage->now_ns);
}

/* What a status counts is added to what former runs counted. */
static void keep_counts(struct server *server, struct stage *stage)
{
	struct server_counts *counts = &server->counts;
	struct paxos_status status;

	paxos_replica_status(server->replica, &status);
	counts->lease_refusals += status.lease_refusals;
	counts->duplicates += status.duplicates;
	counts->reads_lease += status.reads_lease;
	counts->reads_quorum += status.reads_quorum;
	counts->reads_stale += status.reads_stale;
	counts->resent += status.resent;
	counts->disk_refusals += status.disk_refusals;
	counts->bad_crc += status.faults[STORE_DATAGRAM_BAD_CRC];
	for (unsigned i = 0; i < PAXOS_DROP_COUNT; i++) {
		counts->drops[i] += status.drops[i];
	}
	checker_reread(&stage->checker, stage->now_ns, server->node, server->replica);
}

static struct paxos_note note_of(const struct server *server)
{
	return (struct paxos_note){
		.cluster = server->options->paxos.cluster,
		.node = (uint8_t)server->node,
		.incarnation = server->incarnation,
		.start = server->start,
		.secret = server->secret,
	};
}

static void send_note(struct server *server, struct stage *stage, const struct paxos_note *note)
{
	const uint64_t late_ns =
		chance_exponential(&stage->prng, server->options->paxos.heartbeat_ns / 10);
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = paxos_note_encode(note, datagram);

	for (unsigned peer = 0; paxos_each(server->options->paxos.founders, &peer); peer++) {
		if (peer != server->node) {
			stage_send(stage, stage->now_ns + late_ns, server->node, peer,
			           slice_make(datagram, size));
		}
	}
}

void server_report(struct server *server, struct stage *stage)
{
	if (server->buried.start != 0) {
		fault(server, stage, SCROLL_NOTE, server->buried.start, 1);
		send_note(server, stage, &server->buried);
	}
}

void server_slander(struct server *server, struct stage *stage)
{
	struct paxos_note note = note_of(server);

	note.secret ^= (uint64_t)2 << prng_below(&stage->prng, 62);
	fault(server, stage, SCROLL_NOTE, note.start, 0);
	send_note(server, stage, &note);
}

void server_crash(struct server *server, struct stage *stage)
{
	struct disk_word word;

	must(server->is_up);
	keep_counts(server, stage);
	server->run++;
	server->is_up = false;
	server->buried = note_of(server);
	server->counts.crashes++;
	folder_crash(&server->folder, &stage->prng, stage_may_impair(stage, server->node));
	note_impaired(server, stage);
	fault(server, stage, SCROLL_CRASH, disk_last(&server->folder.disk), 0);
	drop_packets(server, stage);
	close_process(server);
	server->turn_ns = UINT64_MAX;
	word = disk_word(&server->folder.disk);
	checker_stopped(&stage->checker, server->node, &word);
}

void server_wipe(struct server *server, struct stage *stage)
{
	const struct disk_word nothing = {0};

	must(!server->is_up);
	folder_set_aside(&server->folder);
	checker_set_aside(&stage->checker, server->node);
	checker_stopped(&stage->checker, server->node, &nothing);
	server->joins = true;
	server->start = 0;
	server->incarnation = 0;
}

void server_change(struct server *server, struct stage *stage, const struct paxos_change *change,
                   uint64_t ns)
{
	const uint64_t local_ns = clock_local_ns(&server->clock, stage->now_ns);
	const struct paxos_address nobody = {{0}};

	must(server->is_up);
	fault(server, stage, SCROLL_MEMBERS, change->add, change->remove);
	paxos_replica_change(server->replica, local_ns, &nobody, change, local_ns + ns);
	plan_turn(server, stage, stage->now_ns);
}

void server_pause(struct server *server, struct stage *stage, uint64_t ns)
{
	fault(server, stage, SCROLL_PAUSE, ns, 0);
	server->paused_from_ns = stage->now_ns;
	server->paused_ns = stage->now_ns + ns;
}

void server_nudge(struct server *server, struct stage *stage)
{
	plan_turn(server, stage, stage->now_ns);
}

void server_arrival(struct server *server, struct stage *stage, struct packet *packet)
{
	if (!server->is_up || server->waiting >= server->options->ring) {
		server->counts.overruns += server->is_up;
		stage->net.counts.overrun += server->is_up;
		net_done(&stage->net, packet);
		return;
	}
	packet->next = NULL;
	if (server->last == NULL) {
		server->first = packet;
	} else {
		server->last->next = packet;
	}
	server->last = packet;
	server->waiting++;
	stage->net.counts.delivered++;
	plan_turn(server, stage,
	          stage->now_ns + prng_below(&stage->prng, server->options->poll_ns + 1));
}

/* --- a turn ---------------------------------------------------------------------------------- */

static struct paxos_source source_of(const struct packet *packet)
{
	struct paxos_source source = {.peer = PAXOS_NOBODY};

	memcpy(source.address.bytes, &packet->source, sizeof(packet->source));
	if (packet->source < NET_CLIENT) {
		source.peer = (int)packet->source;
	}
	return source;
}

/*
 * True if it is a peer's, of a life that this server's log calls over (DESIGN 4.1 i). A death note
 * is not: it says just that.
 */
static bool is_of_the_dead(const struct server *server, const struct packet *packet)
{
	const struct slice bytes = slice_make(packet->bytes, packet->size);
	struct store_datagram datagram;
	struct paxos_msg msg;

	return server->options->paxos.durability == PAXOS_MEMORY && packet->source < NET_CLIENT &&
	       store_datagram_open(bytes, &datagram) == STORE_DATAGRAM_GOOD &&
	       datagram.kind == STORE_DATAGRAM_PEER && paxos_msg_decode(datagram.body, &msg) &&
	       msg.node == packet->source && msg.kind != PAXOS_MSG_DEAD &&
	       /* What a later configuration says is not known here yet. */
	       msg.configuration == store_members(server->store)->configuration &&
	       paxos_has(store_members(server->store)->voters, msg.node) &&
	       msg.incarnation < store_member_incarnation(server->store, msg.node);
}

static uint64_t drops(const struct server *server)
{
	const struct paxos_status status = server_status(server);
	uint64_t sum = 0;

	for (unsigned i = 0; i < PAXOS_DROP_COUNT; i++) {
		sum += status.drops[i];
	}
	return sum;
}

static void hand_over(struct server *server, struct stage *stage, uint64_t local_ns,
                      const struct packet *packet)
{
	const struct slice bytes = slice_make(packet->bytes, packet->size);
	const struct paxos_source source = source_of(packet);
	const bool is_dead = is_of_the_dead(server, packet);
	const uint64_t before = is_dead ? drops(server) : 0;

	paxos_replica_receive(server->replica, local_ns, &source, bytes);
	if (is_dead && drops(server) == before) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u hears server %u of a life that is over", server->node,
		            packet->source);
	}
}

/* The worker beside the replica. */
static struct aside aside_of(const struct server *server, struct stage *stage, uint64_t local_ns)
{
	return (struct aside){
		.stage = stage,
		.replica = server->replica,
		.store = server->store,
		.watches = server->aside_watches,
		.node = server->node,
		.cluster = server->options->paxos.cluster,
		.durability = server->options->paxos.durability,
		.local_ns = local_ns,
		.heard_ns = local_ns - server->heard_local_ns,
	};
}

static void receive(struct server *server, struct stage *stage, uint64_t local_ns)
{
	struct aside aside = aside_of(server, stage, local_ns);
	unsigned packets = 0;

	for (struct packet *packet = server->first; packet != NULL; packet = packet->next) {
		const struct slice bytes = slice_make(packet->bytes, packet->size);

		scroll_put(&stage->scroll, stage->now_ns, SCROLL_ARRIVE, server->node,
		           packet->source, bytes.size, stage_kind(bytes));
		packets++;
		if (packet->source < NET_CLIENT) {
			server->heard_local_ns = local_ns;
			aside.heard_ns = 0;
		}
		if (chance_ppm(&stage->prng, server->options->aside_ppm) &&
		    packet->source >= NET_CLIENT && aside_read(&aside, packet->source, bytes)) {
			server->counts.aside++;
			continue;
		}
		/* All that a client sends comes to the same worker. */
		if (server->options->aside_ppm != 0 && packet->source >= NET_CLIENT &&
		    (packet->source + server->node) % 2 == 0 &&
		    aside_watch(&aside, packet->source, bytes)) {
			server->counts.watched_aside++;
			continue;
		}
		hand_over(server, stage, local_ns, packet);
	}
	server->counts.packets += packets;
	scroll_put(&stage->scroll, stage->now_ns, SCROLL_TURN, server->node, 0, packets, local_ns);
	drop_packets(server, stage);
}

/* What is told to others stands on the disk (DESIGN 4.1 a, d). */
static void check_word(struct server *server, struct stage *stage, struct slice bytes)
{
	const struct disk_word word = disk_word(&server->folder.disk);
	struct paxos_msg msg;

	if (!paxos_msg_decode(slice_make(bytes.data + STORE_DATAGRAM_HEADER,
	                                 bytes.size - STORE_DATAGRAM_HEADER),
	                      &msg)) {
		scroll_fail(&stage->scroll, stage->now_ns, "server %u sends what makes no sense",
		            server->node);
		return;
	}
	if (server->options->paxos.durability != PAXOS_DISK) {
		return;
	}
	if (msg.kind == PAXOS_MSG_PROMISE && paxos_ballot_compare(word.promised, msg.ballot) < 0) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u tells a promise that is not on its disk", server->node);
	}
	if (msg.kind == PAXOS_MSG_ACCEPTED &&
	    checker_compare_rank(word.accepted, word.length, msg.ballot, msg.length) < 0) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u tells that it accepted what is not on its disk",
		            server->node);
	}
}

static void obey_folder(struct server *server, struct stage *stage,
                        const struct paxos_effect *effect)
{
	const uint64_t ns = chance_exponential(&stage->prng, 8 * server->options->disk_ns);

	if (!folder_obey(&server->folder, stage, server->node, effect)) {
		scroll_fail(&stage->scroll, stage->now_ns, "server %u: no such effect",
		            server->node);
	}
	if (effect->kind == PAXOS_EFFECT_SNAPSHOT) {
		queue_put(&stage->queue, (struct event){.time_ns = stage->now_ns + ns,
		                                        .kind = EVENT_SNAPSHOT,
		                                        .node = server->node,
		                                        .tag = server->run});
	}
}

static void obey(struct server *server, struct stage *stage, const struct paxos_effect *effect)
{
	uint32_t target;

	switch (effect->kind) {
	case PAXOS_EFFECT_SEND:
		if (effect->peer >= STORE_NODES_MAX || effect->peer == server->node) {
			scroll_fail(&stage->scroll, stage->now_ns, "server %u sends to peer %u",
			            server->node, effect->peer);
			break;
		}
		check_word(server, stage, effect->bytes);
		if (effect->peer < server->options->servers) {
			stage_send(stage, stage->now_ns + server->stall_ns, server->node,
			           effect->peer, effect->bytes);
		}
		break;
	case PAXOS_EFFECT_PEER:
		break; /* a node's number is its address here */
	case PAXOS_EFFECT_TOLD:
		must(paxos_told_decode(effect->bytes, &server->told));
		server->tellings++;
		break;
	case PAXOS_EFFECT_REPLY:
		memcpy(&target, effect->address.bytes, sizeof(target));
		watchbook_sent(&stage->watchbook, stage->now_ns, server->node, server->store,
		               server->local_ns - server->heard_local_ns, effect->bytes);
		stage_send(stage, stage->now_ns + server->stall_ns, server->node, target,
		           effect->bytes);
		break;
	case PAXOS_EFFECT_TRACE:
		scroll_put(&stage->scroll, stage->now_ns, SCROLL_TRACE, server->node,
		           effect->trace.kind, effect->trace.a, effect->trace.b);
		server->counts.traces[effect->trace.kind] +=
			stage->checker.server[server->node].is_started;
		checker_trace(&stage->checker, stage->now_ns, server->node, &effect->trace);
		server->is_removed |= effect->trace.kind == PAXOS_TRACE_REMOVED;
		break;
	case PAXOS_EFFECT_SNAPSHOT:
	case PAXOS_EFFECT_PERSIST:
	case PAXOS_EFFECT_FORGET:
	case PAXOS_EFFECT_END:
	default:
		obey_folder(server, stage, effect);
		break;
	}
}

static void begin_write(struct server *server, struct stage *stage)
{
	uint64_t ns;

	if (!disk_begin_write(&server->folder.disk, &stage->prng)) {
		return;
	}
	ns = server->options->disk_ns / 4 +
	     chance_exponential(&stage->prng, server->options->disk_ns) + server->disk_stall_ns;
	server->disk_stall_ns = 0;
	queue_put(&stage->queue, (struct event){.time_ns = stage->now_ns + ns,
	                                        .kind = EVENT_DISK,
	                                        .node = server->node,
	                                        .tag = ++server->write_tag});
}

static void want_grace(struct server *server, struct stage *stage)
{
	const uint64_t wanted = store_grace_wanted(server->store);

	if (server->grace_runs || wanted == server->grace_told) {
		return;
	}
	server->grace_runs = true;
	server->grace_told = wanted;
	queue_put(&stage->queue,
	          (struct event){
			  .time_ns = stage->now_ns +
	                             chance_exponential(&stage->prng, server->options->grace_ns),
			  .kind = EVENT_GRACE,
			  .node = server->node,
			  .tag = server->run,
			  .value = wanted});
}

/*
 * Now and then a reader on another core finds a root and is slow: it holds it until the grace
 * period that begins after it is about to end. What it reads must not have changed.
 */
static void begin_slow_read(struct server *server)
{
	if (server->held == NULL && !server->grace_runs && server->counts.turns % 64 == 0) {
		server->held = store_root(server->store);
		server->held_digest = store_digest(server->store, server->held);
	}
}

static void end_slow_read(struct server *server, struct stage *stage)
{
	struct store_digest digest;

	if (server->held == NULL) {
		return;
	}
	digest = store_digest(server->store, server->held);
	server->held = NULL;
	if (digest.low != server->held_digest.low || digest.high != server->held_digest.high) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u: a reader's root changed under it", server->node);
	}
}

/* Lines for the scroll when something changed. */
static void note_state(struct server *server, struct stage *stage)
{
	const struct paxos_status *status = &stage->checker.server[server->node].status;

	if (status->decided != server->decided) {
		server->decided = status->decided;
		scroll_put(&stage->scroll, stage->now_ns, SCROLL_STATE, server->node, 0,
		           status->decided, status->length);
	}
	if (status->role != server->role) {
		server->role = (uint8_t)status->role;
		scroll_put(&stage->scroll, stage->now_ns, SCROLL_ROLE, server->node, 0,
		           status->role, status->promised.round);
	}
}

/* A leader that alone may vote is a majority. */
static void note_alone(struct server *server, const struct paxos_status *status)
{
	if (status->role == PAXOS_LEADER && paxos_count(status->voters) == 1) {
		server->heard_local_ns = server->local_ns;
	}
}

/* Takes all effects. False if the server dies among them. */
static bool take_effects(struct server *server, struct stage *stage)
{
	const uint64_t records = disk_last(&server->folder.disk);
	struct paxos_effect effect;
	int taken = 0;

	checker_turned(&stage->checker, stage->now_ns, server->node, server->replica,
	               server->store);
	note_state(server, stage);
	note_alone(server, &stage->checker.server[server->node].status);
	if (server->crash_after >= 0 && server->options->paxos.durability == PAXOS_MEMORY &&
	    !checker_may_forget(&stage->checker, server->node)) {
		server->crash_after = -1; /* since that was drawn, it has become one too many */
	}
	while (taken != server->crash_after && paxos_replica_take(server->replica, &effect)) {
		obey(server, stage, &effect);
		taken++;
	}
	if (taken == server->crash_after) {
		server_crash(server, stage);
		return false;
	}
	if (server->crash_after > 0) {
		server->crash_after -= taken;
	}
	if (disk_last(&server->folder.disk) != records) {
		give_word(server, &stage->checker.server[server->node].status);
	}
	folder_turned(&server->folder, &stage->checker.server[server->node].status);
	note_impaired(server, stage);
	if (server->folder.end != 0) {
		server_crash(server, stage);
		plan_start(server, stage);
		return false;
	}
	server->stall_ns = 0;
	if (server->is_removed) {
		server_crash(server, stage); /* "told, and ends" */
		return false;
	}
	return true;
}

/* How late turns come, as a shell would measure it: the largest of late, slowly forgotten. */
static void measure_gap(struct server *server, uint64_t late_ns)
{
	const uint64_t faded = server->gap_ns - server->gap_ns / 64;

	server->gap_ns = late_ns > faded ? late_ns : faded;
	paxos_replica_poll_gap(server->replica, server->gap_ns);
}

/* The other worker turns as it comes: before the replica does, after it, both, or not yet. */
static void step_aside(struct server *server, struct stage *stage, uint64_t local_ns)
{
	const struct aside aside = aside_of(server, stage, local_ns);

	if (server->options->aside_ppm != 0 && prng_chance(&stage->prng, 1, 2)) {
		aside_turn(&aside);
	}
}

static uint64_t deadline_ns(const struct server *server)
{
	const uint64_t replica_ns = paxos_replica_deadline_ns(server->replica);
	const uint64_t aside_ns = paxos_watches_deadline_ns(server->aside_watches);

	return aside_ns < replica_ns ? aside_ns : replica_ns;
}

void server_turn_due(struct server *server, struct stage *stage, uint64_t tag)
{
	const uint64_t local_ns = clock_local_ns(&server->clock, stage->now_ns);

	if (!server->is_up || tag != server->turn_tag) {
		return;
	}
	server->turn_ns = UINT64_MAX;
	if (stage->now_ns < server->paused_ns) {
		plan_turn(server, stage, server->paused_ns);
		return;
	}
	server->counts.turns++;
	if (server->paused_ns != 0) {
		measure_gap(server, stage->now_ns - server->paused_from_ns);
		server->paused_ns = 0;
	}
	begin_slow_read(server);
	server->local_ns = local_ns;
	receive(server, stage, local_ns);
	folder_tell(&server->folder, stage, server->node, server->replica, local_ns);
	step_aside(server, stage, local_ns);
	paxos_replica_tick(server->replica, local_ns);
	if (!take_effects(server, stage)) {
		return;
	}
	step_aside(server, stage, local_ns);
	begin_write(server, stage);
	want_grace(server, stage);
	plan_turn(server, stage, clock_true_ns(&server->clock, deadline_ns(server)));
}

void server_resign(struct server *server, struct stage *stage)
{
	must(server->is_up);
	fault(server, stage, SCROLL_RESIGN, 0, 0);
	paxos_replica_resign(server->replica, clock_local_ns(&server->clock, stage->now_ns));
	if (take_effects(server, stage)) {
		server_crash(server, stage);
	}
}

enum paxos_transfer server_transfer(struct server *server, struct stage *stage, int to)
{
	enum paxos_transfer transfer;

	must(server->is_up);
	fault(server, stage, SCROLL_HANDOVER, (uint64_t)to, 0);
	transfer = paxos_replica_transfer(server->replica,
	                                  clock_local_ns(&server->clock, stage->now_ns), to);
	plan_turn(server, stage, stage->now_ns);
	return transfer;
}

void server_disk_due(struct server *server, struct stage *stage, uint64_t tag)
{
	struct folder *folder = &server->folder;

	if (!server->is_up || tag != server->write_tag || folder->disk.writing == 0) {
		return;
	}
	folder_write_ends(folder);
	scroll_put(&stage->scroll, stage->now_ns, SCROLL_DISK, server->node, 0,
	           folder->disk.durable, folder->troubles);
	begin_write(server, stage);
	plan_turn(server, stage, stage->now_ns);
}

void server_hurry_disk(struct server *server, struct stage *stage)
{
	server->disk_stall_ns = 0;
	queue_put(&stage->queue, (struct event){.time_ns = stage->now_ns,
	                                        .kind = EVENT_DISK,
	                                        .node = server->node,
	                                        .tag = server->write_tag});
}

void server_fill_disk(struct server *server, struct stage *stage, uint64_t spare)
{
	fault(server, stage, SCROLL_FULL, spare, 0);
	folder_fill(&server->folder, spare);
	if (server->is_up) {
		begin_write(server, stage);
		plan_turn(server, stage, stage->now_ns);
	}
}

bool server_hurt(struct server *server, struct stage *stage, enum folder_hurt hurt)
{
	if (!folder_hurt(&server->folder, &stage->prng, hurt)) {
		return false;
	}
	fault(server, stage, SCROLL_HURT, hurt, 0);
	note_impaired(server, stage);
	return true;
}

void server_lose_tail(struct server *server, struct stage *stage, uint64_t last)
{
	must(!server->is_up);
	fault(server, stage, SCROLL_ROLL_BACK, server->start, last);
	folder_lose_tail(&server->folder, last);
	note_impaired(server, stage);
	checker_set_aside(&stage->checker, server->node);
}

void server_roll_back(struct server *server, struct stage *stage)
{
	must(!server->is_up);
	fault(server, stage, SCROLL_ROLL_BACK, server->folder.saved_start, 0);
	server->start = server->folder.saved_start;
	folder_roll_back(&server->folder);
	note_impaired(server, stage);
	checker_set_aside(&stage->checker, server->node);
}

void server_snapshot_due(struct server *server, struct stage *stage, uint64_t run)
{
	if (server->is_up && run == server->run) {
		server->folder.is_written = true;
		plan_turn(server, stage, stage->now_ns);
	}
}

void server_grace_due(struct server *server, struct stage *stage, uint64_t run, uint64_t number)
{
	if (!server->is_up || run != server->run) {
		return;
	}
	end_slow_read(server, stage);
	store_grace_passed(server->store, number);
	server->grace_runs = false;
	want_grace(server, stage);
}

struct paxos_status server_status(const struct server *server)
{
	struct paxos_status status = {0};

	if (server->is_up) {
		paxos_replica_status(server->replica, &status);
	}
	return status;
}

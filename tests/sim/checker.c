/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/entry.h"

void checker_init(struct checker *checker, struct scroll *scroll, struct ledger *ledger,
                  unsigned servers, enum paxos_durability durability,
                  const struct store_config *config)
{
	memset(checker, 0, sizeof(*checker));
	checker->scroll = scroll;
	checker->ledger = ledger;
	checker->servers = servers;
	checker->durability = durability;
	checker->entry_room = 1024;
	checker->entries = calloc(checker->entry_room, sizeof(*checker->entries));
	checker->bytes_room = 64 * 1024;
	checker->bytes = malloc(checker->bytes_room);
	checker->digest_room = 64;
	checker->digests = calloc(checker->digest_room, sizeof(*checker->digests));
	must(checker->entries != NULL);
	must(checker->bytes != NULL);
	must(checker->digests != NULL);
	must(store_new(&checker->store, &(struct store_config){
						.quota_bytes = config->quota_bytes,
						.sessions_max = config->sessions_max,
						.grants_max = config->grants_max,
						.killed_max = config->killed_max,
						.events_max = CHECKER_EVENTS_MAX,
					}) == 0);
	checker->oracle = oracle_new(config->sessions_max, config->grants_max, config->killed_max);
	checker->vault =
		(struct vault){.scroll = scroll, .ledger = ledger, .oracle = checker->oracle};
}

void checker_deinit(struct checker *checker)
{
	free(checker->entries);
	free(checker->bytes);
	free(checker->digests);
	store_free(checker->store);
	oracle_free(checker->oracle);
}

/* --- entries --------------------------------------------------------------------------------- */

static struct slice known_bytes(const struct checker *checker, uint64_t index)
{
	const struct checker_entry *entry = &checker->entries[index];

	return slice_make(checker->bytes + entry->offset, entry->size);
}

static void learn(struct checker *checker, uint64_t index, struct slice bytes)
{
	while (checker->bytes_size + bytes.size > checker->bytes_room) {
		checker->bytes_room *= 2;
		checker->bytes = realloc(checker->bytes, checker->bytes_room);
		must(checker->bytes != NULL);
	}
	memcpy(checker->bytes + checker->bytes_size, bytes.data, bytes.size);
	checker->entries[index] = (struct checker_entry){
		.is_known = true, .size = (uint32_t)bytes.size, .offset = checker->bytes_size};
	checker->bytes_size += bytes.size;
}

static void keep_digest(struct checker *checker, uint64_t index)
{
	const size_t place = index / CHECKER_DIGEST_GAP;

	if (place >= checker->digest_room) {
		const size_t room = checker->digest_room * 2;

		checker->digests = realloc(checker->digests, room * sizeof(*checker->digests));
		must(checker->digests != NULL);
		checker->digest_room = room;
	}
	checker->digests[place] = store_digest(checker->store, store_root(checker->store));
}

static void note_configuration(struct checker *checker, uint64_t index)
{
	const struct store_members *members = store_members(checker->store);

	if (members->since == index) {
		must(members->configuration < CHECKER_CONFIGURATIONS);
		checker->configurations[members->configuration].since = index;
		checker->configurations[members->configuration].voters = members->voters;
	}
}

/* --- against the plain model ------------------------------------------------------------------ */

static bool is_equal_result(const struct store_result *a, const struct store_result *b)
{
	return a->answer == b->answer && a->op == b->op && a->flags == b->flags &&
	       a->revision == b->revision && a->first == b->first &&
	       a->store_revision == b->store_revision && a->number == b->number &&
	       a->session == b->session;
}

/* True if the store's last changes are those that the model made. */
static bool changes_fit(const struct checker *checker)
{
	const struct oracle_change *changes;
	const unsigned count = oracle_changes(checker->oracle, &changes);
	const store_rev_t before = oracle_revision(checker->oracle) - count;

	for (unsigned i = 0; i < count; i++) {
		const struct store_event *event;

		if (store_event(checker->store, before + 1 + i, &event) != STORE_OK ||
		    !slice_equal(event->path, slice_text(changes[i].path)) ||
		    (event->kind == STORE_EVENT_DELETE) != changes[i].is_delete ||
		    event->cause != changes[i].cause || event->owner != changes[i].owner ||
		    !slice_equal(event->value, changes[i].value)) {
			return false;
		}
	}
	return store_event_last(checker->store) == oracle_revision(checker->oracle);
}

static void ask_oracle(struct checker *checker, uint64_t now_ns, uint64_t index,
                       const struct store_entry *entry, const struct store_result *result)
{
	const bool is_answered = entry->kind == STORE_ENTRY_OP || entry->kind == STORE_ENTRY_TXN ||
	                         entry->kind == STORE_ENTRY_OPEN ||
	                         entry->kind == STORE_ENTRY_CLOSE;
	struct store_result want;
	const char *broken;

	oracle_apply(checker->oracle, index, entry, &want);
	broken = oracle_broken(checker->oracle);
	if (is_answered && !is_equal_result(result, &want)) {
		scroll_fail(checker->scroll, now_ns,
		            "entry %" PRIu64 ": %s, revision %" PRId64 ", number %" PRId64
		            "; the model says %s, %" PRId64 ", %" PRId64,
		            index, store_answer_text(result->answer), result->revision,
		            result->number, store_answer_text(want.answer), want.revision,
		            want.number);
	} else if (!changes_fit(checker)) {
		scroll_fail(checker->scroll, now_ns,
		            "entry %" PRIu64 " changes something else than the model", index);
	} else if (broken != NULL) {
		scroll_fail(checker->scroll, now_ns, "entry %" PRIu64 ": %s", index, broken);
	}
}

/* The checker's own store follows as far as there is no hole. */
static void follow(struct checker *checker, uint64_t now_ns)
{
	while (checker->applied < checker->decided &&
	       checker->entries[checker->applied + 1].is_known) {
		const uint64_t index = checker->applied + 1;
		struct store_result result = {0};
		struct store_entry entry;

		if (!store_entry_decode(known_bytes(checker, index), &entry)) {
			scroll_fail(checker->scroll, now_ns,
			            "entry %" PRIu64 " was decided and makes no sense", index);
			return;
		}
		if (entry.time_ns < store_time_ns(checker->store)) {
			scroll_fail(checker->scroll, now_ns, "time falls at entry %" PRIu64, index);
		}
		store_apply(checker->store, index, &entry, &result);
		store_publish(checker->store);
		store_grace_passed(checker->store, store_grace_wanted(checker->store));
		ask_oracle(checker, now_ns, index, &entry, &result);
		ledger_applied(checker->ledger, now_ns, &entry, &result, checker->store);
		vault_applied(&checker->vault, now_ns);
		checker->applied = index;
		note_configuration(checker, index);
		if (index % CHECKER_DIGEST_GAP == 0) {
			keep_digest(checker, index);
		}
	}
}

/* A server calls an entry decided: the first to do so says what it is. */
static void look_at_entry(struct checker *checker, uint64_t now_ns, unsigned node,
                          const struct paxos_replica *replica, uint64_t index)
{
	const struct slice bytes = paxos_replica_entry(replica, index);

	if (bytes.size == 0) {
		return; /* no more in its log */
	}
	if (!checker->entries[index].is_known) {
		learn(checker, index, bytes);
	} else if (!slice_equal(bytes, known_bytes(checker, index))) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u decided another value at index %" PRIu64, node, index);
	}
}

static void look_at_entries(struct checker *checker, uint64_t now_ns, unsigned node,
                            const struct paxos_replica *replica, uint64_t from, uint64_t to)
{
	while (to >= checker->entry_room) {
		const size_t room = checker->entry_room * 2;

		checker->entries = realloc(checker->entries, room * sizeof(*checker->entries));
		must(checker->entries != NULL);
		memset(checker->entries + checker->entry_room, 0,
		       checker->entry_room * sizeof(*checker->entries));
		checker->entry_room = room;
	}
	if (to > checker->decided) {
		checker->decided = to;
	}
	for (uint64_t index = from; index <= to; index++) {
		look_at_entry(checker, now_ns, node, replica, index);
	}
	follow(checker, now_ns);
}

void checker_reread(struct checker *checker, uint64_t now_ns, unsigned node,
                    const struct paxos_replica *replica)
{
	struct paxos_status status;

	paxos_replica_status(replica, &status);
	if (status.decided >= status.log_start && status.decided > 0) {
		look_at_entries(checker, now_ns, node, replica,
		                status.log_start == 0 ? 1 : status.log_start, status.decided);
	}
}

/* --- one server ------------------------------------------------------------------------------ */

static void check_indexes(struct checker *checker, uint64_t now_ns, unsigned node,
                          const struct paxos_status *status)
{
	if (status->applied > status->decided || status->decided > status->length) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: applied %" PRIu64 ", decided %" PRIu64 ", length %" PRIu64,
		            node, status->applied, status->decided, status->length);
	}
	/* A snapshot stands below log_start; its record may still be on its way to the disk. */
	if (checker->durability == PAXOS_DISK && status->decided > status->durable &&
	    status->decided >= status->log_start) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: decided %" PRIu64 " is above its durable length %" PRIu64,
		            node, status->decided, status->durable);
	}
	if (status->durable > status->length) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: durable %" PRIu64 " is above its length %" PRIu64, node,
		            status->durable, status->length);
	}
	if (paxos_ballot_compare(status->promised, status->accepted) < 0) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: accepted in a ballot above its promise", node);
	}
}

int checker_compare_rank(struct paxos_ballot a, uint64_t a_length, struct paxos_ballot b,
                         uint64_t b_length)
{
	const int order = paxos_ballot_compare(a, b);

	if (order != 0) {
		return order;
	}
	return a_length < b_length ? -1 : a_length > b_length;
}

static void check_steps(struct checker *checker, uint64_t now_ns, unsigned node,
                        const struct paxos_status *before, const struct paxos_status *status)
{
	if (status->decided < before->decided || status->applied < before->applied) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: decided goes from %" PRIu64 " to %" PRIu64
		            ", applied from %" PRIu64 " to %" PRIu64,
		            node, before->decided, status->decided, before->applied,
		            status->applied);
	}
	if (paxos_ballot_compare(status->promised, before->promised) < 0) {
		scroll_fail(checker->scroll, now_ns, "server %u: its promise falls", node);
	}
	if (checker_compare_rank(status->accepted, status->length, before->accepted,
	                         before->length) < 0) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u: its log's rank falls, length %" PRIu64 " to %" PRIu64, node,
		            before->length, status->length);
	}
}

static bool owns(const struct checker_server *server, unsigned node, struct paxos_ballot ballot)
{
	return ballot.node == node && ballot.incarnation == server->incarnation &&
	       ballot.start == server->start;
}

/* While somebody decides, no leader of a lower ballot may trust its lease. */
static void check_leases(struct checker *checker, uint64_t now_ns)
{
	for (unsigned i = 0; i < checker->servers; i++) {
		const struct checker_server *one = &checker->server[i];

		if (!one->is_up || !one->has_status || !one->status.deciding ||
		    one->status.role != PAXOS_LEADER) {
			continue;
		}
		for (unsigned j = 0; j < checker->servers; j++) {
			const struct checker_server *other = &checker->server[j];

			if (j == i || !other->is_up || !other->has_status ||
			    other->status.role != PAXOS_LEADER ||
			    paxos_ballot_compare(other->status.promised, one->status.promised) >=
			            0) {
				continue;
			}
			if (clock_local_ns(other->clock, now_ns) < other->status.lease_end_ns) {
				scroll_fail(checker->scroll, now_ns,
				            "server %u decides while server %u holds a lease of a "
				            "lower ballot",
				            i, j);
			}
		}
	}
}

static void check_leader(struct checker *checker, uint64_t now_ns, unsigned node,
                         const struct paxos_status *status)
{
	const struct checker_server *server = &checker->server[node];

	if (status->role != PAXOS_LEADER) {
		if (status->lease_end_ns != 0) {
			scroll_fail(checker->scroll, now_ns,
			            "server %u does not lead and holds a lease", node);
		}
		return;
	}
	if (!owns(server, node, status->promised) ||
	    !paxos_ballot_equal(status->promised, status->accepted)) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u leads a ballot that is not its own, or not its log's", node);
	}
	if (status->deciding && paxos_ballot_compare(status->promised, checker->leading) > 0) {
		if (!paxos_ballot_is_none(checker->leading)) {
			checker->leader_changes++;
		}
		checker->leading = status->promised;
	}
}

/* Whom the stop-sign at the end of its log, not decided as far as it knows, lets vote; or 0. */
static uint32_t next_voters(const struct paxos_replica *replica, const struct paxos_status *status)
{
	struct store_entry entry;
	struct slice bytes;

	if (status->length <= status->decided) {
		return 0;
	}
	bytes = paxos_replica_entry(replica, status->length);
	return bytes.size != 0 && bytes.data[0] == STORE_ENTRY_MEMBERS &&
	                       store_entry_decode(bytes, &entry)
	               ? entry.voters
	               : 0;
}

/* DESIGN 4.1 j: "at most one; nothing is appended after it". */
static void check_end(struct checker *checker, uint64_t now_ns, unsigned node,
                      const struct paxos_replica *replica, const struct paxos_status *status)
{
	const uint32_t number = status->configuration;
	const uint64_t end = checker->configurations[number + 1].since;

	if (end == 0 || status->role == PAXOS_OUTSIDER) {
		return;
	}
	if (status->decided > end) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u decides %" PRIu64
		            " in configuration %u, which ended at %" PRIu64,
		            node, status->decided, number, end);
	}
	/*
	 * Another value there is of a ballot that was not to be; and so is what lies behind it in
	 * a log that was damaged, and got back what is decided.
	 */
	if (status->length > end && status->traces[PAXOS_TRACE_REPAIRED] == 0 &&
	    status->log_start <= end && checker->entries[end].is_known &&
	    slice_equal(paxos_replica_entry(replica, end), known_bytes(checker, end))) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u has entries behind the end of configuration %u, at %" PRIu64,
		            node, number, end);
	}
}

static void check_configuration(struct checker *checker, uint64_t now_ns, unsigned node,
                                const struct paxos_replica *replica,
                                const struct paxos_status *status)
{
	const uint32_t number = status->configuration;

	must(number + 1 < CHECKER_CONFIGURATIONS);
	check_end(checker, now_ns, node, replica, status);
	if (checker->configurations[number].since != 0 &&
	    checker->configurations[number].voters != status->voters) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u takes others for the voters of configuration %u", node,
		            number);
	}
}

/* DESIGN 4.1 i: after a restart without memory a server waits for its REJOIN. */
static void check_part(struct checker *checker, uint64_t now_ns, unsigned node,
                       const struct paxos_status *status, const struct store *store)
{
	const struct checker_server *server = &checker->server[node];
	const struct store_members *members = store_members(store);
	const bool is_new = checker->durability == PAXOS_MEMORY ? server->start > 1 || server->joins
	                                                        : server->is_rejoining;

	if (status->holes != 0 && status->role != PAXOS_OUTSIDER) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u takes part with %" PRIu64 " entries unknown", node,
		            status->holes);
	}
	if (!is_new || status->role == PAXOS_OUTSIDER) {
		return;
	}
	if (store_member_incarnation(store, node) != server->incarnation) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u takes part, and its REJOIN was not decided", node);
	}
	/* What an earlier incarnation promised in this configuration is covered by its ballot. */
	if (members->configuration == status->configuration &&
	    members->member[node].named >= members->since && status->accepted.round == 0) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u takes part without the ballot in which it rejoined", node);
	}
}

static void check_digest(struct checker *checker, uint64_t now_ns, unsigned node,
                         const struct store *store)
{
	const uint64_t index = store_applied(store);
	struct store_digest digest, known;

	if (index == 0 || index % CHECKER_DIGEST_GAP != 0 || index > checker->applied ||
	    store_root_index(store_root(store)) != index) {
		return;
	}
	digest = store_digest(store, store_root(store));
	known = checker->digests[index / CHECKER_DIGEST_GAP];
	checker->compared++;
	if (digest.low != known.low || digest.high != known.high) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u holds another state at index %" PRIu64, node, index);
	}
}

void checker_started(struct checker *checker, uint64_t now_ns, unsigned node,
                     const struct paxos_config *config, const struct clock *clock,
                     const struct paxos_replica *replica)
{
	struct checker_server *server = &checker->server[node];
	const struct disk_word word = server->word;
	struct paxos_status status;

	*server = (struct checker_server){.is_up = true,
	                                  .clock = clock,
	                                  .joins = config->founders == 0,
	                                  .incarnation = config->incarnation,
	                                  .start = config->start};
	paxos_replica_status(replica, &status);
	/*
	 * One that had joined durably takes part at once, or when what it lacks was brought: its
	 * store may lag behind the REJOIN. Who had not has no entries to lack.
	 */
	server->is_rejoining =
		config->rejoining && status.role == PAXOS_OUTSIDER && status.holes == 0;
	if (checker->durability != PAXOS_DISK || !word.is_given) {
		return;
	}
	if (paxos_ballot_compare(status.promised, word.promised) < 0) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u forgot in a restart what it had promised durably", node);
	}
	if (checker_compare_rank(status.accepted, status.length, word.accepted, word.length) < 0) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u lost in a restart what it had accepted durably, %" PRIu64
		            " entries of %" PRIu64,
		            node, status.length, word.length);
	}
}

void checker_stopped(struct checker *checker, unsigned node, const struct disk_word *word)
{
	checker->server[node].is_up = false;
	checker->server[node].has_status = false;
	checker->server[node].word = *word;
}

void checker_set_aside(struct checker *checker, unsigned node)
{
	checker->server[node].word = (struct disk_word){0};
}

void checker_snapshot(struct checker *checker, uint64_t now_ns, unsigned node, uint64_t index,
                      const struct store_digest *digest)
{
	const unsigned slot = (unsigned)(index * 31 % CHECKER_SNAPSHOTS);
	const struct store_digest known = checker->snapshots[slot].digest;

	if (checker->snapshots[slot].index != index) {
		checker->snapshots[slot].index = index;
		checker->snapshots[slot].digest = *digest;
		return;
	}
	checker->compared++;
	if (known.low != digest->low || known.high != digest->high) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u cut another snapshot at index %" PRIu64, node, index);
	}
}

void checker_trace(struct checker *checker, uint64_t now_ns, unsigned node,
                   const struct paxos_trace *trace)
{
	struct checker_server *server = &checker->server[node];

	if (trace->kind == PAXOS_TRACE_STANDS) {
		if (trace->a <= server->stood_round) {
			scroll_fail(checker->scroll, now_ns,
			            "server %u stands with round %" PRIu64 " again", node,
			            trace->a);
		}
		server->stood_round = trace->a;
	} else if (trace->kind == PAXOS_TRACE_ADOPTED) {
		if (trace->a <= server->adopted_round) {
			scroll_fail(checker->scroll, now_ns,
			            "server %u adopts a second log in round %" PRIu64, node,
			            trace->a);
		}
		server->adopted_round = trace->a;
	} else if (trace->kind == PAXOS_TRACE_STARTED) {
		server->is_started = true;
	} else if (trace->kind == PAXOS_TRACE_CUT && server->is_started &&
	           trace->a < server->decided_before) {
		scroll_fail(checker->scroll, now_ns,
		            "server %u cuts its log down to %" PRIu64 ", decided was %" PRIu64,
		            node, trace->a, server->decided_before);
	}
}

void checker_turned(struct checker *checker, uint64_t now_ns, unsigned node,
                    const struct paxos_replica *replica, const struct store *store)
{
	struct checker_server *server = &checker->server[node];
	const struct paxos_status before = server->status;
	const uint64_t cuts = before.traces[PAXOS_TRACE_CUT];
	uint64_t from = 1;

	server->decided_before = before.decided;
	paxos_replica_status(replica, &server->status);
	check_indexes(checker, now_ns, node, &server->status);
	check_leader(checker, now_ns, node, &server->status);
	check_part(checker, now_ns, node, &server->status, store);
	check_configuration(checker, now_ns, node, replica, &server->status);
	if (server->has_status) {
		check_steps(checker, now_ns, node, &before, &server->status);
		from = server->status.traces[PAXOS_TRACE_CUT] == cuts ? before.decided + 1 : 1;
	}
	if (from < server->status.log_start) {
		from = server->status.log_start;
	}
	server->has_status = true;
	server->next_voters = next_voters(replica, &server->status);
	if (server->status.decided >= from) {
		look_at_entries(checker, now_ns, node, replica, from, server->status.decided);
	}
	if (server->status.decided != before.decided || server->status.role != before.role) {
		scroll_mix(checker->scroll, server->status.decided);
	}
	if (server->status.applied != before.applied) {
		check_digest(checker, now_ns, node, store);
	}
	if (server->status.role == PAXOS_LEADER) {
		check_leases(checker, now_ns);
	}
}

bool checker_remembers(const struct checker *checker, uint32_t voters, unsigned node)
{
	uint32_t left = 0;

	for (unsigned i = 0; paxos_each(voters, &i); i++) {
		const struct checker_server *server = &checker->server[i];

		if (i != node && server->is_up && server->has_status &&
		    server->status.role != PAXOS_OUTSIDER) {
			left |= paxos_bit(i);
		}
	}
	return paxos_is_majority(left, voters);
}

uint32_t checker_voters(const struct checker *checker)
{
	const struct store_members *members = store_members(checker->store);

	return members->configuration == 0 ? checker->founders : members->voters;
}

static bool may_lose(const struct checker *checker, uint32_t voters, unsigned node)
{
	return !paxos_has(voters, node) || checker_remembers(checker, voters, node);
}

bool checker_may_forget(const struct checker *checker, unsigned node)
{
	const struct store_members *members = store_members(checker->store);

	for (unsigned i = 0; i < checker->servers; i++) {
		if (!may_lose(checker, checker->server[i].next_voters, node)) {
			return false;
		}
	}
	if (members->configuration <= 1) {
		return may_lose(checker, checker->founders, node);
	}
	return may_lose(checker, members->voters, node) &&
	       (checker->decided > members->since ||
	        may_lose(checker, checker->configurations[members->configuration - 1].voters,
	                 node));
}

static bool keeps_majority(uint32_t voters, uint32_t impaired, unsigned node)
{
	return !paxos_has(voters, node) ||
	       paxos_is_majority(voters & ~impaired & ~paxos_bit(node), voters);
}

bool checker_may_impair(const struct checker *checker, uint32_t impaired, unsigned node)
{
	const struct store_members *members = store_members(checker->store);
	const uint32_t number = members->configuration;

	for (unsigned i = 0; i < checker->servers; i++) {
		if (!keeps_majority(checker->server[i].next_voters, impaired, node)) {
			return false;
		}
	}
	if (number <= 1) {
		return keeps_majority(checker->founders, impaired, node);
	}
	return keeps_majority(members->voters, impaired, node) &&
	       (checker->decided > members->since ||
	        keeps_majority(checker->configurations[number - 1].voters, impaired, node));
}

bool checker_agrees(struct checker *checker, uint64_t now_ns,
                    const struct store *const stores[STORE_NODES_MAX])
{
	struct store_digest first = {0};

	for (unsigned i = 0; i < checker->servers; i++) {
		if (stores[i] != NULL && store_applied(stores[i]) != checker->applied) {
			return false;
		}
	}
	first = store_digest(checker->store, store_root(checker->store));
	for (unsigned i = 0; i < checker->servers; i++) {
		struct store_digest digest;

		if (stores[i] == NULL) {
			continue;
		}
		digest = store_digest(stores[i], store_root(stores[i]));
		checker->compared++;
		if (digest.low != first.low || digest.high != first.high) {
			scroll_fail(checker->scroll, now_ns,
			            "server %u holds another state at the end, index %" PRIu64, i,
			            checker->applied);
		}
	}
	return true;
}

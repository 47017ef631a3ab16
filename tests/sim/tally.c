/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/tally.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[TALLY_COUNT] = {
	[TALLY_RUNS] = "runs",
	[TALLY_EVENTS] = "events",
	[TALLY_SIMULATED_MS] = "simulated ms",
	[TALLY_ENTRIES] = "entries decided",
	[TALLY_OPERATIONS] = "operations",
	[TALLY_DONE] = "done",
	[TALLY_REFUSED] = "refused",
	[TALLY_UNREACHED] = "unreached",
	[TALLY_UNKNOWN] = "unknown",
	[TALLY_LEADER_CHANGES] = "leader changes",
	[TALLY_STANDS] = "candidacies",
	[TALLY_GAVE_UP] = "given up",
	[TALLY_ABDICATED] = "abdications",
	[TALLY_HANDOVERS] = "handovers",
	[TALLY_NOTES] = "death notes",
	[TALLY_NOTES_REFUSED] = "notes refused",
	[TALLY_RESTARTS] = "restarts",
	[TALLY_CUTS] = "cut suffixes",
	[TALLY_LEASE_REFUSALS] = "lease refusals",
	[TALLY_READS_LEASE] = "lease reads",
	[TALLY_READS_QUORUM] = "quorum reads",
	[TALLY_READS_STALE] = "stale reads",
	[TALLY_READS_ASIDE] = "reads aside",
	[TALLY_WATCHED_ASIDE] = "watches asked aside",
	[TALLY_READS_PAST] = "reads of the past",
	[TALLY_TOO_LATE] = "and too late",
	[TALLY_READS_AMID] = "and amid an entry",
	[TALLY_WALKS_CUT] = "walks cut",
	[TALLY_TXNS] = "transactions",
	[TALLY_ELSES] = "and otherwise",
	[TALLY_WATCH_PAGES] = "watch pages",
	[TALLY_WATCH_EVENTS] = "watch events",
	[TALLY_WATCH_AMID] = "and more of an entry",
	[TALLY_WATCH_KNOWN] = "pages known before",
	[TALLY_WATCH_MOVED] = "watches moved",
	[TALLY_WATCH_LOST] = "watches too late",
	[TALLY_WATCH_REFUSED] = "watches refused",
	[TALLY_LOCKED] = "locks granted",
	[TALLY_PASSED_ON] = "and passed on",
	[TALLY_STEPS] = "and in steps",
	[TALLY_RESTED] = "and rested",
	[TALLY_LOCKERS_LOST] = "and lost by lockers",
	[TALLY_GUARDED] = "writes by token",
	[TALLY_ACTS] = "acts by token",
	[TALLY_FENCED] = "acts fenced off",
	[TALLY_REVOKED] = "locks broken",
	[TALLY_DUPLICATES] = "duplicate requests",
	[TALLY_SNAPSHOTS] = "snapshots",
	[TALLY_REJOINS] = "rejoins",
	[TALLY_CONFIGURATIONS] = "configurations begun",
	[TALLY_REMOVED] = "removed servers",
	[TALLY_EXPIRED] = "expiries",
	[TALLY_CLAIMS] = "expiries in question",
	[TALLY_LIVES] = "client restarts",
	[TALLY_RESUMED] = "sessions resumed",
	[TALLY_DIGESTS] = "digests compared",
	[TALLY_PACKETS] = "packets",
	[TALLY_LOST] = "packets lost",
	[TALLY_CUT_OFF] = "packets cut off",
	[TALLY_DOUBLED] = "packets doubled",
	[TALLY_DAMAGED] = "packets damaged",
	[TALLY_BAD_CRC] = "bad checksums",
	[TALLY_LATE] = "packets late",
	[TALLY_OVERRUNS] = "ring overruns",
	[TALLY_OLD_INCARNATIONS] = "old incarnations",
	[TALLY_RESENT] = "resent",
	[TALLY_TORN_TAILS] = "torn tails",
	[TALLY_LOST_RECORDS] = "records lost",
	[TALLY_CHECKPOINTS] = "snapshots cut",
	[TALLY_KEPT] = "snapshots kept",
	[TALLY_FORGOT] = "journals shortened",
	[TALLY_SNAPSHOT_STARTS] = "snapshot starts",
	[TALLY_HALF_FRAMES] = "half frames",
	[TALLY_LOST_FRAMES] = "lost frames read",
	[TALLY_MENDED] = "holes mended",
	[TALLY_BEYOND_REPAIR] = "beyond repair",
	[TALLY_SET_ASIDE] = "folders set aside",
	[TALLY_DISK_REFUSALS] = "full refusals",
	[TALLY_DISK_STALLS] = "disk stalls",
	[TALLY_DISK_FAILURES] = "disk failures",
	[TALLY_ROLLED_BACK] = "rolled back",
	[TALLY_FOUND_OUT] = "and found out",
	[TALLY_HELIXES] = "helixes",
	[TALLY_LOST_AMID] = "lost amid changes",
	[TALLY_MENDED_AMID] = "mended amid changes",
	[TALLY_FAILED_AMID] = "failed amid changes",
	[TALLY_FOUND_OUT_AMID] = "found amid changes",
	[TALLY_HELIXES_AMID] = "helix amid changes",
	[TALLY_DISK_REJOINS] = "rejoins, disk",
};

static void tally_folder(const struct server *server, uint64_t *counts)
{
	const struct folder *folder = &server->folder;
	const uint64_t *traces = server->counts.traces;

	counts[TALLY_TORN_TAILS] += folder->disk.torn;
	counts[TALLY_LOST_RECORDS] += folder->disk.lost;
	counts[TALLY_CHECKPOINTS] += traces[PAXOS_TRACE_CHECKPOINT];
	counts[TALLY_KEPT] += traces[PAXOS_TRACE_KEPT];
	counts[TALLY_FORGOT] += folder->disk.forgets;
	counts[TALLY_SNAPSHOT_STARTS] += folder->counts.snapshot_starts;
	counts[TALLY_HALF_FRAMES] += folder->disk.half;
	counts[TALLY_LOST_FRAMES] += folder->counts.lost_frames;
	counts[TALLY_MENDED] += traces[PAXOS_TRACE_REPAIRED];
	counts[TALLY_BEYOND_REPAIR] += folder->counts.ends[PAXOS_END_BEYOND_REPAIR];
	counts[TALLY_SET_ASIDE] += folder->counts.set_aside;
	counts[TALLY_DISK_STALLS] += traces[PAXOS_TRACE_DISK_STALLED];
	counts[TALLY_DISK_FAILURES] += folder->counts.ends[PAXOS_END_DISK_FAILED];
	counts[TALLY_ROLLED_BACK] += folder->counts.rolled_back;
	counts[TALLY_FOUND_OUT] += folder->counts.ends[PAXOS_END_ROLLED_BACK];
}

static void tally_server(const struct server *server, uint64_t *counts)
{
	struct server_counts sum = server->counts;

	if (server->is_up) {
		const struct paxos_status status = server_status(server);

		sum.lease_refusals += status.lease_refusals;
		sum.duplicates += status.duplicates;
		sum.reads_lease += status.reads_lease;
		sum.reads_quorum += status.reads_quorum;
		sum.reads_stale += status.reads_stale;
		sum.resent += status.resent;
		sum.disk_refusals += status.disk_refusals;
		sum.bad_crc += status.faults[STORE_DATAGRAM_BAD_CRC];
		sum.drops[PAXOS_DROP_INCARNATION] += status.drops[PAXOS_DROP_INCARNATION];
		sum.drops[PAXOS_DROP_NOTE] += status.drops[PAXOS_DROP_NOTE];
	}
	counts[TALLY_STANDS] += sum.traces[PAXOS_TRACE_STANDS];
	counts[TALLY_GAVE_UP] += sum.traces[PAXOS_TRACE_GAVE_UP];
	counts[TALLY_ABDICATED] += sum.traces[PAXOS_TRACE_ABDICATED];
	counts[TALLY_HANDOVERS] += sum.traces[PAXOS_TRACE_HANDOVER];
	counts[TALLY_NOTES] += sum.traces[PAXOS_TRACE_REPORTED_DEAD];
	counts[TALLY_NOTES_REFUSED] += sum.drops[PAXOS_DROP_NOTE];
	counts[TALLY_RESTARTS] += sum.starts - 1;
	counts[TALLY_CUTS] += sum.traces[PAXOS_TRACE_CUT];
	counts[TALLY_LEASE_REFUSALS] += sum.lease_refusals;
	counts[TALLY_READS_LEASE] += sum.reads_lease;
	counts[TALLY_READS_QUORUM] += sum.reads_quorum;
	counts[TALLY_READS_STALE] += sum.reads_stale;
	counts[TALLY_READS_ASIDE] += sum.aside;
	counts[TALLY_WATCHED_ASIDE] += sum.watched_aside;
	counts[TALLY_DUPLICATES] += sum.duplicates;
	counts[TALLY_SNAPSHOTS] += sum.traces[PAXOS_TRACE_SNAPSHOT_IN];
	counts[TALLY_REJOINS] += sum.traces[PAXOS_TRACE_REJOINED];
	counts[TALLY_CONFIGURATIONS] += sum.traces[PAXOS_TRACE_CONFIGURATION];
	counts[TALLY_REMOVED] += sum.traces[PAXOS_TRACE_REMOVED];
	counts[TALLY_EXPIRED] += sum.traces[PAXOS_TRACE_EXPIRED];
	counts[TALLY_BAD_CRC] += sum.bad_crc;
	counts[TALLY_OLD_INCARNATIONS] += sum.drops[PAXOS_DROP_INCARNATION];
	counts[TALLY_RESENT] += sum.resent;
	counts[TALLY_DISK_REFUSALS] += sum.disk_refusals;
	tally_folder(server, counts);
}

static void tally_watches(const struct world *world, uint64_t *counts)
{
	const struct watchbook *book = &world->stage.watchbook;

	counts[TALLY_WATCH_PAGES] = book->pages;
	counts[TALLY_WATCH_EVENTS] = book->events;
	counts[TALLY_WATCH_AMID] = book->amid;
	counts[TALLY_WATCH_LOST] = book->lost;
	counts[TALLY_WATCH_REFUSED] = book->refused;
	for (unsigned i = 0; i < world->options.clients; i++) {
		const struct watcher *watcher = world->users[i].lookout.watcher;
		struct watcher_counters counters;

		if (watcher != NULL) {
			watcher_counters(watcher, &counters);
			counts[TALLY_WATCH_KNOWN] += counters.known;
			counts[TALLY_WATCH_MOVED] += counters.moved;
		}
	}
}

static void tally_locks(const struct world *world, uint64_t *counts)
{
	const struct vault *vault = &world->stage.checker.vault;

	counts[TALLY_LOCKED] = vault->granted;
	counts[TALLY_PASSED_ON] = vault->passed_on;
	counts[TALLY_STEPS] = vault->steps;
	counts[TALLY_RESTED] = vault->rested;
	counts[TALLY_GUARDED] = vault->guarded;
	counts[TALLY_ACTS] = vault->accepted;
	counts[TALLY_FENCED] = vault->refused;
	counts[TALLY_REVOKED] = vault->revoked_count;
	for (unsigned i = 0; i < world->options.locker.lockers; i++) {
		counts[TALLY_LOCKERS_LOST] += world->lockers[i].lost;
	}
}

void tally_world(const struct world *world, struct tally *ret_tally)
{
	const struct stage *stage = &world->stage;
	const struct ledger *ledger = &stage->ledger;
	const struct net_counts *net = &stage->net.counts;
	uint64_t *counts = ret_tally->counts;

	memset(ret_tally, 0, sizeof(*ret_tally));
	counts[TALLY_RUNS] = 1;
	counts[TALLY_EVENTS] = stage->events;
	counts[TALLY_SIMULATED_MS] = stage->now_ns / 1000000;
	counts[TALLY_ENTRIES] = stage->checker.applied;
	counts[TALLY_OPERATIONS] = ledger->operation_count - 1;
	counts[TALLY_DONE] = ledger->done;
	counts[TALLY_REFUSED] = ledger->refused;
	counts[TALLY_UNREACHED] = ledger->unreached;
	counts[TALLY_UNKNOWN] = ledger->unknown;
	counts[TALLY_READS_PAST] = ledger->past;
	counts[TALLY_TOO_LATE] = ledger->too_late;
	counts[TALLY_READS_AMID] = ledger->amid;
	counts[TALLY_WALKS_CUT] = ledger->cut;
	counts[TALLY_TXNS] = ledger->txns;
	counts[TALLY_ELSES] = ledger->elses;
	tally_watches(world, counts);
	tally_locks(world, counts);
	counts[TALLY_CLAIMS] = ledger->claims_checked;
	for (unsigned i = 0; i < world->options.clients; i++) {
		counts[TALLY_LIVES] += world->users[i].lives;
		counts[TALLY_RESUMED] += world->users[i].resumed;
	}
	counts[TALLY_LEADER_CHANGES] = stage->checker.leader_changes;
	counts[TALLY_DIGESTS] = stage->checker.compared;
	counts[TALLY_PACKETS] = net->sent;
	counts[TALLY_LOST] = net->lost;
	counts[TALLY_CUT_OFF] = net->cut;
	counts[TALLY_DOUBLED] = net->duplicated;
	counts[TALLY_DAMAGED] = net->damaged;
	counts[TALLY_LATE] = net->late;
	counts[TALLY_OVERRUNS] = net->overrun;
	counts[TALLY_HELIXES] = stage->helixes;
	for (unsigned i = 0; i < world_servers(world); i++) {
		tally_server(&world->servers[i], counts);
	}
	if (world->options.server.paxos.durability == PAXOS_DISK) {
		counts[TALLY_DISK_REJOINS] = counts[TALLY_REJOINS];
	}
	if (store_members(stage->checker.store)->configuration > 1) {
		counts[TALLY_LOST_AMID] = counts[TALLY_LOST_FRAMES];
		counts[TALLY_MENDED_AMID] = counts[TALLY_MENDED];
		counts[TALLY_FAILED_AMID] = counts[TALLY_DISK_FAILURES];
		counts[TALLY_FOUND_OUT_AMID] = counts[TALLY_FOUND_OUT];
		counts[TALLY_HELIXES_AMID] = counts[TALLY_HELIXES];
	}
}

void tally_add(struct tally *sum, const struct tally *tally)
{
	for (unsigned i = 0; i < TALLY_COUNT; i++) {
		sum->counts[i] += tally->counts[i];
	}
}

void tally_print(const struct tally *tally, FILE *file)
{
	for (unsigned i = 0; i < TALLY_COUNT; i++) {
		fprintf(file, "%20s %12" PRIu64 "%s", names[i], tally->counts[i],
		        i % 3 == 2 || i == TALLY_COUNT - 1 ? "\n" : "");
	}
}

const char *tally_name(enum tally_kind kind)
{
	return names[kind];
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * checker.h - what must hold among the servers, whatever happens
 *
 * The checker knows nothing of the code's reasons. It looks at a server after each of its turns:
 *
 *   1. one value per index for ever: what any server calls decided at an index is what the first
 *      one did; so logs agree up to decided
 *   2. one leader per ballot: who leads a ballot owns it, and stands only with new ones
 *   3. decided and applied never go back while a server runs; applied <= decided <= length;
 *      decided <= durable (mode disk)
 *   4. promised >= accepted; promised and the log's rank (accepted, length) never fall, over a
 *      restart neither, so far as they were durable
 *   5. while a leader decides, no leader of a lower ballot holds a lease on its own clock
 *   6. equal digests at equal applied index, on all servers and in the checker's own store
 *   7. in mode memory a restarted server, in mode disk one with a new folder, takes part only when
 *      REJOIN with its incarnation was decided
 *   8. a server with unknown entries takes no part
 *   9. snapshots of one index are alike
 *  10. nobody in configuration c calls anything behind its stop-sign decided, or has anything
 *      behind it; who is in the same configuration names the same voters
 *  11. each entry does what the plain model (tests/oracle) does: answer, changes, causes; and locks
 *      keep what they promise
 * and feeds the ledger (ledger.h) with each entry as it is decided.
 *
 * Threads: one, a registered liburcu-qsbr reader.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/replica.h"
#include "store/store.h"
#include "tests/oracle/oracle.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/scroll.h"
#include "tests/sim/vault.h"

enum {
	CHECKER_DIGEST_GAP = 16, /* entries between two indexes whose digests are compared */
	CHECKER_SNAPSHOTS = 256,
	CHECKER_CONFIGURATIONS = 256,
	CHECKER_EVENTS_MAX = 4096, /* its own store keeps; more than any entry makes */
};

/* An entry as the first server told it. */
struct checker_entry {
	bool is_known;
	uint32_t size;
	size_t offset;
};

struct checker_server {
	bool joins; /* was no founder */
	bool is_up;
	bool has_status;
	bool is_started;           /* said so; what it told before is recovery */
	bool is_rejoining;         /* its folder was new to the cluster when it started */
	uint64_t decided_before;   /* its last turn */
	uint32_t next_voters;      /* by an undecided stop-sign in its log, also while it is down */
	const struct clock *clock; /* borrowed */
	uint64_t incarnation;
	uint32_t start;
	uint64_t stood_round; /* of the last ballot it stood with in this run */
	uint64_t adopted_round;
	struct paxos_status status; /* after its last turn */
	struct disk_word word;      /* what a restart must not fall below */
};

struct checker {
	struct scroll *scroll; /* borrowed */
	struct ledger *ledger; /* borrowed */
	unsigned servers;
	uint32_t founders;
	enum paxos_durability durability;
	struct checker_server server[STORE_NODES_MAX];
	struct checker_entry *entries; /* owned; by index */
	size_t entry_room;
	uint8_t *bytes; /* owned; entries' bytes */
	size_t bytes_size, bytes_room;
	uint64_t decided;             /* highest that any server told */
	uint64_t applied;             /* by the checker's own store: all known without a hole */
	struct store *store;          /* owned */
	struct oracle *oracle;        /* owned; what each entry must do */
	struct vault vault;           /* what clients do with locks */
	struct store_digest *digests; /* owned; by index / CHECKER_DIGEST_GAP */
	size_t digest_room;
	uint64_t compared; /* digests */
	struct {
		uint64_t index;
		struct store_digest digest;
	} snapshots[CHECKER_SNAPSHOTS]; /* as the first server cut them; by index, hashed */
	struct {
		uint64_t since; /* index of the entry that began it */
		uint32_t voters;
	} configurations[CHECKER_CONFIGURATIONS]; /* by number; the last place for all later ones */
	uint64_t decided_by_leaders;
	uint64_t leader_changes;
	struct paxos_ballot leading; /* highest ballot seen to decide */
};

void checker_init(struct checker *checker, struct scroll *scroll, struct ledger *ledger,
                  unsigned servers, enum paxos_durability durability,
                  const struct store_config *config);
void checker_deinit(struct checker *checker);

/* A server starts; its status is looked at as a run of its own. */
void checker_started(struct checker *checker, uint64_t now_ns, unsigned node,
                     const struct paxos_config *config, const struct clock *clock,
                     const struct paxos_replica *replica);
/* It is gone; `word` is what its disk still says (mode disk). */
void checker_stopped(struct checker *checker, unsigned node, const struct disk_word *word);

/* Below 0 if a log's rank a is below rank b. */
int checker_compare_rank(struct paxos_ballot a, uint64_t a_length, struct paxos_ballot b,
                         uint64_t b_length);

/* Its folder is of no use any more: nothing that it stood by is asked of it. */
void checker_set_aside(struct checker *checker, unsigned node);

/* Its snapshot at `index` ends with this digest. */
void checker_snapshot(struct checker *checker, uint64_t now_ns, unsigned node, uint64_t index,
                      const struct store_digest *digest);

/* A server told this. */
void checker_trace(struct checker *checker, uint64_t now_ns, unsigned node,
                   const struct paxos_trace *trace);

/* A server's turn is over, and what it said has not yet reached anybody. */
void checker_turned(struct checker *checker, uint64_t now_ns, unsigned node,
                    const struct paxos_replica *replica, const struct store *store);

/* Looks at all of a server's log once more, not only at what is new. */
void checker_reread(struct checker *checker, uint64_t now_ns, unsigned node,
                    const struct paxos_replica *replica);

/* Who votes, as far as anybody knows. */
uint32_t checker_voters(const struct checker *checker);

/*
 * Mode memory: true if the cluster can afford that this server loses its memory now: a minority at
 * most may be without, of the present configuration, and of the former one as long as the present
 * has decided nothing.
 */
bool checker_may_forget(const struct checker *checker, unsigned node);

/* True if a majority of `voters` still has its memory, `node` (or STORE_NODES_MAX) not counted. */
bool checker_remembers(const struct checker *checker, uint32_t voters, unsigned node);

/*
 * True if a majority has all that it stood by, `impaired` and this server left out: of the present
 * configuration, of the former one as long as the present has decided nothing, and of each that
 * may be next.
 */
bool checker_may_impair(const struct checker *checker, uint32_t impaired, unsigned node);

/* True if all servers that are up have applied the same entries; the digests are compared. */
bool checker_agrees(struct checker *checker, uint64_t now_ns,
                    const struct store *const stores[STORE_NODES_MAX]);

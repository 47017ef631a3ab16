/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ledger.h - what clients asked for and were told, held against what was decided
 *
 * Two books. One has every operation of every client, with the world's time of its call and its
 * return. The other has every change of the tree in the order of revisions, from a store of the
 * ledger's own that applies each entry when the first server tells it as decided.
 *
 * Checked at each return, for all clients together:
 *   - the store's revision in an answer is at least the highest acknowledged before the call, and
 *     that of a write is above it: so order in real time holds over all keys (a lease read that
 *     missed an acknowledged write falls here);
 *   - an acknowledged write stands in the log with its key and its value, and nobody else was
 *     given its revision;
 *   - what a read, or a refused condition, saw is what stood at the revision it names; a read at
 *     a former revision, what stood then; a walk, every file that did, as far
 *     as its page goes, and no other;
 *   - nobody sees a part of an entry: the store's revision in an answer is the last of one, and a
 *     read at a revision amid one is answered as at its last;
 *   - a transaction has all of a list's effects, in one entry, or none; what was refused was false;
 *   - no operation has two effects, none that was told "had no effect" has one;
 *   - no session ends by an EXPIRE while its client counts it as valid.
 * Since revisions order all operations, that is linearizability of the whole tree, and more.
 *
 * The history can be written in the format that coffer-lincheck reads.
 * Pure but for malloc. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/client.h"
#include "store/store.h"
#include "tests/sim/scroll.h"

enum {
	LEDGER_KEYS_MAX = 32,
	LEDGER_PATH_MAX = 64,
	LEDGER_CLIENTS_MAX = 16,
	LEDGER_PARTS_MAX = 4,
};

enum ledger_kind {
	LEDGER_GET = 1,
	LEDGER_SET,       /* unconditional */
	LEDGER_CAS,       /* if the file's revision is `rev` */
	LEDGER_MAX,       /* if the file's revision is at most `rev` */
	LEDGER_ADD,       /* if absent */
	LEDGER_DELETE,    /* unconditional */
	LEDGER_DELETE_IF, /* if the file's revision is `rev` */
	LEDGER_INCREMENT, /* CAS of a number, one above what was read at `rev` */
	LEDGER_NOP,
	LEDGER_REV,
	LEDGER_PAST, /* GET as of `rev` */
	LEDGER_WALK, /* WALK over all keys, as of `rev`; 0: the present */
	LEDGER_TXN,  /* several keys at once */
	LEDGER_KIND_COUNT
};

/* One key of a transaction's list; no key comes twice. */
struct ledger_part {
	uint32_t key;
	bool is_delete;
	bool is_compared; /* the whole asks for the file's revision to be `rev` */
	store_rev_t rev;
};

/* Of TXN: parts[0] is a set. The sum is raised by one, too, if it is counted; see ledger_sum(). */
struct ledger_list {
	unsigned count;
	struct ledger_part parts[LEDGER_PARTS_MAX];
	bool has_sum, has_else;
	uint32_t else_key; /* which is set if a compare is false; none of the parts */
};

struct ledger_operation {
	uint32_t client;
	enum ledger_kind kind;
	uint32_t key;
	bool is_stale; /* a read that any server may answer */
	bool is_returned;
	bool is_checked;
	bool is_claimed;   /* its change was acknowledged to it */
	uint32_t effects;  /* changes found in the log */
	store_rev_t rev;   /* of the condition; PAST, WALK: to be read */
	store_rev_t floor; /* highest revision acknowledged when it was called */
	store_rev_t seen;  /* highest revision this client was told before */
	uint64_t value;    /* INCREMENT: the number written */
	uint32_t value_size;
	uint64_t call_ns, return_ns;
	enum client_outcome outcome;
	enum store_answer answer;
	store_rev_t answer_rev, answer_store_rev;
	uint64_t read_operation; /* GET, PAST: who wrote what was read */
	uint64_t read_value;     /* WALK: sum over the files it found */
	uint64_t covered; /* WALK: bits of the keys that its page came by; the sum's is last */
	struct ledger_list list; /* TXN */
	bool ran_else;
	unsigned refused_at;      /* TXN: which compare or operation */
	store_rev_t answer_first; /* TXN */
	int64_t answer_number;    /* TXN */
};

struct ledger_change {
	uint32_t key; /* or LEDGER_KEYS_MAX: not one of ours */
	char path[LEDGER_PATH_MAX];
	uint32_t size, crc; /* of the value */
	bool is_delete;
	enum store_cause cause;
	store_rev_t first, last; /* of its entry */
	bool is_claimed;
	uint64_t operation; /* who wrote it; 0 for a delete: not known until it is claimed */
	uint64_t number;    /* the number written: INCREMENT, the sum, files that are not ours */
	store_rev_t former; /* former change of the same key, 0: none */
};

struct ledger {
	struct scroll *scroll;               /* borrowed; failures go there */
	struct ledger_operation *operations; /* owned; number 0 is not used */
	size_t operation_count, operation_room;
	struct ledger_change *changes; /* owned; by revision, 0 is not used */
	size_t change_count, change_room;
	store_rev_t last[LEDGER_KEYS_MAX + 1]; /* change that stands, by key; of others useless */
	store_rev_t acknowledged;              /* highest revision told to anybody */
	uint32_t key_count;
	uint32_t counter_count;  /* the last so many keys are counters */
	uint64_t duplicates;     /* entries of a request that had run before */
	uint64_t past, too_late; /* reads at a former revision, and refused */
	uint64_t amid;           /* of these, amid an entry */
	uint64_t cut;            /* walks whose page was not the last */
	uint64_t txns, elses;    /* that were done, and otherwise */
	uint64_t open;           /* operations called and not returned */
	struct {
		uint64_t session, until_ns;
	} claims[LEDGER_CLIENTS_MAX]; /* what each client thinks it may count on */
	uint64_t claims_checked;      /* sessions that were ended, and were some client's */
	uint64_t done, refused, unreached, unknown; /* counts */
};

void ledger_init(struct ledger *ledger, struct scroll *scroll, uint32_t keys, uint32_t counters);
void ledger_deinit(struct ledger *ledger);

/* Path of a key, in a buffer of LEDGER_PATH_MAX. Keys lie in a few directories. */
struct slice ledger_path(const struct ledger *ledger, uint32_t key, char *memory);

/* The value that an operation writes, in a buffer of STORE_VALUE_SIZE_MAX. */
struct slice ledger_value(const struct ledger *ledger, uint64_t operation, uint8_t *memory);

/* Path of the sum: a decimal number, how often it was raised. Its key is the last, key_count. */
struct slice ledger_sum(void);

/* Files an operation that is about to be submitted; kind, key and so on are filled in. */
uint64_t ledger_call(struct ledger *ledger, uint64_t now_ns,
                     const struct ledger_operation *operation);
void ledger_return(struct ledger *ledger, uint64_t now_ns, uint64_t number,
                   const struct client_result *result);

/* A client counts its session (0: it has none) as valid until then. */
void ledger_claim(struct ledger *ledger, uint32_t client, uint64_t session, uint64_t until_ns);

/*
 * An entry was decided at the next index, and the ledger's store answered this. Its changes are
 * the events of `store` that are published since.
 */
void ledger_applied(struct ledger *ledger, uint64_t now_ns, const struct store_entry *entry,
                    const struct store_result *result, const struct store *store);

/* At the end, when all is quiet: no operation is left, counters are what was counted. */
void ledger_close(struct ledger *ledger, uint64_t now_ns);

/* Writes the history, a line an operation. */
void ledger_write(const struct ledger *ledger, FILE *file);

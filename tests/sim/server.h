/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * server.h - a replica's body in the simulator: its shell
 *
 * The same turn as in every shell: take what has arrived, read the clock once after it, receive
 * each, tell what became durable, tick once, take all effects (DESIGN 3). What can happen to it:
 *
 *   note      its supervisor tells the others that it died; or somebody says so falsely
 *   crash     at any time, also between two effects of a turn; memory is gone, the disk keeps
 *             what was durable and perhaps a little more
 *   pause     no turn for a while; packets gather in a ring that overflows, then all come at once
 *   stall     between a turn's clock and its last effect: what it sends leaves late
 *   disk      each write takes as long as chance says
 *
 * Threads: one, a registered liburcu-qsbr reader.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/note.h"
#include "consensus/replica.h"
#include "store/store.h"
#include "tests/sim/clock.h"
#include "tests/sim/folder.h"
#include "tests/sim/stage.h"

/* The same for all servers of a world. */
struct server_options {
	unsigned servers;          /* those that do not vote yet included */
	struct paxos_config paxos; /* node, incarnation, start, founding, seed are filled in */
	struct store_config store;
	uint64_t poll_ns;   /* from an arrival to its turn, at most */
	uint64_t grace_ns;  /* a grace period takes on average */
	uint64_t disk_ns;   /* a write takes on average */
	uint32_t ring;      /* packets that wait for a turn at most */
	uint32_t aside_ppm; /* reads taken by a second worker under the lease (reader.h); it keeps
	                     * half of the watches then; 0: there is none */
};

struct server_counts {
	uint64_t starts, crashes, turns, packets, overruns, aside, watched_aside;
	uint64_t traces[PAXOS_TRACE_COUNT];
	uint64_t lease_refusals, duplicates, reads_lease, reads_quorum, reads_stale, resent;
	uint64_t disk_refusals;
	uint64_t bad_crc, drops[PAXOS_DROP_COUNT];
};

struct server {
	unsigned node;
	const struct server_options *options; /* borrowed */
	uint64_t local_ns;                    /* of the last turn */
	uint64_t heard_local_ns; /* when it was told something of a majority, at the latest */
	bool is_up;
	bool joins;          /* its machine was empty when the cluster ran already */
	bool is_removed;     /* it was told that it is no member, and has ended */
	uint64_t run;        /* raised at each start and crash: events of other runs are void */
	uint64_t up_planned; /* the run whose end has a start planned after it */
	uint64_t incarnation;
	uint32_t start;
	uint64_t secret;          /* of this start, shared with its supervisor */
	struct paxos_note buried; /* of the last start that crashed; start 0: none */
	struct clock clock;
	struct folder folder;
	struct store *store;                 /* owned while up */
	struct paxos_replica *replica;       /* owned while up */
	struct paxos_watches *aside_watches; /* of another worker; owned while up */
	struct packet *first, *last;         /* arrived, not yet taken */
	uint32_t waiting;
	uint64_t turn_tag, turn_ns;         /* the turn that is planned */
	uint64_t paused_from_ns, paused_ns; /* no turn between them */
	uint64_t stall_ns;                  /* the next turn's effects leave so much later */
	int crash_after;        /* effects of the next turn that still get out; -1: no crash */
	uint64_t disk_stall_ns; /* the next write takes so much longer */
	uint64_t write_tag;     /* the write under way */
	uint64_t grace_told;    /* number of the last grace period that was begun */
	bool grace_runs;
	const struct store_root *held; /* by a slow reader; NULL: there is none */
	struct store_digest held_digest;
	uint64_t gap_ns; /* largest lateness of a turn, told to the replica */
	uint8_t role;
	uint64_t decided;
	struct paxos_told told; /* the last answer to a change that was asked of it */
	uint64_t tellings;      /* answers */
	struct server_counts counts;
};

void server_init(struct server *server, unsigned node, const struct server_options *options,
                 struct stage *stage);
void server_deinit(struct server *server, struct stage *stage);

/* Starts the process. founding: the first start of a new cluster. */
void server_start(struct server *server, struct stage *stage, bool founding);

/* Down (must): its disk is emptied, it is a machine that has never been a member. */
void server_wipe(struct server *server, struct stage *stage);

/* Asks it for a change of the members. Up (must). */
void server_change(struct server *server, struct stage *stage, const struct paxos_change *change,
                   uint64_t ns);

/* It is gone at once. */
void server_crash(struct server *server, struct stage *stage);

/* SIGTERM: says so to the replica, whose turn then goes out; then it is gone. */
void server_resign(struct server *server, struct stage *stage);

/* The supervisor of the last start that crashed tells the others, in a moment. */
void server_report(struct server *server, struct stage *stage);
/* Somebody says that the present start died, and does not know its secret. */
void server_slander(struct server *server, struct stage *stage);

/* An operator wants `to` to lead, or anybody (PAXOS_NOBODY). */
enum paxos_transfer server_transfer(struct server *server, struct stage *stage, int to);

void server_pause(struct server *server, struct stage *stage, uint64_t ns);

/* The write under way ends now, however long it was to take. */
void server_hurry_disk(struct server *server, struct stage *stage);

/* Full but for `spare` bytes; UINT64_MAX: full no more. */
void server_fill_disk(struct server *server, struct stage *stage, uint64_t spare);

/* Makes something in its folder bad (folder.h). False: there is nothing that could be. */
bool server_hurt(struct server *server, struct stage *stage, enum folder_hurt hurt);

/* Down: its folder has nothing behind record `last`, and no trace of it. */
void server_lose_tail(struct server *server, struct stage *stage, uint64_t last);

/* Down: its folder is the copy that was saved. */
void server_roll_back(struct server *server, struct stage *stage);

/* Plans a turn for now. */
void server_nudge(struct server *server, struct stage *stage);

/* A packet has arrived (taken). */
void server_arrival(struct server *server, struct stage *stage, struct packet *packet);

/* Events of the queue. */
void server_turn_due(struct server *server, struct stage *stage, uint64_t tag);
void server_disk_due(struct server *server, struct stage *stage, uint64_t tag);
void server_snapshot_due(struct server *server, struct stage *stage, uint64_t run);
void server_grace_due(struct server *server, struct stage *stage, uint64_t run, uint64_t number);

/* Its status; all zeros while it is down, and `role` 0. */
struct paxos_status server_status(const struct server *server);

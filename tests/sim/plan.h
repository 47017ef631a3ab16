/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * plan.h - what happens to a world, drawn from one seed
 *
 * First safety: every kind of fault at a strength that is itself drawn, each kind left out in a
 * third of the seeds (swarm). Then the faults stop, everything is healed and started, and
 * progress is demanded: what is under way ends, each client's next write is done, all servers
 * hold the same, and nobody stands for election any more.
 *
 * So that progress stays decidable, mode memory never has more than a minority at once that is
 * down or has not rejoined; mode disk may lose all servers at once.
 *
 * Times follow the heartbeat, so that each run has about as many of everything.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/world.h"

enum plan_fault {
	PLAN_CRASH = 0,
	PLAN_CRASH_MIDWAY, /* between two effects of a turn */
	PLAN_CRASH_TOLD,   /* and its supervisor tells the others */
	PLAN_RESIGN,
	PLAN_HANDOVER,   /* to one of them, or to anybody */
	PLAN_OLD_NOTE,   /* a true note of an earlier start, again */
	PLAN_FALSE_NOTE, /* of a start that lives, without its secret */
	PLAN_PAUSE,
	PLAN_PAUSE_ALL,
	PLAN_STALL,
	PLAN_DISK_STALL, /* up to 100 heartbeats, or 1 s, or 30 s */
	PLAN_DISK_FULL,  /* one or all */
	PLAN_DISK_FAILS, /* the next write */
	PLAN_HURT,       /* something in a folder (folder.h) */
	PLAN_FORMAT,     /* a folder is lost */
	PLAN_SAVE,       /* an older copy of a folder is kept ... */
	PLAN_ROLL_BACK,  /* ... and put back */
	PLAN_HELIX,      /* every folder has a hole */
	PLAN_ISOLATE,    /* both ways, or only in, or only out */
	PLAN_SPLIT,      /* in two sets, clients in one, both or divided */
	PLAN_STAR,       /* all see only one */
	PLAN_CHAIN,      /* each sees its neighbours */
	PLAN_CLIENTS,    /* clients cut off from some servers */
	PLAN_FLAP,       /* a link goes and comes at the rhythm of suspicion */
	PLAN_CLOG,       /* a link keeps everything back for a while */
	PLAN_SLOW,       /* a server's links are slow, one way or both */
	PLAN_LOSSY,      /* a server's links lose much or all */
	PLAN_RATE,       /* a clock changes its rate */
	PLAN_CHANGE,     /* of the members, asked of anybody */
	PLAN_HEAL,
	PLAN_FAULT_COUNT
};

struct plan_limits {
	unsigned servers;                 /* 0: drawn */
	enum paxos_durability durability; /* 0: drawn */
	bool verbose;
};

struct plan {
	uint64_t seed;
	struct prng prng; /* beside the world's */
	struct world_options options;
	uint64_t heartbeat_ns;
	uint64_t duration_ns; /* of the faults */
	uint64_t gap_ns;      /* between two faults, on average */
	uint64_t down_ns;     /* of a server, on average */
	uint64_t heal_gap_ns; /* until a cut is healed, on average */
	unsigned weights[PLAN_FAULT_COUNT];
	unsigned weight_sum;
	uint64_t counts[PLAN_FAULT_COUNT];
	uint64_t heal_ns, flap_ns; /* when to; UINT64_MAX: not planned */
	uint64_t flap_gap_ns;
	unsigned flaps_left;
	uint32_t flap_a, flap_b;
	enum plan_fault waiting; /* for quiet members */
	unsigned waits;          /* as often still */
	uint64_t calm_stands;    /* candidacies after the faults had stopped */
	uint64_t calm_ns;        /* from the end of the faults until all agreed */
};

/* Draws a plan. */
void plan_draw(struct plan *plan, uint64_t seed, const struct plan_limits *limits);

/* Runs a world of plan->options through it. False: something failed, see the scroll. */
bool plan_run(struct plan *plan, struct world *world);

/* The seed, what was drawn, how often each fault came. */
void plan_print(const struct plan *plan, FILE *file);

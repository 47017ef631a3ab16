/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * scroll.h - what happened: a digest of all, the last lines of it, and the verdict
 *
 * Each thing that happens is a line of a few numbers. All lines go into the run's digest: two
 * runs that differ anywhere differ there. The last SCROLL_LINES are kept to be printed. The first
 * failure is kept in words; whoever runs the world stops when there is one.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	SCROLL_LINES = 1024
}; /* a power of two */

enum scroll_kind {
	SCROLL_SEND = 1, /* node to peer; a: size, b: kind of message */
	SCROLL_ARRIVE,   /* at node from peer; a: size, b: kind */
	SCROLL_TURN,     /* of node; a: packets, b: local time */
	SCROLL_STATE,    /* of node, when it changed; a: decided, b: length */
	SCROLL_ROLE,     /* of node, when it changed; a: role, b: round of the promised ballot */
	SCROLL_TRACE,    /* of node; peer: enum paxos_trace_kind; a, b as there */
	SCROLL_DISK,     /* of node; a: records durable */
	SCROLL_CALL,     /* client node; a: operation, b: verb */
	SCROLL_RETURN,   /* client node; a: operation, b: outcome and answer */
	SCROLL_FAULT,    /* node; peer: enum scroll_fault; a, b: as it says */
	SCROLL_KIND_COUNT
};

enum scroll_fault {
	SCROLL_CRASH = 1,  /* a: effects that still got out */
	SCROLL_START,      /* a: incarnation, b: start */
	SCROLL_MEMBERS,    /* a: set to add, b: to remove; asked of this server */
	SCROLL_PAUSE,      /* a: ns */
	SCROLL_STALL,      /* a: ns; what a turn sends leaves later */
	SCROLL_DISK_STALL, /* a: ns */
	SCROLL_CUT,        /* a: from, b: to, as sets of end points */
	SCROLL_OPEN,       /* a: from, b: to */
	SCROLL_HEAL,
	SCROLL_CLOG,  /* peer's link to b; a: ns */
	SCROLL_SLOW,  /* all links of node; a: ns more */
	SCROLL_LOSSY, /* all links of node; a: ppm more */
	SCROLL_RATE,  /* a: ppm */
	SCROLL_RESIGN,
	SCROLL_RELEASE,  /* a: packets */
	SCROLL_HANDOVER, /* node is told to hand over; a: to whom */
	SCROLL_NOTE,     /* a death note of node goes out; a: its start, b: true (1) or forged */
	SCROLL_SET_ASIDE,
	SCROLL_FULL,      /* a: bytes that are spared */
	SCROLL_ROLL_BACK, /* a: start */
	SCROLL_HURT,      /* a: enum folder_hurt */
	SCROLL_FAIL,      /* the next write */
	SCROLL_FAULT_COUNT
};

struct scroll_line {
	uint64_t time_ns;
	uint8_t kind, node, peer;
	uint64_t a, b;
};

struct scroll {
	struct scroll_line lines[SCROLL_LINES];
	uint64_t count;
	uint64_t digest;
	bool verbose; /* print each line as it comes */
	bool failed;
	char failure[1024];
};

void scroll_init(struct scroll *scroll, bool verbose);

void scroll_put(struct scroll *scroll, uint64_t time_ns, enum scroll_kind kind, unsigned node,
                unsigned peer, uint64_t a, uint64_t b);

/* Into the digest only. */
static inline void scroll_mix(struct scroll *scroll, uint64_t value)
{
	uint64_t z = (scroll->digest ^ value) * 0x9e3779b97f4a7c15u;

	scroll->digest = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
}

/* The first failure is kept, the others are not. */
void scroll_fail(struct scroll *scroll, uint64_t time_ns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints the last lines, `max` at most. */
void scroll_print(const struct scroll *scroll, FILE *file, unsigned max);

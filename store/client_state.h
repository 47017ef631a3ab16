/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_state.h - requests of a client that are under way
 *
 *              submit              number given             answer, deadline
 *      FREE ----------> HELD (writes) -------> SENT <----> PAUSED ------> ENDED -----> FREE
 *        \---------------- (reads) -----------^                                 take
 *
 * SENT waits for an answer until due_ns, PAUSED sends again at due_ns. Private to the client: its
 * struct is here so that client.c and client_session.c can share it.
 *
 * Numbers. A write's is the session's; by_number finds it, because the outstanding ones lie within
 * a window of 64. Any other request's has the top bit set and its slot in the lowest 6 bits.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/assembly.h"
#include "store/base/prng.h"
#include "store/client_route.h"
#include "store/client_types.h"

#define CLIENT_NUMBER_LOOSE ((uint64_t)1 << 63) /* of what is not a numbered write */

enum {
	CLIENT_SLOT_BITS = 6,
	CLIENT_NO_SLOT = 255,
	CLIENT_HOPS_MAX = 3,   /* referrals followed at once, before a pause */
	CLIENT_REPAIRS_MAX = 4 /* repair notes obeyed for one sending */
};

enum client_slot_state {
	CLIENT_SLOT_FREE = 0,
	CLIENT_SLOT_HELD,
	CLIENT_SLOT_SENT,
	CLIENT_SLOT_PAUSED,
	CLIENT_SLOT_ENDED,
};

struct client_slot {
	enum client_slot_state state;
	enum proto_verb verb;
	uint16_t flags;
	bool follows; /* goes to the aim; else to any server that answers */
	bool heard;
	bool owns; /* what it makes goes with the session */
	uint64_t tag, context;
	uint64_t submit_ns, deadline_ns, due_ns, sent_ns;
	uint64_t asked_ns;                /* sent, and silence since, but for being sent again */
	uint64_t session, secret, number; /* of the head */
	unsigned server;                  /* last sent to */
	uint32_t asked;                   /* bits of the servers it was ever sent to */
	unsigned sends, silences, pauses, hops, repairs;
	uint32_t to_send; /* bits of the segments that client_take() has to give out */
	uint32_t missing; /* bits of the answer's segments that are missing; 0: none came */
	uint64_t version; /* of the answer in parts */
	uint8_t *message; /* request as sent; of an ended slot, the answer's value */
	size_t size;
	enum store_answer last; /* heard last, if heard */
	unsigned last_server;
	enum client_outcome outcome;
	struct proto_answer answer;
};

struct client_session_state {
	uint64_t id;           /* 0: none */
	uint64_t secret;       /* of the session, or of the one being opened */
	uint64_t ttl_ns;       /* as granted */
	bool is_confirmed;     /* a keep-alive, or the OPEN, was answered */
	uint64_t confirmed_ns; /* sending of the last of them */
	uint64_t alive_ns;     /* when the next keep-alive is due */
	bool is_resumed;       /* and has not taken numbers of its own yet */
	uint64_t base;         /* is_resumed: numbers below are forgotten, as last told */
	uint64_t first, next;  /* lowest number outstanding (or next); next number to give */
	uint8_t by_number[CLIENT_REQUESTS_MAX]; /* slot of number % 64, or CLIENT_NO_SLOT */
	bool closing;                           /* a CLOSE was sent */
	bool owns;                              /* a write that owns was sent in it */
	enum store_answer gone; /* this ended it, and nothing may replace it; OK: nothing did */
};

struct client {
	struct client_config config;
	struct client_route route;
	struct client_session_state session;
	struct prng prng;    /* of the numbers of reads */
	struct prng secrets; /* of the sessions' secrets */
	struct client_slot slots[CLIENT_REQUESTS_MAX];
	struct client_slot own; /* OPEN, ALIVE, or the NOP of a session that is resumed */
	uint8_t own_message[PROTO_REQUEST_OVERHEAD];
	uint64_t held, sending, ended; /* bits of slots */
	uint8_t ended_order[CLIENT_REQUESTS_MAX];
	unsigned ended_first, ended_count;
	uint64_t tags; /* given so far */
	store_rev_t seen;
	struct client_counters counters;
	struct assembly *assembly; /* owned */
	uint8_t *memory;           /* owned: of all messages */
	uint8_t *spare;            /* the message memory that no slot has */
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
};

/* The index of a slot that is not `own`. */
unsigned client_slot_index(const struct client *client, const struct client_slot *slot);

/* A number for a request that is no numbered write. */
uint64_t client_slot_loose_number(struct client *client, const struct client_slot *slot);

/* Sends, for the first time or again, to the server that is right for it now. */
void client_slot_send(struct client *client, uint64_t now_ns, struct client_slot *slot);

/* Sends again in a little while; grows with each pause. */
void client_slot_pause(struct client *client, uint64_t now_ns, struct client_slot *slot,
                       uint64_t most_ns);

/* due_ns has come: time-out or end of a pause. */
void client_slot_overdue(struct client *client, uint64_t now_ns, struct client_slot *slot);

/* The end of a request, with an answer whose value is copied. Not for `own`. */
void client_slot_end(struct client *client, struct client_slot *slot, enum client_outcome outcome,
                     const struct proto_answer *answer);

/* The end without an answer that is final: UNREACHED or UNKNOWN. */
void client_slot_give_up(struct client *client, struct client_slot *slot);

/* Encodes one segment that waits to be sent into client->datagram. */
struct slice client_slot_take(struct client *client, struct client_slot *slot);

/* Sends what pauses or waits for a silent server, because the aim moved. */
void client_slot_wake(struct client *client, uint64_t now_ns);

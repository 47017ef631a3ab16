/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * recorder.h - clients of store/client over kernel sockets, and the history of what they did
 *
 * Threads: one.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/base/prng.h"
#include "store/client.h"

enum {
	RECORDER_CLIENTS_MAX = 32,
	RECORDER_LANES_MAX = 16,
	RECORDER_KEYS_MAX = 64,
	RECORDER_PREFIX_MAX = 100,
	RECORDER_PATH_SIZE = 200,
	RECORDER_TEXT_SIZE = 40,
};

struct recorder_config {
	struct sockaddr_in servers[CLIENT_SERVERS_MAX];
	unsigned server_count;
	unsigned clients, lanes, keys;
	const char *prefix;
	uint64_t pause_ns, timeout_ns, seed;
};

enum recorder_kind {
	RECORDER_IDLE = 0,
	RECORDER_GET,
	RECORDER_PAST, /* as of `rev` */
	RECORDER_SET,
	RECORDER_CAS,
	RECORDER_ADD,
	RECORDER_DEL,
	RECORDER_DEL_IF,
	RECORDER_MAKE, /* add a file nobody else touches */
	RECORDER_BACK, /* read such a file back */
	RECORDER_LAST, /* read a shared file for the last time */
};

/* One request after the other. */
struct recorder_lane {
	enum recorder_kind kind;
	unsigned key;                  /* of the shared files */
	uint64_t made;                 /* MAKE: number of the file; BACK: place in `made` */
	char text[RECORDER_TEXT_SIZE]; /* what the value begins with */
	store_rev_t rev;               /* of the condition; or at which to read */
	uint64_t call_ns;
	uint64_t start_ns; /* idle until then */
};

struct recorder_member {
	struct client *client; /* owned */
	int fd;                /* owned */
	struct recorder_lane lanes[RECORDER_LANES_MAX];
	store_rev_t revs[RECORDER_KEYS_MAX]; /* as last heard */
	store_rev_t seen;                    /* highest revision of the store it heard of */
	uint64_t values;                     /* counts, so that no value comes twice */
};

/* A file that was made and acknowledged. */
struct recorder_made {
	uint32_t member;
	uint64_t number;
	store_rev_t rev;
	bool is_read; /* in this try of reading back */
};

struct recorder_counts {
	uint64_t done, acked, unknown, unreached, refused;
	uint64_t last_ack_ns, gap_ns; /* longest time between two acknowledged writes */
};

struct recorder {
	struct recorder_config config;
	struct recorder_member members[RECORDER_CLIENTS_MAX];
	struct prng prng;
	FILE *output; /* owned */
	struct recorder_counts counts;
	struct recorder_made *made; /* owned */
	uint64_t made_count, made_room;
	bool is_draining; /* nothing new is asked */
	bool is_reading_back;
	uint64_t next_back; /* place in `made` to be read next; then the shared files */
	uint64_t unread;
	uint64_t faults; /* answers that cannot be; each was printed */
};

uint64_t recorder_now_ns(void);

/* False if it is no list of IPV4:PORT. */
bool recorder_parse_servers(struct recorder_config *config, const char *text);

/* 0 or a negative errno, which is in errno too. Given back to recorder_close(). */
int recorder_new(struct recorder **ret_recorder, const struct recorder_config *config,
                 const char *output);
/* 0, or -EIO if not all of the history could be written. */
int recorder_close(struct recorder *recorder);

/* Takes what came, does what is overdue, and begins requests in idle lanes unless draining. */
void recorder_turn(struct recorder *recorder);
uint64_t recorder_deadline_ns(const struct recorder *recorder);
unsigned recorder_outstanding(const struct recorder *recorder);

void recorder_start_read_back(struct recorder *recorder);
bool recorder_read_back_is_over(const struct recorder *recorder);

/* --- history.c ----------------------------------------------------------------------------- */

/* What a value begins with says how long it is; the rest is filled in and checked by this. */
size_t recorder_value_make(const char *text, uint8_t value[STORE_VALUE_SIZE_MAX]);
/* Writes the beginning to `ret_text`; false if the value is none that was made here. */
bool recorder_value_check(struct slice value, char ret_text[RECORDER_TEXT_SIZE]);

/*
 * Writes one operation on a shared file to the history, if it belongs there. Returns false if the
 * answer is one that nobody could give.
 */
bool recorder_write(FILE *output, const char *prefix, unsigned member,
                    const struct recorder_lane *lane, const struct client_result *result,
                    uint64_t now_ns);

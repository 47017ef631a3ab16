/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * disk.h - a journal that is late, and torn by a crash
 *
 *      [ durable | being written | gathers ]      group commit: one write at a time
 *
 * A crash keeps what is durable, and of the rest a prefix that chance draws: the disk may have
 * got further than it told. The record in which the prefix ends is torn; the journal's frames
 * tell a torn tail, so it is gone.
 *
 * With each record the disk keeps what the server had promised when the turn that wrote it ended,
 * so that a restart can be held to it.
 *
 * Pure but for malloc. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"
#include "store/base/prng.h"
#include "store/base/slice.h"

/* What a server stands by once a record is durable. */
struct disk_word {
	bool is_given;
	struct paxos_ballot promised, accepted;
	uint64_t length;
};

struct disk_record {
	size_t offset, size; /* in bytes */
	struct disk_word word;
};

struct disk {
	struct disk_record *records; /* owned */
	size_t count, room;
	uint8_t *bytes; /* owned */
	size_t size, bytes_room;
	size_t durable;     /* records */
	size_t writing;     /* records when the write under way ends; 0: no write */
	size_t run_base;    /* records when this run of the server began */
	uint64_t run_first; /* number the server gave to the first record after it; 0: none yet */
	uint64_t lost, torn, writes; /* counts */
};

void disk_init(struct disk *disk);
void disk_deinit(struct disk *disk);

/* Takes a record (copied). False: its number does not follow on the last one's. */
bool disk_append(struct disk *disk, uint64_t number, struct slice bytes);

/* What the server stands by when the last record is durable. */
void disk_give_word(struct disk *disk, const struct disk_word *word);

/* True if a write begins; then somebody calls disk_end_write() later. */
bool disk_begin_write(struct disk *disk);
void disk_end_write(struct disk *disk);

/* The server's number of the last durable record, 0 if none of this run. */
uint64_t disk_durable_number(const struct disk *disk);

void disk_crash(struct disk *disk, struct prng *prng);

/* A new run of the server: its numbers begin anew. */
void disk_run(struct disk *disk);

struct slice disk_record(const struct disk *disk, size_t i);

/* The word of the last durable record that has one; not given if there is none. */
struct disk_word disk_word(const struct disk *disk);

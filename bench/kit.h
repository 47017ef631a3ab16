/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kit.h - one part of a server at a time, to be timed alone (micro.cc)
 *
 *      kit_store   a store with files in it: get one, set a batch, publish; read what it was
 *      kit_codec   a write's request as a datagram, and the entry that it becomes in the log
 *
 * Plain C behind a header that C++ can read. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>

struct kit_store;

/* `files` files of `value_size` bytes each. 0 or -ENOMEM. Given back to kit_store_free(). */
int kit_store_new(struct kit_store **ret_kit, unsigned files, unsigned value_size);
/* NULL is fine. */
void kit_store_free(struct kit_store *kit);

/* Reads a random file. False: it was not there. */
bool kit_store_get(struct kit_store *kit);

/*
 * Applies `batch` sets of random files, publishes them and frees what they replaced, as one turn
 * of a server does. False: one of them was not answered with OK.
 */
bool kit_store_set(struct kit_store *kit, unsigned batch);

/* The same, each file deleted and made again. */
bool kit_store_remake(struct kit_store *kit, unsigned batch);

/* Locks so many, publishes, gives them back, publishes: one after the other of `files` names. */
bool kit_store_lock(struct kit_store *kit, unsigned batch);

/* Sets the first file so often; deletes all files. False: as above. */
bool kit_store_set_first(struct kit_store *kit, unsigned times);
bool kit_store_delete_all(struct kit_store *kit);

/*
 * Reads as of `back` changes ago: the first file; or walks over all of them, to the end or up to
 * `limit` entries. False: it was not there; it is not `expected` entries.
 */
bool kit_store_get_back(struct kit_store *kit, unsigned back);
bool kit_store_walk_back(struct kit_store *kit, unsigned back, unsigned limit, unsigned expected);

struct kit_codec;

/* 0 or -ENOMEM. Given back to kit_codec_free(), which takes NULL, too. */
int kit_codec_new(struct kit_codec **ret_kit, unsigned value_size);
void kit_codec_free(struct kit_codec *kit);

/* Into a datagram with its checksum; its size, 0 if it failed. */
size_t kit_codec_request_encode(struct kit_codec *kit);
/* And back, everything checked that a server checks. */
bool kit_codec_request_decode(struct kit_codec *kit);
/* What is agreed on, into the bytes of the log, and back. */
size_t kit_codec_entry_encode(struct kit_codec *kit);
bool kit_codec_entry_decode(struct kit_codec *kit);

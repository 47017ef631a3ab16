/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_codec.h - Doozer's frames, messages and grammar
 *
 *      frame := length (4 bytes, big-endian)  message (protobuf: doozer.proto)
 *
 * Names and globs as Doozer has them, which are fewer than ours:
 *
 *      path := "/" | ( "/" name )+      name: one or more of A-Z a-z 0-9 . -
 *      glob := likewise, and * ? may stand in a name
 *
 * Pure, but for the memory that protobuf-c takes of malloc. Any thread.
 */

#include <doozer.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/answer.h"
#include "store/base/slice.h"

enum {
	CTL_DOOZER_HEAD = 4,
	CTL_DOOZER_FRAME_MAX = 64 * 1024, /* of a message, without its length */
	CTL_DOOZER_REPLY_MAX = 40 * 1024, /* no reply is longer */
};

enum ctl_doozer_verb {
	DOOZER_GET = 1,
	DOOZER_SET = 2,
	DOOZER_DEL = 3,
	DOOZER_REV = 5,
	DOOZER_WAIT = 6,
	DOOZER_NOP = 7,
	DOOZER_WALK = 9,
	DOOZER_GETDIR = 14,
	DOOZER_STAT = 16,
	DOOZER_SELF = 20,
	DOOZER_ACCESS = 99,
};

enum ctl_doozer_error {
	DOOZER_UNKNOWN_VERB = 2,
	DOOZER_READONLY = 3,
	DOOZER_TOO_LATE = 4,
	DOOZER_REV_MISMATCH = 5,
	DOOZER_BAD_PATH = 6,
	DOOZER_MISSING_ARG = 7,
	DOOZER_RANGE = 8,
	DOOZER_NOTDIR = 20,
	DOOZER_ISDIR = 21,
	DOOZER_NOENT = 22,
	DOOZER_OTHER = 127,
};

enum {
	DOOZER_FLAG_SET = 4,
	DOOZER_FLAG_DEL = 8,
};

/*
 * The first frame of what has come. Returns 1 and its message (borrows); 0: more is to come; or
 * -EMSGSIZE: it is longer than CTL_DOOZER_FRAME_MAX.
 */
int ctl_doozer_cut(struct slice bytes, struct slice *ret_message);

/* NULL if it is no message. Given back to doozer__request__free_unpacked(request, NULL). */
Doozer__Request *ctl_doozer_request(struct slice message);

/* The frame of a reply, into CTL_DOOZER_REPLY_MAX bytes (must). Returns its size. */
size_t ctl_doozer_reply(const Doozer__Response *response, void *memory);

bool ctl_doozer_path_is_good(struct slice path);
bool ctl_doozer_glob_is_good(struct slice glob);

/* Doozer's error for an answer that refuses, and a detail (static) where it is OTHER, else NULL. */
enum ctl_doozer_error ctl_doozer_error_of(enum store_answer answer, const char **ret_detail);

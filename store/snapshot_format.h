/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshot_format.h - sizes that the writer and the reader of snapshots share
 */

#include <assert.h>

#include "store/limits.h"

#define SNAPSHOT_MAGIC UINT64_C(0x50414e5352464643) /* "CFFRSNAP" */

enum {
	SNAPSHOT_VERSION = 2,
	SNAPSHOT_MEMBER_SIZE = 2 * 8 + 4 + 2,
	SNAPSHOT_HEAD_SIZE = 8 + 4 + 5 * 8 + 3 * 4 + 8 + STORE_NODES_MAX * SNAPSHOT_MEMBER_SIZE + 4,
	SNAPSHOT_SESSION_SIZE = 4 * 8 + 4,  /* without its answers */
	SNAPSHOT_ANSWER_SIZE = 3 + 4 * 8,   /* one kept answer */
	SNAPSHOT_FILE_SIZE = 2 * 8 + 2 + 4, /* without path and value */
	SNAPSHOT_DIGEST_SIZE = 16,
	SNAPSHOT_PIECE_MAX = SNAPSHOT_FILE_SIZE + STORE_PATH_SIZE_MAX + STORE_VALUE_SIZE_MAX,
};

static_assert(SNAPSHOT_PIECE_MAX >=
                      SNAPSHOT_SESSION_SIZE + STORE_ANSWERS_MAX * SNAPSHOT_ANSWER_SIZE,
              "a session fits where a file fits");

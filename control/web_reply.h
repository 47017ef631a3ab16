/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_reply.h - what the servers answered, as a page is told it
 *
 * Pure but for jansson's allocations. Threads: any.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/client.h"

/*
 * How a question ended; of a value `most` bytes. Given; NULL without memory. *ret_ok: it was done.
 */
json_t *ctl_web_reply(const struct client_result *result, size_t most, bool *ret_ok);

/* The files of a page of WALK, as [PATH, REVISION, ...]; given. NULL: it makes no sense. */
json_t *ctl_web_reply_files(const struct proto_answer *answer);

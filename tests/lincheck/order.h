/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * order.h - do the store's revisions respect real time over all keys?
 *
 * What was called after another had returned must not be told an older revision; a change must be
 * told a newer one; and no two changes share one. A read at a revision may be of an old one, but
 * shows that it has come. Private to tests/lincheck.
 */

#include <stdbool.h>

#include "tests/lincheck/records.h"

/* Puts `rev order: true` or `false` and why into the texts. Returns 0 or -ENOMEM. */
int order_check(struct lincheck *lincheck, bool *ret_is_good);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * txn.h - what a transaction of coffer_txn.h comes to; private to the client library
 */

#include <stdbool.h>

#include "control/client/coffer_txn.h"
#include "store/base/slice.h"

/*
 * The bytes, which borrow from `txn`, and whether it makes anything that goes with the session.
 * Returns 0, -EINVAL or -E2BIG.
 */
int ctl_txn_bytes(struct coffer_txn *txn, struct slice *ret_bytes, bool *ret_owns);

/* Runs it, waiting, and frees it. As coffer_call(); -ENOMEM: `txn` is NULL. */
int ctl_txn_end(struct coffer *coffer, struct coffer_txn *txn, unsigned flags,
                struct coffer_result *ret_result);

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

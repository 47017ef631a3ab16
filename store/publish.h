/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * publish.h - pointers that one thread writes and many read
 *
 * liburcu's rcu_assign_pointer and rcu_dereference, whose globals are the one exception to purity
 * (and these two have none). The thread sanitizer does not know liburcu's barriers; for it Meson
 * takes publish_tsan.c, which says the same in C11.
 */

/* Everything written before is seen by whoever loads the pointer. */
void store_publish_pointer(void **slot, void *pointer);

/* Loads a published pointer. */
void *store_load_pointer(void *const *slot);

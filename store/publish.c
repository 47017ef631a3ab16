/* SPDX-License-Identifier: Apache-2.0 */
#include "store/publish.h"

#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/pointer.h>

void store_publish_pointer(void **slot, void *pointer)
{
	rcu_assign_pointer(*slot, pointer);
}

void *store_load_pointer(void *const *slot)
{
	return rcu_dereference(*slot);
}

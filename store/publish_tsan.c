/* SPDX-License-Identifier: Apache-2.0 */
#include "store/publish.h"

void store_publish_pointer(void **slot, void *pointer)
{
	__atomic_store_n(slot, pointer, __ATOMIC_RELEASE);
}

void *store_load_pointer(void *const *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/crc32c.h"

#include <isa-l/crc.h>

#include "store/base/check.h"

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
	must(bytes.size <= INT32_MAX);
	/* ISA-L neither inverts nor writes to the buffer, which it takes without const. */
	return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes.data, (int)bytes.size, ~crc);
}

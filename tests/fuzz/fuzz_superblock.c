/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_superblock.c - a superblock that is taken is written back as the same bytes
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/superblock.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	struct ctl_superblock superblock;

	if (ctl_superblock_decode(slice_make(data, size), &superblock) == 0) {
		ctl_superblock_encode(&superblock, bytes);
		must(size == sizeof(bytes));
		must(memcmp(bytes, data, size) == 0);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_superblock.c - a superblock that is taken is written back as the same bytes, or, of an
 *                     older version, as bytes that say the same
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
	struct ctl_superblock superblock, back;

	if (ctl_superblock_decode(slice_make(data, size), &superblock) == 0) {
		ctl_superblock_encode(&superblock, bytes);
		must(size == sizeof(bytes));
		if (data[4] == bytes[4]) {
			must(memcmp(bytes, data, size) == 0);
			return 0;
		}
		must(data[4] < bytes[4]);
		must(ctl_superblock_decode(slice_make(bytes, sizeof(bytes)), &back) == 0);
		must(memcmp(bytes + 8, data + 8, 30) == 0);
		must(back.configuration == 0);
	}
	return 0;
}

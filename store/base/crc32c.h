/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * crc32c.h - checksum of what leaves memory
 *
 * CRC-32C (Castagnoli, RFC 3720 B.4) by ISA-L. Pure.
 */

#include <stdint.h>

#include "store/base/slice.h"

/* The checksum of `bytes`, or of what `crc` sums followed by `bytes`. `crc` is 0 at the start. */
uint32_t crc32c(uint32_t crc, struct slice bytes);

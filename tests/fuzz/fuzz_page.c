/* SPDX-License-Identifier: Apache-2.0 */
/* A page of LIST or WALK: what is taken off it and put again is the same bytes. */
#include "store/base/check.h"
#include "store/proto.h"
#include "store/proto_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[1 << 20];
	struct slice page = slice_make(data, size);
	struct proto_page_entry entry;
	size_t out = 0, left = size;
	bool bad = false;

	if (size > sizeof(memory)) {
		return 0;
	}
	while (proto_page_next(&page, &entry, &bad)) {
		must(page.size < left);
		left = page.size;
		out = proto_page_put(memory, out, sizeof(memory), &entry);
		must(out == size - left);
	}
	must(bad || page.size == 0);
	must(out == 0 || memcmp(memory, data, out) == 0);
	return 0;
}

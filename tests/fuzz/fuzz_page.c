/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of LIST or WALK, and of SESSIONS: what is taken off and put again is the same bytes. */
#include "store/base/check.h"
#include "store/proto.h"
#include "store/proto_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[1 << 20];

static void try_names(const uint8_t *data, size_t size)
{
	struct slice page = slice_make(data, size);
	struct proto_page_entry entry;
	size_t out = 0, left = size;
	bool bad = false;

	while (proto_page_next(&page, &entry, &bad)) {
		must(page.size < left);
		left = page.size;
		out = proto_page_put(memory, out, sizeof(memory), &entry);
		must(out == size - left);
	}
	if (!bad && page.size != 0) {
		struct proto_page_mark mark;

		must(proto_page_rest(slice_make(data, size), &mark));
		out = proto_page_put_mark(memory, out, sizeof(memory), &mark);
		must(out == size);
	}
	must(out == 0 || memcmp(memory, data, out) == 0);
}

static void try_sessions(const uint8_t *data, size_t size)
{
	struct slice page = slice_make(data, size);
	struct proto_session session;
	bool bad = false;
	size_t out = 0;

	while (proto_session_next(&page, &session, &bad)) {
		must(session.id != 0 && session.left_ms <= session.ttl_ms);
		out = proto_session_put(memory, out, sizeof(memory), &session);
		must(out == size - page.size);
	}
	must(bad || page.size == 0);
	must(out == 0 || memcmp(memory, data, out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= sizeof(memory)) {
		try_names(data, size);
		try_sessions(data, size);
	}
	return 0;
}

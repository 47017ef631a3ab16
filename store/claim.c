/* SPDX-License-Identifier: Apache-2.0 */
#include "store/claim.h"

#include <string.h>

#include "store/base/check.h"
#include "store/base/digits.h"
#include "store/path.h"

#define ROOT    "/ctl/lock"
#define HOLDER  "/.holder/"
#define QUEUE   "/.queue/"
#define BROKEN  "/.broken"
#define PASSING "/.passing"

enum {
	PRIORITY = 4, /* three digits and a dash */
	FIELDS = 6,
};

static_assert(STORE_LOCK_NAME_MAX + sizeof(ROOT) - 1 + sizeof(HOLDER) - 1 + DIGITS_HEX <=
                      STORE_PATH_SIZE_MAX,
              "a holder's path is one");
static_assert(STORE_LOCK_NAME_MAX + sizeof(ROOT) - 1 + sizeof(QUEUE) - 1 + PRIORITY + DIGITS_HEX <=
                      STORE_PATH_SIZE_MAX,
              "a waiter's path is one");

/* --- paths ------------------------------------------------------------------------------------ */

enum store_answer store_lock_check_name(struct slice name)
{
	if (name.size > STORE_LOCK_NAME_MAX) {
		return STORE_TOO_LARGE;
	}
	if (store_path_check(name) != STORE_PATH_GOOD || store_path_is_root(name)) {
		return store_path_check(name) == STORE_PATH_LONG ? STORE_TOO_LARGE : STORE_BAD_PATH;
	}
	for (size_t i = 0; i + 1 < name.size; i++) {
		if (name.data[i] == '/' && name.data[i + 1] == '.') {
			return STORE_BAD_PATH;
		}
	}
	return STORE_OK;
}

bool store_lock_guards(struct slice path)
{
	const size_t size = sizeof(ROOT) - 1;

	return path.size >= size && memcmp(path.data, ROOT, size) == 0 &&
	       (path.size == size || path.data[size] == '/');
}

static void put(struct store_claim_path *path, struct slice bytes)
{
	must(path->size + bytes.size <= sizeof(path->bytes));
	memcpy(path->bytes + path->size, bytes.data, bytes.size);
	path->size = (uint16_t)(path->size + bytes.size);
}

static void put_hex(struct store_claim_path *path, store_rev_t number)
{
	uint8_t digits[DIGITS_HEX];

	digits_put_hex(digits, (uint64_t)number);
	put(path, slice_make(digits, sizeof(digits)));
}

struct store_claim_path store_claim_front(struct slice name, enum store_claim_kind kind)
{
	struct store_claim_path path = {0};

	put(&path, slice_text(ROOT));
	put(&path, name);
	put(&path, kind == STORE_CLAIM_HOLDER   ? slice_text(HOLDER)
	           : kind == STORE_CLAIM_WAITER ? slice_text(QUEUE)
	           : kind == STORE_CLAIM_BROKEN ? slice_text(BROKEN)
	                                        : slice_text(PASSING));
	return path;
}

struct store_claim_path store_claim_holder(struct slice name, store_rev_t token)
{
	struct store_claim_path path = store_claim_front(name, STORE_CLAIM_HOLDER);

	put_hex(&path, token);
	return path;
}

struct store_claim_path store_claim_waiter(struct slice name, uint8_t priority, store_rev_t ticket)
{
	struct store_claim_path path = store_claim_front(name, STORE_CLAIM_WAITER);
	const unsigned turn = 255u - priority;
	const uint8_t digits[PRIORITY] = {
		(uint8_t)('0' + turn / 100),
		(uint8_t)('0' + turn / 10 % 10),
		(uint8_t)('0' + turn % 10),
		'-',
	};

	put(&path, slice_make(digits, PRIORITY));
	put_hex(&path, ticket);
	return path;
}

struct store_claim_path store_claim_broken(struct slice name)
{
	return store_claim_front(name, STORE_CLAIM_BROKEN);
}

struct store_claim_path store_claim_passing(struct slice name)
{
	return store_claim_front(name, STORE_CLAIM_PASSING);
}

static bool read_hex(struct slice text, store_rev_t *ret_number)
{
	uint64_t number = 0;

	if (text.size != DIGITS_HEX) {
		return false;
	}
	for (unsigned i = 0; i < DIGITS_HEX; i++) {
		const uint8_t c = text.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
			return false;
		}
		number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret_number = (store_rev_t)number;
	return *ret_number > 0;
}

/* The slice without so many bytes in front. */
static struct slice behind(struct slice text, size_t size)
{
	return slice_make(text.data + size, text.size - size);
}

/* What stands behind the name, from its slash on. */
static bool read_tail(struct slice tail, enum store_claim_kind *ret_kind, store_rev_t *ret_number)
{
	const size_t holder = sizeof(HOLDER) - 1, queue = sizeof(QUEUE) - 1;

	*ret_number = 0;
	if (slice_equal(tail, slice_text(BROKEN))) {
		*ret_kind = STORE_CLAIM_BROKEN;
		return true;
	}
	if (slice_equal(tail, slice_text(PASSING))) {
		*ret_kind = STORE_CLAIM_PASSING;
		return true;
	}
	if (tail.size == holder + DIGITS_HEX && memcmp(tail.data, HOLDER, holder) == 0) {
		*ret_kind = STORE_CLAIM_HOLDER;
		return read_hex(behind(tail, holder), ret_number);
	}
	if (tail.size == queue + PRIORITY + DIGITS_HEX && memcmp(tail.data, QUEUE, queue) == 0) {
		*ret_kind = STORE_CLAIM_WAITER;
		return read_hex(behind(tail, queue + PRIORITY), ret_number);
	}
	return false;
}

bool store_claim_path_read(struct slice path, struct slice *ret_name,
                           enum store_claim_kind *ret_kind, store_rev_t *ret_number)
{
	const size_t root = sizeof(ROOT) - 1;

	if (!store_lock_guards(path)) {
		return false;
	}
	for (size_t i = root + 1; i + 1 < path.size; i++) {
		if (path.data[i] == '/' && path.data[i + 1] == '.') {
			*ret_name = slice_make(path.data + root, i - root);
			return read_tail(behind(path, i), ret_kind, ret_number);
		}
	}
	return false;
}

/* --- values ----------------------------------------------------------------------------------- */

size_t store_claim_line(char *memory, const uint64_t *fields, unsigned count)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++) {
		size += digits_put_decimal(memory + size, fields[i]);
		memory[size++] = i + 1 < count ? ' ' : '\n';
	}
	must(size <= STORE_CLAIM_HEAD_MAX);
	return size;
}

size_t store_claim_write(const struct store_claim *claim, char *memory)
{
	const uint64_t fields[FIELDS] = {claim->session,  claim->limit,  claim->count,
	                                 claim->delay_ms, claim->ttl_ms, claim->until_ns};

	return store_claim_line(memory, fields, FIELDS);
}

/* A decimal number and the byte behind it. */
static bool read_field(struct slice *text, uint8_t end, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
		const uint64_t digit = (uint64_t)(text->data[i] - '0');

		if (number > (max - digit) / 10) {
			return false;
		}
		number = 10 * number + digit;
	}
	if (i == 0 || i == text->size || text->data[i] != end) {
		return false;
	}
	*text = behind(*text, i + 1);
	*ret_number = number;
	return true;
}

bool store_claim_read(struct slice value, struct store_claim *ret_claim)
{
	uint64_t fields[FIELDS];

	for (unsigned i = 0; i < FIELDS; i++) {
		const bool is_wide = i == 0 || i + 1 == FIELDS;

		if (!read_field(&value, i + 1 == FIELDS ? '\n' : ' ',
		                is_wide ? UINT64_MAX : UINT32_MAX, &fields[i])) {
			return false;
		}
	}
	*ret_claim = (struct store_claim){
		.session = fields[0],
		.limit = (uint32_t)fields[1],
		.count = (uint32_t)fields[2],
		.delay_ms = (uint32_t)fields[3],
		.ttl_ms = (uint32_t)fields[4],
		.until_ns = fields[5],
		.data = value,
	};
	return true;
}

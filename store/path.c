/* SPDX-License-Identifier: Apache-2.0 */
#include "store/path.h"

#include "store/base/check.h"

static bool is_follower(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The size that a first byte promises, and what its second byte must at least and most be. */
static unsigned promised_size(uint8_t first, uint8_t *ret_low, uint8_t *ret_high)
{
	*ret_low = 0x80;
	*ret_high = 0xbf;
	if (first >= 0xc2 && first <= 0xdf) {
		/* U+0080 to U+009F are control characters: C2 80 to C2 9F. */
		*ret_low = first == 0xc2 ? 0xa0 : 0x80;
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		*ret_low = first == 0xe0 ? 0xa0 : 0x80;  /* below: too long a form */
		*ret_high = first == 0xed ? 0x9f : 0xbf; /* above: half of a surrogate pair */
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*ret_low = first == 0xf0 ? 0x90 : 0x80;
		*ret_high = first == 0xf4 ? 0x8f : 0xbf; /* above: beyond U+10FFFF */
		return 4;
	}
	return 0;
}

/* The well-formed sequences are those of table 3-7 of the Unicode standard. */
unsigned store_path_character(struct slice text)
{
	uint8_t low, high;
	unsigned size;

	if (text.size == 0) {
		return 0;
	}
	if (text.data[0] < 0x80) {
		return text.data[0] >= 0x20 && text.data[0] != 0x7f ? 1 : 0;
	}
	size = promised_size(text.data[0], &low, &high);
	if (size == 0 || size > text.size || text.data[1] < low || text.data[1] > high) {
		return 0;
	}
	for (unsigned i = 2; i < size; i++) {
		if (!is_follower(text.data[i])) {
			return 0;
		}
	}
	must(size <= 4);
	return size;
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '/' && byte != '*' && byte != '?';
}

/* The size of the name at the front of `text`, up to a separator; 0 if it is no name. */
static size_t name_size(struct slice text)
{
	size_t at = 0;

	while (at < text.size && text.data[at] != '/') {
		unsigned size = 1;

		if (!is_plain(text.data[at])) {
			if (text.data[at] < 0x80) {
				return 0;
			}
			size = store_path_character(slice_make(text.data + at, text.size - at));
		}
		if (size == 0) {
			return 0;
		}
		at += size;
	}
	must(at <= text.size);
	return at;
}

enum store_path_form store_path_check(struct slice path)
{
	bool is_long = path.size > STORE_PATH_SIZE_MAX;
	size_t at = 0;

	if (is_long) {
		return STORE_PATH_LONG;
	}
	if (path.size == 0 || path.data[0] != '/') {
		return STORE_PATH_BAD;
	}
	if (path.size == 1) {
		return STORE_PATH_GOOD;
	}
	while (at < path.size) {
		size_t size;

		must(path.data[at] == '/');
		at++;
		size = name_size(slice_make(path.data + at, path.size - at));
		if (size == 0) {
			return STORE_PATH_BAD;
		}
		is_long = is_long || size > STORE_NAME_SIZE_MAX;
		at += size;
	}
	return is_long ? STORE_PATH_LONG : STORE_PATH_GOOD;
}

enum store_path_form store_path_check_name(struct slice name)
{
	if (name.size > STORE_NAME_SIZE_MAX) {
		return STORE_PATH_LONG;
	}
	if (name.size == 0 || name_size(name) != name.size) {
		return STORE_PATH_BAD;
	}
	return STORE_PATH_GOOD;
}

bool store_path_is_root(struct slice path)
{
	return path.size == 1 && path.data[0] == '/';
}

bool store_path_is_below(struct slice path, struct slice directory)
{
	must(path.size >= 1);
	must(directory.size >= 1);
	if (store_path_is_root(directory)) {
		return path.size > 1;
	}
	return path.size > directory.size && path.data[directory.size] == '/' &&
	       memcmp(path.data, directory.data, directory.size) == 0;
}

size_t store_path_common(struct slice a, struct slice b)
{
	const size_t size = a.size < b.size ? a.size : b.size;
	size_t at = 0;

	for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
		uint64_t left, right;

		memcpy(&left, a.data + at, sizeof(left));
		memcpy(&right, b.data + at, sizeof(right));
		if (left != right) {
			break;
		}
	}
	while (at < size && a.data[at] == b.data[at]) {
		at++;
	}
	must(at <= size);
	return at;
}

int store_path_compare(struct slice a, struct slice b)
{
	const size_t common = store_path_common(a, b);

	if (common == a.size || common == b.size) {
		return (a.size > b.size) - (a.size < b.size);
	}
	return (int)store_path_rank(a.data[common]) - (int)store_path_rank(b.data[common]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/gateway_codec.h"

#include <errno.h>
#include <string.h>

#include "store/base/check.h"

int ctl_doozer_cut(struct slice bytes, struct slice *ret_message)
{
	uint32_t size;

	if (bytes.size < CTL_DOOZER_HEAD) {
		return 0;
	}
	size = (uint32_t)bytes.data[0] << 24 | (uint32_t)bytes.data[1] << 16 |
	       (uint32_t)bytes.data[2] << 8 | bytes.data[3];
	if (size > CTL_DOOZER_FRAME_MAX) {
		return -EMSGSIZE;
	}
	if (bytes.size - CTL_DOOZER_HEAD < size) {
		return 0;
	}
	*ret_message = slice_make(bytes.data + CTL_DOOZER_HEAD, size);
	return 1;
}

Doozer__Request *ctl_doozer_request(struct slice message)
{
	return doozer__request__unpack(NULL, message.size, message.data);
}

size_t ctl_doozer_reply(const Doozer__Response *response, void *memory)
{
	const size_t size = doozer__response__get_packed_size(response);
	uint8_t *bytes = memory;

	must(size <= CTL_DOOZER_REPLY_MAX - CTL_DOOZER_HEAD);
	bytes[0] = (uint8_t)(size >> 24);
	bytes[1] = (uint8_t)(size >> 16);
	bytes[2] = (uint8_t)(size >> 8);
	bytes[3] = (uint8_t)size;
	must(doozer__response__pack(response, bytes + CTL_DOOZER_HEAD) == size);
	return CTL_DOOZER_HEAD + size;
}

/* --- grammar --------------------------------------------------------------------------------- */

static bool is_name_byte(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '.' || byte == '-';
}

static bool is_good(struct slice text, bool is_glob)
{
	bool in_name = true; /* so that the first byte has to be a separator */

	if (text.size == 1) {
		return text.data[0] == '/';
	}
	for (size_t i = 0; i < text.size; i++) {
		const uint8_t byte = text.data[i];

		if (byte == '/') {
			if (!in_name) {
				return false;
			}
			in_name = false;
		} else if (i != 0 &&
		           (is_name_byte(byte) || (is_glob && (byte == '*' || byte == '?')))) {
			in_name = true;
		} else {
			return false;
		}
	}
	return text.size != 0 && in_name;
}

bool ctl_doozer_path_is_good(struct slice path)
{
	return is_good(path, false);
}

bool ctl_doozer_glob_is_good(struct slice glob)
{
	return is_good(glob, true);
}

/* --- names and errors ------------------------------------------------------------------------- */

enum ctl_doozer_error ctl_doozer_error_of(enum store_answer answer, const char **ret_detail)
{
	static const struct {
		enum store_answer answer;
		enum ctl_doozer_error error;
		const char *detail;
	} table[] = {
		{STORE_MISMATCH, DOOZER_REV_MISMATCH, NULL},
		{STORE_NOT_FOUND, DOOZER_NOENT, NULL},
		{STORE_IS_DIRECTORY, DOOZER_ISDIR, NULL},
		{STORE_NOT_DIRECTORY, DOOZER_NOTDIR, NULL},
		{STORE_BAD_PATH, DOOZER_BAD_PATH, NULL},
		{STORE_TOO_LATE, DOOZER_TOO_LATE, NULL},
		{STORE_TOO_LARGE, DOOZER_OTHER,
	         "too large: a path has at most 512 bytes, a name 255, a value 32768"},
		{STORE_QUOTA, DOOZER_OTHER, "the store is full; delete something"},
		{STORE_DISK_FULL, DOOZER_OTHER, "the disk is full; delete something"},
		{STORE_DENIED, DOOZER_OTHER, "the servers' secrets differ"},
		{STORE_GUARDED, DOOZER_OTHER, "only locks change files below /ctl/lock"},
		{STORE_SESSIONS_FULL, DOOZER_OTHER, "there are too many sessions"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].answer == answer) {
			*ret_detail = table[i].detail;
			return table[i].error;
		}
	}
	*ret_detail = "refused by the servers";
	return DOOZER_OTHER;
}

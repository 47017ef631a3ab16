/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ROOM_MIN = 256,
};

void text_deinit(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

void text_clear(struct text *text)
{
	text->size = 0;
	text->failed = false;
	if (text->data != NULL) {
		text->data[0] = 0;
	}
}

bool text_ok(const struct text *text)
{
	return !text->failed;
}

const char *text_get(const struct text *text)
{
	return text->data != NULL ? text->data : "";
}

/* Makes room for `size` more bytes and the end. */
static bool reserve(struct text *text, size_t size)
{
	size_t room = text->room == 0 ? ROOM_MIN : text->room;
	char *data;

	while (room < text->size + size + 1) {
		room *= 2;
	}
	if (room == text->room) {
		return true;
	}
	data = realloc(text->data, room);
	if (data == NULL) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void text_put(struct text *text, const char *format, ...)
{
	va_list arguments, again;
	int size;

	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf(NULL, 0, format, arguments);
	if (size < 0) {
		text->failed = true;
	} else if (reserve(text, (size_t)size)) {
		(void)vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
		text->size += (size_t)size;
	}
	va_end(again);
	va_end(arguments);
}

void text_put_bytes(struct text *text, struct slice bytes, size_t max)
{
	for (size_t i = 0; i < bytes.size && i < max; i++) {
		const uint8_t byte = bytes.data[i];

		if (byte < ' ' || byte == 0x7f || byte == '"' || byte == '\\') {
			text_put(text, "\\x%02x", byte);
		} else {
			text_put(text, "%c", byte);
		}
	}
	if (bytes.size > max) {
		text_put(text, "...");
	}
}

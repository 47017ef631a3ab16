/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DURATION_MS_MAX = 86400000 /* a day */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The value of a hexadecimal digit, or -1. */
static int digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | ' ');
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a backslash: the byte into *byte. Returns its size, 0: it makes no sense. */
static size_t unescape(const char *from, size_t size, char *byte)
{
	static const char names[] = "\\\"ntr", bytes[] = "\\\"\n\t\r";
	const char *found = size != 0 ? memchr(names, from[0], sizeof(names) - 1) : NULL;

	if (found != NULL) {
		*byte = bytes[found - names];
		return 1;
	}
	if (size < 3 || from[0] != 'x' || digit(from[1]) < 0 || digit(from[2]) < 0) {
		return 0;
	}
	*byte = (char)(digit(from[1]) << 4 | digit(from[2]));
	return 3;
}

/*
 * One word that begins at `start`; it gets no longer by losing quotes and escapes. Returns where it
 * ends, 0: *ret_why.
 */
static size_t take_word(char *line, size_t start, size_t size, struct cli_word *word,
                        const char **ret_why)
{
	bool is_quoted = false;
	size_t from = start, to = start, taken;

	for (; from < size && (is_quoted || !is_blank(line[from])); from++) {
		if (line[from] == '"') {
			is_quoted = !is_quoted;
		} else if (is_quoted && line[from] == '\\') {
			taken = unescape(line + from + 1, size - from - 1, &line[to]);
			if (taken == 0) {
				*ret_why = "a backslash stands before \\ \" n t r or xHH";
				return 0;
			}
			to++;
			from += taken;
		} else {
			line[to++] = line[from];
		}
	}
	if (is_quoted) {
		*ret_why = "a quote is not closed";
		return 0;
	}
	line[to] = '\0'; /* at a blank, a quote or the end */
	*word = (struct cli_word){.text = line + start, .size = to - start};
	return from < size ? from + 1 : from;
}

int cli_words_split(char *line, size_t size, struct cli_word words[CLI_WORDS_MAX],
                    const char **ret_why)
{
	size_t place = 0;
	int count = 0;

	for (;;) {
		while (place < size && is_blank(line[place])) {
			place++;
		}
		if (place == size) {
			return count;
		}
		if (count == CLI_WORDS_MAX) {
			*ret_why = "too many words";
			return -1;
		}
		place = take_word(line, place, size, &words[count++], ret_why);
		if (place == 0) {
			return -1;
		}
	}
}

bool cli_word_is(const struct cli_word *word, const char *text)
{
	return word->size == strlen(text) && memcmp(word->text, text, word->size) == 0;
}

bool cli_parse_number(const char *text, int64_t minimum, int64_t *ret_number)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || number < minimum) {
		return false;
	}
	*ret_number = number;
	return true;
}

bool cli_parse_duration(const char *text, uint32_t *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;
	double number;

	errno = 0;
	number = strtod(text, &end);
	for (size_t i = 0; end != text && errno == 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		const double ms = number * units[i].ms;

		if (strcmp(end, units[i].name) == 0 && ms >= 1 && ms <= DURATION_MS_MAX) {
			*ret_ms = (uint32_t)ms;
			return true;
		}
	}
	return false;
}

bool cli_lock_name(const char *text, char ret_name[COFFER_LOCK_NAME_SIZE_MAX + 1])
{
	const size_t front = text[0] != '/';
	const size_t size = strlen(text);

	if (front + size > COFFER_LOCK_NAME_SIZE_MAX) {
		return false;
	}
	ret_name[0] = '/';
	memcpy(ret_name + front, text, size + 1);
	return true;
}

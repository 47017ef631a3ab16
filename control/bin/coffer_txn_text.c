/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_txn_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

enum {
	PLACE_SIZE = 32,
	BASE64_MAX = COFFER_VALUE_SIZE_MAX,
	NUMBER_SIZE = 24,
};

void txn_text_init(struct txn_text *text, struct coffer_txn *txn)
{
	*text = (struct txn_text){.txn = txn};
}

/* --- faults ----------------------------------------------------------------------------------- */

static const char *const LISTS[] = {"if", "then", "else"};

static void put_place(const struct txn_text *text, enum txn_list list, unsigned line,
                      char place[PLACE_SIZE])
{
	const char *what = text->is_json ? LISTS[list] : "line";

	if (line == 0) {
		(void)snprintf(place, PLACE_SIZE, "%s", what);
	} else {
		(void)snprintf(place, PLACE_SIZE, "%s %u", what, line);
	}
}

bool txn_text_fail(struct txn_text *text, const char *format, ...)
{
	char place[PLACE_SIZE];
	va_list arguments;
	size_t size;

	put_place(text, text->list, text->line, place);
	size = (size_t)snprintf(text->fault, sizeof(text->fault), "%s: ", place);
	va_start(arguments, format);
	(void)vsnprintf(text->fault + size, sizeof(text->fault) - size, format, arguments);
	va_end(arguments);
	/* What a stranger wrote does not get to a terminal as it is. */
	for (char *c = text->fault; *c != '\0'; c++) {
		if (*c < ' ' || *c == 0x7f) {
			*c = '?';
		}
	}
	return false;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool begin_else(struct txn_text *text)
{
	if (text->list == TXN_ELSES) {
		return txn_text_fail(text, "there is an else already");
	}
	text->list = TXN_ELSES;
	coffer_txn_or_else(text->txn);
	return true;
}

static bool begin_then(struct txn_text *text)
{
	if (text->list != TXN_CONDITIONS) {
		return txn_text_fail(text, "then stands behind conditions, once");
	}
	text->list = TXN_THENS;
	return true;
}

bool txn_text_line(struct txn_text *text, char *bytes, size_t size)
{
	struct cli_word words[CLI_WORDS_MAX];
	const char *why;
	int count;

	text->line++;
	count = cli_words_split(bytes, size, words, &why);
	if (count < 0) {
		return txn_text_fail(text, "%s", why);
	}
	if (count == 0 || words[0].text[0] == '#') {
		return true;
	}
	if (cli_word_is(&words[0], "if")) {
		return text->list == TXN_CONDITIONS
		               ? txn_text_step(text, words + 1, (unsigned)count - 1)
		               : txn_text_fail(text, "conditions stand before all operations");
	}
	if (count == 1 && cli_word_is(&words[0], "then")) {
		return begin_then(text);
	}
	if (count == 1 && cli_word_is(&words[0], "else")) {
		return begin_else(text);
	}
	if (text->list == TXN_CONDITIONS) {
		text->list = TXN_THENS;
	}
	return txn_text_step(text, words, (unsigned)count);
}

bool txn_text_lines(struct txn_text *text, char *lines, size_t size)
{
	size_t start = 0;

	while (start < size) {
		const char *end = memchr(lines + start, '\n', size - start);
		const size_t length = end != NULL ? (size_t)(end - lines) - start : size - start;

		if (!txn_text_line(text, lines + start, length)) {
			return false;
		}
		start += length + 1;
	}
	return true;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Memory of words that are no strings of the JSON itself. */
struct scratch {
	char numbers[CLI_WORDS_MAX][NUMBER_SIZE];
	void *bytes[CLI_WORDS_MAX]; /* owned */
};

static bool read_base64(struct txn_text *text, const json_t *json, void **ret_bytes,
                        struct cli_word *word)
{
	const char *encoded = json_string_value(json_object_get(json, "base64"));
	char *bytes;

	if (encoded == NULL || json_object_size(json) != 1) {
		return txn_text_fail(text, "a word must be a string, a whole number, or "
		                           "{\"base64\": \"...\"}");
	}
	bytes = malloc(BASE64_MAX + 1);
	if (bytes == NULL) {
		return txn_text_fail(text, "no memory");
	}
	*ret_bytes = bytes;
	if (sodium_base642bin((unsigned char *)bytes, BASE64_MAX, encoded, strlen(encoded), NULL,
	                      &word->size, NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
		return txn_text_fail(text, "that is no base 64, or more than %d bytes", BASE64_MAX);
	}
	bytes[word->size] = '\0';
	word->text = bytes;
	return true;
}

static bool read_words(struct txn_text *text, const json_t *array, struct scratch *scratch,
                       struct cli_word words[CLI_WORDS_MAX])
{
	if (!json_is_array(array)) {
		return txn_text_fail(text, "must be an array of words");
	}
	if (json_array_size(array) > CLI_WORDS_MAX) {
		return txn_text_fail(text, "too many words");
	}
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *json = json_array_get(array, i);

		if (json_is_string(json)) {
			words[i].text = json_string_value(json);
			words[i].size = json_string_length(json);
		} else if (json_is_integer(json)) {
			words[i].size = (size_t)snprintf(scratch->numbers[i], NUMBER_SIZE, "%lld",
			                                 (long long)json_integer_value(json));
			words[i].text = scratch->numbers[i];
		} else if (!read_base64(text, json, &scratch->bytes[i], &words[i])) {
			return false;
		}
	}
	return true;
}

static bool read_array(struct txn_text *text, enum txn_list list, const json_t *array)
{
	bool is_good = true;

	if (array == NULL) {
		return true;
	}
	if (list == TXN_ELSES) {
		(void)begin_else(text);
	}
	text->list = list;
	text->line = 0;
	if (!json_is_array(array)) {
		return txn_text_fail(text, "must be an array");
	}
	for (size_t i = 0; is_good && i < json_array_size(array); i++) {
		const json_t *step = json_array_get(array, i);
		struct cli_word words[CLI_WORDS_MAX];
		struct scratch scratch = {0};

		text->line = (unsigned)i + 1;
		is_good = read_words(text, step, &scratch, words) &&
		          txn_text_step(text, words, (unsigned)json_array_size(step));
		for (size_t j = 0; j < CLI_WORDS_MAX; j++) {
			free(scratch.bytes[j]);
		}
	}
	return is_good;
}

bool txn_text_json(struct txn_text *text, const char *json, size_t size)
{
	json_error_t error;
	json_t *object;
	size_t known = 0;
	bool is_good = true;

	text->line = 1;
	object = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (object == NULL) {
		text->line = error.line > 0 ? (unsigned)error.line : 1;
		return txn_text_fail(text, "%s", error.text);
	}
	text->is_json = true;
	for (unsigned i = 0; i < TXN_LISTS; i++) {
		const json_t *array = json_object_get(object, LISTS[i]);

		known += array != NULL;
		is_good = is_good && read_array(text, (enum txn_list)i, array);
	}
	if (is_good && (!json_is_object(object) || json_object_size(object) != known)) {
		text->is_json = false;
		is_good = txn_text_fail(
			text, "must be an object with \"if\", \"then\", \"else\", no more");
	}
	json_decref(object);
	return is_good;
}

/* --- refusals --------------------------------------------------------------------------------- */

bool txn_text_blame(const struct txn_text *text, const struct coffer_result *result,
                    char ret_place[TXN_FAULT_SIZE])
{
	const enum txn_list list = result->is_condition ? TXN_CONDITIONS
	                           : result->is_else    ? TXN_ELSES
	                                                : TXN_THENS;
	char place[PLACE_SIZE];

	ret_place[0] = '\0';
	if (result->op >= text->counts[list]) {
		return true; /* a server that counts otherwise */
	}
	put_place(text, list, text->steps[list][result->op].line, place);
	(void)snprintf(ret_place, TXN_FAULT_SIZE, "%s", place);
	return !text->steps[list][result->op].is_session;
}

bool txn_text_counts(const struct txn_text *text, enum txn_list list)
{
	for (unsigned i = 0; i < text->counts[list]; i++) {
		if (text->steps[list][i].counts) {
			return true;
		}
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store/glob.h"

#include "store/base/check.h"

/*
 * A state is a place in the glob: everything before it was matched. States are bits, one for
 * each byte of the glob and one for its end.
 */
enum {
	WORD_BITS = 64,
	WORDS_MAX = STORE_GLOB_SIZE_MAX / WORD_BITS + 1,
};

struct states {
	uint64_t words[WORDS_MAX];
};

enum store_path_form store_glob_check(struct slice glob)
{
	size_t at = 1;

	if (glob.size > STORE_GLOB_SIZE_MAX) {
		return STORE_PATH_LONG;
	}
	if (glob.size == 0 || glob.data[0] != '/') {
		return STORE_PATH_BAD;
	}
	while (at < glob.size) {
		unsigned size;

		if (glob.data[at] == '/' && glob.data[at - 1] == '/') {
			return STORE_PATH_BAD;
		}
		size = store_path_character(slice_make(glob.data + at, glob.size - at));
		if (size == 0) {
			return STORE_PATH_BAD;
		}
		at += size;
	}
	if (glob.size > 1 && glob.data[glob.size - 1] == '/') {
		return STORE_PATH_BAD;
	}
	return STORE_PATH_GOOD;
}

static bool is_wild(uint8_t byte)
{
	return byte == '*' || byte == '?';
}

size_t store_glob_literal(struct slice glob)
{
	size_t at = 0;

	while (at < glob.size && !is_wild(glob.data[at])) {
		at++;
	}
	must(at <= glob.size);
	return at;
}

static bool is_double(struct slice glob, size_t at)
{
	return at + 1 < glob.size && glob.data[at] == '*' && glob.data[at + 1] == '*';
}

/* Adds a place, and those behind the stars that stand there, since stars match nothing, too. */
static void add(struct states *states, struct slice glob, size_t at)
{
	must(at <= glob.size);
	while (at < glob.size && glob.data[at] == '*') {
		states->words[at / WORD_BITS] |= (uint64_t)1 << (at % WORD_BITS);
		at += is_double(glob, at) ? 2 : 1;
	}
	states->words[at / WORD_BITS] |= (uint64_t)1 << (at % WORD_BITS);
}

/* Where one place goes when `character` is read. */
static void step(struct states *next, struct slice glob, size_t at, struct slice character)
{
	const bool is_separator = character.data[0] == '/';

	if (at == glob.size) {
		return;
	}
	switch (glob.data[at]) {
	case '*':
		if (!is_separator || is_double(glob, at)) {
			add(next, glob, at);
		}
		break;
	case '?':
		if (!is_separator) {
			add(next, glob, at + 1);
		}
		break;
	default:
		if (character.size <= glob.size - at &&
		    memcmp(glob.data + at, character.data, character.size) == 0) {
			add(next, glob, at + character.size);
		}
	}
}

static bool advance(struct states *states, unsigned words, struct slice glob,
                    struct slice character)
{
	struct states next;
	uint64_t any = 0;

	memset(next.words, 0, words * sizeof(next.words[0]));
	for (unsigned i = 0; i < words; i++) {
		uint64_t word = states->words[i];

		for (; word != 0; word &= word - 1) {
			step(&next, glob, i * WORD_BITS + (unsigned)__builtin_ctzll(word),
			     character);
		}
	}
	for (unsigned i = 0; i < words; i++) {
		states->words[i] = next.words[i];
		any |= next.words[i];
	}
	return any != 0;
}

bool store_glob_match(struct slice glob, struct slice path)
{
	const size_t literal = store_glob_literal(glob);
	const unsigned words = (unsigned)(glob.size / WORD_BITS) + 1;
	struct states states;
	size_t at;

	must(glob.size >= 1);
	must(glob.size <= STORE_GLOB_SIZE_MAX);
	if (literal > path.size || memcmp(glob.data, path.data, literal) != 0) {
		return false;
	}
	memset(states.words, 0, words * sizeof(states.words[0]));
	add(&states, glob, literal);
	for (at = literal; at < path.size;) {
		const struct slice rest = slice_make(path.data + at, path.size - at);
		const unsigned size = store_path_character(rest);

		must(size != 0);
		if (!advance(&states, words, glob, slice_make(rest.data, size))) {
			return false;
		}
		at += size;
	}
	return (states.words[glob.size / WORD_BITS] >> (glob.size % WORD_BITS) & 1) != 0;
}

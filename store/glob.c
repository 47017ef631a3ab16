/* SPDX-License-Identifier: Apache-2.0 */
#include "store/glob.h"

#include "store/base/check.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

/*
 * A state is a place in the glob: everything before it was matched. States are bits, one for
 * each byte of the glob and one for its end, and all of a word go on at once. Nothing stands amid a
 * run of stars: two stars or more are one that passes separators, too.
 */
enum {
	WORD_BITS = 64,
	WORDS_MAX = STORE_GLOB_SIZE_MAX / WORD_BITS + 1,
};

struct states {
	uint64_t words[WORDS_MAX];
};

/* A glob in bits. */
struct places {
	struct slice glob;
	unsigned words;
	struct states stars;   /* every star */
	struct states starts;  /* the first star of each run */
	struct states doubles; /* the first star of each run of several */
	struct states marks;   /* question marks */
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

/* A bit for each of the eight bytes of `word` that is zero. */
static uint64_t zero_bytes(uint64_t word)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	const uint64_t zeros = ~(((word & low) + low) | word | low) >> 7;

	return (zeros * UINT64_C(0x0102040810204080)) >> 56;
}

/* A bit for each place in word `i` of the glob where `byte` stands. */
static uint64_t places_of(struct slice glob, unsigned i, uint8_t byte)
{
	const size_t first = (size_t)i * WORD_BITS;
	const size_t size = glob.size - first < WORD_BITS ? glob.size - first : WORD_BITS;
	uint64_t bits = 0;

	must(first <= glob.size);
	for (size_t at = 0; at < size; at += 8) {
		/* Of the bytes that are not there none is equal. */
		uint64_t eight = ~(UINT64_C(0x0101010101010101) * byte);

		memcpy(&eight, glob.data + first + at, size - at < 8 ? size - at : 8);
		eight ^= UINT64_C(0x0101010101010101) * byte;
		bits |= zero_bytes(eight) << at;
	}
	return bits;
}

static void read_glob(struct places *places, struct slice glob)
{
	uint64_t before = 0;

	places->glob = glob;
	places->words = (unsigned)(glob.size / WORD_BITS) + 1;
	for (unsigned i = 0; i < places->words; i++) {
		places->stars.words[i] = places_of(glob, i, '*');
		places->marks.words[i] = places_of(glob, i, '?');
	}
	for (unsigned i = 0; i < places->words; i++) {
		const uint64_t stars = places->stars.words[i];
		const uint64_t behind = i + 1 < places->words ? places->stars.words[i + 1] : 0;

		places->starts.words[i] = stars & ~(stars << 1 | before >> (WORD_BITS - 1));
		places->doubles.words[i] =
			places->starts.words[i] & (stars >> 1 | behind << (WORD_BITS - 1));
		before = stars;
	}
}

/* Adds the places behind the runs that begin where states are, since stars match nothing, too. */
static void pass_stars(struct states *states, const struct places *places)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < places->words; i++) {
		/* Added to the first of a run of ones, a one is carried behind its last. */
		const uint64_t stars = places->stars.words[i];
		const uint64_t begun = states->words[i] & stars;
		const uint64_t once = stars + begun;
		const uint64_t sum = once + carry;

		carry = once < stars || sum < once;
		states->words[i] |= sum & ~stars;
	}
}

/* Where the states that stand before the byte itself are behind it. */
static void pass_byte(struct states *states, const struct places *places, uint8_t byte)
{
	uint64_t carry = 0;

	for (unsigned i = 0; i < places->words; i++) {
		uint64_t passed = states->words[i];

		if (passed != 0) {
			passed &= places_of(places->glob, i, byte) &
			          ~(places->stars.words[i] | places->marks.words[i]);
		}
		states->words[i] = passed << 1 | carry;
		carry = passed >> (WORD_BITS - 1);
	}
}

/* False: nothing is left. */
static bool advance(struct states *states, const struct places *places, struct slice character)
{
	const bool is_separator = character.data[0] == '/';
	const struct states *stay = is_separator ? &places->doubles : &places->starts;
	struct states next;
	uint64_t carry = 0, any = 0;

	for (unsigned i = 0; i < places->words; i++) {
		const uint64_t marks = is_separator ? 0 : states->words[i] & places->marks.words[i];

		next.words[i] = (states->words[i] & stay->words[i]) | marks << 1 | carry;
		carry = marks >> (WORD_BITS - 1);
	}
	for (size_t at = 0; at < character.size; at++) {
		pass_byte(states, places, character.data[at]);
	}
	for (unsigned i = 0; i < places->words; i++) {
		states->words[i] |= next.words[i];
		any |= states->words[i];
	}
	pass_stars(states, places);
	return any != 0;
}

/* How many bytes stand behind the last "?" or "*": every match ends with them. */
static size_t tail_size(struct slice glob)
{
	size_t size = 0;

	while (size < glob.size && !is_wild(glob.data[glob.size - 1 - size])) {
		size++;
	}
	return size;
}

static bool is_stars(struct slice text)
{
	size_t count = 0;

	while (count < text.size && text.data[count] == '*') {
		count++;
	}
	return count == text.size;
}

/*
 * From a place without wildcards before it. Returns where a character stands with which no match
 * begins; path.size: there is none, and *ret_matches tells whether it is one.
 */
static size_t walk_places(struct slice glob, size_t literal, struct slice path, bool *ret_matches)
{
	struct states states = {0};
	struct places places;

	*ret_matches = false;
	read_glob(&places, glob);
	states.words[literal / WORD_BITS] = (uint64_t)1 << (literal % WORD_BITS);
	pass_stars(&states, &places);
	for (size_t at = literal; at < path.size;) {
		const struct slice rest = slice_make(path.data + at, path.size - at);
		const unsigned size = store_path_character(rest);

		must(size != 0);
		if (!advance(&states, &places, slice_make(rest.data, size))) {
			return at;
		}
		at += size;
	}
	*ret_matches = (states.words[glob.size / WORD_BITS] >> (glob.size % WORD_BITS) & 1) != 0;
	return path.size;
}

size_t store_glob_hopeless(struct slice glob, struct slice path)
{
	const size_t literal = store_glob_literal(glob);
	const uint8_t *slash;
	bool matches;
	size_t at;

	if (literal > path.size || memcmp(glob.data, path.data, literal) != 0) {
		return 0;
	}
	at = walk_places(glob, literal, path, &matches);
	slash = at < path.size ? memchr(path.data + at, '/', path.size - at) : NULL;
	return slash == NULL ? 0 : (size_t)(slash - path.data);
}

bool store_glob_match(struct slice glob, struct slice path)
{
	const size_t literal = store_glob_literal(glob);
	struct slice wild, middle;
	bool matches;
	size_t tail;

	must(glob.size >= 1);
	must(glob.size <= STORE_GLOB_SIZE_MAX);
	if (literal > path.size || memcmp(glob.data, path.data, literal) != 0) {
		return false;
	}
	if (literal == glob.size) {
		return path.size == literal;
	}
	tail = tail_size(glob);
	if (tail > path.size - literal ||
	    memcmp(glob.data + glob.size - tail, path.data + path.size - tail, tail) != 0) {
		return false;
	}
	/* Most globs are one run of stars between the two. */
	wild = slice_make(glob.data + literal, glob.size - literal - tail);
	middle = slice_make(path.data + literal, path.size - literal - tail);
	if (is_stars(wild)) {
		return wild.size > 1 || middle.size == 0 ||
		       memchr(middle.data, '/', middle.size) == NULL;
	}
	(void)walk_places(glob, literal, path, &matches);
	return matches;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/change.h"

#include <stdarg.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/digits.h"
#include "store/base/wire.h"

enum option {
	AS_LEARNERS = 1,
	IS_EVEN = 2,
	DEMOTES = 4,
	OPTIONS_ALL = 7,
};

static bool sets_are_good(uint32_t add, uint32_t remove)
{
	return (add & remove) == 0 && (add | remove) != 0 && (add | remove) >> STORE_NODES_MAX == 0;
}

size_t paxos_change_encode(const struct paxos_change *change, void *memory)
{
	struct wire_writer writer = wire_writer_make(memory, PAXOS_CHANGE_SIZE_MAX);

	must(sets_are_good(change->add, change->remove));
	wire_put_u8(&writer,
	            (uint8_t)((change->as_learners ? AS_LEARNERS : 0) |
	                      (change->is_even ? IS_EVEN : 0) | (change->demotes ? DEMOTES : 0)));
	wire_put_u16(&writer, (uint16_t)change->add);
	wire_put_u16(&writer, (uint16_t)change->remove);
	for (unsigned node = 0; paxos_each(change->add, &node); node++) {
		wire_put_u32(&writer, change->addresses[node].ip);
		wire_put_u16(&writer, change->addresses[node].port);
	}
	must(wire_written_ok(&writer));
	return wire_written(&writer).size;
}

bool paxos_change_decode(struct slice bytes, struct paxos_change *ret_change)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct paxos_change change = {0};
	const unsigned options = wire_u8(&reader);

	change.add = wire_u16(&reader);
	change.remove = wire_u16(&reader);
	if (!wire_ok(&reader) || !sets_are_good(change.add, change.remove) ||
	    options > OPTIONS_ALL) {
		return false;
	}
	change.as_learners = (options & AS_LEARNERS) != 0;
	change.is_even = (options & IS_EVEN) != 0;
	change.demotes = (options & DEMOTES) != 0;
	for (unsigned node = 0; paxos_each(change.add, &node); node++) {
		change.addresses[node].ip = wire_u32(&reader);
		change.addresses[node].port = wire_u16(&reader);
	}
	if (!wire_done(&reader)) {
		return false;
	}
	*ret_change = change;
	return true;
}

size_t paxos_told_encode(const struct paxos_told *told, void *memory)
{
	struct wire_writer writer = wire_writer_make(memory, 1 + PAXOS_TOLD_TEXT_MAX);

	wire_put_u8(&writer, (uint8_t)told->verdict);
	wire_put(&writer, slice_make(told->text, strlen(told->text)));
	must(wire_written_ok(&writer));
	return wire_written(&writer).size;
}

bool paxos_told_decode(struct slice bytes, struct paxos_told *ret_told)
{
	struct wire_reader reader = wire_reader_make(bytes);
	const unsigned verdict = wire_u8(&reader);
	const struct slice text = wire_bytes(&reader, wire_left(&reader));

	if (!wire_ok(&reader) || verdict < PAXOS_CHANGE_DONE || verdict > PAXOS_CHANGE_REFUSED ||
	    text.size >= PAXOS_TOLD_TEXT_MAX) {
		return false;
	}
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < ' ' || text.data[i] > '~') {
			return false;
		}
	}
	ret_told->verdict = (enum paxos_verdict)verdict;
	memset(ret_told->text, 0, sizeof(ret_told->text));
	if (text.size != 0) {
		memcpy(ret_told->text, text.data, text.size);
	}
	return true;
}

/* A text that is put together; what does not fit is left out. */
struct text {
	char *bytes;
	size_t size, room;
};

static void put_text(struct text *text, const char *bytes)
{
	for (; *bytes != '\0' && text->size + 1 < text->room; bytes++) {
		text->bytes[text->size++] = *bytes;
	}
	text->bytes[text->size] = '\0';
}

static void put_number(struct text *text, uint64_t number)
{
	char digits[DIGITS_DECIMAL + 1];

	digits[digits_put_decimal(digits, number)] = '\0';
	put_text(text, digits);
}

void paxos_tell(struct paxos_told *told, enum paxos_verdict verdict, const char *format, ...)
{
	struct text text = {.bytes = told->text, .room = sizeof(told->text)};
	va_list arguments;

	told->verdict = verdict;
	told->text[0] = '\0';
	va_start(arguments, format);
	for (; *format != '\0'; format++) {
		const char one[2] = {*format, '\0'};

		if (*format != '%') {
			put_text(&text, one);
			continue;
		}
		switch (*++format) {
		case 'u':
			put_number(&text, va_arg(arguments, unsigned));
			break;
		case 'U':
			put_number(&text, va_arg(arguments, uint64_t));
			break;
		case 's':
			put_text(&text, va_arg(arguments, const char *));
			break;
		default:
			must(false);
		}
	}
	va_end(arguments);
}

const char *paxos_set_text(uint32_t set, char memory[PAXOS_SET_TEXT_MAX])
{
	struct text text = {.bytes = memory, .room = PAXOS_SET_TEXT_MAX};

	if (set == 0) {
		put_text(&text, "none");
	}
	for (unsigned node = 0; paxos_each(set, &node); node++) {
		put_text(&text, text.size == 0 ? "" : " ");
		put_number(&text, node + 1);
	}
	return memory;
}

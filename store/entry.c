/* SPDX-License-Identifier: Apache-2.0 */
#include "store/entry.h"

#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/txn.h"

enum {
	TIME_OFFSET = 2, /* behind kind and flags */
	HEAD_SIZE = 10,
	REQUEST_SIZE = 24, /* session and numbers */
};

static void put_request(struct wire_writer *writer, const struct store_entry *entry)
{
	wire_put_u64(writer, entry->session);
	wire_put_u64(writer, entry->number);
	wire_put_u64(writer, entry->first_unanswered);
}

static void put_address(struct wire_writer *writer, struct store_address address)
{
	wire_put_u32(writer, address.ip);
	wire_put_u16(writer, address.port);
}

static bool are_members(uint32_t configuration, uint32_t voters, uint32_t learners)
{
	const unsigned count = (unsigned)__builtin_popcount(voters);

	return configuration >= 1 && count >= 1 && count <= STORE_VOTERS_MAX &&
	       (voters & learners) == 0 && (voters | learners) >> STORE_NODES_MAX == 0;
}

static void put_members(struct wire_writer *writer, const struct store_entry *entry)
{
	must(are_members(entry->configuration, entry->voters, entry->learners));
	wire_put_u32(writer, entry->configuration);
	wire_put_u16(writer, (uint16_t)entry->voters);
	wire_put_u16(writer, (uint16_t)entry->learners);
	for (uint32_t left = entry->voters | entry->learners; left != 0; left &= left - 1) {
		put_address(writer, entry->addresses[__builtin_ctz(left)]);
	}
}

size_t store_entry_encode(const struct store_entry *entry, void *memory, size_t size)
{
	struct wire_writer writer = wire_writer_make(memory, size);

	wire_put_u8(&writer, (uint8_t)entry->kind);
	wire_put_u8(&writer, 0);
	wire_put_u64(&writer, entry->time_ns);
	switch (entry->kind) {
	case STORE_ENTRY_OP:
		put_request(&writer, entry);
		store_op_put(&writer, &entry->op);
		break;
	case STORE_ENTRY_TXN:
		put_request(&writer, entry);
		must(entry->txn.size <= STORE_TXN_SIZE_MAX);
		wire_put(&writer, entry->txn);
		break;
	case STORE_ENTRY_UNDELAY:
		must(entry->op.path.size <= STORE_PATH_SIZE_MAX);
		wire_put_u16(&writer, (uint16_t)entry->op.path.size);
		wire_put(&writer, entry->op.path);
		break;
	case STORE_ENTRY_OPEN:
		wire_put_u64(&writer, entry->secret);
		wire_put_u32(&writer, entry->ttl_ms);
		break;
	case STORE_ENTRY_CLOSE:
		put_request(&writer, entry);
		break;
	case STORE_ENTRY_EXPIRE:
		must(entry->expired_count <= STORE_EXPIRE_MAX);
		wire_put_u16(&writer, entry->expired_count);
		for (unsigned i = 0; i < entry->expired_count; i++) {
			wire_put_u64(&writer, entry->expired[i]);
		}
		break;
	case STORE_ENTRY_REJOIN:
		must(entry->node < STORE_NODES_MAX);
		wire_put_u8(&writer, entry->node);
		wire_put_u64(&writer, entry->incarnation);
		break;
	case STORE_ENTRY_MEMBERS:
		put_members(&writer, entry);
		break;
	case STORE_ENTRY_LEARNER:
		must(entry->node < STORE_NODES_MAX);
		wire_put_u8(&writer, entry->node);
		wire_put_u8(&writer, entry->is_added ? 1 : 0);
		put_address(&writer, entry->address);
		break;
	default:
		check_failed("the kind of entry is known", __FILE__, __LINE__);
	}
	return wire_written_ok(&writer) ? wire_written(&writer).size : 0;
}

static struct store_address take_address(struct wire_reader *reader)
{
	struct store_address address;

	address.ip = wire_u32(reader);
	address.port = wire_u16(reader);
	return address;
}

/* Sets alone; the addresses are as many as the sets say. */
static bool take_members(struct wire_reader *reader, struct store_entry *entry)
{
	const size_t address_size = sizeof(uint32_t) + sizeof(uint16_t);

	entry->configuration = wire_u32(reader);
	entry->voters = wire_u16(reader);
	entry->learners = wire_u16(reader);
	return wire_ok(reader) &&
	       are_members(entry->configuration, entry->voters, entry->learners) &&
	       wire_left(reader) ==
	               address_size * (unsigned)__builtin_popcount(entry->voters | entry->learners);
}

static bool take_learner(struct wire_reader *reader, struct store_entry *entry)
{
	unsigned added;

	entry->node = wire_u8(reader);
	added = wire_u8(reader);
	entry->is_added = added == 1;
	entry->address = take_address(reader);
	return wire_done(reader) && entry->node < STORE_NODES_MAX && added <= 1;
}

/* What is behind session and numbers. */
static bool take_request(struct wire_reader *reader, struct store_entry *entry)
{
	struct store_txn txn;

	if (entry->kind == STORE_ENTRY_OP) {
		return store_op_take(reader, &entry->op) && wire_done(reader);
	}
	if (entry->kind == STORE_ENTRY_TXN) {
		entry->txn = wire_bytes(reader, wire_left(reader));
		return wire_ok(reader) && store_txn_decode(entry->txn, &txn);
	}
	return wire_done(reader);
}

/* Everything but the lists of EXPIRE and MEMBERS, which come last. */
static bool take_body(struct wire_reader *reader, struct store_entry *entry)
{
	switch (entry->kind) {
	case STORE_ENTRY_OP:
	case STORE_ENTRY_CLOSE:
	case STORE_ENTRY_TXN:
		entry->session = wire_u64(reader);
		entry->number = wire_u64(reader);
		entry->first_unanswered = wire_u64(reader);
		return take_request(reader, entry);
	case STORE_ENTRY_UNDELAY:
		entry->op.path = wire_bytes(reader, wire_u16(reader));
		return wire_done(reader) && entry->op.path.size <= STORE_PATH_SIZE_MAX;
	case STORE_ENTRY_OPEN:
		entry->secret = wire_u64(reader);
		entry->ttl_ms = wire_u32(reader);
		return wire_done(reader);
	case STORE_ENTRY_EXPIRE:
		entry->expired_count = wire_u16(reader);
		return wire_ok(reader) && entry->expired_count <= STORE_EXPIRE_MAX &&
		       wire_left(reader) == entry->expired_count * sizeof(uint64_t);
	case STORE_ENTRY_REJOIN:
		entry->node = wire_u8(reader);
		entry->incarnation = wire_u64(reader);
		return wire_done(reader) && entry->node < STORE_NODES_MAX;
	case STORE_ENTRY_MEMBERS:
		return take_members(reader, entry);
	case STORE_ENTRY_LEARNER:
		return take_learner(reader, entry);
	default:
		return false;
	}
}

static void take_addresses(struct wire_reader *reader, struct store_entry *entry)
{
	const uint32_t all = entry->voters | entry->learners;

	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		entry->addresses[node] =
			(all >> node & 1) != 0 ? take_address(reader) : (struct store_address){0};
	}
}

bool store_entry_decode(struct slice bytes, struct store_entry *ret_entry)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct store_entry entry;

	memset(&entry, 0, STORE_ENTRY_PLAIN);

	entry.kind = (enum store_entry_kind)wire_u8(&reader);
	if (wire_u8(&reader) != 0) {
		return false;
	}
	entry.time_ns = wire_u64(&reader);
	if (!wire_ok(&reader) || !take_body(&reader, &entry)) {
		return false;
	}

	memcpy(ret_entry, &entry, STORE_ENTRY_PLAIN);
	if (entry.kind == STORE_ENTRY_MEMBERS) {
		take_addresses(&reader, ret_entry);
	}
	for (unsigned i = 0; i < entry.expired_count; i++) {
		ret_entry->expired[i] = wire_u64(&reader);
	}
	must(wire_done(&reader));
	return true;
}

struct slice store_entry_path(struct slice bytes)
{
	const size_t at = HEAD_SIZE + REQUEST_SIZE + STORE_OP_PATH;
	struct wire_reader reader;

	if (bytes.size < at || bytes.data[0] != STORE_ENTRY_OP) {
		return slice_make(NULL, 0);
	}
	reader = wire_reader_make(slice_make(bytes.data + at, bytes.size - at));
	return wire_bytes(&reader, wire_u16(&reader));
}

void store_entry_stamp(void *memory, size_t size, uint64_t time_ns)
{
	struct wire_writer writer;

	must(size >= HEAD_SIZE);
	writer = wire_writer_make((uint8_t *)memory + TIME_OFFSET, sizeof(time_ns));
	wire_put_u64(&writer, time_ns);
	must(wire_written_ok(&writer));
}

uint64_t store_entry_time_ns(struct slice bytes)
{
	struct wire_reader reader;

	must(bytes.size >= HEAD_SIZE);
	reader = wire_reader_make(slice_make(bytes.data + TIME_OFFSET, sizeof(uint64_t)));
	return wire_u64(&reader);
}

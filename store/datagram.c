/* SPDX-License-Identifier: Apache-2.0 */
#include "store/datagram.h"

#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/wire.h"

/* Over all bytes, with those of the sum itself taken as zero. */
static uint32_t sum(struct slice bytes)
{
	static const uint8_t zero[STORE_DATAGRAM_CRC_SIZE];
	const size_t rest = STORE_DATAGRAM_CRC + STORE_DATAGRAM_CRC_SIZE;
	uint32_t crc = crc32c(0, slice_make(bytes.data, STORE_DATAGRAM_CRC));

	crc = crc32c(crc, slice_make(zero, STORE_DATAGRAM_CRC_SIZE));
	return crc32c(crc, slice_make(bytes.data + rest, bytes.size - rest));
}

static bool tag_is_zero(struct slice tag)
{
	uint8_t any = 0;

	for (size_t i = 0; i < tag.size; i++) {
		any |= tag.data[i];
	}
	return any == 0;
}

static bool kind_is_known(uint8_t kind)
{
	return kind >= STORE_DATAGRAM_REQUEST && kind <= STORE_DATAGRAM_PEER;
}

enum store_datagram_fault store_datagram_open(struct slice bytes,
                                              struct store_datagram *ret_datagram)
{
	struct wire_reader reader = wire_reader_make(bytes);
	uint32_t magic, crc, size;
	uint8_t version, kind;
	uint16_t flags;
	uint64_t cluster;
	struct slice tag;

	if (bytes.size < STORE_DATAGRAM_HEADER) {
		return STORE_DATAGRAM_SHORT;
	}
	if (bytes.size > STORE_DATAGRAM_SIZE_MAX) {
		return STORE_DATAGRAM_LONG;
	}
	magic = wire_u32(&reader);
	crc = wire_u32(&reader);
	version = wire_u8(&reader);
	kind = wire_u8(&reader);
	flags = wire_u16(&reader);
	size = wire_u32(&reader);
	cluster = wire_u64(&reader);
	tag = wire_bytes(&reader, STORE_DATAGRAM_TAG_SIZE);
	if (magic != STORE_DATAGRAM_MAGIC) {
		return STORE_DATAGRAM_BAD_MAGIC;
	}
	if (size != bytes.size) {
		return STORE_DATAGRAM_SHORT;
	}
	if (crc != sum(bytes)) {
		return STORE_DATAGRAM_BAD_CRC;
	}
	if (version == STORE_DATAGRAM_VERSION && !kind_is_known(kind)) {
		return STORE_DATAGRAM_BAD_KIND;
	}
	*ret_datagram = (struct store_datagram){
		.version = version,
		.kind = (enum store_datagram_kind)kind,
		.flags = flags,
		.cluster = cluster,
		.rights = STORE_MAY_ALL,
		.body = slice_make(reader.next, wire_left(&reader)),
	};
	if (version != STORE_DATAGRAM_VERSION) {
		return STORE_DATAGRAM_BAD_VERSION;
	}
	return tag_is_zero(tag) ? STORE_DATAGRAM_GOOD : STORE_DATAGRAM_BAD_TAG;
}

/* The field of the sum is zero as yet. */
static void put_sum(uint8_t *memory, size_t size)
{
	const uint32_t crc = crc32c(0, slice_make(memory, size));
	struct wire_writer writer =
		wire_writer_make(memory + STORE_DATAGRAM_CRC, STORE_DATAGRAM_CRC_SIZE);

	wire_put_u32(&writer, crc);
}

size_t store_datagram_close(void *memory, size_t body_size, enum store_datagram_kind kind,
                            uint16_t flags, uint64_t cluster)
{
	static const uint8_t tag[STORE_DATAGRAM_TAG_SIZE];
	const size_t size = STORE_DATAGRAM_HEADER + body_size;
	struct wire_writer writer = wire_writer_make(memory, STORE_DATAGRAM_HEADER);

	must(body_size <= STORE_DATAGRAM_SIZE_MAX - STORE_DATAGRAM_HEADER);
	must(kind_is_known((uint8_t)kind));
	wire_put_u32(&writer, STORE_DATAGRAM_MAGIC);
	wire_put_u32(&writer, 0);
	wire_put_u8(&writer, STORE_DATAGRAM_VERSION);
	wire_put_u8(&writer, (uint8_t)kind);
	wire_put_u16(&writer, flags);
	wire_put_u32(&writer, (uint32_t)size);
	wire_put_u64(&writer, cluster);
	wire_put(&writer, slice_make(tag, STORE_DATAGRAM_TAG_SIZE));
	must(wire_written_ok(&writer));

	put_sum(memory, size);
	return size;
}

void store_datagram_tag(void *memory, size_t size, const uint8_t tag[STORE_DATAGRAM_TAG_SIZE])
{
	uint8_t *bytes = memory;

	must(size >= STORE_DATAGRAM_HEADER);
	memcpy(bytes + STORE_DATAGRAM_TAG, tag, STORE_DATAGRAM_TAG_SIZE);
	memset(bytes + STORE_DATAGRAM_CRC, 0, STORE_DATAGRAM_CRC_SIZE);
	put_sum(bytes, size);
}

const char *store_datagram_fault_text(enum store_datagram_fault fault)
{
	static const char *const texts[STORE_DATAGRAM_FAULT_COUNT] = {
		[STORE_DATAGRAM_GOOD] = "good",
		[STORE_DATAGRAM_SHORT] = "short",
		[STORE_DATAGRAM_LONG] = "long",
		[STORE_DATAGRAM_BAD_MAGIC] = "bad_magic",
		[STORE_DATAGRAM_BAD_CRC] = "bad_crc",
		[STORE_DATAGRAM_BAD_VERSION] = "bad_version",
		[STORE_DATAGRAM_BAD_KIND] = "bad_kind",
		[STORE_DATAGRAM_BAD_TAG] = "bad_tag",
	};

	if ((unsigned)fault >= STORE_DATAGRAM_FAULT_COUNT) {
		return "unknown_fault";
	}
	return texts[fault];
}

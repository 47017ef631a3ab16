/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * datagram.h - what every Coffer datagram begins with
 *
 *      0  magic    u32   'CFR1'
 *      4  crc      u32   CRC-32C over the whole datagram with this field zero
 *      8  version  u8
 *      9  kind     u8    enum store_datagram_kind
 *     10  flags    u16   by kind
 *     12  size     u32   of the whole datagram
 *     16  cluster  u64   0 in a request: "whichever this is"
 *     24  tag      16    of a request: who may ask, see rights.h; else zero
 *     40  body
 *
 * UDP's own sum cannot be trusted on virtual links; the CRC covers every byte. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/limits.h"

enum {
	STORE_DATAGRAM_MAGIC = 0x31524643, /* "CFR1" */
	STORE_DATAGRAM_VERSION = 1,
	STORE_DATAGRAM_HEADER = 40,
	STORE_DATAGRAM_CRC = 4, /* where it stands */
	STORE_DATAGRAM_CRC_SIZE = 4,
	STORE_DATAGRAM_KIND = 9, /* where it stands */
	STORE_DATAGRAM_TAG = 24,
	STORE_DATAGRAM_TAG_SIZE = 16,
};

enum store_datagram_kind {
	STORE_DATAGRAM_REQUEST = 1, /* client to server; store/proto.h */
	STORE_DATAGRAM_ANSWER = 2,  /* server to client; store/proto.h */
	STORE_DATAGRAM_PEER = 3,    /* server to server; consensus/msg.h */
};

/* Why a datagram was not taken; each has a counter. */
enum store_datagram_fault {
	STORE_DATAGRAM_GOOD = 0,
	STORE_DATAGRAM_SHORT, /* less than a header, or not the size it names */
	STORE_DATAGRAM_LONG,  /* over STORE_DATAGRAM_SIZE_MAX */
	STORE_DATAGRAM_BAD_MAGIC,
	STORE_DATAGRAM_BAD_CRC,
	STORE_DATAGRAM_BAD_VERSION, /* header is good and filled in: a typed refusal is possible */
	STORE_DATAGRAM_BAD_KIND,
	STORE_DATAGRAM_BAD_TAG, /* a tag that is not zero; all else is good and filled in */
	STORE_DATAGRAM_FAULT_COUNT
};

/* What a request may do. */
enum {
	STORE_MAY_READ = 1,
	STORE_MAY_WRITE = 2,
	STORE_MAY_ALL = STORE_MAY_READ | STORE_MAY_WRITE,
};

struct store_datagram {
	uint8_t version;
	enum store_datagram_kind kind;
	uint16_t flags;
	uint64_t cluster;
	unsigned rights;   /* STORE_MAY_ bits: all, unless store_rights_open() knows better */
	struct slice body; /* borrows from the bytes that were opened */
};

/* Checks and opens. ret_datagram is written when GOOD, BAD_VERSION or BAD_TAG. */
enum store_datagram_fault store_datagram_open(struct slice bytes,
                                              struct store_datagram *ret_datagram);

/*
 * Closes a datagram whose body was already written behind the header: fills in the header and
 * the CRC. `memory` holds STORE_DATAGRAM_HEADER + body_size bytes. Returns the whole size.
 */
size_t store_datagram_close(void *memory, size_t body_size, enum store_datagram_kind kind,
                            uint16_t flags, uint64_t cluster);

/* Puts a tag on a closed datagram of `size` bytes, and the sum anew. */
void store_datagram_tag(void *memory, size_t size, const uint8_t tag[STORE_DATAGRAM_TAG_SIZE]);

const char *store_datagram_fault_text(enum store_datagram_fault fault);

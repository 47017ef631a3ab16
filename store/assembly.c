/* SPDX-License-Identifier: Apache-2.0 */
#include "store/assembly.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"

struct place {
	uint64_t who, number, version;
	uint64_t heard_ns;  /* when the last new segment came */
	uint16_t segments;  /* 0: the place is free */
	uint16_t last_size; /* of the last segment's piece; 0 = not here yet */
	uint32_t missing;
	uint8_t *memory; /* PROTO_MESSAGE_SIZE_MAX bytes, owned by the assembly */
};

struct assembly {
	unsigned count;
	uint8_t *memory; /* owns: of all places */
	struct place places[];
};

int assembly_new(struct assembly **ret_assembly, unsigned places)
{
	struct assembly *assembly;

	must(places >= 1);
	assembly = calloc(1, sizeof(*assembly) + places * sizeof(struct place));
	if (assembly == NULL) {
		return -ENOMEM;
	}
	assembly->memory = malloc((size_t)places * PROTO_MESSAGE_SIZE_MAX);
	if (assembly->memory == NULL) {
		free(assembly);
		return -ENOMEM;
	}
	assembly->count = places;
	for (unsigned i = 0; i < places; i++) {
		assembly->places[i].memory = assembly->memory + (size_t)i * PROTO_MESSAGE_SIZE_MAX;
	}
	*ret_assembly = assembly;
	return 0;
}

uint64_t assembly_bytes(const struct assembly *assembly)
{
	return sizeof(*assembly) +
	       assembly->count * ((uint64_t)sizeof(struct place) + PROTO_MESSAGE_SIZE_MAX);
}

void assembly_free(struct assembly *assembly)
{
	if (assembly != NULL) {
		free(assembly->memory);
		free(assembly);
	}
}

static struct place *find(struct assembly *assembly, uint64_t who, uint64_t number)
{
	for (unsigned i = 0; i < assembly->count; i++) {
		struct place *place = &assembly->places[i];

		if (place->segments != 0 && place->number == number && place->who == who) {
			return place;
		}
	}
	return NULL;
}

/* A free place, else the one that was silent for longest; the first of equals. */
static struct place *take_over(struct assembly *assembly)
{
	struct place *oldest = &assembly->places[0];

	for (unsigned i = 0; i < assembly->count; i++) {
		struct place *place = &assembly->places[i];

		if (place->segments == 0) {
			return place;
		}
		if (place->heard_ns < oldest->heard_ns) {
			oldest = place;
		}
	}
	return oldest;
}

static void begin(struct place *place, uint64_t who, const struct proto_head *head)
{
	place->who = who;
	place->number = head->number;
	place->version = head->version;
	place->segments = head->segments;
	place->last_size = 0;
	place->missing = proto_segment_bits(head->segments);
}

/* True if the piece has the size that its place in the message demands. */
static bool fits(const struct proto_head *head, struct slice piece)
{
	if (head->segments == 0 || head->segments > PROTO_SEGMENTS_MAX ||
	    head->segment >= head->segments) {
		return false;
	}
	if (head->segment + 1u < head->segments) {
		return piece.size == PROTO_PIECE_SIZE;
	}
	return piece.size >= 1 && piece.size <= PROTO_PIECE_SIZE &&
	       (size_t)head->segment * PROTO_PIECE_SIZE + piece.size <= PROTO_MESSAGE_SIZE_MAX;
}

enum assembly_result assembly_add(struct assembly *assembly, uint64_t now_ns, uint64_t who,
                                  const struct proto_head *head, struct slice piece,
                                  struct slice *ret_message, uint32_t *ret_missing)
{
	struct place *place;

	if (!fits(head, piece)) {
		return ASSEMBLY_BAD;
	}
	if (head->segments == 1) {
		*ret_message = piece;
		return ASSEMBLY_WHOLE;
	}
	place = find(assembly, who, head->number);
	if (place == NULL) {
		place = take_over(assembly);
		begin(place, who, head);
	} else if (place->version != head->version) {
		begin(place, who, head);
	} else if (place->segments != head->segments) {
		place->segments = 0;
		return ASSEMBLY_BAD;
	}
	if ((place->missing >> head->segment & 1) != 0) {
		memcpy(place->memory + (size_t)head->segment * PROTO_PIECE_SIZE, piece.data,
		       piece.size);
		place->missing &= ~((uint32_t)1 << head->segment);
		place->heard_ns = now_ns;
		if (head->segment + 1u == head->segments) {
			place->last_size = (uint16_t)piece.size;
		}
	} else if (head->segment + 1u == head->segments && piece.size != place->last_size) {
		place->segments = 0;
		return ASSEMBLY_BAD;
	}
	if (place->missing != 0) {
		*ret_missing = place->missing;
		return ASSEMBLY_PARTIAL;
	}
	must(place->last_size != 0);
	*ret_message = slice_make(place->memory, (size_t)(place->segments - 1) * PROTO_PIECE_SIZE +
	                                                 place->last_size);
	place->segments = 0;
	return ASSEMBLY_WHOLE;
}

void assembly_forget(struct assembly *assembly, uint64_t who, uint64_t number)
{
	struct place *place = find(assembly, who, number);

	if (place != NULL) {
		place->segments = 0;
	}
}

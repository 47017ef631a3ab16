/* SPDX-License-Identifier: Apache-2.0 */
#include "store/proto.h"

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/hash.h"
#include "store/base/wire.h"

enum {
	FLAG_HAS_MORE = 1,
	FLAG_IS_DIRECTORY = 2,
	FLAGS_RESULT = 2, /* bits by which those of a result are shifted */
	FLAGS_ALL = FLAG_HAS_MORE | FLAG_IS_DIRECTORY |
	            (STORE_RESULT_ELSE | STORE_RESULT_QUEUED | STORE_RESULT_IF) << FLAGS_RESULT,
	OFFSET_FIRST_UNANSWERED = 8,                  /* in a request's message */
	ITEM_SIZE_MAX = 11 + STORE_PATH_SIZE_MAX + 1, /* of a page of names */
};

/* --- requests ----------------------------------------------------------------------------- */

static bool has_path(enum proto_verb verb)
{
	return verb == PROTO_SET || verb == PROTO_DELETE || verb == PROTO_GET ||
	       verb == PROTO_STAT || verb == PROTO_LIST || verb == PROTO_WALK ||
	       verb == PROTO_WATCH;
}

static bool has_condition(enum proto_verb verb)
{
	return verb == PROTO_SET || verb == PROTO_DELETE;
}

static bool has_page(enum proto_verb verb)
{
	return verb == PROTO_LIST || verb == PROTO_WALK;
}

/* What is read at a revision: the present one, or a former. */
static bool has_revision(enum proto_verb verb)
{
	return verb == PROTO_GET || verb == PROTO_STAT || has_page(verb) || verb == PROTO_WATCH ||
	       verb == PROTO_SESSIONS || verb == PROTO_OWNED;
}

static bool verb_is_known(unsigned verb)
{
	return verb >= PROTO_OPEN && verb <= PROTO_VERB_MAX;
}

/* The same request with zero in all that its verb does not use. */
static struct proto_request plain(const struct proto_request *request)
{
	const enum proto_verb verb = request->verb;
	struct proto_request out = {.verb = verb, .seen = request->seen};

	if (proto_is_write(verb)) {
		out.first_unanswered = request->first_unanswered;
	}
	if (has_condition(verb)) {
		out.condition = request->condition;
		out.rev = request->rev;
	}
	if (has_revision(verb)) {
		out.rev = request->rev;
	}
	if (verb == PROTO_OPEN) {
		out.ttl_ms = request->ttl_ms;
	}
	if (verb == PROTO_WATCH) {
		out.last = request->last;
		out.ttl_ms = request->ttl_ms;
		out.limit = request->limit;
	}
	if (verb == PROTO_SESSIONS || verb == PROTO_OWNED) {
		out.limit = request->limit;
	}
	if (verb == PROTO_OWNED) {
		out.after = request->after;
	}
	if (has_page(verb)) {
		out.offset = request->offset;
		out.limit = request->limit;
		out.after = request->after;
	}
	if (has_path(verb)) {
		out.path = request->path;
	}
	if (verb == PROTO_SET || verb == PROTO_TXN) {
		out.value = request->value;
	}
	return out;
}

size_t proto_request_encode(const struct proto_request *request, void *memory, size_t size)
{
	const struct proto_request out = plain(request);
	struct wire_writer writer = wire_writer_make(
		memory, size < PROTO_MESSAGE_SIZE_MAX ? size : PROTO_MESSAGE_SIZE_MAX);

	must(verb_is_known(out.verb));
	must(out.seen >= 0);
	must(out.last >= 0);
	must(out.rev >= (has_condition(out.verb) ? STORE_REV_ANY : 0));
	if (has_condition(out.verb)) {
		must(out.condition == STORE_IF_EQUAL || out.condition == STORE_IF_AT_MOST);
	}
	if (out.path.size > UINT16_MAX || out.after.size > UINT16_MAX ||
	    out.value.size > PROTO_MESSAGE_SIZE_MAX) {
		return 0;
	}
	wire_put_u8(&writer, (uint8_t)out.verb);
	wire_put_u8(&writer, (uint8_t)out.condition);
	wire_put_u16(&writer, out.limit);
	wire_put_u32(&writer, has_page(out.verb) ? out.offset : out.ttl_ms);
	wire_put_u64(&writer, out.verb == PROTO_WATCH ? (uint64_t)out.last : out.first_unanswered);
	wire_put_u64(&writer, (uint64_t)out.seen);
	wire_put_u64(&writer, (uint64_t)out.rev);
	wire_put_u16(&writer, (uint16_t)out.path.size);
	wire_put(&writer, out.path);
	wire_put_u16(&writer, (uint16_t)out.after.size);
	wire_put(&writer, out.after);
	wire_put_u32(&writer, (uint32_t)out.value.size);
	wire_put(&writer, out.value);
	return wire_written_ok(&writer) ? wire_written(&writer).size : 0;
}

/* True if nothing is set that the verb does not use, and what it uses is within its range. */
static bool request_is_plain(const struct proto_request *request)
{
	const struct proto_request out = plain(request);

	if (request->seen < 0 || request->last < 0 ||
	    request->rev < (has_condition(request->verb) ? STORE_REV_ANY : 0)) {
		return false;
	}
	if (has_condition(request->verb) && request->condition != STORE_IF_EQUAL &&
	    request->condition != STORE_IF_AT_MOST) {
		return false;
	}
	return out.first_unanswered == request->first_unanswered &&
	       out.condition == request->condition && out.rev == request->rev &&
	       out.ttl_ms == request->ttl_ms && out.limit == request->limit &&
	       out.path.size == request->path.size && out.after.size == request->after.size &&
	       out.value.size == request->value.size;
}

bool proto_request_decode(struct slice message, struct proto_request *ret_request,
                          bool *ret_bad_verb)
{
	struct wire_reader reader = wire_reader_make(message);
	struct proto_request request = {0};
	uint8_t verb;

	*ret_bad_verb = false;
	if (message.size < PROTO_REQUEST_OVERHEAD || message.size > PROTO_MESSAGE_SIZE_MAX) {
		return false;
	}
	verb = wire_u8(&reader);
	if (!verb_is_known(verb)) {
		*ret_bad_verb = true;
		return false;
	}
	request.verb = (enum proto_verb)verb;
	request.condition = (enum store_condition)wire_u8(&reader);
	request.limit = wire_u16(&reader);
	*(has_page(request.verb) ? &request.offset : &request.ttl_ms) = wire_u32(&reader);
	if (request.verb == PROTO_WATCH) {
		request.last = (store_rev_t)wire_u64(&reader);
	} else {
		request.first_unanswered = wire_u64(&reader);
	}
	request.seen = (store_rev_t)wire_u64(&reader);
	request.rev = (store_rev_t)wire_u64(&reader);
	request.path = wire_bytes(&reader, wire_u16(&reader));
	request.after = wire_bytes(&reader, wire_u16(&reader));
	request.value = wire_bytes(&reader, wire_u32(&reader));
	if (!wire_done(&reader) || !request_is_plain(&request)) {
		return false;
	}
	*ret_request = request;
	return true;
}

void proto_request_stamp(void *memory, size_t size, uint64_t first_unanswered, store_rev_t seen)
{
	struct wire_writer writer;

	must(size >= PROTO_REQUEST_OVERHEAD);
	must(seen >= 0);
	writer = wire_writer_make((uint8_t *)memory + OFFSET_FIRST_UNANSWERED, 16);
	wire_put_u64(&writer, first_unanswered);
	wire_put_u64(&writer, (uint64_t)seen);
}

/* --- answers ------------------------------------------------------------------------------ */

/* What both sides hold true of an answer. */
static bool answer_makes_sense(const struct proto_answer *answer)
{
	if ((unsigned)answer->answer >= STORE_ANSWER_COUNT || answer->verb > PROTO_VERB_MAX) {
		return false;
	}
	if (answer->verb == PROTO_NONE && answer->answer == STORE_OK) {
		return false;
	}
	return answer->node <= STORE_NODES_MAX && answer->leader <= STORE_NODES_MAX &&
	       answer->revision >= 0 && answer->store_revision >= 0 && answer->from >= 0 &&
	       answer->first >= 0;
}

size_t proto_answer_encode(const struct proto_answer *answer, void *memory, size_t size)
{
	const unsigned flags = (answer->has_more ? FLAG_HAS_MORE : 0u) |
	                       (answer->is_directory ? FLAG_IS_DIRECTORY : 0u) |
	                       (unsigned)answer->result << FLAGS_RESULT;
	struct wire_writer writer = wire_writer_make(
		memory, size < PROTO_MESSAGE_SIZE_MAX ? size : PROTO_MESSAGE_SIZE_MAX);

	const bool is_watch = answer->verb == PROTO_WATCH;

	must(answer_makes_sense(answer));
	if (answer->value.size > PROTO_VALUE_SIZE_MAX) {
		return 0;
	}
	wire_put_u8(&writer, (uint8_t)answer->verb);
	wire_put_u8(&writer, (uint8_t)answer->answer);
	wire_put_u8(&writer, answer->node);
	wire_put_u8(&writer, answer->leader);
	wire_put_u8(&writer, answer->role);
	wire_put_u8(&writer, answer->durability);
	wire_put_u16(&writer, (uint16_t)flags);
	wire_put_u64(&writer, (uint64_t)answer->revision);
	wire_put_u64(&writer, (uint64_t)answer->store_revision);
	if (answer->verb == PROTO_TXN) {
		wire_put_u64(&writer, (uint64_t)answer->number);
		wire_put_u64(&writer, (uint64_t)answer->first);
	} else {
		wire_put_u64(&writer, is_watch ? (uint64_t)answer->from : answer->session);
		wire_put_u32(&writer, answer->ttl_ms);
		wire_put_u32(&writer, is_watch ? answer->age_ms : answer->children);
	}
	wire_put_u32(&writer, answer->count);
	wire_put_u32(&writer, (uint32_t)answer->value.size);
	wire_put(&writer, answer->value);
	return wire_written_ok(&writer) ? wire_written(&writer).size : 0;
}

/* The sixteen bytes whose meaning the verb tells. */
static void take_by_verb(struct wire_reader *reader, struct proto_answer *answer)
{
	if (answer->verb == PROTO_TXN) {
		answer->number = (int64_t)wire_u64(reader);
		answer->first = (store_rev_t)wire_u64(reader);
		return;
	}
	if (answer->verb == PROTO_WATCH) {
		answer->from = (store_rev_t)wire_u64(reader);
	} else {
		answer->session = wire_u64(reader);
	}
	answer->ttl_ms = wire_u32(reader);
	*(answer->verb == PROTO_WATCH ? &answer->age_ms : &answer->children) = wire_u32(reader);
}

bool proto_answer_decode(struct slice message, struct proto_answer *ret_answer)
{
	struct wire_reader reader = wire_reader_make(message);
	struct proto_answer answer = {0};
	uint16_t flags;

	if (message.size < PROTO_ANSWER_OVERHEAD || message.size > PROTO_MESSAGE_SIZE_MAX) {
		return false;
	}
	answer.verb = (enum proto_verb)wire_u8(&reader);
	answer.answer = (enum store_answer)wire_u8(&reader);
	answer.node = wire_u8(&reader);
	answer.leader = wire_u8(&reader);
	answer.role = wire_u8(&reader);
	answer.durability = wire_u8(&reader);
	flags = wire_u16(&reader);
	answer.has_more = (flags & FLAG_HAS_MORE) != 0;
	answer.is_directory = (flags & FLAG_IS_DIRECTORY) != 0;
	answer.revision = (store_rev_t)wire_u64(&reader);
	answer.store_revision = (store_rev_t)wire_u64(&reader);
	answer.result = (uint8_t)(flags >> FLAGS_RESULT);
	take_by_verb(&reader, &answer);
	answer.count = wire_u32(&reader);
	answer.value = wire_bytes(&reader, wire_u32(&reader));
	if (!wire_done(&reader) || flags > FLAGS_ALL || !answer_makes_sense(&answer)) {
		return false;
	}
	*ret_answer = answer;
	return true;
}

uint64_t proto_answer_version(const struct proto_answer *answer)
{
	if (answer->verb == PROTO_WATCH) {
		return hash_pair((uint64_t)answer->from, (uint64_t)answer->revision);
	}
	if (answer->has_more && has_page(answer->verb)) {
		/* Such a page may end elsewhere the next time; its last item says where. */
		const size_t size = answer->value.size;
		const size_t tail = size < ITEM_SIZE_MAX ? size : ITEM_SIZE_MAX;
		const uint32_t crc = crc32c(0, slice_make(answer->value.data + size - tail, tail));

		return hash_pair((uint64_t)answer->store_revision, (uint64_t)size << 32 | crc);
	}
	return (uint64_t)(answer->verb == PROTO_GET ? answer->revision : answer->store_revision);
}

/* --- segments ----------------------------------------------------------------------------- */

unsigned proto_segments(size_t message_size)
{
	must(message_size >= 1 && message_size <= PROTO_MESSAGE_SIZE_MAX);
	return (unsigned)((message_size + PROTO_PIECE_SIZE - 1) / PROTO_PIECE_SIZE);
}

struct proto_head proto_answer_head(const struct proto_head *asked, uint32_t configuration,
                                    uint64_t version, size_t message_size)
{
	return (struct proto_head){
		.configuration = configuration,
		.session = asked->session,
		.number = asked->number,
		.version = version,
		.segments = (uint16_t)proto_segments(message_size),
	};
}

bool proto_is_wanted(const struct proto_head *asked, uint64_t version, unsigned segment)
{
	return asked->missing == 0 || asked->version != version ||
	       (asked->missing >> segment & 1) != 0;
}

static void put_head(struct wire_writer *writer, const struct proto_head *head)
{
	wire_put_u32(writer, head->configuration);
	wire_put_u32(writer, head->missing);
	wire_put_u64(writer, head->session);
	wire_put_u64(writer, head->secret);
	wire_put_u64(writer, head->number);
	wire_put_u64(writer, head->version);
	wire_put_u16(writer, head->segment);
	wire_put_u16(writer, head->segments);
}

size_t proto_segment_encode(const struct proto_head *head, enum store_datagram_kind kind,
                            uint16_t flags, uint64_t cluster, struct slice message, void *memory)
{
	const size_t offset = (size_t)head->segment * PROTO_PIECE_SIZE;
	struct wire_writer writer =
		wire_writer_make((uint8_t *)memory + STORE_DATAGRAM_HEADER,
	                         STORE_DATAGRAM_SIZE_MAX - STORE_DATAGRAM_HEADER);
	size_t size;

	must(kind == STORE_DATAGRAM_REQUEST || kind == STORE_DATAGRAM_ANSWER);
	must(head->segments == proto_segments(message.size));
	must(head->segment < head->segments);
	if (kind == STORE_DATAGRAM_ANSWER) {
		must(head->secret == 0);
	}
	size = message.size - offset;
	put_head(&writer, head);
	wire_put(&writer, slice_make(message.data + offset,
	                             size < PROTO_PIECE_SIZE ? size : PROTO_PIECE_SIZE));
	must(wire_written_ok(&writer));
	return store_datagram_close(memory, wire_written(&writer).size, kind, flags, cluster);
}

size_t proto_repair_encode(const struct proto_head *head, uint32_t missing, uint64_t cluster,
                           void *memory)
{
	const struct proto_head note = {
		.configuration = head->configuration,
		.session = head->session,
		.number = head->number,
		.missing = missing,
	};
	struct wire_writer writer =
		wire_writer_make((uint8_t *)memory + STORE_DATAGRAM_HEADER, PROTO_HEAD_SIZE);

	must(missing != 0);
	put_head(&writer, &note);
	must(wire_written_ok(&writer));
	return store_datagram_close(memory, PROTO_HEAD_SIZE, STORE_DATAGRAM_ANSWER, 0, cluster);
}

static bool piece_makes_sense(const struct proto_head *head, struct slice piece)
{
	if (head->segments > PROTO_SEGMENTS_MAX || head->segment >= head->segments) {
		return false;
	}
	if (head->segment + 1u < head->segments) {
		return piece.size == PROTO_PIECE_SIZE;
	}
	return piece.size >= 1 && piece.size <= PROTO_PIECE_SIZE &&
	       (size_t)head->segment * PROTO_PIECE_SIZE + piece.size <= PROTO_MESSAGE_SIZE_MAX;
}

bool proto_segment_decode(const struct store_datagram *datagram, struct proto_head *ret_head,
                          struct slice *ret_piece)
{
	const bool is_answer = datagram->kind == STORE_DATAGRAM_ANSWER;
	const unsigned flags_known = is_answer ? 0u : PROTO_FLAG_STALE | PROTO_FLAG_ORDERED;
	struct wire_reader reader = wire_reader_make(datagram->body);
	struct proto_head head = {0};
	struct slice piece;

	if (!is_answer && datagram->kind != STORE_DATAGRAM_REQUEST) {
		return false;
	}
	head.configuration = wire_u32(&reader);
	head.missing = wire_u32(&reader);
	head.session = wire_u64(&reader);
	head.secret = wire_u64(&reader);
	head.number = wire_u64(&reader);
	head.version = wire_u64(&reader);
	head.segment = wire_u16(&reader);
	head.segments = wire_u16(&reader);
	piece = slice_make(reader.next, wire_left(&reader));
	if (!wire_ok(&reader) || (datagram->flags & ~flags_known) != 0) {
		return false;
	}
	if (is_answer && head.secret != 0) {
		return false;
	}
	if (is_answer && head.segments == 0) {
		if (head.missing == 0 || head.segment != 0 || head.version != 0 ||
		    piece.size != 0) {
			return false;
		}
	} else if (!piece_makes_sense(&head, piece)) {
		return false;
	}
	*ret_head = head;
	*ret_piece = piece;
	return true;
}

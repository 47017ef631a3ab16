/* SPDX-License-Identifier: Apache-2.0 */
#include "store/proto_page.h"

#include "store/base/check.h"
#include "store/base/wire.h"

enum {
	ENTRY_OVERHEAD = 11, /* revision, kind, size of the name */
	KIND_FILE = 0,
	KIND_DIRECTORY = 1,
	KIND_MARK = 2,
};

/* Any item of a page of names: an entry, or a mark. */
struct item {
	uint64_t number; /* revision, or what is left of an offset */
	uint8_t kind;
	struct slice name;
};

static size_t put_item(void *memory, size_t size, size_t size_max, const struct item *item)
{
	struct wire_writer writer;

	must(size <= size_max);
	must(item->name.size >= 1 && item->name.size <= UINT16_MAX);
	if (size_max - size < ENTRY_OVERHEAD + item->name.size) {
		return 0;
	}
	writer = wire_writer_make((uint8_t *)memory + size, size_max - size);
	wire_put_u64(&writer, item->number);
	wire_put_u8(&writer, item->kind);
	wire_put_u16(&writer, (uint16_t)item->name.size);
	wire_put(&writer, item->name);
	must(wire_written_ok(&writer));
	return size + wire_written(&writer).size;
}

/* False: it makes no sense. */
static bool take_item(struct slice *page, struct item *ret_item)
{
	struct wire_reader reader = wire_reader_make(*page);

	ret_item->number = wire_u64(&reader);
	ret_item->kind = wire_u8(&reader);
	ret_item->name = wire_bytes(&reader, wire_u16(&reader));
	*page = slice_make(reader.next, wire_left(&reader));
	if (!wire_ok(&reader) || ret_item->name.size == 0) {
		return false;
	}
	if (ret_item->kind == KIND_MARK) {
		return ret_item->number <= UINT32_MAX && page->size == 0;
	}
	return ret_item->kind <= KIND_DIRECTORY && ret_item->number <= INT64_MAX;
}

size_t proto_page_put(void *memory, size_t size, size_t size_max,
                      const struct proto_page_entry *entry)
{
	const struct item item = {
		.number = (uint64_t)entry->revision,
		.kind = entry->is_directory ? KIND_DIRECTORY : KIND_FILE,
		.name = entry->name,
	};

	must(entry->revision >= 0);
	return put_item(memory, size, size_max, &item);
}

size_t proto_page_put_mark(void *memory, size_t size, size_t size_max,
                           const struct proto_page_mark *mark)
{
	const struct item item = {.number = mark->offset, .kind = KIND_MARK, .name = mark->after};

	return put_item(memory, size, size_max, &item);
}

bool proto_page_next(struct slice *page, struct proto_page_entry *ret_entry, bool *bad)
{
	struct slice rest = *page;
	struct item item;

	if (rest.size == 0) {
		return false;
	}
	if (!take_item(&rest, &item)) {
		*bad = true;
		return false;
	}
	if (item.kind == KIND_MARK) {
		return false;
	}
	*ret_entry = (struct proto_page_entry){
		.revision = (store_rev_t)item.number,
		.is_directory = item.kind == KIND_DIRECTORY,
		.name = item.name,
	};
	*page = rest;
	return true;
}

bool proto_page_rest(struct slice page, struct proto_page_mark *ret_mark)
{
	struct item item;

	if (page.size == 0) {
		return false;
	}
	do {
		if (!take_item(&page, &item)) {
			return false;
		}
	} while (page.size != 0);
	*ret_mark = (struct proto_page_mark){
		.after = item.name,
		.offset = item.kind == KIND_MARK ? (uint32_t)item.number : 0,
	};
	return true;
}

size_t proto_event_put(void *memory, size_t size, size_t size_max, const struct proto_event *event)
{
	struct wire_writer writer;

	must(size <= size_max);
	must(event->path.size >= 1 && event->path.size <= UINT16_MAX);
	must(event->revision > event->previous && event->previous >= 0);
	must(event->kind == STORE_EVENT_SET || event->value.size == 0);
	if (size_max - size < PROTO_EVENT_OVERHEAD + event->path.size + event->value.size) {
		return 0;
	}
	writer = wire_writer_make((uint8_t *)memory + size, size_max - size);
	wire_put_u64(&writer, (uint64_t)event->revision);
	wire_put_u64(&writer, (uint64_t)event->previous);
	wire_put_u32(&writer, event->rest);
	wire_put_u8(&writer, (uint8_t)event->kind);
	wire_put_u8(&writer, (uint8_t)event->cause);
	wire_put_u16(&writer, (uint16_t)event->path.size);
	wire_put(&writer, event->path);
	wire_put_u32(&writer, (uint32_t)event->value.size);
	wire_put(&writer, event->value);
	must(wire_written_ok(&writer));
	return size + wire_written(&writer).size;
}

static bool event_makes_sense(const struct proto_event *event)
{
	if (event->previous < 0 || event->revision <= event->previous ||
	    event->revision > INT64_MAX - event->rest || event->path.size == 0 ||
	    event->cause > STORE_CAUSE_RESTED) {
		return false;
	}
	return event->kind == STORE_EVENT_SET ||
	       (event->kind == STORE_EVENT_DELETE && event->value.size == 0);
}

bool proto_event_next(struct slice *page, struct proto_event *ret_event, bool *bad)
{
	struct wire_reader reader = wire_reader_make(*page);
	struct proto_event event = {0};

	if (page->size == 0) {
		return false;
	}
	event.revision = (store_rev_t)wire_u64(&reader);
	event.previous = (store_rev_t)wire_u64(&reader);
	event.rest = wire_u32(&reader);
	event.kind = (enum store_event_kind)wire_u8(&reader);
	event.cause = (enum store_cause)wire_u8(&reader);
	event.path = wire_bytes(&reader, wire_u16(&reader));
	event.value = wire_bytes(&reader, wire_u32(&reader));
	if (!wire_ok(&reader) || !event_makes_sense(&event)) {
		*bad = true;
		return false;
	}
	*ret_event = event;
	*page = slice_make(reader.next, wire_left(&reader));
	return true;
}

size_t proto_session_put(void *memory, size_t size, size_t size_max,
                         const struct proto_session *session)
{
	struct wire_writer writer;

	must(size <= size_max);
	must(session->id != 0);
	if (size_max - size < PROTO_SESSION_SIZE) {
		return 0;
	}
	writer = wire_writer_make((uint8_t *)memory + size, size_max - size);
	wire_put_u64(&writer, session->id);
	wire_put_u32(&writer, session->ttl_ms);
	wire_put_u32(&writer, session->left_ms);
	wire_put_u32(&writer, session->owned);
	must(wire_written_ok(&writer));
	return size + wire_written(&writer).size;
}

bool proto_session_next(struct slice *page, struct proto_session *ret_session, bool *bad)
{
	struct wire_reader reader = wire_reader_make(*page);
	struct proto_session session = {0};

	if (page->size == 0) {
		return false;
	}
	session.id = wire_u64(&reader);
	session.ttl_ms = wire_u32(&reader);
	session.left_ms = wire_u32(&reader);
	session.owned = wire_u32(&reader);
	if (!wire_ok(&reader) || session.id == 0 || session.left_ms > session.ttl_ms) {
		*bad = true;
		return false;
	}
	*ret_session = session;
	*page = slice_make(reader.next, wire_left(&reader));
	return true;
}

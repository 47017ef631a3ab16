/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reader.h"

#include "store/base/check.h"
#include "store/proto_page.h"

/* Room for a page inside an answer. */
enum {
	PAGE_SIZE = PROTO_VALUE_SIZE_MAX
};

static bool is_read(enum proto_verb verb)
{
	return verb == PROTO_GET || verb == PROTO_STAT || verb == PROTO_LIST ||
	       verb == PROTO_WALK || verb == PROTO_REV || verb == PROTO_SELF;
}

static uint32_t allow(struct paxos_looks *looks, uint64_t now_ns)
{
	if (looks->turn_ns != now_ns) {
		*looks = (struct paxos_looks){.turn_ns = now_ns, .left = PAXOS_LOOKS_MAX};
	}
	return looks->left > PAXOS_LOOKS_MIN ? looks->left : PAXOS_LOOKS_MIN;
}

static void take(struct paxos_looks *looks, uint32_t taken)
{
	looks->left -= taken < looks->left ? taken : looks->left;
}

/* Says where to go on with a page that was cut. */
static size_t mark_page(const struct store_cursor *cursor, uint32_t offset_left, uint8_t *page,
                        size_t size, struct proto_answer *answer)
{
	struct proto_page_mark mark = {.offset = answer->count == 0 ? offset_left : 0};
	size_t grown;

	if (!store_cursor_cut(cursor, &mark.after)) {
		return size;
	}
	answer->has_more = true;
	grown = proto_page_put_mark(page, size, PAGE_SIZE, &mark);
	must(grown != 0 || answer->count != 0);
	return grown != 0 ? grown : size; /* then the last entry says it */
}

static void fill_page(const struct proto_request *request, struct store_cursor *cursor,
                      struct proto_answer *answer, uint8_t *page)
{
	const size_t prefix = request->verb == PROTO_WALK || request->path.size == 1
	                              ? request->path.size
	                              : request->path.size + 1;
	struct store_file file;
	uint32_t passed = 0;
	size_t size = 0;

	while (store_cursor_next(cursor, &file)) {
		struct proto_page_entry entry = {
			.revision = file.revision,
			.is_directory = file.is_directory,
			.name = file.path,
		};
		size_t grown;

		if (passed < request->offset) {
			passed++;
			continue;
		}
		if (request->verb == PROTO_LIST) {
			must(file.path.size > prefix);
			entry.name = slice_make(file.path.data + prefix, file.path.size - prefix);
		}
		grown = request->limit != 0 && answer->count == request->limit
		                ? 0
		                : proto_page_put(page, size, PAGE_SIZE, &entry);
		if (grown == 0) {
			answer->has_more = true;
			break;
		}
		size = grown;
		answer->count++;
	}
	size = mark_page(cursor, request->offset - passed, page, size, answer);
	answer->value = slice_make(page, size);
}

/* A page is nothing if the events it was made with were dropped on the way. */
static void read_page(struct store_view *view, const struct proto_request *request,
                      struct proto_answer *answer, uint8_t *page)
{
	struct store_cursor cursor;

	answer->answer = request->verb == PROTO_LIST
	                         ? store_list_at(&cursor, view, request->path, request->after)
	                         : store_walk_at(&cursor, view, request->path, request->after);
	if (answer->answer != STORE_OK) {
		return;
	}
	if (cursor.view.looks < PAXOS_LOOKS_MIN) {
		cursor.view.looks = PAXOS_LOOKS_MIN; /* whatever the checks took */
	}
	fill_page(request, &cursor, answer, page);
	*view = cursor.view;
	if (store_view_is_lost(view)) {
		answer->answer = STORE_TOO_LATE;
		answer->value.size = 0;
		answer->count = 0;
		answer->has_more = false;
	}
}

static void read_view(struct store_view *view, const struct proto_request *request,
                      struct proto_answer *answer, uint8_t *page)
{
	struct store_file file;

	switch (request->verb) {
	case PROTO_GET:
		answer->answer = store_get_at(view, request->path, &file);
		if (answer->answer == STORE_OK) {
			answer->revision = file.revision;
			answer->session = file.owner;
			answer->value = file.value;
		}
		break;
	case PROTO_STAT:
		answer->answer = store_stat_at(view, request->path, &file);
		if (answer->answer == STORE_OK) {
			answer->revision = file.revision;
			answer->session = file.owner;
			answer->is_directory = file.is_directory;
			answer->children = file.children;
			answer->has_more = file.has_more;
			answer->count = (uint32_t)file.value.size;
		}
		break;
	case PROTO_LIST:
	case PROTO_WALK:
		read_page(view, request, answer, page);
		break;
	case PROTO_NONE:
	case PROTO_OPEN:
	case PROTO_CLOSE:
	case PROTO_ALIVE:
	case PROTO_SET:
	case PROTO_DELETE:
	case PROTO_TXN:
	case PROTO_SESSIONS:
	case PROTO_OWNED:
	case PROTO_NOP:
	case PROTO_REV:
	case PROTO_SELF:
	case PROTO_WATCH:
	default:
		answer->revision = store_root_revision(view->root);
		break;
	}
}

/* Returns what is left of the looks. */
static uint32_t read_root(const struct store *store, const struct store_root *root,
                          const struct proto_request *request, uint32_t looks,
                          struct proto_answer *answer, uint8_t *page)
{
	struct store_view view;

	answer->answer = store_past(store, root, request->rev, &view);
	view.looks = looks;
	if (answer->answer == STORE_OK) {
		read_view(&view, request, answer, page);
	}
	if (answer->answer == STORE_TOO_LATE) {
		answer->revision = view.oldest;
	}
	return view.looks;
}

enum paxos_read paxos_read(const struct paxos_lease_view *view, const struct store *store,
                           uint64_t now_ns, struct paxos_looks *looks, uint8_t node,
                           uint8_t durability, const struct proto_request *request, void *message,
                           size_t *ret_message_size, uint64_t *ret_version)
{
	/* The law's order: the clock was read after the burst, the lease is loaded after that. */
	const uint64_t lease_end_ns =
		atomic_load_explicit(&view->lease_end_ns, memory_order_acquire);
	struct proto_answer answer = {.verb = request->verb, .node = (uint8_t)(node + 1)};
	/* A page is put together where the message will be, behind its fixed part. */
	uint8_t *page = (uint8_t *)message + PROTO_ANSWER_OVERHEAD;
	const uint32_t allowed = allow(looks, now_ns);
	const struct store_root *root;

	if (!is_read(request->verb)) {
		return PAXOS_READ_PASS;
	}
	if (now_ns >= lease_end_ns && request->verb != PROTO_SELF &&
	    (request->flags & PROTO_FLAG_STALE) == 0) {
		return PAXOS_READ_PASS;
	}
	root = store_root(store);
	if (now_ns >= lease_end_ns && request->verb != PROTO_SELF &&
	    store_root_revision(root) < request->seen) {
		return PAXOS_READ_PASS; /* a stale root, older than what this client has seen */
	}
	answer.leader = (uint8_t)atomic_load_explicit(&view->leader, memory_order_relaxed);
	answer.role = (uint8_t)atomic_load_explicit(&view->role, memory_order_relaxed);
	answer.durability = durability;
	answer.store_revision = store_root_revision(root);
	take(looks, allowed - read_root(store, root, request, allowed, &answer, page));
	if (request->verb == PROTO_STAT && answer.has_more && allowed < PAXOS_LOOKS_STAT) {
		answer = (struct proto_answer){.verb = answer.verb,
		                               .answer = STORE_OVERLOADED,
		                               .node = answer.node,
		                               .leader = answer.leader,
		                               .role = answer.role,
		                               .durability = durability,
		                               .store_revision = answer.store_revision};
	}
	*ret_version = proto_answer_version(&answer);
	*ret_message_size = proto_answer_encode(&answer, message, PROTO_MESSAGE_SIZE_MAX);
	must(*ret_message_size != 0);
	return PAXOS_READ_ANSWERED;
}

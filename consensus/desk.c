/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/desk.h"

#include <errno.h>
#include <stdlib.h>

#include "consensus/admit.h"
#include "consensus/answer.h"
#include "consensus/propose.h"
#include "consensus/watches_post.h"
#include "store/base/check.h"
#include "store/base/hash.h"
#include "store/base/mutant.h"
#include "store/path.h"

int paxos_desk_init(struct paxos_core *core, struct paxos_desk *desk)
{
	const uint32_t entries = core->config.log_entries;

	memset(desk, 0, sizeof(*desk));
	desk->message = malloc(PROTO_MESSAGE_SIZE_MAX);
	desk->pending = calloc(entries, sizeof(desk->pending[0]));
	desk->inflight = calloc(entries, sizeof(desk->inflight[0]));
	desk->reads = calloc(PAXOS_READS_MAX, sizeof(desk->reads[0]));
	if (desk->message == NULL || desk->pending == NULL || desk->inflight == NULL ||
	    desk->reads == NULL || paxos_alive_init(&desk->alive) < 0 ||
	    assembly_new(&desk->assembly, core->config.assemblies) < 0 ||
	    paxos_watches_new(&desk->watches, core->config.watches_max, core->store) < 0) {
		paxos_desk_deinit(desk);
		return -ENOMEM;
	}
	return 0;
}

uint64_t paxos_desk_bytes(const struct paxos_core *core, const struct paxos_desk *desk)
{
	return PROTO_MESSAGE_SIZE_MAX + PAXOS_READS_MAX * sizeof(desk->reads[0]) +
	       core->config.log_entries * (sizeof(desk->pending[0]) + sizeof(desk->inflight[0])) +
	       paxos_alive_bytes() + assembly_bytes(desk->assembly) +
	       paxos_watches_bytes(core->config.watches_max);
}

void paxos_desk_deinit(struct paxos_desk *desk)
{
	assembly_free(desk->assembly);
	paxos_watches_free(desk->watches);
	free(desk->message);
	free(desk->pending);
	free(desk->inflight);
	free(desk->reads);
	paxos_alive_deinit(&desk->alive);
	memset(desk, 0, sizeof(*desk));
}

/* --- answers ----------------------------------------------------------------------------- */

static void refuse(struct paxos_core *core, struct paxos_desk *desk,
                   const struct paxos_address *address, const struct proto_head *asked,
                   enum proto_verb verb, enum store_answer why)
{
	struct proto_answer answer = {
		.verb = verb,
		.answer = why,
		.store_revision = store_root_revision(store_root(core->store)),
	};

	paxos_answer_send(core, desk->message, address, asked, &answer);
}

void paxos_desk_refuse_version(struct paxos_core *core, struct paxos_desk *desk,
                               const struct paxos_address *address)
{
	const struct proto_head nothing = {0};

	refuse(core, desk, address, &nothing, PROTO_NONE, STORE_BAD_VERSION);
}

static void send_result(struct paxos_core *core, struct paxos_desk *desk,
                        const struct paxos_address *address, const struct proto_head *asked,
                        enum proto_verb verb, const struct store_result *result, uint32_t ttl_ms)
{
	struct proto_answer answer = {
		.verb = verb,
		.answer = result->answer,
		.revision = result->revision,
		.store_revision = result->store_revision,
		.session = result->session,
		.ttl_ms = ttl_ms,
		.first = result->first,
		.number = result->number,
		.result = result->flags,
		.count = result->op,
	};

	paxos_answer_send(core, desk->message, address, asked, &answer);
}

/* Who does not lead says who does, or that nobody does. */
static void refer(struct paxos_core *core, struct paxos_desk *desk,
                  const struct paxos_address *address, const struct proto_head *asked,
                  enum proto_verb verb)
{
	refuse(core, desk, address, asked, verb,
	       core->leader == PAXOS_NOBODY ? STORE_NO_QUORUM : STORE_NOT_LEADER);
}

/* --- writes ------------------------------------------------------------------------------ */

/* Numbers of one session stand side by side: those that come together share a cache line. */
static uint64_t *inflight_of(struct paxos_core *core, struct paxos_desk *desk, uint64_t secret,
                             uint64_t number)
{
	return &desk->inflight[(hash_pair(secret, 0) + number) & (core->config.log_entries - 1)];
}

static struct paxos_pending *pending_of(struct paxos_core *core, struct paxos_desk *desk,
                                        uint64_t index)
{
	return &desk->pending[index & (core->config.log_entries - 1)];
}

/* The same request, proposed and not yet applied; or NULL. */
static struct paxos_pending *find_pending(struct paxos_core *core, struct paxos_desk *desk,
                                          uint64_t secret, uint64_t number)
{
	const uint64_t index = *inflight_of(core, desk, secret, number);
	struct paxos_pending *pending = pending_of(core, desk, index);

	if (index <= core->decided || pending->index != index ||
	    pending->epoch != desk->alive.epoch || pending->secret != secret ||
	    pending->number != number) {
		return NULL;
	}
	return pending;
}

/* "Outstanding requests have no order among them, unless flagged: after all lower numbers." */
static bool is_in_order(struct paxos_core *core, struct paxos_desk *desk,
                        const struct store_session *session, const struct proto_request *request)
{
	uint64_t number = request->first_unanswered;

	if ((request->flags & PROTO_FLAG_ORDERED) == 0) {
		return true;
	}
	if (number < session->base) {
		number = session->base;
	}
	for (; number < request->head.number; number++) {
		const uint64_t bit = number - session->base;
		const bool answered =
			bit < STORE_ANSWERS_MAX && (session->answered >> bit & 1) != 0;

		if (!answered && find_pending(core, desk, session->secret, number) == NULL) {
			return false;
		}
	}
	return true;
}

/* OK: it is new and may be proposed. Else that is the answer; OVERLOADED: ask again. */
static enum store_answer check_session(struct paxos_core *core, struct paxos_desk *desk,
                                       const struct store_session *session,
                                       const struct proto_request *request,
                                       struct store_result *ret_kept, bool *ret_has_kept)
{
	const struct proto_head *head = &request->head;

	if (session == NULL) {
		return STORE_NO_SESSION;
	}
	if (session->secret != head->secret) {
		return STORE_BAD_SECRET;
	}
	if (head->number == 0 || request->first_unanswered == 0 ||
	    request->first_unanswered > head->number) {
		return STORE_BAD_REQUEST;
	}
	if (head->number < session->base) {
		return STORE_STALE;
	}
	if (store_session_kept(session, head->number, ret_kept)) {
		*ret_has_kept = true;
		return STORE_OK;
	}
	if (head->number >= request->first_unanswered + STORE_ANSWERS_MAX) {
		return STORE_WINDOW;
	}
	if (head->number >= session->base + STORE_ANSWERS_MAX &&
	    request->first_unanswered <= session->base) {
		return STORE_WINDOW;
	}
	return is_in_order(core, desk, session, request) ? STORE_OK : STORE_OVERLOADED;
}

static void propose_request(struct paxos_core *core, struct paxos_desk *desk,
                            const struct paxos_leader *leader, const struct paxos_address *address,
                            const struct proto_request *request, bool is_full)
{
	struct paxos_pending *pending;
	struct store_entry entry;

	paxos_admit_entry(core, request, is_full, &entry);
	if (!paxos_propose(core, leader, &entry)) {
		refuse(core, desk, address, &request->head, request->verb, STORE_OVERLOADED);
		return;
	}
	pending = pending_of(core, desk, core->log.length);
	*pending = (struct paxos_pending){
		.index = core->log.length,
		.epoch = desk->alive.epoch,
		.session = request->head.session,
		.secret = request->head.secret,
		.number = request->head.number,
		.verb = request->verb,
		.address = *address,
	};
	*inflight_of(core, desk, pending->secret, pending->number) = pending->index;
}

/* An OPEN that was answered, but whose answer was lost: the session is there already. */
static bool was_opened(struct paxos_core *core, struct paxos_desk *desk,
                       const struct paxos_address *address, const struct proto_request *request)
{
	const uint64_t secret = request->head.secret;
	const uint64_t id = desk->opened[hash_pair(secret, 0) % PAXOS_OPENED_MAX].session;
	const struct store_session *session = id == 0 ? NULL : store_session(core->store, id);
	struct store_result result = {.answer = STORE_OK, .session = id};

	if (session == NULL || session->secret != secret ||
	    desk->opened[hash_pair(secret, 0) % PAXOS_OPENED_MAX].secret != secret) {
		return false;
	}
	core->counted.duplicates++;
	result.store_revision = store_root_revision(store_root(core->store));
	send_result(core, desk, address, &request->head, PROTO_OPEN, &result, session->ttl_ms);
	return true;
}

static void on_write(struct paxos_core *core, struct paxos_desk *desk,
                     const struct paxos_leader *leader, const struct paxos_address *address,
                     const struct proto_request *request)
{
	const struct proto_head *head = &request->head;
	const struct store_session *session;
	struct paxos_pending *pending;
	struct store_result kept;
	bool has_kept = false;
	enum store_answer answer;

	if (core->decided < leader->adopted) {
		/* It may not know sessions that are in its log: nothing can be said yet. */
		refuse(core, desk, address, head, request->verb, STORE_OVERLOADED);
		return;
	}
	pending = find_pending(core, desk, head->secret, head->number);
	if (pending != NULL && pending->session == head->session) {
		core->counted.duplicates++;
		pending->address = *address;
		return;
	}
	if (request->verb == PROTO_OPEN) {
		if (head->secret == 0) {
			refuse(core, desk, address, head, request->verb, STORE_BAD_REQUEST);
		} else if (!was_opened(core, desk, address, request)) {
			propose_request(core, desk, leader, address, request, false);
		}
		return;
	}
	session = store_session(core->store, head->session);
	answer = check_session(core, desk, session, request, &kept, &has_kept);
	if (has_kept) {
		core->counted.duplicates++;
		send_result(core, desk, address, head, request->verb, &kept, 0);
		return;
	}
	answer = answer == STORE_OK ? paxos_admit(core, request) : answer;
	if (answer != STORE_OK && answer != STORE_DISK_FULL) {
		refuse(core, desk, address, head, request->verb, answer);
		return;
	}
	paxos_alive_touch(core, &desk->alive, session);
	propose_request(core, desk, leader, address, request, answer == STORE_DISK_FULL);
}

/* What an entry means to the book of who is alive. */
static void note_sessions(struct paxos_core *core, struct paxos_desk *desk,
                          const struct store_entry *entry, const struct store_result *result)
{
	if (entry->kind == STORE_ENTRY_OPEN && result->answer == STORE_OK) {
		paxos_alive_touch(core, &desk->alive, store_session(core->store, result->session));
	} else if (entry->kind == STORE_ENTRY_CLOSE && result->answer == STORE_OK) {
		paxos_alive_forget(&desk->alive, entry->session);
	}
	for (unsigned i = 0; i < entry->expired_count; i++) {
		paxos_alive_forget(&desk->alive, entry->expired[i]);
	}
}

void paxos_desk_applied(struct paxos_core *core, struct paxos_desk *desk, uint64_t index,
                        const struct store_entry *entry, const struct store_result *result)
{
	struct paxos_pending *pending = pending_of(core, desk, index);
	const struct proto_head head = {.session = pending->session, .number = pending->number};
	uint32_t ttl_ms = 0;

	if (core->role != PAXOS_LEADER) {
		return;
	}
	note_sessions(core, desk, entry, result);
	if (pending->index != index || pending->epoch != desk->alive.epoch) {
		return;
	}
	if (entry->kind == STORE_ENTRY_OPEN && result->answer == STORE_OK) {
		const unsigned slot = (unsigned)(hash_pair(entry->secret, 0) % PAXOS_OPENED_MAX);

		desk->opened[slot].secret = entry->secret;
		desk->opened[slot].session = result->session;
		ttl_ms = entry->ttl_ms;
	}
	send_result(core, desk, &pending->address, &head, pending->verb, result, ttl_ms);
	pending->index = 0;
}

/* --- reads ------------------------------------------------------------------------------- */

void paxos_desk_lease(struct paxos_core *core, struct paxos_desk *desk, uint64_t lease_end_ns)
{
	atomic_store_explicit(&desk->view.lease_end_ns, lease_end_ns, memory_order_release);
	atomic_store_explicit(&desk->view.configuration, core->configuration, memory_order_relaxed);
	atomic_store_explicit(&desk->view.role, (uint32_t)core->role, memory_order_relaxed);
	atomic_store_explicit(&desk->view.touched_ns, core->touched_ns, memory_order_relaxed);
	atomic_store_explicit(&desk->view.leader,
	                      core->leader == PAXOS_NOBODY ? 0 : (uint32_t)core->leader + 1,
	                      memory_order_relaxed);
}

static void answer_alive(struct paxos_core *core, struct paxos_desk *desk,
                         const struct paxos_address *address, const struct proto_head *head)
{
	const struct store_session *session = store_session(core->store, head->session);
	struct store_result result = {
		.answer = STORE_OK,
		.store_revision = store_root_revision(store_root(core->store)),
	};

	if (session == NULL) {
		result.answer = STORE_NO_SESSION;
	} else if (session->secret != head->secret && !mutant(71)) {
		result.answer = STORE_BAD_SECRET;
	} else if (paxos_alive_is_expiring(&desk->alive, head->session)) {
		return; /* 4.1 k: not while an EXPIRE of it is proposed and undecided */
	} else {
		paxos_alive_touch(core, &desk->alive, session);
		result.session = session->base;
	}
	send_result(core, desk, address, head, PROTO_ALIVE, &result,
	            session != NULL ? session->ttl_ms : 0);
}

/* Pages of sessions, and of what goes with one. */
static void answer_sessions(struct paxos_core *core, struct paxos_desk *desk,
                            const struct paxos_address *address,
                            const struct proto_request *request)
{
	uint8_t page[PROTO_PIECE_SIZE];
	struct proto_answer answer = {
		.verb = request->verb,
		.store_revision = store_root_revision(store_root(core->store)),
	};

	if (request->verb == PROTO_OWNED) {
		paxos_alive_owned(core, request, page, &answer);
	} else {
		paxos_alive_page(core, &desk->alive, (uint64_t)request->rev, request->limit, page,
		                 &answer);
	}
	paxos_answer_send(core, desk->message, address, &request->head, &answer);
}

/* What only a leader knows. False: it is another read. */
static bool answer_of_alive(struct paxos_core *core, struct paxos_desk *desk,
                            const struct paxos_address *address,
                            const struct proto_request *request)
{
	if (request->verb == PROTO_ALIVE) {
		answer_alive(core, desk, address, &request->head);
	} else if (request->verb == PROTO_SESSIONS || request->verb == PROTO_OWNED) {
		answer_sessions(core, desk, address, request);
	} else {
		return false;
	}
	return true;
}

/* Answers a read from the present root, which the caller knows to be new enough. */
static void answer_read(struct paxos_core *core, struct paxos_desk *desk,
                        const struct paxos_address *address, const struct proto_request *request)
{
	struct proto_request allowed = *request;
	uint64_t version;
	size_t size;

	if (answer_of_alive(core, desk, address, request)) {
		return;
	}
	allowed.flags |= PROTO_FLAG_STALE;
	allowed.seen = 0;
	must(paxos_read(&desk->view, core->store, core->now_ns, &desk->looks, core->config.node,
	                (uint8_t)core->config.durability, &allowed, desk->message, &size,
	                &version) == PAXOS_READ_ANSWERED);
	paxos_answer_message(core, address, &request->head, version,
	                     slice_make(desk->message, size));
}

static void wait_for_round(struct paxos_core *core, struct paxos_desk *desk,
                           const struct paxos_address *address, const struct proto_request *request,
                           struct slice message, uint64_t next_round)
{
	struct paxos_waiting_read *read;

	if (desk->reads_count == PAXOS_READS_MAX || message.size > PAXOS_READ_SIZE_MAX) {
		refuse(core, desk, address, &request->head, request->verb, STORE_OVERLOADED);
		return;
	}
	read = &desk->reads[(desk->reads_first + desk->reads_count++) % PAXOS_READS_MAX];
	read->round = next_round;
	read->head = request->head;
	read->flags = request->flags;
	read->verb = request->verb;
	read->address = *address;
	read->size = (uint16_t)message.size;
	memcpy(read->message, message.data, message.size);
}

bool paxos_desk_wants_round(const struct paxos_desk *desk, uint64_t last_round)
{
	const unsigned last = (desk->reads_first + desk->reads_count - 1) % PAXOS_READS_MAX;

	return desk->reads_count != 0 && desk->reads[last].round > last_round;
}

void paxos_desk_rounds(struct paxos_core *core, struct paxos_desk *desk, uint64_t answered_round)
{
	while (desk->reads_count != 0 && desk->reads[desk->reads_first].round <= answered_round) {
		struct paxos_waiting_read *read = &desk->reads[desk->reads_first];
		struct proto_request request;
		bool bad_verb;

		must(proto_request_decode(slice_make(read->message, read->size), &request,
		                          &bad_verb));
		request.head = read->head;
		request.flags = read->flags;
		core->counted.reads_quorum++;
		answer_read(core, desk, &read->address, &request);
		desk->reads_first = (desk->reads_first + 1) % PAXOS_READS_MAX;
		desk->reads_count--;
	}
}

static void on_read(struct paxos_core *core, struct paxos_desk *desk,
                    const struct paxos_leader *leader, const struct paxos_address *address,
                    const struct proto_request *request, struct slice message, uint64_t next_round)
{
	uint64_t version;
	size_t size;

	if (leader != NULL &&
	    core->now_ns < atomic_load_explicit(&desk->view.lease_end_ns, memory_order_acquire) &&
	    answer_of_alive(core, desk, address, request)) {
		return;
	}
	if (paxos_read(&desk->view, core->store, core->now_ns, &desk->looks, core->config.node,
	               (uint8_t)core->config.durability, request, desk->message, &size,
	               &version) == PAXOS_READ_ANSWERED) {
		if ((request->flags & PROTO_FLAG_STALE) != 0) {
			core->counted.reads_stale++;
		} else {
			core->counted.reads_lease++;
		}
		paxos_answer_message(core, address, &request->head, version,
		                     slice_make(desk->message, size));
		return;
	}
	if (leader == NULL) {
		refer(core, desk, address, &request->head, request->verb);
		return;
	}
	core->counted.lease_refusals++;
	wait_for_round(core, desk, address, request, message, next_round);
}

/* --- a request --------------------------------------------------------------------------- */

static void deny(struct paxos_core *core, struct paxos_desk *desk,
                 const struct paxos_address *address, const struct proto_head *head,
                 enum proto_verb verb)
{
	paxos_core_drop(core, PAXOS_DROP_DENIED);
	refuse(core, desk, address, head, verb, STORE_DENIED);
}

void paxos_desk_request(struct paxos_core *core, struct paxos_desk *desk,
                        const struct paxos_leader *leader, const struct paxos_address *address,
                        const struct store_datagram *datagram, uint64_t next_round)
{
	struct proto_request request;
	struct slice piece, message;
	struct proto_head head;
	uint32_t missing;
	bool bad_verb;

	if (!proto_segment_decode(datagram, &head, &piece) || head.segments == 0) {
		paxos_core_drop(core, PAXOS_DROP_REQUEST);
		return;
	}
	if (datagram->cluster != 0 && datagram->cluster != core->config.cluster) {
		paxos_core_drop(core, PAXOS_DROP_CLUSTER);
		refuse(core, desk, address, &head, PROTO_NONE, STORE_WRONG_CLUSTER);
		return;
	}
	/* Of several pieces only writes are. No stranger's piece gets into one of them. */
	if (head.segments > 1 && (datagram->rights & STORE_MAY_WRITE) == 0) {
		deny(core, desk, address, &head, PROTO_NONE);
		return;
	}
	switch (assembly_add(desk->assembly, core->now_ns, head.secret, &head, piece, &message,
	                     &missing)) {
	case ASSEMBLY_WHOLE:
		break;
	case ASSEMBLY_PARTIAL:
		if (head.segment + 1 == head.segments) {
			paxos_answer_repair(core, address, &head, missing);
		}
		return;
	case ASSEMBLY_BAD:
	default:
		paxos_core_drop(core, PAXOS_DROP_REQUEST);
		return;
	}
	if (!proto_request_decode(message, &request, &bad_verb)) {
		paxos_core_drop(core, PAXOS_DROP_REQUEST);
		refuse(core, desk, address, &head, PROTO_NONE,
		       bad_verb ? STORE_BAD_VERB : STORE_BAD_REQUEST);
		return;
	}
	if (!store_rights_allow(datagram->rights, request.verb)) {
		deny(core, desk, address, &head, request.verb);
		return;
	}
	request.head = head;
	request.flags = datagram->flags;
	core->counted.requests++;
	if (request.verb == PROTO_WATCH) {
		if (core->role == PAXOS_OUTSIDER) {
			refer(core, desk, address, &head, request.verb); /* it may be old */
		} else {
			paxos_watches_post_ask(core, &desk->view, desk->message, desk->watches,
			                       address, &request);
		}
	} else if (proto_is_write(request.verb) || request.verb == PROTO_OPEN) {
		if (leader == NULL) {
			refer(core, desk, address, &head, request.verb);
		} else {
			on_write(core, desk, leader, address, &request);
		}
	} else {
		on_read(core, desk, leader, address, &request, message, next_round);
	}
}

void paxos_desk_reset(struct paxos_core *core, struct paxos_desk *desk)
{
	for (uint64_t index = core->decided + 1; index <= core->log.length; index++) {
		const struct paxos_pending *p = pending_of(core, desk, index);
		const struct proto_head head = {.session = p->session, .number = p->number};

		if (p->index == index && p->epoch == desk->alive.epoch) {
			refer(core, desk, &p->address, &head, p->verb);
		}
	}
	for (; desk->reads_count != 0; desk->reads_count--) {
		const struct paxos_waiting_read *read = &desk->reads[desk->reads_first];

		refer(core, desk, &read->address, &read->head, read->verb);
		desk->reads_first = (desk->reads_first + 1) % PAXOS_READS_MAX;
	}
	paxos_alive_reset(&desk->alive);
}

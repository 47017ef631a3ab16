/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/core.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/datagram.h"

/* Bytes that one turn may append, so that their records fit the outbox. */
enum {
	UNPERSISTED_MAX = 512 * 1024
};

int paxos_core_init(struct paxos_core *core, const struct paxos_config *config, struct store *store)
{
	int r;

	*core = (struct paxos_core){
		.config = *config,
		.store = store,
		.configuration = config->founders != 0 ? 1 : 0,
		.voters = config->founders,
		.role = PAXOS_FOLLOWER,
		.leader = PAXOS_NOBODY,
		.persisted = {.index = 1},
	};
	prng_init(&core->prng, config->seed);
	core->scratch = malloc(PAXOS_RECORD_SIZE_MAX);
	r = core->scratch != NULL ? 0 : -ENOMEM;
	if (r == 0) {
		r = paxos_outbox_init(&core->outbox);
	}
	if (r == 0) {
		r = paxos_log_init(&core->log, config->log_entries, config->log_bytes);
	}
	if (r < 0) {
		paxos_core_deinit(core);
	}
	return r;
}

void paxos_core_deinit(struct paxos_core *core)
{
	paxos_outbox_deinit(&core->outbox);
	paxos_log_deinit(&core->log);
	free(core->scratch);
	core->scratch = NULL;
}

bool paxos_core_is_disk(const struct paxos_core *core)
{
	return core->config.durability == PAXOS_DISK && !core->recovering;
}

uint16_t paxos_core_disk_flags(const struct paxos_core *core)
{
	uint16_t flags = 0;

	if ((core->disk & PAXOS_DISK_FULL) != 0) {
		flags |= PAXOS_FLAG_FULL;
	}
	/* Earlier than it is called a stall, so that a leader knows in time who stalls like it. */
	if (paxos_durable_age_ns(&core->durable, core->now_ns) > core->config.suspicion_ns / 2) {
		flags |= PAXOS_FLAG_LATE;
	}
	return flags;
}

bool paxos_core_open(struct paxos_core *core, struct paxos_msg *msg, struct wire_writer *ret_body)
{
	uint8_t *memory = paxos_outbox_begin(&core->outbox);
	size_t size;

	if (memory == NULL) {
		paxos_core_drop(core, PAXOS_DROP_OUTBOX);
		return false;
	}
	msg->node = core->config.node;
	msg->configuration = core->configuration;
	msg->incarnation = core->config.incarnation;
	msg->start = core->config.start;
	if (!core->takes_part) {
		msg->flags |= PAXOS_FLAG_OUTSIDER;
	}
	size = STORE_DATAGRAM_HEADER + paxos_msg_encode(msg, memory + STORE_DATAGRAM_HEADER);
	*ret_body = wire_writer_make(memory, STORE_DATAGRAM_SIZE_MAX);
	ret_body->next += size;
	return true;
}

void paxos_core_close(struct paxos_core *core, unsigned peer, const struct wire_writer *body,
                      bool hold)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_SEND, .peer = peer};
	const struct slice whole = wire_written(body);
	const size_t size = store_datagram_close(body->start, whole.size - STORE_DATAGRAM_HEADER,
	                                         STORE_DATAGRAM_PEER, 0, core->config.cluster);

	must(peer < STORE_NODES_MAX);
	must(peer != core->config.node);
	must(wire_written_ok(body));
	paxos_outbox_commit(&core->outbox, &effect, size, hold);
}

void paxos_core_send(struct paxos_core *core, unsigned peer, struct paxos_msg *msg, bool hold)
{
	struct wire_writer body;

	if (paxos_core_open(core, msg, &body)) {
		paxos_core_close(core, peer, &body, hold);
	}
}

void paxos_core_trace(struct paxos_core *core, enum paxos_trace_kind kind, uint64_t a, uint64_t b)
{
	const struct paxos_trace trace = {.kind = kind, .now_ns = core->now_ns, .a = a, .b = b};

	if (core->recovering) {
		return; /* it happened in an earlier process */
	}
	core->counted.traces[kind]++;
	paxos_outbox_trace(&core->outbox, &trace);
}

void paxos_core_drop(struct paxos_core *core, enum paxos_drop drop)
{
	core->counted.drops[drop]++;
}

void paxos_core_end(struct paxos_core *core, enum paxos_end why)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_END, .end = why};

	if (!core->ended) {
		core->ended = true;
		paxos_outbox_tell(&core->outbox, &effect);
	}
}

bool paxos_core_has_room(const struct paxos_core *core, size_t size)
{
	const uint64_t waiting = paxos_durable_waiting(&core->durable) + core->unpersisted_bytes;

	if (!paxos_core_is_disk(core)) {
		return true;
	}
	return waiting + size <= core->config.undurable_bytes &&
	       core->unpersisted_bytes + size <= UNPERSISTED_MAX &&
	       core->unpersisted_bytes + size <= paxos_outbox_persist_room(&core->outbox) / 2;
}

/* `length`: of the log once this record is durable; entries up to `low` it leaves as they are. */
static uint64_t write_record(struct paxos_core *core, const struct paxos_record *record,
                             size_t body_size, uint64_t low, uint64_t length)
{
	const struct paxos_mark mark = {
		.promised = core->promised,
		.accepted = core->accepted,
		.length = length,
		.decided = core->decided,
		.low = low,
	};

	const size_t size = PAXOS_RECORD_HEADER + body_size;
	uint64_t number;

	paxos_record_encode(record, core->scratch);
	number = paxos_outbox_persist(&core->outbox, slice_make(core->scratch, size), &mark);
	paxos_durable_gave(&core->durable, number, size, core->now_ns);
	if (record->kind == PAXOS_RECORD_STAGE) {
		core->durable.stage_record = number;
	}
	return number;
}

void paxos_core_record(struct paxos_core *core, const struct paxos_record *record)
{
	if (!paxos_core_is_disk(core)) {
		return;
	}
	must(record->body.size <= PAXOS_RECORD_SIZE_MAX - PAXOS_RECORD_HEADER);
	if (record->body.size != 0) {
		memcpy(core->scratch + PAXOS_RECORD_HEADER, record->body.data, record->body.size);
	}
	(void)write_record(core, record, record->body.size, core->persisted.index - 1,
	                   core->persisted.index - 1);
}

void paxos_core_promise(struct paxos_core *core, struct paxos_ballot ballot)
{
	must(paxos_ballot_compare(ballot, core->promised) > 0);
	paxos_core_flush(core);
	core->promised = ballot;
	paxos_core_record(core,
	                  &(struct paxos_record){.kind = PAXOS_RECORD_PROMISE, .ballot = ballot});
	paxos_core_trace(core, PAXOS_TRACE_PROMISED, ballot.round, ballot.node);
}

static void mark(struct paxos_core *core, uint64_t record, uint64_t length)
{
	unsigned slot;

	if (core->marks_count == PAXOS_DURABLE_MARKS) {
		core->marks_count--; /* the newer mark speaks for the last one, too, only later */
	}
	slot = (core->marks_first + core->marks_count++) % PAXOS_DURABLE_MARKS;
	core->marks[slot].record = record;
	core->marks[slot].length = length;
}

/* After a cut no earlier record makes more than `length` of the present log durable. */
static void clamp_marks(struct paxos_core *core, uint64_t length)
{
	for (unsigned i = 0; i < core->marks_count; i++) {
		const unsigned slot = (core->marks_first + i) % PAXOS_DURABLE_MARKS;

		if (core->marks[slot].length > length) {
			core->marks[slot].length = length;
		}
	}
	if (core->durable_length > length) {
		core->durable_length = length;
	}
}

/* One record of entries from `place` of `log`. Returns the place reached. */
static struct paxos_place persist_some(struct paxos_core *core, enum paxos_record_kind kind,
                                       const struct paxos_log *log, struct paxos_place place,
                                       uint64_t *ret_number)
{
	const bool staged = kind == PAXOS_RECORD_STAGED;
	const uint64_t low = (staged ? core->persisted.index : place.index) - 1;
	struct wire_writer body = wire_writer_make(core->scratch + PAXOS_RECORD_HEADER,
	                                           PAXOS_RECORD_SIZE_MAX - PAXOS_RECORD_HEADER);
	const struct paxos_record record = {.kind = kind, .decided = core->decided, .place = place};

	place = paxos_stream_pack(log, place, log->length, &body);
	*ret_number = write_record(core, &record, wire_written(&body).size, low,
	                           staged ? low : place.index - 1);
	return place;
}

static void take_hint(struct paxos_core *core)
{
	core->hint = core->decided;
	core->log.trim_to = core->decided;
}

/* So that the log, and recovery in the same way, may forget what is decided. */
static void record_hint(struct paxos_core *core)
{
	if (paxos_core_is_disk(core) && core->hint < core->decided) {
		const struct paxos_record record = {
			.kind = PAXOS_RECORD_ENTRIES,
			.decided = core->decided,
			.place = core->persisted,
		};

		paxos_core_record(core, &record);
		take_hint(core);
	}
}

void paxos_core_flush(struct paxos_core *core)
{
	uint64_t number;

	core->unpersisted_bytes = 0;
	if (!paxos_core_is_disk(core)) {
		return;
	}
	while (core->persisted.index <= core->log.length) {
		const struct paxos_place from = core->persisted;

		core->persisted = persist_some(core, PAXOS_RECORD_ENTRIES, &core->log,
		                               core->persisted, &number);
		if (from.offset == 0) {
			paxos_durable_retain(&core->durable, from.index, number);
		}
		if (core->persisted.offset == 0) {
			mark(core, number, core->persisted.index - 1);
		}
		take_hint(core);
	}
	/* A log that is full takes no entry whose record would tell. */
	if (paxos_log_is_half_full(&core->log) && !mutant(34)) {
		record_hint(core);
	}
}

void paxos_core_flush_staged(struct paxos_core *core, const struct paxos_log *stage,
                             struct paxos_place *persisted)
{
	uint64_t number;

	if (!paxos_core_is_disk(core)) {
		return;
	}
	paxos_core_flush(core);
	while (persisted->index <= stage->length) {
		*persisted = persist_some(core, PAXOS_RECORD_STAGED, stage, *persisted, &number);
	}
}

bool paxos_core_fits(const struct paxos_core *core, uint64_t cut, const struct paxos_log *stage)
{
	/* Wherever the ring wraps. */
	uint64_t bytes = 2 * (uint64_t)STORE_ENTRY_SIZE_MAX;

	if (stage->length > core->decided &&
	    stage->length - core->decided >= core->log.slots_count - 1) {
		return false;
	}
	for (uint64_t index = core->decided + 1; index <= cut; index++) {
		bytes += paxos_log_entry(&core->log, index).size;
	}
	for (uint64_t index = stage->base + 1; index <= stage->length; index++) {
		bytes += paxos_log_entry(stage, index).size;
	}
	return bytes <= core->log.bytes_size;
}

static void append_all(struct paxos_log *log, const struct paxos_log *stage)
{
	/* Recovered above a snapshot, the stage may begin below it. */
	uint64_t index = stage->base < log->length ? log->length + 1 : stage->base + 1;

	for (; index <= stage->length; index++) {
		const struct slice entry = paxos_log_entry(stage, index);

		/* It fits: the one who staged it has asked paxos_core_fits(). */
		must(entry.size == 0 ? paxos_log_append_unknown(log)
		                     : paxos_log_append(log, entry));
	}
}

void paxos_core_adopt(struct paxos_core *core, struct paxos_ballot ballot, uint64_t cut,
                      const struct paxos_log *stage, bool has_state)
{
	const uint64_t former = core->log.length;
	struct paxos_record record = {
		.kind = PAXOS_RECORD_ADOPT,
		.flags = has_state ? PAXOS_RECORD_HAS_STATE : 0,
		.ballot = ballot,
		.place = {.index = cut},
	};

	must(paxos_ballot_compare(ballot, core->accepted) >= 0);
	must(cut >= core->decided);
	paxos_core_flush(core);
	record_hint(core);
	core->log.trim_to = core->decided;
	if (has_state) {
		paxos_log_reset(&core->log, cut);
		core->decided = cut;
		take_hint(core);
	} else {
		paxos_log_cut(&core->log, cut);
	}
	clamp_marks(core, cut);
	if (cut < former) {
		paxos_core_trace(core, PAXOS_TRACE_CUT, cut, former);
	}
	if (stage != NULL) {
		append_all(&core->log, stage);
	}
	if (paxos_ballot_compare(ballot, core->promised) > 0) {
		must(paxos_ballot_is_none(ballot)); /* none of a later configuration */
		core->promised = ballot;
		record.flags |= PAXOS_RECORD_JOINS;
	}
	core->accepted = ballot;
	core->persisted = (struct paxos_place){.index = core->log.length + 1};
	record.decided = core->decided;
	record.length = core->log.length;
	if (paxos_core_is_disk(core)) {
		core->accept_record = write_record(core, &record, 0, cut, core->log.length);
		mark(core, core->accept_record, core->log.length);
	}
	if (core->durable.stage_record != 0) {
		paxos_durable_cut(&core->durable, cut, core->durable.stage_record);
		core->durable.stage_record = 0;
	}
}

void paxos_core_join(struct paxos_core *core, struct paxos_ballot ballot)
{
	struct paxos_record record = {
		.kind = PAXOS_RECORD_ADOPT,
		.flags = PAXOS_RECORD_JOINS,
		.ballot = ballot,
		.decided = core->decided,
		.place = {.index = core->log.length},
		.length = core->log.length,
	};

	must(!core->takes_part);
	paxos_core_flush(core);
	core->promised = ballot;
	core->accepted = ballot;
	core->durable.stage_record = 0;
	if (paxos_core_is_disk(core)) {
		core->accept_record =
			write_record(core, &record, 0, core->log.length, core->log.length);
		mark(core, core->accept_record, core->log.length);
	}
}

uint64_t paxos_core_base(struct paxos_core *core, uint64_t index, uint64_t *ret_from)
{
	struct paxos_record record = {
		.kind = PAXOS_RECORD_BASE,
		.ballot = core->promised,
		.accepted = core->accepted,
		.place = {.index = index},
	};
	must(index <= core->decided);
	must(core->takes_part);
	paxos_core_flush(core);
	record.decided = core->decided;
	record.length = core->log.length;
	record.from = paxos_durable_from(&core->durable, index);
	if (record.from > core->outbox.record_last + 1) {
		record.from = core->outbox.record_last + 1; /* this record itself */
	}
	take_hint(core);
	*ret_from = record.from;
	return write_record(core, &record, 0, core->log.length, core->log.length);
}

void paxos_core_enter(struct paxos_core *core, uint32_t configuration, uint32_t voters,
                      uint64_t cut, const struct paxos_log *stage, bool has_state)
{
	const struct paxos_ballot none = {.configuration = configuration};

	must(configuration > core->configuration);
	must(core->role == PAXOS_FOLLOWER || core->role == PAXOS_OUTSIDER);
	paxos_core_adopt(core, none, cut, stage, has_state);
	core->configuration = configuration;
	core->voters = voters | (mutant(22) ? core->voters : 0);
	core->known = core->log.length;
	core->holes = core->holes_first = 0; /* what is behind `cut` is of no use any more */
	core->grant = (struct paxos_grant){0};
}

void paxos_core_follow(struct paxos_core *core)
{
	const struct store_members *members = store_members(core->store);

	must(members->configuration >= core->configuration);
	core->configuration = members->configuration;
	core->voters = members->voters;
}

bool paxos_core_is_stop(const struct paxos_core *core, struct slice bytes,
                        struct store_entry *ret_entry)
{
	return bytes.size != 0 && bytes.data[0] == STORE_ENTRY_MEMBERS &&
	       store_entry_decode(bytes, ret_entry) &&
	       ret_entry->configuration == core->configuration + 1;
}

bool paxos_core_is_stopped(const struct paxos_core *core)
{
	struct store_entry entry;

	return core->log.length > core->decided &&
	       paxos_core_is_stop(core, paxos_log_entry(&core->log, core->log.length), &entry);
}

void paxos_core_durable(struct paxos_core *core, uint64_t record)
{
	while (core->marks_count != 0 && core->marks[core->marks_first].record <= record) {
		core->durable_length = core->marks[core->marks_first].length;
		core->marks_first = (core->marks_first + 1) % PAXOS_DURABLE_MARKS;
		core->marks_count--;
	}
	must(core->durable_length <= core->log.length);
	paxos_durable_reached(&core->durable, record);
	paxos_outbox_durable(&core->outbox, record);
}

bool paxos_core_is_accepted(const struct paxos_core *core)
{
	return !paxos_core_is_disk(core) || core->outbox.record_durable >= core->accept_record;
}

uint64_t paxos_core_own_vote(const struct paxos_core *core)
{
	if (!paxos_core_is_disk(core) || (mutant(4) && core->role == PAXOS_LEADER)) {
		return core->log.length;
	}
	return paxos_core_is_accepted(core) ? core->durable_length : 0;
}

void paxos_core_ahead(const struct paxos_core *core, uint64_t index)
{
	store_apply_ahead(core->store, paxos_log_entry(&core->log, index));
}

void paxos_core_apply(struct paxos_core *core, struct store_entry *ret_entry,
                      struct store_result *ret_result)
{
	/* What makes no sense still takes its index, alike on all servers. */
	static const struct store_entry nonsense = {
		.kind = STORE_ENTRY_OP,
		.op = {.verb = STORE_VERB_NOP, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY},
	};
	const uint64_t index = core->decided + 1;
	const struct slice bytes = paxos_log_entry(&core->log, index);

	must(index <= paxos_core_own_vote(core));
	if (store_entry_decode(bytes, ret_entry)) {
		if (mutant(16) && core->now_ns > core->grant.until_ns) {
			ret_entry->expired_count = 0;
		}
		store_apply(core->store, index, ret_entry, ret_result);
	} else {
		store_apply(core->store, index, &nonsense, ret_result);
		ret_entry->kind = (enum store_entry_kind)0;
	}
	core->decided = index;
	if (!paxos_core_is_disk(core)) {
		core->log.trim_to = index;
	}
	must(store_applied(core->store) == core->decided);
}

/* The last REJOIN of `node` in (from, to], or `named` if there is none. */
static uint64_t named_in(const struct paxos_log *log, uint64_t from, uint64_t to, unsigned node,
                         uint64_t named)
{
	struct store_entry entry;

	for (uint64_t index = from + 1; index <= to; index++) {
		const struct slice bytes = paxos_log_entry(log, index);

		if (bytes.size != 0 && bytes.data[0] == STORE_ENTRY_REJOIN &&
		    store_entry_decode(bytes, &entry) && entry.node == node) {
			named = entry.incarnation;
		}
	}
	return named;
}

uint64_t paxos_core_named(const struct paxos_core *core, uint64_t named, uint64_t cut,
                          const struct paxos_log *stage, unsigned node)
{
	named = named_in(&core->log, core->decided, cut, node, named);
	if (stage != NULL) {
		named = named_in(stage, stage->base, stage->length, node, named);
	}
	return named;
}

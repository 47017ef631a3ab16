/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery.c - redoes the records of an earlier process, one by one (replica.h)
 *
 *      snapshot at S | records before `from` | from ... BASE ... the last
 *                      may be there, half       nothing is missing from here on
 *
 * The log begins behind S; what the records say of entries up to S is in the snapshot. Records
 * are a part of one history: where its beginning was forgotten, entries that do not connect are
 * of no use to anybody, until BASE says what stands. From there on everything must fit.
 *
 * What stands between STAGE and ADOPT is gathered in the intake, as it was when it was written;
 * a journal that ends before the ADOPT leaves the log as it was.
 *
 * Records that were lost leave entries unknown, never absent: their mark tells how many.
 */
#include <errno.h>

#include "consensus/body.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

static int raise(struct paxos_ballot *ballot, struct paxos_ballot to)
{
	if (paxos_ballot_compare(to, *ballot) < 0) {
		return -EBADMSG;
	}
	*ballot = to;
	return 0;
}

/* Applies what is known to be decided, up to the first entry that is not known. */
static void apply_to(struct paxos_core *core, uint64_t decided)
{
	struct store_entry entry;
	struct store_result result;

	decided = decided < core->log.length ? decided : core->log.length;
	while (core->decided < decided &&
	       paxos_log_entry(&core->log, core->decided + 1).size != 0) {
		paxos_core_apply(core, &entry, &result);
	}
	store_publish(core->store);
	core->log.trim_to = core->decided;
}

/* Takes the entries of a record. 1: they do not connect with what the log holds. */
static int take(struct paxos_log *log, const struct paxos_record *record)
{
	switch (paxos_stream_unpack(log, record->place, record->body)) {
	case PAXOS_UNPACK_TAKEN:
		return 0;
	case PAXOS_UNPACK_GAP:
		return 1;
	case PAXOS_UNPACK_FULL:
		return -ENOSPC;
	case PAXOS_UNPACK_BAD:
	default:
		return -EBADMSG;
	}
}

/* A chunk whose beginning was lost: the entry is unknown, what follows it in the record is not. */
static int take_behind(struct paxos_log *log, struct paxos_record *record)
{
	const uint32_t offset = record->place.offset;

	if (record->place.index != log->length + 1 || offset == 0) {
		return 1;
	}
	if (paxos_stream_skip(&record->place, &record->body)) {
		return 0; /* its end is in the next record */
	}
	return paxos_log_append_unknown(log) ? take(log, record) : -ENOSPC;
}

static int redo_entries(struct paxos_replica *replica, struct paxos_record *record)
{
	const struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_core *core = &replica->core;
	int r;

	if (record->decided > core->log.length && recovery->is_sure) {
		return -EBADMSG;
	}
	apply_to(core, record->decided);
	if (record->place.offset == 0 && record->place.index <= core->log.length + 1) {
		paxos_durable_retain(&core->durable, record->place.index, core->outbox.record_last);
	}
	r = take(&core->log, record);
	if (r == 1 && recovery->has_losses) {
		r = take_behind(&core->log, record);
	}
	return r == 1 ? (recovery->is_sure ? -EBADMSG : 0) : r;
}

static void redo_stage(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_intake *intake = &replica->intake;

	paxos_intake_end(intake);
	replica->core.durable.stage_record = replica->core.outbox.record_last;
	paxos_log_reset(&intake->stage, record->place.index == 0 ? 0 : record->place.index - 1);
}

static int redo_staged(struct paxos_replica *replica, struct paxos_record *record)
{
	const struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_log *stage = &replica->intake.stage;
	int r;

	/* Behind a snapshot, or a loss, the entries say where they start. */
	if (stage->length == stage->base && stage->partial_size == 0 && record->place.index != 0) {
		paxos_log_reset(stage, record->place.index - 1);
	}
	r = take(stage, record);
	if (r == 1 && recovery->has_losses) {
		r = take_behind(stage, record);
	}
	return r == 1 ? (recovery->is_sure ? -EBADMSG : 0) : r;
}

static int redo_state(struct paxos_replica *replica, const struct paxos_record *record)
{
	const struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_intake *intake = &replica->intake;
	int r = 0;

	if (record->place.index == 0) {
		paxos_intake_end(intake);
		r = store_restore_begin(replica->core.store, &intake->restore);
	}
	if (r == 0 && intake->restore == NULL && (recovery->has_losses || !recovery->is_sure)) {
		return 0; /* its beginning is gone; ADOPT tells whether it is needed */
	}
	if (r < 0 || intake->restore == NULL) {
		return -EBADMSG;
	}
	return store_restore_feed(intake->restore, record->body);
}

/* What the stage lacks of (cut, length], because it was lost, is unknown. */
static int fill_stage(struct paxos_log *stage, uint64_t cut, uint64_t length)
{
	if (stage->base != cut) {
		paxos_log_reset(stage, cut);
	}
	while (stage->length < length) {
		if (!paxos_log_append_unknown(stage)) {
			return -ENOSPC;
		}
	}
	return 0;
}

/* The state that an adoption took, unless what stands here is newer. */
static int adopt_state(struct paxos_replica *replica, uint64_t cut)
{
	struct paxos_intake *intake = &replica->intake;
	int r;

	if (cut <= replica->core.decided) {
		paxos_intake_end(intake);
		return 0;
	}
	r = intake->restore == NULL ? -EBADMSG
	                            : store_restore_end(replica->core.store, intake->restore);
	intake->restore = NULL;
	return r == 0 && store_applied(replica->core.store) != cut ? -EBADMSG : r;
}

/* False if the adoption cannot follow what the log holds. */
static bool may_adopt(const struct paxos_replica *replica, const struct paxos_record *record)
{
	const struct paxos_core *core = &replica->core;
	const uint64_t cut = record->place.index;

	if (paxos_ballot_compare(record->ballot, core->accepted) < 0 ||
	    (replica->recovery.is_sure &&
	     paxos_ballot_compare(record->ballot, core->promised) > 0)) {
		return false;
	}
	/* What is known as decided may be more now than it was then, and needs no stage. */
	return cut >= record->decided;
}

/*
 * The step into a later configuration: all of the log is decided, and says which that is. A
 * snapshot may say so of one that is later still.
 */
static int redo_enter(struct paxos_core *core)
{
	apply_to(core, core->log.length);
	if (core->decided != core->log.length ||
	    store_members(core->store)->configuration < core->accepted.configuration) {
		return -EBADMSG;
	}
	paxos_core_follow(core);
	return 0;
}

static int redo_adopt(struct paxos_replica *replica, const struct paxos_record *record)
{
	const struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_core *core = &replica->core;
	struct paxos_log *stage = &replica->intake.stage;
	bool has_state = (record->flags & PAXOS_RECORD_HAS_STATE) != 0;
	/* Else what is staged, if anything, was given up: its ADOPT never came. */
	const bool staged = mutant(35) ? stage->base == record->place.index &&
	                                         stage->length > record->place.index
	                               : record->length > record->place.index;
	uint64_t cut = record->place.index, length;
	int r = 0;

	if ((record->flags & PAXOS_RECORD_JOINS) != 0 || !recovery->is_sure) {
		if (paxos_ballot_compare(record->ballot, core->promised) > 0) {
			core->promised = record->ballot;
		}
	}
	if (!may_adopt(replica, record)) {
		return -EBADMSG;
	}
	paxos_log_cut(stage, stage->length);
	if (recovery->has_losses && staged) {
		r = fill_stage(stage, cut, record->length);
	}
	if (r == 0 && has_state) {
		r = adopt_state(replica, cut);
		has_state = r == 0 && cut > core->decided;
	}
	if (r < 0) {
		return r;
	}
	if (!has_state && cut > core->log.length) {
		core->accepted = record->ballot; /* before BASE: it does not connect */
		return recovery->is_sure ? -EBADMSG : 0;
	}
	cut = cut < core->decided ? core->decided : cut;
	length = record->length < cut ? cut : record->length;
	if (staged && recovery->is_sure &&
	    (stage->base != record->place.index || stage->length != record->length)) {
		return -EBADMSG;
	}
	if (staged && !has_state && !paxos_core_fits(core, cut, stage)) {
		return -ENOSPC;
	}
	paxos_core_adopt(core, record->ballot, cut,
	                 staged && stage->base == record->place.index ? stage : NULL, has_state);
	paxos_log_reset(stage, 0);
	if (core->log.length != length && recovery->is_sure) {
		return -EBADMSG;
	}
	return recovery->is_sure && record->ballot.configuration > core->configuration &&
	                       paxos_ballot_is_none(record->ballot)
	               ? redo_enter(core)
	               : 0;
}

static int redo_base(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_core *core = &replica->core;
	const uint64_t index = record->place.index;
	const uint64_t length = record->length < core->decided ? core->decided : record->length;
	const bool is_news = !paxos_ballot_equal(record->ballot, core->promised) ||
	                     !paxos_ballot_equal(record->accepted, core->accepted);

	if (!recovery->is_sure && index > core->decided) {
		return 0; /* of a snapshot that is not here */
	}
	if ((recovery->is_sure && is_news) || raise(&core->promised, record->ballot) < 0 ||
	    raise(&core->accepted, record->accepted) < 0 || core->log.length != length) {
		return -EBADMSG;
	}
	recovery->is_sure = true;
	apply_to(core, record->decided); /* what is adopted later counted on that room */
	replica->snapshots.base_index = index;
	replica->snapshots.forgot = record->from;
	return 0;
}

static int redo(struct paxos_replica *replica, struct paxos_record *record)
{
	switch (record->kind) {
	case PAXOS_RECORD_PROMISE:
		return raise(&replica->core.promised, record->ballot);
	case PAXOS_RECORD_ENTRIES:
		return redo_entries(replica, record);
	case PAXOS_RECORD_STAGE:
		redo_stage(replica, record);
		return 0;
	case PAXOS_RECORD_STAGED:
		return redo_staged(replica, record);
	case PAXOS_RECORD_STATE:
		return redo_state(replica, record);
	case PAXOS_RECORD_ADOPT:
		return redo_adopt(replica, record);
	case PAXOS_RECORD_BASE:
		return redo_base(replica, record);
	case PAXOS_RECORD_COUNT:
	default:
		return -EBADMSG;
	}
}

int paxos_replica_recover_snapshot(struct paxos_replica *replica, const struct store_digest *digest)
{
	struct paxos_core *core = &replica->core;

	must(core->recovering);
	must(core->outbox.record_last == 0);
	core->decided = store_applied(core->store);
	replica->recovery.loaded = core->decided;
	paxos_log_reset(&core->log, core->decided);
	paxos_snapshots_kept(core, &replica->snapshots, core->decided, digest);
	return 0;
}

/* The next records are `first` to `last`. */
static int count_records(struct paxos_replica *replica, uint64_t first, uint64_t last)
{
	struct paxos_outbox *outbox = &replica->core.outbox;

	must(replica->core.recovering);
	if (first == 0 || last < first ||
	    (outbox->record_last != 0 && first != outbox->record_last + 1)) {
		return -EBADMSG;
	}
	if (outbox->record_last == 0) {
		replica->recovery.is_sure = first == 1;
	}
	outbox->record_last = last;
	outbox->record_durable = last;
	return 0;
}

int paxos_replica_recover(struct paxos_replica *replica, uint64_t number, struct slice bytes)
{
	struct paxos_record record;
	const int r = count_records(replica, number, number);

	if (r < 0 || !paxos_record_decode(bytes, &record)) {
		return -EBADMSG;
	}
	return redo(replica, &record);
}

int paxos_replica_recover_lost(struct paxos_replica *replica, uint64_t first, uint64_t last,
                               const struct paxos_mark *mark)
{
	struct paxos_recovery *recovery = &replica->recovery;
	struct paxos_core *core = &replica->core;
	const uint64_t low = mark->low < core->decided ? core->decided : mark->low;

	if (count_records(replica, first, last) < 0 || mark->low > mark->length ||
	    mark->decided > mark->length || raise(&core->promised, mark->promised) < 0 ||
	    raise(&core->accepted, mark->accepted) < 0) {
		return -EBADMSG;
	}
	recovery->has_losses = true;
	paxos_intake_end(&replica->intake); /* what it had may have begun anew in between */
	paxos_log_reset(&replica->intake.stage, 0);
	if (low > core->log.length) {
		return recovery->is_sure ? -EBADMSG : 0;
	}
	paxos_log_cut(&core->log, low);
	paxos_durable_cut(&core->durable, low, first);
	while (core->log.length < mark->length && !mutant(23)) {
		if (!paxos_log_append_unknown(&core->log)) {
			return -ENOSPC;
		}
	}
	apply_to(core, mark->decided);
	return 0;
}

/*
 * It took part in a configuration, and lost the entry that began it: it would enter it again, and
 * cut what it acknowledged there.
 */
static bool has_lost_the_step(const struct paxos_core *core)
{
	const uint32_t accepted = core->accepted.configuration;

	return accepted > core->configuration &&
	       accepted > store_members(core->store)->configuration;
}

int paxos_replica_recover_end(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct paxos_log *log = &core->log;

	must(core->recovering);
	for (uint64_t index = core->decided + 1; index <= log->length; index++) {
		if (paxos_log_entry(log, index).size == 0) {
			core->holes_first = core->holes == 0 ? index : core->holes_first;
			core->holes++;
		}
	}
	core->durable.stage_record = 0;
	if (!replica->recovery.is_sure ||
	    (core->outbox.record_last == 0 && replica->recovery.loaded != 0) ||
	    (core->holes != 0 &&
	     (paxos_ballot_is_none(core->accepted) || has_lost_the_step(core)))) {
		return -EBADMSG;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery.c - redoes the records of an earlier process, one by one (replica.h)
 *
 * What stands between STAGE and ADOPT is gathered in the intake, as it was when it was written;
 * a journal that ends before the ADOPT leaves the log as it was.
 */
#include <errno.h>

#include "consensus/body.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

static int redo_entries(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_core *core = &replica->core;
	struct store_entry entry;
	struct store_result result;

	if (record->decided > core->log.length) {
		return -EBADMSG;
	}
	while (core->decided < record->decided) {
		paxos_core_apply(core, &entry, &result);
	}
	store_publish(core->store);
	core->log.trim_to = core->decided;
	return paxos_stream_unpack(&core->log, record->place, record->body) == PAXOS_UNPACK_TAKEN
	               ? 0
	               : -EBADMSG;
}

static void redo_stage(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_intake *intake = &replica->intake;

	paxos_intake_end(intake);
	intake->has_state = false;
	paxos_log_reset(&intake->stage, record->place.index == 0 ? 0 : record->place.index - 1);
}

static int redo_staged(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_log *stage = &replica->intake.stage;

	/* Behind a snapshot the entries say where they start. */
	if (stage->length == stage->base && stage->partial_size == 0 && record->place.index != 0 &&
	    record->place.offset == 0) {
		paxos_log_reset(stage, record->place.index - 1);
	}
	return paxos_stream_unpack(stage, record->place, record->body) == PAXOS_UNPACK_TAKEN
	               ? 0
	               : -EBADMSG;
}

static int redo_state(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_intake *intake = &replica->intake;
	int r = 0;

	if (record->place.index == 0) {
		paxos_intake_end(intake);
		r = store_restore_begin(replica->core.store, &intake->restore);
	}
	if (r < 0 || intake->restore == NULL) {
		return -EBADMSG;
	}
	return store_restore_feed(intake->restore, record->body);
}

static int redo_adopt(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;
	const bool has_state = (record->flags & PAXOS_RECORD_HAS_STATE) != 0;
	const uint64_t cut = record->place.index;
	/* Else what is staged, if anything, was given up: its ADOPT never came. */
	const bool staged = mutant(35) ? intake->stage.base == cut && intake->stage.length > cut
	                               : record->length > cut;

	if (staged && (intake->stage.base != cut || intake->stage.length != record->length)) {
		return -EBADMSG;
	}
	if (cut < core->decided || (!has_state && cut > core->log.length) ||
	    paxos_ballot_compare(record->ballot, core->accepted) < 0 ||
	    paxos_ballot_compare(record->ballot, core->promised) > 0) {
		return -EBADMSG;
	}
	if (has_state) {
		const int r = intake->restore == NULL
		                      ? -EBADMSG
		                      : store_restore_end(core->store, intake->restore);

		intake->restore = NULL;
		if (r < 0) {
			return r;
		}
	}
	paxos_log_cut(&intake->stage, intake->stage.length);
	paxos_core_adopt(core, record->ballot, cut, staged ? &intake->stage : NULL, has_state);
	paxos_log_reset(&intake->stage, 0);
	return core->log.length == record->length ? 0 : -EBADMSG;
}

static int redo_promise(struct paxos_replica *replica, const struct paxos_record *record)
{
	struct paxos_core *core = &replica->core;

	if (paxos_ballot_compare(record->ballot, core->promised) < 0) {
		return -EBADMSG;
	}
	core->promised = record->ballot;
	return 0;
}

static int redo(struct paxos_replica *replica, const struct paxos_record *record)
{
	switch (record->kind) {
	case PAXOS_RECORD_PROMISE:
		return redo_promise(replica, record);
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
	case PAXOS_RECORD_COUNT:
	default:
		return -EBADMSG;
	}
}

/* The next record, or lost ones, up to `last`. */
static int count_records(struct paxos_replica *replica, uint64_t first, uint64_t last)
{
	struct paxos_outbox *outbox = &replica->core.outbox;

	must(replica->core.recovering);
	if (first == 0 || last < first ||
	    (outbox->record_last != 0 && first != outbox->record_last + 1)) {
		return -EBADMSG;
	}
	outbox->record_last = last;
	outbox->record_durable = last;
	return 0;
}

int paxos_replica_recover_snapshot(struct paxos_replica *replica, const struct store_digest *digest)
{
	struct paxos_core *core = &replica->core;

	must(core->recovering);
	must(core->log.length == 0);
	(void)digest;
	core->decided = store_applied(core->store);
	paxos_log_reset(&core->log, core->decided);
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
	(void)mark;
	(void)count_records(replica, first, last);
	return -EBADMSG;
}

int paxos_replica_recover_end(struct paxos_replica *replica)
{
	must(replica->core.recovering);
	return 0;
}

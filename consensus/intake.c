/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/intake.h"

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

int paxos_intake_init(struct paxos_intake *intake, const struct paxos_config *config)
{
	*intake = (struct paxos_intake){0};
	return paxos_log_init(&intake->stage, config->log_entries, config->log_bytes);
}

void paxos_intake_deinit(struct paxos_intake *intake)
{
	paxos_intake_end(intake);
	paxos_log_deinit(&intake->stage);
}

void paxos_intake_end(struct paxos_intake *intake)
{
	if (intake->restore != NULL) {
		store_restore_abort(intake->restore);
		intake->restore = NULL;
	}
	intake->purpose = PAXOS_INTAKE_NONE;
}

static void want_state(struct paxos_core *core, struct paxos_intake *intake)
{
	if (intake->restore != NULL) {
		store_restore_abort(intake->restore);
		intake->restore = NULL;
	}
	intake->wants_state = true;
	intake->has_state = false;
	if (intake->purpose == PAXOS_INTAKE_LEARN) {
		intake->need = UINT64_MAX;
	}
	intake->state_index = 0;
	intake->state_position = 0;
	paxos_log_reset(&intake->stage, 0);
	paxos_core_flush(core);
	paxos_core_record(core, &(struct paxos_record){.kind = PAXOS_RECORD_STAGE});
}

void paxos_intake_moved(const struct paxos_core *core, struct paxos_intake *intake)
{
	intake->progress_ns = core->now_ns;
	intake->asks = 0;
}

void paxos_intake_begin(struct paxos_core *core, struct paxos_intake *intake,
                        enum paxos_intake_purpose purpose, unsigned peer,
                        struct paxos_ballot ballot, uint64_t cut, uint64_t need, bool wants_state)
{
	must(purpose != PAXOS_INTAKE_NONE);
	must(peer != core->config.node || purpose == PAXOS_INTAKE_REPAIR);
	paxos_intake_end(intake);
	intake->purpose = purpose;
	intake->peer = peer;
	intake->ballot = ballot;
	intake->cut = cut;
	intake->need = need;
	intake->transfer++;
	intake->proof = 0;
	intake->wants_state = false;
	intake->has_state = false;
	intake->asked_ns = 0;
	intake->wait_ns = core->config.resend_ns;
	paxos_intake_moved(core, intake);
	if (wants_state) {
		want_state(core, intake);
		return;
	}
	paxos_log_reset(&intake->stage, cut);
	intake->staged = (struct paxos_place){.index = cut + 1};
	if (purpose != PAXOS_INTAKE_CATCHUP) {
		must(cut >= core->decided);
		must(cut <= core->log.length);
		paxos_core_flush(core);
		paxos_core_record(core, &(struct paxos_record){.kind = PAXOS_RECORD_STAGE,
		                                               .place = intake->staged});
	}
}

static struct paxos_log *target_of(struct paxos_core *core, struct paxos_intake *intake)
{
	return intake->purpose == PAXOS_INTAKE_CATCHUP ? &core->log : &intake->stage;
}

static void ask(struct paxos_core *core, struct paxos_intake *intake)
{
	const struct paxos_place next = paxos_stream_next(target_of(core, intake));
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_FETCH,
		.ballot = intake->ballot,
		.transfer = intake->transfer,
		.proof = intake->proof,
		.index = next.index,
		.offset = next.offset,
	};

	if (intake->wants_state) {
		msg.flags = PAXOS_FLAG_STATE;
		msg.index = core->decided + 1;
		msg.offset = 0;
		msg.base = intake->state_index;
		msg.position = intake->state_position;
	}
	intake->asked_ns = core->now_ns;
	intake->asks++;
	if (intake->purpose != PAXOS_INTAKE_REPAIR) {
		paxos_core_send(core, intake->peer, &msg, false);
		return;
	}
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		if (peer != core->config.node) {
			msg.flags = PAXOS_FLAG_REPAIR;
			paxos_core_send(core, peer, &msg, false);
		}
	}
}

static void moved_on(struct paxos_core *core, struct paxos_intake *intake)
{
	paxos_intake_moved(core, intake);
	intake->wait_ns = core->config.resend_ns;
	intake->asked_ns = core->now_ns;
}

/* LEARN: ends the stage at the stop-sign, if that came. */
static void find_stop(const struct paxos_core *core, struct paxos_intake *intake, uint64_t from)
{
	struct store_entry entry;

	for (uint64_t index = from;
	     intake->purpose == PAXOS_INTAKE_LEARN && index <= intake->stage.length; index++) {
		if (paxos_core_is_stop(core, paxos_log_entry(&intake->stage, index), &entry)) {
			paxos_log_cut(&intake->stage, index);
			intake->need = index;
			return;
		}
	}
}

static bool take_body(struct paxos_core *core, struct paxos_intake *intake,
                      const struct paxos_msg *msg)
{
	struct paxos_log *target = target_of(core, intake);
	const struct paxos_place before = paxos_stream_next(target);
	enum paxos_unpack unpacked;

	if (!paxos_core_has_room(core, msg->body.size)) {
		return false;
	}
	if (intake->purpose == PAXOS_INTAKE_LEARN && intake->need != UINT64_MAX) {
		return false; /* the stop-sign is here: what follows is not for this step */
	}
	unpacked = paxos_stream_unpack(target, (struct paxos_place){msg->index, msg->offset},
	                               msg->body);
	core->unpersisted_bytes += msg->body.size;
	if (unpacked == PAXOS_UNPACK_FULL &&
	    (intake->purpose == PAXOS_INTAKE_ADOPT || intake->purpose == PAXOS_INTAKE_SYNC ||
	     intake->purpose == PAXOS_INTAKE_LEARN)) {
		/* More than a ring can hold is missing: the giver's snapshot is shorter. */
		want_state(core, intake);
		return false;
	}
	if (unpacked == PAXOS_UNPACK_BAD) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
	}
	find_stop(core, intake, before.index);
	return paxos_place_before(before, paxos_stream_next(target));
}

void paxos_intake_push(struct paxos_core *core, struct paxos_intake *intake,
                       const struct paxos_msg *sync)
{
	must(intake->purpose == PAXOS_INTAKE_SYNC);
	if (!intake->wants_state && take_body(core, intake, sync)) {
		moved_on(core, intake);
	}
}

bool paxos_intake_entries(struct paxos_core *core, struct paxos_intake *intake,
                          const struct paxos_msg *msg)
{
	const bool last = (msg->flags & PAXOS_FLAG_LAST) != 0;
	const bool mends = intake->purpose == PAXOS_INTAKE_REPAIR;
	bool moved;

	if (intake->purpose == PAXOS_INTAKE_NONE || (msg->node != intake->peer && !mends) ||
	    mends != ((msg->flags & PAXOS_FLAG_REPAIR) != 0) || msg->transfer != intake->transfer ||
	    intake->wants_state) {
		return false;
	}
	if (!mends && paxos_stream_next(target_of(core, intake)).index <= msg->base) {
		want_state(core, intake);
		ask(core, intake);
		return false;
	}
	moved = take_body(core, intake, msg);
	if (moved) {
		moved_on(core, intake);
	}
	if (last && msg->body.size != 0 && !paxos_intake_is_whole(intake)) {
		ask(core, intake);
	}
	return moved;
}

static bool begin_restore(struct paxos_core *core, struct paxos_intake *intake, uint64_t index)
{
	if (intake->restore != NULL) {
		store_restore_abort(intake->restore);
		intake->restore = NULL;
	}
	intake->state_position = 0;
	intake->state_index = index;
	return store_restore_begin(core->store, &intake->restore) == 0;
}

/* The snapshot is here. What follows are the entries behind it. */
static void end_state(struct paxos_core *core, struct paxos_intake *intake)
{
	intake->wants_state = false;
	intake->has_state = true;
	intake->cut = intake->state_index + mutant(19);
	paxos_log_reset(&intake->stage, intake->cut);
	intake->staged = (struct paxos_place){.index = intake->cut + 1};
	if (intake->purpose == PAXOS_INTAKE_LEARN) {
		intake->need = intake->cut;
	}
	if (intake->purpose != PAXOS_INTAKE_CATCHUP) {
		return;
	}
	/* An outsider has no word to keep: it takes the snapshot at once. */
	if (intake->cut > core->log.length &&
	    store_restore_end(core->store, intake->restore) == 0) {
		paxos_core_adopt(core, core->accepted, intake->cut, NULL, true);
		paxos_core_trace(core, PAXOS_TRACE_SNAPSHOT_IN, intake->cut, 0);
	} else if (intake->cut <= core->log.length) {
		store_restore_abort(intake->restore);
	}
	intake->restore = NULL;
	intake->has_state = false;
}

/*
 * The start of another snapshot; or of this one, from a giver that has lost the place. It may also
 * be a datagram that was long on its way, so that is believed only where nothing else comes.
 */
static bool begins_anew(const struct paxos_core *core, const struct paxos_intake *intake,
                        const struct paxos_msg *msg)
{
	return msg->position == 0 && msg->base >= core->decided &&
	       (msg->base != intake->state_index ||
	        core->now_ns >= intake->progress_ns + 4 * core->config.heartbeat_ns);
}

bool paxos_intake_state(struct paxos_core *core, struct paxos_intake *intake,
                        const struct paxos_msg *msg)
{
	if (intake->purpose == PAXOS_INTAKE_NONE || msg->node != intake->peer ||
	    msg->transfer != intake->transfer || !intake->wants_state) {
		return false;
	}
	if (begins_anew(core, intake, msg) && !begin_restore(core, intake, msg->base)) {
		return false;
	}
	if (msg->base != intake->state_index || msg->position != intake->state_position ||
	    intake->restore == NULL || !paxos_core_has_room(core, msg->body.size)) {
		return false;
	}
	if (store_restore_feed(intake->restore, msg->body) < 0) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		want_state(core, intake);
		return false;
	}
	core->unpersisted_bytes += msg->body.size;
	paxos_core_record(core, &(struct paxos_record){.kind = PAXOS_RECORD_STATE,
	                                               .place = {.index = msg->position},
	                                               .body = msg->body});
	intake->state_position += msg->body.size;
	moved_on(core, intake);
	if ((msg->flags & PAXOS_FLAG_END) != 0) {
		end_state(core, intake);
	}
	if ((msg->flags & PAXOS_FLAG_LAST) != 0 && !paxos_intake_is_whole(intake)) {
		ask(core, intake);
	}
	return true;
}

bool paxos_intake_is_whole(const struct paxos_intake *intake)
{
	return intake->purpose != PAXOS_INTAKE_NONE && intake->purpose != PAXOS_INTAKE_CATCHUP &&
	       !intake->wants_state && intake->stage.length >= intake->need;
}

/* What comes before the step. False: the snapshot turned out to be damaged, or does not fit. */
static bool finish(struct paxos_core *core, struct paxos_intake *intake)
{
	must(paxos_intake_is_whole(intake));
	if (!intake->has_state && !paxos_core_fits(core, intake->cut, &intake->stage)) {
		if (intake->purpose == PAXOS_INTAKE_REPAIR) {
			paxos_core_end(core, PAXOS_END_BEYOND_REPAIR);
		} else {
			want_state(core, intake);
		}
		return false;
	}
	paxos_core_flush_staged(core, &intake->stage, &intake->staged);
	if (intake->has_state) {
		const int r = store_restore_end(core->store, intake->restore);

		intake->restore = NULL;
		if (r < 0) {
			want_state(core, intake);
			return false;
		}
		paxos_core_trace(core, PAXOS_TRACE_SNAPSHOT_IN, intake->cut, 0);
	}
	paxos_log_cut(&intake->stage, intake->stage.length);
	return true;
}

/* A snapshot of the leader's or of a promiser's is of this configuration. */
static bool is_of_configuration(const struct paxos_core *core, const struct paxos_intake *intake)
{
	const struct store_members *members;

	if (!intake->has_state) {
		return true;
	}
	members = store_restore_members(intake->restore);
	return members->configuration == core->configuration ||
	       (members->configuration == 0 && core->configuration == 1);
}

bool paxos_intake_commit(struct paxos_core *core, struct paxos_intake *intake)
{
	must(paxos_ballot_equal(core->promised, intake->ballot) ||
	     intake->purpose == PAXOS_INTAKE_REPAIR);
	if (!is_of_configuration(core, intake)) {
		want_state(core, intake);
		return false;
	}
	if (!finish(core, intake)) {
		return false;
	}
	paxos_core_adopt(core, intake->ballot, intake->cut, &intake->stage, intake->has_state);
	paxos_intake_end(intake);
	return true;
}

bool paxos_intake_stop(struct paxos_core *core, struct paxos_intake *intake,
                       struct paxos_stop *ret_stop)
{
	struct store_entry entry;

	must(intake->purpose == PAXOS_INTAKE_LEARN);
	must(paxos_intake_is_whole(intake));
	if (intake->has_state) {
		const struct store_members *members = store_restore_members(intake->restore);

		*ret_stop = (struct paxos_stop){members->configuration, members->voters};
	} else {
		must(paxos_core_is_stop(core, paxos_log_entry(&intake->stage, intake->need),
		                        &entry));
		*ret_stop = (struct paxos_stop){entry.configuration, entry.voters};
	}
	if (ret_stop->configuration <= core->configuration ||
	    ret_stop->configuration <= core->promised.configuration ||
	    intake->cut < core->decided || (!intake->has_state && intake->cut > core->log.length)) {
		paxos_intake_end(intake);
		return false;
	}
	return true;
}

bool paxos_intake_enter(struct paxos_core *core, struct paxos_intake *intake,
                        const struct paxos_stop *stop)
{
	if (!finish(core, intake)) {
		return false;
	}
	paxos_core_enter(core, stop->configuration, stop->voters, intake->cut, &intake->stage,
	                 intake->has_state);
	paxos_intake_end(intake);
	return true;
}

void paxos_intake_tick(struct paxos_core *core, struct paxos_intake *intake)
{
	if (intake->purpose == PAXOS_INTAKE_NONE) {
		return;
	}
	if (intake->purpose != PAXOS_INTAKE_CATCHUP && !intake->wants_state) {
		paxos_core_flush_staged(core, &intake->stage, &intake->staged);
	}
	if (paxos_intake_is_whole(intake) || core->now_ns < paxos_intake_deadline_ns(intake)) {
		return;
	}
	if (intake->asked_ns != 0 && intake->wait_ns < core->config.heartbeat_ns) {
		intake->wait_ns *= 2;
	}
	ask(core, intake);
}

uint64_t paxos_intake_deadline_ns(const struct paxos_intake *intake)
{
	if (intake->purpose == PAXOS_INTAKE_NONE || paxos_intake_is_whole(intake)) {
		return UINT64_MAX;
	}
	return intake->asked_ns == 0 ? 0 : intake->asked_ns + intake->wait_ns;
}

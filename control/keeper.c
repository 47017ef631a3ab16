/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consensus/quorum.h"
#include "control/clock.h"
#include "control/facts.h"
#include "control/shared_config.h"
#include "control/tree_plan.h"
#include "store/base/check.h"
#include "store/proto_page.h"

enum {
	LOOK_MS = 500, /* between two looks at members and leader */
	SOON_MS = 20,  /* between two turns */
	NS_PER_MS = 1000000,
};

#define REQUEST_NS ((uint64_t)5000000000)  /* mail that is not answered for so long is lost */
#define CHANGE_NS  ((uint64_t)2000000000)  /* one ask of the changer */
#define WISH_NS    ((uint64_t)30000000000) /* a wish that waits for so long is refused */

enum state {
	IDLE = 0,
	LOOKING, /* whether the members are others */
	WALKING,
	READING,
	ASKING, /* for the status a plan is made with */
	WRITING,
	CHANGING,
};

struct ctl_keeper {
	struct ctl_keeper_config config;
	struct ctl_inside *inside;
	uv_timer_t look, soon, pulse;
	enum state state;
	bool is_dirty, has_failed;
	uint64_t mail_ns; /* when status or a change was asked for */
	unsigned outstanding, next_read, glob;
	store_rev_t revision;             /* of this turn */
	uint64_t watches[CTL_TREE_GLOBS]; /* of each glob that is walked; 0: none */
	struct ctl_tree *tree, *next;
	struct ctl_tree_facts facts;
	struct ctl_tree_plan plan;
	char hostname[256], shared[CTL_TREE_VALUE_SIZE], refusal[CTL_TREE_TEXT_SIZE];
	uint32_t wish_add, wish_remove; /* that the changer was asked for, since: */
	uint64_t wish_ns;
	/* The pulse. Revisions but those of pulses: as the watch tells, and when it was written. */
	int64_t pulses, moved, written;
	bool is_pulsing;
};

static void start_turn(struct ctl_keeper *keeper);

/* --- when ------------------------------------------------------------------------------------ */

static void on_soon(uv_timer_t *timer)
{
	struct ctl_keeper *keeper = timer->data;

	if (keeper->is_dirty && keeper->state == IDLE) {
		start_turn(keeper);
	}
}

static void poke(struct ctl_keeper *keeper)
{
	keeper->is_dirty = true;
	if (keeper->state == IDLE && !uv_is_active((const uv_handle_t *)&keeper->soon)) {
		must(uv_timer_start(&keeper->soon, on_soon, SOON_MS, 0) == 0);
	}
}

/* The turn is over. One that failed is begun again at the next look. */
static void end_turn(struct ctl_keeper *keeper)
{
	keeper->state = IDLE;
	if (keeper->has_failed) {
		keeper->is_dirty = true;
	} else if (keeper->is_dirty) {
		poke(keeper);
	}
}

static bool ask_status(struct ctl_keeper *keeper)
{
	keeper->mail_ns = ctl_clock_ns();
	return paxos_mailbox_put_to_worker(
		keeper->config.mailbox,
		&(struct paxos_mail){.kind = PAXOS_MAIL_STATUS_ASK,
	                             .address = paxos_address_inside(CTL_INSIDE_KEEPER)});
}

static void on_look(uv_timer_t *timer)
{
	struct ctl_keeper *keeper = timer->data;
	const bool waits_for_mail =
		keeper->state == LOOKING || keeper->state == ASKING || keeper->state == CHANGING;

	if (waits_for_mail && ctl_clock_ns() - keeper->mail_ns > REQUEST_NS) {
		keeper->has_failed = true;
		end_turn(keeper);
	} else if (keeper->state == IDLE && keeper->is_dirty) {
		start_turn(keeper);
	} else if (keeper->state == IDLE && ask_status(keeper)) {
		keeper->state = LOOKING;
	}
}

/* --- the watch ------------------------------------------------------------------------------- */

/* "/ctl/node/ID/applied": the ID's member, or -1; *ret_is_pulse says whether it is one at all. */
static int pulse_of(const struct ctl_keeper *keeper, struct slice path, bool *ret_is_pulse)
{
	static const char head[] = "/ctl/node/", tail[] = "/applied";
	const size_t size = sizeof(head) - 1 + CTL_NODE_ID_SIZE - 1 + sizeof(tail) - 1;
	const char *text = (const char *)path.data;

	*ret_is_pulse = path.size == size && memcmp(text, head, sizeof(head) - 1) == 0 &&
	                memcmp(text + size - (sizeof(tail) - 1), tail, sizeof(tail) - 1) == 0;
	if (!*ret_is_pulse) {
		return -1;
	}
	return ctl_tree_member_of(&keeper->facts,
	                          slice_make(text + sizeof(head) - 1, CTL_NODE_ID_SIZE - 1));
}

static void on_news(void *context, const struct watcher_effect *news)
{
	struct ctl_keeper *keeper = context;
	bool is_pulse;
	int member;

	if (news->kind == WATCHER_EFFECT_END) {
		for (unsigned i = 0; i < CTL_TREE_GLOBS; i++) {
			keeper->watches[i] *= keeper->watches[i] != news->tag;
		}
		poke(keeper);
		return;
	}
	if (news->kind == WATCHER_EFFECT_EVENT) {
		member = pulse_of(keeper, news->event.path, &is_pulse);
		keeper->pulses += is_pulse ? 1 : 0;
		if (!is_pulse || member < 0) {
			poke(keeper); /* not for each pulse of a member */
		}
	}
	if (news->tag == keeper->watches[CTL_TREE_GLOB_NODES]) {
		keeper->moved = news->next - keeper->pulses;
	}
}

/* What is walked, where it is not watched yet; not all below /ctl: locks there change often. */
static bool watch(struct ctl_keeper *keeper, store_rev_t from)
{
	char glob[CTL_TREE_PATH_SIZE];

	for (unsigned i = 0; i < CTL_TREE_GLOBS; i++) {
		if (keeper->watches[i] != 0) {
			continue;
		}
		if (i == CTL_TREE_GLOB_NODES) {
			keeper->pulses = from - ++keeper->moved; /* some may have been missed */
		}
		ctl_tree_glob(i, keeper->config.config->name, glob);
		if (ctl_inside_watch(
			    keeper->inside,
			    &(struct watcher_request){.glob = slice_text(glob), .from = from},
			    on_news, keeper, &keeper->watches[i]) < 0) {
			return false;
		}
	}
	return true;
}

/* --- reading --------------------------------------------------------------------------------- */

static void submit(struct ctl_keeper *keeper, const struct client_request *request,
                   ctl_inside_done_fn *done)
{
	if (ctl_inside_submit(keeper->inside, request, done, keeper, NULL) == 0) {
		keeper->outstanding++;
	} else {
		keeper->has_failed = true;
	}
}

static void read_more(struct ctl_keeper *keeper);

/* Takes a whole page in, or none of it. */
static bool take_page(struct ctl_keeper *keeper, struct slice page)
{
	struct ctl_tree *tree = keeper->next;
	struct proto_page_entry entry;
	bool bad = false;

	while (proto_page_next(&page, &entry, &bad)) {
		struct ctl_tree_file *file = &tree->files[tree->count];

		if (entry.is_directory || entry.name.size >= sizeof(file->path)) {
			continue;
		}
		if (tree->count == CTL_TREE_FILES_MAX) {
			ctl_log(keeper->config.logger, CTL_ERROR, "ctl_full",
			        CTL_NUMBER("files", CTL_TREE_FILES_MAX),
			        CTL_TEXT("mend", "delete what is not needed below /ctl"));
			return false;
		}
		tree->count++;
		memcpy(file->path, entry.name.data, entry.name.size);
		file->path[entry.name.size] = '\0';
		file->revision = entry.revision;
		file->is_known = false;
	}
	return !bad;
}

static void walk(struct ctl_keeper *keeper, struct slice after);

static void on_walked(void *context, const struct client_result *result)
{
	struct ctl_keeper *keeper = context;
	struct proto_page_mark rest;

	keeper->outstanding--;
	if (result->outcome != CLIENT_DONE || !take_page(keeper, result->answer.value)) {
		keeper->has_failed = true;
		end_turn(keeper);
		return;
	}
	if (keeper->revision == 0) {
		keeper->revision = result->answer.store_revision;
	}
	if (result->answer.has_more && proto_page_rest(result->answer.value, &rest)) {
		walk(keeper, rest.after);
		return;
	}
	keeper->glob++;
	if (keeper->glob < CTL_TREE_GLOBS) {
		walk(keeper, (struct slice){0});
		return;
	}
	keeper->state = READING;
	read_more(keeper);
}

static void walk(struct ctl_keeper *keeper, struct slice after)
{
	char glob[CTL_TREE_PATH_SIZE];

	ctl_tree_glob(keeper->glob, keeper->config.config->name, glob);
	submit(keeper,
	       &(struct client_request){.verb = PROTO_WALK,
	                                .path = slice_text(glob),
	                                .after = after,
	                                .rev = keeper->revision},
	       on_walked);
	if (keeper->has_failed) {
		end_turn(keeper);
	}
}

static void start_turn(struct ctl_keeper *keeper)
{
	keeper->is_dirty = keeper->has_failed = false;
	keeper->state = WALKING;
	keeper->next->count = 0;
	keeper->revision = 0;
	keeper->glob = keeper->next_read = 0;
	must(keeper->outstanding == 0);
	walk(keeper, (struct slice){0});
}

static void on_read(void *context, const struct client_result *result)
{
	struct ctl_keeper *keeper = context;

	keeper->outstanding--;
	if (result->outcome == CLIENT_DONE) {
		ctl_tree_take_value(&keeper->next->files[keeper->next_read], result->answer.value);
	} else {
		keeper->has_failed = true;
	}
	read_more(keeper);
}

/* What is known already at that revision. */
static bool copy_known(struct ctl_keeper *keeper, struct ctl_tree_file *file)
{
	const struct ctl_tree_file *known = ctl_tree_find(keeper->tree, file->path);

	if (known == NULL || known->revision != file->revision) {
		return false;
	}
	*file = *known;
	return true;
}

static void read_more(struct ctl_keeper *keeper)
{
	struct ctl_tree *tree = keeper->next;

	for (; keeper->next_read < tree->count && !keeper->has_failed; keeper->next_read++) {
		struct ctl_tree_file *file = &tree->files[keeper->next_read];

		if (file->is_known || copy_known(keeper, file)) {
			continue;
		}
		submit(keeper,
		       &(struct client_request){.verb = PROTO_GET,
		                                .path = slice_text(file->path),
		                                .rev = keeper->revision},
		       on_read);
		if (!keeper->has_failed) {
			return;
		}
	}
	keeper->state = ASKING;
	if (keeper->has_failed || !watch(keeper, keeper->revision + 1) || !ask_status(keeper)) {
		keeper->has_failed = true;
		end_turn(keeper);
	}
}

/* --- planning -------------------------------------------------------------------------------- */

static void end_writing(struct ctl_keeper *keeper);

static void on_written(void *context, const struct client_result *result)
{
	struct ctl_keeper *keeper = context;

	keeper->outstanding--;
	keeper->has_failed |= result->outcome != CLIENT_DONE; /* somebody was faster: look again */
	end_writing(keeper);
}

static void write_plan(struct ctl_keeper *keeper)
{
	keeper->state = WRITING;
	keeper->outstanding++; /* so that none of them ends it */
	for (unsigned i = 0; i < keeper->plan.count && !keeper->has_failed; i++) {
		const struct ctl_tree_action *action = &keeper->plan.actions[i];

		submit(keeper,
		       &(struct client_request){.verb = action->is_delete ? PROTO_DELETE
		                                                          : PROTO_SET,
		                                .condition = STORE_IF_EQUAL,
		                                .rev = action->revision,
		                                .path = slice_text(action->path),
		                                .value = slice_text(action->value)},
		       on_written);
	}
	keeper->outstanding--;
	end_writing(keeper);
}

static void make_plan(struct ctl_keeper *keeper)
{
	struct ctl_tree *former = keeper->tree;

	keeper->tree = keeper->next;
	keeper->next = former;
	ctl_shared_config(keeper->config.config, keeper->facts.members, keeper->shared);
	ctl_tree_make_plan(keeper->tree, &keeper->facts, &keeper->plan);
	if ((keeper->plan.add | keeper->plan.remove) == 0 && keeper->plan.count == 0) {
		keeper->facts.refused_add = keeper->facts.refused_remove = 0;
		keeper->wish_add = keeper->wish_remove = 0;
	}
	keeper->is_dirty |= keeper->plan.count != 0;
	write_plan(keeper);
}

/* --- changing -------------------------------------------------------------------------------- */

static void ask_change(struct ctl_keeper *keeper)
{
	const struct ctl_tree_plan *plan = &keeper->plan;
	struct paxos_mail_change asked = {.patience_ns = CHANGE_NS};
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_CHANGE,
	                                .address = paxos_address_inside(CTL_INSIDE_KEEPER),
	                                .bytes = slice_make(&asked, sizeof(asked))};
	unsigned node = 0;

	asked.change = (struct paxos_change){.add = plan->add,
	                                     .remove = plan->remove,
	                                     .as_learners = plan->as_learners,
	                                     .is_even = true};
	if (plan->as_learners && paxos_each(plan->add, &node)) {
		asked.change.addresses[node] = plan->address;
	}
	if (plan->add != keeper->wish_add || plan->remove != keeper->wish_remove) {
		keeper->wish_add = plan->add;
		keeper->wish_remove = plan->remove;
		keeper->wish_ns = ctl_clock_ns();
	}
	keeper->state = CHANGING;
	keeper->mail_ns = ctl_clock_ns();
	if (!paxos_mailbox_put_to_worker(keeper->config.mailbox, &mail)) {
		keeper->has_failed = true;
		end_turn(keeper);
	}
}

static void end_writing(struct ctl_keeper *keeper)
{
	if (keeper->outstanding != 0) {
		return;
	}
	if (!keeper->has_failed && (keeper->plan.add | keeper->plan.remove) != 0) {
		ask_change(keeper);
	} else {
		end_turn(keeper);
	}
}

static void take_told(struct ctl_keeper *keeper, const struct paxos_told *told)
{
	const bool is_late = ctl_clock_ns() - keeper->wish_ns > WISH_NS;
	char add[PAXOS_SET_TEXT_MAX], remove[PAXOS_SET_TEXT_MAX];

	if (keeper->state != CHANGING) {
		return; /* of a turn that was given up */
	}
	ctl_log(keeper->config.logger, CTL_INFO, "seats",
	        CTL_TEXT("add", paxos_set_text(keeper->wish_add, add)),
	        CTL_TEXT("remove", paxos_set_text(keeper->wish_remove, remove)),
	        CTL_TEXT("told", told->text));
	if (told->verdict == PAXOS_CHANGE_REFUSED ||
	    (told->verdict == PAXOS_CHANGE_WAITS && is_late)) {
		(void)snprintf(keeper->refusal, sizeof(keeper->refusal), "%s", told->text);
		keeper->facts.refused_add = keeper->wish_add;
		keeper->facts.refused_remove = keeper->wish_remove;
	}
	if (told->verdict != PAXOS_CHANGE_WAITS) {
		keeper->wish_add = keeper->wish_remove = 0;
	}
	keeper->is_dirty = true;
	end_turn(keeper);
}

bool ctl_keeper_mail(struct ctl_keeper *keeper, const struct paxos_mail *mail)
{
	struct paxos_status status;
	struct paxos_told told;

	if (keeper == NULL || paxos_address_inside_of(&mail->address) != CTL_INSIDE_KEEPER) {
		return false;
	}
	if (mail->kind == PAXOS_MAIL_TOLD) {
		must(mail->bytes.size == sizeof(told));
		memcpy(&told, mail->bytes.data, sizeof(told));
		take_told(keeper, &told);
		return true;
	}
	must(mail->kind == PAXOS_MAIL_STATUS && mail->bytes.size >= sizeof(status));
	memcpy(&status, mail->bytes.data, sizeof(status));
	ctl_insides_learn(keeper->config.insides, status.voters | status.learners);
	if (keeper->state == LOOKING) {
		keeper->state = IDLE;
		if (ctl_facts_take(&keeper->facts, keeper->config.config, &status) ||
		    keeper->is_dirty) {
			poke(keeper);
		}
		ctl_names_tell(keeper->config.names, &keeper->facts);
	} else if (keeper->state == ASKING) {
		(void)ctl_facts_take(&keeper->facts, keeper->config.config, &status);
		ctl_names_tell(keeper->config.names, &keeper->facts);
		make_plan(keeper);
	}
	return true;
}

void ctl_keeper_stir(struct ctl_keeper *keeper, enum paxos_trace_kind kind)
{
	if (keeper != NULL && (kind == PAXOS_TRACE_CONFIGURATION || kind == PAXOS_TRACE_LEADS ||
	                       kind == PAXOS_TRACE_REJOINED)) {
		poke(keeper);
	}
}

/* --- the pulse ------------------------------------------------------------------------------- */

static void on_pulsed(void *context, const struct client_result *result)
{
	struct ctl_keeper *keeper = context;

	keeper->is_pulsing = false;
	if (result->outcome != CLIENT_DONE) {
		keeper->written = -1;
	}
}

static void on_pulse(uv_timer_t *timer)
{
	struct ctl_keeper *keeper = timer->data;
	const store_rev_t applied = store_event_last(keeper->config.store);
	char path[CTL_TREE_PATH_SIZE], value[24];

	if (keeper->facts.own < 0 || keeper->is_pulsing || keeper->moved == keeper->written) {
		return;
	}
	(void)snprintf(path, sizeof(path), "/ctl/node/%s/applied",
	               keeper->facts.members[keeper->facts.own].id);
	(void)snprintf(value, sizeof(value), "%" PRIi64, applied);
	if (ctl_inside_submit(keeper->inside,
	                      &(struct client_request){.verb = PROTO_SET,
	                                               .path = slice_text(path),
	                                               .value = slice_text(value)},
	                      on_pulsed, keeper, NULL) == 0) {
		keeper->is_pulsing = true;
		keeper->written = keeper->moved;
	}
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void take_hostname(char ret_name[256])
{
	if (gethostname(ret_name, 255) < 0 || ret_name[0] == '\0') {
		(void)snprintf(ret_name, 256, "unknown");
	}
	ret_name[255] = '\0';
}

int ctl_keeper_open(struct ctl_keeper **ret_keeper, const struct ctl_keeper_config *config,
                    struct ctl_reason *ret_reason)
{
	struct ctl_keeper *keeper = calloc(1, sizeof(*keeper));
	const struct ctl_inside_config inside = {.loop = config->loop,
	                                         .mailbox = config->mailbox,
	                                         .insides = config->insides,
	                                         .config = config->config,
	                                         .watches_max = 2 * CTL_TREE_GLOBS,
	                                         .timeout_ns = REQUEST_NS};
	const uint64_t pulse_ms = config->config->pulse_ns / NS_PER_MS;
	int r;

	if (keeper == NULL) {
		ctl_reason_say(ret_reason, "no memory for /ctl; free some");
		return -ENOMEM;
	}
	keeper->config = *config;
	keeper->tree = calloc(1, sizeof(*keeper->tree));
	keeper->next = calloc(1, sizeof(*keeper->next));
	keeper->written = -1;
	take_hostname(keeper->hostname);
	keeper->facts = (struct ctl_tree_facts){.name = config->config->name,
	                                        .config = keeper->shared,
	                                        .hostname = keeper->hostname,
	                                        .version = config->version,
	                                        .own = -1,
	                                        .refusal = keeper->refusal};
	must(uv_timer_init(config->loop, &keeper->look) == 0);
	must(uv_timer_init(config->loop, &keeper->soon) == 0);
	must(uv_timer_init(config->loop, &keeper->pulse) == 0);
	keeper->look.data = keeper->soon.data = keeper->pulse.data = keeper;
	*ret_keeper = keeper;
	if (keeper->tree == NULL || keeper->next == NULL) {
		ctl_reason_say(ret_reason, "no memory for /ctl; free some");
		return -ENOMEM;
	}
	r = ctl_inside_open(&keeper->inside, &inside, ret_reason);
	if (r < 0) {
		return r;
	}
	must(uv_timer_start(&keeper->look, on_look, LOOK_MS, LOOK_MS) == 0);
	if (pulse_ms != 0) {
		must(uv_timer_start(&keeper->pulse, on_pulse, pulse_ms, pulse_ms) == 0);
	}
	poke(keeper);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_keeper *keeper = handle->data;

	free(keeper->tree);
	free(keeper->next);
	free(keeper);
}

void ctl_keeper_close(struct ctl_keeper *keeper)
{
	if (keeper == NULL) {
		return;
	}
	ctl_inside_close(keeper->inside);
	uv_close((uv_handle_t *)&keeper->look, NULL);
	uv_close((uv_handle_t *)&keeper->soon, NULL);
	uv_close((uv_handle_t *)&keeper->pulse, on_closed); /* closed last: in this order */
}

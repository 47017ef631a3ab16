/* SPDX-License-Identifier: Apache-2.0 */
#include "control/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/client/coffer.h"
#include "control/tree_plan.h"
#include "store/base/check.h"

enum {
	AGAIN_MS = 1000, /* after a turn that failed */
	REQUESTS_MAX = 16,
	ENTRIES_MAX = 64, /* that are read of one name */
	FAILURES_MAX = 3, /* turns in a row; then the names are resolved again */
	TIMEOUT_MS = 3000,
};

enum state {
	IDLE = 0,
	OPENING, /* a thread of the pool resolves */
	READING,
	WRITING,
};

struct ctl_names {
	struct ctl_names_config config;
	struct ctl_tree_facts facts;
	uv_timer_t timer;
	uv_work_t work;
	uv_poll_t poll;
	struct coffer *coffer; /* NULL: none; of the pool's thread while OPENING */
	struct coffer *former; /* while its poll is being closed */
	int opened;            /* what coffer_open() returned */
	enum state state;
	bool has_poll, is_closing, is_dirty, has_failed;
	unsigned outstanding, failures, next_read;
	unsigned handles_open;
	struct ctl_tree *tree;
	struct ctl_tree_plan plan;
	char said[CTL_TREE_TEXT_SIZE]; /* what is in the way, as logged last */
};

static void start_turn(struct ctl_names *names);

/* --- the handle ------------------------------------------------------------------------------ */

static void free_if_closed(struct ctl_names *names)
{
	if (names->is_closing && names->handles_open == 0 && names->state != OPENING) {
		free(names->tree);
		free(names);
	}
}

static void on_timer(uv_timer_t *timer)
{
	start_turn(timer->data);
}

static void set_timer(struct ctl_names *names, uint64_t after_ms)
{
	must(uv_timer_start(&names->timer, on_timer, after_ms, 0) == 0);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct ctl_names *names = handle->data;

	coffer_close(names->former);
	names->former = NULL;
	names->has_poll = false;
	names->handles_open--;
	if (!names->is_closing && names->facts.leads) {
		set_timer(names, AGAIN_MS);
	}
	free_if_closed(names);
}

/* What is outstanding gets no callback that counts: the turn is over. */
static void drop_handle(struct ctl_names *names)
{
	names->state = names->state == OPENING ? OPENING : IDLE;
	if (names->has_poll && names->coffer != NULL) {
		names->former = names->coffer;
		names->coffer = NULL;
		uv_close((uv_handle_t *)&names->poll, on_poll_closed);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ctl_names *names = poll->data;

	(void)events;
	if (status < 0) {
		drop_handle(names);
	} else if (names->coffer != NULL) {
		(void)coffer_process(names->coffer);
	}
}

/* In the pool: nobody else touches the handle meanwhile. */
static void open_handle(uv_work_t *work)
{
	struct ctl_names *names = work->data;
	struct coffer_options options;

	coffer_options_default(&options);
	options.timeout_ms = TIMEOUT_MS;
	options.requests_max = REQUESTS_MAX;
	options.watches_max = 1;
	options.secret = names->config.secret;
	names->opened = coffer_open(&names->coffer, names->config.config->boot, &options);
}

static void on_opened(uv_work_t *work, int status)
{
	struct ctl_names *names = work->data;
	int r = status < 0 ? status : names->opened;

	names->state = IDLE;
	if (r == 0 && !names->is_closing) {
		r = uv_poll_init(names->config.loop, &names->poll, coffer_fd(names->coffer));
	}
	if (r < 0 || names->is_closing) {
		coffer_close(names->coffer);
		names->coffer = NULL;
	} else {
		names->poll.data = names;
		names->has_poll = true;
		names->handles_open++;
		must(uv_poll_start(&names->poll, UV_READABLE, on_readable) == 0);
	}
	if (!names->is_closing) {
		if (r < 0 && names->failures++ == 0) {
			ctl_log(names->config.logger, CTL_WARNING, "names_unreached",
			        CTL_TEXT("boot", names->config.config->boot),
			        CTL_TEXT("why", coffer_error_text(r)));
		}
		set_timer(names, r < 0 ? CTL_NAMES_LOOK_MS : 0);
	}
	free_if_closed(names);
}

/* --- a turn ---------------------------------------------------------------------------------- */

static void end_turn(struct ctl_names *names)
{
	names->state = IDLE;
	if (!names->has_failed) {
		names->failures = 0;
		set_timer(names, names->is_dirty ? 0 : CTL_NAMES_LOOK_MS);
		return;
	}
	names->failures++;
	if (names->failures == FAILURES_MAX) {
		ctl_log(names->config.logger, CTL_WARNING, "names_unreached",
		        CTL_TEXT("boot", names->config.config->boot),
		        CTL_TEXT("why", "what is told there may be old"));
	}
	if (names->failures % FAILURES_MAX == 0) {
		drop_handle(names);
	} else {
		set_timer(names, AGAIN_MS);
	}
}

static void submit(struct ctl_names *names, const struct coffer_request *request,
                   coffer_done_fn *done)
{
	if (coffer_submit(names->coffer, request, done, names, NULL) == 0) {
		names->outstanding++;
	} else {
		names->has_failed = true;
	}
}

/* False: it belongs to a turn that was given up. */
static bool take_end(struct ctl_names *names)
{
	names->outstanding--;
	return names->coffer != NULL;
}

static void end_writing(struct ctl_names *names)
{
	if (names->outstanding != 0) {
		return;
	}
	if (!names->has_failed && names->plan.count != 0) {
		ctl_log(names->config.logger, CTL_INFO, "names",
		        CTL_NUMBER("written", names->plan.count));
	}
	end_turn(names);
}

static void on_written(void *context, const struct coffer_result *result)
{
	struct ctl_names *names = context;

	if (take_end(names)) {
		/* Somebody was faster: looked at again. */
		names->has_failed |= result->outcome != COFFER_DONE;
		end_writing(names);
	}
}

/* What is in the way, once for each time that it changes. */
static void tell_error(struct ctl_names *names)
{
	if (strcmp(names->said, names->plan.error) == 0) {
		return;
	}
	(void)snprintf(names->said, sizeof(names->said), "%s", names->plan.error);
	if (names->said[0] != '\0') {
		ctl_log(names->config.logger, CTL_ERROR, "name_taken",
		        CTL_TEXT("name", names->facts.name), CTL_TEXT("why", names->said));
	}
}

static void write_plan(struct ctl_names *names)
{
	if (!names->facts.leads || names->facts.own < 0) {
		end_turn(names);
		return;
	}
	ctl_tree_plan_names(names->tree, &names->facts, names->config.config->cluster,
	                    &names->plan);
	tell_error(names);
	names->state = WRITING;
	names->is_dirty |= names->plan.count != 0;
	names->outstanding++; /* so that none of them ends it */
	for (unsigned i = 0; i < names->plan.count && i < REQUESTS_MAX && !names->has_failed; i++) {
		const struct ctl_tree_action *action = &names->plan.actions[i];

		submit(names,
		       &(struct coffer_request){.verb = action->is_delete ? COFFER_DELETE
		                                                          : COFFER_SET,
		                                .condition = COFFER_IF_EQUAL,
		                                .rev = action->revision,
		                                .path = action->path,
		                                .value = action->value,
		                                .value_size = strlen(action->value)},
		       on_written);
	}
	names->outstanding--;
	end_writing(names);
}

static void read_more(struct ctl_names *names);

static void on_read(void *context, const struct coffer_result *result)
{
	struct ctl_names *names = context;
	struct ctl_tree *tree = names->tree;
	struct ctl_tree_file *file = &tree->files[names->next_read];

	if (!take_end(names)) {
		return;
	}
	if (result->outcome == COFFER_DONE) {
		file->revision = result->revision;
		ctl_tree_take_value(file, slice_make(result->value, result->value_size));
		names->next_read++;
	} else if (result->answer == COFFER_NOT_FOUND) {
		*file = tree->files[--tree->count];
	} else {
		names->has_failed = true;
	}
	read_more(names);
}

static void read_more(struct ctl_names *names)
{
	if (!names->has_failed && names->next_read < names->tree->count) {
		submit(names,
		       &(struct coffer_request){.verb = COFFER_GET,
		                                .path = names->tree->files[names->next_read].path},
		       on_read);
	}
	if (names->outstanding != 0) {
		return;
	}
	if (names->has_failed) {
		end_turn(names);
	} else {
		write_plan(names);
	}
}

static void add_file(struct ctl_tree *tree, const char *path, size_t size)
{
	struct ctl_tree_file *file = &tree->files[tree->count];

	if (size < sizeof(file->path) && tree->count < ENTRIES_MAX) {
		memcpy(file->path, path, size);
		file->path[size] = '\0';
		file->is_known = false;
		tree->count++;
	}
}

static void on_found(void *context, const struct coffer_result *result);

/* A page of the servers' names, behind the path `after`. */
static void ask_names(struct ctl_names *names, const char *after)
{
	char glob[CTL_TREE_PATH_SIZE];

	(void)snprintf(glob, sizeof(glob), "/ctl/ns/%.63s/*", names->facts.name);
	submit(names, &(struct coffer_request){.verb = COFFER_FIND, .path = glob, .after = after},
	       on_found);
}

/* The paths of the servers' names; with the two others they are read one by one. */
static void on_found(void *context, const struct coffer_result *result)
{
	struct ctl_names *names = context;
	struct coffer_entry entry;
	char after[COFFER_PATH_SIZE_MAX + 1];
	size_t position = 0;
	uint32_t offset;
	int r = 0;

	if (!take_end(names)) {
		return;
	}
	names->has_failed |= result->outcome != COFFER_DONE;
	while (!names->has_failed && (r = coffer_page_next(result, &position, &entry)) == 1) {
		add_file(names->tree, entry.name, entry.name_size);
	}
	names->has_failed |= r < 0;
	if (!names->has_failed && result->has_more) {
		names->has_failed = coffer_page_rest(result, after, &offset) < 0;
		if (!names->has_failed) {
			ask_names(names, after);
		}
		if (!names->has_failed) {
			return;
		}
	}
	read_more(names);
}

static void start_turn(struct ctl_names *names)
{
	char path[CTL_TREE_PATH_SIZE];

	if (names->state != IDLE || names->former != NULL || !names->facts.leads) {
		return;
	}
	if (names->coffer == NULL) {
		names->state = OPENING;
		must(uv_queue_work(names->config.loop, &names->work, open_handle, on_opened) == 0);
		return;
	}
	must(names->outstanding == 0);
	names->state = READING;
	names->is_dirty = names->has_failed = false;
	names->next_read = names->tree->count = 0;
	add_file(names->tree, "/ctl/name", strlen("/ctl/name"));
	(void)snprintf(path, sizeof(path), "/ctl/boot/%.63s", names->facts.name);
	add_file(names->tree, path, strlen(path));
	ask_names(names, NULL);
	if (names->has_failed) {
		end_turn(names);
	}
}

/* --- from outside ---------------------------------------------------------------------------- */

void ctl_names_tell(struct ctl_names *names, const struct ctl_tree_facts *facts)
{
	bool is_news;

	if (names == NULL) {
		return;
	}
	is_news = facts->leads != names->facts.leads || facts->own != names->facts.own ||
	          memcmp(facts->members, names->facts.members, sizeof(facts->members)) != 0;
	names->facts = *facts;
	if (!facts->leads) {
		names->failures = 0;
		drop_handle(names);
	} else if (is_news) {
		names->is_dirty = true;
		if (names->state == IDLE && names->failures == 0) {
			set_timer(names, 0);
		}
	}
}

int ctl_names_open(struct ctl_names **ret_names, const struct ctl_names_config *config,
                   struct ctl_reason *ret_reason)
{
	struct ctl_names *names;

	*ret_names = NULL;
	if (strcmp(config->config->boot, "none") == 0) {
		return 0;
	}
	names = calloc(1, sizeof(*names));
	if (names == NULL || (names->tree = calloc(1, sizeof(*names->tree))) == NULL) {
		free(names);
		ctl_reason_say(ret_reason, "no memory for the cluster's names; free some");
		return -ENOMEM;
	}
	names->config = *config;
	names->facts.own = -1;
	must(uv_timer_init(config->loop, &names->timer) == 0);
	names->timer.data = names->work.data = names;
	names->handles_open = 1;
	*ret_names = names;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_names *names = handle->data;

	names->handles_open--;
	free_if_closed(names);
}

void ctl_names_close(struct ctl_names *names)
{
	if (names == NULL) {
		return;
	}
	names->is_closing = true;
	drop_handle(names);
	uv_close((uv_handle_t *)&names->timer, on_closed);
}

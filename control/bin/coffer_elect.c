/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_elect.h"

#include <stdio.h>
#include <string.h>

#include "control/bin/coffer_follow.h"
#include "control/bin/coffer_hold.h"
#include "control/bin/coffer_words.h"
#include "control/client/coffer_lock.h"

struct look {
	struct cli *cli;
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];
	int code; /* CLI_GO_ON, or what it ends with */
};

/* --- printing --------------------------------------------------------------------------------- */

/* How long it leads at least, if it is not heard of any more; 0: that is not known. */
static uint32_t valid_ms(const struct coffer_leader *leader)
{
	return leader->is_resting || leader->age_ms >= leader->ttl_ms
	               ? 0
	               : leader->ttl_ms - leader->age_ms;
}

static bool print_json(const char *name, const struct coffer_leader *leader)
{
	json_t *object = json_pack("{s:s?, s:I, s:b}", "election", name, "term",
	                           (json_int_t)leader->term, "old", (int)leader->is_old);

	if (object != NULL && leader->age_ms != UINT32_MAX) {
		(void)json_object_set_new(object, "age_ms", json_integer(leader->age_ms));
	}
	if (object != NULL && leader->term != 0) {
		const bool is_good =
			json_object_set_new(object, "rests", json_boolean(leader->is_resting)) ==
				0 &&
			json_object_set_new(object, "session",
		                            json_integer((json_int_t)leader->session)) == 0 &&
			json_object_set_new(object, "ttl_ms", json_integer(leader->ttl_ms)) == 0 &&
			json_object_set_new(object, "valid_ms", json_integer(valid_ms(leader))) ==
				0 &&
			ctl_add_value(object, leader->value, leader->value_size);

		if (!is_good) {
			json_decref(object);
			return false;
		}
	}
	return ctl_print_object(object);
}

static bool print_leader(const struct look *look, const struct coffer_leader *leader)
{
	if (look->cli->options.is_json) {
		return print_json(look->name, leader) && fflush(stdout) == 0;
	}
	if (leader->is_old) {
		(void)printf("old age %ums\n", leader->age_ms);
	} else if (leader->term == 0) {
		(void)printf("nobody\n");
	} else {
		(void)printf("%s %lld session %llu valid %ums value ",
		             leader->is_resting ? "rests" : "term", (long long)leader->term,
		             (unsigned long long)leader->session, valid_ms(leader));
		ctl_print_word(leader->value, leader->value_size);
		(void)putchar('\n');
	}
	return fflush(stdout) == 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static int refuse(const struct look *look, int r, enum coffer_answer answer)
{
	const struct coffer_result result = {
		.outcome = r < 0 ? COFFER_REFUSED : (enum coffer_outcome)r, .answer = answer};
	struct ctl_printer printer;

	ctl_printer_init(&printer, look->cli->options.is_json, COFFER_NOP, look->name);
	return cli_finish(look->cli, &printer, r, &result);
}

static void on_leader(void *context, const struct coffer_leader *leader)
{
	struct look *look = context;

	if (look->code != CLI_GO_ON) {
		return;
	}
	if (leader->answer != COFFER_OK) {
		look->code = refuse(look, COFFER_REFUSED, leader->answer);
	} else if (!print_leader(look, leader)) {
		look->code = cli_fail_output();
	}
}

static int observe(struct look *look)
{
	struct coffer *coffer = look->cli->coffer;
	struct coffer_observer *observer;
	const int r = coffer_observe(coffer, look->name, on_leader, look, &observer);

	if (r < 0) {
		return cli_conclude_error(r);
	}
	while (look->code == CLI_GO_ON) {
		if (cli_wait_ready(coffer, -1)) {
			(void)coffer_process(coffer);
		} else {
			look->code = CLI_INTERRUPT;
		}
	}
	coffer_unobserve(observer);
	return look->code;
}

static int show(const struct look *look)
{
	struct coffer_leader leader = {0};
	const int r = coffer_leader(look->cli->coffer, look->name, look->cli->options.timeout_ms,
	                            &leader);

	if (r != COFFER_DONE) {
		return refuse(look, r, leader.answer);
	}
	if (!print_leader(look, &leader)) {
		return cli_fail_output();
	}
	return leader.term != 0 && !leader.is_resting ? CLI_DONE : CLI_FALSE;
}

int cli_elect(struct cli *cli)
{
	const struct cli_options *options = &cli->options;
	const struct cli_lock_options *lock = &options->lock;
	const bool looks = (lock->given & CLI_LOCK_LOOK) != 0;
	struct look look = {.cli = cli, .code = CLI_GO_ON};
	struct coffer_claim claim = lock->claim;

	if (looks != (options->argument_count == 1) || (lock->observes && lock->shows) ||
	    (looks &&
	     ((lock->given & (CLI_LOCK_HOLD | CLI_LOCK_KEEP)) != 0 || options->command != NULL))) {
		return cli_fail_usage("elect", "NAME VALUE, or NAME and --observe or --show alone");
	}
	if (!cli_lock_name(options->arguments[0], look.name)) {
		return cli_fail_usage("elect", "the name is too long");
	}
	if (looks) {
		return lock->observes ? observe(&look) : show(&look);
	}
	claim.data = options->arguments[1];
	claim.data_size = strlen(options->arguments[1]);
	return cli_hold(cli, &claim);
}

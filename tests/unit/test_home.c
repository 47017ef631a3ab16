/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a data folder is what its superblock says, whatever a start was cut short by; a replica
 *         comes back with what it promised; what cannot be mended is set aside, never used.
 * Method: a folder under TMPDIR; promises written as records through a real journal, and damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/recover.h"
#include "control/verify.h"
#include "tests/unit/home_fixture.h"

static char base[200], command[300];
static struct ctl_config config;
static struct ctl_home home;
static struct ctl_reason reason;
static struct paxos_mailbox mailbox;
static _Alignas(RING_LINE) uint8_t to_worker[RING_BYTES_MIN], from_worker[RING_BYTES_MIN];
static _Alignas(RING_LINE) uint8_t records[PAXOS_JOURNAL_RING];
static struct store *store;
static struct paxos_replica *replica;

static int make_base(void **state)
{
	const char *temporary = getenv("TMPDIR");

	(void)state;
	home.folder = -1;
	return home_make_base(temporary != NULL ? temporary : "/tmp", base, sizeof(base), &config);
}

static int remove_base(void **state)
{
	(void)state;
	ctl_home_close(&home);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void open_home(bool new_cluster)
{
	ctl_home_close(&home);
	assert_int_equal(ctl_home_open(&home, &config, new_cluster, &reason), 0);
}

static void make_replica(void)
{
	home_make_replica(&home.superblock, &store, &replica);
}

static void free_replica(void)
{
	paxos_replica_free(replica);
	store_free(store);
}

/*
 * Promises rounds `first` to `last` of a configuration, each in a record; the marks tell of a log
 * of `length`.
 */
static void promise_in(uint32_t configuration, uint64_t first, uint64_t last, uint64_t length)
{
	struct ctl_recovered recovered;
	struct ctl_journal *journal;

	make_replica();
	assert_int_equal(ctl_recover(&journal, &home.journal, config.cluster, replica, store,
	                             &recovered, &reason),
	                 0);
	paxos_mailbox_init(&mailbox, to_worker, from_worker, RING_BYTES_MIN);
	paxos_journal_init(&mailbox, records, ctl_journal_last(journal));
	assert_int_equal(ctl_journal_start(journal, &mailbox, &reason), 0);
	for (uint64_t round = first; round <= last; round++) {
		home_give_promise_in(&mailbox, configuration, round, length);
	}
	ctl_journal_stop(journal); /* it writes what was given */
	assert_int_equal(atomic_load(&mailbox.journal.durable), last);
	ctl_journal_close(journal);
	free_replica();
}

static void promise_at(uint64_t first, uint64_t last, uint64_t length)
{
	promise_in(1, first, last, length);
}

static void promise(uint64_t first, uint64_t last)
{
	promise_at(first, last, 0);
}

/* What a start would come back with. */
static int recover(struct ctl_recovered *ret_recovered, uint64_t *ret_promised)
{
	struct ctl_journal *journal = NULL;
	struct paxos_status status;
	int r;

	make_replica();
	r = ctl_recover(&journal, &home.journal, config.cluster, replica, store, ret_recovered,
	                &reason);
	paxos_replica_status(replica, &status);
	*ret_promised = status.promised.round;
	ctl_journal_close(journal);
	free_replica();
	return r;
}

static bool is_there(const char *name)
{
	return faccessat(home.folder, name, F_OK, 0) == 0;
}

static void damage(off_t at, unsigned size)
{
	uint8_t bytes[8192];
	const int fd = openat(home.folder, "journal/segment-0000000000000001", O_RDWR);

	assert_true(fd >= 0);
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, size, at), size);
	assert_int_equal(close(fd), 0);
}

static void test_promises_come_back_over_starts(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised, incarnation;

	(void)state;
	open_home(true);
	incarnation = home.superblock.incarnation;
	for (uint64_t start = 1; start < 4; start++) {
		promise(10 * start - 9, 10 * start);
		open_home(false);
		assert_int_equal(home.superblock.incarnation, incarnation);
		assert_int_equal(recover(&recovered, &promised), 0);
		assert_int_equal(promised, 10 * start);
		assert_int_equal(recovered.records, 10 * start);
		assert_int_equal(recovered.frames_bad, 0);
	}
}

static void test_failed_first_start_leaves_nothing(void **state)
{
	(void)state;
	open_home(true);
	assert_true(is_there("journal"));
	ctl_home_withdraw(&home);
	assert_false(is_there("journal"));
	assert_false(is_there("superblock"));
	open_home(true);
	ctl_home_close(&home);
	open_home(false);
	ctl_home_withdraw(&home); /* no first start: nothing happens */
	assert_true(is_there("journal"));
	assert_true(is_there("superblock"));
}

static void test_lost_promise_is_known_from_its_mark(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised;

	(void)state;
	open_home(true);
	promise(1, 1);
	promise(2, 2);
	damage(2 * 4096 + 600, 1); /* frames: the founding's, the first promise's, ... */
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(promised, 2);
	assert_true(recovered.frames_bad <= 1);
}

static void test_what_cannot_be_mended_is_set_aside(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised, incarnation;

	(void)state;
	open_home(true);
	promise(1, 50);
	incarnation = home.superblock.incarnation;
	damage(4096, 8192);
	damage(3 * 4096, 8192);
	assert_int_equal(recover(&recovered, &promised), -EBADMSG);
	assert_int_equal(ctl_home_rejoin(&home, &reason), 0);
	assert_true(home.superblock.rejoining);
	assert_int_not_equal(home.superblock.incarnation, incarnation);
	assert_true(is_there("damaged-1.1/journal/segment-0000000000000001"));
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(promised, 0);
	open_home(false);
	assert_true(home.superblock.rejoining);
	assert_int_equal(ctl_home_rejoined(&home, &reason), 0);
	open_home(false);
	assert_false(home.superblock.rejoining);
}

/* A rejoin that ended early: whatever half of it is there, no empty journal is believed. */
static void test_missing_journal_is_no_empty_one(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised;

	(void)state;
	open_home(true);
	promise(1, 5);
	assert_int_equal(ctl_set_aside(&home.journal, home.superblock.starts, &reason), 0);
	assert_int_equal(recover(&recovered, &promised), -EBADMSG);
	/* The journal of another incarnation, as a first start would have made it. */
	home.journal.incarnation++;
	assert_int_equal(ctl_journal_found(&home.journal, &reason), 0);
	home.journal.incarnation--;
	assert_int_equal(recover(&recovered, &promised), -EBADMSG);
	assert_int_equal(ctl_home_rejoin(&home, &reason), 0);
	assert_int_equal(recover(&recovered, &promised), 0);
}

static json_int_t told(const json_t *report, const char *group, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(report, group), key));
}

static bool is_told(const json_t *report, const char *key)
{
	return json_is_true(json_object_get(json_object_get(report, "journal"), key));
}

/* What the frame held were entries, and they stand nowhere else. */
static void test_verify_tells_what_is_lost(void **state)
{
	json_t *report;
	bool good;

	(void)state;
	open_home(true);
	promise_at(1, 5, 3);
	open_home(false);
	promise_at(6, 10, 3);
	damage(4096 + 700, 1);
	ctl_home_close(&home);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_false(good);
	assert_int_equal(told(report, "journal", "corrupt"), 1);
	assert_false(is_told(report, "mended"));
	json_decref(report);
}

static void test_verify_tells_what_is_whole(void **state)
{
	json_t *report;
	bool good;

	(void)state;
	open_home(true);
	promise(1, 5);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), -EBUSY); /* it is open */
	ctl_home_close(&home);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_true(good);
	assert_int_equal(told(report, "journal", "records"), 5);
	assert_int_equal(told(report, "journal", "corrupt"), 0);
	assert_int_equal(told(report, "superblock", "starts"), 1);
	json_decref(report);
	open_home(false);
	promise(6, 10); /* its heads tell what the frame held */
	damage(4096 + 700, 1);
	ctl_home_close(&home);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_true(good);
	assert_int_equal(told(report, "journal", "corrupt"), 1);
	assert_true(is_told(report, "mended"));
	json_decref(report);
	assert_int_equal(ctl_repair(config.data, &reason), 0);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_false(good); /* until a start has fetched all of it */
	json_decref(report);
}

/* --- the configuration in the superblock ----------------------------------------------------- */

static int noted(enum paxos_trace_kind kind, uint32_t configuration, uint32_t voters)
{
	const struct paxos_trace trace = {.kind = kind, .a = configuration, .b = voters};

	return ctl_home_note(&home, &trace, &reason);
}

static void test_configuration_is_noted_when_it_is_durable(void **state)
{
	uint64_t sequence;

	(void)state;
	open_home(true);
	assert_int_equal(home.superblock.configuration, 1);
	assert_int_equal(home.superblock.voters, 1);
	sequence = home.superblock.sequence;
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 1, 1), 0); /* as after each start */
	assert_int_equal(noted(PAXOS_TRACE_CONFIGURATION, 2, 3), 0);
	assert_int_equal(noted(PAXOS_TRACE_REJOINED, 2, 3), 0);
	assert_int_equal(home.superblock.sequence, sequence);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 2, 3), 0);
	assert_int_equal(home.superblock.sequence, sequence + 1);
	open_home(false);
	assert_int_equal(home.superblock.configuration, 2);
	assert_int_equal(home.superblock.voters, 3);
	assert_int_equal(home.journal.configuration, 2);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 3, 2), 0);
	assert_true(home.superblock.member); /* it has been one */
	assert_int_equal(home.superblock.configuration, 3);
}

static void test_who_joins_is_a_member_when_it_votes(void **state)
{
	(void)state;
	ctl_home_close(&home);
	assert_int_equal(ctl_home_open(&home, &config, CTL_START_JOIN, &reason), 0);
	assert_int_equal(home.superblock.configuration, 0);
	assert_int_equal(noted(PAXOS_TRACE_CONFIGURATION, 4, 6), 0);
	assert_false(home.superblock.member);
	assert_int_equal(noted(PAXOS_TRACE_CONFIGURATION, 5, 7), 0);
	open_home(false);
	assert_true(home.superblock.member);
	assert_int_equal(home.superblock.configuration, 0);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 5, 7), 0);
	open_home(false);
	assert_int_equal(home.superblock.configuration, 5);
	assert_int_equal(home.superblock.voters, 7);
}

static void test_superblock_that_cannot_be_written_is_told(void **state)
{
	(void)state;
	open_home(true);
	assert_int_equal(unlinkat(home.folder, "superblock", 0), 0);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 2, 1), -ENOENT);
	assert_non_null(strstr(reason.text, "superblock"));
}

static void run_in_base(const char *line)
{
	(void)snprintf(command, sizeof(command), "cd '%s' && %s", base, line);
	assert_int_equal(system(command), 0);
}

/* Between the journal's step into a configuration and the superblock there may be a crash. */
static void test_journal_ahead_of_the_superblock_is_believed(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised;
	json_t *report;
	bool good;

	(void)state;
	open_home(true);
	promise(1, 5);
	promise_in(2, 6, 6, 0);
	open_home(false);
	assert_int_equal(home.superblock.configuration, 1);
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(promised, 6);
	ctl_home_close(&home);
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_true(good);
	assert_int_equal(told(report, "superblock", "configuration"), 1);
	assert_int_equal(told(report, "journal", "configuration"), 2);
	json_decref(report);
}

/* An older copy of the journal, put in the place of a later one beside the same superblock. */
static void test_journal_that_was_put_back_is_found_out(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised, incarnation;
	json_t *report;
	bool good;

	(void)state;
	open_home(true);
	promise(1, 5);
	run_in_base("cp -r data/journal older");
	promise_in(2, 6, 8, 0);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 2, 1), 0);
	open_home(false);
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(promised, 8);
	ctl_home_close(&home);
	run_in_base("rm -r data/journal && mv older data/journal");
	assert_int_equal(ctl_verify(config.data, &report, &good, &reason), 0);
	assert_false(good);
	assert_true(is_told(report, "older"));
	assert_int_equal(told(report, "journal", "corrupt"), 0);
	json_decref(report);
	open_home(false);
	incarnation = home.superblock.incarnation;
	assert_int_equal(recover(&recovered, &promised), -EBADMSG);
	assert_non_null(strstr(reason.text, "an older copy"));
	assert_int_equal(ctl_home_rejoin(&home, &reason), 0);
	assert_int_not_equal(home.superblock.incarnation, incarnation);
	assert_int_equal(home.superblock.configuration, 0);
	assert_int_equal(recover(&recovered, &promised), 0);
	open_home(false);
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(promised, 0);
}

/* Lost with its mark still known: that is damage, to be mended in place, and nothing older. */
static void test_damaged_step_is_not_taken_for_an_older_journal(void **state)
{
	struct ctl_recovered recovered;
	uint64_t promised;

	(void)state;
	open_home(true);
	promise(1, 1);
	promise_in(2, 2, 2, 0);
	assert_int_equal(noted(PAXOS_TRACE_ENTERED, 2, 1), 0);
	damage(2 * 4096 + 600, 1); /* frames: the founding's, one for each promise, ... */
	damage(3 * 4096 + 600, 1);
	open_home(false);
	assert_int_equal(recover(&recovered, &promised), 0);
	assert_int_equal(recovered.frames_bad, 2);
	assert_int_equal(promised, 2);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_base, remove_base)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_promises_come_back_over_starts),
		WITH_FOLDER(test_failed_first_start_leaves_nothing),
		WITH_FOLDER(test_lost_promise_is_known_from_its_mark),
		WITH_FOLDER(test_what_cannot_be_mended_is_set_aside),
		WITH_FOLDER(test_missing_journal_is_no_empty_one),
		WITH_FOLDER(test_verify_tells_what_is_whole),
		WITH_FOLDER(test_verify_tells_what_is_lost),
		WITH_FOLDER(test_configuration_is_noted_when_it_is_durable),
		WITH_FOLDER(test_who_joins_is_a_member_when_it_votes),
		WITH_FOLDER(test_superblock_that_cannot_be_written_is_told),
		WITH_FOLDER(test_journal_ahead_of_the_superblock_is_believed),
		WITH_FOLDER(test_journal_that_was_put_back_is_found_out),
		WITH_FOLDER(test_damaged_step_is_not_taken_for_an_older_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

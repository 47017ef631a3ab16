/* SPDX-License-Identifier: Apache-2.0 */
#include "control/seats.h"

#include <stdio.h>
#include <string.h>

#include "store/base/check.h"

static const char cal[] = "/ctl/cal/";

#define LEAVES "-" /* in a record: it has no seat any more */

/* What is known of each member, by index. */
struct places {
	const struct ctl_tree_file *record[STORE_NODES_MAX]; /* /ctl/node/ID/seat */
	const struct ctl_tree_file *home[STORE_NODES_MAX];   /* the seat that is its own */
};

struct seating {
	const struct ctl_tree *tree;
	const struct ctl_tree_facts *facts;
	struct ctl_tree_plan *plan;
	struct places places;
};

static bool is_seat(const struct ctl_tree_file *file)
{
	return strncmp(file->path, cal, sizeof(cal) - 1) == 0;
}

static const char *name_of(const struct ctl_tree_file *seat)
{
	return seat->path + sizeof(cal) - 1;
}

static bool holds(const struct ctl_tree_file *file, const char *value)
{
	return !file->is_odd && strcmp(file->value, value) == 0;
}

static bool is_vacant(const struct ctl_tree_file *seat)
{
	return holds(seat, "");
}

static void record_path(const char *id, char ret_path[CTL_TREE_PATH_SIZE])
{
	(void)snprintf(ret_path, CTL_TREE_PATH_SIZE, "/ctl/node/%.16s/seat", id);
}

/* Whose ID stands there, or -1. */
static int holder_of(const struct ctl_tree_facts *facts, const struct ctl_tree_file *seat)
{
	return seat->is_odd ? -1 : ctl_tree_member_of(facts, slice_text(seat->value));
}

/* The seat that a record names, if it stands there, whatever it holds. */
static const struct ctl_tree_file *recorded(const struct seating *seating, unsigned i)
{
	const struct ctl_tree_file *record = seating->places.record[i];
	char path[CTL_TREE_PATH_SIZE];

	if (record == NULL || record->is_odd || strlen(record->value) >= CTL_TREE_PATH_SIZE / 2) {
		return NULL;
	}
	(void)snprintf(path, sizeof(path), "%s%.64s", cal, record->value);
	return ctl_tree_find(seating->tree, path);
}

static bool has_seat_recorded(const struct seating *seating, unsigned i)
{
	const struct ctl_tree_file *record = seating->places.record[i];

	return record != NULL && !holds(record, LEAVES);
}

static void find_places(struct seating *seating)
{
	const struct ctl_tree *tree = seating->tree;

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &seating->facts->members[i];
		const struct ctl_tree_file *seat;
		char path[CTL_TREE_PATH_SIZE];

		if (member->id[0] == '\0') {
			continue;
		}
		record_path(member->id, path);
		seating->places.record[i] = ctl_tree_find(tree, path);
		seat = recorded(seating, i);
		if (seat != NULL && holds(seat, member->id)) {
			seating->places.home[i] = seat;
		}
		for (unsigned k = 0; k < tree->count && seating->places.home[i] == NULL; k++) {
			if (is_seat(&tree->files[k]) && holds(&tree->files[k], member->id)) {
				seating->places.home[i] = &tree->files[k];
			}
		}
	}
}

static void write_seat(struct seating *seating, const struct ctl_tree_file *seat, const char *value)
{
	ctl_tree_set(seating->plan, seat->revision, seat->path, value);
	seating->plan->moves_seats = true;
}

/* The voter whose seat this was gets it back; without one the seat goes. */
static void put_back(struct seating *seating, const struct ctl_tree_file *seat)
{
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &seating->facts->members[i];

		if (member->is_voter && seating->places.home[i] == NULL &&
		    recorded(seating, i) == seat) {
			write_seat(seating, seat, member->id);
			seating->plan->kept |= (uint32_t)1 << i;
			return;
		}
	}
	write_seat(seating, seat, NULL);
}

static void refuse(struct seating *seating, const struct ctl_tree_file *seat, const char *why)
{
	(void)snprintf(seating->plan->error, sizeof(seating->plan->error), "%.80s: %s", seat->path,
	               why);
	put_back(seating, seat);
}

/* A learner in a seat: it shall vote, unless it did and does no more. */
static void take_learner(struct seating *seating, const struct ctl_tree_file *seat, unsigned i)
{
	const struct ctl_tree_file *record = seating->places.record[i];

	if (record == NULL) {
		seating->plan->add |= (uint32_t)1 << i;
	} else if (holds(record, LEAVES)) {
		write_seat(seating, seat, NULL);
	} else {
		ctl_tree_set(seating->plan, record->revision, record->path, LEAVES);
		seating->plan->moves_seats = true;
	}
}

/* Not a member's: of one that is gone, or of nobody. */
static void take_stranger(struct seating *seating, const struct ctl_tree_file *seat)
{
	char path[CTL_TREE_PATH_SIZE];

	record_path(seat->value, path);
	if (!seat->is_odd && strlen(seat->value) == CTL_NODE_ID_SIZE - 1 &&
	    ctl_tree_find(seating->tree, path) != NULL) {
		write_seat(seating, seat, NULL);
	} else {
		refuse(seating, seat, "no server of the cluster has such an id");
	}
}

static void take_seat(struct seating *seating, const struct ctl_tree_file *seat)
{
	const int i = holder_of(seating->facts, seat);

	if (i < 0) {
		take_stranger(seating, seat);
	} else if (seating->places.home[i] != seat) {
		refuse(seating, seat, "that server has another seat");
	} else if (!seating->facts->members[i].is_voter) {
		take_learner(seating, seat, (unsigned)i);
	} else if (seating->places.record[i] == NULL ||
	           !holds(seating->places.record[i], name_of(seat))) {
		const struct ctl_tree_file *record = seating->places.record[i];
		char path[CTL_TREE_PATH_SIZE];

		record_path(seating->facts->members[i].id, path);
		ctl_tree_set(seating->plan, record != NULL ? record->revision : 0, path,
		             name_of(seat));
	}
}

/* A learner that is heard, in no seat, and had none. */
static const struct ctl_tree_member *find_spare(const struct seating *seating, uint32_t taken)
{
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &seating->facts->members[i];

		if (member->is_learner && member->is_ready && member->id[0] != '\0' &&
		    (taken >> i & 1) == 0 && seating->places.home[i] == NULL &&
		    seating->places.record[i] == NULL) {
			return member;
		}
	}
	return NULL;
}

static void fill_vacant(struct seating *seating)
{
	const struct ctl_tree *tree = seating->tree;
	uint32_t taken = 0;

	for (unsigned k = 0; k < tree->count; k++) {
		const struct ctl_tree_file *seat = &tree->files[k];
		const struct ctl_tree_member *spare;

		if (!is_seat(seat) || !is_vacant(seat)) {
			continue;
		}
		spare = find_spare(seating, taken);
		if (spare == NULL) {
			return;
		}
		taken |= (uint32_t)1 << (spare - seating->facts->members);
		write_seat(seating, seat, spare->id);
	}
}

/* Of the lowest number that none has. */
static void give_seat(struct seating *seating, unsigned i, unsigned *number)
{
	char path[CTL_TREE_PATH_SIZE];

	do {
		(void)snprintf(path, sizeof(path), "%s%u", cal, (*number)++);
	} while (ctl_tree_find(seating->tree, path) != NULL);
	ctl_tree_set(seating->plan, 0, path, seating->facts->members[i].id);
	seating->plan->moves_seats = true;
}

static void take_members(struct seating *seating)
{
	const bool is_busy = seating->plan->moves_seats;
	unsigned number = 0;

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &seating->facts->members[i];
		const struct ctl_tree_file *record = seating->places.record[i];

		if (member->id[0] == '\0' || seating->places.home[i] != NULL) {
			continue;
		}
		if (!member->is_voter) {
			if (record != NULL) {
				ctl_tree_set(seating->plan, record->revision, record->path, NULL);
			}
		} else if (has_seat_recorded(seating, i)) {
			seating->plan->remove |= ~seating->plan->kept & (uint32_t)1 << i;
		} else if (!is_busy) {
			give_seat(seating, i, &number);
		}
	}
}

/* What was wished is refused, and still wished: everything is put back as it was. */
static void give_up(struct seating *seating)
{
	struct ctl_tree_plan *plan = seating->plan;
	uint32_t restored = 0;

	(void)snprintf(plan->error, sizeof(plan->error), "%s", seating->facts->refusal);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_file *seat;
		char path[CTL_TREE_PATH_SIZE];

		if ((plan->remove >> i & 1) == 0) {
			continue;
		}
		seat = recorded(seating, i);
		(void)snprintf(path, sizeof(path), "%s%.64s", cal,
		               seating->places.record[i]->value);
		ctl_tree_set(plan, seat != NULL ? seat->revision : 0, path,
		             seating->facts->members[i].id);
		for (unsigned k = 0; k < STORE_NODES_MAX && seat != NULL; k++) {
			restored |= seating->places.home[k] == seat ? (uint32_t)1 << k : 0;
		}
	}
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		if ((plan->add & ~restored) >> i & 1) {
			write_seat(seating, seating->places.home[i], NULL);
		}
	}
	plan->add = plan->remove = 0;
}

void ctl_seats_plan(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                    struct ctl_tree_plan *plan)
{
	struct seating seating = {.tree = tree, .facts = facts, .plan = plan};

	find_places(&seating);
	for (unsigned k = 0; k < tree->count; k++) {
		if (is_seat(&tree->files[k]) && !is_vacant(&tree->files[k])) {
			take_seat(&seating, &tree->files[k]);
		}
	}
	fill_vacant(&seating);
	take_members(&seating);
	if (plan->moves_seats) {
		plan->add = plan->remove = 0;
	} else if ((plan->add | plan->remove) != 0 && plan->add == facts->refused_add &&
	           plan->remove == facts->refused_remove) {
		give_up(&seating);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/tree_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/config_value.h"
#include "control/seats.h"
#include "store/base/check.h"

enum {
	CLUSTER_TEXT_SIZE = 17 /* of a claim: the id and the blank behind it */
};

static const char nodes[] = "/ctl/node/";
static const char joins[] = "/ctl/join/";
static const char names[] = "/ctl/ns/";

static void drop(struct ctl_tree_plan *plan, const struct ctl_tree_file *file)
{
	ctl_tree_set(plan, file->revision, file->path, NULL);
}

/* It shall hold that; NULL: it shall not be there. */
static void want(const struct ctl_tree *tree, struct ctl_tree_plan *plan, const char *path,
                 const char *value)
{
	const struct ctl_tree_file *file = ctl_tree_find(tree, path);

	must(file == NULL || file->is_known);
	if (file == NULL && value != NULL) {
		ctl_tree_set(plan, 0, path, value);
	} else if (file != NULL &&
	           (value == NULL || file->is_odd || strcmp(file->value, value) != 0)) {
		ctl_tree_set(plan, file->revision, path, value);
	}
}

/* --- each server ----------------------------------------------------------------------------- */

static void plan_own(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                     struct ctl_tree_plan *plan)
{
	const struct ctl_tree_member *own = &facts->members[facts->own];
	char address[CTL_ADDRESS_TEXT_SIZE];
	const struct {
		const char *name, *value;
	} files[] = {
		{"addr", address},
		{"hostname", facts->hostname},
		{"version", facts->version},
		{"writable", own->is_voter ? "true" : NULL},
	};

	ctl_address_text(own->address, address);
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[CTL_TREE_PATH_SIZE];

		(void)snprintf(path, sizeof(path), "%s%s/%s", nodes, own->id, files[i].name);
		want(tree, plan, path, files[i].value);
	}
}

/* --- the leader ------------------------------------------------------------------------------ */

/* The member whose ID begins at `text` and ends at a slash, or at its end; -1: nobody's. */
static int member_at(const struct ctl_tree_facts *facts, const char *text)
{
	return ctl_tree_member_of(facts, slice_make(text, strcspn(text, "/")));
}

static bool has_seat(const struct ctl_tree *tree, const char *id)
{
	for (unsigned i = 0; i < tree->count; i++) {
		const struct ctl_tree_file *file = &tree->files[i];

		if (strncmp(file->path, "/ctl/cal/", 9) == 0 && !file->is_odd &&
		    strlen(file->value) == CTL_NODE_ID_SIZE - 1 &&
		    memcmp(file->value, id, CTL_NODE_ID_SIZE - 1) == 0) {
			return true;
		}
	}
	return false;
}

/* Files of nodes that are gone. Their record stays while their seat does: see seats.h. */
static void plan_gone(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                      struct ctl_tree_plan *plan)
{
	for (unsigned i = 0; i < tree->count; i++) {
		const struct ctl_tree_file *file = &tree->files[i];
		const char *id = file->path + sizeof(nodes) - 1;

		if (strncmp(file->path, nodes, sizeof(nodes) - 1) != 0 ||
		    member_at(facts, id) >= 0) {
			continue;
		}
		if (!has_seat(tree, id)) {
			drop(plan, file);
		}
	}
}

static bool has_name(const struct ctl_tree_member *member, bool is_live)
{
	return member->is_voter && member->id[0] != '\0' && (member->is_alive || !is_live);
}

/* /ctl/ns/NAME: the voters' addresses; is_live: of those alone that are heard. */
static void plan_names(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                       bool is_live, struct ctl_tree_plan *plan)
{
	char prefix[CTL_TREE_PATH_SIZE], path[CTL_TREE_PATH_SIZE], address[CTL_ADDRESS_TEXT_SIZE];
	const unsigned before = plan->count;
	size_t size;

	(void)snprintf(prefix, sizeof(prefix), "%s%s/", names, facts->name);
	size = strlen(prefix);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &facts->members[i];

		if (has_name(member, is_live)) {
			ctl_address_text(member->address, address);
			(void)snprintf(path, sizeof(path), "%.100s%s", prefix, member->id);
			want(tree, plan, path, address);
		}
	}
	if (plan->count != before) {
		return; /* others go when those stand there: who finds nobody may make a cluster */
	}
	for (unsigned i = 0; i < tree->count; i++) {
		const struct ctl_tree_file *file = &tree->files[i];
		int member;

		if (strncmp(file->path, prefix, size) == 0) {
			member = member_at(facts, file->path + size);
			if (member < 0 || !has_name(&facts->members[member], is_live)) {
				drop(plan, file);
			}
		}
	}
}

/* --- who joins ------------------------------------------------------------------------------- */

static int member_of_address(const struct ctl_tree_facts *facts, const struct ctl_address *address)
{
	for (int i = 0; i < STORE_NODES_MAX; i++) {
		const struct ctl_tree_member *member = &facts->members[i];

		if ((member->is_voter || member->is_learner) && member->address.ip == address->ip &&
		    member->address.port == address->port) {
			return i;
		}
	}
	return -1;
}

static int free_number(const struct ctl_tree_facts *facts)
{
	for (int i = 0; i < STORE_NODES_MAX; i++) {
		if (!facts->members[i].is_voter && !facts->members[i].is_learner) {
			return i;
		}
	}
	return -1;
}

/* Who asked looks for the reason once the request is gone: so the reason is written before. */
static void refuse_join(const struct ctl_tree *tree, struct ctl_tree_plan *plan,
                        const struct ctl_tree_file *file, const char *why)
{
	const struct ctl_tree_file *told = ctl_tree_find(tree, "/ctl/err");

	(void)snprintf(plan->error, sizeof(plan->error), "%.80s: %s", file->path, why);
	if (told != NULL && strcmp(told->value, plan->error) == 0) {
		drop(plan, file);
	}
}

static void take_new(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                     struct ctl_tree_plan *plan, const struct ctl_tree_file *file,
                     const struct ctl_address *address)
{
	const int number = free_number(facts);

	if (number < 0) {
		refuse_join(tree, plan, file, "the cluster has 16 servers, and takes no more");
	} else if (facts->refused_add == (uint32_t)1 << number && facts->refused_remove == 0) {
		refuse_join(tree, plan, file, facts->refusal);
	} else if ((plan->add | plan->remove) == 0) {
		plan->add = (uint32_t)1 << number;
		plan->as_learners = true;
		plan->address = (struct store_address){.ip = address->ip, .port = address->port};
	}
}

/* "IP:PORT" asks for a number; "IP:PORT N" has it, and is done when N is there. */
static void take_join(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                      struct ctl_tree_plan *plan, const struct ctl_tree_file *file)
{
	const size_t size = strcspn(file->value, " ");
	const bool has_number = file->value[size] != '\0';
	char text[CTL_ADDRESS_TEXT_SIZE + 4];
	struct ctl_address address = {0};
	int member;

	(void)snprintf(text, sizeof(text), "%.*s", (int)size, file->value);
	if (file->is_odd || size >= CTL_ADDRESS_TEXT_SIZE ||
	    ctl_value_address(text, &address) != NULL || address.is_none || address.ip == 0) {
		refuse_join(tree, plan, file, "not an address that others can reach");
		return;
	}
	member = member_of_address(facts, &address);
	if (member < 0 && has_number) {
		drop(plan, file); /* it was removed before it ever came */
	} else if (member < 0) {
		take_new(tree, facts, plan, file, &address);
	} else if (facts->members[member].id[0] == '\0') {
		(void)snprintf(text + size, sizeof(text) - size, " %d", member + 1);
		if (strcmp(file->value, text) != 0) {
			ctl_tree_set(plan, file->revision, file->path, text);
		}
	} else if (has_number) {
		drop(plan, file); /* it is here */
	} else {
		refuse_join(tree, plan, file, "a server of the cluster has that address");
	}
}

static void plan_joins(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                       struct ctl_tree_plan *plan)
{
	for (unsigned i = 0; i < tree->count; i++) {
		if (strncmp(tree->files[i].path, joins, sizeof(joins) - 1) == 0) {
			take_join(tree, facts, plan, &tree->files[i]);
		}
	}
}

/* Files where directories should be. */
static void plan_directories(const struct ctl_tree *tree, struct ctl_tree_plan *plan)
{
	static const char *const directories[] = {"/ctl/cal", "/ctl/node", "/ctl/join", "/ctl/ns"};

	for (unsigned i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		const struct ctl_tree_file *file = ctl_tree_find(tree, directories[i]);

		if (file != NULL) {
			drop(plan, file);
		}
	}
}

void ctl_tree_make_plan(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                        struct ctl_tree_plan *ret_plan)
{
	*ret_plan = (struct ctl_tree_plan){0};
	if (facts->leads) {
		plan_directories(tree, ret_plan);
		want(tree, ret_plan, "/ctl/name", facts->name);
		want(tree, ret_plan, "/ctl/config", facts->config);
	}
	if (facts->own >= 0) {
		plan_own(tree, facts, ret_plan);
	}
	if (facts->leads) {
		ctl_seats_plan(tree, facts, ret_plan);
		plan_names(tree, facts, false, ret_plan);
		plan_gone(tree, facts, ret_plan);
		plan_joins(tree, facts, ret_plan);
	}
	if (ret_plan->error[0] != '\0') {
		ctl_tree_set(ret_plan, STORE_REV_ANY, "/ctl/err", ret_plan->error);
	}
}

void ctl_tree_claim_text(char ret_text[CTL_TREE_TEXT_SIZE], uint64_t cluster, const char *address)
{
	(void)snprintf(ret_text, CTL_TREE_TEXT_SIZE, "%016" PRIx64 " %.21s", cluster, address);
}

void ctl_tree_plan_names(const struct ctl_tree *tree, const struct ctl_tree_facts *facts,
                         uint64_t cluster, struct ctl_tree_plan *ret_plan)
{
	const struct ctl_tree_file *name = ctl_tree_find(tree, "/ctl/name"), *claim;
	char path[CTL_TREE_PATH_SIZE], text[CTL_TREE_TEXT_SIZE], address[CTL_ADDRESS_TEXT_SIZE];

	*ret_plan = (struct ctl_tree_plan){0};
	must(facts->own >= 0);
	ctl_address_text(facts->members[facts->own].address, address);
	ctl_tree_claim_text(text, cluster, address);
	(void)snprintf(path, sizeof(path), "/ctl/boot/%.63s", facts->name);
	claim = ctl_tree_find(tree, path);
	if (name != NULL && strcmp(name->value, facts->name) == 0) {
		(void)snprintf(ret_plan->error, sizeof(ret_plan->error),
		               "the name cluster has that name itself");
	} else if (claim == NULL) {
		ctl_tree_set(ret_plan, 0, path, text); /* the names are for the next plan */
	} else if (claim->is_odd || strncmp(claim->value, text, CLUSTER_TEXT_SIZE) != 0) {
		(void)snprintf(ret_plan->error, sizeof(ret_plan->error),
		               "%s there says another cluster: %.64s", path, claim->value);
	} else {
		plan_names(tree, facts, true, ret_plan);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/tree.h"

#include <stdio.h>
#include <string.h>

#include "store/base/check.h"

void ctl_tree_glob(unsigned i, const char *name, char ret_glob[CTL_TREE_PATH_SIZE])
{
	static const char *const globs[CTL_TREE_GLOBS] = {
		"/ctl/*", "/ctl/cal/*", "/ctl/node/*/*", "/ctl/join/*", NULL,
	};

	must(i < CTL_TREE_GLOBS);
	if (globs[i] != NULL) {
		(void)snprintf(ret_glob, CTL_TREE_PATH_SIZE, "%s", globs[i]);
	} else {
		(void)snprintf(ret_glob, CTL_TREE_PATH_SIZE, "/ctl/ns/%.63s/*", name);
	}
}

const struct ctl_tree_file *ctl_tree_find(const struct ctl_tree *tree, const char *path)
{
	for (unsigned i = 0; i < tree->count; i++) {
		if (strcmp(tree->files[i].path, path) == 0) {
			return &tree->files[i];
		}
	}
	return NULL;
}

int ctl_tree_member_of(const struct ctl_tree_facts *facts, struct slice id)
{
	for (int i = 0; i < STORE_NODES_MAX && id.size == CTL_NODE_ID_SIZE - 1; i++) {
		if (memcmp(facts->members[i].id, id.data, id.size) == 0) {
			return i;
		}
	}
	return -1;
}

void ctl_tree_set(struct ctl_tree_plan *plan, store_rev_t revision, const char *path,
                  const char *value)
{
	struct ctl_tree_action *action = &plan->actions[plan->count];

	if (plan->count == CTL_TREE_ACTIONS_MAX) {
		return;
	}
	must(strlen(path) < sizeof(action->path));
	must(value == NULL || strlen(value) < sizeof(action->value));
	plan->count++;
	action->is_delete = value == NULL;
	action->revision = revision;
	(void)snprintf(action->path, sizeof(action->path), "%s", path);
	(void)snprintf(action->value, sizeof(action->value), "%s", value != NULL ? value : "");
}

void ctl_tree_take_value(struct ctl_tree_file *file, struct slice value)
{
	file->is_known = true;
	file->is_odd = value.size >= sizeof(file->value) ||
	               (value.size != 0 && memchr(value.data, 0, value.size) != NULL);
	file->value[0] = '\0';
	if (!file->is_odd && value.size != 0) {
		memcpy(file->value, value.data, value.size);
		file->value[value.size] = '\0';
	}
}

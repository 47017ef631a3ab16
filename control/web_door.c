/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_door.h"

#include <stddef.h>

static void on_judged(void *context, unsigned rights)
{
	struct ctl_web_door *door = context;

	if (rights == 0) {
		door->why = "wrong";
	} else {
		door->rights |= rights;
		door->greets = true;
		door->why = NULL;
	}
	door->config.wants(door->config.context);
}

void ctl_web_door_init(struct ctl_web_door *door, const struct ctl_web_door_config *config)
{
	*door = (struct ctl_web_door){
		.config = *config,
		.guess = {.judged = on_judged, .context = door, .source = config->source},
		.rights = ctl_web_guard_rights(config->guard),
	};
	door->greets = ctl_web_door_is_open(door);
	door->why = door->greets ? NULL : "";
}

void ctl_web_door_deinit(struct ctl_web_door *door)
{
	ctl_web_guard_forget(door->config.guard, &door->guess);
}

bool ctl_web_door_is_open(const struct ctl_web_door *door)
{
	return (door->rights & STORE_MAY_READ) != 0;
}

bool ctl_web_door_may_edit(const struct ctl_web_door *door)
{
	return door->config.edit && (door->rights & STORE_MAY_WRITE) != 0;
}

bool ctl_web_door_ask(struct ctl_web_door *door, struct slice secret)
{
	if (door->guess.waits) {
		return false;
	}
	if (!ctl_web_guard_ask(door->config.guard, &door->guess, secret)) {
		door->why = "busy";
		door->config.wants(door->config.context);
	}
	return true;
}

static json_t *take_hello(struct ctl_web_door *door)
{
	const bool edit = ctl_web_door_may_edit(door);

	door->greets = false;
	return json_pack("{s:s, s:i, s:b, s:b, s:i}", "say", "hello", "node",
	                 (int)door->config.node, "edit", (int)edit, "unlock",
	                 (int)(door->config.edit && !edit), "asks", (int)door->config.asks);
}

json_t *ctl_web_door_take(struct ctl_web_door *door)
{
	const char *why = door->why;

	door->why = NULL;
	if (why != NULL) {
		return json_pack("{s:s, s:s}", "say", "secret", "why", why);
	}
	return door->greets ? take_hello(door) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_reigns.h"

static void note(struct ctl_web_reigns *reigns, const json_t *status, uint64_t now_ms)
{
	const struct ctl_web_reign *last =
		&reigns->list[(reigns->count + CTL_WEB_REIGNS_MAX - 1) % CTL_WEB_REIGNS_MAX];
	const struct ctl_web_reign now = {
		.at_ms = now_ms,
		.leader = json_integer_value(json_object_get(status, "leader")),
		.round = json_integer_value(
			json_object_get(json_object_get(status, "ballot"), "round")),
	};

	if (reigns->count == 0 || last->leader != now.leader ||
	    (now.leader != 0 && last->round != now.round)) {
		reigns->list[reigns->count++ % CTL_WEB_REIGNS_MAX] = now;
	}
}

void ctl_web_reigns_note(struct ctl_web_reigns *reigns, json_t *status, uint64_t now_ms)
{
	json_t *leaders = json_array();
	uint64_t first;

	note(reigns, status, now_ms);
	first = reigns->count < CTL_WEB_REIGNS_MAX ? 0 : reigns->count - CTL_WEB_REIGNS_MAX;
	for (uint64_t i = first; i < reigns->count; i++) {
		const struct ctl_web_reign *reign = &reigns->list[i % CTL_WEB_REIGNS_MAX];

		(void)json_array_append_new(
			leaders, json_pack("{s:I, s:I, s:I}", "at_ms", (json_int_t)reign->at_ms,
		                           "leader", reign->leader, "round", reign->round));
	}
	(void)json_object_set_new(status, "leaders", leaders);
	(void)json_object_set_new(status, "time_ms", json_integer((json_int_t)now_ms));
}

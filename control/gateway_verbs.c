/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_verbs.c - a request of a Doozer client: refused, answered at once, or put to the cluster
 */
#include <errno.h>
#include <string.h>

#include "control/gateway_link.h"
#include "control/node_id.h"

static Doozer__Response begin_reply(bool has_tag, int32_t tag)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	response.has_tag = has_tag;
	response.tag = tag;
	return response;
}

static void refuse_request(struct ctl_gateway_link *link, const Doozer__Request *request,
                           enum ctl_doozer_error error, const char *detail)
{
	Doozer__Response response = begin_reply(request->has_tag, request->tag);

	ctl_doozer_set_error(&response, error,
	                     detail == NULL ? (struct slice){0} : slice_text(detail));
	ctl_gateway_reply(link, &response);
}

static const struct verb_row {
	int32_t verb;
	bool reads, writes; /* rights that it needs */
	bool path, rev, offset;
} verb_rows[] = {
	{DOOZER_GET, .reads = true, .path = true},
	{DOOZER_SET, .writes = true, .path = true, .rev = true},
	{DOOZER_DEL, .writes = true, .path = true, .rev = true},
	{DOOZER_REV, false, false, false, false, false},
	{DOOZER_WAIT, .reads = true, .path = true, .rev = true},
	{DOOZER_NOP, .writes = true},
	{DOOZER_WALK, .reads = true, .path = true, .offset = true},
	{DOOZER_GETDIR, .reads = true, .path = true, .offset = true},
	{DOOZER_STAT, .reads = true},
	{DOOZER_SELF, false, false, false, false, false},
	{DOOZER_ACCESS, false, false, false, false, false},
};

static const struct verb_row *row_of(const Doozer__Request *request)
{
	for (size_t i = 0; i < sizeof(verb_rows) / sizeof(verb_rows[0]); i++) {
		if (request->has_verb && request->verb == verb_rows[i].verb) {
			return &verb_rows[i];
		}
	}
	return NULL;
}

static void refuse_glob(struct ctl_gateway_link *link, const Doozer__Request *request)
{
	static const char words[] = "invalid glob pattern: ";
	char text[sizeof(words) + STORE_GLOB_SIZE_MAX];
	Doozer__Response response = begin_reply(request->has_tag, request->tag);
	const size_t size =
		request->path.len > STORE_GLOB_SIZE_MAX ? STORE_GLOB_SIZE_MAX : request->path.len;

	memcpy(text, words, sizeof(words) - 1);
	if (size != 0) {
		memcpy(text + sizeof(words) - 1, request->path.data, size);
	}
	ctl_doozer_set_error(&response, DOOZER_OTHER, slice_make(text, sizeof(words) - 1 + size));
	ctl_gateway_reply(link, &response);
}

/* True if the request was refused. Doozer's order: rights, read-only, fields, form, offset. */
static bool is_refused(struct ctl_gateway_link *link, const Doozer__Request *request)
{
	const struct verb_row *row = row_of(request);
	const struct slice path = slice_make(request->path.data, request->path.len);
	const bool has_glob = request->verb == DOOZER_WAIT || request->verb == DOOZER_WALK;

	if (row == NULL) {
		refuse_request(link, request, DOOZER_UNKNOWN_VERB, NULL);
	} else if ((row->reads && (link->rights & STORE_MAY_READ) == 0) ||
	           (row->writes && (link->rights & STORE_MAY_WRITE) == 0)) {
		refuse_request(link, request, DOOZER_OTHER, "permission denied");
	} else if (row->writes && !link->is_member) {
		refuse_request(link, request, DOOZER_READONLY, NULL);
	} else if ((row->path && !request->has_path) || (row->rev && !request->has_rev) ||
	           (row->offset && !request->has_offset)) {
		refuse_request(link, request, DOOZER_MISSING_ARG, NULL);
	} else if (row->writes && row->path && !ctl_doozer_path_is_good(path)) {
		refuse_request(link, request, DOOZER_BAD_PATH, NULL);
	} else if (has_glob && !ctl_doozer_glob_is_good(path)) {
		refuse_glob(link, request);
	} else if (request->verb == DOOZER_WALK && request->offset < 0) {
		refuse_request(link, request, DOOZER_RANGE, NULL);
	} else if (link->ask_count >= CTL_GATEWAY_ASKS_MAX ||
	           (request->verb == DOOZER_WAIT && link->wait_count >= CTL_GATEWAY_WAITS_MAX)) {
		refuse_request(link, request, DOOZER_OTHER, "too much is outstanding here");
	} else {
		return false;
	}
	return true;
}

/* What needs no other server. True if it was that. */
static bool take_at_once(struct ctl_gateway_link *link, const Doozer__Request *request)
{
	const struct ctl_config *config = link->gateway->config.inside.config;
	Doozer__Response response = begin_reply(request->has_tag, request->tag);
	char id[CTL_NODE_ID_SIZE];

	switch (request->verb) {
	case DOOZER_SELF:
		ctl_node_id(config->cluster, (unsigned)config->node - 1,
		            link->gateway->config.incarnation, id);
		ctl_doozer_set_value(&response, slice_text(id));
		break;
	case DOOZER_ACCESS:
		if (!ctl_gateway_access(link,
		                        slice_make(request->value.data, request->value.len))) {
			refuse_request(link, request, DOOZER_OTHER, "permission denied");
			return true;
		}
		break;
	case DOOZER_STAT:
		if (request->has_path) {
			return false;
		}
		ctl_doozer_set_rev(&response, 0);
		ctl_doozer_set_len(&response, 0);
		break;
	default:
		return false;
	}
	ctl_gateway_reply(link, &response);
	return true;
}

bool ctl_gateway_take(struct ctl_gateway_link *link, const Doozer__Request *request)
{
	int r;

	if (is_refused(link, request) || take_at_once(link, request)) {
		return true;
	}
	r = ctl_gateway_ask(link, request);
	if (r == -ENOMEM) {
		refuse_request(link, request, DOOZER_OTHER, "no memory");
	}
	return r != -EAGAIN;
}

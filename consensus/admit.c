/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/admit.h"

#include "store/file.h"

static enum store_answer check_limits(const struct proto_request *request)
{
	if (request->verb != PROTO_SET && request->verb != PROTO_DELETE) {
		return STORE_OK;
	}
	if (request->value.size > STORE_VALUE_SIZE_MAX) {
		return STORE_TOO_LARGE;
	}
	return store_file_form(store_path_check(request->path));
}

/* Full disks: what a file does not get larger by goes on in what is spared for it. */
static bool grows(const struct paxos_core *core, const struct proto_request *request)
{
	struct store_file file;

	return request->verb == PROTO_SET &&
	       (store_get(store_root(core->store), request->path, &file) != STORE_OK ||
	        file.value.size < request->value.size);
}

enum store_answer paxos_admit(struct paxos_core *core, const struct proto_request *request)
{
	const enum store_answer answer = check_limits(request);

	if (answer == STORE_OK && core->is_full && grows(core, request)) {
		core->counted.disk_refusals++;
		return STORE_DISK_FULL;
	}
	return answer;
}

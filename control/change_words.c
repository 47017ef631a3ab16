/* SPDX-License-Identifier: Apache-2.0 */
#include "control/change_words.h"

#include <string.h>

#include "control/config_value.h"

static const char usage[] = "it is: member add N[=IP:PORT] ... | remove N ... | "
			    "replace OLD NEW[=IP:PORT] | promote N ...";

/* "4" or "4=10.0.0.4:8046", into `set`. */
static const char *take_server(const char *word, uint32_t *set, struct store_address *addresses)
{
	static const char expected[] = "a server is a number from 1 to 16, or N=IP:PORT";
	const char *equals = strchr(word, '=');
	const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
	struct ctl_address address = {0};
	char number[4] = "";
	uint64_t node;

	if (size == 0 || size >= sizeof(number)) {
		return expected;
	}
	memcpy(number, word, size);
	if (ctl_value_number(number, &node) != NULL || node < 1 || node > STORE_NODES_MAX) {
		return expected;
	}
	if (equals != NULL && (ctl_value_address(equals + 1, &address) != NULL || address.is_none ||
	                       address.ip == 0)) {
		return expected;
	}
	if ((*set >> (node - 1) & 1) != 0) {
		return "a server is named twice";
	}
	*set |= (uint32_t)1 << (node - 1);
	addresses[node - 1] = (struct store_address){.ip = address.ip, .port = address.port};
	return NULL;
}

const char *ctl_change_parse(const struct ctl_admin_request *request,
                             struct paxos_change *ret_change)
{
	struct paxos_change change = {0};
	const char *action = request->count != 0 ? request->arguments[0] : "";
	const bool removes = strcmp(action, "remove") == 0;
	const bool replaces = strcmp(action, "replace") == 0;
	unsigned servers = 0;

	if (strcmp(action, "add") != 0 && strcmp(action, "promote") != 0 && !removes && !replaces) {
		return usage;
	}
	for (unsigned i = 1; i < request->count; i++) {
		const char *word = request->arguments[i], *wrong;

		if (strcmp(word, "--even") == 0) {
			change.is_even = true;
		} else if (strcmp(word, "--learner") == 0 && strcmp(action, "add") == 0) {
			change.as_learners = true;
		} else {
			wrong = take_server(word,
			                    removes || (replaces && servers == 0) ? &change.remove
			                                                          : &change.add,
			                    change.addresses);
			if (wrong != NULL) {
				return wrong;
			}
			servers++;
		}
	}
	if (servers == 0 || (replaces && servers != 2)) {
		return usage;
	}
	if ((change.add & change.remove) != 0) {
		return "a server is named twice";
	}
	*ret_change = change;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/shared_config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/check.h"

enum {
	NS_PER_MS = 1000000
};

struct text {
	char *at;
	size_t size; /* so far */
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
	const size_t room = CTL_TREE_VALUE_SIZE - text->size;
	va_list list;
	int size;

	va_start(list, format);
	size = vsnprintf(text->at + text->size, room, format, list);
	va_end(list);
	must(size >= 0 && (size_t)size < room);
	text->size += (size_t)size;
}

static void say_ms(struct text *text, const char *name, uint64_t ns)
{
	say(text, "%s = %" PRIu64 ".%06" PRIu64 "\n", name, ns / NS_PER_MS, ns % NS_PER_MS);
}

void ctl_shared_config(const struct ctl_config *config,
                       const struct ctl_tree_member members[STORE_NODES_MAX],
                       char ret_text[CTL_TREE_VALUE_SIZE])
{
	struct text text = {.at = ret_text};
	char address[CTL_ADDRESS_TEXT_SIZE];

	say(&text, "cluster = %016" PRIx64 "\nname = %s\n", config->cluster, config->name);
	say(&text, "durability = %s\n",
	    config->durability == CTL_DURABILITY_DISK ? "disk" : "memory");
	say(&text, "snapshot_mb = %" PRIu64 "\n", config->snapshot_mb);
	say_ms(&text, "heartbeat_ms", config->heartbeat_ns);
	say_ms(&text, "lease_ms", config->lease_ns);
	say_ms(&text, "suspicion_ms", config->suspicion_ns);
	say(&text, "drift_ppm = %" PRIu64 "\n", config->drift_ppm);
	say(&text, "quota_mb = %" PRIu64 "\n", config->quota_mb);
	say(&text, "sessions_max = %" PRIu64 "\n", config->sessions_max);
	say_ms(&text, "promote_ms", config->promote_ns);
	if (strcmp(config->boot, "none") != 0) {
		say(&text, "boot = %s\n", config->boot);
	}
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		if ((members[i].is_voter || members[i].is_learner) && members[i].address.ip != 0) {
			ctl_address_text(members[i].address, address);
			say(&text, "server.%u = %s\n", i + 1, address);
		}
	}
}

static void make_list(struct ctl_shared_servers *servers)
{
	size_t size = 0;

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		if (servers->addresses[i][0] != '\0') {
			size += (size_t)snprintf(servers->list + size, sizeof(servers->list) - size,
			                         "%s%s", size != 0 ? "," : "",
			                         servers->addresses[i]);
		}
	}
	must(size < sizeof(servers->list));
}

bool ctl_shared_config_cut(char text[CTL_TREE_VALUE_SIZE], struct ctl_shared_servers *ret_servers)
{
	char *out = text, *end;

	*ret_servers = (struct ctl_shared_servers){0};
	for (char *line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const size_t size = (size_t)(end - line);
		struct ctl_address address;
		char word[CTL_ADDRESS_TEXT_SIZE];
		unsigned node;

		*end = '\0';
		if (sscanf(line, "server.%u = %21s", &node, word) != 2) {
			memmove(out, line, size); /* never ahead of what is read */
			out[size] = '\n';
			out += size + 1;
		} else if (node >= 1 && node <= STORE_NODES_MAX &&
		           ctl_value_address(word, &address) == NULL && address.ip != 0) {
			(void)snprintf(ret_servers->addresses[node - 1],
			               sizeof(ret_servers->addresses[0]), "%s", word);
		}
	}
	*out = '\0';
	make_list(ret_servers);
	return ret_servers->list[0] != '\0';
}

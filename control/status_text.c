/* SPDX-License-Identifier: Apache-2.0 */
#include "control/status_text.h"

#include <stdbool.h>

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "?";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void print_set(FILE *out, const json_t *set)
{
	for (size_t i = 0; i < json_array_size(set); i++) {
		(void)fprintf(out, " %lld", (long long)json_integer_value(json_array_get(set, i)));
	}
}

static void print_members(FILE *out, const json_t *status)
{
	const json_t *learners = json_object_get(status, "learners");

	(void)fprintf(out, "members    configuration %lld, voters",
	              number_of(status, "configuration"));
	print_set(out, json_object_get(status, "voters"));
	if (json_array_size(learners) != 0) {
		(void)fprintf(out, ", learners");
		print_set(out, learners);
	}
	(void)fprintf(out, "\n");
}

static bool has(const json_t *set, long long node)
{
	for (size_t i = 0; i < json_array_size(set); i++) {
		if (json_integer_value(json_array_get(set, i)) == node) {
			return true;
		}
	}
	return false;
}

/* One line: what it is, where it is, how it is. */
static void print_member(FILE *out, const json_t *status, const json_t *member)
{
	const long long node = number_of(member, "node");
	const char *address = json_string_value(json_object_get(member, "address"));
	const bool self = node == number_of(status, "node");
	const json_t *heard = json_object_get(member, "heard_ms");

	(void)fprintf(out, "%-4lld %-8s %-21s ", node,
	              has(json_object_get(status, "voters"), node)     ? "voter"
	              : has(json_object_get(status, "learners"), node) ? "learner"
	                                                               : "-",
	              address != NULL ? address : "-");
	if (node == number_of(status, "leader")) {
		(void)fprintf(out, "leads\n");
	} else if (self) {
		(void)fprintf(out, "this server\n");
	} else if (json_is_number(heard)) {
		(void)fprintf(out, "heard %.1f ms ago\n", json_number_value(heard));
	} else {
		(void)fprintf(out, "never heard\n");
	}
}

void ctl_members_print(FILE *out, const json_t *status)
{
	const json_t *peers = json_object_get(status, "peers");
	const long long self = number_of(status, "node");
	bool told = false;

	print_members(out, status);
	for (size_t i = 0; i <= json_array_size(peers); i++) {
		const json_t *peer = json_array_get(peers, i);

		if (!told && (peer == NULL || number_of(peer, "node") > self)) {
			print_member(out, status, status);
			told = true;
		}
		if (peer != NULL) {
			print_member(out, status, peer);
		}
	}
}

static void print_head(FILE *out, const json_t *status)
{
	const json_t *ballot = json_object_get(status, "ballot");
	const char *role = text_of(status, "role");

	(void)fprintf(out, "server     %lld, %s", number_of(status, "node"), role);
	if (strcmp(role, "leader") == 0) {
		(void)fprintf(out, "%s\n",
		              json_is_true(json_object_get(status, "deciding"))
		                      ? ""
		                      : " (waits for the leases of the one before)");
	} else if (number_of(status, "leader") != 0) {
		(void)fprintf(out, " of server %lld\n", number_of(status, "leader"));
	} else {
		(void)fprintf(out, ", knows no leader\n");
	}
	print_members(out, status);
	(void)fprintf(out, "ballot     round %lld of server %lld\n", number_of(ballot, "round"),
	              number_of(ballot, "node"));
	(void)fprintf(out, "log        from %lld to %lld, decided %lld, applied %lld\n",
	              number_of(status, "log_start"), number_of(status, "length"),
	              number_of(status, "decided"), number_of(status, "applied"));
	(void)fprintf(out, "lease      %.1f ms left\n", real_of(status, "lease_left_ms"));
	(void)fprintf(out, "mode       durability %s, transport %s\n",
	              text_of(status, "durability"), text_of(status, "transport"));
	(void)fprintf(out, "poll gap   %.0f us\n", real_of(status, "poll_gap_us"));
	(void)fprintf(out, "sessions   ended %.0f us late at most, live %lld ms at least\n",
	              real_of(status, "expiry_late_us"), number_of(status, "ttl_floor_ms"));
}

static void print_journal(FILE *out, const json_t *status)
{
	const json_t *journal = json_object_get(status, "journal");

	if (journal == NULL) {
		return;
	}
	(void)fprintf(out,
	              "journal    durable to %lld, record %lld; %lld groups, %lld frames, %lld "
	              "bytes\n",
	              number_of(status, "durable"), number_of(journal, "durable_record"),
	              number_of(journal, "groups"), number_of(journal, "frames"),
	              number_of(journal, "bytes"));
	(void)fprintf(out, "flush      last %.0f us, worst %.0f us; trouble: %s\n",
	              real_of(journal, "flush_last_us"), real_of(journal, "flush_worst_us"),
	              text_of(journal, "trouble"));
	(void)fprintf(out, "snapshot   at %lld\n", number_of(status, "snapshot"));
	if (number_of(status, "holes") != 0) {
		(void)fprintf(out, "unknown    %lld entries, asked from the others\n",
		              number_of(status, "holes"));
	}
}

static void print_peer(FILE *out, const json_t *peer)
{
	const json_t *heard = json_object_get(peer, "heard_ms");

	(void)fprintf(out, "peer %lld     %s%s, ", number_of(peer, "node"),
	              json_is_true(json_object_get(peer, "connected")) ? "connected"
	                                                               : "not connected",
	              json_is_true(json_object_get(peer, "unhappy")) ? ", hears no leader" : "");
	if (json_is_number(heard)) {
		(void)fprintf(out, "heard %.1f ms ago, ", json_number_value(heard));
	} else {
		(void)fprintf(out, "never heard, ");
	}
	(void)fprintf(out, "round trip %.0f us, poll gap %.0f us, accepted %lld, resent %lld\n",
	              real_of(peer, "round_trip_us"), real_of(peer, "poll_gap_us"),
	              number_of(peer, "accepted"), number_of(peer, "resent"));
}

/* What is not zero. */
static void print_group(FILE *out, const json_t *status, const char *group)
{
	json_t *numbers = json_object_get(status, group);
	const char *key;
	json_t *value;
	int any = 0;

	json_object_foreach(numbers, key, value)
	{
		if (json_integer_value(value) != 0) {
			(void)fprintf(out, "%-10s %-24s %lld\n", any == 0 ? group : "", key,
			              (long long)json_integer_value(value));
			any = 1;
		}
	}
}

void ctl_status_print(FILE *out, const json_t *status)
{
	const json_t *peers = json_object_get(status, "peers");

	print_head(out, status);
	print_journal(out, status);
	for (size_t i = 0; i < json_array_size(peers); i++) {
		print_peer(out, json_array_get(peers, i));
	}
	print_group(out, status, "counters");
	print_group(out, status, "drops");
	print_group(out, status, "events");
}

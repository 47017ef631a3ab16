/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_text.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- who is believed ------------------------------------------------------------------------- */

/* Without its port. False if what stands behind a colon is none. */
static bool split_port(const char *host, size_t *ret_size)
{
	const size_t size = strcspn(host, ":");
	const char *port = host + size;

	if (*port == ':') {
		const size_t digits = strspn(port + 1, "0123456789");

		if (digits == 0 || digits > 5 || port[1 + digits] != '\0') {
			return false;
		}
	}
	*ret_size = size;
	return size != 0;
}

static bool is_address(const char *text, size_t size)
{
	unsigned parts = 0;

	for (size_t i = 0; i < size; parts++) {
		const size_t digits = strspn(text + i, "0123456789");

		if (digits == 0 || digits > 3) {
			return false;
		}
		i += digits;
		if (i < size && (text[i] != '.' || ++i == size)) {
			return false;
		}
	}
	return parts == 4;
}

bool ctl_web_host_good(const char *host, const char *own)
{
	const size_t own_size = strlen(own);
	size_t size;

	if (!split_port(host, &size)) {
		return false;
	}
	if (is_address(host, size) || (size == 9 && strncasecmp(host, "localhost", 9) == 0)) {
		return true;
	}
	return own_size != 0 && size >= own_size && strncasecmp(host, own, own_size) == 0 &&
	       (size == own_size || host[own_size] == '.');
}

bool ctl_web_origin_good(const char *origin, const char *host)
{
	if (*origin == '\0') {
		return true;
	}
	if (strncmp(origin, "http://", 7) == 0) {
		origin += 7;
	} else if (strncmp(origin, "https://", 8) == 0) {
		origin += 8;
	} else {
		return false;
	}
	return *host != '\0' && strcasecmp(origin, host) == 0;
}

/* --- what is told ---------------------------------------------------------------------------- */

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *ctl_web_unhealthy(const json_t *status)
{
	const char *role = json_string_value(json_object_get(status, "role"));

	if (role == NULL || strcmp(role, "outsider") == 0) {
		return "this server was not let in yet";
	}
	if (number_of(status, "leader") == 0) {
		return "nobody leads, as far as this server knows";
	}
	if (strcmp(role, "leader") == 0 && !json_is_true(json_object_get(status, "deciding"))) {
		return "this server leads, and waits for the leases of the one before";
	}
	return NULL;
}

/* Letters, digits and underscores stay; the rest becomes an underscore. */
static void print_name(FILE *out, const char *prefix, const char *name)
{
	(void)fprintf(out, "coffer_%s", prefix);
	for (; *name != '\0'; name++) {
		const char c = (char)(*name | 0x20);

		(void)fputc((c >= 'a' && c <= 'z') || (*name >= '0' && *name <= '9') ? *name : '_',
		            out);
	}
}

static void print_type(FILE *out, const char *prefix, const char *name, const char *type)
{
	(void)fprintf(out, "# TYPE ");
	print_name(out, prefix, name);
	(void)fprintf(out, " %s\n", type);
}

/* One number; what is none is left out. */
static void print_one(FILE *out, const char *prefix, const char *name, const char *labels,
                      const json_t *value, double unit)
{
	if (!json_is_number(value) && !json_is_boolean(value)) {
		return;
	}
	print_name(out, prefix, name);
	if (json_is_real(value)) {
		(void)fprintf(out, "%s %.9g\n", labels, json_real_value(value) * unit);
	} else {
		(void)fprintf(out, "%s %lld\n", labels,
		              json_is_integer(value) ? (long long)json_integer_value(value)
		                                     : (long long)json_is_true(value));
	}
}

static void print_gauges(FILE *out, const json_t *status)
{
	static const char *const names[] = {
		"leader",  "configuration", "log_start", "length",   "durable",
		"decided", "applied",       "deciding",  "snapshot", "holes",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (json_object_get(status, names[i]) != NULL) {
			print_type(out, "", names[i], "gauge");
			print_one(out, "", names[i], "", json_object_get(status, names[i]), 1);
		}
	}
	print_type(out, "", "leads", "gauge");
	(void)fprintf(out, "coffer_leads %d\n",
	              number_of(status, "leader") == number_of(status, "node"));
	print_type(out, "", "lease_left_seconds", "gauge");
	print_one(out, "", "lease_left_seconds", "", json_object_get(status, "lease_left_ms"),
	          1e-3);
	print_type(out, "", "poll_gap_seconds", "gauge");
	print_one(out, "", "poll_gap_seconds", "", json_object_get(status, "poll_gap_us"), 1e-6);
	print_type(out, "", "expiry_late_seconds", "gauge");
	print_one(out, "", "expiry_late_seconds", "", json_object_get(status, "expiry_late_us"),
	          1e-6);
	print_type(out, "", "ttl_floor_seconds", "gauge");
	print_one(out, "", "ttl_floor_seconds", "", json_object_get(status, "ttl_floor_ms"), 1e-3);
}

static void print_peers(FILE *out, const json_t *peers)
{
	static const struct {
		const char *key, *name, *type;
		double unit;
	} rows[] = {
		{"connected", "peer_connected", "gauge", 1},
		{"heard_ms", "peer_silent_seconds", "gauge", 1e-3},
		{"round_trip_us", "peer_round_trip_seconds", "gauge", 1e-6},
		{"accepted", "peer_accepted", "gauge", 1},
		{"resent", "peer_resent_total", "counter", 1},
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		print_type(out, "", rows[row].name, rows[row].type);
		for (size_t i = 0; i < json_array_size(peers); i++) {
			const json_t *peer = json_array_get(peers, i);
			char labels[32];

			(void)snprintf(labels, sizeof(labels), "{peer=\"%u\"}",
			               (unsigned)number_of(peer, "node"));
			print_one(out, "", rows[row].name, labels,
			          json_object_get(peer, rows[row].key), rows[row].unit);
		}
	}
}

/* One family with a label, such as drops by reason. The keys are our own words. */
static void print_family(FILE *out, const json_t *group, const char *name, const char *label)
{
	const char *key;
	json_t *value;

	print_type(out, "", name, "counter");
	json_object_foreach((json_t *)group, key, value)
	{
		char labels[96];

		(void)snprintf(labels, sizeof(labels), "{%s=\"%.64s\"}", label, key);
		print_one(out, "", name, labels, value, 1);
	}
}

/* A metric for each number: some only grow, some do not, so none is given a type. */
static void print_group(FILE *out, const json_t *group, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)group, key, value)
	{
		if (json_is_number(value)) {
			print_type(out, prefix, key, "untyped");
			print_one(out, prefix, key, "", value, 1);
		}
	}
}

char *ctl_web_metrics(const json_t *status)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		return NULL;
	}
	print_gauges(out, status);
	print_peers(out, json_object_get(status, "peers"));
	print_group(out, json_object_get(status, "counters"), "");
	print_group(out, json_object_get(status, "journal"), "journal_");
	print_family(out, json_object_get(status, "drops"), "drops_total", "reason");
	print_family(out, json_object_get(status, "events"), "events_total", "event");
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- bytes as JSON --------------------------------------------------------------------------- */

static json_t *base64(const uint8_t *data, size_t size)
{
	const size_t room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(room);
	json_t *string;

	if (text == NULL) {
		return NULL;
	}
	(void)sodium_bin2base64(text, room, data, size, sodium_base64_VARIANT_ORIGINAL);
	string = json_string_nocheck(text);
	free(text);
	return string;
}

/* Not in the middle of a character. */
static size_t cut_at(const uint8_t *data, size_t most)
{
	for (size_t back = 0; back < 4 && back < most; back++) {
		if ((data[most - back] & 0xc0) != 0x80) {
			return most - back;
		}
	}
	return most;
}

bool ctl_web_put_bytes(json_t *object, struct slice bytes, size_t most)
{
	const size_t size = bytes.size > most ? cut_at(bytes.data, most) : bytes.size;
	const char *data = bytes.size != 0 ? (const char *)bytes.data : "";
	json_t *text = json_stringn(data, size);

	if (json_object_set_new(object, "size", json_integer((json_int_t)bytes.size)) < 0) {
		json_decref(text);
		return false;
	}
	if (text != NULL) {
		return json_object_set_new(object, "text", text) == 0;
	}
	return json_object_set_new(object, "base64",
	                           base64(bytes.data, bytes.size > most ? most : bytes.size)) == 0;
}

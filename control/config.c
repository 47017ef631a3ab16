/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/check.h"

enum {
	KEYS_MAX = 64,
	NAME_SIZE_MAX = 32
};

/* One file being read. */
struct reading {
	const char *file;
	unsigned line;
	struct ctl_config config;
	unsigned lines[KEYS_MAX]; /* where a plain key was given; 0: not */
	unsigned server_lines[STORE_NODES_MAX];
	unsigned port_lines[CTL_PORTS_MAX];
	ctl_resolve_fn *resolve;
	struct ctl_reason *reason;
};

#define REFUSE(reading, line, format, ...)                                                         \
	(ctl_reason_say((reading)->reason, "%s:%u: " format, (reading)->file, (line),              \
	                __VA_ARGS__),                                                              \
	 -EINVAL)

/* --- finding the key --------------------------------------------------------------------- */

/* Levenshtein's distance of two short names; for "did you mean". */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_SIZE_MAX + 1];
	const size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > NAME_SIZE_MAX || b_size > NAME_SIZE_MAX) {
		return NAME_SIZE_MAX;
	}
	for (unsigned k = 0; k <= b_size; k++) {
		row[k] = k;
	}
	for (unsigned i = 1; i <= a_size; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned k = 1; k <= b_size; k++) {
			const unsigned changed = diagonal + (a[i - 1] != b[k - 1] ? 1 : 0);
			unsigned best = row[k] + 1;

			best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
			best = changed < best ? changed : best;
			diagonal = row[k];
			row[k] = best;
		}
	}
	return row[b_size];
}

static int refuse_unknown(struct reading *reading, const char *name)
{
	const char *nearest = "";
	unsigned count, best = 4;
	const struct ctl_key *keys = ctl_config_keys(&count);

	for (unsigned i = 0; i < count; i++) {
		const unsigned far = distance(name, keys[i].name);

		if (far < best) {
			best = far;
			nearest = keys[i].name;
		}
	}
	if (best < 4) {
		return REFUSE(reading, reading->line, "unknown key `%.64s`; did you mean `%s`?",
		              name, nearest);
	}
	return REFUSE(reading, reading->line,
	              "unknown key `%.64s`; cofferd --print-config shows those there are", name);
}

static bool is_numbered(const struct ctl_key *key)
{
	return key->type == CTL_KEY_SERVER || key->type == CTL_KEY_PORT;
}

/* The key a name belongs to; *ret_number is the N of a numbered one. NULL: none. */
static const struct ctl_key *find_key(const char *name, uint64_t *ret_number)
{
	unsigned count;
	const struct ctl_key *keys = ctl_config_keys(&count);

	must(count <= KEYS_MAX);
	*ret_number = 0;
	for (unsigned i = 0; i < count; i++) {
		const size_t stem = strlen(keys[i].name) - 1;

		if (!is_numbered(&keys[i])) {
			if (strcmp(name, keys[i].name) == 0) {
				return &keys[i];
			}
		} else if (strncmp(name, keys[i].name, stem) == 0 &&
		           ctl_value_number(name + stem, ret_number) == NULL) {
			return &keys[i];
		}
	}
	return NULL;
}

/* --- one value ----------------------------------------------------------------------------- */

/* Writes the value to its place in the configuration. NULL, or what was expected. */
static const char *parse_value(struct ctl_config *config, const struct ctl_key *key,
                               uint64_t number, const char *value)
{
	void *place = (uint8_t *)config + key->offset;
	uint64_t parsed = 0;
	const char *expected = NULL;

	switch (key->type) {
	case CTL_KEY_HEX64:
		return ctl_value_hex64(value, place);
	case CTL_KEY_NUMBER:
		expected = ctl_value_number(value, &parsed);
		break;
	case CTL_KEY_MILLIS:
		expected = ctl_value_millis(value, &parsed);
		break;
	case CTL_KEY_CHOICE:
		return ctl_value_choice(value, key->choices, place);
	case CTL_KEY_TEXT:
		return ctl_value_path(value, key->max, place);
	case CTL_KEY_NAME:
		return ctl_value_name(value, key->max, place);
	case CTL_KEY_HOSTS:
		return ctl_value_hosts(value, place);
	case CTL_KEY_ADDRESS:
		return ctl_value_address(value, place);
	case CTL_KEY_CORES:
		return ctl_value_cores(value, place);
	case CTL_KEY_SET:
		return ctl_value_set(value, key->max, place);
	case CTL_KEY_SERVER:
		return ctl_value_address(value, (struct ctl_address *)place + number - 1);
	case CTL_KEY_PORT:
		return ctl_value_port(value, (struct ctl_port *)place + number - 1);
	}
	if (expected == NULL) {
		if (parsed < key->min || parsed > key->max) {
			return "a number in range";
		}
		*(uint64_t *)place = parsed;
	}
	return expected;
}

/* Where the line of a key is remembered. */
static unsigned *line_of(struct reading *reading, const struct ctl_key *key, uint64_t number)
{
	unsigned count;

	if (key->type == CTL_KEY_SERVER) {
		return &reading->server_lines[number - 1];
	}
	if (key->type == CTL_KEY_PORT) {
		return &reading->port_lines[number - 1];
	}
	return &reading->lines[key - ctl_config_keys(&count)];
}

/* A server that is named by its host: as if its address stood there. */
static int resolve_host(struct reading *reading, const char *name, const char *value,
                        char ret_text[CTL_ADDRESS_TEXT_SIZE])
{
	char host[CTL_HOST_SIZE_MAX];
	struct store_address at;
	struct ctl_reason why;

	if (!ctl_value_host(value, host, &at.port)) {
		return 0;
	}
	if (reading->resolve(host, &at.ip, &why) < 0) {
		return REFUSE(reading, reading->line, "`%s = %.200s`: %.300s", name, value,
		              why.text);
	}
	ctl_address_text(at, ret_text);
	return 0;
}

static int take_pair(struct reading *reading, const char *name, const char *value)
{
	char range[64], address[CTL_ADDRESS_TEXT_SIZE] = "";
	const struct ctl_key *key;
	const char *expected;
	uint64_t number;
	unsigned *line;

	key = find_key(name, &number);
	if (key == NULL) {
		return refuse_unknown(reading, name);
	}
	if (is_numbered(key) && (number < 1 || number > key->max)) {
		return REFUSE(reading, reading->line,
		              "`%.64s`: its number must be from 1 to %" PRIu64, name, key->max);
	}
	line = line_of(reading, key, number);
	if (*line != 0) {
		return REFUSE(reading, reading->line,
		              "`%s` was already given in line %u; remove one of the two", name,
		              *line);
	}
	*line = reading->line;
	if (key->type == CTL_KEY_SERVER && resolve_host(reading, name, value, address) < 0) {
		return -EINVAL;
	}
	expected = parse_value(&reading->config, key, number, address[0] != '\0' ? address : value);
	if (expected == NULL) {
		return 0;
	}
	ctl_config_range_text(key, range, sizeof(range));
	return REFUSE(reading, reading->line, "`%s = %.200s` makes no sense; expected is %s%s%s%s",
	              name, value, expected, range[0] != '\0' ? " (" : "", range,
	              range[0] != '\0' ? ")" : "");
}

/* --- lines --------------------------------------------------------------------------------- */

static char *trim(char *text)
{
	size_t size;

	text += strspn(text, " \t");
	size = strlen(text);
	while (size != 0 && strchr(" \t\r", text[size - 1]) != NULL) {
		text[--size] = '\0';
	}
	return text;
}

/* A `#` begins a comment at the start of a line or behind a blank. */
static void cut_comment(char *line)
{
	for (char *c = line; *c != '\0'; c++) {
		if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			return;
		}
	}
}

static int take_line(struct reading *reading, struct slice bytes)
{
	char line[CTL_LINE_SIZE_MAX + 1];
	char *name, *equals;

	if (bytes.size > CTL_LINE_SIZE_MAX) {
		return REFUSE(reading, reading->line, "a line has at most %d bytes; shorten it",
		              CTL_LINE_SIZE_MAX);
	}
	if (bytes.size != 0) {
		memcpy(line, bytes.data, bytes.size);
	}
	line[bytes.size] = '\0';
	for (size_t i = 0; i < bytes.size; i++) {
		if ((uint8_t)line[i] < ' ' && line[i] != '\t' && line[i] != '\r') {
			return REFUSE(reading, reading->line, "control character %d; remove it",
			              line[i]);
		}
	}
	cut_comment(line);
	name = trim(line);
	if (*name == '\0') {
		return 0;
	}
	equals = strchr(name, '=');
	if (equals == NULL) {
		return REFUSE(reading, reading->line, "`%.64s` is not `key = value`", name);
	}
	*equals = '\0';
	return take_pair(reading, trim(name), trim(equals + 1));
}

static int take_lines(struct reading *reading, struct slice text)
{
	while (text.size != 0) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		const size_t size = end != NULL ? (size_t)(end - text.data) : text.size;
		int r;

		reading->line++;
		r = take_line(reading, slice_make(text.data, size));
		if (r < 0) {
			return r;
		}
		text = slice_make(text.data + size + (end != NULL),
		                  text.size - size - (end != NULL));
	}
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int fill_defaults(struct reading *reading)
{
	unsigned count;
	const struct ctl_key *keys = ctl_config_keys(&count);

	for (unsigned i = 0; i < count; i++) {
		if (is_numbered(&keys[i]) || reading->lines[i] != 0) {
			continue;
		}
		if (keys[i].fallback == NULL) {
			ctl_reason_say(reading->reason,
			               "%s: key `%s` is missing; add a line `%s = ...` to the file",
			               reading->file, keys[i].name, keys[i].name);
			return -EINVAL;
		}
		/* Other addresses are named in words, and filled in by their checks. */
		if (keys[i].type != CTL_KEY_ADDRESS || strcmp(keys[i].fallback, "none") == 0) {
			must(parse_value(&reading->config, &keys[i], 0, keys[i].fallback) == NULL);
		}
	}
	return 0;
}

static unsigned line_named(struct reading *reading, const char *name)
{
	uint64_t number;
	const struct ctl_key *key = find_key(name, &number);

	must(key != NULL);
	return *line_of(reading, key, number);
}

static bool address_equal(struct ctl_address a, struct ctl_address b)
{
	return a.ip == b.ip && a.port == b.port;
}

static int check_servers(struct reading *reading)
{
	struct ctl_config *config = &reading->config;

	while (config->count < STORE_NODES_MAX && reading->server_lines[config->count] != 0) {
		config->count++;
	}
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const unsigned line = reading->server_lines[i];

		if (line != 0 && i >= config->count) {
			return REFUSE(reading, line,
			              "`server.%u` stands without `server.%u`; number the servers "
			              "from 1 on without a gap",
			              i + 1, i);
		}
		if (line != 0 && (config->servers[i].is_none || config->servers[i].ip == 0)) {
			return REFUSE(reading, line,
			              "`server.%u` must be an address that others can reach",
			              i + 1);
		}
		for (unsigned k = 0; k < i && line != 0; k++) {
			if (address_equal(config->servers[i], config->servers[k])) {
				return REFUSE(reading, line,
				              "`server.%u` has the address of `server.%u`; each "
				              "server needs its own",
				              i + 1, k + 1);
			}
		}
	}
	return 0;
}

/* Who founds the cluster: all, or those that are named. */
static int check_members(struct reading *reading)
{
	struct ctl_config *config = &reading->config;
	const uint64_t all = ((uint64_t)1 << config->count) - 1;
	unsigned founders;

	if (config->members == 0) {
		config->members = all;
	}
	if ((config->members & ~all) != 0) {
		return REFUSE(reading, line_named(reading, "members"),
		              "`members` names a server that has no line `server.N = ...`; add "
		              "the line or take the number out (%u servers are given)",
		              (unsigned)config->count);
	}
	founders = (unsigned)__builtin_popcountll(config->members);
	if (founders % 2 == 0 || founders > STORE_VOTERS_MAX) {
		ctl_reason_say(
			reading->reason,
			"%s: %u servers are given to found the cluster; give 1, 3, 5 or 7 lines "
			"`server.N = ...`, or name so many of them with `members` (an even number "
			"bears no more failures than one less)",
			reading->file, founders);
		return -EINVAL;
	}
	if (config->node > config->count) {
		return REFUSE(
			reading, line_named(reading, "node"),
			"`node = %u`, but there is no `server.%u`; add that line or change node",
			(unsigned)config->node, (unsigned)config->node);
	}
	return 0;
}

static int check_gateway(struct reading *reading)
{
	struct ctl_config *config = &reading->config;

	const bool has_cert = strcmp(config->gateway_tls_cert, "none") != 0;
	const bool has_key = strcmp(config->gateway_tls_key, "none") != 0;

	if (line_named(reading, "gateway") == 0) {
		config->gateway = config->listen;
	}
	if (has_cert != has_key) {
		return REFUSE(
			reading,
			line_named(reading, has_cert ? "gateway_tls_cert" : "gateway_tls_key"),
			"`%s` stands without `%s`; TLS takes both",
			has_cert ? "gateway_tls_cert" : "gateway_tls_key",
			has_cert ? "gateway_tls_key" : "gateway_tls_cert");
	}
	config->gateway_given = line_named(reading, "gateway") != 0 || has_cert;
	return 0;
}

static int check_listen(struct reading *reading)
{
	struct ctl_config *config = &reading->config;
	const struct ctl_address own = config->servers[config->node - 1];
	const unsigned line = line_named(reading, "listen");

	if (line == 0) {
		config->listen = own;
		return 0;
	}
	if (config->transport != CTL_TRANSPORT_KERNEL) {
		return 0;
	}
	if (config->listen.is_none) {
		return REFUSE(reading, line,
		              "`listen = %s` leaves transport kernel without a socket; "
		              "remove the line or take transport dpdk",
		              "none");
	}
	/* The other servers know us by this address. */
	if (config->listen.port != own.port ||
	    (config->listen.ip != own.ip && config->listen.ip != 0)) {
		return REFUSE(
			reading, line,
			"`listen` is not `server.%u`, so the other servers would not know us; make "
			"the two equal or remove `listen`",
			(unsigned)config->node);
	}
	return 0;
}

/* By a link, or by an ethdev under the address that the other servers know us by. */
static bool has_way_to(const struct ctl_config *config, unsigned number)
{
	for (unsigned i = 0; i < CTL_PORTS_MAX; i++) {
		const struct ctl_port *port = &config->ports[i];

		if (port->given &&
		    (port->kind == CTL_PORT_LINK
		             ? port->peer == number
		             : port->address == config->servers[config->node - 1].ip)) {
			return true;
		}
	}
	return false;
}

static int check_ways(struct reading *reading)
{
	const struct ctl_config *config = &reading->config;

	for (unsigned number = 1; number <= config->count; number++) {
		if (number != config->node && !has_way_to(config, number)) {
			return REFUSE(reading, reading->server_lines[number - 1],
			              "no port leads to `server.%u`; add `port.N = link PATH %s "
			              "peer %u`, or an ethdev with the address of `server.%u`",
			              number, config->node > number ? "second" : "first", number,
			              (unsigned)config->node);
		}
	}
	return 0;
}

static int check_ports(struct reading *reading)
{
	const struct ctl_config *config = &reading->config;
	unsigned given = 0;

	for (unsigned i = 0; i < CTL_PORTS_MAX; i++) {
		const struct ctl_port *port = &config->ports[i];
		const unsigned line = reading->port_lines[i];

		given += port->given ? 1 : 0;
		if (!port->given || port->kind != CTL_PORT_LINK) {
			continue;
		}
		if (port->peer > config->count || port->peer == config->node) {
			return REFUSE(
				reading, line,
				"`port.%u` leads to peer %u, which is not another server here; "
				"name one of the others",
				i + 1, port->peer);
		}
		if (port->peer != 0 && port->second != (config->node > port->peer)) {
			return REFUSE(
				reading, line,
				"`port.%u`: of two servers the lower number is first; write `%s`",
				i + 1, config->node > port->peer ? "second" : "first");
		}
	}
	if (config->transport == CTL_TRANSPORT_DPDK && given == 0) {
		return REFUSE(reading, line_named(reading, "transport"),
		              "`transport = dpdk` needs ports; add `%s` for each", "port.N = ...");
	}
	return config->transport == CTL_TRANSPORT_DPDK ? check_ways(reading) : 0;
}

static int check_rest(struct reading *reading)
{
	const struct ctl_config *config = &reading->config;

	if (config->lease_ns > config->suspicion_ns) {
		return REFUSE(
			reading,
			line_named(reading, "lease_ms") != 0 ? line_named(reading, "lease_ms")
							     : line_named(reading, "suspicion_ms"),
			"`lease_ms` is above `suspicion_ms` (%g ms); make the lease no longer",
			(double)config->suspicion_ns / 1e6);
	}
	if (config->suspicion_ns < 2 * config->heartbeat_ns) {
		return REFUSE(reading,
		              line_named(reading, "suspicion_ms") != 0
		                      ? line_named(reading, "suspicion_ms")
		                      : line_named(reading, "heartbeat_ms"),
		              "`suspicion_ms` is below two heartbeats (%g ms); raise it or lower "
		              "`heartbeat_ms`",
		              (double)config->heartbeat_ns * 2 / 1e6);
	}
	if ((config->log_entries & (config->log_entries - 1)) != 0) {
		return REFUSE(reading, line_named(reading, "log_entries"),
		              "`log_entries` must be a power of two, such as %d", 65536);
	}
	if (config->cores.count != 0 && config->cores.count < config->workers) {
		return REFUSE(reading, line_named(reading, "cores"),
		              "`cores` names %u cores for %u workers; name one for each, or none",
		              config->cores.count, (unsigned)config->workers);
	}
	return 0;
}

int ctl_config_parse(struct ctl_config *ret_config, const char *file, struct slice text,
                     ctl_resolve_fn *resolve, struct ctl_reason *ret_reason)
{
	struct reading reading = {.file = file, .resolve = resolve, .reason = ret_reason};
	int (*const steps[])(struct reading *) = {fill_defaults, check_servers, check_members,
	                                          check_listen,  check_gateway, check_ports,
	                                          check_rest};
	int r;

	r = take_lines(&reading, text);
	for (unsigned i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
		r = steps[i](&reading);
	}
	if (r == 0) {
		*ret_config = reading.config;
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config_value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
	WORDS_MAX = 8,
	NS_PLACES = 6 /* a millisecond has six decimal places of nanoseconds */
};

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define OF_HOST LETTERS "0123456789.-"

/* A decimal number of 1 to 18 digits at *text, which is moved behind it. */
static bool take_digits(const char **text, uint64_t *ret_value)
{
	uint64_t value = 0;
	unsigned count = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++, count++) {
		if (count == 18) {
			return false;
		}
		value = value * 10 + (uint64_t)(**text - '0');
	}
	if (count == 0) {
		return false;
	}
	*ret_value = value;
	return true;
}

const char *ctl_value_hex64(const char *text, uint64_t *ret_value)
{
	static const char expected[] = "1 to 16 hexadecimal digits, not all zero";
	const size_t size = strlen(text);
	uint64_t value = 0;

	if (size == 0 || size > 16) {
		return expected;
	}
	for (size_t i = 0; i < size; i++) {
		const char c = (char)(text[i] | 0x20);

		if (text[i] >= '0' && text[i] <= '9') {
			value = value << 4 | (uint64_t)(text[i] - '0');
		} else if (c >= 'a' && c <= 'f') {
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		} else {
			return expected;
		}
	}
	if (value == 0) {
		return expected;
	}
	*ret_value = value;
	return NULL;
}

const char *ctl_value_number(const char *text, uint64_t *ret_value)
{
	uint64_t value;

	if (!take_digits(&text, &value) || *text != '\0') {
		return "a decimal number";
	}
	*ret_value = value;
	return NULL;
}

const char *ctl_value_name(const char *text, size_t size_max, char *ret_name)
{
	const size_t size = strspn(text, OF_HOST);

	if (size == 0 || size > size_max || text[size] != '\0') {
		return "a name of letters, digits, dots and dashes";
	}
	memcpy(ret_name, text, size + 1);
	return NULL;
}

const char *ctl_value_path(const char *text, size_t size_max, char *ret_path)
{
	if (text[0] == '\0' || strlen(text) > size_max) {
		return "a path";
	}
	memcpy(ret_path, text, strlen(text) + 1);
	return NULL;
}

const char *ctl_value_millis(const char *text, uint64_t *ret_ns)
{
	static const char expected[] = "milliseconds, such as 10 or 0.5";
	uint64_t whole, ns;
	unsigned places = 0;

	if (!take_digits(&text, &whole) || whole > UINT64_MAX / 1000000 / 2) {
		return expected;
	}
	ns = whole;
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9' && places < NS_PLACES; text++) {
			ns = ns * 10 + (uint64_t)(*text - '0');
			places++;
		}
		if (places == 0) {
			return expected;
		}
	}
	if (*text != '\0') {
		return expected;
	}
	for (; places < NS_PLACES; places++) {
		ns *= 10;
	}
	*ret_ns = ns;
	return NULL;
}

const char *ctl_value_choice(const char *text, const char *choices, uint64_t *ret_place)
{
	const size_t size = strlen(text);
	uint64_t place = 0;

	for (const char *word = choices; *word != '\0'; place++) {
		const size_t word_size = strcspn(word, "|");

		if (word_size == size && memcmp(word, text, size) == 0) {
			*ret_place = place;
			return NULL;
		}
		word += word_size;
		word += *word == '|' ? 1 : 0;
	}
	return choices;
}

static bool parse_ip(const char *text, size_t size, uint32_t *ret_ip)
{
	char copy[INET_ADDRSTRLEN];
	struct in_addr address;

	if (size == 0 || size >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text, size);
	copy[size] = '\0';
	if (inet_pton(AF_INET, copy, &address) != 1) {
		return false;
	}
	*ret_ip = ntohl(address.s_addr);
	return true;
}

static bool parse_port(const char *text, uint16_t *ret_port)
{
	uint64_t port;

	if (!take_digits(&text, &port) || *text != '\0' || port == 0 || port > UINT16_MAX) {
		return false;
	}
	*ret_port = (uint16_t)port;
	return true;
}

const char *ctl_value_address(const char *text, struct ctl_address *ret_address)
{
	static const char expected[] = "an IPv4 address and a port, such as 10.0.0.1:8046";
	const size_t size = strcspn(text, ":");
	uint16_t port;
	uint32_t ip;

	if (strcmp(text, "none") == 0) {
		*ret_address = (struct ctl_address){.is_none = true};
		return NULL;
	}
	if (text[size] != ':' || !parse_ip(text, size, &ip) ||
	    !parse_port(text + size + 1, &port)) {
		return expected;
	}
	*ret_address = (struct ctl_address){.ip = ip, .port = port};
	return NULL;
}

bool ctl_value_host(const char *text, char ret_host[CTL_HOST_SIZE_MAX], uint16_t *ret_port)
{
	const size_t size = strspn(text, OF_HOST);

	if (size >= CTL_HOST_SIZE_MAX || strpbrk(text, LETTERS) == NULL || text[size] != ':' ||
	    !parse_port(text + size + 1, ret_port)) {
		return false;
	}
	memcpy(ret_host, text, size);
	ret_host[size] = '\0';
	return true;
}

const char *ctl_value_hosts(const char *text, char ret_hosts[CTL_HOSTS_SIZE_MAX])
{
	const size_t size = strspn(text, OF_HOST ":, ");

	if (size == 0 || size >= CTL_HOSTS_SIZE_MAX || text[size] != '\0') {
		return "addresses or names, such as 10.0.0.1,names.example:8046; or none";
	}
	memcpy(ret_hosts, text, size + 1);
	return NULL;
}

const char *ctl_value_set(const char *text, uint64_t max, uint64_t *ret_set)
{
	static const char expected[] = "different numbers of servers, such as 1 2 3; or nothing";
	uint64_t set = 0;

	while (*text != '\0') {
		uint64_t number;

		if (!take_digits(&text, &number) || number < 1 || number > max ||
		    (set >> (number - 1) & 1) != 0) {
			return expected;
		}
		set |= (uint64_t)1 << (number - 1);
		text += strspn(text, " \t");
	}
	*ret_set = set;
	return NULL;
}

void ctl_address_text(struct store_address address, char ret_text[CTL_ADDRESS_TEXT_SIZE])
{
	(void)snprintf(ret_text, CTL_ADDRESS_TEXT_SIZE, "%u.%u.%u.%u:%u", address.ip >> 24 & 255,
	               address.ip >> 16 & 255, address.ip >> 8 & 255, address.ip & 255,
	               (unsigned)address.port);
}

const char *ctl_value_cores(const char *text, struct ctl_cores *ret_cores)
{
	static const char expected[] =
		"up to 16 different numbers of cores, such as 0,1; or nothing";
	struct ctl_cores cores = {0};

	while (*text != '\0') {
		uint64_t number;

		if (!take_digits(&text, &number) || number > CTL_CORE_NUMBER_MAX ||
		    cores.count == CTL_CORES_MAX) {
			return expected;
		}
		for (unsigned i = 0; i < cores.count; i++) {
			if (cores.numbers[i] == (int)number) {
				return expected;
			}
		}
		cores.numbers[cores.count++] = (int)number;
		if (*text == ',') {
			text++;
			if (*text == '\0') {
				return expected;
			}
		} else if (*text != '\0') {
			return expected;
		}
	}
	*ret_cores = cores;
	return NULL;
}

/* Splits at blanks in place. Returns how many words, WORDS_MAX + 1 if too many. */
static unsigned split(char *text, char *ret_words[WORDS_MAX])
{
	unsigned count = 0;

	for (char *rest = text, *word; (word = strsep(&rest, " \t")) != NULL;) {
		if (*word == '\0') {
			continue;
		}
		if (count == WORDS_MAX) {
			return WORDS_MAX + 1;
		}
		ret_words[count++] = word;
	}
	return count;
}

static const char *parse_link(char **words, unsigned count, struct ctl_port *port)
{
	static const char expected[] =
		"`link PATH first|second peer N` or `link PATH first|second clients`";
	uint64_t peer = 0;

	if (count < 4) {
		return expected;
	}
	if (strcmp(words[2], "first") != 0 && strcmp(words[2], "second") != 0) {
		return expected;
	}
	port->second = strcmp(words[2], "second") == 0;
	if (strcmp(words[3], "clients") == 0 && count == 4) {
		port->peer = 0;
		return NULL;
	}
	if (strcmp(words[3], "peer") != 0 || count != 5 ||
	    ctl_value_number(words[4], &peer) != NULL || peer == 0 || peer > 255) {
		return expected;
	}
	port->peer = (unsigned)peer;
	return NULL;
}

static const char *parse_ethdev(char **words, unsigned count, struct ctl_port *port)
{
	static const char expected[] = "`ethdev DEVICE address A.B.C.D/PREFIX [gateway A.B.C.D]`";
	const char *slash;
	uint64_t prefix;

	if ((count != 4 && count != 6) || strcmp(words[2], "address") != 0) {
		return expected;
	}
	slash = strchr(words[3], '/');
	if (slash == NULL || !parse_ip(words[3], (size_t)(slash - words[3]), &port->address) ||
	    ctl_value_number(slash + 1, &prefix) != NULL || prefix == 0 || prefix > 32) {
		return expected;
	}
	port->prefix = (uint8_t)prefix;
	if (count == 6 && (strcmp(words[4], "gateway") != 0 ||
	                   !parse_ip(words[5], strlen(words[5]), &port->gateway))) {
		return expected;
	}
	return NULL;
}

const char *ctl_value_port(const char *text, struct ctl_port *ret_port)
{
	static const char expected[] = "`link PATH ...` or `ethdev DEVICE ...`";
	struct ctl_port port = {.given = true};
	char copy[CTL_PATH_SIZE_MAX * 2];
	char *words[WORDS_MAX];
	const char *wrong;
	unsigned count;

	if (strlen(text) >= sizeof(copy)) {
		return "a shorter line";
	}
	memcpy(copy, text, strlen(text) + 1);
	count = split(copy, words);
	if (count < 2 || count > WORDS_MAX) {
		return expected;
	}
	if (strlen(words[1]) >= sizeof(port.device)) {
		return "a path or device of at most 255 bytes";
	}
	memcpy(port.device, words[1], strlen(words[1]) + 1);
	if (strcmp(words[0], "link") == 0) {
		port.kind = CTL_PORT_LINK;
		wrong = parse_link(words, count, &port);
	} else if (strcmp(words[0], "ethdev") == 0) {
		port.kind = CTL_PORT_ETHDEV;
		wrong = parse_ethdev(words, count, &port);
	} else {
		wrong = expected;
	}
	if (wrong == NULL) {
		*ret_port = port;
	}
	return wrong;
}

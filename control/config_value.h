/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config_value.h - the values a configuration can hold, from text
 *
 * Each function takes a C string without spaces around it and says NULL if it was understood, or
 * what is expected instead ("a number from 1 to 64"). Results are written on success only. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/entry.h"

enum {
	CTL_ADDRESS_TEXT_SIZE = 22, /* the end included */
	CTL_PATH_SIZE_MAX = 256,    /* the end included */
	CTL_HOST_SIZE_MAX = 254,    /* the end included */
	CTL_HOSTS_SIZE_MAX = 512,   /* the end included */
	CTL_CORES_MAX = 16,
	CTL_CORE_NUMBER_MAX = 1023,
};

/* An IPv4 UDP address, or nobody. */
struct ctl_address {
	bool is_none;
	uint16_t port;
	uint32_t ip; /* host order */
};

struct ctl_cores {
	unsigned count; /* 0: not pinned */
	int numbers[CTL_CORES_MAX];
};

enum ctl_port_kind {
	CTL_PORT_LINK = 1,
	CTL_PORT_ETHDEV,
};

/* One port of the data plane; the same fields as dataplane.h, which this floor does not see. */
struct ctl_port {
	bool given;
	enum ctl_port_kind kind;
	char device[CTL_PATH_SIZE_MAX]; /* LINK: path; ETHDEV: PCI address or vdev */
	bool second;                    /* LINK */
	unsigned peer;                  /* LINK: number from 1; 0 = clients */
	uint32_t address, gateway;      /* ETHDEV; host order; gateway 0: none */
	uint8_t prefix;
};

const char *ctl_value_hex64(const char *text, uint64_t *ret_value);
/* Letters, digits, dots and dashes, at most size_max; ret_name has room for one more. */
const char *ctl_value_name(const char *text, size_t size_max, char *ret_name);
/* A path, at most size_max; likewise. */
const char *ctl_value_path(const char *text, size_t size_max, char *ret_path);
const char *ctl_value_number(const char *text, uint64_t *ret_value);
const char *ctl_value_millis(const char *text, uint64_t *ret_ns);
const char *ctl_value_choice(const char *text, const char *choices, uint64_t *ret_place);
const char *ctl_value_address(const char *text, struct ctl_address *ret_address);
/* The other way round. */
void ctl_address_text(struct store_address address, char ret_text[CTL_ADDRESS_TEXT_SIZE]);
/*
 * "HOST:PORT": true, and its parts, if HOST is a name, and not an address. Its letters are looked
 * at, nobody is asked.
 */
bool ctl_value_host(const char *text, char ret_host[CTL_HOST_SIZE_MAX], uint16_t *ret_port);
/* "HOST[:PORT],..." or none: what libcoffer takes for servers, by its letters. */
const char *ctl_value_hosts(const char *text, char ret_hosts[CTL_HOSTS_SIZE_MAX]);
const char *ctl_value_cores(const char *text, struct ctl_cores *ret_cores);
/* Numbers from 1 to `max`, different, with blanks between, or nothing: the bits of a set. */
const char *ctl_value_set(const char *text, uint64_t max, uint64_t *ret_set);
const char *ctl_value_port(const char *text, struct ctl_port *ret_port);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.h - the one configuration file of cofferd
 *
 *      key = value      # and a comment; spaces do not matter
 *
 * One table says for each key its name, type, default, range and what the papers say about it;
 * deploy/coffer.conf is that table printed, and a test compares the two. The configuration never
 * changes while a server runs.
 *
 * ctl_config_parse() is as pure as its resolver. What is wrong is told in one sentence with file
 * and line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/config_value.h"
#include "control/reason.h"
#include "store/base/slice.h"
#include "store/limits.h"

enum {
	CTL_CONFIG_SIZE_MAX = 64 * 1024, /* of the file */
	CTL_LINE_SIZE_MAX = 1024,
	CTL_PORTS_MAX = 16,
	CTL_NAME_SIZE_MAX = 64, /* of a cluster's name, the end included */
};

enum ctl_transport {
	CTL_TRANSPORT_KERNEL = 0,
	CTL_TRANSPORT_DPDK,
};

enum ctl_durability {
	CTL_DURABILITY_MEMORY = 0,
	CTL_DURABILITY_DISK,
};

enum ctl_poll {
	CTL_POLL_ADAPTIVE = 0,
	CTL_POLL_SPIN,
};

/* Numbers are uint64_t and choices are uint64_t too, so that one row of the table fits each. */
struct ctl_config {
	uint64_t cluster;
	char name[CTL_NAME_SIZE_MAX]; /* of the cluster, in /ctl */
	uint64_t node;                /* number from 1 */
	uint64_t count;               /* of servers; counted, no key */
	struct ctl_address servers[STORE_NODES_MAX];
	uint64_t members; /* set of servers, server 1 is bit 0: who founds the cluster */
	char data[CTL_PATH_SIZE_MAX];
	char management[CTL_PATH_SIZE_MAX];
	char log[CTL_PATH_SIZE_MAX]; /* "stderr" or a path */
	uint64_t transport;          /* enum ctl_transport */
	uint64_t durability;         /* enum ctl_durability */
	struct ctl_address listen;   /* is_none: no kernel socket */
	uint64_t poll;               /* enum ctl_poll */
	uint64_t sleep_max_us;
	uint64_t workers;
	struct ctl_cores cores;
	uint64_t no_huge; /* 0, 1 */
	uint64_t memory_mb;
	struct ctl_port ports[CTL_PORTS_MAX]; /* as numbered in the file, from 1; see given */
	uint64_t heartbeat_ns, lease_ns, suspicion_ns;
	uint64_t drift_ppm;
	uint64_t log_mb, log_entries, window;
	uint64_t segment_mb, snapshot_mb, data_max_mb;
	uint64_t quota_mb, sessions_max, watches_max;
	uint64_t priority;
	uint64_t promote_ns;        /* 0: never */
	uint64_t restart;           /* 0, 1 */
	struct ctl_address gateway; /* is_none: no gateway */
	bool gateway_given;         /* by the file, or TLS for it; else it is `listen` */
	uint64_t gateway_connections, gateway_patience_ns;
	char gateway_tls_cert[CTL_PATH_SIZE_MAX]; /* "none", both, or the path of a file */
	char gateway_tls_key[CTL_PATH_SIZE_MAX];
	char rw_secret[CTL_PATH_SIZE_MAX]; /* "none" or the path of a file */
	char ro_secret[CTL_PATH_SIZE_MAX];
	char boot[CTL_HOSTS_SIZE_MAX]; /* "none" or the servers of the name cluster */
	char boot_secret[CTL_PATH_SIZE_MAX];
	struct ctl_address web; /* is_none: no web view */
	uint64_t web_edit;      /* 0, 1 */
	uint64_t pulse_ns;      /* 0: never */
};

enum ctl_key_type {
	CTL_KEY_HEX64,   /* 1 to 16 hexadecimal digits */
	CTL_KEY_NUMBER,  /* decimal, within min and max */
	CTL_KEY_MILLIS,  /* decimal with up to six places, kept in ns; min and max are ns */
	CTL_KEY_CHOICE,  /* one word of `choices`, kept as its place */
	CTL_KEY_TEXT,    /* a path */
	CTL_KEY_NAME,    /* letters, digits, "." and "-" */
	CTL_KEY_HOSTS,   /* HOST[:PORT],... or none */
	CTL_KEY_ADDRESS, /* IPV4:PORT, or none */
	CTL_KEY_CORES,   /* 0,1,2 or empty */
	CTL_KEY_SET,     /* 1 2 3 or empty; bits, kept as uint64_t */
	CTL_KEY_SERVER,  /* numbered: server.1; IPV4:PORT or HOST:PORT */
	CTL_KEY_PORT,    /* numbered: port.1 */
};

struct ctl_key {
	const char *name; /* numbered ones end in ".N" */
	enum ctl_key_type type;
	size_t offset;        /* in struct ctl_config */
	const char *fallback; /* the default, as a file would say it; NULL: must be given */
	uint64_t min, max;    /* HEX64, NUMBER, MILLIS; numbered: max of N; TEXT: longest */
	const char *choices;  /* CHOICE: "kernel|dpdk" */
	const char *text;     /* for the papers */
};

/* The table; static. */
const struct ctl_key *ctl_config_keys(unsigned *ret_count);

/* Prints the table as a file that could be read: each key as a comment with its default. */
void ctl_config_print(FILE *out);

/* "1 to 64" and so on; empty if there is nothing to say. */
void ctl_config_range_text(const struct ctl_key *key, char *ret_text, size_t size);

/* The one IPv4 address of a host: 0, or a negative errno and why (host.h). */
typedef int ctl_resolve_fn(const char *host, uint32_t *ret_ip, struct ctl_reason *ret_reason);

/*
 * Reads a whole file's text (borrowed). `file` is its name, for the sentence. `resolve` is asked
 * for each server that is named by its host.
 * Returns 0, or -EINVAL and the sentence; then ret_config is untouched.
 */
int ctl_config_parse(struct ctl_config *ret_config, const char *file, struct slice text,
                     ctl_resolve_fn *resolve, struct ctl_reason *ret_reason);

/*
 * The same from a file, with ctl_host_resolve(), so it may take as long. Returns 0, -EINVAL, or
 * what the system said as a negative errno.
 */
int ctl_config_load(struct ctl_config *ret_config, const char *file, struct ctl_reason *ret_reason);

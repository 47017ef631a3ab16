/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.c - coffer_cluster(): the servers of a cluster, out of a name cluster
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/client/coffer.h"

enum {
	NAME_SIZE_MAX = 63,
	PATH_SIZE = 128,    /* the end included; longer ones are nobody's */
	ADDRESS_SIZE = 264, /* a host of 253 bytes, a colon, a port; the end included */
};

struct found {
	unsigned count;
	char paths[COFFER_SERVERS_MAX][PATH_SIZE];
};

static int take_path(void *context, const struct coffer_entry *entry)
{
	struct found *found = context;

	if (entry->name_size < PATH_SIZE) {
		memcpy(found->paths[found->count], entry->name, entry->name_size);
		found->paths[found->count][entry->name_size] = '\0';
		found->count++;
	}
	return found->count == COFFER_SERVERS_MAX;
}

static int error_of(const struct coffer_result *result)
{
	if (result->outcome != COFFER_REFUSED) {
		return -ETIMEDOUT;
	}
	return result->answer == COFFER_DENIED ? -EACCES : -EPROTO;
}

/* What a file holds, if that can be an address: it was written by whoever could. */
static bool is_address(const struct coffer_result *result)
{
	const char *text = result->value;

	for (size_t i = 0; i < result->value_size; i++) {
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:",
		           text[i]) == NULL ||
		    text[i] == '\0') {
			return false;
		}
	}
	return result->value_size != 0 && result->value_size < ADDRESS_SIZE;
}

/* 1: it is in the list; 0: it is none, or gone. */
static int add_address(struct coffer *coffer, const char *path, char *servers, size_t size)
{
	const size_t length = strlen(servers);
	struct coffer_result result;
	const int r = coffer_get(coffer, path, &result);

	if (r < 0) {
		return r;
	}
	if (r != COFFER_DONE) {
		return result.answer == COFFER_NOT_FOUND ? 0 : error_of(&result);
	}
	if (!is_address(&result)) {
		return 0;
	}
	if (length + result.value_size + 2 > size) {
		return -ENOSPC;
	}
	(void)snprintf(servers + length, size - length, "%s%.*s", length != 0 ? "," : "",
	               (int)result.value_size, (const char *)result.value);
	return 1;
}

static int ask(struct coffer *coffer, const char *name, char *servers, size_t size)
{
	struct found found = {0};
	struct coffer_result result;
	char glob[PATH_SIZE];
	int r, count = 0;

	(void)snprintf(glob, sizeof(glob), "/ctl/ns/%s/*", name);
	r = coffer_find(coffer, glob, take_path, &found, &result);
	if (r != COFFER_DONE) {
		return r < 0 ? r : error_of(&result);
	}
	for (unsigned i = 0; i < found.count; i++) {
		r = add_address(coffer, found.paths[i], servers, size);
		if (r < 0) {
			return r;
		}
		count += r;
	}
	return count;
}

int coffer_cluster(const char *boot, const char *name, const struct coffer_options *options,
                   char *ret_servers, size_t size)
{
	struct coffer *coffer;
	int r;

	if (name == NULL || name[0] == '\0' || strlen(name) > NAME_SIZE_MAX || size == 0 ||
	    strpbrk(name, "/*?") != NULL) {
		return -EINVAL;
	}
	boot = boot != NULL ? boot : getenv("COFFER_BOOT");
	r = coffer_open(&coffer, boot != NULL ? boot : "", options);
	if (r < 0) {
		return r;
	}
	ret_servers[0] = '\0';
	r = ask(coffer, name, ret_servers, size);
	coffer_close(coffer);
	return r;
}

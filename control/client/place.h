/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * place.h - where a cluster is, as people write it on a command line
 *
 *      HOST[:PORT],HOST[:PORT],...
 *      doozer:?ca=HOST[:PORT]&ca=...&cn=NAME&sk=SECRET      as Doozer's users know it
 *
 * Not of the library: for the programs. Pure. Threads: any.
 */

enum {
	CTL_PLACE_SIZE = 1024 /* of each part, the end included */
};

struct ctl_place {
	char servers[CTL_PLACE_SIZE]; /* for coffer_open(); "": none are named */
	char name[CTL_PLACE_SIZE];    /* of the cluster; "": none */
	char secret[CTL_PLACE_SIZE];  /* "": none */
};

/* 0; -EINVAL: it is neither; -E2BIG: it is too long. A plain list is not looked into. */
int ctl_place_parse(struct ctl_place *ret_place, const char *text);

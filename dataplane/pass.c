/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/pass.h"

#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "dataplane/port.h"
#include "store/base/check.h"

enum {
	INBOX_SIZE = 1024,
};

static_assert(sizeof(struct dp_pass_mark) <= DP_MBUF_PRIVATE_SIZE, "the mark fits an mbuf");

int dp_pass_open(struct dp_pass *pass, unsigned worker_count, char reason[DP_REASON_SIZE])
{
	must(worker_count >= 1);
	must(worker_count <= DP_WORKERS_MAX);
	*pass = (struct dp_pass){.worker_count = worker_count};
	for (unsigned i = 0; i < worker_count; i++) {
		char name[32];
		int r;

		(void)snprintf(name, sizeof(name), "dp_inbox%u", i);
		pass->inboxes[i] = rte_ring_create(name, INBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
		if (pass->inboxes[i] == NULL) {
			r = -rte_errno;
			(void)snprintf(reason, DP_REASON_SIZE,
			               "no memory for the rings between workers; raise memory_mb");
			dp_pass_close(pass);
			return r;
		}
		dp_bell_init(&pass->bells[i]);
	}
	return 0;
}

void dp_pass_close(struct dp_pass *pass)
{
	struct rte_mbuf *mbuf;

	for (unsigned i = 0; i < pass->worker_count; i++) {
		while (pass->inboxes[i] != NULL && dp_pass_take(pass, i, &mbuf, 1) == 1) {
			rte_pktmbuf_free(mbuf);
		}
		rte_ring_free(pass->inboxes[i]);
	}
	*pass = (struct dp_pass){0};
}

bool dp_pass_put(struct dp_pass *pass, unsigned worker, struct rte_mbuf *mbuf)
{
	must(worker < pass->worker_count);
	if (rte_ring_enqueue(pass->inboxes[worker], mbuf) != 0) {
		return false;
	}
	dp_bell_ring(&pass->bells[worker]);
	return true;
}

unsigned dp_pass_take(struct dp_pass *pass, unsigned worker, struct rte_mbuf **ret_mbufs,
                      unsigned max)
{
	return rte_ring_dequeue_burst(pass->inboxes[worker], (void **)ret_mbufs, max, NULL);
}

bool dp_pass_is_empty(const struct dp_pass *pass, unsigned worker)
{
	return rte_ring_empty(pass->inboxes[worker]) != 0;
}

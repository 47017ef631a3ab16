/* SPDX-License-Identifier: Apache-2.0 */
#include "control/slow_udp.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"

enum {
	BURSTS_MAX = 4 /* before the rest of the loop has its turn */
};

struct ctl_slow_udp {
	struct paxos_mailbox *mailbox;
	struct ctl_udp udp;
	uv_poll_t poll;
	uint64_t dropped_mailbox;
	unsigned held; /* answers copied below and not yet flushed */
	uint8_t answers[CTL_UDP_BURST][STORE_DATAGRAM_SIZE_MAX];
};

static void pass(struct ctl_slow_udp *slow, unsigned index)
{
	struct paxos_mail mail = {.kind = PAXOS_MAIL_CLIENT};
	struct ctl_address from;

	if (!ctl_udp_datagram(&slow->udp, index, &mail.bytes, &from)) {
		return;
	}
	mail.address = ctl_udp_address(&from);
	if (!paxos_mailbox_put_to_worker(slow->mailbox, &mail)) {
		slow->dropped_mailbox++;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ctl_slow_udp *slow = poll->data;

	(void)status; /* an error of the socket is read off it, like a datagram */
	(void)events;
	for (unsigned burst = 0; burst < BURSTS_MAX; burst++) {
		const unsigned received = ctl_udp_receive(&slow->udp);

		for (unsigned i = 0; i < received; i++) {
			pass(slow, i);
		}
		if (received < CTL_UDP_BURST) {
			break;
		}
	}
}

int ctl_slow_udp_open(struct ctl_slow_udp **ret_slow, uv_loop_t *loop,
                      const struct ctl_address *listen, struct paxos_mailbox *mailbox,
                      struct ctl_logger *logger, struct ctl_reason *ret_reason)
{
	struct ctl_slow_udp *slow = calloc(1, sizeof(*slow));
	int r;

	if (slow == NULL) {
		ctl_reason_say(ret_reason, "no memory for the socket at `listen`; free some");
		return -ENOMEM;
	}
	slow->mailbox = mailbox;
	r = ctl_udp_open(&slow->udp, listen, ret_reason);
	if (r < 0) {
		free(slow);
		return r;
	}
	if (slow->udp.receive_buffer < CTL_UDP_BUFFER_GOOD) {
		ctl_log(logger, CTL_WARNING, "small_buffer",
		        CTL_NUMBER("receive_bytes", slow->udp.receive_buffer),
		        CTL_TEXT("mend", "sysctl net.core.rmem_max=8388608"));
	}
	must(uv_poll_init(loop, &slow->poll, slow->udp.fd) == 0);
	slow->poll.data = slow;
	must(uv_poll_start(&slow->poll, UV_READABLE, on_readable) == 0);
	*ret_slow = slow;
	return 0;
}

void ctl_slow_udp_reply(struct ctl_slow_udp *slow, const struct paxos_address *address,
                        struct slice bytes)
{
	const struct ctl_address to = ctl_udp_address_of(address);

	must(bytes.size <= STORE_DATAGRAM_SIZE_MAX);
	if (slow->held == CTL_UDP_BURST) {
		ctl_slow_udp_flush(slow);
	}
	memcpy(slow->answers[slow->held], bytes.data, bytes.size);
	ctl_udp_queue(&slow->udp, &to, slice_make(slow->answers[slow->held], bytes.size));
	slow->held++;
}

void ctl_slow_udp_flush(struct ctl_slow_udp *slow)
{
	ctl_udp_flush(&slow->udp);
	slow->held = 0;
}

void ctl_slow_udp_counters(const struct ctl_slow_udp *slow,
                           struct ctl_slow_udp_counters *ret_counters)
{
	*ret_counters = (struct ctl_slow_udp_counters){
		.udp = ctl_udp_sums(&slow->udp),
		.dropped_mailbox = slow->dropped_mailbox,
	};
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_slow_udp *slow = handle->data;

	ctl_udp_close(&slow->udp);
	free(slow);
}

void ctl_slow_udp_close(struct ctl_slow_udp *slow)
{
	if (slow != NULL) {
		uv_close((uv_handle_t *)&slow->poll, on_closed);
	}
}

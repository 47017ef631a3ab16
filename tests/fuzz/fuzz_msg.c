/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_msg.c - what a member says; what decodes, encodes to the same bytes, and a body of entries
 *              goes into a log or is refused
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/msg.h"
#include "consensus/stream.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[PAXOS_MSG_HEADER_MAX];
	struct paxos_msg msg;
	struct paxos_log log;
	size_t header_size;

	if (!paxos_msg_decode(slice_make(data, size), &msg)) {
		return 0;
	}
	header_size = paxos_msg_encode(&msg, header);
	must(header_size + msg.body.size == size);
	must(memcmp(header, data, header_size) == 0);
	must(paxos_log_init(&log, 16, 1 << 18) == 0);
	paxos_log_reset(&log, msg.index == 0 ? 0 : msg.index - 1);
	(void)paxos_stream_unpack(&log, (struct paxos_place){msg.index, msg.offset}, msg.body);
	paxos_log_deinit(&log);
	return 0;
}

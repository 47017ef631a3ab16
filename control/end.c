/* SPDX-License-Identifier: Apache-2.0 */
#include "control/end.h"

#include <errno.h>

int ctl_end_say(enum paxos_end end, const char *data, struct ctl_reason *ret_reason)
{
	switch (end) {
	case PAXOS_END_BEYOND_REPAIR:
		ctl_reason_say(ret_reason,
		               "%s: more of the log is damaged than the other servers can bring "
		               "back piece by piece; start this server again, it then fetches all "
		               "of it",
		               data);
		break;
	case PAXOS_END_ROLLED_BACK:
		ctl_reason_say(
			ret_reason,
			"%s: is an older copy of what this server had acknowledged; start it "
			"again, it then joins as one that has lost its memory",
			data);
		break;
	case PAXOS_END_DIFFERS:
		ctl_reason_say(ret_reason,
		               "%s: a majority holds another state than this server at the same "
		               "index; keep this folder for those who look for the reason, and "
		               "replace the server",
		               data);
		break;
	case PAXOS_END_REMOVED:
		ctl_reason_say(
			ret_reason,
			"%s: this server was removed from the cluster, which goes on without "
			"it; to bring the machine back, empty this folder, start it with "
			"--join, and add it again",
			data);
		break;
	case PAXOS_END_DISK_FAILED:
	default:
		ctl_reason_say(ret_reason,
		               "%s: a write to the disk failed, so nothing more can be promised "
		               "there; mend or replace the disk, then start this server again",
		               data);
		break;
	}
	return -EIO;
}

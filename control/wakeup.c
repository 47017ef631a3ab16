/* SPDX-License-Identifier: Apache-2.0 */
#include "control/wakeup.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SLICE_NS = 100000,
};

void ctl_wakeup_soon(bool soon)
{
	struct sched_attr attributes;

	if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0) {
		attributes.sched_runtime = soon ? SLICE_NS : 0;
		(void)syscall(SYS_sched_setattr, 0, &attributes, 0);
	}
}

void ctl_wakeup_first(void)
{
	const struct sched_attr attributes = {
		.size = sizeof(attributes), .sched_policy = SCHED_FIFO, .sched_priority = 1};

	(void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

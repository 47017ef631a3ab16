/* SPDX-License-Identifier: Apache-2.0 */
#include "control/reason.h"

#include <stdarg.h>
#include <stdio.h>

void ctl_reason_say(struct ctl_reason *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reason->text, sizeof(reason->text), format, arguments);
	va_end(arguments);
}

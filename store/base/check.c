/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, condition);
	abort();
}

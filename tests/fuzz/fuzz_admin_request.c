/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_admin_request.c - a line from the management socket is plain words or refused
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/admin_request.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_admin_request request;

	if (ctl_admin_parse(slice_make(data, size), &request) == NULL) {
		const size_t word = strlen(request.command);

		must(word >= 1);
		must(word < CTL_ADMIN_COMMAND_MAX);
		must(strspn(request.command, "abcdefghijklmnopqrstuvwxyz0123456789-") == word);
		must(request.count <= CTL_ADMIN_ARGUMENTS_MAX);
		for (unsigned i = 0; i < request.count; i++) {
			must(request.arguments[i][0] != '\0');
			must(strlen(request.arguments[i]) <= CTL_ADMIN_LINE_MAX);
		}
	}
	return 0;
}

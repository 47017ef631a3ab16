/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_doozer.c - a frame of a Doozer client is whole, short, too long or no message; a good path
 * is a good glob, and both are good for the store
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "control/gateway_codec.h"
#include "store/base/check.h"
#include "store/glob.h"
#include "store/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_message(struct slice message)
{
	Doozer__Request *request = ctl_doozer_request(message);
	struct slice path;

	if (request == NULL) {
		return;
	}
	path = slice_make(request->path.data, request->path.len);
	must(path.size <= message.size);
	must(request->value.len <= message.size);
	if (ctl_doozer_path_is_good(path)) {
		must(ctl_doozer_glob_is_good(path));
		must(store_path_check(path) != STORE_PATH_BAD);
	}
	if (ctl_doozer_glob_is_good(path)) {
		must(store_glob_check(path) != STORE_PATH_BAD);
	}
	doozer__request__free_unpacked(request, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice message;
	const int r = ctl_doozer_cut(slice_make(data, size), &message);

	must(r == 0 || r == 1 || r == -EMSGSIZE);
	if (r == 1) {
		must(message.size <= CTL_DOOZER_FRAME_MAX);
		must(CTL_DOOZER_HEAD + message.size <= size);
		try_message(message);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a glob, a zero byte, a path. A path that is a good glob without wildcards matches it. */
#include "store/base/check.h"
#include "store/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
	struct slice glob, path;

	if (zero == NULL) {
		return 0;
	}
	glob = slice_make(data, (size_t)(zero - data));
	path = slice_make(zero + 1, size - glob.size - 1);
	if (store_path_check(path) != STORE_PATH_GOOD) {
		return 0;
	}
	must(store_glob_check(path) == STORE_PATH_GOOD);
	must(store_glob_match(path, path));
	if (store_glob_check(glob) == STORE_PATH_GOOD && store_glob_match(glob, path)) {
		const size_t literal = store_glob_literal(glob);

		must(literal <= path.size);
		must(memcmp(glob.data, path.data, literal) == 0);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A good path consists of good names, and order and common part agree with each other. */
#include "store/base/check.h"
#include "store/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(struct slice path)
{
	size_t start = 1;

	for (size_t at = 1; at <= path.size && path.size > 1; at++) {
		if (at == path.size || path.data[at] == '/') {
			must(store_path_check_name(slice_make(path.data + start, at - start)) ==
			     STORE_PATH_GOOD);
			start = at + 1;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice whole = slice_make(data, size);
	const struct slice half = slice_make(data, size / 2);

	if (store_path_check(whole) == STORE_PATH_GOOD) {
		must(size <= STORE_PATH_SIZE_MAX);
		check_names(whole);
	}
	must(store_path_common(whole, half) == half.size);
	must(store_path_compare(whole, whole) == 0);
	must((store_path_compare(half, whole) < 0) == (half.size < whole.size));
	(void)store_path_check_name(whole);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_txn_text.c - whatever stands in a transaction's text or JSON, it is read or refused with one
 *                   sentence; what is read, the store can decode
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_txn_text.h"
#include "control/client/txn.h"
#include "store/base/check.h"
#include "store/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The counts and sizes that were read are those of the bytes. */
static void look(const struct txn_text *text, bool is_good)
{
	struct store_txn decoded;
	struct slice bytes;
	bool owns;
	int r;

	must(strlen(text->fault) < TXN_FAULT_SIZE);
	if (!is_good) {
		must(text->fault[0] != '\0');
		for (const char *c = text->fault; *c != '\0'; c++) {
			must(*c >= ' ' && *c < 0x7f);
		}
		return;
	}
	must(text->fault[0] == '\0');
	r = ctl_txn_bytes(text->txn, &bytes, &owns);
	must(r == 0 || r == -E2BIG);
	if (r == 0) {
		must(store_txn_decode(bytes, &decoded));
		must(decoded.compare_count == text->counts[TXN_CONDITIONS]);
		must(decoded.then_count == text->counts[TXN_THENS]);
		must(decoded.else_count == text->counts[TXN_ELSES]);
	}
}

static void blame(const struct txn_text *text)
{
	char place[TXN_FAULT_SIZE];

	for (unsigned i = 0; i < 128 * 30; i++) {
		const struct coffer_result result = {.outcome = COFFER_REFUSED,
		                                     .answer = (enum coffer_answer)(i % 30),
		                                     .op = i / 30};

		(void)txn_text_blame(text, &result, place);
		must(strlen(place) < TXN_FAULT_SIZE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coffer_txn *txn = coffer_txn_new();
	char *lines = malloc(size + 1);
	static struct txn_text text;

	must(txn != NULL && lines != NULL);
	memcpy(lines, data, size);
	txn_text_init(&text, txn);
	look(&text, txn_text_lines(&text, lines, size));
	blame(&text);
	coffer_txn_clear(txn);
	txn_text_init(&text, txn);
	look(&text, txn_text_json(&text, (const char *)data, size));
	blame(&text);
	free(lines);
	coffer_txn_free(txn);
	return 0;
}

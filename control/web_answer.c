/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/web_page.h"

enum {
	PIECE_SIZE = 16384,  /* of a body */
	HEADERS_SIZE = 2048, /* of an answer */
};

static bool put_header(struct lws *wsi, const char *name, const char *value, uint8_t **at,
                       uint8_t *end)
{
	return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)value,
	                                   (int)strlen(value), at, end) == 0;
}

/* Sends the headers and wants to send the body. Nonzero: hang up, as libwebsockets has it. */
static int begin(struct ctl_web_answer *answer, struct lws *wsi, unsigned code, const char *type,
                 const char *policy)
{
	uint8_t headers[LWS_PRE + HEADERS_SIZE];
	uint8_t *start = headers + LWS_PRE, *at = start, *end = headers + sizeof(headers) - 1;

	answer->sent = 0;
	if (lws_add_http_common_headers(wsi, code, type, answer->size, &at, end) != 0 ||
	    !put_header(wsi, "content-security-policy:", policy, &at, end) ||
	    !put_header(wsi, "x-content-type-options:", "nosniff", &at, end) ||
	    !put_header(wsi, "referrer-policy:", "no-referrer", &at, end) ||
	    !put_header(wsi, "cache-control:", "no-store", &at, end) ||
	    !put_header(wsi, "connection:", "close", &at, end) ||
	    (code == HTTP_STATUS_UNAUTHORIZED &&
	     !put_header(wsi, "www-authenticate:", "Bearer realm=\"coffer\"", &at, end)) ||
	    lws_finalize_write_http_header(wsi, start, &at, end) != 0) {
		return -1;
	}
	lws_callback_on_writable(wsi);
	return 0;
}

int ctl_web_answer_text(struct ctl_web_answer *answer, struct lws *wsi, unsigned code,
                        const char *type, char *text)
{
	if (text == NULL) {
		return -1;
	}
	free(answer->owned);
	answer->owned = text;
	answer->body = (const uint8_t *)text;
	answer->size = strlen(text);
	return begin(answer, wsi, code, type, "default-src 'none'");
}

int ctl_web_answer_sentence(struct ctl_web_answer *answer, struct lws *wsi, unsigned code,
                            const char *sentence)
{
	char *text = NULL;

	return ctl_web_answer_text(answer, wsi, code, "text/plain; charset=utf-8",
	                           asprintf(&text, "%s\n", sentence) < 0 ? NULL : text);
}

int ctl_web_answer_page(struct ctl_web_answer *answer, struct lws *wsi)
{
	answer->body = ctl_web_page;
	answer->size = ctl_web_page_size;
	return begin(answer, wsi, HTTP_STATUS_OK, "text/html; charset=utf-8", ctl_web_page_policy);
}

int ctl_web_answer_go_on(struct ctl_web_answer *answer, struct lws *wsi)
{
	uint8_t piece[LWS_PRE + PIECE_SIZE];
	const size_t left = answer->size - answer->sent;
	const size_t size = left < PIECE_SIZE ? left : PIECE_SIZE;

	if (answer->body == NULL) {
		return 0; /* not known yet */
	}
	if (size == 0) {
		return -1;
	}
	memcpy(piece + LWS_PRE, answer->body + answer->sent, size);
	if (lws_write(wsi, piece + LWS_PRE, size,
	              size == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)size) {
		return -1;
	}
	answer->sent += size;
	lws_callback_on_writable(wsi);
	return 0;
}

void ctl_web_answer_drop(struct ctl_web_answer *answer)
{
	free(answer->owned);
	*answer = (struct ctl_web_answer){0};
}

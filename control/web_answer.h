/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_answer.h - one answer over HTTP: its headers, and its body piece by piece
 *
 * One connection, one answer. What returns int is for libwebsockets: 0, or -1 to hang up.
 *
 * Threads: the control thread's.
 */

#include <libwebsockets.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: there is none. */
struct ctl_web_answer {
	const uint8_t *body;
	size_t size, sent;
	char *owned; /* the body, if it is not the page */
};

/* Begins an answer with `text`, which is taken; NULL: there was no memory. */
int ctl_web_answer_text(struct ctl_web_answer *answer, struct lws *wsi, unsigned code,
                        const char *type, char *text);

/* Likewise with a sentence (copied), as plain text. */
int ctl_web_answer_sentence(struct ctl_web_answer *answer, struct lws *wsi, unsigned code,
                            const char *sentence);

/* Likewise with the page. */
int ctl_web_answer_page(struct ctl_web_answer *answer, struct lws *wsi);

/* The socket has room: the next piece. When all of it has left: -1. */
int ctl_web_answer_go_on(struct ctl_web_answer *answer, struct lws *wsi);

/* Frees what it holds. */
void ctl_web_answer_drop(struct ctl_web_answer *answer);

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/watches_post.h"

#include "consensus/answer.h"

struct post {
	struct paxos_core *core;
	const struct paxos_lease_view *view;
	void *message;
};

static void send_page(void *context, const struct paxos_address *address,
                      const struct proto_head *asked, struct proto_answer *answer)
{
	const struct post *post = context;

	answer->age_ms = paxos_lease_view_age_ms(post->view, post->core->now_ns);
	paxos_answer_send(post->core, post->message, address, asked, answer);
}

void paxos_watches_post_ask(struct paxos_core *core, const struct paxos_lease_view *view,
                            void *message, struct paxos_watches *watches,
                            const struct paxos_address *address,
                            const struct proto_request *request)
{
	struct post post = {.core = core, .view = view, .message = message};

	paxos_watches_ask(watches, core->now_ns, address, request,
	                  &(struct paxos_watch_post){.send = send_page, .context = &post});
}

void paxos_watches_post_turn(struct paxos_core *core, const struct paxos_lease_view *view,
                             void *message, struct paxos_watches *watches)
{
	struct post post = {.core = core, .view = view, .message = message};

	paxos_watches_turn(watches, core->now_ns,
	                   &(struct paxos_watch_post){.send = send_page, .context = &post});
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/queue.h"

#include <stdlib.h>

#include "store/base/check.h"

void queue_init(struct queue *queue)
{
	*queue = (struct queue){.room = 1024};
	queue->heap = malloc(queue->room * sizeof(*queue->heap));
	must(queue->heap != NULL);
}

void queue_deinit(struct queue *queue)
{
	free(queue->heap);
	*queue = (struct queue){0};
}

static bool is_before(const struct event *a, const struct event *b)
{
	if (a->time_ns != b->time_ns) {
		return a->time_ns < b->time_ns;
	}
	return a->sequence < b->sequence;
}

void queue_put(struct queue *queue, struct event event)
{
	size_t hole = queue->count;

	if (queue->count == queue->room) {
		queue->room *= 2;
		queue->heap = realloc(queue->heap, queue->room * sizeof(*queue->heap));
		must(queue->heap != NULL);
	}
	event.sequence = ++queue->sequence;
	queue->count++;
	while (hole > 0 && is_before(&event, &queue->heap[(hole - 1) / 2])) {
		queue->heap[hole] = queue->heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	queue->heap[hole] = event;
}

uint64_t queue_next_ns(const struct queue *queue)
{
	return queue->count == 0 ? UINT64_MAX : queue->heap[0].time_ns;
}

bool queue_take(struct queue *queue, struct event *ret_event)
{
	struct event last;
	size_t hole = 0;

	if (queue->count == 0) {
		return false;
	}
	*ret_event = queue->heap[0];
	last = queue->heap[--queue->count];
	for (;;) {
		size_t child = 2 * hole + 1;

		if (child >= queue->count) {
			break;
		}
		if (child + 1 < queue->count &&
		    is_before(&queue->heap[child + 1], &queue->heap[child])) {
			child++;
		}
		if (is_before(&last, &queue->heap[child])) {
			break;
		}
		queue->heap[hole] = queue->heap[child];
		hole = child;
	}
	queue->heap[hole] = last;
	return true;
}

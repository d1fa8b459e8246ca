/* A ring that doubles until it holds FG_COAP_PENDING_MAX requests. */
#include "pending.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_MIN 64

bool fg_coap_queue_reserve(struct fg_coap_queue *queue)
{
	uint32_t cap = queue->cap ? queue->cap * 2 : QUEUE_MIN;
	struct fg_coap_pending *items;

	if (queue->len < queue->cap)
		return true;
	if (queue->len >= FG_COAP_PENDING_MAX)
		return false;
	items = malloc(cap * sizeof(*items));
	if (!items)
		return false;
	for (uint32_t i = 0; i < queue->len; i++)
		items[i] = queue->items[(queue->head + i) & (queue->cap - 1)];
	free(queue->items);
	*queue = (struct fg_coap_queue){ .items = items, .len = queue->len, .cap = cap };
	return true;
}

void fg_coap_queue_push(struct fg_coap_queue *queue, const struct fg_coap_pending *item)
{
	queue->items[(queue->head + queue->len) & (queue->cap - 1)] = *item;
	queue->len++;
}

bool fg_coap_queue_pop(struct fg_coap_queue *queue, uint64_t upto, struct fg_coap_pending *ret_item)
{
	const struct fg_coap_pending *item;

	if (queue->len == 0)
		return false;
	item = &queue->items[queue->head & (queue->cap - 1)];
	if (item->pos > upto)
		return false;
	*ret_item = *item;
	queue->head = (queue->head + 1) & (queue->cap - 1);
	queue->len--;
	return true;
}

void fg_coap_queue_fini(struct fg_coap_queue *queue)
{
	free(queue->items);
	*queue = (struct fg_coap_queue){ 0 };
}

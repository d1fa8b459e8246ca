/* Block1 bodies. No libcoap here: the fuzzer and the unit tests feed it directly. */
#include "body.h"

#include <stdlib.h>
#include <string.h>

uint64_t fg_coap_key(uint64_t key, struct fg_str bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		key = (key ^ (uint8_t)bytes.ptr[i]) * 0x100000001b3u;
	return (key ^ 0xff) * 0x100000001b3u;
}

void fg_coap_bodies_init(struct fg_coap_bodies *bodies, size_t max_body)
{
	*bodies = (struct fg_coap_bodies){ .max_body = max_body, .budget = FG_COAP_BODIES_BYTES };
	/* one body of the size that the configuration promises always fits */
	if (bodies->budget < max_body)
		bodies->budget = max_body;
}

void fg_coap_body_done(struct fg_coap_bodies *bodies, struct fg_coap_body *body)
{
	free(body->data);
	bodies->bytes -= body->cap;
	bodies->count--;
	*body = (struct fg_coap_body){ 0 };
}

void fg_coap_bodies_fini(struct fg_coap_bodies *bodies)
{
	for (size_t i = 0; i < FG_COAP_BODIES; i++)
		if (bodies->items[i].owner)
			fg_coap_body_done(bodies, &bodies->items[i]);
}

void fg_coap_bodies_forget(struct fg_coap_bodies *bodies, const void *owner)
{
	for (size_t i = 0; i < FG_COAP_BODIES && bodies->count; i++)
		if (bodies->items[i].owner == owner)
			fg_coap_body_done(bodies, &bodies->items[i]);
}

void fg_coap_bodies_expire(struct fg_coap_bodies *bodies, uint64_t now_s)
{
	for (size_t i = 0; i < FG_COAP_BODIES && bodies->count; i++)
		if (bodies->items[i].owner &&
		    now_s - bodies->items[i].used_s >= FG_COAP_BODY_TIMEOUT_S)
			fg_coap_body_done(bodies, &bodies->items[i]);
}

static struct fg_coap_body *body_find(struct fg_coap_bodies *bodies,
				      const struct fg_coap_block *block)
{
	for (size_t i = 0; i < FG_COAP_BODIES; i++)
		if (bodies->items[i].owner == block->owner && bodies->items[i].key == block->key)
			return &bodies->items[i];
	return NULL;
}

/* A free slot. A client that begins more transfers than one client may loses its oldest one. */
static struct fg_coap_body *body_begin(struct fg_coap_bodies *bodies,
				       const struct fg_coap_block *block)
{
	struct fg_coap_body *unused = NULL, *oldest = NULL;
	unsigned own = 0;

	for (size_t i = 0; i < FG_COAP_BODIES; i++) {
		struct fg_coap_body *body = &bodies->items[i];

		if (!body->owner) {
			unused = unused ? unused : body;
		} else if (body->owner == block->owner) {
			own++;
			if (!oldest || body->used_s < oldest->used_s)
				oldest = body;
		}
	}
	if (own >= FG_COAP_BODIES_OF_ONE) {
		fg_coap_body_done(bodies, oldest);
		unused = oldest;
	}
	if (!unused)
		return NULL;
	*unused = (struct fg_coap_body){ .owner = block->owner, .key = block->key };
	bodies->count++;
	return unused;
}

static bool body_grow(struct fg_coap_bodies *bodies, struct fg_coap_body *body, size_t need)
{
	size_t cap = body->cap ? body->cap : 1024;
	uint8_t *data;

	if (need <= body->cap)
		return true;
	while (cap < need)
		cap *= 2;
	if (cap > bodies->max_body)
		cap = bodies->max_body;
	if (cap - body->cap > bodies->budget - bodies->bytes)
		return false;
	data = realloc(body->data, cap);
	if (!data)
		return false;
	bodies->bytes += cap - body->cap;
	body->data = data;
	body->cap = cap;
	return true;
}

/* A body ends where its last block ends; what an earlier, longer transfer of the same key left
 * behind that does not count. */
static void body_put(struct fg_coap_body *body, const struct fg_coap_block *block, size_t offset)
{
	size_t end = offset + block->bytes.len;
	bool known = end <= body->len &&
		     (block->bytes.len == 0 ||
		      memcmp(body->data + offset, block->bytes.ptr, block->bytes.len) == 0);

	if (!known && block->bytes.len)
		memcpy(body->data + offset, block->bytes.ptr, block->bytes.len);
	if (!known || !block->more)
		body->len = end;
	body->used_s = block->now_s;
}

static enum fg_coap_body_result body_give_up(struct fg_coap_bodies *bodies,
					     struct fg_coap_body *body,
					     enum fg_coap_body_result result)
{
	if (body)
		fg_coap_body_done(bodies, body);
	return result;
}

enum fg_coap_body_result fg_coap_body_add(struct fg_coap_bodies *bodies,
					  const struct fg_coap_block *block,
					  struct fg_coap_body **ret_body)
{
	size_t size = (size_t)16 << block->szx, offset = (size_t)block->num * size;
	struct fg_coap_body *body = body_find(bodies, block);

	if (block->szx > 6 || block->bytes.len > size || (block->more && block->bytes.len != size))
		return body_give_up(bodies, body, FG_COAP_BODY_BAD);
	/* before anything is allocated, and for a last block as well */
	if (offset > bodies->max_body || block->bytes.len > bodies->max_body - offset)
		return body_give_up(bodies, body, FG_COAP_BODY_LARGE);
	/* what came out of order is asked for again; what is there stays */
	if (offset > (body ? body->len : 0))
		return FG_COAP_BODY_MISSING;
	if (!body)
		body = body_begin(bodies, block);
	if (!body || !body_grow(bodies, body, offset + block->bytes.len))
		return body_give_up(bodies, body, FG_COAP_BODY_BUSY);
	body_put(body, block, offset);
	if (block->more)
		return FG_COAP_BODY_MORE;
	*ret_body = body;
	return FG_COAP_BODY_WHOLE;
}

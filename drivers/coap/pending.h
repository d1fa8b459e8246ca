/* Requests that were submitted and wait for kept() before they may be answered: a bounded FIFO. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FG_COAP_PENDING_MAX 4096
#define FG_COAP_TOKEN_MAX 8		/* RFC 7252 section 3 */
#define FG_COAP_NO_BLOCK UINT32_MAX

struct fg_coap_pending {
	void *session;			/* a reference is held */
	uint64_t pos;			/* of the last record, as fg_source_submit() gave it */
	uint32_t block1;		/* value of the Block1 option, or FG_COAP_NO_BLOCK */
	uint16_t mid;
	bool confirmable;
	bool quiet;			/* No-Response (RFC 7967): wants no 2.xx */
	uint8_t token_len;
	uint8_t token[FG_COAP_TOKEN_MAX];
};

struct fg_coap_queue {
	struct fg_coap_pending *items;
	uint32_t head, len, cap;
};

/* Makes room for one more: false beyond FG_COAP_PENDING_MAX or out of memory. */
bool fg_coap_queue_reserve(struct fg_coap_queue *queue);
/* Only after fg_coap_queue_reserve() said true. */
void fg_coap_queue_push(struct fg_coap_queue *queue, const struct fg_coap_pending *item);
/* Takes the oldest one if its position is at most `upto`. */
bool fg_coap_queue_pop(struct fg_coap_queue *queue, uint64_t upto,
		       struct fg_coap_pending *ret_item);
void fg_coap_queue_fini(struct fg_coap_queue *queue);

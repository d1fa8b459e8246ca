/*
 * Bodies that arrive in blocks (RFC 7959 section 2.5), put together by offset under a budget.
 *
 * libcoap could do this, but 4.3.1 and 4.3.4 believe the Size1 of a single datagram and allocate
 * that much, and 4.3.1 without Size1 takes every block for a whole body.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

#define FG_COAP_BODIES 64
#define FG_COAP_BODIES_OF_ONE 4			/* of one client */
#define FG_COAP_BODIES_BYTES ((size_t)1 << 20)	/* of all together */
/* After its last block; a retry takes at most 93 s. */
#define FG_COAP_BODY_TIMEOUT_S 120

struct fg_coap_body {
	const void *owner;	/* NULL: unused */
	uint64_t key;
	uint64_t used_s;
	uint8_t *data;
	size_t len, cap;
};

struct fg_coap_bodies {
	size_t max_body;	/* bytes of one */
	size_t budget, bytes;	/* of all; taken */
	unsigned count;
	struct fg_coap_body items[FG_COAP_BODIES];
};

struct fg_coap_block {
	const void *owner;	/* the client */
	uint64_t key;		/* which of its transfers */
	uint32_t num;
	bool more;
	uint8_t szx;
	struct fg_str bytes;
	uint64_t now_s;
};

enum fg_coap_body_result {
	FG_COAP_BODY_MORE,	/* go on: 2.31 */
	FG_COAP_BODY_WHOLE,	/* complete */
	FG_COAP_BODY_MISSING,	/* an earlier block is not there: 4.08 */
	FG_COAP_BODY_LARGE,	/* more than max_body: 4.13 */
	FG_COAP_BODY_BUSY,	/* no room at the moment: 4.13 as well (RFC 7959 section 2.9.3) */
	FG_COAP_BODY_BAD,	/* a block that is not as long as it says: 4.00 */
};

void fg_coap_bodies_init(struct fg_coap_bodies *bodies, size_t max_body);
void fg_coap_bodies_fini(struct fg_coap_bodies *bodies);
/* Adds one block. A block that was there before changes nothing; one that differs from what was
 * there begins the transfer anew from its place. WHOLE: *ret_body is the body, which lives until
 * fg_coap_body_done(). After LARGE, BUSY and BAD nothing of the transfer is kept. */
enum fg_coap_body_result fg_coap_body_add(struct fg_coap_bodies *bodies,
					  const struct fg_coap_block *block,
					  struct fg_coap_body **ret_body);
void fg_coap_body_done(struct fg_coap_bodies *bodies, struct fg_coap_body *body);
/* Forgets the transfers of a client that is gone. */
void fg_coap_bodies_forget(struct fg_coap_bodies *bodies, const void *owner);
/* Forgets what was abandoned. */
void fg_coap_bodies_expire(struct fg_coap_bodies *bodies, uint64_t now_s);

/* FNV-1a, chained: begin with FG_COAP_KEY. A client can only collide with itself. */
#define FG_COAP_KEY 0xcbf29ce484222325u
uint64_t fg_coap_key(uint64_t key, struct fg_str bytes);

/*
 * What is remembered of each client (libcoap's session): which message ids it has used, and what
 * they were answered, so that a request that comes twice is done once (RFC 7252 section 4.5;
 * libcoap 4.3.1 and 4.3.4 hand every duplicate to the handler).
 *
 * Slots come from chunks that are taken as clients appear and given back together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FG_COAP_SEEN 16		/* message ids remembered of one client */
#define FG_COAP_EXCHANGE_S 247	/* EXCHANGE_LIFETIME, RFC 7252 section 4.8.2 */

enum fg_coap_seen_state {
	FG_COAP_UNUSED,
	FG_COAP_WAITING,	/* submitted, not answered */
	FG_COAP_HELD,		/* the same, and the client knows by an empty ACK */
	FG_COAP_ANSWERED,	/* with code */
};

struct fg_coap_seen {
	uint16_t mid;
	uint16_t at_s;		/* wraps; a slot is used anew long before that matters */
	uint8_t state;		/* enum fg_coap_seen_state */
	uint8_t code;
};

struct fg_coap_client {
	struct fg_coap_client *next_free;
	void *session;		/* the owner's */
	uint64_t peer;		/* the owner's name for it, 0: none */
	uint8_t next;		/* slot that is written next */
	struct fg_coap_seen seen[FG_COAP_SEEN];
};

struct fg_coap_chunk;

struct fg_coap_clients {
	struct fg_coap_chunk *chunks;
	struct fg_coap_client *free;
	size_t count, limit;
};

void fg_coap_clients_init(struct fg_coap_clients *clients, size_t limit);
void fg_coap_clients_fini(struct fg_coap_clients *clients);
/* A client that nothing is known of, or NULL: beyond the limit or out of memory. */
struct fg_coap_client *fg_coap_clients_add(struct fg_coap_clients *clients);
/* The one of that name, or NULL. Looks at all of them: not for every datagram. */
struct fg_coap_client *fg_coap_clients_find(struct fg_coap_clients *clients, uint64_t peer);
/* NULL is allowed. */
void fg_coap_clients_remove(struct fg_coap_clients *clients, struct fg_coap_client *client);

/* What is known of this message id, or NULL: not seen within its lifetime. */
struct fg_coap_seen *fg_coap_client_find(struct fg_coap_client *client, uint16_t mid,
					 uint64_t now_s);
/* Remembers a message id as waiting; the oldest one is forgotten. */
struct fg_coap_seen *fg_coap_client_note(struct fg_coap_client *client, uint16_t mid,
					 uint64_t now_s);

/* Clients and their message ids. No libcoap here, and no clock: the caller says how late it is. */
#include "clients.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_CLIENTS 64

struct fg_coap_chunk {
	struct fg_coap_chunk *next;
	struct fg_coap_client clients[CHUNK_CLIENTS];
};

void fg_coap_clients_init(struct fg_coap_clients *clients, size_t limit)
{
	*clients = (struct fg_coap_clients){ .limit = limit };
}

void fg_coap_clients_fini(struct fg_coap_clients *clients)
{
	while (clients->chunks) {
		struct fg_coap_chunk *chunk = clients->chunks;

		clients->chunks = chunk->next;
		free(chunk);
	}
	clients->free = NULL;
	clients->count = 0;
}

static bool clients_grow(struct fg_coap_clients *clients)
{
	struct fg_coap_chunk *chunk = malloc(sizeof(*chunk));

	if (!chunk)
		return false;
	chunk->next = clients->chunks;
	clients->chunks = chunk;
	for (size_t i = CHUNK_CLIENTS; i-- > 0;) {
		chunk->clients[i].peer = 0;
		chunk->clients[i].next_free = clients->free;
		clients->free = &chunk->clients[i];
	}
	return true;
}

struct fg_coap_client *fg_coap_clients_add(struct fg_coap_clients *clients)
{
	struct fg_coap_client *client;

	if (clients->count >= clients->limit || (!clients->free && !clients_grow(clients)))
		return NULL;
	client = clients->free;
	clients->free = client->next_free;
	clients->count++;
	memset(client, 0, sizeof(*client));
	return client;
}

struct fg_coap_client *fg_coap_clients_find(struct fg_coap_clients *clients, uint64_t peer)
{
	for (struct fg_coap_chunk *chunk = clients->chunks; chunk && peer; chunk = chunk->next)
		for (size_t i = 0; i < CHUNK_CLIENTS; i++)
			if (chunk->clients[i].peer == peer)
				return &chunk->clients[i];
	return NULL;
}

void fg_coap_clients_remove(struct fg_coap_clients *clients, struct fg_coap_client *client)
{
	if (!client)
		return;
	client->session = NULL;
	client->peer = 0;
	client->next_free = clients->free;
	clients->free = client;
	clients->count--;
}

static bool seen_expired(const struct fg_coap_seen *seen, uint64_t now_s)
{
	/* a request that still waits is the same one, however long that takes */
	return seen->state == FG_COAP_ANSWERED &&
	       (uint16_t)((uint16_t)now_s - seen->at_s) > FG_COAP_EXCHANGE_S;
}

struct fg_coap_seen *fg_coap_client_find(struct fg_coap_client *client, uint16_t mid,
					 uint64_t now_s)
{
	for (size_t i = 0; i < FG_COAP_SEEN; i++) {
		struct fg_coap_seen *seen = &client->seen[i];

		if (seen->mid != mid || seen->state == FG_COAP_UNUSED)
			continue;
		if (!seen_expired(seen, now_s))
			return seen;
		/* it must not come to life again when the short clock has wrapped */
		seen->state = FG_COAP_UNUSED;
	}
	return NULL;
}

struct fg_coap_seen *fg_coap_client_note(struct fg_coap_client *client, uint16_t mid,
					 uint64_t now_s)
{
	struct fg_coap_seen *seen = &client->seen[client->next];

	client->next = (uint8_t)((client->next + 1) % FG_COAP_SEEN);
	*seen = (struct fg_coap_seen){
		.mid = mid,
		.at_s = (uint16_t)now_s,
		.state = FG_COAP_WAITING,
	};
	return seen;
}

/*
 * Servers that the gateway asks: observed (RFC 7641) or polled. What they answer is submitted as if
 * the device had sent it here itself, to /{device}/{path of the URL}.
 *
 * Names are resolved by a worker, anew after every failure. One that cannot be reached is tried
 * less and less often. A notification is acknowledged when it is kept; the rest of one that comes
 * in blocks is fetched, and it is acknowledged before that. What finds no room is asked for again
 * when there is some: then the present value comes in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/buf.h>
#include <fg/loop.h>
#include <fg/option.h>

#include "exchange.h"

struct fg_faults;

struct fg_coap_remote_conf {
	const char *url, *device;
	struct fg_secrets psk;		/* of coaps: one identity */
	int64_t interval_ns;		/* of a poll */
	int64_t content_format;		/* wanted, and taken where none is said; -1: any */
};

struct fg_coap_lookup;

struct fg_coap_remote {
	struct fg_coap_server *server;
	const struct fg_coap_remote_conf *conf;
	const char *name;
	bool observe;
	coap_uri_t uri;
	char *address;			/* what its payloads are submitted as */
	struct fg_coap_lookup *lookup;	/* on a worker, or NULL */
	coap_session_t *session;	/* NULL: to be looked up first */
	struct fg_coap_exchange *exchange, *block;
	struct fg_timer timer;		/* the next thing to do */
	uint32_t failures;
	bool failed;			/* the session is to be made anew */
	bool refused;			/* an answer found no room: to be asked for again */
	bool numbered;			/* `number` is that of the last notification */
	uint32_t number;
	uint64_t number_ns;
	struct fg_buf body;		/* of blocks */
	uint32_t next_block, etag;
	int format;			/* of the body */
};

struct fg_coap_remotes {
	struct fg_coap_remote *items;
	size_t count;
};

extern const struct fg_option fg_coap_observe_options[], fg_coap_poll_options[];

/* Whether an URL can be asked. */
int fg_coap_url_check(const char *text, char *why, size_t cap);
void fg_coap_remotes_check(const struct fg_map *map, const char *option, struct fg_faults *faults);

int fg_coap_remotes_open(struct fg_coap_server *server);
/* Stops everything; memory goes with fg_coap_remotes_fini(), after the handles' closing. */
void fg_coap_remotes_close(struct fg_coap_server *server);
void fg_coap_remotes_fini(struct fg_coap_server *server);
/* There is room again. */
void fg_coap_remotes_resume(struct fg_coap_server *server);
bool fg_coap_remotes_own(const struct fg_coap_server *server, const coap_session_t *session);
/* The session of a peer's name that is one of these, or NULL. */
coap_session_t *fg_coap_remote_session(struct fg_coap_server *server, uint64_t peer);

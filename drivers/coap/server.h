/* What the parts of the CoAP driver share: its options and the state of one instance. */
#pragma once

#include <fg/driver.h>

#include "body.h"
#include "clients.h"
#include "exchange.h"
#include "gate.h"
#include "pending.h"
#include "remote.h"
#include "watch.h"

#include <coap3/coap.h>

#define FG_COAP_MAX_AGE_S 30	/* said with 5.03: try again after that long */
#define FG_COAP_ADDRESS_MAX 1472	/* libcoap reads no longer datagram */
#define FG_COAP_VIEWS 4
#define FG_COAP_VIEW_MAX ((size_t)256 << 10)

struct fg_coap_conf {
	const char *listen;
	struct fg_secrets psk;
	bool open;
	uint64_t body;
	int64_t clients, observers;
	bool commands;
	struct fg_map observe, poll;	/* of struct fg_coap_remote_conf */
	bool shared;			/* not an option: other processes listen there too */
};

#define FG_COAP_ASKS 64		/* commands of CoAP peers that wait for their outcome */

/* A peer that waits for the outcome of a command. */
struct fg_coap_asked {
	coap_session_t *session;	/* a reference is held; NULL: unused */
	coap_pdu_t *response;		/* while its handler runs, else NULL */
	uint64_t id;
	uint16_t mid;
	bool confirmable;
	uint8_t token_len;
	uint8_t token[FG_COAP_TOKEN_MAX];
};

/* A representation that takes more than one block: kept for the client that fetches it, so that
 * all its blocks are of one moment. */
struct fg_coap_view {
	const void *owner;	/* NULL: unused */
	uint64_t key;
	uint64_t used_s;
	char *text;
	size_t len;
};

struct fg_coap_server {
	struct fg_source *source;
	const struct fg_coap_conf *conf;
	coap_context_t *context;
	coap_bin_const_t *keys;		/* of conf->psk, in its order */
	struct fg_io io;
	struct fg_coap_gate *gate;	/* of coaps://, else NULL */
	struct fg_timer sweep;		/* runs while there are bodies or views */
	bool paused;
	bool ended;			/* sessions are over whose belongings are still held */
	uint64_t now_s;
	uint32_t handled;		/* requests of this turn */
	uint32_t expected;		/* four times a running mean of that */
	uint64_t kept;			/* position */
	uint64_t separate_since_s;
	uint32_t separate;		/* confirmable responses within that time */
	struct fg_coap_clients clients;
	struct fg_coap_queue pending;
	struct fg_coap_bodies bodies;
	struct fg_coap_view views[FG_COAP_VIEWS];
	struct fg_coap_exchanges exchanges;
	struct fg_coap_remotes remotes;
	struct fg_coap_watches watches;
	struct fg_coap_asked asks[FG_COAP_ASKS];
	uint64_t ask_id;
	uint64_t last_peer;		/* given out as fg_input.peer */
	struct fg_log_limit unknown_identity, unproved;
	char address[FG_COAP_ADDRESS_MAX];
};

/* -- server.c: libcoap as a citizen of the loop -- */
int fg_coap_open(struct fg_source *source);
void fg_coap_close(struct fg_source *source);
/* What is remembered of a session that is about to be freed. Of sessions of our own making libcoap
 * does not tell, and those who are asked may ask something there themselves. */
void fg_coap_forget(struct fg_coap_server *server, coap_session_t *session);
/* Its DTLS has ended. libcoap frees it when nobody holds it, and until then drops what comes; to
 * whatever is sent there it would begin a handshake of its own. */
bool fg_coap_is_over(const coap_session_t *session);

/* -- port.c -- */
struct fg_coap_listen;
/* Has the endpoint that libcoap has just made on any port of this address listen to its own port,
 * together with other processes. 0 or -errno. */
int fg_coap_port_share(const struct fg_coap_listen *listen);

/* -- request.c: what a device asks for -- */
/* libcoap's handler of every method and path but /.well-known/core. */
void fg_coap_handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		    const coap_string_t *query, coap_pdu_t *response);
void fg_coap_kept(struct fg_source *source, uint64_t upto);
/* Answers nothing and forgets them all. */
void fg_coap_drop_pending(struct fg_coap_server *server);
/* Sets a code and a text for people. */
void fg_coap_say(coap_pdu_t *response, coap_pdu_code_t code, const char *text);

/* A separate response is confirmable, and libcoap holds it until it is acknowledged, without
 * telling. Beyond a bound of them the rest go out unconfirmed. */
bool fg_coap_separate_allowed(struct fg_coap_server *server);
/* Where a device was last heard from, or NULL: not known any more. */
coap_session_t *fg_coap_peer_session(struct fg_coap_server *server, uint64_t peer);

/* -- command.c -- */
int fg_coap_command(struct fg_source *source, struct fg_command *command);

/* -- ask.c: commands that a peer asks for -- */
bool fg_coap_is_ask(struct fg_str path);
/* Answers, or will. False: too many wait. */
bool fg_coap_ask(struct fg_coap_server *server, coap_session_t *session, const coap_pdu_t *request,
		 coap_pdu_t *response, struct fg_str path, struct fg_str payload);
/* Forgets those whose session is over, or all. */
void fg_coap_asks_end(struct fg_coap_server *server, bool all);

/* -- view.c: GET -- */
void fg_coap_get(struct fg_coap_server *server, coap_session_t *session, const coap_pdu_t *request,
		 struct fg_str path, coap_pdu_t *response);
void fg_coap_handle_core(coap_resource_t *resource, coap_session_t *session,
			 const coap_pdu_t *request, const coap_string_t *query,
			 coap_pdu_t *response);
/* What an observer is told: all behind the token, and the code (4.04: no longer there). */
void fg_coap_notify(struct fg_coap_watch *watch, coap_pdu_t *pdu);
void fg_coap_view_done(struct fg_coap_view *view);

/* -- paths.c: options of a request -- */
/* The Uri-Path segments joined by '/'. -EINVAL: none, an empty one, one that holds '/' or NUL, or
 * longer than cap. */
int fg_coap_path(const coap_pdu_t *request, char *out, size_t cap, struct fg_str *ret_path);
/* Whether it asks for something only on a condition (RFC 7252 section 5.10.8). libcoap lets both
 * options pass, critical as they are, and nothing here judges them. */
bool fg_coap_is_conditional(const coap_pdu_t *request);
/* The value of an option that is a number of up to four bytes; -ENOENT, -EINVAL. */
int fg_coap_option_number(const coap_pdu_t *request, coap_option_num_t number, uint32_t *ret_value);
void fg_coap_add_number(coap_pdu_t *response, coap_option_num_t number, uint32_t value);

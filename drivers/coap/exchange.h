/*
 * Requests that the gateway itself makes, to whom it owes the answer: matched by token, until there
 * is an answer, a sign that there will be none, or no more patience.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/loop.h>
#include <fg/str.h>

#include <coap3/coap.h>

#define FG_COAP_EXCHANGES_MAX 4096
#define FG_COAP_EXCHANGE_TOKEN 8
/* MAX_TRANSMIT_WAIT is 93 s (RFC 7252 section 4.8.2), and somebody has to answer then. */
#define FG_COAP_PATIENCE_NS FG_S(120)

struct fg_coap_server;
struct fg_coap_exchange;

enum fg_coap_answer {
	FG_COAP_ANSWER_KEEP,	/* taken; more may come (Observe) */
	FG_COAP_ANSWER_END,	/* taken; the exchange is over */
	FG_COAP_ANSWER_SILENCE,	/* taken, to be acknowledged later */
	/* Not taken, and the exchange is over. It is reset, which ends an observation: libcoap
	 * knows a repetition of it by its message id, and drops it before anyone can take it. */
	FG_COAP_ANSWER_REFUSE,
};

/* `response` NULL: there is none, for the reason `why`; the exchange is over then. */
typedef enum fg_coap_answer fg_coap_answered_fn(struct fg_coap_exchange *,
						const coap_pdu_t *response, const char *why);

struct fg_coap_exchange {
	struct fg_coap_exchange *next;
	struct fg_coap_server *server;
	coap_session_t *session;	/* a reference is held */
	fg_coap_answered_fn *answered;
	void *arg;
	uint64_t due_ns;		/* 0: waits for ever */
	bool sending;			/* coap_send() has not returned */
	uint8_t token[FG_COAP_EXCHANGE_TOKEN];
};

struct fg_coap_exchanges {
	struct fg_coap_exchange *first;
	uint32_t count;
	struct fg_timer patience;
};

void fg_coap_exchanges_init(struct fg_coap_server *server);
/* Tells those whose time is up, and whose session is over. */
void fg_coap_exchanges_late(struct fg_coap_server *server);
/* Forgets them all; nobody is told. */
void fg_coap_exchanges_fini(struct fg_coap_server *server);

/* Makes a request's PDU with a token of its own, which ret_exchange has until it is sent or given
 * up. -ENOBUFS: too many; -ENOMEM. */
int fg_coap_exchange_new(struct fg_coap_server *server, coap_session_t *session,
			 coap_pdu_code_t method, struct fg_coap_exchange **ret_exchange,
			 coap_pdu_t **ret_pdu);
/* Sends it, both are given away: answered() follows. -EIO: given back, nothing follows. */
int fg_coap_exchange_send(struct fg_coap_exchange *exchange, coap_pdu_t *pdu, uint64_t due_ns);
/* Ends it without telling. */
void fg_coap_exchange_end(struct fg_coap_exchange *exchange);
/* Waits until then from now on. */
void fg_coap_exchange_wait(struct fg_coap_exchange *exchange, uint64_t due_ns);

/* The options of a path, of a query without its '?'; `%xx` is decoded. False: too long. */
bool fg_coap_add_path(coap_pdu_t *pdu, struct fg_str text);
bool fg_coap_add_query(coap_pdu_t *pdu, struct fg_str text);

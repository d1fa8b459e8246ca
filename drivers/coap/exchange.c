/*
 * What libcoap calls back for our own requests. It keeps no list of them itself: an answer that
 * comes separately, or a notification, has only its token; and of a request that was acknowledged
 * but never answered nothing is ever heard again, hence the patience.
 */
#include "exchange.h"

#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PATH_MAX_BYTES 512
#define NO_DTLS "no DTLS session"

static struct fg_coap_exchange *exchange_find(struct fg_coap_server *server,
					      const coap_session_t *session, coap_bin_const_t token)
{
	struct fg_coap_exchange *e = server->exchanges.first;

	if (token.length != FG_COAP_EXCHANGE_TOKEN)
		return NULL;
	while (e && (e->session != session || memcmp(e->token, token.s, token.length) != 0))
		e = e->next;
	return e;
}

static void patience_start(struct fg_coap_server *server)
{
	uint64_t due = UINT64_MAX;

	for (struct fg_coap_exchange *e = server->exchanges.first; e; e = e->next)
		if (e->due_ns && e->due_ns < due)
			due = e->due_ns;
	if (due == UINT64_MAX)
		fg_timer_stop(&server->exchanges.patience);
	else
		fg_timer_start_at(&server->exchanges.patience, due);
}

void fg_coap_exchange_end(struct fg_coap_exchange *exchange)
{
	struct fg_coap_server *server = exchange->server;
	struct fg_coap_exchange **at = &server->exchanges.first;

	while (*at && *at != exchange)
		at = &(*at)->next;
	if (*at)
		*at = exchange->next;
	server->exchanges.count--;
	coap_session_release(exchange->session);
	free(exchange);
}

void fg_coap_exchange_wait(struct fg_coap_exchange *exchange, uint64_t due_ns)
{
	exchange->due_ns = due_ns;
	patience_start(exchange->server);
}

static void exchange_fails(struct fg_coap_exchange *exchange, const char *why)
{
	fg_coap_answered_fn *answered = exchange->answered;
	struct fg_coap_exchange ended = *exchange;

	/* over before it is told: what is told may begin the next one, or end the session */
	coap_session_reference(ended.session);
	fg_coap_exchange_end(exchange);
	answered(&ended, NULL, why);
	coap_session_release(ended.session);
}

/* Or never to be answered. The list may change with each one that is told. */
static struct fg_coap_exchange *exchange_late(struct fg_coap_server *server, uint64_t now)
{
	struct fg_coap_exchange *e = server->exchanges.first;

	while (e && (!e->due_ns || e->due_ns > now) && !fg_coap_is_over(e->session))
		e = e->next;
	return e;
}

void fg_coap_exchanges_late(struct fg_coap_server *server)
{
	uint64_t now = fg_loop_now(server->source->loop);
	struct fg_coap_exchange *e;

	while ((e = exchange_late(server, now)))
		exchange_fails(e, fg_coap_is_over(e->session) ? NO_DTLS : "no answer");
	patience_start(server);
}

static void patience_over(struct fg_timer *timer)
{
	fg_coap_exchanges_late(
		(void *)((char *)timer - offsetof(struct fg_coap_server, exchanges.patience)));
}

/* -- from libcoap -- */

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
				   const coap_pdu_t *received, const coap_mid_t mid)
{
	struct fg_coap_server *server = coap_get_app_data(coap_session_get_context(session));
	struct fg_coap_exchange *e = exchange_find(server, session, coap_pdu_get_token(received));
	enum fg_coap_answer answer;

	(void)sent;
	(void)mid;
	server->handled++;
	/* nobody waits for it: a reset ends an observation that was given up */
	if (!e)
		return COAP_RESPONSE_FAIL;
	answer = e->answered(e, received, NULL);
	if (answer == FG_COAP_ANSWER_END || answer == FG_COAP_ANSWER_REFUSE)
		fg_coap_exchange_end(e);
	/* an acknowledgement is not reset: its message id is one of ours */
	if (answer == FG_COAP_ANSWER_REFUSE && coap_pdu_get_type(received) != COAP_MESSAGE_ACK)
		return COAP_RESPONSE_FAIL;
	if (answer != FG_COAP_ANSWER_SILENCE)
		return COAP_RESPONSE_OK;
	/* libcoap acknowledges what is confirmable when this returns; so it is not */
	coap_pdu_set_type((coap_pdu_t *)(uintptr_t)received, COAP_MESSAGE_NON);
	return COAP_RESPONSE_OK;
}

static const char *nack_text(coap_nack_reason_t reason)
{
	switch (reason) {
	case COAP_NACK_TOO_MANY_RETRIES:
		return "no answer";
	case COAP_NACK_RST:
		return "reset";
	case COAP_NACK_TLS_FAILED:
		return NO_DTLS;
	case COAP_NACK_ICMP_ISSUE:
		return "the address cannot be reached";
	default:
		return "not delivered";
	}
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent,
		    const coap_nack_reason_t reason, const coap_mid_t mid)
{
	struct fg_coap_server *server = coap_get_app_data(coap_session_get_context(session));
	struct fg_coap_exchange *e;

	(void)mid;
	if (!sent)
		return;
	e = exchange_find(server, session, coap_pdu_get_token(sent));
	if (e && !e->sending) /* else coap_send() is about to say so */
		exchange_fails(e, nack_text(reason));
	else if (!e)
		fg_coap_watch_failed(server, session, coap_pdu_get_token(sent));
}

/* -- making them -- */

void fg_coap_exchanges_init(struct fg_coap_server *server)
{
	server->exchanges.patience.handle.call.timer = patience_over;
	coap_register_response_handler(server->context, on_response);
	coap_register_nack_handler(server->context, on_nack);
}

void fg_coap_exchanges_fini(struct fg_coap_server *server)
{
	while (server->exchanges.first)
		fg_coap_exchange_end(server->exchanges.first);
}

/* Nobody but whom it was sent to shall know it: the token is what an answer is believed by. */
static void token_make(uint8_t *token)
{
	if (getrandom(token, FG_COAP_EXCHANGE_TOKEN, GRND_NONBLOCK) != FG_COAP_EXCHANGE_TOKEN)
		coap_prng(token, FG_COAP_EXCHANGE_TOKEN);
}

int fg_coap_exchange_new(struct fg_coap_server *server, coap_session_t *session,
			 coap_pdu_code_t method, struct fg_coap_exchange **ret_exchange,
			 coap_pdu_t **ret_pdu)
{
	struct fg_coap_exchange *e;
	coap_pdu_t *pdu;

	if (server->exchanges.count >= FG_COAP_EXCHANGES_MAX)
		return -ENOBUFS;
	e = calloc(1, sizeof(*e));
	pdu = coap_new_pdu(COAP_MESSAGE_CON, method, session);
	if (e)
		token_make(e->token);
	if (!e || !pdu || !coap_add_token(pdu, sizeof(e->token), e->token)) {
		free(e);
		coap_delete_pdu(pdu);
		return -ENOMEM;
	}
	e->server = server;
	e->session = coap_session_reference(session);
	e->next = server->exchanges.first;
	server->exchanges.first = e;
	server->exchanges.count++;
	*ret_exchange = e;
	*ret_pdu = pdu;
	return 0;
}

int fg_coap_exchange_send(struct fg_coap_exchange *exchange, coap_pdu_t *pdu, uint64_t due_ns)
{
	coap_mid_t mid;

	exchange->sending = true;
	mid = coap_send(exchange->session, pdu);
	exchange->sending = false;
	if (mid == COAP_INVALID_MID) {
		fg_coap_exchange_end(exchange);
		return -EIO;
	}
	fg_coap_exchange_wait(exchange, due_ns);
	return 0;
}

static bool options_add(coap_pdu_t *pdu, coap_option_num_t number, struct fg_str text)
{
	unsigned char room[PATH_MAX_BYTES];
	size_t len = sizeof(room);
	const coap_opt_t *at = room;
	int count;

	if (text.len >= sizeof(room) / 2)
		return false;
	if (number == COAP_OPTION_URI_PATH)
		count = coap_split_path((const uint8_t *)text.ptr, text.len, room, &len);
	else
		count = coap_split_query((const uint8_t *)text.ptr, text.len, room, &len);
	for (; count > 0; count--) {
		if (!coap_add_option(pdu, number, coap_opt_length(at), coap_opt_value(at)))
			return false;
		at += coap_opt_size(at);
	}
	return count == 0;
}

bool fg_coap_add_path(coap_pdu_t *pdu, struct fg_str text)
{
	while (text.len && text.ptr[0] == '/')
		text = fg_str(text.ptr + 1, text.len - 1);
	return text.len == 0 || options_add(pdu, COAP_OPTION_URI_PATH, text);
}

bool fg_coap_add_query(coap_pdu_t *pdu, struct fg_str text)
{
	return text.len == 0 || options_add(pdu, COAP_OPTION_URI_QUERY, text);
}

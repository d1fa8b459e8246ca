/*
 * POST and PUT: a payload comes in, is handed to the intake, and is answered when it has been kept.
 *
 * libcoap answers when the handler returns, which is before anything is kept. So the handler turns
 * the response that libcoap has prepared into an empty NON, which libcoap 4.3 drops without a
 * word, and the answer is made by hand when kept() says so: still the piggybacked ACK of the
 * request's own message id (RFC 7252 section 5.2.1). If that takes so long that the client asks
 * again, the empty ACK goes out, and the answer becomes a separate response (section 5.2.2).
 * libcoap's own separate responses (coap_register_async) lose requests with equal tokens.
 */
#include "server.h"

#include <errno.h>
#include <string.h>

#define SEPARATE_MAX 1024	/* separate responses on the way, each a message libcoap holds */
#define SEPARATE_LIFE_S 93	/* MAX_TRANSMIT_WAIT, RFC 7252 section 4.8.2 */
#define NO_RESPONSE_2XX 2	/* RFC 7967 section 2.1 */

/* One POST or PUT. */
struct take {
	struct fg_coap_server *server;
	coap_session_t *session;
	const coap_pdu_t *request;
	coap_pdu_t *response;
	struct fg_coap_client *client;
	struct fg_coap_seen *seen;	/* NULL: not the last block, nothing to remember */
	uint32_t block1;
	int content_format;
	struct fg_str path, payload;
	struct fg_coap_body *body;
};

void fg_coap_say(coap_pdu_t *response, coap_pdu_code_t code, const char *text)
{
	coap_pdu_set_code(response, code);
	if (text)
		coap_add_data(response, strlen(text), (const uint8_t *)text);
}

/* Nothing goes out for this request now. */
static void request_silence(coap_pdu_t *response)
{
	coap_pdu_set_type(response, COAP_MESSAGE_NON);
	coap_pdu_set_code(response, COAP_EMPTY_CODE);
}

/* Options in the order of their numbers, then the text. */
static void take_answer(struct take *t, coap_pdu_code_t code, const char *text)
{
	coap_pdu_set_code(t->response, code);
	if (code == COAP_RESPONSE_CODE_SERVICE_UNAVAILABLE)
		fg_coap_add_number(t->response, COAP_OPTION_MAXAGE, FG_COAP_MAX_AGE_S);
	if (t->block1 != FG_COAP_NO_BLOCK)
		fg_coap_add_number(t->response, COAP_OPTION_BLOCK1, t->block1);
	if (code == COAP_RESPONSE_CODE_REQUEST_TOO_LARGE)
		fg_coap_add_number(t->response, COAP_OPTION_SIZE1, (uint32_t)t->server->conf->body);
	fg_coap_say(t->response, code, text);
	if (t->seen && code != COAP_RESPONSE_CODE_CONTINUE) {
		t->seen->state = FG_COAP_ANSWERED;
		t->seen->code = (uint8_t)code;
	}
}

/* NULL: there is no place, or it came by a session of ours that was given up, and that libcoap
 * keeps for whoever else holds it, without telling of its end. */
static struct fg_coap_client *session_client(struct fg_coap_server *server, coap_session_t *session)
{
	struct fg_coap_client *client = coap_session_get_app_data(session);

	if (!client && (coap_session_get_type(session) != COAP_SESSION_TYPE_CLIENT ||
			fg_coap_remotes_own(server, session))) {
		client = fg_coap_clients_add(&server->clients);
		coap_session_set_app_data(session, client);
		if (client) {
			client->session = session;
			client->peer = ++server->last_peer;
		}
	}
	return client;
}

coap_session_t *fg_coap_peer_session(struct fg_coap_server *server, uint64_t peer)
{
	struct fg_coap_client *client = fg_coap_clients_find(&server->clients, peer);
	coap_session_t *remote = fg_coap_remote_session(server, peer);

	if (remote)
		return remote;
	return client && !fg_coap_is_over(client->session) ? client->session : NULL;
}

/* The same message id again: true if it has been dealt with. */
static bool take_again(struct take *t, uint16_t mid)
{
	struct fg_coap_seen *seen = fg_coap_client_find(t->client, mid, t->server->now_s);

	if (!seen)
		return false;
	if (coap_pdu_get_type(t->request) != COAP_MESSAGE_CON)
		request_silence(t->response);
	else if (seen->state == FG_COAP_ANSWERED)
		take_answer(t, (coap_pdu_code_t)seen->code, NULL);
	else
		seen->state = FG_COAP_HELD;	/* libcoap sends the empty ACK */
	return true;
}

static bool format_known(int format)
{
	static const int known[] = {
		0,	/* text/plain */
		42,	/* application/octet-stream */
		50,	/* application/json */
		60,	/* application/cbor */
		110,	/* application/senml+json, RFC 8428 section 12.3 */
		112,	/* application/senml+cbor */
		11542,	/* application/vnd.oma.lwm2m+tlv */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == format)
			return true;
	return format < 0;
}

static int take_format(struct take *t)
{
	uint32_t value;
	int r = fg_coap_option_number(t->request, COAP_OPTION_CONTENT_FORMAT, &value);

	t->content_format = r == 0 && value <= UINT16_MAX ? (int)value : -1;
	return r == -ENOENT || (r == 0 && format_known((int)(value & UINT16_MAX))) ? 0 : -EINVAL;
}

static uint64_t take_key(const struct take *t)
{
	coap_opt_iterator_t it;
	coap_opt_t *tag = coap_check_option(t->request, COAP_OPTION_RTAG, &it);
	uint64_t key = fg_coap_key(FG_COAP_KEY, t->path);

	key = fg_coap_key(key, fg_str((const char *)&t->content_format, sizeof(t->content_format)));
	if (tag)
		key = fg_coap_key(key,
				  fg_str((const char *)coap_opt_value(tag), coap_opt_length(tag)));
	return key;
}

static void take_reject(struct take *t, const char *reason, coap_pdu_code_t code, const char *text)
{
	fg_source_reject(t->server->source, reason, t->payload);
	take_answer(t, code, text);
}

/* Puts the block where it belongs. True if the body is complete and t->payload is it. */
static bool take_block(struct take *t)
{
	struct fg_coap_block block = {
		.owner = t->session,
		.key = take_key(t),
		.num = t->block1 >> 4,
		.more = t->block1 & 8,
		.szx = t->block1 & 7,
		.bytes = t->payload,
		.now_s = t->server->now_s,
	};

	switch (fg_coap_body_add(&t->server->bodies, &block, &t->body)) {
	case FG_COAP_BODY_MORE:
		take_answer(t, COAP_RESPONSE_CODE_CONTINUE, NULL);
		return false;
	case FG_COAP_BODY_WHOLE:
		t->payload = fg_str((const char *)t->body->data, t->body->len);
		return true;
	case FG_COAP_BODY_MISSING:
		take_answer(t, COAP_RESPONSE_CODE_INCOMPLETE, NULL);
		return false;
	case FG_COAP_BODY_BAD:
		take_reject(t, "malformed", COAP_RESPONSE_CODE_BAD_REQUEST, "block size");
		return false;
	case FG_COAP_BODY_LARGE:
		take_reject(t, "too-large", COAP_RESPONSE_CODE_REQUEST_TOO_LARGE, NULL);
		return false;
	case FG_COAP_BODY_BUSY:
		break;
	}
	take_answer(t, COAP_RESPONSE_CODE_REQUEST_TOO_LARGE, "no room for blocks now");
	return false;
}

/* Reads what the request says about itself; false if it was answered already. */
static bool take_read(struct take *t)
{
	struct fg_coap_server *server = t->server;
	uint32_t size1;
	size_t len = 0;
	const uint8_t *data = NULL;

	coap_get_data(t->request, &len, &data);
	t->payload = fg_str((const char *)data, len);
	if (fg_coap_is_conditional(t->request)) {
		take_reject(t, "condition", COAP_RESPONSE_CODE_BAD_OPTION, "no conditions here");
		return false;
	}
	if (fg_coap_path(t->request, server->address, sizeof(server->address), &t->path) < 0) {
		take_reject(t, "address", COAP_RESPONSE_CODE_BAD_REQUEST, "no path of a device");
		return false;
	}
	if (take_format(t) < 0) {
		take_reject(t, "content-format", COAP_RESPONSE_CODE_UNSUPPORTED_CONTENT_FORMAT,
			    NULL);
		return false;
	}
	if (len > server->conf->body ||
	    (fg_coap_option_number(t->request, COAP_OPTION_SIZE1, &size1) == 0 &&
	     size1 > server->conf->body)) {
		take_reject(t, "too-large", COAP_RESPONSE_CODE_REQUEST_TOO_LARGE, NULL);
		return false;
	}
	return true;
}

static bool take_is_quiet(const struct take *t)
{
	uint32_t value;

	return fg_coap_option_number(t->request, COAP_OPTION_NORESPONSE, &value) == 0 &&
	       (value & NO_RESPONSE_2XX);
}

/* It was taken but is not kept yet. */
static void take_wait(struct take *t, uint64_t pos)
{
	coap_bin_const_t token = coap_pdu_get_token(t->request);
	struct fg_coap_pending item = {
		.session = coap_session_reference(t->session),
		.pos = pos,
		.block1 = t->block1,
		.mid = (uint16_t)coap_pdu_get_mid(t->request),
		.confirmable = coap_pdu_get_type(t->request) == COAP_MESSAGE_CON,
		.quiet = take_is_quiet(t),
		.token_len = (uint8_t)token.length,
	};

	if (token.length)
		memcpy(item.token, token.s, token.length);
	fg_coap_queue_push(&t->server->pending, &item);
	request_silence(t->response);
}

static void take_submit(struct take *t)
{
	struct fg_coap_server *server = t->server;
	struct fg_input input = {
		.address = t->path,
		.payload = t->payload,
		.content_format = t->content_format,
		.peer = t->client->peer,
	};
	uint64_t pos = 0;
	int r = fg_source_submit(server->source, &input, &pos);

	if (r == -EBADMSG)
		take_answer(t, COAP_RESPONSE_CODE_BAD_REQUEST, "payload rejected");
	else if (r == -ENOTSUP)
		take_answer(t, COAP_RESPONSE_CODE_UNSUPPORTED_CONTENT_FORMAT, NULL);
	else if (r < 0)
		take_answer(t, COAP_RESPONSE_CODE_SERVICE_UNAVAILABLE, NULL);
	else if (pos == 0 || pos <= server->kept)
		take_answer(t, COAP_RESPONSE_CODE_CHANGED, NULL);
	else
		take_wait(t, pos);
}

/* Whether there is a body to submit; answers when there is not. */
static bool take_body(struct take *t)
{
	if (!take_read(t))
		return false;
	return t->block1 == FG_COAP_NO_BLOCK || take_block(t);
}

/* The outcome is the answer, now or separately. */
static void take_ask(struct take *t)
{
	if (!t->server->conf->commands || !t->server->source->commands) {
		take_answer(t, COAP_RESPONSE_CODE_FORBIDDEN, "no commands are taken here");
		return;
	}
	if (!fg_coap_ask(t->server, t->session, t->request, t->response, t->path, t->payload)) {
		take_answer(t, COAP_RESPONSE_CODE_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	if (coap_pdu_get_code(t->response) != COAP_EMPTY_CODE)
		return;
	/* libcoap sends the empty ACK */
	if (coap_pdu_get_type(t->request) != COAP_MESSAGE_CON)
		request_silence(t->response);
	else if (t->seen)
		t->seen->state = FG_COAP_HELD;
}

static void request_take(struct take *t)
{
	struct fg_coap_server *server = t->server;
	uint16_t mid = (uint16_t)coap_pdu_get_mid(t->request);
	int r = fg_coap_option_number(t->request, COAP_OPTION_BLOCK1, &t->block1);

	if (r < 0)
		t->block1 = FG_COAP_NO_BLOCK;
	t->client = session_client(server, t->session);
	if (t->client && take_again(t, mid))
		return;
	if (!t->client || server->paused || !fg_coap_queue_reserve(&server->pending) ||
	    coap_pdu_get_token(t->request).length > FG_COAP_TOKEN_MAX) {
		take_answer(t, COAP_RESPONSE_CODE_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	/* a block that is not the last one may come as often as it likes */
	if (t->block1 == FG_COAP_NO_BLOCK || !(t->block1 & 8))
		t->seen = fg_coap_client_note(t->client, mid, server->now_s);
	if (take_body(t)) {
		if (fg_coap_is_ask(t->path))
			take_ask(t);
		else
			take_submit(t);
	}
	if (t->body)
		fg_coap_body_done(&server->bodies, t->body);
}

static void request_get(struct fg_coap_server *server, coap_session_t *session,
			const coap_pdu_t *request, coap_pdu_t *response)
{
	struct fg_str path;

	if (fg_coap_path(request, server->address, sizeof(server->address), &path) < 0)
		fg_coap_say(response, COAP_RESPONSE_CODE_NOT_FOUND, NULL);
	else
		fg_coap_get(server, session, request, path, response);
}

void fg_coap_handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
		    const coap_string_t *query, coap_pdu_t *response)
{
	struct fg_coap_server *server = coap_get_app_data(coap_session_get_context(session));
	struct take t = {
		.server = server,
		.session = session,
		.request = request,
		.response = response,
	};

	(void)resource;
	(void)query;
	server->handled++;
	switch (coap_pdu_get_code(request)) {
	case COAP_REQUEST_CODE_POST:
	case COAP_REQUEST_CODE_PUT:
		request_take(&t);
		break;
	case COAP_REQUEST_CODE_GET:
		request_get(server, session, request, response);
		break;
	default:
		fg_coap_say(response, COAP_RESPONSE_CODE_NOT_ALLOWED, NULL);
		break;
	}
}

bool fg_coap_separate_allowed(struct fg_coap_server *server)
{
	if (server->now_s - server->separate_since_s > SEPARATE_LIFE_S) {
		server->separate_since_s = server->now_s;
		server->separate = 0;
	}
	return server->separate++ < SEPARATE_MAX;
}

static coap_pdu_t *pending_pdu(struct fg_coap_server *server, const struct fg_coap_pending *item,
			       bool held)
{
	coap_session_t *session = item->session;
	coap_pdu_code_t code = item->quiet ? COAP_EMPTY_CODE : COAP_RESPONSE_CODE_CHANGED;

	if (item->confirmable && !held)
		return coap_pdu_init(COAP_MESSAGE_ACK, code, item->mid, 32);
	if (item->quiet)
		return NULL;
	return coap_pdu_init(held && fg_coap_separate_allowed(server) ? COAP_MESSAGE_CON :
									COAP_MESSAGE_NON,
			     code, coap_new_message_id(session), 32);
}

static void pending_answer(struct fg_coap_server *server, const struct fg_coap_pending *item)
{
	struct fg_coap_client *client = coap_session_get_app_data(item->session);
	struct fg_coap_seen *seen = client ? fg_coap_client_find(client, item->mid, server->now_s) :
					     NULL;
	bool held = item->confirmable && seen && seen->state == FG_COAP_HELD;
	coap_pdu_t *pdu = pending_pdu(server, item, held);

	if (seen) {
		seen->state = FG_COAP_ANSWERED;
		seen->code = COAP_RESPONSE_CODE_CHANGED;
	}
	if (pdu && coap_pdu_get_code(pdu) != COAP_EMPTY_CODE) {
		coap_add_token(pdu, item->token_len, item->token);
		if (item->block1 != FG_COAP_NO_BLOCK)
			fg_coap_add_number(pdu, COAP_OPTION_BLOCK1, item->block1);
	}
	if (fg_coap_is_over(item->session))
		coap_delete_pdu(pdu);
	else if (pdu)
		coap_send(item->session, pdu);
	coap_session_release(item->session);
}

void fg_coap_kept(struct fg_source *source, uint64_t upto)
{
	struct fg_coap_server *server = source->state;
	struct fg_coap_pending item;

	if (upto > server->kept)
		server->kept = upto;
	while (fg_coap_queue_pop(&server->pending, server->kept, &item))
		pending_answer(server, &item);
}

void fg_coap_drop_pending(struct fg_coap_server *server)
{
	struct fg_coap_pending item;

	while (fg_coap_queue_pop(&server->pending, UINT64_MAX, &item))
		coap_session_release(item.session);
	fg_coap_queue_fini(&server->pending);
}

/* Observing and polling: when a server is asked, and what becomes of its answers. */
#include <fg/fault.h>

#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEER_REMOTE (UINT64_C(1) << 63)
#define RETRY_FIRST_NS FG_S(1)
#define RETRY_DOUBLED_MAX 8	/* 256 s */
#define MAX_AGE_DEFAULT_S 60	/* RFC 7252 section 5.10.5 */
#define MAX_AGE_GRACE_S 10	/* RFC 7641 section 3.3.1: 5 to 15 s behind Max-Age */
#define FRESH_NS FG_S(128)	/* RFC 7641 section 3.4 */
#define OBSERVE_BITS 0xffffffu
#define ANSWER_NS FG_S(100)

struct fg_coap_lookup {
	struct fg_work work;
	struct fg_coap_remote *remote;	/* NULL: nobody waits for it any more */
	int error;
	coap_address_t address;
	char port[8];
	char host[];
};

static void remote_ask(struct fg_coap_remote *r);

static uint64_t jitter(uint64_t ns)
{
	uint32_t random;

	coap_prng(&random, sizeof(random));
	return ns / 2 + ns / 2 * (random & 0xffff) / 0xffff;
}

/* All: the session too. */
static void remote_stop(struct fg_coap_remote *r, bool all)
{
	if (r->exchange)
		fg_coap_exchange_end(r->exchange);
	if (r->block)
		fg_coap_exchange_end(r->block);
	r->exchange = r->block = NULL;
	if (!all || !r->session)
		return;
	fg_coap_forget(r->server, r->session);
	coap_session_release(r->session);
	r->session = NULL;
}

/* Not here but by the timer the session is given back: libcoap may be about to use it. */
static void remote_fails(struct fg_coap_remote *r, const char *why)
{
	uint32_t doubled = r->failures < RETRY_DOUBLED_MAX ? r->failures : RETRY_DOUBLED_MAX;

	fg_log(&r->server->source->logger, r->failures < 3 ? FG_WARN : FG_DEBUG, "no reading",
	       "of=%s why=\"%s\" attempt=%u", r->name, why, r->failures);
	r->failures++;
	r->failed = true;
	fg_timer_start(&r->timer, jitter(RETRY_FIRST_NS << (doubled + 1)));
}

/* -- taking -- */

static uint64_t peer_of(const struct fg_coap_remote *r)
{
	return PEER_REMOTE | ((uint64_t)(r - r->server->remotes.items) + 1);
}

/* It is asked for again: by fg_coap_remotes_resume(), or in a moment if nothing is paused. */
static enum fg_coap_answer remote_refuse(struct fg_coap_remote *r)
{
	fg_log(&r->server->source->logger, FG_DEBUG, "reading waits", "of=%s", r->name);
	r->refused = true;
	if (!r->server->paused)
		fg_timer_start(&r->timer, RETRY_FIRST_NS);
	return FG_COAP_ANSWER_REFUSE;
}

static enum fg_coap_answer remote_submit(struct fg_coap_remote *r, struct fg_str payload,
					 int format, const coap_pdu_t *response)
{
	struct fg_coap_server *server = r->server;
	bool confirmable = coap_pdu_get_type(response) == COAP_MESSAGE_CON;
	const struct fg_input input = {
		.address = fg_str_c(r->address),
		.payload = payload,
		.content_format = format >= 0 ? format : (int)r->conf->content_format,
		.peer = peer_of(r),
	};
	uint64_t pos = 0;
	int e;

	if (server->paused || (confirmable && !fg_coap_queue_reserve(&server->pending)))
		return remote_refuse(r);
	e = fg_source_submit(server->source, &input, &pos);
	if (e == -EAGAIN)
		return remote_refuse(r);
	if (e < 0 || !confirmable || pos <= server->kept)
		return FG_COAP_ANSWER_KEEP;
	/* an acknowledgement without more, when it is kept */
	fg_coap_queue_push(&server->pending, &(struct fg_coap_pending){
						     .session = coap_session_reference(r->session),
						     .pos = pos,
						     .block1 = FG_COAP_NO_BLOCK,
						     .mid = (uint16_t)coap_pdu_get_mid(response),
						     .confirmable = true,
						     .quiet = true,
					     });
	return FG_COAP_ANSWER_SILENCE;
}

static int format_of(const coap_pdu_t *response)
{
	uint32_t value;

	return fg_coap_option_number(response, COAP_OPTION_CONTENT_FORMAT, &value) == 0 &&
			       value <= UINT16_MAX ?
		       (int)value :
		       -1;
}

static uint32_t number_of(const coap_pdu_t *response, coap_option_num_t option, uint32_t otherwise)
{
	uint32_t value;

	return fg_coap_option_number(response, option, &value) == 0 ? value : otherwise;
}

static void remote_fetch(struct fg_coap_remote *r, unsigned szx);

static enum fg_coap_answer block_answered(struct fg_coap_exchange *exchange,
					  const coap_pdu_t *response, const char *why)
{
	struct fg_coap_remote *r = exchange->arg;
	const uint8_t *data = NULL;
	uint32_t block;
	size_t len = 0;

	r->block = NULL;
	block = response ? number_of(response, COAP_OPTION_BLOCK2, UINT32_MAX) : UINT32_MAX;
	if (block == UINT32_MAX || block >> 4 != r->next_block ||
	    coap_pdu_get_code(response) != COAP_RESPONSE_CODE_CONTENT ||
	    number_of(response, COAP_OPTION_ETAG, 0) != r->etag) {
		remote_fails(r, why ? why : "its blocks do not fit together");
		return FG_COAP_ANSWER_END;
	}
	coap_get_data(response, &len, &data);
	fg_buf_add(&r->body, data, len);
	if (r->body.failed) {
		fg_source_reject(r->server->source, "too-large", fg_buf_view(&r->body));
	} else if (block & 8) {
		r->next_block++;
		remote_fetch(r, block & 7);
	} else {
		/* the last block is acknowledged as the others were; its exchange is over */
		(void)remote_submit(r, fg_buf_view(&r->body), r->format, response);
	}
	return FG_COAP_ANSWER_END;
}

static enum fg_coap_answer body_begin(struct fg_coap_remote *r, const coap_pdu_t *response,
				      struct fg_str data, uint32_t block)
{
	fg_buf_reset(&r->body);
	fg_buf_str(&r->body, data);
	r->etag = number_of(response, COAP_OPTION_ETAG, 0);
	r->format = format_of(response);
	r->next_block = 1;
	if (r->block)
		fg_coap_exchange_end(r->block);
	r->block = NULL;
	remote_fetch(r, block & 7);
	return FG_COAP_ANSWER_KEEP;
}

/* RFC 7641 section 3.4: false for what is older than what came before it. */
static bool notification_is_new(struct fg_coap_remote *r, uint32_t number)
{
	uint64_t now = fg_loop_now(r->server->source->loop);
	uint32_t ahead = (number - r->number) & OBSERVE_BITS;
	bool fresh = !r->numbered || now - r->number_ns > FRESH_NS ||
		     (ahead > 0 && ahead < (OBSERVE_BITS + 1) / 2);

	if (!fresh)
		return false;
	r->numbered = true;
	r->number = number;
	r->number_ns = now;
	return true;
}

/* When to ask again, if nothing comes. */
static void remote_later(struct fg_coap_remote *r, const coap_pdu_t *response, bool observed)
{
	uint32_t max_age = number_of(response, COAP_OPTION_MAXAGE, MAX_AGE_DEFAULT_S);

	if (!r->observe) {
		fg_timer_start(&r->timer, (uint64_t)r->conf->interval_ns);
		return;
	}
	/* a server that takes no observers is asked as often as its answers last */
	if (!observed && max_age < MAX_AGE_DEFAULT_S)
		max_age = MAX_AGE_DEFAULT_S;
	fg_timer_start(&r->timer, FG_S(max_age) + jitter(FG_S(MAX_AGE_GRACE_S)));
}

static enum fg_coap_answer remote_take(struct fg_coap_remote *r, const coap_pdu_t *response)
{
	uint32_t number = number_of(response, COAP_OPTION_OBSERVE, UINT32_MAX);
	uint32_t block = number_of(response, COAP_OPTION_BLOCK2, 0);
	bool observed = r->observe && number != UINT32_MAX;
	enum fg_coap_answer answer;
	const uint8_t *data = NULL;
	size_t len = 0;

	r->failures = 0;
	remote_later(r, response, observed);
	if (observed)
		fg_coap_exchange_wait(r->exchange, 0);
	coap_get_data(response, &len, &data);
	if (observed && !notification_is_new(r, number & OBSERVE_BITS))
		answer = FG_COAP_ANSWER_KEEP;
	else if (block & 8)
		answer = body_begin(r, response, fg_str((const char *)data, len), block);
	else
		answer = remote_submit(r, fg_str((const char *)data, len), format_of(response),
				       response);
	return answer;
}

static enum fg_coap_answer remote_answered(struct fg_coap_exchange *exchange,
					   const coap_pdu_t *response, const char *why)
{
	struct fg_coap_remote *r = exchange->arg;
	enum fg_coap_answer answer;
	char text[48];

	if (!response) {
		r->exchange = NULL;
		remote_fails(r, why);
		return FG_COAP_ANSWER_END;
	}
	if (coap_pdu_get_code(response) != COAP_RESPONSE_CODE_CONTENT) {
		snprintf(text, sizeof(text), "answered %u.%02u",
			 (unsigned)coap_pdu_get_code(response) >> 5,
			 (unsigned)coap_pdu_get_code(response) & 31);
		r->exchange = NULL;
		remote_fails(r, text);
		return FG_COAP_ANSWER_END;
	}
	answer = remote_take(r, response);
	if (answer == FG_COAP_ANSWER_REFUSE) {
		r->exchange = NULL;
		return answer;
	}
	if (number_of(response, COAP_OPTION_OBSERVE, UINT32_MAX) != UINT32_MAX && r->observe)
		return answer;
	/* one answer is all there is; not acknowledged yet it may still be */
	if (answer == FG_COAP_ANSWER_KEEP) {
		r->exchange = NULL;
		return FG_COAP_ANSWER_END;
	}
	fg_coap_exchange_wait(exchange, 0);
	return answer;
}

/* -- asking -- */

static bool request_write(const struct fg_coap_remote *r, coap_pdu_t *pdu, bool observe,
			  int64_t block)
{
	struct fg_str path = { (const char *)r->uri.path.s, r->uri.path.length };
	struct fg_str query = { (const char *)r->uri.query.s, r->uri.query.length };

	if (observe)
		fg_coap_add_number(pdu, COAP_OPTION_OBSERVE, COAP_OBSERVE_ESTABLISH);
	if (!fg_coap_add_path(pdu, path) || !fg_coap_add_query(pdu, query))
		return false;
	if (r->conf->content_format >= 0)
		fg_coap_add_number(pdu, COAP_OPTION_ACCEPT, (uint32_t)r->conf->content_format);
	if (block >= 0)
		fg_coap_add_number(pdu, COAP_OPTION_BLOCK2, (uint32_t)block);
	return true;
}

/* NULL: it could not be sent, and the failure is seen to. */
static struct fg_coap_exchange *remote_send(struct fg_coap_remote *r, fg_coap_answered_fn *answered,
					    bool observe, int64_t block)
{
	struct fg_coap_server *server = r->server;
	uint64_t due = fg_loop_now(server->source->loop) + ANSWER_NS;
	struct fg_coap_exchange *exchange;
	coap_pdu_t *pdu;

	if (fg_coap_exchange_new(server, r->session, COAP_REQUEST_CODE_GET, &exchange, &pdu) < 0) {
		remote_fails(r, "no room for a request");
		return NULL;
	}
	exchange->answered = answered;
	exchange->arg = r;
	if (!request_write(r, pdu, observe, block)) {
		coap_delete_pdu(pdu);
		fg_coap_exchange_end(exchange);
		remote_fails(r, "its path is too long");
		return NULL;
	}
	if (fg_coap_exchange_send(exchange, pdu, due) < 0) {
		remote_fails(r, "cannot send");
		return NULL;
	}
	return exchange;
}

static void remote_fetch(struct fg_coap_remote *r, unsigned szx)
{
	r->block = remote_send(r, block_answered, false, (int64_t)r->next_block << 4 | szx);
}

static void remote_connect(struct fg_coap_remote *r, const coap_address_t *address)
{
	const struct fg_secrets *psk = &r->conf->psk;
	coap_dtls_cpsk_t setup = { .version = COAP_DTLS_CPSK_SETUP_VERSION };

	if (!coap_uri_scheme_is_secure(&r->uri)) {
		r->session =
			coap_new_client_session(r->server->context, NULL, address, COAP_PROTO_UDP);
	} else if (psk->count == 1 && psk->items[0].value) {
		setup.psk_info.identity.s = (const uint8_t *)psk->names[0];
		setup.psk_info.identity.length = strlen(psk->names[0]);
		setup.psk_info.key.s = (const uint8_t *)psk->items[0].value;
		setup.psk_info.key.length = psk->items[0].len;
		r->session = coap_new_client_session_psk2(r->server->context, NULL, address,
							  COAP_PROTO_DTLS, &setup);
	}
	if (r->session)
		remote_ask(r);
	else
		remote_fails(r, "no session");
}

static void lookup_work(struct fg_work *work)
{
	struct fg_coap_lookup *lookup =
		(void *)((char *)work - offsetof(struct fg_coap_lookup, work));
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV }, *found;

	lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &found);
	if (lookup->error)
		return;
	coap_address_init(&lookup->address);
	memcpy(&lookup->address.addr, found->ai_addr, found->ai_addrlen);
	lookup->address.size = found->ai_addrlen;
	freeaddrinfo(found);
}

static void lookup_done(struct fg_work *work)
{
	struct fg_coap_lookup *lookup =
		(void *)((char *)work - offsetof(struct fg_coap_lookup, work));
	struct fg_coap_remote *r = lookup->remote;

	if (r) {
		r->lookup = NULL;
		if (lookup->error)
			remote_fails(r, gai_strerror(lookup->error));
		else
			remote_connect(r, &lookup->address);
	}
	free(lookup);
}

static void remote_look_up(struct fg_coap_remote *r)
{
	struct fg_coap_lookup *lookup = calloc(1, sizeof(*lookup) + r->uri.host.length + 1);

	if (!lookup) {
		remote_fails(r, "out of memory");
		return;
	}
	memcpy(lookup->host, r->uri.host.s, r->uri.host.length);
	snprintf(lookup->port, sizeof(lookup->port), "%u", r->uri.port);
	lookup->remote = r;
	lookup->work.work = lookup_work;
	lookup->work.done = lookup_done;
	if (fg_loop_work(r->server->source->loop, &lookup->work) == 0) {
		r->lookup = lookup;
		return;
	}
	free(lookup);
	remote_fails(r, "no worker");
}

static void remote_ask(struct fg_coap_remote *r)
{
	r->numbered = r->refused = false;
	r->exchange = remote_send(r, remote_answered, r->observe, -1);
}

static void remote_due(struct fg_timer *timer)
{
	struct fg_coap_remote *r = (void *)((char *)timer - offsetof(struct fg_coap_remote, timer));

	remote_stop(r, r->failed);
	r->failed = false;
	if (r->session)
		remote_ask(r);
	else if (!r->lookup)
		remote_look_up(r);
}

/* -- from open to closed -- */

static int remote_init(struct fg_coap_remote *r, const char *name, bool observe,
		       const struct fg_coap_remote_conf *conf)
{
	const char *device = conf->device ? conf->device : name;

	r->conf = conf;
	r->name = name;
	r->observe = observe;
	fg_buf_init(&r->body, (size_t)r->server->conf->body);
	fg_timer_init(r->server->source->loop, &r->timer, remote_due);
	if (coap_split_uri((const uint8_t *)conf->url, strlen(conf->url), &r->uri) < 0)
		return -EINVAL;
	if (asprintf(&r->address, "%s%s%.*s", device, r->uri.path.length ? "/" : "",
		     (int)r->uri.path.length, (const char *)r->uri.path.s) < 0) {
		r->address = NULL;
		return -ENOMEM;
	}
	return fg_timer_start(&r->timer, 0);
}

int fg_coap_remotes_open(struct fg_coap_server *server)
{
	const struct fg_map *maps[] = { &server->conf->observe, &server->conf->poll };
	struct fg_coap_remotes *remotes = &server->remotes;
	size_t count = maps[0]->count + maps[1]->count;
	int error = 0;

	remotes->items = calloc(count ? count : 1, sizeof(*remotes->items));
	if (!remotes->items)
		return -ENOMEM;
	for (size_t m = 0; m < 2; m++) {
		const struct fg_coap_remote_conf *confs = maps[m]->items;

		for (size_t i = 0; i < maps[m]->count && error == 0; i++) {
			struct fg_coap_remote *r = &remotes->items[remotes->count++];

			r->server = server;
			error = remote_init(r, maps[m]->names[i], m == 0, &confs[i]);
		}
	}
	return error;
}

void fg_coap_remotes_close(struct fg_coap_server *server)
{
	for (size_t i = 0; i < server->remotes.count; i++) {
		struct fg_coap_remote *r = &server->remotes.items[i];

		if (r->lookup)
			r->lookup->remote = NULL;
		r->lookup = NULL;
		fg_handle_close(&r->timer.handle, NULL);
	}
}

void fg_coap_remotes_fini(struct fg_coap_server *server)
{
	for (size_t i = 0; i < server->remotes.count; i++) {
		struct fg_coap_remote *r = &server->remotes.items[i];

		remote_stop(r, true);
		fg_buf_fini(&r->body);
		free(r->address);
	}
	free(server->remotes.items);
	server->remotes = (struct fg_coap_remotes){ 0 };
}

void fg_coap_remotes_resume(struct fg_coap_server *server)
{
	for (size_t i = 0; i < server->remotes.count; i++) {
		struct fg_coap_remote *r = &server->remotes.items[i];

		if (r->refused && !r->failed)
			fg_timer_start(&r->timer, 0);
	}
}

bool fg_coap_remotes_own(const struct fg_coap_server *server, const coap_session_t *session)
{
	for (size_t i = 0; i < server->remotes.count; i++)
		if (server->remotes.items[i].session == session)
			return true;
	return false;
}

coap_session_t *fg_coap_remote_session(struct fg_coap_server *server, uint64_t peer)
{
	uint64_t at = (peer & ~PEER_REMOTE) - 1;

	return (peer & PEER_REMOTE) && at < server->remotes.count ?
		       server->remotes.items[at].session :
		       NULL;
}

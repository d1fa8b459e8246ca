/*
 * libcoap as a citizen of the loop. Its own epoll descriptor is watched (nested, level-triggered,
 * so that stopping early is safe), and its timers are a timerfd behind that descriptor.
 *
 * What libcoap 4.3.1 and 4.3.4 do behind one's back:
 *  - coap_io_process takes one datagram a call and walks all sessions each time. The same event
 *    several times in one coap_io_do_epoll() takes as many datagrams; what was one too many costs a
 *    recvmsg that finds nothing, and a log line, hence the log level.
 *  - Log level and handler are the process's. Even a peer's RST is logged as an alert.
 *  - Sessions are freed without an event when the context is, so nothing of theirs may need one.
 *  - COAP_BLOCK_USE_LIBCOAP keeps a record for every transfer that any datagram begins, without a
 *    bound; so blocks are done here (body.c, view.c) and no block mode is set.
 *  - A datagram of more than 1,472 bytes is cut without a word.
 *  - Each ClientHello from a new address takes a place of its own, so at coaps:// there is a gate
 *    before it (gate.h).
 */
#include "server.h"

#include "adapt/tls.h"
#include "listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TURN_BUDGET 256		/* datagrams a turn; the rest waits for the next one */
#define TURN_TIME FG_MS(5)	/* each new peer costs a walk over all sessions */
#define REPEAT_MAX 64
#define EVENTS_MAX 8
#define HANDSHAKES_MAX 128
#define SESSION_LIFE_S 3600	/* a device that was silent for longer cannot be commanded */
#define SWEEP_S 30
#define VIEW_LIFE_S 60
#define KEY_MAX 256		/* OpenSSL's bound; libcoap cuts longer keys without a word */
/* One less than what libcoap reads, so that a datagram that was cut is always refused. */
#define DATAGRAM_MAX 1471

static void server_sweep_later(struct fg_coap_server *server)
{
	bool needed = server->bodies.count > 0;

	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		needed |= server->views[i].owner != NULL;
	if (needed && !fg_timer_active(&server->sweep))
		fg_timer_start(&server->sweep, FG_S(SWEEP_S));
}

static void server_sweep(struct fg_timer *timer)
{
	struct fg_coap_server *server =
		(void *)((char *)timer - offsetof(struct fg_coap_server, sweep));

	server->now_s = fg_loop_now(timer->handle.loop) / FG_S(1);
	fg_coap_bodies_expire(&server->bodies, server->now_s);
	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		if (server->views[i].owner && server->now_s - server->views[i].used_s > VIEW_LIFE_S)
			fg_coap_view_done(&server->views[i]);
	server_sweep_later(server);
}

/* Every readable socket `repeat` times, one with a gate only as often as that lets through, then
 * what else there is (libcoap's timer). */
static size_t events_repeat(const struct fg_coap_server *server, const struct epoll_event *found,
			    int count, uint32_t repeat, uint32_t passed, struct epoll_event *out)
{
	size_t len = 0;

	for (int i = 0; i < count; i++) {
		uint32_t times = found[i].data.ptr && (found[i].events & EPOLLIN) ? repeat : 1;

		if (server->gate && found[i].data.ptr == server->gate->event)
			times = passed;
		for (uint32_t k = 0; k < times && len < REPEAT_MAX + EVENTS_MAX; k++)
			out[len++] = found[i];
	}
	return len;
}

bool fg_coap_is_over(const coap_session_t *session)
{
	return coap_session_get_state(session) == COAP_SESSION_STATE_NONE;
}

/* Who has ended his session may come back at once, from the same port. Not while libcoap tells of
 * it: whoever was sending there would find nothing left. */
static void server_give_back(struct fg_coap_server *server)
{
	if (!server->ended)
		return;
	server->ended = false;
	fg_coap_watches_end(server, false);
	fg_coap_asks_end(server, false);
	fg_coap_exchanges_late(server);
	/* what nobody holds any more is freed */
	coap_io_do_epoll(server->context, NULL, 0);
}

/* One call into libcoap that takes up to `repeat` datagrams. True if there may be more. */
static bool server_drain(struct fg_coap_server *server, uint32_t repeat)
{
	struct epoll_event found[EVENTS_MAX], events[REPEAT_MAX + EVENTS_MAX];
	int count = epoll_wait(server->io.fd, found, EVENTS_MAX, 0);
	uint32_t before = server->handled, passed = 0;
	bool more = false;

	if (count <= 0)
		return false;
	if (server->gate)
		passed = fg_coap_gate_pass(server->gate, server->context, &server->source->logger,
					   fg_loop_now(server->source->loop), repeat, &more);
	coap_io_do_epoll(server->context, events,
			 events_repeat(server, found, count, repeat, passed, events));
	server_give_back(server);
	return more || server->handled - before >= repeat;
}

/* As many as the turns before found, then in small steps: a call costs a walk over all sessions and
 * two system calls, a datagram that is not there costs one. */
static void server_readable(struct fg_io *io, unsigned events)
{
	struct fg_coap_server *server = (void *)((char *)io - offsetof(struct fg_coap_server, io));
	uint32_t repeat = server->expected / 4, taken = 0;
	uint64_t end_ns = fg_loop_now(io->handle.loop) + TURN_TIME;

	(void)events;
	server->now_s = fg_loop_now(io->handle.loop) / FG_S(1);
	server->handled = 0;
	repeat = repeat < 1 ? 1 : repeat > REPEAT_MAX ? REPEAT_MAX : repeat;
	while (taken < TURN_BUDGET && server_drain(server, repeat)) {
		taken += repeat;
		repeat = 1 + repeat / 4;
		if (fg_loop_update_now(io->handle.loop) >= end_ns)
			break;
	}
	server->expected += server->handled - server->expected / 4;
	server_sweep_later(server);
}

/* -- DTLS with pre-shared keys (RFC 7252 section 9.1.3.1) -- */

static const coap_bin_const_t *psk_of(const struct fg_coap_server *server,
				      const coap_bin_const_t *identity)
{
	const struct fg_secrets *psk = &server->conf->psk;

	for (size_t i = 0; identity && i < psk->count; i++)
		if (strlen(psk->names[i]) == identity->length &&
		    memcmp(psk->names[i], identity->s, identity->length) == 0)
			return &server->keys[i];
	return NULL;
}

static void psk_warn(struct fg_coap_server *server, struct fg_log_limit *limit, const char *what,
		     const coap_bin_const_t *identity)
{
	uint32_t left_out;
	char text[100];

	if (fg_log_allowed(limit, fg_loop_now(server->source->loop), 10, &left_out))
		fg_log(&server->source->logger, FG_WARN, what, "identity=%s left_out=%u",
		       fg_log_quote(identity->s, identity->length, text, sizeof(text)), left_out);
}

static const coap_bin_const_t *psk_find(coap_bin_const_t *identity, coap_session_t *session,
					void *arg)
{
	struct fg_coap_server *server = arg;
	const coap_bin_const_t *key = psk_of(server, identity);

	(void)session;
	if (!key)
		psk_warn(server, &server->unknown_identity, "unknown psk identity", identity);
	return key;
}

/* A record that another key has made is dropped without a word (RFC 6347 section 4.1.2.7), so all
 * there is to see of a wrong key is a handshake that ends when both have given it up. */
static void psk_ended(struct fg_coap_server *server, coap_session_t *session)
{
	const coap_bin_const_t *identity = coap_session_get_psk_identity(session);

	if (coap_session_get_state(session) == COAP_SESSION_STATE_HANDSHAKE &&
	    psk_of(server, identity))
		psk_warn(server, &server->unproved, "psk not proved, perhaps another key",
			 identity);
}

static int server_keys(struct fg_coap_server *server)
{
	const struct fg_secrets *psk = &server->conf->psk;
	coap_dtls_spsk_t setup = { .version = COAP_DTLS_SPSK_SETUP_VERSION };

	server->keys = calloc(psk->count ? psk->count : 1, sizeof(*server->keys));
	if (!server->keys)
		return -ENOMEM;
	for (size_t i = 0; i < psk->count; i++) {
		const struct fg_secret *secret = &psk->items[i];

		if (!secret->value || secret->len == 0 || secret->len > KEY_MAX) {
			fg_log(&server->source->logger, FG_ERROR, "psk is no key of 1 to 256 bytes",
			       "identity=%s", psk->names[i]);
			return -EINVAL;
		}
		server->keys[i].s = (const uint8_t *)secret->value;
		server->keys[i].length = secret->len;
	}
	setup.validate_id_call_back = psk_find;
	setup.id_call_back_arg = server;
	setup.psk_info.hint.s = (const uint8_t *)"";
	return coap_context_set_psk2(server->context, &setup) ? 0 : -EIO;
}

/* -- coming up -- */

void fg_coap_forget(struct fg_coap_server *server, coap_session_t *session)
{
	fg_coap_clients_remove(&server->clients, coap_session_get_app_data(session));
	coap_session_set_app_data(session, NULL);
	fg_coap_bodies_forget(&server->bodies, session);
	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		if (server->views[i].owner == session)
			fg_coap_view_done(&server->views[i]);
}

static int server_event(coap_session_t *session, const coap_event_t event)
{
	struct fg_coap_server *server = coap_get_app_data(coap_session_get_context(session));

	if (event == COAP_EVENT_DTLS_CLOSED)
		psk_ended(server, session);
	if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_DTLS_ERROR)
		server->ended = true;
	if (event == COAP_EVENT_SERVER_SESSION_DEL)
		fg_coap_forget(server, session);
	return 0;
}

/* Where it cannot be had coaps:// is served all the same: only newcomers can then be kept out. */
static int server_gate(struct fg_coap_server *server, const struct fg_coap_listen *listen,
		       const struct fg_tls_made *made)
{
	int r;

	server->gate = calloc(1, sizeof(*server->gate));
	if (!server->gate)
		return -ENOMEM;
	r = fg_coap_gate_open(server->gate, server->context, listen);
	if (r == 0) {
		fg_tls_made_trust_cookies(made);
		return 0;
	}
	free(server->gate);
	server->gate = NULL;
	if (r != -ENOTSUP)
		return r;
	fg_log(&server->source->logger, FG_WARN, "no gate against floods of ClientHellos",
	       "reason=\"libcoap's socket is not found\"");
	return 0;
}

/* libcoap binds with SO_REUSEADDR, so that a second server would take the port from the first one
 * without either of them knowing. */
static int listen_is_free(const struct fg_coap_listen *listen, bool shared)
{
	int fd = socket(listen->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = shared;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		r = -errno;
	else if (bind(fd, &listen->sa, listen->len) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int server_listen(struct fg_coap_server *server, const struct fg_coap_listen *listen)
{
	bool shared = server->conf->shared;
	coap_address_t address;
	coap_endpoint_t *endpoint;

	coap_address_init(&address);
	memcpy(&address.addr, &listen->sa, listen->len);
	address.size = listen->len;
	if (shared)
		coap_address_set_port(&address, 0);
	endpoint = coap_new_endpoint(server->context, &address,
				     listen->secure ? COAP_PROTO_DTLS : COAP_PROTO_UDP);
	if (!endpoint)
		return -EADDRINUSE;
	if (!listen->secure)
		coap_endpoint_set_default_mtu(endpoint, DATAGRAM_MAX);
	return shared ? fg_coap_port_share(listen) : 0;
}

static int server_resources(struct fg_coap_server *server)
{
	static const coap_request_t methods[] = {
		COAP_REQUEST_GET,   COAP_REQUEST_POST,	COAP_REQUEST_DELETE,
		COAP_REQUEST_FETCH, COAP_REQUEST_PATCH, COAP_REQUEST_IPATCH,
	};
	coap_resource_t *any = coap_resource_unknown_init(fg_coap_handle);
	coap_resource_t *core = coap_resource_init(coap_make_str_const(".well-known/core"), 0);

	/* a method without a handler would be answered 4.04, and DELETE even 2.02 */
	for (size_t i = 0; any && i < sizeof(methods) / sizeof(methods[0]); i++)
		coap_register_request_handler(any, methods[i], fg_coap_handle);
	if (core)
		coap_register_request_handler(core, COAP_REQUEST_GET, fg_coap_handle_core);
	if (any)
		coap_add_resource(server->context, any);
	if (core)
		coap_add_resource(server->context, core);
	return any && core ? 0 : -ENOMEM;
}

/* One is made for DTLS too, whatever is listened to. */
static int context_new(struct fg_coap_server *server)
{
	coap_startup();
	coap_set_log_level((coap_log_t)LOG_EMERG);
	server->context = coap_new_context(NULL);
	if (!server->context)
		return fg_tls_beyond_repair() ? -ENOTRECOVERABLE : -ENOMEM;
	return 0;
}

static int server_context(struct fg_coap_server *server)
{
	coap_set_app_data(server->context, server);
	coap_register_event_handler(server->context, server_event);
	coap_context_set_session_timeout(server->context, SESSION_LIFE_S);
	coap_context_set_max_idle_sessions(server->context, (unsigned)server->conf->clients);
	coap_context_set_max_handshake_sessions(server->context, HANDSHAKES_MAX);
	return server_resources(server);
}

static void server_init(struct fg_coap_server *server, struct fg_source *source)
{
	server->source = source;
	server->conf = source->conf;
	/* clients whose answer is pending are not idle, and so come on top */
	fg_coap_clients_init(&server->clients, (size_t)server->conf->clients + FG_COAP_PENDING_MAX);
	fg_coap_bodies_init(&server->bodies, (size_t)server->conf->body);
	fg_io_init(source->loop, &server->io, server_readable);
	fg_timer_init(source->loop, &server->sweep, server_sweep);
	fg_timer_init(source->loop, &server->exchanges.patience, NULL);
	fg_coap_watches_init(server);
	/* names from before this opening are nobody's now */
	server->last_peer = fg_loop_now(source->loop);
}

int fg_coap_open(struct fg_source *source)
{
	struct fg_coap_server *server = source->state;
	struct fg_tls_made made = { .index = -1 };
	struct fg_coap_listen listen;
	const char *why;
	int r;

	server_init(server, source);
	r = fg_coap_listen_parse(server->conf->listen, &listen, &why);
	if (r == 0)
		r = listen_is_free(&listen, server->conf->shared);
	if (r == 0 && listen.secure)
		r = fg_tls_made_begin(&made);
	if (r == 0)
		r = context_new(server);
	fg_tls_made_end(&made);
	if (r == 0)
		r = server_context(server);
	if (r == 0)
		fg_coap_exchanges_init(server);
	if (r == 0 && listen.secure)
		r = server_keys(server);
	if (r == 0)
		r = server_listen(server, &listen);
	if (r == 0 && coap_context_get_coap_fd(server->context) < 0)
		r = -ENOTSUP;
	if (r == 0 && listen.secure)
		r = server_gate(server, &listen, &made);
	if (r == 0)
		r = fg_io_sync(&server->io, coap_context_get_coap_fd(server->context), FG_READ,
			       true);
	if (r == 0)
		r = fg_coap_remotes_open(server);
	if (r == 0)
		fg_source_up(source);
	return r;
}

/* -- going down -- */

static void server_free(struct fg_coap_server *server)
{
	/* references first: a context is not freed with sessions in use */
	fg_coap_drop_pending(server);
	fg_coap_asks_end(server, true);
	fg_coap_watches_end(server, true);
	fg_coap_remotes_fini(server);
	fg_coap_exchanges_fini(server);
	coap_free_context(server->context);
	fg_coap_clients_fini(&server->clients);
	fg_coap_bodies_fini(&server->bodies);
	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		fg_coap_view_done(&server->views[i]);
	free(server->keys);
	free(server->gate);
	fg_source_closed(server->source);
}

static void server_io_closed(struct fg_handle *handle)
{
	server_free((void *)((char *)handle - offsetof(struct fg_coap_server, io)));
}

static void server_timer_closed(struct fg_handle *handle)
{
	struct fg_coap_server *server =
		(void *)((char *)handle - offsetof(struct fg_coap_server, sweep));

	fg_handle_close(&server->io.handle, server_io_closed);
}

void fg_coap_close(struct fg_source *source)
{
	struct fg_coap_server *server = source->state;

	/* one after the other: memory goes when all are closed. Nothing comes in from now on. */
	fg_io_stop(&server->io);
	fg_coap_remotes_close(server);
	fg_handle_close(&server->exchanges.patience.handle, NULL);
	fg_handle_close(&server->watches.timer.handle, NULL);
	fg_handle_close(&server->sweep.handle, server_timer_closed);
}

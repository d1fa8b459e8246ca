/* Who observes what, and when they are told. */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEQUENCE_BITS 0xffffffu
#define SEQUENCES_A_S 16

static uint64_t now_of(const struct fg_coap_server *server)
{
	return fg_loop_now(server->source->loop);
}

uint32_t fg_coap_watch_sequence(struct fg_coap_server *server)
{
	server->watches.sequence = (server->watches.sequence + 1) & SEQUENCE_BITS;
	return server->watches.sequence;
}

/* -- the list -- */

static struct fg_coap_watch *watch_find(struct fg_coap_server *server,
					const coap_session_t *session, coap_bin_const_t token)
{
	struct fg_coap_watch *w = server->watches.first;

	while (w && !(w->session == session && w->token_len == token.length &&
		      memcmp(w->token, token.s, token.length) == 0))
		w = w->next;
	return w;
}

static void watch_free(struct fg_coap_watch *w)
{
	struct fg_coap_watches *watches = &w->server->watches;
	struct fg_coap_watch **at = &watches->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	watches->count--;
	fg_source_unwatch(w->server->source, &w->watch);
	coap_session_release(w->session);
	free(w);
}

void fg_coap_watch_remove(struct fg_coap_server *server, const coap_session_t *session,
			  coap_bin_const_t token)
{
	struct fg_coap_watch *w = watch_find(server, session, token);

	if (w)
		watch_free(w);
}

void fg_coap_watch_failed(struct fg_coap_server *server, const coap_session_t *session,
			  coap_bin_const_t token)
{
	struct fg_coap_watch *w = watch_find(server, session, token);

	if (!w)
		return;
	w->over = true;
	fg_timer_start(&server->watches.timer, 0);
}

/* -- telling -- */

static bool watch_confirms(const struct fg_coap_watch *w, uint64_t now)
{
	return now - w->con_ns >= FG_S(FG_COAP_WATCH_CON_S);
}

/* False: it has to wait, until confirming is its turn again. */
static bool watch_may_tell(const struct fg_coap_watch *w, uint64_t now)
{
	return watch_confirms(w, now) || w->nons < FG_COAP_WATCH_NON_MAX;
}

/* The value has gone, or it could not be sent: the observation ends. */
static bool watch_tell(struct fg_coap_watch *w, uint64_t now)
{
	bool confirm = watch_confirms(w, now);
	coap_pdu_t *pdu = coap_new_pdu(confirm ? COAP_MESSAGE_CON : COAP_MESSAGE_NON,
				       COAP_RESPONSE_CODE_CONTENT, w->session);

	w->dirty = false;
	w->told_ns = now;
	if (!pdu)
		return true;
	coap_add_token(pdu, w->token_len, w->token);
	fg_coap_notify(w, pdu);
	if (confirm) {
		w->con_ns = now;
		w->nons = 0;
	} else {
		w->nons++;
	}
	/* the PDU is gone when coap_send() returns, and its code says whether there was a value */
	confirm = coap_pdu_get_code(pdu) == COAP_RESPONSE_CODE_CONTENT;
	return coap_send(w->session, pdu) != COAP_INVALID_MID && confirm;
}

static uint64_t watch_due(const struct fg_coap_watch *w)
{
	if (w->dirty)
		return w->con_ns + FG_S(FG_COAP_WATCH_CON_S);
	return w->told_ns + FG_S(FG_COAP_WATCH_MAX_AGE_S);
}

static void watches_tell(struct fg_timer *timer)
{
	struct fg_coap_server *server =
		(void *)((char *)timer - offsetof(struct fg_coap_server, watches.timer));
	uint64_t now = now_of(server), due = UINT64_MAX;
	struct fg_coap_watch *next;

	for (struct fg_coap_watch *w = server->watches.first; w; w = next) {
		bool stays = true;

		next = w->next;
		if (!w->over && ((w->dirty && watch_may_tell(w, now)) || watch_due(w) <= now))
			stays = watch_tell(w, now);
		if (!stays || w->over)
			watch_free(w);
		else if (watch_due(w) < due)
			due = watch_due(w);
	}
	/* one that was passed already may have ended since */
	if (due != UINT64_MAX && !fg_timer_active(timer))
		fg_timer_start_at(timer, due);
}

/* From the intake: not the place to send, nor to end an observation. */
static void watch_changed(struct fg_watch *watch)
{
	struct fg_coap_watch *w = (void *)((char *)watch - offsetof(struct fg_coap_watch, watch));

	w->dirty = true;
	if (watch_may_tell(w, now_of(w->server)))
		fg_timer_start(&w->server->watches.timer, 0);
	else if (!fg_timer_active(&w->server->watches.timer))
		fg_timer_start_at(&w->server->watches.timer, watch_due(w));
}

/* -- beginning -- */

static uint32_t watches_of(const struct fg_coap_server *server, const coap_session_t *session)
{
	uint32_t count = 0;

	for (const struct fg_coap_watch *w = server->watches.first; w; w = w->next)
		count += w->session == session;
	return count;
}

bool fg_coap_watch_add(struct fg_coap_server *server, coap_session_t *session,
		       coap_bin_const_t token, struct fg_str path, unsigned szx)
{
	struct fg_coap_watches *watches = &server->watches;
	struct fg_coap_watch *w;

	/* the same token again takes the place of the one before (section 4.1) */
	fg_coap_watch_remove(server, session, token);
	if (watches->count >= (uint64_t)server->conf->observers ||
	    token.length > sizeof(w->token) ||
	    watches_of(server, session) >= FG_COAP_WATCHES_OF_ONE)
		return false;
	w = calloc(1, sizeof(*w) + path.len);
	if (!w)
		return false;
	memcpy(w->path, path.ptr, path.len);
	memcpy(w->token, token.s, token.length);
	w->token_len = (uint8_t)token.length;
	w->watch = (struct fg_watch){ .path = { w->path, path.len }, .changed = watch_changed };
	w->server = server;
	w->session = coap_session_reference(session);
	w->szx = (uint8_t)szx;
	w->told_ns = now_of(server);
	w->next = watches->first;
	watches->first = w;
	watches->count++;
	fg_source_watch(server->source, &w->watch);
	if (!fg_timer_active(&watches->timer))
		fg_timer_start_at(&watches->timer, watch_due(w));
	return true;
}

/* A server that was started again goes on with higher numbers than before (section 4.4). */
void fg_coap_watches_init(struct fg_coap_server *server)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	server->watches.sequence = (uint32_t)((uint64_t)wall.tv_sec * SEQUENCES_A_S) &
				   SEQUENCE_BITS;
	fg_timer_init(server->source->loop, &server->watches.timer, watches_tell);
}

void fg_coap_watches_end(struct fg_coap_server *server, bool all)
{
	struct fg_coap_watch *next;

	for (struct fg_coap_watch *w = server->watches.first; w; w = next) {
		next = w->next;
		if (all || fg_coap_is_over(w->session))
			watch_free(w);
	}
}

/* One opening: connect, ask, send, hear. */
#include "nats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/random.h>

#define DOC_DEPTH 12
#define ANSWER_MAX ((size_t)32 << 20)
#define NOBODY_MS 250 /* an election takes seconds: not before this, */
#define NOBODY_SPREAD_MS 750 /* and not all gateways at once */
#define QUEUE_REQUESTS 2 /* beside the packs: a probe, a request to the API */
#define QUEUE_OUTCOMES 64

#define sink_of(n) ((struct nats_sink *)((char *)(n)-offsetof(struct nats_sink, nats)))

static const struct nats_conf *conf_of(const struct nats_sink *s)
{
	return s->sink->conf;
}

static void fault(struct nats_sink *s, int error, const char *what)
{
	fg_sink_fault(s->sink, error, what);
}

/* -- packs -- */

static void go_on(struct nats_sink *s)
{
	if (s->full) {
		s->full = false;
		fg_sink_ready(s->sink);
	}
}

static void finish(struct nats_sink *s, struct nats_slot *slot, int error, const char *why)
{
	struct fg_batch *batch = slot->batch;

	/* The slot's texts and the batch's payload are lent to the sending. This may be the answer
	 * to an earlier one of the same pack, while one more still waits; from here on another pack
	 * is written there. If this one is to go again, then it is sent again. */
	fg_nats_withdraw(&s->nats, (uint32_t)(slot - s->desk->slots));
	slot->batch = NULL;
	s->in_flight--;
	if (error != -EAGAIN)
		slot->tries = 0;
	fg_sink_done(s->sink, batch, error, why);
	go_on(s);
}

static uint32_t random32(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)getpid();
	return random;
}

uint64_t nats_pause(void)
{
	return FG_MS(NOBODY_MS + random32() % NOBODY_SPREAD_MS);
}

static void later(struct nats_sink *s, struct nats_slot *slot, const char *why)
{
	uint32_t left_out;
	char quoted[256];

	fg_sink_pause(s->sink, nats_pause());
	if (fg_log_allowed(&s->desk->limit, fg_loop_now(s->sink->loop), 4, &left_out))
		fg_log(&s->sink->logger, FG_WARN, "not now", "why=%s left_out=%u",
		       fg_log_quote(why, strlen(why), quoted, sizeof(quoted)), left_out);
	finish(s, slot, -EAGAIN, why);
}

/* An election, or the stream is gone. This sending at least has not been stored. */
static void on_nobody(struct nats_sink *s, struct nats_slot *slot)
{
	uint64_t now = fg_loop_now(s->sink->loop);

	if (slot->tries)
		slot->tries--;
	if (!s->nobody_ns)
		s->nobody_ns = now;
	if (now - s->nobody_ns > NATS_NOBODY_TIMEOUTS * (uint64_t)conf_of(s)->timeout_ns)
		fault(s, -EHOSTUNREACH, "nobody answers for the stream");
	else
		later(s, slot, "nobody answers for the stream");
}

static void on_refused(struct nats_sink *s, struct nats_slot *slot, int code, const char *why)
{
	if (code == NATS_CODE_LAST_SEQUENCE) {
		fault(s, -ESTALE, "the stream holds more than it has told: it is asked anew");
		return;
	}
	switch (nats_verdict(code)) {
	case NATS_VERDICT_LATER:
		if (slot->tries)
			slot->tries--;
		later(s, slot, why);
		break;
	case NATS_VERDICT_TOO_LARGE:
		finish(s, slot, -EMSGSIZE, why);
		break;
	case NATS_VERDICT_UNFIT:
		fault(s, -EACCES, why);
		break;
	}
}

static void on_ack(struct nats_sink *s, struct nats_slot *slot, int error, struct fg_str body)
{
	char why[NATS_WHY_MAX];
	uint64_t seq;
	int code;

	if (error == -EMSGSIZE) {
		finish(s, slot, error, "larger than the server takes");
		return;
	}
	if (error == -EHOSTUNREACH) {
		on_nobody(s, slot);
		return;
	}
	s->nobody_ns = 0;
	code = error < 0 ? -EBADMSG : nats_answer_read(&s->doc, body, why);
	if (code > 0) {
		on_refused(s, slot, code, why);
	} else if (code < 0 || !nats_answer_ack(&s->doc, conf_of(s)->stream, &seq)) {
		fault(s, -EBADMSG, "what acknowledges is not the stream");
	} else {
		s->proven = true;
		if (seq > s->desk->seq)
			s->desk->seq = seq;
		finish(s, slot, 0, NULL);
	}
}

/* The server is there: what it has not acknowledged in time goes again. */
static void on_probed(struct nats_sink *s)
{
	uint64_t now = fg_loop_now(s->sink->loop);

	s->probing = false;
	if (s->phase != NATS_UP_PHASE) {
		nats_stream_again(s);
		return;
	}
	for (uint32_t i = 0; i < s->sink->window; i++) {
		struct nats_slot *slot = &s->desk->slots[i];

		if (slot->batch && slot->last_ns + (uint64_t)conf_of(s)->timeout_ns <= now)
			finish(s, slot, -EAGAIN, "not acknowledged in time");
	}
}

static void on_answer(struct fg_nats *nats, uint32_t token, uint32_t stamp, int error,
		      struct fg_str body)
{
	struct nats_sink *s = sink_of(nats);
	struct nats_slot *slot;

	if (token == FG_NATS_PROBE) {
		on_probed(s);
	} else if (token == NATS_API) {
		if (stamp == s->stamp && s->phase != NATS_UP_PHASE)
			nats_stream_answer(s, error, body);
	} else if (token < s->sink->window && s->phase == NATS_UP_PHASE) {
		slot = &s->desk->slots[token];
		if (slot->batch && slot->stamp == stamp)
			on_ack(s, slot, error, body);
	}
}

static uint64_t oldest_sent(const struct nats_sink *s)
{
	uint64_t oldest = 0;

	for (uint32_t i = 0; i < s->sink->window; i++) {
		const struct nats_slot *slot = &s->desk->slots[i];

		if (slot->batch && (!oldest || slot->last_ns < oldest))
			oldest = slot->last_ns;
	}
	return oldest;
}

static void on_timer(struct fg_timer *timer)
{
	struct nats_sink *s =
		(struct nats_sink *)((char *)timer - offsetof(struct nats_sink, timer));
	uint64_t due, timeout = (uint64_t)conf_of(s)->timeout_ns;

	if (s->phase != NATS_UP_PHASE) {
		nats_stream_late(s);
		return;
	}
	due = oldest_sent(s);
	if (!due)
		return;
	due += timeout;
	if (due <= fg_loop_now(s->sink->loop)) {
		if (!s->probing && fg_nats_probe(&s->nats) == 0)
			s->probing = true;
		due = fg_loop_now(s->sink->loop) + timeout;
	}
	(void)fg_timer_start_at(timer, due);
}

int nats_sink_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct nats_sink *s = sink->state;
	uint64_t now = fg_loop_now(sink->loop), oldest = nats_slots_oldest(s->desk);
	struct nats_slot *slot;
	int r;

	/* The server would not know it again: it has to be asked what it has. */
	if (oldest && s->duplicates_ns && now - oldest > s->duplicates_ns / 2) {
		fault(s, -ETIMEDOUT, "not acknowledged for so long that the stream is asked anew");
		return -EAGAIN;
	}
	if (!s->proven && s->in_flight) {
		s->full = true;
		return -EAGAIN;
	}
	slot = nats_slot_take(s->desk, batch, now);
	snprintf(slot->after, sizeof(slot->after), "%" PRIu64, s->look.last);
	r = fg_nats_send(&s->nats, &(struct fg_nats_out){ .subject = s->subject,
							  .payload = batch->payload,
							  .id = slot->id,
							  .stream = conf_of(s)->stream,
							  .type = batch->content_type,
							  .after = s->proven ? NULL : slot->after,
							  .token = batch->slot,
							  .stamp = slot->stamp });
	if (r < 0) {
		slot->batch = NULL;
		slot->tries--;
		s->full = true;
		return -EAGAIN;
	}
	s->in_flight++;
	if (!fg_timer_active(&s->timer))
		(void)fg_timer_start(&s->timer, (uint64_t)conf_of(s)->timeout_ns);
	return 0;
}

/* -- the connection -- */

static void on_up(struct fg_nats *nats, int64_t max_payload)
{
	(void)max_payload; /* what is larger, the library refuses */
	nats_stream_ask(sink_of(nats));
}

static void on_message(struct fg_nats *nats, struct fg_str subject, struct fg_str reply,
		       struct fg_str body)
{
	nats_commands_message(sink_of(nats), subject, reply, body);
}

static void on_room(struct fg_nats *nats)
{
	struct nats_sink *s = sink_of(nats);

	go_on(s);
	nats_commands_room(s);
}

static void on_down(struct fg_nats *nats, int error, const char *why)
{
	struct nats_sink *s = sink_of(nats);
	uint32_t left_out;
	char quoted[256];

	if (error == -EACCES && s->phase == NATS_UP_PHASE && !nats_refusal_ours(why, s->subject)) {
		if (fg_log_allowed(&s->desk->limit, fg_loop_now(s->sink->loop), 4, &left_out))
			fg_log(&s->sink->logger, FG_WARN, "refused by the server",
			       "why=%s left_out=%u",
			       fg_log_quote(why, strlen(why), quoted, sizeof(quoted)), left_out);
		return;
	}
	fault(s, error, why);
}

static void on_timer_closed(struct fg_handle *handle)
{
	struct nats_sink *s =
		(struct nats_sink *)((char *)handle - offsetof(struct nats_sink, timer));

	fg_doc_fini(&s->doc);
	fg_buf_fini(&s->text);
	fg_buf_fini(&s->takes);
	fg_sink_closed(s->sink);
}

static void on_closed(struct fg_nats *nats)
{
	fg_handle_close(&sink_of(nats)->timer.handle, on_timer_closed);
}

/* -- from open to closed -- */

/* What lives longer than a connection. Begins with any of the servers, so that a fleet does not
 * lie on the first one. */
static int desk_open(struct fg_sink *sink)
{
	struct nats_desk *desk = sink->keep;

	if (desk)
		return 0;
	desk = calloc(1, sizeof(*desk));
	if (!desk)
		return -ENOMEM;
	desk->sink = sink;
	desk->server = random32();
	desk->outcomes_end = &desk->outcomes;
	sink->keep = desk;
	return 0;
}

static const char *next_server(struct nats_sink *s)
{
	const struct nats_conf *c = conf_of(s);

	return nats_server(c, c->urls.count ? s->desk->server++ % c->urls.count : 0);
}

static void connection(struct nats_sink *s, struct fg_nats_conf *out)
{
	const struct nats_conf *c = conf_of(s);
	const char *server = next_server(s);

	*out = (struct fg_nats_conf){
		.server = server,
		.name = s->sink->gateway,
		.username = c->username,
		.password = c->password.value,
		.token = c->token.value,
		.credentials = c->credentials,
		.seed = c->nkey.value,
		.tls = nats_url_secure(server),
		.insecure = c->tls.insecure,
		.ca = c->tls.ca,
		.cert = c->tls.cert,
		.key = c->tls.key,
		.server_name = c->tls.server_name,
		.timeout_ms = (uint32_t)(c->timeout_ns / 1000000),
		.queue = s->sink->window + QUEUE_REQUESTS + QUEUE_OUTCOMES,
		.kept = s->sink->window + QUEUE_REQUESTS,
	};
}

int nats_sink_open(struct fg_sink *sink)
{
	const struct nats_conf *conf = sink->conf;
	struct nats_sink *s = sink->state;
	struct fg_nats_conf c;
	int r;

	s->sink = sink;
	fg_timer_init(sink->loop, &s->timer, on_timer);
	fg_doc_init(&s->doc, DOC_DEPTH, ANSWER_MAX);
	fg_buf_init(&s->text, ANSWER_MAX);
	fg_buf_init(&s->takes, ANSWER_MAX);
	s->nats.up = on_up;
	s->nats.down = on_down;
	s->nats.answer = on_answer;
	s->nats.message = on_message;
	s->nats.room = on_room;
	s->nats.closed = on_closed;
	r = desk_open(sink);
	if (r == 0)
		r = nats_subject(conf->subject, sink->gateway, sink->name, false, s->subject);
	if (r < 0)
		return r;
	s->desk = sink->keep;
	connection(s, &c);
	r = nats_commands_open(s, &c);
	if (r < 0)
		return r;
	s->connected = true;
	return fg_nats_open(sink->loop, &s->nats, &c);
}

void nats_sink_close(struct fg_sink *sink)
{
	struct nats_sink *s = sink->state;

	fg_timer_stop(&s->timer);
	if (s->desk) {
		s->desk->open = NULL;
		for (uint32_t i = 0; i < NATS_WINDOW_MAX; i++)
			s->desk->slots[i].batch = NULL;
	}
	if (s->connected)
		fg_nats_close(&s->nats);
	else
		on_closed(&s->nats);
}

void nats_sink_fini(struct fg_sink *sink)
{
	struct nats_desk *desk = sink->keep;

	if (!desk)
		return;
	if (sink->commands)
		fg_command_forget(sink->commands, sink);
	nats_commands_free(desk);
	free(desk);
	sink->keep = NULL;
}

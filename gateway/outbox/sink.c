/*
 * Bringing sinks up and keeping them up: the northern twin of intake/supervisor.c. A bridge only
 * says that it is up, at fault or closed; closing and trying again is decided here. A connection
 * that is up but has stopped to acknowledge is a fault too.
 */
#include "outbox/private.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define RETRY_FIRST FG_MS(200)
#define RETRY_CAP FG_S(10)
#define STEADY FG_S(10)
#define TEXT_MAX (128u << 20) /* the longest payload, every byte of it escaped */

#define box_of(member, ptr) ((struct fg_outbox *)((char *)(ptr)-offsetof(struct fg_outbox, member)))

void sink_open(struct fg_outbox *box)
{
	int r;

	box->state = SINK_OPENING;
	box->faulted = box->close_called = box->closed = false;
	if (box->sink.bridge->state_size)
		memset(box->sink.state, 0, box->sink.bridge->state_size);
	r = box->sink.bridge->ops.open(&box->sink);
	if (r < 0)
		fg_sink_fault(&box->sink, r, "cannot open");
}

static void on_retry(struct fg_timer *timer)
{
	sink_open(box_of(retry, timer));
}

static void on_linger(struct fg_timer *timer)
{
	struct fg_outbox *box = box_of(linger, timer);

	/* The pump in this turn's check phase sends what waits. */
	box->linger_upto = fg_spool_accepted(box->forward->conf.spool);
	fg_loop_hurry(box->sink.loop);
}

/* How long there has been something to acknowledge, and nothing was. */
static uint64_t missed_ns(const struct fg_outbox *box, uint64_t until)
{
	return until > box->progress_ns ? until - box->progress_ns : 0;
}

static void on_pause(struct fg_timer *timer)
{
	struct fg_outbox *box = box_of(pause, timer);

	/* nothing was expected meanwhile: what goes out now has as long as it had before */
	box->progress_ns = fg_loop_now(timer->handle.loop) - missed_ns(box, box->paused_ns);
	box->blocked = false;
	fg_loop_hurry(timer->handle.loop);
}

static void on_pace(struct fg_timer *timer)
{
	fg_loop_hurry(timer->handle.loop);
}

/* To the system, which would have to wait for it otherwise until the heap's top is free. It looks
 * through the whole heap, so not for each burst of those that come every second. */
static void trim(struct fg_forward *forward, uint64_t now)
{
	if (forward->trimmed_ns && now - forward->trimmed_ns < TRIM_NS)
		return;
	forward->trimmed_ns = now;
	malloc_trim(0);
}

/* Everything is acknowledged and nothing waits: the buffers are for who needs them next, and in a
 * quiet gateway that is nobody. */
static void on_rest(struct fg_timer *timer)
{
	struct fg_outbox *box = box_of(rest, timer);

	/* the pump begins to wait anew */
	if (box->tail != box->rest_tail || !outbox_is_idle(box))
		return;
	for (uint32_t i = 0; i < box->window; i++)
		fg_buf_fini(&box->flights[i].text);
	box->lane.view.count = 0;
	fg_spool_reader_rest(box->lane.reader);
	box->rested = true;
	if (box->tail == 0)
		return;
	trim(box->forward, fg_loop_now(box->sink.loop));
}

static void on_stall(struct fg_timer *timer)
{
	struct fg_outbox *box = box_of(stall, timer);
	uint64_t stall = (uint64_t)box->conf->stall_ns, missed;

	if (box->state != SINK_UP || box->head == box->tail)
		return;
	missed = missed_ns(box, fg_timer_active(&box->pause) ? box->paused_ns :
							       fg_loop_now(box->sink.loop));
	if (missed < stall) {
		(void)fg_timer_start(&box->stall, stall - missed);
	} else if (!box->alive && box->alone) {
		/* who does not answer to the status may take packs all the same */
		fg_sink_alive(&box->sink, false);
		(void)fg_timer_start(&box->stall, stall);
	} else {
		fg_sink_fault(&box->sink, -ETIMEDOUT, "connected, but nothing is acknowledged");
	}
}

static void outbox_free(struct fg_handle *handle)
{
	struct fg_outbox *box = box_of(retry, handle);
	void (*removed)(void *) = box->removed;
	void *arg = box->removed_arg;

	if (box->sink.bridge->ops.fini)
		box->sink.bridge->ops.fini(&box->sink);
	for (uint32_t i = 0; i < box->window; i++)
		fg_buf_fini(&box->flights[i].text);
	if (box->again)
		fclose(box->again);
	fg_spool_reader_free(box->lane.reader);
	fg_spool_reader_free(box->live.reader);
	free(box->flights);
	free(box->match);
	free(box->sink.state);
	free(box);
	if (removed)
		removed(arg);
}

static void outbox_unlink(struct fg_outbox *box)
{
	struct fg_outbox **at = &box->forward->outboxes;

	pthread_mutex_lock(&box->forward->list_lock);
	while (*at != box)
		at = &(*at)->next;
	*at = box->next;
	pthread_mutex_unlock(&box->forward->list_lock);
	(void)fg_cursor_write(box->cursor);
	forward_keep_cursor(box->forward, box, box->cursor);
	box->cursor = NULL;
	fg_handle_close(&box->linger.handle, NULL);
	fg_handle_close(&box->stall.handle, NULL);
	fg_handle_close(&box->pause.handle, NULL);
	fg_handle_close(&box->pace.handle, NULL);
	fg_handle_close(&box->rest.handle, NULL);
	fg_handle_close(&box->retry.handle, outbox_free);
}

static void wait_and_retry(struct fg_outbox *box)
{
	box->state = SINK_RETRYING;
	outbox_hung(box);
	outbox_forget_sends(box);
	if (fg_timer_start(&box->retry, fg_backoff_after(&box->backoff, box->error)) < 0)
		fg_loop_defer(box->sink.loop, &box->act);
}

static void tell_beyond_repair(struct fg_outbox *box)
{
	const struct fg_forward_conf *conf = &box->forward->conf;

	if (box->error != -ENOTRECOVERABLE || !conf->beyond_repair)
		return;
	box->error = 0;
	conf->beyond_repair(conf->beyond_repair_arg);
}

/* The one place where the state moves on after a fault, a close or a removal. */
static void on_act(struct fg_defer *defer)
{
	struct fg_outbox *box = box_of(act, defer);

	tell_beyond_repair(box);
	if (!box->close_called && box->state != SINK_RETRYING) {
		box->close_called = true;
		box->state = SINK_CLOSING;
		fg_timer_stop(&box->stall);
		box->sink.bridge->ops.close(&box->sink);
		return;
	}
	if (box->state == SINK_CLOSING && !box->closed)
		return;
	if (box->removing)
		outbox_unlink(box);
	else if (!fg_timer_active(&box->retry))
		wait_and_retry(box);
}

void fg_sink_up(struct fg_sink *sink)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;

	if (box->state != SINK_OPENING)
		return;
	box->state = SINK_UP;
	box->turned_ns = fg_loop_now(sink->loop);
	box->blocked = false;
	box->unsent = true;
	/* What waits now is a backlog. */
	box->seen = fg_spool_accepted(box->forward->conf.spool);
	box->seen_ns = 0;
	fg_loop_hurry(sink->loop);
	fg_log(&sink->logger, box->backoff.attempt < 4 ? FG_INFO : FG_DEBUG, "up",
	       "after_faults=%llu", (unsigned long long)box->faults);
	box->alive = !sink->bridge->ops.status || !box->forward->status.len;
	box->answered = false;
	if (!box->alive)
		sink->bridge->ops.status(sink, fg_buf_view(&box->forward->status));
	if (box->forward->on_up)
		box->forward->on_up(box->forward->on_up_arg);
}

void fg_sink_alive(struct fg_sink *sink, bool answered)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;

	box->alive = true;
	box->answered |= answered;
	fg_loop_hurry(sink->loop);
}

void fg_sink_fault(struct fg_sink *sink, int error, const char *what)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;
	char quoted[2 * sizeof(box->fault)];

	if (box->faulted || box->close_called || box->removing)
		return;
	box->faulted = true;
	box->error = error;
	box->faults++;
	if (error == -EPROTO || strcmp(what, strerror(-error)) == 0)
		snprintf(box->fault, sizeof(box->fault), "%s", what);
	else
		snprintf(box->fault, sizeof(box->fault), "%s: %s", what, strerror(-error));
	if (box->state == SINK_UP) {
		if (fg_loop_now(sink->loop) - box->turned_ns > STEADY)
			fg_backoff_reset(&box->backoff);
		box->turned_ns = fg_loop_now(sink->loop);
	}
	fg_log(&sink->logger, box->backoff.attempt < 3 ? FG_WARN : FG_DEBUG, "fault",
	       "what=%s attempt=%u in_flight=%u",
	       fg_log_quote(box->fault, strlen(box->fault), quoted, sizeof(quoted)),
	       box->backoff.attempt, (unsigned)(box->tail - box->head));
	fg_loop_defer(sink->loop, &box->act);
}

void fg_sink_closed(struct fg_sink *sink)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;

	box->closed = true;
	fg_loop_defer(sink->loop, &box->act);
}

void fg_sink_set_torn(struct fg_sink *sink, bool torn)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);

	box->moved = box->moved || state->torn != torn;
	state->torn = torn;
}

bool fg_sink_torn(const struct fg_sink *sink)
{
	return fg_cursor_state(((const struct fg_outbox *)sink)->cursor)->torn;
}

struct fg_str fg_sink_will(struct fg_sink *sink)
{
	return fg_buf_view(&((struct fg_outbox *)sink)->forward->will);
}

/* The patterns borrow the configuration's text. */
static int compile_match(struct fg_outbox *box)
{
	const struct fg_list *match = &box->conf->match;
	const char *why;

	box->nmatch = 0;
	for (size_t i = 0; i < match->count; i++)
		if (fg_pattern_parse(match->items[i], &box->match[i], &why) < 0)
			return -EINVAL;
	box->nmatch = match->count;
	return 0;
}

/* Where it begins: behind what its upstream has, or as "start" says if it is new. */
static int open_cursor(struct fg_outbox *box)
{
	struct fg_spool *spool = box->forward->conf.spool;
	uint64_t accepted = fg_spool_accepted(spool), oldest = fg_spool_oldest(spool);
	struct fg_cursor_state *state;
	bool found = true;
	int r = 0;

	box->cursor = forward_take_cursor(box->forward, box->name);
	if (!box->cursor)
		r = fg_cursor_open(box->forward->conf.spool_dir, box->name, accepted, &box->cursor,
				   &found);
	if (r < 0)
		return r;
	state = fg_cursor_state(box->cursor);
	if (!found || state->given_up) {
		uint64_t begin = box->conf->start == FG_START_OLDEST ? oldest - 1 : accepted;

		/* one that is spoilt: rather all once more than something never; and what is
		 * missing in front of it, too, is said to be lost */
		if (fg_cursor_damaged(box->cursor))
			begin = fg_spool_floor(spool);
		fg_cursor_begin(box->cursor, fg_spool_identity(spool), begin);
		if (begin >= fg_spool_epoch(spool)->base && !fg_cursor_damaged(box->cursor))
			state->announced_epoch = fg_spool_epoch(spool)->id;
	}
	state->removed_at_s = state->absent_s = 0;
	if (!state->spool)
		state->spool = fg_spool_identity(spool);
	state->optional = !box->conf->required;
	box->lane.range_from = state->tiled + 1;
	box->lane.unread = state->position + 1;
	lane_open(box);
	r = fg_cursor_write(box->cursor);
	/* A new one at once: were it gone after a power cut, the bridge would begin anew, and
	 * nobody would know what it was due before. */
	if (r == 0 && !found)
		r = fg_cursor_sync(box->cursor);
	return r < 0 ? r : fg_spool_reader_new(spool, box->lane.unread, &box->lane.reader);
}

static int outbox_prepare(struct fg_outbox *box)
{
	int r;

	box->match = calloc(box->conf->match.count + 1, sizeof(*box->match));
	if (!box->match)
		return -ENOMEM;
	r = compile_match(box);
	if (r < 0)
		return r;
	box->sink.state = calloc(1, box->sink.bridge->state_size + 1);
	box->flights = calloc(box->window, sizeof(*box->flights));
	if (!box->sink.state || !box->flights)
		return -ENOMEM;
	/* A single record may be larger than a pack should be; it still has to fit somewhere. */
	for (uint32_t i = 0; i < box->window; i++)
		fg_buf_init(&box->flights[i].text, TEXT_MAX);
	r = open_cursor(box);
	if (r < 0)
		return r;
	dead_open(box);
	fg_backoff_init(&box->backoff, RETRY_FIRST, RETRY_CAP);
	fg_backoff_init(&box->resend, FG_MS(500), FG_S(30));
	fg_timer_init(box->sink.loop, &box->retry, on_retry);
	fg_timer_init(box->sink.loop, &box->linger, on_linger);
	fg_timer_init(box->sink.loop, &box->stall, on_stall);
	fg_timer_init(box->sink.loop, &box->pause, on_pause);
	fg_timer_init(box->sink.loop, &box->pace, on_pace);
	fg_timer_init(box->sink.loop, &box->rest, on_rest);
	return 0;
}

static struct fg_outbox *outbox_new(struct fg_forward *forward, const struct fg_bridge_conf *conf,
				    enum fg_level level)
{
	size_t len = strlen(conf->name);
	struct fg_outbox *box = calloc(1, sizeof(*box) + len + 1);

	if (!box)
		return NULL;
	memcpy(box->name, conf->name, len);
	box->forward = forward;
	box->turned_ns = fg_loop_now(forward->conf.loop);
	box->conf = conf;
	box->window = (uint32_t)conf->window;
	box->bytes_max = UINT64_MAX;
	box->acknowledges = conf->bridge->acks ? conf->bridge->acks(conf->conf) :
						 conf->bridge->acknowledges;
	box->act.cb = on_act;
	box->sink = (struct fg_sink){
		.name = box->name,
		.bridge = conf->bridge,
		.conf = conf->conf,
		.loop = forward->conf.loop,
		.gateway = forward->conf.gateway,
		.dir = forward->conf.spool_dir,
		.window = box->window,
		.commands = conf->commands ? forward->conf.commands : NULL,
		.remote = conf->remote ? forward->conf.remote : NULL,
		.logger = {
			.log = forward->conf.log,
			.component = conf->bridge->name,
			.name = box->name,
			.level = level,
		},
	};
	return box;
}

int fg_forward_add(struct fg_forward *forward, const struct fg_bridge_conf *conf,
		   enum fg_level level, struct fg_outbox **ret_outbox)
{
	struct fg_outbox *box = outbox_new(forward, conf, level), **at = &forward->outboxes;
	int r = box ? outbox_prepare(box) : -ENOMEM;

	if (r < 0) {
		if (box) {
			fg_spool_reader_free(box->lane.reader);
			fg_cursor_free(box->cursor);
			free(box->sink.state);
			free(box->flights);
			free(box->match);
		}
		free(box);
		return r;
	}
	while (*at)
		at = &(*at)->next;
	pthread_mutex_lock(&forward->list_lock);
	*at = box;
	pthread_mutex_unlock(&forward->list_lock);
	if (ret_outbox)
		*ret_outbox = box;
	sink_open(box);
	return 0;
}

void fg_forward_remove(struct fg_outbox *box, void (*removed)(void *arg), void *arg)
{
	box->removing = true;
	box->removed = removed;
	box->removed_arg = arg;
	fg_timer_stop(&box->retry);
	fg_loop_defer(box->sink.loop, &box->act);
}

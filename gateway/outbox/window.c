/*
 * The window: packs in flight, their acknowledgements, and the cursor that moves behind them, in
 * order. What was sent and not acknowledged when a connection ends is sent again, as it was cut.
 */
#include "outbox/private.h"

#include <errno.h>

void outbox_advance(struct fg_outbox *box)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);

	while (box->head < box->tail) {
		struct flight *flight = flight_at(box, box->head);
		uint64_t passed;
		bool ahead;

		if (flight->state != FLIGHT_DONE)
			break;
		box->head++;
		if (flight->kind == FLIGHT_AGAIN) {
			dead_again_done(box, flight);
			box->moved = true;
			continue;
		}
		/* It stands between two positions, and the lane may have left them since. */
		if (flight->unknown) {
			state->announced_epoch = flight->epoch->id;
			box->moved = true;
			continue;
		}
		ahead = state->nislands && flight->from >= state->islands[0].from;
		passed = ahead ? lane_advance(box, flight) : flight->to - state->position;
		state->dead += flight->dead;
		state->dropped[flight->drop_why] += flight->dropped;
		if (box->acknowledges)
			state->acknowledged += passed - flight->dead - flight->dropped;
		else
			state->sent += passed - flight->dead - flight->dropped;
		if (!ahead) {
			state->position = state->tiled = flight->to;
			lane_absorb(box);
		}
		if (flight->begin)
			state->begin_announced = true;
		box->moved = true;
	}
}

/* What cannot be rendered now is tried again when it is its turn to be sent. */
static void part_ready(struct fg_outbox *box, struct flight *flight)
{
	flight->state = FLIGHT_READY;
	flight->hung = 0;
	box->unsent = true;
	if (outbox_render(box, flight) < 0)
		flight->batch.payload = fg_str(NULL, 0);
}

void outbox_part_done(struct fg_outbox *box, struct flight *flight)
{
	if (flight->part_to >= flight->to || flight->unknown || flight->kind == FLIGHT_AGAIN) {
		flight->state = FLIGHT_DONE;
		return;
	}
	flight->kind = FLIGHT_PACK;
	flight->denied = false;
	flight->part_from = flight->part_to + 1;
	flight->part_to = flight->to;
	part_ready(box, flight);
}

/* Refused for good: to the dead letters, and upstream is told that these numbers will not come. */
static void part_dead(struct fg_outbox *box, struct flight *flight, const char *why)
{
	uint64_t count = flight->batch.records;
	char quoted[256];

	box->passes = 0;
	if (flight->kind == FLIGHT_AGAIN) { /* once more refused */
		flight->dead = dead_write(box, flight, why) == 0 ? count : 0;
		flight->dropped = count - flight->dead;
	}
	if (flight->kind != FLIGHT_PACK) { /* it will not even hear of the loss */
		outbox_part_done(box, flight);
		return;
	}
	fg_log(&box->sink.logger, FG_ERROR, "pack refused for good", "why=%s first=%llu last=%llu",
	       fg_log_quote(why, why ? strlen(why) : 0, quoted, sizeof(quoted)),
	       (unsigned long long)flight->batch.first, (unsigned long long)flight->batch.last);
	if (dead_write(box, flight, why) == 0) {
		flight->dead += count;
	} else {
		flight->dropped += count;
		flight->drop_why = FG_WHY_REFUSED;
	}
	flight->kind = FLIGHT_LOST;
	flight->why = FG_WHY_REFUSED;
	flight->lost = count;
	part_ready(box, flight);
}

void outbox_halve(struct fg_outbox *box, struct flight *flight, const char *why)
{
	if (flight->kind != FLIGHT_PACK || flight->batch.records <= 1) {
		part_dead(box, flight, why ? why : "too large for the upstream");
		return;
	}
	outbox_limit(box, flight);
	flight->part_max = flight->batch.records / 2;
	part_ready(box, flight);
}

static void wait_to_resend(struct fg_outbox *box, struct flight *flight)
{
	flight->state = FLIGHT_READY;
	box->unsent = true;
	box->blocked = true;
	if (fg_timer_active(&box->pause))
		return;
	box->paused_ns = fg_loop_now(box->sink.loop);
	(void)fg_timer_start(&box->pause, fg_backoff_next(&box->resend));
}

/* A single pack that is not wanted must not stop the others; a right that was taken away refuses
 * one and all, and is given back some day. They are told apart by whether anything is taken between
 * two of them. Of an announcement there is no dead letter: that has to be refused twice, and what
 * tells of a power cut is not given up at all. A dead letter is in nobody's way where it came from,
 * and says nothing of the others. */
static void part_denied(struct fg_outbox *box, struct flight *flight, const char *why)
{
	bool first = !box->denied;

	if (flight->kind == FLIGHT_AGAIN) {
		part_dead(box, flight, why);
		return;
	}
	box->denied = true;
	if (first && (flight->kind == FLIGHT_PACK || (flight->denied && !flight->unknown))) {
		part_dead(box, flight, why);
		return;
	}
	flight->denied = true;
	if (!fg_timer_active(&box->pause))
		fg_log(&box->sink.logger, box->resend.attempt ? FG_DEBUG : FG_WARN,
		       "one pack behind the other is refused: they wait", "why=\"%s\"",
		       why ? why : "?");
	wait_to_resend(box, flight);
}

void fg_sink_done(struct fg_sink *sink, struct fg_batch *batch, int error, const char *why)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;
	struct flight *flight = (struct flight *)batch;

	if (flight->state != FLIGHT_SENT)
		return;
	switch (error) {
	case 0:
		box->progress_ns = fg_loop_now(sink->loop);
		fg_backoff_reset(&box->resend);
		box->denied = false;
		outbox_heard(box, flight);
		box->delivered += flight->kind == FLIGHT_PACK ? flight->batch.records : 0;
		outbox_part_done(box, flight);
		break;
	case -EMSGSIZE:
		outbox_halve(box, flight, why);
		break;
	case -EBADMSG:
		part_dead(box, flight, why);
		break;
	case -EACCES:
		part_denied(box, flight, why);
		break;
	default:
		/* those on their way overtake it; not those that come after them */
		if (box->alone < box->window)
			box->alone = box->window;
		wait_to_resend(box, flight);
	}
	outbox_advance(box);
	fg_loop_hurry(sink->loop);
}

void fg_sink_pause(struct fg_sink *sink, uint64_t ns)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;

	/* who asks for patience is there */
	box->progress_ns = box->paused_ns = fg_loop_now(sink->loop);
	box->blocked = true;
	(void)fg_timer_start(&box->pause, ns);
}

void fg_sink_ready(struct fg_sink *sink)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;

	if (!fg_timer_active(&box->pause))
		box->blocked = false;
	fg_loop_hurry(sink->loop);
}

void outbox_date_again(struct fg_outbox *box)
{
	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);

		/* what the spool has dropped only the flight still has */
		if (flight->state != FLIGHT_READY || flight->kind == FLIGHT_AGAIN ||
		    !flight->unsynced ||
		    (flight->kind == FLIGHT_PACK &&
		     flight->part_from < fg_spool_oldest(box->forward->conf.spool)))
			continue;
		flight->unsynced = false;
		part_ready(box, flight);
	}
}

void outbox_forget_sends(struct fg_outbox *box)
{
	for (uint64_t n = box->head; n < box->tail; n++)
		if (flight_at(box, n)->state == FLIGHT_SENT)
			flight_at(box, n)->state = FLIGHT_READY;
	if (box->forward->conf.clock->synced)
		outbox_date_again(box);
	box->unsent = true;
	box->blocked = false;
	fg_timer_stop(&box->pause);
}

/* Longer than packs are filled for: there is, or was, something in the way. */
static bool has_waited(const struct fg_outbox *box, const struct flight *flight)
{
	int64_t age_ns = box->forward->conf.clock->boot_ns - flight->oldest_ns;

	if (flight->kind == FLIGHT_AGAIN)
		return true;
	return flight->kind == FLIGHT_PACK && flight->oldest_ns != FG_TIME_NONE &&
	       age_ns > box->conf->batch.linger_ns + FG_BACKLOG_NS;
}

/* False: it is to be sent later. */
static bool send_one(struct fg_outbox *box, struct flight *flight)
{
	struct fg_batch before;
	int r;

	if (!flight->batch.payload.ptr || outbox_must_cut(box, flight)) {
		flight->hung = 0;
		if (outbox_render(box, flight) < 0) {
			flight->batch.payload = fg_str(NULL, 0);
			wait_to_resend(box, flight);
			return false;
		}
	}
	flight->state = FLIGHT_SENT;
	flight->batch.backlog = has_waited(box, flight);
	before = flight->batch;
	r = box->sink.bridge->ops.send(&box->sink, &flight->batch);
	if (r == -EAGAIN) {
		flight->state = FLIGHT_READY;
		box->blocked = true;
		return false;
	}
	box->packs++;
	box->records += before.records;
	box->bytes += before.payload.len;
	if (r < 0)
		fg_sink_done(&box->sink, &flight->batch, r, NULL);
	return !box->blocked;
}

/* "rate": so many records a second while there is a backlog. */
static bool rate_allows(struct fg_outbox *box)
{
	uint64_t now = fg_loop_now(box->sink.loop);

	if (box->conf->rate <= 0 || box->allowed_ns <= now)
		return true;
	if (!fg_timer_active(&box->pace))
		(void)fg_timer_start_at(&box->pace, box->allowed_ns);
	return false;
}

static void rate_count(struct fg_outbox *box, uint32_t records)
{
	uint64_t now = fg_loop_now(box->sink.loop);

	if (box->conf->rate <= 0)
		return;
	if (box->allowed_ns + FG_S(1) < now)
		box->allowed_ns = now;
	box->allowed_ns += (uint64_t)(records / box->conf->rate * 1e9);
}

/* Waiting for more: not longer than linger from the first record that waits. What waits for an
 * island to be absorbed waits for an acknowledgement, and no time helps. */
static void arm_linger(struct fg_outbox *box, const struct lane *lane)
{
	if (lane->unread <= fg_spool_accepted(box->forward->conf.spool) &&
	    lane->unread <= lane_limit(box, lane) && !fg_timer_active(&box->linger))
		(void)fg_timer_start(&box->linger, (uint64_t)box->conf->batch.linger_ns);
}

static void arm_stall(struct fg_outbox *box)
{
	if (box->head < box->tail && !fg_timer_active(&box->stall)) {
		box->progress_ns = fg_loop_now(box->sink.loop);
		(void)fg_timer_start(&box->stall, (uint64_t)box->conf->stall_ns);
	}
}

static void arm_rest(struct fg_outbox *box)
{
	if (box->rested || fg_timer_active(&box->rest) || !outbox_is_idle(box))
		return;
	box->rest_tail = box->tail;
	(void)fg_timer_start(&box->rest, REST_NS);
}

static bool make_of(struct fg_outbox *box, struct lane *lane)
{
	if (outbox_due(box, lane))
		return outbox_cut(box, lane);
	arm_linger(box, lane);
	return false;
}

/* The backlog leaves a place in the window for what is live. */
static bool make_backlog(struct fg_outbox *box)
{
	uint32_t room = box->live_on && box->window > 1 ? box->window - 1 : box->window;

	if (box->tail - box->head >= room || !rate_allows(box))
		return false;
	if (lane_pass(box))
		return true;
	if (!make_of(box, &box->lane))
		return false;
	rate_count(box, flight_at(box, box->tail - 1)->batch.records);
	return true;
}

static bool make_one(struct fg_outbox *box)
{
	if (box->tail - box->head >= box->window || box->forward->stopping)
		return false;
	/* Nothing was expected of the upstream while nothing was in flight. */
	if (box->head == box->tail)
		box->progress_ns = fg_loop_now(box->sink.loop);
	if (box->again && dead_next(box))
		return true;
	if (box->live_on && make_of(box, &box->live))
		return true;
	return make_backlog(box);
}

static struct flight *next_flight(struct fg_outbox *box)
{
	bool is_new = true;
	struct flight *next = box->unsent ? outbox_next_ready(box, &is_new) : NULL;

	if (!is_new)
		return next;
	box->unsent = next;
	return make_one(box) ? flight_at(box, box->tail - 1) : next;
}

/* A bridge that carries nothing of what is there must not hold the spool with it. */
static void pass_uncarried(struct fg_outbox *box)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	uint64_t upto = box->lane.unread - 1, passed;

	/* What was sent ahead of it is counted already. */
	if (state->nislands && upto >= state->islands[0].from)
		upto = state->islands[0].from - 1;
	if (box->nmatch == 0 || box->head < box->tail || upto <= state->position)
		return;
	passed = upto - state->position;
	state->position = upto;
	if (box->acknowledges)
		state->acknowledged += passed;
	else
		state->sent += passed;
	box->moved = true;
}

static void note_moved(struct fg_outbox *box)
{
	if (box->moved)
		box->moved = fg_cursor_write(box->cursor) < 0;
}

void outbox_pump(struct fg_outbox *box)
{
	/* before anything more is sent, or a process that is killed here repeats two windows */
	note_moved(box);
	if (box->state == SINK_UP && box->conf->order == FG_ORDER_LIVE_FIRST)
		lane_go_live(box);
	while (box->state == SINK_UP && !box->blocked && !box->faulted && !outbox_must_wait(box)) {
		struct flight *flight = next_flight(box);

		if (!flight)
			break;
		if (flight->state == FLIGHT_DONE) {
			outbox_advance(box);
			continue;
		}
		if (!send_one(box, flight))
			box->unsent = true;
	}
	if (box->state == SINK_UP) {
		if (box->sink.bridge->ops.flush)
			box->sink.bridge->ops.flush(&box->sink);
		arm_stall(box);
		arm_rest(box);
		pass_uncarried(box);
	}
	note_moved(box);
}

/*
 * "order": "live-first". A bridge that comes back after an outage has a backlog, and what is
 * measured now should not wait behind it. So the new records are cut from a second place, the live
 * lane, and the backlog follows as the window has room:
 *
 *     position        island          island (live)
 *     ...|.. backlog .|#### acked ####|.. backlog ..|### acked ##..in flight..|  accepted
 *
 * What the upstream has acknowledged ahead of the cursor is an island of the cursor and in its
 * file, so that after a crash no more comes twice than in any other order. When the lane comes to
 * an island it goes on behind it; when it comes to the live one, both are one again.
 */
#include "outbox/private.h"

#define LOOK_EVERY FG_MS(500)

static struct fg_cursor_state *state_of(const struct fg_outbox *box)
{
	return fg_cursor_state(box->cursor);
}

uint64_t lane_limit(const struct fg_outbox *box, const struct lane *lane)
{
	const struct fg_cursor_state *state = state_of(box);

	for (uint32_t i = 0; lane == &box->lane && i < state->nislands; i++)
		if (state->islands[i].from >= lane->unread)
			return state->islands[i].from - 1;
	return UINT64_MAX;
}

void lane_open(struct fg_outbox *box)
{
	struct fg_cursor_state *state = state_of(box);
	uint32_t n = 0;

	for (uint32_t i = 0; i < state->nislands; i++) {
		if (state->islands[i].to < state->islands[i].from) /* it had only begun */
			continue;
		state->islands[n] = state->islands[i];
		box->cut_to[n++] = state->islands[i].to;
	}
	state->nislands = n;
}

/* -- going live -- */

static bool is_behind(struct fg_outbox *box)
{
	const struct lane *lane = box->live_on ? &box->live : &box->lane;
	uint64_t now = fg_loop_now(box->sink.loop);
	uint64_t accepted = fg_spool_accepted(box->forward->conf.spool);
	bool behind;

	if (now < box->seen_ns + LOOK_EVERY)
		return false;
	/* There when it was looked last, and not yet cut. Less than a pack may only linger. */
	behind = lane->unread <= box->seen &&
		 accepted - lane->unread + 1 > (uint64_t)box->conf->batch.records;
	box->seen = accepted;
	box->seen_ns = now;
	return behind;
}

/* An island of which nothing was cut is none, and the lane must not stop before it. */
static void live_forget(struct fg_outbox *box)
{
	struct fg_cursor_state *state = state_of(box);

	if (box->cut_to[state->nislands - 1] < state->islands[state->nislands - 1].from)
		state->nislands--;
}

/* Where the live lane stood, if it had begun at all, is left to the backlog. */
static void live_leave(struct fg_outbox *box)
{
	live_forget(box);
	fg_spool_reader_free(box->live.reader);
	box->live = (struct lane){ 0 };
	box->live_on = false;
}

void lane_go_live(struct fg_outbox *box)
{
	struct fg_cursor_state *state = state_of(box);
	uint64_t from = fg_spool_accepted(box->forward->conf.spool) + 1;

	if (!is_behind(box) || box->forward->stopping)
		return;
	if (state->nislands == FG_CURSOR_ISLANDS)
		return;
	/* What was cut of it and is in flight stays part of its island. */
	if (box->live_on && box->live.range_from < box->live.unread)
		return;
	if (box->live_on)
		live_leave(box);
	box->live = (struct lane){ .unread = from, .range_from = from };
	if (fg_spool_reader_new(box->forward->conf.spool, from, &box->live.reader) < 0)
		return;
	box->live_on = true;
	state->islands[state->nislands] = (struct fg_cursor_island){ from, from - 1 };
	box->cut_to[state->nislands++] = from - 1;
	fg_log(&box->sink.logger, FG_INFO, "live records first", "backlog=%llu",
	       (unsigned long long)(from - 1 - state->position));
}

/* -- the backlog comes to an island -- */

static void island_leave(struct fg_outbox *box, uint64_t from)
{
	struct lane *lane = &box->lane;

	lane->unread = lane->range_from = from;
	lane->view.count = 0;
	if (lane->gap_to < from)
		lane->gap_to = 0;
	fg_spool_reader_seek(lane->reader, &(struct fg_spool_mark){ .position = from });
}

bool lane_pass(struct fg_outbox *box)
{
	const struct fg_cursor_state *state = state_of(box);
	struct lane *lane = &box->lane;
	uint32_t i = 0;

	while (i < state->nislands && state->islands[i].from != lane->unread)
		i++;
	if (i == state->nislands)
		return false;
	/* No pack's range will cover what was not for this bridge just before the island. */
	if (lane->range_from < lane->unread) {
		outbox_cut_cover(box, lane, lane->unread - 1);
		return true;
	}
	if (box->live_on && i == state->nislands - 1) {
		fg_spool_reader_free(lane->reader);
		*lane = box->live;
		box->live = (struct lane){ 0 };
		box->live_on = false;
		live_forget(box);
	} else {
		island_leave(box, box->cut_to[i] + 1);
	}
	lane_absorb(box);
	return false;
}

/* -- acknowledgements -- */

void lane_absorb(struct fg_outbox *box)
{
	struct fg_cursor_state *state = state_of(box);

	/* The live lane's own island stays its own until the lanes are one; any other until the
	 * lane has gone on behind it, or it would cut it again. */
	while (state->nislands > (box->live_on ? 1u : 0u) && box->lane.unread > box->cut_to[0] &&
	       state->islands[0].from <= state->tiled + 1) {
		if (state->position < state->islands[0].to)
			state->position = state->tiled = state->islands[0].to;
		state->nislands--;
		for (uint32_t i = 0; i < state->nislands; i++) {
			state->islands[i] = state->islands[i + 1];
			box->cut_to[i] = box->cut_to[i + 1];
		}
		box->moved = true;
	}
}

uint64_t lane_advance(struct fg_outbox *box, const struct flight *flight)
{
	struct fg_cursor_state *state = state_of(box);
	uint32_t i = state->nislands;
	uint64_t passed;

	while (i > 0 && state->islands[i - 1].from > flight->from)
		i--;
	if (i == 0 || flight->to <= state->islands[i - 1].to)
		return 0;
	passed = flight->to - state->islands[i - 1].to;
	state->islands[i - 1].to = flight->to;
	return passed;
}

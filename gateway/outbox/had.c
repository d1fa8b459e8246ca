/*
 * What the upstream says it has. An upstream that keeps the packs with their ranges can be asked
 * when the bridge opens; then what an earlier run had sent, and never heard of again, does not come
 * twice, however its packs were cut.
 *
 * While packs are in flight, what it has are some of those. Otherwise it moves the cursor, or
 * becomes an island of it (lane.c), and the lane begins anew behind the cursor.
 */
#include "outbox/private.h"

#include <errno.h>

/* Positions of the range; what a power cut took of it belongs to nobody. */
static bool locate(const struct fg_outbox *box, uint64_t epoch, uint64_t first, uint64_t last,
		   uint64_t *ret_from, uint64_t *ret_to)
{
	const struct fg_spool *spool = box->forward->conf.spool;
	const struct fg_spool_epoch *at;
	uint64_t from = fg_spool_position(spool, epoch, first);
	uint64_t to = fg_spool_position(spool, epoch, last), accepted = fg_spool_accepted(spool);

	if (from == 0 || to < from)
		return false;
	to = to < accepted ? to : accepted;
	while (to >= from && (at = fg_spool_epoch_at(spool, to)) && at->id != epoch)
		to = at->base;
	*ret_from = from;
	*ret_to = to;
	return to >= from;
}

static bool is_known(const struct fg_cursor_state *state, uint64_t from, uint64_t to)
{
	if (to <= state->position)
		return true;
	for (uint32_t i = 0; i < state->nislands; i++)
		if (from >= state->islands[i].from && to <= state->islands[i].to)
			return true;
	return false;
}

/* That the epoch before ended in a power cut is said before its first pack, which may have arrived
 * alone: rather the pack twice than that never. */
static bool is_announced(const struct fg_outbox *box, uint64_t from)
{
	const struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	const struct fg_spool_epoch *epoch = fg_spool_epoch_at(box->forward->conf.spool, from);

	return !epoch || from != epoch->base + 1 || !epoch->power_cut || !epoch->prev_id ||
	       state->begin > epoch->base || state->announced_epoch == epoch->id;
}

static void flights_had(struct fg_outbox *box, uint64_t from, uint64_t to)
{
	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);

		while (flight->state == FLIGHT_READY && flight->kind == FLIGHT_PACK &&
		       flight->part_from >= from && flight->part_to <= to) {
			box->delivered += flight->batch.records;
			outbox_part_done(box, flight);
		}
	}
	outbox_advance(box);
}

/* The range and the islands that it meets become one. Returns how many there are. */
static uint32_t merge(const struct fg_cursor_state *state, struct fg_cursor_island one,
		      struct fg_cursor_island merged[FG_CURSOR_ISLANDS + 1])
{
	uint32_t n = 0, i = 0;

	while (i < state->nislands && state->islands[i].to + 1 < one.from)
		merged[n++] = state->islands[i++];
	for (; i < state->nislands && state->islands[i].from <= one.to + 1; i++) {
		one.from = state->islands[i].from < one.from ? state->islands[i].from : one.from;
		one.to = state->islands[i].to > one.to ? state->islands[i].to : one.to;
	}
	merged[n++] = one;
	while (i < state->nislands)
		merged[n++] = state->islands[i++];
	return n;
}

/* Takes the range into the cursor if that has come to it, else it becomes an island. */
static bool note(struct fg_outbox *box, uint64_t from, uint64_t to)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor), was = *state;
	struct fg_cursor_island merged[FG_CURSOR_ISLANDS + 1];
	uint64_t begin = from > was.position ? from : was.position + 1, passed;
	uint32_t n = merge(&was, (struct fg_cursor_island){ begin, to }, merged), skip = 0;
	/* what stands before the cursor and in no range may be covered by this one */
	uint64_t tiled = from <= was.tiled + 1 ? was.position : was.tiled;

	if (merged[0].from <= tiled + 1) {
		state->position = tiled = merged[0].to;
		skip = 1;
	}
	if (n - skip > FG_CURSOR_ISLANDS)
		return false;
	state->tiled = tiled;
	state->nislands = n - skip;
	for (uint32_t i = 0; i < state->nislands; i++) {
		state->islands[i] = merged[i + skip];
		box->cut_to[i] = state->islands[i].to;
	}
	passed = state->position + fg_cursor_ahead(state) - was.position - fg_cursor_ahead(&was);
	if (box->acknowledges)
		state->acknowledged += passed;
	else
		state->sent += passed;
	return true;
}

static void lane_begin_anew(struct fg_outbox *box)
{
	const struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	struct lane *lane = &box->lane;

	lane->unread = state->position + 1;
	lane->range_from = state->tiled + 1;
	lane->view.count = 0;
	lane->gap_to = 0;
	fg_spool_reader_seek(lane->reader, &(struct fg_spool_mark){ .position = lane->unread });
}

static int cursor_had(struct fg_outbox *box, uint64_t from, uint64_t to)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	bool begins = state->begin > 0 && from == state->begin + 1;

	if (box->live_on || !is_announced(box, from))
		return -EAGAIN;
	if (!note(box, from, to))
		return -EAGAIN;
	if (begins)
		state->begin_announced = true;
	lane_begin_anew(box);
	box->moved = true;
	return 0;
}

int fg_sink_has(struct fg_sink *sink, uint64_t epoch, uint64_t first, uint64_t last)
{
	struct fg_outbox *box = (struct fg_outbox *)sink;
	uint64_t from, to;

	if (!locate(box, epoch, first, last, &from, &to))
		return -ENOENT;
	if (is_known(fg_cursor_state(box->cursor), from, to))
		return 1;
	if (box->head == box->tail)
		return cursor_had(box, from, to);
	flights_had(box, from, to);
	return 0;
}

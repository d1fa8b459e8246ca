/*
 * Cutting packs: the next records of the spool that a bridge carries, as one rendered pack with the
 * range of numbers it covers. A pack never spans two epochs, and a stretch that cannot be read any
 * more becomes a pack that says so.
 */
#include "outbox/private.h"

#include <errno.h>

#define SCAN_MAX 65536 /* records looked at for one pack */

static enum fg_pack_format pack_format(const struct fg_outbox *box)
{
	_Static_assert((int)FG_PACK_THINGSBOARD == (int)FG_FORMAT_THINGSBOARD,
		       "formats in one order");
	/* what a bridge makes itself, it makes of packs that it reads */
	return box->conf->format == FG_FORMAT_SPARKPLUG_B ? FG_PACK_JSON :
							    (enum fg_pack_format)box->conf->format;
}

static bool is_ranged(const struct fg_outbox *box)
{
	return fg_pack_ranged(pack_format(box)) && !box->sink.bridge->writes;
}

static bool carries(const struct fg_outbox *box, struct fg_str device, struct fg_str point)
{
	char path[2048];
	struct fg_str whole = fg_str(path, device.len + 1 + point.len);

	if (box->nmatch == 0)
		return true;
	if (whole.len > sizeof(path))
		return false;
	memcpy(path, device.ptr, device.len);
	path[device.len] = '/';
	memcpy(path + device.len + 1, point.ptr, point.len);
	for (size_t i = 0; i < box->nmatch; i++)
		if (fg_pattern_match(&box->match[i], whole, NULL))
			return true;
	return false;
}

/* Appends records of a view, from its byte `at`, that stand below the limits of the flight's part.
 * Returns false when the pack is full; *at and *next then say where to go on. */
static bool add_view(struct fg_outbox *box, struct flight *flight, struct fg_pack *pack,
		     const struct fg_spool_view *view, size_t *at, uint64_t *next)
{
	uint64_t upto = flight->part_to;
	bool unsynced;
	int64_t time_ns = fg_spool_time(view, &unsynced);
	struct fg_record record;
	size_t before = *at;

	flight->unsynced |= unsynced;
	while (*next <= view->last && *next <= upto && fg_spool_record(view, at, &record) == 1) {
		struct fg_pack_mark mark = fg_pack_mark(pack);

		if (carries(box, view->device, record.point)) {
			if (pack->records >= flight->part_max ||
			    !fg_pack_takes(pack, view->device)) {
				*at = before;
				return false;
			}
			fg_spool_date(view, time_ns, &record);
			fg_pack_add(pack, view->device, &record, time_ns, unsynced);
			if (pack->out->failed ||
			    (fg_pack_size(pack) > flight->bytes_max && mark.records > 0)) {
				fg_pack_undo(pack, mark);
				*at = before;
				return false;
			}
		}
		before = *at;
		(*next)++;
	}
	/* A record that does not read back (its checksum was right, so this is our own fault)
	 * must not hold up the rest. */
	if (*next <= view->last && *next <= upto)
		*next = view->last + 1;
	return true;
}

static enum fg_why gap_why(enum fg_spool_gap gap)
{
	return gap == FG_GAP_DROPPED ? FG_WHY_SPOOL_FULL : FG_WHY_DAMAGED;
}

/* Takes the next entry into the view, or notes a gap. False: nothing more for now. */
static bool next_view(struct lane *lane)
{
	uint64_t from, to;
	enum fg_spool_gap why;
	int r = fg_spool_read(lane->reader, &lane->view);

	if (r <= 0) {
		lane->view.count = 0;
		return false;
	}
	if (r == 2) {
		fg_spool_reader_gap(lane->reader, &from, &to, &why);
		lane->view.count = 0;
		if (to < lane->unread)
			return true;
		lane->gap_to = to;
		lane->gap_why = gap_why(why);
		return true;
	}
	fg_spool_reader_mark(lane->reader, &lane->view_mark);
	lane->view_at = 0;
	/* Inside an entry: what was had before is skipped. */
	for (uint64_t n = lane->view.first; n < lane->unread; n++) {
		struct fg_record skipped;

		if (fg_spool_record(&lane->view, &lane->view_at, &skipped) != 1)
			break;
	}
	return true;
}

static bool view_used(const struct lane *lane)
{
	return lane->view.count == 0 || lane->unread > lane->view.last;
}

static void head_of(const struct fg_outbox *box, const struct flight *flight,
		    struct fg_pack_head *head)
{
	const struct fg_spool_epoch *epoch = flight->epoch;

	*head = (struct fg_pack_head){ 0 };
	if (!epoch) /* lost so long ago that nothing tells of its epoch: no range can be named */
		return;
	*head = (struct fg_pack_head){
		.ranged = true,
		.epoch = epoch->id,
		.first = flight->part_from - epoch->base,
		.last = flight->part_to - epoch->base,
		.begin = flight->begin && flight->part_from == flight->from,
	};
	if (head->first == 1 && !head->begin) {
		head->prev_epoch = epoch->prev_id;
		head->prev_last = epoch->prev_last;
	}
	(void)box;
}

static void batch_fill(struct fg_outbox *box, struct flight *flight, struct fg_str text,
		       uint32_t records, const struct fg_pack_head *head)
{
	flight->batch = (struct fg_batch){
		.payload = text,
		.content_type = fg_pack_content_type(pack_format(box)),
		.records = records,
		.first = head->first,
		.last = head->last,
		.epoch = head->epoch,
		.lost = flight->kind == FLIGHT_LOST,
		.slot = (uint32_t)(flight - box->flights),
	};
	flight->state = FLIGHT_READY;
}

/* A pack that says what is lost: no number of its own, the lost range as its range. */
static int render_lost(struct fg_outbox *box, struct flight *flight)
{
	struct fg_record record = {
		.point = FG_STR("lost"),
		.value = { .kind = FG_INT, .i = (int64_t)flight->lost },
		.time_ns = FG_TIME_NONE,
	};
	const struct fg_clock *clock = box->forward->conf.clock;
	struct fg_pack_head head;
	struct fg_pack pack;
	struct fg_str text;

	flight->unsynced = !clock->synced;
	if (flight->unknown)
		record.value = (struct fg_value){ .kind = FG_STRING, .s = FG_STR("unknown") };
	head_of(box, flight, &head);
	if (flight->unknown) {
		/* Nobody knows which numbers behind the last kept one there were: an empty
		 * range. */
		head.epoch = flight->epoch->prev_id;
		head.first = flight->epoch->prev_last + 1;
		head.last = flight->epoch->prev_last;
		head.prev_epoch = 0;
	}
	if (flight->lost || flight->unknown)
		head.why = fg_why_name(flight->why);
	fg_pack_begin(&pack, &flight->text, pack_format(box), fg_str_c(box->sink.gateway));
	fg_pack_add(&pack, FG_STR("fieldgate"), &record, clock->wall_ns - clock->wall_ns % 1000000,
		    !clock->synced);
	text = fg_pack_end(&pack, &head);
	if (!text.ptr)
		return -ENOMEM;
	batch_fill(box, flight, text, 1, &head);
	return 0;
}

/* What the reader meets where the part begins is gone. */
static int render_gone(struct fg_outbox *box, struct flight *flight,
		       const struct fg_spool_reader *reader)
{
	uint64_t from, to;
	enum fg_spool_gap why;

	fg_spool_reader_gap(reader, &from, &to, &why);
	if (to < flight->part_to)
		flight->part_to = to;
	flight->kind = FLIGHT_LOST;
	flight->why = flight->drop_why = gap_why(why);
	/* What stands before the first record of the range was not for this bridge, and may have
	 * been counted when the cursor passed it. */
	from = flight->part_from > flight->mark.position ? flight->part_from :
							   flight->mark.position;
	flight->lost = flight->part_to >= from ? flight->part_to - from + 1 : 0;
	flight->dropped += flight->lost;
	return render_lost(box, flight);
}

static int render_end(struct fg_outbox *box, struct flight *flight, struct fg_pack *pack)
{
	struct fg_pack_head head;
	struct fg_str text;

	head_of(box, flight, &head);
	text = fg_pack_end(pack, &head);
	if (!text.ptr)
		return -ENOMEM;
	batch_fill(box, flight, text, pack->records, &head);
	return 0;
}

/* Reads the part's records once more, by a reader of its own: the rare way. */
static int render_part(struct fg_outbox *box, struct flight *flight)
{
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	struct fg_pack pack;
	uint64_t next = flight->part_from;
	int r = fg_spool_reader_new(box->forward->conf.spool, next, &reader);

	if (r < 0)
		return r;
	flight->bytes_max = outbox_bytes(box);
	fg_pack_begin(&pack, &flight->text, pack_format(box), fg_str_c(box->sink.gateway));
	while (next <= flight->part_to && (r = fg_spool_read(reader, &view)) == 1) {
		struct fg_record skipped;
		size_t at = 0;

		for (uint64_t n = view.first; n < next; n++)
			if (fg_spool_record(&view, &at, &skipped) != 1)
				break;
		if (!add_view(box, flight, &pack, &view, &at, &next))
			break;
	}
	if (next > flight->part_from) {
		flight->part_to = next - 1;
		/* only what is not for this bridge is left of it: nothing of that is lost */
		if (pack.records == 0) {
			flight->kind = FLIGHT_LOST;
			flight->lost = 0;
			r = render_lost(box, flight);
		} else {
			r = render_end(box, flight, &pack);
		}
	} else {
		r = r == 2 ? render_gone(box, flight, reader) : -EAGAIN;
	}
	fg_spool_reader_free(reader);
	return r;
}

int outbox_render(struct fg_outbox *box, struct flight *flight)
{
	if (flight->kind == FLIGHT_LOST)
		return render_lost(box, flight);
	return render_part(box, flight);
}

static struct flight *flight_new(struct fg_outbox *box, const struct lane *lane,
				 enum flight_kind kind)
{
	struct flight *flight = flight_at(box, box->tail);
	struct fg_buf text = flight->text;

	*flight = (struct flight){
		.text = text,
		.kind = kind,
		.from = lane->range_from,
		.part_from = lane->range_from,
		.part_to = UINT64_MAX,
		.part_max = (uint32_t)box->conf->batch.records,
		.bytes_max = outbox_bytes(box),
		.oldest_ns = FG_TIME_NONE,
	};
	return flight;
}

static void flight_commit(struct fg_outbox *box, struct lane *lane, struct flight *flight,
			  uint64_t to)
{
	const struct fg_cursor_state *state = fg_cursor_state(box->cursor);

	flight->to = flight->part_to = to;
	flight->begin = state->begin > 0 && flight->from == state->begin + 1;
	lane->range_from = to + 1;
	if (lane->unread <= to)
		lane->unread = to + 1;
	if (lane == &box->live)
		box->cut_to[state->nislands - 1] = to;
	box->tail++;
}

/* An epoch so long ago that nothing tells of it any more has no name to be announced by; and that
 * nothing of a range is lost needs no saying where packs carry no ranges. */
static void flight_announce(struct fg_outbox *box, struct flight *flight)
{
	bool needed = is_ranged(box) || flight->lost || flight->unknown;

	if (flight->epoch && needed)
		(void)render_lost(box, flight);
	else
		flight->state = FLIGHT_DONE;
}

static void cut_gap(struct fg_outbox *box, struct lane *lane, const struct fg_spool_epoch *epoch)
{
	struct flight *flight = flight_new(box, lane, FLIGHT_LOST);
	const struct fg_spool_epoch *end;
	uint64_t limit = lane_limit(box, lane);
	uint64_t to = lane->gap_to < limit ? lane->gap_to : limit;

	/* One announcement speaks of one epoch. */
	end = fg_spool_epoch_at(box->forward->conf.spool, to);
	while (end && end != epoch && end->base >= lane->unread) {
		to = end->base;
		end = fg_spool_epoch_at(box->forward->conf.spool, to);
	}
	flight->epoch = epoch;
	flight->why = flight->drop_why = lane->gap_why;
	flight->dropped = flight->lost = to - lane->unread + 1;
	flight_commit(box, lane, flight, to);
	if (to == lane->gap_to)
		lane->gap_to = 0;
	flight_announce(box, flight);
}

/* Several cuts may have followed each other without a record that was kept: the first of those
 * epochs whose beginning has not been told. */
static const struct fg_spool_epoch *cut_unannounced(struct fg_outbox *box,
						    const struct fg_spool_epoch *epoch)
{
	uint64_t told = box->announced ? box->announced :
					 fg_cursor_state(box->cursor)->announced_epoch;
	uint64_t base = epoch->base;
	const struct fg_spool_epoch *first = NULL;

	for (; epoch && epoch->base == base && epoch->id != told;
	     epoch = fg_spool_epoch_before(box->forward->conf.spool, epoch))
		if (epoch->power_cut && epoch->prev_id)
			first = epoch;
	return first;
}

/* The epoch before this one ended in a power cut that may have taken acknowledged records: say so
 * once, before the first pack of the new one. */
static bool cut_power_cut(struct fg_outbox *box, struct lane *lane,
			  const struct fg_spool_epoch *epoch)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	struct flight *flight;

	if (lane->range_from != epoch->base + 1 || state->begin > epoch->base)
		return false;
	epoch = cut_unannounced(box, epoch);
	if (!epoch)
		return false;
	box->announced = epoch->id;
	flight = flight_new(box, lane, FLIGHT_LOST);
	flight->epoch = epoch;
	flight->why = FG_WHY_POWER_CUT;
	flight->unknown = true;
	flight->to = flight->part_to = lane->range_from - 1;
	box->tail++;
	flight_announce(box, flight);
	return true;
}

void outbox_cut_cover(struct fg_outbox *box, struct lane *lane, uint64_t to)
{
	struct flight *flight = flight_new(box, lane, FLIGHT_LOST);

	flight->epoch = fg_spool_epoch_at(box->forward->conf.spool, lane->range_from);
	flight_commit(box, lane, flight, to);
	flight_announce(box, flight);
}

/* What was not for this bridge at the end of an epoch is in no pack's range: nothing of it is lost,
 * but the numbers must be accounted for. */
static bool cut_uncarried(struct fg_outbox *box, struct lane *lane,
			  const struct fg_spool_epoch *epoch)
{
	if (lane->range_from > epoch->base || lane->range_from == lane->unread)
		return false;
	outbox_cut_cover(box, lane, epoch->base);
	return true;
}

static bool cut_pack(struct fg_outbox *box, struct lane *lane)
{
	struct flight *flight = flight_new(box, lane, FLIGHT_PACK);
	const struct fg_spool_epoch *epoch = lane->view.epoch;
	uint64_t next = lane->unread, limit = lane_limit(box, lane);
	struct fg_pack_head head;
	struct fg_pack pack;
	struct fg_str text;

	flight->mark = lane->view_mark;
	flight->mark.position = lane->unread;
	flight->epoch = epoch;
	flight->oldest_ns = outbox_taken(box->forward, &lane->view);
	flight->part_to = limit;
	fg_pack_begin(&pack, &flight->text, pack_format(box), fg_str_c(box->sink.gateway));
	for (;;) {
		bool room =
			add_view(box, flight, &pack, &lane->view, &lane->view_at, &lane->unread);

		if (!room || pack.records >= flight->part_max || lane->unread > limit)
			break;
		/* Others want their turn too, however little of the backlog is for this bridge. */
		if (lane->unread - next >= SCAN_MAX) {
			fg_loop_hurry(box->sink.loop);
			break;
		}
		if (!next_view(lane) || lane->gap_to ||
		    (lane->view.count && lane->view.epoch != epoch))
			break;
	}
	if (lane->unread == next) /* not even one fits, or no memory: try again later */
		return false;
	/* Nothing of it is for this bridge: the next pack's range covers it. */
	if (pack.records == 0)
		return false;
	flight_commit(box, lane, flight, lane->unread - 1);
	head_of(box, flight, &head);
	text = fg_pack_end(&pack, &head);
	batch_fill(box, flight, text, pack.records, &head);
	return true;
}

bool outbox_due(struct fg_outbox *box, const struct lane *lane)
{
	uint64_t accepted = fg_spool_accepted(box->forward->conf.spool);
	uint64_t limit = lane_limit(box, lane);

	if (lane->gap_to)
		return true;
	if (lane->unread > accepted || lane->unread > limit)
		return false;
	if (limit < accepted) /* nothing more will come there */
		return true;
	return accepted - lane->unread + 1 >= (uint64_t)box->conf->batch.records ||
	       box->conf->batch.linger_ns == 0 || lane->unread <= box->linger_upto;
}

bool outbox_cut(struct fg_outbox *box, struct lane *lane)
{
	const struct fg_spool_epoch *epoch;

	box->rested = false;
	while (view_used(lane) && !lane->gap_to)
		if (!next_view(lane))
			return false;
	epoch = lane->gap_to ? fg_spool_epoch_at(box->forward->conf.spool, lane->unread) :
			       lane->view.epoch;
	if (epoch && (cut_uncarried(box, lane, epoch) || cut_power_cut(box, lane, epoch)))
		return true;
	if (!lane->gap_to)
		return cut_pack(box, lane);
	cut_gap(box, lane, epoch);
	return true;
}

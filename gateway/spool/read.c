/* Readers: each walks the segments by itself, with a descriptor and a buffer of its own. */
#include "spool/private.h"

#include "spool/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_AGAIN_NS FG_MS(900)
#define READ_FAILURES 5

struct fg_spool_reader {
	struct fg_spool *spool; /* NULL: it was closed before */
	struct fg_spool_reader *next;
	struct fg_segment *segment; /* NULL: to be looked for by `want` */
	struct fg_walk walk;
	uint64_t want; /* next position to be given out */
	uint64_t gap_from, gap_to;
	enum fg_spool_gap why;
	struct fg_spool_mark mark;
	unsigned failures; /* in a row */
	uint64_t failed_ns; /* when the last was counted */
};

int fg_spool_reader_new(struct fg_spool *spool, uint64_t position,
			struct fg_spool_reader **ret_reader)
{
	struct fg_spool_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->spool = spool;
	reader->want = position ? position : 1;
	reader->mark.position = reader->want;
	fg_walk_init(&reader->walk);
	reader->next = spool->readers;
	spool->readers = reader;
	*ret_reader = reader;
	return 0;
}

static void segment_leave(struct fg_spool_reader *reader)
{
	if (reader->walk.fd >= 0)
		close(reader->walk.fd);
	reader->walk.fd = -1;
	reader->segment = NULL;
}

struct fg_spool_reader *fg_spool_reader_free(struct fg_spool_reader *reader)
{
	struct fg_spool_reader **link;

	if (!reader)
		return NULL;
	if (reader->spool) {
		for (link = &reader->spool->readers; *link != reader; link = &(*link)->next)
			;
		*link = reader->next;
	}
	segment_leave(reader);
	fg_walk_fini(&reader->walk);
	free(reader);
	return NULL;
}

void fg_spool_reader_rest(struct fg_spool_reader *reader)
{
	fg_walk_rest(&reader->walk);
}

void fg_readers_forget(struct fg_spool *spool, const struct fg_segment *segment)
{
	for (struct fg_spool_reader *r = spool->readers; r; r = r->next)
		if (r->segment == segment)
			segment_leave(r);
}

void fg_readers_reopen(struct fg_spool *spool, const struct fg_segment *segment)
{
	for (struct fg_spool_reader *r = spool->readers; r; r = r->next) {
		int fd = r->segment == segment ? fg_segment_open(spool, segment, O_RDONLY) : -1;

		if (fd < 0)
			continue;
		close(r->walk.fd);
		r->walk.fd = fd;
	}
}

void fg_readers_orphan(struct fg_spool *spool)
{
	for (struct fg_spool_reader *r = spool->readers; r; r = r->next)
		r->spool = NULL;
}

/* -- where to read -- */

/* 1: a gap that has not been told before. */
static int gap_tell(struct fg_spool_reader *reader, uint64_t from, uint64_t to,
		    enum fg_spool_gap why)
{
	if (from < reader->want)
		from = reader->want;
	if (from > to)
		return 0;
	reader->gap_from = from;
	reader->gap_to = to;
	reader->why = why;
	reader->want = to + 1;
	return 1;
}

/* Nothing up to `to` is there: what was given back or dropped first, then what should be. */
static int gap_below(struct fg_spool_reader *reader, uint64_t to)
{
	uint64_t floor = reader->spool->floor;

	if (reader->want <= floor)
		return gap_tell(reader, reader->want, to < floor ? to : floor, FG_GAP_DROPPED);
	return gap_tell(reader, reader->want, to, FG_GAP_DAMAGED);
}

/* False: it cannot be opened now. One that is gone is walked as if it were empty. */
static bool segment_enter(struct fg_spool_reader *reader, struct fg_segment *segment, uint64_t at,
			  uint64_t next)
{
	int fd = fg_segment_open(reader->spool, segment, O_RDONLY);

	if (fd < 0 && (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM))
		return false;
	segment_leave(reader);
	reader->segment = segment;
	fg_walk_start(&reader->walk, fd < 0 ? -1 : fd, segment->seed, at, next);
	return true;
}

/* A mark knows the entry's place; whether one really stands there shows when its CRC is checked. */
static bool mark_enter(struct fg_spool_reader *reader)
{
	struct fg_spool_mark *mark = &reader->mark;
	struct fg_segment *s = reader->spool->first;
	uint64_t first;

	while (s && s->number != mark->segment)
		s = s->next;
	if (!s || mark->offset < FG_SEGMENT_HEAD || mark->offset >= s->end ||
	    !segment_enter(reader, s, mark->offset, 0))
		return false;
	reader->walk.end = s->end;
	first = fg_walk_peek(&reader->walk);
	reader->walk.next = first;
	if (first > s->base && first <= mark->position && mark->position <= s->last)
		return true;
	segment_leave(reader);
	return false;
}

/* 0: nothing there, 1: a gap, 2: it stands in a segment. */
static int reader_locate(struct fg_spool_reader *reader)
{
	struct fg_spool *spool = reader->spool;
	struct fg_segment *s = spool->first;

	if (reader->want < fg_spool_oldest(spool))
		return gap_below(reader, fg_spool_oldest(spool) - 1);
	if (!s)
		return 0;
	if (reader->mark.segment && reader->mark.position == reader->want && mark_enter(reader))
		return 2;
	while (s->next && s->next->base < reader->want)
		s = s->next;
	if (reader->want > s->last && s->sealed && !s->next)
		return 0;
	return segment_enter(reader, s, FG_SEGMENT_HEAD, s->base + 1) ? 2 : 0;
}

/* Behind the last valid entry of its segment. 0: nothing more for now, 1: a gap, 2: go on. */
static int segment_behind(struct fg_spool_reader *reader)
{
	struct fg_segment *s = reader->segment;
	struct fg_walk *w = &reader->walk;
	uint64_t missing = w->next;

	if (missing <= s->last || w->at != s->end) {
		w->next = s->last + 1;
		w->at = w->buf_at = s->end;
		w->filled = 0;
		if (missing <= s->last)
			return gap_tell(reader, missing, s->last, FG_GAP_DAMAGED) ? 1 : 2;
	}
	if (!s->next)
		return 0;
	return segment_enter(reader, s->next, FG_SEGMENT_HEAD, s->next->base + 1) ? 2 : 0;
}

/* -- reading -- */

static bool view_make(const struct fg_spool_reader *reader, const struct fg_walked *walked,
		      struct fg_spool_view *view)
{
	if (fg_entry_view(walked->bytes, walked->len, view) < 0)
		return false;
	view->epoch = reader->segment->epoch;
	view->this_boot = reader->segment->this_boot;
	view->boot = reader->segment->boot;
	return true;
}

/* What cannot be read is tried again a second later, and after some of that it is damage. Memory
 * that is missing never is. True: not now. */
static bool read_later(struct fg_spool_reader *reader)
{
	struct fg_spool *spool = reader->spool;
	uint64_t now = spool->loop ? fg_loop_now(spool->loop) : 0;

	if (!reader->walk.error) {
		reader->failures = 0;
		return false;
	}
	if (reader->walk.error != -ENOMEM &&
	    (!spool->loop || !reader->failures || now - reader->failed_ns >= READ_AGAIN_NS)) {
		reader->failures++;
		reader->failed_ns = now;
	}
	if (reader->failures > READ_FAILURES) {
		reader->failures = 0;
		return false;
	}
	fg_sync_retry_later(spool);
	return spool->loop || reader->walk.error == -ENOMEM;
}

/* 1: an entry, 2: a gap, 0: nothing, -1: go on. */
static int reader_step(struct fg_spool_reader *reader, struct fg_spool_view *view)
{
	struct fg_walk *w = &reader->walk;
	struct fg_walked walked;
	int r;

	w->end = reader->segment->end;
	w->upper = reader->segment->last;
	switch (fg_walk_next(w, &walked)) {
	case FG_WALK_ENTRY:
		if (walked.last < reader->want || !view_make(reader, &walked, view))
			return -1;
		reader->mark = (struct fg_spool_mark){ walked.first, reader->segment->number,
						       walked.offset };
		reader->want = walked.last + 1;
		return 1;
	case FG_WALK_GAP:
		return gap_tell(reader, walked.first, walked.last, FG_GAP_DAMAGED) ? 2 : -1;
	case FG_WALK_END:
		break;
	}
	if (read_later(reader))
		return 0;
	r = segment_behind(reader);
	return r == 1 ? 2 : r == 2 ? -1 : 0;
}

int fg_spool_read(struct fg_spool_reader *reader, struct fg_spool_view *ret_view)
{
	int r = -1;

	if (!reader->spool)
		return 0;
	while (r < 0) {
		if (!reader->segment) {
			r = reader_locate(reader);
			if (r < 2)
				return r ? 2 : 0;
		}
		r = reader_step(reader, ret_view);
	}
	return r;
}

void fg_spool_reader_gap(const struct fg_spool_reader *reader, uint64_t *ret_from, uint64_t *ret_to,
			 enum fg_spool_gap *ret_why)
{
	*ret_from = reader->gap_from;
	*ret_to = reader->gap_to;
	*ret_why = reader->why;
}

void fg_spool_reader_mark(const struct fg_spool_reader *reader, struct fg_spool_mark *ret_mark)
{
	*ret_mark = reader->mark;
}

void fg_spool_reader_seek(struct fg_spool_reader *reader, const struct fg_spool_mark *mark)
{
	segment_leave(reader);
	reader->mark = *mark;
	reader->want = mark->position ? mark->position : 1;
}

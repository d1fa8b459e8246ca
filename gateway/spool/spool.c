/*
 * Appending and making room. The turn's buffer always belongs to the active segment: an entry
 * that does not fit into it is preceded by a write of the buffer and the birth of a new segment.
 */
#include "spool/private.h"

#include "spool/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define BUFFER_START ((size_t)16 << 10)
#define BUFFER_FULL ((size_t)1 << 20)
#define SMALL_TURNS 256
#define FILL_AHEAD ((uint64_t)64 << 10)
#define FILL_CHUNK 4096

/* -- looking -- */

struct fg_segment *fg_spool_active(const struct fg_spool *spool)
{
	return spool->last && !spool->last->sealed ? spool->last : NULL;
}

uint64_t fg_spool_oldest(const struct fg_spool *spool)
{
	return (spool->first ? spool->first->base : spool->accepted) + 1;
}

uint64_t fg_spool_accepted(const struct fg_spool *spool)
{
	return spool->accepted;
}

uint64_t fg_spool_committed(const struct fg_spool *spool)
{
	return spool->committed;
}

uint64_t fg_spool_bytes(const struct fg_spool *spool)
{
	return spool->bytes;
}

uint32_t fg_spool_segments(const struct fg_spool *spool)
{
	return spool->segments;
}

uint64_t fg_spool_identity(const struct fg_spool *spool)
{
	return spool->identity;
}

const char *fg_spool_gateway(const struct fg_spool *spool)
{
	return spool->gateway;
}

uint64_t fg_spool_floor(const struct fg_spool *spool)
{
	uint64_t below = fg_spool_oldest(spool) - 1;

	/* without a sound tally nobody knows whether anything is missing in front */
	return spool->tally.sequence && spool->floor < below ? spool->floor : below;
}

const struct fg_spool_epoch *fg_spool_epoch(const struct fg_spool *spool)
{
	return spool->epoch;
}

const struct fg_spool_epoch *fg_spool_epoch_at(const struct fg_spool *spool, uint64_t position)
{
	for (uint32_t i = spool->epochs.count; i-- > 0;)
		if (spool->epochs.all[i]->base < position)
			return spool->epochs.all[i];
	return NULL;
}

const struct fg_spool_epoch *fg_spool_epoch_before(const struct fg_spool *spool,
						   const struct fg_spool_epoch *epoch)
{
	return epoch->prev_id ? fg_epochs_find(&spool->epochs, epoch->prev_id) : NULL;
}

uint64_t fg_spool_position(const struct fg_spool *spool, uint64_t epoch_id, uint64_t number)
{
	const struct fg_spool_epoch *epoch = fg_epochs_find(&spool->epochs, epoch_id);

	return epoch && number && number < FG_POSITION_MAX ? epoch->base + number : 0;
}

uint64_t *fg_spool_counters(struct fg_spool *spool)
{
	return spool->counters;
}

/* -- room -- */

/* Bytes that entries can still take without anything being given back. */
static uint64_t room_left(const struct fg_spool *spool)
{
	const struct fg_segment *active = fg_spool_active(spool);
	uint64_t left = active ? active->size - active->end - spool->len : 0;

	if (spool->bytes + FG_SEGMENT_HEAD < spool->conf.limit)
		left += spool->conf.limit - spool->bytes - FG_SEGMENT_HEAD;
	return left;
}

bool fg_spool_has_room(const struct fg_spool *spool)
{
	if (spool->failing || spool->turn_error)
		return false;
	return spool->conf.when_full == FG_FULL_DROP_OLDEST || room_left(spool) >= spool->reserve;
}

void fg_spool_set_reserve(struct fg_spool *spool, uint64_t reserve)
{
	spool->reserve = reserve;
}

uint64_t fg_spool_in_the_way(const struct fg_spool *spool)
{
	const struct fg_segment *active = fg_spool_active(spool);
	uint64_t want = spool->reserve + spool->conf.limit / 4, upto = 0, room;

	if (spool->conf.when_full != FG_FULL_REFUSE || spool->failing || spool->turn_error)
		return 0;
	room = room_left(spool);
	/* the active one goes last, and only when nothing else helps */
	for (const struct fg_segment *s = spool->first; s && room < want; s = s->next) {
		if (s == active && fg_spool_has_room(spool))
			break;
		room += fg_segment_allocated(s->size);
		upto = s->last;
	}
	return upto;
}

void fg_spool_tell_room(struct fg_spool *spool)
{
	if (!spool->wants_room || !fg_spool_has_room(spool))
		return;
	spool->wants_room = false;
	if (spool->events.room)
		spool->events.room(spool->events.arg);
}

static void room_missed(struct fg_spool *spool, int error)
{
	spool->wants_room = true;
	if (error == -EAGAIN)
		return;
	if (!spool->failing)
		fg_log(&spool->logger, FG_ERROR, "cannot write", "error=\"%s\"", strerror(-error));
	spool->failing = error;
	fg_sync_retry_later(spool);
}

static void drop_oldest(struct fg_spool *spool, uint64_t need)
{
	while (spool->first && spool->bytes + need > spool->conf.limit) {
		struct fg_segment *segment = spool->first;

		if (segment->last > spool->floor)
			spool->floor = segment->last;
		/* first the word that it was dropped, so that it never passes for damage */
		(void)fg_state_write_tally(spool);
		fg_segment_remove(spool, segment, true);
		fg_sync_dropped(spool);
	}
}

/* How large the next segment may be if it has to hold `need` bytes; 0: there is no room. */
static uint64_t birth_size(const struct fg_spool *spool, uint64_t need)
{
	const struct fg_segment *active = fg_spool_active(spool);
	uint64_t size = need > spool->conf.segment ? need : spool->conf.segment, left;
	uint64_t bytes = spool->bytes;

	size = fg_segment_allocated(size);
	if (spool->conf.when_full == FG_FULL_DROP_OLDEST)
		return size;
	if (active)
		bytes -= fg_segment_allocated(active->size) - fg_segment_allocated(active->end);
	if (bytes >= spool->conf.limit)
		return 0;
	left = (spool->conf.limit - bytes) & ~(uint64_t)4095;
	if (size > left)
		size = left;
	return size >= need ? size : 0;
}

/* -- giving back -- */

static void segments_give(struct fg_spool *spool)
{
	bool giving = false;

	for (struct fg_segment *s = spool->first; s && s->sealed && s->last <= spool->released;
	     s = s->next) {
		giving = giving || !s->given_back;
		s->given_back = true;
	}
	if (!giving)
		return;
	/* lazily, several at once, but not while somebody waits for the room */
	if (spool->wants_room || !spool->loop)
		fg_sync_start(spool, false, true);
	else
		fg_sync_retry_later(spool);
}

/* The active segment alone may be what is in the way, though all of it was acknowledged. */
static void active_give(struct fg_spool *spool)
{
	struct fg_segment *active = fg_spool_active(spool);

	if (active && active->end > FG_SEGMENT_HEAD && spool->len == 0 &&
	    active->last <= spool->released)
		fg_segment_seal(spool, active);
}

void fg_spool_give(struct fg_spool *spool)
{
	if (spool->conf.when_full == FG_FULL_REFUSE && !fg_spool_has_room(spool))
		active_give(spool);
	segments_give(spool);
}

void fg_spool_release(struct fg_spool *spool, uint64_t upto)
{
	if (upto > spool->accepted)
		upto = spool->accepted;
	if (upto <= spool->released || spool->readonly)
		return;
	spool->released = upto;
	fg_spool_give(spool);
}

/* A new segment with room for an entry of `len` bytes. The buffer must have been written. */
static int rotate(struct fg_spool *spool, uint64_t len)
{
	uint64_t size = birth_size(spool, FG_SEGMENT_HEAD + len);
	int r = size ? 0 : -EAGAIN;

	if (r == 0) {
		if (fg_spool_active(spool))
			fg_segment_end(spool, spool->last);
		if (spool->conf.when_full == FG_FULL_DROP_OLDEST)
			drop_oldest(spool, size);
		r = fg_segment_birth(spool, size);
	}
	if (r < 0)
		room_missed(spool, r);
	if (r == -EAGAIN) {
		active_give(spool);
		segments_give(spool);
	}
	return r;
}

int fg_spool_retry(struct fg_spool *spool)
{
	int r = fg_spool_active(spool) ? 0 : rotate(spool, 0);

	if (r < 0)
		return r;
	if (spool->failing)
		fg_log(&spool->logger, FG_INFO, "can write again", "accepted=%" PRIu64,
		       spool->accepted);
	spool->failing = 0;
	return 0;
}

/* -- the turn's buffer -- */

static int buffer_resize(struct fg_spool *spool, size_t cap)
{
	char *buf = realloc(spool->buf, cap);

	if (!buf)
		return -ENOMEM;
	spool->buf = buf;
	spool->cap = cap;
	return 0;
}

/* Room for `need` more bytes. */
static int buffer_reserve(struct fg_spool *spool, size_t need)
{
	size_t cap = spool->cap ? spool->cap : BUFFER_START;
	int r;

	if (spool->cap - spool->len >= need)
		return 0;
	if (spool->len && spool->len + need > BUFFER_FULL) {
		r = fg_spool_write_turn(spool);
		if (r < 0)
			return spool->turn_error = r;
	}
	while (cap < spool->len + need)
		cap *= 2;
	return cap == spool->cap ? 0 : buffer_resize(spool, cap);
}

static void buffer_shrink(struct fg_spool *spool, size_t used)
{
	spool->small_turns = used > BUFFER_START ? 0 : spool->small_turns + 1;
	if (spool->cap > BUFFER_FULL ||
	    (spool->cap > BUFFER_START && spool->small_turns >= SMALL_TURNS))
		(void)buffer_resize(spool, BUFFER_START);
}

/* Nothing of the turn is kept. What part of it is in the file goes with the segment's seal: it must
 * never be read together with what takes its positions. */
static void turn_lost(struct fg_spool *spool, int error)
{
	spool->len = 0;
	spool->pending = spool->accepted;
	fg_segment_end(spool, spool->last);
	room_missed(spool, error);
}

/*
 * The first write of a preallocated block is a change of the file system's own books: a small sync
 * then writes more of its journal than of entries. Zeros that are written ahead, many blocks with
 * one sync, cost each byte a second write, which is less as long as syncs are small.
 */
static void fill_ahead(struct fg_spool *spool, struct fg_segment *active)
{
	const char zeros[FILL_CHUNK] = { 0 };
	uint64_t upto = active->end + FILL_AHEAD < active->size ? active->end + FILL_AHEAD :
								  active->size;

	if (active->filled < active->end)
		active->filled = active->end;
	if (!spool->fill || active->filled > active->end)
		return;
	while (active->filled < upto) {
		uint64_t left = upto - active->filled;
		size_t len = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		/* without them it goes on as well */
		if (spool->io->pwrite(active->fd, zeros, len, (off_t)active->filled) !=
		    (ssize_t)len)
			break;
		active->filled += len;
	}
}

int fg_spool_write_turn(struct fg_spool *spool)
{
	struct fg_segment *active = fg_spool_active(spool);
	size_t len = spool->len;
	int r;

	if (!len)
		return 0;
	r = fg_spool_write_all(spool->io, active->fd, spool->buf, len, active->end);
	if (r < 0) {
		turn_lost(spool, r);
		return r;
	}
	active->end += len;
	active->last = spool->accepted = spool->pending;
	active->dirty = true;
	spool->written += len;
	spool->len = 0;
	fill_ahead(spool, active);
	return 0;
}

/* -- appending -- */

static int append_ready(struct fg_spool *spool)
{
	if (spool->readonly)
		return -EROFS;
	if (spool->turn_error)
		return spool->turn_error;
	if (spool->failing && spool->loop)
		return spool->failing;
	return spool->failing ? fg_spool_retry(spool) : 0;
}

/* The active segment does not hold the entry of `len` bytes behind the buffer's content. */
static int append_rotated(struct fg_spool *spool, size_t len)
{
	size_t before = spool->len;
	int r;

	if (FG_SEGMENT_HEAD + len > spool->conf.limit / 2 || len > FG_ENTRY_MAX)
		return -EMSGSIZE;
	r = fg_spool_write_turn(spool);
	if (r < 0)
		return spool->turn_error = r;
	r = rotate(spool, len);
	if (r == 0 && before)
		memmove(spool->buf, spool->buf + before, len);
	return r;
}

int fg_spool_append(struct fg_spool *spool, const struct fg_entry *entry, uint64_t *ret_last)
{
	size_t bound = fg_entry_bound(entry);
	struct fg_segment *active;
	int64_t len;
	int r = append_ready(spool);

	if (r == 0 && bound > spool->conf.limit)
		r = -EMSGSIZE;
	if (r == 0)
		r = buffer_reserve(spool, bound);
	if (r < 0)
		return r;
	len = fg_entry_encode(entry, spool->pending + 1, spool->buf + spool->len);
	if (len < 0)
		return (int)len;
	active = fg_spool_active(spool);
	if (!active || active->size - active->end - spool->len < (uint64_t)len) {
		r = append_rotated(spool, (size_t)len);
		if (r < 0)
			return r;
		active = spool->last;
	}
	fg_entry_seal(spool->buf + spool->len, (size_t)len, active->seed);
	spool->len += (size_t)len;
	spool->pending += entry->count;
	*ret_last = spool->pending;
	return 0;
}

int fg_spool_flush(struct fg_spool *spool)
{
	uint64_t before = spool->tally.accepted;
	size_t used = spool->len;
	int r = spool->turn_error;

	if (r == 0)
		r = fg_spool_write_turn(spool);
	spool->turn_error = 0;
	buffer_shrink(spool, used);
	if (spool->accepted != before)
		fg_sync_flushed(spool);
	else if (!spool->readonly)
		(void)fg_state_write_tally(spool);
	if (spool->conf.when_full == FG_FULL_REFUSE && !fg_spool_has_room(spool))
		spool->wants_room = true;
	return r;
}

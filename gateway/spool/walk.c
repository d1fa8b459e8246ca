#include "spool/walk.h"

#include "spool/encode.h"
#include "spool/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t fg_read_at(int fd, void *bytes, size_t len, uint64_t at)
{
	size_t have = 0;
	int tries = 3;

	while (have < len) {
		ssize_t n = pread(fd, (char *)bytes + have, len - have, (off_t)(at + have));

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR && --tries == 0)
			return -errno;
		if (n > 0)
			have += (size_t)n;
	}
	return (ssize_t)have;
}

void fg_walk_init(struct fg_walk *w)
{
	*w = (struct fg_walk){ .fd = -1 };
}

void fg_walk_start(struct fg_walk *w, int fd, uint32_t seed, uint64_t at, uint64_t next)
{
	w->fd = fd;
	w->error = 0;
	w->seed = seed;
	w->at = at;
	w->next = next;
	w->filled = 0;
	w->buf_at = at;
}

void fg_walk_rest(struct fg_walk *w)
{
	free(w->buf);
	w->buf = NULL;
	w->cap = w->filled = 0;
	w->buf_at = w->at;
}

void fg_walk_fini(struct fg_walk *w)
{
	free(w->buf);
	fg_walk_init(w);
}

static inline size_t walk_have(const struct fg_walk *w)
{
	return w->filled - (size_t)(w->at - w->buf_at);
}

static inline const char *walk_bytes(const struct fg_walk *w)
{
	return w->buf + (w->at - w->buf_at);
}

/* The buffer becomes as large as the entry that is due, and small again behind it. */
static bool buffer_fit(struct fg_walk *w, size_t need)
{
	size_t cap = need > FG_WALK_BUFFER ? need : FG_WALK_BUFFER;
	char *buf;

	if (w->cap == cap || (w->cap > cap && walk_have(w) > cap))
		return true;
	buf = malloc(cap);
	if (!buf && w->cap < need)
		w->error = -ENOMEM;
	if (!buf)
		return w->cap >= need;
	if (walk_have(w))
		memcpy(buf, walk_bytes(w), walk_have(w));
	w->filled = walk_have(w);
	w->buf_at = w->at;
	free(w->buf);
	w->buf = buf;
	w->cap = cap;
	return true;
}

/* A file that is shorter than it should be is damage; one that is not there (fd -1) as well. */
static bool walk_read(struct fg_walk *w, size_t need)
{
	uint64_t left = w->end - w->buf_at - w->filled;
	size_t want = w->cap - w->filled;
	ssize_t n = fg_read_at(w->fd, w->buf + w->filled, left < want ? (size_t)left : want,
			       w->buf_at + w->filled);

	if (n < 0 && n != -EBADF)
		w->error = n == -ENOMEM ? -ENOMEM : -EIO;
	if (n > 0)
		w->filled += (size_t)n;
	return w->filled >= need;
}

static bool walk_fill(struct fg_walk *w, size_t need)
{
	if (!buffer_fit(w, need))
		return false;
	if (w->at != w->buf_at) {
		size_t have = walk_have(w);

		if (have)
			memmove(w->buf, walk_bytes(w), have);
		w->filled = have;
		w->buf_at = w->at;
	}
	return w->filled >= need || walk_read(w, need);
}

/* At least `need` bytes from `at` on; they lie before `end`. */
static inline bool walk_need(struct fg_walk *w, size_t need)
{
	return walk_have(w) >= need || walk_fill(w, need);
}

static inline bool head_fits(const struct fg_walk *w, const char *head)
{
	uint32_t len = fg_get32(head), count = fg_get32(head + FG_ENTRY_COUNT);
	uint64_t first = fg_get64(head + FG_ENTRY_FIRST);

	return len > FG_ENTRY_HEAD && len <= w->end - w->at && first >= w->next &&
	       first <= w->upper && count >= 1 && count - 1 <= w->upper - first &&
	       count <= (len - FG_ENTRY_HEAD) / FG_RECORD_MIN &&
	       fg_get16(head + FG_ENTRY_DEVICE) < len - FG_ENTRY_HEAD;
}

static inline bool head_due(struct fg_walk *w)
{
	return w->end >= w->at && w->end - w->at > FG_ENTRY_HEAD && walk_need(w, FG_ENTRY_HEAD);
}

/* Is there a sound entry at `at`, at whatever position? */
static inline bool entry_sound(struct fg_walk *w, size_t *ret_len)
{
	size_t len;

	if (!head_fits(w, walk_bytes(w)))
		return false;
	len = fg_get32(walk_bytes(w));
	if (!walk_need(w, len) || !fg_entry_sound(walk_bytes(w), len, w->seed))
		return false;
	*ret_len = len;
	return true;
}

/* A preallocated tail that was never written is a hole in the file and need not be read.
 * True: `at` has moved, to where data begins again or to the end. */
static bool hole_skip(struct fg_walk *w)
{
	off_t data = lseek(w->fd, (off_t)w->at, SEEK_DATA);
	uint64_t at = data >= 0 ? (uint64_t)data : w->end;

	if ((data < 0 && errno != ENXIO) || at <= w->at)
		return false;
	w->at = w->buf_at = at < w->end ? at : w->end;
	w->filled = 0;
	return true;
}

/* No entry begins with four zeros, its length: so many bytes are passed at once where a tail of
 * them has to be read. The last head in the buffer is left for hole_skip(). */
static size_t zeros_skip(const char *bytes, size_t have)
{
	size_t zeros = 0;

	while (zeros + 8 <= have && fg_get64(bytes + zeros) == 0)
		zeros += 8;
	return zeros <= 8 ? 1 : zeros - 4 < have - FG_ENTRY_HEAD ? zeros - 4 : have - FG_ENTRY_HEAD;
}

/* Looks for the next sound entry, byte by byte. Afterwards `at` is where it stands. */
static bool walk_resync(struct fg_walk *w)
{
	size_t len;

	while (!w->error && head_due(w)) {
		if (entry_sound(w, &len))
			return true;
		if (walk_have(w) > FG_ENTRY_HEAD)
			w->at += zeros_skip(walk_bytes(w), walk_have(w));
		else if (!hole_skip(w))
			w->at++;
	}
	return false;
}

static enum fg_walk_result walk_damage(struct fg_walk *w, struct fg_walked *ret)
{
	uint64_t begin = w->at;

	if (!walk_resync(w)) {
		/* what could not be read now is looked at anew by the next call */
		w->at = w->buf_at = begin;
		w->filled = 0;
		return FG_WALK_END;
	}
	ret->offset = begin;
	ret->damaged = w->at - begin;
	ret->first = w->next;
	w->next = fg_get64(walk_bytes(w) + FG_ENTRY_FIRST);
	ret->last = w->next - 1;
	return FG_WALK_GAP;
}

enum fg_walk_result fg_walk_next(struct fg_walk *w, struct fg_walked *ret)
{
	size_t len;

	w->error = 0;
	if (!head_due(w))
		return FG_WALK_END;
	if (fg_get64(walk_bytes(w) + FG_ENTRY_FIRST) != w->next || !entry_sound(w, &len))
		return w->error ? FG_WALK_END : walk_damage(w, ret);
	ret->bytes = walk_bytes(w);
	ret->len = len;
	ret->offset = w->at;
	ret->first = w->next;
	ret->last = w->next + fg_get32(ret->bytes + FG_ENTRY_COUNT) - 1;
	w->at += len;
	w->next = ret->last + 1;
	return FG_WALK_ENTRY;
}

uint64_t fg_walk_peek(struct fg_walk *w)
{
	return head_due(w) ? fg_get64(walk_bytes(w) + FG_ENTRY_FIRST) : 0;
}

/* A bridge's cursor file: two slots written in turn (see spool/format.h). */
#include "spool/cursor.h"

#include "base/crc32c.h"
#include "spool/format.h"
#include "spool/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN_ANNOUNCED 1
#define OPTIONAL 2
#define GIVEN_UP 4
#define TORN 8
#define ISLANDS_AT (8 + 8 * 16)	/* in the slot, behind the words */
#define MORE_AT (ISLANDS_AT + 8 + 16 * FG_CURSOR_ISLANDS)

struct fg_cursor {
	int fd, folder_fd, dir_fd;
	uint64_t sequence;
	bool damaged;
	atomic_bool written; /* since the last sync */
	atomic_bool behind; /* the last write failed: the file does not say what is so */
	bool fresh; /* no sync of its name by this run; the one before may have been killed */
	struct fg_cursor_state state, on_disk;
};

static const char *const why_names[FG_WHY__MAX] = {
	[FG_WHY_SPOOL_FULL] = "spool-full",
	[FG_WHY_DAMAGED] = "damaged",
	[FG_WHY_REFUSED] = "refused",
	[FG_WHY_POWER_CUT] = "power-cut",
	[FG_WHY_BRIDGE_REMOVED] = "bridge-removed",
};

const char *fg_why_name(enum fg_why why)
{
	return (unsigned)why < FG_WHY__MAX ? why_names[why] : "unknown";
}

/* -- the slot -- */

static void slot_encode(const struct fg_cursor_state *s, uint64_t sequence,
			char slot[FG_CURSOR_SLOT])
{
	uint64_t flags = (s->begin_announced ? BEGIN_ANNOUNCED : 0) | (s->optional ? OPTIONAL : 0) |
			 (s->given_up ? GIVEN_UP : 0) | (s->torn ? TORN : 0);
	const uint64_t more[] = { s->spool, s->id, s->absent_s, s->again };
	const uint64_t words[] = {
		sequence,	 s->begin,	 s->position,
		s->acknowledged, s->sent,	 s->dead,
		s->dropped[0],	 s->dropped[1],	 s->dropped[2],
		s->dropped[3],	 s->dropped[4],	 s->announced_epoch,
		s->removed_at_s, s->target_hash, flags,
		s->tiled,
	};

	_Static_assert(FG_WHY__MAX == 5, "the file's format has five reasons");
	memset(slot, 0, FG_CURSOR_SLOT);
	memcpy(slot, FG_CURSOR_MAGIC, 8);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		fg_put64(slot + 8 + 8 * i, words[i]);
	fg_put64(slot + ISLANDS_AT, s->nislands);
	for (uint32_t i = 0; i < s->nislands; i++) {
		fg_put64(slot + ISLANDS_AT + 8 + 16 * i, s->islands[i].from);
		fg_put64(slot + ISLANDS_AT + 16 + 16 * i, s->islands[i].to);
	}
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		fg_put64(slot + MORE_AT + 8 * i, more[i]);
	fg_put32(slot + FG_CURSOR_SLOT - 4, fg_crc32c(0, slot, FG_CURSOR_SLOT - 4));
}

/* In order and apart from each other; the last may be empty. */
static bool islands_sound(const struct fg_cursor_island *islands, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (islands[i].from > islands[i].to && islands[i].from - islands[i].to > 1)
			return false;
		if (i > 0 && islands[i].from <= islands[i - 1].to)
			return false;
	}
	return true;
}

static void slot_decode(const char *slot, struct fg_cursor_state *s)
{
	const char *p = slot + 16;

	s->begin = fg_get64(p);
	s->position = fg_get64(p + 8);
	s->acknowledged = fg_get64(p + 16);
	s->sent = fg_get64(p + 24);
	s->dead = fg_get64(p + 32);
	for (unsigned i = 0; i < FG_WHY__MAX; i++)
		s->dropped[i] = fg_get64(p + 40 + 8 * i);
	s->announced_epoch = fg_get64(p + 80);
	s->removed_at_s = fg_get64(p + 88);
	s->target_hash = fg_get64(p + 96);
	s->begin_announced = fg_get64(p + 104) & BEGIN_ANNOUNCED;
	s->optional = fg_get64(p + 104) & OPTIONAL;
	s->given_up = fg_get64(p + 104) & GIVEN_UP;
	s->torn = fg_get64(p + 104) & TORN;
	s->tiled = fg_get64(p + 112);
	s->spool = fg_get64(slot + MORE_AT);
	s->id = fg_get64(slot + MORE_AT + 8);
	s->absent_s = fg_get64(slot + MORE_AT + 16);
	s->again = fg_get64(slot + MORE_AT + 24);
	s->nislands = 0;
	if (fg_get64(slot + ISLANDS_AT) > FG_CURSOR_ISLANDS)
		return;
	s->nislands = (uint32_t)fg_get64(slot + ISLANDS_AT);
	for (uint32_t i = 0; i < s->nislands; i++) {
		s->islands[i].from = fg_get64(slot + ISLANDS_AT + 8 + 16 * i);
		s->islands[i].to = fg_get64(slot + ISLANDS_AT + 16 + 16 * i);
	}
	/* rather twice than never */
	if (!islands_sound(s->islands, s->nislands))
		s->nislands = 0;
}

/* The sequence of the newer sound slot, 0: there is none. -errno: that could not be seen. */
static int slots_read(int fd, uint64_t *ret_sequence, struct fg_cursor_state *ret_state)
{
	char slot[FG_CURSOR_SLOT];
	uint64_t newest = 0;

	for (int i = 0; i < 2; i++) {
		ssize_t n = fg_read_at(fd, slot, sizeof(slot), (uint64_t)i * FG_CURSOR_STEP);

		if (n < 0)
			return (int)n;
		if (n != sizeof(slot) || memcmp(slot, FG_CURSOR_MAGIC, 8) != 0 ||
		    fg_get32(slot + FG_CURSOR_SLOT - 4) != fg_crc32c(0, slot, FG_CURSOR_SLOT - 4) ||
		    fg_get64(slot + 8) <= newest)
			continue;
		newest = fg_get64(slot + 8);
		slot_decode(slot, ret_state);
	}
	*ret_sequence = newest;
	return 0;
}

/* -- the folder -- */

static bool name_ok(const char *bridge)
{
	return bridge[0] && bridge[0] != '.' && !strchr(bridge, '/') && strlen(bridge) <= 255;
}

static int folder_open(const char *spool_dir, bool make, int *ret_dir)
{
	int dir = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (dir < 0)
		return -errno;
	if (make && mkdirat(dir, "cursors", 0750) < 0 && errno != EEXIST) {
		r = -errno;
		close(dir);
		return r;
	}
	fd = openat(dir, "cursors", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	r = fd < 0 ? -errno : fd;
	if (ret_dir && r >= 0)
		*ret_dir = dir;
	else
		close(dir);
	return r;
}

/* -- one that is open -- */

static uint64_t counts_sum(const struct fg_cursor_state *s)
{
	uint64_t sum = s->acknowledged + s->sent + s->dead;

	for (unsigned i = 0; i < FG_WHY__MAX; i++)
		sum += s->dropped[i];
	return sum;
}

static void take(uint64_t *count, uint64_t *excess)
{
	uint64_t n = *count < *excess ? *count : *excess;

	*count -= n;
	*excess -= n;
}

uint64_t fg_cursor_ahead(const struct fg_cursor_state *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->nislands; i++)
		sum += s->islands[i].to + 1 - s->islands[i].from;
	return sum;
}

/* What lies beyond `accepted` goes. True: there was something. */
static bool clamp_islands(struct fg_cursor_state *s, uint64_t accepted)
{
	uint64_t before = fg_cursor_ahead(s);

	while (s->nislands && s->islands[s->nislands - 1].to >= accepted) {
		struct fg_cursor_island *last = &s->islands[s->nislands - 1];

		last->to = accepted;
		if (last->from <= accepted)
			break;
		s->nislands--;
	}
	return fg_cursor_ahead(s) != before;
}

/* The counts are of what lies between begin and position, and in the islands. What has gone is
 * taken off them, that which was acknowledged first: its records are the ones that were
 * forgotten. */
void fg_cursor_clamp(struct fg_cursor_state *s, uint64_t accepted)
{
	uint64_t excess, due;

	if (!clamp_islands(s, accepted) && s->position <= accepted)
		return;
	if (s->position > accepted)
		s->position = accepted;
	if (s->tiled > accepted)
		s->tiled = accepted;
	if (s->begin > accepted)
		s->begin = accepted;
	due = s->position - s->begin + fg_cursor_ahead(s);
	excess = counts_sum(s) > due ? counts_sum(s) - due : 0;
	take(&s->acknowledged, &excess);
	take(&s->sent, &excess);
	for (unsigned i = 0; i < FG_WHY__MAX; i++)
		take(&s->dropped[i], &excess);
	take(&s->dead, &excess);
}

static int slot_write(int fd, const char slot[FG_CURSOR_SLOT], off_t at)
{
	size_t done = 0;

	while (done < FG_CURSOR_SLOT) {
		ssize_t n = pwrite(fd, slot + done, FG_CURSOR_SLOT - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Both slots get their blocks, so that a full disk cannot keep a cursor from moving. */
static int file_prepare(int fd)
{
	char empty[FG_CURSOR_SLOT] = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size >= FG_CURSOR_STEP + FG_CURSOR_SLOT)
		return 0;
	for (int i = 0; i < 2; i++) {
		off_t at = (off_t)i * FG_CURSOR_STEP;

		if (st.st_size >= at + FG_CURSOR_SLOT)
			continue;
		r = slot_write(fd, empty, at);
		if (r < 0)
			return r;
	}
	return 0;
}

static int file_open(struct fg_cursor *cursor, const char *spool_dir, const char *bridge)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	if (!name_ok(bridge))
		return -EINVAL;
	cursor->folder_fd = folder_open(spool_dir, true, &cursor->dir_fd);
	if (cursor->folder_fd < 0)
		return cursor->folder_fd;
	cursor->fd = openat(cursor->folder_fd, bridge, flags);
	cursor->damaged = cursor->fd >= 0; /* until a sound slot is found */
	if (cursor->fd < 0 && errno == ENOENT)
		cursor->fd = openat(cursor->folder_fd, bridge, flags | O_CREAT, 0640);
	cursor->fresh = true;
	if (cursor->fd < 0)
		return -errno;
	return 0;
}

struct fg_cursor_state *fg_cursor_state(struct fg_cursor *cursor)
{
	return &cursor->state;
}

void fg_cursor_begin(struct fg_cursor *cursor, uint64_t spool, uint64_t begin)
{
	cursor->state = (struct fg_cursor_state){
		.spool = spool,
		.begin = begin,
		.position = begin,
		.tiled = begin,
	};
	/* one without an id of its own only goes without what the id is good for */
	if (getrandom(&cursor->state.id, sizeof(cursor->state.id), GRND_NONBLOCK) !=
	    sizeof(cursor->state.id))
		cursor->state.id = 0;
}

bool fg_cursor_damaged(const struct fg_cursor *cursor)
{
	return cursor->damaged;
}

static bool state_same(const struct fg_cursor_state *a, const struct fg_cursor_state *b)
{
	for (unsigned i = 0; i < FG_WHY__MAX; i++)
		if (a->dropped[i] != b->dropped[i])
			return false;
	for (unsigned i = 0; i < a->nislands; i++)
		if (a->islands[i].from != b->islands[i].from ||
		    a->islands[i].to != b->islands[i].to)
			return false;
	return a->nislands == b->nislands && a->position == b->position &&
	       a->acknowledged == b->acknowledged && a->sent == b->sent && a->dead == b->dead &&
	       a->begin == b->begin && a->tiled == b->tiled &&
	       a->announced_epoch == b->announced_epoch && a->removed_at_s == b->removed_at_s &&
	       a->target_hash == b->target_hash && a->begin_announced == b->begin_announced &&
	       a->optional == b->optional && a->given_up == b->given_up && a->spool == b->spool &&
	       a->id == b->id && a->absent_s == b->absent_s && a->again == b->again &&
	       a->torn == b->torn;
}

int fg_cursor_write(struct fg_cursor *cursor)
{
	char slot[FG_CURSOR_SLOT];
	uint64_t sequence = cursor->sequence + 1;
	int r;

	if (cursor->sequence && state_same(&cursor->state, &cursor->on_disk))
		return 0;
	slot_encode(&cursor->state, sequence, slot);
	r = slot_write(cursor->fd, slot, (off_t)(sequence & 1) * FG_CURSOR_STEP);
	atomic_store(&cursor->behind, r < 0);
	if (r < 0)
		return r;
	cursor->sequence = sequence;
	cursor->on_disk = cursor->state;
	atomic_store(&cursor->written, true);
	return 0;
}

/* Its own in the folder, and the folder's. */
static int names_sync(const struct fg_cursor *cursor)
{
	if (fsync(cursor->folder_fd) < 0 && errno != EINVAL)
		return -errno;
	return fsync(cursor->dir_fd) < 0 && errno != EINVAL ? -errno : 0;
}

int fg_cursor_sync(struct fg_cursor *cursor)
{
	int r = 0;

	if (atomic_load(&cursor->behind))
		return -EIO;
	/* taken back first: what is written during the sync needs another */
	if (!atomic_exchange(&cursor->written, false))
		return 0;
	if (fdatasync(cursor->fd) < 0)
		r = -errno;
	if (r == 0 && cursor->fresh)
		r = names_sync(cursor);
	if (r == 0)
		cursor->fresh = false;
	else
		atomic_store(&cursor->written, true);
	return r;
}

int fg_cursor_open(const char *spool_dir, const char *bridge, uint64_t accepted,
		   struct fg_cursor **ret_cursor, bool *ret_found)
{
	struct fg_cursor *cursor = calloc(1, sizeof(*cursor));
	int r;

	if (!cursor)
		return -ENOMEM;
	cursor->fd = cursor->folder_fd = cursor->dir_fd = -1;
	/* the run before may have been killed between a write and its sync */
	atomic_init(&cursor->written, true);
	atomic_init(&cursor->behind, false);
	r = file_open(cursor, spool_dir, bridge);
	if (r == 0) {
		/* reading comes first: a short file may still have one sound slot */
		r = slots_read(cursor->fd, &cursor->sequence, &cursor->on_disk);
		cursor->damaged = cursor->damaged && !cursor->sequence;
		if (r == 0)
			r = file_prepare(cursor->fd);
	}
	if (r < 0) {
		fg_cursor_free(cursor);
		return r;
	}
	cursor->state = cursor->on_disk;
	fg_cursor_clamp(&cursor->state, accepted);
	/* at once: the positions that it was ahead are given to others now, and after one more
	 * power cut it must not have passed them */
	if (cursor->state.position != cursor->on_disk.position && fg_cursor_write(cursor) == 0)
		(void)fg_cursor_sync(cursor);
	*ret_cursor = cursor;
	*ret_found = cursor->sequence > 0;
	return 0;
}

struct fg_cursor *fg_cursor_free(struct fg_cursor *cursor)
{
	if (!cursor)
		return NULL;
	if (cursor->fd >= 0)
		close(cursor->fd);
	if (cursor->folder_fd >= 0)
		close(cursor->folder_fd);
	if (cursor->dir_fd >= 0)
		close(cursor->dir_fd);
	free(cursor);
	return NULL;
}

/* -- without opening one -- */

int fg_cursor_remove(const char *spool_dir, const char *bridge)
{
	int folder = name_ok(bridge) ? folder_open(spool_dir, false, NULL) : -EINVAL, r = 0;

	if (folder < 0)
		return folder;
	if (unlinkat(folder, bridge, 0) < 0)
		r = -errno;
	close(folder);
	return r;
}

int fg_cursor_read(const char *spool_dir, const char *bridge, struct fg_cursor_state *ret_state)
{
	int folder = name_ok(bridge) ? folder_open(spool_dir, false, NULL) : -EINVAL, fd, r;
	struct fg_cursor_state state = { 0 };
	uint64_t sequence;

	if (folder < 0)
		return folder;
	fd = openat(folder, bridge, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	r = fd < 0 ? -errno : 0;
	close(folder);
	if (r < 0)
		return r;
	r = slots_read(fd, &sequence, &state);
	if (r == 0 && !sequence)
		r = -EBADMSG;
	close(fd);
	if (r == 0)
		*ret_state = state;
	return r;
}

int fg_cursor_each(const char *spool_dir, int (*each)(void *arg, const char *bridge), void *arg)
{
	int fd = folder_open(spool_dir, false, NULL), r = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (name_ok(entry->d_name))
			r = each(arg, entry->d_name);
	closedir(dir);
	return r;
}

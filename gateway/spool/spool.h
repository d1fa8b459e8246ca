/*
 * The spool: the bounded log on disk between drivers and bridges, the only queue there is.
 *
 * Every payload is one entry, kept whole or not at all; an entry holds one or more records. Records
 * are counted by *position*: 1, 2, 3 ... over the whole life of a spool directory, over all its
 * epochs. What the world sees is the epoch and the number within it; a position is only for the
 * inside, where one monotonic count makes cursors, the ledger and comparisons simple:
 *
 *     number = position - epoch.base          (see struct fg_spool_epoch)
 *
 * accepted: written (pwrite has returned); the death of the process cannot lose it.
 * committed: synced; a power cut cannot.
 *
 * The files are described in docs/spool-format.md and at the top of spool/format.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/log.h>
#include <fg/loop.h>
#include <fg/record.h>

enum fg_when_full { FG_FULL_DROP_OLDEST, FG_FULL_REFUSE };

#define FG_COMMIT_EACH 0	/* nothing is acknowledged before it is committed */
#define FG_COMMIT_NEVER (-1)	/* the kernel decides */

struct fg_spool_conf {
	const char *dir;
	uint64_t limit;		/* bytes of all segments together */
	uint64_t segment;	/* bytes of one; made smaller where limit holds fewer than 8 */
	int64_t commit_ns;	/* or FG_COMMIT_EACH, FG_COMMIT_NEVER */
	int when_full;		/* enum fg_when_full */
	const char *gateway;	/* whose it is, for tools; NULL: as before */
};

struct fg_spool;

/* One run of numbers. */
struct fg_spool_epoch {
	uint64_t id;		/* random, 16 hex digits in text */
	uint64_t base;		/* position before its number 1 */
	uint64_t prev_id;	/* the epoch before it, 0: none */
	uint64_t prev_last;	/* and the last number of that which was kept */
	bool power_cut;		/* the one before ended in a power cut that may have taken what
				   nobody could count: announce it */
};

/* What the owner is told. All but one are called on the loop; none may close the spool. */
struct fg_spool_events {
	void *arg;
	/* Everything up to the position is on disk (from the pending phase, after a sync). */
	void (*committed)(void *arg, uint64_t upto);
	/* Segments were dropped to make room: nothing below `oldest` can be read any more. */
	void (*dropped)(void *arg, uint64_t oldest);
	/* There is room again, or the disk takes writes again: -EAGAIN/-ENOSPC/-EIO are over. */
	void (*room)(void *arg);
	/* About to sync or to give segments back: bring what must not be behind them to the disk
	 * first (cursors). Called on a worker thread with the spool untouched meanwhile. */
	int (*sync_cursors)(void *arg);
};

/*
 * Opens or makes the spool. Takes the directory's lock. Reads one header per segment and the last
 * segment's entries; cuts a torn tail; sets what is no segment aside. After a clean end the epoch
 * goes on, after any other a new one begins.
 *   -EBUSY   another process has it (fg_spool_lock_pid says which)
 *   -ENOSPC, -EIO, -EACCES, ...   it cannot be made or written
 * Damage is never an error: what cannot be read becomes a gap.
 *
 * Without a loop (NULL) nothing is deferred: syncs happen within the call that asks for them, no
 * timer runs, and events are told from within the calls.
 */
int fg_spool_open(struct fg_loop *, const struct fg_logger *, const struct fg_spool_conf *,
		  const struct fg_spool_events *, struct fg_spool **ret_spool);
/* Who has it, or had it last. -ENOENT: nobody had. */
int fg_spool_lock_pid(const char *dir, pid_t *ret_pid);
/* The same files read only, without a lock or a loop, for tools on a stopped gateway. */
int fg_spool_open_readonly(const char *dir, struct fg_spool **ret_spool);
/* Flushes and commits everything, writes the clean end, then calls `closed` (NULL: synchronously,
 * for tools and for the end of the process). Waits for a sync under way. Readers are freed before.
 * With a loop, the memory of its timers goes in the loop's next close phase. */
void fg_spool_close(struct fg_spool *, void (*closed)(void *arg), void *arg);

/* Other sizes and policies while it runs; a smaller limit is met as segments go. All but a change
 * from or to "commit": "each", which every file says of itself and which takes a restart. */
void fg_spool_set_conf(struct fg_spool *, const struct fg_spool_conf *);

/* -- appending: once per payload, into the turn's buffer -- */
enum {
	FG_ENTRY_UNSYNCED = 1,		/* wall_ns is from before the clock was known to be right */
	FG_ENTRY_DEVICE_TIME = 2,	/* wall_ns is the device's own */
};

struct fg_entry {
	struct fg_str device;		/* SenML-safe */
	int64_t wall_ns;		/* Unix time */
	int64_t boot_ns;		/* CLOCK_BOOTTIME when it came */
	unsigned flags;
	const struct fg_record *records;
	uint32_t count;			/* >= 1 */
};

/* Encodes the entry into the turn's buffer (written early if that is full) and numbers its records.
 *   0           *ret_last: position of its last record
 *   -EAGAIN     no room under "refuse"
 *   -EMSGSIZE   larger than half the spool
 *   -EINVAL     no record, or one whose value its kind does not allow
 *   -ENOSPC, -EIO ...   the disk does not take it; nothing was kept of it */
int fg_spool_append(struct fg_spool *, const struct fg_entry *, uint64_t *ret_last);

/* One write for the turn: what was appended becomes accepted. On failure nothing of the turn is
 * kept, its numbers are given back, and -errno says why; a short write is finished or taken back.
 * What an append had to write early counts as accepted all the same: fg_spool_accepted() tells.
 * Starts the commit timer, or the sync under FG_COMMIT_EACH. */
int fg_spool_flush(struct fg_spool *);

/* False while appends are refused: full under "refuse", or the last write failed. Under "refuse" it
 * turns false while there is still room for `reserve` bytes, so that what is already on its way in
 * this turn can be taken. */
bool fg_spool_has_room(const struct fg_spool *);
void fg_spool_set_reserve(struct fg_spool *, uint64_t reserve);
/* Under "refuse": up to which position records would have to go for a quarter of the limit to be
 * free. 0: it is, or the policy is another, or room is not what is missing. */
uint64_t fg_spool_in_the_way(const struct fg_spool *);

/* -- counts, all as positions (0: none) -- */
uint64_t fg_spool_oldest(const struct fg_spool *);	/* first position that can be read */
uint64_t fg_spool_accepted(const struct fg_spool *);
uint64_t fg_spool_committed(const struct fg_spool *);
uint64_t fg_spool_bytes(const struct fg_spool *);	/* of all segments, as allocated */
uint32_t fg_spool_segments(const struct fg_spool *);
uint64_t fg_spool_identity(const struct fg_spool *);	/* random; in every file of it */
/* Whose it is, as its state says; empty: nobody has said so. */
const char *fg_spool_gateway(const struct fg_spool *);
/* What stands up to here was given back or dropped; what stands behind should be there. */
uint64_t fg_spool_floor(const struct fg_spool *);
const struct fg_spool_epoch *fg_spool_epoch(const struct fg_spool *); /* the present one */
/* Also of positions that were dropped; NULL: that epoch is so long ago that nothing tells of it. */
const struct fg_spool_epoch *fg_spool_epoch_at(const struct fg_spool *, uint64_t position);
/* The one that it names as the one before; NULL: nothing tells of it. */
const struct fg_spool_epoch *fg_spool_epoch_before(const struct fg_spool *,
						   const struct fg_spool_epoch *);

/* Where a number of an epoch stands. 0: nothing tells of that epoch. */
uint64_t fg_spool_position(const struct fg_spool *, uint64_t epoch_id, uint64_t number);

/* Counters that live with the spool so that they survive any end: written with each flush, synced
 * with the commits. */
enum { FG_SPOOL_COUNTERS = 24 };	/* by index; whoever uses one gives it its meaning */
uint64_t *fg_spool_counters(struct fg_spool *);

/* -- giving back: segments whose last position is <= upto are freed -- */
void fg_spool_release(struct fg_spool *, uint64_t upto);

/* -- reading: each bridge has its own reader; none moves another -- */
struct fg_spool_boot {			/* what is known of a boot's clock */
	int64_t offset_ns;		/* time of day less boot clock, when that was right */
	int64_t upto_ns;		/* by the boot clock, when that was; 0: never */
};

struct fg_spool_view {			/* one entry, borrowed until the next read of this reader */
	uint64_t first, last;		/* positions of its records */
	const struct fg_spool_epoch *epoch;
	struct fg_str device;
	int64_t wall_ns, boot_ns;
	unsigned flags;
	bool this_boot;			/* boot_ns is comparable with now */
	const struct fg_spool_boot *boot; /* stays good; NULL: nothing is known of its clock */
	uint32_t count;
	struct fg_str body;		/* records, for fg_spool_record() */
};

enum fg_spool_gap { FG_GAP_NONE, FG_GAP_DROPPED, FG_GAP_DAMAGED };

struct fg_spool_mark {			/* a place to come back to, cheap to keep */
	uint64_t position;		/* next record to be read */
	uint64_t segment;		/* private: where its entry stands, 0 if to be looked for */
	uint64_t offset;
};

struct fg_spool_reader;

int fg_spool_reader_new(struct fg_spool *, uint64_t position, struct fg_spool_reader **ret_reader);
struct fg_spool_reader *fg_spool_reader_free(struct fg_spool_reader *);
/* Gives back what it reads into (64 KiB) until the next read; a view of it ends. */
void fg_spool_reader_rest(struct fg_spool_reader *);
/* The next entry, in order. Only accepted entries are seen.
 *   1   *ret_view is it. If the reader stands inside an entry (first < mark's position), the caller
 *       skips the records it has had.
 *   0   nothing more for now
 *   2   a gap: positions *ret_from .. *ret_to cannot be read (see fg_spool_reader_gap for why);
 *       the next read goes on behind it */
int fg_spool_read(struct fg_spool_reader *, struct fg_spool_view *ret_view);
void fg_spool_reader_gap(const struct fg_spool_reader *, uint64_t *ret_from, uint64_t *ret_to,
			 enum fg_spool_gap *ret_why);
/* Where the entry that was read last begins; and going back (or forth) to a mark. */
void fg_spool_reader_mark(const struct fg_spool_reader *, struct fg_spool_mark *ret_mark);
void fg_spool_reader_seek(struct fg_spool_reader *, const struct fg_spool_mark *);

/* Walks the records of a view: *at starts as 0. 1: a record, 0: no more, -EBADMSG: malformed. The
 * record's strings point into the view. */
int fg_spool_record(const struct fg_spool_view *, size_t *at, struct fg_record *ret_record);

/* -- true times -- */
/* The time of day of this boot is known to be right now: what was stamped FG_ENTRY_UNSYNCED up to
 * boot_ns gets its true time from here on, also in later boots (of the last 16 that have had one).
 * -errno: it was not written; it counts all the same as long as the spool is open. */
int fg_spool_clock_right(struct fg_spool *, int64_t offset_ns, int64_t boot_ns);
/* The time of an entry by what is known now; *ret_unsynced: that is what it was stamped with, by a
 * clock that nobody knows to have been right. */
int64_t fg_spool_time(const struct fg_spool_view *, bool *ret_unsynced);
/* Moves a record's own time by as much as its entry's, if it was counted from the arrival. */
void fg_spool_date(const struct fg_spool_view *, int64_t time_ns, struct fg_record *);

/* -- looking on, for tools -- */
struct fg_spool_segment_info {
	const char *file;		/* its name in the directory */
	uint64_t epoch, first, last;	/* numbers; last 0: none */
	uint64_t bytes;
	bool sealed;
};

void fg_spool_each_segment(struct fg_spool *,
			   void (*each)(void *arg, const struct fg_spool_segment_info *),
			   void *arg);
/* Whether a folder holds a spool, or is any other: a lock, or one segment at least. */
bool fg_spool_is_there(const char *dir);
/* What checking tells; all optional. */
struct fg_spool_verify {
	void *arg;
	void (*bad)(void *arg, const char *file, uint64_t offset, uint64_t len, const char *why);
	void (*at)(void *arg, uint64_t bytes);	/* of fg_spool_bytes() are checked */
};
/* Checks every checksum. Calls `bad` for each damaged stretch; returns the number of entries. */
int64_t fg_spool_verify(struct fg_spool *, const struct fg_spool_verify *);

/* What the files of the spool share. Nobody else includes this but the spool's tests. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "spool/spool.h"
#include "spool/format.h"
#include "spool/walk.h"

#define FG_SEGMENT_NAME 24 /* 16 digits, ".seg", NUL */

/* What may fail, so that tests can make it. */
struct fg_spool_io {
	ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
	int (*fdatasync)(int fd);
	int (*allocate)(int fd, off_t len); /* 0 or -errno */
};

extern const struct fg_spool_io fg_spool_io;

struct fg_segment {
	struct fg_segment *next;
	uint64_t number;
	uint64_t base, last; /* positions: before its first record, and of its last */
	uint64_t end; /* bytes of header and entries */
	uint64_t size; /* bytes of the file */
	uint64_t filled; /* bytes written so far, the zeros in front of the next entries included */
	const struct fg_spool_epoch *epoch;
	const struct fg_spool_boot *boot; /* NULL: nothing is known of its clock */
	uint32_t seed;
	int fd; /* -1: not open; open while it is written or has to be synced */
	bool sealed, this_boot;
	bool dirty; /* has what no sync has begun to cover */
	bool uncertain; /* a sync failed: what the disk has of it is not known, it is rewritten */
	bool given_back; /* released: unlinked once the cursors are synced */
};

/* The slots of SPOOLDIR/lock. */
struct fg_run_state {
	uint64_t sequence, last;
	uint8_t boot[16];
	bool found, clean, each, failing;
	uint64_t identity; /* 0: an earlier format's, or nothing tells of it */
	char gateway[FG_GATEWAY_MAX + 1]; /* empty: nothing tells of it */
	bool named; /* by the name's own slot */
	uint32_t epochs;
	struct fg_spool_epoch epoch[FG_RUN_EPOCHS];
};

struct fg_tally {
	uint64_t sequence, accepted, committed, floor;
	uint64_t counters[FG_SPOOL_COUNTERS];
};

struct fg_epochs {
	struct fg_spool_epoch **all; /* in order of time; pointers stay */
	uint32_t count;
};

/* What is known of one boot's clock. */
struct fg_boot {
	uint8_t id[16];
	uint32_t sequence; /* 0: a free place */
	struct fg_spool_boot known;
};

struct fg_sync_job;
struct fg_spool_timers;

struct fg_spool {
	struct fg_loop *loop; /* NULL: everything is done at once, nothing by a worker */
	struct fg_logger logger;
	struct fg_spool_conf conf; /* dir is a copy; segment is what it really is */
	struct fg_spool_events events;
	const struct fg_spool_io *io;
	int dir_fd, lock_fd;
	bool readonly;
	uint64_t identity; /* its own, in every file of it */
	char gateway[FG_GATEWAY_MAX + 1];
	uint8_t boot[16];
	struct fg_boot boots[FG_BOOTS], *this_boot; /* pointers into it stay good */

	struct fg_segment *first, *last; /* the last takes records unless it is sealed */
	uint32_t segments;
	uint64_t bytes, bad_bytes;
	uint64_t next_number;
	struct fg_epochs epochs;
	const struct fg_spool_epoch *epoch;
	struct fg_spool_reader *readers;

	uint64_t accepted, committed, floor;
	uint64_t released;
	uint64_t run_sequence;
	struct fg_tally tally; /* as last written */
	uint64_t counters[FG_SPOOL_COUNTERS];

	/* the turn's buffer: accepted < its records <= pending */
	char *buf;
	size_t len, cap;
	uint64_t pending;
	unsigned small_turns; /* in a row that needed no large buffer */
	int turn_error; /* the turn has been lost before its flush */
	int failing; /* -errno of the last write or birth, until one works */
	uint64_t reserve;
	bool wants_room; /* someone was told that there is none */

	struct fg_spool_timers *timers; /* outlives the spool until its handles are closed */
	struct fg_sync_job *job; /* under way, or NULL */
	struct fg_sync_job *spare; /* for the last of all jobs; NULL: it is that one */
	bool want_data, want_giving; /* what the next job has to do */
	bool dir_dirty, state_dirty;
	uint32_t block; /* of a file system that pays for the first write of one; 0: another */
	bool fill; /* syncs are small: zeros are written ahead of the entries */
	uint64_t written, written_synced; /* bytes of entries, all and when a sync last began */
	uint64_t full_ns, full_upto; /* when a sync last brought cursors and state along */
	bool sync_failing;
	void (*closed)(void *arg);
	void *closed_arg;
	bool closing;
};

/* -- segment.c -- */
void fg_segment_name(uint64_t number, char out[FG_SEGMENT_NAME]);
/* What a header tells besides the segment's own. */
struct fg_segment_head {
	struct fg_spool_epoch epoch;
	uint64_t identity; /* of the spool; 0: it is of version 1 */
	uint8_t boot[16];
	bool each;
};

/* Reads and checks the header of an open file. -EBADMSG: not one, or not of this number;
 * -ENOTSUP: a format of the future. */
int fg_segment_read_head(int fd, uint64_t number, struct fg_segment *ret_segment,
			 struct fg_segment_head *ret_head);
/* A new segment of `size` bytes at the end of the list, which then takes the records. */
int fg_segment_birth(struct fg_spool *, uint64_t size);
/* No record follows; the file is cut to its size. */
void fg_segment_seal(struct fg_spool *, struct fg_segment *);
void fg_segment_append(struct fg_spool *, struct fg_segment *); /* to the list */
/* Takes it out of the list and frees it; its file is unlinked if `unlink_file`. */
void fg_segment_remove(struct fg_spool *, struct fg_segment *, bool unlink_file);
/* Seals it, or removes it if it has no entry. */
void fg_segment_end(struct fg_spool *, struct fg_segment *);
int fg_segment_open(const struct fg_spool *, const struct fg_segment *, int flags);
/* The whole of it, or -errno: short writes are finished. */
int fg_spool_write_all(const struct fg_spool_io *, int fd, const void *bytes, size_t len,
		       uint64_t at);
static inline uint64_t fg_segment_allocated(uint64_t size)
{
	return (size + 4095) & ~(uint64_t)4095;
}

/* -- state.c -- */
/* Reads both kinds of slots; what is not there or not sound is left zero. */
void fg_state_read(int lock_fd, struct fg_run_state *ret_run, struct fg_tally *ret_tally);
int fg_state_write_run(struct fg_spool *, bool clean); /* pwrite only */
int fg_state_write_name(struct fg_spool *); /* likewise */
/* A sync has failed under this boot: said at once and from any thread, for the process may die
 * before the run's slot does. Writing that slot takes it back once none fails. */
void fg_state_write_error(const struct fg_spool_io *, int lock_fd, const uint8_t boot[16]);
int fg_state_write_tally(struct fg_spool *); /* nothing if unchanged */
int fg_state_lock(struct fg_spool *); /* opens, locks, writes the pid */
int fg_state_read_pid(int lock_fd, pid_t *ret_pid);
int fg_boot_id(uint8_t ret_boot[16]);
const struct fg_spool_epoch *fg_epochs_find(const struct fg_epochs *, uint64_t id);
/* Adds it unless it is known; NULL: no memory. */
const struct fg_spool_epoch *fg_epochs_add(struct fg_epochs *, const struct fg_spool_epoch *);
void fg_epochs_pop(struct fg_epochs *); /* takes the latest away */
void fg_epochs_fini(struct fg_epochs *);

/* -- boots.c -- */
void fg_boots_read(struct fg_spool *);
const struct fg_spool_boot *fg_boots_find(struct fg_spool *, const uint8_t *id); /* or NULL */

/* -- gather.c -- */
struct fg_numbers {
	uint64_t *number;
	size_t count, cap;
};

struct fg_found { /* what the directory told */
	const struct fg_run_state *run;
	struct fg_numbers segments, bad; /* in order */
	uint64_t aside, aside_first; /* greatest and least number of those set aside; 0: none */
	bool each; /* the last segment was written under commit "each" */
	uint8_t boot[16]; /* and under this boot */
	bool damaged; /* its end is not as it was written */
};

int fg_gather_names(struct fg_spool *, struct fg_found *);
/* Nothing of the state tells whose the spool is: what most segments and cursors say. 0: none. */
uint64_t fg_gather_identity(const struct fg_spool *, const struct fg_found *);
/* The segments of ours, in order; the rest is set aside. */
int fg_gather_segments(struct fg_spool *, struct fg_found *);
/* Of what was set aside the newest few are kept for whoever wants to look into them, within an
 * eighth of the limit. */
void fg_gather_prune(struct fg_spool *, struct fg_found *);

/* -- recover.c -- */
int fg_spool_recover(struct fg_spool *);

/* -- read.c -- */
void fg_readers_forget(struct fg_spool *, const struct fg_segment *); /* it is about to go */

/* Their files were written anew: the descriptors are of the old ones. */
void fg_readers_reopen(struct fg_spool *, const struct fg_segment *);

void fg_readers_orphan(struct fg_spool *); /* the spool goes before them */

/* -- spool.c -- */
struct fg_segment *fg_spool_active(const struct fg_spool *); /* NULL: the next append bears one */
int fg_spool_write_turn(struct fg_spool *);
void fg_spool_give(struct fg_spool *); /* what is released, as far as the limit asks for it */
void fg_spool_tell_room(struct fg_spool *); /* room(), if it was missed and is there */
int fg_spool_retry(struct fg_spool *); /* a segment's birth after a failure */
struct fg_spool *fg_spool_destroy(struct fg_spool *); /* NULL and half-made ones are fine */

/* -- sync.c -- */
int fg_sync_init(struct fg_spool *);
void fg_sync_flushed(struct fg_spool *); /* there are new accepted records */
/* Now, or right after the one under way. data: what was accepted until it begins is committed;
 * giving: segments that were released are unlinked. */
void fg_sync_start(struct fg_spool *, bool data, bool giving);
void fg_sync_retry_later(struct fg_spool *);
void fg_sync_dropped(struct fg_spool *); /* tells events.dropped, once for several */
void fg_sync_fini(struct fg_spool *);

/*
 * Walks the entries of one segment file: pread into a buffer, every CRC checked, damage skipped.
 * Knows files and positions only; used by readers, by recovery and by verify.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FG_WALK_BUFFER ((size_t)64 << 10)

/* All that is there of `len` bytes, or -errno: a read that fails is tried twice more, since a disk
 * can do better the next time, and what only could not be read now must not pass for damage. */
ssize_t fg_read_at(int fd, void *bytes, size_t len, uint64_t at);

struct fg_walk {
	int fd;
	int error; /* -errno: the end is that of reading, not of the entries; -ENOMEM or -EIO */
	uint32_t seed;
	uint64_t at; /* where in the file the next entry is due */
	uint64_t end; /* bytes of the file that may be looked at; may grow between calls */
	uint64_t next; /* position that the next entry has to begin with */
	uint64_t upper; /* no entry reaches beyond this position */
	/* file bytes buf_at .. buf_at+filled; at is always within or at its end */
	char *buf;
	size_t cap, filled;
	uint64_t buf_at;
};

enum fg_walk_result { FG_WALK_END, FG_WALK_ENTRY, FG_WALK_GAP };

struct fg_walked {
	const char *bytes; /* FG_WALK_ENTRY: borrowed until the next call */
	size_t len;
	uint64_t offset; /* where it stands; FG_WALK_GAP: where the damage begins */
	uint64_t damaged; /* FG_WALK_GAP: bytes of damage */
	uint64_t first, last; /* positions of its records, or of those that are missing */
};

void fg_walk_init(struct fg_walk *);
/* Takes another place; the buffer's memory is kept, its content is not. */
void fg_walk_start(struct fg_walk *, int fd, uint32_t seed, uint64_t at, uint64_t next);
/* Gives its buffer back, which the next call takes anew; what was borrowed of it ends. */
void fg_walk_rest(struct fg_walk *);
void fg_walk_fini(struct fg_walk *);

/* FG_WALK_END: nothing valid stands between `at` and `end`; or `error` is set, and the same call
 * may do better later. */
enum fg_walk_result fg_walk_next(struct fg_walk *, struct fg_walked *ret_walked);
/* The position that the entry header at `at` claims, 0: there is none. Not checked by its CRC. */
uint64_t fg_walk_peek(struct fg_walk *);

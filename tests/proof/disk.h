/*
 * A disk that can lose power. Everything that the product does to files below one folder is
 * recorded while it is really done (disk_wrap.c stands between it and libc); from the record, the
 * states are made that a power cut could have left at any point.
 *
 * What is sure at a cut: what a sync that had returned covers. A file's sync covers what was
 * written to it before the sync began, not its name; a sync of their folder covers names. Of the
 * rest any part may be there: writes in any order, whole, none of it, sectors of it, or only the
 * size; names in any order too, but two changes of the same name keep theirs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_mode {
	DISK_OFF,    /* calls go through */
	DISK_RECORD, /* and are recorded */
	DISK_DEAD,   /* the process is dead: nothing it does reaches a file any more */
};

enum disk_kind {
	DISK_CREATE, /* inode: the folder, target: what is new in it */
	DISK_UNLINK,
	DISK_RENAME, /* name becomes `to` in the same folder */
	DISK_WRITE,
	DISK_EXTEND, /* at least `len` bytes, zeros where nothing was */
	DISK_TRUNCATE,
	DISK_SYNC, /* covers what came before `begin` */
};

struct disk_op {
	enum disk_kind kind;
	bool forgotten; /* a failed sync gave the page up: no later one covers it */
	uint32_t inode, target, begin;
	uint64_t at, len, now_ns;
	const void *site; /* DISK_SYNC: who called */
	char *bytes;
	char name[48], to[48];
};

struct disk_inode {
	bool folder;
	uint32_t parent;
	uint32_t synced;     /* what was recorded before this is sure */
	uint64_t size;	     /* as the process sees it */
	char *base;	     /* what was there when the record began */
	uint64_t base_len;
};

struct disk_name {
	uint32_t folder, inode;
	char name[48];
};

struct disk_names {
	struct disk_name *all;
	uint32_t count, cap;
};

enum { DISK_FDS = 1024, DISK_SITES = 64 };

struct disk {
	enum disk_mode mode;
	char root[64], boot[80]; /* boot: the file that is read for the boot's id */
	struct disk_op *ops;
	uint32_t nops, ops_cap;
	struct disk_inode *inodes; /* 0 is none, 1 the root */
	uint32_t ninodes, inodes_cap;
	struct disk_names names, base; /* as the process sees them, and at the beginning */
	uint32_t fds[DISK_FDS];
	bool appends[DISK_FDS];
	const void *sites[DISK_SITES];
	uint32_t nsites;
	const uint64_t *now_ns;			     /* the time that entries are given */
	uint32_t eio_in;			     /* the n-th sync of a segment fails; 0: none */
	void (*during_sync)(void *arg);		     /* others go on while one waits for a sync */
	void *arg;
	uint64_t random;			     /* for getrandom(), so that a seed repeats */
};

struct disk *disk_get(void);

/* Records from now on; what is below the folder is on the disk. */
void disk_begin(const char *root);
/* Forgets the record. */
void disk_end(void);
/* Another boot: a new id is read from now on. */
void disk_boot(uint64_t id);

/* Makes in the folder `to` (emptied first) a state that a cut before the record's n-th entry could
 * leave. `skip`: syncs of this call site count for nothing. `everything`: nothing was lost. */
void disk_build(uint32_t cut, uint64_t *random, const void *skip, bool everything, const char *to);
/* Is what the record says the same as what is in the folder? */
bool disk_matches(const char *scratch);

void folder_empty(const char *path);
void folder_copy(const char *from, const char *to);
char *file_load(const char *path, size_t *ret_len); /* NULL: not there */
void file_store(const char *path, const void *bytes, size_t len);

/* What disk_wrap.c reports. */
void disk_opened(int dir_fd, const char *path, int flags, int fd, bool existed);
bool disk_find(int dir_fd, const char *path, uint32_t *ret_folder, const char **ret_name);
uint32_t disk_lookup(uint32_t folder, const char *name);
struct disk_op *disk_add(enum disk_kind kind, uint32_t inode);
void disk_name_set(struct disk_names *names, uint32_t folder, const char *name, uint32_t inode);
uint32_t disk_inode_new(bool folder, uint32_t parent);
void disk_wrote(int fd, const void *bytes, uint64_t len, uint64_t at);
int disk_synced(int fd, const void *site);

static inline uint32_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return n ? random_next(state) % n : 0;
}

static inline bool random_chance(uint64_t *state, uint32_t percent)
{
	return random_below(state, 100) < percent;
}

static inline uint64_t random_seed(uint64_t seed)
{
	uint64_t z = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (z ^ (z >> 27)) | 1;
}

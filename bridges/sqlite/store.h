/*
 * The database: one file in WAL mode, written in transactions that are synced (synchronous=FULL).
 * All of this runs on a worker, one call at a time.
 *
 * Which numbers are there stands in the same file as the records (table `pack`) and is written in
 * the same transaction. So a pack that comes again, whole or cut in another way, adds nothing that
 * is there already, whatever was killed or cut off in between.
 */
#pragma once

#include "adapt/packs.h"

#include <sqlite3.h>

#define STORE_WHY_MAX 32

struct store_pack {
	size_t at, len;			/* its text in what is handed to store_put() */
	bool cbor;
	uint64_t epoch, first, last;
	int error;			/* -EBADMSG: it cannot be read; the others are in */
};

/* Numbers that are there. */
struct store_range {
	uint64_t epoch, first, last;
};

enum store_call {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_POINT,
	STORE_ADD_DEVICE,
	STORE_ADD_POINT,
	STORE_ADD_VALUE,
	STORE_ADD_PACK,
	STORE_OVERLAP,
	STORE_NEWEST,
	STORE_OLDEST,
	STORE_OLDEST_DATED,
	STORE_CUT_VALUES,
	STORE_JOIN,
	STORE_MARK,
	STORE_CUT_PACK,
	STORE_PAGES,
	STORE_FREE_PAGES,
	STORE_PAGE_SIZE,
	STORE_CALLS
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *calls[STORE_CALLS];
	struct fg_packs packs;
	const char *path;
	unsigned set_aside;		/* the file was damaged and is now PATH.damaged-N; 0: no */
};

/* Opens the file, makes it if it is missing; one that is damaged is put aside and begun anew, once.
 *   -EBUSY   another process holds it
 *   -EEXIST  a database of another program, or of a newer version
 *   -errno of the folder, -ENOMEM, -EIO, -ENOSPC */
int store_open(struct store *store);
void store_close(struct store *store);
/* The ranges of the newest packs, oldest first, at most `most` of them. */
int store_newest(struct store *store, struct store_range *ranges, uint32_t most,
		 uint32_t *ret_count);
/* All packs in one transaction. 0: what is not in has an error of its own.
 *   -EBUSY, -ENOSPC, -EIO, -ENOMEM   none of them is in
 *   -EUCLEAN  the file is damaged: none is in; it has been closed and put aside */
int store_put(struct store *store, const char *text, struct store_pack *packs, uint32_t count);
/* Takes out the oldest packs: those older than keep_s (0: none), and as many as the file is larger
 * than `size` bytes; at most some hundred in one call. Errors as above. */
int sqlite_tidy(struct store *store, int64_t keep_s, uint64_t size);

/* -- among the store's files -- */
/* What SQLite's answer is as an errno. */
int store_errno(const struct store *store, int rc);
/* Steps a statement that gives no row, and readies it for the next time. */
int store_step(struct store *store, enum store_call call);
/* The number in the first row. */
int store_number(struct store *store, enum store_call call, int64_t *ret_number);
int store_bind_epoch(struct store *store, enum store_call call, int at, uint64_t epoch);

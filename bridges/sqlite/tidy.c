/*
 * What has become too old or too much is taken out, oldest pack first. Of a pack that is gone its
 * range stays, joined with its neighbours', so that it is still known to have been here.
 */
#include "store.h"

#include <errno.h>
#include <time.h>

#define PACKS_AT_ONCE 200

struct oldest {
	int64_t id, first, last, records, first_value, last_value, stored;
	char epoch[17];
};

/* -ENOENT: there is none. */
static int oldest_find(struct store *store, enum store_call call, struct oldest *ret_oldest)
{
	sqlite3_stmt *stmt = store->calls[call];
	int rc = sqlite3_step(stmt), r = rc == SQLITE_DONE ? -ENOENT : store_errno(store, rc);
	const char *epoch;

	if (rc == SQLITE_ROW) {
		epoch = (const char *)sqlite3_column_text(stmt, 1);
		*ret_oldest = (struct oldest){
			.id = sqlite3_column_int64(stmt, 0),
			.first = sqlite3_column_int64(stmt, 2),
			.last = sqlite3_column_int64(stmt, 3),
			.records = sqlite3_column_int64(stmt, 4),
			.first_value = sqlite3_column_int64(stmt, 5),
			.last_value = sqlite3_column_int64(stmt, 6),
			.stored = sqlite3_column_int64(stmt, 7),
		};
		if (epoch)
			memcpy(ret_oldest->epoch, epoch, strnlen(epoch, 16));
	}
	sqlite3_reset(stmt);
	return r;
}

static int pack_remove(struct store *store, const struct oldest *pack)
{
	sqlite3_stmt *cut = store->calls[STORE_CUT_VALUES], *join = store->calls[STORE_JOIN];
	int r;

	sqlite3_bind_int64(cut, 1, pack->first_value);
	sqlite3_bind_int64(cut, 2, pack->last_value);
	r = store_step(store, STORE_CUT_VALUES);
	if (r < 0)
		return r;
	sqlite3_bind_text(join, 1, pack->epoch, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(join, 2, pack->first);
	sqlite3_bind_int64(join, 3, pack->last);
	sqlite3_bind_int64(join, 4, pack->records);
	r = store_step(store, STORE_JOIN);
	if (r < 0)
		return r;
	if (sqlite3_changes(store->db) > 0) {
		sqlite3_bind_int64(store->calls[STORE_CUT_PACK], 1, pack->id);
		return store_step(store, STORE_CUT_PACK);
	}
	sqlite3_bind_int64(store->calls[STORE_MARK], 1, pack->id);
	return store_step(store, STORE_MARK);
}

/* Bytes of the pages in use; the file itself does not become smaller, its free pages are used
 * again. */
static int used_bytes(struct store *store, uint64_t *ret_bytes)
{
	int64_t pages = 0, free_pages = 0, page_size = 0;
	int r = store_number(store, STORE_PAGES, &pages);

	if (r == 0)
		r = store_number(store, STORE_FREE_PAGES, &free_pages);
	if (r == 0)
		r = store_number(store, STORE_PAGE_SIZE, &page_size);
	if (r == 0)
		*ret_bytes = (uint64_t)((pages - free_pages) * page_size);
	return r;
}

/* Whether the pack in `ret_oldest` has to go. -ENOENT: none has. */
static int next_find(struct store *store, int64_t before, uint64_t size, struct oldest *ret_oldest)
{
	uint64_t used = 0;
	int r = used_bytes(store, &used);

	if (r < 0)
		return r;
	if (used > size)
		return oldest_find(store, STORE_OLDEST, ret_oldest);
	if (before <= 0)
		return -ENOENT;
	r = oldest_find(store, STORE_OLDEST_DATED, ret_oldest);
	return r == 0 && ret_oldest->stored >= before ? -ENOENT : r;
}

int sqlite_tidy(struct store *store, int64_t keep_s, uint64_t size)
{
	int64_t before = keep_s > 0 ? (int64_t)time(NULL) - keep_s : 0;
	struct oldest oldest = { 0 };
	int r = next_find(store, before, size, &oldest);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = store_step(store, STORE_BEGIN);
	for (int i = 0; r == 0 && i < PACKS_AT_ONCE; i++) {
		r = pack_remove(store, &oldest);
		if (r == 0)
			r = next_find(store, before, size, &oldest);
	}
	if (r == 0 || r == -ENOENT)
		r = store_step(store, STORE_COMMIT);
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void)store_step(store, STORE_ROLLBACK);
	return r;
}

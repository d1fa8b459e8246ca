/* The file, its schema, and what puts packs into it. docs/sqlite.md tells people of both. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define APPLICATION 0x46674877 /* PRAGMA application_id */
#define BUSY_MS 2000
#define ASIDE_MAX 3 /* damaged files that are kept */
#define OVERLAPS 64
#define YEAR_2015 1420070400

static const char setup[] = "PRAGMA journal_mode=WAL;"
			    "PRAGMA synchronous=FULL;"
			    "PRAGMA cache_size=-1024;"
			    "PRAGMA temp_store=MEMORY;"
			    "PRAGMA journal_size_limit=4194304;";

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE device(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE point(id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device(id),"
	" name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE(device, name, unit));"
	"CREATE TABLE value(id INTEGER PRIMARY KEY, point INTEGER NOT NULL REFERENCES point(id),"
	" time INTEGER, kind INTEGER NOT NULL, value, sum REAL, update_s REAL,"
	" unsynced INTEGER NOT NULL);"
	"CREATE INDEX value_of_point ON value(point, time);"
	"CREATE TABLE pack(id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL, records INTEGER NOT NULL, lost INTEGER, why TEXT,"
	" stored INTEGER NOT NULL, first_value INTEGER NOT NULL, last_value INTEGER NOT NULL,"
	" kept INTEGER NOT NULL);"
	"CREATE INDEX pack_of_epoch ON pack(epoch, first);"
	"CREATE VIEW records AS SELECT"
	" strftime('%Y-%m-%dT%H:%M:%fZ', value.time / 1000000.0, 'unixepoch') AS time,"
	" device.name AS device, point.name AS point,"
	" CASE kind WHEN 1 THEN CASE value WHEN 0 THEN 'false' ELSE 'true' END ELSE value END"
	" AS value, point.unit AS unit, sum, unsynced, value.id AS id"
	" FROM value JOIN point ON point.id = value.point JOIN device ON device.id = point.device;"
	"CREATE VIEW lost AS SELECT epoch, first, last, lost AS records, why,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', stored, 'unixepoch') AS stored"
	" FROM pack WHERE why IS NOT NULL;"
	"PRAGMA application_id=1181173879;"
	"PRAGMA user_version=1;"
	"COMMIT;";

static const char *const texts[STORE_CALLS] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_POINT] = "SELECT point.id FROM device JOIN point ON point.device = device.id"
			" WHERE device.name = ?1 AND point.name = ?2 AND point.unit = ?3",
	[STORE_ADD_DEVICE] = "INSERT OR IGNORE INTO device(name) VALUES(?1)",
	[STORE_ADD_POINT] = "INSERT INTO point(device, name, unit)"
			    " SELECT id, ?2, ?3 FROM device WHERE name = ?1",
	[STORE_ADD_VALUE] = "INSERT INTO value(point, time, kind, value, sum, update_s, unsynced)"
			    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[STORE_ADD_PACK] = "INSERT INTO pack(epoch, first, last, records, lost, why, stored,"
			   " first_value, last_value, kept) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
			   " ?9, 1)",
	[STORE_OVERLAP] = "SELECT first, last, records FROM pack WHERE epoch = ?1 AND first <= ?2"
			  " ORDER BY first DESC, last DESC",
	[STORE_NEWEST] = "SELECT epoch, first, last FROM (SELECT * FROM pack WHERE why IS NULL AND"
			 " last >= first ORDER BY id DESC LIMIT ?1) ORDER BY id",
	[STORE_OLDEST] = "SELECT id, epoch, first, last, records, first_value, last_value, stored"
			 " FROM pack WHERE kept AND why IS NULL ORDER BY id LIMIT 1",
	[STORE_OLDEST_DATED] = "SELECT id, epoch, first, last, records, first_value, last_value,"
			       " stored FROM pack WHERE kept AND why IS NULL AND stored > 0"
			       " ORDER BY id LIMIT 1",
	[STORE_CUT_VALUES] = "DELETE FROM value WHERE id BETWEEN ?1 AND ?2",
	[STORE_JOIN] = "UPDATE pack SET last = ?3, records = records + ?4 WHERE NOT kept AND"
		       " last = ?2 - 1 AND id = (SELECT id FROM pack WHERE epoch = ?1 AND"
		       " first < ?2 ORDER BY first DESC LIMIT 1)",
	[STORE_MARK] = "UPDATE pack SET kept = 0, first_value = 1, last_value = 0 WHERE id = ?1",
	[STORE_CUT_PACK] = "DELETE FROM pack WHERE id = ?1",
	[STORE_PAGES] = "PRAGMA page_count",
	[STORE_FREE_PAGES] = "PRAGMA freelist_count",
	[STORE_PAGE_SIZE] = "PRAGMA page_size",
};

int store_errno(const struct store *store, int rc)
{
	int error;

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_READONLY:
		return -EROFS;
	default:
		/* what is not SQLite's own fault: a schema that lacks what is asked for */
		if ((rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_CONSTRAINT)
			return -EUCLEAN;
		error = store->db ? sqlite3_system_errno(store->db) : 0;
		return error > 0 ? -error : -EIO;
	}
}

int store_step(struct store *store, enum store_call call)
{
	int r = store_errno(store, sqlite3_step(store->calls[call]));

	sqlite3_reset(store->calls[call]);
	return r;
}

int store_number(struct store *store, enum store_call call, int64_t *ret_number)
{
	sqlite3_stmt *stmt = store->calls[call];
	int rc = sqlite3_step(stmt), r = store_errno(store, rc);

	if (rc == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(stmt, 0);
	else if (r == 0)
		r = -ENOENT;
	sqlite3_reset(stmt);
	return r;
}

static int bind_text(struct store *store, enum store_call call, int at, struct fg_str text)
{
	/* never NULL: that would be no text */
	return sqlite3_bind_text64(store->calls[call], at, text.len ? text.ptr : "", text.len,
				   SQLITE_TRANSIENT, SQLITE_UTF8);
}

int store_bind_epoch(struct store *store, enum store_call call, int at, uint64_t epoch)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, epoch);
	return bind_text(store, call, at, fg_str_c(text));
}

/* -- opening -- */

static int number_of(struct store *store, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			*ret_number = sqlite3_column_int64(stmt, 0);
		sqlite3_finalize(stmt);
	}
	return store_errno(store, rc);
}

static int run_sql(struct store *store, const char *sql)
{
	return store_errno(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static int make_schema(struct store *store)
{
	int64_t tables = 0, application = 0, version = 0;
	int r = number_of(store, "SELECT count(*) FROM sqlite_schema", &tables);

	if (r == 0)
		r = number_of(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = number_of(store, "PRAGMA user_version", &version);
	if (r < 0)
		return r;
	if (application == APPLICATION && version == 1)
		return 0;
	if (tables > 0 || application != 0)
		return -EEXIST;
	r = run_sql(store, schema);
	if (r < 0)
		(void)run_sql(store, "ROLLBACK");
	return r;
}

static int prepare_all(struct store *store)
{
	for (int i = 0; i < STORE_CALLS; i++) {
		int rc = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &store->calls[i], NULL);

		if (rc != SQLITE_OK)
			return store_errno(store, rc);
	}
	return 0;
}

static int note_meta(struct store *store)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(store->db,
				    "INSERT OR REPLACE INTO meta VALUES('gateway', ?1),"
				    "('set_aside', coalesce((SELECT max(?2, value) FROM"
				    " meta WHERE key = 'set_aside'), ?2))",
				    -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return store_errno(store, rc);
	sqlite3_bind_text(stmt, 1, store->packs.gateway, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int(stmt, 2, (int)store->set_aside);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return store_errno(store, rc);
}

static int try_open(struct store *store)
{
	/* SQLite would make it for everybody to read */
	int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	int r;

	if (fd < 0)
		return -errno;
	close(fd);
	r = store_errno(store, sqlite3_open_v2(store->path, &store->db,
					       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r < 0)
		return r;
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, BUSY_MS);
	/* first of all, whose it is: another's file is not changed */
	r = make_schema(store);
	if (r == 0)
		r = run_sql(store, setup);
	if (r == 0)
		r = prepare_all(store);
	return r == 0 ? note_meta(store) : r;
}

static void db_close(struct store *store)
{
	for (int i = 0; i < STORE_CALLS; i++) {
		sqlite3_finalize(store->calls[i]);
		store->calls[i] = NULL;
	}
	sqlite3_close(store->db);
	store->db = NULL;
}

/* PATH.damaged-1 is the first, the last one is written over by all that follow. */
static int set_aside(struct store *store)
{
	static const char *const parts[] = { "", "-wal", "-shm" };
	char from[4096], to[4096];
	struct stat status;
	unsigned n = 1;

	db_close(store);
	for (; n < ASIDE_MAX; n++) {
		snprintf(to, sizeof(to), "%s.damaged-%u", store->path, n);
		if (stat(to, &status) < 0)
			break;
	}
	for (size_t i = 0; i < 3; i++) {
		if (snprintf(from, sizeof(from), "%s%s", store->path, parts[i]) >= 4096 ||
		    snprintf(to, sizeof(to), "%s.damaged-%u%s", store->path, n, parts[i]) >= 4096)
			return -ENAMETOOLONG;
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	store->set_aside = n;
	return 0;
}

int store_open(struct store *store)
{
	int r;

	r = try_open(store);
	if (r == -EUCLEAN) {
		r = set_aside(store);
		if (r == 0)
			r = try_open(store);
	}
	if (r < 0)
		db_close(store);
	return r;
}

void store_close(struct store *store)
{
	db_close(store);
	fg_packs_close(&store->packs);
}

/* -- putting packs in -- */

static int point_find(struct store *store, const struct fg_item *item, int64_t *ret_id)
{
	static const enum store_call by_name[] = { STORE_POINT, STORE_ADD_DEVICE, STORE_ADD_POINT };
	int r;

	for (size_t i = 0; i < 3; i++) {
		bind_text(store, by_name[i], 1, item->device);
		if (by_name[i] == STORE_ADD_DEVICE)
			continue;
		bind_text(store, by_name[i], 2, item->point);
		bind_text(store, by_name[i], 3, item->unit);
	}
	r = store_number(store, STORE_POINT, ret_id);
	if (r != -ENOENT)
		return r;
	r = store_step(store, STORE_ADD_DEVICE);
	if (r == 0)
		r = store_step(store, STORE_ADD_POINT);
	if (r == 0)
		*ret_id = sqlite3_last_insert_rowid(store->db);
	return r;
}

static void bind_value(sqlite3_stmt *stmt, int at, const struct fg_value *value)
{
	if (!value)
		sqlite3_bind_null(stmt, at);
	else if (value->kind == FG_BOOL)
		sqlite3_bind_int(stmt, at, value->b);
	else if (value->kind == FG_INT)
		sqlite3_bind_int64(stmt, at, value->i);
	else if (fg_value_is_number(value))
		sqlite3_bind_double(stmt, at, fg_value_double(value));
	else if (value->kind == FG_STRING)
		sqlite3_bind_text64(stmt, at, value->s.len ? value->s.ptr : "", value->s.len,
				    SQLITE_TRANSIENT, SQLITE_UTF8);
	else if (value->kind == FG_DATA)
		sqlite3_bind_blob64(stmt, at, value->s.len ? value->s.ptr : "", value->s.len,
				    SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(stmt, at);
}

static int value_add(struct store *store, const struct fg_item *item)
{
	sqlite3_stmt *stmt = store->calls[STORE_ADD_VALUE];
	int64_t point = 0;
	int r = point_find(store, item, &point);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, point);
	if (item->time_us == FG_NO_TIME)
		sqlite3_bind_null(stmt, 2);
	else
		sqlite3_bind_int64(stmt, 2, item->time_us);
	sqlite3_bind_int(stmt, 3, (int)item->kind);
	bind_value(stmt, 4, item->value);
	bind_value(stmt, 5, item->sum);
	bind_value(stmt, 6, item->update);
	sqlite3_bind_int(stmt, 7, item->unsynced);
	return store_step(store, STORE_ADD_VALUE);
}

struct part {
	uint64_t first, last, records;
};

/* What is there of the pack's range, in order; disjoint, since only what is not there is added. */
static int overlaps_find(struct store *store, const struct store_pack *pack, struct part *parts,
			 uint32_t *ret_count)
{
	sqlite3_stmt *stmt = store->calls[STORE_OVERLAP];
	uint32_t n = 0;
	int rc;

	store_bind_epoch(store, STORE_OVERLAP, 1, pack->epoch);
	sqlite3_bind_int64(stmt, 2, (int64_t)pack->last);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < OVERLAPS) {
		struct part part = { (uint64_t)sqlite3_column_int64(stmt, 0),
				     (uint64_t)sqlite3_column_int64(stmt, 1),
				     (uint64_t)sqlite3_column_int64(stmt, 2) };

		if (part.last < pack->first)
			break;
		parts[n++] = part;
	}
	sqlite3_reset(stmt);
	for (uint32_t i = 0; i < n / 2; i++) {
		struct part swap = parts[i];

		parts[i] = parts[n - 1 - i];
		parts[n - 1 - i] = swap;
	}
	*ret_count = n;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_errno(store, rc);
}

int store_newest(struct store *store, struct store_range *ranges, uint32_t most,
		 uint32_t *ret_count)
{
	sqlite3_stmt *stmt = store->calls[STORE_NEWEST];
	uint32_t n = 0;
	int rc;

	sqlite3_bind_int64(stmt, 1, most);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < most) {
		const char *epoch = (const char *)sqlite3_column_text(stmt, 0);

		ranges[n++] = (struct store_range){ epoch ? strtoull(epoch, NULL, 16) : 0,
						    (uint64_t)sqlite3_column_int64(stmt, 1),
						    (uint64_t)sqlite3_column_int64(stmt, 2) };
	}
	sqlite3_reset(stmt);
	*ret_count = n;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_errno(store, rc);
}

/* A stretch of the pack's range that is not there yet, and which of its records it has. */
struct stretch {
	uint64_t first, last;
	uint32_t skip, count;
	int64_t lost; /* of a pack that says so */
	struct fg_str why;
};

static int pack_add(struct store *store, const struct store_pack *pack, const struct stretch *part,
		    int64_t before)
{
	sqlite3_stmt *stmt = store->calls[STORE_ADD_PACK];
	int64_t now = (int64_t)time(NULL);

	store_bind_epoch(store, STORE_ADD_PACK, 1, pack->epoch);
	sqlite3_bind_int64(stmt, 2, (int64_t)part->first);
	sqlite3_bind_int64(stmt, 3, (int64_t)part->last);
	sqlite3_bind_int64(stmt, 4, part->count);
	sqlite3_bind_null(stmt, 5);
	sqlite3_bind_null(stmt, 6);
	if (part->lost > 0)
		sqlite3_bind_int64(stmt, 5, part->lost);
	if (part->why.len)
		bind_text(store, STORE_ADD_PACK, 6, part->why);
	/* a clock that was never set says nothing about age */
	sqlite3_bind_int64(stmt, 7, now < YEAR_2015 ? 0 : now);
	sqlite3_bind_int64(stmt, 8, before + 1);
	sqlite3_bind_int64(stmt, 9, before + part->count);
	return store_step(store, STORE_ADD_PACK);
}

static int stretch_add(struct store *store, const struct store_pack *pack,
		       const struct stretch *part)
{
	struct fg_item item;
	uint32_t at = 0, n = 0;
	int64_t before = -1;
	int r = 0;

	for (; r == 0 && n < part->skip + part->count; n++) {
		if (!fg_packs_next(&store->packs, &at, &item))
			return -EBADMSG;
		if (n < part->skip)
			continue;
		r = value_add(store, &item);
		if (before < 0)
			before = sqlite3_last_insert_rowid(store->db) - 1;
	}
	return r < 0 ? r : pack_add(store, pack, part, before < 0 ? 0 : before);
}

/* Every number is a record: what is missing goes in, wherever it lies. */
static int add_numbered(struct store *store, const struct store_pack *pack,
			const struct part *parts, uint32_t nparts)
{
	uint64_t from = pack->first;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i <= nparts; i++) {
		uint64_t end = i < nparts ? parts[i].first : pack->last + 1;
		struct stretch part = { .first = from, .last = end - 1 };

		if (end > from) {
			part.skip = (uint32_t)(from - pack->first);
			part.count = (uint32_t)(end - from);
			r = stretch_add(store, pack, &part);
		}
		if (i < nparts && parts[i].last >= from)
			from = parts[i].last + 1;
	}
	return r;
}

/* Not every number is a record of this bridge (it has a filter), or none is (they are lost). What
 * is there of it are whole packs at the beginning, or one of which nobody can tell how many of its
 * records stand in this pack: rather those twice than one never. That can only be behind more
 * packs than the outbox was told of at the opening. */
static int add_sparse(struct store *store, const struct store_pack *pack, const struct part *parts,
		      uint32_t nparts, struct stretch part)
{
	uint64_t upto = pack->first - 1, skip = 0;

	for (uint32_t i = 0; i < nparts && parts[i].first <= upto + 1; i++) {
		if (parts[i].first >= pack->first)
			skip += parts[i].records;
		upto = parts[i].last;
	}
	if (upto >= pack->last && pack->last >= pack->first)
		return 0;
	part.first = upto + 1;
	part.last = pack->last;
	part.skip = skip < part.count ? (uint32_t)skip : part.count;
	part.count -= part.skip;
	return stretch_add(store, pack, &part);
}

static int put_one(struct store *store, const char *text, struct store_pack *pack)
{
	struct stretch part = { .lost = 0 };
	struct part parts[OVERLAPS];
	struct fg_item item;
	uint32_t at = 0, nparts = 0;
	int r = fg_packs_parse(&store->packs, fg_str(text + pack->at, pack->len), pack->cbor);

	if (r == 0)
		r = overlaps_find(store, pack, parts, &nparts);
	if (r < 0)
		return r;
	part.count = store->packs.doc.nodes[0].children;
	if (part.count == 1 && fg_packs_next(&store->packs, &at, &item) &&
	    fg_packs_lost(&item, &part.lost)) {
		part.count = 0;
		part.why = item.why;
	}
	if (part.count > 0 && part.count == pack->last - pack->first + 1)
		return add_numbered(store, pack, parts, nparts);
	return add_sparse(store, pack, parts, nparts, part);
}

int store_put(struct store *store, const char *text, struct store_pack *packs, uint32_t count)
{
	int r = store_step(store, STORE_BEGIN);

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		packs[i].error = 0;
		r = put_one(store, text, &packs[i]);
		if (r == -EBADMSG) {
			packs[i].error = r;
			r = 0;
		}
	}
	if (r == 0)
		r = store_step(store, STORE_COMMIT);
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void)store_step(store, STORE_ROLLBACK);
	if (r == -EUCLEAN && set_aside(store) < 0)
		r = -EIO;
	return r;
}

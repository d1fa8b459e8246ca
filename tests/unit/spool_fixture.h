/* What the tests of the spool share: a directory of their own, a spool in it without a loop. */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "spool/private.h"

struct fixture {
	char dir[64];
	struct fg_spool_conf conf;
	struct fg_spool *spool;
	struct fg_loop *loop;
	struct fg_spool_events events;
	uint64_t committed, oldest;
	unsigned rooms, drops;
};

static inline int fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void fixture_committed(void *arg, uint64_t upto)
{
	((struct fixture *)arg)->committed = upto;
}

static inline void fixture_dropped(void *arg, uint64_t oldest)
{
	((struct fixture *)arg)->oldest = oldest;
	((struct fixture *)arg)->drops++;
}

static inline void fixture_room(void *arg)
{
	((struct fixture *)arg)->rooms++;
}

static inline void fixture_begin(struct fixture *f)
{
	*f = (struct fixture){ .dir = "/tmp/fg-spool-XXXXXX" };
	assert_non_null(mkdtemp(f->dir));
	f->conf = (struct fg_spool_conf){
		.dir = f->dir,
		.limit = 64 << 20,
		.segment = 4 << 20,
		.commit_ns = 1000000000,
		.when_full = FG_FULL_DROP_OLDEST,
	};
	f->events = (struct fg_spool_events){
		.arg = f,
		.committed = fixture_committed,
		.dropped = fixture_dropped,
		.room = fixture_room,
	};
}

static inline void fixture_open(struct fixture *f)
{
	assert_int_equal(fg_spool_open(f->loop, NULL, &f->conf, &f->events, &f->spool), 0);
}

static inline void fixture_close(struct fixture *f)
{
	fg_spool_close(f->spool, NULL, NULL);
	f->spool = NULL;
}

/* As the death of the process leaves it: nothing is written any more. */
static inline void fixture_kill(struct fixture *f)
{
	f->spool = fg_spool_destroy(f->spool);
}

static inline void fixture_end(struct fixture *f)
{
	if (f->spool)
		fixture_close(f);
	nftw(f->dir, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline char *fixture_path(const struct fixture *f, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", f->dir, name);
	return out;
}

/* An entry of `count` records; the value of each is what its position will be. */
static inline int fixture_append(struct fixture *f, uint32_t count, uint64_t *ret_last)
{
	struct fg_record records[8];
	struct fg_entry entry = {
		.device = FG_STR("livingroom"),
		.wall_ns = 1763788800000000000,
		.boot_ns = 5,
		.records = records,
		.count = count,
	};

	for (uint32_t i = 0; i < count; i++)
		records[i] = (struct fg_record){
			.point = FG_STR("temperature"),
			.unit = FG_STR("Cel"),
			.value = { .kind = FG_INT, .i = (int64_t)(f->spool->pending + 1 + i) },
			.time_ns = FG_TIME_NONE,
		};
	return fg_spool_append(f->spool, &entry, ret_last);
}

/* `count` flushed entries of one record each. */
static inline void fixture_fill(struct fixture *f, unsigned count)
{
	uint64_t last;

	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(fixture_append(f, 1, &last), 0);
		if (i % 7 == 6)
			assert_int_equal(fg_spool_flush(f->spool), 0);
	}
	assert_int_equal(fg_spool_flush(f->spool), 0);
}

struct tally {
	uint64_t records, entries, dropped, damaged, next;
};

static inline void view_check(const struct fg_spool_view *view, uint64_t from)
{
	struct fg_record record;
	uint64_t position = view->first;
	size_t at = 0;
	int r;

	while ((r = fg_spool_record(view, &at, &record)) == 1) {
		if (position >= from) {
			assert_int_equal(record.value.kind, FG_INT);
			assert_int_equal(record.value.i, position);
		}
		position++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(position, view->last + 1);
}

/* Reads until nothing comes: positions must follow each other without a hole but for gaps told. */
static inline void reader_drain(struct fg_spool_reader *reader, struct tally *t)
{
	struct fg_spool_view view;
	enum fg_spool_gap why;
	uint64_t from, to;
	int r;

	while ((r = fg_spool_read(reader, &view)) > 0) {
		if (r == 1) {
			assert_true(view.first <= t->next && t->next <= view.last);
			view_check(&view, t->next);
			assert_non_null(view.epoch);
			assert_true(fg_str_eq_c(view.device, "livingroom"));
			t->records += view.last - t->next + 1;
			t->entries++;
			t->next = view.last + 1;
			continue;
		}
		fg_spool_reader_gap(reader, &from, &to, &why);
		assert_int_equal(from, t->next);
		assert_true(to >= from);
		*(why == FG_GAP_DROPPED ? &t->dropped : &t->damaged) += to - from + 1;
		t->next = to + 1;
	}
	assert_int_equal(r, 0);
}

/* All that can be read from `position` on; it has to reach what was accepted. */
static inline struct tally spool_drain(struct fg_spool *spool, uint64_t position)
{
	struct tally t = { .next = position };
	struct fg_spool_reader *reader;

	assert_int_equal(fg_spool_reader_new(spool, position, &reader), 0);
	reader_drain(reader, &t);
	fg_spool_reader_free(reader);
	assert_int_equal(t.next, fg_spool_accepted(spool) + 1);
	return t;
}

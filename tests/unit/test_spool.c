/* The spool: what goes in comes out, how it ends and begins again, what happens when it is full. */
#include "spool_fixture.h"

#include <errno.h>
#include <float.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	fixture_begin(*state);
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* -- values -- */

#define NUMBER(k, member, v)               \
	{                                  \
		.kind = (k), .member = (v) \
	}
static const struct fg_value values[] = {
	{ .kind = FG_BOOL, .b = false },
	{ .kind = FG_BOOL, .b = true },
	NUMBER(FG_INT, i, 0),
	NUMBER(FG_INT, i, -1),
	NUMBER(FG_INT, i, 63),
	NUMBER(FG_INT, i, 64),
	NUMBER(FG_INT, i, -65),
	NUMBER(FG_INT, i, INT64_MAX),
	NUMBER(FG_INT, i, INT64_MIN),
	NUMBER(FG_UINT, u, UINT64_MAX),
	NUMBER(FG_UINT, u, (uint64_t)INT64_MAX + 1),
	{ .kind = FG_DECIMAL, .exp10 = -1, .i = 215 },
	{ .kind = FG_DECIMAL, .exp10 = -22, .i = -999999999999999 },
	{ .kind = FG_DECIMAL, .exp10 = 22, .i = 1 },
	NUMBER(FG_DOUBLE, d, 0.1),
	NUMBER(FG_DOUBLE, d, -0.0),
	NUMBER(FG_DOUBLE, d, DBL_MAX),
	NUMBER(FG_DOUBLE, d, DBL_TRUE_MIN),
	{ .kind = FG_STRING, .s = { "", 0 } },
	{ .kind = FG_STRING, .s = { "eco", 3 } },
	{ .kind = FG_DATA, .s = { "\0\xff\n", 3 } },
};
#define VALUES (sizeof(values) / sizeof(values[0]))

static void value_same(const struct fg_value *a, const struct fg_value *b)
{
	assert_int_equal(a->kind, b->kind);
	switch (a->kind) {
	case FG_BOOL:
		assert_int_equal(a->b, b->b);
		break;
	case FG_DECIMAL:
	case FG_INT:
	case FG_UINT:
	case FG_DOUBLE:
		assert_int_equal(a->exp10, b->exp10);
		assert_memory_equal(&a->u, &b->u, 8);
		break;
	case FG_STRING:
	case FG_DATA:
		assert_true(fg_str_eq(a->s, b->s));
		break;
	default:
		break;
	}
}

/* Each value with every combination of the optional parts, in one entry each. */
static struct fg_record value_record(size_t i, unsigned parts)
{
	struct fg_record r = { .point = FG_STR("a/b"),
			       .value = values[i],
			       .time_ns = FG_TIME_NONE };

	if (parts & 1)
		r.unit = FG_STR("Cel");
	if (parts & 2)
		r.time_ns = parts & 1 ? -5 : INT64_MAX;
	if (parts & 4)
		r.update_s = 0.1;
	if (parts & 8)
		r.sum = values[2 + i % 15];
	return r;
}

static void record_same(const struct fg_record *a, const struct fg_record *b)
{
	assert_true(fg_str_eq(a->point, b->point));
	assert_true(fg_str_eq(a->unit, b->unit));
	value_same(&a->value, &b->value);
	assert_int_equal(a->time_ns, b->time_ns);
	assert_memory_equal(&a->update_s, &b->update_s, 8);
	value_same(&a->sum, &b->sum);
}

static void test_values(void **state)
{
	struct fixture *f = *state;
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	struct fg_record in[16], out;
	uint64_t last;

	fixture_open(f);
	assert_int_equal(fg_spool_reader_new(f->spool, 1, &reader), 0);
	for (size_t i = 0; i < VALUES; i++) {
		struct fg_entry e = { FG_STR("dev"), -7, (int64_t)i, FG_ENTRY_DEVICE_TIME, in, 16 };
		size_t at = 0;

		for (unsigned parts = 0; parts < 16; parts++)
			in[parts] = value_record(i, parts);
		assert_int_equal(fg_spool_append(f->spool, &e, &last), 0);
		assert_int_equal(last, 16 * (i + 1));
		assert_int_equal(fg_spool_read(reader, &view), 0); /* not before it is accepted */
		assert_int_equal(fg_spool_flush(f->spool), 0);
		assert_int_equal(fg_spool_read(reader, &view), 1);
		assert_int_equal(view.last, last);
		assert_int_equal(view.count, 16);
		assert_int_equal(view.wall_ns, -7);
		assert_int_equal(view.boot_ns, i);
		assert_int_equal(view.flags, FG_ENTRY_DEVICE_TIME);
		assert_true(view.this_boot);
		assert_true(fg_str_eq_c(view.device, "dev"));
		for (unsigned parts = 0; parts < 16; parts++) {
			assert_int_equal(fg_spool_record(&view, &at, &out), 1);
			record_same(&in[parts], &out);
		}
		assert_int_equal(fg_spool_record(&view, &at, &out), 0);
	}
	fg_spool_reader_free(reader);
}

static void test_values_refused(void **state)
{
	static const struct fg_value bad[] = {
		{ .kind = FG_KIND__MAX },
		{ .kind = FG_DOUBLE, .d = __builtin_inf() },
		{ .kind = FG_DOUBLE, .d = __builtin_nan("") },
		{ .kind = FG_DECIMAL, .exp10 = 23, .i = 1 },
		{ .kind = FG_DECIMAL, .exp10 = 0, .i = 1000000000000000 },
	};
	struct fixture *f = *state;
	struct fg_record r = { .point = FG_STR("p"), .time_ns = FG_TIME_NONE };
	struct fg_entry e = { .device = FG_STR("d"), .records = &r, .count = 1 };
	uint64_t last = 99;

	fixture_open(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r.value = bad[i];
		assert_int_equal(fg_spool_append(f->spool, &e, &last), -EINVAL);
	}
	e.count = 0;
	assert_int_equal(fg_spool_append(f->spool, &e, &last), -EINVAL);
	assert_int_equal(last, 99);
	assert_int_equal(fg_spool_flush(f->spool), 0);
	assert_int_equal(fg_spool_accepted(f->spool), 0);
}

/* Truncated and changed bodies: an error or other records, never a read beyond the end. */
static void test_record_bounds(void **state)
{
	static const char body[] = "\xf3\x01"
				   "a"
				   "\x01"
				   "C"
				   "\x01\x02\x03\x04\x05\x06\x07\x08\x09"
				   "\x01\x02\x03\x04\x05\x06\x07\x08\x02\x04"
				   "\x06\x01"
				   "b\x02"
				   "xy";
	size_t size = sizeof(body) - 1;

	(void)state;
	for (size_t len = 0; len < size; len++) {
		for (size_t i = 0; i < 256 * (len ? len : 1); i++) {
			char *copy = malloc(len + 1);
			struct fg_spool_view view = { .body = { copy, len } };
			struct fg_record r;
			size_t at = 0;

			memcpy(copy, body, len);
			if (len)
				copy[i / 256] = (char)i;
			copy = realloc(copy, len ? len : 1);
			view.body.ptr = copy;
			while (fg_spool_record(&view, &at, &r) == 1)
				assert_true(at <= len);
			free(copy);
		}
	}
}

static void test_varint_bounds(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		int result;
	} cases[] = {
		{ "\x02\x01p\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, 1 },
		{ "\x02\x01p\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 13, -EBADMSG },
		{ "\x02\x01p\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 14, -EBADMSG },
		{ "\x06\x01p\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, -EBADMSG },
		{ "\x02\x01p\x80", 4, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fg_spool_view view = { .body = { cases[i].body, cases[i].len } };
		struct fg_record r;
		size_t at = 0;

		assert_int_equal(fg_spool_record(&view, &at, &r), cases[i].result);
		if (cases[i].result == 1)
			assert_int_equal(r.value.i, INT64_MIN);
	}
}

/* -- ends and beginnings -- */

static void test_clean_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch;

	fixture_open(f);
	epoch = fg_spool_epoch(f->spool)->id;
	assert_true(epoch != 0);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_id, 0);
	fg_spool_counters(f->spool)[3] = 42;
	fixture_fill(f, 100);
	fixture_close(f);
	assert_int_equal(f->committed, 100);
	for (int i = 0; i < 5; i++) { /* starts without data leave nothing behind */
		fixture_open(f);
		assert_int_equal(fg_spool_segments(f->spool), 1);
		assert_int_equal(fg_spool_epoch(f->spool)->id, epoch);
		assert_int_equal(fg_spool_accepted(f->spool), 100);
		assert_int_equal(fg_spool_committed(f->spool), 100);
		assert_int_equal(fg_spool_counters(f->spool)[3], 42);
		fixture_close(f);
	}
	fixture_open(f);
	fixture_fill(f, 10);
	assert_int_equal(fg_spool_segments(f->spool), 2);
	assert_int_equal(spool_drain(f->spool, 1).records, 110);
	assert_ptr_equal(fg_spool_epoch_at(f->spool, 5), fg_spool_epoch_at(f->spool, 105));
}

static void test_kill(void **state)
{
	struct fixture *f = *state;
	uint64_t first, last;
	int status;

	fixture_open(f);
	first = fg_spool_epoch(f->spool)->id;
	fixture_close(f);
	if (fork() == 0) {
		fixture_open(f);
		fg_spool_counters(f->spool)[0] = 7;
		fixture_fill(f, 50);
		(void)fixture_append(f, 1, &last); /* appended, not flushed: not accepted */
		_exit(0);
	}
	wait(&status);
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), 50);
	assert_int_equal(fg_spool_counters(f->spool)[0], 7);
	assert_true(fg_spool_epoch(f->spool)->id != first);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_id, first);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_last, 50);
	assert_int_equal(fg_spool_epoch(f->spool)->base, 50);
	assert_false(fg_spool_epoch(f->spool)->power_cut);
	fixture_fill(f, 5);
	assert_int_equal(spool_drain(f->spool, 1).records, 55);
	assert_int_equal(fg_spool_epoch_at(f->spool, 50)->id, first);
	assert_ptr_equal(fg_spool_epoch_at(f->spool, 51), fg_spool_epoch(f->spool));
}

/* Dying again and again without a record: the chain of epochs still names the last one that had. */
static void test_kill_empty(void **state)
{
	struct fixture *f = *state;
	uint64_t first, last;

	fixture_open(f);
	first = fg_spool_epoch(f->spool)->id;
	fixture_fill(f, 3);
	for (int i = 0; i < 100; i++) {
		/* a segment is born for it, but it is never written */
		assert_int_equal(fixture_append(f, 1, &last), 0);
		fixture_kill(f);
		fixture_open(f);
		assert_int_equal(fg_spool_epoch(f->spool)->prev_id, first);
		assert_int_equal(fg_spool_epoch(f->spool)->prev_last, 3);
		assert_int_equal(f->spool->epochs.count, 2);
		assert_int_equal(fg_spool_segments(f->spool), 1);
	}
}

/* Another boot, an unclean end: what was not synced may be gone. */
static void power_cut(struct fixture *f, bool expected)
{
	uint8_t other[16] = { 1, 2, 3 };

	fixture_open(f);
	fixture_fill(f, 4);
	memcpy(f->spool->boot, other, 16);
	assert_int_equal(fg_state_write_run(f->spool, false), 0);
	fixture_kill(f);
	fixture_open(f);
	assert_int_equal(fg_spool_epoch(f->spool)->power_cut, expected);
	assert_int_equal(fg_spool_accepted(f->spool), 4);
}

static void test_power_cut(void **state)
{
	power_cut(*state, true);
}

static void test_power_cut_each(void **state)
{
	((struct fixture *)*state)->conf.commit_ns = FG_COMMIT_EACH;
	power_cut(*state, false);
}

static void test_state_lost(void **state)
{
	struct fixture *f = *state;
	uint64_t first;
	char path[128];

	fixture_open(f);
	first = fg_spool_epoch(f->spool)->id;
	fixture_fill(f, 9);
	fixture_close(f);
	assert_int_equal(unlink(fixture_path(f, "lock", path)), 0);
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), 9);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_id, first);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_last, 9);
	assert_int_equal(spool_drain(f->spool, 1).records, 9);
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct fg_spool *other = NULL;
	pid_t pid = 0;

	assert_int_equal(fg_spool_lock_pid(f->dir, &pid), -ENOENT);
	fixture_open(f);
	assert_int_equal(fg_spool_open(NULL, NULL, &f->conf, NULL, &other), -EBUSY);
	assert_null(other);
	assert_int_equal(fg_spool_lock_pid(f->dir, &pid), 0);
	assert_int_equal(pid, getpid());
	fixture_close(f);
	fixture_open(f);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	struct fg_spool *ro;
	uint64_t last;

	fixture_open(f);
	fixture_fill(f, 20);
	assert_int_equal(fg_spool_open_readonly(f->dir, &ro), 0); /* while it lives */
	assert_int_equal(spool_drain(ro, 1).records, 20);
	assert_int_equal(fg_spool_verify(ro, &(struct fg_spool_verify){ 0 }), 20);
	assert_int_equal(fg_spool_epoch(ro)->id, fg_spool_epoch(f->spool)->id);
	fixture_fill(f, 1); /* its tail was left alone */
	fg_spool_close(ro, NULL, NULL);
	assert_int_equal(spool_drain(f->spool, 1).records, 21);
	fixture_close(f);
	assert_int_equal(fg_spool_open_readonly(f->dir, &ro), 0);
	assert_int_equal(spool_drain(ro, 1).records, 21);
	f->spool = ro;
	assert_int_equal(fixture_append(f, 1, &last), -EROFS);
}

/* -- reading -- */

static void test_reader_positions(void **state)
{
	struct fixture *f = *state;
	struct fg_spool_reader *reader;
	struct fg_spool_mark mark;
	struct fg_spool_view view;
	uint64_t last;

	f->conf.limit = 1 << 20; /* 128 KiB a segment */
	fixture_open(f);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(fixture_append(f, 1 + (uint32_t)i % 8, &last), 0);
	assert_int_equal(fg_spool_flush(f->spool), 0);
	assert_true(fg_spool_segments(f->spool) > 2);
	for (uint64_t at = 1; at <= last; at += 97)
		assert_int_equal(spool_drain(f->spool, at).records, last - at + 1);
	assert_int_equal(fg_spool_reader_new(f->spool, last / 2, &reader), 0);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	fg_spool_reader_mark(reader, &mark);
	assert_int_equal(mark.position, view.first);
	mark.position = view.last; /* the rest of it was acknowledged */
	for (int i = 0; i < 2; i++) {
		struct tally t = { .next = mark.position };

		fg_spool_reader_seek(reader, &mark);
		reader_drain(reader, &t);
		assert_int_equal(t.records, last - mark.position + 1);
		mark.segment = 0; /* and without its place */
	}
	fg_spool_reader_free(reader);
}

static void test_reader_at_end(void **state)
{
	struct fixture *f = *state;
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	uint64_t last;

	fixture_open(f);
	assert_int_equal(fg_spool_reader_new(f->spool, 4, &reader), 0);
	for (unsigned i = 1; i <= 6; i++) {
		assert_int_equal(fg_spool_read(reader, &view), 0);
		assert_int_equal(fixture_append(f, 1, &last), 0);
		assert_int_equal(fg_spool_flush(f->spool), 0);
		if (i >= 4) {
			assert_int_equal(fg_spool_read(reader, &view), 1);
			assert_int_equal(view.first, i);
		}
	}
	fg_spool_reader_free(reader);
}

static void test_large_entry(void **state)
{
	struct fixture *f = *state;
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	size_t len = 3 << 20;
	char *text = malloc(16 << 20);
	struct fg_record r = { .point = FG_STR("p"), .time_ns = FG_TIME_NONE }, out;
	struct fg_entry e = { .device = FG_STR("d"), .records = &r, .count = 1 };
	uint64_t last;
	size_t at = 0;

	f->conf.limit = 8 << 20;
	memset(text, 'x', 16 << 20);
	fixture_open(f);
	fixture_fill(f, 3);
	r.value = (struct fg_value){ .kind = FG_DATA, .s = { text, len } };
	assert_int_equal(fixture_append(f, 1, &last), 0);
	assert_int_equal(fg_spool_append(f->spool, &e, &last), 0);
	assert_int_equal(fixture_append(f, 1, &last), 0);
	assert_int_equal(last, 6);
	r.value.s.len = 5 << 20;
	assert_int_equal(fg_spool_append(f->spool, &e, &last), -EMSGSIZE);
	r.value.s.len = 16 << 20;
	assert_int_equal(fg_spool_append(f->spool, &e, &last), -EMSGSIZE);
	assert_int_equal(fg_spool_flush(f->spool), 0);
	assert_true(f->spool->cap <= 1 << 20);
	assert_int_equal(fg_spool_reader_new(f->spool, 4, &reader), 0);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	assert_int_equal(fg_spool_record(&view, &at, &out), 1);
	assert_int_equal(out.value.s.len, len);
	assert_memory_equal(out.value.s.ptr, text, len);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	assert_int_equal(view.first, 6);
	assert_true(fg_spool_bytes(f->spool) <= f->conf.limit);
	fg_spool_reader_free(reader);
	free(text);
}

/* -- full -- */

static void test_drop_oldest(void **state)
{
	struct fixture *f = *state;
	struct fg_spool_reader *slow;
	struct tally t;

	f->conf.limit = 1 << 20;
	fixture_open(f);
	fixture_fill(f, 1);
	assert_int_equal(fg_spool_reader_new(f->spool, 1, &slow), 0);
	t = (struct tally){ .next = 1 };
	reader_drain(slow, &t); /* holds the first segment open */
	for (int i = 0; i < 40; i++) {
		fixture_fill(f, 1000);
		assert_true(fg_spool_bytes(f->spool) <= f->conf.limit);
		assert_true(fg_spool_has_room(f->spool));
	}
	assert_int_equal(fg_spool_accepted(f->spool), 40001);
	assert_true(f->drops > 0);
	assert_int_equal(f->oldest, fg_spool_oldest(f->spool));
	reader_drain(slow, &t);
	assert_int_equal(t.dropped, f->oldest - 2);
	assert_int_equal(t.damaged, 0);
	assert_int_equal(t.records + t.dropped, 40001);
	fg_spool_reader_free(slow);
	fixture_close(f);
	fixture_open(f);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.dropped, f->oldest - 1);
	assert_int_equal(t.records + t.dropped, 40001);
}

static int append_until_full(struct fixture *f, uint64_t *ret_last)
{
	int r = 0;

	while (r == 0) {
		r = fixture_append(f, 1, ret_last);
		if (r == 0)
			r = fg_spool_flush(f->spool);
	}
	return r;
}

static void test_refuse(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, before;

	f->conf.limit = 1 << 20;
	f->conf.when_full = FG_FULL_REFUSE;
	fixture_open(f);
	while (fg_spool_has_room(f->spool))
		fixture_fill(f, 1);
	before = fg_spool_accepted(f->spool);
	assert_int_equal(append_until_full(f, &last), -EAGAIN);
	assert_true(last > before); /* the reserve */
	assert_int_equal(fg_spool_accepted(f->spool), last);
	assert_true(fg_spool_bytes(f->spool) <= f->conf.limit);
	assert_true(fg_spool_bytes(f->spool) > f->conf.limit - f->conf.limit / 16);
	assert_int_equal(spool_drain(f->spool, 1).records, last);
	assert_int_equal(f->rooms, 0);
	for (int i = 0; i < 30; i++) { /* once everything is acknowledged it always goes on */
		unsigned rooms = f->rooms;

		fg_spool_release(f->spool, last);
		assert_int_equal(f->rooms, rooms + 1);
		assert_true(fg_spool_has_room(f->spool));
		assert_int_equal(append_until_full(f, &last), -EAGAIN);
		assert_int_equal(spool_drain(f->spool, fg_spool_oldest(f->spool)).damaged, 0);
	}
	assert_int_equal(f->drops, 0);
}

/* Everything is acknowledged, and the segment that is being written to is larger than the new
 * limit. */
static void test_refuse_less(void **state)
{
	struct fixture *f = *state;
	const struct fg_segment *active;
	struct fg_spool_conf less;
	uint64_t last;

	f->conf.limit = 8 << 20;
	f->conf.segment = 1 << 20;
	f->conf.when_full = FG_FULL_REFUSE;
	fixture_open(f);
	do {
		fixture_fill(f, 1);
		active = fg_spool_active(f->spool);
	} while (active->size - active->end > 64 << 10);
	last = fg_spool_accepted(f->spool);
	fg_spool_release(f->spool, last);
	less = f->conf;
	less.limit = 512 << 10;
	fg_spool_set_conf(f->spool, &less);
	assert_true(fg_spool_has_room(f->spool));
	assert_int_equal(fixture_append(f, 1, &last), 0);
	assert_int_equal(fg_spool_flush(f->spool), 0);
	assert_int_equal(fg_spool_accepted(f->spool), last);
}

static void test_release(void **state)
{
	struct fixture *f = *state;
	struct tally t;

	f->conf.limit = 1 << 20;
	fixture_open(f);
	fixture_fill(f, 8000);
	assert_int_equal(fg_spool_oldest(f->spool), 1);
	fg_spool_release(f->spool, 1);
	assert_int_equal(fg_spool_oldest(f->spool), 1);
	fg_spool_release(f->spool, 5000);
	assert_in_range(fg_spool_oldest(f->spool), 2, 5001);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.dropped, fg_spool_oldest(f->spool) - 1);
	assert_int_equal(t.damaged, 0);
	fg_spool_release(f->spool, UINT64_MAX);
	assert_int_equal(fg_spool_segments(f->spool), 1);
	fixture_close(f);
	fixture_open(f);
	fg_spool_release(f->spool, 8000);
	assert_int_equal(fg_spool_segments(f->spool), 0);
	assert_int_equal(fg_spool_bytes(f->spool), 0);
	fixture_fill(f, 1);
	assert_int_equal(fg_spool_accepted(f->spool), 8001);
	assert_int_equal(spool_drain(f->spool, 8001).records, 1);
}

static void test_disk_full(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, was;
	int r;

	if (mount("none", f->dir, "tmpfs", 0, "size=2m") < 0)
		skip();
	f->conf.limit = 16 << 20;
	f->conf.segment = 256 << 10;
	fixture_open(f);
	r = append_until_full(f, &last);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(fg_spool_accepted(f->spool), last);
	assert_false(fg_spool_has_room(f->spool));
	assert_int_equal(spool_drain(f->spool, 1).records, last);
	was = last;
	fg_spool_release(f->spool, last / 2);
	assert_int_equal(append_until_full(f, &last), -ENOSPC);
	assert_true(last > was);
	fixture_kill(f);
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), last);
	assert_int_equal(spool_drain(f->spool, last / 2 + 1).damaged, 0);
	fixture_close(f);
	assert_int_equal(umount(f->dir), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_values),		  T(test_values_refused), T(test_record_bounds),
		T(test_varint_bounds),	  T(test_clean_restart),  T(test_kill),
		T(test_kill_empty),	  T(test_power_cut),	  T(test_power_cut_each),
		T(test_state_lost),	  T(test_lock),		  T(test_readonly),
		T(test_reader_positions), T(test_reader_at_end),  T(test_large_entry),
		T(test_drop_oldest),	  T(test_refuse),	  T(test_refuse_less),
		T(test_release),	  T(test_disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

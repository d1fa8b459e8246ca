/* Cursors: two slots that a torn write cannot both take, clamping, the folder. */
#include "spool_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "spool/cursor.h"

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

static struct fg_cursor *cursor_open(struct fixture *f, uint64_t accepted, bool found_expected)
{
	struct fg_cursor *cursor;
	bool found = !found_expected;

	assert_int_equal(fg_cursor_open(f->dir, "cloud", accepted, &cursor, &found), 0);
	assert_int_equal(found, found_expected);
	return cursor;
}

static const struct fg_cursor_state full = {
	.begin = 10,
	.position = 100,
	.tiled = 90,
	.acknowledged = 50,
	.sent = 3,
	.dead = 7,
	.dropped = { 10, 8, 6, 4, 2 },
	.announced_epoch = UINT64_MAX,
	.removed_at_s = 5,
	.target_hash = 0x1122334455667788,
	.begin_announced = true,
};

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct fg_cursor *cursor = cursor_open(f, 100, false);
	struct fg_cursor_state read;

	assert_int_equal(fg_cursor_read(f->dir, "cloud", &read), -EBADMSG);
	*fg_cursor_state(cursor) = full;
	assert_int_equal(fg_cursor_write(cursor), 0);
	assert_int_equal(fg_cursor_sync(cursor), 0);
	fg_cursor_free(cursor);
	assert_int_equal(fg_cursor_read(f->dir, "cloud", &read), 0);
	assert_memory_equal(&read, &full, sizeof(full));
	cursor = cursor_open(f, 100, true);
	assert_memory_equal(fg_cursor_state(cursor), &full, sizeof(full));
	fg_cursor_free(cursor);
	assert_int_equal(fg_cursor_remove(f->dir, "cloud"), 0);
	assert_int_equal(fg_cursor_remove(f->dir, "cloud"), -ENOENT);
	fg_cursor_free(cursor_open(f, 100, false));
}

static void slot_tear(struct fixture *f, int slot, size_t keep)
{
	char path[128], junk[FG_CURSOR_SLOT];
	int fd = open(fixture_path(f, "cursors/cloud", path), O_WRONLY);

	memset(junk, 0x5a, sizeof(junk));
	assert_true(fd >= 0);
	assert_true(pwrite(fd, junk, sizeof(junk) - keep, slot * FG_CURSOR_STEP + (off_t)keep) > 0);
	close(fd);
}

/* The write of 42 is torn at every length: 41 is still there. */
static void test_torn_slot(void **state)
{
	struct fixture *f = *state;

	for (size_t keep = 0; keep < FG_CURSOR_SLOT; keep += 5) {
		struct fg_cursor *cursor;

		(void)fg_cursor_remove(f->dir, "cloud");
		cursor = cursor_open(f, 100, false);
		for (uint64_t at = 40; at <= 42; at++) {
			fg_cursor_state(cursor)->position = at;
			assert_int_equal(fg_cursor_write(cursor), 0);
		}
		fg_cursor_free(cursor);
		slot_tear(f, 1, keep);
		cursor = cursor_open(f, 100, true);
		assert_int_equal(fg_cursor_state(cursor)->position, 41);
		fg_cursor_state(cursor)->position = 43;
		assert_int_equal(fg_cursor_write(cursor), 0);
		fg_cursor_free(cursor);
		cursor = cursor_open(f, 100, true);
		assert_int_equal(fg_cursor_state(cursor)->position, 43);
		fg_cursor_free(cursor);
		slot_tear(f, 0, keep);
		slot_tear(f, 1, keep);
		fg_cursor_free(cursor_open(f, 100, false));
	}
}

static void test_short_file(void **state)
{
	struct fixture *f = *state;
	struct fg_cursor *cursor = cursor_open(f, 100, false);
	char path[128];

	fg_cursor_state(cursor)->position = 1;
	assert_int_equal(fg_cursor_write(cursor), 0);
	fg_cursor_state(cursor)->position = 2;
	assert_int_equal(fg_cursor_write(cursor), 0); /* in the first slot */
	fg_cursor_free(cursor);
	assert_int_equal(truncate(fixture_path(f, "cursors/cloud", path), FG_CURSOR_SLOT), 0);
	cursor = cursor_open(f, 100, true);
	assert_int_equal(fg_cursor_state(cursor)->position, 2);
	fg_cursor_free(cursor);
	assert_int_equal(truncate(path, 3), 0);
	fg_cursor_free(cursor_open(f, 100, false));
}

static void test_unchanged_not_written(void **state)
{
	struct fixture *f = *state;
	struct fg_cursor *cursor = cursor_open(f, 100, false);

	for (int i = 0; i < 2; i++) { /* both slots are in use */
		fg_cursor_state(cursor)->position++;
		assert_int_equal(fg_cursor_write(cursor), 0);
	}
	fg_cursor_free(cursor);
	cursor = cursor_open(f, 100, true);
	assert_int_equal(fg_cursor_state(cursor)->position, 2);
	slot_tear(f, 1, 0);
	assert_int_equal(fg_cursor_write(cursor), 0);
	fg_cursor_free(cursor);
	slot_tear(f, 0, 0); /* a third write would have mended the other */
	fg_cursor_free(cursor_open(f, 100, false));
}

static uint64_t counts(const struct fg_cursor_state *s)
{
	uint64_t sum = s->acknowledged + s->sent + s->dead;

	for (int i = 0; i < FG_WHY__MAX; i++)
		sum += s->dropped[i];
	return sum;
}

/* A power cut took what it had acknowledged: the account has to be right again. */
static void test_clamp(void **state)
{
	struct fixture *f = *state;
	struct fg_cursor *cursor = cursor_open(f, 100, false);

	*fg_cursor_state(cursor) = full;
	assert_int_equal(counts(&full), full.position - full.begin);
	assert_int_equal(fg_cursor_write(cursor), 0);
	fg_cursor_free(cursor);
	for (uint64_t accepted = 0; accepted <= 110; accepted++) {
		const struct fg_cursor_state *s;
		struct fg_cursor_state found;

		cursor = cursor_open(f, accepted, true);
		s = fg_cursor_state(cursor);
		/* and on the disk: what it was ahead goes to other records now */
		assert_int_equal(fg_cursor_read(f->dir, "cloud", &found), 0);
		assert_int_equal(found.position, s->position);
		assert_int_equal(s->position, accepted < 100 ? accepted : 100);
		assert_int_equal(s->begin, accepted < 10 ? accepted : 10);
		assert_int_equal(counts(s), s->position - s->begin);
		if (accepted >= 50)
			assert_int_equal(s->dead, 7);
		*fg_cursor_state(cursor) = full;
		assert_int_equal(fg_cursor_write(cursor), 0);
		fg_cursor_free(cursor);
	}
}

static int count_names(void *arg, const char *bridge)
{
	assert_true(strcmp(bridge, "a") == 0 || strcmp(bridge, "b.c") == 0);
	(*(int *)arg)++;
	return 0;
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "/" };
	struct fixture *f = *state;
	struct fg_cursor *cursor = NULL;
	struct fg_cursor_state read;
	bool found;
	int n = 0;

	assert_int_equal(fg_cursor_each(f->dir, count_names, &n), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(fg_cursor_open(f->dir, bad[i], 0, &cursor, &found), -EINVAL);
		assert_int_equal(fg_cursor_read(f->dir, bad[i], &read), -EINVAL);
		assert_int_equal(fg_cursor_remove(f->dir, bad[i]), -EINVAL);
	}
	assert_null(cursor);
	assert_int_equal(fg_cursor_open(f->dir, "a", 0, &cursor, &found), 0);
	fg_cursor_free(cursor);
	assert_int_equal(fg_cursor_open(f->dir, "b.c", 0, &cursor, &found), 0);
	fg_cursor_free(cursor);
	assert_int_equal(fg_cursor_each(f->dir, count_names, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(fg_why_name(FG_WHY_POWER_CUT), "power-cut");
	assert_string_equal(fg_why_name(FG_WHY_BRIDGE_REMOVED), "bridge-removed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_torn_slot),
		T(test_short_file), T(test_unchanged_not_written),
		T(test_clamp),	    T(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

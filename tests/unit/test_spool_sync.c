/* The spool with the loop: when it commits, what it does when the disk fails. The clock is virtual:
 * what would take seconds takes none. */
#include "spool_fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

#include "loop/loop_private.h"

struct world {
	struct fixture f; /* first: the fixture's events point to it */
	uint64_t now;
	unsigned cursor_syncs;
	int cursor_error;
	bool closed;
};

struct faults {
	int write_error;
	size_t write_whole; /* bytes that still go in before the error */
	size_t write_most; /* bytes a call at most, 0: all */
	int allocate_error;
	atomic_int sync_error;
	atomic_uint syncs;
	atomic_int hold; /* 1: the next sync sets 2, and goes on when it is 3 */
};

static struct faults *faults(void)
{
	static struct faults f;

	return &f;
}

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	struct faults *f = faults();

	if (f->write_most && len > f->write_most)
		len = f->write_most;
	if (f->write_error) {
		if (f->write_whole == 0) {
			errno = f->write_error;
			return -1;
		}
		if (len > f->write_whole)
			len = f->write_whole;
		f->write_whole -= len;
	}
	return pwrite(fd, bytes, len, at);
}

static int faulty_sync(int fd)
{
	int held = 1;

	atomic_fetch_add(&faults()->syncs, 1);
	if (atomic_compare_exchange_strong(&faults()->hold, &held, 2))
		while (atomic_load(&faults()->hold) != 3)
			sched_yield();
	if (atomic_load(&faults()->sync_error)) {
		errno = atomic_load(&faults()->sync_error);
		return -1;
	}
	return fdatasync(fd);
}

static int faulty_allocate(int fd, off_t len)
{
	return faults()->allocate_error ? -faults()->allocate_error : fg_spool_io.allocate(fd, len);
}

static const struct fg_spool_io faulty_io = { faulty_pwrite, faulty_sync, faulty_allocate };

static uint64_t virtual_now(void *arg)
{
	return ((struct world *)arg)->now;
}

/* Time only passes while no worker is busy, however long it takes: its result wakes the loop. */
static int virtual_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
			uint64_t timeout_ns)
{
	struct world *w = arg;
	bool busy = w->f.spool && w->f.spool->job;
	int n = epoll_wait(epoll_fd, events, max, timeout_ns && busy ? -1 : 0);

	if (n == 0 && timeout_ns != LOOP_FOREVER)
		w->now += timeout_ns;
	return n < 0 ? -errno : n;
}

static int cursors(void *arg)
{
	struct world *w = arg;

	w->cursor_syncs++;
	return w->cursor_error;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fg_loop_os os = { virtual_now, virtual_wait, w };

	*state = w;
	w->now = 1000;
	memset(faults(), 0, sizeof(struct faults));
	fixture_begin(&w->f);
	w->f.loop = fg_loop_new();
	assert_non_null(w->f.loop);
	fg_loop_set_os(w->f.loop, &os);
	w->f.events.sync_cursors = cursors;
	return 0;
}

static void world_open(struct world *w)
{
	fixture_open(&w->f);
	w->f.spool->io = &faulty_io;
}

static int teardown(void **state)
{
	struct world *w = *state;

	memset(faults(), 0, sizeof(struct faults));
	if (w->f.spool)
		fixture_close(&w->f);
	while (fg_loop_turn(w->f.loop, false) > 0)
		;
	fg_loop_free(w->f.loop);
	fixture_end(&w->f);
	free(w);
	return 0;
}

static void until_committed(struct world *w, uint64_t position)
{
	for (int i = 0; i < 1000 && w->f.committed < position; i++)
		fg_loop_turn(w->f.loop, true);
	assert_true(w->f.committed >= position);
	assert_int_equal(fg_spool_committed(w->f.spool), w->f.committed);
}

/* Until nothing is under way and no timer runs. */
static void settle(struct world *w)
{
	for (int i = 0; i < 1000 && fg_loop_turn(w->f.loop, true) > 0; i++)
		;
}

/* -- commits -- */

static void test_each(void **state)
{
	struct world *w = *state;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	for (int i = 0; i < 5; i++) {
		fixture_fill(&w->f, 10);
		assert_int_equal(fg_spool_committed(w->f.spool), 10 * i);
		until_committed(w, fg_spool_accepted(w->f.spool));
	}
	assert_true(atomic_load(&faults()->syncs) >= 5);
	assert_int_equal(w->cursor_syncs, 0);
}

/* Cursors and counts go along when they lie far enough behind, in records or in time. */
static void test_each_full(void **state)
{
	struct world *w = *state;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	fixture_fill(&w->f, 999);
	until_committed(w, 999);
	assert_int_equal(w->cursor_syncs, 0);
	fixture_fill(&w->f, 1);
	until_committed(w, 1000);
	assert_int_equal(w->cursor_syncs, 1);
	fixture_fill(&w->f, 1);
	until_committed(w, 1001);
	assert_int_equal(w->cursor_syncs, 1);
	w->now += FG_S(10);
	fg_loop_turn(w->f.loop, false);
	fixture_fill(&w->f, 1);
	until_committed(w, 1002);
	assert_int_equal(w->cursor_syncs, 2);
}

/* Small syncs get zeros ahead of them, which are no entries, and no more than once. */
static void test_each_filled(void **state)
{
	struct world *w = *state;
	struct fg_segment *active;
	uint64_t filled;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	w->f.spool->block = 4096;
	fixture_fill(&w->f, 1);
	until_committed(w, 1);
	fixture_fill(&w->f, 1);
	until_committed(w, 2);
	active = fg_spool_active(w->f.spool);
	filled = active->filled;
	assert_true(filled >= active->end + 60000);
	fixture_fill(&w->f, 1);
	until_committed(w, 3);
	assert_int_equal(active->filled, filled);
	fixture_kill(&w->f);
	world_open(w);
	assert_int_equal(fg_spool_accepted(w->f.spool), 3);
}

/* What comes while a sync is under way is covered by the next one, all of it at once. */
static void test_each_group(void **state)
{
	struct world *w = *state;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	fixture_fill(&w->f, 1);
	for (int i = 0; i < 100; i++)
		fixture_fill(&w->f, 1);
	until_committed(w, 101);
	assert_int_equal(atomic_load(&faults()->syncs), 2);
}

static void test_duration(void **state)
{
	struct world *w = *state;
	uint64_t began;

	w->f.conf.commit_ns = (int64_t)FG_S(5);
	world_open(w);
	began = w->now;
	fixture_fill(&w->f, 10);
	fg_loop_turn(w->f.loop, false);
	assert_int_equal(w->f.committed, 0);
	until_committed(w, 10);
	assert_true(w->now - began >= FG_S(5) && w->now - began < FG_S(6));
	began = w->now;
	fixture_fill(&w->f, 1);
	until_committed(w, 11);
	assert_true(w->now - began >= FG_S(5) && w->now - began < FG_S(6));
}

static void test_never(void **state)
{
	struct world *w = *state;

	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	world_open(w);
	fixture_fill(&w->f, 10);
	settle(w);
	assert_int_equal(w->f.committed, 0);
	assert_int_equal(atomic_load(&faults()->syncs), 0);
	fixture_close(&w->f);
	assert_int_equal(w->f.committed, 10);
}

/* What an unclean end left unsynced is synced by the next run. */
static void test_commit_of_the_run_before(void **state)
{
	struct world *w = *state;

	world_open(w);
	fixture_fill(&w->f, 10);
	fixture_kill(&w->f);
	world_open(w);
	assert_int_equal(fg_spool_committed(w->f.spool), 0);
	atomic_store(&faults()->syncs, 0);
	until_committed(w, 10);
	assert_int_equal(atomic_load(&faults()->syncs), 1); /* its segment */
}

/* -- the end -- */

static void on_closed(void *arg)
{
	struct world *w = arg;

	w->closed = true;
	w->f.spool = NULL;
}

static void test_close_async(void **state)
{
	struct world *w = *state;
	uint64_t epoch;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	epoch = fg_spool_epoch(w->f.spool)->id;
	fixture_fill(&w->f, 10); /* a sync is under way */
	fg_spool_close(w->f.spool, on_closed, w);
	assert_false(w->closed);
	settle(w);
	assert_true(w->closed);
	assert_int_equal(w->f.committed, 10);
	world_open(w);
	assert_int_equal(fg_spool_epoch(w->f.spool)->id, epoch);
}

static void test_close_waits(void **state)
{
	struct world *w = *state;
	uint64_t epoch;

	w->f.conf.commit_ns = FG_COMMIT_EACH;
	world_open(w);
	epoch = fg_spool_epoch(w->f.spool)->id;
	fixture_fill(&w->f, 10);
	fixture_close(&w->f);
	assert_int_equal(w->f.committed, 10);
	world_open(w);
	assert_int_equal(fg_spool_epoch(w->f.spool)->id, epoch);
}

/* -- giving back -- */

static void test_release_after_cursors(void **state)
{
	struct world *w = *state;

	w->f.conf.limit = 1 << 20;
	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	world_open(w);
	fixture_fill(&w->f, 8000);
	w->cursor_error = -EIO;
	fg_spool_release(w->f.spool, 8000);
	for (int i = 0; i < 20; i++)
		fg_loop_turn(w->f.loop, true);
	assert_true(w->cursor_syncs > 1);
	assert_int_equal(fg_spool_oldest(w->f.spool), 1);
	assert_int_equal(spool_drain(w->f.spool, 1).records, 8000);
	w->cursor_error = 0;
	settle(w);
	assert_true(fg_spool_oldest(w->f.spool) > 5000);
}

static void test_refuse_room(void **state)
{
	struct world *w = *state;
	uint64_t last, before = w->now;

	w->f.conf.limit = 1 << 20;
	w->f.conf.when_full = FG_FULL_REFUSE;
	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	world_open(w);
	while (fixture_append(&w->f, 1, &last) == 0)
		;
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
	assert_int_equal(fg_spool_accepted(w->f.spool), last);
	fg_spool_release(w->f.spool, last);
	for (int i = 0; i < 1000 && !w->f.rooms; i++)
		fg_loop_turn(w->f.loop, true);
	assert_int_equal(w->f.rooms, 1);
	assert_int_equal(w->now, before); /* promptly */
	assert_int_equal(fixture_append(&w->f, 1, &last), 0);
}

static void test_dropped_told(void **state)
{
	struct world *w = *state;

	w->f.conf.limit = 1 << 20;
	world_open(w);
	fixture_fill(&w->f, 40000);
	assert_int_equal(w->f.drops, 0); /* not from within */
	fg_loop_turn(w->f.loop, false);
	assert_int_equal(w->f.drops, 1);
	assert_int_equal(w->f.oldest, fg_spool_oldest(w->f.spool));
}

/* -- a disk that fails -- */

static void until_room(struct world *w)
{
	unsigned rooms = w->f.rooms;

	for (int i = 0; i < 1000 && w->f.rooms == rooms; i++)
		fg_loop_turn(w->f.loop, true);
	assert_int_equal(w->f.rooms, rooms + 1);
	assert_true(fg_spool_has_room(w->f.spool));
}

/* A write that fails after each number of bytes: nothing of the turn is kept, its positions are
 * used again, and nothing that was half written comes back. */
static void test_write_fails(void **state)
{
	struct world *w = *state;
	uint64_t last;

	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	world_open(w);
	for (size_t whole = 0; whole < 250; whole += 7) {
		uint64_t accepted;

		fixture_fill(&w->f, 3);
		accepted = fg_spool_accepted(w->f.spool);
		for (int i = 0; i < 3; i++)
			assert_int_equal(fixture_append(&w->f, 2, &last), 0);
		faults()->write_error = EIO;
		faults()->write_whole = whole;
		assert_int_equal(fg_spool_flush(w->f.spool), -EIO);
		assert_int_equal(fg_spool_accepted(w->f.spool), accepted);
		assert_false(fg_spool_has_room(w->f.spool));
		assert_int_equal(fixture_append(&w->f, 1, &last), -EIO);
		faults()->write_error = 0;
		until_room(w);
		if (whole % 2) {
			assert_int_equal(fixture_append(&w->f, 1, &last), 0);
			assert_int_equal(last, accepted + 1);
			assert_int_equal(fg_spool_flush(w->f.spool), 0);
		}
	}
	last = fg_spool_accepted(w->f.spool);
	assert_int_equal(spool_drain(w->f.spool, 1).records, last);
	fixture_kill(&w->f);
	world_open(w);
	assert_int_equal(fg_spool_accepted(w->f.spool), last);
	assert_int_equal(spool_drain(w->f.spool, 1).records, last);
}

static void test_short_writes(void **state)
{
	struct world *w = *state;

	world_open(w);
	faults()->write_most = 1;
	fixture_fill(&w->f, 20);
	assert_int_equal(spool_drain(w->f.spool, 1).records, 20);
}

/* A turn so large that it is written in parts: what went in stays, the flush says what did not. */
static void test_early_write_fails(void **state)
{
	struct world *w = *state;
	uint64_t last = 0;
	int r = 0;

	world_open(w);
	faults()->write_whole = 1500000; /* the first mebibyte and half of the next */
	while (r == 0) {
		r = fixture_append(&w->f, 8, &last);
		if (last == 8)
			faults()->write_error = ENOSPC;
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(fixture_append(&w->f, 8, &last), -ENOSPC);
	assert_int_equal(fg_spool_flush(w->f.spool), -ENOSPC);
	assert_true(fg_spool_accepted(w->f.spool) > 1000);
	assert_true(fg_spool_accepted(w->f.spool) < last);
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
	faults()->write_error = 0;
	until_room(w);
	fixture_fill(&w->f, 1);
	last = fg_spool_accepted(w->f.spool);
	assert_int_equal(spool_drain(w->f.spool, 1).records, last);
}

static void test_birth_fails(void **state)
{
	struct world *w = *state;
	uint64_t last;

	world_open(w);
	faults()->allocate_error = ENOSPC;
	assert_int_equal(fixture_append(&w->f, 1, &last), -ENOSPC);
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
	for (int i = 0; i < 10; i++)
		fg_loop_turn(w->f.loop, true);
	assert_false(fg_spool_has_room(w->f.spool));
	assert_int_equal(w->f.rooms, 0);
	assert_int_equal(fg_spool_segments(w->f.spool), 0);
	faults()->allocate_error = 0;
	until_room(w);
	fixture_fill(&w->f, 5);
	assert_int_equal(spool_drain(w->f.spool, 1).records, 5);
}

static void test_sync_fails(void **state)
{
	struct world *w = *state;
	struct fg_spool_reader *reader;
	struct tally t = { .next = 1 };
	struct stat before, after;
	char path[128];

	world_open(w);
	assert_int_equal(fg_spool_reader_new(w->f.spool, 1, &reader), 0);
	fixture_fill(&w->f, 10);
	reader_drain(reader, &t);
	assert_int_equal(stat(fixture_path(&w->f, "0000000000000001.seg", path), &before), 0);
	atomic_store(&faults()->sync_error, EIO);
	for (int i = 0; i < 20; i++)
		fg_loop_turn(w->f.loop, true);
	fixture_fill(&w->f, 10); /* it goes on being kept */
	for (int i = 0; i < 20; i++)
		fg_loop_turn(w->f.loop, true);
	assert_int_equal(w->f.committed, 0);
	assert_int_equal(fg_spool_segments(w->f.spool), 2);
	atomic_store(&faults()->sync_error, 0);
	until_committed(w, 20);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino != after.st_ino); /* written anew, not synced once more */
	reader_drain(reader, &t);
	assert_int_equal(t.records, 20);
	assert_int_equal(spool_drain(w->f.spool, 1).records, 20);
	fg_spool_reader_free(reader);
	fixture_close(&w->f);
	world_open(w);
	assert_int_equal(spool_drain(w->f.spool, 1).records, 20);
}

static bool is_there(const struct world *w, const char *name)
{
	char path[128];

	return access(fixture_path(&w->f, name, path), F_OK) == 0;
}

/* While a worker writes a segment anew, the spool drops it. */
static void test_rewritten_after_it_was_dropped(void **state)
{
	static const char name[] = "0000000000000001.seg";
	struct world *w = *state;
	uint64_t oldest;

	w->f.conf.limit = 1 << 20;
	world_open(w);
	fixture_fill(&w->f, 10);
	atomic_store(&faults()->sync_error, EIO);
	for (int i = 0; i < 20; i++)
		fg_loop_turn(w->f.loop, true);
	assert_true(w->f.spool->first->uncertain);
	atomic_store(&faults()->hold, 1);
	atomic_store(&faults()->sync_error, 0);
	for (int i = 0; i < 1000000 && atomic_load(&faults()->hold) != 2; i++) {
		w->now += 100000000;
		fg_loop_turn(w->f.loop, false);
		sched_yield();
	}
	assert_int_equal(atomic_load(&faults()->hold), 2);
	fixture_fill(&w->f, 40000);
	oldest = fg_spool_oldest(w->f.spool);
	assert_true(oldest > 10);
	assert_false(is_there(w, name));
	atomic_store(&faults()->hold, 3);
	until_committed(w, 40010);
	assert_false(is_there(w, name));
	fixture_close(&w->f);
	world_open(w);
	assert_int_equal(fg_spool_oldest(w->f.spool), oldest);
}

/* A disk that cannot sync at the end: the end was not clean. */
static void test_close_fails(void **state)
{
	struct world *w = *state;
	uint64_t epoch;

	world_open(w);
	epoch = fg_spool_epoch(w->f.spool)->id;
	fixture_fill(&w->f, 10);
	atomic_store(&faults()->sync_error, EIO);
	fixture_close(&w->f);
	assert_int_equal(w->f.committed, 0);
	atomic_store(&faults()->sync_error, 0);
	world_open(w);
	assert_int_equal(fg_spool_epoch(w->f.spool)->prev_id, epoch);
	assert_int_equal(fg_spool_accepted(w->f.spool), 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_each),
		T(test_each_full),
		T(test_each_filled),
		T(test_each_group),
		T(test_duration),
		T(test_never),
		T(test_commit_of_the_run_before),
		T(test_close_async),
		T(test_close_waits),
		T(test_release_after_cursors),
		T(test_refuse_room),
		T(test_dropped_told),
		T(test_write_fails),
		T(test_short_writes),
		T(test_early_write_fails),
		T(test_birth_fails),
		T(test_sync_fails),
		T(test_rewritten_after_it_was_dropped),
		T(test_close_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

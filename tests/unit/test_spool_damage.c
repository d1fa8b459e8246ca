/* What crashes, bad disks and foreign hands do to the files: never a wrong record, never a refused
 * start, and every position is either read or told as a gap. */
#include "spool_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "base/crc32c.h"

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

static char *file_read(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *bytes;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

static void file_write(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void file_poke(const char *path, uint64_t at, unsigned char mask)
{
	int fd = open(path, O_RDWR);
	unsigned char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
	c ^= mask;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
	close(fd);
}

static const char *segment_path(const struct fixture *f, uint64_t number, char path[128])
{
	char name[FG_SEGMENT_NAME];

	fg_segment_name(number, name);
	return fixture_path(f, name, path);
}

/* Every length that a torn write can leave, with and without zeros behind it; the state of a power
 * cut: it knows of nothing that was not synced. */
static void torn(struct fixture *f, const char *bytes, size_t keep, size_t size, uint64_t expected)
{
	char *image = calloc(1, size), path[128];
	uint8_t other[16] = { 9 };
	struct tally t;

	memcpy(image, bytes, keep);
	fixture_open(f);
	memcpy(f->spool->boot, other, 16);
	assert_int_equal(fg_state_write_run(f->spool, false), 0);
	fixture_kill(f);
	/* it is another spool's: with the lock it would be set aside */
	assert_int_equal(unlink(fixture_path(f, "lock", path)), 0);
	file_write(segment_path(f, 1, path), image, size);
	free(image);
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), expected);
	fixture_fill(f, 2);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.records, expected + 2);
	assert_int_equal(t.damaged, 0);
	fixture_end(f);
	fixture_begin(f);
}

static void test_torn_tail(void **state)
{
	struct fixture *f = *state;
	uint64_t ends[11] = { FG_SEGMENT_HEAD }, last;
	char path[128], *bytes;
	size_t size;

	fixture_open(f);
	for (int i = 1; i <= 10; i++) {
		assert_int_equal(fixture_append(f, 1, &last), 0);
		assert_int_equal(fg_spool_flush(f->spool), 0);
		ends[i] = f->spool->last->end;
	}
	fixture_close(f);
	bytes = file_read(segment_path(f, 1, path), &size);
	assert_int_equal(size, ends[10]);
	fixture_end(f);
	fixture_begin(f);
	for (size_t keep = ends[7]; keep <= size; keep++) {
		uint64_t whole = keep < ends[8] ? 7 : keep < ends[9] ? 8 : keep < size ? 9 : 10;

		torn(f, bytes, keep, keep, whole);
		torn(f, bytes, keep, size + 100, whole);
	}
	free(bytes);
}

/* Damage in the last segment after a clean end: all positions are known, so all are told. */
static void test_damage_middle(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch, at;
	char path[128];
	struct tally t;

	fixture_open(f);
	epoch = fg_spool_epoch(f->spool)->id;
	fixture_fill(f, 50);
	at = f->spool->last->end;
	fixture_close(f);
	file_poke(segment_path(f, 1, path), at / 2, 4);
	fixture_open(f);
	assert_int_equal(fg_spool_epoch(f->spool)->id, epoch);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.damaged, 1);
	assert_int_equal(t.records, 49);
	assert_int_equal(fg_spool_verify(f->spool, &(struct fg_spool_verify){ 0 }), 49);
	fixture_close(f);
	file_poke(path, at - 1, 4); /* the last entry: its position is not used again */
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), 50);
	assert_true(fg_spool_epoch(f->spool)->id != epoch);
	assert_int_equal(fg_spool_epoch(f->spool)->prev_last, 50);
	fixture_fill(f, 1);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.damaged, 2);
	assert_int_equal(t.records, 49);
}

/* Another boot, and the disk has lost the newest entries: only what was synced is missed. */
static void test_committed_lost(void **state)
{
	struct fixture *f = *state;
	uint8_t other[16] = { 9 };
	uint64_t cut;
	char path[128];
	struct tally t;

	f->conf.commit_ns = FG_COMMIT_EACH;
	fixture_open(f);
	fixture_fill(f, 10);
	cut = f->spool->last->end;
	fixture_fill(f, 5);
	memcpy(f->spool->boot, other, 16);
	assert_int_equal(fg_state_write_run(f->spool, false), 0);
	fixture_kill(f);
	assert_int_equal(truncate(segment_path(f, 1, path), (off_t)cut), 0);
	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), 15);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.records, 10);
	assert_int_equal(t.records + t.damaged, fg_spool_accepted(f->spool));
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void flip_some(struct fixture *f, uint32_t *seed)
{
	uint32_t flips = 1 + next_random(seed) % 8, segments = fg_spool_segments(f->spool);
	uint64_t sizes[16];
	uint32_t i = 0;

	for (struct fg_segment *s = f->spool->first; s && i < 16; s = s->next)
		sizes[i++] = s->end;
	fixture_close(f);
	while (flips--) {
		uint32_t n = next_random(seed) % segments;
		char path[128];

		file_poke(segment_path(f, n + 1, path), next_random(seed) % sizes[n],
			  (unsigned char)(1u << next_random(seed) % 8));
	}
}

static void test_bit_flips(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 1;

	for (int round = 0; round < 1000; round++) {
		uint64_t last;
		struct tally t;

		f->conf.limit = 64 << 10;
		f->conf.segment = 4096;
		fixture_open(f);
		for (int i = 0; i < 100; i++)
			assert_int_equal(fixture_append(f, 1 + next_random(&seed) % 3, &last), 0);
		assert_int_equal(fg_spool_flush(f->spool), 0);
		flip_some(f, &seed);
		fixture_open(f);
		assert_true(fg_spool_accepted(f->spool) >= last);
		assert_int_equal(fixture_append(f, 1, &last), 0);
		assert_int_equal(fg_spool_flush(f->spool), 0);
		t = spool_drain(f->spool, 1);
		assert_int_equal(t.records + t.damaged + t.dropped, fg_spool_accepted(f->spool));
		assert_int_equal(t.dropped, 0);
		assert_true(t.records >= 1);
		assert_true(t.damaged >= 1);
		fixture_end(f);
		fixture_begin(f);
	}
}

static void segments_make(struct fixture *f, unsigned records)
{
	f->conf.segment = 96 << 10;
	fixture_open(f);
	fixture_fill(f, records);
	assert_true(fg_spool_segments(f->spool) >= 4);
	fixture_close(f);
}

/* The second segment is spoilt in some way: its records become a gap, the rest is kept. */
static void second_spoilt(struct fixture *f, bool bad_expected)
{
	char path[128], bad[256];
	struct tally t;

	fixture_open(f);
	assert_int_equal(fg_spool_accepted(f->spool), 5000);
	t = spool_drain(f->spool, 1);
	assert_true(t.damaged > 500 && t.damaged < 3000);
	assert_int_equal(t.records + t.damaged, 5000);
	assert_int_equal(t.dropped, 0);
	snprintf(bad, sizeof(bad), "%s.bad", segment_path(f, 2, path));
	assert_int_equal(access(bad, F_OK) == 0, bad_expected);
	fixture_fill(f, 1);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(spool_drain(f->spool, 1).records, 5001 - t.damaged);
}

static void test_zero_length(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	file_write(segment_path(f, 2, path), "", 0);
	second_spoilt(f, true);
}

static void test_missing(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	assert_int_equal(unlink(segment_path(f, 2, path)), 0);
	second_spoilt(f, false);
}

static void test_head_flipped(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	file_poke(segment_path(f, 2, path), 33, 1);
	second_spoilt(f, true);
}

static void head_change(const char *path, size_t at, uint64_t value, size_t width)
{
	size_t len;
	char *bytes = file_read(path, &len);

	if (width == 2)
		fg_put16(bytes + at, (uint16_t)value);
	else
		fg_put64(bytes + at, value);
	fg_put32(bytes + FG_SEGMENT_CRC, fg_crc32c(0, bytes, FG_SEGMENT_CRC));
	file_write(path, bytes, len);
	free(bytes);
}

static void test_future_version(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	head_change(segment_path(f, 2, path), 8, FG_SEGMENT_VERSION + 1, 2);
	second_spoilt(f, true);
}

/* A sound header from elsewhere, far ahead: what is behind it must not be given up for it. */
static void test_base_from_elsewhere(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	head_change(segment_path(f, 2, path), 32, 1000000, 8);
	second_spoilt(f, true);
}

static void test_base_out_of_bounds(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	head_change(segment_path(f, 2, path), 32, UINT64_MAX, 8);
	second_spoilt(f, true);
}

static void test_swapped(void **state)
{
	struct fixture *f = *state;
	char a[128], b[128], c[128];
	struct tally t;

	segments_make(f, 5000);
	segment_path(f, 2, a);
	segment_path(f, 3, b);
	fixture_path(f, "other", c);
	assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
	fixture_open(f);
	t = spool_drain(f->spool, 1);
	assert_int_equal(t.records + t.damaged, 5000);
	assert_true(t.records > 1000);
}

/* A folder, a link and a pipe in the place of segments; names that are nearly ours. */
static void test_strange_files(void **state)
{
	struct fixture *f = *state;
	char path[128];

	segments_make(f, 5000);
	assert_int_equal(mkdir(segment_path(f, 90, path), 0700), 0);
	assert_int_equal(mkfifo(segment_path(f, 91, path), 0600), 0);
	assert_int_equal(symlink("/etc/passwd", segment_path(f, 92, path)), 0);
	file_write(fixture_path(f, "0000000000000000.seg", path), "x", 1);
	file_write(fixture_path(f, "000000000000001G.seg", path), "x", 1);
	file_write(fixture_path(f, "00000000000000999.seg", path), "x", 1);
	fixture_open(f);
	assert_int_equal(spool_drain(f->spool, 1).records, 5000);
	fixture_fill(f, 1);
	assert_int_equal(f->spool->last->number, 93);
}

/* What was set aside does not pile up. */
static void test_bad_bounded(void **state)
{
	struct fixture *f = *state;
	char path[128];
	unsigned kept = 0;

	for (uint64_t i = 1; i <= 20; i++)
		file_write(segment_path(f, i, path), "nonsense", 8);
	fixture_open(f);
	for (uint64_t i = 1; i <= 20; i++) {
		char bad[256];

		snprintf(bad, sizeof(bad), "%s.bad", segment_path(f, i, path));
		kept += access(bad, F_OK) == 0;
	}
	assert_int_equal(kept, 4);
	assert_int_equal(fg_spool_bytes(f->spool), 4 * 4096);
}

/* A device that sends what looks like an entry does not make one, even where damage makes the
 * reader look at every byte. */
static void test_entry_in_payload(void **state)
{
	struct fixture *f = *state;
	char inner[64] = { 0 }, path[128];
	struct fg_record r = { .point = FG_STR("p"), .time_ns = FG_TIME_NONE };
	struct fg_entry e = { .device = FG_STR("d"), .records = &r, .count = 1 };
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	uint64_t last, from, to;
	enum fg_spool_gap why;

	fixture_open(f);
	fixture_fill(f, 1);
	fg_put32(inner, sizeof(inner));
	fg_put64(inner + 8, 3);
	fg_put32(inner + FG_ENTRY_COUNT, 1);
	fg_put32(inner + 4, fg_crc32c(0, inner + 8, sizeof(inner) - 8));
	r.value = (struct fg_value){ .kind = FG_DATA, .s = { inner, sizeof(inner) } };
	assert_int_equal(fg_spool_append(f->spool, &e, &last), 0);
	assert_int_equal(fg_spool_flush(f->spool), 0);
	from = f->spool->last->end;
	fixture_fill(f, 8);
	file_poke(segment_path(f, 1, path), from - 1, 1);
	assert_int_equal(fg_spool_reader_new(f->spool, 1, &reader), 0);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	assert_int_equal(fg_spool_read(reader, &view), 2);
	fg_spool_reader_gap(reader, &from, &to, &why);
	assert_int_equal(from, 2);
	assert_int_equal(to, 2);
	assert_int_equal(fg_spool_read(reader, &view), 1);
	assert_int_equal(view.first, 3);
	fg_spool_reader_free(reader);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_torn_tail),	    T(test_damage_middle),    T(test_committed_lost),
		T(test_bit_flips),	    T(test_zero_length),      T(test_missing),
		T(test_head_flipped),	    T(test_future_version),   T(test_base_from_elsewhere),
		T(test_base_out_of_bounds), T(test_swapped),	      T(test_strange_files),
		T(test_bad_bounded),	    T(test_entry_in_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

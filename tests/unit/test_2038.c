/* Times that 32 bits of seconds cannot hold: read from devices, kept on the disk, and sent on. It
 * matters where time_t was made for 32 bits (armhf). */
#include "spool_fixture.h"

#include <fcntl.h>
#include <time.h>

#include "decode/decode.h"
#include "profile/profile_private.h"
#include "record/pack.h"

#define S INT64_C(1000000000)
#define LAST_32 INT64_C(2147483647)	/* 2038-01-19T03:14:07Z */
#define YEAR_2100 INT64_C(4102444800)

_Static_assert(sizeof(time_t) == 8, "seconds have 64 bits here");

static const int64_t TIMES[] = {
	LAST_32,
	LAST_32 + 1,
	INT64_C(4294967295),	/* the end of 32 bits without a sign, in 2106 */
	INT64_C(4294967296),
	YEAR_2100,
	INT64_C(9000000000),	/* 2255 */
};

#define COUNT (sizeof(TIMES) / sizeof(TIMES[0]))

static void the_c_library_knows_them(void **state)
{
	time_t t = (time_t)YEAR_2100;
	struct tm tm;

	(void)state;
	assert_non_null(gmtime_r(&t, &tm));
	assert_int_equal(tm.tm_year, 200);
	assert_int_equal(timegm(&tm), YEAR_2100);
	assert_non_null(localtime_r(&t, &tm));
	assert_int_equal(mktime(&tm), YEAR_2100);
}

static void devices_may_say_them(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "2038-01-19T03:14:07Z", LAST_32 },
		{ "2038-01-19T03:14:08Z", LAST_32 + 1 },
		{ "2100-01-01T02:00:00+02:00", YEAR_2100 },
		{ "2255-03-14T16:00:00Z", INT64_C(9000000000) },
	};
	const struct fg_time_conf iso = { .as = FG_TIME_ISO8601 };
	const struct fg_time_conf s = { .as = FG_TIME_UNIX }, ms = { .as = FG_TIME_UNIX_MS };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_value text = { .kind = FG_STRING, .s = fg_str_c(rows[i].text) };

		assert_int_equal(fg_profile_time(&iso, &text), rows[i].seconds * S);
	}
	for (size_t i = 0; i < COUNT; i++) {
		struct fg_value number = { .kind = FG_INT, .i = TIMES[i] };

		assert_int_equal(fg_profile_time(&s, &number), TIMES[i] * S);
		number.i *= 1000;
		assert_int_equal(fg_profile_time(&ms, &number), TIMES[i] * S);
	}
}

static int64_t through_a_pack(enum fg_pack_format format, int64_t time_ns)
{
	struct fg_decode_context ctx = { .content_format = format == FG_PACK_JSON ? 110 : 112 };
	struct fg_record record = { .point = FG_STR("t"),
				    .value = { .kind = FG_INT, .i = 1 },
				    .time_ns = FG_TIME_NONE };
	struct fg_pack pack;
	struct fg_buf out;
	struct fg_doc doc;
	int64_t got;

	fg_buf_init(&out, 1 << 16);
	fg_pack_begin(&pack, &out, format, FG_STR("gw"));
	fg_pack_add(&pack, FG_STR("a"), &record, time_ns, false);
	fg_doc_init(&doc, 16, 1 << 16);
	doc.now_ns = time_ns;
	assert_int_equal(fg_decoder_senml.decode(&ctx, fg_pack_end(&pack, NULL), &doc), 0);
	assert_int_equal(doc.len, 2);
	got = doc.nodes[1].time_ns;
	fg_doc_fini(&doc);
	fg_buf_fini(&out);
	return got;
}

static void packs_carry_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(through_a_pack(FG_PACK_JSON, TIMES[i] * S), TIMES[i] * S);
		assert_int_equal(through_a_pack(FG_PACK_CBOR, TIMES[i] * S), TIMES[i] * S);
	}
}

static void append_at(struct fg_spool *spool, int64_t time_ns)
{
	struct fg_record record = { .point = FG_STR("t"),
				    .value = { .kind = FG_INT, .i = 1 },
				    .time_ns = time_ns + 1 };
	struct fg_entry entry = {
		.device = FG_STR("d"),
		.wall_ns = time_ns,
		.boot_ns = INT64_C(5000000000) * S / 1000,	/* up for 58 days */
		.records = &record,
		.count = 1,
	};
	uint64_t last;

	assert_int_equal(fg_spool_append(spool, &entry, &last), 0);
}

static void the_spool_keeps_them(void **state)
{
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	struct fg_record record;
	struct fixture f;
	bool unsynced;

	(void)state;
	fixture_begin(&f);
	fixture_open(&f);
	for (size_t i = 0; i < COUNT; i++)
		append_at(f.spool, TIMES[i] * S);
	assert_int_equal(fg_spool_flush(f.spool), 0);
	fixture_close(&f);
	fixture_open(&f);
	assert_int_equal(fg_spool_reader_new(f.spool, 1, &reader), 0);
	for (size_t i = 0; i < COUNT; i++) {
		size_t at = 0;

		assert_int_equal(fg_spool_read(reader, &view), 1);
		assert_int_equal(fg_spool_time(&view, &unsynced), TIMES[i] * S);
		assert_int_equal(fg_spool_record(&view, &at, &record), 1);
		assert_int_equal(record.time_ns, TIMES[i] * S + 1);
	}
	assert_int_equal(fg_spool_read(reader, &view), 0);
	fg_spool_reader_free(reader);
	fixture_end(&f);
}

/* A file that was touched after 2038 can still be looked at. */
static void files_may_have_them(void **state)
{
	const struct timespec times[2] = { { .tv_sec = YEAR_2100 }, { .tv_sec = YEAR_2100 } };
	struct fixture f;
	struct stat st;

	(void)state;
	fixture_begin(&f);
	fixture_open(&f);
	fixture_fill(&f, 3);
	fixture_close(&f);
	assert_int_equal(utimensat(AT_FDCWD, f.dir, times, 0), 0);
	assert_int_equal(stat(f.dir, &st), 0);
	/* some file systems end earlier themselves, and say that by another time */
	assert_true(st.st_mtime == YEAR_2100 || st.st_mtime >= LAST_32);
	fixture_open(&f);
	assert_int_equal(fg_spool_accepted(f.spool), 3);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_c_library_knows_them),
		cmocka_unit_test(devices_may_say_them),
		cmocka_unit_test(packs_carry_them),
		cmocka_unit_test(the_spool_keeps_them),
		cmocka_unit_test(files_may_have_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

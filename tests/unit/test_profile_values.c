/* Values and times as profiles want them: map, type, scale and offset; unix and ISO 8601. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <errno.h>

#include <cmocka.h>

#include <fg/loop.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "profile/profile_private.h"

static struct fg_value number(const char *text)
{
	struct fg_value value;

	assert_int_equal(fg_value_parse_number(fg_str_c(text), &value), 0);
	return value;
}

static void text_is(const struct fg_value *value, const char *text)
{
	char room[FG_NUMBER_MAX + 1];

	assert_true(fg_value_is_number(value));
	room[fg_value_write_number(value, room)] = '\0';
	assert_string_equal(room, text);
}

static void scales_exactly(void **state)
{
	static const struct {
		const char *value, *scale, *offset, *result;
	} rows[] = {
		{ "3", "0.1", "0", "0.3" },
		{ "3", "0.1", "-0.3", "0" },
		{ "0", "0.1", "0", "0" },
		{ "0", "0.1", "5", "5" },
		{ "1", "1", "-273.15", "-272.15" },
		{ "2350", "0.01", "-5", "18.5" },
		{ "9007199254740993", "1", "1", "9007199254740994" },
		{ "1e300", "10", "0", "1e301" },
		{ "0.1", "0.1", "0.1", "0.11" },
		{ "18446744073709551615", "1", "1", "18446744073709552000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_point_conf conf = { .scale = strtod(rows[i].scale, NULL),
					      .offset = strtod(rows[i].offset, NULL) };
		struct profile_point point = { .conf = &conf,
					       .scales = true,
					       .scale = number(rows[i].scale),
					       .offset = number(rows[i].offset) };
		struct fg_value value = number(rows[i].value);

		assert_true(profile_convert(&point, &value, NULL));
		text_is(&value, rows[i].result);
	}
}

static void beyond_a_double_is_no_value(void **state)
{
	struct fg_point_conf conf = { .scale = 10 };
	struct profile_point point = {
		.conf = &conf, .scales = true, .scale = number("10"), .offset = number("0")
	};
	struct fg_value value = number("1e308");

	(void)state;
	assert_false(profile_convert(&point, &value, NULL));
}

static bool convert_text(enum fg_point_type type, const char *text, struct fg_value *ret_value)
{
	struct fg_point_conf conf = { .scale = 1, .type = type };
	struct profile_point point = { .conf = &conf };

	*ret_value = (struct fg_value){ .kind = FG_STRING, .s = fg_str_c(text) };
	return profile_convert(&point, ret_value, NULL);
}

static void types_are_declared(void **state)
{
	struct fg_value value;
	struct fg_arena arena;
	struct fg_point_conf conf = { .scale = 1, .type = FG_POINT_STRING };
	struct profile_point point = { .conf = &conf };

	(void)state;
	assert_true(convert_text(FG_POINT_NUMBER, " 21.5\r\n", &value));
	text_is(&value, "21.5");
	assert_false(convert_text(FG_POINT_NUMBER, "21,5", &value));
	assert_false(convert_text(FG_POINT_NUMBER, "", &value));
	assert_true(convert_text(FG_POINT_BOOLEAN, "ON", &value));
	assert_true(value.kind == FG_BOOL && value.b);
	assert_true(convert_text(FG_POINT_BOOLEAN, "closed", &value));
	assert_true(value.kind == FG_BOOL && !value.b);
	assert_false(convert_text(FG_POINT_BOOLEAN, "maybe", &value));
	fg_arena_init(&arena, 1024);
	value = number("21.50");
	assert_true(profile_convert(&point, &value, &arena));
	assert_true(fg_str_eq_c(value.s, "21.5"));
	value = (struct fg_value){ .kind = FG_DATA, .s = FG_STR("x") };
	assert_false(profile_convert(&point, &value, &arena));
	fg_arena_fini(&arena);
}

static void maps_come_first(void **state)
{
	static const char *const names[] = { "1", "true", "off" };
	struct fg_value items[] = { { .kind = FG_STRING, .s = FG_STR("one") },
				    { .kind = FG_INT, .i = 7 },
				    { .kind = FG_BOOL } };
	struct fg_point_conf conf = { .scale = 1 };
	struct profile_point point = { .conf = &conf };
	struct fg_value value = { .kind = FG_INT, .i = 1 };

	(void)state;
	conf.map.names = (void *)(uintptr_t)names;
	conf.map.items = items;
	conf.map.count = 3;
	assert_true(profile_convert(&point, &value, NULL));
	assert_true(value.kind == FG_STRING && fg_str_eq_c(value.s, "one"));
	value = (struct fg_value){ .kind = FG_BOOL, .b = true };
	assert_true(profile_convert(&point, &value, NULL));
	assert_int_equal(value.i, 7);
	value = (struct fg_value){ .kind = FG_INT, .i = 2 };
	assert_true(profile_convert(&point, &value, NULL));
	assert_int_equal(value.i, 2);
}

static void iso_times(void **state)
{
	static const struct {
		const char *text;
		enum fg_time_zone zone;
		int64_t ns;
	} rows[] = {
		{ "2025-11-22T05:20:00Z", FG_ZONE_NONE, 1763788800000000000 },
		{ "2025-11-22T05:20:00.25Z", FG_ZONE_NONE, 1763788800250000000 },
		{ "2025-11-22 06:20:00,5+01:00", FG_ZONE_NONE, 1763788800500000000 },
		{ "2025-11-22T00:20:00-0500", FG_ZONE_NONE, 1763788800000000000 },
		{ "2025-11-22t05:20z", FG_ZONE_NONE, 1763788800000000000 },
		{ "2025-11-22T05:20:00", FG_ZONE_UTC, 1763788800000000000 },
		{ "2025-11-22T06:20:00", FG_ZONE_LOCAL, 1763788800000000000 },
		{ "2025-11-22T05:20:00", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2016-12-31T23:59:60Z", FG_ZONE_NONE, 1483228800000000000 },
		{ "2025-02-30T05:20:00Z", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2025-13-01T05:20:00Z", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2025-11-22T24:20:00Z", FG_ZONE_NONE, FG_TIME_NONE },
		{ "9999-12-31T23:59:59Z", FG_ZONE_NONE, FG_TIME_NONE },
		{ "0000-01-01T00:00:00Z", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2025-11-22T05:20:00Zx", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2025-11-22T05:20:00+", FG_ZONE_NONE, FG_TIME_NONE },
		{ "2025-11-22", FG_ZONE_UTC, FG_TIME_NONE },
		{ "", FG_ZONE_UTC, FG_TIME_NONE },
	};

	(void)state;
	setenv("TZ", "CET-1", 1);
	tzset();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_time_conf conf = { .as = FG_TIME_ISO8601, .zone = (int)rows[i].zone };
		struct fg_value value = { .kind = FG_STRING, .s = fg_str_c(rows[i].text) };

		if (fg_profile_time(&conf, &value) != rows[i].ns)
			fail_msg("%s", rows[i].text);
	}
}

static void unix_times(void **state)
{
	struct fg_time_conf s = { .as = FG_TIME_UNIX }, ms = { .as = FG_TIME_UNIX_MS };
	struct fg_value value = number("1763788800");

	(void)state;
	assert_int_equal(fg_profile_time(&s, &value), 1763788800000000000);
	value = number("1763788800.25");
	assert_int_equal(fg_profile_time(&s, &value), 1763788800250000000);
	value = number("1763788800250");
	assert_int_equal(fg_profile_time(&ms, &value), 1763788800250000000);
	value = (struct fg_value){ .kind = FG_STRING, .s = FG_STR("1763788800") };
	assert_int_equal(fg_profile_time(&s, &value), 1763788800000000000);
	value = number("1e300");
	assert_int_equal(fg_profile_time(&s, &value), FG_TIME_NONE);
	value = number("9223372036854775807");
	assert_int_equal(fg_profile_time(&s, &value), FG_TIME_NONE);
	value = (struct fg_value){ .kind = FG_BOOL, .b = true };
	assert_int_equal(fg_profile_time(&s, &value), FG_TIME_NONE);
}

static void backoff_stays_in_its_bounds(void **state)
{
	struct fg_backoff backoff;
	uint64_t top = 200;

	(void)state;
	fg_backoff_init(&backoff, 200, 30000);
	for (int i = 0; i < 200; i++) {
		uint64_t ns = fg_backoff_next(&backoff);

		assert_true(ns >= 100 && ns <= top);
		top = top * 2 < 30000 ? top * 2 : 30000;
	}
	fg_backoff_reset(&backoff);
	assert_true(fg_backoff_next(&backoff) <= 200);
}

static void own_shortages_are_not_waited_out(void **state)
{
	struct fg_backoff backoff;
	bool longer = false;

	(void)state;
	fg_backoff_init(&backoff, FG_MS(200), FG_S(30));
	for (int i = 0; i < 200; i++) {
		assert_true(fg_backoff_after(&backoff, -ENOMEM) <= FG_MS(500));
		longer = longer || fg_backoff_after(&backoff, -ECONNREFUSED) > FG_MS(500);
	}
	assert_true(longer);
}

static void stamps_get_their_true_time(void **state)
{
	struct fg_clock clock;

	(void)state;
	fg_clock_init(&clock, true);
	assert_true(clock.synced);
	assert_false(fg_clock_check(&clock));
	clock.wall_ns = 5000;
	clock.boot_ns = 700;
	assert_int_equal(fg_clock_wall_of(&clock, 600), 4900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scales_exactly),
		cmocka_unit_test(beyond_a_double_is_no_value),
		cmocka_unit_test(types_are_declared),
		cmocka_unit_test(maps_come_first),
		cmocka_unit_test(iso_times),
		cmocka_unit_test(unix_times),
		cmocka_unit_test(backoff_stays_in_its_bounds),
		cmocka_unit_test(own_shortages_are_not_waited_out),
		cmocka_unit_test(stamps_get_their_true_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Numbers: nothing is lost on the way in, and what goes out reads back to the same. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/number.h"

static void numbers_are_read_as_the_kind_that_loses_nothing(void **state)
{
	static const struct {
		const char *text;
		int kind; /* or a negative errno */
		const char *out;
	} cases[] = {
		{ "0", FG_INT, "0" },
		{ "-0", FG_DOUBLE, "-0" },
		{ "1", FG_INT, "1" },
		{ "1.0", FG_INT, "1" },
		{ "1e3", FG_INT, "1000" },
		{ "1.5e1", FG_INT, "15" },
		{ "-12", FG_INT, "-12" },
		{ "9223372036854775807", FG_INT, "9223372036854775807" },
		{ "-9223372036854775808", FG_INT, "-9223372036854775808" },
		{ "9223372036854775808", FG_UINT, "9223372036854775808" },
		{ "18446744073709551615", FG_UINT, "18446744073709551615" },
		{ "18446744073709551616", FG_DOUBLE, "18446744073709552000" },
		{ "19999999999999999999", FG_DOUBLE, "20000000000000000000" },
		{ "-9223372036854775809", FG_DOUBLE, "-9223372036854776000" },
		{ "21.5", FG_DECIMAL, "21.5" },
		{ "-0.1", FG_DECIMAL, "-0.1" },
		{ "2.50", FG_DECIMAL, "2.5" },
		{ "0.000001", FG_DECIMAL, "0.000001" },
		{ "1e-7", FG_DECIMAL, "1e-7" },
		{ "123e-9", FG_DECIMAL, "1.23e-7" },
		{ "1e22", FG_DECIMAL, "1e22" },
		{ "1e23", FG_DOUBLE, "1e23" },
		{ "21.399999618530273", FG_DOUBLE, "21.399999618530273" },
		{ "0.30000000000000004", FG_DOUBLE, "0.30000000000000004" },
		{ "1.7976931348623157e308", FG_DOUBLE, "1.7976931348623157e308" },
		{ "5e-324", FG_DOUBLE, "5e-324" },
		{ "1e-400", FG_DOUBLE, "0" },
		{ "9007199254740993", FG_INT, "9007199254740993" },
		{ "0e99999999999999999999", FG_INT, "0" },
		{ "1e99999999999999999999", -ERANGE, NULL },
		{ "1e309", -ERANGE, NULL },
		{ "", -EINVAL, NULL },
		{ "-", -EINVAL, NULL },
		{ "01", -EINVAL, NULL },
		{ "1.", -EINVAL, NULL },
		{ ".5", -EINVAL, NULL },
		{ "1e", -EINVAL, NULL },
		{ "1e+", -EINVAL, NULL },
		{ "+1", -EINVAL, NULL },
		{ "1 ", -EINVAL, NULL },
		{ "nan", -EINVAL, NULL },
		{ "0x10", -EINVAL, NULL },
	};
	char out[FG_NUMBER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fg_value v = { 0 };
		int r = fg_value_parse_number(fg_str_c(cases[i].text), &v);

		assert_int_equal(r ? r : v.kind, cases[i].kind);
		if (r)
			continue;
		assert_true(fg_str_eq_c(fg_str(out, fg_value_write_number(&v, out)), cases[i].out));
		assert_true(fg_value_double(&v) == strtod(cases[i].text, NULL));
	}
}

static void long_numbers_round_by_every_digit(void **state)
{
	/* halfway between 1 and the next double, and a digit far behind that decides */
	char text[1200];
	struct fg_value v;
	int n = snprintf(text, sizeof(text),
			 "1.00000000000000011102230246251565404236316680908203125"
			 "%0900d",
			 0);

	(void)state;
	assert_int_equal(fg_value_parse_number(fg_str(text, (size_t)n), &v), 0);
	assert_true(fg_value_double(&v) == 1.0);
	text[n - 1] = '1';
	assert_int_equal(fg_value_parse_number(fg_str(text, (size_t)n), &v), 0);
	assert_true(fg_value_double(&v) == 1.0 + ldexp(1, -52));
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void check_round_trip(double d)
{
	struct fg_value v = fg_value_of_double(d), back;
	char out[FG_NUMBER_MAX + 1];
	size_t n = fg_value_write_number(&v, out);

	out[n] = '\0';
	assert_true(n <= FG_NUMBER_MAX);
	assert_true(strtod(out, NULL) == d);
	assert_int_equal(fg_value_parse_number(fg_str(out, n), &back), 0);
	assert_true(fg_value_double(&back) == d);
}

static void doubles_come_back(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = next(&seed);
		double d;

		memcpy(&d, &bits, sizeof(d));
		if (isfinite(d))
			check_round_trip(d);
		check_round_trip((double)(int32_t)bits / (double)(1 + bits % 1000));
		check_round_trip((double)(float)((double)(int32_t)bits / 1000));
	}
}

static void doubles_become_integers_only_if_they_are(void **state)
{
	(void)state;
	assert_int_equal(fg_value_of_double(21).kind, FG_INT);
	assert_int_equal(fg_value_of_double(21.5).kind, FG_DOUBLE);
	assert_int_equal(fg_value_of_double(-0.0).kind, FG_DOUBLE);
	assert_int_equal(fg_value_of_double(9007199254740991.0).kind, FG_INT);
	assert_int_equal(fg_value_of_double(9007199254740992.0).kind, FG_DOUBLE);
}

static void rounding_is_that_of_libm(void **state)
{
	static const double values[] = {
		0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, -0.49999999999999994,
		4503599627370495.5, 4503599627370497.0, 9007199254740993.0, 1e300, -1e300, 5e-324,
		123456.789, -123456.5, 2147483647.5, INFINITY,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		double whole = fg_whole(values[i]), libm = nearbyint(values[i]);

		assert_memory_equal(&whole, &libm, sizeof(whole));
		if (fabs(values[i]) < 9e18)
			assert_int_equal(fg_nearest(values[i]), llround(values[i]));
	}
	assert_true(isnan(fg_whole(NAN)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_the_kind_that_loses_nothing),
		cmocka_unit_test(long_numbers_round_by_every_digit),
		cmocka_unit_test(doubles_come_back),
		cmocka_unit_test(doubles_become_integers_only_if_they_are),
		cmocka_unit_test(rounding_is_that_of_libm),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}

/* The HTTP bridge: what a status means for a pack, which header lines may be set, compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../bridges/http/http.h"
#include "../../bridges/http/squeeze.h"

static void every_status_has_a_meaning(void **state)
{
	(void)state;
	assert_int_equal(http_verdict(200), HTTP_TAKEN);
	assert_int_equal(http_verdict(204), HTTP_TAKEN);
	assert_int_equal(http_verdict(299), HTTP_TAKEN);
	assert_int_equal(http_verdict(0), HTTP_UNFIT);
	assert_int_equal(http_verdict(101), HTTP_UNFIT);
	assert_int_equal(http_verdict(304), HTTP_UNFIT);
	assert_int_equal(http_verdict(401), HTTP_UNFIT);
	assert_int_equal(http_verdict(404), HTTP_UNFIT);
	assert_int_equal(http_verdict(400), HTTP_REFUSED);
	assert_int_equal(http_verdict(418), HTTP_REFUSED);
	assert_int_equal(http_verdict(422), HTTP_REFUSED);
	assert_int_equal(http_verdict(413), HTTP_TOO_LARGE);
	assert_int_equal(http_verdict(408), HTTP_LATER);
	assert_int_equal(http_verdict(429), HTTP_LATER);
	assert_int_equal(http_verdict(500), HTTP_LATER);
	assert_int_equal(http_verdict(999), HTTP_LATER);
}

static void headers_cannot_be_smuggled(void **state)
{
	(void)state;
	assert_true(http_header_name_ok("X-Api-Key"));
	assert_true(http_header_name_ok("Content-Type"));
	assert_false(http_header_name_ok(""));
	assert_false(http_header_name_ok("X Key"));
	assert_false(http_header_name_ok("X:"));
	assert_false(http_header_name_ok("content-LENGTH"));
	assert_false(http_header_name_ok("Transfer-Encoding"));
	assert_true(http_header_value_ok(FG_STR("")));
	assert_true(http_header_value_ok(FG_STR("a \xc3\xa4 b")));
	assert_false(http_header_value_ok(FG_STR("a\r\nHost: b")));
	assert_false(http_header_value_ok(FG_STR("a\0b")));
}

/* One after the other, as small as a pack can be, and such that nothing repeats itself. */
static void bodies_of_any_length_are_compressed(void **state)
{
	static const enum http_compress hows[] = { HTTP_GZIP, HTTP_ZSTD };
	char body[300];
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)((random = random * 1664525 + 1013904223) >> 24);
	for (size_t how = 0; how < 2; how++) {
		struct http_squeeze squeeze = { .ready = false };
		struct fg_buf out;

		fg_buf_init(&out, 1 << 20);
		assert_int_equal(http_squeeze_init(&squeeze, hows[how]), 0);
		for (size_t len = 0; len < sizeof(body); len++) {
			assert_int_equal(http_squeeze(&squeeze, fg_str(body, len), &out), 0);
			assert_true(out.len > 0);
		}
		http_squeeze_fini(&squeeze);
		fg_buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_meaning),
		cmocka_unit_test(headers_cannot_be_smuggled),
		cmocka_unit_test(bodies_of_any_length_are_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

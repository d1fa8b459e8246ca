/* What an HTTP client says, taken apart; and what `status` says, as metrics. */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_target(void **state)
{
	struct fg_str path, query;

	(void)state;
	console_target(FG_STR("/a?b=c?d"), &path, &query);
	assert_true(fg_str_eq_c(path, "/a") && fg_str_eq_c(query, "b=c?d"));
	console_target(FG_STR("/a%3fb"), &path, &query);
	assert_true(fg_str_eq_c(path, "/a%3fb") && query.len == 0);
	console_target(FG_STR(""), &path, &query);
	assert_true(path.len == 0 && query.len == 0);
}

static void test_query(void **state)
{
	static const struct {
		const char *query;
		int r;
		const char *value;
	} cases[] = {
		{ "a=1&b=2", 0, "2" },
		{ "b=", 0, "" },
		{ "b", 0, "" },
		{ "b=x+y%2Bz%c3%A4", 0, "x y+z\xc3\xa4" },
		{ "a=b=c&b=d=e", 0, "d=e" },
		{ "&&b=1&", 0, "1" },
		{ "a=1", -ENOENT, NULL },
		{ "", -ENOENT, NULL },
		{ "bb=1&xb=2", -ENOENT, NULL },
		{ "b=1&b=1", -EINVAL, NULL },
		{ "b=%", -EINVAL, NULL },
		{ "b=%2", -EINVAL, NULL },
		{ "b=%2g", -EINVAL, NULL },
		{ "b=x%00y", -EINVAL, NULL },
		{ "b=1234567", 0, "1234567" },
		{ "b=12345678", -E2BIG, NULL },
	};
	char out[8];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = console_query(fg_str_c(cases[i].query), "b", out, sizeof(out), &len);

		if (r != cases[i].r)
			fail_msg("%s: %d, not %d", cases[i].query, r, cases[i].r);
		if (r == 0)
			assert_string_equal(out, cases[i].value);
		if (r == 0)
			assert_int_equal(len, strlen(cases[i].value));
	}
}

static void test_headers(void **state)
{
	struct fg_str got;

	(void)state;
	assert_true(console_bearer(FG_STR("Bearer abc"), &got) && fg_str_eq_c(got, "abc"));
	assert_true(console_bearer(FG_STR(" bearer  a b "), &got) && fg_str_eq_c(got, "a b"));
	assert_false(console_bearer(FG_STR("Bearer"), &got));
	assert_false(console_bearer(FG_STR("Bearer "), &got));
	assert_false(console_bearer(FG_STR("Basic abc"), &got));
	assert_true(console_cookie(FG_STR("x=1; id=abc; y=2"), "id", &got));
	assert_true(fg_str_eq_c(got, "abc"));
	assert_true(console_cookie(FG_STR("id=;id=b=c"), "id", &got) && fg_str_eq_c(got, "b=c"));
	assert_false(console_cookie(FG_STR("xid=1; idx=2; id"), "id", &got));
	assert_true(console_type_is_json(FG_STR("application/json")));
	assert_true(console_type_is_json(FG_STR("Application/JSON; charset=utf-8")));
	assert_false(console_type_is_json(FG_STR("application/jsonx")));
	assert_false(console_type_is_json(FG_STR("")));
}

static void test_same(void **state)
{
	(void)state;
	assert_true(console_same(FG_STR("secret"), FG_STR("secret")));
	assert_false(console_same(FG_STR("secreT"), FG_STR("secret")));
	assert_false(console_same(FG_STR("secre"), FG_STR("secret")));
	assert_false(console_same(FG_STR("secretsecret"), FG_STR("secret")));
	assert_false(console_same(FG_STR(""), FG_STR("secret")));
	assert_false(console_same(FG_STR("x"), FG_STR("")));
	assert_false(console_same(FG_STR(""), FG_STR("")));
}

static void test_sites(void **state)
{
	(void)state;
	assert_true(console_origin_is(FG_STR("http://a:80"), false, FG_STR("a:80")));
	assert_true(console_origin_is(FG_STR("https://A:80"), true, FG_STR("a:80")));
	assert_false(console_origin_is(FG_STR("http://a:80"), true, FG_STR("a:80")));
	assert_false(console_origin_is(FG_STR("http://a:80.evil"), false, FG_STR("a:80")));
	assert_false(console_origin_is(FG_STR("http://"), false, FG_STR("")));
	assert_false(console_origin_is(FG_STR("null"), false, FG_STR("a")));
	assert_true(console_host_is_loopback(FG_STR("localhost:1")));
	assert_true(console_host_is_loopback(FG_STR("127.9.9.9")));
	assert_true(console_host_is_loopback(FG_STR("[::1]:8080")));
	assert_false(console_host_is_loopback(FG_STR("localhost.evil")));
	assert_false(console_host_is_loopback(FG_STR("[::2]:8080")));
	assert_false(console_host_is_loopback(FG_STR("")));
	assert_false(console_host_is_loopback(FG_STR("[")));
}

static void test_listen(void **state)
{
	static const char *const good[] = { "http://127.0.0.1:8080", "https://0.0.0.0:1",
					    "http://localhost:65535", "https://[::]:8443" };
	static const char *const bad[] = {
		"",		     "http://",		     "ftp://127.0.0.1:1",
		"http://127.0.0.1",  "http://127.0.0.1:",    "http://127.0.0.1:0",
		"http://1.2.3:80",   "http://127.0.0.1:80/", "http://127.0.0.1:080808",
		"http://::1:80",     "http://[::1:80",	     "http://[127.0.0.1]:80",
		"http://[::1]80",    "http://host:80",	     "http://127.0.0.1:65536",
		"http:/127.0.0.1:1",
	};
	struct console_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(console_listen(good[i], &address));
	assert_true(address.tls && !address.loopback);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!console_listen(bad[i], &address))
			fail_msg("%s was taken", bad[i]);
}

static void test_metrics(void **state)
{
	static const char status[] =
		"{\"version\":\"1\",\"payloads\":18446744073709551615,\"memory_kib\":2,"
		"\"clock\":\"unsynced\",\"drivers\":{\"a\\\"\\\\b\\n\":{\"state\":\"up\"}},"
		"\"ledger\":{\"gateway\":\"g\",\"rejected\":{},\"bridges\":{\"x\":{\"waiting\":3,"
		"\"dropped\":{\"spool-full\":7}},\"y\":{\"dropped\":{}}}}}";
	const struct metrics_more more = { .viewers = 2 };
	struct fg_buf out;
	struct fg_doc doc;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	fg_doc_init(&doc, 8, sizeof(status));
	assert_int_equal(fg_json_parse(fg_str(status, sizeof(status) - 1), &doc), 0);
	metrics_write(&doc, &more, &out);
	fg_buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "fieldgate_info{gateway=\"g\",version=\"1\"} 1\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_payloads_total 18446744073709551615\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_memory_peak_bytes 2048\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_clock_synced 0\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_driver_up{driver=\"a\\\"\\\\b\\n\"} 1\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_ledger_waiting{bridge=\"x\"} 3\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_ledger_dropped_total{bridge=\"x\","
					 "reason=\"spool-full\"} 7\n"));
	assert_non_null(strstr(out.data, "\nfieldgate_console_viewers 2\n"));
	/* what has no sample is not declared either */
	assert_null(strstr(out.data, "fieldgate_rejected_total"));
	fg_doc_fini(&doc);
	fg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),	cmocka_unit_test(test_query),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_same),
		cmocka_unit_test(test_sites),	cmocka_unit_test(test_listen),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The account of several processes, made of each one's. */
#include "run/sum.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *name, *parts[4], *sum;
} cases[] = {
	{ "none", { NULL }, "{}" },
	{ "counts are added, to the last digit",
	  { "{\"a\":9007199254740993,\"b\":{\"c\":1}}", "{\"a\":2,\"b\":{\"c\":2,\"d\":3}}" },
	  "{\"a\":9007199254740995,\"b\":{\"c\":3,\"d\":3}}" },
	{ "what cannot be added is the first one's",
	  { "{\"epoch\":\"aa\",\"last\":7,\"since\":5,\"ok\":true}",
	    "{\"epoch\":\"bb\",\"last\":9,\"since\":1,\"ok\":false}" },
	  "{\"epoch\":\"aa\",\"last\":7,\"since\":5,\"ok\":true}" },
	{ "ages are the worst",
	  { "{\"oldest_s\":0.000}", "{\"oldest_s\":12.5}", "{\"oldest_s\":3.25}" },
	  "{\"oldest_s\":12.500}" },
	{ "a link is up where all are",
	  { "{\"l\":{\"state\":\"up\",\"fault\":null}}",
	    "{\"l\":{\"state\":\"retrying\",\"fault\":\"gone\"}}",
	    "{\"l\":{\"state\":\"up\",\"fault\":null}}" },
	  "{\"l\":{\"state\":\"retrying\",\"fault\":\"gone\"}}" },
	{ "lists are left out", { "{\"a\":[1,2],\"b\":1}", "{\"b\":1,\"a\":[3]}" }, "{\"b\":2}" },
	{ "texts are escaped", { "{\"a\\\"b\":\"c\\nd\"}" }, "{\"a\\\"b\":\"c\\nd\"}" },
	{ "other kinds under one name do not mix", { "{\"a\":1}", "{\"a\":{\"b\":2}}" },
	  "{\"a\":1}" },
};

static void test_sums(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fg_sum *sum = fg_sum_new();
		struct fg_buf out;

		fg_buf_init(&out, 4096);
		for (size_t k = 0; k < 4 && cases[i].parts[k]; k++)
			assert_int_equal(fg_sum_add(sum, fg_str_c(cases[i].parts[k])), 0);
		fg_sum_json(sum, &out);
		fg_buf_char(&out, '\0');
		if (strcmp(out.data, cases[i].sum) != 0)
			fail_msg("%s: %s, wanted %s", cases[i].name, out.data, cases[i].sum);
		fg_buf_fini(&out);
		fg_sum_free(sum);
	}
}

static void test_what_is_no_object(void **state)
{
	static const char *const texts[] = { "", "[]", "1", "{\"a\":", "{\"a\":1}x" };
	struct fg_sum *sum = fg_sum_new();
	struct fg_buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(fg_sum_add(sum, fg_str_c(texts[i])), -EBADMSG);
	fg_buf_init(&out, 64);
	fg_sum_json(sum, &out);
	assert_int_equal(out.len, 2);
	fg_buf_fini(&out);
	fg_sum_free(sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_what_is_no_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

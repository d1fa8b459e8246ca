/* The strict JSON reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doc_text.h"

#define J(text)                        \
	{                              \
		text, sizeof(text) - 1 \
	}

static void documents_become_trees(void **state)
{
	static const struct doc_case cases[] = {
		{ J("{\"a\":1,\"b\":{\"c\":[true,null,\"x\"]},\"d\":-2.5}"),
		  "{a=1,b={c=[true,null,'x']},d=-2.5}" },
		{ J(" \t\r\n[ ] "), "[]" },
		{ J("{}"), "{}" },
		{ J("[[],{},[{}]]"), "[[],{},[{}]]" },
		{ J("21.5"), "21.5" },
		{ J("\"\""), "''" },
		{ J("\"a\\n\\u00e9\\ud83d\\ude00\\/\""), "'a\n\xc3\xa9\xf0\x9f\x98\x80/'" },
		{ J("{\"a\\tb\":1,\"long enough for two words\":2}"),
		  "{a\tb=1,long enough for two words=2}" },
		{ J("[\"\\\"\",\"\\\\\",\"plain\",\"x\\ry\"]"), "['\"','\\','plain','x\ry']" },
		{ J("{\"\":1}"), "{=1}" },
		{ J("{\"a\":1,\"b\":2,\"a\":{\"c\":3}}"), "{b=2,a={c=3}}" },
		{ J("{\"a\":1e999,\"b\":2,\"c\":[-1e400]}"), "{a=nonfinite,b=2,c=[nonfinite]}" },
		{ J("[-1.5E+999,1e-999,2]"), "[nonfinite,0,2]" },
		{ J("{\"a\":{\"x\":1},\"\\u0061\":2,\"a\":3}"), "{a=3}" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_json, NULL, cases);
}

static void what_is_not_json_is_rejected(void **state)
{
	static const struct doc_case cases[] = {
		{ J(""), "!empty payload" },
		{ J("  "), "!unexpected end" },
		{ J("{"), "!unexpected end" },
		{ J("{\"a\""), "!unexpected end" },
		{ J("{\"a\":"), "!unexpected end" },
		{ J("{\"a\":1"), "!unexpected end" },
		{ J("{\"a\":1,"), "!unexpected end" },
		{ J("{\"a\":1,}"), "!member name expected" },
		{ J("{a:1}"), "!member name expected" },
		{ J("{\"a\" 1}"), "!':' expected" },
		{ J("[1,]"), "!unexpected character" },
		{ J("[1 2]"), "!',' or the end of the container expected" },
		{ J("[1}"), "!',' or the end of the container expected" },
		{ J("{\"a\":1]"), "!',' or the end of the container expected" },
		{ J("1 2"), "!trailing bytes" },
		{ J("{}x"), "!trailing bytes" },
		{ J("{}\0"), "!trailing bytes" },
		{ J("01"), "!trailing bytes" },
		{ J("1.e5"), "!malformed number" },
		{ J("[1e999e9]"), "!',' or the end of the container expected" },
		{ J("[1e999.5]"), "!',' or the end of the container expected" },
		{ J("1e999-1"), "!trailing bytes" },
		{ J("-"), "!malformed number" },
		{ J("tru"), "!unexpected character" },
		{ J("True"), "!unexpected character" },
		{ J("NaN"), "!unexpected character" },
		{ J("'a'"), "!unexpected character" },
		{ J("\xef\xbb\xbf{}"), "!unexpected character" },
		{ J("\"a"), "!unterminated string" },
		{ J("\"a\\"), "!malformed escape" },
		{ J("\"\\x\""), "!malformed escape" },
		{ J("\"\\\0\""), "!malformed escape" },
		{ J("\"\\n"), "!unterminated string" },
		{ J("\"\\u12\""), "!malformed \\u escape" },
		{ J("\"\\u12g4\""), "!malformed \\u escape" },
		{ J("\"\\ud800\""), "!lone surrogate" },
		{ J("\"\\udc00\""), "!lone surrogate" },
		{ J("\"\\ud800\\u0041\""), "!lone surrogate" },
		{ J("\"\\udc00\\udc00\""), "!lone surrogate" },
		{ J("\"a\nb\""), "!control character in a string" },
		{ J("\"longer than a word\x1f\""), "!control character in a string" },
		{ J("\"\xff\""), "!invalid UTF-8" },
		{ J("\"\xc0\xaf\""), "!invalid UTF-8" },
		{ J("\"\xed\xa0\x80\""), "!invalid UTF-8" },
		{ J("\"\\n\xf4\x90\x80\x80\""), "!invalid UTF-8" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_json, NULL, cases);
}

static void strings_keep_a_nul(void **state)
{
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 32, 1000);
	assert_int_equal(fg_json_parse(FG_STR("\"a\\u0000b\""), &doc), 0);
	assert_true(fg_str_eq(doc.nodes[0].value.s, FG_STR("a\0b")));
	fg_doc_fini(&doc);
}

static void depth_and_size_are_bounded(void **state)
{
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 3, 0);
	assert_int_equal(fg_json_parse(FG_STR("[[[1]]]"), &doc), 0);
	fg_doc_reset(&doc, SIZE_MAX);
	assert_true(fg_json_parse(FG_STR("[[[[]]]]"), &doc) < 0);
	assert_string_equal(doc.reason, "nested too deeply");
	assert_int_equal(doc.at, 3);
	assert_int_equal(doc.len, 0);
	fg_doc_reset(&doc, 0);
	doc.max_nodes = 3;
	assert_int_equal(fg_json_parse(FG_STR("[1,2]"), &doc), 0);
	fg_doc_reset(&doc, SIZE_MAX);
	assert_true(fg_json_parse(FG_STR("[1,2,3]"), &doc) < 0);
	assert_string_equal(doc.reason, "too many values");
	fg_doc_reset(&doc, 0);
	doc.max_text = 10;
	assert_true(fg_json_parse(FG_STR("\"\\n and more text than ten bytes\""), &doc) < 0);
	assert_string_equal(doc.reason, "too much text");
	fg_doc_fini(&doc);
}

/* A large object goes another way than a small one. */
static void duplicates_are_found_among_many(void **state)
{
	struct fg_doc doc;
	struct fg_buf buf;
	struct fg_str step = FG_STR("k7");

	(void)state;
	fg_doc_init(&doc, 32, 1 << 20);
	fg_buf_init(&buf, 1 << 20);
	fg_buf_text(&buf, "{\"k7\":-1");
	for (int i = 0; i < 5000; i++)
		fg_buf_printf(&buf, ",\"k%d\":%d", i % 2500, i);
	fg_buf_char(&buf, '}');
	assert_int_equal(fg_json_parse(fg_buf_view(&buf), &doc), 0);
	assert_int_equal(doc.duplicate_keys, 2501);
	assert_int_equal(fg_doc_find(&doc, &step, 1)->value.i, 2507);
	fg_buf_fini(&buf);
	fg_doc_fini(&doc);
}

static void a_document_is_reused_without_allocation(void **state)
{
	const struct fg_str payload = FG_STR("{\"a\":\"\\n\",\"b\":[1,2,3]}");
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 32, 1 << 20);
	assert_int_equal(fg_json_parse(payload, &doc), 0);
	const void *nodes = doc.nodes, *text = doc.text;

	for (int i = 0; i < 1000; i++) {
		fg_doc_reset(&doc, 1 << 16);
		assert_int_equal(fg_json_parse(payload, &doc), 0);
		assert_ptr_equal(doc.nodes, nodes);
		assert_ptr_equal(doc.text, text);
	}
	fg_doc_fini(&doc);
}

static void pointers_lead_to_nodes(void **state)
{
	static const struct {
		struct fg_str steps[3];
		size_t nsteps;
		int64_t found; /* -1: nothing */
	} cases[] = {
		{ { { "a", 1 }, { "1", 1 }, { "b", 1 } }, 3, 7 },
		{ { { "c", 1 } }, 1, 9 },
		{ { { "a", 1 }, { "01", 2 } }, 2, -1 },
		{ { { "a", 1 }, { "-1", 2 } }, 2, -1 },
		{ { { "a", 1 }, { "2", 1 } }, 2, -1 },
		{ { { "a", 1 }, { "1a", 2 } }, 2, -1 },
		{ { { "c", 1 }, { "d", 1 } }, 2, -1 },
		{ { { "d", 1 } }, 1, -1 },
	};
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 32, 1 << 20);
	assert_int_equal(fg_json_parse(FG_STR("{\"c\":1,\"a\":[5,{\"b\":7}],\"c\":9}"), &doc), 0);
	assert_ptr_equal(fg_doc_find(&doc, NULL, 0), doc.nodes);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fg_node *node = fg_doc_find(&doc, cases[i].steps, cases[i].nsteps);

		assert_int_equal(node ? node->value.i : -1, cases[i].found);
	}
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_become_trees),
		cmocka_unit_test(what_is_not_json_is_rejected),
		cmocka_unit_test(strings_keep_a_nul),
		cmocka_unit_test(depth_and_size_are_bounded),
		cmocka_unit_test(duplicates_are_found_among_many),
		cmocka_unit_test(a_document_is_reused_without_allocation),
		cmocka_unit_test(pointers_lead_to_nodes),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

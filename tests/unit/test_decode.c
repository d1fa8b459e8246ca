/* Plain values, input of no profile, key=value and comma-separated text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode/csv.h"
#include "doc_text.h"

#define T(text)                        \
	{                              \
		text, sizeof(text) - 1 \
	}

static void plain_values(void **state)
{
	static const struct doc_case cases[] = {
		{ T("21.5"), "21.5" },
		{ T(" 21.5\r\n"), "21.5" },
		{ T("true"), "true" },
		{ T("false\n"), "false" },
		{ T("ON"), "'ON'" },
		{ T(" on "), "' on '" },
		{ T("nan"), "'nan'" },
		{ T("-inf"), "'-inf'" },
		{ T("0x10"), "'0x10'" },
		{ T("1e999"), "'1e999'" },
		{ T("{not json"), "'{not json'" },
		{ T("\xc3\xa9"), "'\xc3\xa9'" },
		{ T("  "), "'  '" },
		{ T(""), "''" },
		{ T("ON\n"), "!control character" },
		{ T("a\0b"), "!control character" },
		{ T("\x7f"), "!control character" },
		{ T("\xff"), "!invalid UTF-8" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_value, NULL, cases);
}

static void text_is_bounded(void **state)
{
	char text_256[256], text_257[257];
	struct fg_doc doc;

	(void)state;
	memset(text_256, 'x', 256);
	memset(text_257, 'x', 257);
	fg_doc_init(&doc, 32, 1000);
	assert_int_equal(fg_value_parse(fg_str(text_256, 256), &doc), 0);
	fg_doc_reset(&doc, 0);
	assert_true(fg_value_parse(fg_str(text_257, 257), &doc) < 0);
	assert_string_equal(doc.reason, "text too long");
	fg_doc_reset(&doc, 0);
	memset(text_257, '1', 257);
	assert_int_equal(fg_value_parse(fg_str(text_257, 257), &doc), 0);
	assert_int_equal(doc.nodes[0].value.kind, FG_DOUBLE);
	fg_doc_fini(&doc);
}

static void input_of_no_profile(void **state)
{
	static const struct fg_decoder automatic = { .name = "auto", .decode = fg_decode_auto };
	static const struct doc_case cases[] = {
		{ T("{\"a\":1}"), "{a=1}" },
		{ T(" [1]"), "[1]" },
		{ T("\"21.5\""), "'21.5'" },
		{ T("21.5"), "21.5" },
		{ T("on"), "'on'" },
		{ T("{\"a\":1"), "!unexpected end" },
		{ T("[on]"), "!unexpected character" },
		{ T("\"a"), "!unterminated string" },
		{ T("\0"), "!control character" },
		{ T(""), "''" },
	};

	(void)state;
	DOC_CASES_CHECK(&automatic, NULL, cases);
}

static void key_value_pairs(void **state)
{
	static const struct doc_case cases[] = {
		{ T("t=21.5 h=48,on=true;mode=eco\nx=-1"),
		  "{t=21.5,h=48,on=true,mode='eco',x=-1}" },
		{ T("temp: 21.5  hum:40"), "{temp=21.5,hum=40}" },
		{ T("time=12:30:00 url=a=b"), "{time='12:30:00',url='a=b'}" },
		{ T("s=\"a b, \\\"c\\\"\\n\" n=\"1\""), "{s='a b, \"c\"\n',n='1'}" },
		{ T("a=1 b=2 a=3"), "{b=2,a=3}" },
		{ T("a="), "{a=''}" },
		{ T("a= b=1"), "{a='',b=1}" },
		{ T(" ,a=1;, "), "{a=1}" },
		{ T(""), "!empty payload" },
		{ T(" ; "), "!empty payload" },
		{ T("=1"), "!empty key" },
		{ T("a=1 :2"), "!empty key" },
		{ T("a"), "!key without a value" },
		{ T("a b=1"), "!key without a value" },
		{ T("a=\"x"), "!unterminated string" },
		{ T("a=\"x\\"), "!unterminated string" },
		{ T("a=\"x\"y"), "!text behind a quoted value" },
		{ T("a=\x01"), "!not text" },
		{ T("a=\xff"), "!not text" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_kv, NULL, cases);
}

static void comma_separated_values(void **state)
{
	static const struct doc_case cases[] = {
		{ T("21.5,on,true,\n"), "{0=21.5,1='on',2=true,3=null}" },
		{ T("1\r\n"), "{0=1}" },
		{ T("\"a,\"\"b\"\"\",\"1\",\"\""), "{0='a,\"b\"',1='1',2=''}" },
		{ T("1,2\n3,4\r\n\n5"), "[{0=1,1=2},{0=3,1=4},{0=5}]" },
		{ T("\"line\nbreak\",2"), "{0='line\nbreak',1=2}" },
		{ T(""), "!empty payload" },
		{ T("\r\n"), "!empty payload" },
		{ T("\"a"), "!unterminated string" },
		{ T("\"a\"b"), "!text behind a quoted field" },
		{ T("a\0b"), "!not text" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_csv, NULL, cases);
}

static void columns_are_named(void **state)
{
	static const struct fg_str names[] = { T("temp"), T("") };
	static const struct fg_csv_conf by_list = { .columns = names,
						    .ncolumns = 2,
						    .delimiter = ';' };
	static const struct fg_csv_conf by_header = { .header = true };
	static const struct doc_case list_cases[] = {
		{ T("1;2;3"), "{temp=1,1=2,2=3}" },
		{ T("1,2"), "{temp='1,2'}" },
	};
	static const struct doc_case header_cases[] = {
		{ T("a,\"b\"\"c\"\n1,2,3"), "{a=1,b\"c=2,2=3}" },
		{ T("a,b\n1,2\n3"), "[{a=1,b=2},{a=3}]" },
		{ T("a,a\n1,2\n"), "{a=2}" },
		{ T("a,b\n"), "[]" },
	};
	struct fg_decode_context ctx = { .conf = &by_list };

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_csv, &ctx, list_cases);
	ctx.conf = &by_header;
	DOC_CASES_CHECK(&fg_decoder_csv, &ctx, header_cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values),		  cmocka_unit_test(text_is_bounded),
		cmocka_unit_test(input_of_no_profile),	  cmocka_unit_test(key_value_pairs),
		cmocka_unit_test(comma_separated_values), cmocka_unit_test(columns_are_named),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}

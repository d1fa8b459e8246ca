/* CBOR; the vectors are RFC 8949's own (appendix A and F) and what a hostile sender makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doc_text.h"

#define B(bytes)                         \
	{                                \
		bytes, sizeof(bytes) - 1 \
	}

static void items_become_trees(void **state)
{
	static const struct doc_case cases[] = {
		{ B("\x00"), "0" },
		{ B("\x18\x64"), "100" },
		{ B("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615" },
		{ B("\x20"), "-1" },
		{ B("\x39\x03\xe7"), "-1000" },
		{ B("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"), "-9223372036854775808" },
		{ B("\x3b\xff\xff\xff\xff\xff\xff\xff\xff"), "-18446744073709552000" },
		{ B("\xf9\x3c\x00"), "1" },
		{ B("\xf9\x3e\x00"), "1.5" },
		{ B("\xf9\x00\x01"), "5.960464477539063e-8" },
		{ B("\xf9\x04\x00"), "0.00006103515625" },
		{ B("\xf9\xc4\x00"), "-4" },
		{ B("\xf9\x80\x00"), "-0" },
		{ B("\xfa\x47\xc3\x50\x00"), "100000" },
		{ B("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"), "1.1" },
		{ B("\xf9\x7c\x00"), "nonfinite" },
		{ B("\xf9\x7e\x00"), "nonfinite" },
		{ B("\xfa\xff\x80\x00\x00"), "nonfinite" },
		{ B("\xf4"), "false" },
		{ B("\xf5"), "true" },
		{ B("\xf6"), "null" },
		{ B("\xf7"), "null" },
		{ B("\xf8\xff"), "null" },
		{ B("\x44\x01\x02\x03\x04"), "<01020304>" },
		{ B("\x63\xe2\x82\xac"), "'\xe2\x82\xac'" },
		{ B("\x80"), "[]" },
		{ B("\x83\x01\x82\x02\x03\x82\x04\x05"), "[1,[2,3],[4,5]]" },
		{ B("\xa2\x61\x61\x01\x61\x62\x82\x02\x03"), "{a=1,b=[2,3]}" },
		{ B("\xa2\x01\x02\x22\x04"), "{1=2,-3=4}" },
		{ B("\x5f\x42\x01\x02\x43\x03\x04\x05\xff"), "<0102030405>" },
		{ B("\x7f\x65strea\x64ming\xff"), "'streaming'" },
		{ B("\x9f\x01\x82\x02\x03\x9f\x04\xff\xff"), "[1,[2,3],[4]]" },
		{ B("\xbf\x61\x61\x01\x61\x62\x9f\x02\xff\xff"), "{a=1,b=[2]}" },
		{ B("\xbf\x7f\x61\x61\x61\x62\xff\x01\xff"), "{ab=1}" },
		{ B("\xa2\x61\x61\x01\x61\x61\x02"), "{a=2}" },
		{ B("\xc1\x1a\x51\x4b\x67\xb0"), "1363896240" },
		{ B("\xc0\x61z"), "'z'" },
		{ B("\xd9\xd9\xf7\x81\x01"), "[1]" },
		{ B("\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"), "18446744073709552000" },
		{ B("\xc3\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"), "-18446744073709552000" },
		{ B("\xc2\x4a\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00"), "256" },
		{ B("\xc2\x40"), "0" },
		{ B("\xc2\x5f\x41\x01\x41\x00\xff"), "256" },
		{ B("\xc3\x41\xff"), "-256" },
		{ B("\xc4\x82\x21\x19\x6a\xb3"), "273.15" },
		{ B("\xc4\x82\x02\x38\x18"), "-2500" },
		{ B("\xc4\x9f\x21\x05\xff"), "0.05" },
		{ B("\xc4\x82\x20\xc2\x42\x01\x00"), "25.6" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_cbor, NULL, cases);
}

static void malformed_items_are_rejected(void **state)
{
	static const struct doc_case cases[] = {
		{ B(""), "!empty payload" },
		{ B("\x18"), "!unexpected end" },
		{ B("\x1b\x01\x02"), "!unexpected end" },
		{ B("\x00\x00"), "!trailing bytes" },
		{ B("\x1c"), "!malformed head" },
		{ B("\x1f"), "!malformed head" },
		{ B("\xdf\x00"), "!malformed head" },
		{ B("\x41"), "!length beyond the payload" },
		{ B("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), "!length beyond the payload" },
		{ B("\x81"), "!length beyond the payload" },
		{ B("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), "!length beyond the payload" },
		{ B("\xba\x80\x00\x00\x00\x00\x00"), "!length beyond the payload" },
		{ B("\x82\x81\x01"), "!unexpected end" },
		{ B("\x9f\x01"), "!unexpected end" },
		{ B("\xff"), "!unexpected break" },
		{ B("\x81\xff"), "!unexpected break" },
		{ B("\xa1\x61\x61\xff"), "!unexpected break" },
		{ B("\xbf\x61\x61\xff"), "!unexpected break" },
		{ B("\x61\xff"), "!invalid UTF-8" },
		{ B("\x7f\x61\xc3\x61\xa9\xff"), "!invalid UTF-8" },
		{ B("\x5f\x61\x61\xff"), "!malformed string" },
		{ B("\x5f\x5f\xff\xff"), "!malformed string" },
		{ B("\xa1\x41\x61\x01"), "!map key is neither text nor an integer" },
		{ B("\xa1\xf5\x01"), "!map key is neither text nor an integer" },
		{ B("\xf8\x18"), "!malformed simple value" },
		{ B("\xc2\x61\x61"), "!malformed bignum" },
		{ B("\xc4\x01"), "!malformed decimal fraction" },
		{ B("\xc4\x83\x01\x01\x01"), "!malformed decimal fraction" },
		{ B("\xc4\x9f\x01\x01\x01\xff"), "!malformed decimal fraction" },
		{ B("\xc4\x82\x61\x61\x01"), "!malformed decimal fraction" },
		{ B("\xc4\x82\x19\x10\x00\x01"), "!number out of range" },
		{ B("\xc1"), "!unexpected end" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_cbor, NULL, cases);
}

static void depth_is_bounded(void **state)
{
	char nested[200];
	struct fg_doc doc;

	(void)state;
	memset(nested, '\x81', sizeof(nested));
	nested[32] = '\x01';
	fg_doc_init(&doc, 32, 1000);
	assert_int_equal(fg_cbor_parse(fg_str(nested, 33), FG_CBOR_ITEM, &doc), 0);
	fg_doc_reset(&doc, 0);
	nested[32] = '\x81';
	assert_true(fg_cbor_parse(fg_str(nested, sizeof(nested)), FG_CBOR_ITEM, &doc) < 0);
	assert_string_equal(doc.reason, "nested too deeply");
	fg_doc_fini(&doc);
}

/* 2^1024 is the first whole number beyond every double; and rounding looks at all bytes. */
static void big_numbers_round_to_the_nearest(void **state)
{
	unsigned char big[133] = { 0xc2, 0x58, 0x81, 0x01 };
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 32, 1000);
	assert_true(fg_cbor_parse(fg_str((char *)big, 132), FG_CBOR_ITEM, &doc) < 0);
	assert_string_equal(doc.reason, "number out of range");
	fg_doc_reset(&doc, 0);
	/* 2^64 + 2^11 is a tie; one more is not */
	unsigned char tie[12] = { 0xc2, 0x49, 0x01, 0, 0, 0, 0, 0, 0, 0x08, 0x00 };

	assert_int_equal(fg_cbor_parse(fg_str((char *)tie, 11), FG_CBOR_ITEM, &doc), 0);
	assert_true(doc.nodes[0].value.d == 18446744073709551616.0);
	fg_doc_reset(&doc, 0);
	tie[10] = 1;
	assert_int_equal(fg_cbor_parse(fg_str((char *)tie, 11), FG_CBOR_ITEM, &doc), 0);
	assert_true(doc.nodes[0].value.d == 18446744073709555712.0);
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_become_trees),
		cmocka_unit_test(malformed_items_are_rejected),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(big_numbers_round_to_the_nearest),
	};

	return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}

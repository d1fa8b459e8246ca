/* SenML packs: what they resolve to and what makes them invalid (RFC 8428). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doc_text.h"

#define P(bytes)                         \
	{                                \
		bytes, sizeof(bytes) - 1 \
	}

static void json_packs_resolve(void **state)
{
	static const struct doc_case cases[] = {
		{ P("[]"), "{}" },
		{ P(" [{\"n\":\"a\",\"v\":1}] "), "{a=1}" },
		{ P("[{\"bn\":\"d/\",\"bu\":\"Cel\",\"n\":\"t\",\"v\":21.5},"
		    "{\"n\":\"h\",\"u\":\"%RH\",\"v\":48},{\"v\":3}]"),
		  "{d/t=21.5(Cel),d/h=48(%RH),d/=3(Cel)}" },
		{ P("[{\"n\":\"a\",\"vs\":\"x\"},{\"n\":\"b\",\"vb\":false},{\"n\":\"c\",\"vd\":"
		    "\"AQI\"}]"),
		  "{a='x',b=false,c=<0102>}" },
		{ P("[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":2}]"), "{a=1,a=2}" },
		{ P("[{\"bn\":\"a\",\"bt\":1.276020076001e9,\"v\":1},{\"t\":-5,\"v\":2}]"),
		  "{a=1@1276020076001000000,a=2@1276020071001000000}" },
		{ P("[{\"n\":\"a\",\"t\":-5,\"v\":1},{\"n\":\"a\",\"t\":0,\"v\":1},"
		    "{\"n\":\"a\",\"t\":1.5,\"v\":1}]"),
		  "{a=1@1699999995000000000,a=1,a=1@1700000001500000000}" },
		{ P("[{\"n\":\"a\",\"t\":268435456,\"v\":1},"
		    "{\"n\":\"a\",\"t\":268435455,\"v\":1}]"),
		  "{a=1@268435456000000000,a=1@1968435455000000000}" },
		{ P("[{\"n\":\"a\",\"bv\":0.1,\"v\":0.2},{\"n\":\"b\",\"vs\":\"x\"},"
		    "{\"n\":\"c\"}]"),
		  "{a=0.3,b='x',c=0.1}" },
		{ P("[{\"n\":\"a\",\"bs\":10,\"s\":1},{\"n\":\"b\",\"v\":2}]"),
		  "{a=none+11,b=2+10}" },
		{ P("[{\"n\":\"a\",\"v\":1,\"ut\":30,\"s\":4}]"), "{a=1~30+4}" },
		{ P("[{\"bver\":10,\"n\":\"a\",\"v\":1,\"first\":{\"x\":[1]},\"other\":null}]"),
		  "{a=1}" },
		{ P("[{\"bn\":\"/3303/0/\",\"n\":\"5700\",\"v\":1}]"), "{/3303/0/5700=1}" },
		{ P("[{\"n\":\"urn:dev:ow:10e2_a.b-c\",\"v\":1}]"), "{urn:dev:ow:10e2_a.b-c=1}" },
		{ P("[{\"bn\":\"d/\",\"bu\":\"Cel\"},{\"n\":\"t\",\"v\":1}]"), "{d/t=1(Cel)}" },
		{ P("[{\"bn\":\"/65/0/\",\"n\":\"0\",\"vlo\":\"66:1\"}]"), "{/65/0/0='66:1'}" },
		{ P("[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":2,\"bver\":10}]"), "{a=1,a=2}" },
		{ P("[{\"n\":\"a\",\"v\":1,\"bver\":5},{\"n\":\"a\",\"v\":2}]"), "{a=1,a=2}" },
		{ P("[{\"v\":5},{\"bn\":\"\",\"n\":\"\",\"v\":44}]"), "{=5,=44}" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_senml, NULL, cases);
}

static void invalid_packs_are_rejected(void **state)
{
	static const struct doc_case cases[] = {
		{ P("[{\"bn\":\"d/\"}]"), "!SenML record without a value" },
		{ P("[{\"bn\":\"d/\",\"u\":\"m\"},{\"n\":\"t\",\"v\":1}]"),
		  "!SenML record without a value" },
		{ P("[{},{\"n\":\"t\",\"v\":1}]"), "!SenML record without a value" },
		{ P("[{\"n\":\"a\",\"vlo\":\"66:1\",\"v\":1}]"), "!SenML record with two values" },
		{ P(""), "!empty payload" },
		{ P("{\"n\":\"a\",\"v\":1}"), "!SenML pack is not an array" },
		{ P("[1]"), "!SenML record is not an object" },
		{ P("[{\"n\":\"a\",\"v\":1},{}]"), "!SenML record without a name" },
		{ P("[{\"n\":\"a\",\"v\":1},{\"bn\":\"\",\"v\":1}]"),
		  "!SenML record without a name" },
		{ P("[{\"v\":1},{\"n\":\"a\",\"v\":1}]"), "!SenML record without a name" },
		{ P("[{\"n\":\"a\"}]"), "!SenML record without a value" },
		{ P("[{\"n\":\"a b\",\"v\":1}]"), "!malformed SenML name" },
		{ P("[{\"n\":\"-a\",\"v\":1}]"), "!malformed SenML name" },
		{ P("[{\"n\":\"/a\",\"v\":1}]"), "!malformed SenML name" },
		{ P("[{\"n\":\"a\\u0000\",\"v\":1}]"), "!malformed SenML name" },
		{ P("[{\"n\":\"a\",\"v\":1,\"vs\":\"x\"}]"), "!SenML record with two values" },
		{ P("[{\"n\":\"a\",\"v\":1,\"must_\":1}]"),
		  "!unknown SenML field that must be understood" },
		{ P("[{\"n\":\"a\",\"v\":1,\"bver\":11}]"), "!unknown SenML version" },
		{ P("[{\"n\":\"a\",\"v\":1,\"bver\":5},{\"n\":\"a\",\"v\":1,\"bver\":6}]"),
		  "!SenML version changes" },
		{ P("[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":1,\"bver\":5}]"),
		  "!SenML version changes" },
		{ P("[{\"n\":\"a\",\"v\":1,\"bver\":\"10\"}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":1,\"v\":1}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"v\":\"1\"}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"v\":null}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"vb\":1}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"vs\":[1]}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"v\":1,\"t\":\"x\"}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"v\":1,\"s\":true}]"), "!wrong type of a SenML field" },
		{ P("[{\"n\":\"a\",\"vd\":\"+/==\"}]"), "!malformed base64" },
		{ P("[{\"n\":\"a\",\"v\":1,\"t\":1e20}]"), "!time out of range" },
		{ P("[{\"n\":\"a\",\"v\":1,\"bt\":9e9,\"t\":9e9}]"), "!time out of range" },
		{ P("[{\"n\":\"a\",\"v\":1.7e308,\"bv\":1.7e308}]"), "!number out of range" },
		{ P("[{\"n\":\"a\",\"v\":1}]x"), "!trailing bytes" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_senml, NULL, cases);
}

static void cbor_packs_resolve(void **state)
{
	static const struct doc_case cases[] = {
		{ P("\x80"), "{}" },
		{ P("\x82\xa3\x21\x62"
		    "d/\x00\x61t\x02\xf9\x3e\x00\xa2\x00\x61x\x08\x42\x01\x02"),
		  "{d/t=1.5,d/x=<0102>}" },
		{ P("\x81\xa2\x00\x61"
		    "a\x02\xf9\x7e\x00"),
		  "{a=nonfinite}" },
		{ P("\x81\xa3\x00\x61"
		    "a\x02\x01\x06\xfb\x41\xd3\x03\xa1\x5b\x00\x10\x62"),
		  "{a=1@1276020076001000000}" },
		{ P("\x82\xa1\x02\x05\xa1\x02\x06"), "{=5,=6}" },
		{ P("\x82\xa1\x02\x05\xa2\x00\x61"
		    "a\x02\x06"),
		  "!SenML record without a name" },
		{ P("\x81\xa2\x61n\x61"
		    "a\x02\x06"),
		  "{=6}" },
		{ P("\x81\xa3\x00\x61"
		    "a\x02\x01\x18\x63\x01"),
		  "{a=1}" },
		{ P("\x81\xa3\x00\x61"
		    "a\x02\x01\x62x_\x01"),
		  "!unknown SenML field that must be understood" },
		{ P("\x81\xa2\x00\x61"
		    "a\x08\x62hi"),
		  "!wrong type of a SenML field" },
		{ P("\x81\xa2\x00\x63/1/\x63vlo\x63"
		    "3:0"),
		  "{/1/='3:0'}" },
		{ P("\x9f\xa2\x00\x61"
		    "a\x02\x01\xff"),
		  "!SenML pack or record without a length" },
		{ P("\x81\xbf\x00\x61"
		    "a\x02\x01\xff"),
		  "!SenML pack or record without a length" },
		{ P("\xd9\xd9\xf7\x9f\xff"), "!SenML pack or record without a length" },
		{ P("\x81\xa2\x00\x61"
		    "a\x03\x7f\x61x\xff"),
		  "{a='x'}" },
		{ P("\x81\xa3\x00\x61"
		    "a\x02\x01\x18\x63\x9f\x01\xff"),
		  "{a=1}" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_senml, NULL, cases);
}

static void the_content_format_decides(void **state)
{
	struct fg_decode_context ctx = { .content_format = 112 };
	char *text = doc_text(&fg_decoder_senml, &ctx, FG_STR("[]"));

	(void)state;
	assert_string_equal(text, "!unexpected end");
	free(text);
	ctx.content_format = 110;
	text = doc_text(&fg_decoder_senml, &ctx, FG_STR("\x80"));
	assert_string_equal(text, "!unexpected character");
	free(text);
	/* a stream */
	ctx.content_format = 113;
	text = doc_text(&fg_decoder_senml, &ctx, FG_STR("\x9f\xbf\x00\x61\x61\x02\x01\xff\xff"));
	assert_string_equal(text, "{a=1}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_packs_resolve),
		cmocka_unit_test(invalid_packs_are_rejected),
		cmocka_unit_test(cbor_packs_resolve),
		cmocka_unit_test(the_content_format_decides),
	};

	return cmocka_run_group_tests_name("senml", tests, NULL, NULL);
}

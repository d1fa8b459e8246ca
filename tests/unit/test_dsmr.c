/* DSMR and IEC 62056-21 telegrams: values by OBIS code, time, device, and finding them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doc_text.h"
#include "scan_text.h"

#define P(bytes)                         \
	{                                \
		bytes, sizeof(bytes) - 1 \
	}
#define P1                                                             \
	"/ABC5TEST\r\n"                                                \
	"\r\n"                                                         \
	"1-3:0.2.8(50)\r\n"                                            \
	"0-0:1.0.0(250611121314S)\r\n"                                 \
	"0-0:96.1.1(4B41)\r\n"                                         \
	"1-0:1.8.1(000123.450*kWh)\r\n"                                \
	"1-0:31.7.0(003*A)\r\n"                                        \
	"1-0:99.97.0(1)(0-0:96.7.19)(250101000000W)(0000000300*s)\r\n" \
	"0-1:24.2.1(250611121000S)(00012.345*m3)\r\n"                  \
	"0-1:24.2.3(250611121000S)(1.500*GJ)\r\n"                      \
	"0-0:96.13.0()\r\n"                                            \
	"!63B6\r\n"
#define OLD                                                       \
	"/ABC5TEST\r\n"                                           \
	"\r\n"                                                    \
	"0-0:96.1.1(4B42)\r\n"                                    \
	"1-0:1.7.0(0001.01*kW)\r\n"                               \
	"0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n" \
	"(00001.001)\r\n"                                         \
	"!\r\n"
#define D0                        \
	"/XYZ5METER\r\n"          \
	"\x02"                    \
	"0.0.0(12345)\r\n"        \
	"1.8.0(001846.5*kWh)\r\n" \
	"F.F(00000000)\r\n"       \
	"0.9.1( x)\r\n"           \
	"!\r\n"                   \
	"\x03="

static const struct doc_case telegrams_cases[] = {
	{ P(P1), "{1-3:0.2.8='50',0-0:1.0.0='250611121314S',0-0:96.1.1='4B41',1-0:1.8."
		 "1=123.45(kWh),1-0:31.7.0=3(A),1-0:99.97.0=['1','0-0:96.7.19','250101"
		 "000000W',300(s)],0-1:24.2.1=12.345(m3),0-1:24.2.3=1.5,0-0:96.13.0=''"
		 "}" },
	{ P(OLD), "{0-0:96.1.1='4B42',1-0:1.7.0=1.01(kW),0-1:24.3.0=['090212160000','00"
		  "','60','1','0-1:24.2.1','m3','00001.001']}" },
	{ P(D0), "{0.0.0=12345,1.8.0=1846.5(kWh),F.F=0,0.9.1=' x'}" },
	{ P("/ABC5TEST\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(250611121314S)\r\n0-0:96"
	    ".1.1(4B41)\r\n1-0:1.8.1(000123.450*kWh)\r\n1-0:31.7.0(003*A)\r\n1-0:"
	    "99.97.0(1)(0-0:96.7.19)(250101000000W)(0000000300*s)\r\n0-1:24.2.1(2"
	    "50611121000S)(00012.345*m3)\r\n0-1:24.2.3(250611121000S)(1.500*GJ)\r"
	    "\n0-0:96.13.0()\r\n!63B6"),
	  "{1-3:0.2.8='50',0-0:1.0.0='250611121314S',0-0:96.1.1='4B41',1-0:1.8."
	  "1=123.45(kWh),1-0:31.7.0=3(A),1-0:99.97.0=['1','0-0:96.7.19','250101"
	  "000000W',300(s)],0-1:24.2.1=12.345(m3),0-1:24.2.3=1.5,0-0:96.13.0=''"
	  "}" },
	{ P("/XYZ5METER\r\n\r\nF.F(00)\r\n1.8.0(17)\r\n!\r\n"), "{F.F=0,1.8.0=17}" },
	{ P("/XYZ5METER\r\n\r\n\x02"
	    "1-0:1.8.0*255(17)\r\n!\r\n"),
	  "{1-0:1.8.0*255=17}" },
	{ P("/XYZ5METER\r\n\r\n1-0:96.5.5*255(80)\r\n!\r\n"), "{1-0:96.5.5*255='80'}" },
	{ P(""), "!does not begin with an identification" },
	{ P("/\x3f!\r\n"), "!does not begin with an identification" },
	{ P("/ABC5TEST\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(250611121314S)\r\n0-0:96"
	    ".1.1(4B41)\r\n1-0:1.8.1(000123.450*kWh)\r\n1-0:31.7.0(004*A)\r\n1-0:"
	    "99.97.0(1)(0-0:96.7.19)(250101000000W)(0000000300*s)\r\n0-1:24.2.1(2"
	    "50611121000S)(00012.345*m3)\r\n0-1:24.2.3(250611121000S)(1.500*GJ)\r"
	    "\n0-0:96.13.0()\r\n!63B6\r\n"),
	  "!wrong CRC" },
	{ P("/ABC5TEST\r\n\r\n1-3:0.2.8(50)\r\n!\r\n"), "!no CRC" },
	{ P("/XYZ5METER\r\n\x02"
	    "0.0.0(12345)\r\n1.8.0(001846.5*kWh)\r\nF.F(00000000)\r\n0.9.1( x)\r"
	    "\n!\r\n\x03<"),
	  "!wrong block check" },
	{ P("/ABC5TEST\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(250611121314S)\r\n0-0:96"
	    ".1.1(4B41)\r\n1-0:1.8.1(000123.450*kWh)\r\n1-0:31.7.0(003*A)\r\n1-0:"
	    "99.97.0(1)(0-0:96.7.19)(250101000000W)(0000000300*s)\r\n0-1:24.2.1(2"
	    "50611121000S)(00012.345*m3)\r\n0-1:24.2.3(250611121000S)(1.500*GJ)\r"
	    "\n0-0:96.13.0()\r\n!63B6\r\nx"),
	  "!bytes behind the telegram" },
	{ P("/ABC5TEST\r\n\r\n0-0:96.1.1(4B42)\r"), "!telegram without an end" },
	{ P("/ABC5TEST\r\n\r\n1-0:1.8.0(1\r\n!\r\n"), "!unbalanced parentheses" },
	{ P("/ABC5TEST\r\n\r\n1-0:1.8.0(1)x\r\n!\r\n"), "!unbalanced parentheses" },
	{ P("/ABC5TEST\r\n\r\n1-0:1.8.0\r\n!\r\n"), "!line without a value" },
	{ P("/ABC5TEST\r\n\r\n(5)\r\n!\r\n"), "!value without an OBIS code" },
	{ P("/ABC5TEST\r\n\r\n1 0(5)\r\n!\r\n"), "!not an OBIS code" },
	{ P("/ABC5TEST\r\n\r\n1.0(\x01"
	    "5)\r\n!\r\n"),
	  "!not text" },
	{ P("/ABC5TEST\r\n\r\n1.0(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)"
	    "(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1"
	    ")(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)(1)("
	    "1)(1)(1)(1)\r\n!\r\n"),
	  "!too many values in a line" },
	{ P("/ABC5TEST\r\n\r\n!\r\n"), "{}" },
};

static void telegrams(void **state)
{
	(void)state;
	DOC_CASES_CHECK(&fg_decoder_dsmr, NULL, telegrams_cases);
}

static void streams(void **state)
{
	static const struct scan_case cases[] = {
		{ P(P1 OLD D0 P1), "276 123 79 276 s0 b0" },
		{ P("garbage/x\n" P1), "276 s10 b0" },
		{ P("/abc/abc/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
		    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk\r\n" D0),
		  "79 s137 b0" },
		{ P("/?!\r\n" D0), "79 s5 b0" },
		{ P("/ABC5TEST\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(250611121314S)\r\n0-0:96"
		    ".1.1(4B41)\r\n1-0:1.8.1(000123.450*kWh)\r\n1-0:31.7.0(004*A)\r\n1-0:"
		    "99.97.0(1)(0-0:96.7.19)(250101000000W)(0000000300*s)\r\n0-1:24.2.1(2"
		    "50611121000S)(00012.345*m3)\r\n0-1:24.2.3(250611121000S)(1.500*GJ)\r"
		    "\n0-0:96.13.0()\r\n!63B6\r\n" P1),
		  "276 s276 b1" },
		{ P("/ABC5TEST\r\n\r\n1.8.0(1)\r\n" P1), "276 s23 b0" },
		/* the wrong block check of one with a unit that looks like the maker's letters */
		{ P("/XYZ5METER\r\n\2" "0.3.0(1000*imp/kWh)\r\n1.8.0(1*kWh)\r\n!\r\n\3\x55"),
		  "s53 b1" },
		/* lost in the middle of a line */
		{ P("/ABC5TEST\r\n\r\n1.8.0(1" P1 P1), "276 276 s20 b1" },
		{ P("/ABC5TEST\r\n1.8.0(1)\r\n!"), "22 s0 b0" },
		{ P("/ABC5TEST\r\n1.8.0(1)\r\n"), "s21 b0" },
	};

	(void)state;
	SCAN_CASES_CHECK(FG_FRAMER_DSMR, cases);
}

static void time_and_device(void **state)
{
	static const struct {
		struct fg_str text;
		const char *device;
		int64_t time_ns;
	} cases[] = {
		{ P(P1), "4B41", INT64_C(1749636794) * 1000000000 },
		{ P(OLD), "4B42", FG_TIME_NONE },
		{ P(D0), "XYZ5METER", FG_TIME_NONE },
		{ P("/ABC5X\r\n\r\n0-0:1.0.0(250111121314W)\r\n!\r\n"), "ABC5X",
		  INT64_C(1736593994) * 1000000000 },
		/* that of the companion standard's example */
		{ P("/ABC5X\r\n\r\n0-0:1.0.0(101209113020W)\r\n!\r\n"), "ABC5X",
		  INT64_C(1291890620) * 1000000000 },
		{ P("/ABC5X\r\n\r\n0-0:1.0.0(251311121314W)\r\n!\r\n"), "ABC5X", FG_TIME_NONE },
	};
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 8, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(fg_decoder_dsmr.decode(&ctx, cases[i].text, &doc), 0);
		assert_true(fg_str_eq_c(doc.device, cases[i].device));
		assert_int_equal(doc.time_ns, cases[i].time_ns);
		fg_doc_reset(&doc, 0);
	}
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(telegrams),
		cmocka_unit_test(streams),
		cmocka_unit_test(time_and_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

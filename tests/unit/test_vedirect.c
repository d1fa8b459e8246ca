/* VE.Direct text blocks: their fields, their checksum, and finding them in a stream. */
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
#define A                                                                     \
	"\r\nPID\t0xA053\r\nFW\t159\r\nSER#\tHQ22AA\r\nV\t12800\r\nI\t-250\r" \
	"\nSOC\t998\r\nT\t---\r\nLOAD\tON\r\nOR\t0x00000001\r\nChecksum\t\x18"
#define B "\r\nH1\t-5\r\nH9\t77\r\nH19\t120\r\nChecksum\t>"

static const struct doc_case blocks_cases[] = {
	{ P(A), "{PID='0xA053',FW='159',SER#='HQ22AA',V=12800(mV),I=-250(mA),SOC=998("
		"/1000),T='---',LOAD='ON',OR='0x00000001'}" },
	{ P(B), "{H1=-5,H9=77(s),H19=120}" },
	{ P(""), "!block does not end in its checksum" },
	{ P("\r\nPID\t0xA053\r\nFW\t159\r\nSER#\tHQ22AA\r\nV\t12800\r\nI\t-250\r"
	    "\nSOC\t998\r\nT\t---\r\nLOAD\tON\r\nOR\t0x00000001\r\nChecksum\t"),
	  "!block does not end in its checksum" },
	{ P("\r\nPID\t0xA053\r\nFW\t159\r\nSER#\tHQ22AA\r\nV\t12800\r\nI\t-250\r"
	    "\nSOC\t998\r\nT\t---\r\nLOAD\tON\r\nOR\t0x00000001\r\nChecksum\t\x19"),
	  "!wrong checksum" },
	{ P("\r\nChecksum\t\xad"), "{}" },
	{ P("\r\nV\r\nChecksum\t@"), "!line without a name and a value" },
	{ P("\r\n\t5\r\nChecksum\tX"), "!line without a name and a value" },
	{ P("\r\nV\t1\x01\r\nChecksum\t\x05"), "!not text" },
	{ P("V\t1\r\nChecksum\t\x1d"), "!line does not begin with a new line" },
};

static void blocks(void **state)
{
	(void)state;
	DOC_CASES_CHECK(&fg_decoder_vedirect, NULL, blocks_cases);
}

static void streams(void **state)
{
	static const struct scan_case cases[] = {
		{ P(A B A), "102 35 102 s0 b0" },
		{ P("x" A B), "35 s103 b1" },
		{ P(A "\n:A5\n" B A), "102 102 s40 b1" },
		{ P(A "\r\nV\t1"), "102 s5 b0" },
	};

	(void)state;
	SCAN_CASES_CHECK(FG_FRAMER_VEDIRECT, cases);
}

static void device_is_the_serial_number(void **state)
{
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 8, 4096);
	assert_int_equal(fg_decoder_vedirect.decode(&ctx, FG_STR(A), &doc), 0);
	assert_true(fg_str_eq_c(doc.device, "HQ22AA"));
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(streams),
		cmocka_unit_test(device_is_the_serial_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

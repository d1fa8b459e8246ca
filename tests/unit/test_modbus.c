/* Modbus frames listened to: answers, requests, and both encodings in a stream. */
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
#define REQUEST "\x05\x03\x00\x10\x00\x02\xc4\x4a"
#define ANSWER "\x05\x03\x04\x12\x34\x56\x78\xc4\xc7"
#define WRITE "\x05\x06\x00\x01\x00\xff\x99\xce"
#define ASCII ":0503040001FFFFF5\r\n"
#define UNKNOWN "\x05\x41\x01\x90\x51"

static const struct doc_case frames_cases[] = {
	{ P(ANSWER), "{holding=[4660,22136]}" },
	{ P(ASCII), "{holding=[1,65535]}" },
	{ P("\x05\x04\x02\x01\xf4\x48\xe7"), "{input=[500]}" },
	{ P("\x05\x01\x01\x0d\x91\x7d"), "{bit=[true,false,true,true,false,false,false,false]}" },
	{ P("\x05\x02\x02\x01\x02\xc8\x29"),
	  "{bit=[true,false,false,false,false,false,false,false,false,true,fals"
	  "e,false,false,false,false,false]}" },
	{ P("\x05\x83\x02\x81\x30"), "{exception=2}" },
	{ P(":05830276\r\n"), "{exception=2}" },
	{ P(REQUEST), "{}" },
	{ P(WRITE), "{}" },
	{ P("\x05\x17\x02\x00\x0a\xcc\x73"), "{holding=[10]}" },
	{ P("\x05\x10\x00\x10\x00\x02\x04\x00\x01\x00\x02\x37\x92"), "{}" },
	{ P(UNKNOWN), "{}" },
	{ P(":0503F8\r\n"), "{}" },
	{ P("\x05\x01\x03\x00\x00\x10\x3c\x06"), "!request or answer, which cannot be told" },
	{ P("\x05\x03\x03\x00\x01\x00\x45\x9a"), "!neither a request nor an answer" },
	{ P("\x05\x03\x04\x12\x34\x56\x78\xc4"), "!wrong CRC" },
	{ P("\x05\x03\x04\x12\x34\x56\x78\xc4\x00"), "!wrong CRC" },
	{ P(""), "!wrong CRC" },
	{ P(":0503040001FFFF00\r\n"), "!wrong LRC" },
	{ P(":0503040001FFFFF5"), "!wrong CRC" },
	{ P(":05\r\n"), "!wrong LRC" },
	{ P(":0503F\r\n"), "!wrong LRC" },
};

static void frames(void **state)
{
	(void)state;
	DOC_CASES_CHECK(&fg_decoder_modbus, NULL, frames_cases);
}

static void streams(void **state)
{
	static const struct scan_case cases[] = {
		{ P(REQUEST ANSWER WRITE WRITE), "8 9 8 8 s0 b0" },
		{ P(ASCII ASCII REQUEST ASCII), "19 19 8 19 s0 b0" },
		{ P("\x00\xff" ANSWER "\x07" REQUEST), "9 8 s3 b0" },
		{ P("abc" ASCII "abc"), "19 s6 b0" },
		{ P(REQUEST UNKNOWN), "8 5 s0 b0" },
		{ P(":05030400\r\n" ANSWER), "9 s11 b1" },
		{ P(ANSWER "\x05\x03\x04\x12"), "9 s4 b0" },
	};

	(void)state;
	SCAN_CASES_CHECK(FG_FRAMER_MODBUS, cases);
}

static void device_is_the_unit(void **state)
{
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 8, 4096);
	assert_int_equal(fg_decoder_modbus.decode(&ctx, FG_STR(ANSWER), &doc), 0);
	assert_true(fg_str_eq_c(doc.device, "5"));
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(streams),
		cmocka_unit_test(device_is_the_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

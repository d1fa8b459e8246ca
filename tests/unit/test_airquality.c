/* Air-quality sensors: whose frame it is, what is in it, and finding it in a stream. */
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
#define X                                                                          \
	"\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c" \
	"\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x97\x00\x02\x04"
#define D "\xaa\xc0\x7b\x00\x2c\x01\x01\x02\xab\xab"
#define P30                                                                        \
	"\x7e\x00\x03\x00\x28\x40\xba\xe1\x48\x41\x04\x00\x00\x41\x1e\x66\x66\x41" \
	"\x23\x33\x33\x42\x0c\x60\x42\x42\x2f\x00\x00\x42\x38\xcc\xcd\x7f\xc0\x00" \
	"\x00\x42\x3b\x00\x00\x3f\x50\x00\x00\xb8\x7e"
#define M "\xff\x86\x02\x7c\x42\x00\x00\x00\xba"
#define B                                                                          \
	"\x5a\x5a\x3f\x0f\xf6\x87\x0a\xc5\x01\x8b\x85\x30\x19\x00\x00\xa4\xa6\xff" \
	"\xfb\xec"
#define H8 "\x40\x05\x04\x00\x07\x01\x00\xaf"

static const struct {
	struct fg_str payload;
	const char *text, *device;
} frames_cases[] = {
	{ P(X),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=3,n0_5=1,n1_0=0.2,n2_5=0.03,n5_0=0.01,n10_0"
	  "=0}",
	  "PMSx003" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\xd7\x01\x92\x9a\x00\x03\x70"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=3,n0_5=1,n1_0=0.2,n2_5=0.03,temp=21.5(Cel),"
	  "rhum=40.2(%RH)}",
	  "PMS5003T" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\xff\xf4\x01\x92\x9a\x00\x04\x8c"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=3,n0_5=1,n1_0=0.2,n2_5=0.03,temp=-1.2(Cel),"
	  "rhum=40.2(%RH)}",
	  "PMS5003T" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x00\x11\x01\x7e"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=3,n0_5=1,n1_0=0.2,n2_5=0.03,n5_0=0.01,n10_0"
	  "=0,HCHO=0.017}",
	  "PMS5003S" },
	/* heavy dust: its last two counts could be a climate */
	{ P("\x42\x4d\x00\x1c\x00\x50\x00\x96\x00\xaa\x00\x3c\x00\x6e\x00\x82\x17\x70"
	    "\x07\x08\x01\x90\x00\xc8\x00\x78\x00\x69\x97\x00\x06\xce"),
	  "{raw01=80(ug/m3),raw25=150(ug/m3),raw10=170(ug/m3),pm01=60(ug/m3),pm"
	  "25=110(ug/m3),pm10=130(ug/m3),n0_3=60,n0_5=18,n1_0=4,n2_5=2}",
	  "PMSx003" },
	/* or could not */
	{ P("\x42\x4d\x00\x1c\x00\x50\x00\x96\x00\xaa\x00\x3c\x00\x6e\x00\x82\xea\x60"
	    "\x46\x50\x0f\xa0\x07\xd0\x04\xb0\x04\x1a\x97\x00\x08\x36"),
	  "{raw01=80(ug/m3),raw25=150(ug/m3),raw10=170(ug/m3),pm01=60(ug/m3),pm"
	  "25=110(ug/m3),pm10=130(ug/m3),n0_3=600,n0_5=180,n1_0=40,n2_5=20,n5_0"
	  "=12,n10_0=10.5}",
	  "PMSx003" },
	/* counts that rise */
	{ P("\x42\x4d\x00\x1c\x00\x10\x00\x25\x01\x00\x00\x10\x00\x25\x01\x00\x00\x03"
	    "\x00\x05\x00\x10\x00\x25\x00\x50\x01\x00\x88\x99\x02\xc6"),
	  "{raw01=16(ug/m3),raw25=37(ug/m3),raw10=256(ug/m3),pm01=16(ug/m3),pm2"
	  "5=37(ug/m3),pm10=256(ug/m3),n0_3=0.03,n0_5=0.05,n1_0=0.16,n2_5=0.37}",
	  "PMSx003" },
	{ P("\x42\x4d\x00\x1c\x00\x50\x00\x96\x00\xaa\x00\x3c\x00\x6e\x00\x82\x01\xf4"
	    "\x75\x30\x23\x28\x0b\xb8\x05\xdc\x04\xb0\x97\x00\x08\x3b"),
	  "{raw01=80(ug/m3),raw25=150(ug/m3),raw10=170(ug/m3),pm01=60(ug/m3),pm"
	  "25=110(ug/m3),pm10=130(ug/m3),n0_3=5,n0_5=300,n1_0=90,n2_5=30,n5_0=1"
	  "5,n10_0=12}",
	  "PMSx003" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x00\x03"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x00\x11\x01\x54"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=0.03,n0_5=1,n1_0=0.2,n2_5=0.03,n5_0=0.01,n1"
	  "0_0=0,HCHO=0.017}",
	  "PMS5003S" },
	{ P("\x42\x4d\x00\x24\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x00\x11\xff\xf4\x01\xc7\x00\x00"
	    "\x91\x00\x04\xd2"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3),n0_3=3,n0_5=1,n1_0=0.2,n2_5=0.03,n5_0=0.01,n10_0"
	  "=0,HCHO=0.017,temp=-1.2(Cel),rhum=45.5(%RH)}",
	  "PMS5003ST" },
	{ P("\x42\x4d\x00\x14\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x00\x00"
	    "\x00\x00\x51\x00\x01\x0d"),
	  "{raw01=3(ug/m3),raw25=5(ug/m3),raw10=6(ug/m3),pm01=2(ug/m3),pm25=4(u"
	  "g/m3),pm10=5(ug/m3)}",
	  "PMS3003" },
	{ P(D), "{pm25=12.3(ug/m3),pm10=30(ug/m3)}", "SDS01x" },
	{ P("\xaa\xcf\x01\x00\x2c\x01\x01\x02\x31\xab"), "{pm100=300(ug/m3)}", "SDS198" },
	{ P(H8), "{pm25=7(ug/m3),pm10=256(ug/m3)}", "HPMA115S0" },
	{ P("\x40\x0d\x04\x00\x01\x00\x02\x00\x03\x00\x04\x00\x00\x00\x00\xa5"),
	  "{pm01=1(ug/m3),pm25=2(ug/m3),pm04=3(ug/m3),pm10=4(ug/m3)}", "HPMA115C0" },
	{ P(M), "{CO2=636(ppm)}", "MHZ19B" },
	{ P(B),
	  "{temp=-24.2(Cel),rhum=27.6(%RH),pres=1012.53(hPa),IAQ_acc=769,IAQ=25"
	  ",gas=42.1,alt=-5(m)}",
	  "MCU680" },
	{ P(P30),
	  "{pm01=5.8(ug/m3),pm25=8.2(ug/m3),pm04=9.9(ug/m3),pm10=10.2(ug/m3),n0"
	  "_5=35.09,n1_0=43.75,n2_5=46.2,n4_0=nonfinite,n10_0=46.75,diam=0.8}",
	  "SPS30" },
	{ P("\x7e\x00\x03\x00\x00\xfc\x7e"), "{}", "SPS30" },
};

static void frames(void **state)
{
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_airquality, NULL, frames_cases);
	fg_doc_init(&doc, 8, 4096);
	for (size_t i = 0; i < sizeof(frames_cases) / sizeof(*frames_cases); i++) {
		assert_int_equal(fg_decoder_airquality.decode(&ctx, frames_cases[i].payload, &doc),
				 0);
		assert_true(fg_str_eq_c(doc.device, frames_cases[i].device));
		fg_doc_reset(&doc, 0);
	}
	fg_doc_fini(&doc);
}

static const struct doc_case refused_cases[] = {
	{ P(""), "!not a frame of a known sensor" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x97\x00\x02"),
	  "!not a frame of a known sensor" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x97\x00\x02\x04\x30"),
	  "!not a frame of a known sensor" },
	{ P("\x42\x4d\x00\x1c\x00\x03\x00\x05\x00\x06\x00\x02\x00\x04\x00\x05\x01\x2c"
	    "\x00\x64\x00\x14\x00\x03\x00\x01\x00\x00\x97\x00\x02\x05"),
	  "!wrong checksum" },
	{ P("\xaa\xc0\x7b\x00\x2c\x01\x01\x02\xab\xaa"), "!wrong checksum" },
	{ P("\xaa\xc0\x7b\x00\x2c\x01\x01\x02\x00\xab"), "!wrong checksum" },
	{ P("\x40\x05\x04\x00\x07\x01\x00\x01"), "!wrong checksum" },
	{ P("\xff\x86\x02\x7c\x42\x00\x00\x00\x01"), "!wrong checksum" },
	{ P("\x5a\x5a\x3f\x0f\xf6\x87\x0a\xc5\x01\x8b\x85\x30\x19\x00\x00\xa4\xa6\xff"
	    "\xfb\x01"),
	  "!wrong checksum" },
	{ P("\x7e\x00\x03\x00\x28\x40\xba\xe1\x48\x41\x04\x00\x00\x41\x1e\x66\x66\x41"
	    "\x23\x33\x01\x42\x0c\x60\x42\x42\x2f\x00\x00\x42\x38\xcc\xcd\x7f\xc0\x00"
	    "\x00\x42\x3b\x00\x00\x3f\x50\x00\x00\xb8\x7e"),
	  "!wrong checksum" },
	{ P("\x7e\x7d\x7e"), "!wrong checksum" },
	{ P("\x7e\x7e"), "!wrong checksum" },
	{ P("\x7e\x00\x03\x43\x00\xb9\x7e"), "!the sensor reports an error" },
	{ P("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
	  "!not a frame of a known sensor" },
};

static void refused(void **state)
{
	(void)state;
	DOC_CASES_CHECK(&fg_decoder_airquality, NULL, refused_cases);
}

static void streams(void **state)
{
	static const struct scan_case cases[] = {
		{ P(X D P30 M B H8 X), "32 10 47 9 20 8 32 s0 b0" },
		{ P("\xaa\xff" X "\x42" D), "32 10 s3 b0" },
		{ P("\xaa\xc0\x01" X), "32 s3 b1" },
		{ P("\x7e" P30 P30), "47 47 s1 b1" },
	};

	(void)state;
	SCAN_CASES_CHECK(FG_FRAMER_AIRQUALITY, cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(refused),
		cmocka_unit_test(streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

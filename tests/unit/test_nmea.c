/* NMEA 0183 sentences: what becomes of their fields, and which are refused. */
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

static const struct doc_case sentences_cases[] = {
	{ P("$GPGGA,101112.50,4807.0380,N,01131.0000,E,1,08,0.9,545.4,M,46.9,M,,*63"),
	  "{GPGGA={lat=48.1173(lat),lon=11.516666666666667(lon),quality=1,satel"
	  "lites=8,hdop=0.9,altitude=545.4(m),geoid_separation=46.9(m)}}" },
	{ P("$GNRMC,101112.00,A,4807.0380,S,01131.0000,W,022.4,084.4,110625,,,A*4"
	    "2\r\n"),
	  "{GNRMC={status='A',lat=-48.1173(lat),lon=-11.516666666666667(lon),sp"
	  "eed_kn=22.4,course=84.4(deg)}}" },
	{ P("$GPVTG,,T,,M,1.5,N,2.8,K,A*2D"), "{GPVTG={speed_kn=1.5,speed_kmh=2.8(km/h)}}" },
	{ P("$GPVTG,,,,*52"), "{GPVTG=['','','','']}" },
	{ P("$WIMWV,045,R,5.2,M,A*38"),
	  "{WIMWV={wind_angle=45(deg),reference='R',wind_speed=5.2(m/s)}}" },
	{ P("$SDDBT,7.7,f,2.3,M,1.3,F*05"),
	  "{SDDBT={depth_feet=7.7,depth=2.3(m),depth_fathoms=1.3}}" },
	{ P("$SDDPT,2.3,-0.5,*52"), "{SDDPT={depth=2.3(m),offset=-0.5(m)}}" },
	{ P("$IIMTW,17.9,C*1C"), "{IIMTW={temperature=17.9(Cel)}}" },
	{ P("$HEHDT,007.5,T*2D"), "{HEHDT={heading=7.5(deg)}}" },
	{ P("$GPGLL,4807.0380,N,01131.0000,E,101112,A*2A"),
	  "{GPGLL={lat=48.1173(lat),lon=11.516666666666667(lon),status='A'}}" },
	{ P("$GNGNS,101112.00,4807.0380,N,01131.0000,E,AN,09,1.1,12.5,40.0,,*6C"),
	  "{GNGNS={lat=48.1173(lat),lon=11.516666666666667(lon),mode='AN',satel"
	  "lites=9,hdop=1.1,altitude=12.5(m),geoid_separation=40(m)}}" },
	{ P("$IIXDR,C,19.5,C,AIR*07"), "{IIXDR=['C','19.5','C','AIR']}" },
	{ P("\\s:r1,c:1718000000*70\\!AIVDM,1,1,,A,15,0"), "{AIVDM=['1','1','','A','15','0']}" },
	{ P("\\s:r2,c:1718000000*70\\!AIVDM,1,1,,A,15,0"), "!wrong checksum of the tag block" },
	{ P("\\s:satelite,c:gjadslkg*30\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,n:gjadslkg*3D\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,r:-15*13\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,c:1553390539.5*37\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,c:*2B\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,,r:1553390539*11\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s:satelite,*72\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\s*73\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\*00\\!AIVDM,1,2,3"), "!malformed tag block" },
	{ P("\\1G2:73874,n:157036,r:1553390539,s:,t:cnr*24\\!AIVDM,1,2,3"),
	  "{AIVDM=['1','2','3']}" },
	{ P("\\s:r1"), "!unterminated tag block" },
	{ P("$GPGLL,4860.0000,N,01131.0000,E,101112,A*20"),
	  "{GPGLL={lat=49(lat),lon=11.516666666666667(lon),status='A'}}" },
	{ P("$GPGLL,4860.1000,N,01131.0000,E,101112,A*21"),
	  "!malformed field" },
	{ P("$GPRMC,000452.981,V,36000.0000,N,72000.0000,E,0.0,,190120,,*02"),
	  "{GPRMC={status='V',speed_kn=0}}" },
	{ P("$GPGGA,000452,36000.0000,N,72000.0000,E,0,00,,,M,,M,,*6E"),
	  "{GPGGA={quality=0,satellites=0}}" },
	{ P("$GPGLL,36000.0000,N,72000.0000,E,000452,V*0E"),
	  "{GPGLL={status='V'}}" },
	{ P("$GPRMC,000452.981,A,36000.0000,N,72000.0000,E,0.0,,190120,,*15"),
	  "!malformed field" },
	{ P("$GPVTG,054.7,034.4,005.5,010.2*54"),
	  "{GPVTG={course=54.7(deg),course_magnetic=34.4(deg),"
	  "speed_kn=5.5,speed_kmh=10.2(km/h)}}" },
	{ P("  $HEHDT,007.5,T*2D  \r\n"),
	  "{HEHDT={heading=7.5(deg)}}" },
	{ P("UdPbC\0$HEHDT,007.5,T*2D"),
	  "{HEHDT={heading=7.5(deg)}}" },
	{ P("\xb5\x62\x05\x01\x02\x00\x06\x00\x0e\x37$WIMTW,11.5,C*08\r\n"),
	  "{WIMTW={temperature=11.5(Cel)}}" },
	{ P("$WIMTW,11\x00\xd3\\s:r1,c:1718000000*70\\!AIVDM,1,1,,A,15,0"),
	  "{AIVDM=['1','1','','A','15','0']}" },
	{ P("\x00\xd3$WIMTW,11.5,C*09\r\n"), "!wrong checksum" },
	{ P("\x00\xd3WIMTW,11.5,C*08\r\n"), "!not text" },
	{ P("abc$WIMTW,11.5,C*08\r\n"), "!no sentence" },
	{ P("$GPVTG,,,,\xff,,,,,N*30\r\n"), "!not text" },
	{ P("$PSRFTXTBaud: 4800, 8*5F"),
	  "{PSRFTXT=['Baud: 4800, 8']}" },
	{ P("$PSRFTXT,1*52"),
	  "{PSRFTXT=['1']}" },
	{ P(""), "!no sentence" },
	{ P("$"), "!no sentence" },
	{ P("$GPVTG,1"), "!no checksum" },
	{ P("$GPVTG,,T,,M,1.5,N,2.8,K,A*20"), "!wrong checksum" },
	{ P("$GPVTG,,T,,M,1.5,N,2.8,K,A*2D0"), "!wrong checksum" },
	{ P("$GPVTG,,T,,M,1.5,N,2.8,K,A*2"), "!wrong checksum" },
	{ P("GPVTG,,T,,M,1.5,N,2.8,K,A*2D"), "!no sentence" },
	{ P("$GPGLL,9107.0380,N,01131.0000,E,101112,A*2E"), "!malformed field" },
	{ P("$GPGLL,4807.0380,E,01131.0000,E,101112,A*21"), "!malformed field" },
	{ P("$HEHDT,x,T*79"), "!malformed field" },
	{ P("$LOG108,1,100,100,0,0,5,0,4,462*61"),
	  "{LOG108=['1','100','100','0','0','5','0','4','462']}" },
	{ P("$INVALID,123,123,*7D"), "!not a sentence's address" },
	{ P("$HE,1,T*68"), "!not a sentence's address" },
	{ P("$HEhdt,1,T*10"), "!not a sentence's address" },
	{ P("$GPTXT,a\tb*00"), "!not text" },
};

static void sentences(void **state)
{
	(void)state;
	DOC_CASES_CHECK(&fg_decoder_nmea, NULL, sentences_cases);
}

/* A receiver's raw measurements take more than a sentence may. */
static void behind_long_binary(void **state)
{
	static const char sentence[] = "$WIMTW,11.5,C*08";
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;
	char line[2000] = { 0 };

	(void)state;
	memcpy(line + sizeof(line) - sizeof(sentence), sentence, sizeof(sentence));
	fg_doc_init(&doc, 8, 4096);
	assert_int_equal(fg_decoder_nmea.decode(&ctx, fg_str(line, sizeof(line) - 1), &doc), 0);
	fg_doc_fini(&doc);
}

static void sentence_time(void **state)
{
	static const struct {
		const char *text;
		int64_t time_ns;
	} cases[] = {
		{ "$GNRMC,101112.00,A,4807.0380,S,01131.0000,W,022.4,084.4,110625,,,A*42",
		  INT64_C(1749636672) * 1000000000 },
		{ "$GPZDA,101112,11,06,2025,00,00*49", INT64_C(1749636672) * 1000000000 },
		{ "$GPZDA,101112.25,11,06,2025,00,00*60", INT64_C(1749636672250) * 1000000 },
		{ "$GPZDA,101112,31,06,2025,00,00*4B", FG_TIME_NONE },
		{ "$GPGGA,101112.50,4807.0380,N,01131.0000,E,1,08,0.9,545.4,M,46.9,M,,*63",
		  FG_TIME_NONE },
		{ "\\s:r1,c:1718000000*70\\!AIVDM,1,1,,A,15,0", INT64_C(1718000000) * 1000000000 },
	};
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 8, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(fg_decoder_nmea.decode(&ctx, fg_str_c(cases[i].text), &doc), 0);
		assert_int_equal(doc.time_ns, cases[i].time_ns);
		fg_doc_reset(&doc, 0);
	}
	fg_doc_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(behind_long_binary),
		cmocka_unit_test(sentence_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Homie, Cayenne LPP, Ruuvi, LwM2M and Sparkplug B: what a payload becomes or why it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/registry.h"
#include "doc_text.h"

#define BYTES(literal)                       \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static void test_homie(void **state)
{
	static const struct doc_case cases[] = {
		{ BYTES("-7"), "-7" },
		{ BYTES("19.25"), "19.25" },
		{ BYTES(" 19"), "' 19'" },
		{ BYTES("true"), "true" },
		{ BYTES("True"), "'True'" },
		{ BYTES("\0"), "''" },
		{ BYTES(""), "!empty payload" },
		{ BYTES("NaN"), "!not a finite number" },
		{ BYTES("{\"a\":1}"), "{a=1}" },
		{ BYTES("{\"a\":"), "!unexpected end" },
		{ BYTES("a\nb"), "!control character" },
		{ BYTES("\xff\xfe"), "!invalid UTF-8" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_homie, NULL, cases);
}

static void test_cayennelpp(void **state)
{
	static const struct doc_case cases[] = {
		{ BYTES("\x01\x67\xff\xd7"), "{temperature_1=-4.1(Cel)}" },
		{ BYTES("\x02\x68\x65\x07\x73\x27\x10"),
		  "{relative_humidity_2=50.5(%RH),barometric_pressure_7=1000(hPa)}" },
		{ BYTES("\x06\x71\x04\xd2\xfb\x2e\x00\x00"),
		  "{accelerometer_6={x=1.234,y=-1.234,z=0}}" },
		{ BYTES("\x01\x88\x06\x76\x5f\xf2\x96\x0a\x00\x03\xe8"),
		  "{gps_1={latitude=42.3519(lat),longitude=-87.9094(lon),altitude=10(m)}}" },
		{ BYTES("\x03\x00\x01"), "{digital_in_3=1}" },
		{ BYTES(""), "!empty payload" },
		{ BYTES("\x01\x67\x01"), "!truncated" },
		{ BYTES("\x01\x67"), "!truncated" },
		{ BYTES("\x01\x42\x00\x00"), "!unknown type" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_cayennelpp, NULL, cases);
}

static void test_ruuvi(void **state)
{
	static const struct doc_case cases[] = {
		{ BYTES("\x03\x50\x95\x19\xc3\x50\x00\x01\xff\xff\x03\xe8\x0b\x86"),
		  "{humidity_rh=40(%RH),pressure_pa=100000(Pa),temperature_c=-21.25(Cel),"
		  "accelerationx_g=0.001,accelerationy_g=-0.001,accelerationz_g=1,"
		  "battery_v=2.95(V)}" },
		{ BYTES("\xc5\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06"),
		  "{humidity_rh=nonfinite,pressure_pa=nonfinite,temperature_c=nonfinite,"
		  "battery_v=nonfinite,measurement_count=nonfinite,movement_count=nonfinite,"
		  "tx_power=nonfinite}" },
		{ BYTES("\x99\x04\xc5\x0f\xa0\x4e\x20\xc3\x50\xae\xd6"
			"\x07\x00\x09\x01\x02\x03\x04\x05\x06"),
		  "{humidity_rh=50(%RH),pressure_pa=100000(Pa),temperature_c=20(Cel),"
		  "battery_v=2.998(V),measurement_count=9,movement_count=7,tx_power=4(dBm)}" },
		{ BYTES("\xe0\x0f\xa0\x4e\x20\xc3\x50\x00\x0a\x00\x14\x00\x1e\x00\x28"
			"\x01\x90\x01\xff\x00\x02\x00\x64\x50\x60\x00\x07\x64\x00\xff\xff"
			"\xff\xff\xff\x01\x02\x03\x04\x05\x06"),
		  "{temperature_c=20(Cel),humidity_rh=50(%RH),pressure_pa=100000(Pa),"
		  "pm1p0_ppm=1(ppm),pm2p5_ppm=2(ppm),pm4p0_ppm=3(ppm),pm10p0_ppm=4(ppm),"
		  "co2=400(ppm),voc_index=nonfinite,nox_index=2,luminosity=100,"
		  "sound_avg_dba=40,sound_peak_spl_db=48,measurement_count=7,voltage=3(V)}" },
		{ BYTES(""), "!empty payload" },
		{ BYTES("\x05\x00"), "!wrong length" },
		{ BYTES("\x08\x00"), "!encrypted data format" },
		{ BYTES("\x42\x00"), "!unknown data format" },
	};

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_ruuvi, NULL, cases);
}

#define PATH(path, format)                                                        \
	{                                                                         \
		.address = { path, sizeof(path) - 1 }, .content_format = (format) \
	}

static void test_lwm2m(void **state)
{
	static const struct fg_decode_context device = PATH("3/0", 11542),
					      level = PATH("3/0/9", 11542),
					      firmware = PATH("/5/0/0", 0),
					      sensor = PATH("3303", 11542), json = PATH("3/0", 50);
	static const struct doc_case of_device[] = {
		{ BYTES("\xc1\x09\x5a"), "{9=90}" },
		{ BYTES("\xc3\x00"
			"abc"),
		  "{0='abc'}" },
		{ BYTES("\x86\x06\x41\x00\x01\x41\x01\x05"), "{6={0=1,1=5}}" },
		{ BYTES("\x03\x00\xc1\x09\x64"), "{9=100}" },
		{ BYTES("\x03\x01\xc1\x09\x64"), "!not what the path says" },
		{ BYTES("\x00\x00\xc1\x09\x00"), "!more than the path says" },
		{ BYTES("\xc3\x09\x01\x02\x03"), "!not what the resource is" },
		{ BYTES("\xc1\x09"), "!truncated" },
		{ BYTES("\xd8\x09\xff\xff"), "!truncated" },
		{ BYTES("\xc2\x63\x01\x02"), "{99=<0102>}" },
		{ BYTES(""), "!empty payload" },
		{ BYTES("\x86\x06\x03\x00\xc1\x09\x64\x00"), "!an entry where none can be" },
	};
	static const struct doc_case of_level[] = { { BYTES("\xc1\x09\x5a"), "90" },
						    { BYTES("\xc1\x08\x5a"),
						      "!not what the path says" } };
	static const struct doc_case of_firmware[] = { { BYTES("+/8="), "<fbff>" },
						       { BYTES("*"), "!not base64" } };
	static const struct doc_case of_sensor[] = {
		{ BYTES("\x08\x00\x07\xe4\x16\x44\x41\xa8\x00\x00"), "{0={5700=21}}" },
	};
	static const struct doc_case of_json[] = { { BYTES("{}"), "!unknown content format" } };

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_lwm2m, &device, of_device);
	DOC_CASES_CHECK(&fg_decoder_lwm2m, &level, of_level);
	DOC_CASES_CHECK(&fg_decoder_lwm2m, &firmware, of_firmware);
	DOC_CASES_CHECK(&fg_decoder_lwm2m, &sensor, of_sensor);
	DOC_CASES_CHECK(&fg_decoder_lwm2m, &json, of_json);
}

/* As in JSON: the last one of a name is the value, and the others are counted. */
static void test_lwm2m_duplicates(void **state)
{
	static const struct fg_decode_context instance = PATH("3/0", 11542),
					      object = PATH("2", 11542);
	static const struct {
		const struct fg_decode_context *at;
		struct fg_str payload;
		uint32_t duplicates;
	} rows[] = {
		{ &instance, BYTES("\xc1\x01\x41\xc1\x02\x42"), 0 },
		{ &instance, BYTES("\xc1\x01\x41\xc1\x01\x42"), 1 },
		{ &instance, BYTES("\x86\x06\x41\x00\x01\x41\x00\x05"), 1 },
		{ &object, BYTES("\x03\x01\xc1\x00\x01\x03\x01\xc1\x00\x02"), 1 },
	};
	struct fg_doc doc;

	(void)state;
	fg_doc_init(&doc, 32, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fg_doc_reset(&doc, 0);
		assert_int_equal(fg_decoder_lwm2m.decode(rows[i].at, rows[i].payload, &doc), 0);
		assert_int_equal(doc.duplicate_keys, rows[i].duplicates);
	}
	fg_doc_fini(&doc);
}

static void test_sparkplug(void **state)
{
	static const struct fg_decode_context data = PATH("spBv1.0/plant/DDATA/node/pump", -1),
					      death = PATH("spBv1.0/plant/NDEATH/node", -1);
	static const struct doc_case of_data[] = {
		{ BYTES("\022\010\012\001a \001P\377\001\030\000"), "{a=-1}" },
		{ BYTES("\022\010\012\001a \005P\377\001\030\000"), "{a=255}" },
		{ BYTES("\022\006\020\007 \013p\001\030\000"), "{alias:7=true}" },
		{ BYTES("\022\007\012\001a\020\007p\001\022\004\020\007p\000\030\000"),
		  "{a=true,a=false}" },
		{ BYTES("\022\005\012\001a8\001\030\000"), "{a=null}" },
		{ BYTES("\022\010\012\001ae\315\314LA\030\000"), "{a=12.8}" },
		{ BYTES("\022\010\012\001ae\000\000\300\177\030\000"), "{a=nonfinite}" },
		{ BYTES("\022\014\012\001a \027\202\001\004\377\377\002\001\030\000"),
		  "{a/0=-1,a/1=258}" },
		{ BYTES("\022\013\012\001a \027\202\001\003\377\377\002\030\000"),
		  "!an array that ends within a number" },
		{ BYTES("\022\015\012\001a  \202\001\005\003\000\000\000\240\030\000"),
		  "{a/0=true,a/1=false,a/2=true}" },
		{ BYTES("\022\014\012\001a !\202\001\004x\000yz\030\000"),
		  "!a text without its end" },
		{ BYTES("\022\016\012\001t\222\001\010\022\006\012\001bz\001q\030\000"),
		  "{t/b='q'}" },
		{ BYTES("\022\025\012\001a\212\001\017\022\001c\030\007"
			"\042\010\012\002\010\005\012\002\010\006\030\000"),
		  "!a row that has not as many cells as there are columns" },
		{ BYTES("\022\021\012\001a\212\001\013\022\001c\030\007"
			"\042\004\012\002\010\005\030\000"),
		  "{a/0/c=5}" },
		{ BYTES("\022\003\012\001a"), "!no sequence number: truncated" },
		{ BYTES("\022\000\030\000"), "!a metric without a name" },
		{ BYTES(""), "!empty payload" },
		{ BYTES("\022"), "!not a Sparkplug B payload" },
	};
	static const struct doc_case of_death[] = { { BYTES("\022\005\012\001aP\005"), "{a=5}" } };
	const struct fg_decoder *decoder;

	(void)state;
	if (fg_registry_decoder("sparkplug", &decoder) < 0)
		skip();
	DOC_CASES_CHECK(decoder, &data, of_data);
	DOC_CASES_CHECK(decoder, &death, of_death);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_homie),	  cmocka_unit_test(test_cayennelpp),
		cmocka_unit_test(test_ruuvi),	  cmocka_unit_test(test_lwm2m),
		cmocka_unit_test(test_lwm2m_duplicates), cmocka_unit_test(test_sparkplug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

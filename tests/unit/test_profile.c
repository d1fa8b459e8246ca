/*
 * Profiles in force: the configuration's own and the shipped ones, compiled, matched and applied. A
 * reading is compared as text: device|point=value(unit),...
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fg/registry.h>

#include "base/buf.h"
#include "profile/book.h"

#define NOW_NS (INT64_C(1767225600) * 1000000000)

struct house {
	struct fg_config *config;
	struct fg_profile_book book;
	struct fg_faults faults;
};

/* `profiles`: what stands below "profiles". */
static int house_open(struct house *house, const char *profiles)
{
	struct fg_buf text;
	int r;

	fg_buf_init(&text, 1 << 16);
	fg_buf_printf(&text, "{\"gateway\":{\"id\":\"g\"},\"profiles\":{%s}}", profiles);
	*house = (struct house){ 0 };
	fg_faults_init(&house->faults);
	r = fg_config_parse(fg_buf_view(&text), NULL, &house->faults, &house->config);
	fg_buf_fini(&text);
	if (r == 0)
		r = fg_profile_book_open(&house->book, house->config, &house->faults);
	return r;
}

static void house_close(struct house *house)
{
	if (house->book.profiles)
		fg_profile_book_close(&house->book);
	fg_config_free(house->config);
	fg_faults_fini(&house->faults);
}

static void value_write(struct fg_buf *out, const struct fg_value *value)
{
	char room[FG_NUMBER_MAX];

	if (value->kind == FG_STRING)
		fg_buf_printf(out, "'%.*s'", (int)value->s.len, value->s.ptr);
	else if (value->kind == FG_BOOL)
		fg_buf_text(out, value->b ? "true" : "false");
	else if (fg_value_is_number(value))
		fg_buf_add(out, room, fg_value_write_number(value, room));
	else
		fg_buf_text(out, "?");
}

static void reading_write(struct fg_buf *out, struct fg_str device,
			  const struct fg_reading *reading)
{
	fg_buf_str(out, reading->device.len ? reading->device : device);
	if (reading->time_ns != FG_TIME_NONE)
		fg_buf_printf(out, "@%lld", (long long)(reading->time_ns / 1000000000));
	fg_buf_char(out, '|');
	for (uint32_t i = 0; i < reading->count; i++) {
		const struct fg_record *record = &reading->records[i];

		fg_buf_printf(out, "%s%.*s=", i ? "," : "", (int)record->point.len,
			      record->point.ptr);
		value_write(out, &record->value);
		if (record->unit.len)
			fg_buf_printf(out, "(%.*s)", (int)record->unit.len, record->unit.ptr);
	}
	if (reading->unconverted)
		fg_buf_printf(out, " unconverted %u", (unsigned)reading->unconverted);
	if (reading->absurd_time)
		fg_buf_text(out, " absurd time");
}

/* By match, or by `name`. */
static void reads(const struct house *house, const char *name, const char *address,
		  int content_format, const char *payload, const char *expected)
{
	const struct fg_profiles *profiles = house->book.profiles;
	struct fg_decode_context ctx = { fg_str_c(address), content_format, NULL };
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };
	const struct fg_profile *profile = name ? fg_profiles_find(profiles, name) :
						  fg_profiles_match(profiles, ctx.address, &taken);
	struct fg_reading reading;
	struct fg_buf out;
	struct fg_doc doc;

	fg_buf_init(&out, 1 << 16);
	fg_doc_init(&doc, 100, 1 << 16);
	doc.now_ns = NOW_NS;
	fg_reading_init(&reading, 100, 1 << 16);
	if (fg_profile_read(profiles, profile, &ctx, fg_str_c(payload), taken.point, &doc,
			    &reading) < 0)
		fg_buf_printf(&out, "rejected: %s", doc.reason);
	else
		reading_write(&out, taken.device, &reading);
	fg_buf_char(&out, '\0');
	assert_string_equal(out.data, expected);
	fg_reading_fini(&reading);
	fg_doc_fini(&doc);
	fg_buf_fini(&out);
}

static void points_are_picked(void **state)
{
	struct house house;

	(void)state;
	assert_int_equal(
		house_open(&house,
			   "\"a\":{\"match\":\"a/{device}\",\"points\":{"
			   "\"t\":{\"from\":\"/deep/t\",\"unit\":\"Cel\",\"scale\":0.1},"
			   "\"again\":{\"from\":\"/deep/t\",\"type\":\"string\"},"
			   "\"n\":{\"type\":\"number\"},\"volts\":{\"when\":\"/battery\"}}},"
			   "\"b\":{\"match\":\"b/{device}\",\"points\":{"
			   "\"x\":{\"unit\":\"m\"},\"*\":{}}},"
			   "\"c\":{\"match\":\"c/{device}/{point...}\",\"format\":\"value\"}"),
		0);
	reads(&house, NULL, "a/d", -1, "{\"deep\":{\"t\":215},\"other\":1,\"n\":\"5\",\"volts\":3}",
	      "d|t=21.5(Cel),again='215',n=5");
	reads(&house, NULL, "a/d", -1, "{\"n\":\"x\",\"volts\":3,\"battery\":9}",
	      "d|volts=3 unconverted 1");
	reads(&house, NULL, "b/d", -1, "{\"x\":1,\"y\":{\"z\":[2,null]}}", "d|x=1(m),y/z/0=2");
	reads(&house, NULL, "c/d/p/q", -1, "on", "d|p/q='on'");
	reads(&house, NULL, "nobody/s", -1, "{\"a\":true}", "|a=true");
	reads(&house, "b", "any", -1, "{\"a\":1,\"a\":2}", "|a=2");
	house_close(&house);
}

/* It has no path, and is known by the name that it goes out under. */
static void one_value_alone(void **state)
{
	struct house house;

	(void)state;
	assert_int_equal(
		house_open(&house,
			   "\"a\":{\"match\":\"a/{device}\",\"points\":{"
			   "\"value\":{\"unit\":\"Cel\",\"scale\":0.1},"
			   "\"text\":{\"from\":\"/value\",\"type\":\"string\"},"
			   "\"v\":{\"from\":\"/value\",\"when\":\"/battery\"}}},"
			   "\"b\":{\"match\":\"b/{device}\",\"points\":{\"value\":{\"unit\":\"m\"},"
			   "\"all\":{\"from\":\"\"}}},"
			   "\"c\":{\"match\":\"c/{device}/{point...}\",\"points\":{"
			   "\"p/q\":{\"unit\":\"V\"},\"y\":{\"from\":\"/x\"},\"value\":{},"
			   "\"w\":{\"when\":\"/z\"},\"*\":{}}},"
			   "\"d\":{\"match\":\"d/{device}/{point}\",\"points\":{\"t\":{}}}"),
		0);
	reads(&house, NULL, "a/d", -1, "215", "d|value=21.5(Cel),text='215'");
	reads(&house, NULL, "a/d", 60, "\x18\xd7", "d|value=21.5(Cel),text='215'");
	reads(&house, NULL, "a/d", -1, "{\"value\":215}", "d|value=21.5(Cel),text='215'");
	reads(&house, NULL, "a/d", -1, "[215]", "d|");
	reads(&house, NULL, "a/d", 110, "[{\"v\":215}]", "d|value=21.5(Cel),text='215'");
	reads(&house, NULL, "a/d", 110, "[{\"v\":10},{\"v\":20}]",
	      "d|value=1(Cel),text='10',value=2(Cel),text='20'");
	reads(&house, NULL, "b/d", -1, "2", "d|all=2");
	reads(&house, NULL, "c/d/p/q", -1, "3", "d|p/q=3(V)");
	reads(&house, NULL, "c/d/x", -1, "3", "d|y=3");
	reads(&house, NULL, "c/d/w", -1, "3", "d|w=3");
	reads(&house, NULL, "c/d/p", -1, "3", "d|p=3");
	reads(&house, NULL, "c/d/p", 110, "[{\"v\":3}]", "d|value=3");
	reads(&house, NULL, "d/d/t", -1, "3", "d|t=3");
	reads(&house, NULL, "d/d/u", -1, "3", "d|");
	house_close(&house);
}

/* The walk has room for so many levels, and limits.depth admits no more. */
static void depth_is_bounded(void **state)
{
	char payload[2 * 65 + 2] = "";
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house, ""), 0);
	memset(payload, '[', 64);
	payload[64] = '1';
	memset(payload + 65, ']', 64);
	reads(&house, "json", "any", -1, payload,
	      "|0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"
	      "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0=1");
	memset(payload, '[', 65);
	payload[65] = '1';
	memset(payload + 66, ']', 65);
	reads(&house, "json", "any", -1, payload, "rejected: nested too deeply");
	house_close(&house);
}

static void places_and_leaves(void **state)
{
	struct house house;

	(void)state;
	assert_int_equal(
		house_open(&house,
			   "\"a\":{\"match\":\"a/#\",\"device_parts\":[\"/model\",\"/id\",\"/no\"],"
			   "\"time\":{\"from\":\"/ts\",\"also\":[\"/sub/ts\"],\"as\":\"unix\"},"
			   "\"leaves\":{\"*_C\":{\"unit\":\"Cel\"},\"p\":{\"unit_from\":\"pu\","
			   "\"units\":{\"kilo\":\"kPa\"}},\"q\":{},"
			   "\"n\":{\"unit\":\"Wh\"},\"pulses/n\":{}}},"
			   "\"b\":{\"match\":\"b/#\",\"device\":\"/who\"}"),
		0);
	reads(&house, NULL, "a/x", -1,
	      "{\"model\":\"m\",\"id\":5,\"in_C\":[1,2],\"pu\":\"kilo\","
	      "\"sub\":{\"p\":3,\"ts\":1767225000},"
	      "\"q\":4}",
	      "m/5@1767225000|model='m',id=5,in_C/0=1(Cel),in_C/1=2(Cel),pu='kilo',sub/p=3(kPa),"
	      "sub/ts=1767225000,q=4");
	reads(&house, NULL, "a/x", -1,
	      "{\"n\":1,\"e\":[{\"n\":2}],\"pulses\":[{\"n\":3}],\"in\":{\"pulses\":{\"n\":4}},"
	      "\"xpulses\":{\"n\":5},\"pulses_n\":6}",
	      "|n=1(Wh),e/0/n=2(Wh),pulses/0/n=3,in/pulses/n=4,xpulses/n=5(Wh),pulses_n=6");
	reads(&house, NULL, "a/x", -1, "{\"p\":1,\"pu\":\"other\",\"ts\":5}",
	      "|p=1,pu='other',ts=5 absurd time");
	reads(&house, NULL, "a/x", -1, "{\"ts\":631152000}", "@631152000|ts=631152000");
	reads(&house, NULL, "a/x", -1, "{\"ts\":951782400}", "|ts=951782400 absurd time");
	/* its first hour, east of Greenwich */
	reads(&house, NULL, "a/x", -1, "{\"ts\":946681200}", "|ts=946681200 absurd time");
	reads(&house, NULL, "b/x", -1, "{\"who\":\"me\"}", "me|who='me'");
	house_close(&house);
}

static void shipped_ones(void **state)
{
	static const struct {
		const char *topic, *payload, *expected;
	} rows[] = {
		{ "shellies/plug/status/switch:0", "{\"apower\":5,\"aenergy\":{\"total\":2}}",
		  "plug|apower=5(W),aenergy/total=2(Wh)" },
		{ "uni/status/input:2", "{\"counts\":{\"total\":9,\"by_minute\":[1]},\"freq\":5}",
		  "uni|counts/total=9,counts/by_minute/0=1,freq=5(Hz)" },
		{ "shellies/plug/info", "{\"meters\":[{\"total\":60}],\"emeters\":[{\"total\":1}]}",
		  "plug|meters/0/total=60,emeters/0/total=1(Wh)" },
		{ "shellies/announce", "{\"id\":\"plug\",\"new_fw\":false}",
		  "plug|id='plug',new_fw=false" },
		{ "plus1/online", "true", "plus1|online=true" },
		{ "node/text_sensor/hash/state", "1234e56", "node|text_sensor/hash='1234e56'" },
		{ "node/text_sensor/tag/state", "[v1] true", "node|text_sensor/tag='[v1] true'" },
		{ "node/select/year/state", " 2026.10\n", "node|select/year='2026.10'" },
		{ "zigbee2mqtt/lamp", "1e3", "lamp|value='1e3'" },
	};
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house, ""), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		reads(&house, NULL, rows[i].topic, -1, rows[i].payload, rows[i].expected);
	house_close(&house);
}

static void content_formats(void **state)
{
	static const struct {
		int format;
		const char *payload, *expected;
	} rows[] = {
		{ 0, "21.5", "|value=21.5" },
		{ 50, "{\"a\":1}", "|a=1" },
		{ 50, "a", "rejected: unexpected character" },
		{ 60, "\xa1"
		      "aa\x05",
		  "|a=5" },
		{ 110, "[{\"n\":\"t\",\"u\":\"Cel\",\"v\":5}]", "|t=5(Cel)" },
		{ 42, "x", "rejected: unknown content format" },
	};
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house, ""), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		reads(&house, NULL, "path", rows[i].format, rows[i].payload, rows[i].expected);
	house_close(&house);
}

static void own_ones_come_first(void **state)
{
	struct house house;
	const struct fg_profile *profile;
	struct fg_framer_conf framer;
	struct fg_pattern_taken taken;

	(void)state;
	assert_int_equal(
		house_open(&house,
			   "\"tasmota\":{\"match\":\"mine/#\"},"
			   "\"z\":{\"match\":\"zigbee2mqtt/{device...}\",\"framer\":\"length\","
			   "\"framer_options\":{\"length\":9},\"checksum\":\"xor8\"}"),
		0);
	profile = fg_profiles_match(house.book.profiles, fg_str_c("zigbee2mqtt/lamp"), &taken);
	assert_string_equal(fg_profile_name(profile), "z");
	assert_true(fg_profile_framer(profile, &framer));
	assert_int_equal(framer.kind, FG_FRAMER_LENGTH);
	assert_int_equal(framer.length, 9);
	assert_int_equal(framer.checksum, FG_CHECKSUM_XOR8);
	assert_true(fg_profile_takes(profile, fg_str_c("zigbee2mqtt/x"), &taken));
	assert_false(fg_profile_takes(profile, fg_str_c("other/x"), &taken));
	/* its name is taken by the configuration's, so the shipped one is not there at all */
	profile = fg_profiles_find(house.book.profiles, "tasmota");
	assert_true(fg_profile_takes(profile, fg_str_c("mine/x"), &taken));
	assert_null(fg_profiles_find(house.book.profiles, "no-such"));
	assert_false(fg_profile_framer(fg_profiles_find(house.book.profiles, "json"), &framer));
	assert_false(fg_profile_framer(NULL, &framer));
	house_close(&house);
}

static void fields_by_place(void **state)
{
	struct fg_register_write write;
	struct fg_registers registers;
	const struct fg_profile *meter;
	struct fg_value value = { .kind = FG_INT, .i = 258 };
	const struct fg_decoder *decoder;
	struct house house;

	(void)state;
	if (fg_registry_decoder("binary", &decoder) < 0 ||
	    fg_registry_decoder("registers", &decoder) < 0)
		skip(); /* modules that this program does not find */
	assert_int_equal(
		house_open(&house,
			   "\"a\":{\"match\":\"a/{device}\",\"format\":\"binary\",\"points\":{"
			   "\"t\":{\"field\":{\"at\":0,\"type\":\"u8\"},\"unit\":\"Cel\"},"
			   "\"tail\":{\"field\":{\"at\":-1,\"type\":\"u8\"}}}},"
			   "\"m\":{\"format\":\"registers\",\"points\":{"
			   "\"set\":{\"field\":{\"at\":\"holding:7\",\"type\":\"u16\"}},"
			   "\"wide\":{\"field\":{\"at\":\"input:2\",\"type\":\"u32\"}},"
			   "\"low\":{\"field\":{\"at\":\"input:3\",\"type\":\"u16\"}}}}"),
		0);
	reads(&house, NULL, "a/d", -1, "A-B", "d|t=65(Cel),tail=66");
	meter = fg_profiles_find(house.book.profiles, "m");
	assert_int_equal(fg_profile_registers(meter, &registers), 0);
	/* what is within another needs no place of its own */
	assert_int_equal(registers.count, 2);
	assert_int_equal(fg_profile_encode(meter, FG_STR("set"), &value, &write), 0);
	assert_int_equal(write.span.at, 7);
	assert_memory_equal(write.bytes, "\1\2", 2);
	assert_int_equal(fg_profile_encode(meter, FG_STR("low"), &value, &write), -EROFS);
	assert_int_equal(fg_profile_encode(meter, FG_STR("none"), &value, &write), -ENOENT);
	meter = fg_profiles_find(house.book.profiles, "a");
	assert_int_equal(fg_profile_registers(meter, &registers), -EINVAL);
	house_close(&house);
}

static void wildcards_take_no_system_topics(void **state)
{
	static const struct {
		const char *address, *profile;
	} rows[] = {
		{ "$SYS/broker/uptime", NULL },	 { "$SYS", NULL },
		{ "$SYS/broker/load", "load" },	 { "$SYS/nodes/one", "nodes" },
		{ "x/broker/uptime", "device" }, { "x/$SYS", "rest" },
		{ "/$SYS", "rest" },
	};
	struct fg_pattern_taken taken;
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house, "\"rest\":{\"match\":\"#\"},"
					    "\"one\":{\"match\":\"+/broker/#\"},"
					    "\"device\":{\"match\":\"{device}/broker/uptime\"},"
					    "\"many\":{\"match\":\"{device...}/load\"},"
					    "\"load\":{\"match\":\"$SYS/broker/load\"},"
					    "\"nodes\":{\"match\":\"{device:$SYS}/nodes/+\"}"),
			 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fg_profile *found =
			fg_profiles_match(house.book.profiles, fg_str_c(rows[i].address), &taken);

		if (!rows[i].profile)
			assert_null(found);
		else
			assert_string_equal(fg_profile_name(found), rows[i].profile);
	}
	house_close(&house);
}

static void a_tie_is_a_fault(void **state)
{
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house,
				    "\"a\":{\"match\":\"x/+\"},\"b\":{\"match\":\"x/{device}\"}"),
			 -EINVAL);
	assert_string_equal(house.faults.items[house.faults.count - 1].pointer,
			    "/profiles/b/match");
	house_close(&house);
}

/* -- decoders that are looked for when they are needed -- */

static unsigned searched;

static const struct fg_decoder *find_counted(const char *name)
{
	const struct fg_decoder *decoder;

	searched += strcmp(name, "late") == 0;
	if (strcmp(name, "late") == 0)
		name = "json";
	return fg_registry_decoder(name, &decoder) == 0 ? decoder : NULL;
}

static void shipped_decoders_wait(void **state)
{
	const struct fg_named_profile named[] = {
		{ .name = "late", .conf = { .match = "l/{device}", .format = "late" },
		  .shipped = true },
		{ .name = "never", .conf = { .match = "n/{device}", .format = "no-such" },
		  .shipped = true },
	};
	struct house house = { 0 };

	(void)state;
	fg_faults_init(&house.faults);
	searched = 0;
	assert_int_equal(
		fg_profiles_new(named, 2, find_counted, &house.faults, &house.book.profiles), 0);
	assert_int_equal(searched, 0);
	for (int i = 0; i < 2; i++)
		reads(&house, NULL, "l/d", -1, "{\"a\":1}", "d|a=1");
	assert_int_equal(searched, 1);
	reads(&house, NULL, "n/d", -1, "1", "rejected: its decoder cannot be loaded");
	fg_profiles_free(house.book.profiles);
	fg_faults_fini(&house.faults);
}

static void shipped_texts_wait(void **state)
{
	const struct fg_named_profile named[] = {
		{ .name = "never", .conf = { .match = "n/{device}" }, .shipped = true,
		  .text = "{" },
		{ .name = "late", .conf = { .match = "l/{device}", .format = "json" },
		  .shipped = true,
		  .text = "{\"match\":\"l/{device}\",\"format\":\"json\","
			  "\"points\":{\"b\":{\"from\":\"/a\",\"unit\":\"Cel\"}}}" },
	};
	struct house house = { 0 };
	const struct fg_profile *never;

	(void)state;
	fg_faults_init(&house.faults);
	assert_int_equal(
		fg_profiles_new(named, 2, find_counted, &house.faults, &house.book.profiles), 0);
	for (int i = 0; i < 2; i++)
		reads(&house, NULL, "l/d", -1, "{\"a\":1,\"c\":2}", "d|b=1(Cel)");
	/* nobody has read it yet, or it would have been missed; and it stays as it is */
	never = fg_profiles_find(house.book.profiles, "never");
	for (int i = 0; i < 2; i++)
		assert_int_equal(fg_profile_ready(never), -ENOMEM);
	fg_profiles_free(house.book.profiles);
	fg_faults_fini(&house.faults);
}

static void own_decoders_do_not(void **state)
{
	const struct fg_named_profile named = { .name = "mine", .conf = { .format = "no-such" } };
	struct fg_profiles *profiles = NULL;
	struct fg_faults faults;

	(void)state;
	fg_faults_init(&faults);
	assert_int_equal(fg_profiles_new(&named, 1, find_counted, &faults, &profiles), -EINVAL);
	assert_string_equal(faults.items[0].pointer, "/profiles/mine/format");
	assert_null(profiles);
	fg_faults_fini(&faults);
}

/* Each shipped profile of a decoder that this firmware has is there, and is right. */
static void shipped_ones_are_good(void **state)
{
	struct house house;

	(void)state;
	assert_int_equal(house_open(&house, ""), 0);
	for (const struct fg_shipped_profile *p = fg_shipped_profiles(); p->name; p++) {
		const struct fg_profile *profile = fg_profiles_find(house.book.profiles, p->name);

		if (!profile != !p->text || (profile && fg_profile_ready(profile) < 0))
			fail_msg("%s", p->name);
	}
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_are_picked),
		cmocka_unit_test(one_value_alone),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(places_and_leaves),
		cmocka_unit_test(shipped_ones),
		cmocka_unit_test(content_formats),
		cmocka_unit_test(own_ones_come_first),
		cmocka_unit_test(fields_by_place),
		cmocka_unit_test(wildcards_take_no_system_topics),
		cmocka_unit_test(a_tie_is_a_fault),
		cmocka_unit_test(shipped_decoders_wait),
		cmocka_unit_test(shipped_texts_wait),
		cmocka_unit_test(own_decoders_do_not),
		cmocka_unit_test(shipped_ones_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Packs, written and read back by the project's own decoder: every kind of value, both forms of
 * SenML. The flat forms are compared as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/decode.h"
#include "record/pack.h"

#define BASE_NS 1763788800250000000

static const struct fg_record records[] = {
	{ .point = FG_STR("i"), .value = { .kind = FG_INT, .i = INT64_MIN } },
	{ .point = FG_STR("j"), .value = { .kind = FG_INT, .i = -1 } },
	{ .point = FG_STR("k"), .value = { .kind = FG_INT, .i = 9007199254740993 } },
	{ .point = FG_STR("u"), .value = { .kind = FG_UINT, .u = UINT64_MAX } },
	{ .point = FG_STR("m"),
	  .unit = FG_STR("Cel"),
	  .value = { .kind = FG_DECIMAL, .exp10 = -1, .i = 215 } },
	{ .point = FG_STR("d"), .value = { .kind = FG_DOUBLE, .d = 1e300 } },
	{ .point = FG_STR("f"), .value = { .kind = FG_DOUBLE, .d = 0.1 + 0.2 } },
	{ .point = FG_STR("t"), .value = { .kind = FG_BOOL, .b = true } },
	{ .point = FG_STR("n"), .value = { .kind = FG_BOOL } },
	{ .point = FG_STR("s"), .value = { .kind = FG_STRING, .s = FG_STR("\"\\\n\x01\xc3\xa9") } },
	{ .point = FG_STR("e"), .value = { .kind = FG_STRING, .s = FG_STR("") } },
	{ .point = FG_STR("b"), .value = { .kind = FG_DATA, .s = FG_STR("\0\xff\x80 bytes") } },
	{ .point = FG_STR("sum"), .sum = { .kind = FG_INT, .i = 12 }, .update_s = 2.5 },
};

#define COUNT (sizeof(records) / sizeof(records[0]))

static void value_same(const struct fg_value *a, const struct fg_value *b)
{
	if (fg_value_is_number(a)) {
		assert_true(fg_value_is_number(b));
		assert_true(fg_value_double(a) == fg_value_double(b));
		if (a->kind == FG_INT || a->kind == FG_UINT)
			assert_true(a->kind == b->kind && a->u == b->u);
		return;
	}
	assert_int_equal(a->kind, b->kind);
	if (a->kind == FG_BOOL)
		assert_int_equal(a->b, b->b);
	else if (a->kind != FG_NONE)
		assert_true(fg_str_eq(a->s, b->s));
}

static void decode(struct fg_str text, enum fg_pack_format format, struct fg_doc *doc)
{
	struct fg_decode_context ctx = { .content_format = format == FG_PACK_JSON ? 110 : 112 };

	fg_doc_init(doc, 16, 1 << 20);
	doc->now_ns = BASE_NS;
	assert_int_equal(fg_decoder_senml.decode(&ctx, text, doc), 0);
}

static void round_trip(enum fg_pack_format format)
{
	struct fg_pack pack;
	struct fg_buf out;
	struct fg_doc doc;
	struct fg_str text;

	fg_buf_init(&out, 1 << 20);
	fg_pack_begin(&pack, &out, format, FG_STR("gw"));
	for (size_t i = 0; i < COUNT; i++) {
		struct fg_record record = records[i];

		record.time_ns = i % 3 ? FG_TIME_NONE : BASE_NS + (int64_t)i * 1000000;
		fg_pack_add(&pack, i < 5 ? FG_STR("a") : FG_STR("b/c"), &record, BASE_NS, i == 2);
	}
	text = fg_pack_end(&pack, &(struct fg_pack_head){ .ranged = true,
							  .epoch = 0x9f3c2a7105d1e6b4,
							  .first = 1,
							  .last = COUNT,
							  .prev_epoch = UINT64_MAX,
							  .prev_last = UINT64_MAX,
							  .begin = true,
							  .why = "bridge-removed" });
	assert_non_null(text.ptr);
	assert_true(text.len <= fg_pack_size(&pack) + 1);
	decode(text, format, &doc);
	assert_int_equal(doc.len, COUNT + 1);
	for (size_t i = 0; i < COUNT; i++) {
		const struct fg_node *node = &doc.nodes[i + 1];
		char name[32];

		snprintf(name, sizeof(name), "gw/%s/%s", i < 5 ? "a" : "b/c", records[i].point.ptr);
		assert_true(fg_str_eq_c(node->key, name));
		assert_true(fg_str_eq(node->unit, records[i].unit));
		value_same(&records[i].value, &node->value);
		value_same(&records[i].sum, &node->sum);
		assert_true(node->update_s == records[i].update_s);
		assert_true(llabs(node->time_ns - (BASE_NS + (i % 3 ? 0 : (int64_t)i * 1000000))) <
			    1000);
	}
	fg_doc_fini(&doc);
	fg_buf_fini(&out);
}

static void comes_back_from_json(void **state)
{
	(void)state;
	round_trip(FG_PACK_JSON);
}

static void comes_back_from_cbor(void **state)
{
	(void)state;
	round_trip(FG_PACK_CBOR);
}

static void the_head_says_the_range(void **state)
{
	struct fg_pack pack;
	struct fg_buf out;
	struct fg_str text;

	(void)state;
	fg_buf_init(&out, 4096);
	fg_pack_begin(&pack, &out, FG_PACK_JSON, FG_STR("gw"));
	fg_pack_add(&pack, FG_STR("a"),
		    &(struct fg_record){ .point = FG_STR("x"),
					 .value = { .kind = FG_INT, .i = 1 },
					 .time_ns = FG_TIME_NONE },
		    5, true);
	text = fg_pack_end(&pack, &(struct fg_pack_head){ .ranged = true,
							  .epoch = 0xabc,
							  .first = 7,
							  .last = 9,
							  .prev_epoch = 2,
							  .prev_last = 3,
							  .begin = true,
							  .why = "damaged" });
	/* a clock of 1970 is not written */
	assert_true(fg_str_eq_c(text, "[{\"epoch\":\"0000000000000abc\",\"first\":7,\"last\":9,"
				      "\"prev\":\"0000000000000002:3\",\"begin\":true,"
				      "\"why\":\"damaged\",\"bn\":\"gw/a/\",\"n\":\"x\",\"v\":1,"
				      "\"clock\":\"unsynced\"}]"));
	fg_buf_fini(&out);
}

/* What is undone leaves no trace: device and time are written as if it had never been there. */
static void undone_is_as_if_never_added(void **state)
{
	const struct fg_record one = { .point = FG_STR("x"),
				       .value = { .kind = FG_INT, .i = 1 },
				       .time_ns = FG_TIME_NONE };

	(void)state;
	for (int format = FG_PACK_JSON; format < FG_PACK__MAX; format++) {
		struct fg_pack pack, twin;
		struct fg_buf out, other;
		struct fg_pack_mark mark;

		fg_buf_init(&out, 4096);
		fg_buf_init(&other, 4096);
		fg_pack_begin(&pack, &out, (enum fg_pack_format)format, FG_STR("gw"));
		fg_pack_begin(&twin, &other, (enum fg_pack_format)format, FG_STR("gw"));
		fg_pack_add(&pack, FG_STR("a"), &one, BASE_NS, false);
		fg_pack_add(&twin, FG_STR("a"), &one, BASE_NS, false);
		mark = fg_pack_mark(&pack);
		fg_pack_add(&pack, FG_STR("b"), &one, BASE_NS + 1000000000, true);
		fg_pack_undo(&pack, mark);
		fg_pack_add(&pack, FG_STR("a"), &one, BASE_NS, false);
		fg_pack_add(&twin, FG_STR("a"), &one, BASE_NS, false);
		assert_true(fg_str_eq(fg_pack_end(&pack, NULL), fg_pack_end(&twin, NULL)));
		fg_buf_fini(&out);
		fg_buf_fini(&other);
	}
}

static void bounds_fail_whole(void **state)
{
	struct fg_pack pack;
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 300);
	fg_pack_begin(&pack, &out, FG_PACK_JSON, FG_STR("gw"));
	assert_true(fg_str_eq_c(fg_pack_end(&pack, NULL), "[]"));
	for (int i = 0; i < 5; i++)
		fg_pack_add(&pack, FG_STR("a"),
			    &(struct fg_record){ .point = FG_STR("temperature"),
						 .value = { .kind = FG_INT, .i = 1 },
						 .time_ns = FG_TIME_NONE },
			    BASE_NS, false);
	assert_true(out.failed);
	assert_null(fg_pack_end(&pack, NULL).ptr);
	fg_buf_fini(&out);
}

/* Each record whole in itself; the quotes of `\"\\\n` and so on as each form wants them. */
static void written_flat(enum fg_pack_format format, const struct fg_pack_head *head,
			 const char *wanted)
{
	static const struct fg_record some[] = {
		{ .point = FG_STR("t"),
		  .unit = FG_STR("Cel"),
		  .value = { .kind = FG_DECIMAL, .exp10 = -1, .i = 215 } },
		{ .point = FG_STR("a/on"), .value = { .kind = FG_BOOL, .b = true } },
		{ .point = FG_STR("s"),
		  .value = { .kind = FG_STRING, .s = FG_STR("a \"b\\") },
		  .unit = FG_STR("x") },
		{ .point = FG_STR("b"), .value = { .kind = FG_DATA, .s = FG_STR("\xff") } },
		{ .point = FG_STR("sum"), .sum = { .kind = FG_INT, .i = 12 } },
		{ .point = FG_STR("both"),
		  .value = { .kind = FG_INT, .i = -7 },
		  .sum = { .kind = FG_INT, .i = 12 } },
	};
	struct fg_pack pack;
	struct fg_buf out;
	struct fg_str text;
	char got[2048];

	fg_buf_init(&out, 1 << 20);
	fg_pack_begin(&pack, &out, format, FG_STR("gw"));
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct fg_record record = some[i];

		record.time_ns = FG_TIME_NONE;
		fg_pack_add(&pack, i < 5 ? FG_STR("d,e =f") : FG_STR("g"), &record,
			    i == 1 ? FG_TIME_NONE : BASE_NS, i == 1);
	}
	text = fg_pack_end(&pack, head);
	snprintf(got, sizeof(got), "%.*s", (int)text.len, text.ptr);
	assert_string_equal(got, wanted);
	fg_buf_fini(&out);
}

#define WHO(point) "{\"gateway\":\"gw\",\"device\":\"d,e =f\",\"point\":\"" point "\""
#define AT ",\"time\":1763788800.25"

static void flat_objects_are_whole(void **state)
{
	(void)state;
	written_flat(FG_PACK_FLAT,
		     &(struct fg_pack_head){
			     .ranged = true, .epoch = 10, .first = 3, .last = 8, .why = "damaged" },
		     "[" WHO("t") AT ",\"value\":21.5,\"unit\":\"Cel\"}," WHO(
			     "a/on") ",\"value\":true,\"clock\":\"unsynced\"}," WHO("s") AT
		     ",\"value\":\"a \\\"b\\\\\",\"unit\":\"x\"}," WHO("b") AT
		     ",\"value\":\"_w\"}," WHO("sum") AT
		     ",\"sum\":12},"
		     "{\"gateway\":\"gw\",\"device\":\"g\",\"point\":\"both\"" AT
		     ",\"value\":-7,\"sum\":12,\"why\":\"damaged\",\"epoch\":"
		     "\"000000000000000a\",\"first\":3,\"last\":8}]");
}

#define TAGS ",device=d\\,e\\ \\=f,gateway=gw"
#define NS " 1763788800250000000\n"

static void influx_lines_are_whole(void **state)
{
	(void)state;
	written_flat(FG_PACK_INFLUX, NULL,
		     "t" TAGS ",unit=Cel value=21.5" NS "a/on" TAGS ",clock=unsynced state=true\n"
		     "s" TAGS " text=\"a \\\"b\\\\\"" NS "b" TAGS " data=\"_w\"" NS "sum" TAGS
		     " sum=12" NS "both,device=g,gateway=gw value=-7,sum=12" NS);
}

#define TS "{\"ts\":1763788800250,\"values\":"

static void thingsboard_has_a_device_once(void **state)
{
	const struct fg_record one = { .point = FG_STR("x"),
				       .value = { .kind = FG_STRING, .s = FG_STR("\"b\":[{") },
				       .time_ns = FG_TIME_NONE };
	static const char twice[] = "\"a\":[" TS "{\"x\":\"\\\"b\\\":[{\"}}," TS "{\"x\":";
	struct fg_pack pack;
	struct fg_buf out;
	struct fg_str text;

	(void)state;
	written_flat(FG_PACK_THINGSBOARD,
		     &(struct fg_pack_head){
			     .ranged = true, .epoch = 10, .first = 3, .last = 8, .why = "damaged" },
		     "{\"d,e =f\":[" TS "{\"t\":21.5}},{\"values\":{\"a/on\":true}}," TS
		     "{\"s\":\"a \\\"b\\\\\",\"b\":\"_w\",\"sum/sum\":12}}],\"g\":[" TS
		     "{\"both\":-7,\"both/sum\":12,\"why\":\"damaged\",\"epoch\":"
		     "\"000000000000000a\",\"first\":3,\"last\":8}}]}");
	fg_buf_init(&out, 4096);
	fg_pack_begin(&pack, &out, FG_PACK_THINGSBOARD, FG_STR("gw"));
	assert_true(fg_pack_takes(&pack, FG_STR("aa")));
	fg_pack_add(&pack, FG_STR("aa"), &one, BASE_NS, false);
	assert_true(fg_pack_takes(&pack, FG_STR("aa")));
	assert_true(fg_pack_takes(&pack, FG_STR("a")));
	assert_true(fg_pack_takes(&pack, FG_STR("b")));
	fg_pack_add(&pack, FG_STR("a"), &one, BASE_NS, false);
	assert_false(fg_pack_takes(&pack, FG_STR("aa")));
	/* the same point at the same time once more */
	fg_pack_add(&pack, FG_STR("a"), &one, BASE_NS, false);
	text = fg_pack_end(&pack, NULL);
	assert_non_null(memmem(text.ptr, text.len, twice, strlen(twice)));
	fg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_from_json),
		cmocka_unit_test(comes_back_from_cbor),
		cmocka_unit_test(the_head_says_the_range),
		cmocka_unit_test(undone_is_as_if_never_added),
		cmocka_unit_test(bounds_fail_whole),
		cmocka_unit_test(flat_objects_are_whole),
		cmocka_unit_test(influx_lines_are_whole),
		cmocka_unit_test(thingsboard_has_a_device_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

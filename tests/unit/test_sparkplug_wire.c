/* Sparkplug B as it is written, read back by the decoder that is made of the specification's own
 * message definitions; what births remember; names as levels of a topic. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <fg/doc.h>
#include <fg/registry.h>

#include "../../bridges/sparkplug/sparkplug.h"

#include <cmocka.h>

static const struct fg_value ALL[] = {
	{ .kind = FG_INT, .i = INT64_MAX },
	{ .kind = FG_INT, .i = INT64_MIN },
	{ .kind = FG_INT, .i = 0 },
	{ .kind = FG_UINT, .u = UINT64_MAX },
	{ .kind = FG_DOUBLE, .d = -0.1 },
	{ .kind = FG_DECIMAL, .i = 215, .exp10 = -1 },
	{ .kind = FG_BOOL, .b = true },
	{ .kind = FG_BOOL, .b = false },
	{ .kind = FG_STRING, .s = { "eco", 3 } },
	{ .kind = FG_STRING, .s = { "", 0 } },
	{ .kind = FG_DATA, .s = { "\0\xff", 2 } },
};
#define COUNT (sizeof(ALL) / sizeof(ALL[0]))

static void write_all(struct fg_buf *out, int seq)
{
	const struct fg_value sum = { .kind = FG_INT, .i = 7 };
	static const char names[] = "abcdefghijklmn";

	wire_begin(out, 1700000000123);
	for (size_t i = 0; i < COUNT; i++)
		wire_metric(out, &(struct wire_metric){ .name = { names + i, 1 },
							.time_ms = 1700000000000 + (int64_t)i,
							.type = wire_type_for(SPB_NO_TYPE, &ALL[i]),
							.typed = true,
							.historical = i % 2,
							.value = &ALL[i],
							.unit = FG_STR("Cel"),
							.why = FG_STR("damaged"),
							.sum = &sum });
	wire_metric(out, &(struct wire_metric){ .name = FG_STR("null"),
						.time_ms = 1700000000000,
						.type = SPB_DOUBLE,
						.typed = true });
	wire_end(out, seq);
	assert_false(out->failed);
}

static void check_value(const struct fg_value *got, const struct fg_value *wanted)
{
	if (fg_value_is_number(wanted)) {
		assert_true(fg_value_is_number(got));
		assert_true(fg_value_double(got) == fg_value_double(wanted));
	} else {
		assert_int_equal(got->kind, wanted->kind);
	}
	if (wanted->kind == FG_INT)
		assert_true(got->i == wanted->i);
	if (wanted->kind == FG_UINT)
		assert_true(got->u == wanted->u);
	if (wanted->kind == FG_BOOL)
		assert_int_equal(got->b, wanted->b);
	if (wanted->kind == FG_STRING || wanted->kind == FG_DATA)
		assert_true(fg_str_eq(got->s, wanted->s));
}

static void test_read_back(void **state)
{
	struct fg_decode_context context = { .address = FG_STR("spBv1.0/g/DBIRTH/n/d"),
					     .content_format = -1 };
	const struct fg_decoder *decoder;
	struct fg_buf out;
	struct fg_doc doc;

	(void)state;
	if (fg_registry_decoder("sparkplug", &decoder) < 0)
		skip();
	fg_buf_init(&out, 4096);
	fg_doc_init(&doc, 8, 4096);
	doc.now_right = false;
	write_all(&out, 255);
	assert_int_equal(decoder->decode(&context, fg_buf_view(&out), &doc), 0);
	assert_true(doc.time_ns == INT64_C(1700000000123) * 1000000);
	assert_int_equal(doc.nodes[0].children, COUNT + 1);
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct fg_node *node = &doc.nodes[1 + i];

		assert_int_equal(node->type, FG_NODE_SCALAR);
		assert_true(node->time_ns == (INT64_C(1700000000000) + i) * 1000000);
		check_value(&node->value, &ALL[i]);
	}
	assert_int_equal(doc.nodes[1 + COUNT].type, FG_NODE_NULL);
	/* without its number it would be taken for one that was cut off */
	write_all(&out, SPB_NO_SEQ);
	fg_doc_reset(&doc, 0);
	assert_int_equal(decoder->decode(&context, fg_buf_view(&out), &doc), -EBADMSG);
	fg_doc_fini(&doc);
	fg_buf_fini(&out);
}

/* Each byte of it, so that nothing is left to two readers that err alike. */
static void test_bytes(void **state)
{
	static const char wanted[] = "\x08\x01\x12\x12\x0a\x01"
				     "n\x18\x02\x20\x0a\x28\x01\x69\0\0\0\0\0\0\xf8\x3f\x18\x03";
	const struct fg_value value = { .kind = FG_DOUBLE, .d = 1.5 };
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 64);
	wire_begin(&out, 1);
	wire_metric(&out, &(struct wire_metric){ .name = FG_STR("n"),
						 .time_ms = 2,
						 .type = SPB_DOUBLE,
						 .typed = true,
						 .historical = true,
						 .value = &value });
	wire_end(&out, 3);
	assert_int_equal(out.len, sizeof(wanted) - 1);
	assert_memory_equal(out.data, wanted, sizeof(wanted) - 1);
	/* what does not fit fails whole */
	fg_buf_fini(&out);
	fg_buf_init(&out, 10);
	wire_begin(&out, 1);
	wire_metric(&out, &(struct wire_metric){
				  .name = FG_STR("name"), .value = &value, .type = SPB_DOUBLE });
	assert_true(out.failed);
	fg_buf_fini(&out);
}

static void test_types(void **state)
{
	const struct fg_value one = { .kind = FG_INT, .i = 1 },
			      half = { .kind = FG_DOUBLE, .d = .5 },
			      minus = { .kind = FG_INT, .i = -1 }, big = { .kind = FG_UINT },
			      long_one = { .kind = FG_INT, .i = INT64_MAX },
			      none = { .kind = FG_NONE };

	(void)state;
	assert_int_equal(wire_type_for(SPB_NO_TYPE, &one), SPB_INT64);
	assert_int_equal(wire_type_for(SPB_INT64, &half), SPB_DOUBLE);
	assert_int_equal(wire_type_for(SPB_DOUBLE, &one), SPB_DOUBLE);
	assert_int_equal(wire_type_for(SPB_DOUBLE, &long_one), SPB_INT64);
	assert_int_equal(wire_type_for(SPB_INT64, &big), SPB_UINT64);
	assert_int_equal(wire_type_for(SPB_UINT64, &one), SPB_UINT64);
	assert_int_equal(wire_type_for(SPB_UINT64, &minus), SPB_INT64);
	assert_int_equal(wire_type_for(SPB_NO_TYPE, &none), SPB_DOUBLE);
	assert_int_equal(wire_type_for(SPB_STRING, &none), SPB_STRING);
}

static void check_level(const char *name, const char *wanted)
{
	struct fg_buf out;

	fg_buf_init(&out, 256);
	spark_put_level(&out, fg_str_c(name));
	assert_int_equal(out.len, strlen(wanted));
	assert_memory_equal(out.data, wanted, out.len);
	fg_buf_fini(&out);
}

static void test_levels(void **state)
{
	(void)state;
	check_level("th1", "th1");
	check_level("hall/th1", "hall_x2F_th1");
	check_level("hall_x2F_th1", "hall_x5F_x2F_th1");
	check_level("a_x5F_b", "a_x5F_x5F_b");
	check_level("a_x2B_b", "a_x2B_b");
	check_level("/", "_x2F_");
}

static struct known_metric *learn(struct known *known, struct known_device *device,
				  const char *name, const struct fg_value *value, bool *changed)
{
	struct known_metric *metric = NULL;

	*changed = false;
	assert_int_equal(known_metric(known, device, fg_str_c(name), FG_STR("Cel"), value, &metric,
				      changed),
			 0);
	return metric;
}

static void test_known(void **state)
{
	const struct fg_value one = { .kind = FG_INT, .i = 1 },
			      half = { .kind = FG_DOUBLE, .d = .5 },
			      text = { .kind = FG_STRING, .s = { "on", 2 } };
	struct known_device *device, *same;
	struct known_metric *metric;
	struct known known;
	char name[16];
	bool changed;

	(void)state;
	known_init(&known, 1 << 20);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "dev%d", i);
		assert_int_equal(known_device(&known, fg_str_c(name), &device), 0);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "dev%d", i);
		assert_int_equal(known_device(&known, fg_str_c(name), &same), 0);
		assert_true(fg_str_eq_c(same->name, name) && same == known.devices[i]);
	}
	assert_null(known_find(&known, FG_STR("dev500")));
	metric = learn(&known, device, "t", &one, &changed);
	assert_true(changed && !metric->said && metric->type == SPB_INT64);
	known_say(&known, metric, &one, 1000);
	assert_true(learn(&known, device, "t", &one, &changed) == metric && !changed);
	/* older than what was said: it does not count */
	known_say(&known, metric, &half, 999);
	assert_true(metric->said && metric->value.i == 1);
	/* wider: what was said stands */
	(void)learn(&known, device, "t", &half, &changed);
	assert_true(changed && metric->said && metric->type == SPB_DOUBLE);
	/* another kind: it does not */
	(void)learn(&known, device, "t", &text, &changed);
	assert_true(changed && !metric->said && metric->type == SPB_STRING);
	known_say(&known, metric, &text, 1001);
	assert_true(metric->value.s.ptr != text.s.ptr && fg_str_eq(metric->value.s, text.s));
	known_fini(&known);
}

static void test_known_is_bounded(void **state)
{
	struct known_device *device;
	struct known known;
	char name[16];
	int r = 0;

	(void)state;
	known_init(&known, 4096);
	for (int i = 0; r == 0 && i < 1000; i++) {
		snprintf(name, sizeof(name), "dev%d", i);
		r = known_device(&known, fg_str_c(name), &device);
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(known.bytes <= 4096 && known.ndevices > 10);
	known_clear(&known);
	assert_int_equal(known.bytes, 0);
	assert_int_equal(known_device(&known, FG_STR("a"), &device), 0);
	known_fini(&known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_known_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

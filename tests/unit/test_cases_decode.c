/*
 * Real inputs: JSON, SenML and COBS/SLIP vectors with what each must become. They are not part of
 * this repository; where they are absent (neither $FG_CASES nor ../shared/cases) the tests are
 * skipped and say so.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fg/framer.h>

#include "decode/decode.h"

enum { FILE_MAX = 16 << 20 };

struct family {
	char folder[512];
	char *text; /* cases.json */
	struct fg_doc cases;
	uint32_t at; /* the next case's node */
	uint32_t left;
};

static struct fg_str file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = malloc(FILE_MAX);
	size_t n;

	if (!file || !text) {
		free(text);
		if (file)
			fclose(file);
		return (struct fg_str){ 0 };
	}
	n = fread(text, 1, FILE_MAX, file);
	fclose(file);
	char *exact = malloc(n ? n : 1);

	assert_non_null(exact);
	memcpy(exact, text, n);
	free(text);
	return fg_str(exact, n);
}

static const struct fg_node *member(const struct fg_doc *doc, uint32_t at, const char *key)
{
	const struct fg_node *parent = &doc->nodes[at];
	uint32_t i = at + 1;

	for (uint32_t n = 0; n < parent->children; n++, i = doc->nodes[i].next) {
		if (fg_str_eq_c(doc->nodes[i].key, key))
			return &doc->nodes[i];
	}
	return NULL;
}

static struct fg_str text_member(const struct fg_doc *doc, uint32_t at, const char *key)
{
	const struct fg_node *node = member(doc, at, key);

	return node && node->value.kind == FG_STRING ? node->value.s : (struct fg_str){ 0 };
}

static bool family_open(struct family *family, const char *name)
{
	const char *base = getenv("FG_CASES");
	char path[600];

	snprintf(family->folder, sizeof(family->folder), "%s/%s",
		 base ? base : FG_SOURCE_DIR "/../shared/cases", name);
	snprintf(path, sizeof(path), "%s/cases.json", family->folder);
	struct fg_str text = file_read(path);

	if (!text.ptr) {
		fprintf(stderr, "skipped: no cases at %s\n", family->folder);
		return false;
	}
	family->text = (char *)(uintptr_t)text.ptr;
	fg_doc_init(&family->cases, 64, FILE_MAX);
	assert_int_equal(fg_json_parse(text, &family->cases), 0);
	const struct fg_node *list = member(&family->cases, 0, "cases");

	assert_non_null(list);
	family->at = (uint32_t)(list - family->cases.nodes) + 1;
	family->left = list->children;
	fprintf(stderr, "%s: %u cases\n", name, family->left);
	return true;
}

static bool family_next(struct family *family, uint32_t *ret_at, struct fg_str *ret_input)
{
	char path[700];

	if (family->left-- == 0)
		return false;
	*ret_at = family->at;
	family->at = family->cases.nodes[family->at].next;
	struct fg_str input = text_member(&family->cases, *ret_at, "input");

	snprintf(path, sizeof(path), "%s/%.*s", family->folder, (int)input.len, input.ptr);
	*ret_input = file_read(path);
	assert_non_null(ret_input->ptr);
	return true;
}

static void family_close(struct family *family)
{
	fg_doc_fini(&family->cases);
	free(family->text);
}

static void input_free(struct fg_str input)
{
	free((void *)(uintptr_t)input.ptr);
}

/* Is the outcome what the case expects? "either" allows both. */
static void check_outcome(const struct family *family, uint32_t at, int r, const char *reason)
{
	struct fg_str id = text_member(&family->cases, at, "id");
	struct fg_str expect = text_member(&family->cases, at, "expect");
	bool wrong = fg_str_eq_c(expect, "accept") ? r != 0 :
		     fg_str_eq_c(expect, "reject") ? r == 0 :
						     false;

	if (wrong)
		fail_msg("%.*s: expected %.*s, got %d %s", (int)id.len, id.ptr, (int)expect.len,
			 expect.ptr, r, reason ? reason : "");
}

static void json_cases(void **state)
{
	struct family family;
	struct fg_str input;
	struct fg_doc doc;
	uint32_t at;

	(void)state;
	if (!family_open(&family, "json-robustness"))
		skip();
	fg_doc_init(&doc, 32, 256 * 1024);
	while (family_next(&family, &at, &input)) {
		check_outcome(&family, at, fg_json_parse(input, &doc), doc.reason);
		fg_doc_reset(&doc, 0);
		input_free(input);
	}
	fg_doc_fini(&doc);
	family_close(&family);
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-6 * (fabs(a) > 1 ? fabs(a) : 1);
}

static double number_member(const struct fg_doc *doc, uint32_t at, const char *key)
{
	const struct fg_node *node = member(doc, at, key);

	return node ? fg_value_double(&node->value) : NAN;
}

static bool value_matches(const struct fg_doc *cases, uint32_t at, const struct fg_node *node)
{
	const struct fg_node *want = member(cases, at, "value");
	struct fg_str type = text_member(cases, at, "type");

	if (fg_str_eq_c(type, "number"))
		return fg_value_is_number(&node->value) &&
		       near(fg_value_double(&want->value), fg_value_double(&node->value));
	if (fg_str_eq_c(type, "boolean"))
		return node->value.kind == FG_BOOL && node->value.b == want->value.b;
	if (fg_str_eq_c(type, "string"))
		return node->value.kind == FG_STRING && fg_str_eq(node->value.s, want->value.s);
	if (fg_str_eq_c(type, "data"))
		return node->value.kind == FG_DATA;
	return fg_str_eq_c(type, "sum-only") && node->value.kind == FG_NONE;
}

static bool record_matches(const struct fg_doc *cases, uint32_t at, const struct fg_node *node)
{
	double time = number_member(cases, at, "time"), sum = number_member(cases, at, "sum");

	return fg_str_eq(node->key, text_member(cases, at, "name")) &&
	       fg_str_eq(node->unit, text_member(cases, at, "unit")) &&
	       value_matches(cases, at, node) &&
	       (isnan(time) || near(time, (double)node->time_ns / 1e9)) &&
	       (isnan(sum) || near(sum, fg_value_double(&node->sum)));
}

static void check_records(const struct family *family, uint32_t at, const struct fg_doc *doc)
{
	const struct fg_doc *cases = &family->cases;
	const struct fg_node *records = member(cases, at, "records");
	struct fg_str id = text_member(cases, at, "id");

	if (!records || records->type != FG_NODE_ARRAY)
		return;
	uint32_t want = (uint32_t)(records - cases->nodes) + 1, got = 1;

	assert_int_equal(records->children, doc->nodes[0].children);
	for (uint32_t i = 0; i < records->children; i++) {
		if (!record_matches(cases, want, &doc->nodes[got]))
			fail_msg("%.*s: record %u differs", (int)id.len, id.ptr, i);
		want = cases->nodes[want].next;
		got = doc->nodes[got].next;
	}
}

static void senml_cases(void **state)
{
	struct fg_decode_context ctx = { .content_format = -1 };
	struct family family;
	struct fg_str input;
	struct fg_doc doc;
	uint32_t at;

	(void)state;
	if (!family_open(&family, "senml"))
		skip();
	fg_doc_init(&doc, 32, 256 * 1024);
	while (family_next(&family, &at, &input)) {
		const struct fg_node *address = member(&family.cases, at, "address");
		uint32_t address_at = (uint32_t)(address - family.cases.nodes);
		int r;

		ctx.content_format =
			(int)number_member(&family.cases, address_at, "content_format");
		r = fg_decoder_senml.decode(&ctx, input, &doc);
		check_outcome(&family, at, r, doc.reason);
		if (!r && fg_str_eq_c(text_member(&family.cases, at, "expect"), "accept"))
			check_records(&family, at, &doc);
		fg_doc_reset(&doc, 0);
		input_free(input);
	}
	fg_doc_fini(&doc);
	family_close(&family);
}

struct frames {
	char hex[4096];
	unsigned count;
};

static void frame_take(void *arg, struct fg_str frame)
{
	struct frames *frames = arg;

	frames->count++;
	frames->hex[0] = '\0';
	for (size_t i = 0; i < frame.len && i < 2000; i++)
		snprintf(frames->hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)frame.ptr[i]);
}

static enum fg_framer_kind kind_of(struct fg_str framing)
{
	if (fg_str_starts(framing, FG_STR("SLIP")))
		return FG_FRAMER_SLIP;
	return fg_str_starts(framing, FG_STR("COBSR")) ? FG_FRAMER_COBSR : FG_FRAMER_COBS;
}

static void check_stream(const struct family *family, uint32_t at, enum fg_framer_kind kind,
			 struct fg_str input)
{
	const struct fg_framer_conf conf = { .kind = kind };
	struct fg_str want = text_member(&family->cases, at, "decoded_hex");
	struct fg_str id = text_member(&family->cases, at, "id");
	struct frames frames = { .count = 0 };
	struct fg_framer framer;

	assert_int_equal(fg_framer_init(&framer, &conf), 0);
	fg_framer_feed(&framer, input.ptr, input.len, frame_take, &frames);
	fg_framer_end(&framer, frame_take, &frames);
	fg_framer_fini(&framer);
	if (want.len && (frames.count != 1 || !fg_str_eq_c(want, frames.hex)))
		fail_msg("%.*s: %u frames, the last %s", (int)id.len, id.ptr, frames.count,
			 frames.hex);
}

static void framing_cases(void **state)
{
	struct family family;
	struct fg_str input;
	uint32_t at;

	(void)state;
	if (!family_open(&family, "serial-framing"))
		skip();
	while (family_next(&family, &at, &input)) {
		const struct fg_node *address = member(&family.cases, at, "address");
		uint32_t address_at = (uint32_t)(address - family.cases.nodes);
		enum fg_framer_kind kind =
			kind_of(text_member(&family.cases, address_at, "framing"));
		char *out = malloc(input.len + 1);
		size_t len;

		assert_non_null(out);
		check_stream(&family, at, kind, input);
		if (kind != FG_FRAMER_SLIP)
			check_outcome(&family, at,
				      fg_cobs_decode(input, kind == FG_FRAMER_COBSR, out, &len),
				      NULL);
		free(out);
		input_free(input);
	}
	family_close(&family);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_cases),
		cmocka_unit_test(senml_cases),
		cmocka_unit_test(framing_cases),
	};

	return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}

/* Typed fields: every type and order, bits, lengths, what is refused, and back into bytes; the two
 * decoders that read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode/field.h"
#include "doc_text.h"

#include <errno.h>

#define BYTES "\x81\x02\x03\x04\x05\x06\x07\x88"
#define B(bytes) FG_STR(bytes)

struct row {
	struct fg_field_conf conf;
	const char *text;	/* "=value", or "member: why" */
};

/* The document that one field makes of the bytes. */
static char *field_text(const struct fg_field_conf *conf, bool registers, struct fg_str payload)
{
	struct fg_named_field named = { .name = FG_STR("x") };
	struct fg_fields fields = { .items = &named, .count = 1 };
	struct fg_decode_context ctx = { .content_format = -1, .conf = &fields };
	const char *member;
	char why[128], *out;

	if (fg_field_compile(conf, registers, &named.field, &member, why, sizeof(why)) < 0) {
		out = malloc(256);
		assert_non_null(out);
		snprintf(out, 256, "%s: %s", member, why);
		return out;
	}
	return doc_text(registers ? &fg_decoder_registers : &fg_decoder_binary, &ctx, payload);
}

static void rows_check(const struct row *rows, size_t count, bool registers, struct fg_str payload)
{
	for (size_t i = 0; i < count; i++) {
		char *got = field_text(&rows[i].conf, registers, payload);

		if (strcmp(got, rows[i].text) != 0)
			print_message("row %zu\n", i);
		assert_string_equal(got, rows[i].text);
		free(got);
	}
}

#define ROWS_CHECK(rows, registers, payload) \
	rows_check(rows, sizeof(rows) / sizeof(*(rows)), registers, payload)
#define T(t) .type = FG_FIELD_##t
#define O(o) .order = FG_ORDER_##o

static void types(void **state)
{
	static const struct row rows[] = {
		{ { .at = "0", T(U8) }, "{x=129}" },
		{ { .at = "0", T(I8) }, "{x=-127}" },
		{ { .at = "-1", T(U8) }, "{x=136}" },
		{ { .at = "0", T(U16) }, "{x=33026}" },
		{ { .at = "0", T(I16) }, "{x=-32510}" },
		{ { .at = "0", T(U16), O(DCBA) }, "{x=641}" },
		{ { .at = "0", T(U16), O(BADC) }, "{x=641}" },
		{ { .at = "0", T(U16), O(CDAB) }, "{x=33026}" },
		{ { .at = "0", T(U24) }, "{x=8454659}" },
		{ { .at = "0", T(I24) }, "{x=-8322557}" },
		{ { .at = "0", T(U24), O(DCBA) }, "{x=197249}" },
		{ { .at = "0", T(U24), O(CDAB) }, "order: of words needs an even number of bytes" },
		{ { .at = "0", T(U32) }, "{x=2164392708}" },
		{ { .at = "0", T(I32) }, "{x=-2130574588}" },
		{ { .at = "0", T(U32), O(DCBA) }, "{x=67306113}" },
		{ { .at = "0", T(U32), O(BADC) }, "{x=42009603}" },
		{ { .at = "0", T(U32), O(CDAB) }, "{x=50626818}" },
		{ { .at = "0", T(U64) }, "{x=9295995896645158792}" },
		{ { .at = "0", T(I64) }, "{x=-9150748177064392824}" },
		{ { .at = "0", T(U64), O(DCBA) }, "{x=9801809732607083137}" },
		{ { .at = "0", T(U64), O(CDAB) }, "{x=542689278476714242}" },
		{ { .at = "0", T(U64), O(BADC) }, "{x=180429871103969287}" },
		{ { .at = "0", T(BOOL) }, "{x=true}" },
		{ { .at = "1", T(BOOL), .bit = "0" }, "{x=false}" },
		{ { .at = "1", T(BOOL), .bit = "1" }, "{x=true}" },
		{ { .at = "0", T(U16), .bit = "15" }, "{x=true}" },
		{ { .at = "0", T(U16), .bit = "8", .bits = 8 }, "{x=129}" },
		{ { .at = "0", T(I16), .bit = "8", .bits = 8 }, "{x=-127}" },
		{ { .at = "5", T(BYTES) }, "{x=<060788>}" },
		{ { .at = "1", T(BYTES), .length = 2 }, "{x=<0203>}" },
		{ { .at = "1", T(BYTES), .length = 4, O(BADC) }, "{x=<03020504>}" },
		{ { .at = "1", T(BCD), .length = 2 }, "{x=203}" },
		{ { .at = "1", T(BCD), .length = 2, O(DCBA) }, "{x=302}" },
		{ { .at = "0", T(BCD), .length = 8 }, "{x=8102030405060788}" },
		{ { .at = "7", T(STRING) }, "{x=nonfinite}" },
		{ { .at = "7", T(U16) }, "!too short for its fields" },
		{ { .at = "-9", T(U8) }, "!too short for its fields" },
		{ { .at = "8", T(U8), .optional = true }, "{}" },
		{ { .at = "8", T(BYTES) }, "{x=<>}" },
		{ { .at = "9", T(BYTES) }, "!too short for its fields" },
		{ { .at = "0" }, "type: is missing" },
		{ { T(U8) }, ": is missing" },
		{ { .at = "+1", T(U8) },
		  "at: expected an offset in bytes, from the end if negative" },
		{ { .at = "99999999", T(U8) },
		  "at: expected an offset in bytes, from the end if negative" },
		{ { .at = "0", T(U8), .bit = "8" }, "bit: the type has not so many bits" },
		{ { .at = "0", T(U8), .bit = "4", .bits = 5 },
		  "bit: the type has not so many bits" },
		{ { .at = "0", T(U8), .bit = "-1" },
		  "bit: expected the number of a bit, 0 being the lowest" },
		{ { .at = "0", T(FLOAT32), .bit = "1" }, "bit: is for integers" },
		{ { .at = "0", T(BOOL), .bits = 2 }, "bits: has no use with this type" },
		{ { .at = "0", T(U8), .length = 2 }, "length: has no use with this type" },
		{ { .at = "0", T(BCD) }, "length: is missing" },
		{ { .at = "0", T(BCD), .length = 9 }, "length: is too long" },
		{ { .at = "0", T(STRING), O(DCBA) }, "order: of text and bytes is big, or badc" },
	};

	(void)state;
	ROWS_CHECK(rows, false, B(BYTES));
}

static void reals(void **state)
{
	static const struct row rows[] = {
		{ { .at = "0", T(FLOAT32) }, "{x=230.1}" },
		{ { .at = "0", T(FLOAT32), O(BADC) }, "{x=2.3092602e23}" },
		{ { .at = "4", T(FLOAT16) }, "{x=1.5}" },
		{ { .at = "6", T(FLOAT64) }, "{x=0.1}" },
		{ { .at = "14", T(FLOAT32) }, "{x=nonfinite}" },
		{ { .at = "18", T(FLOAT16) }, "{x=nonfinite}" },
		{ { .at = "20", T(STRING), .length = 6 }, "{x='ab'}" },
		{ { .at = "20", T(STRING), .length = 4, O(BADC) }, "{x='ba'}" },
		{ { .at = "20", T(BCD), .length = 1 }, "{x=61}" },
		{ { .at = "14", T(BCD), .length = 1 }, "{x=nonfinite}" },
	};

	(void)state;
	ROWS_CHECK(rows, false,
		   B("\x43\x66\x19\x9a\x3e\x00\x3f\xb9\x99\x99\x99\x99\x99\x9a\x7f\xc0\x00\x00"
		     "\x7c\x00"
		     "ab  \0z"));
}

/* holding 100..103, discrete 8..17, coil 0 */
#define BLOCKS                                                            \
	"\x03\x00\x64\x00\x04\x81\x02\x03\x04\x05\x06\x07\x88"            \
	"\x02\x00\x08\x00\x0a\x01\x02" "\x01\x00\x00\x00\x01\x01"

static void register_fields(void **state)
{
	static const struct row rows[] = {
		{ { .at = "holding:100", T(U16) }, "{x=33026}" },
		{ { .at = "holding:100", T(U8) }, "{x=2}" },
		{ { .at = "holding:103", T(I8) }, "{x=-120}" },
		{ { .at = "holding:100", T(U24) }, "{x=131844}" },
		{ { .at = "holding:101", T(U32), O(CDAB) }, "{x=84280068}" },
		{ { .at = "holding:100", T(U64) }, "{x=9295995896645158792}" },
		{ { .at = "holding:101", T(U64) }, "{}" },
		{ { .at = "holding:99", T(U32) }, "{}" },
		{ { .at = "input:100", T(U16) }, "{}" },
		{ { .at = "holding:100", T(BOOL), .bit = "15" }, "{x=true}" },
		{ { .at = "holding:101", T(BYTES), .length = 3 }, "{x=<03040506>}" },
		{ { .at = "discrete:8" }, "{x=true}" },
		{ { .at = "discrete:9" }, "{x=false}" },
		{ { .at = "discrete:17", T(BOOL) }, "{x=true}" },
		{ { .at = "discrete:18" }, "{}" },
		{ { .at = "coil:0" }, "{x=true}" },
		{ { .at = "coil:0", T(U16) }, "type: a coil or discrete input is a bool" },
		{ { .at = "coil:0", .bit = "1" }, "bit: a coil or discrete input has none" },
		{ { .at = "holding:65536", T(U16) },
		  "at: the address is not a number from 0 to 65535" },
		{ { .at = "holding:65535", T(U32) },
		  "at: the field ends beyond the last register" },
		{ { .at = "40001", T(U16) },
		  "at: expected coil:N, discrete:N, holding:N or input:N" },
		{ { .at = "holding:0", T(STRING) }, "length: is missing" },
		{ { .at = "holding:0", T(STRING), .length = 251 },
		  "length: is more than the 250 bytes that one read gives" },
	};

	(void)state;
	ROWS_CHECK(rows, true, B(BLOCKS));
}

static void bad_blocks(void **state)
{
	static const struct doc_case cases[] = {
		{ B("\x03\x00\x64\x00"), "!a block is cut off" },
		{ B("\x03\x00\x64\x00\x01\x00"), "!a block is cut off" },
		{ B("\x00\x00\x64\x00\x01\x00\x00"), "!no such table" },
		{ B("\x05\x00\x64\x00\x01\x00\x00"), "!no such table" },
		{ B("\x03\x00\x64\x00\x00"), "!a count that cannot be read" },
		{ B("\x03\x00\x64\x00\x7e"), "!a count that cannot be read" },
		{ B("\x01\x00\x64\x07\xd1"), "!a count that cannot be read" },
		{ B("\x03\xff\xff\x00\x02\0\0\0\0"), "!a count that cannot be read" },
		{ B(""), "{}" },
		/* the same register twice: the later one counts */
		{ B("\x03\x00\x64\x00\x01\x00\x01\x03\x00\x64\x00\x01\x00\x02"), "{x=2}" },
	};
	struct fg_named_field named = {
		.name = FG_STR("x"),
		.field = { T(U16), .table = FG_REGISTER_HOLDING, .at = 100, .size = 2 },
	};
	struct fg_fields fields = { .items = &named, .count = 1 };
	struct fg_decode_context ctx = { .content_format = -1, .conf = &fields };
	char *none;

	(void)state;
	DOC_CASES_CHECK(&fg_decoder_registers, &ctx, cases);
	none = doc_text(&fg_decoder_registers, NULL, B(""));
	assert_string_equal(none, "!no fields are named");
	free(none);
}

struct written {
	struct fg_field_conf conf;
	struct fg_value value;
	int r;
	struct fg_str bytes;
};

#define INT(n) { .kind = FG_INT, .i = n }
#define REAL(n) { .kind = FG_DOUBLE, .d = n }
#define TEXT(t) { .kind = FG_STRING, .s = { t, sizeof(t) - 1 } }

static void back(void **state)
{
	static const struct written rows[] = {
		{ { .at = "holding:0", T(U16) }, INT(258), 0, { "\x01\x02", 2 } },
		{ { .at = "holding:0", T(U16) }, INT(65535), 0, { "\xff\xff", 2 } },
		{ { .at = "holding:0", T(U16) }, INT(65536), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(U16) }, INT(-1), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(I16) }, INT(-32768), 0, { "\x80\x00", 2 } },
		{ { .at = "holding:0", T(I16) }, INT(32768), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(I16) }, INT(-32769), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(I8) }, INT(-2), 0, { "\xff\xfe", 2 } },
		{ { .at = "holding:0", T(U16) }, REAL(214.99999999999997), 0, { "\0\xd7", 2 } },
		{ { .at = "holding:0", T(U16) }, REAL(21.5), -EINVAL, { 0 } },
		{ { .at = "holding:0", T(U64) }, REAL(1e30), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(U16) }, TEXT("5"), -EINVAL, { 0 } },
		{ { .at = "holding:0", T(U32), O(CDAB) }, INT(0x01020304), 0, { "\3\4\1\2", 4 } },
		{ { .at = "holding:0", T(FLOAT32), O(BADC) },
		  REAL(230.1), 0, { "\x66\x43\x9a\x19", 4 } },
		{ { .at = "holding:0", T(FLOAT32) }, REAL(1e300), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(FLOAT64) }, REAL(0.1), 0,
		  { "\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8 } },
		{ { .at = "holding:0", T(BCD), .length = 2 }, INT(1234), 0, { "\x12\x34", 2 } },
		{ { .at = "holding:0", T(BCD), .length = 2 }, INT(12345), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(STRING), .length = 4 }, TEXT("abc"), 0, { "abc\0", 4 } },
		{ { .at = "holding:0", T(STRING), .length = 4, O(BADC) },
		  TEXT("abc"), 0, { "ba\0c", 4 } },
		{ { .at = "holding:0", T(STRING), .length = 4 }, TEXT("abcde"), -ERANGE, { 0 } },
		{ { .at = "holding:0", T(BOOL) },
		  { .kind = FG_BOOL, .b = true }, 0, { "\0\1", 2 } },
		{ { .at = "holding:0", T(BOOL), .bit = "3" },
		  { .kind = FG_BOOL, .b = true }, -EROFS, { 0 } },
		{ { .at = "coil:7" }, { .kind = FG_BOOL, .b = true }, 0, { "\1", 1 } },
		{ { .at = "coil:7" }, INT(2), -ERANGE, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_field field;
		const char *member;
		char why[128];
		uint8_t out[256];

		assert_int_equal(fg_field_compile(&rows[i].conf, true, &field, &member, why,
						  sizeof(why)),
				 0);
		if (fg_field_write(&field, &rows[i].value, out) != rows[i].r)
			print_message("row %zu\n", i);
		assert_int_equal(fg_field_write(&field, &rows[i].value, out), rows[i].r);
		if (rows[i].r < 0)
			continue;
		assert_int_equal(field.size, rows[i].bytes.len);
		assert_memory_equal(out, rows[i].bytes.ptr, rows[i].bytes.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(reals),
		cmocka_unit_test(register_fields),
		cmocka_unit_test(bad_blocks),
		cmocka_unit_test(back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

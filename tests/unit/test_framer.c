/* Framers: the same frames however the bytes are cut, and back in step after garbage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fg/buf.h>
#include <fg/framer.h>

#include "base/buf.h"
#include "base/checksum.h"

#define B(bytes)                         \
	{                                \
		bytes, sizeof(bytes) - 1 \
	}

static void frame_note(void *arg, struct fg_str frame)
{
	struct fg_buf *out = arg;

	fg_buf_char(out, '[');
	for (size_t i = 0; i < frame.len; i++) {
		unsigned char c = (unsigned char)frame.ptr[i];

		fg_buf_printf(out, c > 0x20 && c < 0x7f ? "%c" : "\\%02x", c);
	}
	fg_buf_char(out, ']');
}

struct lossy {
	struct fg_framer framer;
	struct fg_buf out;
};

static void lost_note(struct fg_framer *framer, const uint64_t *counter, struct fg_str bytes)
{
	struct lossy *lossy = (struct lossy *)framer;

	fg_buf_char(&lossy->out, counter == &framer->bad ? 'b' : 'o');
	frame_note(&lossy->out, bytes);
}

/* What is lost is told with its bytes, in its place among the good ones. */
static void lost_ones_are_told(void **state)
{
	static const struct {
		struct fg_framer_conf conf;
		struct fg_str bytes;
		const char *text;
	} cases[] = {
		{ { .kind = FG_FRAMER_LINE, .max = 4, .checksum = FG_CHECKSUM_XOR8 },
		  B("abc\nab\x03\n1234567\n1234567890123456789012345\n"),
		  "b[abc][ab]o[1234567]o[1234567890123456789012345]" },
		{ { .kind = FG_FRAMER_DELIMITER, .max = 4, .delimiter = B(";") },
		  B("1234567890123456789012345;1;"),
		  "o[1234567890123456789012][1]" },
		{ { .kind = FG_FRAMER_SLIP }, B("ab\xdb" "c\xc0" "d\xdb\xc0"), "b[ab]b[d]" },
		{ { .kind = FG_FRAMER_COBS }, B("\x09z\0\x02y\0"), "b[\\09z][y]" },
		{ { .kind = FG_FRAMER_LENGTH, .length = 2, .checksum = FG_CHECKSUM_XOR8 },
		  B("abb"), "b[ab][b]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lossy lossy;

		fg_buf_init(&lossy.out, 10000);
		assert_int_equal(fg_framer_init(&lossy.framer, &cases[i].conf), 0);
		lossy.framer.lost = lost_note;
		fg_framer_feed(&lossy.framer, cases[i].bytes.ptr, cases[i].bytes.len, frame_note,
			       &lossy.out);
		fg_framer_fini(&lossy.framer);
		fg_buf_char(&lossy.out, '\0');
		assert_string_equal(lossy.out.data, cases[i].text);
		fg_buf_fini(&lossy.out);
	}
}

/* Frames and counters as text, fed `step` bytes at a time. */
static char *framed(const struct fg_framer_conf *conf, struct fg_str bytes, size_t step)
{
	struct fg_framer framer;
	struct fg_buf out;

	fg_buf_init(&out, 10000);
	assert_int_equal(fg_framer_init(&framer, conf), 0);
	for (size_t i = 0; i < bytes.len; i += step) {
		size_t n = bytes.len - i < step ? bytes.len - i : step;
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, bytes.ptr + i, n);
		fg_framer_feed(&framer, copy, n, frame_note, &out);
		free(copy);
	}
	fg_framer_end(&framer, frame_note, &out);
	fg_buf_printf(&out, " s%d o%d b%d", (int)framer.skipped, (int)framer.oversize,
		      (int)framer.bad);
	fg_buf_char(&out, '\0');
	fg_framer_fini(&framer);
	return out.data;
}

struct framer_case {
	struct fg_framer_conf conf;
	struct fg_str bytes;
	const char *text;
};

static void check(const struct framer_case *c)
{
	for (size_t step = 1; step <= c->bytes.len + 1; step++) {
		char *text = framed(&c->conf, c->bytes, step);

		assert_string_equal(text, c->text);
		free(text);
	}
}

#define CHECK(cases)                                                                    \
	for (size_t case_at = 0; case_at < sizeof(cases) / sizeof(*(cases)); case_at++) \
	check(&(cases)[case_at])

static void lines(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_LINE },
		  B("a=1\r\nb\n\n\r\nlast"),
		  "[a=1][b][last] s0 o0 b0" },
		{ { .kind = FG_FRAMER_LINE, .max = 4 },
		  B("1234\n1234567890\nok\n"),
		  "[1234][ok] s10 o1 b0" },
		{ { .kind = FG_FRAMER_LINE, .max = 4 },
		  B("123456789012345678901234567890123456789012345678901234567890\nok\n"),
		  "[ok] s60 o1 b0" },
		{ { .kind = FG_FRAMER_LINE, .checksum = FG_CHECKSUM_XOR8 },
		  B("ab\x03\nabc\naba\n"),
		  "[ab] s6 o0 b2" },
		{ { .kind = FG_FRAMER_LINE, .checksum = FG_CHECKSUM_XOR8 },
		  B("al\r\nal\r\r\nab\x03\r\nam\r\n"),
		  "[al][al][ab] s3 o0 b1" },
	};

	(void)state;
	CHECK(cases);
}

static void delimiters(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_DELIMITER, .delimiter = B("\r\n") },
		  B("a\rb\r\n\r\nc\r\nd"),
		  "[a\\0db][c][d] s0 o0 b0" },
		{ { .kind = FG_FRAMER_DELIMITER, .delimiter = B("aab") },
		  B("xaaabyaab"),
		  "[xa][y] s0 o0 b0" },
		{ { .kind = FG_FRAMER_DELIMITER, .delimiter = B(";"), .max = 3 },
		  B("123;1234;0123456789012345678901234567890123456789;12;"),
		  "[123][12] s44 o2 b0" },
	};

	(void)state;
	CHECK(cases);
}

static void fixed_lengths_find_their_step_by_checksum(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_LENGTH, .length = 3 }, B("abcdefgh"), "[abc][def] s2 o0 b0" },
		{ { .kind = FG_FRAMER_LENGTH, .length = 3, .checksum = FG_CHECKSUM_SUM8 },
		  B("zz\x01\x02\x03\x04\x05\x09"),
		  "[\\01\\02][\\04\\05] s2 o0 b2" },
		{ { .kind = FG_FRAMER_LENGTH, .length = 3, .delimiter = B("\x7e") },
		  B("xx~12x~34~5"),
		  "[~12][~34] s5 o0 b0" },
	};

	(void)state;
	CHECK(cases);
}

static void stated_lengths(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_LENGTH, .field_size = 1, .adjust = 1 },
		  B("\x02"
		    "ab\x01"
		    "c\x00"),
		  "[\\02ab][\\01c][\\00] s0 o0 b0" },
		{ { .kind = FG_FRAMER_LENGTH,
		    .field_offset = 1,
		    .field_size = 2,
		    .adjust = 3,
		    .delimiter = B("~") },
		  B("g~\x00\x02"
		    "ab~\xff\xff~\x00\x01"
		    "c"),
		  "[~\\00\\02ab][~\\00\\01c] s4 o0 b0" },
		{ { .kind = FG_FRAMER_LENGTH, .field_size = 2, .little_endian = true },
		  B("\x03\x00x\x04\x00yz"),
		  "[\\03\\00x][\\04\\00yz] s0 o0 b0" },
		{ { .kind = FG_FRAMER_LENGTH, .field_size = 1, .checksum = FG_CHECKSUM_SUM8 },
		  B("\x09\x03"
		    "a\x64\x03"
		    "b\x65"),
		  "[\\03a][\\03b] s1 o0 b0" },
	};

	(void)state;
	CHECK(cases);
}

static void silence_ends_frames(void **state)
{
	struct fg_framer_conf conf = { .kind = FG_FRAMER_IDLE,
				       .max = 20,
				       .checksum = FG_CHECKSUM_CRC16_MODBUS };
	char frame[] = "\x01\x03\x02\x00\x05\x78\x47";
	struct fg_framer framer;
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1000);
	assert_int_equal(fg_framer_init(&framer, &conf), 0);
	fg_framer_feed(&framer, frame, 3, frame_note, &out);
	fg_framer_feed(&framer, frame + 3, 4, frame_note, &out);
	assert_int_equal(out.len, 0);
	fg_framer_idle(&framer, frame_note, &out);
	assert_true(fg_str_eq(fg_buf_view(&out), FG_STR("[\\01\\03\\02\\00\\05]")));
	fg_framer_idle(&framer, frame_note, &out);
	fg_framer_feed(&framer, frame, 6, frame_note, &out);
	fg_framer_idle(&framer, frame_note, &out);
	assert_int_equal(framer.bad, 1);
	assert_int_equal(framer.skipped, 6);
	for (int i = 0; i < 20; i++)
		fg_framer_feed(&framer, frame, 7, frame_note, &out);
	fg_framer_idle(&framer, frame_note, &out);
	assert_int_equal(framer.oversize, 1);
	assert_int_equal(framer.skipped, 146);
	fg_framer_feed(&framer, frame, 7, frame_note, &out);
	fg_framer_idle(&framer, frame_note, &out);
	assert_int_equal(framer.frames, 2);
	fg_framer_fini(&framer);
	fg_buf_fini(&out);
}

static void slip(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_SLIP },
		  B("\xc0"
		    "ab\xc0\xc0"
		    "c\xdb\xdc\xdb\xdd\xc0"),
		  "[ab][c\\c0\\db] s0 o0 b0" },
		{ { .kind = FG_FRAMER_SLIP },
		  B("a\xdb"
		    "bcd\xc0ok\xc0"),
		  "[ok] s5 o0 b1" },
		{ { .kind = FG_FRAMER_SLIP }, B("a\xdb\xc0ok\xc0"), "[ok] s1 o0 b1" },
		{ { .kind = FG_FRAMER_SLIP },
		  B("ok\xc0"
		    "cut"),
		  "[ok] s3 o0 b0" },
		{ { .kind = FG_FRAMER_SLIP, .max = 3 },
		  B("abcd\xc0"
		    "abc\xc0"),
		  "[abc] s4 o1 b0" },
	};

	(void)state;
	CHECK(cases);
}

static void cobs(void **state)
{
	static const struct framer_case cases[] = {
		{ { .kind = FG_FRAMER_COBS },
		  B("\x03"
		    "ab\x02"
		    "c\x00\x01\x01\x00\x02z"),
		  "[ab\\00c][\\00][z] s0 o0 b0" },
		{ { .kind = FG_FRAMER_COBS },
		  B("\x05"
		    "ab\x00\x02z\x00"),
		  "[z] s3 o0 b1" },
		{ { .kind = FG_FRAMER_COBS, .max = 2 },
		  B("\x04"
		    "abc\x00\x03"
		    "ab\x00"),
		  "[ab] s3 o1 b0" },
		{ { .kind = FG_FRAMER_COBSR },
		  B("\x7f\x00\x03"
		    "ab\x00"
		    "cab\x00"),
		  "[\\7f][ab][abc] s0 o0 b0" },
	};

	(void)state;
	CHECK(cases);
}

static void long_cobs_blocks_have_no_zero_behind(void **state)
{
	char packet[300], out[300];
	size_t len = 0;

	(void)state;
	memset(packet, 'x', sizeof(packet));
	packet[0] = '\xff';
	assert_int_equal(fg_cobs_decode(fg_str(packet, 255), false, out, &len), 0);
	assert_int_equal(len, 254);
	packet[0] = '\xfe';
	packet[254] = 2;
	assert_int_equal(fg_cobs_decode(fg_str(packet, 256), false, out, &len), 0);
	assert_int_equal(len, 255);
	assert_int_equal(out[253], 0);
	packet[0] = '\xff';
	packet[254] = 'x';
	packet[255] = 2;
	assert_int_equal(fg_cobs_decode(fg_str(packet, 257), false, out, &len), 0);
	assert_int_equal(len, 255);
	assert_int_equal(out[254], 'x');
	assert_int_equal(fg_cobs_decode(fg_str(packet, 0), false, out, &len), -EBADMSG);
	packet[9] = 0;
	assert_int_equal(fg_cobs_decode(fg_str(packet, 255), true, out, &len), -EBADMSG);
}

static void configurations_that_cannot_be_are_refused(void **state)
{
	static const struct fg_framer_conf cases[] = {
		{ .kind = FG_FRAMER__MAX },
		{ .kind = FG_FRAMER_DELIMITER },
		{ .kind = FG_FRAMER_DELIMITER, .delimiter = B("12345678901234567") },
		{ .kind = FG_FRAMER_LENGTH },
		{ .kind = FG_FRAMER_LENGTH, .length = 11, .max = 10 },
		{ .kind = FG_FRAMER_LENGTH, .field_size = 3 },
		{ .kind = FG_FRAMER_LENGTH, .field_size = 2, .field_offset = 9, .max = 10 },
		{ .kind = FG_FRAMER_LENGTH, .field_size = 2, .field_offset = SIZE_MAX },
		{ .kind = FG_FRAMER_LINE, .max = SIZE_MAX },
	};
	struct fg_framer framer;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(fg_framer_init(&framer, &cases[i]), -EINVAL);
}

static void frame_equals(void *arg, struct fg_str frame)
{
	struct fg_str *wanted = arg;

	assert_int_equal(frame.len, wanted->len);
	assert_memory_equal(frame.ptr, wanted->ptr, frame.len);
	wanted->ptr = NULL;
}

/* What a framer encodes it takes apart again: payloads of every length up to two long COBS blocks,
 * full of what is special. */
static void encoded_frames_are_read_back(void **state)
{
	static const struct fg_framer_conf confs[] = {
		{ .kind = FG_FRAMER_LINE },
		{ .kind = FG_FRAMER_LINE, .checksum = FG_CHECKSUM_XOR8 },
		{ .kind = FG_FRAMER_DELIMITER, .delimiter = { "\r\n\003", 3 } },
		{ .kind = FG_FRAMER_SLIP, .checksum = FG_CHECKSUM_CRC16_MODBUS },
		{ .kind = FG_FRAMER_COBS, .checksum = FG_CHECKSUM_CRC32 },
		{ .kind = FG_FRAMER_COBS },
		{ .kind = FG_FRAMER_COBSR },
	};
	static const uint8_t specials[] = { 0xc0, 0xdb, 0xdc, 0xdd, 0, 1, 0xff, 'a', 0, 0 };
	char payload[520];

	(void)state;
	for (size_t k = 0; k < sizeof(confs) / sizeof(*confs) * 2; k++) {
		const struct fg_framer_conf *conf = &confs[k / 2];
		bool text = k % 2 || conf->kind <= FG_FRAMER_DELIMITER;

		for (size_t len = 1; len <= sizeof(payload); len++) {
			struct fg_str wanted = { payload, len };
			struct fg_framer framer;
			struct fg_buf out;

			for (size_t i = 0; i < len; i++)
				payload[i] = text ? (char)('A' + i % 26) :
						    (char)specials[i % sizeof(specials)];
			fg_buf_init(&out, 4096);
			assert_int_equal(fg_framer_init(&framer, conf), 0);
			assert_int_equal(fg_framer_encode(&framer, wanted, &out), 0);
			fg_framer_feed(&framer, out.data, out.len, frame_equals, &wanted);
			assert_null(wanted.ptr);
			fg_framer_fini(&framer);
			fg_buf_fini(&out);
		}
	}
}

static void what_cannot_be_a_frame_is_refused(void **state)
{
	const struct fg_framer_conf line = { .kind = FG_FRAMER_LINE, .max = 8 };
	struct fg_framer framer;
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 64);
	assert_int_equal(fg_framer_init(&framer, &line), 0);
	assert_int_equal(fg_framer_encode(&framer, FG_STR("a\nb"), &out), -EINVAL);
	assert_int_equal(fg_framer_encode(&framer, FG_STR("123456789"), &out), -EMSGSIZE);
	assert_int_equal(fg_framer_encode(&framer, FG_STR("ended\n"), &out), 0);
	assert_int_equal(out.len, 6);
	fg_framer_fini(&framer);
	fg_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(lost_ones_are_told),
		cmocka_unit_test(delimiters),
		cmocka_unit_test(fixed_lengths_find_their_step_by_checksum),
		cmocka_unit_test(stated_lengths),
		cmocka_unit_test(silence_ends_frames),
		cmocka_unit_test(slip),
		cmocka_unit_test(cobs),
		cmocka_unit_test(long_cobs_blocks_have_no_zero_behind),
		cmocka_unit_test(encoded_frames_are_read_back),
		cmocka_unit_test(what_cannot_be_a_frame_is_refused),
		cmocka_unit_test(configurations_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests_name("framer", tests, NULL, NULL);
}

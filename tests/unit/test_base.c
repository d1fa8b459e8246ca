/* The pure helpers of gateway/base. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/name.h"
#include "base/units.h"
#include "base/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void arena_stays_below_its_limit(void **state)
{
	struct fg_arena arena;
	size_t n = 0;
	char *p;

	(void)state;
	fg_arena_init(&arena, 20000);
	while ((p = fg_arena_alloc(&arena, 100))) {
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, 1, 100);
		n++;
	}
	assert_true(n > 150 && n * 100 <= 20000);
	assert_true(arena.size <= 20000);
	assert_null(fg_arena_alloc(&arena, SIZE_MAX));
	assert_null(fg_arena_array(&arena, SIZE_MAX / 2, 4));
	fg_arena_reset(&arena, 5000);
	assert_true(arena.size <= 5000);
	assert_string_equal(fg_arena_dup(&arena, FG_STR("abc")), "abc");
	fg_arena_fini(&arena);
	assert_int_equal(arena.size, 0);
}

static void arena_reuses_what_a_reset_kept(void **state)
{
	struct fg_arena arena;
	void *first;

	(void)state;
	fg_arena_init(&arena, 1 << 20);
	first = fg_arena_alloc(&arena, 64);
	fg_arena_reset(&arena, 1 << 20);
	assert_ptr_equal(fg_arena_alloc(&arena, 64), first);
	fg_arena_fini(&arena);
}

static void buffer_appends_and_remembers_a_failure(void **state)
{
	struct fg_buf buf;

	(void)state;
	fg_buf_init(&buf, 40);
	fg_buf_text(&buf, "n=");
	fg_buf_u64(&buf, UINT64_MAX);
	fg_buf_char(&buf, ' ');
	fg_buf_i64(&buf, -7);
	fg_buf_printf(&buf, " %02x", 10u);
	assert_true(fg_str_eq(fg_buf_view(&buf), FG_STR("n=18446744073709551615 -7 0a")));
	fg_buf_text(&buf, "more than there is room for");
	assert_true(buf.failed);
	assert_int_equal(buf.len, 28);
	fg_buf_char(&buf, 'x');
	assert_int_equal(buf.len, 28);
	fg_buf_reset(&buf);
	fg_buf_text(&buf, "0123456789012345678901234567890123456789");
	assert_false(buf.failed);
	assert_int_equal(buf.len, 40);
	fg_buf_fini(&buf);
}

static void buffer_writes_json_strings(void **state)
{
	struct fg_buf buf;

	(void)state;
	fg_buf_init(&buf, 100);
	fg_buf_json(&buf, FG_STR("a\"b\\c\n\x01/\xc3\xa9\0z"));
	assert_true(
		fg_str_eq(fg_buf_view(&buf), FG_STR("\"a\\\"b\\\\c\\n\\u0001/\xc3\xa9\\u0000z\"")));
	fg_buf_fini(&buf);
	fg_buf_init(&buf, 5);
	fg_buf_json(&buf, FG_STR("abcdef"));
	assert_true(buf.failed);
	assert_int_equal(buf.len, 0);
	fg_buf_fini(&buf);
}

static void checksums_match_their_check_values(void **state)
{
	static const struct {
		enum fg_checksum kind;
		struct fg_str wire;
	} cases[] = {
		{ FG_CHECKSUM_NONE, { "", 0 } },
		{ FG_CHECKSUM_SUM8, { "\xdd", 1 } },
		{ FG_CHECKSUM_XOR8, { "\x31", 1 } },
		{ FG_CHECKSUM_CRC8, { "\xf4", 1 } },
		{ FG_CHECKSUM_CRC16_MODBUS, { "\x37\x4b", 2 } },
		{ FG_CHECKSUM_CRC16_CCITT, { "\x29\xb1", 2 } },
		{ FG_CHECKSUM_CRC32, { "\x26\x39\xf4\xcb", 4 } },
	};
	char frame[16] = "123456789";
	struct fg_str body;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = fg_checksum_write(cases[i].kind, frame, 9, (uint8_t *)frame + 9);

		assert_true(fg_str_eq(fg_str(frame + 9, n), cases[i].wire));
		assert_int_equal(fg_checksum_strip(cases[i].kind, fg_str(frame, 9 + n), &body), 0);
		assert_int_equal(body.len, 9);
		if (n == 0)
			continue;
		frame[3] ^= 1;
		assert_int_equal(fg_checksum_strip(cases[i].kind, fg_str(frame, 9 + n), &body),
				 -EBADMSG);
		frame[3] ^= 1;
		assert_int_equal(fg_checksum_strip(cases[i].kind, fg_str("", 0), &body), -EBADMSG);
	}
}

static void crc32c_is_the_same_with_and_without_instructions(void **state)
{
	unsigned char bytes[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37);
	assert_int_equal(fg_crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t len = 0; len <= 90; len++)
		assert_int_equal(fg_crc32c(7, bytes + 3, len), fg_crc32c_table(7, bytes + 3, len));
	assert_int_equal(fg_crc32c(fg_crc32c(0, bytes, 40), bytes + 40, 60),
			 fg_crc32c(0, bytes, 100));
}

static void hash_depends_on_every_byte_and_the_seed(void **state)
{
	char bytes[40] = { 0 };

	(void)state;
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		uint64_t h = fg_hash(bytes, len, 1);

		assert_true(h != fg_hash(bytes, len - 1, 1));
		assert_true(h != fg_hash(bytes, len, 2));
		for (size_t i = 0; i < len; i++) {
			bytes[i] = 1;
			assert_true(h != fg_hash(bytes, len, 1));
			bytes[i] = 0;
		}
	}
}

static void names_are_escaped_without_collisions(void **state)
{
	static const struct {
		const char *in, *key, *path;
	} cases[] = {
		{ "temperature", "temperature", "temperature" },
		{ "", "", "" },
		{ "a/b", "a_x2F_b", "a/b" },
		{ "a b", "a_x20_b", "a_x20_b" },
		{ "\xc3\xa9", "_xC3__xA9_", "_xC3__xA9_" },
		{ "_x41_", "_x5F_x41_", "_x5F_x41_" },
		{ "_x41_x42_", "_x5F_x41_x5F_x42_", "_x5F_x41_x5F_x42_" },
		{ "_x4a_", "_x4a_", "_x4a_" },
		{ "_x41", "_x41", "_x41" },
		{ "_x21!", "_x5F_x21_x21_", "_x5F_x21_x21_" },
		{ "!x21_", "_x21_x21_", "_x21_x21_" },
		{ "_x21/", "_x5F_x21_x2F_", "_x21/" },
	};
	char out[100];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fg_str in = fg_str_c(cases[i].in);

		assert_true(fg_str_eq_c(fg_str(out, fg_name_escape(in, true, out)), cases[i].key));
		assert_true(
			fg_str_eq_c(fg_str(out, fg_name_escape(in, false, out)), cases[i].path));
		assert_int_equal(fg_name_is_plain(in, true), !strcmp(cases[i].in, cases[i].key));
	}
}

static void names_of_the_gateway_are_its_own(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "fieldgate", "_x66_ieldgate" },
		{ "fieldgate/devices", "_x66_ieldgate/devices" },
		{ "fieldgate/devices/a b", "_x66_ieldgate/devices/a_x20_b" },
		{ "_x66_ieldgate", "_x5F_x66_ieldgate" },
		{ "fieldgate/other", "fieldgate/other" },
		{ "fieldgate/devicesx", "fieldgate/devicesx" },
		{ "fieldgate2", "fieldgate2" },
		{ "field", "field" },
		{ "", "" },
	};
	char out[256], back[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fg_str in = fg_str_c(cases[i].in);
		struct fg_str name = fg_str(out, fg_name_escape_device(in, out));

		assert_true(fg_str_eq_c(name, cases[i].out));
		assert_true(fg_str_eq(fg_str(back, fg_name_unescape(name, back)), in));
	}
}

/* Any two names over an alphabet of trouble, up to seven bytes long, stay different: what an
 * escaped name means can be read back. */
static size_t unescape(struct fg_str in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		const char *p = in.ptr + i;

		if (in.len - i >= 5 && !memcmp(p, "_x", 2) && p[4] == '_' &&
		    strspn(p + 2, "0123456789ABCDEF") >= 2) {
			char hex[3] = { p[2], p[3], '\0' };

			out[n++] = (char)strtol(hex, NULL, 16);
			i += 4;
		} else {
			out[n++] = *p;
		}
	}
	return n;
}

static void names_read_back(void **state)
{
	static const char alphabet[] = "_x21!";
	char in[7], out[36], back[36];

	(void)state;
	for (unsigned code = 0; code < 5 * 5 * 5 * 5 * 5 * 5 * 5; code++) {
		unsigned rest = code;
		size_t n;

		for (size_t i = 0; i < sizeof(in); i++, rest /= 5)
			in[i] = alphabet[rest % 5];
		n = fg_name_escape(fg_str(in, sizeof(in)), true, out);
		out[n] = '\0';
		n = unescape(fg_str(out, n), back);
		assert_int_equal(n, sizeof(in));
		assert_memory_equal(back, in, sizeof(in));
	}
}

static void durations_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		int error;
		int64_t ns;
	} cases[] = {
		{ "200ms", 0, 200000000 },
		{ "5s", 0, 5000000000 },
		{ "2h", 0, 7200000000000 },
		{ "7d", 0, 604800000000000 },
		{ "3m", 0, 180000000000 },
		{ "3min", 0, 180000000000 },
		{ "0s", 0, 0 },
		{ "10us", 0, 10000 },
		{ "5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-5s", -EINVAL, 0 },
		{ "5 s", -EINVAL, 0 },
		{ "5S", -EINVAL, 0 },
		{ "106751d", 0, 9223286400000000000 },
		{ "106752d", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		ns = 0;
		assert_int_equal(fg_duration_parse(fg_str_c(cases[i].text), &ns), cases[i].error);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void sizes_need_a_unit(void **state)
{
	char out[FG_UNITS_MAX];
	uint64_t n = 1;

	(void)state;
	assert_int_equal(fg_size_parse(FG_STR("64MiB"), &n), 0);
	assert_int_equal(n, 64 << 20);
	assert_int_equal(fg_size_parse(FG_STR("512B"), &n), 0);
	assert_int_equal(n, 512);
	assert_int_equal(fg_size_parse(FG_STR("64"), &n), -EINVAL);
	assert_int_equal(fg_size_parse(FG_STR("64MB"), &n), -EINVAL);
	assert_int_equal(fg_size_parse(FG_STR("16777216TiB"), &n), -ERANGE);
	assert_int_equal(n, 512);
	assert_true(fg_str_eq_c(fg_str(out, fg_size_format(4096, out)), "4KiB"));
	assert_true(fg_str_eq_c(fg_str(out, fg_size_format(4097, out)), "4097B"));
	assert_true(fg_str_eq_c(fg_str(out, fg_size_format(0, out)), "0B"));
	assert_true(fg_str_eq_c(fg_str(out, fg_duration_format(90000000000, out)), "90s"));
	assert_true(fg_str_eq_c(fg_str(out, fg_duration_format(86400000000000, out)), "1d"));
	assert_true(fg_str_eq_c(fg_str(out, fg_duration_format(0, out)), "0s"));
}

static void base64_is_the_url_safe_one(void **state)
{
	static const struct {
		const char *text;
		int error;
		struct fg_str bytes;
	} cases[] = {
		{ "", 0, { "", 0 } },
		{ "aGkgCg", 0, { "hi \n", 4 } },
		{ "aGkgCg==", 0, { "hi \n", 4 } },
		{ "-_8", 0, { "\xfb\xff", 2 } },
		{ "AQIDBAU", 0, { "\1\2\3\4\5", 5 } },
		{ "aGkgCg=", -EINVAL, { "", 0 } },
		{ "a", -EINVAL, { "", 0 } },
		{ "ab", -EINVAL, { "", 0 } },
		{ "+/8", -EINVAL, { "", 0 } },
		{ "a=kg", -EINVAL, { "", 0 } },
	};
	char out[20];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		len = 0;
		assert_int_equal(fg_base64_decode(fg_str_c(cases[i].text), out, &len),
				 cases[i].error);
		assert_true(fg_str_eq(fg_str(out, len), cases[i].bytes));
	}
	assert_true(fg_str_eq_c(fg_str(out, fg_base64_encode(FG_STR("hi \n"), out)), "aGkgCg"));
	assert_true(fg_str_eq_c(fg_str(out, fg_base64_encode(FG_STR("\xfb\xff"), out)), "-_8"));
}

static void utf8_is_strict(void **state)
{
	static const struct {
		struct fg_str s;
		bool valid;
	} cases[] = {
		{ { "", 0 }, true },
		{ { "plain ascii, longer than eight", 30 }, true },
		{ { "12345678\xc3\xa9", 10 }, true },
		{ { "\xe2\x82\xac", 3 }, true },
		{ { "\xf0\x9f\x98\x80", 4 }, true },
		{ { "\xf4\x8f\xbf\xbf", 4 }, true },
		{ { "\xf4\x90\x80\x80", 4 }, false },
		{ { "\xed\xa0\x80", 3 }, false },
		{ { "\xc0\xaf", 2 }, false },
		{ { "\xe0\x80\xaf", 3 }, false },
		{ { "\xf0\x80\x80\xaf", 4 }, false },
		{ { "\x80", 1 }, false },
		{ { "1234567\xc3", 8 }, false },
		{ { "\xf5\x80\x80\x80", 4 }, false },
		{ { "\xe2\x82", 2 }, false },
	};
	char out[4];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(fg_utf8_valid(cases[i].s), cases[i].valid);
	for (uint32_t code = 0; code < 0x110000; code++) {
		size_t n = fg_utf8_write(code, out);

		if (code < 0xd800 || code > 0xdfff)
			assert_true(fg_utf8_valid(fg_str(out, n)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_stays_below_its_limit),
		cmocka_unit_test(arena_reuses_what_a_reset_kept),
		cmocka_unit_test(buffer_appends_and_remembers_a_failure),
		cmocka_unit_test(buffer_writes_json_strings),
		cmocka_unit_test(checksums_match_their_check_values),
		cmocka_unit_test(crc32c_is_the_same_with_and_without_instructions),
		cmocka_unit_test(hash_depends_on_every_byte_and_the_seed),
		cmocka_unit_test(names_are_escaped_without_collisions),
		cmocka_unit_test(names_read_back),
		cmocka_unit_test(names_of_the_gateway_are_its_own),
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(sizes_need_a_unit),
		cmocka_unit_test(base64_is_the_url_safe_one),
		cmocka_unit_test(utf8_is_strict),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}

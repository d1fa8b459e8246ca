/* Device text is nearly all ASCII, so eight bytes at a time are tested for the top bit. */
#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte's range is what excludes overlong forms, surrogates and beyond U+10FFFF
 * (RFC 3629 section 4). */
static bool is_second(unsigned char lead, unsigned char c)
{
	switch (lead) {
	case 0xe0:
		return c >= 0xa0 && c <= 0xbf;
	case 0xed:
		return c >= 0x80 && c <= 0x9f;
	case 0xf0:
		return c >= 0x90 && c <= 0xbf;
	case 0xf4:
		return c >= 0x80 && c <= 0x8f;
	default:
		return is_tail(c);
	}
}

size_t fg_utf8_sequence(const char *ptr, const char *end)
{
	const unsigned char *p = (const unsigned char *)ptr;
	size_t left = (size_t)(end - ptr), len;

	if (left < 2 || p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < len || !is_second(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!is_tail(p[i]))
			return 0;
	}
	return len;
}

bool fg_utf8_valid(struct fg_str s)
{
	if (s.len == 0)
		return true;
	const char *p = s.ptr, *end = s.ptr + s.len;

	while (p < end) {
		uint64_t eight;

		while (end - p >= 8) {
			memcpy(&eight, p, 8);
			if (eight & 0x8080808080808080u)
				break;
			p += 8;
		}
		if (p == end)
			break;
		if (!(*p & 0x80)) {
			p++;
			continue;
		}
		size_t len = fg_utf8_sequence(p, end);

		if (len == 0)
			return false;
		p += len;
	}
	return true;
}

size_t fg_utf8_write(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

bool fg_utf8_has_control(struct fg_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		/* 0xc2 is never a second byte, so this is U+0080 to U+009F */
		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0)
			return true;
	}
	return false;
}

/* By the bytes: EF B7 90 to EF B7 AF; EF BF BE; and F0 to F4, xF, BF, BE or BF. */
bool fg_utf8_has_noncharacter(struct fg_str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;

	for (size_t i = 0; i + 2 < s.len; i++) {
		bool last_two = p[i + 1] == 0xbf && p[i + 2] >= 0xbe;

		if (p[i] == 0xef &&
		    (last_two || (p[i + 1] == 0xb7 && p[i + 2] >= 0x90 && p[i + 2] <= 0xaf)))
			return true;
		if (p[i] >= 0xf0 && i + 3 < s.len && (p[i + 1] & 0x0f) == 0x0f &&
		    p[i + 2] == 0xbf && p[i + 3] >= 0xbe)
			return true;
	}
	return false;
}

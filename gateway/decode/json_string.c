/* The way through a string is eight bytes at a time: only a quote, a backslash, a control
 * character or a byte that is not ASCII needs a look. */
#include "decode/json_string.h"

#include "base/utf8.h"

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

static inline bool is_special(char c)
{
	unsigned char u = (unsigned char)c;

	return u == '"' || u == '\\' || u < 0x20 || u >= 0x80;
}

/* The top bit of each byte that is zero; bytes above the first such one may be wrong. */
static inline uint64_t zero_bytes(uint64_t v)
{
	return (v - ONES) & ~v & HIGH;
}

/* Where the first special byte is, or end. */
static inline const char *special_find(const char *p, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	while (end - p >= 8) {
		uint64_t v, hit;

		memcpy(&v, p, 8);
		hit = zero_bytes(v ^ ONES * '"') | zero_bytes(v ^ ONES * '\\') |
		      ((v - ONES * 0x20) & ~v & HIGH) | (v & HIGH);
		if (hit)
			return p + (__builtin_ctzll(hit) >> 3);
		p += 8;
	}
#endif
	while (p < end && !is_special(*p))
		p++;
	return p;
}

/* Four hexadecimal digits at p; -1 if they are not there. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t code = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = fg_hex_digit(p[i]);

		if (digit < 0)
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

/* Behind "\u". A high surrogate needs its low one right behind it (RFC 8259 section 7). */
static const char *unicode_read(const char *p, const char *end, char **out, const char **reason)
{
	int32_t code = hex4(p, end), low;

	*reason = "malformed \\u escape";
	if (code < 0)
		return NULL;
	p += 4;
	if (code >= 0xd800 && code <= 0xdfff) {
		*reason = "lone surrogate";
		if (code >= 0xdc00 || end - p < 6 || p[0] != '\\' || p[1] != 'u')
			return NULL;
		low = hex4(p + 2, end);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	*out += fg_utf8_write((uint32_t)code, *out);
	return p;
}

/* Behind a backslash. */
static const char *escape_read(const char *p, const char *end, char **out, const char **reason)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	*reason = "malformed escape";
	if (p == end)
		return NULL;
	if (*p == 'u')
		return unicode_read(p + 1, end, out, reason);
	const char *found = *p ? strchr(from, *p) : NULL;

	if (!found)
		return NULL;
	*(*out)++ = to[found - from];
	return p + 1;
}

/* What stops a run of plain bytes: a multi-byte character passes, the rest is an error. */
static const char *special_pass(const char *p, const char *end, const char **reason)
{
	size_t len;

	*reason = "unterminated string";
	if (p == end)
		return NULL;
	*reason = "control character in a string";
	if ((unsigned char)*p < 0x20)
		return NULL;
	*reason = "invalid UTF-8";
	len = fg_utf8_sequence(p, end);
	return len ? p + len : NULL;
}

/* From the first escape on. What is unescaped is never longer than what it was, so room for the
 * rest of the payload is enough for this string and for all that follow. */
static const char *escaped_read(const char *start, const char *p, const char *end,
				struct fg_doc *doc, struct fg_str *ret)
{
	if (!fg_doc_text_reserve(doc, (size_t)(end - start)))
		return NULL;
	char *text = doc->text + doc->text_len, *out = text;

	memcpy(out, start, (size_t)(p - start));
	out += p - start;
	while (p == end || *p != '"') {
		const char *run = p;

		if (p < end && *p == '\\') {
			p = escape_read(p + 1, end, &out, &doc->reason);
		} else {
			p = p < end && !is_special(*p) ? special_find(p, end) :
							 special_pass(p, end, &doc->reason);
			if (p) {
				memcpy(out, run, (size_t)(p - run));
				out += p - run;
			}
		}
		if (!p)
			return NULL;
	}
	doc->reason = NULL;
	doc->text_len += (size_t)(out - text);
	*ret = fg_str(text, (size_t)(out - text));
	return p + 1;
}

const char *fg_json_string(const char *p, const char *end, struct fg_doc *doc,
			   struct fg_str *ret_string)
{
	const char *start = p;

	for (;;) {
		p = special_find(p, end);
		if (__builtin_expect(p < end && *p == '"', 1)) {
			*ret_string = fg_str(start, (size_t)(p - start));
			return p + 1;
		}
		if (p < end && *p == '\\')
			return escaped_read(start, p, end, doc, ret_string);
		p = special_pass(p, end, &doc->reason);
		if (!p)
			return NULL;
	}
}

/* Growth doubles up to the bound, so that a long-lived buffer soon allocates nothing. */
#include "base/buf.h"

#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_MIN = 64 };

void fg_buf_init(struct fg_buf *buf, size_t max)
{
	*buf = (struct fg_buf){ .max = max };
}

void fg_buf_fini(struct fg_buf *buf)
{
	free(buf->data);
	fg_buf_init(buf, buf->max);
}

void fg_buf_reset(struct fg_buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

char *fg_buf_grow(struct fg_buf *buf, size_t extra)
{
	size_t cap = buf->cap < BUF_MIN ? BUF_MIN : buf->cap;

	if (cap > buf->max)
		cap = buf->max;
	if (buf->failed || extra > buf->max - buf->len)
		goto fail;
	while (cap < buf->len + extra)
		cap = cap > buf->max / 2 ? buf->max : cap * 2;
	char *data = realloc(buf->data, cap);
	if (!data)
		goto fail;
	buf->data = data;
	buf->cap = cap;
	return data + buf->len;
fail:
	buf->failed = true;
	return NULL;
}

void fg_buf_u64(struct fg_buf *buf, uint64_t n)
{
	char digits[FG_U64_MAX_DIGITS];

	fg_buf_add(buf, digits, fg_u64_write(n, digits));
}

void fg_buf_i64(struct fg_buf *buf, int64_t n)
{
	if (n < 0)
		fg_buf_char(buf, '-');
	fg_buf_u64(buf, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

static const char json_escape[32] = {
	['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
};

static char *escape_write(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	if (c >= 0x20) {
		*out++ = (char)c;
	} else if (json_escape[c]) {
		*out++ = json_escape[c];
	} else {
		memcpy(out, "u00", 3);
		out[3] = hex[c >> 4];
		out[4] = hex[c & 15];
		out += 5;
	}
	return out;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

void fg_buf_json(struct fg_buf *buf, struct fg_str s)
{
	const char *p = s.len ? s.ptr : "", *end = p + s.len;
	size_t before = buf->len;

	fg_buf_char(buf, '"');
	while (p < end) {
		const char *run = p;
		char escape[6];

		while (p < end && is_plain((unsigned char)*p))
			p++;
		fg_buf_add(buf, run, (size_t)(p - run));
		if (p == end)
			break;
		fg_buf_add(buf, escape,
			   (size_t)(escape_write(escape, (unsigned char)*p++) - escape));
	}
	fg_buf_char(buf, '"');
	if (buf->failed)
		buf->len = before;
}

void fg_buf_printf(struct fg_buf *buf, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	/* vsnprintf ends in a NUL that has to have room though it is not content */
	char *p = n < 0 ? NULL : fg_buf_reserve(buf, (size_t)n + 1);

	if (p)
		buf->len += (size_t)vsnprintf(p, (size_t)n + 1, format, again);
	else
		buf->failed = true;
	va_end(again);
}

/* One table lookup a byte; most names pass through untouched. */
#include "base/name.h"

enum { PLAIN = 0, ESCAPED = 1, SLASH = 2, UNDERSCORE = 4 };

/* indexed by byte; what is not ASCII is ESCAPED */
static const unsigned char classes[256] = {
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 2, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 1, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};

/* What a name is looked through for. */
static unsigned int stops_of(bool escape_slash)
{
	return escape_slash ? ESCAPED | SLASH | UNDERSCORE : ESCAPED | UNDERSCORE;
}

static unsigned int class_of(char c, unsigned int stops)
{
	return classes[(unsigned char)c] & stops;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* Would a literal underscore at p begin what reads as an escape? The closing underscore may also
 * be the first of a byte that is escaped itself. */
static bool looks_escaped(const char *p, const char *end, unsigned int stops)
{
	return end - p >= 5 && p[1] == 'x' && is_hex(p[2]) && is_hex(p[3]) &&
	       class_of(p[4], stops) != PLAIN;
}

/* Where the first byte is that cannot be copied; end if none. */
static const char *plain_end(const char *p, const char *end, bool escape_slash)
{
	unsigned int stops = stops_of(escape_slash);

	for (; p < end; p++) {
		unsigned int class = class_of(*p, stops);

		if (class != PLAIN && (class != UNDERSCORE || looks_escaped(p, end, stops)))
			break;
	}
	return p;
}

bool fg_name_is_plain(struct fg_str in, bool escape_slash)
{
	return in.len == 0 || plain_end(in.ptr, in.ptr + in.len, escape_slash) == in.ptr + in.len;
}

static char *escape_write(char *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	out[0] = '_';
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	out[4] = '_';
	return out + 5;
}

size_t fg_name_escape(struct fg_str in, bool escape_slash, char *out)
{
	if (in.len == 0)
		return 0;
	const char *p = in.ptr, *end = in.ptr + in.len;
	char *start = out;

	while (p < end) {
		const char *stop = plain_end(p, end, escape_slash);
		size_t run = (size_t)(stop - p);

		memcpy(out, p, run);
		out += run;
		p = stop;
		if (p < end)
			out = escape_write(out, (unsigned char)*p++);
	}
	return (size_t)(out - start);
}

size_t fg_name_escape_device(struct fg_str in, char *out)
{
	static const char own[] = "fieldgate", below[] = "/devices";
	size_t n = fg_name_escape(in, false, out);
	struct fg_str name = fg_str(out, n), rest = fg_str(out, 0);

	if (!fg_str_starts(name, fg_str_c(own)))
		return n;
	rest = fg_str(out + sizeof(own) - 1, n - (sizeof(own) - 1));
	if (rest.len && !(fg_str_starts(rest, fg_str_c(below)) &&
			  (rest.len == sizeof(below) - 1 || rest.ptr[sizeof(below) - 1] == '/')))
		return n;
	memmove(out + 5, out + 1, n - 1);
	escape_write(out, (unsigned char)own[0]);
	return n + 4;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of _xHH_ at the front of `in`, or -1. */
static int escaped_byte(struct fg_str in)
{
	int high, low;

	if (in.len < 5 || in.ptr[0] != '_' || in.ptr[1] != 'x' || in.ptr[4] != '_')
		return -1;
	high = hex_digit(in.ptr[2]);
	low = hex_digit(in.ptr[3]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t fg_name_unescape(struct fg_str in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len;) {
		int byte = escaped_byte(fg_str(in.ptr + i, in.len - i));

		out[n++] = byte < 0 ? in.ptr[i] : (char)byte;
		i += byte < 0 ? 1 : 5;
	}
	return n;
}

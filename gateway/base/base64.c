/* Four characters are 24 bits; what is left at the end is two or three characters. */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>

size_t fg_base64_encode(struct fg_str in, char *out)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = (const unsigned char *)in.ptr;
	char *start = out;
	uint32_t bits = 0;
	int n = 0;

	for (size_t i = 0; i < in.len; i++) {
		bits = bits << 8 | p[i];
		n += 8;
		while (n >= 6) {
			n -= 6;
			*out++ = alphabet[bits >> n & 63];
		}
	}
	if (n > 0)
		*out++ = alphabet[bits << (6 - n) & 63];
	return (size_t)(out - start);
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static size_t padding(struct fg_str in)
{
	size_t n = 0;

	while (n < 2 && n < in.len && in.ptr[in.len - 1 - n] == '=')
		n++;
	return n;
}

int fg_base64_decode(struct fg_str in, char *out, size_t *ret_len)
{
	size_t pad = padding(in), len = 0;
	uint32_t bits = 0;
	int n = 0;

	if (pad && in.len % 4 != 0)
		return -EINVAL;
	in.len -= pad;
	if (in.len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < in.len; i++) {
		int d = digit(in.ptr[i]);

		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		n += 6;
		if (n >= 8) {
			n -= 8;
			out[len++] = (char)(bits >> n);
			bits &= (1u << n) - 1;
		}
	}
	if (bits != 0)
		return -EINVAL;
	*ret_len = len;
	return 0;
}

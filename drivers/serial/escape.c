/* Bytes that a configuration writes as escapes. */
#include "serial.h"

#include <errno.h>

/* One escape behind its backslash: how many characters it takes, or -EINVAL. */
static int escape_read(const char *text, char *ret_byte)
{
	static const struct {
		char letter, byte;
	} plain[] = { { 'n', '\n' }, { 'r', '\r' }, { 't', '\t' }, { '0', '\0' }, { '\\', '\\' } };
	int high, low;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (text[0] == plain[i].letter) {
			*ret_byte = plain[i].byte;
			return 1;
		}
	}
	if (text[0] != 'x')
		return -EINVAL;
	high = fg_hex_digit(text[1]);
	low = high < 0 ? -1 : fg_hex_digit(text[2]);
	if (low < 0)
		return -EINVAL;
	*ret_byte = (char)(high << 4 | low);
	return 3;
}

int serial_unescape(const char *text, char *out, size_t cap, size_t *ret_len)
{
	size_t len = 0;

	while (*text) {
		char byte = *text++;

		if (byte == '\\') {
			int taken = escape_read(text, &byte);

			if (taken < 0)
				return taken;
			text += taken;
		}
		if (len == cap)
			return -EMSGSIZE;
		out[len++] = byte;
	}
	*ret_len = len;
	return 0;
}

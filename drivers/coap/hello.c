/* Reads a ClientHello and writes the answer to it: RFC 6347 sections 4.1, 4.2.1 and 4.2.2. */
#include "hello.h"

#include <string.h>

#define RECORD 13	/* type 1, version 2, epoch 2, sequence 6, length 2 */
#define HANDSHAKE 12	/* type 1, length 3, message 2, offset 3, length of the fragment 3 */
#define FIXED 34	/* version 2, random 32 */
#define SESSION_ID_MAX 32
#define TYPE_HANDSHAKE 22
#define CLIENT_HELLO 1
#define HELLO_VERIFY_REQUEST 3
#define MAJOR 254

static size_t number(const char *at, int bytes)
{
	size_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | (uint8_t)at[i];
	return value;
}

/* Takes a vector with a length of so many bytes from the front; false: there is less. */
static bool vector_take(struct fg_str *rest, int bytes, struct fg_str *ret_vector)
{
	size_t len;

	if (rest->len < (size_t)bytes)
		return false;
	len = number(rest->ptr, bytes);
	if (rest->len - (size_t)bytes < len)
		return false;
	*ret_vector = fg_str(rest->ptr + bytes, len);
	*rest = fg_str(rest->ptr + bytes + len, rest->len - (size_t)bytes - len);
	return true;
}

static bool body_read(struct fg_str body, struct fg_coap_hello *hello)
{
	struct fg_str rest, id, suites, methods;

	if (body.len < FIXED)
		return false;
	rest = fg_str(body.ptr + FIXED, body.len - FIXED);
	if (!vector_take(&rest, 1, &id) || id.len > SESSION_ID_MAX)
		return false;
	hello->before = fg_str(body.ptr, (size_t)(rest.ptr - body.ptr));
	if (!vector_take(&rest, 1, &hello->cookie))
		return false;
	hello->behind.ptr = rest.ptr;
	if (!vector_take(&rest, 2, &suites) || suites.len < 2 || suites.len % 2 ||
	    !vector_take(&rest, 1, &methods) || methods.len < 1)
		return false;
	hello->behind.len = (size_t)(rest.ptr - hello->behind.ptr);
	return true;
}

enum fg_coap_hello_kind fg_coap_hello_read(struct fg_str datagram, struct fg_coap_hello *ret_hello)
{
	const char *at = datagram.ptr;
	struct fg_coap_hello hello = { 0 };
	size_t len;

	if (datagram.len <= RECORD || (uint8_t)at[0] != TYPE_HANDSHAKE ||
	    at[RECORD] != CLIENT_HELLO)
		return FG_COAP_HELLO_NONE;
	if (number(at + 3, 2) != 0)
		return FG_COAP_HELLO_SEALED;
	len = number(at + 11, 2);
	if ((uint8_t)at[1] != MAJOR || len < HANDSHAKE || len > datagram.len - RECORD)
		return FG_COAP_HELLO_BAD;
	hello.sequence = fg_str(at + 5, 6);
	at += RECORD;
	/* the whole message in one piece: nothing is kept to put others together with */
	if (number(at + 6, 3) != 0 || number(at + 9, 3) != number(at + 1, 3) ||
	    number(at + 1, 3) > len - HANDSHAKE ||
	    !body_read(fg_str(at + HANDSHAKE, number(at + 1, 3)), &hello))
		return FG_COAP_HELLO_BAD;
	*ret_hello = hello;
	return FG_COAP_HELLO_GOOD;
}

void fg_coap_hello_verify(const struct fg_coap_hello *hello, const uint8_t cookie[FG_COAP_COOKIE],
			  uint8_t out[FG_COAP_VERIFY])
{
	const uint8_t body = 3 + FG_COAP_COOKIE;

	memset(out, 0, FG_COAP_VERIFY);
	out[0] = TYPE_HANDSHAKE;
	out[1] = MAJOR;
	out[2] = 255;	/* DTLS 1.0, whatever is agreed on later */
	memcpy(out + 5, hello->sequence.ptr, hello->sequence.len);
	out[12] = HANDSHAKE + body;
	out[RECORD] = HELLO_VERIFY_REQUEST;
	out[RECORD + 3] = body;
	out[RECORD + 11] = body;
	out[RECORD + HANDSHAKE] = MAJOR;
	out[RECORD + HANDSHAKE + 1] = 255;
	out[RECORD + HANDSHAKE + 2] = FG_COAP_COOKIE;
	memcpy(out + RECORD + HANDSHAKE + 3, cookie, FG_COAP_COOKIE);
}

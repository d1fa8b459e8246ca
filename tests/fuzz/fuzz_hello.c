/* Any bytes as the ClientHello of a DTLS client, at its end of memory. What is read as one can be
 * said again with a cookie, and is then read as the same with it. */
#include "../../drivers/coap/hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void inside(struct fg_str part, struct fg_str whole)
{
	if (part.ptr < whole.ptr || part.len > whole.len ||
	    (size_t)(part.ptr - whole.ptr) > whole.len - part.len)
		abort();
}

static void number_add(char *at, int bytes, size_t more)
{
	for (int i = bytes - 1; i >= 0; i--, more >>= 8) {
		more += (uint8_t)at[i];
		at[i] = (char)more;
	}
}

/* The same hello with a longer cookie, as the answer to a HelloVerifyRequest. */
static void say_again(struct fg_str whole, const struct fg_coap_hello *hello)
{
	size_t more = FG_COAP_COOKIE - hello->cookie.len, len = whole.len + more;
	size_t front = (size_t)(hello->cookie.ptr - whole.ptr);
	char *text = malloc(len);
	struct fg_coap_hello again;

	memcpy(text, whole.ptr, front);
	memset(text + front, 'c', FG_COAP_COOKIE);
	memcpy(text + front + FG_COAP_COOKIE, hello->cookie.ptr + hello->cookie.len,
	       whole.len - front - hello->cookie.len);
	text[front - 1] = FG_COAP_COOKIE;
	number_add(text + 11, 2, more);
	number_add(text + 14, 3, more);
	number_add(text + 22, 3, more);
	if (fg_coap_hello_read(fg_str(text, len), &again) != FG_COAP_HELLO_GOOD ||
	    again.cookie.len != FG_COAP_COOKIE || !fg_str_eq(again.before, hello->before) ||
	    !fg_str_eq(again.behind, hello->behind) || !fg_str_eq(again.sequence, hello->sequence))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len ? len : 1);
	struct fg_str whole = fg_str(copy, len);
	struct fg_coap_hello hello;
	uint8_t cookie[FG_COAP_COOKIE] = { 1 }, out[FG_COAP_VERIFY];

	memcpy(copy, data, len);
	if (fg_coap_hello_read(whole, &hello) == FG_COAP_HELLO_GOOD) {
		inside(hello.sequence, whole);
		inside(hello.before, whole);
		inside(hello.behind, whole);
		inside(hello.cookie, whole);
		fg_coap_hello_verify(&hello, cookie, out);
		if (len < FG_COAP_VERIFY || memcmp(out + 5, hello.sequence.ptr, 6) != 0)
			abort();
		if (hello.cookie.len < FG_COAP_COOKIE && len < 60000)
			say_again(whole, &hello);
	}
	free(copy);
	return 0;
}

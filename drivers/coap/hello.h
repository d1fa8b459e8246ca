/*
 * The ClientHello of DTLS 1.0 to 1.3 as it stands in one datagram, and the HelloVerifyRequest that
 * asks its sender to say it again with a cookie (RFC 6347 section 4.2.1). Pure: bytes only.
 */
#pragma once

#include <fg/str.h>

#include <stdint.h>

#define FG_COAP_COOKIE 32
/* Shorter than the shortest ClientHello, so that nothing is gained by having it sent to others. */
#define FG_COAP_VERIFY 60

enum fg_coap_hello_kind {
	FG_COAP_HELLO_NONE,	/* nothing that begins like a ClientHello */
	FG_COAP_HELLO_SEALED,	/* begins like one by chance: it is encrypted (epoch 1 and up) */
	FG_COAP_HELLO_BAD,	/* malformed, or in fragments */
	FG_COAP_HELLO_GOOD,
};

struct fg_coap_hello {
	struct fg_str sequence;		/* the record's number */
	/* What stays the same when it is said again: version, random and session id; cipher suites
	 * and compression methods. */
	struct fg_str before, behind;
	struct fg_str cookie;		/* empty: it is said for the first time */
};

/* Borrows from the datagram; *ret_hello is set for FG_COAP_HELLO_GOOD only. What comes behind the
 * first record, and extensions, are not looked at. */
enum fg_coap_hello_kind fg_coap_hello_read(struct fg_str datagram, struct fg_coap_hello *ret_hello);
void fg_coap_hello_verify(const struct fg_coap_hello *, const uint8_t cookie[FG_COAP_COOKIE],
			  uint8_t out[FG_COAP_VERIFY]);

/*
 * What stands before libcoap at a coaps:// address: who has not shown that he hears what is sent to
 * his address gets no place there.
 *
 * libcoap 4.3.1 and 4.3.4 keep one of their places for half-done handshakes, for 30 s, for each
 * ClientHello from a new address, so that forged ones close the port to honest newcomers. So the
 * gate looks at each datagram before libcoap does, answers first ClientHellos itself and keeps
 * nothing of them, takes wrong ones off the socket, and lets only those through whose cookie it has
 * made (RFC 6347 section 4.2.1).
 */
#pragma once

#include <fg/log.h>

#include "hello.h"
#include "listen.h"

#include <coap3/coap.h>

#define FG_COAP_GATE_SECRET 32

struct fg_coap_gate {
	int fd;			/* libcoap's socket; -1: no gate */
	const void *event;	/* what libcoap's epoll says when that is readable */
	bool runs_ahead;	/* the kernel shows more than the first datagram */
	uint64_t secret_ns;	/* when the newer secret was made; 0: none was yet */
	uint8_t secrets[2][FG_COAP_GATE_SECRET];	/* the newer first */
	uint32_t asked, proved;	/* hellos with that secret */
	struct fg_log_limit refused;
	uint8_t datagram[1472];	/* libcoap reads no longer one */
};

/* Finds the socket that libcoap listens with. -ENOTSUP: it cannot be found here (no /proc, or a
 * kernel before 5.14 that hides it); other errors may pass. */
int fg_coap_gate_open(struct fg_coap_gate *, coap_context_t *context,
		      const struct fg_coap_listen *listen);
/* How many datagrams, at most `most`, libcoap may read now. *ret_more: none of those that were
 * looked at, and there are more; or a session ended to make way for the next one. */
uint32_t fg_coap_gate_pass(struct fg_coap_gate *, coap_context_t *context,
			   const struct fg_logger *logger, uint64_t now_ns, uint32_t most,
			   bool *ret_more);

/*
 * What all users of OpenSSL in this process share.
 *
 * OpenSSL begins its parts when they are first used, once, and remembers for the rest of the
 * process when one could not begin: a single allocation that failed there makes each context or
 * digest after it fail for ever (3.0 and 3.5).
 */
#pragma once

#include <fg/str.h>

#include <stdbool.h>
#include <stdint.h>

#define FG_TLS_MAC 32
#define FG_TLS_MADE_MAX 4

/* To be asked when a context could not be made: true if none can be made although there is memory,
 * so that only a new process helps. */
bool fg_tls_beyond_repair(void);

/* HMAC-SHA256. False: OpenSSL could not. */
bool fg_tls_mac(struct fg_str key, struct fg_str text, uint8_t out[FG_TLS_MAC]);

/* Whether this SSL, of a server, has answered the ClientHello with these 32 random bytes. */
bool fg_tls_answered(const void *ssl, const char *random);

/* The contexts that a library makes for itself and does not show. */
struct fg_tls_made {
	int index;
	unsigned count;
	void *contexts[FG_TLS_MADE_MAX];
};

/* Notes each context that is made in this process until fg_tls_made_end(); those are not to be used
 * any more when whoever made them is gone. -ENOMEM. OpenSSL keeps some 50 bytes of each such time
 * for the rest of the process: for what happens at an opening, not more often. */
int fg_tls_made_begin(struct fg_tls_made *);
void fg_tls_made_end(struct fg_tls_made *);
/* From now on their DTLS servers take any cookie: the caller lets no ClientHello reach them whose
 * cookie it has not checked itself. */
void fg_tls_made_trust_cookies(const struct fg_tls_made *);

#include "adapt/tls.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#define TRIES 3
#define PROBE ((size_t)256 << 10) /* more than a context needs */

static bool memory_is_short(void)
{
	char *volatile probe = malloc(PROBE);
	bool is_short = !probe;

	free(probe);
	return is_short;
}

/* What the libraries here make of OpenSSL: contexts of both kinds, and cookies of DTLS. */
static bool works(void)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method()), *dtls = SSL_CTX_new(DTLS_method());
	unsigned char sum[EVP_MAX_MD_SIZE];
	bool ok = tls && dtls &&
		  HMAC(EVP_sha256(), "key", 3, (const unsigned char *)"text", 4, sum, NULL);

	SSL_CTX_free(tls);
	SSL_CTX_free(dtls);
	return ok;
}

bool fg_tls_beyond_repair(void)
{
	bool ok = false;

	for (int i = 0; i < TRIES && !ok; i++)
		ok = works();
	ERR_clear_error();
	return !ok && !memory_is_short();
}

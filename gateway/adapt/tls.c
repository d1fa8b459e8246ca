#include "adapt/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

bool fg_tls_mac(struct fg_str key, struct fg_str text, uint8_t out[FG_TLS_MAC])
{
	unsigned len = 0;
	bool ok = HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr,
		       text.len, out, &len) &&
		  len == FG_TLS_MAC;

	if (!ok)
		ERR_clear_error();
	return ok;
}

bool fg_tls_answered(const void *ssl, const char *random)
{
	unsigned char own[SSL3_RANDOM_SIZE];

	return SSL_get_client_random(ssl, own, sizeof(own)) == sizeof(own) &&
	       memcmp(own, random, sizeof(own)) == 0;
}

static void context_made(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
			 void *argp)
{
	struct fg_tls_made *made = argp;

	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	if (made->count < FG_TLS_MADE_MAX)
		made->contexts[made->count++] = parent;
}

static void context_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
			  void *argp)
{
	struct fg_tls_made *made = argp;

	(void)ptr;
	(void)data;
	(void)index;
	(void)argl;
	for (unsigned i = 0; i < made->count; i++)
		if (made->contexts[i] == parent)
			made->contexts[i] = NULL;
}

/* OpenSSL tells of new contexts those who have data of their own to keep with them. */
int fg_tls_made_begin(struct fg_tls_made *made)
{
	*made = (struct fg_tls_made){ 0 };
	made->index = SSL_CTX_get_ex_new_index(0, made, context_made, NULL, context_freed);
	if (made->index >= 0)
		return 0;
	ERR_clear_error();
	return -ENOMEM;
}

void fg_tls_made_end(struct fg_tls_made *made)
{
	if (made->index >= 0)
		CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL_CTX, made->index);
	made->index = -1;
}

static int cookie_is_good(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	(void)ssl;
	(void)cookie;
	(void)len;
	return 1;
}

void fg_tls_made_trust_cookies(const struct fg_tls_made *made)
{
	for (unsigned i = 0; i < made->count; i++)
		if (made->contexts[i])
			SSL_CTX_set_cookie_verify_cb(made->contexts[i], cookie_is_good);
}

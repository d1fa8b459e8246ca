/*
 * The TLS context of one connection. It is ours and not the library's, so that the name in the
 * certificate can be another than the host's, a least version is a least version, and the reason
 * for which a certificate was refused is known. The library uses it as it is (MOSQ_OPT_SSL_CTX
 * without MOSQ_OPT_SSL_CTX_WITH_DEFAULTS).
 */
#include "adapt/mosquitto_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static const char *server_name(const struct fg_mqtt *c)
{
	return c->conf->tls.server_name ? c->conf->tls.server_name : c->address.host;
}

static void say_file(char *why, size_t cap, const char *option, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = access(path, R_OK) < 0 ? strerror(errno) : ERR_reason_error_string(code);

	snprintf(why, cap, "tls.%s %s: %s", option, path, text ? text : "cannot be used");
	ERR_clear_error();
}

static int verify(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct fg_mqtt *c = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

	if (!ok && c && !c->peer_said_why) {
		snprintf(c->why, sizeof(c->why), "the broker's certificate was refused: %s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
		c->peer_said_why = true;
	}
	return ok;
}

/* The library sets the host as the server's name; the ClientHello is not made before this. */
static void at_start(const SSL *ssl, int where, int ret)
{
	const struct fg_mqtt *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	(void)ret;
	if (!(where & SSL_CB_HANDSHAKE_START) || !c || !c->conf->tls.server_name)
		return;
	/* OpenSSL hands the connection out as const, and the macro for this takes no const name */
	SSL_ctrl((SSL *)(uintptr_t)ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		 (void *)(uintptr_t)c->conf->tls.server_name);
}

static int trust(struct fg_mqtt *c, SSL_CTX *ctx, char *why, size_t cap)
{
	const struct fg_mqtt_tls *tls = &c->conf->tls;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	unsigned char bytes[16];
	int ok;

	if (tls->insecure) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (tls->ca && !SSL_CTX_load_verify_locations(ctx, tls->ca, NULL)) {
		say_file(why, cap, "ca", tls->ca);
		return -EINVAL;
	}
	if (!tls->ca)
		SSL_CTX_set_default_verify_paths(ctx);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, verify);
	if (inet_pton(AF_INET, server_name(c), bytes) == 1 ||
	    inet_pton(AF_INET6, server_name(c), bytes) == 1)
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, server_name(c));
	else
		ok = X509_VERIFY_PARAM_set1_host(param, server_name(c), 0);
	if (!ok)
		snprintf(why, cap, "tls.server_name cannot be used");
	return ok ? 0 : -EINVAL;
}

static int identify(const struct fg_mqtt_tls *tls, SSL_CTX *ctx, char *why, size_t cap)
{
	if (!tls->cert)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert) != 1) {
		say_file(why, cap, "cert", tls->cert);
		return -EINVAL;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1) {
		say_file(why, cap, "key", tls->key);
		return -EINVAL;
	}
	return 0;
}

/* A key that is encrypted would ask for its pass phrase on the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

SSL_CTX *fg_mqtt_tls_new(struct fg_mqtt *c, char *why, size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		snprintf(why, cap, "no memory for TLS");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx,
				      c->conf->tls.version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	SSL_CTX_set_app_data(ctx, c);
	SSL_CTX_set_info_callback(ctx, at_start);
	if (trust(c, ctx, why, cap) < 0 || identify(&c->conf->tls, ctx, why, cap) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

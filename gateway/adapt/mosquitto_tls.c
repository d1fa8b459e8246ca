/*
 * The TLS context of one connection. It is ours and not the library's, so that the name in the
 * certificate can be another than the host's, a least version is a least version, and the reason
 * for which a broker was refused is known. The library uses it as it is (MOSQ_OPT_SSL_CTX without
 * MOSQ_OPT_SSL_CTX_WITH_DEFAULTS). What the system's configuration of OpenSSL allows beyond that
 * does not count.
 */
#include "adapt/mosquitto_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* of OpenSSL: RSA from 2048 bits, elliptic curves from 224, no SHA-1 */
#define SECURITY_LEVEL 2

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

/* -- why it failed -- */

static int verify(int ok, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct fg_mqtt *c = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
	int error = X509_STORE_CTX_get_error(store);
	bool above = X509_STORE_CTX_get_error_depth(store) > 0;

	if (ok || !c || c->peer_said_why)
		return ok;
	if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(c->why, sizeof(c->why),
			 "the broker's certificate was refused: %s, it is not for %.100s",
			 X509_verify_cert_error_string(error), server_name(c));
	else
		snprintf(c->why, sizeof(c->why), "the broker's certificate was refused: %s%s",
			 X509_verify_cert_error_string(error),
			 above ? " (one above it in its chain)" : "");
	c->peer_said_why = true;
	return ok;
}

struct tls_reason {
	int reason;
	const char *text;
};

/* What OpenSSL says in words of its own. */
static const struct tls_reason tls_reasons[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, "the broker does not speak TLS here" },
	{ SSL_R_PACKET_LENGTH_TOO_LONG, "the broker does not speak TLS here" },
	{ SSL_R_UNEXPECTED_MESSAGE, "the broker does not speak TLS as it should" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "the broker speaks only older versions of TLS" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the broker speaks only other versions of TLS" },
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "the broker closed the connection within TLS" },
};

void fg_mqtt_tls_reason(unsigned long code, char *why, size_t cap)
{
	int reason = ERR_GET_REASON(code);
	const char *text = ERR_reason_error_string(code);

	if (!text)
		text = "unknown reason";
	for (size_t i = 0; i < sizeof(tls_reasons) / sizeof(tls_reasons[0]); i++)
		if (ERR_GET_LIB(code) == ERR_LIB_SSL && tls_reasons[i].reason == reason) {
			snprintf(why, cap, "%s (%s)", tls_reasons[i].text, text);
			return;
		}
	if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
		snprintf(why, cap, "the broker refused TLS: %s", text);
	else
		snprintf(why, cap, "TLS failed: %s", text);
}

bool fg_mqtt_tls_why(const char *logged, char *why, size_t cap)
{
	const char *at = strstr(logged, "error:");
	unsigned long code = at ? strtoul(at + 6, NULL, 16) : 0;

	if (code)
		fg_mqtt_tls_reason(code, why, cap);
	return code != 0;
}

/* -- the context -- */

static bool is_address(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* The library asks for the host by name, even if it is an address, which RFC 6066 section 3 does
 * not allow and some brokers refuse; the ClientHello is not made before this. */
static void name_set(const SSL *ssl, const struct fg_mqtt *c)
{
	const char *name = server_name(c);

	/* OpenSSL hands the connection out as const, and the macro for this takes no const name */
	SSL_ctrl((SSL *)(uintptr_t)ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		 is_address(name) ? NULL : (void *)(uintptr_t)name);
}

static void on_info(const SSL *ssl, int where, int ret)
{
	struct fg_mqtt *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!c)
		return;
	if (where & SSL_CB_HANDSHAKE_START)
		name_set(ssl, c);
	/* until then the library logs more of it */
	if (!(where & SSL_CB_ALERT) || ret >> 8 != SSL3_AL_FATAL || c->state != FG_MQTT_UP ||
	    c->peer_said_why)
		return;
	snprintf(c->why, sizeof(c->why), "TLS broke: %s%s", SSL_alert_desc_string_long(ret),
		 where & SSL_CB_READ ? ", says the broker" : "");
	c->peer_said_why = true;
}

static int trust(struct fg_mqtt *c, SSL_CTX *ctx, char *why, size_t cap)
{
	const struct fg_mqtt_tls *tls = &c->conf->tls;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
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
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(server_name(c)))
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, server_name(c));
	else
		ok = X509_VERIFY_PARAM_set1_host(param, server_name(c), 0);
	if (!ok)
		snprintf(why, cap, "tls.server_name cannot be used");
	return ok ? 0 : -EINVAL;
}

/* A key that is encrypted would ask for its pass phrase on the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	bool *asked = arg;

	(void)buf, (void)size, (void)writing;
	*asked = true;
	return -1;
}

/* A key that everybody on this machine can have proves nothing. */
static int key_is_private(const char *key, char *why, size_t cap)
{
	struct stat st;

	if (stat(key, &st) < 0 || !(st.st_mode & S_IROTH))
		return 0;
	snprintf(why, cap, "tls.key %s: everybody may read it (mode %04o): make it 0600", key,
		 (unsigned)st.st_mode & 07777);
	return -EINVAL;
}

static int identify(const struct fg_mqtt_tls *tls, SSL_CTX *ctx, char *why, size_t cap)
{
	bool asked = false;
	int r = 0;

	if (!tls->cert)
		return 0;
	if (key_is_private(tls->key, why, cap) < 0)
		return -EINVAL;
	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert) != 1) {
		say_file(why, cap, "cert", tls->cert);
		r = -EINVAL;
	} else if (SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1) {
		say_file(why, cap, "key", tls->key);
		if (asked)
			snprintf(why, cap, "tls.key %s: it has a pass phrase", tls->key);
		r = -EINVAL;
	}
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return r;
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
	if (SSL_CTX_get_security_level(ctx) < SECURITY_LEVEL)
		SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* the gate (mosquitto_gate.c) stands in front of data, not of handshakes */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_app_data(ctx, c);
	SSL_CTX_set_info_callback(ctx, on_info);
	if (trust(c, ctx, why, cap) < 0 || identify(&c->conf->tls, ctx, why, cap) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

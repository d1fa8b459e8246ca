/*
 * The gate in front of the library's TLS: a BIO between OpenSSL and the socket. After the handshake
 * it is shut, and opened for nothing but one look (SSL_peek), which decrypts one record. What that
 * holds is checked; then the library may have it, and when it asks for more than has been checked
 * it is told that nothing is there yet. So a packet may be spread over records as its sender
 * likes: its last byte is not given out before its head has been found good, and earlier ones are
 * only collected by the library.
 *
 * There is no other way in: renegotiation, which would read within a handshake, is off
 * (mosquitto_tls.c), and without read-ahead OpenSSL takes no byte beyond the record.
 */
#include "adapt/mosquitto_guard.h"
#include "adapt/mosquitto_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <openssl/err.h>

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
/* A head may come in so many records: looking at it again with each costs the more the longer it
 * is, and nobody who means well cuts it smaller. */
#define RECORDS_OF_A_HEAD 200

struct fg_mqtt_gate {
	BIO_METHOD *method;
	SSL *ssl;			/* the library's */
	bool shut;			/* the handshake is over */
	bool looking;
	size_t kept;			/* bytes of a head that is not whole */
	size_t passed;			/* bytes still to come of a packet whose head is good */
	unsigned records;		/* that brought the head so far */
	uint8_t refusal;		/* of a broker that speaks only MQTT 3.1.1 */
	uint8_t bytes[FG_MQTT_PEEK_MAX + RECORD_MAX];
};

/* -- the BIO -- */

static int gate_read(BIO *bio, char *out, int len)
{
	struct fg_mqtt_gate *gate = BIO_get_data(bio);
	int n;

	BIO_clear_retry_flags(bio);
	gate->shut |= SSL_is_init_finished(gate->ssl) != 0;
	if (gate->shut && !gate->looking) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = BIO_read(BIO_next(bio), out, len);
	BIO_copy_next_retry(bio);
	return n;
}

static long gate_ctrl(BIO *bio, int command, long number, void *arg)
{
	BIO *next = BIO_next(bio);

	return next ? BIO_ctrl(next, command, number, arg) : 0;
}

static BIO *gate_bio(struct fg_mqtt_gate *gate)
{
	BIO *bio;

	gate->method = BIO_meth_new(BIO_TYPE_FILTER, "gate");
	if (!gate->method)
		return NULL;
	BIO_meth_set_read(gate->method, gate_read);
	BIO_meth_set_ctrl(gate->method, gate_ctrl);
	bio = BIO_new(gate->method);
	if (!bio)
		return NULL;
	BIO_set_data(bio, gate);
	BIO_set_init(bio, 1);
	return bio;
}

int fg_mqtt_gate_open(struct fg_mqtt *c)
{
	SSL *ssl = mosquitto_ssl_get(c->mosq);
	BIO *bio, *socket_bio;

	if (!ssl)
		return -ENOTCONN;
	c->gate = calloc(1, sizeof(*c->gate));
	if (!c->gate)
		return -ENOMEM;
	c->gate->ssl = ssl;
	bio = gate_bio(c->gate);
	if (!bio)
		return -ENOMEM;
	/* what is set takes over a reference and gives back that of the one before */
	socket_bio = SSL_get_rbio(ssl);
	BIO_up_ref(socket_bio);
	SSL_set0_rbio(ssl, BIO_push(bio, socket_bio));
	return 0;
}

void fg_mqtt_gate_close(struct fg_mqtt *c)
{
	if (c->gate)
		BIO_meth_free(c->gate->method);
	free(c->gate);
	c->gate = NULL;
}

/* -- what a record holds -- */

static int head_check(struct fg_mqtt_gate *gate, const uint8_t *at, size_t len)
{
	struct fg_mqtt_head head;
	int r = fg_mqtt_guard(at, len, &head);

	if (r == 0) {
		gate->passed = head.len;
		gate->records = 0;
		gate->refusal = head.refusal;
	}
	return r;
}

/* `len` bytes more stand behind those that were kept. 0, or -EBADMSG. */
static int record_check(struct fg_mqtt_gate *gate, size_t len)
{
	const uint8_t *at = gate->bytes;

	len += gate->kept;
	gate->kept = 0;
	while (len) {
		size_t n = gate->passed < len ? gate->passed : len;
		int r = 0;

		at += n;
		len -= n;
		gate->passed -= n;
		if (len)
			r = head_check(gate, at, len);
		if (r == -EAGAIN)
			break;
		if (r < 0)
			return r;
	}
	if (len > FG_MQTT_PEEK_MAX || (len && ++gate->records > RECORDS_OF_A_HEAD))
		return -EBADMSG;
	memmove(gate->bytes, at, len);
	gate->kept = len;
	return 0;
}

/* 0 if there was only nothing, otherwise a MOSQ_ERR_ code. */
static int look_failed(struct fg_mqtt *c, int n)
{
	int saved = errno, error = SSL_get_error(c->gate->ssl, n);
	unsigned long code = ERR_peek_error();

	ERR_clear_error();
	c->rc_errno = saved;
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return MOSQ_ERR_SUCCESS;
	case SSL_ERROR_SYSCALL:
		return saved ? MOSQ_ERR_ERRNO : MOSQ_ERR_CONN_LOST;
	case SSL_ERROR_SSL:
		if (!c->peer_said_why)
			fg_mqtt_tls_reason(code, c->why, sizeof(c->why));
		c->peer_said_why = true;
		return MOSQ_ERR_TLS;
	default:
		return MOSQ_ERR_CONN_LOST;
	}
}

int fg_mqtt_gate_look(struct fg_mqtt *c, bool *ret_have)
{
	struct fg_mqtt_gate *gate = c->gate;
	int n;

	/* of the handshake the library takes care; what it has left of a record has been checked */
	*ret_have = !SSL_is_init_finished(gate->ssl) || SSL_pending(gate->ssl) > 0;
	if (*ret_have)
		return MOSQ_ERR_SUCCESS;
	ERR_clear_error();
	errno = 0;
	gate->looking = true;
	n = SSL_peek(gate->ssl, gate->bytes + gate->kept, RECORD_MAX);
	gate->looking = false;
	if (n <= 0)
		return look_failed(c, n);
	if (n != SSL_pending(gate->ssl) || record_check(gate, (size_t)n) < 0)
		return MOSQ_ERR_MALFORMED_PACKET;
	c->refusal = gate->refusal;
	*ret_have = true;
	return MOSQ_ERR_SUCCESS;
}

/*
 * TLS peers that misbehave. Both library versions that are in use spin the loop for some of them
 * (2.0.11: refused; 2.0.21: silent), so what counts is the number of turns, never time. And what a
 * certificate must say.
 */
#include "test_mqtt_peer.h"

#include "adapt/mosquitto.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

extern char **environ;

struct bed {
	struct sim *sim;
	struct peer peer;
	struct fg_mqtt conn;
	struct fg_mqtt_conf conf;
	unsigned up, down, closed, messages;
	int error;
	char what[256], url[64];
};

static struct bed *of_conn(struct fg_mqtt *conn)
{
	return (struct bed *)(void *)((char *)conn - offsetof(struct bed, conn));
}

static void on_up(struct fg_mqtt *conn, bool session_present)
{
	(void)session_present;
	of_conn(conn)->up++;
}

static void on_down(struct fg_mqtt *conn, int error, const char *what)
{
	struct bed *bed = of_conn(conn);

	bed->down++;
	bed->error = error;
	snprintf(bed->what, sizeof(bed->what), "%s", what);
}

static void on_closed(struct fg_mqtt *conn)
{
	of_conn(conn)->closed++;
}

static const struct fg_mqtt_ops ops = { .up = on_up, .down = on_down, .closed = on_closed };

static bool is_down(void *arg)
{
	return ((struct bed *)arg)->down > 0;
}

static bool is_closed(void *arg)
{
	return ((struct bed *)arg)->closed > 0;
}

static int bed_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	sim_setup((void **)&bed->sim);
	peer_listen(&bed->peer);
	snprintf(bed->url, sizeof(bed->url), "mqtts://127.0.0.1:%u", bed->peer.port);
	bed->conf = (struct fg_mqtt_conf){
		.url = bed->url,
		.client_id = "c",
		.version = 5,
		.keepalive_ns = FG_S(60),
		.tls.version = 12,
	};
	*state = bed;
	return 0;
}

static void bed_open(struct bed *bed)
{
	bed->up = bed->down = bed->closed = 0;
	fg_mqtt_init(&bed->conn, bed->sim->loop, &bed->conf, &ops);
	bed->conn.setup = (struct fg_mqtt_setup){ .client_id = "c", .clean = true };
	assert_int_equal(fg_mqtt_open(&bed->conn), 0);
}

static int bed_teardown(void **state)
{
	struct bed *bed = *state;

	fg_mqtt_close(&bed->conn, true);
	turns_until(bed->sim->loop, is_closed, bed);
	peer_close(&bed->peer);
	fg_loop_free(bed->sim->loop);
	free(bed->sim);
	free(bed);
	return 0;
}

static void expect_down(struct bed *bed)
{
	assert_true(turns_until(bed->sim->loop, is_down, bed) < 40);
	assert_int_equal(bed->down, 1);
	assert_int_equal(bed->up, 0);
	assert_true(bed->error < 0);
}

static void test_refused(void **state)
{
	struct bed *bed = *state;

	peer_close(&bed->peer);
	bed_open(bed);
	expect_down(bed);
}

static void test_accepted_and_closed(void **state)
{
	struct bed *bed = *state;

	bed_open(bed);
	turns_until(bed->sim->loop, peer_knocked, &bed->peer);
	peer_hang_up(&bed->peer);
	expect_down(bed);
}

static void test_closed_behind_client_hello(void **state)
{
	struct bed *bed = *state;
	uint8_t head[5];

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_take(&bed->peer, head, sizeof(head));
	assert_int_equal(head[0], 0x16);
	peer_hang_up(&bed->peer);	/* with the rest unread: a reset */
	expect_down(bed);
}

static void test_silent(void **state)
{
	struct bed *bed = *state;
	uint64_t before = bed->sim->now_ns;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	expect_down(bed);
	assert_int_equal(bed->error, -ETIMEDOUT);
	assert_true(bed->sim->now_ns - before >= FG_S(20));
}

static void test_garbage(void **state)
{
	static const char garbage[] = "220 mail.example ESMTP ready, this is not TLS at all\r\n";
	struct bed *bed = *state;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_send(&bed->peer, garbage, sizeof(garbage) - 1);
	expect_down(bed);
	assert_non_null(strstr(bed->what, "does not speak TLS"));
}

static void test_no_ca_file(void **state)
{
	struct bed *bed = *state;

	bed->conf.tls.ca = "/nonexistent/ca.pem";
	bed_open(bed);
	expect_down(bed);
	assert_non_null(strstr(bed->what, "/nonexistent/ca.pem: No such file"));
}

/* -- a broker with a certificate -- */

static void certificate_new(const char *folder, char *key, char *cert, size_t cap)
{
	char *argv[] = { "openssl",
			 "req",
			 "-x509",
			 "-newkey",
			 "ec",
			 "-pkeyopt",
			 "ec_paramgen_curve:P-256",
			 "-nodes",
			 "-keyout",
			 key,
			 "-out",
			 cert,
			 "-days",
			 "2",
			 "-subj",
			 "/CN=broker.test",
			 "-addext",
			 "subjectAltName=DNS:broker.test",
			 NULL };
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	snprintf(key, cap, "%s/key.pem", folder);
	snprintf(cert, cap, "%s/cert.pem", folder);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct broker {
	char folder[64], key[96], cert[96];
	SSL_CTX *ctx;
	SSL *ssl;
	char name[64];			/* as the client asked for (SNI) */
};

static void broker_open(struct broker *broker)
{
	snprintf(broker->folder, sizeof(broker->folder), "/tmp/fieldgate-tls.XXXXXX");
	assert_non_null(mkdtemp(broker->folder));
	certificate_new(broker->folder, broker->key, broker->cert, sizeof(broker->key));
	broker->ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate_file(broker->ctx, broker->cert, 1), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(broker->ctx, broker->key, 1), 1);
}

static void broker_close(struct broker *broker)
{
	SSL_free(broker->ssl);
	SSL_CTX_free(broker->ctx);
	unlink(broker->key);
	unlink(broker->cert);
	rmdir(broker->folder);
}

static void broker_give(struct broker *broker, struct bed *bed, const uint8_t *bytes, size_t len)
{
	assert_int_equal(SSL_write(broker->ssl, bytes, (int)len), (int)len);
	turns(bed->sim->loop, 2);
}

/* True when the handshake is done; both sides move only here, and a worker connects one of them: on
 * a busy machine, or an emulated one, it needs its time. */
static bool broker_accept(struct broker *broker, struct bed *bed)
{
	int r = 0;

	peer_accept(&bed->peer, bed->sim->loop);
	fcntl(bed->peer.fd, F_SETFL, O_NONBLOCK);
	broker->ssl = SSL_new(broker->ctx);
	SSL_set_fd(broker->ssl, bed->peer.fd);
	for (int i = 0; i < 20000 && r != 1 && !bed->down; i++) {
		r = SSL_accept(broker->ssl);
		turns(bed->sim->loop, 2);
		sched_yield();
	}
	if (SSL_get_servername(broker->ssl, TLSEXT_NAMETYPE_host_name))
		snprintf(broker->name, sizeof(broker->name), "%s",
			 SSL_get_servername(broker->ssl, TLSEXT_NAMETYPE_host_name));
	ERR_clear_error();
	return r == 1;
}

static void test_server_name_is_what_counts(void **state)
{
	static const uint8_t connack[] = { 0x20, 3, 0, 0, 0 };
	struct bed *bed = *state;
	struct broker broker = { 0 };
	uint8_t bytes[256];

	broker_open(&broker);
	bed->conf.tls.ca = broker.cert;
	bed->conf.tls.server_name = "broker.test";
	bed_open(bed);
	assert_true(broker_accept(&broker, bed));
	assert_string_equal(broker.name, "broker.test");
	turns(bed->sim->loop, 3);
	assert_true(SSL_read(broker.ssl, bytes, sizeof(bytes)) > 0);
	assert_int_equal(bytes[0], 0x10);
	assert_int_equal(SSL_write(broker.ssl, connack, sizeof(connack)), sizeof(connack));
	turns(bed->sim->loop, 3);
	assert_int_equal(bed->up, 1);
	assert_int_equal(bed->down, 0);
	broker_close(&broker);
}

/* -- what a broker sends that has proved who it is -- */

static void message_count(struct fg_mqtt *conn, const struct fg_mqtt_message *message)
{
	(void)message;
	of_conn(conn)->messages++;
}

static const struct fg_mqtt_ops listening_ops = {
	.message = message_count,
	.up = on_up,
	.down = on_down,
	.closed = on_closed,
};

static void broker_up(struct broker *broker, struct bed *bed)
{
	static const uint8_t connack[] = { 0x20, 3, 0, 0, 0 };

	broker_open(broker);
	bed->conf.tls.insecure = true;
	bed_open(bed);
	bed->conn.ops = &listening_ops;
	assert_true(broker_accept(broker, bed));
	broker_give(broker, bed, connack, sizeof(connack));
	assert_int_equal(bed->up, 1);
}

/* A record for each byte, several packets in a record, one packet in several records. */
static void test_records_are_no_packets(void **state)
{
	static const uint8_t two[] = {
		0x30, 7, 0, 1, 'a', 2, 1, 1, '1', 0x30, 5, 0, 1, 'a', 0, '2'
	};
	static uint8_t large[65536] = { 0x30, 0xfd, 0xff, 3, 0, 1, 'a' };
	struct bed *bed = *state;
	struct broker broker = { 0 };

	broker_up(&broker, bed);
	broker_give(&broker, bed, two, sizeof(two));
	assert_int_equal(bed->messages, 2);
	for (size_t i = 0; i < sizeof(two); i++) {
		assert_int_equal(bed->messages, i == 0 ? 2 : i < 9 ? 2 : 3);
		broker_give(&broker, bed, two + i, 1);
	}
	assert_int_equal(bed->messages, 4);
	/* the last of 5 records holds the beginning of the next packet as well */
	memcpy(large + sizeof(large) - 9, two, 9);
	large[1] = 0xf3;
	for (size_t at = 0; at < sizeof(large); at += 16384)
		broker_give(&broker, bed, large + at, 16384);
	assert_int_equal(bed->messages, 6);
	assert_int_equal(bed->down, 0);
	broker_close(&broker);
}

static void malformed_is_refused(struct bed *bed, const uint8_t *bytes, size_t len, size_t step)
{
	struct broker broker = { 0 };

	broker_up(&broker, bed);
	for (size_t at = 0; at < len && !bed->down; at += step)
		broker_give(&broker, bed, bytes + at, len - at < step ? len - at : step);
	assert_int_equal(bed->down, 1);
	assert_int_equal(bed->error, -EPROTO);
	assert_string_equal(bed->what, "the broker sent a malformed packet");
	broker_close(&broker);
	fg_mqtt_close(&bed->conn, false);
	turns_until(bed->sim->loop, is_closed, bed);
}

/* libmosquitto would end the process. */
static void test_malformed_within_tls(void **state)
{
	static const uint8_t unknown[] = { 0x30, 7, 0, 1, 'a', 2, 0x7f, 0xff, '1' };
	static const uint8_t behind[] = { 0x30, 5, 0, 1, 'a', 0, '2', 0xe0, 3, 0, 1, 0x7f };
	static const size_t steps[] = { 16384, 1, 3 };
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		malformed_is_refused(bed, unknown, sizeof(unknown), steps[i]);
		malformed_is_refused(bed, behind, sizeof(behind), steps[i]);
	}
}

/* As a broker of MQTT 3.1.1 says it, which libmosquitto understands in part or not at all. */
static void test_refused_within_tls(void **state)
{
	static const uint8_t connack[] = { 0x20, 2, 0, 5 };
	struct bed *bed = *state;
	struct broker broker = { 0 };

	broker_open(&broker);
	bed->conf.tls.insecure = true;
	bed_open(bed);
	assert_true(broker_accept(&broker, bed));
	broker_give(&broker, bed, connack, sizeof(connack));
	assert_int_equal(bed->down, 1);
	assert_int_equal(bed->error, -ECONNREFUSED);
	broker_close(&broker);
}

/* A list of properties that never ends, a byte a record. */
static void test_head_in_crumbs(void **state)
{
	uint8_t bytes[1000] = { 0x30, 0xff, 0xff, 7, 0, 1, 'a', 0xf0, 0xff, 7 };
	struct bed *bed = *state;

	for (size_t i = 10; i < sizeof(bytes); i++)
		bytes[i] = i % 5 == 0 ? 0x26 : 0;
	malformed_is_refused(bed, bytes, sizeof(bytes), 1);
}

/* A broker that takes no such certificate says so when the handshake is over on this side, and
 * leaves: the CONNECT that it has not read resets the connection behind its alert. */
static void test_alert_in_front_of_a_reset(void **state)
{
	struct bed *bed = *state;
	struct broker broker = { 0 };

	broker_open(&broker);
	SSL_CTX_set_verify(broker.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	bed->conf.tls.insecure = true;
	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	fcntl(bed->peer.fd, F_SETFL, O_NONBLOCK);
	broker.ssl = SSL_new(broker.ctx);
	SSL_set_fd(broker.ssl, bed->peer.fd);
	assert_int_equal(SSL_accept(broker.ssl), -1);
	turns(bed->sim->loop, 4);	/* Finished and CONNECT are on their way */
	assert_int_equal(SSL_accept(broker.ssl), -1);
	peer_hang_up(&bed->peer);
	expect_down(bed);
	assert_non_null(strstr(bed->what, "the broker refused TLS: "));
	ERR_clear_error();
	broker_close(&broker);
}

static void test_wrong_certificates(void **state)
{
	struct bed *bed = *state;
	struct broker broker = { 0 };

	broker_open(&broker);
	/* the host is 127.0.0.1, which the certificate does not name */
	bed->conf.tls.ca = broker.cert;
	bed_open(bed);
	broker_accept(&broker, bed);
	expect_down(bed);
	assert_non_null(strstr(bed->what, "certificate was refused: IP address mismatch"));
	SSL_free(broker.ssl);
	fg_mqtt_close(&bed->conn, false);
	turns_until(bed->sim->loop, is_closed, bed);

	/* nobody whom the system trusts has signed it */
	bed->conf.tls.ca = NULL;
	bed->conf.tls.server_name = "broker.test";
	bed_open(bed);
	broker_accept(&broker, bed);
	expect_down(bed);
	assert_non_null(strstr(bed->what, "certificate was refused: self-signed"));
	broker_close(&broker);
}

static void test_insecure_takes_any(void **state)
{
	struct bed *bed = *state;
	struct broker broker = { 0 };

	broker_open(&broker);
	bed->conf.tls.insecure = true;
	bed_open(bed);
	assert_true(broker_accept(&broker, bed));
	assert_int_equal(bed->down, 0);
	broker_close(&broker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused),
		TEST(test_accepted_and_closed),
		TEST(test_closed_behind_client_hello),
		TEST(test_silent),
		TEST(test_garbage),
		TEST(test_no_ca_file),
		TEST(test_server_name_is_what_counts),
		TEST(test_records_are_no_packets),
		TEST(test_malformed_within_tls),
		TEST(test_refused_within_tls),
		TEST(test_head_in_crumbs),
		TEST(test_alert_in_front_of_a_reset),
		TEST(test_wrong_certificates),
		TEST(test_insecure_takes_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a connection reads from a broker that cuts its packets anywhere, or sends malformed ones. */
#include "test_mqtt_peer.h"

#include "adapt/mosquitto.h"

#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <mosquitto.h>

#define MALFORMED "the broker sent a malformed packet"

struct bed {
	struct sim *sim;
	struct peer peer;
	struct fg_mqtt conn;
	struct fg_mqtt_conf conf;
	char folder[32], path[64], url[96];
	unsigned up, down, closed, messages, published, wanted;
	size_t payload_len;
	int error;
	char what[256];
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

static void on_message(struct fg_mqtt *conn, const struct fg_mqtt_message *message)
{
	of_conn(conn)->messages++;
	of_conn(conn)->payload_len = message->payload.len;
}

static void on_published(struct fg_mqtt *conn, int mid, int reason)
{
	(void)mid, (void)reason;
	of_conn(conn)->published++;
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

static const struct fg_mqtt_ops ops = {
	.message = on_message,
	.published = on_published,
	.up = on_up,
	.down = on_down,
	.closed = on_closed,
};

static bool is_up(void *arg)
{
	return ((struct bed *)arg)->up > 0;
}

static bool is_down(void *arg)
{
	return ((struct bed *)arg)->down > 0;
}

static bool is_closed(void *arg)
{
	return ((struct bed *)arg)->closed > 0;
}

static bool has_messages(void *arg)
{
	const struct bed *bed = arg;

	return bed->down || bed->messages >= bed->wanted;
}

static int bed_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	sim_setup((void **)&bed->sim);
	peer_listen(&bed->peer);
	bed->conf = (struct fg_mqtt_conf){
		.url = bed->peer.url,
		.client_id = "c",
		.version = 5,
		.keepalive_ns = FG_S(60),
	};
	*state = bed;
	return 0;
}

static int bed_setup_local(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct bed *bed;

	bed_setup(state);
	bed = *state;
	close(bed->peer.listener);
	snprintf(bed->folder, sizeof(bed->folder), "/tmp/fg-read-XXXXXX");
	assert_non_null(mkdtemp(bed->folder));
	snprintf(bed->path, sizeof(bed->path), "%s/broker", bed->folder);
	snprintf(bed->url, sizeof(bed->url), "unix://%s", bed->path);
	bed->conf.url = bed->url;
	memcpy(address.sun_path, bed->path, sizeof(bed->path));
	bed->peer.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(bed->peer.listener, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(bed->peer.listener, 4), 0);
	return 0;
}

static int bed_teardown(void **state)
{
	struct bed *bed = *state;

	fg_mqtt_close(&bed->conn, true);
	turns_until(bed->sim->loop, is_closed, bed);
	peer_close(&bed->peer);
	if (bed->folder[0]) {
		unlink(bed->path);
		rmdir(bed->folder);
	}
	fg_loop_free(bed->sim->loop);
	free(bed->sim);
	free(bed);
	return 0;
}

static void bed_open(struct bed *bed)
{
	struct packet packet;

	bed->up = bed->down = bed->messages = 0;
	if (!bed->conn.loop)
		fg_mqtt_init(&bed->conn, bed->sim->loop, &bed->conf, &ops);
	bed->conn.setup = (struct fg_mqtt_setup){
		.client_id = "c",
		.clean = true,
		.receive_max = 100,
		.send_max = 100,
	};
	assert_int_equal(fg_mqtt_open(&bed->conn), 0);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, 0x10, &packet);
}

static void bed_up(struct bed *bed)
{
	bed_open(bed);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns_until(bed->sim->loop, is_up, bed);
}

static void expect_malformed(struct bed *bed)
{
	turns_until(bed->sim->loop, is_down, bed);
	assert_string_equal(bed->what, MALFORMED);
	assert_int_equal(bed->error, -EPROTO);
	assert_int_equal(bed->down, 1);
}

static int unread(struct bed *bed)
{
	int len = -1;

	ioctl(mosquitto_socket(bed->conn.mosq), FIONREAD, &len);
	return len;
}

/* One byte, and some turns. So many small segments wait for acknowledgements, which come in real
 * time, while that of the loop is none. */
static void peer_drip(struct bed *bed, const uint8_t *byte)
{
	int unsent = 0;

	peer_send(&bed->peer, byte, 1);
	do
		sched_yield();
	while (ioctl(bed->peer.fd, SIOCOUTQNSD, &unsent) == 0 && unsent);
	for (int n = 0; n < 4; n++)
		fg_loop_turn(bed->sim->loop, true);
}

/* -- malformed -- */

struct lie {
	uint8_t bytes[24];
	size_t len;
};

#define LIE(...)                                                          \
	{                                                                 \
		{ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) \
	}

static const struct lie lies[] = {
	LIE(0x20, 5, 0, 0, 2, 0x7f, 0),		LIE(0x30, 6, 0, 1, 'a', 2, 0x7f, 0),
	LIE(0x30, 7, 0, 1, 'a', 2, 0x03, 0, 9), LIE(0x32, 10, 0, 1, 'a', 0, 1, 4, 0x02, 0, 0, 0),
	LIE(0x40, 6, 0, 1, 0, 2, 0x7f, 0),	LIE(0x50, 6, 0, 1, 0, 2, 0x7f, 0),
	LIE(0x62, 6, 0, 1, 0, 2, 0x7f, 0),	LIE(0x70, 6, 0, 1, 0, 2, 0x7f, 0),
	LIE(0x90, 6, 0, 1, 2, 0x7f, 0, 0),	LIE(0xb0, 6, 0, 1, 2, 0x7f, 0, 0),
	LIE(0xe0, 4, 0x8e, 2, 0x7f, 0),		LIE(0xf0, 4, 0x18, 2, 0x7f, 0),
};

static void test_malformed(void **state)
{
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bed_up(bed);
		peer_send(&bed->peer, lies[i].bytes, lies[i].len);
		expect_malformed(bed);
		assert_int_equal(bed->messages, 0);
	}
}

/* No topic of a publication, in either version of MQTT: mosquitto_loop_read() hands it over. */
static void test_topic_with_a_wildcard(void **state)
{
	static const char *const topics[] = { "t/+", "#", "a+b" };
	struct bed *bed = *state;

	for (size_t i = 0; i < 6; i++) {
		const char *topic = topics[i / 2];
		uint8_t bytes[16] = { 0x30, 0, 0 };
		size_t len = strlen(topic), at;

		bed->conf.version = i % 2 ? 5 : 4;
		bed_open(bed);
		peer_send(&bed->peer, (const uint8_t[]){ 0x20, i % 2 ? 3 : 2, 0, 0, 0 },
			  i % 2 ? 5 : 4);
		turns_until(bed->sim->loop, is_up, bed);
		bytes[3] = (uint8_t)len;
		at = 4 + len + i % 2;
		memcpy(bytes + 4, topic, len);
		bytes[at++] = '1';
		bytes[1] = (uint8_t)(at - 2);
		peer_send(&bed->peer, bytes, at);
		expect_malformed(bed);
		assert_int_equal(bed->messages, 0);
	}
}

static void test_malformed_instead_of_connack(void **state)
{
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bed_open(bed);
		peer_send(&bed->peer, lies[i].bytes, lies[i].len);
		expect_malformed(bed);
		assert_int_equal(bed->up, 0);
	}
}

static void test_malformed_in_pieces(void **state)
{
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bed_up(bed);
		for (size_t at = 0; at < lies[i].len && !bed->down; at++)
			peer_drip(bed, lies[i].bytes + at);
		expect_malformed(bed);
	}
}

static void test_refused_by_a_broker_of_3_1_1(void **state)
{
	struct bed *bed = *state;

	for (uint8_t code = 1; code <= 5; code++) {
		bed_open(bed);
		PEER_SEND(&bed->peer, 0x20, 2, 0, code);
		turns_until(bed->sim->loop, is_down, bed);
		assert_int_equal(bed->error, -ECONNREFUSED);
		assert_non_null(strstr(bed->what, "refused"));
		assert_int_equal(bed->down, 1);
	}
}

/* -- in pieces -- */

/* QoS 1, with a content type and a user property. */
static const uint8_t rich[] = {
	0x32, 26,   0, 1, 'a', 0,   7, 17, 0x03, 0,   4,   't', 'e', 'x',
	't',  0x26, 0, 2, 'k', 'k', 0, 3,  'v',	 'v', 'v', '2', '1', '5',
};

static void test_byte_by_byte(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	for (unsigned round = 1; round <= 3; round++) {
		for (size_t at = 0; at < sizeof(rich); at++) {
			assert_int_equal(bed->messages, round - 1);
			peer_drip(bed, rich + at);
		}
		bed->wanted = round;
		turns_until(bed->sim->loop, has_messages, bed);
		assert_int_equal(bed->messages, round);
		assert_int_equal(bed->payload_len, 3);
	}
	assert_int_equal(bed->down, 0);
}

/* A loop that is woken all the time would not let the clock go on. */
static void test_half_a_head_does_not_spin(void **state)
{
	struct bed *bed = *state;
	uint64_t before;

	bed_up(bed);
	peer_send(&bed->peer, rich, 9);
	turns(bed->sim->loop, 4);
	before = fg_loop_now(bed->sim->loop);
	for (int n = 0; n < 40; n++)
		fg_loop_turn(bed->sim->loop, true);
	assert_true(fg_loop_now(bed->sim->loop) - before > FG_S(1));
	assert_int_equal(bed->down, 0);
	peer_send(&bed->peer, rich + 9, sizeof(rich) - 9);
	bed->wanted = 1;
	turns_until(bed->sim->loop, has_messages, bed);
	assert_int_equal(bed->messages, 1);
}

static void test_ends_within_a_head(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_send(&bed->peer, rich, 9);
	shutdown(bed->peer.fd, SHUT_WR);
	assert_true(turns_until(bed->sim->loop, is_down, bed) < 40);
	assert_int_equal(bed->error, -ECONNRESET);
}

#define LARGE 300000

static size_t large_head(uint8_t *out, size_t props_len, size_t payload_len)
{
	size_t rest = 3 + 3 + props_len + payload_len, len = 0;

	out[len++] = 0x30;
	for (; rest >= 128; rest >>= 7)
		out[len++] = (uint8_t)(rest | 0x80);
	out[len++] = (uint8_t)rest;
	memcpy(out + len, (const uint8_t[]){ 0, 1, 'a' }, 3);
	len += 3;
	out[len++] = (uint8_t)(props_len | 0x80);
	out[len++] = (uint8_t)(props_len >> 7 | 0x80);
	out[len++] = (uint8_t)(props_len >> 14);
	return len;
}

static void peer_push(struct bed *bed, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(bed->peer.fd, bytes, len, MSG_DONTWAIT);

		assert_true(n > 0 || errno == EAGAIN);
		fg_loop_turn(bed->sim->loop, false);
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* The payload is larger than what is looked at; behind it everything is looked at again. */
static void test_large(void **state)
{
	struct bed *bed = *state;
	uint8_t *bytes = calloc(1, LARGE + 64);
	size_t len = large_head(bytes, 0, LARGE);

	/* properties' length in one byte */
	len -= 2;
	bytes[len - 1] = 0;
	bytes[1] = (uint8_t)(0x80 | ((LARGE + 4) & 0x7f));
	bytes[2] = (uint8_t)(0x80 | ((LARGE + 4) >> 7));
	bytes[3] = (uint8_t)((LARGE + 4) >> 14);
	bed_up(bed);
	for (unsigned i = 1; i <= 3; i++) {
		peer_push(bed, bytes, len + LARGE);
		bed->wanted = i;
		turns_until(bed->sim->loop, has_messages, bed);
		assert_int_equal(bed->messages, i);
		assert_int_equal(bed->payload_len, LARGE);
	}
	memcpy(bytes + len + LARGE, lies[1].bytes, lies[1].len);
	peer_push(bed, bytes, len + LARGE + lies[1].len);
	expect_malformed(bed);
	assert_int_equal(bed->messages, 4);
	free(bytes);
}

/* Properties that take more than the first look at them. */
static void test_large_head(void **state)
{
	struct bed *bed = *state;
	uint8_t *bytes = calloc(1, LARGE);
	size_t props_len = 5 + 40000, len = large_head(bytes, props_len, 1);

	memcpy(bytes + len, (const uint8_t[]){ 0x26, 0, 0, 40000 >> 8, 40000 & 0xff }, 5);
	memset(bytes + len + 5, 'x', 40001);
	bed_up(bed);
	peer_push(bed, bytes, len + props_len + 1);
	bed->wanted = 1;
	turns_until(bed->sim->loop, has_messages, bed);
	assert_int_equal(bed->messages, 1);
	assert_int_equal(bed->payload_len, 1);
	free(bytes);
}

/* -- no more than was checked -- */

/* The library reads as many packets as publications are unacknowledged, if it is not stopped. The
 * rest of the last packet looks like good ones. */
static void test_library_stops_where_it_shall(void **state)
{
	static const uint8_t head[] = { 0x30, 10, 0, 1, 'a', 6 };
	static const struct fg_mqtt_publication one = {
		.topic = "t", .payload = { "1", 1 }, .qos = 1,
	};
	struct bed *bed = *state;
	struct packet packet;
	int mid;

	bed_up(bed);
	for (int i = 0; i < 20; i++)
		assert_int_equal(fg_mqtt_publish(&bed->conn, &one, &mid), 0);
	fg_mqtt_flush(&bed->conn);
	for (int i = 0; i < 20; i++)
		peer_expect(&bed->peer, 0x30, &packet);
	for (int i = 0; i < 4; i++) {
		uint8_t bytes[] = {
			[0] = 0x40,
			2,
			packet.body[3],
			packet.body[4], /* known */
			0x40,
			2,
			0x70,
			0x01, /* unknown */
			0xb0,
			3,
			0x70,
			0x02,
			0,
			0xd0,
			0,
			0x30,
			5,
			0,
			1,
			'a',
			0,
			'1',
		};
		static const size_t ends[] = { 4, 8, 15, 22 };
		size_t begin = i ? ends[i - 1] : 0;

		peer_send(&bed->peer, bytes + begin, ends[i] - begin);
		peer_send(&bed->peer, head, i < 3 ? 1 : sizeof(head));
		turns(bed->sim->loop, 4);
		assert_int_equal(unread(bed), i < 3 ? 1 : (int)sizeof(head));
		if (i < 3) {
			/* completed: a PUBLISH of QoS 0 */
			PEER_SEND(&bed->peer, 5, 0, 1, 'a', 0, '1');
			bed->wanted = (unsigned)i + 1;
			turns_until(bed->sim->loop, has_messages, bed);
		}
	}
	assert_int_equal(bed->published, 1);
	PEER_SEND(&bed->peer, 0xd0, 0, 0xd0, 0, 0xd0, 0);
	expect_malformed(bed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
#define LOCAL(name)                                                       \
	{                                                                 \
#name " local", name, bed_setup_local, bed_teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_malformed),
		TEST(test_topic_with_a_wildcard),
		TEST(test_malformed_instead_of_connack),
		TEST(test_malformed_in_pieces),
		TEST(test_refused_by_a_broker_of_3_1_1),
		TEST(test_byte_by_byte),
		LOCAL(test_byte_by_byte),
		TEST(test_half_a_head_does_not_spin),
		LOCAL(test_half_a_head_does_not_spin),
		TEST(test_ends_within_a_head),
		LOCAL(test_ends_within_a_head),
		TEST(test_large),
		LOCAL(test_large),
		TEST(test_large_head),
		TEST(test_library_stops_where_it_shall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The MQTT bridge against a pretended outbox and a scripted broker. */
#include "test_mqtt_peer.h"
#include "test_command_fake.h"

#include "../../bridges/mqtt/mqtt.h"

extern const struct fg_bridge fg_bridge_mqtt;

#define WINDOW 4

struct bed {
	struct fg_sink sink;		/* first: the bridge's functions find the rest by it */
	struct sim *sim;
	struct peer peer;
	struct mqtt_sink state;
	struct mqtt_sink_conf conf;
	struct fg_batch batches[WINDOW];
	unsigned up, faults, closed, ready, done, alive, lifeless;
	uint32_t done_slot[16];
	int done_error[16], error;
	char what[256];
	const char *will;
};

void fg_sink_up(struct fg_sink *sink)
{
	((struct bed *)sink)->up++;
}

void fg_sink_fault(struct fg_sink *sink, int error, const char *what)
{
	struct bed *bed = (struct bed *)sink;

	bed->faults++;
	bed->error = error;
	snprintf(bed->what, sizeof(bed->what), "%s", what);
}

void fg_sink_closed(struct fg_sink *sink)
{
	((struct bed *)sink)->closed++;
}

void fg_sink_alive(struct fg_sink *sink, bool answered)
{
	((struct bed *)sink)->alive += answered;
	((struct bed *)sink)->lifeless += !answered;
}

void fg_sink_ready(struct fg_sink *sink)
{
	((struct bed *)sink)->ready++;
}

void fg_sink_done(struct fg_sink *sink, struct fg_batch *batch, int error, const char *why)
{
	struct bed *bed = (struct bed *)sink;

	assert_true(bed->done < 16);
	assert_true(error ? why != NULL : true);
	bed->done_slot[bed->done] = batch->slot;
	bed->done_error[bed->done++] = error;
}

struct fg_str fg_sink_will(struct fg_sink *sink)
{
	return fg_str_c(((struct bed *)sink)->will);
}

static bool is_closed(void *arg)
{
	return ((struct bed *)arg)->closed > 0;
}

static bool is_faulted(void *arg)
{
	return ((struct bed *)arg)->faults > 0;
}

static int bed_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	sim_setup((void **)&bed->sim);
	peer_listen(&bed->peer);
	bed->will = "{\"state\":\"offline\"}";
	bed->conf = (struct mqtt_sink_conf){
		.mqtt = {
			.url = bed->peer.url,
			.client_id = "{gateway}-{name}",
			.version = 5,
			.keepalive_ns = FG_S(60),
			.session_expiry_ns = FG_S(86400),
			.tls.version = 12,
		},
		.topic = "fieldgate/{gateway}/records",
		.status = "fieldgate/{gateway}/status",
		.qos = 1,
	};
	bed->sink = (struct fg_sink){
		.name = "cloud",
		.bridge = &fg_bridge_mqtt,
		.conf = &bed->conf,
		.state = &bed->state,
		.loop = bed->sim->loop,
		.gateway = "gw",
		.window = WINDOW,
	};
	for (uint32_t i = 0; i < WINDOW; i++)
		bed->batches[i] = (struct fg_batch){
			.payload = FG_STR("[{}]"),
			.content_type = "application/senml+json",
			.slot = i,
		};
	*state = bed;
	return 0;
}

static void bed_close(struct bed *bed)
{
	fg_bridge_mqtt.ops.close(&bed->sink);
	turns_until(bed->sim->loop, is_closed, bed);
}

static int bed_teardown(void **state)
{
	struct bed *bed = *state;

	if (!bed->closed)
		bed_close(bed);
	peer_close(&bed->peer);
	fg_loop_free(bed->sim->loop);
	free(bed->sim);
	free(bed);
	return 0;
}

static void bed_open(struct bed *bed, struct packet *connect)
{
	memset(&bed->state, 0, sizeof(bed->state));
	bed->up = bed->faults = bed->closed = 0;
	assert_int_equal(fg_bridge_mqtt.ops.open(&bed->sink), 0);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, 0x10, connect);
}

static void bed_up(struct bed *bed)
{
	struct packet packet;

	bed_open(bed, &packet);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->up, 1);
}

static int bed_send(struct bed *bed, uint32_t slot)
{
	int r = fg_bridge_mqtt.ops.send(&bed->sink, &bed->batches[slot]);

	fg_bridge_mqtt.ops.flush(&bed->sink);
	return r;
}

/* The packet identifier of a PUBLISH of QoS 1. */
static uint16_t expect_publish(struct bed *bed, struct packet *packet)
{
	size_t topic_len;

	peer_expect(&bed->peer, 0x30, packet);
	topic_len = (size_t)packet->body[0] << 8 | packet->body[1];
	return (uint16_t)(packet->body[2 + topic_len] << 8 | packet->body[3 + topic_len]);
}

static void puback(struct bed *bed, uint16_t mid, uint8_t reason)
{
	PEER_SEND(&bed->peer, 0x40, 3, mid >> 8, mid & 0xff, reason);
	turns(bed->sim->loop, 2);
}

static void test_connect_is_clean_with_a_will(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_open(bed, &packet);
	/* clean start, will of QoS 1, retained; no session expiry */
	assert_int_equal(packet.body[7], 0x02 | 0x04 | 0x08 | 0x20);
	assert_int_equal(packet.body[10], 3);
	assert_non_null(memmem(packet.body, packet.len, "fieldgate/gw/status", 19));
	assert_non_null(memmem(packet.body, packet.len, bed->will, strlen(bed->will)));
}

static void test_done_at_puback(void **state)
{
	struct bed *bed = *state;
	struct packet packet;
	uint16_t mid;

	bed_up(bed);
	assert_int_equal(bed_send(bed, 0), 0);
	mid = expect_publish(bed, &packet);
	assert_int_equal(packet.type, 0x32);
	assert_memory_equal(packet.body + 2, "fieldgate/gw/records", 20);
	assert_non_null(memmem(packet.body, packet.len, "\3\0\26application/senml+json[{}]", 29));
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->done, 0);
	puback(bed, (uint16_t)(mid + 1), 0);
	assert_int_equal(bed->done, 0);
	puback(bed, mid, 0);
	assert_int_equal(bed->done, 1);
	assert_int_equal(bed->done_error[0], 0);
}

static void test_reasons(void **state)
{
	static const struct {
		uint8_t reason;
		int error;
	} rows[] = {
		{ 0x00, 0 },	    { 0x10, 0 },	{ 0x97, -EAGAIN },  { 0x99, -EBADMSG },
		{ 0x90, -EACCES },  { 0x83, -EACCES },	{ 0x87, -EACCES },
	};
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(bed_send(bed, 1), 0);
		puback(bed, expect_publish(bed, &packet), rows[i].reason);
		assert_int_equal(bed->done, i + 1);
		assert_int_equal(bed->done_error[i], rows[i].error);
	}
	assert_int_equal(bed->faults, 0);
}

/* By MQTT 5 these are no reasons of a PUBACK: newer libraries drop the connection for them, which
 * brings the pack again as well. */
static void test_reasons_that_are_none(void **state)
{
	static const struct {
		uint8_t reason;
		int error;
	} rows[] = { { 0x96, -EAGAIN }, { 0x95, -EMSGSIZE } };
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	for (size_t i = 0; i < 2 && !bed->faults; i++) {
		assert_int_equal(bed_send(bed, 1), 0);
		puback(bed, expect_publish(bed, &packet), rows[i].reason);
		assert_int_equal(bed->done + bed->faults, i + 1);
		if (!bed->faults)
			assert_int_equal(bed->done_error[i], rows[i].error);
	}
}

static void test_acknowledged_in_any_order(void **state)
{
	struct bed *bed = *state;
	struct packet packet;
	uint16_t mids[3];

	bed_up(bed);
	for (uint32_t i = 0; i < 3; i++) {
		bed_send(bed, i);
		mids[i] = expect_publish(bed, &packet);
	}
	puback(bed, mids[2], 0);
	puback(bed, mids[0], 0);
	puback(bed, mids[1], 0);
	assert_int_equal(bed->done, 3);
	assert_int_equal(bed->done_slot[0], 2);
	assert_int_equal(bed->done_slot[1], 0);
	assert_int_equal(bed->done_slot[2], 1);
}

static void test_receive_maximum_is_kept(void **state)
{
	struct bed *bed = *state;
	struct packet packet;
	uint16_t mid;

	bed_open(bed, &packet);
	PEER_SEND(&bed->peer, 0x20, 6, 0, 0, 3, 0x21, 0, 2);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed_send(bed, 0), 0);
	assert_int_equal(bed_send(bed, 1), -EAGAIN);
	mid = expect_publish(bed, &packet);
	assert_int_equal(bed->ready, 0);
	puback(bed, mid, 0);
	assert_int_equal(bed->ready, 1);
	assert_int_equal(bed_send(bed, 1), 0);
}

static void test_too_large_for_the_broker(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_open(bed, &packet);
	PEER_SEND(&bed->peer, 0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 40);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed_send(bed, 0), -EMSGSIZE);
}

/* The library would end the process for one byte more than it takes (2.0.11). */
static void test_no_size_is_too_much_for_the_library(void **state)
{
	static const char text[512] = { 0 };
	struct bed *bed = *state;
	struct packet packet;
	unsigned taken = 0;

	bed_open(bed, &packet);
	PEER_SEND(&bed->peer, 0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 250);
	turns(bed->sim->loop, 2);
	for (size_t len = 100; len < sizeof(text); len++) {
		bed->batches[1].payload = fg_str(text, len);
		if (bed_send(bed, 1) == -EMSGSIZE)
			continue;
		assert_int_equal(taken++, len - 100);
		puback(bed, expect_publish(bed, &packet), 0);
		bed->done = 0;
	}
	/* head, length of two bytes, rest */
	assert_int_equal(1 + 2 + packet.len, 250);
	/* nor is the status, or its payload's length that needs another byte */
	for (size_t len = 100; len < sizeof(text); len++)
		fg_bridge_mqtt.ops.status(&bed->sink, fg_str(text, len));
	assert_int_equal(bed->faults, 0);
}

/* The first answer to anything that was published. */
static void test_an_answer_to_the_status_is_a_sign_of_life(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	fg_bridge_mqtt.ops.status(&bed->sink, FG_STR("{}"));
	assert_int_equal(bed->alive + bed->lifeless, 0);
	puback(bed, expect_publish(bed, &packet), 0x87);
	assert_int_equal(bed->alive, 1);
	assert_int_equal(bed->lifeless, 0);
}

static void test_without_a_status_none_is_waited_for(void **state)
{
	struct bed *bed = *state;

	bed->conf.status = "";
	bed_up(bed);
	fg_bridge_mqtt.ops.status(&bed->sink, FG_STR("{}"));
	assert_int_equal(bed->alive, 0);
	assert_int_equal(bed->lifeless, 1);
}

/* A DISCONNECT says whether a publication is to blame. */
static void test_reasons_of_a_disconnect(void **state)
{
	static const struct {
		uint8_t reason;
		int error;
	} rows[] = {
		{ 0x81, -ECONNRESET },	 { 0x95, -EMSGSIZE },	  { 0x99, -ECONNRESET },
		{ 0x89, -ECONNREFUSED }, { 0x8b, -ECONNREFUSED }, { 0x8e, -ECONNREFUSED },
		{ 0x97, -ECONNREFUSED }, { 0x98, -ECONNREFUSED }, { 0x9d, -ECONNREFUSED },
	};
	struct bed *bed = *state;
	struct packet packet;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed_up(bed);
		bed_send(bed, 0);
		expect_publish(bed, &packet);
		PEER_SEND(&bed->peer, 0xe0, 1, rows[i].reason);
		peer_hang_up(&bed->peer);
		turns_until(bed->sim->loop, is_faulted, bed);
		assert_int_equal(bed->error, rows[i].error);
		bed_close(bed);
	}
}

static void test_nothing_is_sent_again_after_a_fault(void **state)
{
	struct bed *bed = *state;
	struct packet packet;
	uint8_t byte;

	bed_up(bed);
	bed_send(bed, 0);
	expect_publish(bed, &packet);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_faulted, bed);
	assert_int_equal(bed_send(bed, 1), -EAGAIN);
	bed_close(bed);
	bed_up(bed);
	turns(bed->sim->loop, 3);
	assert_int_equal(peer_look(&bed->peer, &byte, 1), 0);
	assert_int_equal(bed->done, 0);
}

static void test_qos_0_is_done_when_written(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed->conf.qos = 0;
	assert_false(fg_bridge_mqtt.acks(&bed->conf));
	bed_up(bed);
	for (uint32_t i = 0; i < WINDOW; i++)
		assert_int_equal(fg_bridge_mqtt.ops.send(&bed->sink, &bed->batches[i]), 0);
	assert_int_equal(bed->done, 0);
	fg_bridge_mqtt.ops.flush(&bed->sink);
	turns(bed->sim->loop, 1);
	assert_int_equal(bed->done, WINDOW);
	peer_expect(&bed->peer, 0x30, &packet);
	assert_int_equal(packet.type, 0x30);
}

static void test_status_is_retained_and_the_last_word(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	fg_bridge_mqtt.ops.status(&bed->sink, FG_STR("{\"state\":\"online\"}"));
	peer_expect(&bed->peer, 0x30, &packet);
	assert_int_equal(packet.type, 0x33);
	assert_memory_equal(packet.body + 2, "fieldgate/gw/status", 19);
	fg_bridge_mqtt.ops.status(&bed->sink, FG_STR("{\"state\":\"offline\"}"));
	fg_bridge_mqtt.ops.close(&bed->sink);
	peer_expect(&bed->peer, 0x30, &packet);
	peer_expect(&bed->peer, 0xe0, &packet);
	assert_int_equal(bed->closed, 0);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_closed, bed);
	assert_int_equal(bed->done, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connect_is_clean_with_a_will),
		TEST(test_done_at_puback),
		TEST(test_reasons),
		TEST(test_reasons_that_are_none),
		TEST(test_acknowledged_in_any_order),
		TEST(test_receive_maximum_is_kept),
		TEST(test_too_large_for_the_broker),
		TEST(test_no_size_is_too_much_for_the_library),
		TEST(test_an_answer_to_the_status_is_a_sign_of_life),
		TEST(test_without_a_status_none_is_waited_for),
		TEST(test_reasons_of_a_disconnect),
		TEST(test_nothing_is_sent_again_after_a_fault),
		TEST(test_qos_0_is_done_when_written),
		TEST(test_status_is_retained_and_the_last_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The MQTT driver against a pretended intake and a scripted broker: the acknowledgement gate. */
#include "test_mqtt_peer.h"
#include "test_command_fake.h"

#include "../../drivers/mqtt/mqtt.h"

extern const struct fg_driver fg_driver_mqtt;

#define PUBACK 0x40
#define SUBSCRIBE 0x80
#define UNSUBSCRIBE 0xa0
#define DISCONNECT 0xe0
#define CONNECT 0x10

struct bed {
	struct fg_source source;	/* first: the driver's functions find the rest by it */
	struct sim *sim;
	struct peer peer;
	struct mqtt_source state;
	struct mqtt_source_conf conf;
	const char *filters[4];
	bool each;
	int result;			/* of submit */
	bool valueless;
	uint64_t pos;
	bool once;
	unsigned submitted, rejected, up, away, faults, closed, drained;
	int error;
	char what[256], address[128], payload[128];
};

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct bed *bed = (struct bed *)source;

	bed->submitted++;
	bed->once = input->once;
	snprintf(bed->address, sizeof(bed->address), "%.*s", (int)input->address.len,
		 input->address.ptr);
	snprintf(bed->payload, sizeof(bed->payload), "%.*s", (int)input->payload.len,
		 input->payload.ptr);
	if (bed->result == 0 && !bed->valueless)
		*ret_pos = ++bed->pos;
	return bed->result;
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	(void)bytes;
	assert_string_equal(reason, "not-kept");
	((struct bed *)source)->rejected++;
}

bool fg_source_waits_for_commit(const struct fg_source *source)
{
	return ((const struct bed *)source)->each;
}

void fg_source_up(struct fg_source *source)
{
	((struct bed *)source)->up++;
}

void fg_source_away(struct fg_source *source)
{
	((struct bed *)source)->away++;
}

void fg_source_fault(struct fg_source *source, int error, const char *what)
{
	struct bed *bed = (struct bed *)source;

	bed->faults++;
	bed->error = error;
	snprintf(bed->what, sizeof(bed->what), "%s", what);
}

void fg_source_closed(struct fg_source *source)
{
	((struct bed *)source)->closed++;
}

void fg_source_drained(struct fg_source *source)
{
	((struct bed *)source)->drained++;
}

static bool is_closed(void *arg)
{
	return ((struct bed *)arg)->closed > 0;
}

static bool is_drained(void *arg)
{
	return ((struct bed *)arg)->drained > 0;
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
	bed->filters[0] = "tele/+";
	bed->conf = (struct mqtt_source_conf){
		.mqtt = {
			.url = bed->peer.url,
			.client_id = "{gateway}-{name}",
			.version = 5,
			.keepalive_ns = FG_S(60),
			.session_expiry_ns = FG_S(86400),
			.tls.version = 12,
		},
		.subscribe = { bed->filters, 1 },
		.qos = 1,
	};
	bed->source = (struct fg_source){
		.name = "field",
		.driver = &fg_driver_mqtt,
		.conf = &bed->conf,
		.state = &bed->state,
		.loop = bed->sim->loop,
		.gateway = "gw",
	};
	*state = bed;
	return 0;
}

static void bed_open(struct bed *bed)
{
	memset(&bed->state, 0, sizeof(bed->state));
	bed->up = bed->faults = bed->closed = 0;
	assert_int_equal(fg_driver_mqtt.ops.open(&bed->source), 0);
}

static void bed_close(struct bed *bed)
{
	fg_driver_mqtt.ops.close(&bed->source);
	turns_until(bed->sim->loop, is_closed, bed);
	assert_int_equal(bed->closed, 1);
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

/* Connected; `session`: as the broker says in CONNACK. */
static void bed_connect(struct bed *bed, bool session, struct packet *connect)
{
	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, connect);
	PEER_SEND(&bed->peer, 0x20, 3, session, 0, 0);
	turns(bed->sim->loop, 2);
}

static void bed_suback(struct bed *bed, struct packet *subscribe, uint8_t code)
{
	peer_expect(&bed->peer, SUBSCRIBE, subscribe);
	PEER_SEND(&bed->peer, 0x90, 4, subscribe->body[0], subscribe->body[1], 0, code);
	turns(bed->sim->loop, 2);
}

/* The filter that is given up, behind its length. */
static void bed_unsuback(struct bed *bed, const char *filter)
{
	struct packet packet;

	peer_expect(&bed->peer, UNSUBSCRIBE, &packet);
	assert_int_equal(packet.body[4], strlen(filter));
	assert_memory_equal(packet.body + 5, filter, strlen(filter));
	PEER_SEND(&bed->peer, 0xb0, 4, packet.body[0], packet.body[1], 0, 0);
	turns(bed->sim->loop, 2);
}

static void bed_up(struct bed *bed)
{
	struct packet packet;

	bed_connect(bed, false, &packet);
	bed_suback(bed, &packet, 1);
	assert_int_equal(bed->up, 1);
}

static int bytes_there(struct bed *bed)
{
	uint8_t bytes[256];

	return peer_look(&bed->peer, bytes, sizeof(bytes));
}

static bool has_said(void *arg)
{
	return bytes_there(arg) != 0;
}

static void bed_kept(struct bed *bed, uint64_t upto)
{
	fg_driver_mqtt.ops.kept(&bed->source, upto);
}

static void expect_puback(struct bed *bed, uint16_t mid)
{
	struct packet packet;

	peer_expect(&bed->peer, PUBACK, &packet);
	assert_int_equal(packet.body[0] << 8 | packet.body[1], mid);
}

/* -- connecting -- */

static void test_connect_says_what_is_configured(void **state)
{
	/* name, version, flags: clean start off, keepalive, properties' length */
	static const uint8_t head[] = { 0, 4, 'M', 'Q', 'T', 'T', 5, 0x00, 0, 60, 8 };
	static const uint8_t session_expiry[] = { 0x11, 0x00, 0x01, 0x51, 0x80 };
	struct bed *bed = *state;
	struct packet packet;

	bed_connect(bed, false, &packet);
	assert_memory_equal(packet.body, head, sizeof(head));
	assert_memory_equal(packet.body + sizeof(head), session_expiry, sizeof(session_expiry));
	assert_int_equal(packet.body[16], 0x21);	/* receive maximum */
	assert_memory_equal(packet.body + 19, "\0\10gw-field", 10);
}

static void test_subscribe_wants_no_retained(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_connect(bed, false, &packet);
	assert_int_equal(bed->up, 0);
	bed_suback(bed, &packet, 1);
	assert_memory_equal(packet.body + 2, "\0\0\6tele/+", 9);
	/* QoS 1, no-local, no retained messages */
	assert_int_equal(packet.body[11], 0x01 | 0x04 | 0x20);
	assert_int_equal(bed->up, 1);
}

static void test_shared_subscription_has_no_no_local(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed->conf.share = "g";
	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_connect(bed, false, &packet);
	bed_suback(bed, &packet, 1);
	assert_memory_equal(packet.body + 2, "\0\0\17$share/g/tele/+", 18);
	assert_int_equal(packet.body[20], 0x01 | 0x10);
}

static void test_resumed_session_is_not_subscribed_again(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_faulted, bed);
	bed_close(bed);
	bed_connect(bed, true, &packet);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->up, 1);
	assert_int_equal(bytes_there(bed), 0);
}

static void test_resumed_session_of_another_list(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed->source.memo = 12345 << 2;
	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_connect(bed, true, &packet);
	bed_suback(bed, &packet, 1);
	/* retained messages only where the subscription is new */
	assert_int_equal(packet.body[11], 0x01 | 0x04 | 0x10);
	bed_unsuback(bed, "$share/gw-field/tele/+");
	/* and what the older list brings is acknowledged and left out */
	peer_publish(&bed->peer, "old/a", "1", 1, false, 9);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 9);
	assert_int_equal(bed->submitted, 0);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 10);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
}

/* Processes share their subscriptions, one alone does not: what is in the session from the other
 * time would bring everything twice. It goes when the new one is there, and is no fault before. */
static void test_subscriptions_of_another_number_of_processes(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_connect(bed, true, &packet);
	assert_int_equal(bytes_there(bed) > 0, true);
	bed_suback(bed, &packet, 1);
	assert_int_equal(bed->up, 0);
	bed_unsuback(bed, "$share/gw-field/tele/+");
	assert_int_equal(bed->up, 1);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_faulted, bed);
	bed_close(bed);

	bed->conf.share = "gw-field";
	bed_connect(bed, true, &packet);
	bed_suback(bed, &packet, 1);
	bed_unsuback(bed, "tele/+");
	assert_int_equal(bed->up, 1);
	assert_int_equal(bytes_there(bed), 0);
}

/* The session of a process that is no more: emptied, then ended by one that is clean. */
static void test_session_is_drained(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed->conf.share = "gw-field";
	bed->conf.drain = true;
	bed_connect(bed, true, &packet);
	bed_unsuback(bed, "$share/gw-field/tele/+");
	assert_int_equal(bed->up, 1);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 9);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
	bed_kept(bed, bed->pos);
	peer_expect(&bed->peer, 0x40, &packet);
	/* it is quiet: nothing but time passes */
	turns_until(bed->sim->loop, has_said, bed);
	peer_read(&bed->peer, &packet);
	assert_int_equal(packet.type, 0xe0);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	assert_int_equal(packet.body[7] & 0x02, 0x02);
	assert_int_equal(bed->drained, 0);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns_until(bed->sim->loop, is_drained, bed);
	assert_int_equal(bed->faults, 0);
}

static void test_refused_subscription_is_a_fault(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_connect(bed, false, &packet);
	bed_suback(bed, &packet, 0x87);
	assert_int_equal(bed->up, 0);
	assert_int_equal(bed->error, -EACCES);
	assert_int_equal(bed->source.memo, 0);
}

static void test_connack_reason_is_told(void **state)
{
	struct bed *bed = *state;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0x86, 0);
	turns_until(bed->sim->loop, is_faulted, bed);
	assert_int_equal(bed->error, -ECONNREFUSED);
	assert_non_null(strstr(bed->what, "Password"));
}

/* -- the gate -- */

static void test_puback_waits_for_kept(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "21.5", 1, false, 7);
	turns(bed->sim->loop, 4);
	assert_int_equal(bed->submitted, 1);
	assert_string_equal(bed->address, "tele/a");
	assert_string_equal(bed->payload, "21.5");
	assert_int_equal(bytes_there(bed), 0);
	bed_kept(bed, bed->pos);
	expect_puback(bed, 7);
}

static void test_pubacks_wait_for_the_last(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	for (uint16_t mid = 1; mid <= 5; mid++)
		peer_publish(&bed->peer, "tele/a", "1", 1, false, mid);
	turns(bed->sim->loop, 4);
	assert_int_equal(bed->submitted, 5);
	bed_kept(bed, 4);
	turns(bed->sim->loop, 4);
	assert_int_equal(bytes_there(bed), 0);
	bed_kept(bed, 5);
	for (uint16_t mid = 1; mid <= 5; mid++)
		expect_puback(bed, mid);
}

static void test_rejected_and_empty_need_no_waiting(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	bed->result = -EBADMSG;
	peer_publish(&bed->peer, "tele/a", "{", 1, false, 1);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 1);
	bed->result = 0;
	bed->valueless = true;
	peer_publish(&bed->peer, "tele/a", "{}", 1, false, 2);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 2);
	assert_int_equal(bed->submitted, 2);
}

static void test_rejected_waits_behind_accepted(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 1);
	bed->result = -EBADMSG;
	peer_publish(&bed->peer, "tele/a", "{", 1, false, 2);
	turns(bed->sim->loop, 2);
	assert_int_equal(bytes_there(bed), 0);
	bed_kept(bed, bed->pos);
	expect_puback(bed, 1);
	expect_puback(bed, 2);
}

static void test_what_is_never_input(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, true, 1);
	peer_publish(&bed->peer, "fieldgate/gw/status", "{}", 1, false, 2);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 1);
	expect_puback(bed, 2);
	assert_int_equal(bed->submitted, 0);
	peer_publish(&bed->peer, "fieldgate/gw2/status", "1", 0, false, 0);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
}

static void test_retained_is_taken_if_asked(void **state)
{
	struct bed *bed = *state;

	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, true, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
}

static void test_qos_0_holds_nothing(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 0, false, 0);
	turns(bed->sim->loop, 2);
	bed->result = -EBADMSG;
	peer_publish(&bed->peer, "tele/a", "{", 1, false, 3);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 3);
}

static void test_commit_each_stops_reading(void **state)
{
	struct bed *bed = *state;

	bed->each = true;
	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 2);
	peer_publish(&bed->peer, "tele/a", "2", 1, false, 2);
	turns(bed->sim->loop, 4);
	assert_int_equal(bed->submitted, 1);
	bed_kept(bed, 1);
	expect_puback(bed, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 2);
	assert_int_equal(bytes_there(bed), 0);
	bed_kept(bed, 2);
	expect_puback(bed, 2);
}

/* -- back-pressure -- */

static void test_refused_is_never_acknowledged(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 1);
	bed->result = -EAGAIN;
	peer_publish(&bed->peer, "tele/a", "2", 1, false, 2);
	peer_publish(&bed->peer, "tele/a", "3", 1, false, 3);
	turns(bed->sim->loop, 2);
	fg_driver_mqtt.ops.pause(&bed->source);
	bed_kept(bed, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 2);
	assert_int_equal(bytes_there(bed), -1);
	assert_int_equal(bed->faults, 0);
}

/* Nobody sends it again, so nobody is cut off for it: it is counted. */
static void test_refused_at_qos_0_is_counted(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	bed->result = -EAGAIN;
	peer_publish(&bed->peer, "tele/a", "1", 0, false, 0);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
	assert_true(bed->once);
	assert_int_equal(bed->rejected, 1);
	bed->result = 0;
	peer_publish(&bed->peer, "tele/a", "2", 1, false, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 2);
	assert_false(bed->once);
	bed_kept(bed, 2);
	expect_puback(bed, 1);
	assert_int_equal(bed->rejected, 1);
}

static void test_pause_acknowledges_then_leaves_and_comes_back(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 1);
	fg_driver_mqtt.ops.pause(&bed->source);
	turns(bed->sim->loop, 2);
	assert_int_equal(bytes_there(bed), 0);
	bed_kept(bed, 1);
	expect_puback(bed, 1);
	peer_expect(&bed->peer, DISCONNECT, &packet);
	assert_int_equal(bytes_there(bed), -1);
	assert_int_equal(bed->away, 1);
	assert_int_equal(bed->up, 1);
	peer_hang_up(&bed->peer);
	turns(bed->sim->loop, 2);

	fg_driver_mqtt.ops.resume(&bed->source);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 3, 1, 0, 0);
	peer_publish(&bed->peer, "tele/a", "2", 1, false, 2);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 2);
	bed_kept(bed, 2);
	expect_puback(bed, 2);
	assert_int_equal(bed->up, 2);
	assert_int_equal(bed->faults, 0);
}

static void test_opened_while_paused(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_open(bed);
	fg_driver_mqtt.ops.pause(&bed->source);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns(bed->sim->loop, 3);
	assert_int_equal(bed->up, 1);
	peer_expect(&bed->peer, SUBSCRIBE, &packet);
	peer_expect(&bed->peer, DISCONNECT, &packet);
}

static void test_close_acknowledges_nothing_unkept(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 2);
	bed_close(bed);
	assert_int_equal(bytes_there(bed), -1);
}

static void test_close_says_good_bye(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	fg_driver_mqtt.ops.close(&bed->source);
	peer_expect(&bed->peer, DISCONNECT, &packet);
	assert_int_equal(bed->closed, 0);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_closed, bed);
}

static void test_close_waits_for_the_worker(void **state)
{
	struct bed *bed = *state;

	bed_open(bed);
	bed_close(bed);
	assert_int_equal(bed->faults, 0);
}

/* -- peers that do not behave -- */

static void test_silence_is_noticed(void **state)
{
	struct bed *bed = *state;
	uint64_t before;

	bed_up(bed);
	before = bed->sim->now_ns;
	/* the library has a clock of its own: only the loop's part can be seen, it asks, seldom */
	turns(bed->sim->loop, 10);
	assert_true(fg_timer_active(&bed->state.conn.misc));
	assert_true(bed->state.conn.misc.handle.due_ns - before >= FG_S(1));
}

static void test_refused_connection(void **state)
{
	struct bed *bed = *state;

	peer_close(&bed->peer);
	bed_open(bed);
	assert_true(turns_until(bed->sim->loop, is_faulted, bed) < 20);
	assert_int_equal(bed->error, -ECONNREFUSED);
}

static void test_broken_in_all_states(void **state)
{
	/* sent after CONNECT was read; then hung up */
	static const struct {
		uint8_t bytes[16];
		size_t len;
	} rows[] = {
		{ { 0 }, 0 },
		{ { 0x20 }, 1 },
		{ { 0x20, 3, 0 }, 3 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff }, 5 },
		{ { 'H', 'T', 'T', 'P', '/', '1', '.', '1', ' ', '4', '0', '0' }, 12 },
		{ { 0x20, 3, 0, 0, 0, 0x30, 3, 0, 9, 'a' }, 10 },
		{ { 0x20, 3, 0, 0, 0, 0x32, 2, 0, 0 }, 9 },
		{ { 0x20, 3, 0, 0, 0, 0xe0, 2, 0x8e, 0 }, 9 },
		{ { 0x40, 2, 0, 1 }, 4 },
	};
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed_open(bed);
		peer_accept(&bed->peer, bed->sim->loop);
		if (rows[i].len)
			peer_send(&bed->peer, rows[i].bytes, rows[i].len);
		peer_hang_up(&bed->peer);
		assert_true(turns_until(bed->sim->loop, is_faulted, bed) < 20);
		assert_int_equal(bed->faults, 1);
		assert_int_equal(bed->submitted, 0);
		bed_close(bed);
	}
}

static void test_silent_peer_meets_the_deadline(void **state)
{
	struct bed *bed = *state;
	uint64_t before = bed->sim->now_ns;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	assert_true(turns_until(bed->sim->loop, is_faulted, bed) < 20);
	assert_int_equal(bed->error, -ETIMEDOUT);
	assert_true(bed->sim->now_ns - before >= FG_S(20));
}

static void test_no_suback_meets_the_deadline(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_connect(bed, false, &packet);
	turns_until(bed->sim->loop, is_faulted, bed);
	assert_int_equal(bed->error, -ETIMEDOUT);
	assert_int_equal(bed->up, 0);
}

static void test_session_taken_over_is_told(void **state)
{
	struct bed *bed = *state;

	bed_up(bed);
	PEER_SEND(&bed->peer, 0xe0, 2, 0x8e, 0);
	turns_until(bed->sim->loop, is_faulted, bed);
	assert_non_null(strstr(bed->what, "same client_id"));
}

static void test_up_is_up_once(void **state)
{
	struct bed *bed = *state;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	/* SUBACK of nobody's */
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns(bed->sim->loop, 2);
	PEER_SEND(&bed->peer, 0x40, 2, 0, 77);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->up, 0);
	assert_int_equal(bed->faults, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connect_says_what_is_configured),
		TEST(test_subscribe_wants_no_retained),
		TEST(test_shared_subscription_has_no_no_local),
		TEST(test_resumed_session_is_not_subscribed_again),
		TEST(test_resumed_session_of_another_list),
		TEST(test_subscriptions_of_another_number_of_processes),
		TEST(test_session_is_drained),
		TEST(test_refused_subscription_is_a_fault),
		TEST(test_connack_reason_is_told),
		TEST(test_puback_waits_for_kept),
		TEST(test_pubacks_wait_for_the_last),
		TEST(test_rejected_and_empty_need_no_waiting),
		TEST(test_rejected_waits_behind_accepted),
		TEST(test_what_is_never_input),
		TEST(test_retained_is_taken_if_asked),
		TEST(test_qos_0_holds_nothing),
		TEST(test_commit_each_stops_reading),
		TEST(test_refused_is_never_acknowledged),
		TEST(test_refused_at_qos_0_is_counted),
		TEST(test_pause_acknowledges_then_leaves_and_comes_back),
		TEST(test_opened_while_paused),
		TEST(test_close_acknowledges_nothing_unkept),
		TEST(test_close_says_good_bye),
		TEST(test_close_waits_for_the_worker),
		TEST(test_silence_is_noticed),
		TEST(test_refused_connection),
		TEST(test_broken_in_all_states),
		TEST(test_silent_peer_meets_the_deadline),
		TEST(test_no_suback_meets_the_deadline),
		TEST(test_session_taken_over_is_told),
		TEST(test_up_is_up_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

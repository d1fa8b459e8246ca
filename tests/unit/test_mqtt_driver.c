/* The MQTT driver: the acknowledgement gate, back-pressure, peers that do not behave. */
#include "test_mqtt_fake.h"

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

/* A broker may say how long it keeps a session. */
static void bed_visit(struct bed *bed, uint8_t expiry_s)
{
	struct packet packet;

	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 8, 1, 0, 5, 0x11, 0, 0, 0, expiry_s);
}

/* For as long as it is full the session has to last: nothing else has what waits in it. */
static void test_session_is_renewed_while_paused(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	fg_driver_mqtt.ops.pause(&bed->source);
	peer_expect(&bed->peer, DISCONNECT, &packet);
	peer_hang_up(&bed->peer);
	assert_true(bed->state.back.handle.due_ns == bed->state.away_since_ns + FG_S(1800));

	bed_visit(bed, 10);
	turns(bed->sim->loop, 3);
	peer_expect(&bed->peer, DISCONNECT, &packet);
	peer_hang_up(&bed->peer);
	assert_true(bed->state.back.handle.due_ns == bed->state.away_since_ns + FG_S(5));

	bed_visit(bed, 10);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	peer_publish(&bed->peer, "tele/a", "2", 0, false, 0);
	turns(bed->sim->loop, 3);
	assert_int_equal(bytes_there(bed), -1);
	assert_int_equal(bed->submitted, 0);
	assert_int_equal(bed->away, 3);
	assert_int_equal(bed->up, 1);

	/* there is room in the midst of a visit, as the last one ends: it stays */
	peer_accept(&bed->peer, bed->sim->loop);
	fg_driver_mqtt.ops.resume(&bed->source);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 3, 1, 0, 0);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 3);
	assert_int_equal(bed->submitted, 1);
	assert_int_equal(bed->up, 2);
	bed_kept(bed, 1);
	expect_puback(bed, 1);
	assert_int_equal(bed->faults, 0);
}

/* What cannot be renewed is not visited; what is away for a second is, once it is paused. */
static void test_when_it_is_back(void **state)
{
	struct bed *bed = *state;

	bed->conf.mqtt.session_expiry_ns = FG_S(60);
	bed_up(bed);
	bed->result = -EAGAIN;
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 1);
	turns(bed->sim->loop, 2);
	assert_true(bed->state.back.handle.due_ns == bed->state.away_since_ns + FG_S(1));
	fg_driver_mqtt.ops.pause(&bed->source);
	assert_true(bed->state.back.handle.due_ns == bed->state.away_since_ns + FG_S(30));
	fg_driver_mqtt.ops.resume(&bed->source);
	assert_true(bed->state.back.handle.due_ns == bed->state.away_since_ns + FG_S(1));
	bed_close(bed);

	bed->conf.mqtt.session_expiry_ns = FG_MS(1900);
	bed_up(bed);
	fg_driver_mqtt.ops.pause(&bed->source);
	assert_int_equal(bed->away, 2);
	assert_false(fg_timer_active(&bed->state.back));
}

static void test_opened_while_paused(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_open(bed);
	fg_driver_mqtt.ops.pause(&bed->source);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 3, 0, 0, 0);
	turns(bed->sim->loop, 3);
	assert_int_equal(bed->up, 0);
	assert_int_equal(bed->away, 1);
	peer_expect(&bed->peer, SUBSCRIBE, &packet);
	/* what is retained is asked for by who stays, and nobody takes this for having asked */
	assert_int_equal(packet.body[packet.len - 1], 0x01 | 0x04 | 0x20);
	assert_int_equal(bed->source.memo, 0);
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
		TEST(test_session_is_renewed_while_paused),
		TEST(test_when_it_is_back),
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

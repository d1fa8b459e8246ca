/* The MQTT driver: connecting, and what the session at the broker holds. */
#include "test_mqtt_fake.h"

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
	assert_int_equal(packet.body[20], 0x01);
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

	bed->source.memo = 12345 << 2 | 2;
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

/* It comes in one segment with CONNACK, before anything is known of the session. */
static void test_backlog_of_another_list(void **state)
{
	static const uint8_t connack[] = { 0x20, 3, 1, 0, 0 };
	struct bed *bed = *state;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_send(&bed->peer, connack, sizeof(connack));
	peer_publish(&bed->peer, "old/a", "1", 1, false, 1);
	peer_publish(&bed->peer, "tele/a", "1", 1, false, 2);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
	assert_string_equal(bed->address, "tele/a");
}

/* The broker has the new list, or has not: nobody knows, also if the process ends right here. */
static void test_suback_that_is_never_read(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	bed_close(bed);
	assert_int_not_equal(bed->source.memo, 0);
	bed->filters[0] = "new/+";
	bed_connect(bed, true, &packet);
	peer_expect(&bed->peer, SUBSCRIBE, &packet);
	assert_int_equal(bed->source.memo, 0);
	bed->result = -EAGAIN;
	peer_publish(&bed->peer, "new/a", "1", 1, false, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->away, 1);
	bed_close(bed);

	bed->filters[0] = "tele/+";
	bed->result = 0;
	bed->submitted = 0;
	bed_connect(bed, true, &packet);
	bed_suback(bed, &packet, 1);
	bed_unsuback(bed, "$share/gw-field/tele/+");
	peer_publish(&bed->peer, "new/a", "1", 1, false, 1);
	turns(bed->sim->loop, 2);
	expect_puback(bed, 1);
	assert_int_equal(bed->submitted, 0);
}

/* A broker that had forgotten the session has one again, as soon as it has said so. */
static void test_new_session_that_was_not_subscribed(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	bed_close(bed);
	bed_connect(bed, false, &packet);
	peer_hang_up(&bed->peer);
	turns_until(bed->sim->loop, is_faulted, bed);
	bed_close(bed);
	bed_connect(bed, true, &packet);
	bed_suback(bed, &packet, 1);
}

static void bed_resubscribe(struct bed *bed, uint8_t options)
{
	struct packet packet;

	bed_close(bed);
	bed_connect(bed, true, &packet);
	bed_suback(bed, &packet, 1);
	assert_int_equal(packet.body[packet.len - 1], options);
	bed_unsuback(bed, "$share/gw-field/tele/+");
}

/* They were left out so far: they come, once, whatever SUBSCRIBE was the first to be answered. */
static void test_retained_from_ignore_to_take(void **state)
{
	struct bed *bed = *state;
	struct packet packet;

	bed_up(bed);
	bed_close(bed);
	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_connect(bed, true, &packet);
	peer_expect(&bed->peer, SUBSCRIBE, &packet);
	bed_resubscribe(bed, 0x01 | 0x04);
	peer_publish(&bed->peer, "tele/a", "1", 1, true, 1);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->submitted, 1);
	bed_close(bed);
	bed_connect(bed, true, &packet);
	turns(bed->sim->loop, 2);
	assert_int_equal(bytes_there(bed), 0);
	bed->conf.qos = 0;
	bed_resubscribe(bed, 0x00 | 0x04 | 0x10);
	bed->conf.retained = MQTT_RETAINED_IGNORE;
	bed_resubscribe(bed, 0x00 | 0x04 | 0x20);
	bed->conf.retained = MQTT_RETAINED_TAKE;
	bed_resubscribe(bed, 0x00 | 0x04);
}

/* MQTT 3.1.1, where they come with every SUBSCRIBE: how many of them are taken. */
static unsigned retained_of_3(struct bed *bed)
{
	struct packet packet;

	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, &packet);
	PEER_SEND(&bed->peer, 0x20, 2, 1, 0);
	turns(bed->sim->loop, 2);
	peer_expect(&bed->peer, SUBSCRIBE, &packet);
	bed->submitted = 0;
	PEER_SEND(&bed->peer, 0x31, 5, 0, 2, 't', '/', '1');
	PEER_SEND(&bed->peer, 0x90, 3, packet.body[0], packet.body[1], 1);
	turns(bed->sim->loop, 2);
	peer_expect(&bed->peer, UNSUBSCRIBE, &packet);
	PEER_SEND(&bed->peer, 0xb0, 2, packet.body[0], packet.body[1]);
	turns(bed->sim->loop, 2);
	assert_int_equal(bed->up, 1);
	bed_close(bed);
	return bed->submitted;
}

static void test_retained_from_ignore_to_take_3(void **state)
{
	struct bed *bed = *state;

	bed->conf.mqtt.version = 4;
	bed->filters[0] = "t/+";
	assert_int_equal(retained_of_3(bed), 0);
	bed->conf.retained = MQTT_RETAINED_TAKE;
	assert_int_equal(retained_of_3(bed), 1);
	bed->filters[0] = "+/+";
	assert_int_equal(retained_of_3(bed), 0);
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
	bed->source.memo = 12345 << 2;
	bed_connect(bed, true, &packet);
	assert_int_equal(bed->source.memo, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connect_says_what_is_configured),
		TEST(test_subscribe_wants_no_retained),
		TEST(test_shared_subscription_has_no_no_local),
		TEST(test_resumed_session_is_not_subscribed_again),
		TEST(test_resumed_session_of_another_list),
		TEST(test_backlog_of_another_list),
		TEST(test_suback_that_is_never_read),
		TEST(test_new_session_that_was_not_subscribed),
		TEST(test_retained_from_ignore_to_take),
		TEST(test_retained_from_ignore_to_take_3),
		TEST(test_subscriptions_of_another_number_of_processes),
		TEST(test_session_is_drained),
		TEST(test_refused_subscription_is_a_fault),
		TEST(test_connack_reason_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

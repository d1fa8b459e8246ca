/*
 * What libmosquitto has to keep doing for the acknowledgement gate to hold: an upgrade that changes
 * any of it must fail here, not lose records in the field.
 */
#include "test_mqtt_peer.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>

struct client {
	struct peer peer;
	struct mosquitto *mosq;
	unsigned messages;
	int bytes_at_message;		/* that the broker had when a message was handed over */
};

static void on_message(struct mosquitto *mosq, void *obj, const struct mosquitto_message *message)
{
	struct client *c = obj;
	uint8_t bytes[64];

	(void)mosq, (void)message;
	c->messages++;
	c->bytes_at_message = peer_look(&c->peer, bytes, sizeof(bytes));
}

static void wait_readable(const struct client *c)
{
	struct pollfd pfd = { .fd = mosquitto_socket(c->mosq), .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 5000), 1);
}

static void client_connect(struct client *c, bool threaded, const mosquitto_property *props)
{
	struct packet packet;

	assert_int_equal(mosquitto_lib_init(), 0);
	peer_listen(&c->peer);
	c->mosq = mosquitto_new("claims", false, c);
	assert_non_null(c->mosq);
	mosquitto_int_option(c->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
	mosquitto_message_callback_set(c->mosq, on_message);
	if (threaded)
		assert_int_equal(mosquitto_threaded_set(c->mosq, true), 0);
	if (props)
		assert_int_equal(mosquitto_connect_bind_v5(c->mosq, NULL, 0, 60, NULL, props),
				 MOSQ_ERR_INVAL);
	assert_int_equal(mosquitto_connect_async(c->mosq, "127.0.0.1", c->peer.port, 60), 0);
	while (!peer_knocked(&c->peer))
		poll(&(struct pollfd){ .fd = c->peer.listener, .events = POLLIN }, 1, 5000);
	if (threaded)
		assert_int_equal(peer_look(&c->peer, packet.body, 1), 0);
	assert_int_equal(mosquitto_loop_write(c->mosq, 1), 0);
	peer_expect(&c->peer, 0x10, &packet);
	if (props) {
		assert_int_equal(packet.body[11], 0x11);
		assert_int_equal(packet.body[15], 77);
	}
	PEER_SEND(&c->peer, 0x20, 3, 0, 0, 0);
	wait_readable(c);
	assert_int_equal(mosquitto_loop_read(c->mosq, 1), 0);
}

static void client_close(struct client *c)
{
	mosquitto_destroy(c->mosq);
	peer_close(&c->peer);
}

static void test_puback_waits_for_loop_write(void **state)
{
	struct client c = { 0 };
	struct packet packet;
	uint8_t byte;

	(void)state;
	client_connect(&c, true, NULL);
	peer_publish(&c.peer, "a", "1", 1, false, 5);
	wait_readable(&c);
	assert_int_equal(mosquitto_loop_read(c.mosq, 1), 0);
	assert_int_equal(c.messages, 1);
	assert_int_equal(c.bytes_at_message, 0);
	assert_int_equal(mosquitto_loop_misc(c.mosq), 0);
	assert_int_equal(peer_look(&c.peer, &byte, 1), 0);
	assert_true(mosquitto_want_write(c.mosq));
	assert_int_equal(mosquitto_loop_write(c.mosq, 1), 0);
	peer_expect(&c.peer, 0x40, &packet);
	assert_int_equal(packet.body[1], 5);
	client_close(&c);
}

/* Why all that: without mosquitto_threaded_set() the PUBACK is out before anybody has the message.
 * If this ever fails, the library has become better. */
static void test_by_default_puback_is_first(void **state)
{
	struct client c = { 0 };

	(void)state;
	client_connect(&c, false, NULL);
	peer_publish(&c.peer, "a", "1", 1, false, 5);
	wait_readable(&c);
	assert_int_equal(mosquitto_loop_read(c.mosq, 1), 0);
	assert_int_equal(c.messages, 1);
	assert_int_equal(c.bytes_at_message, 4);
	client_close(&c);
}

static void test_destroy_writes_nothing(void **state)
{
	struct client c = { 0 };
	uint8_t byte;

	(void)state;
	client_connect(&c, true, NULL);
	peer_publish(&c.peer, "a", "1", 1, false, 5);
	wait_readable(&c);
	assert_int_equal(mosquitto_loop_read(c.mosq, 1), 0);
	mosquitto_destroy(c.mosq);
	assert_int_equal(recv(c.peer.fd, &byte, 1, 0), 0);
	peer_close(&c.peer);
}

static void test_one_packet_per_read(void **state)
{
	struct client c = { 0 };

	(void)state;
	client_connect(&c, true, NULL);
	for (int i = 0; i < 10; i++)
		peer_publish(&c.peer, "a", "1", 0, false, 0);
	wait_readable(&c);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(mosquitto_loop_read(c.mosq, 64), 0);
		assert_int_equal(c.messages, i);
	}
	assert_int_equal(mosquitto_loop_read(c.mosq, 64), 0);
	assert_int_equal(c.messages, 10);
	client_close(&c);
}

static void test_properties_are_kept_without_a_host(void **state)
{
	mosquitto_property *props = NULL;
	struct client c = { 0 };

	(void)state;
	mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 77);
	client_connect(&c, true, props);
	mosquitto_property_free_all(&props);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_puback_waits_for_loop_write),
		cmocka_unit_test(test_by_default_puback_is_first),
		cmocka_unit_test(test_destroy_writes_nothing),
		cmocka_unit_test(test_one_packet_per_read),
		cmocka_unit_test(test_properties_are_kept_without_a_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

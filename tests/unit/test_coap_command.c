/* What goes the other way in the CoAP driver: notifications, and commands in both directions. */
#include "test_coap_fake.h"

enum { OBSERVE = 6, MAX_AGE = 14 };

static const struct msg plain = {
	.type = CON, .code = POST, .mid = 7, .token = "tok", .path = "dev/a", .payload = "21.5",
};

/* -- RFC 7641 -- */

static void observe(struct bed *bed, const char *token, uint16_t mid)
{
	struct msg m = {
		.type = CON, .code = GET, .mid = mid, .token = token, .path = "dev/a",
		.observe = 1,
	};

	bed->in.last = "[1]";
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 205, mid, token);
}

/* A new value is kept. */
static void change(struct bed *bed)
{
	for (struct fg_watch *w = bed->in.watches; w; w = w->next)
		w->changed(w);
	bed_turns(bed, 3);
}

static unsigned watched(const struct bed *bed)
{
	unsigned n = 0;

	for (const struct fg_watch *w = bed->in.watches; w; w = w->next)
		n++;
	return n;
}

static void observers_are_told(void **state)
{
	struct bed *bed = *state;
	long sequence;

	observe(bed, "ob", 1);
	sequence = reply_number(bed, OBSERVE);
	assert_true(sequence >= 0);
	assert_int_equal(reply_number(bed, MAX_AGE), FG_COAP_WATCH_MAX_AGE_S);
	assert_true(fg_str_eq_c(bed->in.watches->path, "dev/a"));
	for (int i = 0; i < 3; i++) {
		change(bed);
		/* nobody waits for the confirmation of the first one */
		assert_reply(bed, i ? NON : CON, 205, 0, "ob");
		assert_true(reply_number(bed, OBSERVE) > sequence);
		sequence = reply_number(bed, OBSERVE);
	}
	assert_int_equal(watched(bed), 1);
}

static void reset_ends_it(void **state)
{
	struct bed *bed = *state;

	observe(bed, "ob", 1);
	change(bed);
	assert_reply(bed, CON, 205, 0, "ob");
	msg_send(bed, &(struct msg){ .type = RST, .mid = reply_mid(bed) });
	bed_turns(bed, 2);
	assert_int_equal(watched(bed), 0);
}

static void deregistered(void **state)
{
	struct bed *bed = *state;
	struct msg m = {
		.type = CON, .code = GET, .mid = 9, .token = "ob", .path = "dev/a", .observe = 2,
	};

	observe(bed, "ob", 1);
	observe(bed, "ob", 2);
	assert_int_equal(watched(bed), 1);
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 205, 9, "ob");
	assert_int_equal(reply_number(bed, OBSERVE), -1);
	assert_int_equal(watched(bed), 0);
}

static void beyond_the_limit_it_is_a_plain_get(void **state)
{
	static const char *const tokens[] = { "a", "b", "c", "d" };
	struct bed *bed = *state;

	for (uint16_t i = 0; i < 4; i++)
		observe(bed, tokens[i], i);
	assert_int_equal(reply_number(bed, OBSERVE), -1);
	assert_int_equal(watched(bed), 3);
}

static void a_value_that_is_gone_ends_it(void **state)
{
	struct bed *bed = *state;

	observe(bed, "ob", 1);
	bed->in.last = NULL;
	change(bed);
	assert_reply(bed, CON, 404, 0, "ob");
	assert_int_equal(reply_number(bed, OBSERVE), -1);
	bed_turns(bed, 1);
	assert_int_equal(watched(bed), 0);
}

static void unconfirmed_ones_are_bounded(void **state)
{
	struct bed *bed = *state;
	unsigned told = 0;

	observe(bed, "ob", 1);
	for (int i = 0; i < 3 * FG_COAP_WATCH_NON_MAX; i++)
		change(bed);
	while (reply_take(bed))
		told++;
	assert_int_equal(told, 1 + FG_COAP_WATCH_NON_MAX);
}

/* -- to a device -- */

static int command_to(struct bed *bed, struct fg_command *command)
{
	*command = (struct fg_command){
		.device = FG_STR("dev"),
		.point = FG_STR("a"),
		.payload = FG_STR("7"),
		.content_format = 0,
		.peer = bed->in.peer,
		.deadline_ns = fg_loop_now(bed->loop) + FG_S(10),
	};
	return fg_driver_coap.ops.command(&bed->in.source, command);
}

static void heard(struct bed *bed)
{
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 204, 7, "tok");
	assert_true(bed->in.peer != 0);
}

/* Answers the PUT that is there, with the token that it has. */
static void device_answers(struct bed *bed, uint8_t type, uint8_t code)
{
	char token[FG_COAP_EXCHANGE_TOKEN + 1] = "";
	uint8_t out[32] = { (uint8_t)(0x40 | type << 4) };
	size_t len = 4;

	assert_true(reply_take(bed));
	assert_int_equal(bed->reply[0] >> 4 & 3, CON);
	assert_int_equal(bed->reply[1], PUT);
	assert_int_equal(bed->reply[0] & 15, FG_COAP_EXCHANGE_TOKEN);
	memcpy(token, bed->reply + 4, FG_COAP_EXCHANGE_TOKEN);
	out[1] = code;
	memcpy(out + 2, bed->reply + 2, 2);
	if (type == ACK) {
		out[0] |= FG_COAP_EXCHANGE_TOKEN;
		memcpy(out + 4, token, FG_COAP_EXCHANGE_TOKEN);
		len += FG_COAP_EXCHANGE_TOKEN;
	}
	assert_int_equal(send(bed->fd, out, len, 0), (ssize_t)len);
	bed_turns(bed, 2);
}

static void a_device_confirms(void **state)
{
	static const struct {
		uint8_t type, code;
		enum fg_outcome how;
		const char *why;
	} rows[] = {
		{ ACK, CODE(204), FG_OUTCOME_DONE, "" },
		{ ACK, CODE(405), FG_OUTCOME_FAILED, "4.05 Method Not Allowed" },
		{ RST, 0, FG_OUTCOME_FAILED, "reset" },
	};
	struct bed *bed = *state;
	struct fg_command command;
	size_t len;

	heard(bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(command_to(bed, &command), 0);
		device_answers(bed, rows[i].type, rows[i].code);
		assert_memory_equal(reply_find(bed, 11, &len), "a", 1);
		assert_int_equal(command_fake.done, i + 1);
		assert_ptr_equal(command_fake.command, &command);
		assert_int_equal(command_fake.how, rows[i].how);
		assert_string_equal(command_fake.why, rows[i].why);
	}
}

static void who_was_not_heard_cannot_be_reached(void **state)
{
	struct bed *bed = *state;
	struct fg_command command;

	assert_int_equal(command_to(bed, &command), -EAGAIN);
	heard(bed);
	bed->in.peer++;
	assert_int_equal(command_to(bed, &command), -EAGAIN);
	assert_int_equal(command_fake.done, 0);
}

/* -- from a peer -- */

static const struct msg asks = {
	.type = CON, .code = PUT, .mid = 70, .token = "tok",
	.path = "fieldgate/command/dev/a", .payload = "7",
};

static struct fg_commands *some_commands(void)
{
	return (struct fg_commands *)&command_fake;
}

static void a_peer_asks(void **state)
{
	struct bed *bed = *state;

	msg_send(bed, &asks);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 403, 70, "tok");
	assert_int_equal(command_fake.requests, 0);
	bed->conf.commands = true;
	bed->in.source.commands = some_commands();
	command_fake.at_once = true;
	msg_send(bed, &(struct msg){ .type = CON,
				     .code = PUT,
				     .mid = 71,
				     .token = "tok",
				     .path = asks.path,
				     .payload = "7" });
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 403, 71, "tok");
	assert_string_equal(command_fake.path, "dev/a");
	assert_string_equal(command_fake.payload, "7");
	assert_int_equal(bed->in.submitted, 0);
}

static void the_outcome_comes_separately(void **state)
{
	struct bed *bed = *state;
	struct msg m = asks;
	size_t len;

	bed->conf.commands = true;
	bed->in.source.commands = some_commands();
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 0, 70, "");
	/* again: nothing is asked for twice */
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 0, 70, "");
	assert_int_equal(command_fake.requests, 1);
	fake_outcome(FG_OUTCOME_UNREACHABLE);
	assert_reply(bed, CON, 504, 0, "tok");
	assert_memory_equal(reply_find(bed, 0, &len), "{\"id\":", 6);
	/* and told once */
	fake_outcome(FG_OUTCOME_DONE);
	assert_false(reply_take(bed));
	bed_close(bed);
	assert_int_equal(command_fake.forgotten, 1);
}

#define BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(observers_are_told),
		BED(reset_ends_it),
		BED(deregistered),
		BED(beyond_the_limit_it_is_a_plain_get),
		BED(a_value_that_is_gone_ends_it),
		BED(unconfirmed_ones_are_bounded),
		BED(a_device_confirms),
		BED(who_was_not_heard_cannot_be_reached),
		BED(a_peer_asks),
		BED(the_outcome_comes_separately),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

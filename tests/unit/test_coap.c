/* The CoAP driver as its devices see it. */
#include "test_coap_fake.h"

static const struct msg plain = {
	.type = CON, .code = POST, .mid = 7, .token = "tok", .path = "dev/a", .payload = "21.5",
};

static void answered_when_kept(void **state)
{
	struct bed *bed = *state;

	bed->in.hold = true;
	msg_send(bed, &plain);
	bed_turns(bed, 3);
	assert_int_equal(bed->in.submitted, 1);
	assert_string_equal(bed->in.address, "dev/a");
	assert_memory_equal(bed->in.payload, "21.5", 4);
	assert_int_equal(bed->in.content_format, -1);
	assert_false(reply_take(bed));
	bed_keep(bed);
	assert_reply(bed, ACK, 204, 7, "tok");
	assert_int_equal(bed->reply_len, 7);
	assert_false(reply_take(bed));
}

static void duplicate_is_answered_again(void **state)
{
	struct bed *bed = *state;

	for (int i = 0; i < 3; i++) {
		msg_send(bed, &plain);
		bed_turns(bed, 2);
		assert_reply(bed, ACK, 204, 7, "tok");
	}
	assert_int_equal(bed->in.submitted, 1);
}

static void duplicate_while_waiting_makes_it_separate(void **state)
{
	struct bed *bed = *state;

	bed->in.hold = true;
	for (int i = 0; i < 3; i++) {
		msg_send(bed, &plain);
		bed_turns(bed, 2);
		if (i > 0)
			assert_reply(bed, ACK, 0, 7, "");
		assert_false(reply_take(bed));
	}
	bed_keep(bed);
	assert_reply(bed, CON, 204, 0, "tok");
	msg_send(bed, &(struct msg){ .type = ACK, .mid = reply_mid(bed) });
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 204, 7, "tok");
	assert_int_equal(bed->in.submitted, 1);
}

static void duplicate_of_non_is_dropped(void **state)
{
	struct bed *bed = *state;
	struct msg m = plain;

	m.type = NON;
	msg_send(bed, &m);
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, NON, 204, 0, "tok");
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_false(reply_take(bed));
	assert_int_equal(bed->in.submitted, 1);
}

static void any_token_will_do(void **state)
{
	static const char *const tokens[][2] = {
		{ "a", "b" }, { "a", "a" }, { "", "" }, { "12345678", "" }
	};
	struct bed *bed = *state;
	uint16_t mid = 100;

	bed->in.hold = true;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct msg m = plain;

			m.token = tokens[i][k];
			m.mid = (uint16_t)(mid + k);
			msg_send(bed, &m);
		}
		bed_turns(bed, 2);
		bed_keep(bed);
		assert_reply(bed, ACK, 204, mid, tokens[i][0]);
		assert_reply(bed, ACK, 204, (uint16_t)(mid + 1), tokens[i][1]);
		mid = (uint16_t)(mid + 2);
	}
	assert_int_equal(bed->in.submitted, 8);
}

static void kept_answers_no_more_than_that(void **state)
{
	struct bed *bed = *state;
	struct msg m = plain;

	bed->in.hold = true;
	for (m.mid = 1; m.mid <= 3; m.mid++)
		msg_send(bed, &m);
	bed_turns(bed, 2);
	fg_driver_coap.ops.kept(&bed->in.source, 2);
	assert_reply(bed, ACK, 204, 1, "tok");
	assert_reply(bed, ACK, 204, 2, "tok");
	assert_false(reply_take(bed));
	bed_keep(bed);
	assert_reply(bed, ACK, 204, 3, "tok");
}

/* As many as its time allows, which on a busy machine is fewer than all. */
static void one_turn_takes_many(void **state)
{
	struct bed *bed = *state;
	struct msg m = plain;

	for (unsigned round = 1; round <= 2; round++) {
		unsigned turns = 0;

		for (unsigned i = 0; i < 40; i++) {
			m.mid++;
			msg_send(bed, &m);
		}
		while (bed->in.submitted < 40 * round && turns++ < 20)
			bed_turns(bed, 1);
		assert_int_equal(bed->in.submitted, 40 * round);
	}
}

static void refusals(void **state)
{
	static const struct {
		int result, code;
		long max_age;
	} rows[] = {
		{ -EBADMSG, 400, -1 },
		{ -ENOTSUP, 415, -1 },
		{ -EAGAIN, 503, FG_COAP_MAX_AGE_S },
		{ -EIO, 503, FG_COAP_MAX_AGE_S },
	};
	struct bed *bed = *state;
	struct msg m = plain;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed->in.result = rows[i].result;
		m.mid++;
		/* the second time it is only said again */
		for (int k = 0; k < 2; k++) {
			msg_send(bed, &m);
			bed_turns(bed, 2);
			assert_reply(bed, ACK, rows[i].code, m.mid, "tok");
			assert_int_equal(reply_number(bed, 14), rows[i].max_age);
			assert_int_equal(bed->in.submitted, i + 1);
		}
	}
}

static void paused_says_when_to_come_again(void **state)
{
	struct bed *bed = *state;

	fg_driver_coap.ops.pause(&bed->in.source);
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 503, 7, "tok");
	assert_int_equal(reply_number(bed, 14), FG_COAP_MAX_AGE_S);
	assert_int_equal(bed->in.submitted, 0);
	fg_driver_coap.ops.resume(&bed->in.source);
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 204, 7, "tok");
}

static void content_formats(void **state)
{
	static const struct {
		int format, code;
	} rows[] = {
		{ 0, 204 }, { 42, 204 }, { 50, 204 }, { 60, 204 }, { 110, 204 }, { 112, 204 },
		{ 11542, 204 }, { 40, 415 }, { 41, 415 }, { 310, 415 }, { 65535, 415 },
		{ 65536 + 50, 415 },
	};
	struct bed *bed = *state;
	struct msg m = plain;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned before = bed->in.rejected;

		m.mid++;
		m.format = rows[i].format + 1;
		msg_send(bed, &m);
		bed_turns(bed, 2);
		/* libcoap may refuse an option that is too long by itself */
		if (rows[i].format > UINT16_MAX && reply_take(bed) && bed->reply[1] == 0)
			continue;
		if (rows[i].format > UINT16_MAX)
			assert_int_equal(bed->reply[1], CODE(415));
		else
			assert_reply(bed, ACK, rows[i].code, m.mid, "tok");
		assert_int_equal(bed->in.rejected - before, rows[i].code == 415);
		if (rows[i].code == 204)
			assert_int_equal(bed->in.content_format, rows[i].format);
		else
			assert_string_equal(bed->in.reason, "content-format");
	}
}

static void paths(void **state)
{
	static const struct {
		const char *path, *address;	/* NULL: refused */
	} rows[] = {
		{ "dev", "dev" }, { "dev/a/b", "dev/a/b" }, { "a b", "a b" },
		{ NULL, NULL }, { "", NULL }, { "dev/", NULL }, { "dev//a", NULL },
		{ ".well-known/other", ".well-known/other" },
	};
	struct bed *bed = *state;
	struct msg m = plain;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m.mid++;
		m.path = rows[i].path;
		msg_send(bed, &m);
		bed_turns(bed, 2);
		assert_reply(bed, ACK, rows[i].address ? 204 : 400, m.mid, "tok");
		if (rows[i].address)
			assert_string_equal(bed->in.address, rows[i].address);
	}
}

static void segment_with_slash_is_refused(void **state)
{
	struct bed *bed = *state;
	struct packet p;
	struct msg m = plain;

	m.path = "x";
	m.payload = NULL;
	packet_make(&p, &m);
	p.len--;
	p.option = 0;
	p.len--;
	packet_option(&p, 11, "a/b", 3);
	assert_true(send(bed->fd, p.data, p.len, 0) > 0);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 400, 7, "tok");
	assert_int_equal(bed->in.submitted, 0);
}

static void other_methods(void **state)
{
	static const struct {
		uint8_t method;
		const char *path;
		int code;
	} rows[] = {
		{ DELETE, "dev", 405 }, { FETCH, "dev", 405 }, { 6, "dev", 405 }, { 7, "dev", 405 },
		{ POST, ".well-known/core", 405 }, { GET, "dev", 404 }, { GET, NULL, 404 },
	};
	struct bed *bed = *state;
	struct msg m = plain;

	m.payload = NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m.mid++;
		m.code = rows[i].method;
		m.path = rows[i].path;
		/* libcoap 4.3.4 answers a FETCH without one by itself (RFC 8132 section 2.2) */
		m.format = rows[i].method >= FETCH ? 50 + 1 : 0;
		msg_send(bed, &m);
		bed_turns(bed, 2);
		assert_reply(bed, ACK, rows[i].code, m.mid, "tok");
	}
	assert_int_equal(bed->in.submitted, 0);
}

/* RFC 7252 section 5.10.8: both are critical. */
/* libcoap newer than 4.3.1 judges some of them itself, for resources that it does not know: 4.12 */
static void conditions_are_refused(void **state)
{
	static const uint8_t methods[] = { POST, PUT, GET, GET };
	struct bed *bed = *state;
	struct msg m = plain;
	unsigned refused = 0;

	bed->in.last = "[1]";
	for (size_t i = 0; i < 8; i++) {
		m.mid++;
		m.code = methods[i / 2];
		m.condition = i % 2 ? 5 : 1;
		m.payload = m.code == GET ? NULL : "1";
		m.path = i < 6 ? "dev/a" : ".well-known/core";
		msg_send(bed, &m);
		bed_turns(bed, 2);
		assert_true(reply_take(bed));
		assert_int_equal(reply_mid(bed), m.mid);
		if (bed->reply[1] == CODE(402) && m.code != GET)
			refused++;
		else if (bed->reply[1] != CODE(402))
			assert_int_equal(bed->reply[1], CODE(412));
		assert_int_equal(bed->in.rejected, refused);
	}
	assert_int_equal(bed->in.submitted, 0);
}

static void no_response_is_respected(void **state)
{
	struct bed *bed = *state;
	struct msg m = plain;

	m.no_response = 2;
	msg_send(bed, &m);
	m.type = NON;
	m.mid++;
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_int_equal(bed->in.submitted, 2);
	assert_reply(bed, ACK, 0, 7, "");
	assert_false(reply_take(bed));
}

static void sessions_are_bounded(void **state)
{
	struct bed *bed = *state;
	int fds[32];

	for (size_t i = 0; i < 32; i++) {
		struct packet p;

		packet_make(&p, &plain);
		fds[i] = client_socket(bed);
		assert_true(send(fds[i], p.data, p.len, 0) > 0);
		bed_turns(bed, 1);
	}
	assert_int_equal(bed->in.submitted, 32);
	assert_true(bed->server->clients.count <= (size_t)bed->conf.clients + 1);
	for (size_t i = 0; i < 32; i++)
		close(fds[i]);
}

static void waiting_requests_are_bounded(void **state)
{
	struct bed *bed = *state;
	struct msg m = plain;

	bed->in.hold = true;
	for (unsigned i = 0; i <= FG_COAP_PENDING_MAX; i++) {
		m.mid = (uint16_t)i;
		msg_send(bed, &m);
		bed_turns(bed, 1);
		if (i < FG_COAP_PENDING_MAX)
			assert_false(reply_take(bed));
	}
	assert_int_equal(bed->in.submitted, FG_COAP_PENDING_MAX);
	assert_reply(bed, ACK, 503, FG_COAP_PENDING_MAX, "tok");
}

static void malformed_is_survived(void **state)
{
	static const struct fg_str datagrams[] = {
		{ "", 0 },
		{ "\x40", 1 },
		{ "\x40\x02\x00", 3 },
		{ "\x4f\x02\x00\x01", 4 },			/* token longer than may be */
		{ "\x41\x02\x00\x01", 4 },			/* token missing */
		{ "\x40\x02\x00\x01\xff", 5 },		/* marker without payload */
		{ "\x40\x02\x00\x01\xbfx", 6 },		/* reserved length */
		{ "\x40\x02\x00\x01\xbex", 6 },		/* length of an option missing */
		{ "\x00\x02\x00\x01", 4 },			/* version */
		{ "\x40\xe2\x00\x01\xb1" "a", 6 },		/* reserved class of codes */
		{ "\x40\x02\x00\x01\xb5" "a", 6 },		/* option cut */
		{ "\x40\x02\x00\x01\xd1\xff" "a", 7 },	/* unknown critical option */
	};
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
		send(bed->fd, datagrams[i].ptr, datagrams[i].len, 0);
		bed_turns(bed, 1);
	}
	while (reply_take(bed))
		continue;
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 204, 7, "tok");
	assert_int_equal(bed->in.submitted, 1);
}

static void cut_datagram_is_no_reading(void **state)
{
	struct bed *bed = *state;
	static char text[3000];
	struct msg m = plain;

	memset(text, '1', sizeof(text));
	m.payload = text;
	for (size_t len = 1440; len < 1500; len++) {
		m.mid++;
		m.len = len;
		bed->in.payload_len = 0;
		msg_send(bed, &m);
		bed_turns(bed, 2);
		assert_true(bed->in.payload_len == 0 || bed->in.payload_len == len);
	}
	assert_true(bed->in.submitted > 0);
}

static void close_answers_nothing(void **state)
{
	struct bed *bed = *state;

	bed->in.hold = true;
	msg_send(bed, &plain);
	bed_turns(bed, 2);
	assert_int_equal(bed->in.submitted, 1);
	bed_close(bed);
	assert_int_equal(bed->in.closed, 1);
	assert_false(reply_take(bed));
}

static void port_in_use_is_told(void **state)
{
	struct bed *bed = *state;
	struct fake second = { .source = bed->in.source };

	second.source.state = calloc(1, fg_driver_coap.state_size);
	assert_int_equal(fg_driver_coap.ops.open(&second.source), -EADDRINUSE);
	fg_driver_coap.ops.close(&second.source);
	bed_turns(bed, 3);
	assert_int_equal(second.closed, 1);
	assert_int_equal(second.up, 0);
	free(second.source.state);
}

#define BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(answered_when_kept),
		BED(duplicate_is_answered_again),
		BED(duplicate_while_waiting_makes_it_separate),
		BED(duplicate_of_non_is_dropped),
		BED(any_token_will_do),
		BED(kept_answers_no_more_than_that),
		BED(one_turn_takes_many),
		BED(refusals),
		BED(paused_says_when_to_come_again),
		BED(content_formats),
		BED(paths),
		BED(segment_with_slash_is_refused),
		BED(other_methods),
		BED(conditions_are_refused),
		BED(no_response_is_respected),
		BED(sessions_are_bounded),
		BED(waiting_requests_are_bounded),
		BED(malformed_is_survived),
		BED(cut_datagram_is_no_reading),
		BED(close_answers_nothing),
		BED(port_in_use_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

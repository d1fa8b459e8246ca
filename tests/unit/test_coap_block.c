/* The CoAP driver: bodies in blocks, last values, listings, and the claims about libcoap that
 * all of it stands on. */
#include "test_coap_fake.h"

static void block_send(struct bed *bed, struct msg *m, unsigned num, bool more, size_t len)
{
	static const char text[] = "0123456789abcdef0123456789abcdef";

	m->mid++;
	m->block1 = (num << 4 | (more ? 8u : 0u)) + 1;	/* blocks of 16 bytes */
	m->payload = text;
	m->len = len;
	msg_send(bed, m);
	bed_turns(bed, 2);
}

static const struct msg part = { .type = CON, .code = POST, .token = "b", .path = "dev" };

static void blocks_become_one_body(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;

	m.format = 51;
	for (unsigned i = 0; i < 4; i++) {
		block_send(bed, &m, i, i < 3, i < 3 ? 16 : 5);
		assert_reply(bed, ACK, i < 3 ? 231 : 204, m.mid, "b");
		assert_int_equal(reply_number(bed, 27), i << 4 | (i < 3 ? 8 : 0));
	}
	assert_int_equal(bed->in.submitted, 1);
	assert_int_equal(bed->in.payload_len, 53);
	assert_int_equal(bed->in.content_format, 50);
	assert_memory_equal(bed->in.payload + 32, "0123456789abcdef01234", 21);
	assert_int_equal(bed->server->bodies.bytes, 0);
	/* the last one again is the same request, and answered the same way */
	m.mid--;
	block_send(bed, &m, 3, false, 5);
	assert_reply(bed, ACK, 204, m.mid, "b");
	assert_int_equal(reply_number(bed, 27), 3 << 4);
	assert_int_equal(bed->in.submitted, 1);
}

static void one_block_is_a_body(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;

	block_send(bed, &m, 0, false, 3);
	assert_reply(bed, ACK, 204, m.mid, "b");
	assert_int_equal(bed->in.payload_len, 3);
}

static void missing_block_is_asked_for(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;
	static const struct {
		unsigned num, code;
		bool more;
	} rows[] = { { 1, 408, true }, { 0, 231, true }, { 0, 231, true },
		     { 2, 408, true }, { 1, 231, true }, { 3, 408, false },
		     { 2, 231, true }, { 1, 231, true }, { 3, 204, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		block_send(bed, &m, rows[i].num, rows[i].more, 16);
		assert_reply(bed, ACK, (int)rows[i].code, m.mid, "b");
	}
	assert_int_equal(bed->in.submitted, 1);
	assert_int_equal(bed->in.payload_len, 64);
}

static void believed_is_no_size(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;

	m.size1 = 1u << 30;
	block_send(bed, &m, 0, true, 16);
	assert_reply(bed, ACK, 413, m.mid, "b");
	assert_int_equal(reply_number(bed, 60), bed->conf.body);
	assert_int_equal(bed->server->bodies.bytes, 0);
	m.size1 = 0;
	block_send(bed, &m, 0xfffff, false, 16);
	assert_reply(bed, ACK, 413, m.mid, "b");
	assert_int_equal(bed->server->bodies.bytes, 0);
}

static void too_long_a_body_is_refused(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;
	unsigned blocks = (unsigned)bed->conf.body / 16;

	for (unsigned i = 0; i <= blocks; i++) {
		block_send(bed, &m, i, true, 16);
		assert_reply(bed, ACK, i < blocks ? 231 : 413, m.mid, "b");
	}
	assert_int_equal(reply_number(bed, 60), bed->conf.body);
	assert_string_equal(bed->in.reason, "too-large");
	assert_int_equal(bed->server->bodies.bytes, 0);
}

static void block_of_wrong_length_is_refused(void **state)
{
	struct bed *bed = *state;
	struct msg m = part;

	block_send(bed, &m, 0, true, 15);
	assert_reply(bed, ACK, 400, m.mid, "b");
	block_send(bed, &m, 0, false, 17);
	assert_reply(bed, ACK, 400, m.mid, "b");
	assert_int_equal(bed->in.submitted, 0);
	assert_int_equal(bed->server->bodies.count, 0);
}

/* -- GET -- */

static const struct msg get = {
	.type = CON, .code = GET, .mid = 50, .token = "g", .path = "dev/a",
};

static void last_value(void **state)
{
	struct bed *bed = *state;
	const uint8_t *text;
	size_t len;

	bed->in.last = "[{\"v\":1}]";
	msg_send(bed, &get);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 205, 50, "g");
	assert_int_equal(reply_number(bed, 12), 110);
	assert_int_equal(reply_number(bed, 23), -1);
	text = reply_find(bed, 0, &len);
	assert_int_equal(len, 9);
	assert_memory_equal(text, bed->in.last, 9);
}

static void accept_is_respected(void **state)
{
	struct bed *bed = *state;
	struct msg m = get;

	bed->in.last = "[]";
	m.accept = 111;
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 205, 50, "g");
	m.accept = 61;
	m.mid++;
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 406, 51, "g");
}

static size_t fetch(struct bed *bed, struct msg *m, unsigned szx, char *out, size_t cap)
{
	size_t got = 0;
	long block = 8;

	for (unsigned num = 0; block & 8; num++) {
		const uint8_t *text;
		size_t len;

		m->mid++;
		m->block2 = (num << 4 | szx) + 1;
		msg_send(bed, m);
		bed_turns(bed, 2);
		assert_reply(bed, ACK, 205, m->mid, "g");
		block = reply_number(bed, 23);
		assert_int_equal(block >> 4, num);
		text = reply_find(bed, 0, &len);
		assert_true(len <= 16u << szx && got + len <= cap);
		memcpy(out + got, text, len);
		got += len;
		bed->in.last = "something else by now";
	}
	return got;
}

static void long_value_is_of_one_moment(void **state)
{
	struct bed *bed = *state;
	static char text[3001], out[4000];
	struct msg m = get;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 26);
	bed->in.last = text;
	assert_int_equal(fetch(bed, &m, 5, out, sizeof(out)), 3000);
	assert_memory_equal(out, text, 3000);
	assert_int_equal(bed->in.lasts, 1);
	/* not asked for in blocks, cut all the same */
	bed->in.last = text;
	m.mid++;
	m.block2 = 0;
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 205, m.mid, "g");
	assert_int_equal(reply_number(bed, 23), 8 | 6);
	assert_int_equal(reply_number(bed, 28), 3000);
	m.mid++;
	m.block2 = (1000u << 4 | 6) + 1;
	msg_send(bed, &m);
	bed_turns(bed, 2);
	assert_reply(bed, ACK, 402, m.mid, "g");
}

static void views_are_bounded(void **state)
{
	struct bed *bed = *state;
	static char text[3001];
	int fds[8];

	memset(text, 'x', 3000);
	bed->in.last = text;
	for (size_t i = 0; i < 8; i++) {
		struct packet p;

		packet_make(&p, &get);
		fds[i] = client_socket(bed);
		assert_true(send(fds[i], p.data, p.len, 0) > 0);
		bed_turns(bed, 1);
	}
	assert_int_equal(bed->in.lasts, 8);
	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		assert_true(bed->server->views[i].len <= 3000);
	for (size_t i = 0; i < 8; i++)
		close(fds[i]);
}

static void listing(void **state)
{
	struct bed *bed = *state;
	struct msg m = get;
	char out[4096];

	m.path = ".well-known/core";
	bed->in.devices = 2;
	assert_int_equal(fetch(bed, &m, 6, out, sizeof(out)), 33);
	assert_memory_equal(out, "</d0>;ct=110;obs,</d1>;ct=110;obs", 33);
	bed->in.devices = 200;
	assert_int_equal(fetch(bed, &m, 6, out, sizeof(out)), 10 * 16 + 90 * 17 + 100 * 18 + 199);
	/* a link is an URI: what may not stand in one is percent-encoded */
	bed->in.devices = 0;
	bed->in.device = "my dev>/a-z_.~:\xc3\xa4";
	assert_int_equal(fetch(bed, &m, 6, out, sizeof(out)), 39);
	assert_memory_equal(out, "</my%20dev%3E/a-z_.~:%C3%A4>;ct=110;obs", 39);
}

/* -- what is claimed of libcoap -- */

struct claim {
	coap_context_t *context;
	int fd;
	unsigned calls;
	bool silent;
	coap_session_t *session;
};

static void claim_handler(coap_resource_t *resource, coap_session_t *session,
			  const coap_pdu_t *request, const coap_string_t *query,
			  coap_pdu_t *response)
{
	struct claim *claim = coap_get_app_data(coap_session_get_context(session));

	(void)resource;
	(void)request;
	(void)query;
	claim->calls++;
	if (!claim->session)
		claim->session = coap_session_reference(session);
	if (claim->silent)
		coap_pdu_set_type(response, COAP_MESSAGE_NON);
	else
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

static int claim_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed) + sizeof(struct claim));
	struct claim *claim = (struct claim *)(bed + 1);
	coap_address_t address;

	bed->address = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = free_port(),
					     .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	coap_startup();
	coap_set_log_level((coap_log_t)LOG_EMERG);
	coap_address_init(&address);
	address.addr.sin = bed->address;
	address.size = sizeof(bed->address);
	claim->context = coap_new_context(NULL);
	coap_set_app_data(claim->context, claim);
	coap_add_resource(claim->context, coap_resource_unknown_init(claim_handler));
	assert_non_null(coap_new_endpoint(claim->context, &address, COAP_PROTO_UDP));
	claim->fd = coap_context_get_coap_fd(claim->context);
	bed->fd = client_socket(bed);
	*state = bed;
	return 0;
}

static int claim_teardown(void **state)
{
	struct bed *bed = *state;
	struct claim *claim = (struct claim *)(bed + 1);

	coap_session_release(claim->session);
	coap_free_context(claim->context);
	close(bed->fd);
	free(bed);
	return 0;
}

/* One call into libcoap with the one event there is `times` times. */
static void claim_drain(struct claim *claim, unsigned times)
{
	struct epoll_event events[16];

	assert_int_equal(epoll_wait(claim->fd, events, 1, 0), 1);
	for (unsigned i = 1; i < times; i++)
		events[i] = events[0];
	coap_io_do_epoll(claim->context, events, times);
}

static const struct msg put = {
	.type = CON, .code = PUT, .mid = 9, .token = "c", .path = "x", .payload = "1"
};

static void duplicates_reach_the_handler(void **state)
{
	struct bed *bed = *state;
	struct claim *claim = (struct claim *)(bed + 1);

	for (int i = 0; i < 3; i++)
		msg_send(bed, &put);
	claim_drain(claim, 3);
	assert_int_equal(claim->calls, 3);
}

static void one_event_may_be_repeated(void **state)
{
	struct bed *bed = *state;
	struct claim *claim = (struct claim *)(bed + 1);
	struct epoll_event event;

	for (int i = 0; i < 8; i++)
		msg_send(bed, &put);
	claim_drain(claim, 10);
	assert_int_equal(claim->calls, 8);
	for (int i = 0; i < 8; i++)
		assert_reply(bed, ACK, 204, 9, "c");
	assert_int_equal(epoll_wait(claim->fd, &event, 1, 0), 0);
}

/* No answer at all comes from an empty NON; the answer made by hand is the one of the request. */
static void silence_and_an_answer_by_hand(void **state)
{
	struct bed *bed = *state;
	struct claim *claim = (struct claim *)(bed + 1);
	coap_pdu_t *pdu;

	claim->silent = true;
	msg_send(bed, &put);
	claim_drain(claim, 1);
	assert_int_equal(claim->calls, 1);
	assert_false(reply_take(bed));
	pdu = coap_pdu_init(COAP_MESSAGE_ACK, COAP_RESPONSE_CODE_CHANGED, 9, 32);
	coap_add_token(pdu, 1, (const uint8_t *)"c");
	assert_int_equal(coap_send(claim->session, pdu), 9);
	assert_reply(bed, ACK, 204, 9, "c");
	/* and it takes a separate one */
	pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_RESPONSE_CODE_CHANGED,
			    coap_new_message_id(claim->session), 32);
	coap_add_token(pdu, 1, (const uint8_t *)"c");
	assert_true(coap_send(claim->session, pdu) != COAP_INVALID_MID);
	assert_reply(bed, CON, 204, 0, "c");
	msg_send(bed, &(struct msg){ .type = ACK, .mid = reply_mid(bed) });
	claim_drain(claim, 1);
}

#define BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
#define CLAIM(test) cmocka_unit_test_setup_teardown(test, claim_setup, claim_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(blocks_become_one_body),
		BED(one_block_is_a_body),
		BED(missing_block_is_asked_for),
		BED(believed_is_no_size),
		BED(too_long_a_body_is_refused),
		BED(block_of_wrong_length_is_refused),
		BED(last_value),
		BED(accept_is_respected),
		BED(long_value_is_of_one_moment),
		BED(views_are_bounded),
		BED(listing),
		CLAIM(duplicates_reach_the_handler),
		CLAIM(one_event_may_be_repeated),
		CLAIM(silence_and_an_answer_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

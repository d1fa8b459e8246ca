/* Servers that the CoAP driver asks: what comes while nothing can be taken is asked for again. */
#include "test_coap_fake.h"

enum { OBSERVE = 6, BLOCK2 = 23 };

/* A bed whose driver observes a server of the test's own. */
struct far {
	struct bed *bed;
	int fd;
	struct fg_io io; /* ends the loop's sleep */
	struct sockaddr_in peer;
	char url[64];
	const char *name;
	struct fg_coap_remote_conf conf;
	uint8_t token[8];
};

static void far_readable(struct fg_io *io, unsigned events)
{
	(void)io;
	(void)events;
}

static int far_setup(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	struct far *far = calloc(1, sizeof(*far));
	socklen_t len = sizeof(in);
	struct bed *bed;

	assert_int_equal(bed_setup((void **)&far->bed), 0);
	bed = far->bed;
	far->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(far->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(far->fd, (struct sockaddr *)&in, &len), 0);
	fg_io_init(bed->loop, &far->io, far_readable);
	assert_int_equal(fg_io_sync(&far->io, far->fd, FG_READ, false), 0);
	snprintf(far->url, sizeof(far->url), "coap://127.0.0.1:%u/t", ntohs(in.sin_port));
	far->name = "boiler";
	far->conf = (struct fg_coap_remote_conf){ .url = far->url, .content_format = -1 };
	fg_coap_remotes_fini(bed->server);
	bed->conf.observe = (struct fg_map){
		.items = &far->conf, .names = &far->name, .count = 1, .item_size = sizeof(far->conf)
	};
	assert_int_equal(fg_coap_remotes_open(bed->server), 0);
	*state = far;
	return 0;
}

static int far_teardown(void **state)
{
	struct far *far = *state;

	fg_handle_close(&far->io.handle, NULL);
	bed_teardown((void **)&far->bed);
	close(far->fd);
	free(far);
	return 0;
}

/* What the driver says next, in bed->reply. */
static void far_hears(struct far *far)
{
	struct bed *bed = far->bed;
	ssize_t n;

	for (;;) {
		socklen_t len = sizeof(far->peer);

		n = recvfrom(far->fd, bed->reply, sizeof(bed->reply), 0,
			     (struct sockaddr *)&far->peer, &len);
		if (n > 0)
			break;
		fg_loop_turn(bed->loop, true);
	}
	bed->reply_len = (size_t)n;
}

/* It asks: for the first block, observing; or for another one. */
static uint16_t far_is_asked(struct far *far, long block2)
{
	struct bed *bed = far->bed;

	far_hears(far);
	assert_int_equal(bed->reply[0], 0x48);
	assert_int_equal(bed->reply[1], GET);
	assert_int_equal(reply_number(bed, OBSERVE), block2 < 0 ? 0 : -1);
	assert_int_equal(reply_number(bed, BLOCK2), block2);
	memcpy(far->token, bed->reply + 4, sizeof(far->token));
	return reply_mid(bed);
}

static void far_sends(struct far *far, const struct packet *p)
{
	assert_int_equal(sendto(far->fd, p->data, p->len, 0, (struct sockaddr *)&far->peer,
				sizeof(far->peer)),
			 (ssize_t)p->len);
	bed_turns(far->bed, 3);
}

static void far_says(struct far *far, uint8_t type, uint16_t mid, int observe, int block2,
		     const char *text)
{
	struct packet p = { .len = 12 };
	const uint8_t head[] = { (uint8_t)(0x48 | type << 4), CODE(205), (uint8_t)(mid >> 8),
				 (uint8_t)mid };

	memcpy(p.data, head, sizeof(head));
	memcpy(p.data + sizeof(head), far->token, sizeof(far->token));
	if (observe >= 0)
		packet_number(&p, OBSERVE, (uint32_t)observe);
	if (block2 >= 0)
		packet_number(&p, BLOCK2, (uint32_t)block2);
	p.data[p.len++] = 0xff;
	memcpy(p.data + p.len, text, strlen(text));
	p.len += strlen(text);
	far_sends(far, &p);
}

static void assert_taken(const struct far *far, unsigned count, const char *payload)
{
	const struct fake *in = &far->bed->in;

	assert_int_equal(in->pos, count);
	assert_string_equal(in->address, "boiler/t");
	assert_int_equal(in->payload_len, strlen(payload));
	assert_memory_equal(in->payload, payload, in->payload_len);
}

static void assert_heard(struct far *far, uint8_t type, uint16_t mid)
{
	far_hears(far);
	assert_int_equal(far->bed->reply_len, 4);
	assert_int_equal(far->bed->reply[0] >> 4 & 3, type);
	assert_int_equal(reply_mid(far->bed), mid);
}

/* It is refused, which ends the observation, and a new one begins when there is room. */
static void a_refused_notification_is_asked_for_again(void **state)
{
	struct far *far = *state;
	struct bed *bed = far->bed;

	far_says(far, ACK, far_is_asked(far, -1), 10, -1, "1");
	assert_taken(far, 1, "1");
	fg_driver_coap.ops.pause(&bed->in.source);
	far_says(far, CON, 500, 11, -1, "2");
	assert_heard(far, RST, 500);
	assert_int_equal(bed->in.pos, 1);
	fg_driver_coap.ops.resume(&bed->in.source);
	/* the server may well begin with the number that it had then */
	far_says(far, ACK, far_is_asked(far, -1), 11, -1, "2");
	assert_taken(far, 2, "2");
	far_says(far, CON, 501, 12, -1, "3");
	assert_taken(far, 3, "3");
	assert_heard(far, ACK, 501);
}

/* The answer that begins it, and the pause follows only from it. */
static void a_refused_answer_is_asked_for_again(void **state)
{
	struct far *far = *state;
	struct bed *bed = far->bed;

	bed->in.result = -EAGAIN;
	far_says(far, ACK, far_is_asked(far, -1), 10, -1, "1");
	fg_driver_coap.ops.pause(&bed->in.source);
	assert_int_equal(bed->in.submitted, 1);
	bed->in.result = 0;
	fg_driver_coap.ops.resume(&bed->in.source);
	far_says(far, ACK, far_is_asked(far, -1), 10, -1, "1");
	assert_taken(far, 1, "1");
}

static void refused_blocks_are_asked_for_again(void **state)
{
	static const char text[] = "0123456789abcdef";
	struct far *far = *state;
	struct bed *bed = far->bed;

	far_says(far, ACK, far_is_asked(far, -1), 10, 8, text);
	fg_driver_coap.ops.pause(&bed->in.source);
	far_says(far, ACK, far_is_asked(far, 1 << 4), -1, 1 << 4, "!");
	assert_int_equal(bed->in.pos, 0);
	fg_driver_coap.ops.resume(&bed->in.source);
	far_says(far, ACK, far_is_asked(far, -1), 10, 8, text);
	far_says(far, ACK, far_is_asked(far, 1 << 4), -1, 1 << 4, "?");
	assert_taken(far, 1, "0123456789abcdef?");
}

/* A server that speaks of its own accord, where it is asked, is a device like others until it is
 * asked from elsewhere. */
static void who_is_asked_anew_is_not_known_any_more(void **state)
{
	struct far *far = *state;
	struct bed *bed = far->bed;
	struct fg_command command = { .point = FG_STR("a"), .content_format = -1 };
	struct packet p;

	far_says(far, ACK, far_is_asked(far, -1), 10, -1, "1");
	packet_make(&p, &(struct msg){ .code = POST, .path = "dev/a", .payload = "2" });
	far_sends(far, &p);
	far_hears(far);
	assert_int_equal(bed->reply[1], CODE(204));
	command.peer = bed->in.peer;
	assert_int_equal(bed->in.submitted, 2);
	assert_int_equal(bed->server->clients.count, 1);
	bed->server->remotes.items[0].failed = true;
	fg_timer_start(&bed->server->remotes.items[0].timer, 0);
	far_is_asked(far, -1);
	assert_int_equal(fg_driver_coap.ops.command(&bed->in.source, &command), -EAGAIN);
	assert_int_equal(bed->server->clients.count, 0);
}

/* Nor who speaks to where he was asked before, while something else still holds that session. */
static void who_speaks_behind_the_end_is_refused(void **state)
{
	struct far *far = *state;
	struct bed *bed = far->bed;
	struct sockaddr_in before;
	coap_session_t *held;
	struct packet p;

	far_says(far, ACK, far_is_asked(far, -1), 10, -1, "1");
	before = far->peer;
	held = coap_session_reference(bed->server->remotes.items[0].session);
	bed->server->remotes.items[0].failed = true;
	fg_timer_start(&bed->server->remotes.items[0].timer, 0);
	far_is_asked(far, -1);
	assert_true(far->peer.sin_port != before.sin_port);
	far->peer = before;
	packet_make(&p, &(struct msg){ .code = POST, .path = "dev/a", .payload = "2" });
	far_sends(far, &p);
	far_hears(far);
	assert_int_equal(bed->reply[1], CODE(503));
	assert_int_equal(bed->in.submitted, 1);
	assert_int_equal(bed->server->clients.count, 0);
	coap_session_release(held);
}

#define FAR(f) cmocka_unit_test_setup_teardown(f, far_setup, far_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAR(a_refused_notification_is_asked_for_again),
		FAR(a_refused_answer_is_asked_for_again),
		FAR(refused_blocks_are_asked_for_again),
		FAR(who_is_asked_anew_is_not_known_any_more),
		FAR(who_speaks_behind_the_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

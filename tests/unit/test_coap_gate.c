/* The gate before libcoap at coaps://, with a socket that libcoap has made. */
#include "../../drivers/coap/gate.h"

#include <fg/loop.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 FG_S(1000)

struct bed {
	coap_context_t *context;
	struct fg_coap_listen listen;
	struct fg_coap_gate gate;
	struct fg_logger logger;	/* silent */
	int client;
	uint8_t reply[256];
};

/* A hello as small as there is: 32 bytes that are all `random`, one cipher suite. */
static size_t hello_make(uint8_t *out, uint8_t random, const uint8_t *cookie, size_t cookie_len)
{
	size_t body = 2 + 32 + 1 + 1 + cookie_len + 4 + 2;
	uint8_t *at = out + 25;

	memset(out, 0, 25);
	out[0] = 22;
	out[1] = 254;
	out[2] = 253;
	out[10] = 5;	/* the record's number */
	out[12] = (uint8_t)(body + 12);
	out[13] = 1;
	out[16] = out[24] = (uint8_t)body;
	*at++ = 254;
	*at++ = 253;
	memset(at, random, 32);
	at += 32;
	*at++ = 0;
	*at++ = (uint8_t)cookie_len;
	if (cookie_len)
		memcpy(at, cookie, cookie_len);
	at += cookie_len;
	memcpy(at, "\0\2\300\250\1\0", 6);
	return 25 + body;
}

static int client_new(int family)
{
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return fd;
}

static void say(struct bed *bed, int fd, const void *bytes, size_t len)
{
	assert_int_equal(sendto(fd, bytes, len, 0, &bed->listen.sa, bed->listen.len), len);
}

static void say_hello(struct bed *bed, uint8_t random, const uint8_t *cookie)
{
	uint8_t hello[256];

	say(bed, bed->client, hello,
	    hello_make(hello, random, cookie, cookie ? FG_COAP_COOKIE : 0));
}

static uint32_t pass(struct bed *bed, uint64_t now_ns)
{
	bool more;

	return fg_coap_gate_pass(&bed->gate, bed->context, &bed->logger, now_ns, 16, &more);
}

/* The cookie of the answer that is there. */
static const uint8_t *asked(struct bed *bed, int fd)
{
	assert_int_equal(recv(fd, bed->reply, sizeof(bed->reply), 0), FG_COAP_VERIFY);
	assert_memory_equal(bed->reply, "\x16\xfe\xff\0\0\0\0\0\0\0\5\0\x2f\3", 14);
	assert_int_equal(bed->reply[27], FG_COAP_COOKIE);
	return bed->reply + 28;
}

static bool silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

/* What libcoap would read now. */
static ssize_t take(struct bed *bed)
{
	uint8_t datagram[2000];

	return recv(bed->gate.fd, datagram, sizeof(datagram), MSG_DONTWAIT);
}

static void bed_listen(struct bed *bed, const char *text)
{
	coap_address_t address;
	const char *why;
	int probe;

	assert_int_equal(fg_coap_listen_parse(text, &bed->listen, &why), 0);
	probe = socket(bed->listen.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bed->listen.in.sin_port = 0;
	assert_int_equal(bind(probe, &bed->listen.sa, bed->listen.len), 0);
	assert_int_equal(getsockname(probe, &bed->listen.sa, &bed->listen.len), 0);
	close(probe);
	coap_startup();
	coap_set_log_level((coap_log_t)LOG_EMERG);
	bed->context = coap_new_context(NULL);
	assert_non_null(bed->context);
	coap_address_init(&address);
	memcpy(&address.addr, &bed->listen.sa, bed->listen.len);
	address.size = bed->listen.len;
	assert_non_null(coap_new_endpoint(bed->context, &address, COAP_PROTO_UDP));
	assert_int_equal(fg_coap_gate_open(&bed->gate, bed->context, &bed->listen), 0);
}

static int bed_new(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed_listen(bed, "coaps://127.0.0.1:1");
	bed->client = client_new(AF_INET);
	*state = bed;
	return 0;
}

static int bed_free(void **state)
{
	struct bed *bed = *state;

	coap_free_context(bed->context);
	close(bed->client);
	free(bed);
	return 0;
}

static void knows_the_event(void **state)
{
	struct bed *bed = *state;
	struct epoll_event found;

	say(bed, bed->client, "x", 1);
	assert_int_equal(epoll_wait(coap_context_get_coap_fd(bed->context), &found, 1, 1000), 1);
	assert_ptr_equal(found.data.ptr, bed->gate.event);
}

static void the_first_is_asked_and_the_second_passes(void **state)
{
	struct bed *bed = *state;
	uint8_t cookie[FG_COAP_COOKIE];

	say_hello(bed, 'r', NULL);
	assert_int_equal(pass(bed, T0), 0);
	assert_int_equal(take(bed), -1);
	memcpy(cookie, asked(bed, bed->client), sizeof(cookie));
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0), 1);
	assert_true(take(bed) > 60);
	assert_true(silent(bed->client));
}

static void cookies_are_of_one_address_and_one_hello(void **state)
{
	struct bed *bed = *state;
	uint8_t cookie[FG_COAP_COOKIE];
	int other = client_new(AF_INET);

	say_hello(bed, 'r', NULL);
	assert_int_equal(pass(bed, T0), 0);
	memcpy(cookie, asked(bed, bed->client), sizeof(cookie));
	say_hello(bed, 'q', cookie);
	assert_int_equal(pass(bed, T0), 0);
	assert_memory_not_equal(asked(bed, bed->client), cookie, sizeof(cookie));
	cookie[31] ^= 1;
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0), 0);
	cookie[31] ^= 1;
	assert_memory_equal(asked(bed, bed->client), cookie, sizeof(cookie));
	close(bed->client);
	bed->client = other;
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0), 0);
	assert_memory_not_equal(asked(bed, bed->client), cookie, sizeof(cookie));
}

static void cookies_grow_old(void **state)
{
	struct bed *bed = *state;
	uint8_t cookie[FG_COAP_COOKIE];

	say_hello(bed, 'r', NULL);
	pass(bed, T0);
	memcpy(cookie, asked(bed, bed->client), sizeof(cookie));
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0 + FG_S(31)), 1);
	take(bed);
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0 + FG_S(62)), 0);
	memcpy(cookie, asked(bed, bed->client), sizeof(cookie));
	/* nobody came for long: both secrets are new */
	say_hello(bed, 'r', cookie);
	assert_int_equal(pass(bed, T0 + FG_S(200)), 0);
	asked(bed, bed->client);
}

static void those_before_it_come_first(void **state)
{
	struct bed *bed = *state;

	if (!bed->gate.runs_ahead)
		skip();
	say(bed, bed->client, "one", 3);
	say(bed, bed->client, "three", 5);
	say_hello(bed, 'r', NULL);
	say(bed, bed->client, "seven..", 7);
	assert_int_equal(pass(bed, T0), 2);
	assert_true(silent(bed->client));
	assert_int_equal(take(bed), 3);
	assert_int_equal(take(bed), 5);
	assert_int_equal(pass(bed, T0), 1);
	asked(bed, bed->client);
	assert_int_equal(take(bed), 7);
	assert_int_equal(pass(bed, T0), 0);
}

/* The kernel shows them once only; what stands behind must not be taken for them. */
static void empty_ones_hide_nothing(void **state)
{
	struct bed *bed = *state;

	say(bed, bed->client, "", 0);
	say(bed, bed->client, "", 0);
	say_hello(bed, 'r', NULL);
	say(bed, bed->client, "seven..", 7);
	for (uint32_t passed; (passed = pass(bed, T0)) > 0;)
		for (; passed > 0; passed--) {
			ssize_t len = take(bed);

			assert_true(len == 0 || len == 7);
		}
	asked(bed, bed->client);
	if (!bed->gate.runs_ahead)
		return;
	/* looked at and left, as by a turn that ended */
	say(bed, bed->client, "", 0);
	assert_int_equal(pass(bed, T0), 1);
	say_hello(bed, 'r', NULL);
	say_hello(bed, 'q', NULL);
	say(bed, bed->client, "seven..", 7);
	assert_int_equal(pass(bed, T0), 1);
	asked(bed, bed->client);
	asked(bed, bed->client);
	assert_int_equal(take(bed), 7);
}

static void long_ones_hide_nothing(void **state)
{
	struct bed *bed = *state;
	static uint8_t longer[4000];

	memset(longer, 'x', sizeof(longer));
	say(bed, bed->client, longer, sizeof(longer));
	say_hello(bed, 'r', NULL);
	assert_int_equal(pass(bed, T0), 1);
	take(bed);
	assert_int_equal(pass(bed, T0), 0);
	asked(bed, bed->client);
	/* one that would be cut */
	hello_make(longer, 'r', NULL, 0);
	say(bed, bed->client, longer, sizeof(longer));
	assert_int_equal(pass(bed, T0), 0);
	assert_int_equal(take(bed), -1);
	assert_true(silent(bed->client));
}

static void lookalikes_are_refused(void **state)
{
	struct bed *bed = *state;
	uint8_t hello[256];
	size_t len = hello_make(hello, 'r', NULL, 0);

	say(bed, bed->client, hello, len - 1);
	hello[19] = 1;	/* a later fragment */
	say(bed, bed->client, hello, len);
	hello[19] = 0;
	hello[1] = 3;	/* TLS */
	say(bed, bed->client, hello, len);
	hello[1] = 254;
	hello[4] = 1;	/* encrypted, from one who has no session */
	say(bed, bed->client, hello, len);
	assert_int_equal(pass(bed, T0), 0);
	assert_int_equal(take(bed), -1);
	assert_true(silent(bed->client));
}

static void sealed_ones_of_a_session_pass(void **state)
{
	struct bed *bed = *state;
	struct epoll_event found;
	uint8_t hello[256];
	size_t len = hello_make(hello, 'r', NULL, 0);

	/* a CoAP ping makes a session */
	say(bed, bed->client, "\x40\0\0\1", 4);
	assert_int_equal(pass(bed, T0), 1);
	assert_int_equal(epoll_wait(coap_context_get_coap_fd(bed->context), &found, 1, 1000), 1);
	coap_io_do_epoll(bed->context, &found, 1);
	hello[4] = 1;
	say(bed, bed->client, hello, len);
	assert_int_equal(pass(bed, T0), 1);
}

static void both_families(void **state)
{
	struct bed bed = { .client = -1 };

	(void)state;
	bed_listen(&bed, "coaps://[::]:1");
	bed.listen.in6.sin6_addr = in6addr_loopback;
	bed.client = client_new(AF_INET6);
	say_hello(&bed, 'r', NULL);
	assert_int_equal(pass(&bed, T0), 0);
	asked(&bed, bed.client);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.9", &bed.listen.in6.sin6_addr), 1);
	say_hello(&bed, 'r', NULL);
	assert_int_equal(pass(&bed, T0), 0);
	asked(&bed, bed.client);
	coap_free_context(bed.context);
	close(bed.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(knows_the_event, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(the_first_is_asked_and_the_second_passes, bed_new,
						bed_free),
		cmocka_unit_test_setup_teardown(cookies_are_of_one_address_and_one_hello, bed_new,
						bed_free),
		cmocka_unit_test_setup_teardown(cookies_grow_old, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(those_before_it_come_first, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(empty_ones_hide_nothing, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(long_ones_hide_nothing, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(lookalikes_are_refused, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(sealed_ones_of_a_session_pass, bed_new, bed_free),
		cmocka_unit_test(both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The parts of the CoAP driver that need neither libcoap nor a socket, and its options. */
#include "../../drivers/coap/server.h"
#include "../../drivers/coap/listen.h"
#include "config/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const struct fg_driver fg_driver_coap;

static void addresses(void **state)
{
	static const struct {
		const char *text;
		int family;	/* 0: refused */
		unsigned port;
		bool secure, loopback;
	} rows[] = {
		{ "coap://127.0.0.1", AF_INET, 5683, false, true },
		{ "coap://127.9.0.1:1", AF_INET, 1, false, true },
		{ "coap://localhost:5683/", AF_INET, 5683, false, true },
		{ "coaps://127.0.0.1", AF_INET, 5684, true, true },
		{ "coap://0.0.0.0:65535", AF_INET, 65535, false, false },
		{ "coap://192.168.1.2", AF_INET, 5683, false, false },
		{ "coap://[::1]", AF_INET6, 5683, false, true },
		{ "coaps://[::]:7", AF_INET6, 7, true, false },
		{ "coap://[::ffff:127.0.0.1]", AF_INET6, 5683, false, true },
		{ "coap://[fe80::1]:5683", AF_INET6, 5683, false, false },
		{ .text = "" }, { .text = "coap://" }, { .text = "coap:///" },
		{ .text = "coap://:1" },
		{ .text = "http://127.0.0.1" }, { .text = "127.0.0.1" },
		{ .text = "coap:127.0.0.1" },
		{ .text = "coap://127.0.0.1:" }, { .text = "coap://127.0.0.1:0" },
		{ .text = "coap://127.0.0.1:65536" }, { .text = "coap://127.0.0.1:99999999999" },
		{ .text = "coap://127.0.0.1:+1" }, { .text = "coap://127.0.0.1/path" },
		{ .text = "coap://[::1" }, { .text = "coap://[::1]5683" }, { .text = "coap://::1" },
		{ .text = "coap://[127.0.0.1]" }, { .text = "coap://[localhost]" },
		{ .text = "coap://gateway.example" }, { .text = "coap://1.2.3" },
		{ .text = "coap://[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_coap_listen listen = { 0 };
		const char *why = NULL;
		int r = fg_coap_listen_parse(rows[i].text, &listen, &why);

		if (r != (rows[i].family ? 0 : -EINVAL) || (r < 0) != (why != NULL))
			fail_msg("%s", rows[i].text);
		if (r < 0)
			continue;
		assert_int_equal(listen.sa.sa_family, rows[i].family);
		assert_int_equal(ntohs(listen.in.sin_port), rows[i].port);
		assert_int_equal(listen.secure, rows[i].secure);
		assert_int_equal(fg_coap_listen_is_loopback(&listen), rows[i].loopback);
	}
}

static void open_ports_and_keys(void **state)
{
	static const struct {
		const char *listen, *pointer;
		bool open, psk, doubt;	/* pointer: NULL: neither fault nor doubt */
	} rows[] = {
		{ "coap://127.0.0.1", NULL, false, false, false },
		{ "coap://0.0.0.0", "/listen", false, false, false },
		{ "coap://0.0.0.0", "/open", true, false, true },
		{ "coap://[::]", "/listen", false, false, false },
		{ "coaps://0.0.0.0", "/psk", false, false, false },
		{ "coaps://0.0.0.0", "/psk", true, false, false },
		{ "coaps://0.0.0.0", NULL, false, true, false },
		{ "coap://127.0.0.1", "/psk", false, true, true },
		{ "nonsense", NULL, false, false, false },
		{ NULL, NULL, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fg_coap_conf conf = { .listen = rows[i].listen,
					     .open = rows[i].open,
					     .psk = { .count = rows[i].psk } };
		struct fg_faults faults;

		fg_faults_init(&faults);
		fg_driver_coap.check(&conf, &faults);
		assert_int_equal(faults.count, rows[i].pointer ? 1 : 0);
		if (rows[i].pointer) {
			assert_string_equal(faults.items[0].pointer, rows[i].pointer);
			assert_int_equal(faults.items[0].doubt, rows[i].doubt);
		}
		fg_faults_fini(&faults);
	}
}

static void message_ids_live_their_time(void **state)
{
	struct fg_coap_client client = { 0 };
	struct fg_coap_seen *seen;
	uint64_t t = 65500;	/* the short clock wraps on the way */

	(void)state;
	assert_null(fg_coap_client_find(&client, 0, t));
	seen = fg_coap_client_note(&client, 0, t);
	assert_int_equal(seen->state, FG_COAP_WAITING);
	assert_ptr_equal(fg_coap_client_find(&client, 0, t + 100000), seen);
	seen->state = FG_COAP_ANSWERED;
	assert_ptr_equal(fg_coap_client_find(&client, 0, t + FG_COAP_EXCHANGE_S), seen);
	assert_null(fg_coap_client_find(&client, 0, t + FG_COAP_EXCHANGE_S + 1));
	assert_null(fg_coap_client_find(&client, 0, t + 65536));
	for (unsigned i = 1; i <= FG_COAP_SEEN; i++)
		fg_coap_client_note(&client, (uint16_t)i, t);
	assert_non_null(fg_coap_client_find(&client, 1, t));
	fg_coap_client_note(&client, 99, t);
	assert_null(fg_coap_client_find(&client, 1, t));
	assert_non_null(fg_coap_client_find(&client, 2, t));
}

static void clients_are_bounded(void **state)
{
	struct fg_coap_clients clients;
	struct fg_coap_client *some[100];

	(void)state;
	fg_coap_clients_init(&clients, 100);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 100; i++) {
			some[i] = fg_coap_clients_add(&clients);
			assert_non_null(some[i]);
			assert_null(fg_coap_client_find(some[i], 5, 0));
			fg_coap_client_note(some[i], 5, 0);
		}
		assert_null(fg_coap_clients_add(&clients));
		for (size_t i = 0; i < 100; i++)
			fg_coap_clients_remove(&clients, some[i]);
	}
	fg_coap_clients_remove(&clients, NULL);
	assert_int_equal(clients.count, 0);
	fg_coap_clients_fini(&clients);
}

static void queue_keeps_the_order(void **state)
{
	struct fg_coap_queue queue = { 0 };
	struct fg_coap_pending item = { 0 };
	uint64_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint64_t upto = out + 11;

		for (int i = 0; i < 37 && fg_coap_queue_reserve(&queue); i++) {
			item.pos = ++in;
			fg_coap_queue_push(&queue, &item);
		}
		while (round < 199 && fg_coap_queue_pop(&queue, upto, &item))
			assert_int_equal(item.pos, ++out);
		assert_true(round == 199 || out == upto);
	}
	assert_int_equal(queue.len, FG_COAP_PENDING_MAX);
	assert_false(fg_coap_queue_reserve(&queue));
	while (fg_coap_queue_pop(&queue, UINT64_MAX, &item))
		assert_int_equal(item.pos, ++out);
	assert_int_equal(out, in);
	fg_coap_queue_fini(&queue);
}

static struct fg_coap_block block_of(const void *owner, uint64_t key, uint32_t num, bool more)
{
	static const char bytes[1024];

	return (struct fg_coap_block){ .owner = owner,
				       .key = key,
				       .num = num,
				       .more = more,
				       .szx = 6,
				       .bytes = { bytes, sizeof(bytes) } };
}

static void bodies_share_a_budget(void **state)
{
	struct fg_coap_bodies bodies;
	struct fg_coap_body *body = NULL;
	char owners[100];
	unsigned refused = 0;

	(void)state;
	fg_coap_bodies_init(&bodies, 65536);
	for (uint32_t num = 0; num < 64; num++)
		for (size_t i = 0; i < 40; i++) {
			struct fg_coap_block block = block_of(&owners[i], 1, num, true);

			refused += fg_coap_body_add(&bodies, &block, &body) == FG_COAP_BODY_BUSY;
			assert_true(bodies.bytes <= FG_COAP_BODIES_BYTES);
		}
	assert_true(refused > 0);
	assert_true(bodies.count > 0);
	for (size_t i = 0; i < 40; i++)
		fg_coap_bodies_forget(&bodies, &owners[i]);
	assert_int_equal(bodies.count, 0);
	assert_int_equal(bodies.bytes, 0);
	for (size_t i = 0; i < FG_COAP_BODIES + 1; i++) {
		struct fg_coap_block block = block_of(&owners[i], 1, 0, true);

		assert_int_equal(fg_coap_body_add(&bodies, &block, &body),
				 i < FG_COAP_BODIES ? FG_COAP_BODY_MORE : FG_COAP_BODY_BUSY);
	}
	fg_coap_bodies_fini(&bodies);
	assert_int_equal(bodies.bytes, 0);
}

static void one_client_has_a_share(void **state)
{
	struct fg_coap_bodies bodies;
	struct fg_coap_body *body = NULL;
	char owner;

	(void)state;
	fg_coap_bodies_init(&bodies, 65536);
	for (uint64_t key = 0; key < 50; key++) {
		struct fg_coap_block block = block_of(&owner, key, 0, true);

		block.now_s = key;
		assert_int_equal(fg_coap_body_add(&bodies, &block, &body), FG_COAP_BODY_MORE);
		assert_true(bodies.count <= FG_COAP_BODIES_OF_ONE);
	}
	fg_coap_bodies_expire(&bodies, 47 + FG_COAP_BODY_TIMEOUT_S);
	assert_int_equal(bodies.count, 2);
	fg_coap_bodies_expire(&bodies, 49 + FG_COAP_BODY_TIMEOUT_S);
	assert_int_equal(bodies.count, 0);
}

/* A transfer that was broken off and begun anew with other, shorter content. */
static void new_transfer_leaves_nothing_of_the_old(void **state)
{
	static const char *const first[] = { "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb",
					     "cccccccccccccccc" };
	static const char *const second[] = { "aaaaaaaaaaaaaaaa", "xxxxxxxxxxxxxxxx", "y" };
	struct fg_coap_bodies bodies;
	struct fg_coap_body *body = NULL;
	char owner;

	(void)state;
	fg_coap_bodies_init(&bodies, 1000);
	for (uint32_t i = 0; i < 6; i++) {
		const char *text = i < 3 ? first[i] : second[i - 3];
		struct fg_coap_block block = {
			.owner = &owner, .num = i % 3, .more = i < 5, .bytes = fg_str_c(text)
		};

		assert_int_equal(fg_coap_body_add(&bodies, &block, &body),
				 i < 5 ? FG_COAP_BODY_MORE : FG_COAP_BODY_WHOLE);
	}
	assert_int_equal(body->len, 33);
	assert_memory_equal(body->data, "aaaaaaaaaaaaaaaaxxxxxxxxxxxxxxxxy", 33);
	/* and one that ends within what the one before it had */
	for (uint32_t i = 0; i < 2; i++) {
		struct fg_coap_block block = { .owner = &owner,
					       .num = i,
					       .more = i == 0,
					       .bytes = fg_str(second[i], i ? 3 : 16) };

		assert_int_equal(fg_coap_body_add(&bodies, &block, &body),
				 i ? FG_COAP_BODY_WHOLE : FG_COAP_BODY_MORE);
	}
	assert_int_equal(body->len, 19);
	fg_coap_body_done(&bodies, body);
	fg_coap_bodies_fini(&bodies);
}

static void keys_see_where_parts_end(void **state)
{
	uint64_t a = fg_coap_key(fg_coap_key(FG_COAP_KEY, FG_STR("ab")), FG_STR("c"));
	uint64_t b = fg_coap_key(fg_coap_key(FG_COAP_KEY, FG_STR("a")), FG_STR("bc"));

	(void)state;
	assert_true(a != b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(open_ports_and_keys),
		cmocka_unit_test(message_ids_live_their_time),
		cmocka_unit_test(clients_are_bounded),
		cmocka_unit_test(queue_keeps_the_order),
		cmocka_unit_test(bodies_share_a_budget),
		cmocka_unit_test(one_client_has_a_share),
		cmocka_unit_test(new_transfer_leaves_nothing_of_the_old),
		cmocka_unit_test(keys_see_where_parts_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

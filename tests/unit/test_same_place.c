/* Which texts of a configuration name one and the same place. */
#include "config/same_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *a, *b;
	bool same;
} CASES[] = {
	{ "/dev/ttyS0", "/dev/ttyS0", true },
	{ "/dev/ttyS0", "/dev/ttys0", false },
	{ "mqtt://h", "mqtt://h:1883", true },
	{ "mqtts://h", "mqtts://h:8883", true },
	{ "mqtts://h", "mqtts://h:1883", false },
	{ "mqtt://h:1884", "mqtt://h", false },
	{ "mqtt://h", "mqtts://h", false },
	{ "mqtt://Broker.example", "MQTT://broker.Example/", true },
	{ "mqtt://localhost", "mqtt://127.0.0.1:1883", true },
	{ "mqtt://[::1]", "mqtt://localhost:1883", true },
	{ "mqtt://[::1]:1884", "mqtt://[::1]", false },
	{ "mqtt://[fe80::a]", "mqtt://[FE80::A]:1883", true },
	{ "mqtt://127.0.0.1", "mqtt://127.0.0.2", false },
	{ "coap://127.0.0.1", "coap://127.0.0.1:5683", true },
	{ "coaps://0.0.0.0", "coaps://0.0.0.0:5684", true },
	{ "unix:///run/a", "unix:///run/A", false },
	{ "unix:///run/a", "unix:///run/a", true },
	{ "http://h/a", "http://h/b", false },
	{ "", "", true },
	{ "://", "://x", false },
	{ "mqtt://[::1", "mqtt://[::1", true },
	{ "mqtt://h:", "mqtt://h", false },
	{ "path", "mqtt://path", false },
};

static void test_same_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		if (fg_same_server(CASES[i].a, CASES[i].b) != CASES[i].same)
			fail_msg("%s and %s", CASES[i].a, CASES[i].b);
		if (fg_same_server(CASES[i].b, CASES[i].a) != CASES[i].same)
			fail_msg("%s and %s", CASES[i].b, CASES[i].a);
	}
}

static void test_same_address(void **state)
{
	(void)state;
	assert_true(fg_same_address("coap://127.0.0.1", "COAP://127.0.0.1:5683"));
	assert_false(fg_same_address("coap://127.0.0.1:5683", "coap://[::1]:5683"));
	assert_false(fg_same_address("coap://localhost", "coap://[::1]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_place),
		cmocka_unit_test(test_same_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which packets of a broker the library may see: every kind, whole, cut off and malformed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "adapt/mosquitto_guard.h"

struct row {
	const char *hex;		/* spaces for the reader */
};

/* user property "a": "b" */
#define USER "26 0001 61 0001 62"
#define REASON "1f 0001 78"

static const struct row good[] = {
	{ "20 03 00 00 00" },
	{ "20 02 00 01" },		/* of a broker that knows no MQTT 5 */
	{ "20 46 01 00 43 11 00000001 12 0001 61 13 0001 15 0001 61 16 0001 00 1a 0001 61 1c 0001 "
	  "61 " REASON " 21 0001 22 0001 24 01 25 01 " USER " " USER " 27 00010000 28 01 29 01 2a "
	  "01" },
	{ "30 04 0001 61 00" },
	{ "30 05 0001 61 00 78" },
	{ "30 06 0001 61 02 01 00" },
	{ "32 06 0001 61 0007 00" },
	{ "3d 06 0001 61 0007 00" },
	{ "32 2d 0001 61 0007 26 01 01 02 00000001 03 0001 61 08 0001 61 09 0001 00 0b 01 0b ff 7f "
	  USER " " USER " 78" },
	{ "40 02 0001" },
	{ "40 03 0001 10" },
	{ "40 04 0001 10 00" },
	{ "40 0f 0001 10 0b " REASON " " USER },
	{ "50 0f 0001 10 0b " REASON " " USER },
	{ "62 0f 0001 10 0b " REASON " " USER },
	{ "70 0f 0001 10 0b " REASON " " USER },
	{ "90 04 0001 00 01" },
	{ "90 0f 0001 0b " REASON " " USER " 01" },
	{ "b0 0f 0001 0b " REASON " " USER " 00" },
	{ "d0 00" },
	{ "e0 00" },
	{ "e0 01 8e" },
	{ "e0 02 8e 00" },
	{ "e0 11 8e 0f 1c 0001 61 " REASON " " USER },
	{ "f0 00" },
	{ "f0 15 18 13 15 0001 61 16 0001 00 " REASON " " USER },
	{ "20 03 00 00 00 ff ff" },	/* what follows is another packet */
	{ "d0 80 00" },			/* as the library has it */
};

static const struct row bad[] = {
	/* nothing that a broker sends */
	{ "00 00" }, { "10 00" }, { "82 00" }, { "a2 00" }, { "c0 00" }, { "30 ff ff ff ff 01" },
	{ "36 06 0001 61 0007 00" }, { "d0 01 00" },
	/* properties that are unknown, or another packet's */
	{ "30 06 0001 61 02 00 00" }, { "30 06 0001 61 02 2b 00" }, { "30 06 0001 61 02 7f 00" },
	{ "30 07 0001 61 03 80 01 00" }, { "20 08 00 00 05 04 00000001" },
	{ "30 07 0001 61 03 13 0001" }, { "30 08 0001 61 04 " REASON },
	{ "20 05 00 00 02 01 01" }, { "40 07 0001 00 03 13 0001" }, { "50 06 0001 00 02 2a 01" },
	{ "62 06 0001 00 02 2a 01" }, { "70 06 0001 00 02 2a 01" },
	{ "90 06 0001 02 2a 01 01" }, { "b0 06 0001 02 2a 01 01" },
	{ "e0 07 00 05 11 00000001" }, { "f0 06 18 04 1c 0001 61" },
	/* what only a client sends */
	{ "20 05 00 00 02 17 01" }, { "20 08 00 00 05 18 00000001" }, { "20 05 00 00 02 19 01" },
	/* what it may only do if the client allows it, which it does not: a topic alias */
	{ "30 07 0001 61 03 23 0001" }, { "30 06 0000 03 23 0001" },
	/* again what was never promised to come */
	{ "38 04 0001 61 00" }, { "39 04 0001 61 00" },
	/* no values of theirs */
	{ "30 06 0001 61 02 01 02" }, { "30 09 0001 61 05 08 0002 612b" },
	{ "30 09 0001 61 05 08 0002 2361" },
	/* twice */
	{ "20 07 00 00 04 24 01 24 01" }, { "30 08 0001 61 04 01 01 01 01" },
	{ "40 0c 0001 00 08 " REASON " " REASON },
	/* the list ends within a value, or within its name */
	{ "20 07 00 00 02 21 00 0a 00" }, { "30 0a 0001 61 03 02 0000 000001" },
	{ "30 0a 0001 61 04 03 0002 61 6162" }, { "30 08 0001 61 02 0b 80 01 00" },
	{ "30 0b 0001 61 05 26 0001 61 00 01 62" }, { "30 07 0001 61 01 80 01 00" },
	{ "30 06 0001 61 01 01 01" }, { "e0 04 00 02 1f 00" }, { "40 05 0001 00 01 1f" },
	/* the packet ends within the list, or before it */
	{ "20 05 00 00 03 21 00" }, { "30 06 0001 61 03 01 01" }, { "30 05 0001 61 7f 26" },
	{ "30 03 0001 61" }, { "32 05 0001 61 0007" }, { "32 04 0001 61 00" }, { "30 03 0002 61" },
	{ "30 01 00" }, { "90 02 0001" }, { "40 01 00" }, { "20 01 00" }, { "b0 00" },
	{ "30 04 0001 61 80" },
	/* something follows that list */
	{ "20 04 00 00 00 00" }, { "40 05 0001 00 00 00" }, { "e0 03 00 00 00" },
	{ "f0 03 18 00 00" },
	/* numbers of too many bytes */
	{ "30 05 0001 61 80 00" }, { "30 08 0001 61 03 0b 80 00" }, { "30 07 0001 61 03 81 00 01" },
	{ "30 0a 0001 61 05 0b ff ff ff ff" }, { "30 09 0001 61 ff ff ff ff 7f" },
};

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t bytes_of(const char *hex, uint8_t *out, size_t cap)
{
	size_t len = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(len < cap);
		out[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
		hex++;
	}
	return len;
}

static size_t length(const char *hex)
{
	uint8_t bytes[256];

	return bytes_of(hex, bytes, sizeof(bytes));
}

/* The head of `hex`, first byte by byte. */
static int guard(const char *hex, struct fg_mqtt_head *head)
{
	uint8_t bytes[256];
	size_t len = bytes_of(hex, bytes, sizeof(bytes));
	int whole = fg_mqtt_guard(bytes, len, head);

	for (size_t cut = 0; cut < len; cut++) {
		struct fg_mqtt_head part = { .len = 4711 };
		int r = fg_mqtt_guard(bytes, cut, &part);

		if (r != -EAGAIN && r != whole)
			fail_msg("%s: %d after %zu bytes", hex, r, cut);
		if (r < 0)
			assert_int_equal(part.len, 4711);
	}
	return whole;
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fg_mqtt_head head;
		int r = guard(good[i].hex, &head);

		if (r != 0)
			fail_msg("%s: %d", good[i].hex, r);
		assert_int_equal(head.type, digit(good[i].hex[0]));
		if (!strstr(good[i].hex, "ff ff"))
			assert_int_equal(head.len, length(good[i].hex));
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fg_mqtt_head head;
		int r = guard(bad[i].hex, &head);

		if (r != -EBADMSG)
			fail_msg("%s: %d", bad[i].hex, r);
	}
}

static void test_head(void **state)
{
	struct fg_mqtt_head head;

	(void)state;
	assert_int_equal(guard("20 03 00 00 00 d0 00", &head), 0);
	assert_int_equal(head.len, 5);
	assert_int_equal(head.qos, 0);
	/* the payload need not be there */
	assert_int_equal(guard("3b e8 07 0001 61 0007 02 01 01", &head), 0);
	assert_int_equal(head.len, 1003);
	assert_int_equal(head.qos, 1);
	assert_int_equal(guard("35 06 0001 61 0007 00", &head), 0);
	assert_int_equal(head.qos, 2);
	/* but the properties must */
	assert_int_equal(guard("3b e8 07 0001 61 0007 02 01", &head), -EAGAIN);
	assert_int_equal(guard("", &head), -EAGAIN);
	assert_int_equal(guard("30", &head), -EAGAIN);
	assert_int_equal(guard("30 80", &head), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The serial driver's words: modes, speeds, escapes, and the framing they make. */
#include "../../drivers/serial/serial.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/checksum.h"

#ifdef CONFIG_DRIVER_SERIAL

static void modes(void **state)
{
	static const struct {
		const char *mode;
		tcflag_t cflag;
		unsigned bits;
	} good[] = {
		{ "8N1", CS8, 10 },
		{ "7E1", CS7 | PARENB, 10 },
		{ "8E1", CS8 | PARENB, 11 },
		{ "7O2", CS7 | PARENB | PARODD | CSTOPB, 11 },
		{ "8M1", CS8 | PARENB | CMSPAR | PARODD, 11 },
		{ "8S1", CS8 | PARENB | CMSPAR, 11 },
		{ "5N2", CS5 | CSTOPB, 8 },
	};
	static const char *const bad[] = { "",	  "8N",	 "8N11", "9N1", "4N1",
					   "8X1", "8N0", "8N3",	 "8n1" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		tcflag_t cflag = 0;

		assert_int_equal(fg_tty_mode_parse(good[i].mode, &cflag), 0);
		assert_int_equal(cflag, good[i].cflag);
		assert_int_equal(fg_tty_mode_bits(good[i].mode), good[i].bits);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tcflag_t cflag = 4711;
		char why[128] = "";

		assert_int_equal(fg_tty_mode_parse(bad[i], &cflag), -EINVAL);
		assert_int_equal(cflag, 4711);
		assert_int_equal(fg_tty_mode_check(bad[i], why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "is not a mode"));
	}
}

static void speeds(void **state)
{
	(void)state;
	assert_string_equal(fg_tty_bauds[0].name, "9600");
	for (const struct fg_choice *baud = fg_tty_bauds; baud->name; baud++) {
		struct termios tio = { 0 };
		const struct fg_tty_line line = { (speed_t)baud->value, "8N1", FG_TTY_FLOW_NONE };
		char text[16];

		assert_int_equal(fg_tty_line_apply(&line, &tio), 0);
		assert_int_equal(cfgetospeed(&tio), (speed_t)baud->value);
		assert_int_equal(cfgetispeed(&tio), (speed_t)baud->value);
		snprintf(text, sizeof(text), "%lu", fg_tty_baud_number((speed_t)baud->value));
		assert_string_equal(text, baud->name);
		for (const struct fg_choice *other = fg_tty_bauds; other < baud; other++)
			assert_int_not_equal(other->value, baud->value);
	}
}

static void line_is_raw(void **state)
{
	struct termios tio, other;
	struct fg_tty_line line = { B115200, "7E1", FG_TTY_FLOW_NONE };

	(void)state;
	memset(&tio, 0xff, sizeof(tio));
	assert_int_equal(fg_tty_line_apply(&line, &tio), 0);
	assert_int_equal(tio.c_lflag & (ICANON | ECHO | ISIG), 0);
	assert_int_equal(tio.c_iflag & (ICRNL | INLCR | IGNCR | ISTRIP | IXON | IXOFF), 0);
	assert_int_equal(tio.c_oflag & OPOST, 0);
	assert_int_equal(tio.c_cflag & (CRTSCTS | CSTOPB), 0);
	assert_int_equal(tio.c_cflag & (CLOCAL | CREAD), CLOCAL | CREAD);
	assert_int_equal(tio.c_iflag & INPCK, INPCK);
	assert_int_equal(tio.c_cc[VMIN], 1);
	assert_int_equal(tio.c_cc[VTIME], 0);
	assert_null(fg_tty_line_differs(&tio, &tio));

	line.flow = FG_TTY_FLOW_RTSCTS;
	other = tio;
	assert_int_equal(fg_tty_line_apply(&line, &other), 0);
	assert_string_equal(fg_tty_line_differs(&tio, &other), "flow control");
	line.flow = FG_TTY_FLOW_XONXOFF;
	assert_int_equal(fg_tty_line_apply(&line, &other), 0);
	assert_int_equal(other.c_iflag & (IXON | IXOFF), IXON | IXOFF);
	assert_string_equal(fg_tty_line_differs(&tio, &other), "flow control");
	line = (struct fg_tty_line){ B115200, "8E1", FG_TTY_FLOW_NONE };
	assert_int_equal(fg_tty_line_apply(&line, &other), 0);
	assert_string_equal(fg_tty_line_differs(&tio, &other), "mode");
	line = (struct fg_tty_line){ B9600, "7E1", FG_TTY_FLOW_NONE };
	assert_int_equal(fg_tty_line_apply(&line, &other), 0);
	assert_string_equal(fg_tty_line_differs(&tio, &other), "speed");
}

static void escapes(void **state)
{
	static const struct {
		const char *text;
		int result;
		struct fg_str bytes;
	} rows[] = {
		{ "\\r\\n", 0, { "\r\n", 2 } },
		{ "\n", 0, { "\n", 1 } },
		{ "\\t\\\\", 0, { "\t\\", 2 } },
		{ "\\x03\\xfF", 0, { "\x03\xff", 2 } },
		{ "a\\0b", 0, { "a\0b", 3 } },
		{ "", 0, { "", 0 } },
		{ "12345678", 0, { "12345678", 8 } },
		{ "123456789", -EMSGSIZE, { 0 } },
		{ "\\", -EINVAL, { 0 } },
		{ "\\q", -EINVAL, { 0 } },
		{ "\\x", -EINVAL, { 0 } },
		{ "\\x4", -EINVAL, { 0 } },
		{ "\\xg0", -EINVAL, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[8];
		size_t len = 99;

		assert_int_equal(serial_unescape(rows[i].text, out, sizeof(out), &len),
				 rows[i].result);
		if (rows[i].result == 0)
			assert_true(fg_str_eq(fg_str(out, len), rows[i].bytes));
		else
			assert_int_equal(len, 99);
	}
}

static const struct fg_choice *choices_of(const char *name)
{
	for (const struct fg_option *option = serial_options; option->name; option++)
		if (strcmp(option->name, name) == 0)
			return option->choices;
	fail();
	return NULL;
}

/* What a framer or checksum is called, here and where it is made. */
static void names_agree(void **state)
{
	const struct fg_choice *framers = choices_of("framer"), *checksums = choices_of("checksum");

	(void)state;
	for (int i = 0; i < FG_FRAMER__MAX; i++) {
		assert_string_equal(framers[i].name, fg_framer_name((enum fg_framer_kind)i));
		assert_int_equal(framers[i].value, i + SERIAL_GIVEN);
	}
	assert_null(framers[FG_FRAMER__MAX].name);
	for (int i = 0; i < FG_CHECKSUM__MAX; i++) {
		assert_string_equal(checksums[i].name, fg_checksum_names[i]);
		assert_int_equal(checksums[i].value, i + SERIAL_GIVEN);
	}
	assert_null(checksums[FG_CHECKSUM__MAX].name);
}

static struct serial_conf plain_conf(void)
{
	return (struct serial_conf){ .baud = B9600, .mode = "8N1", .framer_options.max = 4096 };
}

static void framing_by_options(void **state)
{
	struct serial_conf conf = plain_conf();
	struct serial_framing framing;

	(void)state;
	assert_int_equal(serial_framing(&conf, NULL, &framing), 0);
	assert_int_equal(framing.conf.kind, FG_FRAMER_LINE);
	assert_int_equal(framing.conf.checksum, FG_CHECKSUM_NONE);
	assert_int_equal(framing.conf.max, 4096);
	assert_int_equal(framing.conf.idle_ns, 0);

	conf.framer = FG_FRAMER_DELIMITER + SERIAL_GIVEN;
	conf.checksum = FG_CHECKSUM_CRC8 + SERIAL_GIVEN;
	conf.framer_options.delimiter = "\\x03";
	conf.framer_options.max = 100;
	assert_int_equal(serial_framing(&conf, NULL, &framing), 0);
	assert_int_equal(framing.conf.kind, FG_FRAMER_DELIMITER);
	assert_int_equal(framing.conf.checksum, FG_CHECKSUM_CRC8);
	assert_int_equal(framing.conf.max, 100);
	assert_true(fg_str_eq(framing.conf.delimiter, FG_STR("\x03")));
}

/* Four bytes' time on a slow line, and never less than an adapter's 20 ms. */
static void silence_by_default(void **state)
{
	struct serial_conf conf = plain_conf();
	struct serial_framing framing;

	(void)state;
	conf.framer = FG_FRAMER_IDLE + SERIAL_GIVEN;
	assert_int_equal(serial_framing(&conf, NULL, &framing), 0);
	assert_int_equal(framing.conf.idle_ns, 20000000);
	conf.baud = B1200;
	conf.mode = "8E1";
	assert_int_equal(serial_framing(&conf, NULL, &framing), 0);
	assert_int_equal(framing.conf.idle_ns, 44 * 1000000000ll / 1200);
	conf.framer_options.idle_ns = 3000000;
	assert_int_equal(serial_framing(&conf, NULL, &framing), 0);
	assert_int_equal(framing.conf.idle_ns, 3000000);
}

static void framing_over_the_profile(void **state)
{
	const struct fg_framer_conf profile = {
		.kind = FG_FRAMER_DELIMITER,
		.checksum = FG_CHECKSUM_XOR8,
		.delimiter = FG_STR("!"),
		.max = 8192,
	};
	struct serial_conf conf = plain_conf();
	struct serial_framing framing;

	(void)state;
	assert_int_equal(serial_framing(&conf, &profile, &framing), 0);
	assert_int_equal(framing.conf.kind, FG_FRAMER_DELIMITER);
	assert_int_equal(framing.conf.checksum, FG_CHECKSUM_XOR8);
	assert_int_equal(framing.conf.max, 8192);
	assert_true(fg_str_eq(framing.conf.delimiter, FG_STR("!")));

	conf.framer_options.delimiter = "\\r\\n";
	conf.framer_options.max = 64;
	conf.checksum = FG_CHECKSUM_NONE + SERIAL_GIVEN;
	assert_int_equal(serial_framing(&conf, &profile, &framing), 0);
	assert_int_equal(framing.conf.checksum, FG_CHECKSUM_NONE);
	assert_int_equal(framing.conf.max, 64);
	assert_true(fg_str_eq(framing.conf.delimiter, FG_STR("\r\n")));

	/* another framer takes nothing of the profile's but the checksum */
	conf = plain_conf();
	conf.framer = FG_FRAMER_SLIP + SERIAL_GIVEN;
	assert_int_equal(serial_framing(&conf, &profile, &framing), 0);
	assert_int_equal(framing.conf.kind, FG_FRAMER_SLIP);
	assert_int_equal(framing.conf.checksum, FG_CHECKSUM_XOR8);
	assert_int_equal(framing.conf.max, 4096);
	assert_int_equal(framing.conf.delimiter.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(speeds),
		cmocka_unit_test(line_is_raw),
		cmocka_unit_test(escapes),
		cmocka_unit_test(names_agree),
		cmocka_unit_test(framing_by_options),
		cmocka_unit_test(silence_by_default),
		cmocka_unit_test(framing_over_the_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: the serial driver is not built in");
	return 0;
}

#endif

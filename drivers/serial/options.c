/* The serial driver's options, one row each, and the framing they make. */
#include <fg/fault.h>
#include <fg/log.h>

#include "serial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ll

/* Silence of fewer bytes than this ends no frame: protocols that end in silence ask for 3.5. */
#define IDLE_BYTES 4
/* and no shorter one: USB adapters hand bytes over every 16 ms */
#define IDLE_LEAST_NS 20000000ll

static const struct fg_choice flows[] = {
	{ "none", FG_TTY_FLOW_NONE },
	{ "rtscts", FG_TTY_FLOW_RTSCTS },
	{ "xonxoff", FG_TTY_FLOW_XONXOFF },
	{ 0 },
};

static const struct fg_choice framers[] = {
	{ "line", FG_FRAMER_LINE + SERIAL_GIVEN },
	{ "delimiter", FG_FRAMER_DELIMITER + SERIAL_GIVEN },
	{ "length", FG_FRAMER_LENGTH + SERIAL_GIVEN },
	{ "idle", FG_FRAMER_IDLE + SERIAL_GIVEN },
	{ "slip", FG_FRAMER_SLIP + SERIAL_GIVEN },
	{ "cobs", FG_FRAMER_COBS + SERIAL_GIVEN },
	{ "cobsr", FG_FRAMER_COBSR + SERIAL_GIVEN },
	{ "vedirect", FG_FRAMER_VEDIRECT + SERIAL_GIVEN },
	{ "dsmr", FG_FRAMER_DSMR + SERIAL_GIVEN },
	{ "airquality", FG_FRAMER_AIRQUALITY + SERIAL_GIVEN },
	{ "modbus", FG_FRAMER_MODBUS + SERIAL_GIVEN },
	{ "mbus", FG_FRAMER_MBUS + SERIAL_GIVEN },
	{ "sml", FG_FRAMER_SML + SERIAL_GIVEN },
	{ 0 },
};

static const struct fg_choice checksums[] = {
	{ "none", FG_CHECKSUM_NONE + SERIAL_GIVEN },
	{ "sum8", FG_CHECKSUM_SUM8 + SERIAL_GIVEN },
	{ "xor8", FG_CHECKSUM_XOR8 + SERIAL_GIVEN },
	{ "crc8", FG_CHECKSUM_CRC8 + SERIAL_GIVEN },
	{ "crc16-modbus", FG_CHECKSUM_CRC16_MODBUS + SERIAL_GIVEN },
	{ "crc16-ccitt", FG_CHECKSUM_CRC16_CCITT + SERIAL_GIVEN },
	{ "crc32", FG_CHECKSUM_CRC32 + SERIAL_GIVEN },
	{ 0 },
};

static int delimiter_check(const char *text, char *why, size_t cap)
{
	char bytes[FG_FRAMER_DELIMITER_MAX], quoted[80];
	size_t len = 0;
	int err = serial_unescape(text, bytes, sizeof(bytes), &len);

	if (err == 0 && len > 0)
		return 0;
	fg_log_quote(text, strlen(text), quoted, sizeof(quoted));
	if (err == -EINVAL)
		snprintf(why, cap, "%s has an escape that is none of \\n \\r \\t \\0 \\\\ \\xHH",
			 quoted);
	else
		snprintf(why, cap, "%s is not a delimiter of 1 to %d bytes", quoted,
			 FG_FRAMER_DELIMITER_MAX);
	return -EINVAL;
}

static const struct fg_option framer_options[] = {
	{ .name = "delimiter", .type = FG_OPT_STRING,
	  .offset = offsetof(struct serial_framer_conf, delimiter), .check = delimiter_check,
	  .help = "What ends a frame of the framer \"delimiter\"; \\n, \\r, \\t, \\0, \\\\ and "
		  "\\xHH stand for bytes." },
	{ .name = "length", .type = FG_OPT_INT,
	  .offset = offsetof(struct serial_framer_conf, length), .min = 1, .max = 65536,
	  .help = "Bytes of every frame of the framer \"length\"." },
	{ .name = "idle", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct serial_framer_conf, idle_ns), .min = 1000000,
	  .max = 60 * SECOND,
	  .help = "Silence that ends a frame of the framer \"idle\"; the time of 4 bytes and at "
		  "least 20 ms if absent." },
	{ .name = "max", .type = FG_OPT_SIZE, .offset = offsetof(struct serial_framer_conf, max),
	  .def = "4KiB", .min = 1, .max = 1 << 20,
	  .help = "Longest frame; what is longer is rejected." },
	{ 0 },
};

const struct fg_option serial_options[] = {
	{ .name = "port", .type = FG_OPT_STRING, .offset = offsetof(struct serial_conf, port),
	  .flags = FG_OPT_REQUIRED, .min = 1, .max = 4095,
	  .help = "Path of the tty; one below /dev/serial/by-id stays the same when it is plugged "
		  "in elsewhere." },
	{ .name = "baud", .type = FG_OPT_ENUM, .offset = offsetof(struct serial_conf, baud),
	  .choices = fg_tty_bauds, .def = "9600", .expects = "a baud rate",
	  .help = "Bits per second." },
	{ .name = "mode", .type = FG_OPT_STRING, .offset = offsetof(struct serial_conf, mode),
	  .def = "8N1", .check = fg_tty_mode_check,
	  .help = "Data bits (5 to 8), parity (N, E, O, M or S) and stop bits (1 or 2)." },
	{ .name = "flow", .type = FG_OPT_ENUM, .offset = offsetof(struct serial_conf, flow),
	  .choices = flows, .def = "none", .help = "Flow control." },
	{ .name = "framer", .type = FG_OPT_ENUM, .offset = offsetof(struct serial_conf, framer),
	  .choices = framers,
	  .help = "Where a frame begins and ends; the profile's framer if absent, else line." },
	{ .name = "framer_options", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct serial_conf, framer_options), .group = framer_options,
	  .help = "What the framer needs to know." },
	{ .name = "checksum", .type = FG_OPT_ENUM, .offset = offsetof(struct serial_conf, checksum),
	  .choices = checksums,
	  .help = "What stands at the end of a frame, is verified and taken off; the profile's if "
		  "absent, else none." },
	{ 0 },
};

/* What the framer needs and is not given. A framer left to the profile has it from there. */
static void framer_check(const struct serial_conf *conf, struct fg_faults *faults)
{
	const struct serial_framer_conf *options = &conf->framer_options;
	int kind = conf->framer - SERIAL_GIVEN;

	if (kind >= 0 && fg_framer_missing((enum fg_framer_kind)kind))
		fg_fault(faults, "/framer", "this firmware has no '%s' framer: %s",
			 fg_framer_name((enum fg_framer_kind)kind),
			 fg_framer_missing((enum fg_framer_kind)kind));
	if (kind == FG_FRAMER_DELIMITER && !options->delimiter)
		fg_fault(faults, "/framer_options/delimiter",
			 "is missing; the framer \"delimiter\" needs it");
	if (kind == FG_FRAMER_LENGTH && !options->length)
		fg_fault(faults, "/framer_options/length",
			 "is missing; the framer \"length\" needs it");
	if (options->length && (uint64_t)options->length > options->max)
		fg_fault(faults, "/framer_options/length", "%lld is more than max (%llu)",
			 (long long)options->length, (unsigned long long)options->max);
}

static void unused_check(const struct serial_conf *conf, struct fg_faults *faults)
{
	const struct serial_framer_conf *options = &conf->framer_options;
	int kind = conf->framer - SERIAL_GIVEN;

	if (kind < 0)
		return;
	if (options->delimiter && kind != FG_FRAMER_DELIMITER && kind != FG_FRAMER_LENGTH)
		fg_doubt(faults, "/framer_options/delimiter", "has no use with this framer");
	if (options->length && kind != FG_FRAMER_LENGTH)
		fg_doubt(faults, "/framer_options/length", "has no use with this framer");
	if (options->idle_ns && kind != FG_FRAMER_IDLE && kind != FG_FRAMER_LENGTH)
		fg_doubt(faults, "/framer_options/idle", "has no use with this framer");
}

void serial_conf_check(const void *conf, struct fg_faults *faults)
{
	framer_check(conf, faults);
	unused_check(conf, faults);
}

static int64_t idle_default(const struct serial_conf *conf)
{
	int64_t bits = IDLE_BYTES * (int64_t)fg_tty_mode_bits(conf->mode);
	int64_t ns = bits * SECOND / (int64_t)fg_tty_baud_number((speed_t)conf->baud);

	return ns > IDLE_LEAST_NS ? ns : IDLE_LEAST_NS;
}

/* What was given wins over what the profile brings. */
static int framing_overlay(const struct serial_framer_conf *options, struct serial_framing *framing)
{
	struct fg_framer_conf *to = &framing->conf;
	size_t len = 0;
	int err;

	if (options->delimiter) {
		err = serial_unescape(options->delimiter, framing->delimiter,
				      sizeof(framing->delimiter), &len);
		if (err < 0)
			return -EINVAL;
		to->delimiter.len = len;
	}
	if (options->length)
		to->length = (size_t)options->length;
	if (options->idle_ns)
		to->idle_ns = options->idle_ns;
	/* its default cannot be told from the same number given; the profile knows better then */
	if (!to->max || options->max != FG_FRAMER_MAX_DEFAULT)
		to->max = (size_t)options->max;
	return 0;
}

int serial_framing(const struct serial_conf *conf, const struct fg_framer_conf *profile,
		   struct serial_framing *ret_framing)
{
	struct serial_framing framing = { .conf.kind = FG_FRAMER_LINE };
	int kind = conf->framer - SERIAL_GIVEN, err;

	/* another framer than the profile's has no use for what the profile says of its own */
	if (profile && (kind < 0 || kind == (int)profile->kind))
		framing.conf = *profile;
	else if (profile)
		framing.conf.checksum = profile->checksum;
	if (framing.conf.delimiter.len > sizeof(framing.delimiter))
		return -EINVAL;
	if (framing.conf.delimiter.len)
		memcpy(framing.delimiter, framing.conf.delimiter.ptr, framing.conf.delimiter.len);
	if (kind >= 0)
		framing.conf.kind = (enum fg_framer_kind)kind;
	if (conf->checksum)
		framing.conf.checksum = (enum fg_checksum)(conf->checksum - SERIAL_GIVEN);
	err = framing_overlay(&conf->framer_options, &framing);
	if (err < 0)
		return err;
	if (framing.conf.kind == FG_FRAMER_IDLE && !framing.conf.idle_ns)
		framing.conf.idle_ns = idle_default(conf);
	*ret_framing = framing;
	ret_framing->conf.delimiter.ptr = ret_framing->delimiter;
	return 0;
}

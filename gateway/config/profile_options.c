/* The options of a profile. */
#include <fg/value.h>

#include "config/pattern.h"
#include "config/profile_conf.h"
#include "config/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ll

static const struct fg_choice TYPES[] = {
	{ "number", FG_POINT_NUMBER },
	{ "string", FG_POINT_STRING },
	{ "boolean", FG_POINT_BOOLEAN },
	{ 0 },
};

static const struct fg_choice TIME_FORMS[] = {
	{ "unix", FG_TIME_UNIX },
	{ "unix-ms", FG_TIME_UNIX_MS },
	{ "iso8601", FG_TIME_ISO8601 },
	{ "auto", FG_TIME_AUTO },
	{ 0 },
};

static const struct fg_choice ZONES[] = {
	{ "UTC", FG_ZONE_UTC }, { "local", FG_ZONE_LOCAL }, { 0 },
};

static int deadband_check(const char *text, char *why, size_t cap)
{
	struct fg_str number = fg_str_c(text);
	struct fg_value value;

	if (number.len && number.ptr[number.len - 1] == '%')
		number.len--;
	if (fg_value_parse_number(number, &value) == 0 && fg_value_double(&value) >= 0)
		return 0;
	snprintf(why, cap, "expected a number that is not negative, or a share such as \"2%%\"");
	return -EINVAL;
}

static int one_character_check(const char *text, char *why, size_t cap)
{
	if (text[0] && !text[1] && text[0] != '"' && text[0] != '\n' && text[0] != '\r')
		return 0;
	snprintf(why, cap, "expected one character, neither '\"' nor an end of line");
	return -EINVAL;
}

static const struct fg_option REPORT[] = {
	{ .name = "deadband", .type = FG_OPT_STRING, .flags = FG_OPT_OR_NUMBER,
	  .offset = offsetof(struct fg_report_conf, deadband), .check = deadband_check,
	  .expects = "a number, or a share such as \"2%\"",
	  .help = "Change below which a value is suppressed: in the value's unit, or \"2%\" of "
		  "it." },
	{ .name = "min_interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_report_conf, min_interval_ns),
	  .help = "Least time between two records." },
	{ .name = "max_interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_report_conf, max_interval_ns),
	  .help = "Time after which a value is a record even if it did not change." },
	{ 0 },
};

static const struct fg_option FIELD[] = {
	{ .name = "at", .type = FG_OPT_STRING, .offset = offsetof(struct fg_field_conf, at),
	  .flags = FG_OPT_REQUIRED | FG_OPT_OR_NUMBER, .expects = "an offset or a register",
	  .help = "binary: the first byte, from the end if negative; registers: `holding:N`, "
		  "`input:N`, `coil:N` or `discrete:N`, as on the wire (from 0)." },
	{ .name = "type", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_field_conf, type),
	  .choices = fg_field_types, .help = "What stands there." },
	{ .name = "order", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_field_conf, order),
	  .choices = fg_field_orders, .def = "big",
	  .help = "Order of its bytes; `badc` and `cdab` are those of 16-bit words." },
	{ .name = "bit", .type = FG_OPT_STRING, .offset = offsetof(struct fg_field_conf, bit),
	  .flags = FG_OPT_OR_NUMBER, .expects = "the number of a bit",
	  .help = "One bit of an integer as a boolean, 0 being the lowest; with `bits`, the lowest "
		  "of them." },
	{ .name = "bits", .type = FG_OPT_INT, .offset = offsetof(struct fg_field_conf, bits),
	  .min = 1, .max = 63, .help = "How many bits of an integer are the value." },
	{ .name = "length", .type = FG_OPT_INT, .offset = offsetof(struct fg_field_conf, length),
	  .min = 1, .max = 65535,
	  .help = "Bytes of a `bcd`, `string` or `bytes`; up to the payload's end if absent." },
	{ .name = "optional", .type = FG_OPT_BOOL,
	  .offset = offsetof(struct fg_field_conf, optional),
	  .help = "binary: a payload that ends before it is good without it." },
	{ 0 },
};

static const struct fg_option POINT[] = {
	{ .name = "from", .type = FG_OPT_STRING, .offset = offsetof(struct fg_point_conf, from),
	  .check = fg_pointer_check,
	  .help = "JSON Pointer (RFC 6901) into the decoded payload; the point's name if absent." },
	{ .name = "when", .type = FG_OPT_STRING, .offset = offsetof(struct fg_point_conf, when),
	  .check = fg_pointer_check,
	  .help = "JSON Pointer: the row counts only for payloads that have this value too." },
	{ .name = "unit", .type = FG_OPT_STRING, .offset = offsetof(struct fg_point_conf, unit),
	  .min = 1, .max = 32,
	  .help = "SenML unit (RFC 8428, RFC 8798) of the value as it is sent." },
	{ .name = "scale", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_point_conf, scale),
	  .def = "1", .help = "What a number is multiplied with." },
	{ .name = "offset", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_point_conf, offset),
	  .def = "0", .help = "What is added to the scaled number." },
	{ .name = "map", .type = FG_OPT_VALUES, .offset = offsetof(struct fg_point_conf, map),
	  .help = "Value that each text of the payload stands for." },
	{ .name = "type", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_point_conf, type),
	  .choices = TYPES, .help = "What the value is made; as it came if absent." },
	{ .name = "report", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_point_conf, report),
	  .group = REPORT, .help = "Which values become records." },
	{ .name = "field", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_point_conf, field),
	  .group = FIELD, .help = "Where it stands, for the formats binary and registers." },
	{ 0 },
};

static const struct fg_option LEAF[] = {
	{ .name = "unit", .type = FG_OPT_STRING, .offset = offsetof(struct fg_leaf_conf, unit),
	  .min = 1, .max = 32,
	  .help = "SenML unit (RFC 8428, RFC 8798) of numbers; none if absent." },
	{ .name = "unit_from", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_leaf_conf, unit_from), .min = 1,
	  .help = "Key that stands beside the value, or beside an object around it, and names "
		  "its unit." },
	{ .name = "units", .type = FG_OPT_VALUES, .offset = offsetof(struct fg_leaf_conf, units),
	  .help = "SenML unit of each text that may stand there; none for any other." },
	{ 0 },
};

static const struct fg_option TIME[] = {
	{ .name = "from", .type = FG_OPT_STRING, .offset = offsetof(struct fg_time_conf, from),
	  .flags = FG_OPT_REQUIRED, .check = fg_pointer_check,
	  .help = "JSON Pointer to the device's own time." },
	{ .name = "also", .type = FG_OPT_LIST, .offset = offsetof(struct fg_time_conf, also),
	  .check = fg_pointer_check,
	  .help = "JSON Pointers to where it stands in payloads that do not have that." },
	{ .name = "as", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_time_conf, as),
	  .flags = FG_OPT_REQUIRED, .choices = TIME_FORMS, .help = "How it is written." },
	{ .name = "zone", .type = FG_OPT_ENUM, .offset = offsetof(struct fg_time_conf, zone),
	  .choices = ZONES, .help = "Zone of an ISO time that names none; ignored if absent." },
	{ 0 },
};

static const struct fg_option FRAMER[] = {
	{ .name = "delimiter", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_framer_options, delimiter), .min = 1, .max = 64,
	  .help = "What ends a frame of the framer \"delimiter\"." },
	{ .name = "length", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_framer_options, length),
	  .max = 65536, .help = "Bytes of a frame of the framer \"length\"." },
	{ .name = "idle", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_framer_options, idle_ns),
	  .max = 60 * SECOND, .help = "Silence that ends a frame of the framer \"idle\"." },
	{ .name = "max", .type = FG_OPT_SIZE, .offset = offsetof(struct fg_framer_options, max),
	  .min = 1, .max = 1024 * 1024, .help = "Longest frame." },
	{ 0 },
};

static const struct fg_option CSV[] = {
	{ .name = "columns", .type = FG_OPT_LIST,
	  .offset = offsetof(struct fg_csv_options, columns),
	  .help = "Names of the columns, in order." },
	{ .name = "delimiter", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_csv_options, delimiter), .def = ",",
	  .check = one_character_check, .help = "What stands between two columns." },
	{ .name = "header", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_csv_options, header),
	  .def = "false", .help = "Whether the first line names the columns." },
	{ 0 },
};

static const struct fg_option REGISTERS[] = {
	{ .name = "max_read", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_registers_options, max_read), .def = "125", .min = 1,
	  .max = FG_REGISTERS_MAX, .help = "Registers that the device gives at once." },
	{ .name = "max_gap", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_registers_options, max_gap), .def = "8", .min = 0,
	  .max = FG_REGISTERS_MAX,
	  .help = "Registers of no field that may be read to save a request." },
	{ 0 },
};

/* In a payload braces are the device's own as well. */
static int check_to(const char *text, char *why, size_t cap)
{
	static const char *const known[] = { "{device}", "{point}", "{value}", "{json}" };

	for (text = strchr(text, '{'); text; text = strchr(text + 1, '{')) {
		size_t i = 0;

		while (i < 4 && strncmp(text, known[i], strlen(known[i])) != 0)
			i++;
		if (i == 4) {
			snprintf(why, cap,
				 "expected {device}, {point}, {value} or {json} at \"%s\"", text);
			return -EINVAL;
		}
	}
	return 0;
}

static const struct fg_option WRITE[] = {
	{ .name = "to", .type = FG_OPT_STRING, .offset = offsetof(struct fg_write_conf, to),
	  .min = 1, .max = 1024, .check = check_to,
	  .help = "Where it goes: MQTT topic or CoAP path, with {device} and {point}." },
	{ .name = "payload", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_write_conf, payload), .def = "{value}", .max = 4096,
	  .help = "What is sent: {value} is the value as text, {json} as JSON; {device} and "
		  "{point} too." },
	{ .name = "map", .type = FG_OPT_VALUES, .offset = offsetof(struct fg_write_conf, map),
	  .help = "What the device takes for each value; no other value is taken then." },
	{ .name = "min", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_write_conf, min),
	  .def = "-1e308", .help = "Least number that may be written." },
	{ .name = "max", .type = FG_OPT_NUMBER, .offset = offsetof(struct fg_write_conf, max),
	  .def = "1e308", .help = "Greatest number that may be written." },
	{ .name = "content_format", .type = FG_OPT_INT,
	  .offset = offsetof(struct fg_write_conf, content_format), .def = "-1", .min = -1,
	  .max = 65535, .help = "CoAP's Content-Format of the payload; -1: none." },
	{ .name = "timeout", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_write_conf, timeout_ns), .def = "10s",
	  .min = SECOND / 10, .max = 3600 * SECOND,
	  .help = "How long the device may take to confirm it." },
	{ .name = "sleeps", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_write_conf, sleeps),
	  .def = "false",
	  .help = "The device sleeps: a command waits until it is heard the next time." },
	{ .name = "hex", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_write_conf, hex),
	  .def = "false", .help = "The payload, filled in, is bytes in hexadecimal digits." },
	{ 0 },
};

const struct fg_option fg_options_profile[] = {
	{ .name = "match", .type = FG_OPT_STRING, .offset = offsetof(struct fg_profile_conf, match),
	  .check = fg_pattern_check,
	  .help = "Topic or path: {device} takes one level, {device...} one or more, other names "
		  "are "
		  "captures, + and # as in MQTT." },
	{ .name = "format", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_profile_conf, format),
	  .min = 1, .help = "How a payload is decoded; taken as it is if absent." },
	{ .name = "device", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_profile_conf, device),
	  .check = fg_pointer_check,
	  .help = "JSON Pointer to the device's id in the payload; from the address if absent." },
	{ .name = "device_parts", .type = FG_OPT_LIST,
	  .offset = offsetof(struct fg_profile_conf, device_parts),
	  .check = fg_pointer_check,
	  .help = "JSON Pointers to the parts of the device's id, joined by '/'; parts that the "
		  "payload does not have are left out." },
	{ .name = "below", .type = FG_OPT_BOOL, .offset = offsetof(struct fg_profile_conf, below),
	  .def = "false",
	  .help = "Whether the values of a payload that has several are named below the address's "
		  "{point}, too." },
	{ .name = "points", .type = FG_OPT_MAP, .offset = offsetof(struct fg_profile_conf, points),
	  .group = POINT, .item_size = sizeof(struct fg_point_conf),
	  .help = "Points by name; \"*\" keeps every other value." },
	{ .name = "leaves", .type = FG_OPT_MAP, .offset = offsetof(struct fg_profile_conf, leaves),
	  .group = LEAF, .item_size = sizeof(struct fg_leaf_conf),
	  .help = "Units of values by their key alone, wherever they stand: the last step of the "
		  "path that is no index, else the one before it; \"*_C\" is every key that "
		  "ends so, \"a/b\" is b below a alone." },
	{ .name = "time", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_profile_conf, time),
	  .group = TIME, .help = "The device's own time; the time of arrival if absent." },
	{ .name = "interval", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct fg_profile_conf, interval_ns),
	  .min = 10 * SECOND / 1000, .max = 30 * 24 * 3600 * SECOND,
	  .help = "How often such a device sends; learned from each device if absent." },
	{ .name = "framer", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_profile_conf, framer),
	  .min = 1, .help = "Where a frame on a serial line begins and ends." },
	{ .name = "framer_options", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct fg_profile_conf, framer_options), .group = FRAMER,
	  .help = "More about that." },
	{ .name = "checksum", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_profile_conf, checksum), .min = 1,
	  .help = "What a frame on a serial line ends with." },
	{ .name = "csv", .type = FG_OPT_GROUP, .offset = offsetof(struct fg_profile_conf, csv),
	  .group = CSV, .help = "The columns of the format \"csv\"." },
	{ .name = "registers", .type = FG_OPT_GROUP,
	  .offset = offsetof(struct fg_profile_conf, registers), .group = REGISTERS,
	  .help = "How the format \"registers\" is read." },
	{ .name = "write", .type = FG_OPT_MAP, .offset = offsetof(struct fg_profile_conf, write),
	  .group = WRITE, .item_size = sizeof(struct fg_write_conf), .check = fg_pattern_check,
	  .help = "How points are written by a command: by name, or by a pattern of names in "
		  "which {point} marks what the templates mean by it." },
	{ .name = "write_like", .type = FG_OPT_STRING,
	  .offset = offsetof(struct fg_profile_conf, write_like), .min = 1,
	  .help = "A profile that the same devices are heard by: what it writes, this one does." },
	{ 0 },
};

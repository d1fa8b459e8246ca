/*
 * A profile as it was written: plain, checked, not yet compiled (profile/profile.h does that).
 * Filled by the option tables in config/profile_options.c, from the configuration and from the
 * profiles that are shipped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/option.h>
#include <fg/value.h>

#include "decode/field.h"

enum fg_point_type { FG_POINT_AS_IS, FG_POINT_NUMBER, FG_POINT_STRING, FG_POINT_BOOLEAN };
enum fg_time_form { FG_TIME_UNIX, FG_TIME_UNIX_MS, FG_TIME_ISO8601, FG_TIME_AUTO };
enum fg_time_zone { FG_ZONE_NONE, FG_ZONE_UTC, FG_ZONE_LOCAL };

struct fg_report_conf {
	/* "0.5" or "2%" (a bare number in JSON is kept as its text) */
	const char *deadband;
	int64_t min_interval_ns, max_interval_ns;
};

struct fg_point_conf {
	const char *from;		/* JSON Pointer; NULL: the point's own name as one key */
	/* JSON Pointer: only in payloads that have this too; NULL: in all */
	const char *when;
	const char *unit;
	double scale, offset;		/* 1 and 0 by default: value * scale + offset */
	struct fg_values map;		/* text of the value -> value */
	int type;			/* enum fg_point_type */
	struct fg_report_conf report;
	struct fg_field_conf field;	/* of the formats "binary" and "registers" */
};

/* How the points whose names match a pattern are written. */
struct fg_write_conf {
	const char *to;			/* template of an address; NULL: the driver's own way */
	const char *payload;		/* template: {value}, {json}, {device}, {point} */
	struct fg_values map;		/* text of the value -> what the device takes */
	double min, max;
	int64_t content_format;		/* CoAP's, or -1 */
	int64_t timeout_ns;		/* how long the device may take */
	bool sleeps;			/* waits until the device is heard */
	bool hex;			/* the payload is bytes in hexadecimal digits */
};

/* What is known of a value by its key alone, wherever in the payload it stands. */
struct fg_leaf_conf {
	const char *unit;		/* NULL: none */
	/* key that stands beside or above and names the unit, or NULL */
	const char *unit_from;
	struct fg_values units;		/* text there -> SenML unit */
};

struct fg_time_conf {
	const char *from;		/* JSON Pointer; NULL: no time in the payload */
	struct fg_list also;		/* JSON Pointers: where it stands if not there */
	int as;				/* enum fg_time_form */
	int zone;			/* enum fg_time_zone */
};

struct fg_framer_options {
	const char *delimiter;		/* escapes undone by the framer's user */
	int64_t length;
	int64_t idle_ns;
	uint64_t max;
};

struct fg_csv_options {
	struct fg_list columns;
	const char *delimiter;
	bool header;
};

struct fg_registers_options {
	int64_t max_read, max_gap;	/* registers */
};

struct fg_profile_conf {
	const char *match;		/* NULL: only by name */
	const char *format;		/* a decoder's name; NULL: taken as it is */
	const char *device;		/* JSON Pointer into the payload; NULL: from the address */
	struct fg_list device_parts;	/* JSON Pointers: what of them is there, joined by '/' */
	bool below;			/* the address's {point} stands before every name */
	struct fg_map points;		/* of struct fg_point_conf; "*" among them */
	struct fg_map leaves;		/* of struct fg_leaf_conf; "*_C": all keys with that end */
	struct fg_time_conf time;
	int64_t interval_ns;		/* how often such a device sends, 0: not declared */
	const char *framer;		/* NULL: the decoder's, else line */
	struct fg_framer_options framer_options;
	const char *checksum;
	struct fg_csv_options csv;
	struct fg_map write;		/* of struct fg_write_conf, by pattern of the point */
	const char *write_like;		/* a profile's name: what it writes, this one does too */
	struct fg_registers_options registers;
};

/* One that comes with the program. */
struct fg_shipped_profile {
	const char *name;
	const char *format;		/* NULL: taken as it is */
	const char *match;		/* NULL: only by name */
	const char *text;		/* NULL: this firmware has no such decoder */
};

/* One profile with its name; `shipped` ones lose against the configuration's of the same name. */
struct fg_named_profile {
	const char *name;
	struct fg_profile_conf conf;
	bool shipped;
	const char *text;		/* if not NULL, conf has only match and format of it yet */
};

/*
 * One value of one point, as a device gave it.
 *
 * Integers of up to 64 bits keep every digit. A decimal that a double holds exactly as written
 * (at most 15 significant digits) stays a decimal mantissa and exponent, so that the way from
 * payload to upstream needs no conversion to binary and back; all other numbers are doubles.
 */
#pragma once

#include <stdint.h>

#include <fg/str.h>

enum fg_kind {
	FG_NONE,	/* no value of its own (RFC 8428: a record with only a sum) */
	FG_BOOL,
	FG_INT,		/* i */
	FG_UINT,	/* u, only for numbers above INT64_MAX */
	FG_DECIMAL,	/* i * 10^exp10; |i| < 10^15, no trailing zero, -22 <= exp10 <= 22 */
	FG_DOUBLE,	/* d, finite */
	FG_STRING,	/* s, UTF-8 without a NUL being special */
	FG_DATA,	/* s, raw bytes (RFC 8428: "vd") */
	FG_KIND__MAX
};

struct fg_value {
	uint8_t kind;	/* enum fg_kind */
	int8_t exp10;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		struct fg_str s;
	};
};

static inline bool fg_value_is_number(const struct fg_value *v)
{
	return v->kind >= FG_INT && v->kind <= FG_DOUBLE;
}

/* The number as the nearest double; 0 for what is not a number. */
double fg_value_double(const struct fg_value *v);

/* A number as the simplest kind that holds it (an integral double below 2^53 becomes FG_INT).
 * d must be finite. */
struct fg_value fg_value_of_double(double d);
/* The shortest decimal that is this float: 12.3, not 12.300000190734863. f must be finite. */
struct fg_value fg_value_of_float(float f);

/* Reads exactly one JSON number (RFC 8259 section 6) that fills `text`.
 * Returns 0, -EINVAL (not a number), -ERANGE (its nearest double is infinite). */
int fg_value_parse_number(struct fg_str text, struct fg_value *ret_value);

/* Writes a number as JSON text with the fewest digits that read back to the same value, plain
 * between 1e-6 and 1e21, else with an exponent (as ECMAScript does, without its plus sign).
 * `out` has room for FG_NUMBER_MAX bytes; returns the length, no NUL is written. */
#define FG_NUMBER_MAX 40
size_t fg_value_write_number(const struct fg_value *v, char *out);

/*
 * Numbers as text, without a locale. The usual ones need no libc; the rest is handed to strtod
 * and snprintf in a form that has no decimal point (or one that is not looked at), so that
 * LC_NUMERIC cannot change a value.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <fg/value.h>

#define FG_U64_MAX_DIGITS 20

/* Writes n in decimal; returns the length, no NUL is written. */
size_t fg_u64_write(uint64_t n, char *out);

/* The nearest integer, halves away from zero; |d| below 2^63. */
static inline int64_t fg_nearest(double d)
{
	int64_t whole = (int64_t)d;
	double rest = d - (double)whole;

	return whole + (rest >= 0.5) - (rest <= -0.5);
}

/* The nearest whole number, halves to the even one: nearbyint(). From 2^52 on doubles are whole.
 * Both are here since a library of 100 KiB would come along for nothing else. */
static inline double fg_whole(double d)
{
	const double end = 4503599627370496.0;
	double most = __builtin_fabs(d);

	return most < end ? __builtin_copysign(most + end - end, d) : d;
}

/* Reads the JSON number (RFC 8259 section 6) at the beginning of [p, end).
 * Returns the byte behind it, or NULL with *ret_error -EINVAL, or -ERANGE: its nearest double is
 * infinite. */
const char *fg_number_scan(const char *p, const char *end, struct fg_value *ret_value,
			   int *ret_error);

/* mantissa * 10^exp10, exactly if it fits, else as the nearest double; -ERANGE if that is
 * infinite. */
int fg_value_of_decimal(uint64_t mantissa, bool negative, int64_t exp10,
			struct fg_value *ret_value);

/* A whole number of any sign. */
struct fg_value fg_value_of_u64(uint64_t magnitude, bool negative);

/* 10^n for 0 <= n <= 22: all exact. */
extern const double fg_power10[23];

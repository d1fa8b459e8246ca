/*
 * Reading numbers. Digits are gathered in 64 bits; what fits 15 digits and a small power of ten
 * stays a decimal, so that the nearest double is one exact multiplication or division away
 * (both operands are exact, so the result is correctly rounded). Only longer numbers take strtod.
 */
#include "base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EXP10_MAX = 22, /* the largest power of ten a double holds exactly */
	SLOW_DIGITS = 800, /* no double needs more to be told from its neighbours (768) */
	EXPONENT_CLAMP = 1000000000,
};

#define DECIMAL_END 1000000000000000u /* 10^15 */

const double fg_power10[23] = {
	1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* What the grammar found. */
struct literal {
	const char *digits, *end; /* digits and at most one point */
	uint64_t mantissa; /* if count <= 19 */
	int64_t count; /* significant digits, without leading zeros */
	int64_t exp10; /* of the last digit */
	bool negative;
	bool whole; /* neither point nor exponent */
};

static bool is_digit(const char *p, const char *end)
{
	return p < end && (unsigned char)(*p - '0') <= 9;
}

static const char *digits_scan(const char *p, const char *end, struct literal *lit)
{
	uint64_t m = lit->mantissa;
	int64_t count = lit->count;

	for (; is_digit(p, end); p++) {
		m = m * 10 + (uint64_t)(*p - '0');
		count += count != 0 || *p != '0';
	}
	lit->mantissa = m;
	lit->count = count;
	return p;
}

static const char *exponent_scan(const char *p, const char *end, struct literal *lit)
{
	bool negative = p < end && *p == '-';
	int64_t e = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (!is_digit(p, end))
		return NULL;
	for (; is_digit(p, end); p++) {
		if (e < EXPONENT_CLAMP)
			e = e * 10 + (*p - '0');
	}
	lit->exp10 += negative ? -e : e;
	return p;
}

static const char *literal_scan(const char *p, const char *end, struct literal *lit)
{
	lit->negative = p < end && *p == '-';
	p += lit->negative;
	if (!is_digit(p, end))
		return NULL;
	lit->digits = p;
	p = *p == '0' ? p + 1 : digits_scan(p, end, lit);
	lit->whole = true;
	if (p < end && *p == '.') {
		const char *fraction = p + 1;

		if (!is_digit(fraction, end))
			return NULL;
		p = digits_scan(fraction, end, lit);
		lit->exp10 = fraction - p;
		lit->whole = false;
	}
	lit->end = p;
	if (p < end && (*p == 'e' || *p == 'E')) {
		lit->whole = false;
		return exponent_scan(p + 1, end, lit);
	}
	return p;
}

struct fg_value fg_value_of_u64(uint64_t magnitude, bool negative)
{
	struct fg_value v = { .kind = FG_INT };

	if (negative && magnitude <= (uint64_t)INT64_MAX + 1) {
		v.i = (int64_t)(0 - magnitude);
	} else if (!negative && magnitude <= INT64_MAX) {
		v.i = (int64_t)magnitude;
	} else if (!negative) {
		v.kind = FG_UINT;
		v.u = magnitude;
	} else {
		v.kind = FG_DOUBLE;
		v.d = -(double)magnitude;
	}
	return v;
}

static struct fg_value double_value(double d, bool negative)
{
	return (struct fg_value){ .kind = FG_DOUBLE, .d = negative ? -d : d };
}

/* Up to 15 digits: an integer, a decimal, or (with an exponent beyond both) false. */
static bool small_value(uint64_t m, bool negative, int64_t exp10, struct fg_value *ret)
{
	if (m == 0) {
		*ret = negative ? double_value(0, true) : fg_value_of_u64(0, false);
		return true;
	}
	if (m >= DECIMAL_END || exp10 > EXP10_MAX || exp10 < -EXP10_MAX - 15)
		return false;
	while (exp10 < 0 && m % 10 == 0) {
		m /= 10;
		exp10++;
	}
	for (; exp10 > 0 && m < DECIMAL_END / 10; exp10--)
		m *= 10;
	if (exp10 == 0) {
		*ret = fg_value_of_u64(m, negative);
		return true;
	}
	for (; exp10 > 0 && m % 10 == 0; exp10++)
		m /= 10;
	if (exp10 < -EXP10_MAX || exp10 > EXP10_MAX)
		return false;
	*ret = (struct fg_value){ .kind = FG_DECIMAL, .exp10 = (int8_t)exp10 };
	ret->i = negative ? -(int64_t)m : (int64_t)m;
	return true;
}

/* strtod gets "DIGITSeEXPONENT": without a point there is nothing for a locale to change. */
static int slow_value(const char *digits, size_t len, int64_t exp10, bool negative,
		      struct fg_value *ret)
{
	char text[SLOW_DIGITS + 32];

	memcpy(text, digits, len);
	if (exp10 > EXPONENT_CLAMP)
		exp10 = EXPONENT_CLAMP;
	if (exp10 < -EXPONENT_CLAMP)
		exp10 = -EXPONENT_CLAMP;
	text[len++] = 'e';
	if (exp10 < 0)
		text[len++] = '-';
	len += fg_u64_write((uint64_t)(exp10 < 0 ? -exp10 : exp10), text + len);
	text[len] = '\0';
	double d = strtod(text, NULL);

	if (!isfinite(d))
		return -ERANGE;
	*ret = double_value(d, negative);
	return 0;
}

int fg_value_of_decimal(uint64_t mantissa, bool negative, int64_t exp10, struct fg_value *ret_value)
{
	char digits[FG_U64_MAX_DIGITS];

	if (small_value(mantissa, negative, exp10, ret_value))
		return 0;
	if (exp10 == 0) {
		*ret_value = fg_value_of_u64(mantissa, negative);
		return 0;
	}
	return slow_value(digits, fg_u64_write(mantissa, digits), exp10, negative, ret_value);
}

/* More than 19 digits: those beyond SLOW_DIGITS only matter by being there or not. */
static int long_value(const struct literal *lit, struct fg_value *ret)
{
	char digits[SLOW_DIGITS + 1];
	int64_t exp10 = lit->exp10;
	size_t len = 0;
	bool more = false;

	for (const char *p = lit->digits; p < lit->end; p++) {
		if (*p == '.' || (len == 0 && *p == '0'))
			continue;
		if (len < SLOW_DIGITS) {
			digits[len++] = *p;
		} else {
			more |= *p != '0';
			exp10++;
		}
	}
	if (more) {
		digits[len++] = '1';
		exp10--;
	}
	return slow_value(digits, len, exp10, lit->negative, ret);
}

/* Whole numbers of 20 digits may still fit 64 bits. */
static int literal_value(const struct literal *lit, struct fg_value *ret)
{
	if (lit->count <= 19)
		return lit->whole && lit->mantissa ?
			       (*ret = fg_value_of_u64(lit->mantissa, lit->negative), 0) :
			       fg_value_of_decimal(lit->mantissa, lit->negative, lit->exp10, ret);
	if (lit->whole && lit->count == 20 && lit->digits[0] == '1' &&
	    lit->mantissa >= 10000000000000000000u && !lit->negative) {
		/* 2*10^19 is beyond 2^64, so 1... has wrapped only if it fell below 10^19 */
		*ret = fg_value_of_u64(lit->mantissa, false);
		return 0;
	}
	return long_value(lit, ret);
}

const char *fg_number_scan(const char *p, const char *end, struct fg_value *ret_value,
			   int *ret_error)
{
	struct literal lit = { 0 };
	const char *stop = literal_scan(p, end, &lit);

	if (!stop) {
		*ret_error = -EINVAL;
		return NULL;
	}
	*ret_error = literal_value(&lit, ret_value);
	return *ret_error ? NULL : stop;
}

int fg_value_parse_number(struct fg_str text, struct fg_value *ret_value)
{
	if (text.len == 0)
		return -EINVAL;
	const char *end = text.ptr + text.len;
	struct fg_value v;
	int error;
	const char *stop = fg_number_scan(text.ptr, end, &v, &error);

	if (!stop)
		return error;
	if (stop != end)
		return -EINVAL;
	*ret_value = v;
	return 0;
}

double fg_value_double(const struct fg_value *v)
{
	switch (v->kind) {
	case FG_INT:
		return (double)v->i;
	case FG_UINT:
		return (double)v->u;
	case FG_DECIMAL:
		return v->exp10 < 0 ? (double)v->i / fg_power10[-v->exp10] :
				      (double)v->i * fg_power10[v->exp10];
	case FG_DOUBLE:
		return v->d;
	default:
		return 0;
	}
}

struct fg_value fg_value_of_double(double d)
{
	struct fg_value v = { .kind = FG_INT };

	if (fabs(d) < 9007199254740992.0 && d == (double)(int64_t)d && (d != 0 || !signbit(d))) {
		v.i = (int64_t)d;
		return v;
	}
	return double_value(d, false);
}

struct fg_value fg_value_of_float(float f)
{
	struct fg_value value;
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		int n = snprintf(text, sizeof(text), "%.*g", digits, (double)f);

		if (fg_value_parse_number(fg_str(text, (size_t)n), &value) == 0 &&
		    (float)fg_value_double(&value) == f)
			return value;
	}
	return fg_value_of_double((double)f);
}

/*
 * Writing numbers: the fewest digits that read back to the same value, laid out as ECMAScript
 * does (plain between 1e-6 and 1e21, else with an exponent) but without its '+'.
 */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

size_t fg_u64_write(uint64_t n, char *out)
{
	char text[FG_U64_MAX_DIGITS];
	char *p = text + sizeof(text);

	for (; n >= 100; n /= 100)
		memcpy(p -= 2, pairs + n % 100 * 2, 2);
	if (n >= 10)
		memcpy(p -= 2, pairs + n * 2, 2);
	else
		*--p = (char)('0' + n);
	size_t len = (size_t)(text + sizeof(text) - p);

	memcpy(out, p, len);
	return len;
}

static char *zeros_write(char *out, int n)
{
	memset(out, '0', (size_t)n);
	return out + n;
}

static char *bytes_write(char *out, const char *p, size_t len)
{
	memcpy(out, p, len);
	return out + len;
}

static char *exponent_write(char *out, const char *digits, int n, int exp10)
{
	*out++ = digits[0];
	if (n > 1) {
		*out++ = '.';
		out = bytes_write(out, digits + 1, (size_t)n - 1);
	}
	*out++ = 'e';
	if (exp10 < 0)
		*out++ = '-';
	return out + fg_u64_write((uint64_t)abs(exp10), out);
}

/* n digits, the last of them counting 10^exp10. */
static char *layout(char *out, const char *digits, int n, int exp10)
{
	int point = n + exp10; /* digits before the decimal point */

	if (point > 21 || point < -5)
		return exponent_write(out, digits, n, point - 1);
	if (exp10 >= 0)
		return zeros_write(bytes_write(out, digits, (size_t)n), exp10);
	if (point > 0) {
		out = bytes_write(out, digits, (size_t)point);
		*out++ = '.';
		return bytes_write(out, digits + point, (size_t)(n - point));
	}
	*out++ = '0';
	*out++ = '.';
	return bytes_write(zeros_write(out, -point), digits, (size_t)n);
}

static char *decimal_write(char *out, uint64_t mantissa, int exp10)
{
	char digits[FG_U64_MAX_DIGITS];

	return layout(out, digits, (int)fg_u64_write(mantissa, digits), exp10);
}

/* Measurements mostly have few decimal places: then d * 10^k is a whole number below 10^15, and
 * dividing it back proves that it is the shortest text. */
static bool short_decimal(double d, uint64_t *ret_mantissa, int *ret_exp10)
{
	for (int k = 0; k <= 9; k++) {
		double scaled = fg_whole(d * fg_power10[k]);

		if (scaled >= 1e15)
			return false;
		if (scaled / fg_power10[k] == d) {
			*ret_mantissa = (uint64_t)scaled;
			*ret_exp10 = -k;
			return true;
		}
	}
	return false;
}

/* The digits of "%.*e" with trailing zeros dropped. Whatever stands for the point is skipped. */
static int digits_of(const char *text, char *digits, int *ret_exp10)
{
	const char *e = strchr(text, 'e');
	int n = 0, kept = 0;

	for (const char *p = text; p < e; p++) {
		if (*p < '0' || *p > '9')
			continue;
		digits[n++] = *p;
		if (*p != '0')
			kept = n;
	}
	*ret_exp10 = (int)strtol(e + 1, NULL, 10) - (kept - 1);
	return kept;
}

static bool reads_back(const char *digits, int n, int exp10, double d)
{
	char text[40];

	snprintf(text, sizeof(text), "%.*se%d", n, digits, exp10);
	return strtod(text, NULL) == d;
}

static bool is_power_of_two(double d)
{
	uint64_t bits, mantissa;

	memcpy(&bits, &d, sizeof(bits));
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	/* a subnormal one is its mantissa */
	return bits >> 52 ? mantissa == 0 && d > 0 : mantissa && !(mantissa & (mantissa - 1));
}

/* Below a power of two doubles are twice as dense, so the nearest text of n digits may read back
 * to its neighbour where the next one above does not. */
static bool next_reads_back(char *digits, int precision, int *n, int *exp10, double d)
{
	if (!is_power_of_two(d))
		return false;
	/* the zeros that digits_of dropped still stand there */
	*exp10 -= precision - *n;
	*n = precision;
	for (; *n > 1 && digits[*n - 1] == '9'; --*n)
		++*exp10;
	digits[*n - 1]++;
	return reads_back(digits, *n, *exp10, d);
}

/* 15 digits always survive the way to a double and back, 17 always tell a double apart;
 * subnormals have fewer. */
static char *double_write(char *out, double d)
{
	char text[48], digits[20];
	uint64_t mantissa;
	int n = 0, exp10 = 0;

	if (d == 0) {
		*out = '0';
		return out + 1;
	}
	if (d < 1e15 && d >= 1e-7 && short_decimal(d, &mantissa, &exp10))
		return decimal_write(out, mantissa, exp10);
	for (int precision = d < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision - 1, d);
		n = digits_of(text, digits, &exp10);
		if (precision == 17 || reads_back(digits, n, exp10, d) ||
		    next_reads_back(digits, precision, &n, &exp10, d))
			break;
	}
	return layout(out, digits, n, exp10);
}

static char *sign_write(char *out, bool negative)
{
	*out = '-';
	return out + negative;
}

size_t fg_value_write_number(const struct fg_value *v, char *out)
{
	char *p = out;
	bool negative = v->kind == FG_DOUBLE ? signbit(v->d) : v->kind != FG_UINT && v->i < 0;
	uint64_t magnitude = negative ? 0 - (uint64_t)v->i : (uint64_t)v->i;

	p = sign_write(p, negative);
	switch (v->kind) {
	case FG_INT:
		return (size_t)(p - out) + fg_u64_write(magnitude, p);
	case FG_UINT:
		return (size_t)(p - out) + fg_u64_write(v->u, p);
	case FG_DECIMAL:
		return (size_t)(decimal_write(p, magnitude, v->exp10) - out);
	case FG_DOUBLE:
		return (size_t)(double_write(p, fabs(v->d)) - out);
	default:
		return 0;
	}
}

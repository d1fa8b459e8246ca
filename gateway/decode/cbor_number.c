/* The numbers of CBOR that are more than a head: big ones, decimal fractions, floats. */
#include "base/number.h"
#include "decode/cbor.h"

#include <errno.h>
#include <math.h>

enum { BIG_MAX = 128 }; /* bytes; more is beyond every double */

struct fg_value fg_cbor_integer(uint64_t arg, bool negative)
{
	if (!negative)
		return fg_value_of_u64(arg, false);
	if (arg == UINT64_MAX)
		return fg_value_of_double(-18446744073709551616.0);
	return fg_value_of_u64(arg + 1, true);
}

/* 2^e, e not below -1022; ldexp() would bring libm along, 100 KiB for nothing else. */
static double two_to(int e)
{
	uint64_t bits = (uint64_t)(e + 1023) << 52;
	double d = INFINITY;

	if (e <= 1023)
		memcpy(&d, &bits, sizeof(d));
	return d;
}

/* The nearest double of a big-endian number of more than 8 bytes whose first is not zero: 64 bits
 * from the first one set, with what is cut off remembered in the lowest. */
static double big_double(const uint8_t *p, size_t len)
{
	uint64_t top = 0;
	bool more = false;
	int shift;

	for (size_t i = 0; i < 8; i++)
		top = top << 8 | p[i];
	shift = __builtin_clzll(top);
	if (shift)
		top = top << shift | p[8] >> (8 - shift);
	more = (uint8_t)(p[8] << shift) != 0;
	for (size_t i = 9; i < len; i++)
		more |= p[i] != 0;
	return (double)(top | more) * two_to((int)(len - 8) * 8 - shift);
}

/* Adds one to a number with a spare byte in front. */
static void big_increment(uint8_t *p, size_t len)
{
	while (len-- && ++p[len] == 0)
		;
}

int fg_cbor_bignum(struct fg_cbor *c, bool negative, struct fg_value *ret)
{
	uint8_t big[BIG_MAX + 1] = { 0 };
	struct fg_cbor_head head;
	struct fg_str bytes;
	size_t skip = 0;
	int r = fg_cbor_head(c, &head);

	if (!r && head.major != FG_CBOR_BYTES)
		return fg_cbor_bad(c, "malformed bignum");
	if (!r)
		r = fg_cbor_string(c, &head, &bytes);
	if (r)
		return r;
	while (bytes.len && *bytes.ptr == 0) {
		bytes.ptr++;
		bytes.len--;
	}
	if (bytes.len > BIG_MAX)
		return fg_cbor_bad(c, "number out of range");
	if (bytes.len)
		memcpy(big + 1, bytes.ptr, bytes.len);
	if (bytes.len <= 8) {
		uint64_t n = 0;

		for (size_t i = 0; i < bytes.len; i++)
			n = n << 8 | big[1 + i];
		*ret = fg_cbor_integer(n, negative);
		return 0;
	}
	if (negative)
		big_increment(big, bytes.len + 1);
	skip = big[0] == 0;
	double d = big_double(big + skip, bytes.len + 1 - skip);

	if (!isfinite(d))
		return fg_cbor_bad(c, "number out of range");
	*ret = (struct fg_value){ .kind = FG_DOUBLE, .d = negative ? -d : d };
	return 0;
}

/* An integer or, if allowed, a bignum that fits 64 bits. */
static int whole_read(struct fg_cbor *c, bool big, uint64_t *ret_magnitude, bool *ret_negative)
{
	struct fg_cbor_head head;
	struct fg_value v;
	int r = fg_cbor_head(c, &head);

	if (r)
		return r;
	if (head.major <= FG_CBOR_NEGATIVE)
		v = fg_cbor_integer(head.arg, head.major == FG_CBOR_NEGATIVE);
	else if (big && head.major == FG_CBOR_TAG && (head.arg == 2 || head.arg == 3))
		r = fg_cbor_bignum(c, head.arg == 3, &v);
	else
		return fg_cbor_bad(c, "malformed decimal fraction");
	if (r)
		return r;
	if (v.kind != FG_INT && v.kind != FG_UINT)
		return fg_cbor_bad(c, "number out of range");
	*ret_negative = v.kind == FG_INT && v.i < 0;
	*ret_magnitude = *ret_negative ? 0 - (uint64_t)v.i : v.u;
	return 0;
}

int fg_cbor_decimal(struct fg_cbor *c, struct fg_value *ret)
{
	uint64_t exponent, mantissa;
	bool exponent_negative, negative;
	struct fg_cbor_head head;
	int r = fg_cbor_head(c, &head);

	if (!r && (head.major != FG_CBOR_ARRAY || (!head.indefinite && head.arg != 2)))
		return fg_cbor_bad(c, "malformed decimal fraction");
	if (!r)
		r = whole_read(c, false, &exponent, &exponent_negative);
	if (!r)
		r = whole_read(c, true, &mantissa, &negative);
	if (r)
		return r;
	if (head.indefinite && (c->p == c->end || *c->p++ != 0xff))
		return fg_cbor_bad(c, "malformed decimal fraction");
	/* beyond this the result is 0 or infinite whatever the mantissa is */
	if (exponent > 1000)
		exponent = 1000;
	r = fg_value_of_decimal(mantissa, negative,
				exponent_negative ? -(int64_t)exponent : (int64_t)exponent, ret);
	return r ? fg_cbor_bad(c, "number out of range") : 0;
}

static double half_float(uint64_t bits)
{
	int exponent = (int)(bits >> 10 & 0x1f);
	double mantissa = (double)(bits & 0x3ff);
	double d;

	if (exponent == 31)
		d = mantissa != 0 ? NAN : INFINITY;
	else
		d = exponent ? (mantissa + 1024) * two_to(exponent - 25) : mantissa * two_to(-24);
	return bits & 0x8000 ? -d : d;
}

double fg_cbor_float(unsigned size, uint64_t bits)
{
	uint32_t bits32 = (uint32_t)bits;
	float f;
	double d;

	if (size == 2)
		return half_float(bits);
	if (size == 4) {
		memcpy(&f, &bits32, 4);
		return (double)f;
	}
	memcpy(&d, &bits, 8);
	return d;
}

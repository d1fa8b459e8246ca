/* The values of typed fields, from bytes and back. */
#include "decode/field.h"

#include "base/number.h"
#include "base/utf8.h"
#include "decode/cbor.h"
#include "decode/decode.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { NUMBER_MAX = 8 };

static unsigned type_bits(int type)
{
	static const uint8_t bits[FG_FIELD__MAX] = {
		[FG_FIELD_U8] = 8,	 [FG_FIELD_I8] = 8,	  [FG_FIELD_U16] = 16,
		[FG_FIELD_I16] = 16,	 [FG_FIELD_U24] = 24,	  [FG_FIELD_I24] = 24,
		[FG_FIELD_U32] = 32,	 [FG_FIELD_I32] = 32,	  [FG_FIELD_U64] = 64,
		[FG_FIELD_I64] = 64,	 [FG_FIELD_FLOAT16] = 16, [FG_FIELD_FLOAT32] = 32,
		[FG_FIELD_FLOAT64] = 64, [FG_FIELD_BOOL] = 64,	  [FG_FIELD_BCD] = 64,
	};

	return bits[type];
}

static bool is_signed(int type)
{
	return type == FG_FIELD_I8 || type == FG_FIELD_I16 || type == FG_FIELD_I24 ||
	       type == FG_FIELD_I32 || type == FG_FIELD_I64;
}

/* Where the byte of that significance (0: the highest) stands among `n`. */
static size_t place(int order, size_t n, size_t i)
{
	switch (order) {
	case FG_ORDER_DCBA:
		return n - 1 - i;
	case FG_ORDER_BADC:
		return n > 1 ? i ^ 1u : i;
	case FG_ORDER_CDAB:
		return n > 1 ? n - 2 - (i & ~(size_t)1) + (i & 1u) : i;
	default:
		return i;
	}
}

static uint64_t assemble(const struct fg_field *field, const uint8_t *p, size_t n)
{
	uint64_t raw = 0;

	for (size_t i = 0; i < n && i < NUMBER_MAX; i++)
		raw = raw << 8 | p[place(field->order, n, i)];
	return raw;
}

static void take_apart(const struct fg_field *field, uint64_t raw, uint8_t *out)
{
	for (size_t i = field->size; i > 0; i--, raw >>= 8)
		out[place(field->order, field->size, i - 1)] = (uint8_t)raw;
}

static uint64_t low_bits(uint64_t raw, unsigned bits)
{
	return bits < 64 ? raw & ((UINT64_C(1) << bits) - 1) : raw;
}

static struct fg_value integer(const struct fg_field *field, uint64_t raw)
{
	unsigned bits = field->bits ? field->bits : type_bits(field->type);

	raw = low_bits(raw >> field->bit, bits);
	if (field->flag)
		return fg_value_bool(raw != 0);
	if (is_signed(field->type) && bits < 64 && raw >> (bits - 1) & 1)
		raw |= ~UINT64_C(0) << bits;
	if (is_signed(field->type) || raw <= INT64_MAX)
		return fg_value_int((int64_t)raw);
	return (struct fg_value){ .kind = FG_UINT, .u = raw };
}

static bool real(const struct fg_field *field, uint64_t raw, struct fg_value *ret_value)
{
	unsigned bits = type_bits(field->type);
	double d = fg_cbor_float(bits / 8, low_bits(raw, bits));

	if (!isfinite(d))
		return false;
	*ret_value = bits == 32 ? fg_value_of_float((float)d) : fg_value_of_double(d);
	return true;
}

static bool digits(uint64_t raw, struct fg_value *ret_value)
{
	int64_t number = 0;

	for (int shift = 60; shift >= 0; shift -= 4) {
		unsigned digit = raw >> shift & 15;

		if (digit > 9)
			return false;
		number = number * 10 + (int64_t)digit;
	}
	*ret_value = fg_value_int(number);
	return true;
}

/* Bytes in the order in which they are read, or NULL: there is no room. */
static const char *ordered(struct fg_writer *w, const struct fg_field *field, const uint8_t *p,
			   size_t len)
{
	char *text;

	if (field->order != FG_ORDER_BADC)
		return (const char *)p;
	text = fg_doc_text(w->doc, len);
	if (!text) {
		w->failed = true;
		return NULL;
	}
	/* an odd one at the end, where the field reaches to the end, has no other to change with */
	for (size_t i = 0; i < len; i++)
		text[i] = (char)p[(i ^ 1u) < len ? i ^ 1u : i];
	return text;
}

static void text_add(struct fg_writer *w, struct fg_str name, const struct fg_field *field,
		     const uint8_t *p, size_t len)
{
	const char *text = ordered(w, field, p, len), *end;

	if (!text)
		return;
	if (field->type == FG_FIELD_BYTES) {
		fg_writer_add(w, name, fg_value_data(text, len), FG_STR(""));
		return;
	}
	end = memchr(text, '\0', len);
	if (end)
		len = (size_t)(end - text);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (fg_utf8_valid(fg_str(text, len)))
		fg_writer_text(w, name, fg_str(text, len));
	else
		fg_writer_nonfinite(w, name);
}

static bool number_read(const struct fg_field *field, uint64_t raw, struct fg_value *ret_value)
{
	switch (field->type) {
	case FG_FIELD_FLOAT16:
	case FG_FIELD_FLOAT32:
	case FG_FIELD_FLOAT64:
		return real(field, raw, ret_value);
	case FG_FIELD_BCD:
		return digits(raw, ret_value);
	case FG_FIELD_BOOL:
		*ret_value = fg_value_bool(raw != 0);
		return true;
	default:
		*ret_value = integer(field, raw);
		return true;
	}
}

void fg_field_add(struct fg_writer *w, struct fg_str name, const struct fg_field *field,
		  const uint8_t *p, size_t len)
{
	struct fg_value value;

	if (field->type == FG_FIELD_STRING || field->type == FG_FIELD_BYTES)
		text_add(w, name, field, p, len);
	else if (number_read(field, assemble(field, p, len), &value))
		fg_writer_add(w, name, value, FG_STR(""));
	else
		fg_writer_nonfinite(w, name);
}

/* -- and back -- */

/* A number that is whole but for what the way through a scale has cost it. */
static int whole(const struct fg_value *value, bool *ret_negative, uint64_t *ret_magnitude)
{
	double d, rounded;

	if (value->kind == FG_BOOL || value->kind == FG_INT) {
		int64_t i = value->kind == FG_BOOL ? value->b : value->i;

		*ret_negative = i < 0;
		*ret_magnitude = i < 0 ? -(uint64_t)i : (uint64_t)i;
		return 0;
	}
	if (value->kind == FG_UINT) {
		*ret_negative = false;
		*ret_magnitude = value->u;
		return 0;
	}
	if (!fg_value_is_number(value))
		return -EINVAL;
	d = fg_value_double(value);
	rounded = fg_whole(d);
	if (fabs(d - rounded) > 1e-9 * (fabs(d) > 1 ? fabs(d) : 1))
		return -EINVAL;
	if (fabs(rounded) >= 18446744073709551616.0)
		return -ERANGE;
	*ret_negative = rounded < 0;
	*ret_magnitude = (uint64_t)fabs(rounded);
	return 0;
}

static int integer_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	unsigned bits = type_bits(field->type);
	bool negative, may = is_signed(field->type);
	uint64_t n, most = low_bits(UINT64_MAX, bits - may);
	int r = whole(value, &negative, &n);

	if (r < 0)
		return r;
	if (n > most + (negative && may) || (negative && n && !may))
		return -ERANGE;
	/* in a register that is wider than the type the sign goes on */
	take_apart(field, negative ? -n : n, out);
	return 0;
}

static int digits_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	uint64_t n, raw = 0;
	bool negative;
	int r = whole(value, &negative, &n);

	if (r < 0)
		return r;
	for (int shift = 0; shift < field->size * 8; shift += 4, n /= 10)
		raw |= n % 10 << shift;
	if (n || negative)
		return -ERANGE;
	take_apart(field, raw, out);
	return 0;
}

static int real_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	double d = fg_value_double(value);
	float f = (float)d;
	uint64_t raw = 0;
	uint32_t half;

	if (!fg_value_is_number(value) || field->type == FG_FIELD_FLOAT16)
		return -EINVAL;
	if (field->type == FG_FIELD_FLOAT64) {
		memcpy(&raw, &d, sizeof(raw));
	} else {
		if (!isfinite(f))
			return -ERANGE;
		memcpy(&half, &f, sizeof(half));
		raw = half;
	}
	take_apart(field, raw, out);
	return 0;
}

static int text_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	if (value->kind != FG_STRING && value->kind != FG_DATA)
		return -EINVAL;
	if (value->s.len > field->size)
		return -ERANGE;
	for (size_t i = 0; i < field->size; i++)
		out[place(field->order, field->size, i)] =
			i < value->s.len ? (uint8_t)value->s.ptr[i] : 0;
	return 0;
}

static int flag_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	bool negative;
	uint64_t n;
	int r = whole(value, &negative, &n);

	if (r < 0)
		return r;
	if (n > 1 || negative)
		return -ERANGE;
	take_apart(field, n, out);
	return 0;
}

int fg_field_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out)
{
	if (field->bits)
		return -EROFS;
	switch (field->type) {
	case FG_FIELD_FLOAT16:
	case FG_FIELD_FLOAT32:
	case FG_FIELD_FLOAT64:
		return real_write(field, value, out);
	case FG_FIELD_BCD:
		return digits_write(field, value, out);
	case FG_FIELD_STRING:
	case FG_FIELD_BYTES:
		return text_write(field, value, out);
	case FG_FIELD_BOOL:
		return flag_write(field, value, out);
	default:
		return integer_write(field, value, out);
	}
}

/* A field as a profile says it, checked and made ready. */
#include "decode/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFFSET_MAX = 16 << 20, BCD_MAX = 8, TEXT_MAX = 65535, ADDRESSES = 65536 };

const struct fg_choice fg_field_types[] = {
	{ "u8", FG_FIELD_U8 },		 { "i8", FG_FIELD_I8 },
	{ "u16", FG_FIELD_U16 },	 { "i16", FG_FIELD_I16 },
	{ "u24", FG_FIELD_U24 },	 { "i24", FG_FIELD_I24 },
	{ "u32", FG_FIELD_U32 },	 { "i32", FG_FIELD_I32 },
	{ "u64", FG_FIELD_U64 },	 { "i64", FG_FIELD_I64 },
	{ "float16", FG_FIELD_FLOAT16 }, { "float32", FG_FIELD_FLOAT32 },
	{ "float64", FG_FIELD_FLOAT64 }, { "bcd", FG_FIELD_BCD },
	{ "string", FG_FIELD_STRING },	 { "bytes", FG_FIELD_BYTES },
	{ "bool", FG_FIELD_BOOL },	 { 0 },
};

const struct fg_choice fg_field_orders[] = {
	{ "big", FG_ORDER_ABCD },  { "little", FG_ORDER_DCBA }, { "abcd", FG_ORDER_ABCD },
	{ "dcba", FG_ORDER_DCBA }, { "badc", FG_ORDER_BADC },	{ "cdab", FG_ORDER_CDAB },
	{ 0 },
};

static unsigned type_size(int type)
{
	static const uint8_t sizes[FG_FIELD__MAX] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 8, 8, 2, 4, 8 };

	return type == FG_FIELD_BOOL ? 1 : sizes[type];
}

struct compile {
	const struct fg_field_conf *conf;
	struct fg_field *field;
	bool registers;
	const char *member;
	char *why;
	size_t cap;
};

static int wrong(struct compile *c, const char *member, const char *why)
{
	c->member = member;
	snprintf(c->why, c->cap, "%s", why);
	return -EINVAL;
}

static bool read_integer(const char *text, long min, long max, long *ret_number)
{
	char *end;
	long n;

	if (*text != '-' && (*text < '0' || *text > '9'))
		return false;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || end == text || n < min || n > max)
		return false;
	*ret_number = n;
	return true;
}

static int compile_register(struct compile *c)
{
	static const char *const names[FG_REGISTER__MAX] = {
		[FG_REGISTER_COIL] = "coil:",
		[FG_REGISTER_DISCRETE] = "discrete:",
		[FG_REGISTER_HOLDING] = "holding:",
		[FG_REGISTER_INPUT] = "input:",
	};
	long at;

	for (unsigned i = 1; i < FG_REGISTER__MAX; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(c->conf->at, names[i], len) != 0)
			continue;
		if (!read_integer(c->conf->at + len, 0, ADDRESSES - 1, &at))
			return wrong(c, "at", "the address is not a number from 0 to 65535");
		c->field->table = (uint8_t)i;
		c->field->at = (int32_t)at;
		return 0;
	}
	return wrong(c, "at", "expected coil:N, discrete:N, holding:N or input:N");
}

static int compile_at(struct compile *c)
{
	long at;

	if (c->registers)
		return compile_register(c);
	if (!read_integer(c->conf->at, -OFFSET_MAX, OFFSET_MAX, &at))
		return wrong(c, "at", "expected an offset in bytes, from the end if negative");
	c->field->at = (int32_t)at;
	return 0;
}

static bool has_length(int type)
{
	return type == FG_FIELD_BCD || type == FG_FIELD_STRING || type == FG_FIELD_BYTES;
}

static int compile_length(struct compile *c)
{
	const struct fg_field_conf *conf = c->conf;
	int type = c->field->type;

	if (!has_length(type)) {
		if (conf->length)
			return wrong(c, "length", "has no use with this type");
		c->field->size = (uint16_t)type_size(type);
		return 0;
	}
	if (!conf->length && (c->registers || type == FG_FIELD_BCD))
		return wrong(c, "length", "is missing");
	if (conf->length > (type == FG_FIELD_BCD ? BCD_MAX : TEXT_MAX))
		return wrong(c, "length", "is too long");
	if (c->registers && conf->length > 2 * FG_REGISTERS_MAX)
		return wrong(c, "length", "is more than the 250 bytes that one read gives");
	c->field->size = (uint16_t)conf->length;
	return 0;
}

/* A boolean that names a bit is that bit of a byte or register. */
static int compile_bits(struct compile *c)
{
	struct fg_field *field = c->field;
	long bit = 0;

	if (!c->conf->bit && !c->conf->bits)
		return 0;
	if (c->conf->bit && !read_integer(c->conf->bit, 0, 63, &bit))
		return wrong(c, "bit", "expected the number of a bit, 0 being the lowest");
	if (field->type == FG_FIELD_BOOL && c->conf->bits)
		return wrong(c, "bits", "has no use with this type");
	if (field->type == FG_FIELD_BOOL)
		field->type = c->registers ? FG_FIELD_U16 : FG_FIELD_U8;
	if (field->type > FG_FIELD_I64)
		return wrong(c, c->conf->bit ? "bit" : "bits", "is for integers");
	field->size = (uint16_t)type_size(field->type);
	field->flag = !c->conf->bits;
	field->bit = (uint8_t)bit;
	field->bits = field->flag ? 1 : (uint8_t)c->conf->bits;
	if (field->bit + c->conf->bits > field->size * 8 || field->bit >= field->size * 8)
		return wrong(c, c->conf->bit ? "bit" : "bits", "the type has not so many bits");
	return 0;
}

static int compile_order(struct compile *c)
{
	const struct fg_field *field = c->field;
	bool text = field->type == FG_FIELD_STRING || field->type == FG_FIELD_BYTES;

	if (text && field->order != FG_ORDER_ABCD && field->order != FG_ORDER_BADC)
		return wrong(c, "order", "of text and bytes is big, or badc");
	if (field->order >= FG_ORDER_BADC && field->size % 2 && field->size != 1)
		return wrong(c, "order", "of words needs an even number of bytes");
	return 0;
}

/* A bit of its own: nothing more is to be said. */
static int compile_coil(struct compile *c)
{
	if (c->conf->type != FG_FIELD_NONE && c->conf->type != FG_FIELD_BOOL)
		return wrong(c, "type", "a coil or discrete input is a bool");
	if (c->conf->bit || c->conf->bits)
		return wrong(c, c->conf->bit ? "bit" : "bits", "a coil or discrete input has none");
	if (c->conf->length)
		return wrong(c, "length", "has no use with this type");
	c->field->type = FG_FIELD_BOOL;
	c->field->size = 1;
	return 0;
}

static int compile_rest(struct compile *c)
{
	struct fg_field *field = c->field;
	int r;

	if (c->registers && fg_register_is_bit(field->table))
		return compile_coil(c);
	if (c->conf->type == FG_FIELD_NONE)
		return wrong(c, "type", "is missing");
	r = compile_length(c);
	if (r == 0)
		r = compile_bits(c);
	/* registers are whole: what is shorter stands in their lower bytes */
	if (c->registers)
		field->size = (uint16_t)(field->size + field->size % 2);
	if (r == 0)
		r = compile_order(c);
	if (r == 0 && c->registers && field->at + field->size / 2 > ADDRESSES)
		r = wrong(c, "at", "the field ends beyond the last register");
	return r;
}

int fg_field_compile(const struct fg_field_conf *conf, bool registers, struct fg_field *ret_field,
		     const char **ret_member, char *why, size_t cap)
{
	struct fg_field field = {
		.type = (uint8_t)conf->type,
		.order = (uint8_t)conf->order,
		.optional = conf->optional,
	};
	struct compile c = { conf, &field, registers, "", why, cap };
	int r = conf->at ? compile_at(&c) : wrong(&c, "", "is missing");

	if (r == 0)
		r = compile_rest(&c);
	if (r < 0)
		*ret_member = c.member;
	else
		*ret_field = field;
	return r;
}

struct fg_register_span fg_field_span(const struct fg_field *field)
{
	bool bit = fg_register_is_bit(field->table);

	return (struct fg_register_span){
		.table = field->table,
		.at = (uint16_t)field->at,
		.count = bit ? 1 : (uint16_t)(field->size / 2),
	};
}

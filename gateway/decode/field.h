/*
 * Typed fields in bytes: the words that a profile uses for them, for the formats "binary" (fields
 * by their offset in a payload) and "registers" (fields by register of a polled device).
 */
#pragma once

#include <fg/option.h>
#include <fg/registers.h>

#include "decode/writer.h"

enum fg_field_type {
	FG_FIELD_NONE,
	FG_FIELD_U8,
	FG_FIELD_I8,
	FG_FIELD_U16,
	FG_FIELD_I16,
	FG_FIELD_U24,
	FG_FIELD_I24,
	FG_FIELD_U32,
	FG_FIELD_I32,
	FG_FIELD_U64,
	FG_FIELD_I64,
	FG_FIELD_FLOAT16,
	FG_FIELD_FLOAT32,
	FG_FIELD_FLOAT64,
	FG_FIELD_BCD,
	FG_FIELD_STRING,
	FG_FIELD_BYTES,
	FG_FIELD_BOOL,
	FG_FIELD__MAX
};

/* A, B, C, D: the bytes of a number, the most significant first. */
enum fg_field_order {
	FG_ORDER_ABCD,		/* big */
	FG_ORDER_DCBA,		/* little */
	FG_ORDER_BADC,		/* big words of little bytes */
	FG_ORDER_CDAB,		/* little words of big bytes */
};

/* As it is written in a profile. */
struct fg_field_conf {
	const char *at;		/* "4", "-2"; "holding:100"; NULL: there is no field */
	int type, order;
	const char *bit;	/* NULL: none */
	int64_t bits, length;	/* 0: not given */
	bool optional;
};

extern const struct fg_choice fg_field_types[], fg_field_orders[];

struct fg_field {
	uint8_t type, order;
	uint8_t table;		/* registers: enum fg_register_table */
	bool optional, flag;	/* flag: one bit, a boolean */
	uint8_t bit, bits;	/* bits 0: all of it */
	uint16_t size;		/* bytes it takes where it stands; 0: up to the end */
	int32_t at;		/* bytes, from the end if negative; the first register or bit */
};

struct fg_named_field {
	struct fg_str name;
	struct fg_field field;
};

/* What the decoders "binary" and "registers" are told (struct fg_decode_context.conf); registers:
 * sorted by table and address. */
struct fg_fields {
	const struct fg_named_field *items;
	size_t count;
	struct fg_registers registers;
};

/* Makes a field of what is written. 0, or -EINVAL with the member that is wrong (a constant, "" for
 * the field as such) and why. */
int fg_field_compile(const struct fg_field_conf *conf, bool registers, struct fg_field *ret_field,
		     const char **ret_member, char *why, size_t cap);

/* Where a field of registers stands. */
struct fg_register_span fg_field_span(const struct fg_field *field);

/* Adds what the bytes say. What is no number, no digits or no text becomes a value that counts as
 * not finite. `len` is the field's size, or what there is up to the end. */
void fg_field_add(struct fg_writer *w, struct fg_str name, const struct fg_field *field,
		  const uint8_t *p, size_t len);

/* The bytes of a value, field->size of them. 0, -EINVAL, -ERANGE, -EROFS: a part of a register. */
int fg_field_write(const struct fg_field *field, const struct fg_value *value, uint8_t *out);

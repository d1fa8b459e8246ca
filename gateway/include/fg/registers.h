/*
 * Registers of a polled device (Modbus). Which of them a device has and what they mean stands in
 * its profile ("format": "registers"); a driver asks here which it has to read, and hands in what
 * it has read as blocks, which the profile's decoder takes apart:
 *
 *	table u8, address u16, count u16 (high byte first), then the bytes as on the wire:
 *	two for each register, or bits packed from the lowest bit of the first byte on
 */
#pragma once

#include <stdint.h>

#include <fg/str.h>
#include <fg/value.h>

struct fg_source;

/* By the function code that reads it. */
enum fg_register_table {
	FG_REGISTER_NONE,
	FG_REGISTER_COIL,
	FG_REGISTER_DISCRETE,
	FG_REGISTER_HOLDING,
	FG_REGISTER_INPUT,
	FG_REGISTER__MAX
};

enum {
	FG_REGISTERS_MAX = 125,		/* of one read */
	FG_REGISTER_BITS_MAX = 2000,
	FG_REGISTERS_WRITE_MAX = 123,
	FG_REGISTER_BLOCK_HEAD = 5,	/* bytes of a block before its data */
};

/* Registers or bits that belong together: one field. */
struct fg_register_span {
	uint8_t table;		/* enum fg_register_table */
	uint16_t at, count;	/* at + count <= 65536 */
};

struct fg_registers {
	/* by table and address; none of them within another */
	const struct fg_register_span *spans;
	size_t count;
	uint16_t max_read;	/* registers of one read, 16 bits count as one */
	uint16_t max_gap;	/* registers that may be read though no field is there */
};

/* The bytes of one block's data. */
static inline size_t fg_register_bytes(unsigned table, unsigned count)
{
	return table <= FG_REGISTER_DISCRETE ? (count + 7u) / 8u : count * 2u;
}

static inline bool fg_register_is_bit(unsigned table)
{
	return table <= FG_REGISTER_DISCRETE;
}

/* What a profile has to have read; the spans live until the source is closed or opened anew.
 * -ENOENT: no such profile; -EINVAL: its format is not "registers". */
int fg_source_registers(struct fg_source *, const char *profile,
			struct fg_registers *ret_registers);

struct fg_register_write {
	struct fg_register_span span;
	uint8_t bytes[2 * FG_REGISTERS_WRITE_MAX];	/* as in a block; a coil: 0 or 1 */
};

/* A value of a point as it is written. `value` is as the device has it: the point's scale undone.
 *   -ENOENT   no such profile or point
 *   -EROFS    the table cannot be written, or the point is a part of a register
 *   -EINVAL   the value is none that the field holds
 *   -ERANGE   it is too large, too small or too long */
int fg_source_encode(struct fg_source *, const char *profile, struct fg_str point,
		     const struct fg_value *value, struct fg_register_write *ret_write);

/*
 * Which reads fetch the registers of a device: as few as may be, and apart again where the device
 * refuses what lies between. Pure but for its memory.
 */
#pragma once

#include <fg/registers.h>

#include <stdbool.h>

struct modbus_read {
	struct fg_register_span span;
	uint32_t first, count;	/* the fields' spans it fetches */
	bool skipped;		/* the device has not got it */
};

struct modbus_plan {
	struct fg_register_span *spans;
	struct modbus_read *reads;
	size_t nspans, count;
	uint16_t max_read, max_gap;
};

/* 0 or -ENOMEM. */
int modbus_plan_init(struct modbus_plan *plan, const struct fg_registers *registers);
void modbus_plan_fini(struct modbus_plan *plan);
/* As few reads as may be; nothing is skipped any more. */
void modbus_plan_merge(struct modbus_plan *plan);
/* The device refuses that read: two halves take its place, or it is one field's and is skipped from
 * now on. True: there are halves. */
bool modbus_plan_split(struct modbus_plan *plan, size_t at);
/* All blocks of one round at most, merged or apart. */
size_t modbus_plan_bytes(const struct modbus_plan *plan);

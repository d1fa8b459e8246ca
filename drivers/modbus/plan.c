#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 16 };	/* that count as one register */

static unsigned most(const struct modbus_plan *plan, unsigned table)
{
	unsigned bits = (unsigned)plan->max_read * BITS;

	if (!fg_register_is_bit(table))
		return plan->max_read;
	return bits < FG_REGISTER_BITS_MAX ? bits : FG_REGISTER_BITS_MAX;
}

/* One read for as many of the spans as it may take: at most `limit` of them. */
static struct modbus_read read_from(const struct modbus_plan *plan, size_t first, size_t limit)
{
	const struct fg_register_span *span = &plan->spans[first];
	unsigned at = span->at, end = at + span->count, table = span->table;
	unsigned gap = fg_register_is_bit(table) ? plan->max_gap * BITS : plan->max_gap;
	size_t n = 1;

	for (; n < limit; n++) {
		unsigned from = span[n].at, to = from + span[n].count;

		to = to > end ? to : end;
		if (span[n].table != table || from > end + gap || to - at > most(plan, table))
			break;
		end = to;
	}
	return (struct modbus_read){
		.span = { (uint8_t)table, (uint16_t)at, (uint16_t)(end - at) },
		.first = (uint32_t)first,
		.count = (uint32_t)n,
	};
}

void modbus_plan_merge(struct modbus_plan *plan)
{
	plan->count = 0;
	for (size_t i = 0; i < plan->nspans; i += plan->reads[plan->count++].count)
		plan->reads[plan->count] = read_from(plan, i, plan->nspans - i);
}

int modbus_plan_init(struct modbus_plan *plan, const struct fg_registers *registers)
{
	size_t n = registers->count;

	*plan = (struct modbus_plan){
		.spans = calloc(n + 1, sizeof(*plan->spans)),
		.reads = calloc(n + 1, sizeof(*plan->reads)),
		.nspans = n,
		.max_read = registers->max_read,
		.max_gap = registers->max_gap,
	};
	if (!plan->spans || !plan->reads) {
		modbus_plan_fini(plan);
		return -ENOMEM;
	}
	if (n)
		memcpy(plan->spans, registers->spans, n * sizeof(*plan->spans));
	modbus_plan_merge(plan);
	return 0;
}

void modbus_plan_fini(struct modbus_plan *plan)
{
	free(plan->spans);
	free(plan->reads);
	*plan = (struct modbus_plan){ 0 };
}

bool modbus_plan_split(struct modbus_plan *plan, size_t at)
{
	struct modbus_read whole = plan->reads[at];
	uint32_t half = whole.count / 2;

	if (half == 0) {
		plan->reads[at].skipped = true;
		return false;
	}
	/* each read has a span of its own, so there is room for one more */
	memmove(&plan->reads[at + 1], &plan->reads[at], (plan->count - at) * sizeof(*plan->reads));
	plan->count++;
	plan->reads[at] = read_from(plan, whole.first, half);
	plan->reads[at + 1] = read_from(plan, whole.first + half, whole.count - half);
	return true;
}

size_t modbus_plan_bytes(const struct modbus_plan *plan)
{
	size_t bytes = 0;

	for (size_t i = 0; i < plan->count; i++)
		bytes += fg_register_bytes(plan->reads[i].span.table, plan->reads[i].span.count);
	/* apart, what fields share is read twice */
	for (size_t i = 0; i < plan->nspans; i++)
		bytes += FG_REGISTER_BLOCK_HEAD +
			 fg_register_bytes(plan->spans[i].table, plan->spans[i].count);
	return bytes;
}

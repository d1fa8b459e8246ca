/* Any bytes as a payload of typed fields, and as blocks of registers: the first bytes make the
 * fields. */
#include "decode/field.h"
#include "doc_check.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FIELDS = 4, BYTES = 6 };

static size_t fields_make(struct fg_named_field *named, bool registers, const uint8_t *p)
{
	static const char *const tables[] = { "coil:", "discrete:", "holding:", "input:" };
	static const char *const names[FIELDS] = { "a", "b", "c", "d" };
	size_t count = 0;

	for (size_t i = 0; i < FIELDS; i++, p += BYTES) {
		char at[32], bit[8], why[128];
		const char *member;
		struct fg_field_conf conf = {
			.at = at,
			.type = p[0] % FG_FIELD__MAX,
			.order = p[1] % 4,
			.bit = p[2] & 1 ? bit : NULL,
			.bits = p[2] & 2 ? p[3] % 64 : 0,
			.length = p[2] & 4 ? p[4] : 0,
			.optional = p[2] & 8,
		};

		snprintf(bit, sizeof(bit), "%u", p[3] % 70u);
		if (registers)
			snprintf(at, sizeof(at), "%s%u", tables[p[1] >> 6], p[5]);
		else
			snprintf(at, sizeof(at), "%d", p[5] - 20);
		named[count].name = fg_str_c(names[i]);
		count += fg_field_compile(&conf, registers, &named[count].field, &member, why,
					  sizeof(why)) == 0;
	}
	return count;
}

/* Whatever a field says can be written back, or is refused. */
static void write_check(const struct fg_field *field, const uint8_t *p)
{
	struct fg_value value = { .kind = FG_INT };
	uint8_t out[65536];

	memcpy(&value.i, p, sizeof(value.i));
	(void)fg_field_write(field, &value, out);
	value.kind = FG_STRING;
	value.s = fg_str((const char *)p, 8);
	(void)fg_field_write(field, &value, out);
	memcpy(&value.d, p, sizeof(value.d));
	value.kind = FG_DOUBLE;
	if (isfinite(value.d))
		(void)fg_field_write(field, &value, out);
}

static int field_order(const void *a, const void *b)
{
	const struct fg_field *x = &((const struct fg_named_field *)a)->field;
	const struct fg_field *y = &((const struct fg_named_field *)b)->field;

	return x->table != y->table ? x->table - y->table : x->at - y->at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_named_field named[FIELDS];
	struct fg_fields fields = { .items = named };
	struct fg_decode_context ctx = { .content_format = -1, .conf = &fields };
	size_t head = FIELDS * BYTES;
	struct fg_str payload;

	if (len < head + 8)
		return 0;
	payload = fg_str((const char *)data + head, len - head);
	for (int registers = 0; registers < 2; registers++) {
		fields.count = fields_make(named, registers, data);
		for (size_t i = 0; i < fields.count; i++)
			write_check(&named[i].field, data + head);
		qsort(named, registers ? fields.count : 0, sizeof(*named), field_order);
		doc_check(registers ? &fg_decoder_registers : &fg_decoder_binary, &ctx, payload);
	}
	return 0;
}

/*
 * What was read of a polled device's registers (fg/registers.h), taken apart by the fields of its
 * profile. A field whose registers were not read is left out.
 */
#include "decode/decode.h"
#include "decode/field.h"

struct block {
	struct fg_register_span span;
	const uint8_t *data;
};

/* The first field of that table at or behind that address. */
static size_t lower_bound(const struct fg_fields *fields, const struct fg_register_span *span)
{
	size_t low = 0, high = fields->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct fg_field *field = &fields->items[mid].field;

		if (field->table < span->table ||
		    (field->table == span->table && field->at < span->at))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void block_take(struct fg_writer *w, const struct fg_fields *fields,
		       const struct block *block)
{
	int32_t end = block->span.at + block->span.count;

	for (size_t i = lower_bound(fields, &block->span); i < fields->count && !w->failed; i++) {
		const struct fg_named_field *named = &fields->items[i];
		struct fg_register_span span = fg_field_span(&named->field);
		unsigned from = (unsigned)(span.at - block->span.at);
		uint8_t bit;

		if (span.table != block->span.table || span.at >= end)
			return;
		if (span.at + span.count > end)
			continue;
		if (!fg_register_is_bit(span.table)) {
			fg_field_add(w, named->name, &named->field, block->data + 2 * from,
				     named->field.size);
			continue;
		}
		bit = block->data[from / 8] >> (from % 8) & 1;
		fg_field_add(w, named->name, &named->field, &bit, 1);
	}
}

/* Takes the next block off the payload. Returns NULL, or what is wrong with it. */
static const char *block_read(struct fg_str *rest, struct block *ret_block)
{
	const uint8_t *p = (const uint8_t *)rest->ptr;
	struct fg_register_span span;
	size_t len;

	if (rest->len < FG_REGISTER_BLOCK_HEAD)
		return "a block is cut off";
	span.table = p[0];
	span.at = (uint16_t)(p[1] << 8 | p[2]);
	span.count = (uint16_t)(p[3] << 8 | p[4]);
	if (span.table == FG_REGISTER_NONE || span.table >= FG_REGISTER__MAX)
		return "no such table";
	if (span.count == 0 || span.at + span.count > 65536 ||
	    span.count > (fg_register_is_bit(span.table) ? FG_REGISTER_BITS_MAX : FG_REGISTERS_MAX))
		return "a count that cannot be read";
	len = FG_REGISTER_BLOCK_HEAD + fg_register_bytes(span.table, span.count);
	if (rest->len < len)
		return "a block is cut off";
	*ret_block = (struct block){ span, p + FG_REGISTER_BLOCK_HEAD };
	*rest = fg_str(rest->ptr + len, rest->len - len);
	return NULL;
}

static int registers_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			    struct fg_doc *doc)
{
	const struct fg_fields *fields = ctx->conf;
	struct fg_str rest = payload;
	struct fg_writer w;
	struct block block;

	if (!fields)
		return fg_doc_bad(doc, "no fields are named", 0);
	fg_writer_begin(&w, doc);
	while (rest.len > 0 && !w.failed) {
		size_t at = payload.len - rest.len;
		const char *reason = block_read(&rest, &block);

		if (reason)
			return fg_doc_bad(doc, reason, at);
		block_take(&w, fields, &block);
	}
	return fg_writer_end(&w);
}

const struct fg_decoder fg_decoder_registers = {
	.name = "registers",
	.summary = "Registers of a polled device (Modbus), named by the profile.",
	.decode = registers_decode,
};

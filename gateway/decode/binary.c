/* Payloads of fields at fixed places, which their profile names. */
#include "decode/decode.h"
#include "decode/field.h"

static int binary_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			 struct fg_doc *doc)
{
	const struct fg_fields *fields = ctx->conf;
	struct fg_writer w;

	if (!fields)
		return fg_doc_bad(doc, "no fields are named", 0);
	fg_writer_begin(&w, doc);
	for (size_t i = 0; i < fields->count; i++) {
		const struct fg_field *field = &fields->items[i].field;
		int64_t at = field->at < 0 ? (int64_t)payload.len + field->at : field->at;
		size_t len = field->size;

		if (at < 0 || (uint64_t)at + len > payload.len) {
			if (field->optional)
				continue;
			return fg_doc_bad(doc, "too short for its fields", payload.len);
		}
		if (len == 0)
			len = payload.len - (size_t)at;
		fg_field_add(&w, fields->items[i].name, field, (const uint8_t *)payload.ptr + at,
			     len);
	}
	return fg_writer_end(&w);
}

const struct fg_decoder fg_decoder_binary = {
	.name = "binary",
	.summary = "Fields at fixed places, named by the profile.",
	.framer = "idle",
	.decode = binary_decode,
};

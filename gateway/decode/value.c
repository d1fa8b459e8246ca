/* A plain value as a profile's format; the reader is value_read.c. */
#include "decode/decode.h"

static int value_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			struct fg_doc *doc)
{
	(void)ctx;
	return fg_value_parse(payload, doc);
}

const struct fg_decoder fg_decoder_value = {
	.name = "value",
	.summary = "One number, true, false, or any other text of up to 256 bytes.",
	.decode = value_decode,
};

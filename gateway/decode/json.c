/* JSON as a profile's format; the reader is json_read.c. */
#include "decode/decode.h"

static int json_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		       struct fg_doc *doc)
{
	(void)ctx;
	return fg_json_parse(payload, doc);
}

const struct fg_decoder fg_decoder_json = {
	.name = "json",
	.summary = "One JSON document (RFC 8259), strictly; every scalar leaf is a value.",
	.decode = json_decode,
};

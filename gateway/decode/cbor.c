/* CBOR as a profile's format; the reader is cbor_read.c. */
#include "decode/decode.h"

static int cbor_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		       struct fg_doc *doc)
{
	(void)ctx;
	return fg_cbor_parse(payload, FG_CBOR_ITEM, doc);
}

const struct fg_decoder fg_decoder_cbor = {
	.name = "cbor",
	.summary = "One CBOR data item (RFC 8949); every scalar leaf is a value.",
	.decode = cbor_decode,
};

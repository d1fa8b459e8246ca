/* Any bytes as a plain value, key=value pairs, comma-separated values and input of no profile. */
#include "decode/csv.h"
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_decoder automatic = { .decode = fg_decode_auto };
	static const struct fg_csv_conf header = { .header = true };
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_str payload = fg_str((const char *)data, len);

	doc_check(&fg_decoder_value, &ctx, payload);
	doc_check(&fg_decoder_kv, &ctx, payload);
	doc_check(&fg_decoder_csv, &ctx, payload);
	doc_check(&automatic, &ctx, payload);
	ctx.conf = &header;
	doc_check(&fg_decoder_csv, &ctx, payload);
	return 0;
}

/* Any bytes as a plain value. */
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_decode_context ctx = { .content_format = -1 };

	doc_check(&fg_decoder_value, &ctx, fg_str((const char *)data, len));
	return 0;
}

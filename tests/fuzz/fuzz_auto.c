/* Any bytes as input of no profile. */
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_decoder automatic = { .decode = fg_decode_auto };
	struct fg_decode_context ctx = { .content_format = -1 };

	doc_check(&automatic, &ctx, fg_str((const char *)data, len));
	return 0;
}

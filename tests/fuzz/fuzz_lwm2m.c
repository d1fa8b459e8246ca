/* Any bytes as LwM2M's TLV, on the paths that mean different things. */
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const paths[] = { "3", "3/0", "3/0/9", "3303/0", "ep/5/0/3", "x" };
	struct fg_decode_context ctx = { .content_format = 11542 };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ctx.address = fg_str_c(paths[i]);
		doc_check(&fg_decoder_lwm2m, &ctx, fg_str((const char *)data, len));
	}
	ctx.content_format = -1;
	doc_check(&fg_decoder_lwm2m, &ctx, fg_str((const char *)data, len));
	return 0;
}

/* Any bytes as SenML, by first byte and as either format. */
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int formats[] = { -1, 110, 112, 113 };

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		struct fg_decode_context ctx = { .content_format = formats[i] };

		doc_check(&fg_decoder_senml, &ctx, fg_str((const char *)data, len));
	}
	return 0;
}

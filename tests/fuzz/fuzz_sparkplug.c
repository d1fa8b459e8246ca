/* Any bytes as Sparkplug B, where it is built: a node's, a device's, a host's state. */
#include "config/registry.h"
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const topics[] = { "spBv1.0/g/NBIRTH/n", "spBv1.0/g/DDATA/n/d",
					      "spBv1.0/STATE/host" };
	struct fg_decode_context ctx = { .content_format = -1 };
	const struct fg_decoder *sparkplug;

	if (fg_registry_decoder("sparkplug", &sparkplug) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		ctx.address = fg_str_c(topics[i]);
		doc_check(sparkplug, &ctx, fg_str((const char *)data, len));
	}
	return 0;
}

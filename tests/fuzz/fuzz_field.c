/* Any bytes as Homie, Cayenne LPP, Ruuvi, LwM2M and, where it is built, Sparkplug B. */
#include "config/registry.h"
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const paths[] = { "3", "3/0", "3/0/9", "3303/0", "spBv1.0/g/DDATA/n/d" };
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_str payload = fg_str((const char *)data, len);
	const struct fg_decoder *sparkplug;

	doc_check(&fg_decoder_homie, &ctx, payload);
	doc_check(&fg_decoder_cayennelpp, &ctx, payload);
	doc_check(&fg_decoder_ruuvi, &ctx, payload);
	ctx.content_format = 11542;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ctx.address = fg_str_c(paths[i]);
		doc_check(&fg_decoder_lwm2m, &ctx, payload);
	}
	if (fg_registry_decoder("sparkplug", &sparkplug) == 0)
		doc_check(sparkplug, &ctx, payload);
	return 0;
}

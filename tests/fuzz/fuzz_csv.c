/* Any bytes as comma-separated values: without names, with a header, with names and a delimiter. */
#include "decode/csv.h"
#include "doc_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_str names[] = { FG_STR("a"), FG_STR(""), FG_STR("c") };
	static const struct fg_csv_conf header = { .header = true };
	const struct fg_csv_conf columns = { .columns = names, .ncolumns = 3, .delimiter = ';' };
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_str payload = fg_str((const char *)data, len);

	doc_check(&fg_decoder_csv, &ctx, payload);
	ctx.conf = &header;
	doc_check(&fg_decoder_csv, &ctx, payload);
	ctx.conf = &columns;
	doc_check(&fg_decoder_csv, &ctx, payload);
	return 0;
}

/* Input that no profile claims. What looks like JSON has to be JSON: a cut-off object must not
 * pass as a text. */
#include "decode/decode.h"

int fg_decode_auto(const struct fg_decode_context *ctx, struct fg_str payload, struct fg_doc *doc)
{
	size_t i = 0;

	(void)ctx;
	while (i < payload.len && fg_is_space(payload.ptr[i]))
		i++;
	if (i < payload.len && strchr("{[\"", payload.ptr[i]) && payload.ptr[i])
		return fg_json_parse(payload, doc);
	return fg_value_parse(payload, doc);
}

/*
 * Homie (versions 3 to 5): the payload of a property or attribute. A number has no blanks around
 * it, an empty text is one zero byte, and nothing at all means that the topic was cleared.
 */
#include "base/utf8.h"
#include "decode/decode.h"
#include "decode/writer.h"

static struct fg_value value_of(struct fg_str text)
{
	struct fg_value v = fg_value_text(text);

	if (fg_str_eq_c(text, "true") || fg_str_eq_c(text, "false"))
		return fg_value_bool(text.len == 4);
	(void)fg_value_parse_number(text, &v);
	return v;
}

static int homie_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			struct fg_doc *doc)
{
	(void)ctx;
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	if (payload.len == 1 && payload.ptr[0] == '\0')
		return fg_doc_scalar(doc, fg_value_text(FG_STR("")));
	if (payload.ptr[0] == '{' || payload.ptr[0] == '[')
		return fg_json_parse(payload, doc);
	if (fg_utf8_has_control(payload))
		return fg_doc_bad(doc, "control character", 0);
	if (!fg_utf8_valid(payload))
		return fg_doc_bad(doc, "invalid UTF-8", 0);
	if (fg_utf8_has_noncharacter(payload))
		return fg_doc_bad(doc, "not a character", 0);
	/* The convention names both words as floats that are not valid. */
	if (fg_str_eq_c(payload, "NaN") || fg_str_eq_c(payload, "Infinity") ||
	    fg_str_eq_c(payload, "-Infinity"))
		return fg_doc_bad(doc, "not a finite number", 0);
	return fg_doc_scalar(doc, value_of(payload));
}

const struct fg_decoder fg_decoder_homie = {
	.name = "homie",
	.summary = "The payload of a Homie property or attribute.",
	.decode = homie_decode,
};

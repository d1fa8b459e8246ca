/* Plain values: what a sensor that knows no format sends. A number may stand in white space (a
 * shell's newline); text is kept to the byte. */
#include "base/utf8.h"
#include "decode/decode.h"

#include <errno.h>

enum { TEXT_MAX = 256 };

static struct fg_str trim(struct fg_str s)
{
	while (s.len && fg_is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len && fg_is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct fg_value fg_value_of_text(struct fg_str text)
{
	struct fg_value v = { .kind = FG_STRING, .s = text };
	struct fg_str word = trim(text);

	if (word.len == 0)
		return v;
	if (fg_str_eq(word, FG_STR("true")) || fg_str_eq(word, FG_STR("false")))
		return (struct fg_value){ .kind = FG_BOOL, .b = word.ptr[0] == 't' };
	(void)fg_value_parse_number(word, &v);
	return v;
}

int fg_value_parse(struct fg_str payload, struct fg_doc *doc)
{
	struct fg_value v = fg_value_of_text(payload);

	if (v.kind == FG_STRING) {
		if (payload.len > TEXT_MAX)
			return fg_doc_bad(doc, "text too long", TEXT_MAX);
		if (fg_utf8_has_control(payload))
			return fg_doc_bad(doc, "control character", 0);
		if (!fg_utf8_valid(payload))
			return fg_doc_bad(doc, "invalid UTF-8", 0);
		if (fg_utf8_has_noncharacter(payload))
			return fg_doc_bad(doc, "not a character", 0);
	}
	if (v.kind != FG_STRING)
		doc->plain = trim(payload);
	return fg_doc_scalar(doc, v);
}

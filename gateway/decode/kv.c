/*
 * key=value pairs, as small firmwares print them: separated by white space, ',' or ';'. ':' may
 * stand for '='; blanks behind it are skipped, because people write "temp: 21.5". A value in double
 * quotes is text and may hold anything, with backslash escapes.
 */
#include "decode/decode.h"

#include "base/utf8.h"

struct kv {
	struct fg_doc *doc;
	const char *p, *end, *start;
};

static bool is_separator(char c)
{
	return fg_is_space(c) || c == ',' || c == ';';
}

static int kv_bad(struct kv *kv, const char *reason)
{
	return fg_doc_bad(kv->doc, reason, (size_t)(kv->p - kv->start));
}

static int key_read(struct kv *kv, struct fg_str *ret)
{
	const char *start = kv->p;

	while (kv->p < kv->end && *kv->p != '=' && *kv->p != ':' && !is_separator(*kv->p))
		kv->p++;
	if (kv->p == start)
		return kv_bad(kv, "empty key");
	if (kv->p == kv->end || is_separator(*kv->p))
		return kv_bad(kv, "key without a value");
	*ret = fg_str(start, (size_t)(kv->p - start));
	if (*kv->p++ == ':') {
		while (kv->p < kv->end && (*kv->p == ' ' || *kv->p == '\t'))
			kv->p++;
	}
	return 0;
}

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

static int quoted_read(struct kv *kv, struct fg_value *ret)
{
	if (!fg_doc_text_reserve(kv->doc, (size_t)(kv->end - kv->p)))
		return kv_bad(kv, NULL);
	char *text = kv->doc->text + kv->doc->text_len, *out = text;

	for (kv->p++; kv->p < kv->end && *kv->p != '"'; kv->p++) {
		bool escape = *kv->p == '\\' && kv->end - kv->p > 1;

		kv->p += escape;
		*out++ = escape ? unescape(*kv->p) : *kv->p;
	}
	if (kv->p == kv->end)
		return kv_bad(kv, "unterminated string");
	kv->p++;
	if (kv->p < kv->end && !is_separator(*kv->p))
		return kv_bad(kv, "text behind a quoted value");
	kv->doc->text_len += (size_t)(out - text);
	*ret = (struct fg_value){ .kind = FG_STRING, .s = fg_str(text, (size_t)(out - text)) };
	return 0;
}

static int value_read(struct kv *kv, struct fg_value *ret)
{
	const char *start = kv->p;

	if (kv->p < kv->end && *kv->p == '"')
		return quoted_read(kv, ret);
	while (kv->p < kv->end && !is_separator(*kv->p))
		kv->p++;
	*ret = fg_value_of_text(fg_str(start, (size_t)(kv->p - start)));
	return 0;
}

static int pair_read(struct kv *kv)
{
	struct fg_str key = { 0 };
	struct fg_value value = { 0 };
	int r = key_read(kv, &key);

	if (!r)
		r = value_read(kv, &value);
	if (!r)
		r = fg_doc_member(kv->doc, key, value, (struct fg_str){ 0 });
	if (!r)
		kv->doc->nodes[kv->doc->len - 1].mark = fg_key_mark(key);
	return r;
}

/* White space separates pairs; other control characters have no place in a line of text. */
static bool has_garbage(struct fg_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (fg_utf8_has_control(fg_str(s.ptr + i, 1)) && !fg_is_space(s.ptr[i]))
			return true;
	}
	return !fg_utf8_valid(s);
}

static int kv_decode(const struct fg_decode_context *ctx, struct fg_str payload, struct fg_doc *doc)
{
	(void)ctx;
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	struct kv kv = { doc, payload.ptr, payload.ptr + payload.len, payload.ptr };

	if (has_garbage(payload))
		return fg_doc_bad(doc, "not text", 0);
	for (;;) {
		while (kv.p < kv.end && is_separator(*kv.p))
			kv.p++;
		if (kv.p == kv.end)
			break;
		int r = pair_read(&kv);

		if (r)
			return r;
	}
	if (doc->len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	return fg_doc_close_object(doc, 0, doc->nodes[0].children);
}

const struct fg_decoder fg_decoder_kv = {
	.name = "kv",
	.summary = "key=value pairs separated by white space, commas or semicolons.",
	.decode = kv_decode,
};

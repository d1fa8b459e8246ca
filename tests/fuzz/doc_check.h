/* What must hold for every document that a decoder accepts, and for every one it rejects. */
#pragma once

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "decode/decode.h"

static inline void fuzz_require(int good)
{
	if (!good)
		abort();
}

static inline void doc_check_value(const struct fg_value *v)
{
	char text[FG_NUMBER_MAX];
	struct fg_value back;

	if (v->kind == FG_STRING)
		fuzz_require(fg_utf8_valid(v->s));
	if (v->kind == FG_DOUBLE)
		fuzz_require(isfinite(v->d));
	if (!fg_value_is_number(v))
		return;
	size_t n = fg_value_write_number(v, text);

	fuzz_require(n > 0 && n <= sizeof(text));
	fuzz_require(fg_value_parse_number(fg_str(text, n), &back) == 0);
	fuzz_require(fg_value_double(v) == fg_value_double(&back));
	if (v->kind == FG_INT || v->kind == FG_UINT)
		fuzz_require(back.kind == v->kind && back.u == v->u);
}

static inline void doc_check_tree(const struct fg_doc *doc)
{
	fuzz_require(doc->len > 0 && doc->nodes[0].next == doc->len);
	for (uint32_t i = 0; i < doc->len; i++) {
		const struct fg_node *node = &doc->nodes[i];
		uint32_t child = i + 1;

		fuzz_require(node->next > i && node->next <= doc->len);
		fuzz_require(fg_utf8_valid(node->key) && fg_utf8_valid(node->unit));
		if (node->type == FG_NODE_OBJECT || node->type == FG_NODE_ARRAY) {
			for (uint32_t n = 0; n < node->children; n++)
				child = doc->nodes[child].next;
		} else if (node->type == FG_NODE_SCALAR) {
			doc_check_value(&node->value);
			doc_check_value(&node->sum);
		}
		fuzz_require(child == node->next);
	}
}

/* Decodes twice with the same document: the second time nothing of the first may show. */
static inline void doc_check(const struct fg_decoder *decoder, const struct fg_decode_context *ctx,
			     struct fg_str payload)
{
	struct fg_doc doc;

	fg_doc_init(&doc, 8, 4096);
	doc.now_ns = INT64_C(1700000000) * 1000000000;
	for (int i = 0; i < 2; i++) {
		int r = decoder->decode(ctx, payload, &doc);

		fuzz_require(r == 0 || r == -EBADMSG);
		if (r == 0)
			doc_check_tree(&doc);
		else
			fuzz_require(doc.reason && doc.len == 0 && doc.at <= payload.len);
		fg_doc_reset(&doc, 4096);
	}
	fg_doc_fini(&doc);
}

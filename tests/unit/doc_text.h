/* A document as a line of text that a test can compare: {a=1,b=[true,'x'],c=<0aff>}. Dead members
 * are left out; unit, time, update time and sum follow a value as (unit) @ns ~ut +sum. */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "decode/decode.h"

static inline void doc_text_value(struct fg_buf *out, const struct fg_value *v)
{
	char number[FG_NUMBER_MAX];

	switch (v->kind) {
	case FG_NONE:
		fg_buf_text(out, "none");
		break;
	case FG_BOOL:
		fg_buf_text(out, v->b ? "true" : "false");
		break;
	case FG_STRING:
		fg_buf_printf(out, "'%.*s'", (int)v->s.len, v->s.ptr);
		break;
	case FG_DATA:
		fg_buf_text(out, "<");
		for (size_t i = 0; i < v->s.len; i++)
			fg_buf_printf(out, "%02x", (unsigned)(unsigned char)v->s.ptr[i]);
		fg_buf_text(out, ">");
		break;
	default:
		fg_buf_add(out, number, fg_value_write_number(v, number));
	}
}

static inline void doc_text_scalar(struct fg_buf *out, const struct fg_node *node)
{
	if (node->type == FG_NODE_NULL)
		fg_buf_text(out, "null");
	else if (node->type == FG_NODE_NONFINITE)
		fg_buf_text(out, "nonfinite");
	else
		doc_text_value(out, &node->value);
	if (node->unit.len)
		fg_buf_printf(out, "(%.*s)", (int)node->unit.len, node->unit.ptr);
	if (node->time_ns != FG_TIME_NONE)
		fg_buf_printf(out, "@%" PRId64, node->time_ns);
	if (node->update_s != 0)
		fg_buf_printf(out, "~%g", node->update_s);
	if (node->sum.kind != FG_NONE) {
		fg_buf_text(out, "+");
		doc_text_value(out, &node->sum);
	}
}

static inline void doc_text_node(struct fg_buf *out, const struct fg_doc *doc, uint32_t at)
{
	const struct fg_node *node = &doc->nodes[at];
	bool object = node->type == FG_NODE_OBJECT, first = true;
	uint32_t child = at + 1;

	if (!object && node->type != FG_NODE_ARRAY) {
		doc_text_scalar(out, node);
		return;
	}
	fg_buf_text(out, object ? "{" : "[");
	for (uint32_t i = 0; i < node->children; i++, child = doc->nodes[child].next) {
		const struct fg_node *c = &doc->nodes[child];

		if (c->dead)
			continue;
		fg_buf_text(out, first ? "" : ",");
		if (object)
			fg_buf_printf(out, "%.*s=", (int)c->key.len, c->key.ptr);
		doc_text_node(out, doc, child);
		first = false;
	}
	fg_buf_text(out, object ? "}" : "]");
	/* a subtree is a contiguous run */
	if (child != node->next)
		abort();
}

/* Decodes a copy of exactly the payload's size, so that a sanitizer sees a byte read too far.
 * Returns the text, or "!reason"; the caller frees it. */
static inline char *doc_text(const struct fg_decoder *decoder, const struct fg_decode_context *ctx,
			     struct fg_str payload)
{
	struct fg_decode_context plain = { .content_format = -1 };
	char *copy = malloc(payload.len ? payload.len : 1);
	struct fg_doc doc;
	struct fg_buf out;

	if (!copy)
		abort();
	if (payload.len)
		memcpy(copy, payload.ptr, payload.len);
	fg_doc_init(&doc, 32, 256 * 1024);
	doc.now_ns = INT64_C(1700000000) * 1000000000;
	fg_buf_init(&out, 1 << 20);
	if (decoder->decode(ctx ? ctx : &plain, fg_str(copy, payload.len), &doc) == 0)
		doc_text_node(&out, &doc, 0);
	else
		fg_buf_printf(&out, "!%s", doc.reason);
	fg_buf_char(&out, '\0');
	fg_doc_fini(&doc);
	free(copy);
	return out.data;
}

struct doc_case {
	struct fg_str payload;
	const char *text;
};

#define DOC_CASES_CHECK(decoder, ctx, cases)                                              \
	for (size_t case_at = 0; case_at < sizeof(cases) / sizeof(*(cases)); case_at++) { \
		char *got = doc_text(decoder, ctx, (cases)[case_at].payload);             \
                                                                                          \
		assert_string_equal(got, (cases)[case_at].text);                          \
		free(got);                                                                \
	}

/*
 * SenML packs (RFC 8428), JSON and CBOR. The pack is read to a tree like any other document; then
 * each record's subtree is replaced by the one node it resolves to. A record has at least one
 * field, so the result never overtakes what is still to be read.
 */
#include "decode/decode.h"
#include "decode/senml_record.h"

enum { /* CoAP Content-Formats (RFC 8428 section 12.3.1) */
       SENML_JSON = 110,
       SENSML_JSON = 111,
       SENML_CBOR = 112,
       SENSML_CBOR = 113,
};

static bool looks_like_json(struct fg_str payload)
{
	size_t i = 0;

	while (i < payload.len && fg_is_space(payload.ptr[i]))
		i++;
	return i < payload.len && (payload.ptr[i] == '[' || payload.ptr[i] == '{');
}

static int record_resolve(struct fg_doc *doc, struct fg_senml_base *base, uint32_t at, uint32_t to)
{
	struct fg_senml_fields fields;
	struct fg_node node;
	const char *bad;

	if (doc->nodes[at].type != FG_NODE_OBJECT)
		return fg_doc_bad(doc, "SenML record is not an object", 0);
	bad = fg_senml_collect(doc, at, base->cbor, &fields);
	if (!bad)
		bad = fg_senml_resolve(doc, base, &fields, &node);
	if (bad)
		return fg_doc_bad(doc, bad, 0);
	node.next = to + 1;
	doc->nodes[to] = node;
	return 0;
}

static int pack_resolve(struct fg_doc *doc, bool cbor)
{
	struct fg_senml_base base = { .cbor = cbor };
	uint32_t at = 1, records = doc->nodes[0].children;

	if (doc->nodes[0].type != FG_NODE_ARRAY)
		return fg_doc_bad(doc, "SenML pack is not an array", 0);
	for (uint32_t i = 0; i < records; i++) {
		uint32_t next = doc->nodes[at].next;
		int r = record_resolve(doc, &base, at, 1 + i);

		if (r)
			return r;
		at = next;
	}
	if (records && doc->nodes[records].dead)
		return fg_doc_bad(doc, "SenML record without a value", 0);
	doc->len = 1 + records;
	doc->nodes[0].type = FG_NODE_OBJECT;
	doc->nodes[0].next = doc->len;
	return 0;
}

static int senml_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			struct fg_doc *doc)
{
	/* only a stream may leave lengths open (RFC 8428 section 6) */
	enum fg_cbor_kind kind = ctx->content_format == SENSML_CBOR ? FG_CBOR_STREAM : FG_CBOR_PACK;
	bool cbor = !looks_like_json(payload);
	int r;

	switch (ctx->content_format) {
	case SENML_JSON:
	case SENSML_JSON:
		cbor = false;
		break;
	case SENML_CBOR:
	case SENSML_CBOR:
		cbor = true;
		break;
	}
	r = cbor ? fg_cbor_parse(payload, kind, doc) : fg_json_parse(payload, doc);
	return r ? r : pack_resolve(doc, cbor);
}

const struct fg_decoder fg_decoder_senml = {
	.name = "senml",
	.summary = "A SenML pack (RFC 8428) in JSON or CBOR; names are complete.",
	.decode = senml_decode,
};

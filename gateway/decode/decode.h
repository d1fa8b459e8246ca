/* What the decoders share among themselves, and the ways in that are not a profile's format. */
#pragma once

#include <fg/doc.h>

extern const struct fg_decoder fg_decoder_json;
extern const struct fg_decoder fg_decoder_value;
extern const struct fg_decoder fg_decoder_kv;
extern const struct fg_decoder fg_decoder_csv;
extern const struct fg_decoder fg_decoder_cbor;
extern const struct fg_decoder fg_decoder_binary;
extern const struct fg_decoder fg_decoder_registers;
extern const struct fg_decoder fg_decoder_senml;
extern const struct fg_decoder fg_decoder_homie;
extern const struct fg_decoder fg_decoder_sparkplug;
extern const struct fg_decoder fg_decoder_lwm2m;
extern const struct fg_decoder fg_decoder_cayennelpp;
extern const struct fg_decoder fg_decoder_ruuvi;
extern const struct fg_decoder fg_decoder_nmea;
extern const struct fg_decoder fg_decoder_vedirect;
extern const struct fg_decoder fg_decoder_dsmr;
extern const struct fg_decoder fg_decoder_airquality;
extern const struct fg_decoder fg_decoder_modbus;
extern const struct fg_decoder fg_decoder_mbus;
extern const struct fg_decoder fg_decoder_sml;

/* Input of no profile: JSON if it begins with '{', '[' or '"' (or rejected), else a plain value. */
int fg_decode_auto(const struct fg_decode_context *ctx, struct fg_str payload, struct fg_doc *doc);
enum fg_cbor_kind {
	FG_CBOR_ITEM,
	FG_CBOR_STREAM,		/* of SenML: map keys that were integers have `whole` set */
	FG_CBOR_PACK,		/* likewise, and it and its records state their lengths */
};

/* One CBOR data item (RFC 8949). In one of no special kind, integer keys are told from text no
 * more. */
int fg_cbor_parse(struct fg_str payload, enum fg_cbor_kind kind, struct fg_doc *doc);
/* A number, true, false or text: one scalar root. */
int fg_value_parse(struct fg_str payload, struct fg_doc *doc);
/* Text that is a number or true or false as that, any other as a string. */
struct fg_value fg_value_of_text(struct fg_str text);

/* A document of one scalar. */
int fg_doc_scalar(struct fg_doc *doc, struct fg_value value);
/* Internal to fg_doc_append. */
bool fg_doc_grow(struct fg_doc *doc);

static inline struct fg_node *fg_doc_append(struct fg_doc *doc, enum fg_node_type type)
{
	if (__builtin_expect(doc->len == doc->cap, 0) && !fg_doc_grow(doc))
		return NULL;
	struct fg_node *node = &doc->nodes[doc->len++];

	*node = (struct fg_node){ .type = (uint8_t)type, .time_ns = FG_TIME_NONE };
	return node;
}

/* A mark tells most different keys apart without looking at them. Equal keys have equal marks. */
static inline uint32_t fg_key_mark(struct fg_str key)
{
	uint32_t head = 0, tail = 0;

	if (key.len >= 4) {
		memcpy(&head, key.ptr, 4);
		memcpy(&tail, key.ptr + key.len - 4, 4);
	} else if (key.len > 0) {
		head = (unsigned char)key.ptr[0];
		tail = (unsigned char)key.ptr[key.len - 1];
	}
	return (head * 0x9e3779b1u ^ tail) * 0x85ebca77u ^ (uint32_t)key.len;
}

static inline bool fg_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

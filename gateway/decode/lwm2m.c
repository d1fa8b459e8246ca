/*
 * OMA LwM2M: TLV (Content-Format 11542) and the text of one resource. The path says which object it
 * is; what stands in the payload is named by its ids below the path. A value whose resource is not
 * known here is handed on as bytes: the format itself does not say what they mean.
 */
#include "decode/lwm2m.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "decode/decode.h"
#include "decode/writer.h"

#include <math.h>

enum { OBJECT, INSTANCE, RESOURCE, RESOURCE_INSTANCE, LEVELS };

struct tlv {
	struct fg_writer w;
	int path[LEVELS]; /* ids; -1: not in the path */
	int given; /* levels of the path */
	bool scalar; /* the whole document is one value */
	const uint8_t *start;
	const char *reason;
	size_t at;
};

struct entry {
	int level, id;
	bool has_children;
	const uint8_t *value;
	size_t len;
};

static int tlv_bad(struct tlv *t, const uint8_t *p, const char *reason)
{
	t->reason = reason;
	t->at = (size_t)(p - t->start);
	return -1;
}

static int take_id(struct fg_str level)
{
	uint32_t id;

	return fg_digits_parse(level, &id) && id <= 65535 ? (int)id : -1;
}

static void path_read(struct tlv *t, struct fg_str address)
{
	for (int i = 0; i < LEVELS; i++)
		t->path[i] = -1;
	while (address.len && address.ptr[0] == '/')
		address = fg_str(address.ptr + 1, address.len - 1);
	while (address.len && t->given < LEVELS) {
		const char *slash = memchr(address.ptr, '/', address.len);
		size_t n = slash ? (size_t)(slash - address.ptr) : address.len;
		int id = take_id(fg_str(address.ptr, n));

		if (id < 0)
			return;
		t->path[t->given++] = id;
		address = slash ? fg_str(slash + 1, address.len - n - 1) : FG_STR("");
	}
}

static int entry_level(uint8_t type)
{
	switch (type >> 6) {
	case 0:
		return INSTANCE;
	case 1:
		return RESOURCE_INSTANCE;
	default:
		return RESOURCE;
	}
}

/* The header of one entry; its value lies within the bytes that are there. */
static int entry_read(struct tlv *t, const uint8_t **p, const uint8_t *end, struct entry *e)
{
	const uint8_t *at = *p;
	uint8_t type = *at++;
	unsigned id_bytes = type & 0x20 ? 2 : 1, len_bytes = type >> 3 & 3;

	*e = (struct entry){ .level = entry_level(type),
			     .has_children = type >> 6 == 0 || type >> 6 == 2 };
	if ((size_t)(end - at) < id_bytes + len_bytes)
		return tlv_bad(t, *p, "truncated");
	while (id_bytes--)
		e->id = e->id << 8 | *at++;
	e->len = len_bytes ? 0 : type & 7;
	while (len_bytes--)
		e->len = e->len << 8 | *at++;
	if (e->len > (size_t)(end - at))
		return tlv_bad(t, *p, "truncated");
	e->value = at;
	*p = at + e->len;
	return 0;
}

static int64_t big_endian(const struct entry *e)
{
	uint64_t n = e->len && e->value[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < e->len; i++)
		n = n << 8 | e->value[i];
	return (int64_t)n;
}

static bool float_of(const struct entry *e, struct fg_value *ret_value)
{
	uint64_t bits = (uint64_t)big_endian(e);
	uint32_t half = (uint32_t)bits;
	float f;
	double d;

	memcpy(&f, &half, sizeof(f));
	memcpy(&d, &bits, sizeof(d));
	if (e->len == 4)
		d = (double)f;
	if (e->len != 4 && e->len != 8)
		return false;
	*ret_value = isfinite(d) ? fg_value_of_double(d) : (struct fg_value){ .kind = FG_NONE };
	return true;
}

static bool number_of(const struct entry *e, enum lwm2m_type type, struct fg_value *ret_value)
{
	if (type == LWM2M_FLOAT)
		return float_of(e, ret_value);
	if (type == LWM2M_BOOLEAN) {
		*ret_value = fg_value_bool(e->len == 1 && e->value[0]);
		return e->len == 1 && e->value[0] <= 1;
	}
	*ret_value = fg_value_int(big_endian(e));
	return e->len == 1 || e->len == 2 || e->len == 4 || e->len == 8;
}

static bool value_of(struct tlv *t, const struct entry *e, enum lwm2m_type type,
		     struct fg_value *ret_value)
{
	struct fg_str bytes = fg_str((const char *)e->value, e->len);

	switch (type) {
	case LWM2M_INTEGER:
	case LWM2M_FLOAT:
	case LWM2M_BOOLEAN:
		return number_of(e, type, ret_value);
	case LWM2M_STRING:
		*ret_value = fg_value_text(bytes);
		return fg_utf8_valid(bytes);
	case LWM2M_LINK:
		if (e->len != 4)
			return false;
		*ret_value = fg_value_text(fg_writer_printf(&t->w, "%d:%d",
							    e->value[0] << 8 | e->value[1],
							    e->value[2] << 8 | e->value[3]));
		return true;
	default:
		*ret_value = fg_value_data(e->value, e->len);
		return true;
	}
}

static int value_write(struct tlv *t, const struct entry *e, int resource, struct fg_str key)
{
	enum lwm2m_type type = lwm2m_type_of(t->path[OBJECT], resource);
	struct fg_value value;

	if (!value_of(t, e, type, &value))
		return tlv_bad(t, e->value, "not what the resource is");
	if (value.kind == FG_NONE)
		fg_writer_nonfinite(&t->w, key);
	else if (t->scalar)
		return fg_doc_scalar(t->w.doc, value);
	else
		fg_writer_add(&t->w, key, value, FG_STR(""));
	return 0;
}

/* Entries stand in entries three deep at most: each level is below the one around it. */
static int entries_write(struct tlv *t, const uint8_t *p, const uint8_t *end, int above,
			 int resource)
{
	const uint8_t *begin = p;

	while (p < end) {
		struct entry e;
		bool named, first = p == begin;
		int r = entry_read(t, &p, end, &e);

		if (r < 0)
			return r;
		if (e.level <= above || (above == INSTANCE && e.level != RESOURCE))
			return tlv_bad(t, e.value, "an entry where none can be");
		named = above > OBJECT || e.level >= t->given;
		/* What the path names already is the whole payload. */
		if (!named && (e.level != t->given - 1 || t->path[e.level] != e.id))
			return tlv_bad(t, e.value, "not what the path says");
		if (!named && (!first || p < end))
			return tlv_bad(t, p, "more than the path says");
		if (e.level == RESOURCE)
			resource = e.id;
		if (!e.has_children) {
			t->scalar = !named;
			r = value_write(t, &e, resource, fg_writer_printf(&t->w, "%d", e.id));
		} else {
			if (named)
				fg_writer_open(&t->w, fg_writer_printf(&t->w, "%d", e.id),
					       FG_NODE_OBJECT);
			r = entries_write(t, e.value, e.value + e.len, e.level, resource);
			if (named)
				fg_writer_close(&t->w);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* One resource by its own path is a document of one value, not an object. */
static bool is_single(const struct tlv *t, struct fg_str payload)
{
	uint8_t type = (uint8_t)payload.ptr[0] >> 6;

	return (type == 3 && t->given > RESOURCE) || (type == 1 && t->given > RESOURCE_INSTANCE);
}

static int tlv_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		      struct fg_doc *doc)
{
	struct tlv t = { .start = (const uint8_t *)payload.ptr };
	int r;

	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	path_read(&t, ctx->address);
	if (is_single(&t, payload))
		t.w = (struct fg_writer){ .doc = doc };
	else
		fg_writer_begin(&t.w, doc);
	r = entries_write(&t, t.start, t.start + payload.len, OBJECT, t.path[RESOURCE]);
	if (r < 0)
		return fg_doc_bad(doc, t.reason, t.at);
	return is_single(&t, payload) ? 0 : fg_writer_end(&t.w);
}

/* Text: bytes are in base64 (LwM2M 1.1 core, 7.4.1), all else is as a sensor would send it. */
static int text_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		       struct fg_doc *doc)
{
	struct tlv t = { 0 };
	size_t len;
	char *room;

	path_read(&t, ctx->address);
	if (lwm2m_type_of(t.path[OBJECT], t.path[RESOURCE]) != LWM2M_OPAQUE)
		return fg_decode_auto(ctx, payload, doc);
	room = fg_doc_text(doc, payload.len + 3);
	if (!room)
		return fg_doc_bad(doc, NULL, 0);
	/* LwM2M means RFC 4648 section 4: the two characters that the URL-safe alphabet replaced */
	for (size_t i = 0; i < payload.len; i++)
		room[i] = payload.ptr[i] == '+' ? '-' :
			  payload.ptr[i] == '/' ? '_' :
						  payload.ptr[i];
	if (fg_base64_decode(fg_str(room, payload.len), room, &len) < 0)
		return fg_doc_bad(doc, "not base64", 0);
	return fg_doc_scalar(doc, fg_value_data(room, len));
}

static int lwm2m_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			struct fg_doc *doc)
{
	switch (ctx->content_format) {
	case 11542:
		return tlv_decode(ctx, payload, doc);
	case 0:
		return text_decode(ctx, payload, doc);
	case -1:
		return fg_decode_auto(ctx, payload, doc);
	default:
		return fg_doc_bad(doc, "unknown content format", 0);
	}
}

const struct fg_decoder fg_decoder_lwm2m = {
	.name = "lwm2m",
	.summary = "OMA LwM2M TLV (CoAP's Content-Format 11542) and text.",
	.decode = lwm2m_decode,
};

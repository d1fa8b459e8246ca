#include "wire.h"

#define VARINT_MAX 10
#define LENGTH_ROOM 5 /* of a length that is not known yet */

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum { PAYLOAD_TIME = 1, PAYLOAD_METRIC = 2, PAYLOAD_SEQ = 3 };

enum {
	METRIC_NAME = 1,
	METRIC_TIME = 3,
	METRIC_TYPE = 4,
	METRIC_HISTORICAL = 5,
	METRIC_NULL = 7,
	METRIC_PROPERTIES = 9,
	METRIC_LONG = 11,
	METRIC_DOUBLE = 13,
	METRIC_BOOLEAN = 14,
	METRIC_STRING = 15,
	METRIC_BYTES = 16,
};

enum { SET_KEY = 1, SET_VALUE = 2 };
enum { PROPERTY_TYPE = 1, PROPERTY_DOUBLE = 6, PROPERTY_STRING = 8 };

static const struct fg_str REBIRTH = { "Node Control/Rebirth", 20 };

/* -- writing -- */

static size_t varint(char *out, uint64_t n)
{
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		out[len++] = (char)(n | 0x80);
	out[len++] = (char)n;
	return len;
}

static void put_varint(struct fg_buf *out, uint64_t n)
{
	char bytes[VARINT_MAX];

	fg_buf_add(out, bytes, varint(bytes, n));
}

static void put_number(struct fg_buf *out, unsigned field, uint64_t n)
{
	put_varint(out, field << 3 | VARINT);
	put_varint(out, n);
}

static void put_double(struct fg_buf *out, unsigned field, double d)
{
	char bytes[8];
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	for (int i = 0; i < 8; i++)
		bytes[i] = (char)(bits >> (8 * i));
	put_varint(out, field << 3 | FIXED64);
	fg_buf_add(out, bytes, sizeof(bytes));
}

static void put_bytes(struct fg_buf *out, unsigned field, struct fg_str bytes)
{
	put_varint(out, field << 3 | BYTES);
	put_varint(out, bytes.len);
	fg_buf_str(out, bytes);
}

/* Begins what has a length; returns where. */
static size_t put_open(struct fg_buf *out, unsigned field)
{
	static const char room[LENGTH_ROOM];

	put_varint(out, field << 3 | BYTES);
	fg_buf_add(out, room, sizeof(room));
	return out->len;
}

/* The length is known now: what was written moves up to it. */
static void put_close(struct fg_buf *out, size_t at)
{
	char bytes[VARINT_MAX];
	size_t len = out->len - at, n = varint(bytes, len);

	if (out->failed)
		return;
	memcpy(out->data + at - LENGTH_ROOM, bytes, n);
	memmove(out->data + at - LENGTH_ROOM + n, out->data + at, len);
	out->len -= LENGTH_ROOM - n;
}

static void put_text_property(struct fg_buf *out, struct fg_str text)
{
	size_t at = put_open(out, SET_VALUE);

	put_number(out, PROPERTY_TYPE, SPB_STRING);
	put_bytes(out, PROPERTY_STRING, text);
	put_close(out, at);
}

static void put_number_property(struct fg_buf *out, const struct fg_value *value)
{
	size_t at = put_open(out, SET_VALUE);

	put_number(out, PROPERTY_TYPE, SPB_DOUBLE);
	put_double(out, PROPERTY_DOUBLE, fg_value_double(value));
	put_close(out, at);
}

/* All keys, then all values. */
static void put_properties(struct fg_buf *out, const struct wire_metric *metric)
{
	size_t at;

	if (!metric->unit.len && !metric->why.len && !metric->sum)
		return;
	at = put_open(out, METRIC_PROPERTIES);
	if (metric->unit.len)
		put_bytes(out, SET_KEY, FG_STR("engUnit"));
	if (metric->why.len)
		put_bytes(out, SET_KEY, FG_STR("why"));
	if (metric->sum)
		put_bytes(out, SET_KEY, FG_STR("sum"));
	if (metric->unit.len)
		put_text_property(out, metric->unit);
	if (metric->why.len)
		put_text_property(out, metric->why);
	if (metric->sum)
		put_number_property(out, metric->sum);
	put_close(out, at);
}

static void put_value(struct fg_buf *out, enum spb_type type, const struct fg_value *value)
{
	switch (type) {
	case SPB_INT64:
	case SPB_UINT64:
		put_number(out, METRIC_LONG,
			   value->kind == FG_UINT ? value->u : (uint64_t)value->i);
		break;
	case SPB_DOUBLE:
		put_double(out, METRIC_DOUBLE, fg_value_double(value));
		break;
	case SPB_BOOLEAN:
		put_number(out, METRIC_BOOLEAN, value->b);
		break;
	case SPB_BYTES:
		put_bytes(out, METRIC_BYTES, value->s);
		break;
	default:
		put_bytes(out, METRIC_STRING, value->s);
	}
}

static enum spb_type type_of(const struct fg_value *value)
{
	switch (value->kind) {
	case FG_BOOL:
		return SPB_BOOLEAN;
	case FG_INT:
		return SPB_INT64;
	case FG_UINT:
		return SPB_UINT64;
	case FG_DATA:
		return SPB_BYTES;
	case FG_STRING:
		return SPB_STRING;
	default:
		return SPB_DOUBLE;
	}
}

enum spb_type wire_type_for(enum spb_type before, const struct fg_value *value)
{
	const int64_t exact = INT64_C(1) << 53;
	enum spb_type type = type_of(value);

	if (value->kind == FG_NONE)
		return before ? before : SPB_DOUBLE;
	if (type == SPB_INT64 && before == SPB_DOUBLE && value->i <= exact && value->i >= -exact)
		return SPB_DOUBLE;
	if (type == SPB_INT64 && before == SPB_UINT64 && value->i >= 0)
		return SPB_UINT64;
	return type;
}

void wire_begin(struct fg_buf *out, int64_t time_ms)
{
	fg_buf_reset(out);
	put_number(out, PAYLOAD_TIME, (uint64_t)time_ms);
}

void wire_metric(struct fg_buf *out, const struct wire_metric *metric)
{
	size_t at = put_open(out, PAYLOAD_METRIC);

	put_bytes(out, METRIC_NAME, metric->name);
	put_number(out, METRIC_TIME, (uint64_t)metric->time_ms);
	if (metric->typed)
		put_number(out, METRIC_TYPE, metric->type);
	if (metric->historical)
		put_number(out, METRIC_HISTORICAL, 1);
	if (!metric->value)
		put_number(out, METRIC_NULL, 1);
	put_properties(out, metric);
	if (metric->value)
		put_value(out, metric->type, metric->value);
	put_close(out, at);
}

void wire_end(struct fg_buf *out, int seq)
{
	if (seq != SPB_NO_SEQ)
		put_number(out, PAYLOAD_SEQ, (uint64_t)seq);
}

/* -- reading -- */

struct reader {
	const uint8_t *p, *end;
	bool bad;			/* it ended within a field, or with what is none */
};

static bool take_varint(struct reader *r, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
		uint8_t byte = *r->p++;

		n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = n;
			return true;
		}
	}
	return false;
}

/* One field: its number, and its value as a number or as bytes. False: the end, or nonsense. */
static bool take_field(struct reader *r, uint64_t *ret_field, uint64_t *ret_number,
		       struct fg_str *ret_bytes)
{
	uint64_t key, len = 0;

	*ret_number = 0;
	*ret_bytes = fg_str(NULL, 0);
	if (r->p == r->end)
		return false;
	r->bad = true;
	if (!take_varint(r, &key))
		return false;
	*ret_field = key >> 3;
	switch (key & 7) {
	case VARINT:
		r->bad = !take_varint(r, ret_number);
		return !r->bad;
	case FIXED64:
		len = 8;
		break;
	case FIXED32:
		len = 4;
		break;
	case BYTES:
		if (!take_varint(r, &len))
			return false;
		break;
	default:
		return false;
	}
	if (len > (uint64_t)(r->end - r->p))
		return false;
	*ret_bytes = fg_str((const char *)r->p, (size_t)len);
	r->p += len;
	r->bad = false;
	return true;
}

static struct reader reader_of(struct fg_str bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.ptr;

	return (struct reader){ .p = p, .end = bytes.len ? p + bytes.len : p };
}

static bool is_rebirth(struct fg_str metric)
{
	struct reader r = reader_of(metric);
	uint64_t field, number;
	struct fg_str bytes;
	bool named = false, asked = false;

	while (take_field(&r, &field, &number, &bytes)) {
		if (field == METRIC_NAME)
			named = fg_str_eq(bytes, REBIRTH);
		else if (field == METRIC_BOOLEAN && !bytes.ptr)
			asked = number != 0;
	}
	return named && asked && !r.bad;
}

bool wire_asks_rebirth(struct fg_str payload)
{
	struct reader r = reader_of(payload);
	uint64_t field, number;
	struct fg_str bytes;
	bool asked = false;

	while (take_field(&r, &field, &number, &bytes))
		if (field == PAYLOAD_METRIC && bytes.ptr)
			asked |= is_rebirth(bytes);
	return asked && !r.bad;
}

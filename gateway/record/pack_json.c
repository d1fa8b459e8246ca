/*
 * Packs as JSON (RFC 8428 section 5). Point and device names are SenML-safe and units come from the
 * configuration's check, so none of them needs escaping; strings of devices do.
 */
#include "base/base64.h"
#include "record/pack_private.h"

#include <inttypes.h>
#include <stdio.h>

#define LITERAL(buf, text) fg_buf_add(buf, text, sizeof(text) - 1)

/* Unix time in seconds, to the microsecond: what a double still tells apart. */
void fg_pack_put_time(struct fg_buf *out, int64_t time_ns)
{
	int64_t us = time_ns / 1000;
	uint32_t fraction = (uint32_t)(us % 1000000);
	char digits[7];
	int n = 6;

	fg_buf_u64(out, (uint64_t)(us / 1000000));
	if (fraction == 0)
		return;
	while (fraction % 10 == 0) {
		fraction /= 10;
		n--;
	}
	digits[0] = '.';
	for (int i = n; i > 0; i--, fraction /= 10)
		digits[i] = (char)('0' + fraction % 10);
	fg_buf_add(out, digits, (size_t)n + 1);
}

void fg_pack_put_number(struct fg_buf *out, const struct fg_value *value)
{
	char *p = fg_buf_reserve(out, FG_NUMBER_MAX);

	if (p)
		out->len += fg_value_write_number(value, p);
}

void fg_pack_put_double(struct fg_buf *out, double d)
{
	struct fg_value value = fg_value_of_double(d);

	fg_pack_put_number(out, &value);
}

void fg_pack_put_data(struct fg_buf *out, struct fg_str bytes)
{
	char *p = fg_buf_reserve(out, FG_BASE64_ENCODED(bytes.len) + 2);

	if (!p)
		return;
	*p++ = '"';
	p += fg_base64_encode(bytes, p);
	*p++ = '"';
	out->len = (size_t)(p - out->data);
}

static void add_value(struct fg_buf *out, const struct fg_value *value)
{
	switch (value->kind) {
	case FG_NONE:
		break;
	case FG_BOOL:
		if (value->b)
			LITERAL(out, ",\"vb\":true");
		else
			LITERAL(out, ",\"vb\":false");
		break;
	case FG_STRING:
		LITERAL(out, ",\"vs\":");
		fg_buf_json(out, value->s);
		break;
	case FG_DATA:
		LITERAL(out, ",\"vd\":");
		fg_pack_put_data(out, value->s);
		break;
	default:
		LITERAL(out, ",\"v\":");
		fg_pack_put_number(out, value);
	}
}

/* The base fields leave a comma behind, the name comes in any case. */
static void add_base(struct fg_pack *pack, const struct pack_item *item)
{
	struct fg_buf *out = pack->out;

	if (item->has_base_name) {
		LITERAL(out, "\"bn\":\"");
		fg_buf_str(out, pack->gateway);
		fg_buf_char(out, '/');
		pack->device_at = out->len;
		pack->device.len = item->device.len;
		fg_buf_str(out, item->device);
		LITERAL(out, "/\",");
	}
	if (item->has_base_time) {
		LITERAL(out, "\"bt\":");
		fg_pack_put_time(out, item->time_ns);
		fg_buf_char(out, ',');
	}
}

void fg_pack_json_add(struct fg_pack *pack, const struct pack_item *item)
{
	const struct fg_record *record = item->record;
	struct fg_buf *out = pack->out;

	if (pack->records > 0)
		LITERAL(out, ",{");
	add_base(pack, item);
	LITERAL(out, "\"n\":\"");
	fg_buf_str(out, record->point);
	fg_buf_char(out, '"');
	if (record->unit.len) {
		LITERAL(out, ",\"u\":\"");
		fg_buf_str(out, record->unit);
		fg_buf_char(out, '"');
	}
	add_value(out, &record->value);
	if (record->sum.kind != FG_NONE) {
		LITERAL(out, ",\"s\":");
		fg_pack_put_number(out, &record->sum);
	}
	if (record->update_s != 0) {
		LITERAL(out, ",\"ut\":");
		fg_pack_put_double(out, record->update_s);
	}
	if (item->unsynced)
		LITERAL(out, ",\"clock\":\"unsynced\"");
	fg_buf_char(out, '}');
}

struct fg_str fg_pack_json_end(struct fg_pack *pack, const struct fg_pack_head *head)
{
	struct fg_buf *out = pack->out;
	char text[256];
	int n = 2;

	if (pack->records == 0)
		return FG_STR("[]");
	memcpy(text, "[{", 2);
	if (head->ranged)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64 ",\"last\":%" PRIu64
			      ",",
			      head->epoch, head->first, head->last);
	if (head->prev_epoch)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "\"prev\":\"%016" PRIx64 ":%" PRIu64 "\",", head->prev_epoch,
			      head->prev_last);
	if (head->begin)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\"begin\":true,");
	if (head->why)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\"why\":\"%s\",", head->why);
	fg_buf_char(out, ']');
	if (out->failed)
		return fg_str(NULL, 0);
	memcpy(out->data + pack->start - n, text, (size_t)n);
	return fg_str(out->data + pack->start - n, out->len - pack->start + (size_t)n);
}

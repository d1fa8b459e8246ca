/*
 * Packs as ThingsBoard wants them of a gateway (v1/gateway/telemetry):
 *
 *     {"DEVICE":[{"ts":MILLISECONDS,"values":{"POINT":VALUE,...}},...],...}
 *
 * A device comes once in a pack, since of two members of one name the server keeps the last.
 */
#include "record/pack_private.h"

#include <inttypes.h>

#define LITERAL(buf, text) fg_buf_add(buf, text, sizeof(text) - 1)

/* Whether the name of a member stands in the text from `from` on, with that behind it: a quote
 * inside of a value has a backslash before it. */
static bool stands(const struct fg_buf *out, size_t from, struct fg_str name, struct fg_str behind)
{
	const char *at = out->data + from, *end = out->data + out->len;

	while (name.len && (at = memmem(at, (size_t)(end - at), name.ptr, name.len))) {
		struct fg_str rest = fg_str(at + name.len, (size_t)(end - at) - name.len);

		if (at[-1] == '"' && fg_str_starts(rest, behind))
			return true;
		at++;
	}
	return false;
}

bool fg_pack_thingsboard_takes(const struct fg_pack *pack, struct fg_str device)
{
	return pack->records == 0 || !stands(pack->out, pack->start + 1, device, FG_STR("\":[{"));
}

static void put_key(struct fg_buf *out, struct fg_str point, const char *more)
{
	fg_buf_char(out, '"');
	fg_buf_str(out, point);
	fg_buf_text(out, more);
	LITERAL(out, "\":");
}

static void put_value(struct fg_buf *out, const struct fg_value *value)
{
	if (value->kind == FG_BOOL)
		fg_buf_text(out, value->b ? "true" : "false");
	else if (value->kind == FG_STRING)
		fg_buf_json(out, value->s);
	else if (value->kind == FG_DATA)
		fg_pack_put_data(out, value->s);
	else
		fg_pack_put_number(out, value);
}

static void put_head(struct fg_pack *pack, const struct pack_item *item)
{
	struct fg_buf *out = pack->out;

	if (item->has_base_name) {
		fg_buf_text(out, pack->records ? "}}],\"" : "{\"");
		pack->device_at = out->len;
		pack->device = item->device;
		fg_buf_str(out, item->device);
		LITERAL(out, "\":[{");
	} else {
		LITERAL(out, "}},{");
	}
	if (item->time_ns != FG_TIME_NONE)
		fg_buf_printf(out, "\"ts\":%" PRId64 ",", item->time_ns / 1000000);
	LITERAL(out, "\"values\":{");
	pack->values_at = out->len;
	pack->time_ns = item->time_ns;
}

/* Payloads of one turn have one time, so that alone does not tell them apart. */
static bool belongs(const struct fg_pack *pack, const struct pack_item *item)
{
	return !item->has_base_name && item->time_ns == pack->time_ns &&
	       item->time_ns != FG_TIME_NONE &&
	       !stands(pack->out, pack->values_at, item->record->point, FG_STR("\":"));
}

/* The last values stay open, for more of the same time, and for what a lost range has to say. */
void fg_pack_thingsboard_add(struct fg_pack *pack, const struct pack_item *item)
{
	const struct fg_record *record = item->record;
	struct fg_buf *out = pack->out;
	bool has_value = record->value.kind != FG_NONE;

	if (belongs(pack, item))
		fg_buf_char(out, ',');
	else
		put_head(pack, item);
	if (has_value) {
		put_key(out, record->point, "");
		put_value(out, &record->value);
	}
	if (record->sum.kind != FG_NONE) {
		fg_buf_text(out, has_value ? "," : "");
		put_key(out, record->point, "/sum");
		fg_pack_put_number(out, &record->sum);
	}
}

struct fg_str fg_pack_thingsboard_end(struct fg_pack *pack, const struct fg_pack_head *head)
{
	struct fg_buf *out = pack->out;

	if (pack->records == 0)
		return FG_STR("{}");
	if (head->why)
		fg_buf_printf(out,
			      ",\"why\":\"%s\",\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64
			      ",\"last\":%" PRIu64,
			      head->why, head->epoch, head->first, head->last);
	LITERAL(out, "}}]}");
	if (out->failed)
		return fg_str(NULL, 0);
	return fg_str(out->data + pack->start, out->len - pack->start);
}

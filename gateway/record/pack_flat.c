/*
 * Packs for those who read no SenML, each record whole in itself: an array of flat JSON objects, or
 * lines of InfluxDB's protocol. Neither carries ranges.
 */
#include "record/pack_private.h"

#include <inttypes.h>

#define LITERAL(buf, text) fg_buf_add(buf, text, sizeof(text) - 1)

static bool has_number(const struct pack_item *item)
{
	return fg_value_is_number(&item->record->value);
}

/* -- JSON -- */

static void put_value(struct fg_buf *out, const struct fg_value *value)
{
	if (value->kind == FG_NONE)
		return;
	LITERAL(out, ",\"value\":");
	if (value->kind == FG_BOOL && value->b)
		LITERAL(out, "true");
	else if (value->kind == FG_BOOL)
		LITERAL(out, "false");
	else if (value->kind == FG_STRING)
		fg_buf_json(out, value->s);
	else if (value->kind == FG_DATA)
		fg_pack_put_data(out, value->s);
	else
		fg_pack_put_number(out, value);
}

/* The last object stays open, for what a lost range has to say. */
void fg_pack_flat_add(struct fg_pack *pack, const struct pack_item *item)
{
	const struct fg_record *record = item->record;
	struct fg_buf *out = pack->out;

	if (pack->records > 0)
		LITERAL(out, "},");
	LITERAL(out, "{\"gateway\":");
	fg_buf_json(out, pack->gateway);
	LITERAL(out, ",\"device\":");
	fg_buf_json(out, item->device);
	LITERAL(out, ",\"point\":");
	fg_buf_json(out, record->point);
	if (item->time_ns != FG_TIME_NONE) {
		LITERAL(out, ",\"time\":");
		fg_pack_put_time(out, item->time_ns);
	}
	put_value(out, &record->value);
	if (record->sum.kind != FG_NONE) {
		LITERAL(out, ",\"sum\":");
		fg_pack_put_number(out, &record->sum);
	}
	if (record->unit.len) {
		LITERAL(out, ",\"unit\":");
		fg_buf_json(out, record->unit);
	}
	if (item->unsynced)
		LITERAL(out, ",\"clock\":\"unsynced\"");
}

struct fg_str fg_pack_flat_end(struct fg_pack *pack, const struct fg_pack_head *head)
{
	struct fg_buf *out = pack->out;

	if (pack->records == 0)
		return FG_STR("[]");
	if (head->why)
		fg_buf_printf(out,
			      ",\"why\":\"%s\",\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64
			      ",\"last\":%" PRIu64,
			      head->why, head->epoch, head->first, head->last);
	LITERAL(out, "}]");
	if (out->failed)
		return fg_str(NULL, 0);
	out->data[pack->start - 1] = '[';
	return fg_str(out->data + pack->start - 1, out->len - pack->start + 1);
}

/* -- InfluxDB's line protocol -- */

/* Names and tags: what separates is escaped. A name cannot end in a backslash or hold a newline. */
static void put_name(struct fg_buf *out, struct fg_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == ',' || c == ' ' || c == '=')
			fg_buf_char(out, '\\');
		fg_buf_char(out, c == '\\' || (unsigned char)c < ' ' ? '_' : c);
	}
}

static void put_tag(struct fg_buf *out, const char *key, struct fg_str value)
{
	if (value.len == 0)
		return;
	fg_buf_text(out, key);
	put_name(out, value);
}

static void put_quoted(struct fg_buf *out, struct fg_str text)
{
	fg_buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			fg_buf_char(out, '\\');
		fg_buf_char(out, text.ptr[i]);
	}
	fg_buf_char(out, '"');
}

/* Each kind of value has a field of its own, and every number is a float there: a field whose type
 * changes is refused by the database. False: there is none. */
static bool put_field(struct fg_buf *out, const struct fg_value *value)
{
	switch (value->kind) {
	case FG_NONE:
		return false;
	case FG_BOOL:
		fg_buf_text(out, value->b ? "state=true" : "state=false");
		break;
	case FG_STRING:
		LITERAL(out, "text=");
		put_quoted(out, value->s);
		break;
	case FG_DATA:
		LITERAL(out, "data=");
		fg_pack_put_data(out, value->s);
		break;
	default:
		LITERAL(out, "value=");
		fg_pack_put_number(out, value);
	}
	return true;
}

void fg_pack_influx_add(struct fg_pack *pack, const struct pack_item *item)
{
	const struct fg_record *record = item->record;
	struct fg_buf *out = pack->out;

	put_name(out, record->point);
	put_tag(out, ",device=", item->device);
	put_tag(out, ",gateway=", pack->gateway);
	put_tag(out, ",unit=", has_number(item) ? record->unit : FG_STR(""));
	if (item->unsynced)
		LITERAL(out, ",clock=unsynced");
	fg_buf_char(out, ' ');
	if (put_field(out, &record->value) && record->sum.kind != FG_NONE)
		fg_buf_char(out, ',');
	if (record->sum.kind != FG_NONE) {
		LITERAL(out, "sum=");
		fg_pack_put_number(out, &record->sum);
	}
	if (item->time_ns != FG_TIME_NONE)
		fg_buf_printf(out, " %" PRId64, item->time_ns);
	fg_buf_char(out, '\n');
}

struct fg_str fg_pack_influx_end(struct fg_pack *pack)
{
	return fg_str(pack->out->data + pack->start, pack->out->len - pack->start);
}

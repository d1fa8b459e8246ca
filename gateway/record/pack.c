#include "record/pack.h"

#include "record/pack_private.h"

#include <inttypes.h>

/* Room before the body: '[{', epoch, first, last, prev, begin, why. CBOR needs less. */
#define HEAD_ROOM 256

/* Times before this count as relative in a pack (RFC 8428 section 4.5.3): such a clock is not
 * written. */
#define ABSOLUTE_NS (INT64_C(268435456) * 1000000000)

void fg_pack_begin(struct fg_pack *pack, struct fg_buf *out, enum fg_pack_format format,
		   struct fg_str gateway)
{
	fg_buf_reset(out);
	if (fg_buf_reserve(out, HEAD_ROOM))
		out->len = HEAD_ROOM;
	*pack = (struct fg_pack){
		.out = out,
		.format = format,
		.gateway = gateway,
		.start = HEAD_ROOM,
		.time_ns = FG_TIME_NONE,
	};
}

/* "bn" stays in force until another one is written, so only a change is written. */
static bool device_changes(const struct fg_pack *pack, struct fg_str device)
{
	struct fg_str now = fg_str(pack->out->data + pack->device_at, pack->device.len);

	return pack->records == 0 || !fg_str_eq(now, device);
}

void fg_pack_add(struct fg_pack *pack, struct fg_str device, const struct fg_record *record,
		 int64_t time_ns, bool unsynced)
{
	struct pack_item item = { .record = record, .device = device };

	if (pack->out->failed)
		return;
	/* a time of the device's own is none of our clock */
	item.unsynced = unsynced && (record->time_ns == FG_TIME_NONE || record->from_arrival);
	item.time_ns = record->time_ns != FG_TIME_NONE ? record->time_ns : time_ns;
	if (item.time_ns < ABSOLUTE_NS)
		item.time_ns = FG_TIME_NONE;
	item.has_base_name = device_changes(pack, device);
	item.has_base_time = item.time_ns != FG_TIME_NONE && item.time_ns != pack->time_ns;
	switch (pack->format) {
	case FG_PACK_CBOR:
		fg_pack_cbor_add(pack, &item);
		break;
	case FG_PACK_FLAT:
		fg_pack_flat_add(pack, &item);
		break;
	case FG_PACK_INFLUX:
		fg_pack_influx_add(pack, &item);
		break;
	case FG_PACK_THINGSBOARD:
		fg_pack_thingsboard_add(pack, &item);
		break;
	default:
		fg_pack_json_add(pack, &item);
	}
	if (item.has_base_time)
		pack->time_ns = item.time_ns;
	pack->records++;
}

bool fg_pack_takes(const struct fg_pack *pack, struct fg_str device)
{
	return pack->format != FG_PACK_THINGSBOARD || !device_changes(pack, device) ||
	       fg_pack_thingsboard_takes(pack, device);
}

struct fg_pack_mark fg_pack_mark(const struct fg_pack *pack)
{
	return (struct fg_pack_mark){
		.len = pack->out->len,
		.device_at = pack->device_at,
		.values_at = pack->values_at,
		.device_len = pack->device.len,
		.records = pack->records,
		.time_ns = pack->time_ns,
	};
}

void fg_pack_undo(struct fg_pack *pack, struct fg_pack_mark mark)
{
	pack->out->len = mark.len;
	pack->out->failed = false;
	pack->device_at = mark.device_at;
	pack->values_at = mark.values_at;
	pack->device.len = mark.device_len;
	pack->records = mark.records;
	pack->time_ns = mark.time_ns;
}

size_t fg_pack_size(const struct fg_pack *pack)
{
	return pack->out->len;
}

struct fg_str fg_pack_end(struct fg_pack *pack, const struct fg_pack_head *head)
{
	static const struct fg_pack_head none;

	if (!head)
		head = &none;
	if (pack->out->failed)
		return fg_str(NULL, 0);
	switch (pack->format) {
	case FG_PACK_CBOR:
		return fg_pack_cbor_end(pack, head);
	case FG_PACK_FLAT:
		return fg_pack_flat_end(pack, head);
	case FG_PACK_INFLUX:
		return fg_pack_influx_end(pack);
	case FG_PACK_THINGSBOARD:
		return fg_pack_thingsboard_end(pack, head);
	default:
		return fg_pack_json_end(pack, head);
	}
}

const char *fg_pack_content_type(enum fg_pack_format format)
{
	static const char *const types[FG_PACK__MAX] = {
		[FG_PACK_JSON] = "application/senml+json",
		[FG_PACK_CBOR] = "application/senml+cbor",
		[FG_PACK_FLAT] = "application/json",
		[FG_PACK_INFLUX] = "text/plain; charset=utf-8",
		[FG_PACK_THINGSBOARD] = "application/json",
	};

	return types[format];
}

bool fg_pack_ranged(enum fg_pack_format format)
{
	return format == FG_PACK_JSON || format == FG_PACK_CBOR;
}

/*
 * Packs as CBOR (RFC 8428 section 6): an array of maps with the small integer labels of its table
 * 4. The first record's map is opened last, when its number of pairs is known.
 */
#include "record/pack_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAJOR_UINT = 0, MAJOR_NEGATIVE = 1, MAJOR_BYTES = 2, MAJOR_TEXT = 3, MAJOR_ARRAY = 4,
       MAJOR_MAP = 5 };

enum { LABEL_BN = -2, LABEL_BT = -3, LABEL_N = 0, LABEL_U = 1, LABEL_V = 2, LABEL_VS = 3,
       LABEL_VB = 4, LABEL_S = 5, LABEL_T = 6, LABEL_UT = 7, LABEL_VD = 8 };

static size_t put_head(unsigned char *p, unsigned major, uint64_t n)
{
	unsigned bytes = n < 24 ? 0 : n < 0x100 ? 1 : n < 0x10000 ? 2 : n < 0x100000000 ? 4 : 8;

	if (bytes == 0) {
		p[0] = (unsigned char)(major << 5 | n);
		return 1;
	}
	p[0] = (unsigned char)(major << 5 | (bytes == 1 ? 24 :
					     bytes == 2 ? 25 :
					     bytes == 4 ? 26 :
							  27));
	for (unsigned i = 0; i < bytes; i++)
		p[1 + i] = (unsigned char)(n >> (8 * (bytes - 1 - i)));
	return 1 + bytes;
}

static void add_head(struct fg_buf *out, unsigned major, uint64_t n)
{
	char *p = fg_buf_reserve(out, 9);

	if (p)
		out->len += put_head((unsigned char *)p, major, n);
}

static void add_int(struct fg_buf *out, int64_t i)
{
	if (i < 0)
		add_head(out, MAJOR_NEGATIVE, (uint64_t)(-1 - i));
	else
		add_head(out, MAJOR_UINT, (uint64_t)i);
}

static void add_text(struct fg_buf *out, struct fg_str s)
{
	add_head(out, MAJOR_TEXT, s.len);
	fg_buf_str(out, s);
}

/* The shortest float that holds the value: single where it is exact, else double. */
static void add_double(struct fg_buf *out, double d)
{
	unsigned char bytes[9];
	float f = (float)d;
	size_t n = 4;
	uint64_t bits = 0;

	if ((double)f == d) {
		uint32_t half;

		memcpy(&half, &f, sizeof(half));
		bits = half;
		bytes[0] = 0xfa;
	} else {
		memcpy(&bits, &d, sizeof(bits));
		bytes[0] = 0xfb;
		n = 8;
	}
	for (size_t i = 0; i < n; i++)
		bytes[1 + i] = (unsigned char)(bits >> (8 * (n - 1 - i)));
	fg_buf_add(out, bytes, n + 1);
}

static void add_number(struct fg_buf *out, const struct fg_value *value)
{
	if (value->kind == FG_INT)
		add_int(out, value->i);
	else if (value->kind == FG_UINT)
		add_head(out, MAJOR_UINT, value->u);
	else
		add_double(out, fg_value_double(value));
}

static void add_time(struct fg_buf *out, int64_t time_ns)
{
	if (time_ns % 1000000000 == 0)
		add_int(out, time_ns / 1000000000);
	else
		add_double(out, (double)(time_ns / 1000) / 1e6);
}

static void add_value(struct fg_buf *out, const struct fg_value *value)
{
	switch (value->kind) {
	case FG_NONE:
		break;
	case FG_BOOL:
		add_int(out, LABEL_VB);
		fg_buf_char(out, (char)(value->b ? 0xf5 : 0xf4));
		break;
	case FG_STRING:
		add_int(out, LABEL_VS);
		add_text(out, value->s);
		break;
	case FG_DATA:
		add_int(out, LABEL_VD);
		add_head(out, MAJOR_BYTES, value->s.len);
		fg_buf_str(out, value->s);
		break;
	default:
		add_int(out, LABEL_V);
		add_number(out, value);
	}
}

static uint32_t count_pairs(const struct pack_item *item)
{
	const struct fg_record *record = item->record;

	return (uint32_t)(1 + item->has_base_name + item->has_base_time + (record->unit.len > 0) +
			  (record->value.kind != FG_NONE) + (record->sum.kind != FG_NONE) +
			  (record->update_s != 0) + item->unsynced);
}

static void add_base(struct fg_pack *pack, const struct pack_item *item)
{
	struct fg_buf *out = pack->out;

	if (item->has_base_name) {
		add_int(out, LABEL_BN);
		add_head(out, MAJOR_TEXT, pack->gateway.len + item->device.len + 2);
		fg_buf_str(out, pack->gateway);
		fg_buf_char(out, '/');
		pack->device_at = out->len;
		pack->device.len = item->device.len;
		fg_buf_str(out, item->device);
		fg_buf_char(out, '/');
	}
	if (item->has_base_time) {
		add_int(out, LABEL_BT);
		add_time(out, item->time_ns);
	}
}

void fg_pack_cbor_add(struct fg_pack *pack, const struct pack_item *item)
{
	const struct fg_record *record = item->record;
	struct fg_buf *out = pack->out;

	if (pack->records == 0)
		pack->first_pairs = count_pairs(item);
	else
		add_head(out, MAJOR_MAP, count_pairs(item));
	add_base(pack, item);
	add_int(out, LABEL_N);
	add_text(out, record->point);
	if (record->unit.len) {
		add_int(out, LABEL_U);
		add_text(out, record->unit);
	}
	add_value(out, &record->value);
	if (record->sum.kind != FG_NONE) {
		add_int(out, LABEL_S);
		add_number(out, &record->sum);
	}
	if (record->update_s != 0) {
		add_int(out, LABEL_UT);
		add_double(out, record->update_s);
	}
	if (item->unsynced) {
		add_text(out, FG_STR("clock"));
		add_text(out, FG_STR("unsynced"));
	}
}

static void add_range(struct fg_buf *out, const struct fg_pack_head *head)
{
	char hex[40];

	snprintf(hex, sizeof(hex), "%016" PRIx64, head->epoch);
	add_text(out, FG_STR("epoch"));
	add_text(out, fg_str_c(hex));
	add_text(out, FG_STR("first"));
	add_head(out, MAJOR_UINT, head->first);
	add_text(out, FG_STR("last"));
	add_head(out, MAJOR_UINT, head->last);
}

struct fg_str fg_pack_cbor_end(struct fg_pack *pack, const struct fg_pack_head *head)
{
	char room[256], prev[40];
	struct fg_buf text = { .data = room, .cap = sizeof(room), .max = sizeof(room) };
	struct fg_buf *out = pack->out;

	if (pack->records == 0)
		return FG_STR("\x80");
	add_head(&text, MAJOR_ARRAY, pack->records);
	add_head(&text, MAJOR_MAP,
		 pack->first_pairs + (head->ranged ? 3u : 0u) + (head->prev_epoch ? 1u : 0u) +
			 (head->begin ? 1u : 0u) + (head->why ? 1u : 0u));
	if (head->ranged)
		add_range(&text, head);
	if (head->prev_epoch) {
		snprintf(prev, sizeof(prev), "%016" PRIx64 ":%" PRIu64, head->prev_epoch,
			 head->prev_last);
		add_text(&text, FG_STR("prev"));
		add_text(&text, fg_str_c(prev));
	}
	if (head->begin) {
		add_text(&text, FG_STR("begin"));
		fg_buf_char(&text, (char)0xf5);
	}
	if (head->why) {
		add_text(&text, FG_STR("why"));
		add_text(&text, fg_str_c(head->why));
	}
	memcpy(out->data + pack->start - text.len, room, text.len);
	return fg_str(out->data + pack->start - text.len, out->len - pack->start + text.len);
}

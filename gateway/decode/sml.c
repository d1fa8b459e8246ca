/*
 * Smart Message Language of German electricity meters (BSI TR-03109-1, SML 1.04), as it comes from
 * their optical interface: a transport frame of messages, of which the lists of values are read.
 * Points are named by their OBIS code.
 */
#include <fg/framer.h>

#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

enum { FILE_MAX = 16384, DEPTH_MAX = 8, ITEMS_MAX = 512, OBIS = 6, MESSAGE = 6, ENTRY = 7 };
enum { GET_LIST_RESPONSE = 0x0701 };

enum kind { KIND_OCTETS = 0, KIND_BOOL = 4, KIND_INT = 5, KIND_UINT = 6, KIND_LIST = 7 };

struct sml {
	struct fg_writer w;
	const uint8_t *p, *end;
	const char *reason;
	struct fg_str server; /* who a list is of */
	unsigned entries;
};

/* One value; p is where its content is. */
struct item {
	enum kind kind;
	size_t len; /* bytes of content, or the elements of a list */
	const uint8_t *p;
};

static const uint8_t begin[] = { 0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1 };
static const uint8_t escape[] = { 0x1b, 0x1b, 0x1b, 0x1b };
enum { ESCAPE = sizeof(escape), TRAILER = 8 };

/* CRC-16/X-25: polynomial 0x1021 reflected. */
static uint16_t crc16_x25(const uint8_t *p, size_t len)
{
	static const uint16_t table[16] = {
		0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285, 0x6306, 0x7387,
		0x8408, 0x9489, 0xa50a, 0xb58b, 0xc60c, 0xd68d, 0xe70e, 0xf78f,
	};
	uint16_t crc = 0xffff;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc ^ 0xffff;
}

static bool bad(struct sml *s, const char *reason)
{
	if (!s->reason)
		s->reason = reason;
	return false;
}

/* The type and length before a value; a length of more than 15 takes more bytes. */
static bool item_head(struct sml *s, struct item *ret_item)
{
	size_t len = 0, head = 0;
	uint8_t byte;

	do {
		if (s->p == s->end)
			return bad(s, "value beyond the end of the message");
		byte = *s->p++;
		if (head == 0)
			ret_item->kind = (enum kind)(byte >> 4 & 7);
		if (++head > 3)
			return bad(s, "length of too many bytes");
		len = len << 4 | (byte & 15);
	} while (byte & 0x80);
	if (ret_item->kind == KIND_LIST) {
		ret_item->len = len;
		return len <= ITEMS_MAX || bad(s, "too many values in a list");
	}
	if (len < head || len - head > (size_t)(s->end - s->p))
		return bad(s, "value beyond the end of the message");
	*ret_item = (struct item){ ret_item->kind, len - head, s->p };
	s->p += ret_item->len;
	return true;
}

/* The next value, which is not a list. */
static bool value_take(struct sml *s, struct item *ret_item)
{
	if (!item_head(s, ret_item))
		return false;
	return ret_item->kind != KIND_LIST || bad(s, "list in the place of a value");
}

static bool list_take(struct sml *s, size_t len)
{
	struct item item;

	if (!item_head(s, &item))
		return false;
	return (item.kind == KIND_LIST && item.len == len) || bad(s, "not the list that is due");
}

/* Whatever comes next, lists in lists too, a stack's worth deep. */
static bool skip(struct sml *s)
{
	size_t left[DEPTH_MAX];
	unsigned depth = 0;
	struct item item;

	do {
		while (depth > 0 && left[depth - 1] == 0)
			depth--;
		if (!item_head(s, &item))
			return false;
		if (depth > 0)
			left[depth - 1]--;
		if (item.kind == KIND_LIST) {
			if (depth == DEPTH_MAX)
				return bad(s, "lists in too many lists");
			left[depth++] = item.len;
		}
		while (depth > 0 && left[depth - 1] == 0)
			depth--;
	} while (depth > 0);
	return true;
}

/* A value left out is an empty octet string. */
static bool is_absent(struct item item)
{
	return item.kind == KIND_OCTETS && item.len == 0;
}

static bool magnitude_read(struct item item, uint64_t *ret_magnitude, bool *ret_negative)
{
	uint64_t n = 0;

	if ((item.kind != KIND_INT && item.kind != KIND_UINT) || item.len == 0 || item.len > 8)
		return false;
	*ret_negative = item.kind == KIND_INT && item.p[0] & 0x80;
	if (*ret_negative)
		n = UINT64_MAX;
	for (size_t i = 0; i < item.len; i++)
		n = n << 8 | item.p[i];
	*ret_magnitude = *ret_negative ? -n : n;
	return true;
}

/* One that is small: a code, a scaler. */
static bool integer(struct item item, int64_t *ret_number)
{
	uint64_t n;
	bool negative;

	if (!magnitude_read(item, &n, &negative) || n > INT32_MAX)
		return false;
	*ret_number = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* DLMS unit codes (IEC 62056-6-2) that SenML has a name of. */
static struct fg_str unit_of(int64_t code)
{
	static const struct {
		uint8_t code;
		const char *unit;
	} units[] = {
		{ 5, "h" },   { 6, "min" },  { 7, "s" },     { 8, "deg" }, { 9, "Cel" },
		{ 11, "m" },  { 12, "m/s" }, { 13, "m3" },   { 20, "kg" }, { 22, "N" },
		{ 24, "Pa" }, { 26, "J" },   { 27, "W" },    { 28, "VA" }, { 29, "var" },
		{ 30, "Wh" }, { 31, "VAh" }, { 32, "varh" }, { 33, "A" },  { 34, "C" },
		{ 35, "V" },  { 37, "F" },   { 38, "Ohm" },  { 43, "T" },  { 44, "Hz" },
		{ 52, "K" },  { 56, "%" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (units[i].code == code)
			return fg_str_c(units[i].unit);
	}
	return FG_STR("");
}

static bool is_serial_number(const uint8_t *obis)
{
	static const uint8_t names[2][OBIS] = { { 1, 0, 0, 0, 9, 255 }, { 1, 0, 96, 1, 0, 255 } };

	return memcmp(obis, names[0], OBIS) == 0 || memcmp(obis, names[1], OBIS) == 0;
}

static void number_write(struct sml *s, struct fg_str name, struct item value, struct item unit,
			 struct item scaler)
{
	int64_t code = 0, exp10 = 0;
	struct fg_value number;
	uint64_t magnitude;
	bool negative;

	if (!magnitude_read(value, &magnitude, &negative)) {
		bad(s, "number of no possible length");
		return;
	}
	(void)integer(unit, &code);
	if (!is_absent(scaler) && (!integer(scaler, &exp10) || exp10 < -30 || exp10 > 30)) {
		bad(s, "scaler that cannot be");
		return;
	}
	if (fg_value_of_decimal(magnitude, negative, exp10, &number) == 0)
		fg_writer_add(&s->w, name, number, unit_of(code));
}

/* Name, status, time, unit, scaler, value, signature. */
static bool entry_read(struct sml *s)
{
	struct item obis, unit, scaler, value;

	if (!list_take(s, ENTRY) || !value_take(s, &obis) || !skip(s) || !skip(s) ||
	    !value_take(s, &unit) || !value_take(s, &scaler))
		return false;
	if (s->p < s->end && (*s->p >> 4 & 7) == KIND_LIST)
		return skip(s) && skip(s); /* a value of several parts is none of a point */
	if (!value_take(s, &value) || !skip(s))
		return false;
	if (obis.kind != KIND_OCTETS || obis.len != OBIS)
		return bad(s, "not an OBIS code");
	const uint8_t *o = obis.p;
	struct fg_str name =
		fg_writer_printf(&s->w, "%u-%u:%u.%u.%u*%u", o[0], o[1], o[2], o[3], o[4], o[5]);

	if (is_absent(value))
		return true;
	if (value.kind == KIND_OCTETS)
		fg_writer_add(&s->w, name, fg_value_data(value.p, value.len), FG_STR(""));
	else if (value.kind == KIND_BOOL && value.len == 1)
		fg_writer_add(&s->w, name, fg_value_bool(value.p[0] != 0), FG_STR(""));
	else
		number_write(s, name, value, unit, scaler);
	if (value.kind == KIND_OCTETS && is_serial_number(o) && !s->w.doc->device.len)
		s->w.doc->device = fg_writer_hex(&s->w, value.p, value.len);
	return !s->reason;
}

/* Client, server, list's name, time, values, signature, gateway's time. */
static bool get_list_response(struct sml *s)
{
	struct item client, server, values;

	if (!list_take(s, 7) || !value_take(s, &client) || !value_take(s, &server) || !skip(s) ||
	    !skip(s) || !item_head(s, &values))
		return false;
	if (values.kind != KIND_LIST)
		return bad(s, "not the list that is due");
	if (server.kind == KIND_OCTETS && !s->server.len)
		s->server = fg_str((const char *)server.p, server.len);
	for (size_t i = 0; i < values.len; i++) {
		if (!entry_read(s))
			return false;
		s->entries++;
	}
	return skip(s) && skip(s);
}

/* Transaction, group, on error, body, CRC, end. */
static bool message_read(struct sml *s)
{
	struct item item;
	int64_t tag;

	if (!list_take(s, MESSAGE) || !skip(s) || !skip(s) || !skip(s) || !list_take(s, 2) ||
	    !value_take(s, &item))
		return false;
	if (!integer(item, &tag))
		return bad(s, "message of no kind");
	/* its own CRC says nothing beyond the transmission's, and some meters get it wrong */
	if (!(tag == GET_LIST_RESPONSE ? get_list_response(s) : skip(s)) || !skip(s))
		return false;
	if (s->p == s->end || *s->p++ != 0)
		return bad(s, "message without an end");
	return true;
}

/* Undoes the doubling of escapes in the content. Returns its length. */
static size_t unescape(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		if (len - i >= 2 * ESCAPE && memcmp(p + i, escape, ESCAPE) == 0) {
			memcpy(out + n, p + i + ESCAPE, ESCAPE);
			n += ESCAPE;
			i += 2 * ESCAPE;
		} else {
			out[n++] = p[i++];
		}
	}
	return n;
}

static struct fg_scan frame_find(const uint8_t *p, size_t len)
{
	size_t n = len < sizeof(begin) ? len : sizeof(begin);

	if (memcmp(p, begin, n) != 0)
		return (struct fg_scan){ FG_SCAN_NONE, 1 };
	for (size_t i = sizeof(begin); i + TRAILER <= len;) {
		if (memcmp(p + i, escape, ESCAPE) != 0) {
			i++;
			continue;
		}
		if (memcmp(p + i + ESCAPE, escape, ESCAPE) == 0) {
			i += TRAILER;
			continue;
		}
		if (memcmp(p + i, begin, sizeof(begin)) == 0)
			return (struct fg_scan){ FG_SCAN_BAD, i };
		/* content that ends like an escape begins */
		if (p[i + 4] == 0x1b) {
			i++;
			continue;
		}
		if (p[i + 4] != 0x1a || p[i + 5] > 3)
			return (struct fg_scan){ FG_SCAN_BAD, i + 1 };
		uint16_t crc = crc16_x25(p, i + 6);

		if (p[i + 6] != (crc & 0xff) || p[i + 7] != crc >> 8)
			return (struct fg_scan){ FG_SCAN_BAD, i + TRAILER };
		return (struct fg_scan){ FG_SCAN_FRAME, i + TRAILER };
	}
	return (struct fg_scan){ FG_SCAN_MORE, 0 };
}

static struct fg_scan sml_scan(const uint8_t *p, size_t len, bool end)
{
	(void)end;
	return frame_find(p, len);
}

static int sml_decode(const struct fg_decode_context *ctx, struct fg_str frame, struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)frame.ptr;
	struct sml s = { 0 };

	(void)ctx;
	if (frame.len < sizeof(begin) + TRAILER || frame.len > FILE_MAX)
		return fg_doc_bad(doc, "not an SML transmission", 0);
	struct fg_scan scan = frame_find(p, frame.len);

	if (scan.what != FG_SCAN_FRAME || scan.len != frame.len)
		return fg_doc_bad(
			doc, scan.what == FG_SCAN_BAD ? "wrong CRC" : "not an SML transmission", 0);
	size_t body = frame.len - sizeof(begin) - TRAILER, fill = p[frame.len - 3];
	uint8_t *content = (uint8_t *)fg_doc_text(doc, body + 1);

	if (!content)
		return fg_doc_bad(doc, NULL, 0);
	if (fill > body)
		return fg_doc_bad(doc, "more fill bytes than bytes", frame.len);
	s.p = content;
	s.end = content + unescape(p + sizeof(begin), body, content) - fill;
	fg_writer_begin(&s.w, doc);
	while (s.p < s.end && !s.w.failed) {
		if (!message_read(&s))
			return fg_doc_bad(doc, s.reason, 0);
	}
	if (!doc->device.len && s.server.len)
		doc->device = fg_writer_hex(&s.w, (const uint8_t *)s.server.ptr, s.server.len);
	return fg_writer_end(&s.w);
}

const struct fg_decoder fg_decoder_sml = {
	.name = "sml",
	.summary = "SML transmissions of electricity meters' optical interface.",
	.framer = "sml",
	.scan = sml_scan,
	.decode = sml_decode,
};

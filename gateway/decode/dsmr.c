/*
 * Telegrams of the P1 port of smart meters (DSMR 2.2 to 5.0 and what other countries made of it)
 * and the data readout of IEC 62056-21: an identification line, lines "OBIS(value)(value)", '!' and
 * from DSMR 4 on a CRC. Points are named by their OBIS code.
 */
#include <fg/framer.h>

#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

enum { TELEGRAM_MAX = 16384, HEAD_MAX = 128, CODE_MAX = 32, GROUPS_MAX = 64, STX = 2, ETX = 3 };

struct dsmr {
	struct fg_writer w;
	struct fg_str text; /* from '/' to before '!' */
	bool p1; /* else the readout of IEC 62056-21, where bare numbers are numbers */
	bool crc; /* a right one was behind it */
	struct fg_str code;
	struct fg_str groups[GROUPS_MAX];
	size_t count;
};

/* CRC-16/ARC: the same steps as Modbus's from another beginning. */
static uint16_t crc16_arc(const uint8_t *p, size_t len)
{
	static const uint16_t table[16] = {
		0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
		0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400,
	};
	uint16_t crc = 0;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

/* Some meters leave leading zeros of the CRC out. Returns its digits, 0 if there is none. */
static size_t crc_read(const uint8_t *p, size_t len, uint16_t *ret_crc)
{
	size_t digits = 0;
	unsigned crc = 0;

	while (digits < len && digits < 4 && fg_hex_digit(p[digits]) >= 0)
		crc = crc << 4 | (unsigned)fg_hex_digit(p[digits++]);
	*ret_crc = (uint16_t)crc;
	return digits;
}

static const struct {
	const char *name, *unit;
} units[] = {
	{ "kWh", "kWh" }, { "Wh", "Wh" },	{ "kW", "kW" },	    { "W", "W" },
	{ "V", "V" },	  { "A", "A" },		{ "mA", "mA" },	    { "mV", "mV" },
	{ "s", "s" },	  { "m3", "m3" },	{ "Hz", "Hz" },	    { "kvar", "kvar" },
	{ "var", "var" }, { "kvarh", "kvarh" }, { "varh", "varh" }, { "kVA", "kVA" },
	{ "VA", "VA" },	  { "kVAh", "kVAh" },	{ "J", "J" },	    { "min", "min" },
	{ "h", "h" },
};

/* A unit that SenML has no name of is left out rather than made up. */
static struct fg_str unit_of(struct fg_str text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (fg_str_eq_c(text, units[i].name))
			return fg_str_c(units[i].unit);
	}
	return FG_STR("");
}

/* YYMMDDhhmmss, and W or S behind it for winter and summer time. */
static bool stamp_like(struct fg_str text)
{
	return text.len == 13 && (text.ptr[12] == 'W' || text.ptr[12] == 'S');
}

/* The meter's local time is Central European; without its season it is no certain time. */
static void time_note(struct dsmr *d, struct fg_str text)
{
	uint32_t part[6];

	if (!stamp_like(text))
		return;
	for (size_t i = 0; i < 6; i++) {
		if (!fg_digits_parse(fg_str(text.ptr + 2 * i, 2), &part[i]))
			return;
	}
	int64_t local = fg_utc_seconds(2000 + part[0], part[1], part[2], part[3], part[4], part[5]);

	if (local != INT64_MIN)
		d->w.doc->time_ns =
			(local - (text.ptr[12] == 'S' ? 7200 : 3600)) * INT64_C(1000000000);
}

static void group_write(struct dsmr *d, struct fg_str key, struct fg_str text)
{
	const char *star = memchr(text.ptr, '*', text.len);
	struct fg_str digits = star ? fg_str(text.ptr, (size_t)(star - text.ptr)) : text;
	struct fg_value value;

	if ((star || !d->p1) && fg_decimal_parse(digits, &value))
		fg_writer_add(&d->w, key, value,
			      star ? unit_of(fg_str(star + 1, text.len - digits.len - 1)) :
				     FG_STR(""));
	else
		fg_writer_text(&d->w, key, text);
}

/* One line's values: a single one by its code, "(time)(value)" as that value, others as a list. */
static void line_write(struct dsmr *d)
{
	if (d->code.len == 0)
		return;
	if (fg_str_eq_c(d->code, "0-0:1.0.0") && d->count == 1)
		time_note(d, d->groups[0]);
	if (fg_str_eq_c(d->code, "0-0:96.1.1") && d->count == 1 && d->groups[0].len)
		d->w.doc->device = d->groups[0];
	if (d->count == 1) {
		group_write(d, d->code, d->groups[0]);
	} else if (d->count == 2 && stamp_like(d->groups[0])) {
		group_write(d, d->code, d->groups[1]);
	} else {
		fg_writer_open(&d->w, d->code, FG_NODE_ARRAY);
		for (size_t i = 0; i < d->count; i++)
			group_write(d, FG_STR(""), d->groups[i]);
		fg_writer_close(&d->w);
	}
	d->code.len = d->count = 0;
}

static bool code_good(struct fg_str code)
{
	for (size_t i = 0; i < code.len; i++) {
		char c = code.ptr[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !memchr("-:.*&", c, 5))
			return false;
	}
	return code.len > 0 && code.len <= CODE_MAX;
}

/* DSMR before 4 puts a gas meter's value on a line of its own: it belongs to the line before. */
static const char *line_read(struct dsmr *d, struct fg_str line)
{
	const char *end = line.ptr + line.len, *open = memchr(line.ptr, '(', line.len);

	if (!open)
		return "line without a value";
	if (open != line.ptr) {
		line_write(d);
		d->code = fg_str(line.ptr, (size_t)(open - line.ptr));
		if (!code_good(d->code))
			return "not an OBIS code";
	} else if (d->code.len == 0) {
		return "value without an OBIS code";
	}
	while (open < end) {
		const char *close = memchr(open, ')', (size_t)(end - open));

		if (*open != '(' || !close)
			return "unbalanced parentheses";
		if (d->count == GROUPS_MAX)
			return "too many values in a line";
		d->groups[d->count++] = fg_str(open + 1, (size_t)(close - open - 1));
		open = close + 1;
	}
	return NULL;
}

/* Takes the next line off, without its ending. */
static struct fg_str line_take(struct fg_str *rest)
{
	const char *stop = memchr(rest->ptr, '\n', rest->len);
	size_t len = stop ? (size_t)(stop - rest->ptr) : rest->len;
	struct fg_str line = fg_str(rest->ptr, len);

	*rest = fg_str(rest->ptr + len + (stop != NULL), rest->len - len - (stop != NULL));
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* P1 has an empty line behind the identification and whole OBIS codes; the readout of IEC 62056-21
 * may have that line too, but then short codes or the mark of a block's beginning. */
static bool p1_like(struct fg_str rest)
{
	if (line_take(&rest).len)
		return false;
	struct fg_str first = line_take(&rest);
	const char *open = memchr(first.ptr, '(', first.len);

	return open && first.ptr[0] != STX && memchr(first.ptr, ':', (size_t)(open - first.ptr));
}

static const char *lines_read(struct dsmr *d)
{
	struct fg_str rest = d->text;
	struct fg_str head = line_take(&rest);

	d->w.doc->device = fg_str(head.ptr + 1, head.len - 1);
	d->p1 = d->crc || p1_like(rest);
	while (rest.len) {
		struct fg_str line = line_take(&rest);

		if (line.len && line.ptr[0] == STX)
			line = fg_str(line.ptr + 1, line.len - 1);
		const char *reason = line.len ? line_read(d, line) : NULL;

		if (reason)
			return reason;
	}
	line_write(d);
	return NULL;
}

/* A telegram of DSMR 4 or later that has lost its CRC has lost its proof. */
static bool crc_due(struct fg_str text)
{
	const char *version = memmem(text.ptr, text.len, "1-3:0.2.8(", 10);

	if (!version)
		version = memmem(text.ptr, text.len, "0-0:96.1.4(", 11);
	return version != NULL;
}

/* "!", the CRC, a line's end; "!", a line's end, ETX and the block check. 0: more bytes needed. */
static const char *trailer_read(const uint8_t *p, size_t body, size_t len, bool *ret_crc,
				size_t *ret_total)
{
	uint16_t crc = 0;
	size_t at = body + 1, digits = crc_read(p + at, len - at, &crc);
	const uint8_t *begin = memchr(p, STX, body);

	at += digits;
	*ret_crc = digits > 0;
	if (digits && crc != crc16_arc(p, body + 1))
		return "wrong CRC";
	if (at < len && p[at] == '\r')
		at++;
	if (at < len && p[at] == '\n')
		at++;
	if (begin && at + 1 < len && p[at] == ETX) {
		uint8_t sum = 0;

		for (const uint8_t *q = begin + 1; q <= p + at; q++)
			sum ^= *q;
		if (sum != p[at + 1])
			return "wrong block check";
		at += 2;
	}
	*ret_total = at;
	return digits == 0 && crc_due(fg_str((const char *)p, body)) ? "no CRC" : NULL;
}

/* Where the '!' is that begins a line, or the '/' of another telegram before that; 0: neither. */
static size_t body_find(const uint8_t *p, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (p[i - 1] == '\n' && (p[i] == '!' || p[i] == '/'))
			return i;
	}
	return 0;
}

static bool is_text(struct fg_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c < 0x20 && !memchr("\r\n\2", c, 3)) || c > 0x7e)
			return false;
	}
	return true;
}

/* '/', three letters of the maker, and a line that is no longer than an identification. */
static bool head_good(const uint8_t *p, size_t len)
{
	size_t i = 1;

	for (; i < 4 && i < len; i++) {
		if (!((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z'))
			return false;
	}
	while (i < len && i < HEAD_MAX && p[i] != '\n')
		i++;
	return len > 0 && p[0] == '/' && i < HEAD_MAX;
}

/* Bytes were lost in the middle of a line, and another telegram follows there: what is in front of
 * the last one that may begin is in none. A unit (imp/kWh) is no identification. */
static size_t body_skip(const uint8_t *p, size_t body)
{
	for (size_t i = body, line = body; --i > 0;) {
		if (p[i] == '\n')
			line = i;
		if (p[i] == '/' && head_good(p + i, body - i) && !memchr(p + i, ')', line - i))
			return i;
	}
	return body;
}

static int dsmr_decode(const struct fg_decode_context *ctx, struct fg_str text, struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)text.ptr;
	size_t body, total = 0;
	struct dsmr d;

	(void)ctx;
	if (text.len > TELEGRAM_MAX)
		return fg_doc_bad(doc, "longer than a telegram", TELEGRAM_MAX);
	if (text.len < 5 || !head_good(p, text.len))
		return fg_doc_bad(doc, "does not begin with an identification", 0);
	body = body_find(p, text.len);
	if (body == 0 || p[body] == '/')
		return fg_doc_bad(doc, "telegram without an end", text.len);
	const char *reason = trailer_read(p, body, text.len, &d.crc, &total);

	if (reason || total != text.len)
		return fg_doc_bad(doc, reason ? reason : "bytes behind the telegram", body);
	d.text = fg_str(text.ptr, body);
	d.code.len = d.count = 0;
	if (!is_text(d.text))
		return fg_doc_bad(doc, "not text", 0);
	fg_writer_begin(&d.w, doc);
	reason = lines_read(&d);
	if (reason)
		return fg_doc_bad(doc, reason, 0);
	return fg_writer_end(&d.w);
}

static struct fg_scan dsmr_scan(const uint8_t *p, size_t len, bool end)
{
	const struct fg_scan more = { FG_SCAN_MORE, 0 }, none = { FG_SCAN_NONE, 1 };
	bool crc;
	size_t total;

	if (!head_good(p, len))
		return none;
	size_t body = body_find(p, len);

	if (body == 0)
		return len >= TELEGRAM_MAX ? none : more;
	/* a telegram inside of one: this one lost its end */
	if (p[body] == '/')
		return (struct fg_scan){ FG_SCAN_NONE, body };
	/* the CRC and the line's end behind it, or the block check: at most eight bytes */
	const uint8_t *line = memchr(p + body, '\n', len - body);

	if (!end && (!line || (memchr(p, STX, body) && line + 2 >= p + len)) && len - body < 9)
		return more;
	if (trailer_read(p, body, len, &crc, &total))
		return (struct fg_scan){ FG_SCAN_BAD, body_skip(p, body) };
	return (struct fg_scan){ FG_SCAN_FRAME, total };
}

const struct fg_decoder fg_decoder_dsmr = {
	.name = "dsmr",
	.summary = "Telegrams of smart meters: DSMR P1 and the readout of IEC 62056-21.",
	.framer = "dsmr",
	.scan = dsmr_scan,
	.decode = dsmr_decode,
};

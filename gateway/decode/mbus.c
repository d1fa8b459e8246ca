/*
 * Answers of wired M-Bus meters (EN 13757-2 frames, EN 13757-3 data): the variable structure record
 * by record, named by number and quantity in the unit without a prefix, and the old fixed one.
 */
#include <fg/framer.h>

#include "decode/mbus_vif.h"
#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

#include <math.h>

enum { FRAME_MIN = 9, EXTENSIONS_MAX = 10, HEADER = 12, FIXED = 16, RECORDS_MAX = 250 };
enum { CI_ERROR = 0x70, CI_VARIABLE = 0x72, CI_FIXED = 0x73 };
enum { DIF_MANUFACTURER = 0x0f, DIF_MORE = 0x1f, DIF_FILLER = 0x2f };
enum { TYPE_NONE = 0, TYPE_REAL = 5, TYPE_SELECTION = 8, TYPE_VARIABLE = 13 };

struct mbus {
	struct fg_writer w;
	const uint8_t *p, *end;
	const char *reason;
	unsigned records;
};

struct record {
	uint8_t dif, vif, vife; /* the first of each */
	unsigned code; /* for fg_mbus_quantity() */
	struct fg_str custom; /* the quantity's name given as text, as it is on the wire */
	struct fg_str number; /* the record's place in the answer */
};

static bool take(struct mbus *m, size_t n, const uint8_t **ret_p)
{
	if ((size_t)(m->end - m->p) < n) {
		m->reason = "record beyond the end of the frame";
		return false;
	}
	*ret_p = m->p;
	m->p += n;
	return true;
}

/* The bytes that follow while the one before has its highest bit set. */
static bool extensions_take(struct mbus *m, uint8_t first, uint8_t *ret_first)
{
	const uint8_t *p;
	uint8_t last = first;

	for (int n = 0; last & 0x80; n++) {
		if (n == EXTENSIONS_MAX) {
			m->reason = "too many extensions of a record";
			return false;
		}
		if (!take(m, 1, &p))
			return false;
		last = *p;
		if (n == 0)
			*ret_first = last;
	}
	return true;
}

static uint64_t little_endian(const uint8_t *p, size_t len)
{
	uint64_t n = 0;

	while (len--)
		n = n << 8 | p[len];
	return n;
}

static int64_t integer(const uint8_t *p, size_t len)
{
	uint64_t n = little_endian(p, len), sign = UINT64_C(1) << (len * 8 - 1);

	return (int64_t)((n ^ sign) - sign);
}

/* Packed digits, lowest first; F as the highest one is a minus sign. False: not digits. */
static bool bcd(const uint8_t *p, size_t len, int64_t *ret_number)
{
	int64_t n = 0;
	bool negative = len > 0 && p[len - 1] >> 4 == 15;

	for (size_t i = len; i-- > 0;) {
		unsigned high = p[i] >> 4, low = p[i] & 15;

		if (negative && i == len - 1)
			high = 0;
		if (high > 9 || low > 9)
			return false;
		n = n * 100 + high * 10 + low;
	}
	*ret_number = negative ? -n : n;
	return true;
}

/* Text goes over the line last character first, in ISO 8859-1. */
static struct fg_str text_read(struct mbus *m, const uint8_t *p, size_t len)
{
	char *text = fg_doc_text(m->w.doc, len * 2);
	size_t n = 0;

	if (!text) {
		m->w.failed = true;
		return FG_STR("");
	}
	while (len--) {
		if (p[len] >= 0x80)
			text[n++] = (char)(0xc0 | p[len] >> 6);
		text[n++] = (char)(p[len] < 0x80 ? p[len] : 0x80 | (p[len] & 0x3f));
	}
	return fg_str(text, n);
}

static struct fg_str hex_text(struct mbus *m, const uint8_t *p, size_t len, bool reversed)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = fg_doc_text(m->w.doc, len * 3);

	if (!text) {
		m->w.failed = true;
		return FG_STR("");
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = p[reversed ? len - 1 - i : i];

		text[3 * i] = digits[byte >> 4];
		text[3 * i + 1] = digits[byte & 15];
		text[3 * i + 2] = ' ';
	}
	return fg_str(text, len ? len * 3 - 1 : 0);
}

/* Types G, F and I of EN 13757-3 annex A. */
static struct fg_str date_read(struct mbus *m, const uint8_t *p, size_t len)
{
	const uint8_t *d = p + (len == 2 ? 0 : len == 4 ? 2 : 3);
	unsigned year = d[0] >> 5 | (d[1] & 0xf0u) >> 1, month = d[1] & 15, day = d[0] & 31;
	unsigned century = len == 4 ? d[-1] >> 5 & 3u : 1;

	/* old meters know no centuries: their years up to 80 are this one's */
	year += century == 0 && year > 80 ? 1900 : 1900 + 100 * (century ? century : 1);
	if (len == 2)
		return fg_writer_printf(&m->w, "%04u-%02u-%02u", year, month, day);
	return fg_writer_printf(&m->w, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month, day,
				d[-1] & 31u, d[-2] & 63u, len == 4 ? 0u : p[0] & 63u);
}

static bool is_date(const struct record *r, size_t len)
{
	if (len == 2)
		return r->code == 0x6c;
	return (len == 4 || len == 6) && (r->code == 0x6d || r->code == 0x130 || r->code == 0x170);
}

/* A time that calls itself invalid is none. */
static bool date_good(const uint8_t *p, size_t len)
{
	return len == 2 || !(p[len == 4 ? 0 : 1] & 0x80);
}

/* Multiplies by what the quantity's unit is and by the record's own correction factor. */
static struct fg_value scaled(const struct record *r, const struct fg_mbus_quantity *q, int64_t n)
{
	static const double units[] = { 1, 60, 3600, 86400, 2629743.83, 31556926 };
	int exp10 = q->exp10, at = 0;
	unsigned vife = r->vife & 0x7f;
	bool corrected = r->vif & 0x80 && r->vif != 0xfd && r->vif != 0xfb;

	if (q->time == FG_MBUS_SECONDS)
		at = (int)(r->code & 3);
	else if (q->time == FG_MBUS_HOURS)
		at = 2 + (int)(r->code & 3);
	else if (q->time == FG_MBUS_MONTHS)
		at = 4 + (int)(r->code & 1);
	if (corrected && vife >= 0x70 && vife <= 0x77)
		exp10 += (int)(vife & 7) - 6;
	if (corrected && vife == 0x7d)
		exp10 += 3;
	if (at > 0)
		return fg_value_of_double((double)n * units[at] * pow(10, exp10));
	struct fg_value value = fg_value_scaled(n, exp10);

	if (corrected && vife >= 0x78 && vife <= 0x7b)
		value = fg_value_of_double(fg_value_double(&value) + pow(10, (int)(vife & 3) - 3));
	return value;
}

static void real_write(struct mbus *m, const struct record *r, const struct fg_mbus_quantity *q,
		       struct fg_str name, const uint8_t *p)
{
	uint32_t bits = (uint32_t)little_endian(p, 4);
	struct fg_value one = scaled(r, q, 1);
	float f;

	memcpy(&f, &bits, sizeof(f));
	double d = (double)f * fg_value_double(&one);

	if (isfinite(d))
		fg_writer_add(&m->w, name, fg_value_of_double(d), fg_str_c(q->unit));
	else
		fg_writer_nonfinite(&m->w, name);
}

/* Text, digits or bytes behind a length (EN 13757-3 table of LVAR). */
static void variable_write(struct mbus *m, const struct record *r, const struct fg_mbus_quantity *q,
			   struct fg_str name)
{
	const uint8_t *p, *body;
	int64_t n;

	if (!take(m, 1, &p))
		return;
	if (*p < 0xc0) {
		if (take(m, *p, &body))
			fg_writer_text(&m->w, name, text_read(m, body, *p));
	} else if (*p < 0xe0 && (*p & 15) <= 9) {
		if (take(m, *p & 15, &body) && bcd(body, *p & 15, &n))
			fg_writer_add(&m->w, name, scaled(r, q, *p < 0xd0 ? n : -n),
				      fg_str_c(q->unit));
	} else if (*p >= 0xe0 && *p < 0xf0) {
		if (take(m, *p & 15, &body))
			fg_writer_add(&m->w, name, fg_value_data(body, *p & 15), FG_STR(""));
	} else if (*p >= 0xf0 && *p <= 0xf6) {
		/* a number too long for one, the highest byte first */
		size_t len = *p < 0xf5 ? 4u * (*p - 0xecu) : *p == 0xf5 ? 48 : 64;

		if (take(m, len, &body))
			fg_writer_text(&m->w, name, hex_text(m, body, len, true));
	} else {
		m->reason = "reserved length of a record";
	}
}

/* Digits that are none say that the meter has no value; the others of the answer stand. */
static void value_write(struct mbus *m, const struct record *r, const struct fg_mbus_quantity *q,
			struct fg_str name)
{
	static const uint8_t lengths[16] = { 0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0 };
	unsigned type = r->dif & 15;
	size_t len = lengths[type];
	const uint8_t *p;
	int64_t n;

	if (type == TYPE_VARIABLE) {
		variable_write(m, r, q, name);
		return;
	}
	if (!take(m, len, &p))
		return;
	if (type == TYPE_NONE)
		fg_writer_text(&m->w, name, FG_STR(""));
	else if (type == TYPE_REAL)
		real_write(m, r, q, name, p);
	else if (type < TYPE_SELECTION && is_date(r, len)) {
		if (date_good(p, len))
			fg_writer_text(&m->w, name, date_read(m, p, len));
	} else if (type < TYPE_SELECTION)
		fg_writer_add(&m->w, name, scaled(r, q, integer(p, len)), fg_str_c(q->unit));
	else if (len && bcd(p, len, &n))
		fg_writer_add(&m->w, name, scaled(r, q, n), fg_str_c(q->unit));
}

/* VIF, its text if it says that it has one, and VIFEs. */
static bool value_information(struct mbus *m, struct record *r)
{
	const uint8_t *p;

	if (!take(m, 1, &p))
		return false;
	r->vif = *p;
	if ((r->vif & 0x7f) == 0x7c) {
		if (!take(m, 1, &p))
			return false;
		size_t len = *p;

		if (!take(m, len, &p))
			return false;
		r->custom = text_read(m, p, len);
	}
	if (!extensions_take(m, r->vif, &r->vife))
		return false;
	r->code = r->vif & 0x7f;
	if (r->vif == 0xfd || r->vif == 0xfb)
		r->code = (r->vif == 0xfd ? 0x100u : 0x200u) + (r->vife & 0x7f);
	return true;
}

static void record_read(struct mbus *m)
{
	struct fg_mbus_quantity quantity = { "Reserved", "", FG_MBUS_DECIMAL, 0 };
	struct record r = { .number = fg_writer_printf(&m->w, "%u", m->records++) };
	uint8_t dife;

	r.dif = *m->p++;
	if (r.dif == DIF_MANUFACTURER || r.dif == DIF_MORE) {
		fg_writer_text(&m->w, r.number, hex_text(m, m->p, (size_t)(m->end - m->p), false));
		m->p = m->end;
		return;
	}
	if ((r.dif & 15) == 15) {
		m->reason = "reserved record";
		return;
	}
	if (!extensions_take(m, r.dif, &dife) || !value_information(m, &r))
		return;
	(void)fg_mbus_quantity(r.code, &quantity);
	fg_writer_open(&m->w, r.number, FG_NODE_OBJECT);
	uint32_t at = m->w.doc->len;

	value_write(m, &r, &quantity, r.custom.ptr ? r.custom : fg_str_c(quantity.name));
	/* some of the names have a slash of their own */
	if (m->w.doc->len > at)
		m->w.doc->nodes[at].whole = true;
	fg_writer_close(&m->w);
}

/* A meter's number is digits, but nothing stops a maker from others. */
static struct fg_str device_name(struct mbus *m, const uint8_t *id, const uint8_t *maker)
{
	unsigned code = maker ? (unsigned)little_endian(maker, 2) : 0;
	uint32_t number = (uint32_t)little_endian(id, 4);

	if (!maker)
		return fg_writer_printf(&m->w, "/%X", number);
	return fg_writer_printf(&m->w, "%c%c%c/%X", (code >> 10 & 31) + 64, (code >> 5 & 31) + 64,
				(code & 31) + 64, number);
}

/*
 * By the mode in the configuration field. Modes from 16 on were never given out: in older meters
 * this is a signature. 5 and 7 say how many blocks they cover, and what begins in fillers has been
 * decrypted.
 */
static bool is_encrypted(const struct mbus *m, const uint8_t *head)
{
	unsigned mode = head[11] & 0x1f;

	if (mode == 0 || mode > 15 || ((mode == 5 || mode == 7) && head[10] >> 4 == 0))
		return false;
	return !(m->end - m->p >= 2 && m->p[0] == 0x2f && m->p[1] == 0x2f);
}

static void variable_read(struct mbus *m)
{
	const uint8_t *head;

	if (!take(m, HEADER, &head))
		return;
	if (is_encrypted(m, head)) {
		m->reason = "encrypted";
		return;
	}
	m->w.doc->device = device_name(m, head, head + 4);
	while (m->p < m->end && !m->reason && !m->w.failed) {
		if (*m->p == DIF_FILLER)
			m->p++;
		else if (m->records == RECORDS_MAX)
			m->reason = "too many records";
		else
			record_read(m);
	}
}

/* Two counters; what they count is left to the meter's paper. */
static void fixed_read(struct mbus *m)
{
	const uint8_t *head;

	if (!take(m, FIXED, &head))
		return;
	m->w.doc->device = device_name(m, head, NULL);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *p = head + 8 + 4 * i;
		int64_t n;

		if (head[5] & 1)
			n = integer(p, 4);
		else if (!bcd(p, 4, &n))
			continue;
		fg_writer_add(&m->w, i ? FG_STR("1") : FG_STR("0"), fg_value_int(n), FG_STR(""));
	}
}

/* 68 L L 68, L bytes, their sum, 16. Returns the frame's length, 0 if more bytes are needed. */
static size_t long_length(const uint8_t *p, size_t len)
{
	if ((len > 1 && p[1] < 3) || (len > 2 && p[2] != p[1]) || (len > 3 && p[3] != 0x68))
		return SIZE_MAX;
	return len > 3 ? p[1] + 6u : 0;
}

static bool frame_good(const uint8_t *p, size_t begin, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = begin; i < len - 2; i++)
		sum = (uint8_t)(sum + p[i]);
	return p[len - 2] == sum && p[len - 1] == 0x16;
}

static void answer_read(struct mbus *m, const uint8_t *p)
{
	/* 08: the answer to a request for data; two bits of it mean that there is more, or haste */
	if ((p[4] & 0xcf) != 0x08)
		m->reason = "not an answer of a meter";
	else if (p[6] == CI_VARIABLE)
		variable_read(m);
	else if (p[6] == CI_FIXED)
		fixed_read(m);
	else
		m->reason = p[6] == CI_ERROR ? "the meter reports an error" :
					       "data of another structure";
}

static int mbus_decode(const struct fg_decode_context *ctx, struct fg_str frame, struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)frame.ptr;
	struct mbus m = { .p = p + 7 };
	bool acknowledge = frame.len == 1 && p[0] == 0xe5;
	bool request = frame.len == 5 && p[0] == 0x10;

	(void)ctx;
	if (!acknowledge && !request &&
	    (frame.len < FRAME_MIN || p[0] != 0x68 || long_length(p, frame.len) != frame.len))
		return fg_doc_bad(doc, "not an M-Bus frame", 0);
	if (!acknowledge && !frame_good(p, request ? 1 : 4, frame.len))
		return fg_doc_bad(doc, "wrong checksum", frame.len - 1);
	fg_writer_begin(&m.w, doc);
	if (!acknowledge && !request) {
		m.end = p + frame.len - 2;
		answer_read(&m, p);
	}
	if (m.reason)
		return fg_doc_bad(doc, m.reason, m.p <= m.end ? (size_t)(m.p - p) : 0);
	return fg_writer_end(&m.w);
}

/* Requests and acknowledgements carry no value and are passed over like what is no frame. */
static struct fg_scan mbus_scan(const uint8_t *p, size_t len, bool end)
{
	size_t need = p[0] == 0x68 ? long_length(p, len) : SIZE_MAX;

	(void)end;
	if (need == SIZE_MAX)
		return (struct fg_scan){ FG_SCAN_NONE, 1 };
	if (need == 0 || need > len)
		return (struct fg_scan){ FG_SCAN_MORE, 0 };
	if (!frame_good(p, 4, need))
		return (struct fg_scan){ FG_SCAN_BAD, 1 };
	return (struct fg_scan){ FG_SCAN_FRAME, need };
}

const struct fg_decoder fg_decoder_mbus = {
	.name = "mbus",
	.summary = "Answers of wired M-Bus meters (EN 13757).",
	.framer = "mbus",
	.scan = mbus_scan,
	.decode = mbus_decode,
};

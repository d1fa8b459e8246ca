/*
 * NMEA 0183 sentences, one a payload, with or without a tag block before them. Those that carry a
 * position, a course, a speed, a depth, a wind, a heading or a temperature become values by name;
 * all others, and those that are empty, the list of their fields as they stand.
 */
#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

enum { FIELDS_MAX = 128, SENTENCE_MAX = 1024 };

struct nmea {
	struct fg_writer w;
	struct fg_str address; /* talker and type */
	struct fg_str fields[FIELDS_MAX]; /* behind the address */
	size_t count;
	unsigned written;
	bool malformed;
};

static struct fg_str field(const struct nmea *n, size_t at)
{
	return at < n->count ? n->fields[at] : FG_STR("");
}

static void named(struct nmea *n, const char *name, struct fg_value value, const char *unit)
{
	if (n->written++ == 0)
		fg_writer_open(&n->w, n->address, FG_NODE_OBJECT);
	fg_writer_add(&n->w, fg_str_c(name), value, fg_str_c(unit));
}

static void number(struct nmea *n, const char *name, size_t at, const char *unit)
{
	struct fg_str text = field(n, at);
	struct fg_value value;

	if (text.len == 0)
		return;
	if (fg_decimal_parse(text, &value))
		named(n, name, value, unit);
	else
		n->malformed = true;
}

static void word(struct nmea *n, const char *name, size_t at)
{
	if (field(n, at).len)
		named(n, name, fg_value_text(field(n, at)), "");
}

/* ddmm.mmm or dddmm.mmm and the hemisphere behind it; one rounding only. 60 minutes are what some
 * receivers make of 59.99999. */
static bool angle(const struct nmea *n, size_t at, const char *hemispheres, double limit,
		  double *ret_degrees)
{
	struct fg_str text = field(n, at), side = field(n, at + 1);
	struct fg_value minutes;
	uint32_t degrees = 0;
	size_t whole = 0;

	while (whole < text.len && text.ptr[whole] >= '0' && text.ptr[whole] <= '9')
		whole++;
	if (whole < 3 || whole > 5 || side.len != 1 || !strchr(hemispheres, side.ptr[0]) ||
	    !fg_digits_parse(fg_str(text.ptr, whole - 2), &degrees) ||
	    !fg_decimal_parse(fg_str(text.ptr + whole - 2, text.len - whole + 2), &minutes))
		return false;
	double value = ((double)degrees * 60 + fg_value_double(&minutes)) / 60;

	if (fg_value_double(&minutes) > 60 || value > limit)
		return false;
	*ret_degrees = side.ptr[0] == hemispheres[1] ? -value : value;
	return true;
}

/* Before they know where they are, receivers fill in what is no place on earth, and say so: that
 * is left out, and the rest of the sentence stands. */
static void coordinate(struct nmea *n, const char *name, size_t at, double limit, bool fix)
{
	double degrees;

	if (field(n, at).len == 0 && field(n, at + 1).len == 0)
		return;
	if (angle(n, at, limit > 90 ? "EW" : "NS", limit, &degrees))
		named(n, name, fg_value_of_double(degrees), name);
	else
		n->malformed |= fix;
}

static void position(struct nmea *n, size_t at, bool fix)
{
	coordinate(n, "lat", at, 90, fix);
	coordinate(n, "lon", at + 2, 180, fix);
}

/* hhmmss or hhmmss.sss, and a day: the time of the payload. */
static void time_note(struct nmea *n, struct fg_str clock, uint32_t year, uint32_t month,
		      uint32_t day)
{
	uint32_t hour, minute, second;
	struct fg_value fraction = { 0 };

	if (clock.len < 6 || !fg_digits_parse(fg_str(clock.ptr, 2), &hour) ||
	    !fg_digits_parse(fg_str(clock.ptr + 2, 2), &minute) ||
	    !fg_digits_parse(fg_str(clock.ptr + 4, 2), &second))
		return;
	if (clock.len > 6 && (clock.ptr[6] != '.' ||
			      !fg_decimal_parse(fg_str(clock.ptr + 4, clock.len - 4), &fraction)))
		return;
	int64_t seconds = fg_utc_seconds(year, month, day, hour, minute, second);

	if (seconds == INT64_MIN)
		return;
	double part = clock.len > 6 ? fg_value_double(&fraction) - second : 0;

	n->w.doc->time_ns = seconds * 1000000000 + (int64_t)(part * 1e6 + 0.5) * 1000;
}

static void rmc(struct nmea *n)
{
	struct fg_str date = field(n, 8);
	uint32_t day, month, year;

	word(n, "status", 1);
	position(n, 2, !fg_str_eq_c(field(n, 1), "V"));
	number(n, "speed_kn", 6, "");
	number(n, "course", 7, "deg");
	if (date.len == 6 && fg_digits_parse(fg_str(date.ptr, 2), &day) &&
	    fg_digits_parse(fg_str(date.ptr + 2, 2), &month) &&
	    fg_digits_parse(fg_str(date.ptr + 4, 2), &year))
		time_note(n, field(n, 0), year + (year < 80 ? 2000 : 1900), month, day);
}

static void zda(struct nmea *n)
{
	uint32_t day, month, year;

	if (fg_digits_parse(field(n, 1), &day) && fg_digits_parse(field(n, 2), &month) &&
	    fg_digits_parse(field(n, 3), &year))
		time_note(n, field(n, 0), year, month, day);
}

static void gga(struct nmea *n)
{
	position(n, 1, !fg_str_eq_c(field(n, 5), "0"));
	number(n, "quality", 5, "");
	number(n, "satellites", 6, "");
	number(n, "hdop", 7, "");
	number(n, "altitude", 8, "m");
	number(n, "geoid_separation", 10, "m");
}

static void gns(struct nmea *n)
{
	position(n, 1, true);
	word(n, "mode", 5);
	number(n, "satellites", 6, "");
	number(n, "hdop", 7, "");
	number(n, "altitude", 8, "m");
	number(n, "geoid_separation", 9, "m");
}

static void gll(struct nmea *n)
{
	position(n, 0, !fg_str_eq_c(field(n, 5), "V"));
	word(n, "status", 5);
}

/* The oldest receivers have no letter behind each number. */
static void vtg(struct nmea *n)
{
	size_t step = n->count == 4 ? 1 : 2;

	number(n, "course", 0, "deg");
	number(n, "course_magnetic", step, "deg");
	number(n, "speed_kn", 2 * step, "");
	number(n, "speed_kmh", 3 * step, "km/h");
}

static void hdt(struct nmea *n)
{
	number(n, "heading", 0, "deg");
}

static void dpt(struct nmea *n)
{
	number(n, "depth", 0, "m");
	number(n, "offset", 1, "m");
	number(n, "range", 2, "m");
}

static void dbt(struct nmea *n)
{
	number(n, "depth_feet", 0, "");
	number(n, "depth", 2, "m");
	number(n, "depth_fathoms", 4, "");
}

static void mtw(struct nmea *n)
{
	number(n, "temperature", 0, fg_str_eq_c(field(n, 1), "C") ? "Cel" : "");
}

static void mwv(struct nmea *n)
{
	struct fg_str unit = field(n, 3);

	number(n, "wind_angle", 0, "deg");
	word(n, "reference", 1);
	number(n, "wind_speed", 2,
	       fg_str_eq_c(unit, "M") ? "m/s" :
	       fg_str_eq_c(unit, "K") ? "km/h" :
					"");
}

static const struct {
	const char *type;
	void (*read)(struct nmea *n);
} sentences[] = {
	{ "DBT", dbt }, { "DPT", dpt }, { "GGA", gga }, { "GLL", gll },
	{ "GNS", gns }, { "HDT", hdt }, { "MTW", mtw }, { "MWV", mwv },
	{ "RMC", rmc }, { "VTG", vtg }, { "ZDA", zda },
};

static void fields_list(struct nmea *n)
{
	fg_writer_open(&n->w, n->address, FG_NODE_ARRAY);
	for (size_t i = 0; i < n->count; i++)
		fg_writer_text(&n->w, FG_STR(""), n->fields[i]);
	fg_writer_close(&n->w);
}

/* Takes "*hh" off the end. 1: it was right, 0: there is none, -1: it was wrong. */
static int checksum_take(struct fg_str *body)
{
	const char *star = memchr(body->ptr, '*', body->len);
	uint8_t sum = 0;

	if (!star)
		return 0;
	size_t len = (size_t)(star - body->ptr);

	for (size_t i = 0; i < len; i++)
		sum ^= (uint8_t)body->ptr[i];
	if (body->len - len != 3 || fg_hex_digit(star[1]) != sum >> 4 ||
	    fg_hex_digit(star[2]) != (sum & 15))
		return -1;
	body->len = len;
	return 1;
}

/* "key:value" of a tag block: the time, a line's number and a relative time are numbers. */
static bool tag_take(struct fg_str tag, struct fg_doc *doc)
{
	struct fg_value v;

	if (!memchr(tag.ptr, ':', tag.len))
		return false;
	if (tag.ptr[1] != ':' || !strchr("cnr", tag.ptr[0]))
		return true;
	if (!fg_decimal_parse(fg_str(tag.ptr + 2, tag.len - 2), &v) || v.kind != FG_INT || v.i < 0)
		return false;
	if (tag.ptr[0] == 'c' && v.i > 0 && v.i < INT64_C(8000000000000))
		doc->time_ns = v.i < INT64_C(8000000000) ? v.i * 1000000000 : v.i * 1000000;
	return true;
}

/* "\s:name,c:1564827317*42\" before the sentence (NMEA 0183 4.0). Takes it off. */
static const char *tag_block_take(struct fg_str *text, struct fg_doc *doc, bool *ret_tagged)
{
	if (text->len == 0 || text->ptr[0] != '\\')
		return NULL;
	const char *end = memchr(text->ptr + 1, '\\', text->len - 1), *comma;

	if (!end)
		return "unterminated tag block";
	struct fg_str tags = fg_str(text->ptr + 1, (size_t)(end - text->ptr - 1));

	if (checksum_take(&tags) != 1)
		return "wrong checksum of the tag block";
	*ret_tagged = true;
	*text = fg_str(end + 1, (size_t)(text->ptr + text->len - end - 1));
	do {
		comma = memchr(tags.ptr, ',', tags.len);
		size_t len = comma ? (size_t)(comma - tags.ptr) : tags.len;

		if (!tag_take(fg_str(tags.ptr, len), doc))
			return "malformed tag block";
		tags = fg_str(tags.ptr + len + (comma != NULL), tags.len - len - (comma != NULL));
	} while (comma);
	return NULL;
}

/* Two of talker and three of type, to which some add one, or the letter P and a maker's own. */
static bool address_good(struct fg_str address)
{
	for (size_t i = 0; i < address.len; i++) {
		char c = address.ptr[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			return false;
	}
	return address.len == 5 || address.len == 6 ||
	       (address.len >= 4 && address.len <= 15 && address.ptr[0] == 'P');
}

static const char *fields_split(struct nmea *n, struct fg_str body)
{
	static const char text[] = "PSRFTXT"; /* this one's only field follows without a comma */
	const char *p = body.ptr, *end = p + body.len;

	if (body.len > sizeof(text) && memcmp(p, text, sizeof(text) - 1) == 0 &&
	    p[sizeof(text) - 1] != ',') {
		n->address = fg_str_c(text);
		n->fields[0] = fg_str(p + sizeof(text) - 1, body.len - sizeof(text) + 1);
		n->count = 1;
		return NULL;
	}

	for (size_t at = 0;; at++) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct fg_str part = fg_str(p, (size_t)((comma ? comma : end) - p));

		if (at > FIELDS_MAX)
			return "too many fields";
		if (at == 0)
			n->address = part;
		else
			n->fields[at - 1] = part;
		n->count = at;
		if (!comma)
			break;
		p = comma + 1;
	}
	return address_good(n->address) ? NULL : "not a sentence's address";
}

static const char *sentence_open(struct nmea *n, struct fg_str text, bool tagged)
{
	if (text.len < 2 || (text.ptr[0] != '$' && text.ptr[0] != '!'))
		return "no sentence";
	struct fg_str body = fg_str(text.ptr + 1, text.len - 1);
	int sum = checksum_take(&body);

	if (sum < 0)
		return "wrong checksum";
	if (sum == 0 && !tagged)
		return "no checksum";
	return fields_split(n, body);
}

static int sentence_write(struct nmea *n, struct fg_doc *doc)
{
	fg_writer_begin(&n->w, doc);
	for (size_t i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		if (n->address.len == 5 && n->address.ptr[0] != 'P' &&
		    memcmp(n->address.ptr + 2, sentences[i].type, 3) == 0)
			sentences[i].read(n);
	}
	if (n->malformed)
		return fg_doc_bad(doc, "malformed field", 0);
	if (n->written)
		fg_writer_close(&n->w);
	else
		fields_list(n);
	return fg_writer_end(&n->w);
}

/* Takes off the line's end and blanks. */
static struct fg_str sentence_trim(struct fg_str text)
{
	if (text.len && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len && text.ptr[text.len - 1] == '\r')
		text.len--;
	while (text.len && text.ptr[text.len - 1] == ' ')
		text.len--;
	while (text.len && text.ptr[0] == ' ')
		text = fg_str(text.ptr + 1, text.len - 1);
	return text;
}

/* Takes off what is no text, up to where a sentence can begin behind it: a binary frame of the same
 * receiver, which ends no line, or what leads a datagram of IEC 61162-450. Returns where what is no
 * text ends if no sentence is behind it, else 0. */
static size_t binary_take(struct fg_str *text)
{
	size_t binary = 0, begin = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = text->ptr[i];

		if (c < 0x20 || c > 0x7e)
			binary = i + 1;
		else if (begin < binary && strchr("$!\\", c))
			begin = i;
	}
	*text = fg_str(text->ptr + begin, text->len - begin);
	return begin < binary ? binary : 0;
}

static int nmea_decode(const struct fg_decode_context *ctx, struct fg_str text, struct fg_doc *doc)
{
	struct nmea n;
	bool tagged = false;

	(void)ctx;
	n.count = n.written = 0;
	n.malformed = false;
	text = sentence_trim(text);
	size_t binary = binary_take(&text);

	if (binary)
		return fg_doc_bad(doc, "not text", binary - 1);
	if (text.len > SENTENCE_MAX)
		return fg_doc_bad(doc, "longer than a sentence", SENTENCE_MAX);
	const char *reason = tag_block_take(&text, doc, &tagged);

	if (!reason)
		reason = sentence_open(&n, text, tagged);
	if (reason)
		return fg_doc_bad(doc, reason, 0);
	return sentence_write(&n, doc);
}

const struct fg_decoder fg_decoder_nmea = {
	.name = "nmea",
	.summary = "NMEA 0183 sentences of receivers and instruments on boats.",
	.framer = "line",
	.decode = nmea_decode,
};

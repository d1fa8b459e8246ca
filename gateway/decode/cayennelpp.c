/* Cayenne Low Power Payload: channel, type, value, again and again; a value is TYPE_CHANNEL. */
#include "decode/decode.h"
#include "decode/writer.h"

struct axis {
	const char *name; /* NULL: the value has no parts */
	uint8_t bytes;
	int8_t exp10;
	bool is_signed;
	const char *unit;
};

struct kind {
	uint8_t type, count;
	const char *name;
	struct axis axes[3];
};

static const struct kind kinds[] = {
	{ 0x00, 1, "digital_in", { { NULL, 1, 0, false, NULL } } },
	{ 0x01, 1, "digital_out", { { NULL, 1, 0, false, NULL } } },
	{ 0x02, 1, "analog_in", { { NULL, 2, -2, true, NULL } } },
	{ 0x03, 1, "analog_out", { { NULL, 2, -2, true, NULL } } },
	{ 0x65, 1, "luminosity", { { NULL, 2, 0, false, "lx" } } },
	{ 0x66, 1, "presence", { { NULL, 1, 0, false, NULL } } },
	{ 0x67, 1, "temperature", { { NULL, 2, -1, true, "Cel" } } },
	{ 0x71,
	  3,
	  "accelerometer",
	  { { "x", 2, -3, true, NULL }, { "y", 2, -3, true, NULL }, { "z", 2, -3, true, NULL } } },
	{ 0x73, 1, "barometric_pressure", { { NULL, 2, -1, false, "hPa" } } },
	{ 0x86,
	  3,
	  "gyrometer",
	  { { "x", 2, -2, true, NULL }, { "y", 2, -2, true, NULL }, { "z", 2, -2, true, NULL } } },
	{ 0x88,
	  3,
	  "gps",
	  { { "latitude", 3, -4, true, "lat" },
	    { "longitude", 3, -4, true, "lon" },
	    { "altitude", 3, -2, true, "m" } } },
};

static const struct kind *kind_find(uint8_t type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

static int64_t number_at(const uint8_t *p, unsigned bytes, bool is_signed)
{
	int64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	if (is_signed && p[0] & 0x80)
		n -= INT64_C(1) << (8 * bytes);
	return n;
}

static size_t kind_size(const struct kind *kind)
{
	size_t n = 0;

	for (unsigned i = 0; i < kind->count; i++)
		n += kind->axes[i].bytes;
	return n;
}

static void kind_write(struct fg_writer *w, const struct kind *kind, uint8_t channel,
		       const uint8_t *p)
{
	struct fg_str name = fg_writer_printf(w, "%s_%u", kind->name, channel);
	bool parts = kind->axes[0].name;

	if (parts)
		fg_writer_open(w, name, FG_NODE_OBJECT);
	for (unsigned i = 0; i < kind->count; i++) {
		const struct axis *axis = &kind->axes[i];
		int64_t n = number_at(p, axis->bytes, axis->is_signed);

		fg_writer_add(w, parts ? fg_str_c(axis->name) : name,
			      fg_value_scaled(n, axis->exp10), fg_str_c(axis->unit));
		p += axis->bytes;
	}
	if (parts)
		fg_writer_close(w);
}

static int lpp_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		      struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)payload.ptr, *end = p + payload.len, *start = p;
	struct fg_writer w;

	(void)ctx;
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	fg_writer_begin(&w, doc);
	while (p < end) {
		const struct kind *kind = end - p > 2 ? kind_find(p[1]) : NULL;

		/* humidity alone counts in halves */
		if (end - p > 2 && p[1] == 0x68) {
			fg_writer_add(&w, fg_writer_printf(&w, "relative_humidity_%u", p[0]),
				      fg_value_scaled(p[2] * 5, -1), FG_STR("%RH"));
			p += 3;
			continue;
		}
		if (!kind)
			return fg_doc_bad(doc, end - p > 2 ? "unknown type" : "truncated",
					  (size_t)(p - start));
		if ((size_t)(end - p) < 2 + kind_size(kind))
			return fg_doc_bad(doc, "truncated", (size_t)(p - start));
		kind_write(&w, kind, p[0], p + 2);
		p += 2 + kind_size(kind);
	}
	return fg_writer_end(&w);
}

const struct fg_decoder fg_decoder_cayennelpp = {
	.name = "cayennelpp",
	.summary = "Cayenne Low Power Payload, as LoRaWAN nodes send it.",
	.decode = lpp_decode,
};

/*
 * VE.Direct's text mode, as Victron's chargers, inverters and battery monitors send it: blocks of
 * lines "\r\nNAME\tVALUE", the last of them a byte named Checksum that makes the sum of the block
 * zero. Values keep the unit they have on the wire.
 */
#include <fg/framer.h>

#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

enum { BLOCK_MAX = 2048, LABEL_MAX = 32, TEXT_MAX = 128 };

static const char tail[] = "\r\nChecksum\t";
enum { TAIL = sizeof(tail) - 1 };

/* What Victron's protocol paper states a unit for that SenML has a name of. */
static const struct {
	const char *name, *unit;
} units[] = {
	{ "V", "mV" },	    { "V2", "mV" }, { "V3", "mV" }, { "VS", "mV" },	{ "VM", "mV" },
	{ "VPV", "mV" },    { "I", "mA" },  { "I2", "mA" }, { "I3", "mA" },	{ "IL", "mA" },
	{ "P", "W" },	    { "PPV", "W" }, { "T", "Cel" }, { "TTG", "min" },	{ "DM", "/1000" },
	{ "SOC", "/1000" }, { "H7", "mV" }, { "H8", "mV" }, { "H9", "s" },	{ "H15", "mV" },
	{ "H16", "mV" },    { "H21", "W" }, { "H23", "W" }, { "DC_IN_P", "W" },
};

/* What names the device and is never a quantity, even if it looks like a number. */
static bool is_identity(struct fg_str name)
{
	static const char *const names[] = { "PID", "FW", "FWE", "SER#" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (fg_str_eq_c(name, names[i]))
			return true;
	}
	return false;
}

static struct fg_str unit_of(struct fg_str name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (fg_str_eq_c(name, units[i].name))
			return fg_str_c(units[i].unit);
	}
	return FG_STR("");
}

static bool is_text(struct fg_str s, size_t max)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return false;
	}
	return s.len <= max;
}

static const char *field_write(struct fg_writer *w, struct fg_str line)
{
	const char *tab = memchr(line.ptr, '\t', line.len);
	struct fg_value value;

	if (!tab || tab == line.ptr)
		return "line without a name and a value";
	struct fg_str name = fg_str(line.ptr, (size_t)(tab - line.ptr));
	struct fg_str text = fg_str(tab + 1, line.len - name.len - 1);

	if (!is_text(name, LABEL_MAX) || !is_text(text, TEXT_MAX))
		return "not text";
	if (fg_str_eq_c(name, "SER#"))
		w->doc->device = text;
	if (!is_identity(name) && fg_decimal_parse(text, &value))
		fg_writer_add(w, name, value, unit_of(name));
	else
		fg_writer_text(w, name, text);
	return NULL;
}

static bool sum_good(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

static int vedirect_decode(const struct fg_decode_context *ctx, struct fg_str block,
			   struct fg_doc *doc)
{
	struct fg_writer w;

	(void)ctx;
	if (block.len < TAIL + 1 || memcmp(block.ptr + block.len - TAIL - 1, tail, TAIL) != 0)
		return fg_doc_bad(doc, "block does not end in its checksum", block.len);
	if (!sum_good((const uint8_t *)block.ptr, block.len))
		return fg_doc_bad(doc, "wrong checksum", block.len - 1);
	const char *p = block.ptr, *end = p + block.len - TAIL - 1;

	fg_writer_begin(&w, doc);
	while (p < end) {
		if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
			return fg_doc_bad(doc, "line does not begin with a new line",
					  (size_t)(p - block.ptr));
		p += 2;
		const char *stop = memchr(p, '\r', (size_t)(end - p));
		struct fg_str line = fg_str(p, (size_t)((stop ? stop : end) - p));
		const char *reason = field_write(&w, line);

		if (reason)
			return fg_doc_bad(doc, reason, (size_t)(p - block.ptr));
		p += line.len;
	}
	return fg_writer_end(&w);
}

/*
 * The sum runs from one checksum to the next, so what is between two blocks (a HEX message,
 * garbage) spoils the second: it cannot be told from a damaged one.
 */
static struct fg_scan vedirect_scan(const uint8_t *p, size_t len, bool end)
{
	const uint8_t *found = memmem(p, len < BLOCK_MAX ? len : BLOCK_MAX, tail + 2, TAIL - 2);

	(void)end;
	if (!found && len >= BLOCK_MAX)
		return (struct fg_scan){ FG_SCAN_NONE, BLOCK_MAX - TAIL };
	if (!found || (size_t)(found - p) + TAIL - 2 == len)
		return (struct fg_scan){ FG_SCAN_MORE, 0 };
	size_t total = (size_t)(found - p) + TAIL - 2 + 1;

	if (!sum_good(p, total))
		return (struct fg_scan){ FG_SCAN_BAD, total };
	return (struct fg_scan){ FG_SCAN_FRAME, total };
}

const struct fg_decoder fg_decoder_vedirect = {
	.name = "vedirect",
	.summary = "VE.Direct text blocks of Victron's chargers, inverters and battery monitors.",
	.framer = "vedirect",
	.scan = vedirect_scan,
	.decode = vedirect_decode,
};

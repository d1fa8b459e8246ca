/*
 * Serial air-quality sensors, told apart by the beginning, the length and the checksum of what they
 * send: Plantower PMS, Nova SDS, Honeywell HPMA, Sensirion SPS30, Winsen MH-Z19B and the MCU680
 * board around a Bosch BME680. Of a frame that leaves two readings, what both agree on is kept.
 */
#include <fg/framer.h>

#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

#include <math.h>

enum { FRAME_MAX = 100, SPS30_MAX = 2 * 45 + 2 };

struct sensor {
	size_t (*length)(const uint8_t *p, size_t len);
	bool (*good)(const uint8_t *p, size_t len);
	const char *(*read)(struct fg_writer *w, const uint8_t *p, size_t len);
};

static unsigned word(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint8_t sum8(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return sum;
}

static void put(struct fg_writer *w, const char *name, int64_t i, int exp10, const char *unit)
{
	fg_writer_add(w, fg_str_c(name), fg_value_scaled(i, exp10), fg_str_c(unit));
}

/* raw / divisor with fewer decimals, as the sensor's own software prints the double: a tie goes
 * where that double lies, to the even digit if it is exact. */
static int64_t rounded(int64_t raw, int64_t divisor, int64_t step)
{
	int64_t q = raw / step, twice = 2 * (raw % step);
	double off = fma((double)raw / (double)divisor, (double)divisor, -(double)raw);
	int away = twice < 0 ? -1 : 1;

	if (twice < 0) {
		twice = -twice;
		off = -off;
	}
	if (twice > step || (twice == step && (off > 0 || (off >= 0 && q % 2 != 0))))
		q += away;
	return q;
}

/* Plantower: "BM", a length, words, the sum of all before it. */
static size_t pms_length(const uint8_t *p, size_t len)
{
	if (len < 4)
		return 0;
	unsigned body = word(p + 2);

	return body == 20 || body == 28 || body == 36 ? body + 4 : SIZE_MAX;
}

static bool pms_good(const uint8_t *p, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len - 2; i++)
		sum += p[i];
	return (sum & 0xffff) == word(p + len - 2);
}

static void pms_counts(struct fg_writer *w, const uint8_t *p, size_t bins)
{
	static const char *const names[] = { "n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10_0" };

	/* counted in a tenth of a litre, given in a cubic centimetre */
	for (size_t i = 0; i < bins; i++)
		put(w, names[i], word(p + 16 + 2 * i), -2, "");
}

/* Fewer particles are beyond a larger diameter. */
static bool counts_fall(const uint8_t *p, size_t bins)
{
	for (size_t i = 1; i < bins; i++) {
		if (word(p + 16 + 2 * i) > word(p + 14 + 2 * i))
			return false;
	}
	return true;
}

static void climate(struct fg_writer *w, const uint8_t *p)
{
	put(w, "temp", (int16_t)word(p), -1, "Cel");
	put(w, "rhum", word(p + 2), -1, "%RH");
}

/*
 * Four kinds share 32 bytes. The last word is a version and an error code, except that PMS5003S has
 * formaldehyde there, whose high byte is small; where PMS5003T has temperature and humidity, the
 * others go on with two more counts. In heavy dust those could be a climate: then they are left
 * out, and what is before them goes by the commoner kind, so that none is silent in the worst air.
 */
static void pms32_read(struct fg_writer *w, const uint8_t *p)
{
	bool six = counts_fall(p, 6), four = counts_fall(p, 4), version = p[28] >= 0x80;
	unsigned humidity = word(p + 26);
	int temperature = (int16_t)word(p + 24);
	bool climatic = version && humidity <= 1000 && temperature >= -400 && temperature <= 1000;
	bool either = climatic && (six ? temperature >= 100 && humidity >= 100 : !four);

	if (climatic && four && !six) {
		w->doc->device = FG_STR("PMS5003T");
		pms_counts(w, p, 4);
		climate(w, p + 24);
		return;
	}
	w->doc->device = version ? FG_STR("PMSx003") : FG_STR("PMS5003S");
	pms_counts(w, p, either ? 4 : 6);
	if (!version)
		put(w, "HCHO", word(p + 28), -3, "");
}

static const char *pms_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	static const char *const names[] = { "raw01", "raw25", "raw10", "pm01", "pm25", "pm10" };

	for (size_t i = 0; i < 6; i++)
		put(w, names[i], word(p + 4 + 2 * i), 0, "ug/m3");
	if (len == 32) {
		pms32_read(w, p);
		return NULL;
	}
	w->doc->device = len == 24 ? FG_STR("PMS3003") : FG_STR("PMS5003ST");
	if (len == 24)
		return NULL;
	pms_counts(w, p, 6);
	put(w, "HCHO", word(p + 28), -3, "");
	climate(w, p + 30);
	return NULL;
}

/* Nova: AA, C0 or CF, two words low byte first, two bytes, the sum of these, AB. */
static size_t sds_length(const uint8_t *p, size_t len)
{
	if (len < 2)
		return 0;
	return p[1] == 0xc0 || p[1] == 0xcf ? 10 : SIZE_MAX;
}

static bool sds_good(const uint8_t *p, size_t len)
{
	return p[8] == sum8(p + 2, 6) && p[len - 1] == 0xab;
}

static const char *sds_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	int64_t first = p[2] | p[3] << 8, second = p[4] | p[5] << 8;

	(void)len;
	if (p[1] == 0xcf) {
		w->doc->device = FG_STR("SDS198");
		put(w, "pm100", second, 0, "ug/m3");
		return NULL;
	}
	w->doc->device = FG_STR("SDS01x");
	put(w, "pm25", first, -1, "ug/m3");
	put(w, "pm10", second, -1, "ug/m3");
	return NULL;
}

/* Honeywell: 40, a length, 04, words, what makes the sum zero. */
static size_t hpma_length(const uint8_t *p, size_t len)
{
	if (len < 3)
		return 0;
	if (p[2] != 0x04)
		return SIZE_MAX;
	return p[1] == 5 ? 8 : p[1] == 13 ? 16 : SIZE_MAX;
}

static bool hpma_good(const uint8_t *p, size_t len)
{
	return sum8(p, len) == 0;
}

static const char *hpma_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	if (len == 8) {
		w->doc->device = FG_STR("HPMA115S0");
		put(w, "pm25", word(p + 3), 0, "ug/m3");
		put(w, "pm10", word(p + 5), 0, "ug/m3");
		return NULL;
	}
	w->doc->device = FG_STR("HPMA115C0");
	put(w, "pm01", word(p + 3), 0, "ug/m3");
	put(w, "pm25", word(p + 5), 0, "ug/m3");
	put(w, "pm04", word(p + 7), 0, "ug/m3");
	put(w, "pm10", word(p + 9), 0, "ug/m3");
	return NULL;
}

/* Winsen: FF 86, the answer to "read the concentration", what makes the sum of all but FF zero. */
static size_t mhz_length(const uint8_t *p, size_t len)
{
	if (len < 2)
		return 0;
	return p[1] == 0x86 ? 9 : SIZE_MAX;
}

static bool mhz_good(const uint8_t *p, size_t len)
{
	return sum8(p + 1, len - 1) == 0;
}

static const char *mhz_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	(void)len;
	w->doc->device = FG_STR("MHZ19B");
	put(w, "CO2", word(p + 2), 0, "ppm");
	return NULL;
}

/* MCU680: 5A 5A, which values follow (3F: all), their length, the sum of all before it. */
static size_t mcu680_length(const uint8_t *p, size_t len)
{
	static const uint8_t begin[] = { 0x5a, 0x5a, 0x3f, 0x0f };
	size_t n = len < sizeof(begin) ? len : sizeof(begin);

	if (memcmp(p, begin, n) != 0)
		return SIZE_MAX;
	return n < sizeof(begin) ? 0 : 20;
}

static bool mcu680_good(const uint8_t *p, size_t len)
{
	return sum8(p, len - 1) == p[len - 1];
}

static const char *mcu680_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	int64_t pressure = (int64_t)p[8] << 16 | (int64_t)p[9] << 8 | p[10];
	int64_t gas = (int64_t)p[13] << 24 | (int64_t)p[14] << 16 | (int64_t)word(p + 15);

	(void)len;
	w->doc->device = FG_STR("MCU680");
	put(w, "temp", rounded((int16_t)word(p + 4), 100, 10), -1, "Cel");
	put(w, "rhum", rounded(word(p + 6), 100, 10), -1, "%RH");
	put(w, "pres", pressure, -2, "hPa");
	/* PyPMS, whose names these are, shifts by four where the board's paper has twelve */
	put(w, "IAQ_acc", word(p + 11) >> 4, 0, "");
	put(w, "IAQ", word(p + 11) & 0x0fff, 0, "");
	put(w, "gas", rounded(gas, 1000, 100), -1, "");
	put(w, "alt", (int16_t)word(p + 17), 0, "m");
	return NULL;
}

/* Sensirion: SHDLC, 7E at both ends and byte stuffing between. */
static size_t sps30_length(const uint8_t *p, size_t len)
{
	size_t most = len < SPS30_MAX ? len : SPS30_MAX;
	const uint8_t *stop = most > 1 ? memchr(p + 1, 0x7e, most - 1) : NULL;

	if (!stop)
		return len < SPS30_MAX ? 0 : SIZE_MAX;
	return (size_t)(stop - p) + 1;
}

/* Address, command, state, length, data, checksum. Returns the bytes, 0 if wrongly stuffed. */
static size_t unstuff(const uint8_t *p, size_t len, uint8_t out[SPS30_MAX])
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < len && n < SPS30_MAX; i++) {
		uint8_t c = p[i];

		if (c == 0x7d) {
			c = p[++i];
			if (i + 1 == len || !memchr("\x5e\x5d\x31\x33", c, 4))
				return 0;
			c ^= 0x20;
		}
		out[n++] = c;
	}
	return n;
}

static bool sps30_good(const uint8_t *p, size_t len)
{
	uint8_t raw[SPS30_MAX];
	size_t n = len <= SPS30_MAX ? unstuff(p, len, raw) : 0;

	return n >= 5 && raw[3] == n - 5 && sum8(raw, n) == 0xff;
}

static const char *sps30_read(struct fg_writer *w, const uint8_t *p, size_t len)
{
	static const struct {
		const char *name, *unit;
		int decimals;
	} values[] = {
		{ "pm01", "ug/m3", 1 }, { "pm25", "ug/m3", 1 }, { "pm04", "ug/m3", 1 },
		{ "pm10", "ug/m3", 1 }, { "n0_5", "", 2 },	{ "n1_0", "", 2 },
		{ "n2_5", "", 2 },	{ "n4_0", "", 2 },	{ "n10_0", "", 2 },
		{ "diam", "", 1 },
	};
	uint8_t raw[SPS30_MAX];
	size_t n = unstuff(p, len, raw);

	w->doc->device = FG_STR("SPS30");
	if (raw[1] != 3 || raw[2] & 0x7f)
		return raw[1] == 3 ? "the sensor reports an error" : NULL;
	if (n == 5)
		return NULL;
	if (n != 45)
		return "not the length of a measurement";
	for (size_t i = 0; i < 10; i++) {
		const uint8_t *q = raw + 4 + 4 * i;
		uint32_t bits = (uint32_t)word(q) << 16 | word(q + 2);
		float f;

		memcpy(&f, &bits, sizeof(f));
		if (!isfinite(f) || fabsf(f) > 1e9f)
			fg_writer_nonfinite(w, fg_str_c(values[i].name));
		else
			put(w, values[i].name,
			    (int64_t)nearbyint((double)f * fg_power10[values[i].decimals]),
			    -values[i].decimals, values[i].unit);
	}
	return NULL;
}

static const struct sensor *sensor_of(uint8_t first)
{
	static const struct sensor pms = { pms_length, pms_good, pms_read },
				   sds = { sds_length, sds_good, sds_read },
				   hpma = { hpma_length, hpma_good, hpma_read },
				   mhz = { mhz_length, mhz_good, mhz_read },
				   mcu680 = { mcu680_length, mcu680_good, mcu680_read },
				   sps30 = { sps30_length, sps30_good, sps30_read };

	switch (first) {
	case 0x42:
		return &pms;
	case 0xaa:
		return &sds;
	case 0x40:
		return &hpma;
	case 0xff:
		return &mhz;
	case 0x5a:
		return &mcu680;
	case 0x7e:
		return &sps30;
	default:
		return NULL;
	}
}

/* As a length function answers: 0 for more bytes needed, SIZE_MAX for none of these. */
static size_t frame_length(const uint8_t *p, size_t len)
{
	const struct sensor *sensor = sensor_of(p[0]);

	if (!sensor || (p[0] == 0x42 && len > 1 && p[1] != 0x4d))
		return SIZE_MAX;
	return sensor->length(p, len);
}

static int airquality_decode(const struct fg_decode_context *ctx, struct fg_str frame,
			     struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)frame.ptr;
	struct fg_writer w;

	(void)ctx;
	if (frame.len == 0 || frame.len > FRAME_MAX || frame_length(p, frame.len) != frame.len)
		return fg_doc_bad(doc, "not a frame of a known sensor", 0);
	const struct sensor *sensor = sensor_of(p[0]);

	if (!sensor->good(p, frame.len))
		return fg_doc_bad(doc, "wrong checksum", frame.len - 1);
	fg_writer_begin(&w, doc);
	const char *reason = sensor->read(&w, p, frame.len);

	if (reason)
		return fg_doc_bad(doc, reason, 0);
	return fg_writer_end(&w);
}

static struct fg_scan airquality_scan(const uint8_t *p, size_t len, bool end)
{
	size_t need = frame_length(p, len);

	(void)end;
	if (need == SIZE_MAX)
		return (struct fg_scan){ FG_SCAN_NONE, 1 };
	if (need == 0 || need > len)
		return (struct fg_scan){ FG_SCAN_MORE, 0 };
	if (!sensor_of(p[0])->good(p, need))
		return (struct fg_scan){ FG_SCAN_BAD, 1 };
	return (struct fg_scan){ FG_SCAN_FRAME, need };
}

const struct fg_decoder fg_decoder_airquality = {
	.name = "airquality",
	.summary = "Serial air-quality sensors: PMS, SDS, HPMA, SPS30, MH-Z19B, MCU680.",
	.framer = "airquality",
	.scan = airquality_scan,
	.decode = airquality_decode,
};

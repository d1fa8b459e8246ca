/*
 * Ruuvi's data formats 3, 5, 6, C5, E0, E1 and F0, as they stand in manufacturer data behind the
 * company's id 0x0499 (which may still be there). A value of "not available" is none. Formats 8 and
 * FA are encrypted.
 */
#include "decode/decode.h"
#include "decode/writer.h"

#include <math.h>

enum coding {
	TEMP_16, /* 0.005 degrees */
	TEMP_8,
	TEMP_SIGN, /* a sign bit, whole degrees and hundredths */
	HUMI_16, /* 0.0025 % */
	HUMI_8, /* 0.5 % */
	HUMI_8_LOW, /* the same where 0xff is "not available" */
	PRES_16, /* above 50000 Pa */
	PRES_16_ANY, /* the same where every number is good */
	PRES_8, /* 100 Pa above 90000 Pa */
	ACCEL, /* 0.001 g */
	ACCEL_ANY,
	MILLIVOLT,
	BATTERY, /* 11 bits above 1600 mV, then 5 of TX_POWER */
	TX_POWER,
	VOLTAGE_8, /* 0.03 V */
	COUNT_8,
	COUNT_8_ANY,
	COUNT_16,
	INDEX_16, /* none above 500 */
	COUNT_24,
	TENTHS_16,
	CENTS_24,
	SOUND_8, /* 0.5 dB */
	INDEX_9, /* its lowest bit is in the flags */
	SOUND_9, /* 0.2 dB above 18 dB, likewise */
	LOG_PM,
	LOG_40000, /* of 0 to 40000 */
	LOG_65535,
	LOG_INDEX, /* of 1 to 500 */
};

struct field {
	uint8_t at, coding, bit;
	const char *name, *unit;
};

struct format {
	uint8_t header, len, flags, mac, mac_len;
	const struct field *fields;
	size_t count;
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct field fields_3[] = {
	{ 1, HUMI_8, 0, "humidity_rh", "%RH" },	      { 4, PRES_16_ANY, 0, "pressure_pa", "Pa" },
	{ 2, TEMP_SIGN, 0, "temperature_c", "Cel" },  { 6, ACCEL_ANY, 0, "accelerationx_g", NULL },
	{ 8, ACCEL_ANY, 0, "accelerationy_g", NULL }, { 10, ACCEL_ANY, 0, "accelerationz_g", NULL },
	{ 12, MILLIVOLT, 0, "battery_v", "V" },
};

static const struct field fields_5[] = {
	{ 3, HUMI_16, 0, "humidity_rh", "%RH" },    { 5, PRES_16, 0, "pressure_pa", "Pa" },
	{ 1, TEMP_16, 0, "temperature_c", "Cel" },  { 7, ACCEL, 0, "accelerationx_g", NULL },
	{ 9, ACCEL, 0, "accelerationy_g", NULL },   { 11, ACCEL, 0, "accelerationz_g", NULL },
	{ 13, BATTERY, 0, "battery_v", "V" },	    { 16, COUNT_16, 0, "measurement_count", NULL },
	{ 15, COUNT_8, 0, "movement_count", NULL }, { 13, TX_POWER, 0, "tx_power", "dBm" },
};

static const struct field fields_c5[] = {
	{ 3, HUMI_16, 0, "humidity_rh", "%RH" },	{ 5, PRES_16, 0, "pressure_pa", "Pa" },
	{ 1, TEMP_16, 0, "temperature_c", "Cel" },	{ 7, BATTERY, 0, "battery_v", "V" },
	{ 10, COUNT_16, 0, "measurement_count", NULL }, { 9, COUNT_8, 0, "movement_count", NULL },
	{ 7, TX_POWER, 0, "tx_power", "dBm" },
};

/* Names and units are those of the structs the maker publishes, "ppm" of particles included. */
static const struct field fields_6[] = {
	{ 1, TEMP_16, 0, "temperature_c", "Cel" }, { 3, HUMI_16, 0, "humidity_rh", "%RH" },
	{ 5, PRES_16, 0, "pressure_pa", "Pa" },	   { 7, TENTHS_16, 0, "pm2p5_ppm", "ppm" },
	{ 9, COUNT_16, 0, "co2", "ppm" },	   { 11, INDEX_9, 6, "voc", NULL },
	{ 12, INDEX_9, 7, "nox", NULL },	   { 13, LOG_65535, 0, "luminosity", NULL },
	{ 14, SOUND_9, 4, "sound_avg_dba", NULL }, { 15, COUNT_8_ANY, 0, "seq_cnt2", NULL },
};

static const struct field fields_e0[] = {
	{ 1, TEMP_16, 0, "temperature_c", "Cel" },
	{ 3, HUMI_16, 0, "humidity_rh", "%RH" },
	{ 5, PRES_16, 0, "pressure_pa", "Pa" },
	{ 7, TENTHS_16, 0, "pm1p0_ppm", "ppm" },
	{ 9, TENTHS_16, 0, "pm2p5_ppm", "ppm" },
	{ 11, TENTHS_16, 0, "pm4p0_ppm", "ppm" },
	{ 13, TENTHS_16, 0, "pm10p0_ppm", "ppm" },
	{ 15, COUNT_16, 0, "co2", "ppm" },
	{ 17, INDEX_16, 0, "voc_index", NULL },
	{ 19, INDEX_16, 0, "nox_index", NULL },
	{ 21, COUNT_16, 0, "luminosity", NULL },
	{ 23, SOUND_8, 0, "sound_avg_dba", NULL },
	{ 24, SOUND_8, 0, "sound_peak_spl_db", NULL },
	{ 25, COUNT_16, 0, "measurement_count", NULL },
	{ 27, VOLTAGE_8, 0, "voltage", "V" },
};

static const struct field fields_e1[] = {
	{ 1, TEMP_16, 0, "temperature_c", "Cel" }, { 3, HUMI_16, 0, "humidity_rh", "%RH" },
	{ 5, PRES_16, 0, "pressure_pa", "Pa" },	   { 7, TENTHS_16, 0, "pm1p0_ppm", "ppm" },
	{ 9, TENTHS_16, 0, "pm2p5_ppm", "ppm" },   { 11, TENTHS_16, 0, "pm4p0_ppm", "ppm" },
	{ 13, TENTHS_16, 0, "pm10p0_ppm", "ppm" }, { 15, COUNT_16, 0, "co2", "ppm" },
	{ 17, INDEX_9, 6, "voc", NULL },	   { 18, INDEX_9, 7, "nox", NULL },
	{ 19, CENTS_24, 0, "luminosity", NULL },   { 22, SOUND_9, 3, "sound_inst_dba", NULL },
	{ 23, SOUND_9, 4, "sound_avg_dba", NULL }, { 24, SOUND_9, 5, "sound_peak_spl_db", NULL },
	{ 25, COUNT_24, 0, "seq_cnt", NULL },
};

static const struct field fields_f0[] = {
	{ 1, TEMP_8, 0, "temperature_c", "Cel" }, { 2, HUMI_8_LOW, 0, "humidity_rh", "%RH" },
	{ 3, PRES_8, 0, "pressure_pa", "Pa" },	  { 4, LOG_PM, 0, "pm1p0_ppm", "ppm" },
	{ 5, LOG_PM, 0, "pm2p5_ppm", "ppm" },	  { 6, LOG_PM, 0, "pm4p0_ppm", "ppm" },
	{ 7, LOG_PM, 0, "pm10p0_ppm", "ppm" },	  { 8, LOG_40000, 0, "co2", "ppm" },
	{ 9, LOG_INDEX, 0, "voc_index", NULL },	  { 10, LOG_INDEX, 0, "nox_index", NULL },
	{ 11, LOG_40000, 0, "luminosity", NULL }, { 12, SOUND_8, 0, "sound_avg_dba", NULL },
};

static const struct format formats[] = {
	{ 0x03, 14, 0, 0, 0, fields_3, LEN(fields_3) },
	{ 0x05, 24, 0, 18, 6, fields_5, LEN(fields_5) },
	{ 0x06, 20, 16, 17, 3, fields_6, LEN(fields_6) },
	{ 0xc5, 18, 0, 12, 6, fields_c5, LEN(fields_c5) },
	{ 0xe0, 40, 28, 34, 6, fields_e0, LEN(fields_e0) },
	{ 0xe1, 40, 28, 34, 6, fields_e1, LEN(fields_e1) },
	{ 0xf0, 20, 13, 14, 6, fields_f0, LEN(fields_f0) },
};

static int32_t u16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static int32_t u24(const uint8_t *p)
{
	return p[0] << 16 | p[1] << 8 | p[2];
}

static bool scaled(int64_t n, int exp10, struct fg_value *ret_value)
{
	*ret_value = fg_value_scaled(n, exp10);
	return true;
}

/* 0 to 254 for the logarithm of `least` to `most`, which is given. */
static bool logarithmic(uint8_t code, double log_most, double less, struct fg_value *ret_value)
{
	if (code == 0xff)
		return false;
	*ret_value = fg_value_of_double(exp(code * log_most / 254) - less);
	return true;
}

static bool read_small(const struct field *f, const uint8_t *p, unsigned low_bit,
		       struct fg_value *ret_value)
{
	int32_t nine = p[0] << 1 | (int32_t)low_bit;

	switch ((enum coding)f->coding) {
	case TEMP_8:
		return p[0] != 0x80 && scaled((int8_t)p[0], 0, ret_value);
	case TEMP_SIGN:
		return scaled(((p[0] & 0x7f) * 100 + p[1]) * (p[0] & 0x80 ? -1 : 1), -2, ret_value);
	case HUMI_8:
		return scaled(p[0] * 5, -1, ret_value);
	case HUMI_8_LOW:
		return p[0] != 0xff && scaled(p[0] * 5, -1, ret_value);
	case PRES_8:
		return p[0] != 0xff && scaled(p[0] * 100 + 90000, 0, ret_value);
	case VOLTAGE_8:
		return p[0] != 0xff && scaled(p[0] * 3, -2, ret_value);
	case COUNT_8:
		return p[0] != 0xff && scaled(p[0], 0, ret_value);
	case COUNT_8_ANY:
		return scaled(p[0], 0, ret_value);
	case SOUND_8:
		return p[0] != 0xff && scaled(p[0] * 5, -1, ret_value);
	case INDEX_9:
		return nine != 0x1ff && scaled(nine, 0, ret_value);
	case SOUND_9:
		return nine != 0x1ff && scaled(nine * 2 + 180, -1, ret_value);
	case LOG_PM:
		return logarithmic(p[0], log(1001), 1, ret_value);
	case LOG_40000:
		return logarithmic(p[0], log(40001), 1, ret_value);
	case LOG_INDEX:
		return logarithmic(p[0], log(500), 0, ret_value);
	case LOG_65535:
		if (p[0] == 0xff)
			return false;
		return scaled(llround(exp(p[0] * log(65536) / 254)) - 1, 0, ret_value);
	default:
		return false;
	}
}

static bool read_large(const struct field *f, const uint8_t *p, struct fg_value *ret_value)
{
	int32_t n = u16(p);

	switch ((enum coding)f->coding) {
	case TEMP_16:
		return n != 0x8000 && scaled((int16_t)n * 5, -3, ret_value);
	case HUMI_16:
		return n != 0xffff && scaled(n * 25, -4, ret_value);
	case PRES_16:
		return n != 0xffff && scaled(n + 50000, 0, ret_value);
	case PRES_16_ANY:
		return scaled(n + 50000, 0, ret_value);
	case ACCEL:
		return n != 0x8000 && scaled((int16_t)n, -3, ret_value);
	case ACCEL_ANY:
		return scaled((int16_t)n, -3, ret_value);
	case MILLIVOLT:
		return scaled(n, -3, ret_value);
	case BATTERY:
		return n >> 5 != 0x7ff && scaled((n >> 5) + 1600, -3, ret_value);
	case TX_POWER:
		return (n & 0x1f) != 0x1f && scaled((n & 0x1f) * 2 - 40, 0, ret_value);
	case COUNT_16:
		return n != 0xffff && scaled(n, 0, ret_value);
	case INDEX_16:
		return n <= 500 && scaled(n, 0, ret_value);
	case TENTHS_16:
		return n != 0xffff && scaled(n, -1, ret_value);
	case COUNT_24:
		return u24(p) != 0xffffff && scaled(u24(p), 0, ret_value);
	case CENTS_24:
		return u24(p) != 0xffffff && scaled(u24(p), -2, ret_value);
	default:
		return false;
	}
}

static bool is_large(const struct field *f)
{
	switch ((enum coding)f->coding) {
	case TEMP_16:
	case HUMI_16:
	case PRES_16:
	case PRES_16_ANY:
	case ACCEL:
	case ACCEL_ANY:
	case MILLIVOLT:
	case BATTERY:
	case TX_POWER:
	case COUNT_16:
	case INDEX_16:
	case TENTHS_16:
	case COUNT_24:
	case CENTS_24:
		return true;
	default:
		return false;
	}
}

static void field_write(struct fg_writer *w, const struct format *format, const struct field *f,
			const uint8_t *p)
{
	struct fg_value value;
	bool good;

	if (is_large(f))
		good = read_large(f, p + f->at, &value);
	else
		good = read_small(f, p + f->at, p[format->flags] >> f->bit & 1, &value);
	if (good)
		fg_writer_add(w, fg_str_c(f->name), value, fg_str_c(f->unit));
	else
		fg_writer_nonfinite(w, fg_str_c(f->name));
}

static const struct format *format_find(uint8_t header)
{
	for (size_t i = 0; i < LEN(formats); i++)
		if (formats[i].header == header)
			return &formats[i];
	return NULL;
}

static void note_mac(struct fg_writer *w, const struct format *format, const uint8_t *p)
{
	char *text = fg_doc_text(w->doc, 12);

	if (!text) {
		w->failed = true;
		return;
	}
	for (unsigned i = 0; i < format->mac_len; i++) {
		text[2 * i] = "0123456789ABCDEF"[p[format->mac + i] >> 4];
		text[2 * i + 1] = "0123456789ABCDEF"[p[format->mac + i] & 15];
	}
	w->doc->device = fg_str(text, 2u * format->mac_len);
}

static int ruuvi_decode(const struct fg_decode_context *ctx, struct fg_str payload,
			struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)payload.ptr;
	const struct format *format;
	struct fg_writer w;

	(void)ctx;
	if (payload.len > 2 && p[0] == 0x99 && p[1] == 0x04) {
		p += 2;
		payload.len -= 2;
	}
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	if (p[0] == 0x08 || p[0] == 0xfa)
		return fg_doc_bad(doc, "encrypted data format", 0);
	format = format_find(p[0]);
	if (!format)
		return fg_doc_bad(doc, "unknown data format", 0);
	if (payload.len != format->len)
		return fg_doc_bad(doc, "wrong length", payload.len);
	fg_writer_begin(&w, doc);
	for (size_t i = 0; i < format->count; i++)
		field_write(&w, format, &format->fields[i], p);
	if (format->mac_len)
		note_mac(&w, format, p);
	return fg_writer_end(&w);
}

const struct fg_decoder fg_decoder_ruuvi = {
	.name = "ruuvi",
	.summary = "Ruuvi's data formats, as tags broadcast them.",
	.decode = ruuvi_decode,
};

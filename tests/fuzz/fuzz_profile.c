/*
 * A payload through a profile: the first byte says by which Content-Format or by which profile
 * outright, the line behind it is the address, the rest the payload. The profiles are those that
 * are shipped, and some that use everything a profile can say.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "config/registry.h"
#include "profile/book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is always built in, and what may be a module: none is loaded here. */
static const char always[] =
	"{\"gateway\":{\"id\":\"g\"},\"profiles\":{"
	"\"all\":{\"match\":\"all/{device}/{point...}\",\"device_parts\":[\"/id\",\"/sub/id\"],"
	"\"time\":{\"from\":\"/ts\",\"also\":[\"/sub/ts\"],\"as\":\"iso8601\",\"zone\":\"UTC\"},"
	"\"points\":{\"t\":{\"from\":\"/t\",\"unit\":\"Cel\",\"scale\":0.1,\"offset\":-40},"
	"\"on\":{\"from\":\"/sub/on\",\"type\":\"boolean\"},\"again\":{\"from\":\"/t\","
	"\"type\":\"string\"},"
	"\"mode\":{\"map\":{\"0\":\"off\",\"1\":\"on\",\"x\":7}},\"n\":{\"type\":\"number\","
	"\"when\":\"/sub\"},\"*\":{}},"
	"\"leaves\":{\"*_C\":{\"unit\":\"Cel\"},\"p\":{\"unit_from\":\"pu\",\"units\":"
	"{\"hPa\":\"hPa\",\"kPa\":\"kPa\"}}}},"
	"\"one\":{\"match\":\"one/{device:roof}/+/{point}\",\"format\":\"value\"},"
	"\"ms\":{\"match\":\"ms/{device...}\",\"device\":\"/dev\",\"time\":{\"from\":\"/t/0\","
	"\"as\":\"unix-ms\"}}";

static const struct {
	const char *format, *profile;
} maybe[] = {
	{ "binary", "\"places\":{\"match\":\"places/{device}\",\"format\":\"binary\",\"points\":{"
		    "\"a\":{\"field\":{\"at\":0,\"type\":\"u8\"}},"
		    "\"b\":{\"field\":{\"at\":-2,\"type\":\"u16\"}}}}" },
	{ "csv", "\"table\":{\"match\":\"table/#\",\"format\":\"csv\",\"csv\":{\"columns\":"
		 "[\"a\",\"b\"],\"delimiter\":\";\"},\"points\":{\"a\":{\"type\":"
		 "\"number\"}}}" },
};

static const char *const outright[] = { "all",	    "nmea", "dsmr", "sml",
					"vedirect", "mbus", "kv",   "ruuvi" };
static const int formats[] = { -1, 0, 50, 60, 110, 112, 11542, 77 };

static void check(bool good)
{
	if (!good)
		abort();
}

static void reading_check(const struct fg_reading *reading)
{
	check(fg_utf8_valid(reading->device));
	for (uint32_t i = 0; i < reading->count; i++) {
		const struct fg_record *record = &reading->records[i];

		check(fg_utf8_valid(record->point));
		check(fg_utf8_valid(record->unit));
		check(record->value.kind != FG_DOUBLE || isfinite(record->value.d));
	}
}

static void payload_read(const struct fg_profiles *profiles, const struct fg_profile *profile,
			 const struct fg_decode_context *ctx, struct fg_str payload,
			 struct fg_str prefix)
{
	struct fg_reading reading;
	struct fg_doc doc;
	int r;

	fg_reading_init(&reading, 1000, 65536);
	fg_doc_init(&doc, 8, 65536);
	for (int i = 0; i < 2; i++) {
		fg_doc_reset(&doc, 0);
		doc.now_ns = INT64_C(1767225600) * 1000000000;
		r = fg_profile_read(profiles, profile, ctx, payload, prefix, &doc, &reading);
		check(r == 0 || ((r == -EBADMSG || r == -ENOTSUP) && doc.reason));
		if (r == 0)
			reading_check(&reading);
	}
	fg_doc_fini(&doc);
	fg_reading_fini(&reading);
}

static void configuration(struct fg_buf *text)
{
	fg_buf_init(text, 65536);
	fg_buf_text(text, always);
	for (size_t i = 0; i < sizeof(maybe) / sizeof(maybe[0]); i++) {
		const struct fg_decoder *decoder;

		if (fg_registry_decoder(maybe[i].format, &decoder) == 0)
			fg_buf_printf(text, ",%s", maybe[i].profile);
	}
	fg_buf_text(text, "}}");
	check(!text->failed);
}

/* Made once: it is what it is for every input. */
static const struct fg_profiles *profiles_open(void)
{
	static struct fg_profile_book book;
	static struct fg_config *config;
	struct fg_faults faults;
	struct fg_buf text;

	if (book.profiles)
		return book.profiles;
	configuration(&text);
	fg_faults_init(&faults);
	check(fg_config_parse(fg_buf_view(&text), NULL, &faults, &config) == 0);
	check(fg_profile_book_open(&book, config, &faults) == 0);
	fg_faults_fini(&faults);
	fg_buf_fini(&text);
	return book.profiles;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct fg_profiles *profiles = profiles_open();
	struct fg_decode_context ctx = { .content_format = -1 };
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };
	const struct fg_profile *profile;
	const char *end;

	if (len < 2 || !(end = memchr(data + 1, '\n', len - 1)))
		return 0;
	ctx.address = fg_str((const char *)data + 1, (size_t)(end - (const char *)data - 1));
	if (!fg_utf8_valid(ctx.address)) /* no driver hands one in */
		return 0;
	profile = fg_profiles_match(profiles, ctx.address, &taken);
	if (data[0] & 8)
		profile = fg_profiles_find(profiles, outright[data[0] & 7]);
	else
		ctx.content_format = formats[data[0] & 7];
	if (!fg_utf8_valid(taken.point))
		return 0;
	payload_read(profiles, profile, &ctx,
		     fg_str(end + 1, len - (size_t)(end + 1 - (const char *)data)), taken.point);
	return 0;
}

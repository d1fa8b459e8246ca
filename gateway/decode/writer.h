/*
 * Builds a document of named values from a format that is read front to back. The first failure
 * sticks, so that a decoder writes freely and asks once at the end.
 */
#pragma once

#include <fg/doc.h>

enum { FG_WRITER_DEPTH = 4 };

struct fg_writer {
	struct fg_doc *doc;
	struct {
		uint32_t at, children;
	} level[FG_WRITER_DEPTH];
	unsigned depth;
	bool failed;
};

/* Begins the root object. */
void fg_writer_begin(struct fg_writer *w, struct fg_doc *doc);
/* An object or array inside; the key is empty in arrays. */
void fg_writer_open(struct fg_writer *w, struct fg_str key, enum fg_node_type type);
void fg_writer_close(struct fg_writer *w);
void fg_writer_add(struct fg_writer *w, struct fg_str key, struct fg_value value,
		   struct fg_str unit);
void fg_writer_text(struct fg_writer *w, struct fg_str key, struct fg_str text);
/* A value that is no number: NaN or an infinity. */
void fg_writer_nonfinite(struct fg_writer *w, struct fg_str key);
/* Formats a key or text that lives as long as the document; empty after a failure. */
struct fg_str fg_writer_printf(struct fg_writer *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Bytes as hex digits, lower case. */
struct fg_str fg_writer_hex(struct fg_writer *w, const uint8_t *bytes, size_t len);
/* Closes the root. Returns 0, or -EBADMSG with the document's reason. */
int fg_writer_end(struct fg_writer *w);

/* A decimal number as instruments print it: a sign, leading zeros and a decimal point without
 * digits on one side of it are allowed, an exponent is not. False if the text is anything else or
 * has more than 18 digits behind its leading zeros. */
bool fg_decimal_parse(struct fg_str text, struct fg_value *ret_value);
/* Digits only, of at most 9. */
bool fg_digits_parse(struct fg_str text, uint32_t *ret_number);

static inline struct fg_value fg_value_int(int64_t i)
{
	return (struct fg_value){ .kind = FG_INT, .i = i };
}

static inline struct fg_value fg_value_bool(bool b)
{
	return (struct fg_value){ .kind = FG_BOOL, .b = b };
}

static inline struct fg_value fg_value_text(struct fg_str s)
{
	return (struct fg_value){ .kind = FG_STRING, .s = s };
}

static inline struct fg_value fg_value_data(const void *bytes, size_t len)
{
	return (struct fg_value){ .kind = FG_DATA, .s = fg_str(bytes, len) };
}

/* i * 10^exp10; |exp10| at most 40, so it is finite. */
struct fg_value fg_value_scaled(int64_t i, int exp10);

/* Seconds since 1970 of a UTC date, which must be one of 1970 to 2199; INT64_MIN if it is none. */
int64_t fg_utc_seconds(uint32_t year, uint32_t month, uint32_t day, uint32_t hour, uint32_t minute,
		       uint32_t second);

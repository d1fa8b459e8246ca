/* Reading single items of CBOR (RFC 8949 section 3). */
#pragma once

#include <fg/doc.h>

enum {
	FG_CBOR_UINT,
	FG_CBOR_NEGATIVE, /* -1 - arg */
	FG_CBOR_BYTES,
	FG_CBOR_TEXT,
	FG_CBOR_ARRAY,
	FG_CBOR_MAP,
	FG_CBOR_TAG,
	FG_CBOR_SIMPLE,
};

struct fg_cbor {
	struct fg_doc *doc;
	const uint8_t *p, *end, *start;
};

struct fg_cbor_head {
	uint8_t major;
	uint8_t info; /* the five low bits */
	bool indefinite;
	uint64_t arg;
};

/* Sets the document's reason and place. */
int fg_cbor_bad(struct fg_cbor *c, const char *reason);
/* Initial byte and argument. Of the break code (0xff) it makes an indefinite FG_CBOR_SIMPLE. */
int fg_cbor_head(struct fg_cbor *c, struct fg_cbor_head *ret);
/* The content of a string whose head was read; text is checked to be UTF-8. */
int fg_cbor_string(struct fg_cbor *c, const struct fg_cbor_head *head, struct fg_str *ret);
/* Whole numbers: -1 - arg if negative. */
struct fg_value fg_cbor_integer(uint64_t arg, bool negative);
/* Behind tag 2 or 3 (RFC 8949 section 3.4.3). */
int fg_cbor_bignum(struct fg_cbor *c, bool negative, struct fg_value *ret);
/* Behind tag 4 (section 3.4.4). */
int fg_cbor_decimal(struct fg_cbor *c, struct fg_value *ret);
/* Floating point of 2, 4 or 8 bytes by its bits; may be NaN or infinite. */
double fg_cbor_float(unsigned size, uint64_t bits);

/* One SenML record as it stands in a pack, and what it becomes with the base fields before it
 * (RFC 8428 sections 4 and 6). */
#pragma once

#include <fg/doc.h>

/* The labels' numbers are CBOR's (RFC 8428 table 4). */
enum fg_senml_label {
	FG_SENML_BS = -6,
	FG_SENML_BV = -5,
	FG_SENML_BU = -4,
	FG_SENML_BT = -3,
	FG_SENML_BN = -2,
	FG_SENML_BVER = -1,
	FG_SENML_N,
	FG_SENML_U,
	FG_SENML_V,
	FG_SENML_VS,
	FG_SENML_VB,
	FG_SENML_S,
	FG_SENML_T,
	FG_SENML_UT,
	FG_SENML_VD,
	FG_SENML_VLO, /* an object link of LwM2M, which has no number */
};

enum {
	FG_SENML_FIRST = FG_SENML_BS,
	FG_SENML_FIELDS = FG_SENML_VLO - FG_SENML_BS + 1,
};

/* The fields of one record, by label; nodes of the pack's own tree, NULL: absent. */
struct fg_senml_fields {
	const struct fg_node *field[FG_SENML_FIELDS];
};

static inline const struct fg_node *fg_senml_field(const struct fg_senml_fields *fields,
						   enum fg_senml_label label)
{
	return fields->field[label - FG_SENML_FIRST];
}

/* What is in effect from one record to the next. */
struct fg_senml_base {
	struct fg_str name, unit;
	struct fg_value value, sum; /* FG_NONE: not set */
	int64_t time_ns;
	int64_t version; /* 0: no record yet */
	bool cbor; /* data values are bytes, not base64 */
	bool named, nameless; /* both kinds of records in one pack are an error */
};

/* Collects the record's fields. Returns NULL or the reason (an unknown field that must be
 * understood). */
const char *fg_senml_collect(const struct fg_doc *doc, uint32_t at, bool cbor,
			     struct fg_senml_fields *ret);
/* Takes over the record's base fields and makes a resolved node of the rest, a dead one if there is
 * none. Names may be put into the document's text. Returns NULL or the reason. */
const char *fg_senml_resolve(struct fg_doc *doc, struct fg_senml_base *base,
			     const struct fg_senml_fields *fields, struct fg_node *ret_node);

/* What the files of this folder share. */
#pragma once

#include "base/pattern.h"
#include "decode/csv.h"
#include "profile/profile.h"

/* What a leaf's generic name (its key path, escaped and joined) leads to. */
struct profile_point {
	uint64_t hash;
	struct fg_str from;			/* generic name; empty slot: ptr NULL */
	struct fg_str name;			/* the point's */
	struct fg_str unit;
	const struct fg_point_conf *conf;
	struct fg_value scale, offset;		/* as decimals where they are */
	struct fg_report report;
	bool converts, scales, reports;
	const struct fg_str *when;		/* steps of the pointer, or NULL */
	size_t nwhen;
	struct profile_point *also;		/* another point from the same leaf */
};

struct fg_profile {
	const struct fg_named_profile *source;
	const struct fg_decoder *decoder;	/* NULL: by the payload */
	struct fg_pattern pattern;
	bool has_pattern;
	struct profile_point *points, **table;	/* table: open addressing by hash of from */
	uint32_t count, cap;
	bool star;				/* keeps what no point names */
	struct fg_str time_from, device_from;	/* generic names, or ptr NULL */
	struct fg_csv_conf csv;
	const void *decode_conf;		/* what the decoder is told, or NULL */
};

struct fg_profiles {
	struct fg_profile *items;
	size_t count;
	struct fg_arena arena;
	uint64_t seed;
	const struct fg_decoder *automatic, *json, *cbor, *senml, *value;
};

const struct profile_point *profile_find_point(const struct fg_profile *, struct fg_str generic,
					       uint64_t seed);
/* Applies map, type, scale and offset. False: it cannot be what the point is declared to be. */
bool profile_convert(const struct profile_point *, struct fg_value *value, struct fg_arena *);
/* The time a leaf gives, or FG_TIME_NONE. */
int64_t profile_time(const struct fg_time_conf *, const struct fg_value *);

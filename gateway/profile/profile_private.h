/* What the files of this folder share. */
#pragma once

#include "base/pattern.h"
#include "decode/csv.h"
#include "decode/field.h"
#include "profile/profile.h"

/* A JSON Pointer as its steps, unescaped. */
struct profile_path {
	const struct fg_str *steps;
	size_t count;
};

struct profile_paths {
	const struct profile_path *items;
	size_t count;
};

/* One row of "leaves". */
struct profile_leaf {
	struct fg_str key;			/* or its end */
	const struct fg_leaf_conf *conf;
	struct profile_leaf *next;		/* of the endings, of the pairs */
};

struct profile_leaves {
	struct profile_leaf **table, *endings;	/* table: open addressing by hash of the key */
	struct profile_leaf *pairs;		/* "parent/key" */
	uint32_t count, cap;
	uint64_t seed;
};

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
	struct profile_path when;		/* steps NULL: always */
	struct profile_point *also;		/* another point from the same leaf */
};

/* A decoder that is looked for when it is first needed: it may be a module, and a gateway that has
 * no such device should not carry it. */
struct profile_decoder {
	const char *name;
	const struct fg_decoder *(*find)(const char *name);
	const struct fg_decoder *found;		/* NULL: not yet, or there is none */
	bool looked;
};

/* One row of "write". */
struct profile_write {
	struct fg_pattern pattern;
	const struct fg_write_conf *conf;
};

struct fg_profile {
	struct fg_profiles *set;
	const struct fg_named_profile *source;
	bool whole;				/* else what follows the pattern is still to come */
	struct profile_decoder *decoder;	/* NULL: by the payload */
	struct fg_pattern pattern;
	bool has_pattern;
	struct profile_point *points, **table;	/* table: open addressing by hash of from */
	uint32_t count, cap;
	bool star;				/* keeps what no point names */
	struct profile_leaves leaves;
	struct profile_paths time;		/* the first that is there */
	struct profile_paths device;		/* all that are there */
	struct fg_csv_conf csv;
	struct fg_fields fields;
	const void *decode_conf;		/* what the decoder is told, or NULL */
	struct profile_write *writes;
	uint32_t nwrites;
	const struct fg_profile *write_like;	/* where to look beyond those, or NULL */
};

struct fg_profiles {
	struct fg_profile *items;
	size_t count;
	struct fg_arena arena;
	uint64_t seed;
	struct profile_decoder *json, *cbor, *senml, *lwm2m; /* by CoAP's Content-Format */
};

/* NULL if it cannot be had. */
static inline const struct fg_decoder *profile_decoder(struct profile_decoder *decoder)
{
	if (!decoder->looked) {
		decoder->looked = true;
		decoder->found = decoder->find(decoder->name);
	}
	return decoder->found;
}

const struct profile_point *profile_find_point(const struct fg_profile *, struct fg_str generic,
					       uint64_t seed);
/* False: out of memory. */
bool profile_pointer_steps(struct fg_arena *, const char *pointer, struct profile_path *ret_path);
int profile_compile_places(struct fg_profile *, struct fg_arena *);
/* The time and the device that the payload itself states, where the profile says so. */
void profile_note_places(const struct fg_profile *, const struct fg_doc *, struct fg_reading *);
/* The fields of the formats "binary" and "registers". */
int profile_compile_fields(struct fg_profile *, struct fg_arena *);
/* -EINVAL: a pattern is wrong, and a fault. */
int profile_compile_writes(struct fg_profile *, struct fg_arena *, struct fg_faults *);
/* When it is whole: whose writes are its own too. */
void profile_link_write(struct fg_profile *);
/* The same of all, when all heads are compiled. -EINVAL, and a fault: there is no such. */
int profile_link_writes(struct fg_profiles *, struct fg_faults *);
int profile_compile_leaves(struct fg_profile *, struct fg_arena *, uint64_t seed);
/* The unit of a value by its point's name. `around`: indices of the `depth` containers it is in,
 * outermost first. */
struct fg_str profile_leaf_unit(const struct profile_leaves *, const struct fg_doc *,
				const uint32_t *around, unsigned depth, struct fg_str name,
				const struct fg_value *value);
/* Applies map, type, scale and offset. False: it cannot be what the point is declared to be. */
bool profile_convert(const struct profile_point *, struct fg_value *value, struct fg_arena *);
/* The other way: what the device takes for a value of the point. False: nothing. */
bool profile_unconvert(const struct profile_point *, struct fg_value *value);

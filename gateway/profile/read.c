/*
 * A payload into a reading: decode, then walk the document's leaves once. Every leaf has a generic
 * name, its key path escaped and joined by '/'; a profile's points are found by it.
 */
#include "base/name.h"
#include "decode/decode.h"
#include "profile/profile_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_DEPTH 64			/* the greatest limits.depth, config/tables.c */
#define KEEP (64u << 10)		/* memory that is kept from one reading to the next */
#define RECORDS_KEPT 1024

void fg_reading_init(struct fg_reading *reading, uint32_t max_records, size_t max_payload)
{
	*reading = (struct fg_reading){ .max = max_records };
	/* A name can be five times its key, and nested keys repeat in every leaf below them. */
	fg_arena_init(&reading->names, (max_payload + KEEP) * 16);
}

void fg_reading_fini(struct fg_reading *reading)
{
	free(reading->records);
	fg_arena_fini(&reading->names);
	*reading = (struct fg_reading){ 0 };
}

static void reading_reset(struct fg_reading *reading)
{
	struct fg_arena names = reading->names;

	if (reading->cap > RECORDS_KEPT) {
		free(reading->records);
		reading->records = NULL;
		reading->cap = 0;
	}
	fg_arena_reset(&names, KEEP);
	*reading = (struct fg_reading){
		.records = reading->records,
		.cap = reading->cap,
		.max = reading->max,
		.names = names,
		.time_ns = FG_TIME_NONE,
	};
}

static struct fg_record *add_record(struct fg_reading *reading)
{
	if (reading->count == reading->cap) {
		uint32_t cap = reading->cap ? reading->cap * 2 : 32;
		struct fg_record *records;

		if (reading->count >= reading->max)
			return NULL;
		records = realloc(reading->records, cap * sizeof(*records));
		if (!records) {
			reading->no_memory = true;
			return NULL;
		}
		reading->records = records;
		reading->cap = cap;
	}
	return &reading->records[reading->count++];
}

/* The walk: where it is in the tree, and the name so far. */
struct walk {
	const struct fg_profiles *set;
	const struct fg_profile *profile;
	struct fg_doc *doc;
	struct fg_reading *reading;
	struct fg_str prefix;
	struct {
		uint32_t end, index;	/* of the container: first node behind it, next element */
		bool array;
		struct fg_str name;	/* with a '/' behind it, or empty */
	} levels[MAX_DEPTH];
	uint32_t around[MAX_DEPTH]; /* indices of the same containers */
	unsigned depth;
	bool scalar_only; /* the prefix names only a payload that is one value */
};

static struct fg_str join(struct walk *w, struct fg_str base, struct fg_str key, bool whole,
			  bool slash)
{
	char *out = fg_arena_alloc(&w->reading->names, base.len + 5 * key.len + 1);
	size_t n;

	if (!out)
		return fg_str(NULL, 0);
	memcpy(out, base.ptr, base.len);
	n = base.len + fg_name_escape(key, !whole, out + base.len);
	if (slash)
		out[n++] = '/';
	return fg_str(out, n);
}

/* The generic name of the node at hand; ptr NULL when out of memory. A key that needs nothing is
 * used where it stands. */
static struct fg_str node_name(struct walk *w, const struct fg_node *node, bool container)
{
	struct fg_str base = FG_STR(""), key = node->key;
	char index[12];

	if (w->depth > 0) {
		base = w->levels[w->depth - 1].name;
		if (w->levels[w->depth - 1].array) {
			int n = snprintf(index, sizeof(index), "%u",
					 w->levels[w->depth - 1].index++);
			key = fg_str(index, (size_t)n);
			return join(w, base, key, false, container);
		}
	} else if (container) {
		return FG_STR("");
	}
	if (base.len == 0 && !container && key.ptr && fg_name_is_plain(key, !node->whole))
		return key;
	return join(w, base, key, node->whole, container);
}

/* The point's name in the record: below the address's point part unless the format names it whole
 * (SenML), and never nothing for a payload that is one scalar. */
static struct fg_str final_name(struct walk *w, const struct fg_node *node, struct fg_str generic)
{
	char *out;

	if (node->whole)
		return generic.len ? generic : FG_STR("value");
	if (w->prefix.len == 0)
		return w->doc->len == 1 && generic.len == 0 ? FG_STR("value") : generic;
	if (w->doc->len == 1)
		return w->prefix;
	if (w->scalar_only)
		return generic;
	out = fg_arena_alloc(&w->reading->names, w->prefix.len + 1 + generic.len);
	if (!out)
		return fg_str(NULL, 0);
	memcpy(out, w->prefix.ptr, w->prefix.len);
	out[w->prefix.len] = '/';
	memcpy(out + w->prefix.len + 1, generic.ptr, generic.len);
	return fg_str(out, w->prefix.len + 1 + generic.len);
}

static struct fg_str unit_of(const struct walk *w, const struct fg_node *node,
			     const struct profile_point *point, struct fg_str name,
			     const struct fg_value *value)
{
	if (point && point->unit.len)
		return point->unit;
	if (node->unit.len || !w->profile)
		return node->unit;
	return profile_leaf_unit(&w->profile->leaves, w->doc, w->around, w->depth, name, value);
}

static bool emit(struct walk *w, const struct fg_node *node, struct fg_str generic,
		 const struct profile_point *point)
{
	struct fg_value value = node->value;
	struct fg_record *record;
	struct fg_str name;

	/* 1e3 as text is those three letters */
	if (w->doc->plain.len && point && point->conf->type == FG_POINT_STRING &&
	    point->conf->map.count == 0)
		value = (struct fg_value){ .kind = FG_STRING, .s = w->doc->plain };
	if (point && point->converts && !profile_convert(point, &value, &w->reading->names)) {
		w->reading->unconverted++;
		return true;
	}
	name = final_name(w, node, point ? point->name : generic);
	record = name.ptr ? add_record(w->reading) : NULL;
	if (!record)
		return false;
	*record = (struct fg_record){
		.point = name,
		.unit = unit_of(w, node, point, name, &value),
		.value = value,
		.time_ns = node->time_ns,
		.from_arrival = node->from_arrival,
		.update_s = node->update_s,
		.sum = node->sum,
		.report = point && point->reports ? &point->report : NULL,
	};
	return true;
}

static bool applies(const struct walk *w, const struct profile_point *point)
{
	return !point->when.steps || fg_doc_find(w->doc, point->when.steps, point->when.count);
}

/* Under every point that takes the leaf; under its own name if none does and '*' keeps it. */
static bool emit_points(struct walk *w, const struct fg_node *node, struct fg_str generic,
			const struct profile_point *point)
{
	bool taken = false;

	for (; point; point = point->also) {
		if (!applies(w, point))
			continue;
		taken = true;
		if (!emit(w, node, generic, point))
			return false;
	}
	return taken || !w->profile->star || emit(w, node, generic, NULL);
}

/* The points of a leaf. One value alone has no path, nor have those of a SenML pack without names:
 * where no point is the whole payload's, they are known by the name they get, and have that from
 * here on. */
static const struct profile_point *leaf_points(struct walk *w, const struct fg_node *node,
					       struct fg_str *generic)
{
	const struct profile_point *point = profile_find_point(w->profile, *generic, w->set->seed);

	if (point || generic->len || (w->doc->len > 1 && !node->whole))
		return point;
	*generic = node->whole || !w->prefix.len ? FG_STR("value") : w->prefix;
	w->prefix.len = 0;
	return profile_find_point(w->profile, *generic, w->set->seed);
}

static bool leaf(struct walk *w, const struct fg_node *node)
{
	struct fg_str generic = node_name(w, node, false);
	const struct profile_point *point = NULL;

	if (!generic.ptr)
		return false;
	if (node->type == FG_NODE_NULL) {
		w->reading->nulls++;
		return true;
	}
	if (node->type == FG_NODE_NONFINITE) {
		w->reading->nonfinite++;
		return true;
	}
	if (!w->profile)
		return emit(w, node, generic, NULL);
	if (w->profile->count)
		point = leaf_points(w, node, &generic);
	return emit_points(w, node, generic, point);
}

static bool enter(struct walk *w, const struct fg_node *node)
{
	struct fg_str name;

	if (node->children == 0)
		w->reading->nulls++;
	if (w->depth == MAX_DEPTH)
		return false;
	name = node_name(w, node, true);
	if (!name.ptr)
		return false;
	w->around[w->depth] = (uint32_t)(node - w->doc->nodes);
	w->levels[w->depth].name = name;
	w->levels[w->depth].end = node->next;
	w->levels[w->depth].index = 0;
	w->levels[w->depth].array = node->type == FG_NODE_ARRAY;
	w->depth++;
	return true;
}

static int walk(struct walk *w)
{
	struct fg_doc *doc = w->doc;

	for (uint32_t i = 0; i < doc->len;) {
		const struct fg_node *node = &doc->nodes[i];
		bool container = node->type == FG_NODE_OBJECT || node->type == FG_NODE_ARRAY;

		while (w->depth > 0 && i >= w->levels[w->depth - 1].end)
			w->depth--;
		if (node->dead) {
			i = node->next;
			continue;
		}
		if (!(container ? enter(w, node) : leaf(w, node)))
			return fg_doc_bad(doc,
					  container && w->depth == MAX_DEPTH ? "nested too deeply" :
									       "too many values",
					  0);
		i++;
	}
	return 0;
}

static int format_unread(struct fg_doc *doc, const char *reason)
{
	fg_doc_bad(doc, reason, 0);
	return -ENOTSUP;
}

/* CoAP's Content-Format decides where it is given (RFC 7252 section 12.3, RFC 8428 section
 * 12.3). */
static int decode_as_is(const struct fg_profiles *set, const struct fg_decode_context *ctx,
			struct fg_str payload, struct fg_doc *doc)
{
	struct profile_decoder *wanted = NULL;
	const struct fg_decoder *decoder;

	switch (ctx->content_format) {
	case -1:
	case 0:
		return fg_decode_auto(ctx, payload, doc);
	case 50:
		wanted = set->json;
		break;
	case 60:
		wanted = set->cbor;
		break;
	case 110:
	case 112:
	case 310:
	case 311:
		wanted = set->senml;
		break;
	case 11542:
		wanted = set->lwm2m;
		break;
	}
	if (!wanted)
		return format_unread(doc, "unknown content format");
	decoder = profile_decoder(wanted);
	if (!decoder)
		return format_unread(doc, "no decoder for this content format");
	return decoder->decode(ctx, payload, doc);
}

static int decode(const struct fg_profiles *set, const struct fg_profile *profile,
		  const struct fg_decode_context *ctx, struct fg_str payload, struct fg_doc *doc)
{
	struct fg_decode_context own = *ctx;
	const struct fg_decoder *decoder;

	if (!profile || !profile->decoder)
		return decode_as_is(set, ctx, payload, doc);
	decoder = profile_decoder(profile->decoder);
	if (!decoder)
		return fg_doc_bad(doc, "its decoder cannot be loaded", 0);
	own.conf = profile->decode_conf;
	return decoder->decode(&own, payload, doc);
}

static int read_all(const struct fg_profiles *set, const struct fg_profile *profile,
		    const struct fg_decode_context *ctx, struct fg_str payload,
		    struct fg_str prefix, struct fg_doc *doc, struct fg_reading *reading)
{
	/* its levels are set as they are entered: not worth clearing for each payload */
	struct walk w;
	int r;

	reading_reset(reading);
	r = decode(set, profile, ctx, payload, doc);
	if (r < 0)
		return r;
	w.set = set;
	w.profile = profile;
	w.doc = doc;
	w.reading = reading;
	w.prefix = prefix;
	w.depth = 0;
	w.scalar_only = profile && profile->has_pattern && profile->pattern.point.first >= 0 &&
			!profile->source->conf.below;
	reading->duplicate_keys = doc->duplicate_keys;
	reading->device = doc->device;
	reading->time_ns = doc->time_ns;
	reading->absurd_time = doc->absurd_time;
	r = walk(&w);
	if (r < 0)
		return r;
	if (profile)
		profile_note_places(profile, doc, reading);
	if (reading->time_ns != FG_TIME_NONE && !fg_doc_believes(doc, reading->time_ns)) {
		reading->time_ns = FG_TIME_NONE;
		reading->absurd_time = true;
	}
	return 0;
}

/* A payload that cannot be read now for lack of memory must not be taken for one that is wrong, nor
 * one of which something is missing for one that is whole: it would be acknowledged. */
int fg_profile_read(const struct fg_profiles *set, const struct fg_profile *profile,
		    const struct fg_decode_context *ctx, struct fg_str payload,
		    struct fg_str prefix, struct fg_doc *doc, struct fg_reading *reading)
{
	int r = profile ? fg_profile_ready(profile) : 0;

	if (r == 0)
		r = read_all(set, profile, ctx, payload, prefix, doc, reading);
	return doc->no_memory || reading->no_memory || reading->names.no_memory ? -ENOMEM : r;
}

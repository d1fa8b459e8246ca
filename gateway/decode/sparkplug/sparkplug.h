/* What the files of the Sparkplug decoder share. */
#pragma once

#include <fg/doc.h>

struct ProtobufCAllocator;
struct Spb__Metric;

enum { FG_SPARKPLUG_DEPTH = 8 };

/* One payload being read. */
struct fg_sparkplug {
	struct fg_doc *doc;
	uint32_t members; /* of the root */
	struct ProtobufCAllocator *memory; /* the document's text: bounded, and lives as long */
};

/* Appends the metric's values under `prefix` and its name. False with the document's reason set. */
bool fg_sparkplug_metric(struct fg_sparkplug *, const struct Spb__Metric *, struct fg_str prefix,
			 unsigned depth);
/* Milliseconds since 1970 if they can be believed, else FG_TIME_NONE. */
int64_t fg_sparkplug_time(struct fg_doc *, bool given, uint64_t ms);

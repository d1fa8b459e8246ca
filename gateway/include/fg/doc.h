/*
 * What a decoder makes of a payload: a tree of nodes laid out flat, in document order, so that a
 * subtree is a contiguous run and nothing is allocated per node. Profiles pick points from it.
 *
 * The first node is the root. A scalar root is a document of one node. Strings point into the
 * payload or into the document's own text, and live until the document is reset.
 */
#pragma once

#include <stdint.h>

#include <fg/record.h>

enum fg_node_type {
	FG_NODE_NULL,
	FG_NODE_SCALAR,		/* value */
	FG_NODE_NONFINITE,	/* NaN or an infinity (in JSON a number beyond the doubles) */
	FG_NODE_OBJECT,		/* children carry keys */
	FG_NODE_ARRAY,		/* children are addressed by index */
};

struct fg_node {
	uint8_t type;		/* enum fg_node_type */
	bool dead;		/* replaced by a later member of its key: skip its subtree */
	/* key is a complete point name (SenML): escape, but never its '/' */
	bool whole;
	uint32_t children;	/* of an object or array, dead ones included */
	uint32_t next;		/* index of the first node behind this one's subtree */
	uint32_t mark;		/* the decoders' own */
	struct fg_str key;	/* member's name, UTF-8; empty in arrays and for the root */
	struct fg_str unit;	/* SenML unit stated by the format itself, else empty */
	struct fg_value value;
	int64_t time_ns;	/* stated by the format itself for this value, or FG_TIME_NONE */
	bool from_arrival;	/* time_ns was counted from now_ns */
	double update_s;	/* as in struct fg_record */
	struct fg_value sum;
};

struct fg_doc {
	struct fg_node *nodes;
	uint32_t len, cap;
	uint32_t max_nodes;	/* bound; decoders fail with "too many values" beyond */
	uint32_t max_depth;	/* containers in containers */
	char *text;		/* the block that unescaped strings are being put into */
	size_t text_len, text_cap;
	size_t text_total;	/* room of all blocks */
	size_t max_text;
	uint32_t *scratch;	/* for duplicate keys of large objects */
	size_t scratch_cap;
	/* results beside the tree */
	int64_t time_ns;	/* stated by the format for the whole payload, or FG_TIME_NONE */
	int64_t now_ns;		/* wall clock, set by the caller: what times are relative to */
	bool now_right;		/* and whether it is known to be right */
	bool absurd_time;	/* a time that the format states was not believed */
	struct fg_str device;	/* stated by the format itself (a meter's number), else empty */
	struct fg_str plain;	/* a number or boolean that is all of the payload, as it stands */
	uint32_t duplicate_keys;
	bool no_memory;			/* some of it is missing for lack of memory */
	const char *reason;	/* after -EBADMSG: a short constant word-group, "trailing bytes" */
	size_t at;		/* and the byte offset it was found at */
};

/* Whether a device's own time is worth more than the time of arrival. Clocks that were never set
 * say 1970, 1980 (GPS) or 2000 (those with a battery, while it is empty); those that are wrong say
 * anything, which only a clock that is right can tell. */
static inline bool fg_doc_believes(const struct fg_doc *doc, int64_t time_ns)
{
	const int64_t second_ns = 1000000000, day_ns = 86400 * second_ns;
	const int64_t year_1990_ns = 631152000 * second_ns, year_2000_ns = 946684800 * second_ns;
	const int64_t year_2001_ns = 978307200 * second_ns, year_2100_ns = 4102444800 * second_ns;

	/* in whatever zone its year is 2000 */
	return time_ns >= year_1990_ns &&
	       (time_ns < year_2000_ns - day_ns || time_ns >= year_2001_ns + day_ns) &&
	       time_ns <= (doc->now_right ? doc->now_ns + day_ns : year_2100_ns);
}

/* Prepares an empty document; allocates nothing. */
void fg_doc_init(struct fg_doc *doc, uint32_t max_depth, size_t max_payload);
/* Empties it for the next payload; memory beyond `keep` bytes is given back. */
void fg_doc_reset(struct fg_doc *doc, size_t keep);
void fg_doc_fini(struct fg_doc *doc);

/* Appends a node and returns it zeroed (next and children still to be set), or NULL with
 * doc->reason set. Nodes may move: never keep the pointer over another append. */
struct fg_node *fg_doc_add(struct fg_doc *doc, enum fg_node_type type);
/* Room for `len` bytes of text that will not move until reset, or NULL with doc->reason set. */
char *fg_doc_text(struct fg_doc *doc, size_t len);
/* Makes sure that as much as `len` more bytes of text have room in one piece: then they can be
 * written at doc->text + doc->text_len, adding to text_len. False with doc->reason set if not. */
bool fg_doc_text_reserve(struct fg_doc *doc, size_t len);
/* Ends an object or array that was begun at index `at` with `children` members. */
void fg_doc_close(struct fg_doc *doc, uint32_t at, uint32_t children);
/* The same for an object whose keys may repeat: all but the last member of a name are marked
 * dead and counted in duplicate_keys. Takes time linear in the members. */
int fg_doc_close_object(struct fg_doc *doc, uint32_t at, uint32_t children);
/* Empties the tree, sets reason and place; returns -EBADMSG, so that decoders can
 * `return fg_doc_bad(...)`. A NULL reason keeps the one that is set. */
int fg_doc_bad(struct fg_doc *doc, const char *reason, size_t at);

/* A convenience for formats that are flat lists of named values: begins the root object (if it
 * is not there yet) and appends a member to it. Its root is closed at all times; keys are not
 * looked at: a format whose names may repeat ends with fg_doc_close_object(doc, 0, count). */
int fg_doc_member(struct fg_doc *doc, struct fg_str key, struct fg_value value, struct fg_str unit);

/* Strict JSON (RFC 8259), one document without anything behind it. 0, or -EBADMSG with reason and
 * at set. */
int fg_json_parse(struct fg_str payload, struct fg_doc *doc);

/* The node a JSON Pointer (RFC 6901, already split at '/', unescaped) leads to, or NULL. */
const struct fg_node *fg_doc_find(const struct fg_doc *doc, const struct fg_str *steps,
				  size_t nsteps);

/* One payload format. Pure: no I/O, no state but the document. */
struct fg_decode_context {
	struct fg_str address;		/* MQTT topic, CoAP path, or empty */
	int content_format;		/* CoAP's, or -1 */
	const void *conf;		/* the profile's options for this format */
};

struct fg_scan;

struct fg_decoder {
	const char *name;	/* a profile's "format" */
	const char *summary;	/* one sentence for the reference */
	const char *framer;	/* default framer on serial lines, NULL: line */
	/* The framer of that name, where it is the protocol's own: what begins at p (fg/framer.h).
	 * len > 0. `end`: no more bytes will come, MORE stands for NONE. */
	struct fg_scan (*scan)(const uint8_t *p, size_t len, bool end);
	/* 0, or -EBADMSG with reason and at set; a rejected payload leaves no node that counts. */
	int (*decode)(const struct fg_decode_context *ctx, struct fg_str payload,
		      struct fg_doc *doc);
};

/*
 * Writes packs into a buffer: SenML (RFC 8428) in JSON (section 5) and CBOR (section 6), and for
 * those who read no SenML an array of flat JSON objects, lines of InfluxDB's protocol, or what
 * ThingsBoard wants of a gateway.
 *
 * A SenML pack's first record also says which range of numbers the pack covers; the range's end is
 * known only when the pack is complete, so that record's head is written last, into room that was
 * left for it before the body. Nothing is moved and nothing is allocated but the buffer itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/record.h>

#include "base/buf.h"

enum fg_pack_format {
	FG_PACK_JSON,
	FG_PACK_CBOR,
	FG_PACK_FLAT,
	FG_PACK_INFLUX,
	FG_PACK_THINGSBOARD,
	FG_PACK__MAX
};

/* What stands in a pack's first record beside the record itself. */
struct fg_pack_head {
	bool ranged;			/* epoch, first and last are given */
	uint64_t epoch, first, last;
	uint64_t prev_epoch, prev_last;	/* "prev"; prev_epoch 0: none */
	bool begin;			/* "begin": true */
	const char *why;		/* "why" of a lost range, or NULL */
};

struct fg_pack {
	struct fg_buf *out;
	enum fg_pack_format format;
	struct fg_str gateway;
	size_t start;			/* where the body begins in out */
	uint32_t first_pairs;		/* CBOR */
	uint32_t records;
	struct fg_str device;		/* what "bn" says now (its bytes stand in out) */
	int64_t time_ns;		/* what "bt" says now */
	size_t device_at;		/* where the device of "bn" stands in out */
	size_t values_at;		/* ThingsBoard: where the last values begin */
};

/* Begins a pack in `out` (which is emptied). `gateway` must outlive the pack. */
void fg_pack_begin(struct fg_pack *, struct fg_buf *out, enum fg_pack_format,
		   struct fg_str gateway);
/* Appends one record of a device. `time_ns` counts where the record has no time of its own.
 * Failure (bound, memory) stays in out->failed. */
void fg_pack_add(struct fg_pack *, struct fg_str device, const struct fg_record *, int64_t time_ns,
		 bool unsynced);
/* Whether a record of that device can go into this pack at all: where a pack is an object by
 * devices, none comes a second time. */
bool fg_pack_takes(const struct fg_pack *, struct fg_str device);
/* Undoes what was added since `mark` (the body's length and state before an add that made the pack
 * too large). */
struct fg_pack_mark {
	size_t len, device_at, values_at;
	size_t device_len;
	uint32_t records;
	int64_t time_ns;
};
struct fg_pack_mark fg_pack_mark(const struct fg_pack *);
void fg_pack_undo(struct fg_pack *, struct fg_pack_mark);
/* Bytes the finished pack would have now, at most. */
size_t fg_pack_size(const struct fg_pack *);
/* Ends the pack; the text stands in `out` until that is reset. An empty pack is "[]". `head` may
 * be NULL. */
struct fg_str fg_pack_end(struct fg_pack *, const struct fg_pack_head *head);

const char *fg_pack_content_type(enum fg_pack_format);
/* Whether such packs say which range of numbers they cover. */
bool fg_pack_ranged(enum fg_pack_format);

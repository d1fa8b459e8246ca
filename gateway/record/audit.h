/*
 * The audit: from the packs that an upstream received, in any order and as often as they came, it
 * proves that no number of any epoch is missing, or names every gap.
 *
 * A pack's first record says which range of an epoch's numbers it covers. The ranges of an epoch
 * must tile it from 1, or from the pack marked "begin", to the last number that is known of it: the
 * highest one that came, what "prev" says in the epoch behind it, or what the caller demands. A
 * range that is announced as lost fills the tiling; its records are missing all the same, unless
 * they came some other time. Behind the number in "prev" nothing was kept, so nothing is due there:
 * with "commit": "each" a power cut takes what no device was told is safe, though an upstream that
 * gets live records first may have some of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/doc.h>

#include "base/buf.h"

struct fg_audit;

struct fg_audit *fg_audit_new(void); /* NULL: no memory */
struct fg_audit *fg_audit_free(struct fg_audit *audit);

/* One pack, as the reader of JSON or CBOR made it.
 *   0
 *   -EBADMSG   *ret_why (constant text) says what is wrong with it; nothing of it counts
 *   -ENOMEM    what was counted so far cannot be trusted any more */
int fg_audit_pack(struct fg_audit *audit, const struct fg_doc *pack, const char **ret_why);
/* A line that is no pack: whatever it was, the sequence is not proved. */
void fg_audit_malformed(struct fg_audit *audit);
/* The epoch must reach the number. Called once, behind all packs: -ENOENT if the epoch is not known
 * and nobody can say whose it is. */
int fg_audit_until(struct fg_audit *audit, uint64_t epoch, uint64_t last);
/* "9f3c2a7105d1e6b4:80411". False: not that. */
bool fg_audit_mark(struct fg_str text, uint64_t *ret_epoch, uint64_t *ret_last);

/* Behind all packs: the result as one JSON object, and for people as lines. -ENOMEM (also if one of
 * the buffers is too small). *ret_complete: nothing is missing, announced or not.
 *
 *     {"complete": true, "gateways": {ID: {"epochs": {EPOCH: {"first", "last": of what came,
 *      "records": without repeats, "duplicates": records that came more than once,
 *      "lost": {WHY: records; 0 where nobody could count them}, "gaps": [[from, to]]}}}}} */
int fg_audit_report(struct fg_audit *audit, struct fg_buf *json, struct fg_buf *text,
		    bool *ret_complete);

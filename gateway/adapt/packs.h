/*
 * Reading packs: SenML as this gateway writes it (RFC 8428), JSON or CBOR. For bridges that make
 * something else of the records in them.
 */
#pragma once

#include <stdint.h>

#include <fg/doc.h>

#define FG_PACK_DEPTH 8
#define FG_PACK_BYTES ((size_t)4 << 20)
#define FG_NO_TIME INT64_MIN

struct fg_packs {
	const struct fg_decoder *json, *cbor;
	const char *gateway;
	struct fg_doc doc;
};

/* As in the column `kind` of the sqlite bridge. */
enum fg_item_kind {
	FG_ITEM_NUMBER,
	FG_ITEM_BOOL,
	FG_ITEM_TEXT,
	FG_ITEM_DATA,			/* in JSON its text in base64url */
	FG_ITEM_NOTHING,
};

/* One record of a pack. Strings point into the pack or its document. */
struct fg_item {
	struct fg_str device, point, unit, why;
	const struct fg_value *value, *sum, *update;
	enum fg_item_kind kind;
	int64_t time_us;		/* FG_NO_TIME: none */
	bool unsynced;
};

/* `gateway` is borrowed. Looks the decoders up, which may read files; -errno as the registry. */
int fg_packs_open(struct fg_packs *packs, const char *gateway);
/* Takes one that was never opened, if it is zeroed. */
void fg_packs_close(struct fg_packs *packs);
/* The pack as a document, until the next one; -EBADMSG. */
int fg_packs_parse(struct fg_packs *packs, struct fg_str pack, bool cbor);
/* The next record behind *at (0 at first) into `item`, which carries what packs carry on; false at
 * the end. */
bool fg_packs_next(const struct fg_packs *packs, uint32_t *at, struct fg_item *item);
/* Whether the pack says that its range is lost, or was not to be carried: how many are lost, or -1
 * if nobody could count. */
bool fg_packs_lost(const struct fg_item *item, int64_t *ret_lost);

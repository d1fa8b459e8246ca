#include "adapt/packs.h"

#include <fg/registry.h>

#include <errno.h>
#include <math.h>

/* The labels of RFC 8428 table 4, and how they read as CBOR's integers. */
enum label {
	BASE_NAME,
	BASE_TIME,
	NAME,
	UNIT,
	VALUE,
	TEXT,
	BOOL,
	DATA,
	SUM,
	TIME,
	UPDATE,
	WHY,
	CLOCK
};

static const struct {
	const char *json, *cbor;
} labels[] = {
	[BASE_NAME] = { "bn", "-2" },	[BASE_TIME] = { "bt", "-3" }, [NAME] = { "n", "0" },
	[UNIT] = { "u", "1" },		[VALUE] = { "v", "2" },	      [TEXT] = { "vs", "3" },
	[BOOL] = { "vb", "4" },		[DATA] = { "vd", "8" },	      [SUM] = { "s", "5" },
	[TIME] = { "t", "6" },		[UPDATE] = { "ut", "7" },     [WHY] = { "why", "why" },
	[CLOCK] = { "clock", "clock" },
};

static int label_of(struct fg_str key)
{
	for (int i = 0; i < (int)(sizeof(labels) / sizeof(labels[0])); i++)
		if (fg_str_eq_c(key, labels[i].json) || fg_str_eq_c(key, labels[i].cbor))
			return i;
	return -1;
}

int fg_packs_open(struct fg_packs *packs, const char *gateway)
{
	int r = fg_registry_decoder("json", &packs->json);

	/* only packs that are written so need it */
	if (r == 0 && fg_registry_decoder("cbor", &packs->cbor) < 0)
		packs->cbor = packs->json;
	packs->gateway = gateway;
	fg_doc_init(&packs->doc, FG_PACK_DEPTH, FG_PACK_BYTES);
	return r;
}

void fg_packs_close(struct fg_packs *packs)
{
	fg_doc_fini(&packs->doc);
}

int fg_packs_parse(struct fg_packs *packs, struct fg_str pack, bool cbor)
{
	const struct fg_decoder *decoder = cbor ? packs->cbor : packs->json;
	struct fg_decode_context context = { .content_format = -1 };
	int r;

	fg_doc_reset(&packs->doc, (size_t)1 << 20);
	r = decoder->decode(&context, pack, &packs->doc);
	if (r == 0 && (packs->doc.len == 0 || packs->doc.nodes[0].type != FG_NODE_ARRAY))
		r = -EBADMSG;
	return r;
}

static int64_t time_us(const struct fg_value *value)
{
	double us = fg_value_double(value) * 1e6;

	return fabs(us) < 9e18 ? llround(us) : FG_NO_TIME;
}

/* GATEWAY/DEVICE/ */
static struct fg_str device_of(const struct fg_packs *packs, struct fg_str base)
{
	size_t skip = strlen(packs->gateway) + 1;

	if (base.len < skip + 2)
		return base;
	return fg_str(base.ptr + skip, base.len - skip - 1);
}

static void value_take(struct fg_item *item, const struct fg_value *value, enum fg_item_kind kind)
{
	item->value = value;
	item->kind = kind;
}

static void member_take(const struct fg_packs *packs, const struct fg_node *node,
			struct fg_item *item)
{
	const struct fg_value *value = &node->value;
	bool text = value->kind == FG_STRING;

	if (node->type != FG_NODE_SCALAR || node->dead)
		return;
	switch (label_of(node->key)) {
	case BASE_NAME:
		item->device = text ? device_of(packs, value->s) : item->device;
		break;
	case BASE_TIME:
	case TIME:
		item->time_us = time_us(value);
		break;
	case NAME:
		item->point = text ? value->s : item->point;
		break;
	case UNIT:
		item->unit = text ? value->s : item->unit;
		break;
	case VALUE:
		value_take(item, value, FG_ITEM_NUMBER);
		break;
	case TEXT:
		value_take(item, value, FG_ITEM_TEXT);
		break;
	case BOOL:
		value_take(item, value, FG_ITEM_BOOL);
		break;
	case DATA:
		value_take(item, value, FG_ITEM_DATA);
		break;
	case SUM:
		item->sum = value;
		break;
	case UPDATE:
		item->update = value;
		break;
	case WHY:
		item->why = text ? value->s : item->why;
		break;
	case CLOCK:
		item->unsynced = true;
		break;
	default:
		break;
	}
}

bool fg_packs_next(const struct fg_packs *packs, uint32_t *at, struct fg_item *item)
{
	const struct fg_node *nodes = packs->doc.nodes, *object;
	uint32_t member;

	if (*at == 0) {
		*item = (struct fg_item){ .time_us = FG_NO_TIME };
		*at = 1;
	}
	if (*at >= packs->doc.len)
		return false;
	object = &nodes[*at];
	item->point = item->unit = item->why = fg_str(NULL, 0);
	item->value = item->sum = item->update = NULL;
	item->kind = FG_ITEM_NOTHING;
	item->unsynced = false;
	member = *at + 1;
	for (uint32_t i = 0; object->type == FG_NODE_OBJECT && i < object->children; i++) {
		member_take(packs, &nodes[member], item);
		member = nodes[member].next;
	}
	*at = object->next;
	return true;
}

bool fg_packs_lost(const struct fg_item *item, int64_t *ret_lost)
{
	if (!fg_str_eq_c(item->device, "fieldgate") || !fg_str_eq_c(item->point, "lost") ||
	    !item->value)
		return false;
	*ret_lost = item->value->kind == FG_INT ? item->value->i : -1;
	return true;
}

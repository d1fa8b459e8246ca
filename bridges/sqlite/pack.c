/* Reading packs: SenML as this gateway writes it (RFC 8428), JSON or CBOR. */
#include "store.h"

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

int sqlite_pack_parse(struct store *store, const struct store_pack *pack, const char *text)
{
	const struct fg_decoder *decoder = pack->cbor ? store->cbor : store->json;
	struct fg_decode_context context = { .content_format = -1 };
	int r;

	fg_doc_reset(&store->doc, (size_t)1 << 20);
	r = decoder->decode(&context, fg_str(text + pack->at, pack->len), &store->doc);
	if (r == 0 && (store->doc.len == 0 || store->doc.nodes[0].type != FG_NODE_ARRAY))
		r = -EBADMSG;
	return r;
}

static int64_t time_us(const struct fg_value *value)
{
	double us = fg_value_double(value) * 1e6;

	return fabs(us) < 9e18 ? llround(us) : STORE_NO_TIME;
}

/* GATEWAY/DEVICE/ */
static struct fg_str device_of(const struct store *store, struct fg_str base)
{
	size_t skip = strlen(store->gateway) + 1;

	if (base.len < skip + 2)
		return base;
	return fg_str(base.ptr + skip, base.len - skip - 1);
}

static void value_take(struct store_item *item, const struct fg_value *value, enum store_kind kind)
{
	item->value = value;
	item->kind = kind;
}

static void member_take(const struct store *store, const struct fg_node *node,
			struct store_item *item)
{
	const struct fg_value *value = &node->value;
	bool text = value->kind == FG_STRING;

	if (node->type != FG_NODE_SCALAR || node->dead)
		return;
	switch (label_of(node->key)) {
	case BASE_NAME:
		item->device = text ? device_of(store, value->s) : item->device;
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
		value_take(item, value, STORE_NUMBER);
		break;
	case TEXT:
		value_take(item, value, STORE_TEXT);
		break;
	case BOOL:
		value_take(item, value, STORE_BOOL);
		break;
	case DATA:
		value_take(item, value, STORE_DATA);
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

bool sqlite_pack_next(const struct store *store, uint32_t *at, struct store_item *item)
{
	const struct fg_node *nodes = store->doc.nodes, *object;
	uint32_t member;

	if (*at == 0) {
		*item = (struct store_item){ .time_us = STORE_NO_TIME };
		*at = 1;
	}
	if (*at >= store->doc.len)
		return false;
	object = &nodes[*at];
	item->point = item->unit = item->why = fg_str(NULL, 0);
	item->value = item->sum = item->update = NULL;
	item->kind = STORE_NOTHING;
	item->unsynced = false;
	member = *at + 1;
	for (uint32_t i = 0; object->type == FG_NODE_OBJECT && i < object->children; i++) {
		member_take(store, &nodes[member], item);
		member = nodes[member].next;
	}
	*at = object->next;
	return true;
}

bool sqlite_pack_lost(const struct store_item *item, int64_t *ret_lost)
{
	if (!fg_str_eq_c(item->device, "fieldgate") || !fg_str_eq_c(item->point, "lost") ||
	    !item->value)
		return false;
	*ret_lost = item->value->kind == FG_INT ? item->value->i : -1;
	return true;
}

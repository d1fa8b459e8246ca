/* What the audit wants to know of a pack: its first record's head, and that the others fit. */
#include "record/audit_private.h"

#include <errno.h>

#define EPOCH_DIGITS 16
#define GATEWAY_MAX 64

/* RFC 8428 table 4, as the CBOR reader gives integers that are keys */
#define CBOR_BN "-2"
#define CBOR_N "0"
#define CBOR_V "2"
#define CBOR_VS "3"

/* One record, as far as it matters. */
struct item {
	struct fg_str base, name;
	bool has_base, has_epoch, has_first, has_last, begin;
	struct fg_str epoch, prev, why;
	uint64_t first, last;
	const struct fg_value *value; /* of "v" or "vs" */
};

static bool epoch_read(struct fg_str text, uint64_t *ret_epoch)
{
	uint64_t n = 0;

	if (text.len != EPOCH_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
				 c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 :
				 c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 :
							16;

		if (digit == 16)
			return false;
		n = n << 4 | digit;
	}
	*ret_epoch = n;
	return true;
}

bool fg_audit_mark(struct fg_str text, uint64_t *ret_epoch, uint64_t *ret_last)
{
	struct fg_value last;

	if (text.len < EPOCH_DIGITS + 2 || text.ptr[EPOCH_DIGITS] != ':' ||
	    !epoch_read(fg_str(text.ptr, EPOCH_DIGITS), ret_epoch))
		return false;
	text = fg_str(text.ptr + EPOCH_DIGITS + 1, text.len - EPOCH_DIGITS - 1);
	if (text.ptr[0] == '-' || fg_value_parse_number(text, &last) < 0 || last.kind != FG_INT)
		return false;
	*ret_last = (uint64_t)last.i;
	return true;
}

static bool number_read(const struct fg_node *node, uint64_t *ret)
{
	if (node->type != FG_NODE_SCALAR || node->value.kind != FG_INT || node->value.i < 0)
		return false;
	*ret = (uint64_t)node->value.i;
	return true;
}

static bool text_read(const struct fg_node *node, struct fg_str *ret)
{
	if (node->type != FG_NODE_SCALAR || node->value.kind != FG_STRING)
		return false;
	*ret = node->value.s;
	return true;
}

/* False: it is there, but not what it has to be. */
static bool member_read(const struct fg_node *node, struct item *item)
{
	struct fg_str key = node->key;

	if (fg_str_eq_c(key, "n") || fg_str_eq_c(key, CBOR_N))
		return text_read(node, &item->name);
	if (fg_str_eq_c(key, "bn") || fg_str_eq_c(key, CBOR_BN))
		return item->has_base = text_read(node, &item->base);
	if (fg_str_eq_c(key, "epoch"))
		return item->has_epoch = text_read(node, &item->epoch);
	if (fg_str_eq_c(key, "first"))
		return item->has_first = number_read(node, &item->first);
	if (fg_str_eq_c(key, "last"))
		return item->has_last = number_read(node, &item->last);
	if (fg_str_eq_c(key, "prev"))
		return text_read(node, &item->prev);
	if (fg_str_eq_c(key, "why"))
		return text_read(node, &item->why);
	if (fg_str_eq_c(key, "begin"))
		item->begin = node->value.kind == FG_BOOL && node->value.b;
	else if (fg_str_eq_c(key, "v") || fg_str_eq_c(key, "vs") || fg_str_eq_c(key, CBOR_V) ||
		 fg_str_eq_c(key, CBOR_VS))
		item->value = node->type == FG_NODE_SCALAR ? &node->value : NULL;
	return true;
}

static const char *head_read(const struct fg_doc *doc, uint32_t at, struct item *item)
{
	const struct fg_node *object = &doc->nodes[at++];

	*item = (struct item){ 0 };
	if (object->type != FG_NODE_OBJECT)
		return "a record is not an object";
	for (uint32_t i = 0; i < object->children; i++, at = doc->nodes[at].next)
		if (!doc->nodes[at].dead && !member_read(&doc->nodes[at], item))
			return "a member of the first record has the wrong type";
	return NULL;
}

static bool is_id_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == ':' || c == '-';
}

/* The whole name of the first record says whose the pack is; with a base name, that alone does. */
static bool gateway_of(const struct item *item, struct fg_str *ret)
{
	struct fg_str name = item->base.len ? item->base : item->name;
	const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;

	if (!slash || slash == name.ptr)
		return false;
	*ret = fg_str(name.ptr, (size_t)(slash - name.ptr));
	for (size_t i = 0; i < ret->len; i++)
		if (!is_id_char(ret->ptr[i]))
			return false;
	return ret->len <= GATEWAY_MAX;
}

static bool of_gateway(struct fg_str name, struct fg_str gateway)
{
	return name.len > gateway.len && name.ptr[gateway.len] == '/' &&
	       fg_str_starts(name, gateway);
}

/* True if base and name together are "GATEWAY/fieldgate/lost". */
static bool is_lost(const struct item *item, struct fg_str gateway)
{
	const struct fg_str rest = FG_STR("/fieldgate/lost");
	struct fg_str base = item->base, name = item->name;
	size_t tail;

	if (base.len + name.len != gateway.len + rest.len || !item->value)
		return false;
	if (base.len == 0)
		return fg_str_eq(fg_str(name.ptr + gateway.len, rest.len), rest);
	tail = base.len - gateway.len;
	return memcmp(base.ptr + gateway.len, rest.ptr, tail) == 0 &&
	       (name.len == 0 || memcmp(name.ptr, rest.ptr + tail, name.len) == 0);
}

/* Names of the records behind the first. */
static const char *names_check(const struct fg_doc *doc, struct fg_str base, struct fg_str gateway)
{
	const struct fg_node *nodes = doc->nodes;

	for (uint32_t at = nodes[1].next; at < doc->len; at = nodes[at].next) {
		struct fg_str name = { 0 };

		if (nodes[at].type != FG_NODE_OBJECT)
			return "a record is not an object";
		for (uint32_t i = 0, m = at + 1; i < nodes[at].children; i++, m = nodes[m].next) {
			struct fg_str key = nodes[m].key;

			if (key.len == 0 || key.len > 2 || nodes[m].dead)
				continue;
			if (fg_str_eq_c(key, "n") || fg_str_eq_c(key, CBOR_N))
				name = nodes[m].value.kind == FG_STRING ? nodes[m].value.s : name;
			else if (fg_str_eq_c(key, "bn") || fg_str_eq_c(key, CBOR_BN))
				base = nodes[m].value.kind == FG_STRING ? nodes[m].value.s :
									  (struct fg_str){ 0 };
		}
		if (!of_gateway(base.len ? base : name, gateway))
			return "a record is not of the pack's gateway";
	}
	return NULL;
}

static const char *loss_read(const struct item *item, struct audit_pack *pack)
{
	const struct fg_value *value = item->value;

	pack->lost = true;
	pack->records = 0;
	if (value->kind == FG_STRING && fg_str_eq_c(value->s, "unknown"))
		pack->unknown = true;
	else if (value->kind == FG_INT && value->i >= 0)
		pack->records = (uint64_t)value->i;
	else
		return "a lost range without a number of records";
	if (pack->records > pack->last - pack->first + 1)
		return "more records are lost than its range has numbers";
	if (!pack->why.len && (pack->unknown || pack->records))
		return "a lost range without a reason";
	return NULL;
}

static const char *range_read(const struct item *item, struct audit_pack *pack)
{
	if (!item->has_epoch || !item->has_first || !item->has_last)
		return "no epoch, first and last in the first record";
	if (!epoch_read(item->epoch, &pack->epoch) || !pack->epoch)
		return "the epoch is not 16 hexadecimal digits";
	if (item->prev.len && !fg_audit_mark(item->prev, &pack->prev_epoch, &pack->prev_last))
		return "prev is not EPOCH:LAST";
	/* one behind the end is an empty range: room where nobody knows how many there were */
	if (item->first == 0 || item->last >= INT64_MAX || item->last < item->first - 1)
		return "first and last are no range";
	pack->first = item->first;
	pack->last = item->last;
	pack->begin = item->begin;
	pack->why = item->why;
	return NULL;
}

static const char *pack_read(const struct fg_doc *doc, struct audit_pack *pack)
{
	struct item item;
	const char *why;

	if (doc->len == 0 || doc->nodes[0].type != FG_NODE_ARRAY)
		return "a pack is an array of records";
	if (doc->nodes[0].children == 0)
		return "an empty pack has no range";
	why = head_read(doc, 1, &item);
	if (why)
		return why;
	if (!gateway_of(&item, &pack->gateway))
		return "the first record does not say whose it is";
	why = range_read(&item, pack);
	if (!why)
		why = names_check(doc, item.base, pack->gateway);
	if (why)
		return why;
	pack->records = doc->nodes[0].children;
	if (pack->records == 1 && is_lost(&item, pack->gateway))
		return loss_read(&item, pack);
	if (pack->records > pack->last - pack->first + 1)
		return "more records than its range has numbers";
	return NULL;
}

int audit_pack_read(const struct fg_doc *doc, struct audit_pack *ret_pack, const char **ret_why)
{
	struct audit_pack pack = { 0 };
	const char *why = pack_read(doc, &pack);

	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret_pack = pack;
	return 0;
}

/*
 * CBOR (RFC 8949), one item without anything behind it. No recursion: an open container's node
 * remembers its parent (in `next`) and how many items are still to come (in its value). Tags pass
 * through as their content, except those that are numbers.
 */
#include "decode/cbor.h"

#include "base/number.h"
#include "base/utf8.h"
#include "decode/decode.h"

#include <errno.h>
#include <math.h>

#define NO_PARENT UINT32_MAX
#define INDEFINITE UINT64_MAX
#define PACK_DEPTH 2 /* the array and its records */

static const char unexpected_end[] = "unexpected end";

struct cbor {
	struct fg_cbor in;
	uint32_t parent, depth;
	enum fg_cbor_kind kind;
	bool integer_key;
	struct fg_str key;
};

int fg_cbor_bad(struct fg_cbor *c, const char *reason)
{
	return fg_doc_bad(c->doc, reason, (size_t)(c->p - c->start));
}

static size_t left(const struct fg_cbor *c)
{
	return (size_t)(c->end - c->p);
}

int fg_cbor_head(struct fg_cbor *c, struct fg_cbor_head *ret)
{
	struct fg_cbor_head head = { 0 };

	if (c->p == c->end)
		return fg_cbor_bad(c, unexpected_end);
	head.major = *c->p >> 5;
	head.info = *c->p & 31;
	if (head.info < 24) {
		head.arg = head.info;
	} else if (head.info < 28) {
		size_t size = (size_t)1 << (head.info - 24);

		if (left(c) <= size)
			return fg_cbor_bad(c, unexpected_end);
		for (size_t i = 1; i <= size; i++)
			head.arg = head.arg << 8 | c->p[i];
		c->p += size;
	} else {
		bool string = head.major >= FG_CBOR_BYTES && head.major <= FG_CBOR_MAP;

		if (head.info != 31 || (!string && head.major != FG_CBOR_SIMPLE))
			return fg_cbor_bad(c, "malformed head");
		head.indefinite = true;
	}
	c->p++;
	*ret = head;
	return 0;
}

static int chunk_read(struct fg_cbor *c, const struct fg_cbor_head *head, struct fg_str *ret)
{
	struct fg_str s = { (const char *)c->p, 0 };

	if (head->arg > left(c))
		return fg_cbor_bad(c, "length beyond the payload");
	s.len = (size_t)head->arg;
	if (head->major == FG_CBOR_TEXT && !fg_utf8_valid(s))
		return fg_cbor_bad(c, "invalid UTF-8");
	c->p += s.len;
	*ret = s;
	return 0;
}

/* Chunks up to the break code are joined (RFC 8949 section 3.2.3). */
static int chunks_read(struct fg_cbor *c, uint8_t major, struct fg_str *ret)
{
	if (!fg_doc_text_reserve(c->doc, left(c)))
		return fg_cbor_bad(c, NULL);
	char *text = c->doc->text + c->doc->text_len;
	size_t len = 0;

	for (;;) {
		struct fg_cbor_head head;
		struct fg_str chunk = { 0 };
		int r = fg_cbor_head(c, &head);

		if (r)
			return r;
		if (head.major == FG_CBOR_SIMPLE && head.indefinite)
			break;
		if (head.major != major || head.indefinite)
			return fg_cbor_bad(c, "malformed string");
		r = chunk_read(c, &head, &chunk);
		if (r)
			return r;
		memcpy(text + len, chunk.ptr, chunk.len);
		len += chunk.len;
	}
	c->doc->text_len += len;
	*ret = fg_str(text, len);
	return 0;
}

int fg_cbor_string(struct fg_cbor *c, const struct fg_cbor_head *head, struct fg_str *ret)
{
	return head->indefinite ? chunks_read(c, head->major, ret) : chunk_read(c, head, ret);
}

static int integer_key(struct cbor *c, const struct fg_cbor_head *head)
{
	char *text = fg_doc_text(c->in.doc, FG_NUMBER_MAX);
	struct fg_value v = fg_cbor_integer(head->arg, head->major == FG_CBOR_NEGATIVE);

	if (!text)
		return fg_cbor_bad(&c->in, NULL);
	c->key = fg_str(text, fg_value_write_number(&v, text));
	c->integer_key = true;
	return 0;
}

static int key_read(struct cbor *c)
{
	struct fg_cbor_head head;
	int r = fg_cbor_head(&c->in, &head);

	if (r)
		return r;
	c->integer_key = false;
	if (head.major <= FG_CBOR_NEGATIVE)
		return integer_key(c, &head);
	if (head.major == FG_CBOR_TEXT)
		return fg_cbor_string(&c->in, &head, &c->key);
	return fg_cbor_bad(&c->in, "map key is neither text nor an integer");
}

static struct fg_node *node_add(struct cbor *c, enum fg_node_type type)
{
	struct fg_doc *doc = c->in.doc;
	struct fg_node *node = fg_doc_append(doc, type);

	if (!node) {
		fg_cbor_bad(&c->in, NULL);
		return NULL;
	}
	node->next = doc->len;
	if (c->parent == NO_PARENT)
		return node;
	doc->nodes[c->parent].children++;
	if (doc->nodes[c->parent].type == FG_NODE_OBJECT) {
		node->key = c->key;
		node->mark = fg_key_mark(c->key);
		node->whole = c->integer_key && c->kind;
	}
	return node;
}

static int container_open(struct cbor *c, const struct fg_cbor_head *head)
{
	bool map = head->major == FG_CBOR_MAP;

	if (c->depth == c->in.doc->max_depth)
		return fg_cbor_bad(&c->in, "nested too deeply");
	if (head->indefinite && c->kind == FG_CBOR_PACK && c->depth < PACK_DEPTH)
		return fg_cbor_bad(&c->in, "SenML pack or record without a length");
	/* every item takes a byte at least */
	if (!head->indefinite && head->arg > left(&c->in) / (map ? 2 : 1))
		return fg_cbor_bad(&c->in, "length beyond the payload");
	struct fg_node *node = node_add(c, map ? FG_NODE_OBJECT : FG_NODE_ARRAY);

	if (!node)
		return -EBADMSG;
	node->next = c->parent;
	node->value.u = head->indefinite ? INDEFINITE : head->arg;
	c->parent = c->in.doc->len - 1;
	c->depth++;
	return 0;
}

static int container_close(struct cbor *c)
{
	uint32_t at = c->parent;
	struct fg_node *node = &c->in.doc->nodes[at];

	c->parent = node->next;
	c->depth--;
	node->value = (struct fg_value){ 0 };
	if (node->type == FG_NODE_OBJECT)
		return fg_doc_close_object(c->in.doc, at, node->children);
	fg_doc_close(c->in.doc, at, node->children);
	return 0;
}

static int scalar_add(struct cbor *c, struct fg_value value)
{
	struct fg_node *node = node_add(c, FG_NODE_SCALAR);

	if (!node)
		return -EBADMSG;
	node->value = value;
	return 0;
}

static int float_add(struct cbor *c, const struct fg_cbor_head *head)
{
	double d = fg_cbor_float(1u << (head->info - 24), head->arg);

	if (!isfinite(d))
		return node_add(c, FG_NODE_NONFINITE) ? 0 : -EBADMSG;
	return scalar_add(c, fg_value_of_double(d));
}

/* Booleans; null, undefined and what has no meaning yet hold no value. */
static int simple_add(struct cbor *c, const struct fg_cbor_head *head)
{
	if (head->indefinite)
		return fg_cbor_bad(&c->in, "unexpected break");
	if (head->info >= 25)
		return float_add(c, head);
	if (head->info == 24 && head->arg < 32)
		return fg_cbor_bad(&c->in, "malformed simple value");
	if (head->arg == 20 || head->arg == 21)
		return scalar_add(c, (struct fg_value){ .kind = FG_BOOL, .b = head->arg == 21 });
	return node_add(c, FG_NODE_NULL) ? 0 : -EBADMSG;
}

static int string_add(struct cbor *c, const struct fg_cbor_head *head)
{
	struct fg_value v = { .kind = head->major == FG_CBOR_TEXT ? FG_STRING : FG_DATA };
	int r = fg_cbor_string(&c->in, head, &v.s);

	return r ? r : scalar_add(c, v);
}

/* Tags in front of an item: the innermost one says whether it is a number made of more. */
static int tags_read(struct cbor *c, struct fg_cbor_head *head, uint64_t *ret_tag)
{
	uint64_t tag = UINT64_MAX;
	int r;

	for (;;) {
		r = fg_cbor_head(&c->in, head);
		if (r || head->major != FG_CBOR_TAG)
			break;
		tag = head->arg;
		if (tag >= 2 && tag <= 4)
			break;
	}
	*ret_tag = tag;
	return r;
}

static int item_read(struct cbor *c)
{
	struct fg_cbor_head head;
	struct fg_value v;
	uint64_t tag;
	int r = tags_read(c, &head, &tag);

	if (r)
		return r;
	switch (head.major) {
	case FG_CBOR_UINT:
	case FG_CBOR_NEGATIVE:
		return scalar_add(c, fg_cbor_integer(head.arg, head.major == FG_CBOR_NEGATIVE));
	case FG_CBOR_BYTES:
	case FG_CBOR_TEXT:
		return string_add(c, &head);
	case FG_CBOR_ARRAY:
	case FG_CBOR_MAP:
		return container_open(c, &head);
	case FG_CBOR_TAG:
		r = tag == 4 ? fg_cbor_decimal(&c->in, &v) : fg_cbor_bignum(&c->in, tag == 3, &v);
		return r ? r : scalar_add(c, v);
	default:
		return simple_add(c, &head);
	}
}

/* Is the innermost container at its end? A break code is consumed. */
static bool at_end(struct cbor *c)
{
	struct fg_node *node = &c->in.doc->nodes[c->parent];

	if (node->value.u == INDEFINITE) {
		if (c->in.p == c->in.end || *c->in.p != 0xff)
			return false;
		c->in.p++;
		return true;
	}
	return node->value.u == 0;
}

static int step(struct cbor *c)
{
	struct fg_node *node = &c->in.doc->nodes[c->parent];

	if (at_end(c))
		return container_close(c);
	if (node->value.u != INDEFINITE)
		node->value.u--;
	if (node->type == FG_NODE_OBJECT) {
		int r = key_read(c);

		if (r)
			return r;
	}
	return item_read(c);
}

int fg_cbor_parse(struct fg_str payload, enum fg_cbor_kind kind, struct fg_doc *doc)
{
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	const uint8_t *p = (const uint8_t *)payload.ptr;
	struct cbor c = {
		.in = { doc, p, p + payload.len, p },
		.parent = NO_PARENT,
		.kind = kind,
	};
	int r;

	r = item_read(&c);
	while (!r && c.parent != NO_PARENT)
		r = step(&c);
	if (r)
		return r;
	return c.in.p == c.in.end ? 0 : fg_cbor_bad(&c.in, "trailing bytes");
}

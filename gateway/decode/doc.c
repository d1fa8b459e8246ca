/*
 * The flat tree. Nodes are one array that doubles; text is a list of blocks, because strings must
 * not move. Both are kept over a reset, so that a steady load allocates nothing.
 */
#include <fg/doc.h>

#include "decode/decode.h"

#include <errno.h>
#include <stdlib.h>

enum { NODES_MIN = 64, TEXT_MIN = 1024 };

struct text_block {
	struct text_block *older;
	char data[];
};

static const char no_memory[] = "out of memory";

void fg_doc_init(struct fg_doc *doc, uint32_t max_depth, size_t max_payload)
{
	size_t max_nodes = max_payload / 4 + NODES_MIN;

	*doc = (struct fg_doc){
		.max_nodes = max_nodes > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)max_nodes,
		.max_depth = max_depth,
		.max_text = max_payload * 4 + TEXT_MIN,
		.time_ns = FG_TIME_NONE,
		.now_ns = FG_TIME_NONE,
	};
}

static struct text_block *block_of(char *text)
{
	return (struct text_block *)(void *)(text - offsetof(struct text_block, data));
}

/* Blocks grow, so the newest is the largest: it alone is worth keeping. */
static void text_release(struct fg_doc *doc, size_t keep)
{
	struct text_block *block = doc->text ? block_of(doc->text) : NULL;

	if (block && doc->text_cap <= keep) {
		struct text_block *older = block->older;

		block->older = NULL;
		block = older;
		doc->text_total = doc->text_cap;
	} else {
		doc->text = NULL;
		doc->text_cap = doc->text_total = 0;
	}
	while (block) {
		struct text_block *older = block->older;

		free(block);
		block = older;
	}
	doc->text_len = 0;
}

void fg_doc_reset(struct fg_doc *doc, size_t keep)
{
	size_t nodes = doc->cap * sizeof(*doc->nodes), scratch = doc->scratch_cap * 4;

	doc->len = 0;
	if (nodes > keep) {
		free(doc->nodes);
		doc->nodes = NULL;
		doc->cap = 0;
	}
	if (scratch > keep) {
		free(doc->scratch);
		doc->scratch = NULL;
		doc->scratch_cap = 0;
	}
	text_release(doc, keep);
	doc->time_ns = FG_TIME_NONE;
	doc->absurd_time = false;
	doc->device = doc->plain = (struct fg_str){ 0 };
	doc->duplicate_keys = 0;
	doc->no_memory = false;
	doc->reason = NULL;
	doc->at = 0;
}

void fg_doc_fini(struct fg_doc *doc)
{
	fg_doc_reset(doc, 0);
}

bool fg_doc_grow(struct fg_doc *doc)
{
	uint32_t cap = doc->cap ? doc->cap * 2 : NODES_MIN;

	if (cap > doc->max_nodes)
		cap = doc->max_nodes;
	if (cap <= doc->len) {
		doc->reason = "too many values";
		return false;
	}
	struct fg_node *nodes = realloc(doc->nodes, cap * sizeof(*nodes));

	if (!nodes) {
		doc->no_memory = true;
		doc->reason = no_memory;
		return false;
	}
	doc->nodes = nodes;
	doc->cap = cap;
	return true;
}

struct fg_node *fg_doc_add(struct fg_doc *doc, enum fg_node_type type)
{
	return fg_doc_append(doc, type);
}

bool fg_doc_text_reserve(struct fg_doc *doc, size_t len)
{
	size_t cap = doc->text_cap < TEXT_MIN ? TEXT_MIN : doc->text_cap;

	if (len <= doc->text_cap - doc->text_len && doc->text)
		return true;
	if (cap > doc->max_text - doc->text_total)
		cap = doc->max_text - doc->text_total;
	if (cap < len)
		cap = len;
	if (cap > doc->max_text - doc->text_total) {
		doc->reason = "too much text";
		return false;
	}
	struct text_block *block = malloc(sizeof(*block) + cap);

	if (!block) {
		doc->no_memory = true;
		doc->reason = no_memory;
		return false;
	}
	block->older = doc->text ? block_of(doc->text) : NULL;
	doc->text = block->data;
	doc->text_cap = cap;
	doc->text_total += cap;
	doc->text_len = 0;
	return true;
}

char *fg_doc_text(struct fg_doc *doc, size_t len)
{
	if (!fg_doc_text_reserve(doc, len))
		return NULL;
	char *p = doc->text + doc->text_len;

	doc->text_len += len;
	return p;
}

void fg_doc_close(struct fg_doc *doc, uint32_t at, uint32_t children)
{
	doc->nodes[at].children = children;
	doc->nodes[at].next = doc->len;
}

int fg_doc_bad(struct fg_doc *doc, const char *reason, size_t at)
{
	doc->len = 0;
	if (reason)
		doc->reason = reason;
	doc->at = at;
	return -EBADMSG;
}

int fg_doc_member(struct fg_doc *doc, struct fg_str key, struct fg_value value, struct fg_str unit)
{
	if (doc->len == 0 && !fg_doc_append(doc, FG_NODE_OBJECT))
		return fg_doc_bad(doc, NULL, 0);
	struct fg_node *node = fg_doc_append(doc, FG_NODE_SCALAR);

	if (!node)
		return fg_doc_bad(doc, NULL, 0);
	node->key = key;
	node->value = value;
	node->unit = unit;
	node->next = doc->len;
	doc->nodes[0].children++;
	doc->nodes[0].next = doc->len;
	return 0;
}

int fg_doc_scalar(struct fg_doc *doc, struct fg_value value)
{
	struct fg_node *node = fg_doc_append(doc, FG_NODE_SCALAR);

	if (!node)
		return fg_doc_bad(doc, NULL, 0);
	node->value = value;
	node->next = doc->len;
	return 0;
}

/* RFC 6901 section 4: decimal, no leading zero. */
static bool index_of(struct fg_str step, uint32_t *ret_index)
{
	uint32_t n = 0;

	if (step.len == 0 || step.len > 9 || (step.len > 1 && step.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < step.len; i++) {
		if (step.ptr[i] < '0' || step.ptr[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(step.ptr[i] - '0');
	}
	*ret_index = n;
	return true;
}

static const struct fg_node *child_find(const struct fg_doc *doc, const struct fg_node *parent,
					struct fg_str step)
{
	uint32_t at = (uint32_t)(parent - doc->nodes) + 1, wanted = 0;
	bool is_array = parent->type == FG_NODE_ARRAY;

	if (is_array && !index_of(step, &wanted))
		return NULL;
	for (uint32_t i = 0; i < parent->children; i++, at = doc->nodes[at].next) {
		const struct fg_node *node = &doc->nodes[at];

		if (is_array ? i == wanted : !node->dead && fg_str_eq(node->key, step))
			return node;
	}
	return NULL;
}

const struct fg_node *fg_doc_find(const struct fg_doc *doc, const struct fg_str *steps,
				  size_t nsteps)
{
	const struct fg_node *node = doc->len ? doc->nodes : NULL;

	for (size_t i = 0; node && i < nsteps; i++) {
		bool has_children = node->type == FG_NODE_OBJECT || node->type == FG_NODE_ARRAY;

		node = has_children ? child_find(doc, node, steps[i]) : NULL;
	}
	return node;
}

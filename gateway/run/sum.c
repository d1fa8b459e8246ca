#include "run/sum.h"

#include <fg/doc.h>

#include "decode/decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)16 << 20)
#define DEPTH 8

enum rule { ADD, FIRST, MOST };

/* What is not added up, by its name. */
static const struct {
	const char *key;
	enum rule rule;
} rules[] = {
	{ "last", FIRST },	 { "generation", FIRST },  { "since", FIRST },
	{ "clock_steps", FIRST }, { "oldest", FIRST },	   { "oldest_s", MOST },
	{ "lag_p50_ms", MOST },	 { "lag_p99_ms", MOST },   { "longest_turn_ms", MOST },
};

struct node {
	struct node *next, *children, **end;
	uint8_t kind;		/* enum fg_kind; FG_NONE: null */
	bool object;
	union {
		bool b;
		int64_t i;
		double d;
	};
	char *text;		/* of a string */
	size_t len;
	char key[];
};

struct fg_sum {
	struct node *root;
};

static struct node *node_free(struct node *node)
{
	while (node && node->children) {
		struct node *child = node->children;

		node->children = child->next;
		node_free(child);
	}
	if (node)
		free(node->text);
	free(node);
	return NULL;
}

static struct node *node_new(struct fg_str key)
{
	struct node *node = calloc(1, sizeof(*node) + key.len + 1);

	if (!node)
		return NULL;
	if (key.len)
		memcpy(node->key, key.ptr, key.len);
	node->end = &node->children;
	return node;
}

struct fg_sum *fg_sum_new(void)
{
	struct fg_sum *sum = calloc(1, sizeof(*sum));

	if (!sum)
		return NULL;
	sum->root = node_new(fg_str(NULL, 0));
	if (!sum->root)
		return fg_sum_free(sum);
	sum->root->object = true;
	return sum;
}

struct fg_sum *fg_sum_free(struct fg_sum *sum)
{
	if (sum)
		node_free(sum->root);
	free(sum);
	return NULL;
}

/* -- adding -- */

static enum rule rule_of(const char *key)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].key, key) == 0)
			return rules[i].rule;
	return ADD;
}

static double number_of(const struct node *node)
{
	return node->kind == FG_INT ? (double)node->i : node->d;
}

static bool is_number(const struct node *node)
{
	return !node->object && (node->kind == FG_INT || node->kind == FG_DOUBLE);
}

static int text_set(struct node *node, struct fg_str text)
{
	char *copy = malloc(text.len + 1);

	if (!copy)
		return -ENOMEM;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	free(node->text);
	node->text = copy;
	node->len = text.len;
	node->kind = FG_STRING;
	return 0;
}

/* Whole numbers stay whole: a count has more digits than a double. */
static void number_read(const struct fg_value *value, struct node *node)
{
	node->kind = value->kind == FG_INT && rule_of(node->key) != MOST ? FG_INT : FG_DOUBLE;
	if (node->kind == FG_INT)
		node->i = value->i;
	else
		node->d = fg_value_double(value);
}

static int scalar_set(struct node *node, const struct fg_value *value)
{
	if (value->kind == FG_STRING)
		return text_set(node, value->s);
	if (fg_value_is_number(value))
		number_read(value, node);
	else if (value->kind == FG_BOOL)
		node->b = value->b;
	if (value->kind == FG_BOOL)
		node->kind = FG_BOOL;
	return 0;
}

static void number_add(struct node *node, const struct fg_value *value)
{
	enum rule rule = rule_of(node->key);
	double other = fg_value_double(value);

	if (rule == FIRST)
		return;
	if (rule == MOST) {
		if (other > number_of(node))
			number_read(value, node);
	} else if (node->kind == FG_INT && value->kind == FG_INT) {
		node->i += value->i;
	} else {
		node->d = number_of(node) + other;
		node->kind = FG_DOUBLE;
	}
}

/* A link is up where all are, and has the fault of any. */
static bool is_worse(const struct node *node, const struct fg_value *value)
{
	if (node->kind == FG_NONE)
		return value->kind != FG_NONE;
	return strcmp(node->key, "state") == 0 && node->kind == FG_STRING && node->len == 2 &&
	       memcmp(node->text, "up", 2) == 0 && value->kind == FG_STRING;
}

static int scalar_add(struct node *node, const struct fg_value *value)
{
	if (is_number(node) && fg_value_is_number(value)) {
		number_add(node, value);
		return 0;
	}
	return is_worse(node, value) ? scalar_set(node, value) : 0;
}

static struct node *child_find(struct node *node, struct fg_str key, bool *ret_new)
{
	struct node *child = node->children;

	while (child && !fg_str_eq_c(key, child->key))
		child = child->next;
	*ret_new = !child;
	if (child)
		return child;
	child = node_new(key);
	if (child) {
		*node->end = child;
		node->end = &child->next;
	}
	return child;
}

static int object_add(struct node *node, const struct fg_doc *doc, uint32_t at)
{
	uint32_t stop = doc->nodes[at].next;
	int r = 0;

	for (uint32_t i = at + 1; i < stop && r == 0; i = doc->nodes[i].next) {
		const struct fg_node *from = &doc->nodes[i];
		struct node *child;
		bool is_new;

		if (from->dead || from->type == FG_NODE_ARRAY)
			continue;
		child = child_find(node, from->key, &is_new);
		if (!child)
			return -ENOMEM;
		if (is_new)
			child->object = from->type == FG_NODE_OBJECT;
		if (child->object != (from->type == FG_NODE_OBJECT))
			continue;
		if (child->object)
			r = object_add(child, doc, i);
		else
			r = (is_new ? scalar_set : scalar_add)(child, &from->value);
	}
	return r;
}

int fg_sum_add(struct fg_sum *sum, struct fg_str json)
{
	struct fg_doc doc;
	int r;

	fg_doc_init(&doc, DEPTH, TEXT_MAX);
	r = fg_json_parse(json, &doc);
	if (r == 0 && doc.nodes[0].type != FG_NODE_OBJECT)
		r = -EBADMSG;
	if (r == 0)
		r = object_add(sum->root, &doc, 0);
	fg_doc_fini(&doc);
	return r;
}

/* -- writing -- */

static void scalar_write(const struct node *node, struct fg_buf *out)
{
	switch (node->kind) {
	case FG_BOOL:
		fg_buf_text(out, node->b ? "true" : "false");
		break;
	case FG_INT:
		fg_buf_printf(out, "%" PRId64, node->i);
		break;
	case FG_DOUBLE:
		fg_buf_printf(out, "%.3f", node->d);
		break;
	case FG_STRING:
		fg_buf_json(out, fg_str(node->text, node->len));
		break;
	default:
		fg_buf_text(out, "null");
	}
}

static void node_write(const struct node *node, struct fg_buf *out)
{
	if (!node->object) {
		scalar_write(node, out);
		return;
	}
	fg_buf_char(out, '{');
	for (const struct node *child = node->children; child; child = child->next) {
		if (child != node->children)
			fg_buf_char(out, ',');
		fg_buf_json(out, fg_str_c(child->key));
		fg_buf_char(out, ':');
		node_write(child, out);
	}
	fg_buf_char(out, '}');
}

void fg_sum_json(const struct fg_sum *sum, struct fg_buf *out)
{
	node_write(sum->root, out);
}

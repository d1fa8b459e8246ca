/*
 * JSON (RFC 8259), strictly, in one pass to the flat tree. No recursion: while a container is
 * open its own node remembers its parent (in `next`) and counts its children, so the tree is the
 * stack. Strings without escapes stay in the payload.
 */
#include "base/number.h"
#include "decode/decode.h"
#include "decode/json_string.h"

#include <errno.h>

#define NO_PARENT UINT32_MAX

struct json {
	struct fg_doc *doc;
	const char *p, *end, *start;
	uint32_t parent; /* the innermost open container */
	uint32_t depth;
	struct fg_str key; /* of the value that comes next */
};

/* Reason for a byte that cannot be here, or for the end of the payload. */
static int unexpected(struct json *j, const char *reason)
{
	return fg_doc_bad(j->doc, j->p == j->end ? "unexpected end" : reason,
			  (size_t)(j->p - j->start));
}

static inline void space_skip(struct json *j)
{
	const char *p = j->p;

	while (p < j->end && fg_is_space(*p))
		p++;
	j->p = p;
}

static int string_read(struct json *j, struct fg_str *ret)
{
	const char *stop = fg_json_string(j->p + 1, j->end, j->doc, ret);

	if (__builtin_expect(!stop, 0))
		return fg_doc_bad(j->doc, NULL, (size_t)(j->p - j->start));
	j->p = stop;
	return 0;
}

static inline struct fg_node *node_add(struct json *j, enum fg_node_type type)
{
	struct fg_doc *doc = j->doc;
	struct fg_node *node = fg_doc_append(doc, type);

	if (__builtin_expect(!node, 0))
		return NULL;
	node->key = j->key;
	if (j->parent != NO_PARENT) {
		doc->nodes[j->parent].children++;
		if (j->key.ptr)
			node->mark = fg_key_mark(j->key);
	}
	node->next = doc->len;
	return node;
}

static int scalar_add(struct json *j, enum fg_node_type type, const struct fg_value *value)
{
	struct fg_node *node = node_add(j, type);

	if (__builtin_expect(!node, 0))
		return fg_doc_bad(j->doc, NULL, (size_t)(j->p - j->start));
	node->value = *value;
	return 0;
}

static void digits_pass(struct json *j)
{
	while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
		j->p++;
}

/* One that is no double: it holds no value, and what stands around it does. It ends where the scan
 * ended, which took it for a number: what follows is judged as behind any other. */
static int __attribute__((noinline, cold)) number_pass(struct json *j)
{
	struct fg_node *node = node_add(j, FG_NODE_NONFINITE);

	j->p += *j->p == '-';
	digits_pass(j);
	if (j->p < j->end && *j->p == '.') {
		j->p++;
		digits_pass(j);
	}
	if (j->p < j->end && (*j->p | 0x20) == 'e') {
		j->p++;
		j->p += *j->p == '+' || *j->p == '-';
		digits_pass(j);
	}
	if (!node)
		return fg_doc_bad(j->doc, NULL, (size_t)(j->p - j->start));
	node->value = (struct fg_value){ .kind = FG_NONE };
	return 0;
}

static int number_read(struct json *j)
{
	struct fg_value value;
	int error;
	const char *stop = fg_number_scan(j->p, j->end, &value, &error);

	if (__builtin_expect(!stop, 0))
		return error == -ERANGE ?
			       number_pass(j) :
			       fg_doc_bad(j->doc, "malformed number", (size_t)(j->p - j->start));
	j->p = stop;
	return scalar_add(j, FG_NODE_SCALAR, &value);
}

static int word_read(struct json *j, struct fg_str word, enum fg_node_type type, bool b)
{
	struct fg_value value = { .kind = type == FG_NODE_NULL ? FG_NONE : FG_BOOL, .b = b };

	if (!fg_str_starts(fg_str(j->p, (size_t)(j->end - j->p)), word))
		return unexpected(j, "unexpected character");
	j->p += word.len;
	return scalar_add(j, type, &value);
}

static int scalar_read(struct json *j)
{
	struct fg_value value = { .kind = FG_STRING };
	int r;

	if (j->p == j->end)
		return unexpected(j, NULL);
	switch (*j->p) {
	case '"':
		r = string_read(j, &value.s);
		return r ? r : scalar_add(j, FG_NODE_SCALAR, &value);
	case 't':
		return word_read(j, FG_STR("true"), FG_NODE_SCALAR, true);
	case 'f':
		return word_read(j, FG_STR("false"), FG_NODE_SCALAR, false);
	case 'n':
		return word_read(j, FG_STR("null"), FG_NODE_NULL, false);
	default:
		if (*j->p == '-' || (*j->p >= '0' && *j->p <= '9'))
			return number_read(j);
		return unexpected(j, "unexpected character");
	}
}

/* A member's name and its colon; the key waits for its value. */
static int key_read(struct json *j)
{
	int r;

	space_skip(j);
	if (j->p == j->end || *j->p != '"')
		return unexpected(j, "member name expected");
	r = string_read(j, &j->key);
	if (r)
		return r;
	space_skip(j);
	if (j->p == j->end || *j->p != ':')
		return unexpected(j, "':' expected");
	j->p++;
	return 0;
}

static int container_open(struct json *j)
{
	bool object = *j->p == '{';

	if (j->depth == j->doc->max_depth)
		return fg_doc_bad(j->doc, "nested too deeply", (size_t)(j->p - j->start));
	struct fg_node *node = node_add(j, object ? FG_NODE_OBJECT : FG_NODE_ARRAY);

	if (!node)
		return fg_doc_bad(j->doc, NULL, (size_t)(j->p - j->start));
	node->next = j->parent;
	j->parent = j->doc->len - 1;
	j->depth++;
	j->p++;
	j->key = (struct fg_str){ 0 };
	return 0;
}

static int container_close(struct json *j)
{
	struct fg_node *node = &j->doc->nodes[j->parent];
	uint32_t at = j->parent;

	if (*j->p != (node->type == FG_NODE_OBJECT ? '}' : ']'))
		return unexpected(j, "',' or the end of the container expected");
	j->parent = node->next;
	j->depth--;
	j->p++;
	if (node->type == FG_NODE_OBJECT)
		return fg_doc_close_object(j->doc, at, node->children);
	fg_doc_close(j->doc, at, node->children);
	return 0;
}

/* Behind a value: closes what ends here. Returns with the next value due, or at the end. */
static int value_end(struct json *j)
{
	while (j->parent != NO_PARENT) {
		bool object = j->doc->nodes[j->parent].type == FG_NODE_OBJECT;
		int r;

		space_skip(j);
		if (j->p == j->end)
			return unexpected(j, NULL);
		if (*j->p == ',') {
			j->p++;
			j->key = (struct fg_str){ 0 };
			return object ? key_read(j) : 0;
		}
		r = container_close(j);
		if (r)
			return r;
	}
	return 0;
}

/* Opens containers down to the first value inside, or to an empty one. */
static int value_read(struct json *j)
{
	for (;;) {
		int r;

		space_skip(j);
		if (j->p == j->end || (*j->p != '{' && *j->p != '['))
			return scalar_read(j);
		bool object = *j->p == '{';

		r = container_open(j);
		if (r)
			return r;
		space_skip(j);
		if (j->p < j->end && *j->p == (object ? '}' : ']'))
			return container_close(j);
		r = object ? key_read(j) : 0;
		if (r)
			return r;
	}
}

int fg_json_parse(struct fg_str payload, struct fg_doc *doc)
{
	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	struct json j = {
		.doc = doc,
		.p = payload.ptr,
		.end = payload.ptr + payload.len,
		.start = payload.ptr,
		.parent = NO_PARENT,
	};
	int r;

	do {
		r = value_read(&j);
		if (!r)
			r = value_end(&j);
	} while (!r && j.parent != NO_PARENT);
	if (r)
		return r;
	space_skip(&j);
	if (j.p != j.end)
		return fg_doc_bad(doc, "trailing bytes", (size_t)(j.p - j.start));
	return 0;
}

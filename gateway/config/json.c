/*
 * cJSON takes numbers like 01, raw control characters, bytes that are not UTF-8, keys twice and
 * what stands behind the end (1.7.15), and cuts a string at \u0000. So the decoders' strict reader
 * has the first word, and duplicate keys are looked for in the tree.
 */
#include "config/json.h"

#include "config/config.h"
#include "decode/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool follows_comma(struct fg_str text, size_t at)
{
	while (at > 0 && fg_is_space(text.ptr[at - 1]))
		at--;
	return at > 0 && text.ptr[at - 1] == ',';
}

/* What people write who do not know it is wrong; NULL: none of that. */
static const char *habit_at(struct fg_str text, size_t at)
{
	if (at >= text.len)
		return NULL;
	switch (text.ptr[at]) {
	case '}':
	case ']':
		return follows_comma(text, at) ? "the comma before it is one too many" : NULL;
	case '/':
	case '#':
		return "there are no comments";
	case '\'':
		return "names and texts stand in double quotes";
	case '\xef':
		return at == 0 ? "it begins with a byte order mark" : NULL;
	default:
		return NULL;
	}
}

static void fault_in_text(struct fg_faults *faults, struct fg_str text, size_t at,
			  const char *reason)
{
	const char *habit = habit_at(text, at);
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at && i < text.len; i++) {
		/* a column is a character, not a byte */
		column += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
		if (text.ptr[i] == '\n') {
			line++;
			column = 1;
		}
	}
	fg_fault_at(faults, NULL, "line %zu, column %zu: not valid JSON: %s%s%s", line, column,
		    reason ? reason : "unexpected character", habit ? "; " : "",
		    habit ? habit : "");
}

static bool holds_nul(const struct fg_doc *doc)
{
	for (uint32_t i = 0; i < doc->len; i++) {
		const struct fg_node *node = &doc->nodes[i];

		if (node->key.len && memchr(node->key.ptr, 0, node->key.len))
			return true;
		if (node->type == FG_NODE_SCALAR && node->value.kind == FG_STRING &&
		    node->value.s.len && memchr(node->value.s.ptr, 0, node->value.s.len))
			return true;
	}
	return false;
}

static bool holds_infinity(const struct fg_doc *doc)
{
	for (uint32_t i = 0; i < doc->len; i++)
		if (doc->nodes[i].type == FG_NODE_NONFINITE)
			return true;
	return false;
}

static int check_text(struct fg_str text, struct fg_faults *faults)
{
	struct fg_doc doc;
	int r;

	fg_doc_init(&doc, FG_CONFIG_DEPTH, FG_CONFIG_MAX);
	r = fg_json_parse(text, &doc);
	if (r < 0) {
		fault_in_text(faults, text, doc.at, doc.reason);
		r = -EINVAL;
	} else if (holds_nul(&doc)) {
		fg_fault_at(faults, NULL, "a string holds \\u0000");
		r = -EINVAL;
	} else if (holds_infinity(&doc)) {
		fg_fault_at(faults, NULL, "a number is beyond what a double holds (1.8e308)");
		r = -EINVAL;
	}
	fg_doc_fini(&doc);
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int fault_twins(const cJSON *object, const struct fg_place *place, struct fg_faults *faults)
{
	size_t count = (size_t)cJSON_GetArraySize(object), n = 0;
	const char **keys;
	const cJSON *child;

	if (count < 2)
		return 0;
	keys = calloc(count, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	cJSON_ArrayForEach(child, object)
		keys[n++] = child->string;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		struct fg_place below = { .up = place, .key = keys[i] };

		if (strcmp(keys[i - 1], keys[i]) == 0)
			fg_fault_at(faults, &below, "this key stands here twice");
	}
	free(keys);
	return 0;
}

/* As deep as the text, which check_text() has bounded. */
static int fault_duplicates(const cJSON *json, const struct fg_place *place,
			    struct fg_faults *faults)
{
	struct fg_place below = { .up = place };
	const cJSON *child;
	int r = cJSON_IsObject(json) ? fault_twins(json, place, faults) : 0;

	if (r < 0 || !(cJSON_IsObject(json) || cJSON_IsArray(json)))
		return r;
	cJSON_ArrayForEach(child, json) {
		below.key = child->string;
		r = fault_duplicates(child, &below, faults);
		if (r < 0)
			return r;
		below.index++;
	}
	return 0;
}

int fg_json_read(struct fg_str text, struct fg_faults *faults, cJSON **ret_json)
{
	size_t before = faults->faults;
	const char *end;
	cJSON *json;
	int r;

	r = check_text(text, faults);
	if (r < 0)
		return r;
	json = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, 0);
	if (!json)
		return -ENOMEM;
	r = fault_duplicates(json, NULL, faults);
	if (r == 0 && faults->faults > before)
		r = -EINVAL;
	if (r < 0) {
		cJSON_Delete(json);
		return r;
	}
	*ret_json = json;
	return 0;
}

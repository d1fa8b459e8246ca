/* Units of values by their key alone ("leaves"): what a maker says of "temperature_C" holds
 * wherever it stands. */
#include "base/hash.h"
#include "profile/profile_private.h"

#include <errno.h>

static bool ends_with(struct fg_str s, struct fg_str end)
{
	return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static uint32_t slot_of(const struct profile_leaves *leaves, struct fg_str key)
{
	uint32_t i = (uint32_t)fg_hash_str(key, leaves->seed) & (leaves->cap - 1);

	while (leaves->table[i] && !fg_str_eq(leaves->table[i]->key, key))
		i = (i + 1) & (leaves->cap - 1);
	return i;
}

int profile_compile_leaves(struct fg_profile *profile, struct fg_arena *arena, uint64_t seed)
{
	const struct fg_map *map = &profile->source->conf.leaves;
	struct profile_leaves *leaves = &profile->leaves;
	const struct fg_leaf_conf *confs = map->items;
	struct profile_leaf *items = fg_arena_array(arena, map->count + 1, sizeof(*items));

	*leaves = (struct profile_leaves){ .cap = 4, .seed = seed };
	while (leaves->cap < map->count * 2)
		leaves->cap *= 2;
	leaves->table = fg_arena_array(arena, leaves->cap, sizeof(struct profile_leaf *));
	if (!items || !leaves->table)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++, items++) {
		struct fg_str name = fg_str_c(map->names[i]);
		bool ending = name.len > 1 && name.ptr[0] == '*';

		*items = (struct profile_leaf){ .conf = &confs[i], .key = name };
		if (memchr(name.ptr, '/', name.len)) {
			items->next = leaves->pairs;
			leaves->pairs = items;
		} else if (ending) {
			items->key = fg_str(name.ptr + 1, name.len - 1);
			items->next = leaves->endings;
			leaves->endings = items;
		} else {
			leaves->table[slot_of(leaves, name)] = items;
		}
		leaves->count++;
	}
	return 0;
}

/* The whole key first, else the longest ending of it. */
static const struct profile_leaf *find(const struct profile_leaves *leaves, struct fg_str key)
{
	const struct profile_leaf *best = leaves->table[slot_of(leaves, key)];

	for (const struct profile_leaf *e = best ? NULL : leaves->endings; e; e = e->next)
		if (ends_with(key, e->key) && (!best || e->key.len > best->key.len))
			best = e;
	return best;
}

static bool is_index(struct fg_str step)
{
	for (size_t i = 0; i < step.len; i++)
		if (step.ptr[i] < '0' || step.ptr[i] > '9')
			return false;
	return step.len > 0;
}

/* Takes the last step off a name. */
static struct fg_str pop_step(struct fg_str *name)
{
	const char *slash = name->len ? memrchr(name->ptr, '/', name->len) : NULL;
	struct fg_str step = *name;

	if (slash) {
		step = fg_str(slash + 1, (size_t)(name->ptr + name->len - slash - 1));
		name->len = (size_t)(slash - name->ptr);
	} else {
		name->len = 0;
	}
	return step;
}

/* The same of the last that is no index. */
static struct fg_str pop_key(struct fg_str *name)
{
	struct fg_str step;

	do
		step = pop_step(name);
	while (is_index(step) && name->len);
	return step;
}

static const struct profile_leaf *find_pair(const struct profile_leaves *leaves,
					    struct fg_str parent, struct fg_str key)
{
	const struct profile_leaf *pair = leaves->pairs;

	while (pair && !(pair->key.len == parent.len + 1 + key.len && ends_with(pair->key, key) &&
			 memcmp(pair->key.ptr, parent.ptr, parent.len) == 0))
		pair = pair->next;
	return pair;
}

/* A number, also one that came as text. */
static bool is_numeric(const struct fg_value *value)
{
	struct fg_value number;

	return fg_value_is_number(value) ||
	       (value->kind == FG_STRING && fg_value_parse_number(value->s, &number) == 0);
}

static const struct fg_node *member(const struct fg_doc *doc, uint32_t at, struct fg_str key)
{
	uint32_t i = at + 1;

	for (uint32_t n = doc->nodes[at].children; n > 0; n--, i = doc->nodes[i].next)
		if (!doc->nodes[i].dead && fg_str_eq(doc->nodes[i].key, key))
			return &doc->nodes[i];
	return NULL;
}

/* The unit that the payload names: the innermost object around the value that has the key. */
static struct fg_str named_unit(const struct fg_leaf_conf *conf, const struct fg_doc *doc,
				const uint32_t *around, unsigned depth)
{
	struct fg_str key = fg_str_c(conf->unit_from);

	while (depth-- > 0) {
		const struct fg_node *node = NULL;

		if (doc->nodes[around[depth]].type == FG_NODE_OBJECT)
			node = member(doc, around[depth], key);
		if (!node || node->value.kind != FG_STRING)
			continue;
		for (size_t i = 0; i < conf->units.count; i++)
			if (fg_str_eq_c(node->value.s, conf->units.names[i]))
				return conf->units.items[i].s;
		return FG_STR("");
	}
	return fg_str_c(conf->unit);
}

struct fg_str profile_leaf_unit(const struct profile_leaves *leaves, const struct fg_doc *doc,
				const uint32_t *around, unsigned depth, struct fg_str name,
				const struct fg_value *value)
{
	const struct profile_leaf *leaf = NULL;

	if (leaves->count == 0 || !is_numeric(value))
		return FG_STR("");
	for (int tries = 0; !leaf && name.len && tries < 2; tries++) {
		struct fg_str key = pop_key(&name), rest = name;

		if (leaves->pairs)
			leaf = find_pair(leaves, pop_key(&rest), key);
		if (!leaf)
			leaf = find(leaves, key);
	}
	return leaf ? named_unit(leaf->conf, doc, around, leaf->conf->unit_from ? depth : 0) :
		      FG_STR("");
}

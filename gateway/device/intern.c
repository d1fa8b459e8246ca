#include "device/intern.h"

#include "base/hash.h"

#include <stdlib.h>

#define MAX_NAMES (1u << 20)

static uint32_t find_slot(char **slots, uint32_t cap, uint64_t seed, struct fg_str name)
{
	uint32_t i = (uint32_t)fg_hash_str(name, seed) & (cap - 1);

	while (slots[i] && !(strncmp(slots[i], name.ptr, name.len) == 0 && !slots[i][name.len]))
		i = (i + 1) & (cap - 1);
	return i;
}

static int grow(struct fg_intern *table)
{
	uint32_t cap = table->cap ? table->cap * 2 : 64;
	char **slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -1;
	for (uint32_t i = 0; i < table->cap; i++)
		if (table->slots[i])
			slots[find_slot(slots, cap, table->seed, fg_str_c(table->slots[i]))] =
				table->slots[i];
	free(table->slots);
	table->slots = slots;
	table->cap = cap;
	return 0;
}

const char *fg_intern(struct fg_intern *table, struct fg_str name)
{
	uint32_t at;
	char *copy;

	if (table->count * 4 >= table->cap * 3 && grow(table) < 0)
		return NULL;
	at = find_slot(table->slots, table->cap, table->seed, name);
	if (table->slots[at])
		return table->slots[at];
	if (table->count >= MAX_NAMES || !(copy = malloc(name.len + 1)))
		return NULL;
	memcpy(copy, name.ptr, name.len);
	copy[name.len] = '\0';
	table->slots[at] = copy;
	table->count++;
	return copy;
}

void fg_intern_fini(struct fg_intern *table)
{
	for (uint32_t i = 0; i < table->cap; i++)
		free(table->slots[i]);
	free(table->slots);
	*table = (struct fg_intern){ 0 };
}

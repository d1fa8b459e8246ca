/*
 * Duplicate keys. Every member carries a cheap mark of its key; small objects compare marks with
 * each other, large ones go through a hash table, so that no payload can make this quadratic.
 */
#include "base/hash.h"
#include "decode/decode.h"

#include <stdlib.h>
#include <sys/auxv.h>

enum { SMALL = 16 };

static void member_replace(struct fg_doc *doc, uint32_t at)
{
	doc->nodes[at].dead = true;
	doc->duplicate_keys++;
}

static bool same_key(const struct fg_doc *doc, uint32_t a, uint32_t b)
{
	return fg_str_eq(doc->nodes[a].key, doc->nodes[b].key);
}

static void small_object(struct fg_doc *doc, uint32_t at, uint32_t children)
{
	uint32_t marks[SMALL], index[SMALL];
	uint32_t i = at + 1;

	for (uint32_t n = 0; n < children; n++, i = doc->nodes[i].next) {
		uint32_t mark = doc->nodes[i].mark;

		marks[n] = mark;
		index[n] = i;
		for (uint32_t k = 0; k < n; k++) {
			if (marks[k] != mark || !same_key(doc, index[k], i))
				continue;
			if (!doc->nodes[index[k]].dead)
				member_replace(doc, index[k]);
		}
	}
}

/* The kernel gave every process sixteen random bytes: nobody outside can aim at one chain. */
static uint64_t random_seed(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint64_t seed = 0;

	if (random)
		memcpy(&seed, random, sizeof(seed));
	return seed;
}

static uint32_t *scratch_zeroed(struct fg_doc *doc, size_t count)
{
	if (doc->scratch_cap < count) {
		uint32_t *scratch = realloc(doc->scratch, count * sizeof(*scratch));

		if (!scratch) {
			doc->no_memory = true;
			return NULL;
		}
		doc->scratch = scratch;
		doc->scratch_cap = count;
	}
	return memset(doc->scratch, 0, count * sizeof(*doc->scratch));
}

/* Open addressing; 0 is free, because the index of a member is never 0. */
static int large_object(struct fg_doc *doc, uint32_t at, uint32_t children)
{
	uint64_t seed = random_seed();
	size_t size = 64;

	while (size < (size_t)children * 2)
		size *= 2;
	uint32_t *table = scratch_zeroed(doc, size), i = at + 1;

	if (!table)
		return fg_doc_bad(doc, "out of memory", 0);
	for (uint32_t n = 0; n < children; n++, i = doc->nodes[i].next) {
		size_t slot = fg_hash_str(doc->nodes[i].key, seed) & (size - 1);

		while (table[slot] && !same_key(doc, table[slot], i))
			slot = (slot + 1) & (size - 1);
		if (table[slot])
			member_replace(doc, table[slot]);
		table[slot] = i;
	}
	return 0;
}

int fg_doc_close_object(struct fg_doc *doc, uint32_t at, uint32_t children)
{
	fg_doc_close(doc, at, children);
	if (children > SMALL)
		return large_object(doc, at, children);
	small_object(doc, at, children);
	return 0;
}

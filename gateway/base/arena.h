/*
 * A bump arena: many small allocations that end together. Memory grows by chunks, never moves,
 * and is never above the limit given at init.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fg/str.h>

struct fg_arena_chunk;

struct fg_arena {
	struct fg_arena_chunk *first, *last;
	char *at, *end; /* the free part of the last chunk */
	size_t size; /* bytes of all chunks together */
	size_t limit; /* bound of size */
	bool no_memory; /* an allocation failed for that, not at the limit; until the next reset */
};

/* Allocates nothing. */
void fg_arena_init(struct fg_arena *arena, size_t limit);
/* Uninitialised bytes aligned for any type, or NULL beyond the limit or out of memory. */
void *fg_arena_alloc(struct fg_arena *arena, size_t size);
/* Like fg_arena_alloc for `count` zeroed elements; NULL as well if the product overflows. */
void *fg_arena_array(struct fg_arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it, or NULL. */
char *fg_arena_dup(struct fg_arena *arena, struct fg_str s);
/* Ends all allocations; chunks beyond `keep` bytes are given back. Under ASan what is kept is
 * poisoned until it is allocated again. */
void fg_arena_reset(struct fg_arena *arena, size_t keep);
/* Ends all allocations and gives all memory back. The arena can be used again. */
void fg_arena_fini(struct fg_arena *arena);

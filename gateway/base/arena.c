/* Chunks form a list in order of age; only the last one has free space. A reset keeps the oldest
 * chunks that fit, so that a steady load settles in one chunk and allocates nothing more. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define FG_ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FG_ARENA_POISON 1
#endif
#endif

#ifdef FG_ARENA_POISON
#include <sanitizer/asan_interface.h>
#endif

enum { CHUNK_MIN = 4096, ALIGN = _Alignof(max_align_t) };

struct fg_arena_chunk {
	struct fg_arena_chunk *next;
	size_t size; /* of data */
	_Alignas(max_align_t) char data[];
};

static void poison(char *p, size_t n)
{
#ifdef FG_ARENA_POISON
	/* the asm keeps gcc from thinking that fresh memory is read */
	__asm__("" : "+r"(p));
	__asan_poison_memory_region(p, n);
#else
	(void)p;
	(void)n;
#endif
}

static void unpoison(char *p, size_t n)
{
#ifdef FG_ARENA_POISON
	__asan_unpoison_memory_region(p, n);
#else
	(void)p;
	(void)n;
#endif
}

void fg_arena_init(struct fg_arena *arena, size_t limit)
{
	*arena = (struct fg_arena){ .limit = limit };
}

static void chunk_enter(struct fg_arena *arena, struct fg_arena_chunk *chunk)
{
	arena->last = chunk;
	arena->at = chunk->data;
	arena->end = chunk->data + chunk->size;
}

/* The next chunk kept by a reset if it is large enough, else a new one behind the last. */
static int chunk_add(struct fg_arena *arena, size_t need)
{
	struct fg_arena_chunk *next = arena->last ? arena->last->next : arena->first;
	size_t left = arena->limit - arena->size;
	size_t size = arena->size < CHUNK_MIN ? CHUNK_MIN : arena->size;

	if (next && next->size >= need) {
		chunk_enter(arena, next);
		return 0;
	}
	if (size < need)
		size = need;
	if (size > left)
		size = left;
	if (size < need)
		return -1;
	struct fg_arena_chunk *chunk = malloc(sizeof(*chunk) + size);
	if (!chunk) {
		arena->no_memory = true;
		return -1;
	}
	*chunk = (struct fg_arena_chunk){ .next = next, .size = size };
	poison(chunk->data, size);
	*(arena->last ? &arena->last->next : &arena->first) = chunk;
	arena->size += size;
	chunk_enter(arena, chunk);
	return 0;
}

void *fg_arena_alloc(struct fg_arena *arena, size_t size)
{
	if (size > SIZE_MAX - ALIGN)
		return NULL;
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (need == 0)
		need = ALIGN;
	if ((size_t)(arena->end - arena->at) < need && chunk_add(arena, need) != 0)
		return NULL;
	char *p = arena->at;

	arena->at += need;
	unpoison(p, size);
	return p;
}

void *fg_arena_array(struct fg_arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	void *p = fg_arena_alloc(arena, total);

	return p ? memset(p, 0, total) : NULL;
}

char *fg_arena_dup(struct fg_arena *arena, struct fg_str s)
{
	if (s.len == SIZE_MAX)
		return NULL;
	char *p = fg_arena_alloc(arena, s.len + 1);

	if (!p)
		return NULL;
	if (s.len)
		memcpy(p, s.ptr, s.len);
	p[s.len] = '\0';
	return p;
}

void fg_arena_reset(struct fg_arena *arena, size_t keep)
{
	struct fg_arena_chunk **at = &arena->first;
	size_t kept = 0;

	arena->no_memory = false;
	while (*at) {
		struct fg_arena_chunk *chunk = *at;

		if (chunk->size <= keep - kept) {
			poison(chunk->data, chunk->size);
			kept += chunk->size;
			at = &chunk->next;
		} else {
			*at = chunk->next;
			unpoison(chunk->data, chunk->size);
			free(chunk);
		}
	}
	arena->size = kept;
	arena->last = NULL;
	arena->at = arena->end = NULL;
	if (arena->first)
		chunk_enter(arena, arena->first);
}

void fg_arena_fini(struct fg_arena *arena)
{
	fg_arena_reset(arena, 0);
}

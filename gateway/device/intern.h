/* Names kept once: equal texts are one pointer, good until the table is freed. */
#pragma once

#include <stdint.h>

#include <fg/str.h>

struct fg_intern {
	char **slots;		/* open addressing; NULL: free */
	uint32_t count, cap;	/* cap is a power of two */
	uint64_t seed;
};

/* NULL when out of memory or beyond 2^20 names. */
const char *fg_intern(struct fg_intern *, struct fg_str name);
void fg_intern_fini(struct fg_intern *);

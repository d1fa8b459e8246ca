/* What an instance of a driver or bridge may take at worst (`fieldgate plan`). */
#pragma once

#include <stdint.h>

struct fg_cost {
	uint64_t memory, disk;		/* bytes */
	uint64_t descriptors;
};

/* What the rest of the configuration says that an instance's share may depend on. */
struct fg_cost_terms {
	uint64_t payload;		/* bytes of the longest */
	uint64_t pack;			/* bytes of the largest; 0: of a driver */
	uint64_t window;		/* packs in flight; 0: of a driver */
};

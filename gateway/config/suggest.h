/* "did you mean": the nearest of some names by Damerau-Levenshtein distance. */
#pragma once

#include <stddef.h>

#define FG_SUGGEST_LEN 32	/* longer names are only compared when they begin alike */

/* How many letters must be put in, left out, replaced or exchanged with their neighbour to make one
 * of the other; what lies behind FG_SUGGEST_LEN letters is not looked at. */
unsigned fg_edit_distance(const char *a, const char *b);

struct fg_suggest {
	const char *typed;
	const char *best;	/* NULL: nothing is near enough */
	unsigned distance;
};

/* Offers one more name. Near enough: a third of the typed letters, at least one. */
void fg_suggest_offer(struct fg_suggest *suggest, const char *name);

/* Optimal string alignment with three rows; names are short and this runs only for a mistake. */
#include "config/suggest.h"

#include <stdint.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned d = a < b ? a : b;

	return d < c ? d : c;
}

unsigned fg_edit_distance(const char *a, const char *b)
{
	unsigned rows[3][FG_SUGGEST_LEN + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	size_t alen = strnlen(a, FG_SUGGEST_LEN), blen = strnlen(b, FG_SUGGEST_LEN);

	for (size_t j = 0; j <= blen; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *oldest = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[blen];
}

void fg_suggest_offer(struct fg_suggest *suggest, const char *name)
{
	unsigned near = (unsigned)(strnlen(suggest->typed, FG_SUGGEST_LEN) + 2) / 3;
	unsigned distance = fg_edit_distance(suggest->typed, name);

	if (distance > near || (suggest->best && distance >= suggest->distance))
		return;
	suggest->best = name;
	suggest->distance = distance;
}

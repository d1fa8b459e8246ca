/* Tables for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_TABLE_COLUMNS 16

struct cli_table {
	/* ends in NULL; with '>' before it: aligned right; with '~' before that: left out where the
	 * table is too wide, from the left on */
	const char *const *heads;
	size_t columns, count, cap;
	char **cells;			/* row by row */
	bool failed;
};

void cli_table_init(struct cli_table *table, const char *const *heads);
/* The next cell. Control characters become '?'. */
void cli_table_add(struct cli_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Nothing if there are no rows. `columns`: the widest a line should be, 0: any. Lines may still be
 * wider when all that can be left out is. */
void cli_table_write(const struct cli_table *table, FILE *out, size_t columns);
/* On stdout, as wide as it is. */
void cli_table_print(const struct cli_table *table);
void cli_table_fini(struct cli_table *table);

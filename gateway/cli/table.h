/* Tables for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CLI_TABLE_COLUMNS 16

struct cli_table {
	const char *const *heads; /* ends in NULL; with '>' before it: aligned right */
	size_t columns, count, cap;
	char **cells;			/* row by row */
	bool failed;
};

void cli_table_init(struct cli_table *table, const char *const *heads);
/* The next cell. Control characters become '?'. */
void cli_table_add(struct cli_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* On stdout; nothing if there are no rows. */
void cli_table_print(const struct cli_table *table);
void cli_table_fini(struct cli_table *table);

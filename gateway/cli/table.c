#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

void cli_table_init(struct cli_table *table, const char *const *heads)
{
	*table = (struct cli_table){ .heads = heads };
	while (heads[table->columns] && table->columns < CLI_TABLE_COLUMNS)
		table->columns++;
}

void cli_table_add(struct cli_table *table, const char *fmt, ...)
{
	char *cell = NULL;
	va_list args;

	if (table->count == table->cap) {
		size_t cap = table->cap ? table->cap * 2 : 64;
		char **cells = realloc(table->cells, cap * sizeof(*cells));

		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->cap = cap;
	}
	va_start(args, fmt);
	if (vasprintf(&cell, fmt, args) < 0)
		cell = NULL;
	va_end(args);
	for (char *p = cell; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	table->failed = table->failed || !cell;
	table->cells[table->count++] = cell;
}

static int width(const struct cli_table *table, size_t column)
{
	const char *head = table->heads[column];
	size_t most = strlen(head) - (*head == '>');

	for (size_t i = column; i < table->count; i += table->columns)
		if (table->cells[i] && strlen(table->cells[i]) > most)
			most = strlen(table->cells[i]);
	return (int)most;
}

static void print_cell(const struct cli_table *table, size_t column, int wide, const char *text)
{
	int gap = column ? GAP : 0;

	if (*table->heads[column] == '>')
		printf("%*s%*s", gap, "", wide, text);
	else if (column + 1 == table->columns) /* nothing to align */
		printf("%*s%s", *text ? gap : 0, "", text);
	else
		printf("%*s%-*s", gap, "", wide, text);
}

void cli_table_print(const struct cli_table *table)
{
	int widths[CLI_TABLE_COLUMNS];

	if (table->count == 0)
		return;
	for (size_t c = 0; c < table->columns; c++) {
		widths[c] = width(table, c);
		print_cell(table, c, widths[c], table->heads[c] + (*table->heads[c] == '>'));
	}
	putchar('\n');
	for (size_t i = 0; i < table->count; i++) {
		size_t c = i % table->columns;

		print_cell(table, c, widths[c], table->cells[i] ? table->cells[i] : "?");
		if (c + 1 == table->columns)
			putchar('\n');
	}
}

void cli_table_fini(struct cli_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct cli_table){ .heads = table->heads, .columns = table->columns };
}

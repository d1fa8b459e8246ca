#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define LAST 10	/* characters of the last column that there should be room for */

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

static const char *title(const struct cli_table *table, size_t column)
{
	const char *head = table->heads[column];

	return head + strspn(head, "~>");
}

/* Characters, not bytes. */
static size_t length(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static size_t width(const struct cli_table *table, size_t column)
{
	size_t most = length(title(table, column));

	for (size_t i = column; i < table->count; i += table->columns)
		if (table->cells[i] && length(table->cells[i]) > most)
			most = length(table->cells[i]);
	return most;
}

/* Widths of the columns; 0: left out, or there is nothing in it. */
static void measure(const struct cli_table *table, size_t columns, size_t *widths)
{
	size_t sum = 0;

	for (size_t c = 0; c < table->columns; c++) {
		widths[c] = width(table, c);
		/* the last one is cut where a line ends: nothing is left out for its sake */
		sum += (c + 1 < table->columns ? widths[c] : LAST) + (c ? GAP : 0);
	}
	for (size_t c = 1; columns && sum > columns && c + 1 < table->columns; c++) {
		if (table->heads[c][0] == '~') {
			sum -= widths[c] + GAP;
			widths[c] = 0;
		}
	}
}

static void write_cell(const struct cli_table *table, FILE *out, size_t column, size_t wide,
		       const char *text)
{
	int gap = column ? GAP : 0, pad = (int)(wide - length(text));

	if (strchr(table->heads[column], '>'))
		fprintf(out, "%*s%*s%s", gap, "", pad, "", text);
	else if (column + 1 == table->columns) /* nothing to align */
		fprintf(out, "%*s%s", *text ? gap : 0, "", text);
	else
		fprintf(out, "%*s%s%*s", gap, "", text, pad, "");
}

void cli_table_write(const struct cli_table *table, FILE *out, size_t columns)
{
	size_t widths[CLI_TABLE_COLUMNS];

	if (table->count == 0)
		return;
	measure(table, columns, widths);
	for (size_t c = 0; c < table->columns; c++)
		if (widths[c])
			write_cell(table, out, c, widths[c], title(table, c));
	fputc('\n', out);
	for (size_t i = 0; i < table->count; i++) {
		size_t c = i % table->columns;

		if (widths[c])
			write_cell(table, out, c, widths[c],
				   table->cells[i] ? table->cells[i] : "?");
		if (c + 1 == table->columns)
			fputc('\n', out);
	}
}

void cli_table_print(const struct cli_table *table)
{
	cli_table_write(table, stdout, 0);
}

void cli_table_fini(struct cli_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct cli_table){ .heads = table->heads, .columns = table->columns };
}

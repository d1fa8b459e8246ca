/* Options of the csv decoder (struct fg_decode_context.conf). */
#pragma once

#include <stdbool.h>

#include <fg/str.h>

struct fg_csv_conf {
	const struct fg_str *columns; /* names; those that are missing or empty: 0, 1, 2, ... */
	size_t ncolumns;
	char delimiter; /* 0: ',' */
	bool header; /* the first line names the columns (if `columns` does not) */
};

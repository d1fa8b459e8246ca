/* What fieldgate status says to people. */
#pragma once

#include <stdio.h>

#include "cli/rates.h"

#include <cjson/cJSON.h>

struct cli_status_view {
	FILE *out;
	size_t columns;			/* of the terminal; 0: any */
	const struct cli_rates *rates;	/* NULL: none are measured */
};

/* The counters of an answer whose rates are shown. */
void cli_status_measure(struct cli_rates *, const cJSON *state, int64_t now_ns);
void cli_status_show(const struct cli_status_view *, const cJSON *state);

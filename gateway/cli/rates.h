/*
 * How fast the counters of a gateway go, from answers that are taken one after another. A rate is
 * that of the last seconds: so it can be read, and does not jump between two packs, and what
 * stands still has none after as long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_series;

struct cli_rates {
	struct cli_series *series;
	size_t count, cap;
	double since;		/* when the gateway began whose counters these are */
	int64_t at_ns;
};

/* An answer that came at `now_ns` (monotonic) from the gateway that began at `since`: another one
 * than before begins to count anew, and with it everything here. */
void cli_rates_begin(struct cli_rates *, double since, int64_t now_ns);
/* What it says of a counter, or of an amount that grows and shrinks. */
void cli_rates_take(struct cli_rates *, const char *kind, const char *name, double value);
/* Per second; false: not known yet. */
bool cli_rates_of(const struct cli_rates *, const char *kind, const char *name, double *ret_rate);
/* The most that was ever taken of it; 0: nothing. */
double cli_rates_peak(const struct cli_rates *, const char *kind, const char *name);
void cli_rates_fini(struct cli_rates *);

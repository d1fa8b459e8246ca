#include "cli/rates.h"

#include <stdlib.h>
#include <string.h>

#define SMOOTH_S 4.0	/* in which two thirds of what was before are forgotten */

struct cli_series {
	char *name;
	const char *kind;	/* borrowed: a constant */
	double last, rate, peak;
	bool known;
};

void cli_rates_begin(struct cli_rates *rates, double since, int64_t now_ns)
{
	if (rates->count && since != rates->since)
		cli_rates_fini(rates);
	rates->elapsed_s = rates->at_ns ? (double)(now_ns - rates->at_ns) / 1e9 : 0;
	rates->at_ns = now_ns;
	rates->since = since;
}

static struct cli_series *find(const struct cli_rates *rates, const char *kind, const char *name)
{
	for (size_t i = 0; i < rates->count; i++)
		if (strcmp(rates->series[i].kind, kind) == 0 &&
		    strcmp(rates->series[i].name, name) == 0)
			return &rates->series[i];
	return NULL;
}

/* A new one, or NULL: there is no memory, and it stays unknown. */
static struct cli_series *add(struct cli_rates *rates, const char *kind, const char *name)
{
	char *copy = strdup(name);

	if (copy && rates->count == rates->cap) {
		size_t cap = rates->cap ? rates->cap * 2 : 16;
		struct cli_series *series = realloc(rates->series, cap * sizeof(*series));

		if (!series) {
			free(copy);
			return NULL;
		}
		rates->series = series;
		rates->cap = cap;
	}
	if (!copy)
		return NULL;
	rates->series[rates->count] = (struct cli_series){ .name = copy, .kind = kind };
	return &rates->series[rates->count++];
}

void cli_rates_take(struct cli_rates *rates, const char *kind, const char *name, double value)
{
	struct cli_series *series = find(rates, kind, name);

	if (!series) {
		series = add(rates, kind, name);
		if (!series)
			return;
	} else if (rates->elapsed_s > 0) {
		double now = (value - series->last) / rates->elapsed_s;
		double weight = rates->elapsed_s / (rates->elapsed_s + SMOOTH_S);

		series->rate = series->known ? series->rate + weight * (now - series->rate) : now;
		series->known = true;
	}
	series->last = value;
	if (value > series->peak)
		series->peak = value;
}

bool cli_rates_of(const struct cli_rates *rates, const char *kind, const char *name,
		  double *ret_rate)
{
	const struct cli_series *series = find(rates, kind, name);

	if (!series || !series->known)
		return false;
	*ret_rate = series->rate;
	return true;
}

double cli_rates_peak(const struct cli_rates *rates, const char *kind, const char *name)
{
	const struct cli_series *series = find(rates, kind, name);

	return series ? series->peak : 0;
}

void cli_rates_fini(struct cli_rates *rates)
{
	for (size_t i = 0; i < rates->count; i++)
		free(rates->series[i].name);
	free(rates->series);
	*rates = (struct cli_rates){ 0 };
}

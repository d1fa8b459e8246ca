#include "cli/rates.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_NS 5000000000	/* a rate is that of so long, or of the last two answers */
#define SAMPLES 16

struct cli_series {
	char *name;
	const char *kind;	/* borrowed: a constant */
	double peak;
	size_t count;
	struct cli_sample {
		int64_t at_ns;
		double value;
	} samples[SAMPLES];	/* the oldest first, at about the same distance */
};

void cli_rates_begin(struct cli_rates *rates, double since, int64_t now_ns)
{
	if (rates->count && since != rates->since)
		cli_rates_fini(rates);
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

/* Behind the last sample, or in its place where that is hardly older than the one before. */
static void add_sample(struct cli_series *series, int64_t at_ns, double value)
{
	struct cli_sample *samples = series->samples;

	if (series->count > 1 &&
	    at_ns - samples[series->count - 2].at_ns < WINDOW_NS / (SAMPLES - 2))
		series->count--;
	/* one at least is kept to compare with, however long ago */
	while (series->count == SAMPLES ||
	       (series->count > 1 && at_ns - samples[0].at_ns > WINDOW_NS)) {
		memmove(samples, samples + 1, (series->count - 1) * sizeof(*samples));
		series->count--;
	}
	samples[series->count++] = (struct cli_sample){ at_ns, value };
}

void cli_rates_take(struct cli_rates *rates, const char *kind, const char *name, double value)
{
	struct cli_series *series = find(rates, kind, name);

	if (!series)
		series = add(rates, kind, name);
	if (!series)
		return;
	add_sample(series, rates->at_ns, value);
	if (value > series->peak)
		series->peak = value;
}

bool cli_rates_of(const struct cli_rates *rates, const char *kind, const char *name,
		  double *ret_rate)
{
	const struct cli_series *series = find(rates, kind, name);
	const struct cli_sample *first, *last;

	if (!series || series->count < 2)
		return false;
	first = &series->samples[0];
	last = &series->samples[series->count - 1];
	if (last->at_ns <= first->at_ns)
		return false;
	*ret_rate = (last->value - first->value) / ((double)(last->at_ns - first->at_ns) / 1e9);
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

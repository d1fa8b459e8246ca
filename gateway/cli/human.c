#include "cli/human.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const char *cli_human_duration(double seconds, char out[CLI_HUMAN])
{
	unsigned long long s;

	if (!(seconds >= 0 && seconds < 1e12)) {
		snprintf(out, CLI_HUMAN, "-");
		return out;
	}
	s = (unsigned long long)(seconds + 0.5);
	if (seconds > 0 && seconds < 9.95)
		snprintf(out, CLI_HUMAN, "%.1fs", seconds);
	else if (s < MINUTE)
		snprintf(out, CLI_HUMAN, "%llus", s);
	else if (s < HOUR)
		snprintf(out, CLI_HUMAN, "%llum%02llus", s / MINUTE, s % MINUTE);
	else if (s < DAY)
		snprintf(out, CLI_HUMAN, "%lluh%02llum", s / HOUR, s % HOUR / MINUTE);
	else
		snprintf(out, CLI_HUMAN, "%llud%02lluh", s / DAY, s % DAY / HOUR);
	return out;
}

const char *cli_human_bytes(double bytes, char out[CLI_HUMAN])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, CLI_HUMAN, unit && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return out;
}

const char *cli_human_count(double count, char out[CLI_HUMAN])
{
	double size = count < 0 ? -count : count;
	bool whole = size >= 9.95 || (size < 10 && size == (double)(int)size);

	snprintf(out, CLI_HUMAN, whole ? "%.0f" : "%.1f", count);
	return out;
}

const char *cli_human_bar(double part, size_t width, char *out)
{
	size_t inside = width > 2 ? width - 2 : 1, full;

	part = part > 0 ? part < 1 ? part : 1 : 0;
	full = (size_t)(part * (double)inside);
	out[0] = '[';
	memset(out + 1, '#', full);
	memset(out + 1 + full, '-', inside - full);
	out[inside + 1] = ']';
	out[inside + 2] = '\0';
	return out;
}

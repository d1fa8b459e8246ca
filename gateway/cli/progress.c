#include "cli/progress.h"

#include "cli/human.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 400000000	/* what takes less shows nothing */
#define EVERY_NS 200000000
#define BAR_MAX 40
#define BAR_MIN 8
#define LOOKS 2000		/* at the clock, for the whole work */

size_t cli_columns(int fd, size_t *ret_rows)
{
	struct winsize size = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	if (ret_rows)
		*ret_rows = size.ws_row;
	return size.ws_col;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

bool cli_is_terminal(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

void cli_progress_begin(struct cli_progress *progress, const char *what, enum cli_unit unit,
			uint64_t total)
{
	*progress = (struct cli_progress){ .what = what, .unit = unit, .total = total };
	progress->on = cli_is_terminal(STDERR_FILENO);
	if (!progress->on)
		return;
	progress->begun_ns = now_ns();
	progress->next_ns = progress->begun_ns + FIRST_NS;
	progress->every_ns = EVERY_NS;
#ifdef CONFIG_TEST_HOOKS
	if (getenv("FIELDGATE_PROGRESS")) /* what a test has to do is soon done */
		progress->next_ns = progress->every_ns = 0;
#endif
}

static const char *amount(const struct cli_progress *progress, double n, char out[CLI_HUMAN])
{
	return progress->unit == CLI_BYTES ? cli_human_bytes(n, out) : cli_human_count(n, out);
}

/* What stands behind the bar. */
static int figures(const struct cli_progress *progress, uint64_t done, double elapsed_s, char *out,
		   size_t size)
{
	char now[CLI_HUMAN], all[CLI_HUMAN], rate[CLI_HUMAN], left[CLI_HUMAN];
	const char *unit = progress->unit == CLI_BYTES ? "" : " records";
	double per_s = elapsed_s > 0 ? (double)done / elapsed_s : 0;

	amount(progress, (double)done, now);
	amount(progress, per_s, rate);
	if (!progress->total)
		return snprintf(out, size, "%s%s, %s/s", now, unit, rate);
	cli_human_duration(per_s > 0 ? (double)(progress->total - done) / per_s : -1, left);
	return snprintf(out, size, "%3.0f %%  %s of %s%s, %s/s, %s left",
			100.0 * (double)done / (double)progress->total, now,
			amount(progress, (double)progress->total, all), unit, rate, left);
}

void cli_progress_line(const struct cli_progress *progress, uint64_t done, double elapsed_s,
		       size_t columns, char *out, size_t size)
{
	char behind[160], bar[BAR_MAX + 1];
	size_t used, room;

	if (progress->total && done > progress->total)
		done = progress->total;
	used = (size_t)figures(progress, done, elapsed_s, behind, sizeof(behind)) +
	       strlen(progress->what) + 4;
	room = columns > used ? columns - used : 0;
	if (room > BAR_MAX)
		room = BAR_MAX;
	if (progress->total && room >= BAR_MIN)
		snprintf(out, size, "%s  %s %s", progress->what,
			 cli_human_bar((double)done / (double)progress->total, room, bar), behind);
	else
		snprintf(out, size, "%s  %s", progress->what, behind);
	if (size > columns)
		out[columns] = '\0';
}

void cli_progress_draw(struct cli_progress *progress, uint64_t done)
{
	int64_t now = now_ns();
	size_t columns;
	char line[256];

	progress->look_at = done + progress->total / LOOKS + 1;
	if (now < progress->next_ns)
		return;
	progress->next_ns = now + progress->every_ns;
	columns = cli_columns(STDERR_FILENO, NULL);
	/* the last column stays free: some terminals go on to the next line from there */
	cli_progress_line(progress, done, (double)(now - progress->begun_ns) / 1e9,
			  columns > 1 ? columns - 1 : 79, line, sizeof(line));
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	progress->shown = true;
}

void cli_progress_hide(struct cli_progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->shown = false;
}

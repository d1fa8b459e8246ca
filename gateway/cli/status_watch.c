#include "cli/status_watch.h"

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/status_show.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)8 << 20)
#define ANSWER_MS 2000		/* a signal is heard that much later at worst */

/* The other screen of a terminal, without a cursor; and back. */
#define SCREEN_BEGIN "\033[?1049h\033[?25l"
#define SCREEN_END "\033[?25h\033[?1049l"

struct watch {
	const char *socket;
	double every_s;
	bool json, terminal;
	bool gone;		/* the gateway did not answer last time, and that was said */
	int signals;
	struct cli_rates rates;
	char *frame;		/* the last state as text, or NULL */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int write_out(const char *text, size_t len)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* -- a screen -- */

/* The bytes of [p, end) that take at most `columns` characters. */
static size_t fitting(const char *p, const char *end, size_t columns)
{
	const char *at = p;

	for (; at < end; at++)
		if ((*at & 0xc0) != 0x80 && columns-- == 0)
			break;
	return (size_t)(at - p);
}

/* Over what stands there: each line cut to the screen's width and cleared behind, and no more lines
 * than it has. */
static int draw(const char *text, size_t columns, size_t rows)
{
	char *bytes = NULL;
	size_t len = 0, row = 0;
	FILE *out = open_memstream(&bytes, &len);
	int r;

	if (!out)
		return -errno;
	fputs("\033[H", out);
	while (*text && (rows == 0 || row < rows)) {
		const char *end = strchrnul(text, '\n');

		fprintf(out, "%s%.*s\033[K", row++ ? "\n" : "",
			(int)fitting(text, end, columns ? columns : 80), text);
		text = *end ? end + 1 : end;
	}
	fputs("\033[J", out);
	fclose(out);
	r = write_out(bytes, len);
	free(bytes);
	return r;
}

static int redraw(const struct watch *watch)
{
	size_t rows, columns = cli_columns(STDOUT_FILENO, &rows);

	return watch->frame ? draw(watch->frame, columns, rows) : 0;
}

static void screen(const struct watch *watch, const char *codes)
{
	if (watch->terminal)
		(void)write_out(codes, strlen(codes));
}

/* -- a state -- */

static void write_time(FILE *out, double every_s)
{
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "%s, every %gs\n", text, every_s);
}

static int show_frame(struct watch *watch, const cJSON *state)
{
	struct cli_status_view view = { .rates = &watch->rates };
	bool first = !watch->frame;
	size_t len = 0;

	free(watch->frame);
	watch->frame = NULL;
	view.out = open_memstream(&watch->frame, &len);
	if (!view.out)
		return -errno;
	if (watch->terminal)
		view.columns = cli_columns(STDOUT_FILENO, NULL);
	else if (!first)
		fputc('\n', view.out);
	write_time(view.out, watch->every_s);
	cli_status_measure(&watch->rates, state, now_ns());
	cli_status_show(&view, state);
	fclose(view.out);
	if (!watch->frame)
		return -ENOMEM;
	return watch->terminal ? redraw(watch) : write_out(watch->frame, len);
}

/* The same state, and that it is not known any more. */
static int show_gone(struct watch *watch, const char *why)
{
	bool said = watch->gone;
	char text[640];

	watch->gone = true;
	if (!watch->terminal) {
		if (!said)
			(void)fg_cli_failed("status", "%s; asking again", why);
		return 0;
	}
	snprintf(text, sizeof(text), "%s; asking again every %gs\n", why, watch->every_s);
	return draw(text, cli_columns(STDOUT_FILENO, NULL), 0);
}

static int show_state(struct watch *watch, const struct fg_buf *answer)
{
	cJSON *state;
	int r;

	watch->gone = false;
	if (watch->json)
		return write_out(answer->data, answer->len);
	state = cJSON_ParseWithLength(answer->data, answer->len);
	r = state ? show_frame(watch, state) : -EPROTO;
	cJSON_Delete(state);
	return r;
}

/* One look. 0, -ECHILD: no answer, and why; or -errno of writing. */
static int look(struct watch *watch, char *why, size_t size)
{
	struct fg_buf answer;
	int r = -ECHILD;

	fg_buf_init(&answer, ANSWER_MAX);
	if (cli_call_try(watch->socket, "status", ANSWER_MS, &answer, why, size) == FG_EXIT_OK)
		r = show_state(watch, &answer);
	fg_buf_fini(&answer);
	return r;
}

/* -- until a signal ends it -- */

/* Stopped by the terminal (Ctrl-Z), which is to be as it was meanwhile. */
static void stop(const struct watch *watch)
{
	screen(watch, SCREEN_END);
	raise(SIGSTOP);
	screen(watch, SCREEN_BEGIN);
}

/* Waits for the next look; false: it is over. */
static bool wait_next(struct watch *watch)
{
	int64_t end = now_ns() + (int64_t)(watch->every_s * 1e9);
	struct pollfd fd = { .fd = watch->signals, .events = POLLIN };
	struct signalfd_siginfo info;
	int64_t left;

	while ((left = end - now_ns()) > 0) {
		if (poll(&fd, 1, (int)(left / 1000000) + 1) <= 0)
			continue;
		if (read(watch->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGTSTP)
			stop(watch);
		else if (info.ssi_signo != SIGWINCH)
			return false;
		if (watch->terminal)
			(void)redraw(watch);
	}
	return true;
}

static int watch_all(struct watch *watch)
{
	char why[512];
	int r = look(watch, why, sizeof(why));

	if (r == -ECHILD)
		return fg_cli_failed("status", "%s", why);
	while (r == 0 && wait_next(watch)) {
		r = look(watch, why, sizeof(why));
		if (r == -ECHILD)
			r = show_gone(watch, why);
	}
	if (r == -EPIPE)
		fg_cli_unread();
	if (r == 0 || r == -EPIPE)
		return FG_EXIT_OK;
	return fg_cli_failed("status", "%s",
			     r == -EPROTO ? "the answer is not JSON" : strerror(-r));
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGWINCH);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int cli_status_watch(const struct cli_target *target, double every_s, bool json)
{
	struct watch watch = { .every_s = every_s, .json = json };
	struct cli_settings settings = { 0 };
	int status = FG_EXIT_OK;

	if (!target->socket)
		status = cli_settings_read("status", target->config, &settings);
	if (status != FG_EXIT_OK)
		return status;
	watch.socket = target->socket ? target->socket : settings.socket;
	watch.terminal = !json && cli_is_terminal(STDOUT_FILENO);
	watch.signals = watch_signals();
	if (watch.signals < 0) {
		status = fg_cli_failed("status", "signals: %s", strerror(errno));
	} else {
		screen(&watch, SCREEN_BEGIN);
		status = watch_all(&watch);
		screen(&watch, SCREEN_END);
		if (watch.terminal && watch.frame)
			(void)write_out(watch.frame, strlen(watch.frame));
		close(watch.signals);
	}
	free(watch.frame);
	cli_rates_fini(&watch.rates);
	cli_settings_fini(&settings);
	return status;
}

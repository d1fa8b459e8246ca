/*
 * fieldgate clock: whether the time of day is right, by the kernel's word; and for a gateway whose
 * sandbox forbids the question, a file that is there as long as it is.
 */
#include "base/clock.h"

#include <fg/loop.h>

#include "cli/cli.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY FG_S(5)

struct watch {
	struct fg_loop *loop;
	struct fg_timer timer;
	struct fg_signal term, interrupt;
	const char *path;
	struct fg_clock clock;
	int error;
};

static int show(const struct watch *watch)
{
	int fd;

	if (!watch->clock.synced)
		return unlink(watch->path) < 0 && errno != ENOENT ? -errno : 0;
	fd = open(watch->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	return fd < 0 ? -errno : close(fd);
}

static void on_look(struct fg_timer *timer)
{
	struct watch *watch = (struct watch *)((char *)timer - offsetof(struct watch, timer));

	(void)fg_clock_check(&watch->clock);
	watch->error = show(watch);
	if (watch->error < 0)
		fg_loop_stop(watch->loop);
	else
		(void)fg_timer_start(timer, LOOK_EVERY);
}

static void on_end(struct fg_signal *signal, int signo)
{
	(void)signo;
	fg_loop_stop(signal->handle.loop);
}

static int watch_run(struct watch *watch)
{
	int r = fg_signal_init(watch->loop, &watch->term, SIGTERM, on_end);

	if (r == 0)
		r = fg_signal_init(watch->loop, &watch->interrupt, SIGINT, on_end);
	if (r < 0)
		return r;
	fg_timer_init(watch->loop, &watch->timer, on_look);
	on_look(&watch->timer);
	if (watch->error == 0)
		r = fg_loop_run(watch->loop);
	fg_handle_close(&watch->timer.handle, NULL);
	fg_handle_close(&watch->term.handle, NULL);
	fg_handle_close(&watch->interrupt.handle, NULL);
	/* nobody vouches for it any more */
	(void)unlink(watch->path);
	return watch->error < 0 ? watch->error : r;
}

static int keep(const char *path)
{
	struct watch watch = { .loop = fg_loop_new(), .path = path };
	int r = -ENOMEM;

	fg_clock_init(&watch.clock, false);
	if (watch.loop)
		r = watch_run(&watch);
	while (watch.loop && fg_loop_turn(watch.loop, false) > 0)
		;
	fg_loop_free(watch.loop);
	return r < 0 ? fg_cli_failed("clock", "%s: %s", path, strerror(-r)) : FG_EXIT_OK;
}

int fg_cli_clock(int argc, char **argv)
{
	const char *path = NULL;
	const struct fg_cli_flag flags[] = {
		{ 0, "watch", "FILE", "keep FILE there as long as it is", NULL, &path },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "clock",
		.operands = "",
		.summary = "Says whether the kernel counts the clock as synchronised: exit status\n"
			   "0 if it does, else 1. With --watch it goes on until SIGTERM; the\n"
			   "file is what the service fieldgate asks, which may not ask the\n"
			   "kernel.",
		.flags = flags,
	};
	struct fg_clock clock;
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (path)
		return keep(path);
	fg_clock_init(&clock, false);
	puts(clock.synced ? "synchronised" : "not synchronised");
	return clock.synced ? FG_EXIT_OK : FG_EXIT_NO;
}

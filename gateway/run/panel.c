#include "run/panel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A loop that has stood still for so long will not go on. */
#define WATCHDOG_S 30
#define LOOK_NS FG_S(1)

/* -- opening -- */

static int panel_file(const char *path, const struct fg_logger *logger)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fg_log(logger, FG_WARN, "cannot open", "path=%s error=\"%s\"", path,
		       strerror(errno));
	return fd;
}

static int led_file(const char *folder, const char *name, const struct fg_logger *logger)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s/%s", folder[0] == '/' ? "" : "/sys/class/leds/", folder,
		 name);
	return panel_file(path, logger);
}

/* The kernel's own triggers (activity of the card, a heartbeat) let go of it. */
static int led_open(const char *name, const struct fg_logger *logger)
{
	int fd = led_file(name, "trigger", logger);

	if (fd < 0)
		return -1;
	if (write(fd, "none", 4) < 0)
		fg_log(logger, FG_WARN, "the LED keeps its trigger", "error=\"%s\"",
		       strerror(errno));
	close(fd);
	return led_file(name, "brightness", logger);
}

static void watchdog_settle(struct fg_panel *panel)
{
	int seconds = WATCHDOG_S;

	/* what it takes instead is what counts; some have but one period, and say so or not */
	if (ioctl(panel->watchdog, WDIOC_SETTIMEOUT, &seconds) < 0 &&
	    ioctl(panel->watchdog, WDIOC_GETTIMEOUT, &seconds) < 0)
		seconds = 10;
	panel->feed_ns = FG_S(seconds > 3 ? seconds : 3) / 3;
}

void fg_panel_none(struct fg_panel *panel)
{
	*panel = (struct fg_panel){ .watchdog = -1, .led = -1 };
}

void fg_panel_open(struct fg_panel *panel, const struct fg_run_conf *run,
		   const struct fg_logger *logger)
{
	fg_panel_none(panel);
	if (run->led)
		panel->led = led_open(run->led, logger);
	if (run->watchdog)
		panel->watchdog = panel_file(run->watchdog, logger);
	if (panel->watchdog >= 0)
		watchdog_settle(panel);
}

/* -- how it is -- */

static void led_set(struct fg_panel *panel, bool lit)
{
	if (panel->led < 0 || panel->lit == lit)
		return;
	panel->lit = lit;
	/* sysfs takes one number a write, whatever the place; 255 is as bright as it gets */
	(void)!pwrite(panel->led, lit ? "255" : "0", lit ? 3 : 1, 0);
}

static void watchdog_feed(struct fg_panel *panel)
{
	uint64_t now = fg_loop_now(panel->timer.handle.loop);

	if (panel->watchdog < 0 || (panel->fed_ns && now - panel->fed_ns < panel->feed_ns))
		return;
	panel->fed_ns = now;
	(void)!write(panel->watchdog, "\1", 1);
}

static void panel_due(struct fg_timer *timer)
{
	struct fg_panel *panel =
		(struct fg_panel *)((char *)timer - offsetof(struct fg_panel, timer));

	watchdog_feed(panel);
	if (panel->led >= 0)
		led_set(panel, panel->well(panel->arg) || !panel->lit);
	(void)fg_timer_start(timer, panel->led >= 0 ? LOOK_NS : panel->feed_ns);
}

void fg_panel_begin(struct fg_panel *panel, struct fg_loop *loop, bool (*well)(void *arg),
		    void *arg)
{
	if (panel->watchdog < 0 && panel->led < 0)
		return;
	panel->well = well;
	panel->arg = arg;
	panel->begun = true;
	fg_timer_init(loop, &panel->timer, panel_due);
	(void)fg_timer_start(&panel->timer, 0);
}

void fg_panel_end(struct fg_panel *panel)
{
	if (panel->begun)
		fg_handle_close(&panel->timer.handle, NULL);
	led_set(panel, false);
	if (panel->led >= 0)
		close(panel->led);
	/* the character that means: this is no accident */
	if (panel->watchdog >= 0) {
		(void)!write(panel->watchdog, "V", 1);
		close(panel->watchdog);
	}
	panel->led = panel->watchdog = -1;
	panel->begun = false;
}

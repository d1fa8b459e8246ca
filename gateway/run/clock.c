/*
 * Following the clock: when it becomes right, what waits gets its true time; when somebody sets it,
 * that is noticed at once, by a timer that the kernel cancels then.
 */
#include "run/private.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ASK_EVERY FG_S(10)	/* nothing tells when the kernel's clock becomes right by slewing */

/* As far away as can be: it is there to be cancelled. */
static int watch_arm(int fd)
{
	const struct itimerspec never = {
		.it_value.tv_sec = sizeof(time_t) > 4 ? (time_t)(INT64_MAX / 1000000000 - 1) :
							(time_t)INT32_MAX,
	};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_set(struct fg_io *io, unsigned events)
{
	struct fg_gateway *gateway =
		(struct fg_gateway *)((char *)io - offsetof(struct fg_gateway, clock_watch));
	uint64_t count;
	ssize_t n = read(io->fd, &count, sizeof(count));

	(void)events;
	fg_clock_update(&gateway->clock);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* a small step may be the one that makes it right */
	(void)fg_clock_check(&gateway->clock);
	/* anything but a jump would come again and again */
	if ((n < 0 && errno != ECANCELED) || n >= 0 || watch_arm(io->fd) < 0)
		fg_io_stop(io);
}

void run_clock_open(struct fg_gateway *gateway)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	fg_io_init(gateway->loop, &gateway->clock_watch, on_set);
	gateway->clock_fd = fd;
	/* without it jumps are noticed with the next payload, or when the kernel is asked next */
	if (fd >= 0 && watch_arm(fd) == 0)
		(void)fg_io_sync(&gateway->clock_watch, fd, FG_READ, true);
}

void run_clock_close(struct fg_gateway *gateway)
{
	fg_handle_close(&gateway->clock_watch.handle, NULL);
	if (gateway->clock_fd >= 0)
		close(gateway->clock_fd);
	gateway->clock_fd = -1;
}

void run_clock_ask(struct fg_timer *timer)
{
	struct fg_gateway *gateway =
		(struct fg_gateway *)((char *)timer - offsetof(struct fg_gateway, clock_timer));

	fg_clock_update(&gateway->clock);
	(void)fg_clock_check(&gateway->clock);
	if (gateway->clock.synced != gateway->synced_seen)
		fg_loop_hurry(gateway->loop); /* what follows is done in the check phase */
	(void)fg_timer_start(timer, ASK_EVERY);
}

/* What was taken before gets its true time, here and in the spool. */
static void clock_right(struct fg_gateway *gateway)
{
	const struct fg_clock *clock = &gateway->clock;
	int r = fg_spool_clock_right(gateway->spool, clock->offset_ns, clock->boot_ns);

	if (r < 0)
		fg_log(&gateway->logger, FG_WARN, "the clock's state was not written",
		       "error=\"%s\"", strerror(-r));
	fg_forward_date_again(gateway->forward);
}

void run_clock_follow(struct fg_gateway *gateway)
{
	const struct fg_clock *clock = &gateway->clock;
	uint32_t left_out;

	if (clock->steps != gateway->steps_seen &&
	    fg_log_allowed(&gateway->step_limit, fg_loop_now(gateway->loop), 10, &left_out))
		fg_log(&gateway->logger, FG_WARN, "the clock was set",
		       "by_s=%.3f synced=%s not_logged=%u", (double)clock->step_ns / 1e9,
		       clock->synced ? "yes" : "no", left_out);
	if (clock->synced != gateway->synced_seen)
		fg_log(&gateway->logger, FG_INFO,
		       clock->synced ? "clock is synchronised" : "clock is not synchronised", "%s",
		       "");
	if (clock->syncs != gateway->syncs_seen)
		clock_right(gateway);
	gateway->steps_seen = clock->steps;
	gateway->synced_seen = clock->synced;
	gateway->syncs_seen = clock->syncs;
}

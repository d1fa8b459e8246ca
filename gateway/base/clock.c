#include "base/clock.h"

#include <sys/timex.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void fg_clock_init(struct fg_clock *clock, bool trusted)
{
	*clock = (struct fg_clock){ .trusted = trusted };
	fg_clock_update(clock);
	(void)fg_clock_check(clock);
}

void fg_clock_update(struct fg_clock *clock)
{
	clock->wall_ns = read_ns(CLOCK_REALTIME);
	clock->boot_ns = read_ns(CLOCK_BOOTTIME);
}

bool fg_clock_check(struct fg_clock *clock)
{
	struct timex t = { 0 };
	bool before = clock->synced;

	clock->synced = clock->trusted || (adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC));
	return clock->synced && !before;
}

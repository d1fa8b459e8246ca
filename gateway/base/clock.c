#include "base/clock.h"

#include <errno.h>
#include <sys/timex.h>
#include <unistd.h>

/* What is no more is slewing: at most 500 ppm, and the time between two readings. */
#define STEP_NS INT64_C(500000000)
#define SLEW_SHARE 1000

static int64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool kernel_disciplines(void)
{
	struct timex t = { 0 };
	int state = adjtimex(&t);

	/* where a filter of system calls forbids even the question, somebody else asks it */
	if (state < 0 && errno == EPERM)
		return access(FG_CLOCK_FILE, F_OK) == 0;
	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

static void settle(struct fg_clock *clock)
{
	if (clock->synced) {
		clock->known = true;
		clock->offset_ns = clock->kernel_ns;
	}
	clock->wall_ns = clock->boot_ns + (clock->known ? clock->offset_ns : clock->kernel_ns);
}

void fg_clock_init(struct fg_clock *clock, bool trusted)
{
	*clock = (struct fg_clock){
		.trusted = trusted,
		.read = read_ns,
		.disciplined = kernel_disciplines,
	};
	clock->boot_ns = clock->read(CLOCK_BOOTTIME);
	clock->kernel_ns = clock->read(CLOCK_REALTIME) - clock->boot_ns;
	(void)fg_clock_check(clock);
}

void fg_clock_update(struct fg_clock *clock)
{
	int64_t before_ns = clock->boot_ns, step, wall_ns = clock->read(CLOCK_REALTIME);

	clock->boot_ns = clock->read(CLOCK_BOOTTIME);
	step = wall_ns - clock->boot_ns - clock->kernel_ns;
	clock->kernel_ns += step;
	if ((step < 0 ? -step : step) > STEP_NS + (clock->boot_ns - before_ns) / SLEW_SHARE) {
		clock->steps++;
		clock->step_ns = step;
		/* the kernel takes back its word when somebody sets the clock */
		if (!fg_clock_check(clock) && clock->synced)
			clock->syncs++;
	}
	settle(clock);
}

bool fg_clock_check(struct fg_clock *clock)
{
	bool before = clock->synced;

	clock->synced = clock->trusted || clock->disciplined();
	clock->syncs += clock->synced && !before;
	settle(clock);
	return clock->synced && !before;
}

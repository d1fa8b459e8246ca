/*
 * A time of day of the test's own, put before the C library by LD_PRELOAD. The file FAKE_CLOCK has
 * two numbers of 8 bytes: nanoseconds that are added to the real time, and whether the kernel calls
 * it synchronised. Whoever writes it sets the clock: timers that want to know are cancelled.
 * FAKE_BOOT_ID is read instead of the kernel's. With FAKE_CLOCK_FILE nobody may ask the kernel, and
 * this file is looked for instead of the one that says it. Nothing else changes, least of all the
 * boot clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct setting {
	int64_t offset_ns, synced;
};

int open64(const char *path, int flags, ...);

static const volatile struct setting *setting(void)
{
	static const volatile struct setting *mapped;
	int fd;

	if (mapped)
		return mapped;
	fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAKE_CLOCK"), O_RDONLY | O_CLOEXEC, 0);
	mapped = mmap(NULL, sizeof(*mapped), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		abort();
	return mapped;
}

/* The descriptor that stands for a timer which is cancelled when the clock is set. */
static int *watch(void)
{
	static int fd = -1;

	return &fd;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ns;

	if (r < 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return r;
	ns = (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec + setting()->offset_ns;
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

int adjtimex(struct timex *t)
{
	if (getenv("FAKE_CLOCK_FILE")) {
		errno = EPERM;
		return -1;
	}
	memset(t, 0, sizeof(*t));
	t->status = setting()->synced ? 0 : STA_UNSYNC;
	return setting()->synced ? TIME_OK : TIME_ERROR;
}

int access(const char *path, int mode)
{
	const char *instead = getenv("FAKE_CLOCK_FILE");

	if (instead && strcmp(path, "/run/fieldgate-clock/synchronised") == 0)
		path = instead;
	return (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *before)
{
	int notify;

	if (!(flags & TFD_TIMER_CANCEL_ON_SET))
		return (int)syscall(SYS_timerfd_settime, fd, flags, value, before);
	if (fd == *watch())
		return 0;
	notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (notify < 0 || inotify_add_watch(notify, getenv("FAKE_CLOCK"), IN_MODIFY) < 0)
		return -1;
	dup3(notify, fd, O_CLOEXEC);
	close(notify);
	*watch() = fd;
	return 0;
}

ssize_t read(int fd, void *bytes, size_t len)
{
	char events[4096];

	if (fd != *watch())
		return syscall(SYS_read, fd, bytes, len);
	if (syscall(SYS_read, fd, events, sizeof(events)) < 0)
		return -1;
	errno = ECANCELED;
	return -1;
}

static const char *path_of(const char *path)
{
	const char *own = getenv("FAKE_BOOT_ID");

	return own && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? own : path;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, AT_FDCWD, path_of(path), flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, AT_FDCWD, path_of(path), flags, mode);
}

/*
 * What the gateway asks of the system, by the linker's --wrap: the clocks and random numbers are
 * the seed's; writes and syncs fail when they are told to, and reach nothing once the process is
 * dead; a worker's work is done at a time of the world's choosing, on the one thread there is.
 *
 * For power cuts the last state that was synced of each file is known by what every write since
 * has covered. Names (creation, unlinking, renaming) are taken to survive.
 */
#include "sim.h"

#include "loop/loop_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define WRAP(type, name, ...)                \
	type __real_##name(__VA_ARGS__);     \
	type __wrap_##name(__VA_ARGS__);     \
	type __wrap_##name(__VA_ARGS__)

/* One write that no sync has covered. */
struct covered {
	struct covered *before;
	dev_t dev;
	ino_t ino;
	off_t at, size;		/* of the file before */
	size_t len, had;
	char *path;
	char bytes[];
};

static struct covered **covered(void)
{
	static struct covered *latest;

	return &latest;
}

static bool alive(void)
{
	return sim_world()->loop != NULL;
}

/* -- clocks and chance -- */

WRAP(int, clock_gettime, clockid_t id, struct timespec *ts)
{
	struct world *w = sim_world();
	int64_t ns = (int64_t)w->now_ns;

	if (!alive())
		return __real_clock_gettime(id, ts);
	if (id == CLOCK_REALTIME)
		ns += w->wall_ns;
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

WRAP(time_t, time, time_t *ret)
{
	struct world *w = sim_world();
	time_t now;

	if (!alive())
		return __real_time(ret);
	now = (time_t)(((int64_t)w->now_ns + w->wall_ns) / 1000000000);
	if (ret)
		*ret = now;
	return now;
}

WRAP(int, adjtimex, struct timex *t)
{
	if (!alive())
		return __real_adjtimex(t);
	*t = (struct timex){ .status = sim_world()->disciplined ? 0 : STA_UNSYNC };
	return sim_world()->disciplined ? TIME_OK : TIME_ERROR;
}

WRAP(ssize_t, getrandom, void *bytes, size_t len, unsigned flags)
{
	struct world *w = sim_world();

	if (!alive())
		return __real_getrandom(bytes, len, flags);
	for (size_t i = 0; i < len; i++) {
		w->product_random = w->product_random * 6364136223846793005 + 1442695040888963407;
		((unsigned char *)bytes)[i] = (unsigned char)(w->product_random >> 56);
	}
	return (ssize_t)len;
}

/* A machine's boot has a name, which the spool compares. */
int fg_boot_id(uint8_t ret_boot[16]);
int __real_fg_boot_id(uint8_t ret_boot[16]);
int __wrap_fg_boot_id(uint8_t ret_boot[16]);
int __wrap_fg_boot_id(uint8_t ret_boot[16])
{
	memset(ret_boot, 0, 16);
	ret_boot[0] = sim_world()->broken == BROKEN_BOOT ? 1 : (uint8_t)(1 + sim_world()->boot);
	return 0;
}

/* -- the disk -- */

/* What becomes of an operation: 0 it is done, 1 it seems done, 2 part of it, or -1 with errno. */
static int fate(bool sync)
{
	struct world *w = sim_world();
	struct disk *disk = &w->disk;

	if (!alive())
		return 0;
	if (disk->dead)
		return 1;
	disk->operations++;
	if (disk->dies_in >= 0 && disk->dies_in-- == 0) {
		disk->dead = true;
		sim_say(w, "dies at an operation of the disk");
		return sim_chance(w, 500) ? 2 : 1;
	}
	if (disk->permille == 0 || (sync && !disk->syncs) || !sim_chance(w, disk->permille))
		return 0;
	disk->failures++;
	if (disk->error == 0)
		return 2;
	errno = disk->error;
	return -1;
}

static void cover(int fd, off_t at, size_t len)
{
	struct covered *c = malloc(sizeof(*c) + len);
	char link[64], path[512];
	struct stat st;
	ssize_t n;

	if (!c || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		free(c);
		return;
	}
	*c = (struct covered){ .before = *covered(),
			       .dev = st.st_dev,
			       .ino = st.st_ino,
			       .at = at,
			       .size = st.st_size,
			       .len = len };
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	c->path = strdup(path);
	n = pread(fd, c->bytes, len, at);
	c->had = n > 0 ? (size_t)n : 0;
	*covered() = c;
}

static void uncover(int fd)
{
	struct covered **at = covered();
	struct stat st;

	if (sim_world()->broken == BROKEN_SYNC || fstat(fd, &st) < 0)
		return;
	while (*at) {
		struct covered *c = *at;

		if (c->ino != st.st_ino || c->dev != st.st_dev) {
			at = &c->before;
			continue;
		}
		*at = c->before;
		free(c->path);
		free(c);
	}
}

void os_forget(struct world *w)
{
	(void)w;
	while (*covered()) {
		struct covered *c = *covered();

		*covered() = c->before;
		free(c->path);
		free(c);
	}
}

/* From the latest write back: each is undone or not, as if the kernel had written some pages. */
void os_power_cut(struct world *w)
{
	for (struct covered *c = *covered(); c; c = c->before) {
		struct stat st;
		int fd;

		if (sim_chance(w, 300))
			continue;
		fd = open(c->path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && st.st_ino == c->ino) {
			if (pwrite(fd, c->bytes, c->had, c->at) < 0 ||
			    (c->had < c->len && ftruncate(fd, c->size) < 0))
				sim_fail(w, "the simulated disk itself fails");
		}
		close(fd);
	}
	os_forget(w);
}

/* What is broken is so without a word. */
static bool unwritten(int fd, size_t len)
{
	struct world *w = sim_world();
	char link[64], path[512] = "";

	if (!alive() || w->broken == BROKEN_NOTHING)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return false;
	if (w->broken == BROKEN_CURSOR)
		return strstr(path, "/cursors/") != NULL;
	return w->broken == BROKEN_WRITE && strstr(path, ".seg") && len > 200 && sim_chance(w, 10);
}

WRAP(ssize_t, pwrite, int fd, const void *bytes, size_t len, off_t at)
{
	int r = fate(false);

	if (r < 0)
		return -1;
	if (r == 1 || unwritten(fd, len))
		return (ssize_t)len;
	if (r == 2)
		len = len > 1 ? len / 2 : len;
	if (alive())
		cover(fd, at, len);
	return __real_pwrite(fd, bytes, len, at);
}

WRAP(ssize_t, write, int fd, const void *bytes, size_t len)
{
	struct world *w = sim_world();

	if (alive() && fd == w->log.fd) {
		sim_hash(w, bytes, len);
		if (w->verbose)
			(void)!__real_write(2, bytes, len);
		return (ssize_t)len;
	}
	return alive() && w->disk.dead ? (ssize_t)len : __real_write(fd, bytes, len);
}

WRAP(int, fdatasync, int fd)
{
	int r = fate(true);

	if (r == 0)
		uncover(fd);
	if (r == 2)
		errno = EIO;
	return r == 2 || r < 0 ? -1 : 0;
}

WRAP(int, fsync, int fd)
{
	int r = fate(true);

	if (r == 0)
		uncover(fd);
	if (r == 2)
		errno = EIO;
	return r == 2 || r < 0 ? -1 : 0;
}

WRAP(int, fallocate, int fd, int mode, off_t at, off_t len)
{
	int r = fate(false);

	if (r == 2)
		errno = ENOSPC;
	if (r < 0 || r == 2)
		return -1;
	(void)mode;
	/* holes read as zeros too, and take no memory */
	return r == 1 ? 0 : ftruncate(fd, at + len);
}

WRAP(int, ftruncate, int fd, off_t size)
{
	if (alive() && sim_world()->disk.dead)
		return 0;
	return __real_ftruncate(fd, size);
}

WRAP(int, unlinkat, int dir, const char *name, int flags)
{
	return fate(false) == 1 ? 0 : __real_unlinkat(dir, name, flags);
}

WRAP(int, unlink, const char *name)
{
	return fate(false) == 1 ? 0 : __real_unlink(name);
}

WRAP(int, renameat, int from_dir, const char *from, int to_dir, const char *to)
{
	int r = fate(false);

	if (r < 0)
		return -1;
	return r == 1 ? 0 : __real_renameat(from_dir, from, to_dir, to);
}

WRAP(int, rename, const char *from, const char *to)
{
	int r = fate(false);

	if (r < 0)
		return -1;
	return r == 1 ? 0 : __real_rename(from, to);
}

/* A dead process makes no files; a disk that fails may refuse to. */
static bool open_fails(int flags)
{
	struct world *w = sim_world();

	if (!alive() || !(flags & O_CREAT))
		return false;
	if (w->disk.dead) {
		errno = EIO;
		return true;
	}
	return fate(false) < 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
	va_end(args);
	return open_fails(flags) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
	va_end(args);
	return open_fails(flags) ? -1 : __real_openat(dir, path, flags, mode);
}

/* -- workers -- */

static void work_finish(struct fg_defer *defer)
{
	struct fg_work *work = container_of(defer, struct fg_work, defer);

	work->loop->refs--;
	work->done(work);
}

static void on_worked(struct world *w, void *arg)
{
	struct fg_work *work = arg;

	(void)w;
	fg_loop_defer(work->loop, &work->defer);
}

static void on_work(struct world *w, void *arg)
{
	struct fg_work *work = arg;

	work->work(work);
	sim_at(w, sim_below(w, FG_MS(20)), on_worked, work, NULL);
}

WRAP(int, fg_loop_work, struct fg_loop *loop, struct fg_work *work)
{
	struct world *w = sim_world();

	if (!alive())
		return __real_fg_loop_work(loop, work);
	work->loop = loop;
	work->defer = (struct fg_defer){ .cb = work_finish };
	loop->refs++;
	sim_at(w, sim_chance(w, 50) ? sim_below(w, FG_S(20)) : sim_below(w, FG_MS(50)), on_work,
	       work, NULL);
	return 0;
}

/* -- the registry knows two drivers and one bridge more -- */

WRAP(int, fg_registry_driver, const char *name, const struct fg_driver **ret)
{
	if (strcmp(name, sim_driver.name) == 0)
		*ret = &sim_driver;
	else if (strcmp(name, sim_line_driver.name) == 0)
		*ret = &sim_line_driver;
	else
		return __real_fg_registry_driver(name, ret);
	return 0;
}

WRAP(int, fg_registry_bridge, const char *name, const struct fg_bridge **ret)
{
	if (strcmp(name, sim_bridge.name) != 0)
		return __real_fg_registry_bridge(name, ret);
	*ret = &sim_bridge;
	return 0;
}

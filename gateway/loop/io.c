/*
 * Descriptors, by epoll.
 *
 * The kernel is not given a pointer but the descriptor's number and a stamp that is new with every
 * change of a registration. An event counts only if the number still has an owner with that stamp:
 * so an event that was in the same batch when a callback stopped, closed or re-synced its handle
 * reaches nobody. Since a batch never outlives its turn, the stamp may be short.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define IO_OWNERS_MIN 64u

void fg_io_init(struct fg_loop *loop, struct fg_io *io, void (*cb)(struct fg_io *, unsigned events))
{
	*io = (struct fg_io){ .fd = -1 };
	fg_handle_init(loop, &io->handle, FG_HANDLE_IO);
	io->handle.call.io = cb;
}

static struct epoll_event io_event(const struct fg_io *io)
{
	struct epoll_event event = {
		.data.u64 = (uint64_t)io->stamp << 32 | (uint32_t)io->fd,
	};

	if (io->want & FG_READ)
		event.events |= EPOLLIN;
	if (io->want & FG_WRITE)
		event.events |= EPOLLOUT;
	if (io->want & FG_IO_EDGE)
		event.events |= EPOLLET;
	return event;
}

static int owners_reserve(struct io_set *set, uint32_t fd)
{
	uint32_t size = set->size ? set->size : IO_OWNERS_MIN;
	struct fg_io **owners;

	if (fd < set->size)
		return 0;
	while (size <= fd)
		size *= 2;
	owners = realloc(set->owners, size * sizeof(struct fg_io *));
	if (!owners)
		return -ENOMEM;
	memset(owners + set->size, 0, (size - set->size) * sizeof(struct fg_io *));
	set->owners = owners;
	set->size = size;
	return 0;
}

/* The number is not this handle's any more; its registration went with the file or is replaced. */
static void io_disown(struct fg_io *io)
{
	struct io_set *set = &io->handle.loop->io;

	set->owners[io->fd] = NULL;
	set->stamp++;
	io->fd = -1;
	io->want = 0;
	fg_handle_deactivate(&io->handle);
}

void fg_io_stop(struct fg_io *io)
{
	if (!io->handle.active)
		return;
	/* May fail: who closes a file takes it out of epoll, and the number may be another's. */
	epoll_ctl(io->handle.loop->io.epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io_disown(io);
}

/* ADD or MOD, whichever is likely; the other one if the kernel knows better. */
static int io_register(struct fg_io *io, bool known)
{
	int epoll_fd = io->handle.loop->io.epoll_fd;
	struct epoll_event event = io_event(io);

	if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io->fd, &event) == 0)
		return 0;
	if (errno != (known ? ENOENT : EEXIST))
		return -errno;
	if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, io->fd, &event) == 0)
		return 0;
	return -errno;
}

int fg_io_sync(struct fg_io *io, int fd, unsigned want, bool fresh)
{
	struct io_set *set = &io->handle.loop->io;
	bool known = io->handle.active && io->fd == fd && !fresh;
	int rc;

	if (known && io->want == want)
		return 0;
	if (io->handle.closing)
		return -ECANCELED;
	if (io->handle.active && io->fd != fd)
		fg_io_stop(io);
	if (fd < 0)
		return 0;
	rc = owners_reserve(set, (uint32_t)fd);
	if (rc < 0)
		return rc;
	if (set->owners[fd] && set->owners[fd] != io)
		io_disown(set->owners[fd]);

	io->fd = fd;
	io->want = want;
	io->stamp = ++set->stamp;
	set->owners[fd] = io;
	fg_handle_activate(&io->handle);
	rc = io_register(io, known);
	if (rc < 0)
		io_disown(io);
	return rc;
}

/*
 * A file can stay registered after its number was closed, if somebody holds a duplicate (a child
 * process does). It cannot be taken out by a number that is not its any more, and would keep the
 * loop from sleeping for ever. So: a new set.
 */
static void set_rebuild(struct fg_loop *loop)
{
	struct io_set *set = &loop->io;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return;
	close(set->epoll_fd);
	set->epoll_fd = fd;
	for (uint32_t i = 0; i < set->size; i++)
		if (set->owners[i] && io_register(set->owners[i], false) < 0)
			io_disown(set->owners[i]);
}

static unsigned event_flags(uint32_t events)
{
	return (events & EPOLLIN ? FG_READ : 0u) | (events & EPOLLOUT ? FG_WRITE : 0u) |
	       (events & (EPOLLERR | EPOLLHUP) ? FG_HANGUP : 0u);
}

static unsigned events_dispatch(struct fg_loop *loop, unsigned len)
{
	struct io_set *set = &loop->io;
	const uint32_t stamp = set->stamp;
	unsigned calls = 0;

	for (unsigned i = 0; i < len; i++) {
		const struct epoll_event *event = &set->events[i];
		struct fg_io *io = set->owners[(uint32_t)event->data.u64];

		if (io && io->stamp == event->data.u64 >> 32) {
			io->handle.call.io(io, event_flags(event->events));
			calls++;
		} else if (set->stamp == stamp) {
			set_rebuild(loop); /* nothing changed since the kernel reported it */
		}
	}
	return calls;
}

static void batch_grow(struct io_set *set)
{
	struct epoll_event *events;

	if (set->batch >= LOOP_BATCH_MAX)
		return;
	events = realloc(set->events, 2 * set->batch * sizeof(*events));
	if (!events)
		return;
	set->events = events;
	set->batch *= 2;
}

/* A full batch means that there may be more: ask again, without sleep, while the budget lasts. */
unsigned fg_loop_run_poll(struct fg_loop *loop)
{
	struct io_set *set = &loop->io;
	bool soon = fg_wakes_soon(loop);
	uint64_t timeout_ns = fg_loop_sleep_ns(loop);
	bool noted = timeout_ns != 0;
	unsigned seen = 0, calls = 0, max;
	int len;

	fg_work_pool_flush(loop, soon);
	if (noted && (soon || !fg_wakes_sleep(loop)))
		timeout_ns = 0;
	do {
		max = FG_LOOP_BUDGET - seen < set->batch ? FG_LOOP_BUDGET - seen : set->batch;
		len = loop->os.wait(loop->os.arg, set->epoll_fd, set->events, (int)max, timeout_ns);
		fg_wakes_awake(loop);
		fg_loop_update_now(loop);
		if (seen == 0) {
			if (!noted)
				fg_loop_note_busy(loop);
			loop->busy_since_ns = loop->now_ns;
		}
		if (len < 0) {
			loop->error = len;
			break;
		}
		calls += events_dispatch(loop, (unsigned)len);
		seen += (unsigned)len;
		timeout_ns = 0;
		if ((unsigned)len == set->batch)
			batch_grow(set);
	} while ((unsigned)len == max && seen < FG_LOOP_BUDGET);
	if (soon && noted && seen == 0)
		fg_wakes_wait(loop);
	return calls + fg_wakes_call(loop);
}

/* The kernel's own struct, with 64-bit time on every architecture. */
static int wait_ns(int epoll_fd, struct epoll_event *events, int max, uint64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
	int64_t timeout[2] = {
		(int64_t)(timeout_ns / 1000000000u),
		(int64_t)(timeout_ns % 1000000000u),
	};

	return (int)syscall(SYS_epoll_pwait2, epoll_fd, events, max, timeout, NULL, (size_t)0);
#else
	(void)epoll_fd, (void)events, (void)max, (void)timeout_ns;
	errno = ENOSYS;
	return -1;
#endif
}

/* Rounded up: a timer must not fire early, nor the loop spin for the rest of a millisecond. */
static int wait_ms(int epoll_fd, struct epoll_event *events, int max, uint64_t timeout_ns)
{
	const uint64_t longest_ms = 24 * 3600 * 1000;
	uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);

	if (timeout_ns == LOOP_FOREVER)
		return epoll_wait(epoll_fd, events, max, -1);
	return epoll_wait(epoll_fd, events, max, (int)(ms < longest_ms ? ms : longest_ms));
}

int fg_io_set_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
		   uint64_t timeout_ns)
{
	struct fg_loop *loop = arg;
	int len = -1;

	if (timeout_ns != 0 && timeout_ns != LOOP_FOREVER && !loop->io.no_pwait2) {
		len = wait_ns(epoll_fd, events, max, timeout_ns);
		/* Kernels before 5.11 have it not, and sandboxes may forbid it. */
		loop->io.no_pwait2 = len < 0 && (errno == ENOSYS || errno == EPERM);
		if (loop->io.no_pwait2)
			len = wait_ms(epoll_fd, events, max, timeout_ns);
	} else {
		len = wait_ms(epoll_fd, events, max, timeout_ns);
	}
	if (len >= 0)
		return len;
	return errno == EINTR ? 0 : -errno;
}

int fg_io_set_init(struct fg_loop *loop)
{
	struct io_set *set = &loop->io;

	set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll_fd < 0)
		return -errno;
	set->events = calloc(LOOP_BATCH_MIN, sizeof(*set->events));
	if (!set->events)
		return -ENOMEM;
	set->batch = LOOP_BATCH_MIN;
	return 0;
}

void fg_io_set_fini(struct fg_loop *loop)
{
	if (loop->io.epoll_fd >= 0)
		close(loop->io.epoll_fd);
	free(loop->io.events);
	free(loop->io.owners);
}

/*
 * Wakes: one eventfd for all of a loop's, and it is only written to while the loop sleeps. A send
 * sets the wake's flag and then looks whether the loop is asleep; the loop says that it will sleep
 * and then looks at the flags: one of the two sees the other. So a burst costs one system call at
 * most, and a loop that has work at hand none. The eventfd is edge-triggered (each write is an
 * edge), so nothing has to be read back, and nobody waits in a spin for anybody.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* It has ended the sleep, and that is all. */
static void woken(struct fg_io *io, unsigned events)
{
	(void)io;
	(void)events;
}

static bool wakes_pending(void *arg)
{
	const struct fg_loop *loop = arg;
	const struct fg_wake *wake = loop->wakes.first;

	while (wake && !__atomic_load_n(&wake->pending, __ATOMIC_SEQ_CST))
		wake = wake->link;
	return wake;
}

bool fg_wakes_sleep(struct fg_loop *loop)
{
	__atomic_store_n(&loop->asleep, 1, __ATOMIC_SEQ_CST);
	if (!wakes_pending(loop))
		return true;
	fg_wakes_awake(loop);
	return false;
}

void fg_wakes_awake(struct fg_loop *loop)
{
	if (__atomic_load_n(&loop->asleep, __ATOMIC_RELAXED))
		__atomic_store_n(&loop->asleep, 0, __ATOMIC_RELEASE);
}

unsigned fg_wakes_call(struct fg_loop *loop)
{
	struct wake_set *set = &loop->wakes;
	struct fg_wake *wake;
	unsigned calls = 0;

	for (wake = set->first; wake; wake = set->next) {
		set->next = wake->link;
		if (__atomic_load_n(&wake->pending, __ATOMIC_SEQ_CST) &&
		    __atomic_exchange_n(&wake->pending, 0, __ATOMIC_SEQ_CST)) {
			wake->handle.call.wake(wake);
			calls++;
		}
	}
	loop->woken = calls > 0;
	return calls;
}

/* Who woke the loop may do so again, and a worker may be done at once, unless so much is queued
 * that all have to do while the loop sleeps. */
bool fg_wakes_soon(struct fg_loop *loop)
{
	const struct work_pool *pool = &loop->work;

	if (!loop->woken && pool->fresh.len == 0)
		return false;
	return pool->out <= FG_LOOP_WORKERS && fg_spin_due(&loop->look);
}

void fg_wakes_wait(struct fg_loop *loop)
{
	/* Who sends faster than the loop takes it has to wait for each look at his flag. */
	if (loop->work.out == 0 && wakes_pending(loop))
		fg_spin_flood();
	fg_spin_note(&loop->look, fg_spin_until(wakes_pending, loop));
	loop->busy_since_ns = fg_loop_update_now(loop);
}

int fg_wake_set_init(struct fg_loop *loop)
{
	struct fg_io *io = &loop->wakes.io;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc;

	fg_io_init(loop, io, woken);
	fg_handle_unref(&io->handle);
	if (fd < 0)
		return -errno;
	rc = fg_io_sync(io, fd, FG_READ | FG_IO_EDGE, true);
	if (rc < 0)
		close(fd);
	return rc;
}

void fg_wake_set_fini(struct fg_loop *loop)
{
	struct fg_io *io = &loop->wakes.io;
	int fd = io->fd;

	if (!io->handle.active)
		return;
	fg_io_stop(io);
	close(fd);
}

int fg_wake_init(struct fg_loop *loop, struct fg_wake *wake, void (*cb)(struct fg_wake *))
{
	struct fg_wake **end = &loop->wakes.first;

	*wake = (struct fg_wake){ 0 };
	fg_handle_init(loop, &wake->handle, FG_HANDLE_WAKE);
	wake->handle.call.wake = cb;
	while (*end)
		end = &(*end)->link;
	*end = wake;
	fg_handle_activate(&wake->handle);
	return 0;
}

void fg_wake_stop(struct fg_wake *wake)
{
	struct wake_set *set = &wake->handle.loop->wakes;
	struct fg_wake **at = &set->first;

	if (!wake->handle.active)
		return;
	while (*at != wake)
		at = &(*at)->link;
	*at = wake->link;
	if (set->next == wake)
		set->next = wake->link;
	fg_handle_deactivate(&wake->handle);
}

void fg_wake_send(struct fg_wake *wake)
{
	struct fg_loop *loop = wake->handle.loop;
	const uint64_t one = 1;
	int saved = errno;

	/* Reading first keeps a burst from pulling the line to and fro between the processors. */
	if (__atomic_load_n(&wake->pending, __ATOMIC_SEQ_CST))
		return;
	if (__atomic_exchange_n(&wake->pending, 1, __ATOMIC_SEQ_CST))
		return;
	if (!__atomic_load_n(&loop->asleep, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(&loop->asleep, 0, __ATOMIC_SEQ_CST))
		return;
	while (write(loop->wakes.io.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

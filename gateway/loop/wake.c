/*
 * Wakes: one eventfd for all of a loop's. A send sets the wake's flag, then the loop's, and writes
 * only if the loop's was clear: a burst costs one system call. The eventfd is edge-triggered (each
 * write is an edge), so nothing has to be read back, and nobody waits in a spin for anybody.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The loop's flag goes down before the wakes are looked at: a later send then writes again. */
static void wakes_call(struct fg_io *io, unsigned events)
{
	struct wake_set *set = container_of(io, struct wake_set, io);
	struct fg_wake *wake;

	(void)events;
	__atomic_store_n(&set->pending, 0, __ATOMIC_SEQ_CST);
	for (wake = set->first; wake; wake = set->next) {
		set->next = wake->link;
		if (__atomic_load_n(&wake->pending, __ATOMIC_SEQ_CST) &&
		    __atomic_exchange_n(&wake->pending, 0, __ATOMIC_SEQ_CST))
			wake->handle.call.wake(wake);
	}
}

int fg_wake_set_init(struct fg_loop *loop)
{
	struct fg_io *io = &loop->wakes.io;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc;

	fg_io_init(loop, io, wakes_call);
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
	struct wake_set *set = &wake->handle.loop->wakes;
	const uint64_t one = 1;
	int saved = errno;

	/* Reading first keeps a burst from pulling the line to and fro between the processors. */
	if (__atomic_load_n(&wake->pending, __ATOMIC_SEQ_CST))
		return;
	if (__atomic_exchange_n(&wake->pending, 1, __ATOMIC_SEQ_CST))
		return;
	if (__atomic_exchange_n(&set->pending, 1, __ATOMIC_SEQ_CST))
		return;
	while (write(set->io.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

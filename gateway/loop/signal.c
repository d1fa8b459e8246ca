/*
 * Signals, by one signalfd for all of a loop's. They are blocked in the thread of the loop and read
 * in the poll phase like any other bytes, so a handler may do whatever a callback may.
 */
#include <fg/loop.h>

#include "loop/loop_private.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signal_call(struct signal_set *set, int signo)
{
	struct fg_signal *sig;

	for (sig = set->first; sig; sig = set->next) {
		set->next = sig->link;
		if (sig->signo == signo)
			sig->handle.call.signal(sig, signo);
	}
}

/* One read a turn: what does not fit stays in the kernel, and the descriptor stays readable. */
static void signals_read(struct fg_io *io, unsigned events)
{
	struct signal_set *set = container_of(io, struct signal_set, io);
	struct signalfd_siginfo info[8];
	ssize_t len = read(io->fd, info, sizeof(info));

	(void)events;
	for (size_t i = 0; len > 0 && i < (size_t)len / sizeof(info[0]); i++)
		signal_call(set, (int)info[i].ssi_signo);
}

static int signalfd_open(struct fg_loop *loop)
{
	struct signal_set *set = &loop->signals;
	int fd, rc;

	sigemptyset(&set->mask);
	fg_io_init(loop, &set->io, signals_read);
	fg_handle_unref(&set->io.handle);
	fd = signalfd(-1, &set->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = fg_io_sync(&set->io, fd, FG_READ, true);
	if (rc < 0)
		close(fd);
	return rc;
}

void fg_signal_set_fini(struct fg_loop *loop)
{
	struct fg_io *io = &loop->signals.io;
	int fd = io->fd;

	if (!io->handle.active)
		return;
	fg_io_stop(io);
	close(fd);
}

/* Blocked first, then listened for: in between it waits, and is not lost. */
static int signal_watch(struct signal_set *set, int signo)
{
	sigset_t one;
	int rc;

	sigemptyset(&one);
	if (sigaddset(&one, signo) < 0)
		return -EINVAL;
	rc = pthread_sigmask(SIG_BLOCK, &one, NULL);
	if (rc != 0)
		return -rc;
	sigaddset(&set->mask, signo);
	return signalfd(set->io.fd, &set->mask, 0) < 0 ? -errno : 0;
}

int fg_signal_init(struct fg_loop *loop, struct fg_signal *sig, int signo,
		   void (*cb)(struct fg_signal *, int signo))
{
	struct signal_set *set = &loop->signals;
	struct fg_signal **end = &set->first;
	int rc = set->io.handle.active ? 0 : signalfd_open(loop);

	if (rc == 0)
		rc = signal_watch(set, signo);
	if (rc < 0)
		return rc;
	*sig = (struct fg_signal){ .signo = signo };
	fg_handle_init(loop, &sig->handle, FG_HANDLE_SIGNAL);
	sig->handle.call.signal = cb;
	while (*end)
		end = &(*end)->link;
	*end = sig;
	fg_handle_activate(&sig->handle);
	return 0;
}

void fg_signal_stop(struct fg_signal *sig)
{
	struct signal_set *set = &sig->handle.loop->signals;
	struct fg_signal **at = &set->first, *other;

	if (!sig->handle.active)
		return;
	while (*at != sig)
		at = &(*at)->link;
	*at = sig->link;
	if (set->next == sig)
		set->next = sig->link;
	fg_handle_deactivate(&sig->handle);

	for (other = set->first; other; other = other->link)
		if (other->signo == sig->signo)
			return;
	sigdelset(&set->mask, sig->signo);
	signalfd(set->io.fd, &set->mask, 0);
}

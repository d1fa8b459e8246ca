/*
 * What the processes tell their parent, in the words of sd_notify(3): to them it is what systemd is
 * to a gateway that runs alone. A process that has said nothing for long stands still, and is made
 * to begin anew; as long as one does, systemd is not told that all is well.
 */
#include "processes/private.h"

#include "run/notify.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SILENT_NS FG_S(30)
#define LOOK_EVERY FG_S(1)
#define READ_MAX 64

/* -- the socket: abstract, named by the kernel, so that nothing of it is left on a disk -- */

static int name_of(int fd, char *out, size_t cap)
{
	struct sockaddr_un address;
	socklen_t len = sizeof(address);
	int n;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	n = (int)len - (int)offsetof(struct sockaddr_un, sun_path) - 1;
	if (n <= 0 || snprintf(out, cap, "@%.*s", n, address.sun_path + 1) >= (int)cap)
		return -EINVAL;
	return 0;
}

static struct process *process_of(struct fg_processes *all, const struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, c)) {
		struct ucred who;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&who, CMSG_DATA(c), sizeof(who));
		for (unsigned i = 0; i < all->count; i++)
			if (all->items[i].pid > 0 && all->items[i].pid == who.pid)
				return &all->items[i];
	}
	return NULL;
}

static void take(struct process *process, const char *text)
{
	process->heard_ns = fg_loop_now(process->all->loop);
	if (strcmp(text, "READY=1") != 0 || process->state != PROCESS_STARTING)
		return;
	process->state = PROCESS_UP;
	processes_became_ready(process->all);
}

/* True: there may be more. */
static bool read_one(struct fg_processes *all)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char text[128];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(all->notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct process *process;

	if (n < 0)
		return false;
	text[n] = '\0';
	process = process_of(all, &message);
	if (process)
		take(process, text);
	return true;
}

static void on_notify(struct fg_io *io, unsigned events)
{
	struct fg_processes *all =
		(struct fg_processes *)(void *)((char *)io -
						offsetof(struct fg_processes, notify_io));

	(void)events;
	for (int i = 0; i < READ_MAX && read_one(all); i++)
		;
}

int processes_notify_open(struct fg_processes *all)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int on = 1, r;

	fg_io_init(all->loop, &all->notify_io, on_notify);
	all->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (all->notify < 0)
		return -errno;
	if (setsockopt(all->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(all->notify, (struct sockaddr *)&any, sizeof(any.sun_family)) < 0)
		return -errno;
	r = name_of(all->notify, all->notify_name, sizeof(all->notify_name));
	return r < 0 ? r : fg_io_sync(&all->notify_io, all->notify, FG_READ, true);
}

void processes_notify_close(struct fg_processes *all)
{
	fg_handle_close(&all->notify_io.handle, NULL);
	if (all->notify >= 0)
		close(all->notify);
	all->notify = -1;
}

/* -- the look -- */

static bool is_alive(const struct process *process, uint64_t now)
{
	return process->pid == 0 || now - process->heard_ns < SILENT_NS;
}

static void tell_systemd(struct fg_processes *all, uint64_t now)
{
	if (all->alive_ns == 0 || now - all->told_ns < all->alive_ns)
		return;
	all->told_ns = now;
	fg_notify("WATCHDOG=1");
}

void processes_look(struct fg_timer *timer)
{
	struct fg_processes *all =
		(struct fg_processes *)(void *)((char *)timer -
						offsetof(struct fg_processes, look));
	uint64_t now = fg_loop_now(all->loop);
	bool alive = true;

	for (unsigned i = 0; i < all->count; i++) {
		struct process *process = &all->items[i];

		if (is_alive(process, now))
			continue;
		alive = false;
		fg_log(&all->logger, FG_ERROR, "process stands still, killed", "process=%u pid=%d",
		       process->index, (int)process->pid);
		process->heard_ns = now;
		process_tell(process, SIGKILL);
	}
	if (alive)
		tell_systemd(all, now);
	if (!all->control && !all->stopping)
		(void)processes_control_open(all);
	(void)fg_timer_start(timer, all->alive_ns && all->alive_ns < LOOK_EVERY ? all->alive_ns :
										  LOOK_EVERY);
}

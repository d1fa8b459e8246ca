/* The listener of the control socket, and the list of its clients. */
#include "control/control.h"

#include "control/private.h"
#include "control/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define of(member, ptr) \
	((struct fg_control *)(void *)((char *)(ptr) - offsetof(struct fg_control, member)))

static void free_if_over(struct fg_control *control)
{
	if (control->closing && control->handles == 0 && !control->clients)
		free(control);
}

void control_client_gone(struct fg_control *control, const struct connection *client)
{
	struct connection **at = &control->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	control->nclients--;
	free_if_over(control);
}

/* A new connection takes a short line without being waited for. */
static void refuse(int fd)
{
	static const char text[] = "{\"ok\":false,\"status\":3,\"error\":\"too many clients\"}\n";

	(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void on_connection(struct fg_io *io, unsigned events)
{
	struct fg_control *control = of(listener, io);
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		/* it stays readable: without a pause the loop would not sleep any more */
		fg_io_stop(io);
		(void)fg_timer_start(&control->again, FG_S(1));
	}
	if (fd < 0)
		return;
	if (control->nclients >= control->most)
		refuse(fd);
	else
		connection_new(control, fd);
}

static void on_again(struct fg_timer *timer)
{
	struct fg_control *control = of(again, timer);

	(void)fg_io_sync(&control->listener, control->fd, FG_READ, true);
}

void fg_control_set_clients(struct fg_control *control, unsigned clients)
{
	control->most = clients;
}

int fg_control_open(struct fg_loop *loop, const struct fg_logger *logger, const char *path,
		    const struct fg_control_call *calls, void *arg, struct fg_control **ret_control)
{
	size_t len = strlen(path);
	struct fg_control *control = calloc(1, sizeof(*control) + len + 1);
	struct stat st;
	int r;

	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->logger = *logger;
	control->calls = calls;
	control->arg = arg;
	control->most = FG_CONTROL_CLIENTS;
	memcpy(control->path, path, len + 1);
	control->fd = r = control_listen(path);
	if (r < 0) {
		free(control);
		return r;
	}
	if (stat(path, &st) == 0) {
		control->dev = st.st_dev;
		control->ino = st.st_ino;
	}
	fg_io_init(loop, &control->listener, on_connection);
	fg_timer_init(loop, &control->again, on_again);
	control->handles = 2;
	r = fg_io_sync(&control->listener, control->fd, FG_READ, true);
	if (r < 0) {
		fg_control_close(control);
		return r;
	}
	*ret_control = control;
	return 0;
}

static void handle_gone(struct fg_control *control)
{
	control->handles--;
	free_if_over(control);
}

static void on_listener_closed(struct fg_handle *handle)
{
	handle_gone(of(listener.handle, handle));
}

static void on_again_closed(struct fg_handle *handle)
{
	handle_gone(of(again.handle, handle));
}

void fg_control_close(struct fg_control *control)
{
	struct stat st;

	control->closing = true;
	for (struct connection *c = control->clients; c; c = c->next)
		connection_close(c);
	/* another gateway may have put its own there */
	if (lstat(control->path, &st) == 0 && st.st_dev == control->dev &&
	    st.st_ino == control->ino)
		unlink(control->path);
	fg_handle_close(&control->listener.handle, on_listener_closed);
	fg_handle_close(&control->again.handle, on_again_closed);
	close(control->fd);
}

/*
 * A simulated serial device: a pseudo-terminal that prints a JSON line for each reading. Its path
 * goes to stdout, so that a configuration can name it. Nothing acknowledges on such a line: what
 * the kernel took for the reader counts as sent.
 */
#include "cli/simulate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_NS FG_MS(20)	/* how often it looks whether somebody opened the other side */

struct serial {
	struct sim_stream stream;
	struct fg_io io;
	struct fg_timer look;
	int fd;
	uint64_t seq;
	char line[SIM_READING_MAX + 1];
	size_t len, written;		/* of line */
};

/* True if somebody has the other side open. A pseudo-terminal that was opened and closed again
 * reports a hang-up until it is opened the next time. */
static bool reader_there(const struct serial *serial)
{
	struct pollfd pfd = { .fd = serial->fd, .events = POLLOUT };

	return poll(&pfd, 1, 0) >= 0 && !(pfd.revents & (POLLHUP | POLLERR));
}

static void reader_gone(struct serial *serial)
{
	fg_io_stop(&serial->io);
	serial->stream.ready = false;
	/* the next reader begins with a whole line */
	serial->written = 0;
	fg_timer_start(&serial->look, LOOK_NS);
}

/* Writes the rest of the line. True when all of it is written. */
static bool line_write(struct serial *serial)
{
	while (serial->written < serial->len) {
		ssize_t n = write(serial->fd, serial->line + serial->written,
				  serial->len - serial->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		serial->written += (size_t)n;
	}
	serial->len = serial->written = 0;
	sim_stream_settle(&serial->stream, true);
	return true;
}

static void look_due(struct fg_timer *timer)
{
	struct serial *serial = (struct serial *)((char *)timer - offsetof(struct serial, look));

	if (!reader_there(serial)) {
		fg_timer_start(&serial->look, LOOK_NS);
		return;
	}
	if (fg_io_sync(&serial->io, serial->fd, FG_READ | FG_WRITE, true) < 0)
		fg_timer_start(&serial->look, LOOK_NS);
}

static void pty_ready(struct fg_io *io, unsigned events)
{
	struct serial *serial = (struct serial *)((char *)io - offsetof(struct serial, io));
	char unread[256];

	if (events & FG_HANGUP || !reader_there(serial)) {
		reader_gone(serial);
		return;
	}
	/* a command or an echo: nobody is here to take it */
	if (events & FG_READ)
		(void)!read(serial->fd, unread, sizeof(unread));
	if (serial->len && !line_write(serial))
		return;
	fg_io_sync(&serial->io, serial->fd, FG_READ, false);
	sim_stream_ready(&serial->stream);
}

static int serial_send(struct sim_stream *stream)
{
	struct serial *serial = (struct serial *)stream;

	if (serial->len || !serial->io.handle.active)
		return -EAGAIN;
	serial->len = sim_reading(0, ++serial->seq, serial->line);
	serial->line[serial->len++] = '\n';
	return 0;
}

/* After each turn's sends; the line waits for it, so that it is counted before it is settled. */
static void serial_flush(struct sim_stream *stream)
{
	struct serial *serial = (struct serial *)stream;

	if (serial->len && !line_write(serial))
		fg_io_sync(&serial->io, serial->fd, FG_READ | FG_WRITE, false);
	else
		sim_stream_ready(stream);
}

/* The line as a device would have it, raw, whatever the reader does: else what is written before
 * the reader has set it would come back as an echo. */
static int slave_prepare(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios tio;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &tio) < 0) {
		err = -errno;
	} else {
		cfmakeraw(&tio);
		if (tcsetattr(fd, TCSANOW, &tio) < 0)
			err = -errno;
	}
	close(fd);
	return err;
}

static int serial_open(struct sim_stream *stream)
{
	struct serial *serial = (struct serial *)stream;
	char path[128];
	int err;

	serial->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (serial->fd < 0 || grantpt(serial->fd) < 0 || unlockpt(serial->fd) < 0)
		return -errno;
	err = ptsname_r(serial->fd, path, sizeof(path));
	if (err)
		return -err;
	err = slave_prepare(path);
	if (err < 0)
		return err;
	printf("%s\n", path);
	fflush(stdout);
	return fg_timer_start(&serial->look, 0);
}

static void handle_closed(struct fg_handle *handle)
{
	struct serial *serial =
		(struct serial *)((char *)handle - offsetof(struct serial, io.handle));

	if (serial->fd >= 0)
		close(serial->fd);
	serial->fd = -1;
	sim_stream_closed(&serial->stream);
}

static void serial_close(struct sim_stream *stream)
{
	struct serial *serial = (struct serial *)stream;

	fg_handle_close(&serial->look.handle, NULL);
	fg_handle_close(&serial->io.handle, handle_closed);
}

static const struct sim_stream_ops serial_ops = {
	.name = "serial",
	.acknowledges = false,
	.open = serial_open,
	.send = serial_send,
	.flush = serial_flush,
	.close = serial_close,
};

struct sim_stream *sim_serial_new(struct fg_loop *loop, uint32_t devices)
{
	struct serial *serial = calloc(1, sizeof(*serial));

	(void)devices;
	if (!serial)
		return NULL;
	serial->stream.ops = &serial_ops;
	serial->stream.devices = 1;
	serial->fd = -1;
	fg_io_init(loop, &serial->io, pty_ready);
	fg_timer_init(loop, &serial->look, look_due);
	return &serial->stream;
}

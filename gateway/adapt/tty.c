/*
 * Opening a tty. Two things are not what they seem: the kernel takes settings that the hardware
 * cannot do, silently and in part, so what was set is read back; and TIOCEXCL outlives the
 * descriptor on a pseudo-terminal whose other side is still open, so it is not used there.
 */
#include "adapt/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/serial.h>

#define MS_NS 1000000

/* Documentation/admin-guide/devices.txt of Linux: the slaves of /dev/pts */
enum { PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143 };

static bool is_pty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTS_MAJOR_FIRST &&
	       major(st.st_rdev) <= PTS_MAJOR_LAST;
}

static int port_set(struct fg_tty *port, const struct fg_tty_line *line)
{
	struct termios want, got;
	int err;

	if (tcgetattr(port->fd, &want) < 0)
		return -errno;
	err = fg_tty_line_apply(line, &want);
	if (err < 0)
		return err;
	if (tcsetattr(port->fd, TCSANOW, &want) < 0 || tcgetattr(port->fd, &got) < 0)
		return -errno;
	port->differs = fg_tty_line_differs(&want, &got);
	if (port->differs && !port->pty && strcmp(port->differs, "flow control") != 0)
		return -EOPNOTSUPP;
	return 0;
}

/* One reader: the lock keeps another gateway out, even one that runs as root; TIOCEXCL everybody
 * else. */
static int port_hold(struct fg_tty *port)
{
	if (flock(port->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!port->pty && ioctl(port->fd, TIOCEXCL) == 0)
		port->exclusive = true;
	return 0;
}

static bool counters_read(const struct fg_tty *port, uint32_t *ret_overruns)
{
	struct serial_icounter_struct counters = { 0 };

	if (ioctl(port->fd, TIOCGICOUNT, &counters) < 0)
		return false;
	*ret_overruns = (uint32_t)counters.overrun + (uint32_t)counters.buf_overrun;
	return true;
}

int fg_tty_open(struct fg_tty *port, const char *path, const struct fg_tty_line *line)
{
	int err;

	*port = (struct fg_tty){ .fd = -1 };
	port->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (port->fd < 0)
		return -errno;
	if (!isatty(port->fd)) {
		err = -ENOTTY;
		goto fail;
	}
	port->pty = is_pty(port->fd);
	err = port_hold(port);
	if (err == 0)
		err = port_set(port, line);
	if (err < 0)
		goto fail;
	/* what came before the line was set came at another speed; a pty has none to be wrong */
	if (!port->pty)
		tcflush(port->fd, TCIOFLUSH);
	port->counts = counters_read(port, &port->overruns);
	return 0;
fail:
	fg_tty_close(port);
	return err;
}

void fg_tty_close(struct fg_tty *port)
{
	if (port->fd < 0)
		return;
	if (port->exclusive)
		ioctl(port->fd, TIOCNXCL);
	/* closing waits for what is still to be sent, up to 30 s */
	tcflush(port->fd, TCOFLUSH);
	close(port->fd);
	port->fd = -1;
	port->exclusive = false;
}

void fg_tty_quicken(const struct fg_tty *port)
{
	struct serial_struct serial;

	if (ioctl(port->fd, TIOCGSERIAL, &serial) < 0 || serial.flags & ASYNC_LOW_LATENCY)
		return;
	serial.flags |= ASYNC_LOW_LATENCY;
	ioctl(port->fd, TIOCSSERIAL, &serial);
}

uint32_t fg_tty_overruns(struct fg_tty *port)
{
	uint32_t before = port->overruns, now;

	if (!port->counts || !counters_read(port, &now))
		return 0;
	port->overruns = now;
	return now - before;
}

int fg_tty_set_rs485(const struct fg_tty *port, const struct fg_tty_rs485 *conf)
{
	struct serial_rs485 rs485 = {
		.flags = SER_RS485_ENABLED,
		.delay_rts_before_send = (uint32_t)(conf->delay_before_ns / MS_NS),
		.delay_rts_after_send = (uint32_t)(conf->delay_after_ns / MS_NS),
	};

	if (!conf->enabled)
		return 0;
	if (conf->rts_on_send)
		rs485.flags |= SER_RS485_RTS_ON_SEND;
	if (conf->rts_after_send)
		rs485.flags |= SER_RS485_RTS_AFTER_SEND;
	if (conf->rx_during_tx)
		rs485.flags |= SER_RS485_RX_DURING_TX;
	return ioctl(port->fd, TIOCSRS485, &rs485) < 0 ? -EOPNOTSUPP : 0;
}

void fg_tty_drain(const struct fg_tty *port)
{
	tcflush(port->fd, TCIFLUSH);
}

const char *fg_tty_refused(const struct fg_tty *port)
{
	static const char *const words[][2] = {
		{ "speed", "the port does not do this speed" },
		{ "mode", "the port does not do this mode" },
		{ "raw mode", "the port cannot be set raw" },
	};

	for (size_t i = 0; port->differs && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], port->differs) == 0)
			return words[i][1];
	return "the port does not do this line";
}

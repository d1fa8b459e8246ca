/*
 * Commands: frames that are written to the line, one after the other. Nobody on a line confirms;
 * so a command is done when its last byte has left the kernel's queue. What the kernel does not
 * take at once waits here.
 *
 * A line can be stuck for hours (flow control), and what moves hours after it was asked for does
 * harm: a command whose time is over is taken back as long as nothing of it has left. Of one that
 * has begun the rest follows, since half a frame would spoil the next.
 *
 * A tty does not say when its queue is empty: it is looked at, as often as the line's speed makes
 * sense.
 */
#include <fg/command.h>

#include <fg/buf.h>

#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define QUEUE_MAX 64
#define LOOK_NS FG_MS(5)
#define FRAME_ROOM(max) (2 * (max) + 64)	/* every byte escaped, and what ends a frame */

struct serial_out {
	struct serial_out *next;
	struct fg_command *command;
	size_t at, len;			/* bytes written, bytes in all */
	char bytes[];
};

static void out_tell(struct serial *serial, enum fg_outcome outcome, const char *why)
{
	struct serial_out *out = serial->out.first;
	struct fg_command *command = out->command;

	serial->out.first = out->next;
	if (!out->next)
		serial->out.end = &serial->out.first;
	serial->out.count--;
	free(out);
	fg_command_done(command, outcome, why);
}

/* Bytes that the kernel has not sent; none on a port that does not tell. */
static int port_unsent(const struct serial *serial)
{
	int unsent;

	return ioctl(serial->port.fd, TIOCOUTQ, &unsent) == 0 ? unsent : 0;
}

/* True if it waits for room. */
static bool out_write(struct serial *serial, struct serial_out *out)
{
	while (out->at < out->len) {
		ssize_t n = write(serial->port.fd, out->bytes + out->at, out->len - out->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			serial_fault(serial, n < 0 ? -errno : -EIO, "cannot write");
			return false;
		}
		out->at += (size_t)n;
	}
	return false;
}

static bool out_is_late(const struct serial *serial, const struct serial_out *out)
{
	return fg_loop_now(serial->source->loop) >= out->command->deadline_ns;
}

/* True if it is late, and nothing of it has left. What the kernel holds is of the first one alone:
 * the next is written when it holds nothing. */
static bool out_taken_back(const struct serial *serial, const struct serial_out *out)
{
	if (!out_is_late(serial, out) || (out->at && port_unsent(serial) < (int)out->at))
		return false;
	if (out->at)
		tcflush(serial->port.fd, TCOFLUSH);
	return true;
}

void serial_out_pump(struct serial *serial)
{
	bool blocked = false;

	while (serial->out.first && !serial->faulted && !blocked) {
		struct serial_out *out = serial->out.first;

		if (out_taken_back(serial, out)) {
			out_tell(serial, FG_OUTCOME_UNREACHABLE, "the line did not take it");
			continue;
		}
		blocked = out_write(serial, out);
		if (serial->faulted) {
			out_tell(serial, FG_OUTCOME_FAILED, "the port cannot be written");
			return;
		}
		if (blocked) {
			if (!out_is_late(serial, out))
				(void)fg_timer_start_at(&serial->out.look,
							out->command->deadline_ns);
			break;
		}
		if (port_unsent(serial) > 0) {
			fg_timer_start(&serial->out.look, LOOK_NS);
			break;
		}
		out_tell(serial, FG_OUTCOME_DONE, NULL);
	}
	if (!serial->faulted && blocked != serial->out.blocked) {
		serial->out.blocked = blocked;
		serial_watch(serial);
	}
}

void serial_out_look(struct fg_timer *timer)
{
	serial_out_pump(
		(struct serial *)(void *)((char *)timer - offsetof(struct serial, out.look)));
}

static int out_push(struct serial *serial, struct fg_command *command, struct fg_str frame)
{
	struct serial_out *out = malloc(sizeof(*out) + frame.len);

	if (!out)
		return -ENOMEM;
	*out = (struct serial_out){ .command = command, .len = frame.len };
	memcpy(out->bytes, frame.ptr, frame.len);
	*serial->out.end = out;
	serial->out.end = &out->next;
	serial->out.count++;
	return 0;
}

int serial_command(struct fg_source *source, struct fg_command *command)
{
	struct serial *serial = source->state;
	struct fg_buf frame;
	int r;

	if (serial->faulted || serial->port.fd < 0)
		return -EAGAIN;
	if (serial->out.count >= QUEUE_MAX)
		return -ENOBUFS;
	fg_buf_init(&frame, FRAME_ROOM(serial->framer.conf.max));
	r = fg_framer_encode(&serial->framer, command->payload, &frame);
	if (r == 0 && frame.len)
		r = out_push(serial, command, fg_buf_view(&frame));
	else if (r == 0)
		r = -EINVAL;
	fg_buf_fini(&frame);
	if (r == -EINVAL) {
		fg_command_done(command, FG_OUTCOME_REFUSED,
				"the payload is no frame: it is empty, or holds what ends one");
		return 0;
	}
	/* one that is being looked at is told first */
	if (r == 0 && serial->out.count == 1)
		serial_out_pump(serial);
	return r;
}

void serial_out_init(struct serial *serial)
{
	serial->out.end = &serial->out.first;
	fg_timer_init(serial->source->loop, &serial->out.look, serial_out_look);
}

void serial_out_fini(struct serial *serial)
{
	struct serial_out *next;

	for (struct serial_out *out = serial->out.first; out; out = next) {
		next = out->next;
		free(out);
	}
	serial->out.first = NULL;
}

/*
 * Serial lines: bytes from a tty, through a framer, one payload a frame. A device on such a line
 * cannot be asked to send again and waits for no acknowledgement. So a pause stops the reading:
 * the kernel's buffer fills, flow control (where the line has it) holds the device, and what the
 * kernel had to throw away is counted.
 *
 * A port that vanishes is at fault at once; it is opened again by its path, which is the same
 * device when the path is one below /dev/serial/by-id.
 */
#include "state.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	READ_SIZE = 4096,
	READS_PER_TURN = 16, /* then the other sources have their turn */
	SAID_A_MINUTE = 3, /* lines about skipped bytes */
};

#define OVERRUNS_LOOK_NS FG_S(1)
/* Bytes that come so soon after the port was opened are of a frame that had begun before. */
#define AMID_NS FG_MS(20)

void serial_fault(struct serial *serial, int error, const char *what)
{
	serial->faulted = true;
	fg_io_stop(&serial->io);
	fg_timer_stop(&serial->silence);
	fg_timer_stop(&serial->out.look);
	fg_source_fault(serial->source, error, what);
}

/* -- frames -- */

static void frame_lost(struct serial *serial, struct fg_str frame)
{
	fg_source_reject(serial->source, "overrun", frame);
}

/* False when there was no room. */
static bool frame_submit(struct serial *serial, struct fg_str frame)
{
	const struct fg_input input = {
		.address = FG_STR(""),
		.payload = frame,
		.content_format = -1,
	};
	uint64_t unused;

	return fg_source_submit(serial->source, &input, &unused) != -EAGAIN;
}

static void frame_take(void *arg, struct fg_str frame)
{
	struct serial *serial = arg;
	struct fg_str before;

	/* behind what waits already, so that the order stays */
	if (!serial_held_first(&serial->held, &before) && !serial->paused &&
	    frame_submit(serial, frame))
		return;
	if (serial_held_push(&serial->held, frame) < 0)
		frame_lost(serial, frame);
}

/* True when nothing waits any more. */
static bool held_submit(struct serial *serial)
{
	struct fg_str frame;

	while (serial_held_first(&serial->held, &frame)) {
		if (serial->paused || !frame_submit(serial, frame))
			return false;
		serial_held_drop(&serial->held);
	}
	return true;
}

static void frame_bad(struct fg_framer *framer, const uint64_t *counter, struct fg_str bytes)
{
	struct serial *serial = (struct serial *)((char *)framer - offsetof(struct serial, framer));
	const char *broken = framer->conf.checksum == FG_CHECKSUM_NONE ? "frame" : "checksum";

	fg_source_reject(serial->source, counter == &framer->oversize ? "too-large" : broken,
			 bytes);
}

static void framer_account(struct serial *serial)
{
	struct fg_framer *framer = &serial->framer;
	uint32_t left_out;

	serial->skipped_unsaid += framer->skipped;
	framer->skipped = 0;
	if (serial->skipped_unsaid &&
	    fg_log_allowed(&serial->skipped_limit, fg_loop_now(serial->source->loop), SAID_A_MINUTE,
			   &left_out)) {
		fg_log(&serial->source->logger, FG_WARN, "bytes skipped, no good frame in them",
		       "bytes=%llu", (unsigned long long)serial->skipped_unsaid);
		serial->skipped_unsaid = 0;
	}
}

/* -- reading -- */

/* Overruns are counted where they happen, without being told: looked at while bytes come. */
static void overruns_look(struct serial *serial)
{
	uint64_t now = fg_loop_now(serial->source->loop);

	if (now - serial->looked_ns < OVERRUNS_LOOK_NS)
		return;
	serial->looked_ns = now;
	if (fg_tty_overruns(&serial->port) > 0)
		fg_source_reject(serial->source, "overrun", FG_STR(""));
}

/* A frame whose beginning nobody has heard could pass for another: 3.5 for 23.5. On a pty all that
 * was written is there from the beginning. */
static void beginning_look(struct serial *serial)
{
	enum fg_framer_kind kind = serial->framer.conf.kind;

	if (serial->begun)
		return;
	serial->begun = true;
	if (serial->port.pty || kind == FG_FRAMER_LENGTH || kind == FG_FRAMER_IDLE)
		return;
	if (fg_loop_now(serial->source->loop) - serial->opened_ns < AMID_NS)
		serial->framer.discard = true;
}

/* One read. Its bytes, 0: nothing there, or -errno: the port is gone. */
static ssize_t port_read(struct serial *serial)
{
	char bytes[READ_SIZE];
	ssize_t n = read(serial->port.fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	beginning_look(serial);
	fg_framer_feed(&serial->framer, bytes, (size_t)n, frame_take, serial);
	framer_account(serial);
	return n;
}

static void silence_begin(struct serial *serial)
{
	if (serial->framer.conf.idle_ns > 0 && !serial->paused)
		fg_timer_start(&serial->silence, (uint64_t)serial->framer.conf.idle_ns);
}

/* Reads what is there, up to a turn's worth. True if there was anything. */
static bool port_drain(struct serial *serial)
{
	bool any = false;

	for (int i = 0; i < READS_PER_TURN && !serial->paused && !serial->faulted; i++) {
		ssize_t n = held_submit(serial) ? port_read(serial) : 0;

		if (n < 0)
			serial_fault(serial, (int)n, "the port is gone");
		if (n <= 0)
			break;
		any = true;
		/* a full tty's buffer comes as a little less than was asked for */
		if (n < READ_SIZE / 2)
			break;
	}
	if (any && !serial->faulted) {
		overruns_look(serial);
		silence_begin(serial);
	}
	return any;
}

static void port_ready(struct fg_io *io, unsigned events)
{
	struct serial *serial = (struct serial *)((char *)io - offsetof(struct serial, io));

	if (events & FG_WRITE)
		serial_out_pump(serial);
	if (serial->faulted)
		return;
	/* behind a hang-up there may be bytes to be read, but no more will come */
	if (!port_drain(serial) && events & FG_HANGUP && !serial->faulted)
		serial_fault(serial, -EIO, "the port is gone");
}

/* No byte for as long as ends a frame. A loop that was held up comes here with bytes waiting: those
 * came in between, as far as anybody can tell. */
static void silence_due(struct fg_timer *timer)
{
	struct serial *serial = (struct serial *)((char *)timer - offsetof(struct serial, silence));

	if (port_drain(serial) || serial->faulted)
		return;
	fg_framer_idle(&serial->framer, frame_take, serial);
	framer_account(serial);
}

/* -- the driver -- */

void serial_watch(struct serial *serial)
{
	fg_io_sync(&serial->io, serial->port.fd,
		   (serial->paused ? 0 : FG_READ) | (serial->out.blocked ? FG_WRITE : 0), false);
}

static void serial_pause(struct fg_source *source)
{
	struct serial *serial = source->state;

	serial->paused = true;
	if (serial->faulted || serial->port.fd < 0)
		return;
	/* no byte is read, so silence means nothing */
	fg_timer_stop(&serial->silence);
	serial_watch(serial);
}

static void serial_resume(struct fg_source *source)
{
	struct serial *serial = source->state;

	serial->paused = false;
	if (serial->faulted || serial->port.fd < 0 || !held_submit(serial) || serial->paused)
		return;
	serial->looked_ns = 0;
	overruns_look(serial);
	silence_begin(serial);
	serial_watch(serial);
}

static int port_begin(struct serial *serial, const struct serial_conf *conf)
{
	const struct fg_tty_line line = {
		.speed = (speed_t)conf->baud,
		.mode = conf->mode,
		.flow = (enum fg_tty_flow)conf->flow,
	};
	int err = fg_tty_open(&serial->port, conf->port, &line);

	if (err == -EOPNOTSUPP)
		fg_source_fault(serial->source, err, fg_tty_refused(&serial->port));
	if (err < 0)
		return err;
	if (serial->port.differs)
		fg_log(&serial->source->logger, FG_WARN, "the port leaves out a setting",
		       "setting=\"%s\"", serial->port.differs);
	if (serial->framer.conf.idle_ns > 0)
		fg_tty_quicken(&serial->port);
	serial->looked_ns = serial->opened_ns = fg_loop_now(serial->source->loop);
	return fg_io_sync(&serial->io, serial->port.fd, FG_READ, true);
}

static int serial_open(struct fg_source *source)
{
	struct serial *serial = source->state;
	const struct serial_conf *conf = source->conf;
	struct serial_framing framing;
	int err;

	serial->source = source;
	serial->port.fd = -1;
	fg_io_init(source->loop, &serial->io, port_ready);
	fg_timer_init(source->loop, &serial->silence, silence_due);
	serial_out_init(serial);
	err = serial_framing(conf, fg_source_framer(source), &framing);
	if (err == 0)
		err = fg_framer_init(&serial->framer, &framing.conf);
	if (err < 0)
		return err;
	serial->framing = true;
	serial->framer.lost = frame_bad;
	err = port_begin(serial, conf);
	if (err == 0)
		fg_source_up(source);
	return err;
}

/* What waits for room is lost with the port's state, and so is the frame that has begun: its end
 * would have been another one's. */
static void remains_account(struct serial *serial)
{
	struct fg_str frame;

	while (serial_held_first(&serial->held, &frame)) {
		frame_lost(serial, frame);
		serial_held_drop(&serial->held);
	}
	if (serial->framer.len)
		fg_log(&serial->source->logger, FG_INFO, "a frame was cut off", "bytes=%zu",
		       serial->framer.len);
}

static void serial_closed(struct fg_handle *handle)
{
	struct serial *serial =
		(struct serial *)((char *)handle - offsetof(struct serial, io.handle));

	fg_tty_close(&serial->port);
	if (serial->framing)
		fg_framer_fini(&serial->framer);
	serial_held_fini(&serial->held);
	serial_out_fini(serial);
	fg_source_closed(serial->source);
}

static void serial_close(struct fg_source *source)
{
	struct serial *serial = source->state;

	serial->faulted = true;
	remains_account(serial);
	/* in this order: the last one's end is that of all */
	fg_handle_close(&serial->silence.handle, NULL);
	fg_handle_close(&serial->out.look.handle, NULL);
	fg_handle_close(&serial->io.handle, serial_closed);
}

static void serial_kept(struct fg_source *source, uint64_t upto)
{
	/* nobody on the line waits to hear it */
	(void)source;
	(void)upto;
}

static int serial_framing_of(const void *conf, const struct fg_framer_conf *profile, char *room,
			     struct fg_framer_conf *ret_conf)
{
	struct serial_framing framing;
	int r = serial_framing(conf, profile, &framing);

	if (r < 0)
		return r;
	memcpy(room, framing.delimiter, sizeof(framing.delimiter));
	*ret_conf = framing.conf;
	ret_conf->delimiter.ptr = room;
	return 0;
}

static void serial_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct serial_conf *c = conf;

	(void)terms;
	cost->memory += 4 * c->framer_options.max + (64u << 10);
	cost->descriptors += 1;
}

const struct fg_driver fg_driver_serial = {
	.name = "serial",
	.summary = "Frames from a serial line: text lines, delimited, fixed or stuffed frames.",
	.address = FG_ADDRESS_LINK,
	.conf_size = sizeof(struct serial_conf),
	.state_size = sizeof(struct serial),
	.options = serial_options,
	.cost = serial_cost,
	.check = serial_conf_check,
	.framing = serial_framing_of,
	.ops = {
		.open = serial_open,
		.close = serial_close,
		.pause = serial_pause,
		.resume = serial_resume,
		.kept = serial_kept,
		.command = serial_command,
	},
};

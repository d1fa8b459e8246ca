/*
 * The serial driver on pseudo-terminals: frames become payloads, a pause holds the line and loses
 * nothing, a port that vanishes is at fault. What the driver calls is played here.
 */
#include <fg/command.h>
#include <fg/console.h>
#include <fg/driver.h>

#include "../../drivers/serial/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "test_command_fake.h"

/* A pseudo-terminal sends what it takes at once; this says what a port with a queue would say. */
static struct {
	int unsent;		/* -1: what the port says */
	unsigned flushed;
} fake_port;

#if defined(_TIME_BITS) && __SIZEOF_LONG__ == 4
#define real_ioctl __real___ioctl_time64
#define wrap_ioctl __wrap___ioctl_time64
#else
#define real_ioctl __real_ioctl
#define wrap_ioctl __wrap_ioctl
#endif

int real_ioctl(int fd, unsigned long request, void *arg);
int wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_tcflush(int fd, int queue);

int wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (request != TIOCOUTQ || fake_port.unsent < 0)
		return real_ioctl(fd, request, arg);
	*(int *)arg = fake_port.unsent;
	return 0;
}

int __wrap_tcflush(int fd, int queue)
{
	(void)fd;
	if (queue == TCOFLUSH && fake_port.unsent > 0) {
		fake_port.unsent = 0;
		fake_port.flushed++;
	}
	return 0;
}

#ifdef CONFIG_DRIVER_SERIAL

extern const struct fg_driver fg_driver_serial;

#define DEADLINE_NS FG_S(10)

struct line {
	struct fg_source source;	/* first: the driver's calls find the rest by it */
	struct serial_conf conf;
	struct fg_framer_conf profile;
	bool has_profile;
	int master;
	char path[64];
	char taken[1 << 20];		/* payloads, each with a '|' behind it */
	size_t taken_len;
	unsigned payloads;
	int room;			/* payloads that are still taken; -1: any number */
	bool refuse_once;		/* the second payload, the first time it is handed in */
	bool up, refused, closed;
	int fault;
	char rejected[256];		/* reasons, each with a '|' behind it */
	char bytes[64];			/* of the last one */
	struct fg_timer deadline, nudge;
	bool late;
};

/* Something to look at has happened: the loop must not go to sleep in this turn. */
static void nudge(struct line *line)
{
	fg_timer_start(&line->nudge, 0);
}

static void nudged(struct fg_timer *timer)
{
	(void)timer;
}

/* -- what the driver calls -- */

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct line *line = (struct line *)source;

	assert_int_equal(input->address.len, 0);
	assert_int_equal(input->content_format, -1);
	nudge(line);
	if (line->refuse_once && line->payloads == 1) {
		line->refuse_once = false;
		return -EAGAIN;
	}
	if (line->room == 0) {
		line->refused = true;
		fg_driver_serial.ops.pause(source);
		return -EAGAIN;
	}
	if (line->room > 0)
		line->room--;
	assert_true(line->taken_len + input->payload.len + 1 < sizeof(line->taken));
	memcpy(line->taken + line->taken_len, input->payload.ptr, input->payload.len);
	line->taken_len += input->payload.len;
	line->taken[line->taken_len++] = '|';
	line->taken[line->taken_len] = '\0';
	*ret_pos = ++line->payloads;
	return 0;
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	struct line *line = (struct line *)source;
	size_t len = strlen(line->rejected);

	snprintf(line->bytes, sizeof(line->bytes), "%.*s", (int)bytes.len, bytes.ptr);
	nudge(line);
	snprintf(line->rejected + len, sizeof(line->rejected) - len, "%s|", reason);
}

void fg_source_up(struct fg_source *source)
{
	((struct line *)source)->up = true;
}

/* Of another driver, which is linked in with all of them. */
void fg_source_away(struct fg_source *source)
{
	(void)source;
}

void fg_source_fault(struct fg_source *source, int error, const char *what)
{
	assert_non_null(what);
	((struct line *)source)->fault = error;
	nudge((struct line *)source);
}

void fg_source_closed(struct fg_source *source)
{
	assert_false(((struct line *)source)->closed);
	((struct line *)source)->closed = true;
	nudge((struct line *)source);
}

const struct fg_framer_conf *fg_source_framer(const struct fg_source *source)
{
	const struct line *line = (const struct line *)source;

	return line->has_profile ? &line->profile : NULL;
}

bool fg_source_waits_for_commit(const struct fg_source *source)
{
	(void)source;
	return false;
}

int fg_source_last(struct fg_source *source, struct fg_str path, struct fg_buf *out)
{
	(void)source;
	(void)path;
	(void)out;
	return -ENOENT;
}

void fg_source_devices(struct fg_source *source, bool (*each)(void *, struct fg_str), void *arg)
{
	(void)source;
	(void)each;
	(void)arg;
}

/* What the console that is built in would ask of a whole gateway. */
int fg_desk_ask(struct fg_desk *desk, struct fg_str request, const struct fg_desk_asker *asker,
		struct fg_desk_call **ret_call)
{
	(void)desk;
	(void)request;
	(void)asker;
	(void)ret_call;
	return -ENOMEM;
}

void fg_desk_leave(struct fg_desk_call *call)
{
	(void)call;
}

void fg_desk_closed(struct fg_desk *desk)
{
	(void)desk;
}

/* -- a line with both its ends -- */

static void deadline_over(struct fg_timer *timer)
{
	((struct line *)((char *)timer - offsetof(struct line, deadline)))->late = true;
}

static void master_open(struct line *line)
{
	line->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(line->master >= 0);
	assert_int_equal(grantpt(line->master), 0);
	assert_int_equal(unlockpt(line->master), 0);
	assert_int_equal(ptsname_r(line->master, line->path, sizeof(line->path)), 0);
}

static int setup(void **state)
{
	struct line *line = calloc(1, sizeof(*line));

	fake_port.unsent = -1;
	line->master = -1;
	line->room = -1;
	line->conf = (struct serial_conf){
		.port = line->path,
		.baud = B9600,
		.mode = "8N1",
		.framer_options.max = 4096,
	};
	line->source = (struct fg_source){
		.name = "meter",
		.driver = &fg_driver_serial,
		.conf = &line->conf,
		.state = calloc(1, fg_driver_serial.state_size),
		.loop = fg_loop_new(),
	};
	fg_timer_init(line->source.loop, &line->nudge, nudged);
	fg_timer_init(line->source.loop, &line->deadline, deadline_over);
	fg_timer_start(&line->deadline, DEADLINE_NS);
	master_open(line);
	*state = line;
	return 0;
}

static void turns_until(struct line *line, const volatile bool *condition)
{
	while (!*condition && !line->late)
		fg_loop_turn(line->source.loop, true);
	assert_false(line->late);
}

static int teardown(void **state)
{
	struct line *line = *state;

	line->late = false;
	fg_timer_start(&line->deadline, DEADLINE_NS);
	if (!line->closed) {
		fg_driver_serial.ops.close(&line->source);
		turns_until(line, &line->closed);
	}
	fg_handle_close(&line->deadline.handle, NULL);
	fg_handle_close(&line->nudge.handle, NULL);
	while (fg_loop_turn(line->source.loop, false))
		;
	if (line->master >= 0)
		close(line->master);
	fg_loop_free(line->source.loop);
	free(line->source.state);
	free(line);
	return 0;
}

static void line_open(struct line *line)
{
	assert_int_equal(fg_driver_serial.ops.open(&line->source), 0);
	assert_true(line->up);
}

static void device_writes(struct line *line, const void *bytes, size_t len)
{
	assert_int_equal(write(line->master, bytes, len), (ssize_t)len);
}

static void device_says(struct line *line, const char *text)
{
	device_writes(line, text, strlen(text));
}

static void turns_until_payloads(struct line *line, unsigned count)
{
	while (line->payloads < count && !line->late && !line->fault)
		fg_loop_turn(line->source.loop, true);
	assert_int_equal(line->payloads, count);
}

static void turns_until_rejected(struct line *line, const char *reasons)
{
	while (strcmp(line->rejected, reasons) != 0 && !line->late && !line->fault)
		fg_loop_turn(line->source.loop, true);
	assert_string_equal(line->rejected, reasons);
}

/* -- the tests -- */

static void lines_become_payloads(void **state)
{
	struct line *line = *state;

	line_open(line);
	device_says(line, "one\r\ntw");
	turns_until_payloads(line, 1);
	device_says(line, "o\n\nthree\n");
	turns_until_payloads(line, 3);
	assert_string_equal(line->taken, "one|two|three|");
	assert_int_equal(line->fault, 0);
}

static void commands_are_framed(void **state)
{
	struct line *line = *state;
	struct fg_command command = {
		.payload = FG_STR("RELAY=1"), .content_format = -1, .deadline_ns = UINT64_MAX
	};
	char bytes[16];

	command_fake = (struct command_fake){ 0 };
	assert_int_equal(fg_driver_serial.ops.open(&line->source), 0);
	assert_int_equal(fg_driver_serial.ops.command(&line->source, &command), 0);
	for (int i = 0; i < 100 && !command_fake.done; i++)
		fg_loop_turn(line->source.loop, true);
	assert_int_equal(command_fake.done, 1);
	assert_int_equal(command_fake.how, FG_OUTCOME_DONE);
	assert_int_equal(read(line->master, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "RELAY=1\n", 8);
	command.payload = FG_STR("1\nSELFTEST");
	assert_int_equal(fg_driver_serial.ops.command(&line->source, &command), 0);
	assert_int_equal(command_fake.done, 2);
	assert_int_equal(command_fake.how, FG_OUTCOME_REFUSED);
}

/* -- a line that is stuck -- */

/* All that comes out of the line until `count` commands are done. */
static size_t read_until_done(struct line *line, unsigned count, char *bytes, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	assert_int_equal(fcntl(line->master, F_SETFL, O_NONBLOCK), 0);
	do {
		n = read(line->master, bytes + len, cap - len);
		len += n > 0 ? (size_t)n : 0;
		assert_true(len < cap);
		fg_loop_turn(line->source.loop, false);
	} while ((n > 0 || command_fake.done < count) && !line->late);
	assert_int_equal(command_fake.done, count);
	return len;
}

/* A valve that opens hours after it was given up does harm. */
static void what_was_given_up_is_not_sent(void **state)
{
	static char text[3900], bytes[1 << 20];
	struct line *line = *state;
	struct fg_command filler = { .payload = { text, sizeof(text) }, .deadline_ns = UINT64_MAX };
	struct fg_command valve = { .payload = FG_STR("VALVE-OPEN"), .deadline_ns = UINT64_MAX };
	struct fg_command lamp = { .payload = FG_STR("LAMP-ON"), .deadline_ns = UINT64_MAX };
	unsigned sent = 0;
	size_t len;

	command_fake = (struct command_fake){ 0 };
	memset(text, 'x', sizeof(text));
	line_open(line);
	do
		assert_int_equal(fg_driver_serial.ops.command(&line->source, &filler), 0);
	while (++sent == command_fake.done);
	assert_int_equal(fg_driver_serial.ops.command(&line->source, &valve), 0);
	assert_int_equal(fg_driver_serial.ops.command(&line->source, &lamp), 0);
	/* their outcomes are told; of the first a part has left */
	filler.deadline_ns = valve.deadline_ns = fg_loop_now(line->source.loop);
	assert_int_equal(command_fake.done, sent - 1);
	len = read_until_done(line, sent + 2, bytes, sizeof(bytes));
	assert_int_equal(len, sent * (sizeof(text) + 1) + 8);
	assert_memory_equal(bytes + len - 9, "\nLAMP-ON\n", 9);
	assert_ptr_equal(command_fake.command, &lamp);
	assert_int_equal(command_fake.how, FG_OUTCOME_DONE);
}

/* What the kernel holds of it is taken back from there, if that is all of it. */
static void what_the_kernel_holds_is_taken_back(void **state)
{
	struct line *line = *state;
	struct fg_command command = { .payload = FG_STR("VALVE-OPEN") };

	command_fake = (struct command_fake){ 0 };
	line_open(line);
	fake_port.flushed = 0;
	for (int part = 0; part < 2; part++) {
		fake_port.unsent = 11 - part;
		command.deadline_ns = fg_loop_now(line->source.loop) + FG_MS(20);
		assert_int_equal(fg_driver_serial.ops.command(&line->source, &command), 0);
		while (command_fake.done == (unsigned)part &&
		       fg_loop_now(line->source.loop) < command.deadline_ns + FG_MS(20))
			fg_loop_turn(line->source.loop, false);
		assert_int_equal(fake_port.flushed, 1);
		assert_int_equal(command_fake.done, 1);
		assert_int_equal(command_fake.how, FG_OUTCOME_UNREACHABLE);
	}
	/* its beginning had left: all of it goes */
	fake_port.unsent = 0;
	while (command_fake.done < 2 && !line->late)
		fg_loop_turn(line->source.loop, false);
	assert_int_equal(command_fake.how, FG_OUTCOME_DONE);
}

/* Bytes a terminal would take for itself: ^C, ^D, ^Z, ^S, ^Q, ^V, CR, 0x7f, 0xff, NUL. */
static void every_byte_passes(void **state)
{
	struct line *line = *state;
	char bytes[257];
	int echoed = 0;

	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	bytes[256] = 'x';
	line->conf.framer = FG_FRAMER_LENGTH + SERIAL_GIVEN;
	line->conf.framer_options.length = 257;
	line_open(line);
	device_writes(line, bytes, sizeof(bytes));
	turns_until_payloads(line, 1);
	assert_int_equal(line->taken_len, 258);
	assert_memory_equal(line->taken, bytes, sizeof(bytes));
	/* and nothing comes back */
	assert_int_equal(fcntl(line->master, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(line->master, &echoed, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

/* What was written before the gateway came is not thrown away. */
static void bytes_before_open_count(void **state)
{
	struct line *line = *state;

	struct pollfd slave = { .fd = open(line->path, O_RDWR | O_NOCTTY), .events = POLLIN };

	/* there, and not only under way */
	device_says(line, "early\n");
	assert_int_equal(poll(&slave, 1, 10000), 1);
	close(slave.fd);
	line_open(line);
	turns_until_payloads(line, 1);
	assert_string_equal(line->taken, "early|");
}

static void no_terminal_of_ours(void **state)
{
	struct line *line = *state;
	pid_t child;
	int status;

	/* a session without a terminal would get this one */
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setsid();
		if (fg_driver_serial.ops.open(&line->source) < 0)
			_exit(1);
		_exit(open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 && errno == ENXIO ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	line_open(line);
}

static void checksums_and_lengths(void **state)
{
	struct line *line = *state;

	line->conf.checksum = FG_CHECKSUM_XOR8 + SERIAL_GIVEN;
	line->conf.framer = FG_FRAMER_DELIMITER + SERIAL_GIVEN;
	line->conf.framer_options.delimiter = "\\x03";
	line->conf.framer_options.max = 8;
	line_open(line);
	device_says(line, "ab\x03\x03"); /* 'a' ^ 'b' is 0x03: the delimiter comes twice */
	device_says(line, "abc\x60\x03");
	turns_until_payloads(line, 1);
	assert_string_equal(line->taken, "abc|");
	assert_string_equal(line->rejected, "checksum|");
	assert_string_equal(line->bytes, "ab");
	device_says(line, "123456789012345678901234567890123456789012345678901234567890\x03");
	turns_until_rejected(line, "checksum|too-large|");
	assert_string_equal(line->bytes, "12345678901234567890123456");
	device_says(line, "de\x01\x03");
	turns_until_payloads(line, 2);
	assert_string_equal(line->taken, "abc|de|");
}

static void bad_stuffing_is_a_bad_frame(void **state)
{
	struct line *line = *state;

	line->conf.framer = FG_FRAMER_COBS + SERIAL_GIVEN;
	line_open(line);
	device_writes(line, "\x09\x31\x00\x02\x31\x00", 6);
	turns_until_payloads(line, 1);
	assert_string_equal(line->taken, "1|");
	assert_string_equal(line->rejected, "frame|");
}

static void the_profile_brings_the_framer(void **state)
{
	struct line *line = *state;

	line->has_profile = true;
	line->profile = (struct fg_framer_conf){
		.kind = FG_FRAMER_DELIMITER,
		.delimiter = FG_STR(";"),
	};
	line_open(line);
	device_says(line, "a;b\nc;");
	turns_until_payloads(line, 2);
	assert_string_equal(line->taken, "a|b\nc|");
}

static void silence_ends_a_frame(void **state)
{
	struct line *line = *state;

	line->conf.framer = FG_FRAMER_IDLE + SERIAL_GIVEN;
	line->conf.framer_options.idle_ns = 5000000;
	line_open(line);
	device_says(line, "first");
	turns_until_payloads(line, 1);
	device_says(line, "second");
	turns_until_payloads(line, 2);
	assert_string_equal(line->taken, "first|second|");
}

/* The room ends in the middle of a read: what was read stays, in order, and is not read past. */
static void a_pause_loses_nothing(void **state)
{
	struct line *line = *state;
	char text[64], wanted[64 * 200] = "";
	size_t at = 0;

	line->room = 7;
	line_open(line);
	for (int i = 0; i < 100; i++) {
		int len = snprintf(text, sizeof(text), "reading %d\n", i);

		device_writes(line, text, (size_t)len);
		at += (size_t)snprintf(wanted + at, sizeof(wanted) - at, "reading %d|", i);
	}
	turns_until_payloads(line, 7);
	/* nothing is taken while it is paused */
	for (int i = 0; i < 20; i++)
		fg_loop_turn(line->source.loop, false);
	assert_int_equal(line->payloads, 7);

	line->room = 5;
	fg_driver_serial.ops.resume(&line->source);
	assert_int_equal(line->payloads, 12);
	line->room = -1;
	fg_driver_serial.ops.resume(&line->source);
	turns_until_payloads(line, 100);
	assert_string_equal(line->taken, wanted);
	assert_string_equal(line->rejected, "");
}

/* Room that comes back between two frames lets none overtake another. */
static void the_order_stays(void **state)
{
	struct line *line = *state;

	line->refuse_once = true;
	line_open(line);
	device_says(line, "1\n2\n3\n");
	turns_until_payloads(line, 1);
	fg_driver_serial.ops.pause(&line->source);
	fg_driver_serial.ops.resume(&line->source);
	device_says(line, "4\n");
	turns_until_payloads(line, 4);
	assert_string_equal(line->taken, "1|2|3|4|");
}

/* The device feels it: its writes stop when the kernel's buffers are full. */
static void a_pause_fills_the_line(void **state)
{
	struct line *line = *state;
	struct fg_loop_stats before, after;
	char block[1024];
	size_t written = 0;
	ssize_t n;

	line_open(line);
	fg_driver_serial.ops.pause(&line->source);
	assert_int_equal(fcntl(line->master, F_SETFL, O_NONBLOCK), 0);
	memset(block, 'x', sizeof(block) - 1);
	block[sizeof(block) - 1] = '\n';
	for (;;) {
		n = write(line->master, block, sizeof(block));
		if (n < 0)
			break;
		written += (size_t)n;
		fg_loop_turn(line->source.loop, false);
		assert_true(written < sizeof(line->taken) / 2);
		if ((size_t)n < sizeof(block))
			break;
	}
	/* and the bytes that wait wake nobody */
	fg_loop_stats(line->source.loop, &before);
	for (int i = 0; i < 20; i++)
		fg_loop_turn(line->source.loop, false);
	fg_loop_stats(line->source.loop, &after);
	assert_int_equal(after.callbacks[FG_PHASE_POLL], before.callbacks[FG_PHASE_POLL]);
	assert_int_equal(line->payloads, 0);
	fg_driver_serial.ops.resume(&line->source);
	turns_until_payloads(line, (unsigned)(written / sizeof(block)));
}

static void what_waits_at_the_end_is_counted(void **state)
{
	struct line *line = *state;

	line->room = 0;
	line_open(line);
	device_says(line, "a\nb\n");
	while (!line->refused && !line->late)
		fg_loop_turn(line->source.loop, true);
	fg_driver_serial.ops.close(&line->source);
	turns_until(line, &line->closed);
	assert_string_equal(line->rejected, "overrun|overrun|");
}

static void a_vanished_port_is_a_fault(void **state)
{
	struct line *line = *state;

	line_open(line);
	device_says(line, "whole\ncut o");
	turns_until_payloads(line, 1);
	close(line->master);
	line->master = -1;
	while (!line->fault && !line->late)
		fg_loop_turn(line->source.loop, true);
	assert_int_equal(line->fault, -EIO);
	/* a frame without its end is none */
	fg_driver_serial.ops.close(&line->source);
	turns_until(line, &line->closed);
	assert_string_equal(line->taken, "whole|");

	/* the supervisor opens again, by the same path */
	line->closed = line->up = false;
	line->fault = 0;
	memset(line->source.state, 0, fg_driver_serial.state_size);
	master_open(line);
	line_open(line);
	device_says(line, "back\n");
	turns_until_payloads(line, 2);
	assert_string_equal(line->taken, "whole|back|");
}

static void a_vanished_port_is_a_fault_while_paused(void **state)
{
	struct line *line = *state;

	line_open(line);
	fg_driver_serial.ops.pause(&line->source);
	close(line->master);
	line->master = -1;
	while (!line->fault && !line->late)
		fg_loop_turn(line->source.loop, true);
	assert_int_equal(line->fault, -EIO);
}

static void what_cannot_be_opened(void **state)
{
	struct line *line = *state;
	char folder[] = "/tmp/fieldgate-serial-XXXXXX", file[64];
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/port", folder);
	line->conf.port = file;
	assert_int_equal(fg_driver_serial.ops.open(&line->source), -ENOENT);
	assert_false(line->up);
	fg_driver_serial.ops.close(&line->source);
	turns_until(line, &line->closed);

	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	line->closed = false;
	memset(line->source.state, 0, fg_driver_serial.state_size);
	assert_int_equal(fg_driver_serial.ops.open(&line->source), -ENOTTY);
	fg_driver_serial.ops.close(&line->source);
	turns_until(line, &line->closed);
	unlink(file);
	rmdir(folder);
}

static void a_port_has_one_reader(void **state)
{
	struct line *line = *state;
	int fd = open(line->path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(fg_driver_serial.ops.open(&line->source), -EBUSY);
	close(fd);
}

/* A pseudo-terminal has no parity; that is said, and no reason not to read it. */
static void a_pty_leaves_out_the_mode(void **state)
{
	struct line *line = *state;

	line->conf.mode = "7E1";
	line->conf.baud = B4000000;
	line->conf.flow = FG_TTY_FLOW_XONXOFF;
	line_open(line);
	device_says(line, "still\n");
	turns_until_payloads(line, 1);
	assert_string_equal(line->taken, "still|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_become_payloads, setup, teardown),
		cmocka_unit_test_setup_teardown(every_byte_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(commands_are_framed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_given_up_is_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_kernel_holds_is_taken_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bytes_before_open_count, setup, teardown),
		cmocka_unit_test_setup_teardown(no_terminal_of_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums_and_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_stuffing_is_a_bad_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(the_profile_brings_the_framer, setup, teardown),
		cmocka_unit_test_setup_teardown(silence_ends_a_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pause_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_order_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pause_fills_the_line, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vanished_port_is_a_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vanished_port_is_a_fault_while_paused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_has_one_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pty_leaves_out_the_mode, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: the serial driver is not built in");
	return 0;
}

#endif

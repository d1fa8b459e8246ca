/*
 * UDP: every datagram is a payload, and its first line says whose:
 *
 *	kitchen/lamp
 *	{"watts": 7.5}
 *
 * "ok" goes back when the payload has been kept, "no" when it was rejected. Whoever hears neither
 * sends again.
 */
#include <fg/driver.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WAITING_MAX = 64,	/* senders that wait for an answer */
	READS_PER_TURN = 32,	/* then the other sources have their turn */
};

struct udp_conf {
	const char *address;
	int64_t port;
};

struct waiting {
	struct sockaddr_in from;
	uint64_t pos;
};

struct udp {
	struct fg_source *source;
	struct fg_io io;
	int fd;
	bool paused;
	struct waiting waiting[WAITING_MAX];	/* a ring, in the order of their positions */
	uint32_t first, count;
	char datagram[65536];
};

/* -- options -- */

static int address_check(const char *text, char *why, size_t cap)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) == 1)
		return 0;
	snprintf(why, cap, "expected an IPv4 address such as 127.0.0.1");
	return -EINVAL;
}

static const struct fg_option udp_options[] = {
	{ .name = "address", .type = FG_OPT_STRING, .offset = offsetof(struct udp_conf, address),
	  .def = "127.0.0.1", .check = address_check, .help = "Address to listen on." },
	{ .name = "port", .type = FG_OPT_INT, .offset = offsetof(struct udp_conf, port),
	  .flags = FG_OPT_REQUIRED, .min = 1, .max = 65535, .help = "Port to listen on." },
	{ 0 },
};

/* -- answers -- */

/* An answer that is lost, or finds the socket's buffer full, makes the sender ask again. */
static void answer(struct udp *udp, const struct sockaddr_in *to, const char *text)
{
	(void)sendto(udp->fd, text, strlen(text), MSG_DONTWAIT, (const struct sockaddr *)to,
		     sizeof(*to));
}

/* Reads only what it could answer: the rest stays in the kernel's buffer, and beyond that with the
 * senders. */
static void reading_update(struct udp *udp)
{
	bool read = !udp->paused && udp->count < WAITING_MAX;
	int r;

	if (udp->fd < 0)
		return;
	r = fg_io_sync(&udp->io, udp->fd, read ? FG_READ : 0, false);
	if (r < 0)
		fg_source_fault(udp->source, r, "cannot wait for the socket");
}

static void udp_kept(struct fg_source *source, uint64_t upto)
{
	struct udp *udp = source->state;

	while (udp->count && udp->waiting[udp->first].pos <= upto) {
		answer(udp, &udp->waiting[udp->first].from, "ok\n");
		udp->first = (udp->first + 1) % WAITING_MAX;
		udp->count--;
	}
	reading_update(udp);
}

/* -- datagrams -- */

static void payload_take(struct udp *udp, const struct fg_input *input,
			 const struct sockaddr_in *from)
{
	uint64_t pos;
	int r = fg_source_submit(udp->source, input, &pos);

	if (r == -EAGAIN)	/* not taken: silence, and it comes again */
		return;
	if (r == -EBADMSG) {	/* counted and logged already; it must not come again */
		answer(udp, from, "no\n");
	} else if (pos == 0) {	/* good, but it held no value: there is nothing to keep */
		answer(udp, from, "ok\n");
	} else {
		uint32_t last = (udp->first + udp->count++) % WAITING_MAX;

		udp->waiting[last] = (struct waiting){ .from = *from, .pos = pos };
	}
}

static void datagram_take(struct udp *udp, struct fg_str bytes, const struct sockaddr_in *from)
{
	const char *end = memchr(bytes.ptr, '\n', bytes.len);
	struct fg_input input = { .content_format = -1 };

	if (!end) {
		fg_source_reject(udp->source, "frame", bytes);
		answer(udp, from, "no\n");
		return;
	}
	input.address = fg_str(bytes.ptr, (size_t)(end - bytes.ptr));
	input.payload = fg_str(end + 1, bytes.len - input.address.len - 1);
	payload_take(udp, &input, from);
}

static void socket_ready(struct fg_io *io, unsigned events)
{
	struct udp *udp = (struct udp *)((char *)io - offsetof(struct udp, io));

	(void)events;
	for (int i = 0; i < READS_PER_TURN && !udp->paused && udp->count < WAITING_MAX; i++) {
		struct sockaddr_in from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(udp->fd, udp->datagram, sizeof(udp->datagram), 0,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			fg_source_fault(udp->source, -errno, "cannot receive");
		if (n < 0)
			break;
		datagram_take(udp, fg_str(udp->datagram, (size_t)n), &from);
	}
	reading_update(udp);
}

/* -- the driver -- */

static void udp_pause(struct fg_source *source)
{
	struct udp *udp = source->state;

	udp->paused = true;
	reading_update(udp);
}

static void udp_resume(struct fg_source *source)
{
	struct udp *udp = source->state;

	udp->paused = false;
	reading_update(udp);
}

static int udp_open(struct fg_source *source)
{
	const struct udp_conf *conf = source->conf;
	struct udp *udp = source->state;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)conf->port) };
	int r;

	udp->source = source;
	fg_io_init(source->loop, &udp->io, socket_ready);
	udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (udp->fd < 0)
		return -errno;
	inet_pton(AF_INET, conf->address, &at.sin_addr);
	if (bind(udp->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	r = fg_io_sync(&udp->io, udp->fd, FG_READ, true);
	if (r == 0)
		fg_source_up(source);
	return r;
}

static void udp_closed(struct fg_handle *handle)
{
	struct udp *udp = (struct udp *)((char *)handle - offsetof(struct udp, io.handle));

	if (udp->fd >= 0)
		close(udp->fd);
	fg_source_closed(udp->source);
}

/* Also after an open that failed. Whoever still waits is not answered: nothing says it was kept. */
static void udp_close(struct fg_source *source)
{
	struct udp *udp = source->state;

	fg_handle_close(&udp->io.handle, udp_closed);
}

const struct fg_driver fg_driver_udp = {
	.name = "udp",
	.summary = "Datagrams whose first line is the address.",
	.address = FG_ADDRESS_PATH,
	.conf_size = sizeof(struct udp_conf),
	.state_size = sizeof(struct udp),
	.options = udp_options,
	.ops = {
		.open = udp_open,
		.close = udp_close,
		.pause = udp_pause,
		.resume = udp_resume,
		.kept = udp_kept,
	},
};

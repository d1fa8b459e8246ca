/*
 * Simulated CoAP devices (RFC 7252): each posts its readings, confirmable, one at a time, and sends
 * a reading again until the gateway has answered it. A token is the device and its reading, so a
 * late answer to an earlier reading says nothing of the next.
 */
#include "cli/simulate_coap.h"

#include "cli/simulate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS 64		/* peers that the gateway sees; the devices share them */
#define ACK_TIMEOUT_NS FG_S(2)	/* RFC 7252 section 4.8 */
#define MAX_RETRANSMIT 4
#define SEPARATE_NS FG_S(30)	/* how long an announced separate response may take */
#define ERROR_RETRY_S 2		/* after a reset or a server's error without Max-Age */
#define READS_PER_EVENT 64

enum state {
	IDLE,
	SENT,
	ANNOUNCED,	/* by an empty ACK: the answer comes later */
	HELD,		/* to be tried again later */
};

struct device {
	struct coap *coap;
	struct fg_timer timer;
	uint32_t number;
	uint8_t state;		/* enum state */
	uint8_t retransmits;
	uint16_t mid;
	uint64_t seq;
	uint64_t timeout_ns;
};

struct peer {
	struct fg_io io;
	struct coap *coap;
	uint32_t number;
	int fd;
	uint16_t mid;
};

struct coap {
	struct sim_stream stream;
	struct sim_lookup lookup;
	bool looking_up, closing;
	struct device *devices;
	uint32_t *idle;		/* a ring of devices that wait for something to send */
	uint32_t idle_at, idle_count;
	struct peer peers[SOCKETS];
	uint32_t npeers, closes;
	unsigned random;
};

static struct peer *peer_of(const struct device *device)
{
	return &device->coap->peers[device->number % device->coap->npeers];
}

/* Between 1 and 1.5 times the time, so that devices do not repeat in step (section 4.2). */
static uint64_t jittered(struct coap *coap, uint64_t ns)
{
	coap->random = coap->random * 1103515245u + 12345u;
	return ns + ns / 2 * (coap->random >> 16) / 65536;
}

static uint64_t device_token(const struct device *device)
{
	return (uint64_t)device->number << 32 | (uint32_t)device->seq;
}

static void device_transmit(struct device *device)
{
	uint8_t out[SIM_COAP_MAX];
	char payload[SIM_READING_MAX], path[SIM_DEVICE_MAX];
	size_t path_len = sim_device(device->number, path);
	size_t len = sim_reading(device->number, device->seq, payload);

	len = sim_coap_post(device->mid, device_token(device), fg_str(path, path_len),
			    fg_str(payload, len), out);
	/* what fails here is repeated by the timer, as if it had been lost on the way */
	(void)!send(peer_of(device)->fd, out, len, MSG_NOSIGNAL);
	fg_timer_start(&device->timer, device->timeout_ns);
}

/* A new exchange for the device's reading: a new message id, the counters from the beginning. */
static void exchange_begin(struct device *device)
{
	device->mid = peer_of(device)->mid++;
	device->state = SENT;
	device->retransmits = 0;
	device->timeout_ns = jittered(device->coap, ACK_TIMEOUT_NS);
	device_transmit(device);
}

static void device_due(struct fg_timer *timer)
{
	struct device *device = (struct device *)((char *)timer - offsetof(struct device, timer));

	device->coap->stream.repeated++;
	if (device->state == SENT && device->retransmits < MAX_RETRANSMIT) {
		device->retransmits++;
		device->timeout_ns *= 2;
		device_transmit(device);
		return;
	}
	exchange_begin(device);
}

static void device_settle(struct device *device, bool acknowledged)
{
	struct coap *coap = device->coap;

	fg_timer_stop(&device->timer);
	device->state = IDLE;
	coap->idle[(coap->idle_at + coap->idle_count++) % coap->stream.devices] = device->number;
	sim_stream_settle(&coap->stream, acknowledged);
	sim_stream_ready(&coap->stream);
}

static void device_hold(struct device *device, uint32_t seconds)
{
	device->state = HELD;
	if (seconds < 1 || seconds > 60)
		seconds = seconds < 1 ? 1 : 60;
	fg_timer_start(&device->timer, jittered(device->coap, FG_S(seconds)));
}

/* -- answers -- */

/* An empty message names its exchange by the message id alone. */
static void empty_take(struct peer *peer, const struct sim_coap_answer *answer)
{
	struct coap *coap = peer->coap;

	for (uint32_t n = peer->number; n < coap->stream.devices; n += coap->npeers) {
		struct device *device = &coap->devices[n];

		if (device->state != SENT || device->mid != answer->mid)
			continue;
		if (answer->type == SIM_COAP_RST) {
			device_hold(device, ERROR_RETRY_S);
		} else {
			device->state = ANNOUNCED;
			fg_timer_start(&device->timer, SEPARATE_NS);
		}
		return;
	}
}

static void response_take(struct device *device, const struct sim_coap_answer *answer)
{
	if (device->state == IDLE || answer->token != device_token(device))
		return;
	if (answer->code >> 5 == 2)
		device_settle(device, true);
	else if (answer->code >> 5 == 5)
		device_hold(device, answer->has_max_age ? answer->max_age : ERROR_RETRY_S);
	else
		device_settle(device, false);
}

static void datagram_take(struct peer *peer, const uint8_t *bytes, size_t len)
{
	struct coap *coap = peer->coap;
	struct sim_coap_answer answer;
	uint8_t ack[4];

	if (sim_coap_read(bytes, len, &answer) < 0)
		return;
	if (answer.type == SIM_COAP_CON) {
		sim_coap_empty_ack(answer.mid, ack);
		(void)!send(peer->fd, ack, sizeof(ack), MSG_NOSIGNAL);
	}
	if (answer.code == 0)
		empty_take(peer, &answer);
	else if (answer.token >> 32 < coap->stream.devices)
		response_take(&coap->devices[answer.token >> 32], &answer);
}

static void peer_ready(struct fg_io *io, unsigned events)
{
	struct peer *peer = (struct peer *)((char *)io - offsetof(struct peer, io));
	uint8_t bytes[1500];

	(void)events;
	for (int i = 0; i < READS_PER_EVENT; i++) {
		ssize_t n = recv(peer->fd, bytes, sizeof(bytes), 0);

		/* a refusal (nobody listens yet) is one lost datagram more; reading it clears it */
		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return;
		datagram_take(peer, bytes, (size_t)n);
	}
}

/* -- the stream -- */

static int peer_open(struct coap *coap, struct peer *peer)
{
	const struct sim_lookup *lookup = &coap->lookup;

	peer->fd = socket(lookup->addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0 ||
	    connect(peer->fd, (const struct sockaddr *)&lookup->addr, lookup->addr_len) < 0)
		return -errno;
	return fg_io_sync(&peer->io, peer->fd, FG_READ, true);
}

static void part_closed(struct coap *coap)
{
	if (--coap->closes > 0)
		return;
	free(coap->devices);
	free(coap->idle);
	sim_stream_closed(&coap->stream);
}

static void looked_up(struct sim_lookup *lookup)
{
	struct coap *coap = (struct coap *)((char *)lookup - offsetof(struct coap, lookup));

	coap->looking_up = false;
	if (coap->closing) {
		part_closed(coap);
		return;
	}
	if (lookup->error) {
		sim_fail(coap->stream.sim, &coap->stream, "no such host", 0);
		return;
	}
	for (uint32_t i = 0; i < coap->npeers; i++) {
		int err = peer_open(coap, &coap->peers[i]);

		if (err < 0) {
			sim_fail(coap->stream.sim, &coap->stream, "cannot open a socket", err);
			return;
		}
	}
	sim_stream_ready(&coap->stream);
}

static int coap_open(struct sim_stream *stream)
{
	struct coap *coap = (struct coap *)stream;
	int err = sim_url_parse(stream->url, "5683", &coap->lookup.url);

	if (err < 0)
		return err;
	coap->lookup.socktype = SOCK_DGRAM;
	coap->lookup.done = looked_up;
	err = sim_lookup_start(stream->loop, &coap->lookup);
	coap->looking_up = err == 0;
	return err;
}

static int coap_send(struct sim_stream *stream)
{
	struct coap *coap = (struct coap *)stream;
	struct device *device;

	if (!coap->idle_count)
		return -EAGAIN;
	device = &coap->devices[coap->idle[coap->idle_at]];
	coap->idle_at = (coap->idle_at + 1) % stream->devices;
	coap->idle_count--;
	device->seq++;
	exchange_begin(device);
	return 0;
}

static void coap_flush(struct sim_stream *stream)
{
	(void)stream;
}

static void handle_closed(struct fg_handle *handle)
{
	struct peer *peer = (struct peer *)((char *)handle - offsetof(struct peer, io.handle));

	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
	part_closed(peer->coap);
}

static void coap_close(struct sim_stream *stream)
{
	struct coap *coap = (struct coap *)stream;

	coap->closing = true;
	coap->closes = coap->npeers + coap->looking_up;
	for (uint32_t n = 0; n < stream->devices; n++)
		fg_handle_close(&coap->devices[n].timer.handle, NULL);
	for (uint32_t i = 0; i < coap->npeers; i++)
		fg_handle_close(&coap->peers[i].io.handle, handle_closed);
}

static const struct sim_stream_ops coap_ops = {
	.name = "coap",
	.acknowledges = true,
	.open = coap_open,
	.send = coap_send,
	.flush = coap_flush,
	.close = coap_close,
};

static void parts_init(struct fg_loop *loop, struct coap *coap)
{
	for (uint32_t n = 0; n < coap->stream.devices; n++) {
		coap->devices[n].coap = coap;
		coap->devices[n].number = n;
		fg_timer_init(loop, &coap->devices[n].timer, device_due);
		coap->idle[n] = n;
	}
	coap->idle_count = coap->stream.devices;
	for (uint32_t i = 0; i < coap->npeers; i++) {
		coap->peers[i].coap = coap;
		coap->peers[i].number = i;
		coap->peers[i].fd = -1;
		coap->peers[i].mid = (uint16_t)((unsigned)getpid() * 7919u + i * 1021u);
		fg_io_init(loop, &coap->peers[i].io, peer_ready);
	}
}

struct sim_stream *sim_coap_new(struct fg_loop *loop, uint32_t devices)
{
	struct coap *coap = calloc(1, sizeof(*coap));

	if (!coap)
		return NULL;
	coap->stream.ops = &coap_ops;
	coap->stream.devices = devices;
	coap->npeers = devices < SOCKETS ? devices : SOCKETS;
	coap->random = (unsigned)getpid();
	coap->devices = calloc(devices, sizeof(*coap->devices));
	coap->idle = calloc(devices, sizeof(*coap->idle));
	if (!coap->devices || !coap->idle) {
		free(coap->devices);
		free(coap->idle);
		free(coap);
		return NULL;
	}
	parts_init(loop, coap);
	return &coap->stream;
}

/*
 * What the tests of MQTT share: a broker that writes its packets by hand, on a loop with a virtual
 * clock. Over loopback bytes are in the other socket when send() returns, so turns of the loop
 * decide what happens, and time passes only when nothing else can.
 */
#pragma once

#include "test_loop_sim.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define TURNS_MAX 2000	/* far more than anything here takes; a loop that spins has them all */

struct peer {
	int listener, fd;
	uint16_t port;
	char url[64];
};

struct packet {
	uint8_t type;			/* with its flags */
	uint8_t body[4096];
	size_t len;
};

static inline void peer_listen(struct peer *peer)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);

	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	peer->fd = -1;
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(peer->listener, 4), 0);
	getsockname(peer->listener, (struct sockaddr *)&address, &len);
	peer->port = ntohs(address.sin_port);
	snprintf(peer->url, sizeof(peer->url), "mqtt://127.0.0.1:%u", peer->port);
}

static inline void peer_hang_up(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

static inline void peer_close(struct peer *peer)
{
	peer_hang_up(peer);
	if (peer->listener >= 0)
		close(peer->listener);
	peer->listener = -1;
}

/* Bytes that are there, at most cap; 0: none, -1: the end. */
static inline int peer_look(struct peer *peer, void *out, size_t cap)
{
	ssize_t n = recv(peer->fd, out, cap, MSG_DONTWAIT | MSG_PEEK);

	if (n > 0)
		return (int)n;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

static inline void peer_take(struct peer *peer, void *out, size_t len)
{
	struct pollfd pfd = { .fd = peer->fd, .events = POLLIN };
	size_t have = 0;

	while (have < len) {
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, 5000), 1);
		n = recv(peer->fd, (uint8_t *)out + have, len - have, 0);
		assert_true(n > 0);
		have += (size_t)n;
	}
}

static inline void peer_read(struct peer *peer, struct packet *packet)
{
	unsigned shift = 0;
	uint8_t byte;

	peer_take(peer, &packet->type, 1);
	packet->len = 0;
	do {
		peer_take(peer, &byte, 1);
		packet->len |= (size_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	assert_true(packet->len <= sizeof(packet->body));
	peer_take(peer, packet->body, packet->len);
}

static inline void peer_expect(struct peer *peer, uint8_t type, struct packet *packet)
{
	peer_read(peer, packet);
	assert_int_equal(packet->type & 0xf0, type);
}

static inline void peer_send(struct peer *peer, const void *bytes, size_t len)
{
	assert_int_equal(send(peer->fd, bytes, len, 0), len);
}

#define PEER_SEND(peer, ...)                                                                       \
	peer_send(peer, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* PUBLISH of MQTT 5 without properties. */
static inline void peer_publish(struct peer *peer, const char *topic, const char *payload,
				unsigned qos, bool retain, uint16_t mid)
{
	uint8_t out[512];
	size_t topic_len = strlen(topic), len = strlen(payload), at = 0;
	size_t rest = 2 + topic_len + (qos ? 2 : 0) + 1 + len;

	assert_true(rest < 128);
	out[at++] = (uint8_t)(0x30 | qos << 1 | retain);
	out[at++] = (uint8_t)rest;
	out[at++] = 0;
	out[at++] = (uint8_t)topic_len;
	memcpy(out + at, topic, topic_len);
	at += topic_len;
	if (qos) {
		out[at++] = (uint8_t)(mid >> 8);
		out[at++] = (uint8_t)mid;
	}
	out[at++] = 0;
	memcpy(out + at, payload, len);
	peer_send(peer, out, at + len);
}

/* Turns until `done`; how many it took. */
static inline unsigned turns_until(struct fg_loop *loop, bool (*done)(void *arg), void *arg)
{
	for (unsigned n = 0; n < TURNS_MAX; n++) {
		if (done(arg))
			return n;
		/* no time passes here; the kernel of a busy machine needs some to deliver */
		if (n >= TURNS_MAX / 2)
			poll(NULL, 0, 1);
		fg_loop_turn(loop, true);
	}
	fail_msg("%s", "nothing came of it");
	return TURNS_MAX;
}

/* Turns that do not sleep: what is there is dealt with, no time passes. */
static inline void turns(struct fg_loop *loop, unsigned n)
{
	while (n--)
		fg_loop_turn(loop, false);
}

static inline bool peer_knocked(void *arg)
{
	struct peer *peer = arg;
	int on = 1;

	peer->fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer->fd >= 0)
		setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return peer->fd >= 0;
}

static inline void peer_accept(struct peer *peer, struct fg_loop *loop)
{
	struct pollfd pfd = { .events = POLLIN };

	peer_hang_up(peer);
	turns_until(loop, peer_knocked, peer);
	/* the worker that connected has to say so first: a busy machine needs time for that */
	pfd.fd = peer->fd;
	for (int i = 0; i < 5000 && poll(&pfd, 1, 0) == 0; i++) {
		turns(loop, 1);
		sched_yield();
	}
	turns(loop, 3);
}

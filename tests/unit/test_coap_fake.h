/*
 * The CoAP driver with a pretended intake, a real loop, and a client that writes its datagrams by
 * hand. Over loopback a datagram is in the other socket when send() returns, so that turns of the
 * loop decide what happens, never time.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../drivers/coap/server.h"
#include "../../drivers/coap/listen.h"
#include "base/buf.h"
#include "test_command_fake.h"

extern const struct fg_driver fg_driver_coap;

/* The other side of a source, which is its first member. */
struct fake {
	struct fg_source source;
	int result;			/* of submit */
	bool hold;			/* kept() is not called */
	uint64_t pos;
	unsigned submitted, rejected, up, closed, lasts;
	char address[2048], payload[1 << 17];
	char reason[32];
	size_t payload_len;
	int content_format;
	const char *last;		/* what GET finds; NULL: nothing */
	unsigned devices;
	const char *device;		/* the only one there is, if not NULL */
	uint64_t peer;			/* of the last input */
	struct fg_watch *watches;
};

static inline struct fake *fake_of(struct fg_source *source)
{
	return (struct fake *)source;
}

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct fake *in = fake_of(source);

	in->submitted++;
	assert_true(input->address.len < sizeof(in->address));
	assert_true(input->payload.len < sizeof(in->payload));
	snprintf(in->address, sizeof(in->address), "%.*s", (int)input->address.len,
		 input->address.ptr);
	if (input->payload.len)
		memcpy(in->payload, input->payload.ptr, input->payload.len);
	in->payload_len = input->payload.len;
	in->content_format = input->content_format;
	in->peer = input->peer;
	if (in->result == 0)
		*ret_pos = ++in->pos;
	return in->result;
}

bool fg_source_waits_for_commit(const struct fg_source *source)
{
	(void)source;
	return true;
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	(void)bytes;
	fake_of(source)->rejected++;
	snprintf(fake_of(source)->reason, sizeof(fake_of(source)->reason), "%s", reason);
}

void fg_source_up(struct fg_source *source)
{
	fake_of(source)->up++;
}

void fg_source_fault(struct fg_source *source, int error, const char *what)
{
	(void)source;
	fail_msg("fault: %d %s", error, what);
}

void fg_source_closed(struct fg_source *source)
{
	fake_of(source)->closed++;
}

int fg_source_last(struct fg_source *source, struct fg_str path, struct fg_buf *out)
{
	struct fake *in = fake_of(source);

	in->lasts++;
	if (!in->last || !fg_str_eq_c(path, "dev/a"))
		return -ENOENT;
	fg_buf_text(out, in->last);
	return 0;
}

void fg_source_devices(struct fg_source *source, bool (*each)(void *arg, struct fg_str device),
		       void *arg)
{
	char id[16];

	if (fake_of(source)->device)
		each(arg, fg_str_c(fake_of(source)->device));
	for (unsigned i = 0; i < fake_of(source)->devices; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		if (!each(arg, fg_str_c(id)))
			return;
	}
}

void fg_source_watch(struct fg_source *source, struct fg_watch *watch)
{
	watch->next = fake_of(source)->watches;
	fake_of(source)->watches = watch;
}

void fg_source_unwatch(struct fg_source *source, struct fg_watch *watch)
{
	struct fg_watch **at = &fake_of(source)->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
}

struct bed {
	struct fg_loop *loop;
	struct fg_coap_conf conf;
	struct fg_coap_server *server;	/* the driver's state */
	struct fake in;
	struct fg_hook check;
	struct sockaddr_in address;
	char listen[64];
	int fd;
	uint8_t reply[2048];
	size_t reply_len;
};

static inline void bed_keep(struct bed *bed)
{
	fg_driver_coap.ops.kept(&bed->in.source, bed->in.pos);
}

static inline void bed_check(struct fg_hook *hook)
{
	struct bed *bed = (void *)((char *)hook - offsetof(struct bed, check));

	if (!bed->in.hold)
		bed_keep(bed);
}

static inline int client_socket(const struct bed *bed)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&bed->address, sizeof(bed->address)),
			 0);
	return fd;
}

/* A port that nobody has now. */
static inline in_port_t free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return in.sin_port;
}

static inline int bed_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	command_fake = (struct command_fake){ 0 };
	bed->loop = fg_loop_new();
	bed->address = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = free_port(),
					     .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	snprintf(bed->listen, sizeof(bed->listen), "coap://127.0.0.1:%u",
		 ntohs(bed->address.sin_port));
	bed->conf = (struct fg_coap_conf){
		.listen = bed->listen, .body = 8192, .clients = 4, .observers = 3
	};
	bed->server = calloc(1, fg_driver_coap.state_size);
	bed->in.source = (struct fg_source){
		.name = "things",
		.driver = &fg_driver_coap,
		.conf = &bed->conf,
		.state = bed->server,
		.loop = bed->loop,
		.gateway = "gw",
	};
	fg_hook_init(bed->loop, &bed->check, FG_PHASE_CHECK, bed_check);
	fg_hook_start(&bed->check);
	assert_int_equal(fg_driver_coap.ops.open(&bed->in.source), 0);
	assert_int_equal(bed->in.up, 1);
	bed->fd = client_socket(bed);
	*state = bed;
	return 0;
}

static inline void bed_close(struct bed *bed)
{
	fg_driver_coap.ops.close(&bed->in.source);
	for (int i = 0; i < 8 && !bed->in.closed; i++)
		fg_loop_turn(bed->loop, false);
}

static inline int bed_teardown(void **state)
{
	struct bed *bed = *state;

	if (!bed->in.closed)
		bed_close(bed);
	assert_int_equal(bed->in.closed, 1);
	fg_handle_close(&bed->check.handle, NULL);
	fg_loop_turn(bed->loop, false);
	close(bed->fd);
	fg_loop_free(bed->loop);
	free(bed->server);
	free(bed);
	return 0;
}

static inline void bed_turns(struct bed *bed, int count)
{
	for (int i = 0; i < count; i++)
		fg_loop_turn(bed->loop, false);
}

/* -- datagrams -- */

enum { CON, NON, ACK, RST };
enum { GET = 1, POST = 2, PUT = 3, DELETE = 4, FETCH = 5 };
#define CODE(c) ((uint8_t)((c) / 100 * 32 + (c) % 100))

struct msg {
	uint8_t type, code;
	uint16_t mid;
	const char *token;
	unsigned condition;		/* If-Match (1) or If-None-Match (5); 0: none */
	const char *path;		/* segments between '/' */
	int format, accept;		/* plus one; 0: none */
	uint32_t block1, block2;	/* plus one; 0: none */
	uint32_t size1;
	uint32_t no_response;
	uint32_t observe;		/* plus one; 0: none */
	const void *payload;
	size_t len;			/* 0: strlen */
};

struct packet {
	uint8_t data[4096];
	size_t len;
	unsigned option;
};

static inline void packet_option(struct packet *p, unsigned number, const void *value, size_t len)
{
	unsigned parts[2] = { number - p->option, (unsigned)len };
	size_t head = p->len++;
	uint8_t nibbles[2];

	for (int i = 0; i < 2; i++) {
		nibbles[i] = parts[i] < 13 ? (uint8_t)parts[i] : parts[i] < 269 ? 13 : 14;
		if (nibbles[i] == 14)
			p->data[p->len++] = (uint8_t)((parts[i] - 269) >> 8);
		if (nibbles[i] >= 13)
			p->data[p->len++] =
				(uint8_t)(nibbles[i] == 13 ? parts[i] - 13 : parts[i] - 269);
	}
	p->data[head] = (uint8_t)(nibbles[0] << 4 | nibbles[1]);
	memcpy(p->data + p->len, value, len);
	p->len += len;
	p->option = number;
}

static inline void packet_number(struct packet *p, unsigned number, uint32_t value)
{
	uint8_t bytes[4];
	size_t len = 0;

	for (int shift = 24; shift >= 0; shift -= 8)
		if (len || (value >> shift) & 0xff)
			bytes[len++] = (uint8_t)(value >> shift);
	packet_option(p, number, bytes, len);
}

static inline void packet_path(struct packet *p, const char *path)
{
	while (path) {
		const char *slash = strchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : strlen(path);

		packet_option(p, 11, path, len);
		path = slash ? slash + 1 : NULL;
	}
}

static inline void packet_make(struct packet *p, const struct msg *m)
{
	size_t token = m->token ? strlen(m->token) : 0;
	size_t len = m->len || !m->payload ? m->len : strlen(m->payload);

	*p = (struct packet){ .len = 4 };
	p->data[0] = (uint8_t)(0x40 | m->type << 4 | (uint8_t)token);
	p->data[1] = m->code;
	p->data[2] = (uint8_t)(m->mid >> 8);
	p->data[3] = (uint8_t)m->mid;
	if (token)
		memcpy(p->data + 4, m->token, token);
	p->len += token;
	if (m->condition)
		packet_option(p, m->condition, "", 0);
	if (m->observe)
		packet_number(p, 6, m->observe - 1);
	packet_path(p, m->path);
	if (m->format)
		packet_number(p, 12, (uint32_t)m->format - 1);
	if (m->accept)
		packet_number(p, 17, (uint32_t)m->accept - 1);
	if (m->block2)
		packet_number(p, 23, m->block2 - 1);
	if (m->block1)
		packet_number(p, 27, m->block1 - 1);
	if (m->size1)
		packet_number(p, 60, m->size1);
	if (m->no_response)
		packet_number(p, 258, m->no_response);
	if (len) {
		p->data[p->len++] = 0xff;
		memcpy(p->data + p->len, m->payload, len);
		p->len += len;
	}
}

static inline void msg_send(struct bed *bed, const struct msg *m)
{
	struct packet p;

	packet_make(&p, m);
	assert_int_equal(send(bed->fd, p.data, p.len, 0), (ssize_t)p.len);
}

/* The next reply, or false. */
static inline bool reply_take(struct bed *bed)
{
	ssize_t n = recv(bed->fd, bed->reply, sizeof(bed->reply), 0);

	bed->reply_len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static inline uint16_t reply_mid(const struct bed *bed)
{
	return (uint16_t)(bed->reply[2] << 8 | bed->reply[3]);
}

static inline void assert_reply(struct bed *bed, uint8_t type, int code, uint16_t mid,
				const char *token)
{
	size_t len = strlen(token);

	assert_true(reply_take(bed));
	assert_int_equal(bed->reply[0] >> 4 & 3, type);
	assert_int_equal(bed->reply[1], CODE(code));
	if (type == ACK || type == RST)
		assert_int_equal(reply_mid(bed), mid);
	assert_int_equal(bed->reply[0] & 15, len);
	assert_memory_equal(bed->reply + 4, token, len);
}

/* Where an option of the reply or its payload (number 0) begins; NULL: not there. */
static inline const uint8_t *reply_find(const struct bed *bed, unsigned number, size_t *ret_len)
{
	size_t at = 4 + (bed->reply[0] & 15u);
	unsigned now = 0;

	while (at < bed->reply_len && bed->reply[at] != 0xff) {
		unsigned parts[2] = { bed->reply[at] >> 4, bed->reply[at] & 15u };

		at++;
		for (int i = 0; i < 2; i++) {
			unsigned nibble = parts[i];

			if (nibble == 14)
				parts[i] = 269 + ((unsigned)bed->reply[at++] << 8);
			if (nibble == 13)
				parts[i] = 13;
			if (nibble >= 13)
				parts[i] += bed->reply[at++];
		}
		now += parts[0];
		*ret_len = parts[1];
		if (now == number && number)
			return bed->reply + at;
		at += parts[1];
	}
	*ret_len = at < bed->reply_len ? bed->reply_len - at - 1 : 0;
	return number || at >= bed->reply_len ? NULL : bed->reply + at + 1;
}

/* An option that is a number; -1: not there. */
static inline long reply_number(const struct bed *bed, unsigned number)
{
	size_t len;
	const uint8_t *p = reply_find(bed, number, &len);
	long value = 0;

	for (size_t i = 0; p && i < len; i++)
		value = value << 8 | p[i];
	return p ? value : -1;
}

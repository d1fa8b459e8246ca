/* The MQTT driver against a pretended intake and a scripted broker. */
#pragma once

#include "test_mqtt_peer.h"
#include "test_command_fake.h"

#include "../../drivers/mqtt/mqtt.h"

extern const struct fg_driver fg_driver_mqtt;

#define PUBACK 0x40
#define SUBSCRIBE 0x80
#define UNSUBSCRIBE 0xa0
#define DISCONNECT 0xe0
#define CONNECT 0x10

struct bed {
	struct fg_source source;	/* first: the driver's functions find the rest by it */
	struct sim *sim;
	struct peer peer;
	struct mqtt_source state;
	struct mqtt_source_conf conf;
	const char *filters[4];
	bool each;
	int result;			/* of submit */
	bool valueless;
	uint64_t pos;
	bool once;
	unsigned submitted, rejected, up, away, faults, closed, drained;
	int error;
	char what[256], address[128], payload[128];
};

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct bed *bed = (struct bed *)source;

	bed->submitted++;
	bed->once = input->once;
	snprintf(bed->address, sizeof(bed->address), "%.*s", (int)input->address.len,
		 input->address.ptr);
	snprintf(bed->payload, sizeof(bed->payload), "%.*s", (int)input->payload.len,
		 input->payload.ptr);
	if (bed->result == 0 && !bed->valueless)
		*ret_pos = ++bed->pos;
	return bed->result;
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	(void)bytes;
	assert_string_equal(reason, "not-kept");
	((struct bed *)source)->rejected++;
}

bool fg_source_waits_for_commit(const struct fg_source *source)
{
	return ((const struct bed *)source)->each;
}

void fg_source_up(struct fg_source *source)
{
	((struct bed *)source)->up++;
}

void fg_source_away(struct fg_source *source)
{
	((struct bed *)source)->away++;
}

void fg_source_fault(struct fg_source *source, int error, const char *what)
{
	struct bed *bed = (struct bed *)source;

	bed->faults++;
	bed->error = error;
	snprintf(bed->what, sizeof(bed->what), "%s", what);
}

void fg_source_closed(struct fg_source *source)
{
	((struct bed *)source)->closed++;
}

void fg_source_remember(struct fg_source *source, uint64_t memo)
{
	source->memo = memo;
}

void fg_source_drained(struct fg_source *source)
{
	((struct bed *)source)->drained++;
}

static inline bool is_closed(void *arg)
{
	return ((struct bed *)arg)->closed > 0;
}

static inline bool is_drained(void *arg)
{
	return ((struct bed *)arg)->drained > 0;
}

static inline bool is_faulted(void *arg)
{
	return ((struct bed *)arg)->faults > 0;
}

static inline int bed_setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	sim_setup((void **)&bed->sim);
	peer_listen(&bed->peer);
	bed->filters[0] = "tele/+";
	bed->conf = (struct mqtt_source_conf){
		.mqtt = {
			.url = bed->peer.url,
			.client_id = "{gateway}-{name}",
			.version = 5,
			.keepalive_ns = FG_S(60),
			.session_expiry_ns = FG_S(86400),
			.tls.version = 12,
		},
		.subscribe = { bed->filters, 1 },
		.qos = 1,
	};
	bed->source = (struct fg_source){
		.name = "field",
		.driver = &fg_driver_mqtt,
		.conf = &bed->conf,
		.state = &bed->state,
		.loop = bed->sim->loop,
		.gateway = "gw",
	};
	*state = bed;
	return 0;
}

static inline void bed_open(struct bed *bed)
{
	memset(&bed->state, 0, sizeof(bed->state));
	bed->up = bed->faults = bed->closed = 0;
	assert_int_equal(fg_driver_mqtt.ops.open(&bed->source), 0);
}

static inline void bed_close(struct bed *bed)
{
	fg_driver_mqtt.ops.close(&bed->source);
	turns_until(bed->sim->loop, is_closed, bed);
	assert_int_equal(bed->closed, 1);
}

static inline int bed_teardown(void **state)
{
	struct bed *bed = *state;

	if (!bed->closed)
		bed_close(bed);
	peer_close(&bed->peer);
	fg_loop_free(bed->sim->loop);
	free(bed->sim);
	free(bed);
	return 0;
}

/* Connected; `session`: as the broker says in CONNACK. */
static inline void bed_connect(struct bed *bed, bool session, struct packet *connect)
{
	bed_open(bed);
	peer_accept(&bed->peer, bed->sim->loop);
	peer_expect(&bed->peer, CONNECT, connect);
	PEER_SEND(&bed->peer, 0x20, 3, session, 0, 0);
	turns(bed->sim->loop, 2);
}

static inline void bed_suback(struct bed *bed, struct packet *subscribe, uint8_t code)
{
	peer_expect(&bed->peer, SUBSCRIBE, subscribe);
	PEER_SEND(&bed->peer, 0x90, 4, subscribe->body[0], subscribe->body[1], 0, code);
	turns(bed->sim->loop, 2);
}

/* The filter that is given up, behind its length. */
static inline void bed_unsuback(struct bed *bed, const char *filter)
{
	struct packet packet;

	peer_expect(&bed->peer, UNSUBSCRIBE, &packet);
	assert_int_equal(packet.body[4], strlen(filter));
	assert_memory_equal(packet.body + 5, filter, strlen(filter));
	PEER_SEND(&bed->peer, 0xb0, 4, packet.body[0], packet.body[1], 0, 0);
	turns(bed->sim->loop, 2);
}

static inline void bed_up(struct bed *bed)
{
	struct packet packet;

	bed_connect(bed, false, &packet);
	bed_suback(bed, &packet, 1);
	assert_int_equal(bed->up, 1);
}

static inline int bytes_there(struct bed *bed)
{
	uint8_t bytes[256];

	return peer_look(&bed->peer, bytes, sizeof(bytes));
}

static inline bool has_said(void *arg)
{
	return bytes_there(arg) != 0;
}

static inline void bed_kept(struct bed *bed, uint64_t upto)
{
	fg_driver_mqtt.ops.kept(&bed->source, upto);
}

static inline void expect_puback(struct bed *bed, uint16_t mid)
{
	struct packet packet;

	peer_expect(&bed->peer, PUBACK, &packet);
	assert_int_equal(packet.body[0] << 8 | packet.body[1], mid);
}

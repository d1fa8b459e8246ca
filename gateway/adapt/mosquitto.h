/*
 * One MQTT connection by libmosquitto, made a good citizen of the loop. For the drivers and bridges
 * that speak MQTT; they see nothing of the library.
 *
 * What the library (2.0.11, 2.0.21) does behind one's back, and what is done about it:
 *  - A PUBACK is written before the message is handed over, unless mosquitto_threaded_set() was
 *    called: then everything is only queued, and only mosquitto_loop_write() writes. So what is
 *    held by fg_mqtt_hold() has not left.
 *  - Connecting looks up names and loads certificates, blocking: a worker does all of it.
 *  - mosquitto_connect_async() takes no properties, the call that takes them blocks until TCP is
 *    connected. Called without a host it only keeps the properties.
 *  - One mosquitto_loop_read() reads one packet, and says 0 for "one" and for "none": the callbacks
 *    are counted.
 *  - 2.0.11 says 0 for ever when TLS is refused, 2.0.21 wants to write during the whole handshake:
 *    a hang-up that brings nothing is an end, and until CONNACK one writable event is waited for.
 *  - 2.0.11 aborts the process when a property of MQTT 5 is unknown: packets are checked before it
 *    may read them (mosquitto_read.c, mosquitto_gate.c).
 *  - on_disconnect is called for some ends and not for others: only the return code and the
 *    socket's absence count.
 *  - Nothing may be called from its callbacks: they take notes, which are acted upon after it has
 *    returned.
 *  - mosquitto_lib_cleanup() would unload OpenSSL's configuration under other users: not called.
 */
#pragma once

#include <fg/fault.h>
#include <fg/loop.h>
#include <fg/option.h>
#include <fg/str.h>

#include <stdint.h>

struct mosquitto;
struct fg_mqtt_gate;

struct fg_mqtt_tls {
	const char *ca, *cert, *key, *server_name;
	int version;			/* 12, 13: the least */
	bool insecure;
};

/* The options that every user of this has. */
struct fg_mqtt_conf {
	const char *url, *client_id, *username;
	struct fg_secret password;
	int version;			/* 4: MQTT 3.1.1, 5 */
	int64_t keepalive_ns, session_expiry_ns;
	struct fg_mqtt_tls tls;
};

extern const struct fg_choice fg_mqtt_versions[];
extern const struct fg_option fg_mqtt_tls_options[];

/* Their rows, for the table of a struct `conf_type` that has them as its member `mqtt`. */
#define FG_MQTT_OPTIONS(conf_type)                                                                 \
	{ .name = "url", .type = FG_OPT_STRING, .offset = offsetof(conf_type, mqtt.url),           \
	  .flags = FG_OPT_REQUIRED, .check = fg_mqtt_check_url,                                    \
	  .help = "The broker: mqtt://HOST[:1883], mqtts://HOST[:8883] or unix:///PATH." },        \
	{ .name = "version", .type = FG_OPT_ENUM, .offset = offsetof(conf_type, mqtt.version),     \
	  .def = "5", .choices = fg_mqtt_versions, .help = "Version of MQTT." },                   \
	{ .name = "client_id", .type = FG_OPT_STRING,                                              \
	  .offset = offsetof(conf_type, mqtt.client_id),                                           \
	  .def = "{gateway}-{name}", .check = fg_mqtt_check_client_id,                             \
	  .help = "Client identifier; the broker keeps the session by it." },                      \
	{ .name = "username", .type = FG_OPT_STRING, .offset = offsetof(conf_type, mqtt.username), \
	  .help = "User name." },                                                                  \
	{ .name = "password", .type = FG_OPT_SECRET, .offset = offsetof(conf_type, mqtt.password), \
	  .help = "Password." },                                                                   \
	{ .name = "keepalive", .type = FG_OPT_DURATION,                                            \
	  .offset = offsetof(conf_type, mqtt.keepalive_ns), .def = "60s", .min = 5000000000,       \
	  .max = 65535000000000, .help = "A connection that is silent for longer is dead." },      \
	{ .name = "session_expiry", .type = FG_OPT_DURATION,                                       \
	  .offset = offsetof(conf_type, mqtt.session_expiry_ns), .def = "1d", .min = 0,            \
	  .max = 4294967294000000000,                                                              \
	  .help = "How long the broker keeps the session of an absent gateway (MQTT 5)." },        \
	{ .name = "tls", .type = FG_OPT_GROUP, .offset = offsetof(conf_type, mqtt.tls),            \
	  .group = fg_mqtt_tls_options, .help = "How the broker proves itself, and we to it." }

/* Checks of one option, as struct fg_option asks for. */
int fg_mqtt_check_url(const char *text, char *why, size_t cap);
int fg_mqtt_check_client_id(const char *text, char *why, size_t cap);
int fg_mqtt_check_name(const char *text, char *why, size_t cap);	/* of a message */
int fg_mqtt_check_topic(const char *text, char *why, size_t cap);	/* to publish to */
int fg_mqtt_check_filter(const char *text, char *why, size_t cap);	/* to subscribe to */
/* Checks that need several options. */
void fg_mqtt_check(const struct fg_mqtt_conf *conf, struct fg_faults *faults);

/* `{gateway}` and `{name}` replaced; the caller frees. NULL: no memory. */
char *fg_mqtt_expand(const char *text, const char *gateway, const char *name);
/* Whether a topic, as it is, can be published to. */
bool fg_mqtt_topic_good(const char *topic);
/* Whether a topic matches a filter. */
bool fg_mqtt_matches(const char *filter, const char *topic);

#define FG_MQTT_HOST_MAX 254

struct fg_mqtt_address {
	bool tls, local;		/* local: host is the path of a Unix socket */
	bool literal;			/* host is an IP address */
	uint16_t port;			/* 0 if local */
	char host[FG_MQTT_HOST_MAX];
};

/* 0, or -EINVAL with the reason in `why` (may be NULL). */
int fg_mqtt_address_parse(const char *url, struct fg_mqtt_address *ret_address, char *why,
			  size_t cap);

struct fg_mqtt_message {
	const char *topic;		/* ends in NUL, UTF-8 */
	struct fg_str payload;
	int qos;
	bool retained;
	/* MQTT 5, else empty; both are gone when the callback returns */
	struct fg_str response_topic, correlation;
};

/* What goes out. */
struct fg_mqtt_publication {
	const char *topic;
	struct fg_str payload;
	int qos;
	bool retain;
	const char *content_type;	/* MQTT 5; may be NULL */
	struct fg_str correlation;	/* MQTT 5; may be empty */
};

enum {
	FG_MQTT_TAKE_RETAINED = 1,	/* where a subscription is new (3.1.1 always does) */
	FG_MQTT_NO_LOCAL = 2,
	/* what was published to be retained says so also when it comes live */
	FG_MQTT_RETAIN_AS_PUBLISHED = 4,
	FG_MQTT_ALL_RETAINED = 8,	/* also where it is not new */
};

struct fg_mqtt;

struct fg_mqtt_ops {
	/* Called from inside the library: note things down; of the functions below only
	 * fg_mqtt_hold() and fg_mqtt_read() may be called. What is not used may be NULL. */
	void (*message)(struct fg_mqtt *, const struct fg_mqtt_message *);
	void (*published)(struct fg_mqtt *, int mid, int reason);	/* reason as in MQTT 5 */
	void (*subscribed)(struct fg_mqtt *, const int *granted, int count);
	void (*unsubscribed)(struct fg_mqtt *);

	/* CONNACK said yes. */
	void (*up)(struct fg_mqtt *, bool session_present);
	/* The library has returned: act upon what was noted. Often, also without any note. */
	void (*turn)(struct fg_mqtt *);
	/* The connection is lost or could not be made; it is idle again. -EMSGSIZE: a packet was
	 * too large for the broker. */
	void (*down)(struct fg_mqtt *, int error, const char *what);
	/* All is given back; the last callback. */
	void (*closed)(struct fg_mqtt *);
};

/* Set before fg_mqtt_open(), borrowed until closed. */
struct fg_mqtt_setup {
	const char *client_id;
	bool clean;			/* begin a new session that ends with the connection */
	uint16_t receive_max;		/* messages of QoS 1 that may be unacknowledged, each way */
	uint16_t send_max;
	const char *will_topic;		/* NULL: no will */
	struct fg_str will;
	bool will_retained;
	bool will_always;		/* also when we leave politely (MQTT 5) */
};

enum fg_mqtt_state {
	FG_MQTT_IDLE,
	FG_MQTT_WORKING,		/* a worker has the handle */
	FG_MQTT_CONNECTING,		/* waiting for CONNACK */
	FG_MQTT_UP,
	FG_MQTT_LEAVING,		/* all is sent, waiting for the peer to close */
};

struct fg_mqtt {
	struct fg_loop *loop;
	const struct fg_mqtt_conf *conf;
	const struct fg_mqtt_ops *ops;
	struct fg_mqtt_setup setup;
	enum fg_mqtt_state state;
	uint16_t peer_receive_max;	/* what the broker takes unacknowledged; 65535: all */
	uint32_t session_expiry_s;	/* asked for, or as CONNACK says */
	bool wants_answers;		/* response topics and correlation data are of interest */

	/* private from here on */
	struct fg_mqtt_address address;
	struct mosquitto *mosq;
	struct fg_io io;
	struct fg_timer misc, look, deadline;
	struct fg_work work;
	struct fg_defer again;
	int leaving_fd;
	bool closing, polite;		/* asked to close, and to say good-bye */
	bool held;			/* nothing may be written */
	bool deaf;			/* nothing shall be read */
	bool inside, settling;		/* the library, our callbacks are running */
	bool ended;
	bool knocked;			/* the socket was writable once */
	bool fresh;			/* a new socket, whatever its number */
	bool second_try;		/* by IPv4 */
	bool connack, session;		/* noted */
	bool malformed;			/* noted of a publication that the library let pass */
	bool peer_said_why;		/* `why` was noted by a callback or a worker */
	uint8_t *peeked;		/* what waits in the socket */
	struct fg_mqtt_gate *gate;	/* instead of it, with TLS */
	bool midway;			/* the library has a part of a packet, which is checked */
	bool waiting;			/* for the head of a packet, to look again */
	uint8_t looks;			/* at the same head */
	uint32_t packets;		/* callbacks so far */
	uint32_t queued;		/* packets to write, about */
	uint16_t server_keepalive_s;
	uint32_t peer_packet_max;	/* bytes of one packet that the broker takes */
	uint8_t refusal;		/* code of a CONNACK as in MQTT 3.1.1 */
	int connack_reason;		/* or that of a DISCONNECT */
	int rc;				/* of the worker, of a read: MOSQ_ERR_... */
	int rc_errno;
	char why[200];
};

/* Prepares; no I/O. The structs named are borrowed until closed. */
void fg_mqtt_init(struct fg_mqtt *, struct fg_loop *, const struct fg_mqtt_conf *,
		  const struct fg_mqtt_ops *);
/* Begins to connect an idle (or leaving) connection: ends with up() or down(). -ENOMEM, -EAGAIN,
 * -EINVAL, -EBUSY. */
int fg_mqtt_open(struct fg_mqtt *);
/* Gives the connection up at once: nothing that is queued is sent, the broker sees it break. */
void fg_mqtt_drop(struct fg_mqtt *);
/* Writes what is queued, unless held, and DISCONNECT behind it, then leaves. If held: a drop. */
void fg_mqtt_leave(struct fg_mqtt *);
/* Leaves or drops, and gives everything back; ends with closed(). Waits for a worker. */
void fg_mqtt_close(struct fg_mqtt *, bool politely);

/* While held nothing is written, not even what the library has queued. */
void fg_mqtt_hold(struct fg_mqtt *, bool held);
/* Whether to read. Who does not read does not hear the broker's PINGRESP either: only for short. */
void fg_mqtt_read(struct fg_mqtt *, bool read);
/* Writes what is queued, as few segments, unless held; ends in turn() or down(). */
void fg_mqtt_flush(struct fg_mqtt *);

/* Queues a publication. 0, -ENOTCONN, -EMSGSIZE, -ENOTSUP (the broker takes no QoS 1), -EINVAL,
 * -ENOMEM. published() follows, with *ret_mid. */
int fg_mqtt_publish(struct fg_mqtt *, const struct fg_mqtt_publication *, int *ret_mid);
/* Queues one SUBSCRIBE, `options` of FG_MQTT_...; subscribed() follows, or the connection goes
 * down. */
int fg_mqtt_subscribe(struct fg_mqtt *, char *const *filters, size_t count, int qos,
		      unsigned options);
/* Queues one UNSUBSCRIBE, also of what is not subscribed; unsubscribed() follows, or the connection
 * goes down. */
int fg_mqtt_unsubscribe(struct fg_mqtt *, char *const *filters, size_t count);
/* What a reason code of the broker means, constant text. */
const char *fg_mqtt_reason(int reason);
/* What a PUBACK's reason (MQTT 5, 3.4.2.1; 0 for MQTT 3.1.1) makes of what was published, as
 * fg_sink_done() takes it. */
int fg_mqtt_outcome(int reason);

/*
 * What a driver is, and what it may call. A driver speaks one southbound protocol; the
 * configuration names instances of it ("sources"). One instance holds its options (const), its
 * private state and the loop; a driver has no mutable file-level variables.
 *
 *   open ──> fg_source_up() ──> fg_source_submit() ... ──> kept(upto): acknowledge now
 *     ^            │ fg_source_fault(): the supervisor calls close, waits, opens again
 *     └────────────┘
 *
 * A driver cannot acknowledge by itself. It hands payloads in and is told what has been kept: in
 * the check phase after the turn's append, or under `"commit": "each"` after the sync that covers
 * it.
 */
#pragma once

#include <stdint.h>

#include <fg/cost.h>
#include <fg/doc.h>
#include <fg/log.h>
#include <fg/loop.h>
#include <fg/option.h>
#include <fg/process.h>

struct fg_driver;
struct fg_command;
struct fg_commands;
struct fg_faults;
struct fg_buf;
struct fg_framer_conf;

/* Where the device stands in an address that no profile matches. */
enum fg_address_style {
	FG_ADDRESS_TOPIC,	/* the whole address is the device (MQTT) */
	/* /{device}/{point...}: the longest known device, else the first level */
	FG_ADDRESS_PATH,
	FG_ADDRESS_LINK,	/* no address: the instance's name is the device (serial) */
	/* the address is the device, whose profile the instance names: it was asked (Modbus) */
	FG_ADDRESS_DEVICE,
};

struct fg_input {
	struct fg_str address;		/* MQTT topic, CoAP path without the first '/', or empty */
	struct fg_str payload;		/* borrowed for the call */
	int content_format;		/* CoAP's, or -1 */
	bool once;			/* nobody sends it again, whatever becomes of it (QoS 0) */
	/* Where it came from, for a command to the same device (fg_command's `peer`): the driver's
	 * own word, 0: nothing to remember. */
	uint64_t peer;
};

struct fg_source {
	const char *name;		/* of the instance */
	const struct fg_driver *driver;
	const void *conf;		/* the driver's options, parsed */
	void *state;			/* state_size bytes, zeroed at each open */
	struct fg_loop *loop;
	struct fg_logger logger;
	const char *gateway;		/* the gateway's id */
	struct fg_commands *commands;	/* for a driver that takes commands from its own peers */
	/* The driver's own word: 0 when the instance is new, kept from one open to the next and
	 * over restarts, as of the last fg_source_remember(). May be lost, then it is 0. */
	uint64_t memo;
};

struct fg_driver_ops {
	/* Begins to come up; must not block. 0, or -errno: the supervisor retries. The driver calls
	 * fg_source_up() when it is connected, listening, open. */
	int (*open)(struct fg_source *);
	/* Gives everything back, asynchronously; ends with exactly one fg_source_closed(). Input
	 * that was not reported kept must not be acknowledged on the way. Also called when open
	 * failed. */
	void (*close)(struct fg_source *);
	/* Take no more, so that the peer feels it; keep-alives go on. Until resume. */
	void (*pause)(struct fg_source *);
	void (*resume)(struct fg_source *);
	/* Everything submitted up to position `upto` is kept: acknowledge it now. */
	void (*kept)(struct fg_source *, uint64_t upto);
	/* Optional: carry out a command (fg/command.h).
	 *   0        taken: fg_command_done() follows, or has been called already
	 *   -EAGAIN  cannot be reached now: it waits until the source is up, or until the device is
	 *            heard again
	 *   other    not taken: unreachable, with that error */
	int (*command)(struct fg_source *, struct fg_command *);
};

struct fg_driver {
	const char *name, *summary;
	enum fg_address_style address;
	size_t conf_size, state_size;
	const struct fg_option *options;
	/* Optional: checks that need several options at once. Faults and doubts go through
	 * fg_fault() of <fg/fault.h>, with a pointer below the instance ("/tls/ca"). */
	void (*check)(const void *conf, struct fg_faults *);
	/* Optional: whether an address can be one of this protocol's and of input to that gateway,
	 * for those who name one by hand; for what comes over the network the library and the
	 * instance see to it. 0, or -EINVAL and why. */
	int (*address_check)(const char *address, const char *gateway, char *why, size_t cap);
	/* Optional: how an instance finds frames in a stream of bytes; `profile` is what its
	 * profile brings, or NULL. A delimiter's bytes are put into `room`
	 * (FG_FRAMER_DELIMITER_MAX). 0, or -EINVAL. */
	int (*framing)(const void *conf, const struct fg_framer_conf *profile, char *room,
		       struct fg_framer_conf *ret_conf);
	/* FG_ADDRESS_DEVICE: the profile that an instance names for a device, or NULL. */
	const char *(*profile_of)(const void *conf, struct fg_str device);
	/* Optional: the addresses an instance listens to, as patterns ("zigbee2mqtt/#"): tells
	 * whose a device is that has not been heard yet. Borrowed from conf. */
	const struct fg_list *(*listens)(const void *conf);
	/* Optional: what one instance takes at worst beside what every instance does, added to
	 * `cost` (fg/cost.h). */
	void (*cost)(const void *conf, const struct fg_cost_terms *, struct fg_cost *cost);
	/* Optional: an instance can run in several processes at once. Makes its options those of
	 * one of them. 0; -ENOTSUP: this one cannot, and is dealt to one of them; -ENOMEM. */
	int (*share)(void *conf, const struct fg_process *);
	struct fg_driver_ops ops;
};

/* Hands one payload in. It is decoded, matched and appended as one entry before this returns; it is
 * kept when kept() says so.
 *   0          *ret_pos: its last record's position, to be compared with kept's `upto`
 *              (0 if the payload was good but held no value: nothing to wait for)
 *   -EBADMSG   rejected for good, counted and logged by the callee: acknowledge it to the peer
 *   -ENOTSUP   likewise, because nothing here reads the content format that it states
 *   -EAGAIN    no room (full under "refuse", or the disk fails): not taken, do not acknowledge;
 *              pause() follows or has been called already */
int fg_source_submit(struct fg_source *, const struct fg_input *, uint64_t *ret_pos);

/* True if kept() comes only after a sync ("commit": "each"), some milliseconds later. */
bool fg_source_waits_for_commit(const struct fg_source *);

/* A frame or datagram that never became a payload: counted under `reason` (a short constant
 * word: "checksum", "frame", "too-large"), its first bytes logged, rate-limited. */
void fg_source_reject(struct fg_source *, const char *reason, struct fg_str bytes);

void fg_source_up(struct fg_source *);
/* It has left its peer of its own accord, for want of room say, and comes back by itself: no fault,
 * also if it was not up yet. No command comes until fg_source_up(). */
void fg_source_away(struct fg_source *);
/* The connection, port or listener is lost, or could not come up. The supervisor calls close and
 * opens again after a back-off. May be called from any callback, any number of times.
 * -ENOTRECOVERABLE: no attempt of this process can succeed; it ends, to be started anew. */
void fg_source_fault(struct fg_source *, int error, const char *what);
void fg_source_closed(struct fg_source *);
/* What `memo` is from now on. What ceases to be true is taken back before it does: the process can
 * end at any time. */
void fg_source_remember(struct fg_source *, uint64_t memo);
/* Of a process that is left over (fg/process.h): its peer holds nothing for it any more. */
void fg_source_drained(struct fg_source *);

/* The framer that this source's profile brings, or NULL. Lives as long as the source is open. */
const struct fg_framer_conf *fg_source_framer(const struct fg_source *);

/* The last value of a device's point, or all of them, as SenML JSON records (for GET), by the path
 * that a device sends it to, or else by what it is called in records (escaped, RFC 8428).
 * Appends the text of one pack to `out`; -ENOENT: no such device or point, or none of its values is
 * kept. */
int fg_source_last(struct fg_source *, struct fg_str path, struct fg_buf *out);
/* Calls `each` with every device's id as it is in the field (for a listing), in memory that is
 * borrowed for the call; stops when it returns false. */
void fg_source_devices(struct fg_source *, bool (*each)(void *arg, struct fg_str device),
		       void *arg);

/* Somebody looks at a path, {device} or {device}/{point...} as in fg_source_last(). */
struct fg_watch {
	struct fg_str path;		/* must stay */
	/* New values of it have been kept: at most once a turn. Only takes a note: watches are
	 * neither begun nor ended in here. */
	void (*changed)(struct fg_watch *);
	/* private */
	struct fg_watch *next;
	char *name;			/* what the path is called in records; NULL: just so */
	uint64_t first, last;		/* positions that were not told yet */
};

/* Of any source's devices. The watch is borrowed until it is ended, before the source is closed. */
void fg_source_watch(struct fg_source *, struct fg_watch *);
void fg_source_unwatch(struct fg_source *, struct fg_watch *);

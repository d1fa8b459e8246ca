/*
 * What a bridge is, and what it may call. A bridge carries packs to one northbound target; the
 * configuration names instances of it ("sinks"). The outbox cuts the batches, holds the window,
 * retries, backs off and moves the cursor; a bridge sends bytes and reports what became of them.
 */
#pragma once

#include <stdint.h>

#include <fg/cost.h>
#include <fg/log.h>
#include <fg/loop.h>
#include <fg/option.h>
#include <fg/process.h>
#include <fg/str.h>

struct fg_bridge;
struct fg_commands;
struct fg_outbox;
struct fg_remote;
struct fg_faults;

/* One rendered pack. Payload and struct live until its fg_sink_done(). */
struct fg_batch {
	struct fg_str payload;
	const char *content_type;	/* of the instance's format: "application/senml+json" */
	uint32_t records;
	uint64_t first, last;		/* numbers of the epoch */
	uint64_t epoch;
	bool lost;			/* says what became of the range, in place of its records */
	bool backlog;			/* it has waited: what it says is not what is now */
	uint32_t slot;			/* 0 .. window-1: an index for the bridge's own tables */
	void *user;			/* the bridge's */
};

struct fg_sink {
	const char *name;
	const struct fg_bridge *bridge;
	const void *conf;
	void *state;			/* state_size bytes, zeroed at each open */
	struct fg_loop *loop;
	struct fg_logger logger;
	const char *gateway;
	const char *dir;		/* the spool's, for what little outlives the process */
	uint32_t window;		/* packs that may be in flight */
	struct fg_commands *commands;	/* fg/command.h; NULL: this sink may not command */
	struct fg_remote *remote;	/* fg/remote.h; NULL: no configuration comes by it */
	/* The bridge's own: NULL when the instance is new, kept from one open to the next, given
	 * back by ops.fini. */
	void *keep;
	struct fg_outbox *outbox;	/* private to the other side */
};

struct fg_bridge_ops {
	int (*open)(struct fg_sink *);		/* must not block; then fg_sink_up() */
	void (*close)(struct fg_sink *);	/* asynchronous; ends with fg_sink_closed() */
	/* 0: taken, fg_sink_done() follows (it may have been called already); -EAGAIN: not now,
	 * fg_sink_ready() later; other: as fg_sink_done with that error. */
	int (*send)(struct fg_sink *, struct fg_batch *);
	/* Optional: once a turn after all sends of the turn (flush what was queued). */
	void (*flush)(struct fg_sink *);
	/* Optional: publish the gateway's state (JSON, retained); fg_sink_alive() follows. */
	void (*status)(struct fg_sink *, struct fg_str json);
	/* Optional: the instance, which is closed, is given up for good: gives back `keep`. */
	void (*fini)(struct fg_sink *);
};

/* Reading packs back from an upstream, for tools: blocks, without a loop. Texts may be NULL. */
struct fg_collect {
	const char *url;		/* may hold USER:PASSWORD@; several with commas between */
	const char *stream, *subject;	/* or topic; NULL: the usual ones */
	const char *client_id;
	const char *username, *password, *token, *credentials;
	const char *ca, *cert, *key;
	uint32_t wait_ms;		/* for the next pack, before it is taken for the end */
	/* One pack, whatever was in it; `type` is its content type or NULL. Returns how long to
	 * wait for the next one, in ms; 0: enough. */
	uint32_t (*take)(void *arg, struct fg_str pack, const char *type);
	void *arg;
	char why[200];			/* if it failed */
};

struct fg_bridge {
	const char *name, *summary;
	bool acknowledges;		/* false: what was sent counts as `sent` (see below) */
	bool commands;			/* can take commands (fg/command.h) */
	bool configures;		/* can take configurations (fg/remote.h) */
	bool senml_only;		/* reads the packs that it is given: SenML, JSON or CBOR */
	const char *writes;		/* the format that it makes of them itself; NULL: none */
	size_t conf_size, state_size;
	const struct fg_option *options;
	void (*check)(const void *conf, struct fg_faults *);
	/* Optional: whether this instance's upstream acknowledges (MQTT: QoS 1), overrides the
	 * above. */
	bool (*acks)(const void *conf);
	/* Optional: where it sends to, for the doubt "field and upstream on one broker" and for
	 * reload ("whose target changed"). Borrowed from conf. */
	const char *(*target)(const void *conf);
	/* Optional: what one instance takes at worst beside what every instance does, added to
	 * `cost` (fg/cost.h). */
	void (*cost)(const void *conf, const struct fg_cost_terms *, struct fg_cost *cost);
	/* Optional: hands over what the upstream holds (or, where it holds nothing, what comes),
	 * until its end. 0; -errno with `why`. */
	int (*collect)(struct fg_collect *);
	/* Optional: each of several processes has its own of every bridge; makes the options those
	 * of one of them, where two could not have the same. 0, -ENOMEM. */
	int (*share)(void *conf, const struct fg_process *);
	/* Optional, where a place upstream bears one writer only: the option by which instance `b`
	 * writes to the same place as `a`, both of one gateway. NULL: another place. *ret_sure is
	 * false where it is one only if their servers belong together. */
	const char *(*meets)(const void *a, const char *a_name, const void *b, const char *b_name,
			     bool *ret_sure);
	/* Optional: whether this instance is one that only one process can have. */
	bool (*alone)(const void *conf);
	struct fg_bridge_ops ops;
};

void fg_sink_up(struct fg_sink *);
/* -ENOTRECOVERABLE: no attempt of this process can succeed; it ends, to be started anew. -EMSGSIZE:
 * the upstream has hung up because something was too large for it. */
void fg_sink_fault(struct fg_sink *, int error, const char *what);
void fg_sink_closed(struct fg_sink *);
/* The status was answered: who hangs up now has something against what came behind it. Or no
 * answer will come. */
void fg_sink_alive(struct fg_sink *, bool answered);
void fg_sink_ready(struct fg_sink *);
/* The upstream has asked for patience: nothing is sent for so long. Before the fg_sink_done() with
 * -EAGAIN, which would choose the time itself. */
void fg_sink_pause(struct fg_sink *, uint64_t ns);

/* What became of a batch:
 *   0           the upstream has acknowledged it (or it was sent, where nothing acknowledges)
 *   -EAGAIN     not taken, try again later (rate-limited): the outbox waits and sends it anew
 *   -EMSGSIZE   too large for this upstream: the outbox halves it; a single record goes to the dead
 *               letters
 *   -EBADMSG    refused for good: to the dead letters
 *   -EACCES     refused for what may be the upstream's own fault (a right that was taken away): one
 *               pack goes to the dead letters, and those behind it wait until another is taken
 * After fg_sink_fault() all batches in flight are the outbox's again without a done. */
void fg_sink_done(struct fg_sink *, struct fg_batch *, int error, const char *why);

/* Before fg_sink_up(): the upstream says itself that it holds the records of a range, in one pack
 * that was sent as such and not as `lost`. They are not sent again, and count as acknowledged.
 *   1         the cursor knows: it stands behind them already
 *   0         taken note of
 *   -ENOENT   nothing tells of such an epoch, or it has no such numbers
 *   -EAGAIN   cannot be noted, they will come again: there are too many ranges with gaps between
 *             them, or something has to be announced before them */
int fg_sink_has(struct fg_sink *, uint64_t epoch, uint64_t first, uint64_t last);

/* Where what was sent cannot be taken back: whether the upstream has a part of a line and not its
 * end. Whoever opens the bridge the next time, be it another process, ends that line first. */
void fg_sink_set_torn(struct fg_sink *, bool torn);
bool fg_sink_torn(const struct fg_sink *);

/* The payload of the last will: what the status topic must say when this gateway dies. */
struct fg_str fg_sink_will(struct fg_sink *);

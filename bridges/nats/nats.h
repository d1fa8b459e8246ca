/*
 * The NATS bridge: packs into a JetStream stream, which acknowledges what it has stored, and tells
 * when it is asked what it holds.
 *
 *     connected ──> is the stream there? ──> what of ours does it hold? ──> up
 *                   stream.c: INFO, CREATE   look.c: MSG.GET
 *
 * Each message carries gateway, bridge, epoch and range as its Nats-Msg-Id. While the stream's
 * duplicate window lasts the server drops what comes again as it was; beyond that, and where packs
 * are cut in another way than before (a new process), the stream is asked before anything is sent.
 * A server that led the stream a moment ago may answer, and not know the last of it. So the first
 * pack goes alone, and says behind which message of its subject it is to be stored.
 */
#pragma once

#include <fg/bridge.h>
#include <fg/buf.h>
#include <fg/command.h>
#include <fg/doc.h>
#include <fg/fault.h>

#include "adapt/nats.h"
#include "look.h"

#define NATS_WINDOW_MAX 64	/* as the option "window" is bounded */
#define NATS_ID_MAX 192		/* gateway 64, bridge 64, epoch 16, two numbers of 20, the rest */
#define NATS_SUBJECT_MAX 512
#define NATS_WHY_MAX 160

struct nats_tls {
	const char *ca, *cert, *key, *server_name;
	bool insecure;
};

struct nats_conf {
	const char *url;
	struct fg_list urls;		/* where there are several */
	const char *subject, *stream;
	bool create;
	int64_t replicas;
	uint64_t max_bytes;
	int64_t max_age_ns, duplicates_ns;
	const char *username;
	struct fg_secret password, token, nkey;
	const char *credentials;
	struct nats_tls tls;
	int64_t timeout_ns;
};

/* -- conf.c -- */
int nats_check_url(const char *text, char *why, size_t cap);
int nats_check_subject(const char *text, char *why, size_t cap);
int nats_check_stream(const char *text, char *why, size_t cap);
void nats_check(const void *conf, struct fg_faults *faults);
/* The n-th server, from 0 on; NULL: there are not so many. */
const char *nats_server(const struct nats_conf *conf, size_t n);
bool nats_url_secure(const char *url);

/* -- name.c: subjects and message ids -- */
/* {gateway} and {name} filled in, of the gateway's id what a subject does not take in one part as
 * _xHH_. `any`: "*" in their places. -ENAMETOOLONG. */
int nats_subject(const char *text, const char *gateway, const char *name, bool any,
		 char out[NATS_SUBJECT_MAX]);
/* Whether a filter with * and > takes the subject. */
bool nats_subject_matches(struct fg_str filter, const char *subject);
/* Whether what the server has refused is what we live by: our subject, the API, a subscription. If
 * not, an asker has named a place where we may not publish: that is his loss. */
bool nats_refusal_ours(const char *why, const char *own);
/* The path of a device's point ("{device}/{point}") from the parts of a subject. Returns its
 * length; `out` has room for parts.len. */
size_t nats_path(struct fg_str parts, char *out);

struct nats_id {
	uint64_t epoch, first, last;
	bool lost;			/* said of the range that it is lost */
};

/* "GATEWAY/BRIDGE/" and what is in the pack. Those without a range are told by their bytes. */
void nats_id_write(const struct fg_sink *sink, const struct fg_batch *batch, char out[NATS_ID_MAX]);
/* False: somebody else's. */
bool nats_id_read(const struct fg_sink *sink, struct fg_str text, struct nats_id *ret_id);

/* -- answer.c: what the server says, in JSON. `doc` is the caller's, and holds it until the next.
 * 0; -EBADMSG: nonsense; or what it refuses: its error code (10000 and up, docs.nats.io) with the
 * reason in `why`. -- */
int nats_answer_read(struct fg_doc *doc, struct fg_str body, char why[NATS_WHY_MAX]);
/* Of a good answer: was it stored in that stream, and as which message? */
bool nats_answer_ack(const struct fg_doc *doc, const char *stream, uint64_t *ret_seq);

struct nats_stream_info {
	bool takes;			/* our subject */
	uint64_t first_seq, last_seq;
	int64_t duplicates_ns;
};

bool nats_answer_stream(const struct fg_doc *doc, const char *subject,
			struct nats_stream_info *ret_info);
/* The subjects of the stream, each with a NUL behind it. */
void nats_answer_subjects(const struct fg_doc *doc, struct fg_buf *out);
/* Of a stored message its place, and its Nats-Msg-Id, which stands in `room` (as long as the whole
 * answer) and may be empty. */
bool nats_answer_message(const struct fg_doc *doc, char *room, uint64_t *ret_seq,
			 struct fg_str *ret_id);

/* Of a consumer that was made: its name, and how many messages it is to bring. */
bool nats_answer_consumer(const struct fg_doc *doc, char *name, size_t cap, uint64_t *ret_pending);

enum nats_verdict {
	NATS_VERDICT_LATER,	/* the same again after a while */
	NATS_VERDICT_TOO_LARGE,
	NATS_VERDICT_UNFIT,	/* no pack would be taken: stream, subject or rights are wrong */
};
enum nats_verdict nats_verdict(int code);

#define NATS_CODE_NO_STREAM 10059
#define NATS_CODE_LAST_SEQUENCE 10071
#define NATS_CODE_NO_MESSAGE 10037

/* -- slots.c: the window as the stream sees it, kept from one opening to the next -- */
struct nats_slot {
	struct fg_batch *batch;		/* on its way, or NULL */
	uint32_t stamp;			/* of this pack */
	uint32_t tries;			/* of which no server has said that nobody listened */
	uint64_t epoch, first, last;
	bool lost;
	uint64_t first_ns, last_ns;	/* when it was sent */
	uint64_t after_seq;		/* if it is stored, then behind this message */
	char id[NATS_ID_MAX];
	char after[24];			/* the first one of an opening: it is refused if not */
};

struct nats_outcome {
	struct nats_outcome *next;
	const char *subject;
	struct fg_str json;
	char bytes[];
};

struct nats_desk {
	struct fg_sink *sink;
	struct nats_sink *open;		/* that is up, or NULL */
	size_t server;			/* the one to be tried next */
	bool looked;			/* in this process: seq says how far */
	uint64_t seq;			/* up to here nothing of the stream is news */
	uint32_t stamps;
	struct nats_slot slots[NATS_WINDOW_MAX];
	struct nats_outcome *outcomes, **outcomes_end;
	uint32_t noutcomes;
	size_t outcome_bytes;
	uint64_t given_up;		/* outcomes */
	struct fg_log_limit limit, given_up_limit;
};

/* The slot for a batch that is sent now. */
struct nats_slot *nats_slot_take(struct nats_desk *desk, struct fg_batch *batch, uint64_t now_ns);
/* The oldest that could have been stored without our knowing; 0: none. */
uint64_t nats_slots_oldest(const struct nats_desk *desk);
/* From which message on the stream may hold what we do not know of; 0: nobody knows. */
uint64_t nats_slots_floor(const struct nats_desk *desk);
/* The stream was looked through up to `seq`: what is not acknowledged is not there. */
void nats_slots_looked(struct nats_desk *desk, uint64_t seq);

/* -- one opening -- */
enum nats_phase { NATS_CONNECTING, NATS_ASKING, NATS_CREATING, NATS_LOOKING, NATS_UP_PHASE };

struct nats_sink {
	struct fg_sink *sink;
	struct fg_nats nats;
	struct nats_desk *desk;
	enum nats_phase phase;
	bool created, full, probing, connected;
	bool proven;			/* a pack was stored behind what the stream has told */
	uint32_t in_flight;
	uint32_t stamp;			/* of the request to the API that is waited for */
	uint64_t asked_ns;		/* since when its answer is missing */
	bool again;			/* nobody answered: it is made again when the timer fires */
	uint64_t duplicates_ns;		/* the stream's */
	uint64_t nobody_ns;		/* since when nobody answers for the stream, or 0 */
	struct nats_look look;
	struct fg_timer timer;		/* of a request, or of the oldest pack */
	struct fg_doc doc;
	struct fg_buf text, takes;	/* takes: what the stream does, NUL after each */
	char subject[NATS_SUBJECT_MAX];
	char command[NATS_SUBJECT_MAX], commands[NATS_SUBJECT_MAX], outcome[NATS_SUBJECT_MAX];
};

#define NATS_API NATS_WINDOW_MAX	/* the token of requests to the API */

/* -- stream.c: what is asked before the sink is up; ends in fg_sink_up() or a fault -- */
void nats_stream_ask(struct nats_sink *s);
void nats_stream_answer(struct nats_sink *s, int error, struct fg_str body);
/* The timer has fired: no answer, or time to ask again. */
void nats_stream_late(struct nats_sink *s);
/* The server is there, and JetStream silent: the request again. */
void nats_stream_again(struct nats_sink *s);

/* -- sink.c -- */
int nats_sink_open(struct fg_sink *sink);
void nats_sink_close(struct fg_sink *sink);
int nats_sink_send(struct fg_sink *sink, struct fg_batch *batch);
void nats_sink_fini(struct fg_sink *sink);
/* How long to wait where nobody answers for the stream: an election takes seconds. */
uint64_t nats_pause(void);
#define NATS_NOBODY_TIMEOUTS 4	/* after so many the stream is asked for, or the next server */
/* Printable ASCII without quotes. */
void nats_plain(char *text);

/* -- command.c -- */
int nats_commands_open(struct nats_sink *s, struct fg_nats_conf *conf);
void nats_commands_up(struct nats_sink *s);
/* The queue has room again. */
void nats_commands_room(struct nats_sink *s);
void nats_commands_message(struct nats_sink *s, struct fg_str subject, struct fg_str reply,
			   struct fg_str body);
void nats_commands_free(struct nats_desk *desk);
/* Whether an outcome may be published there. */
bool nats_reply_good(struct fg_str subject, const char *own);

/* -- collect.c -- */
int nats_collect(struct fg_collect *collect);

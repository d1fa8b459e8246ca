/*
 * Reading a stream from its first message to what was its last one when the reading began, for
 * `fieldgate audit`: by a consumer of its own, which goes away with it. Flow control lets the
 * server send no more than is read; a gap in what comes is an error, not a loss.
 */
#include "nats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <nats/nats.h>

#define SERVERS_MAX 16
#define REQUEST_MS 5000
#define TRIES 6		/* an election takes seconds */
#define HEARTBEAT_MS 2000

struct reading {
	struct fg_collect *c;
	natsConnection *conn;
	natsSubscription *sub;
	natsInbox *inbox;
	struct fg_doc doc;
	const char *stream;
	char consumer[100];
	uint64_t last_seq, pending;	/* of the stream; of what the consumer is to bring */
	uint64_t read;
};

static int fail(struct reading *r, int error, const char *what, const char *detail)
{
	snprintf(r->c->why, sizeof(r->c->why), "%s%s%.150s", what, detail ? ": " : "",
		 detail ? detail : "");
	nats_plain(r->c->why);
	return error;
}

static int fail_status(struct reading *r, const char *what, natsStatus s)
{
	const char *detail = nats_GetLastError(NULL);
	const char *text = detail && detail[0] == '(' ? strstr(detail, "): ") : NULL;

	if (text) /* where in the library */
		detail = text + 3;
	return fail(r, s == NATS_TIMEOUT ? -ETIMEDOUT : -EIO, what,
		    detail && detail[0] ? detail : natsStatus_GetText(s));
}

/* -- connecting -- */

static natsStatus set_servers(natsOptions *o, char *urls)
{
	const char *servers[SERVERS_MAX];
	int n = 0;
	char *save = NULL;

	for (char *one = strtok_r(urls, ",", &save); one && n < SERVERS_MAX;
	     one = strtok_r(NULL, ",", &save))
		servers[n++] = one;
	return n ? natsOptions_SetServers(o, servers, n) : NATS_INVALID_ARG;
}

static natsStatus set_user(natsOptions *o, const struct fg_collect *c)
{
	if (c->credentials)
		return natsOptions_SetUserCredentialsFromFiles(o, c->credentials, NULL);
	if (c->token)
		return natsOptions_SetToken(o, c->token);
	if (c->username)
		return natsOptions_SetUserInfo(o, c->username, c->password ? c->password : "");
	return NATS_OK;
}

/* Of SCHEME://USER:PASSWORD@HOST:PORT. */
static void host_of(const char *url, char *out, size_t cap)
{
	const char *at = strrchr(url, '@'), *end;

	at = at ? at + 1 : strstr(url, "://") + 3;
	end = *at == '[' ? strchr(at, ']') : strrchr(at, ':');
	at += *at == '[';
	snprintf(out, cap, "%.*s", (int)(end ? (size_t)(end - at) : strlen(at)), at);
}

static natsStatus set_tls(natsOptions *o, const struct fg_collect *c)
{
	natsStatus s = NATS_OK;
	char host[260];

	if (!strstr(c->url, "tls://"))
		return s;
	s = natsOptions_SetSecure(o, true);
	if (s == NATS_OK && c->ca)
		s = natsOptions_LoadCATrustedCertificates(o, c->ca);
	if (s == NATS_OK && c->cert)
		s = natsOptions_LoadCertificatesChain(o, c->cert, c->key);
	/* of several, the library takes each one's own, if it was built to */
	if (s == NATS_OK && !strchr(c->url, ',')) {
		host_of(c->url, host, sizeof(host));
		s = natsOptions_SetExpectedHostname(o, host);
	}
	return s;
}

static int open_connection(struct reading *r)
{
	char *urls = strdup(r->c->url);
	natsOptions *o = NULL;
	natsStatus s = urls ? natsOptions_Create(&o) : NATS_NO_MEMORY;

	s = s ? s : set_servers(o, urls);
	s = s ? s : set_user(o, r->c);
	s = s ? s : set_tls(o, r->c);
	s = s ? s : natsOptions_SetName(o, "fieldgate audit");
	s = s ? s : natsOptions_SetTimeout(o, REQUEST_MS);
	s = s ? s : natsOptions_SetAllowReconnect(o, false);
	s = s ? s : natsConnection_Connect(&r->conn, o);
	natsOptions_Destroy(o);
	free(urls);
	return s == NATS_OK ? 0 : fail_status(r, "cannot connect", s);
}

/* -- asking -- */

/* A good answer in r->doc, which holds it. */
static int ask_once(struct reading *r, const char *subject, const char *body, natsMsg **ret_msg)
{
	char why[NATS_WHY_MAX];
	natsStatus s = natsConnection_RequestString(ret_msg, r->conn, subject, body, REQUEST_MS);
	int code;

	if (s == NATS_NO_RESPONDERS || s == NATS_TIMEOUT)
		return -EAGAIN;
	if (s != NATS_OK)
		return fail_status(r, "no answer", s);
	code = nats_answer_read(
		&r->doc, fg_str(natsMsg_GetData(*ret_msg), (size_t)natsMsg_GetDataLength(*ret_msg)),
		why);
	if (code > 0 && nats_verdict(code) == NATS_VERDICT_LATER)
		return -EAGAIN;
	return code == 0 ? 0 : fail(r, code > 0 ? -ENOENT : code, r->stream, why);
}

static int ask(struct reading *r, const char *call, const char *body, natsMsg **ret_msg)
{
	char subject[400];
	int e = -EAGAIN;

	snprintf(subject, sizeof(subject), "$JS.API.%s.%.200s", call, r->stream);
	for (int i = 0; i < TRIES && e == -EAGAIN; i++) {
		natsMsg_Destroy(*ret_msg);
		*ret_msg = NULL;
		if (i > 0)
			nats_Sleep(1000);
		e = ask_once(r, subject, body, ret_msg);
	}
	return e == -EAGAIN ? fail(r, -ETIMEDOUT, r->stream, "JetStream does not answer") : e;
}

static int ask_stream(struct reading *r)
{
	struct nats_stream_info info;
	natsMsg *msg = NULL;
	int e = ask(r, "STREAM.INFO", "", &msg);

	if (e == 0 && !nats_answer_stream(&r->doc, "x", &info))
		e = fail(r, -EBADMSG, r->stream, "the server answers nonsense");
	if (e == 0)
		r->last_seq = info.last_seq;
	natsMsg_Destroy(msg);
	return e;
}

static int subscribe(struct reading *r)
{
	char body[1000];
	natsMsg *msg = NULL;
	natsStatus s = natsInbox_Create(&r->inbox);
	int e;

	s = s ? s : natsConnection_SubscribeSync(&r->sub, r->conn, (const char *)r->inbox);
	s = s ? s : natsSubscription_SetPendingLimits(r->sub, -1, -1);
	if (s != NATS_OK)
		return fail_status(r, "cannot subscribe", s);
	snprintf(body, sizeof(body),
		 "{\"stream_name\":\"%.200s\",\"config\":{\"deliver_subject\":\"%.80s\","
		 "\"ack_policy\":\"none\",\"deliver_policy\":\"all\",\"max_deliver\":1,"
		 "\"num_replicas\":1,\"mem_storage\":true,\"flow_control\":true,"
		 "\"idle_heartbeat\":%d000000%s%.300s%s}}",
		 r->stream, (const char *)r->inbox, HEARTBEAT_MS,
		 r->c->subject ? ",\"filter_subject\":\"" : "", r->c->subject ? r->c->subject : "",
		 r->c->subject ? "\"" : "");
	e = ask(r, "CONSUMER.CREATE", body, &msg);
	if (e == 0 && !nats_answer_consumer(&r->doc, r->consumer, sizeof(r->consumer), &r->pending))
		e = fail(r, -EBADMSG, r->stream, "the server answers nonsense");
	natsMsg_Destroy(msg);
	return e;
}

/* -- reading -- */

/* A status of the server's: flow control wants an answer. What the stream holds may have any
 * header, and says by its reply subject that it comes from there. */
static bool is_status(struct reading *r, natsMsg *msg)
{
	const char *status = NULL, *stalled = NULL, *reply = natsMsg_GetReply(msg);

	if (reply && strncmp(reply, "$JS.ACK.", 8) == 0)
		return false;
	if (natsMsgHeader_Get(msg, "Status", &status) != NATS_OK)
		return false;
	if (reply)
		(void)natsConnection_PublishString(r->conn, reply, "");
	else if (natsMsgHeader_Get(msg, "Nats-Consumer-Stalled", &stalled) == NATS_OK)
		(void)natsConnection_PublishString(r->conn, stalled, "");
	return true;
}

/* 1: a message of the stream; 0: something else. *ret_wait_ms: as `take` has it. */
static int take(struct reading *r, natsMsg *msg, uint64_t *ret_seq, uint32_t *ret_wait_ms)
{
	jsMsgMetaData *meta = NULL;
	const char *type = NULL;
	uint64_t at;

	if (is_status(r, msg))
		return 0;
	if (natsMsg_GetMetaData(&meta, msg) != NATS_OK)
		return 0;
	at = meta->Sequence.Consumer;
	*ret_seq = meta->Sequence.Stream;
	jsMsgMetaData_Destroy(meta);
	if (at != ++r->read)
		return fail(r, -EIO, r->stream, "a message got lost on the way; try again");
	(void)natsMsgHeader_Get(msg, "Content-Type", &type);
	*ret_wait_ms = r->c->take(
		r->c->arg, fg_str(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), type);
	return 1;
}

static bool is_end(const struct reading *r, uint64_t seq)
{
	if (r->last_seq && seq >= r->last_seq)
		return true;
	/* of a part of the stream the last one may be any */
	return r->read >= r->pending && (r->c->subject || r->last_seq == 0);
}

static int read_all(struct reading *r)
{
	uint32_t wait_ms = r->c->wait_ms;
	uint64_t seq = 0;
	int64_t silent_ms = 0;
	int e = 0;

	while (e >= 0 && !is_end(r, seq) && wait_ms) {
		int64_t step_ms = wait_ms < HEARTBEAT_MS ? wait_ms : HEARTBEAT_MS;
		natsMsg *msg = NULL;
		natsStatus s = natsSubscription_NextMsg(&msg, r->sub, step_ms);

		if (s == NATS_OK)
			e = take(r, msg, &seq, &wait_ms);
		else if (s != NATS_TIMEOUT)
			e = fail_status(r, "the reading ended early", s);
		natsMsg_Destroy(msg);
		silent_ms = e > 0 ? 0 : silent_ms + (s == NATS_TIMEOUT ? step_ms : 0);
		if (e == 0 && silent_ms >= (int64_t)wait_ms)
			e = r->read >= r->pending ? 1 : fail(r, -ETIMEDOUT, r->stream, "silence");
		if (silent_ms >= (int64_t)wait_ms)
			break;
	}
	return e < 0 ? e : 0;
}

static void close_reading(struct reading *r)
{
	char subject[400];
	natsMsg *msg = NULL;

	if (r->consumer[0]) {
		snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DELETE.%.200s.%.99s",
			 r->stream, r->consumer);
		(void)natsConnection_RequestString(&msg, r->conn, subject, "", REQUEST_MS);
		natsMsg_Destroy(msg);
	}
	natsSubscription_Destroy(r->sub);
	natsInbox_Destroy(r->inbox);
	natsConnection_Destroy(r->conn);
	fg_doc_fini(&r->doc);
}

int nats_collect(struct fg_collect *collect)
{
	struct reading r = { .c = collect,
			     .stream = collect->stream ? collect->stream : "FIELDGATE" };
	char why[100];
	int e = 0;

	if (nats_check_stream(r.stream, why, sizeof(why)) < 0)
		return fail(&r, -EINVAL, r.stream, why);
	if (collect->subject && strpbrk(collect->subject, "\"\\ \t\r\n"))
		return fail(&r, -EINVAL, "not a subject", NULL);
	fg_doc_init(&r.doc, 12, (size_t)32 << 20);
	e = open_connection(&r);
	if (e == 0)
		e = ask_stream(&r);
	if (e == 0)
		e = subscribe(&r);
	if (e == 0)
		e = read_all(&r);
	close_reading(&r);
	return e;
}

/* The threads' side: one of ours that calls the library, and the library's that call back. */
#include "adapt/nats_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IO_BUFFER (16 << 10)
#define PING_MS 15000
#define MESSAGES_MAX 64 /* of the events; more wait in the library, up to these */
#define PENDING_MAX 8192
#define PENDING_BYTES (4 << 20)
#define GONE_S 30 /* the library owes the last callbacks: they come at once */

static void tell_down(struct fg_nats_link *link, int error, const char *why)
{
	const struct fg_nats_event e = { .kind = NATS_DOWN, .error = error };

	nats_tell(link, &e, fg_str(NULL, 0), fg_str(NULL, 0), fg_str_c(why));
}

/* -- what statuses mean -- */

static int status_errno(natsStatus s)
{
	switch (s) {
	case NATS_OK:
		return 0;
	case NATS_NO_MEMORY:
		return -ENOMEM;
	case NATS_NO_SERVER:
		return -ECONNREFUSED;
	case NATS_TIMEOUT:
		return -ETIMEDOUT;
	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_NOT_PERMITTED:
		return -EACCES;
	case NATS_SSL_ERROR:
	case NATS_SECURE_CONNECTION_WANTED:
	case NATS_SECURE_CONNECTION_REQUIRED:
	case NATS_PROTOCOL_ERROR:
		return -EPROTO;
	case NATS_MAX_PAYLOAD:
		return -EMSGSIZE;
	default:
		return -ECONNRESET;
	}
}

/* In one line of printable ASCII without quotes. */
static void plain(char *text)
{
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"')
			*p = *p == '"' ? '\'' : ' ';
}

static void fail(struct fg_nats_link *link, natsStatus s, const char *detail)
{
	char why[200];
	const char *text = detail && detail[0] == '(' ? strstr(detail, "): ") : NULL;

	if (text) /* where in the library */
		detail = text + 3;
	snprintf(why, sizeof(why), "%s%s%.150s", natsStatus_GetText(s),
		 detail && detail[0] ? ": " : "", detail ? detail : "");
	plain(why);
	tell_down(link, status_errno(s), why);
}

/* -- callbacks, on threads of the library -- */

static void on_complete(void *closure)
{
	struct fg_nats_link *link = closure;

	pthread_mutex_lock(&link->lock);
	link->complete++;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

static void on_conn_closed(natsConnection *conn, void *closure)
{
	struct fg_nats_link *link = closure;
	const char *text = NULL;
	natsStatus s = natsConnection_GetLastError(conn, &text);

	fail(link, s == NATS_OK ? NATS_CONNECTION_CLOSED : s, text);
	pthread_mutex_lock(&link->lock);
	link->conn_closed = true;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

static void on_error(natsConnection *conn, natsSubscription *sub, natsStatus err, void *closure)
{
	const char *text = NULL;

	(void)sub;
	if (err == NATS_SLOW_CONSUMER)
		return;
	(void)natsConnection_GetLastError(conn, &text);
	fail(closure, err, text);
}

/* Behind the inbox and a point: TOKEN_STAMP in hexadecimal. */
static bool address_read(const struct fg_nats_link *link, const char *subject,
			 struct fg_nats_event *e)
{
	size_t skip = strlen((const char *)link->inbox);
	char *end;

	if (strncmp(subject, (const char *)link->inbox, skip) != 0 || subject[skip] != '.')
		return false;
	e->token = (uint32_t)strtoul(subject + skip + 1, &end, 16);
	if (*end != '_')
		return false;
	e->stamp = (uint32_t)strtoul(end + 1, &end, 16);
	return *end == '\0';
}

static void on_answer(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *closure)
{
	struct fg_nats_link *link = closure;
	struct fg_nats_event e = { .kind = NATS_ANSWER };
	const char *status = NULL;

	(void)conn;
	(void)sub;
	if (address_read(link, natsMsg_GetSubject(msg), &e)) {
		if (natsMsg_GetDataLength(msg) == 0 &&
		    natsMsgHeader_Get(msg, "Status", &status) == NATS_OK)
			e.error = strcmp(status, "503") == 0 ? -EHOSTUNREACH : -EPROTO;
		nats_tell(link, &e, fg_str(NULL, 0), fg_str(NULL, 0),
			  fg_str(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)));
	}
	natsMsg_Destroy(msg);
}

/* On the thread of one subscription, which may wait. */
static void wait_heard(struct fg_nats_link *link)
{
	pthread_mutex_lock(&link->lock);
	while ((link->hold || link->nmessages >= MESSAGES_MAX) && !link->ending && !link->deaf)
		pthread_cond_wait(&link->heard, &link->lock);
	pthread_mutex_unlock(&link->lock);
}

static void on_message(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *closure)
{
	const struct fg_nats_event e = { .kind = NATS_MESSAGE };

	(void)conn;
	(void)sub;
	wait_heard(closure);
	nats_tell(closure, &e, fg_str_c(natsMsg_GetSubject(msg)), fg_str_c(natsMsg_GetReply(msg)),
		  fg_str(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)));
	natsMsg_Destroy(msg);
}

static natsStatus on_sign(char **ret_text, unsigned char **ret_signature, int *ret_len,
			  const char *nonce, void *closure)
{
	const struct fg_nats_link *link = closure;

	(void)ret_text;
	return nats_Sign(link->conf.seed, nonce, ret_signature, ret_len);
}

/* -- connecting -- */

/* HOST of "nats://HOST:PORT", without the brackets of an IPv6 address. */
static void host_of(const char *server, char *out, size_t cap)
{
	const char *at = strstr(server, "://"), *end;

	at = at ? at + 3 : server;
	end = strrchr(at, ':');
	if (*at == '[') {
		at++;
		end = strchr(at, ']');
	}
	snprintf(out, cap, "%.*s", (int)(end ? (size_t)(end - at) : strlen(at)), at);
}

static natsStatus set_tls(natsOptions *o, const struct fg_nats_conf *c)
{
	char host[260];
	natsStatus s = natsOptions_SetSecure(o, true);

	host_of(c->server, host, sizeof(host));
	if (s == NATS_OK && c->ca)
		s = natsOptions_LoadCATrustedCertificates(o, c->ca);
	if (s == NATS_OK && c->cert)
		s = natsOptions_LoadCertificatesChain(o, c->cert, c->key);
	if (s == NATS_OK && !c->insecure)
		s = natsOptions_SetExpectedHostname(o, c->server_name ? c->server_name : host);
	if (s == NATS_OK && c->insecure)
		s = natsOptions_SkipServerVerification(o, true);
	return s;
}

static natsStatus set_user(natsOptions *o, struct fg_nats_link *link)
{
	const struct fg_nats_conf *c = &link->conf;
	char key[FG_NATS_KEY];

	if (c->username)
		return natsOptions_SetUserInfo(o, c->username, c->password ? c->password : "");
	if (c->token)
		return natsOptions_SetToken(o, c->token);
	if (c->credentials)
		return natsOptions_SetUserCredentialsFromFiles(o, c->credentials, NULL);
	if (!c->seed)
		return NATS_OK;
	if (fg_nats_public_key(c->seed, key) < 0)
		return NATS_INVALID_ARG;
	return natsOptions_SetNKey(o, key, on_sign, link);
}

static natsStatus set_all(natsOptions *o, struct fg_nats_link *link)
{
	const struct fg_nats_conf *c = &link->conf;
	natsStatus s = natsOptions_SetURL(o, c->server);

	s = s ? s : natsOptions_SetName(o, c->name);
	s = s ? s : natsOptions_SetAllowReconnect(o, false);
	s = s ? s : natsOptions_SetTimeout(o, c->timeout_ms);
	s = s ? s : natsOptions_SetWriteDeadline(o, c->timeout_ms);
	s = s ? s : natsOptions_SetPingInterval(o, PING_MS);
	s = s ? s : natsOptions_SetIOBufSize(o, IO_BUFFER);
	s = s ? s : natsOptions_SetSendAsap(o, true);
	s = s ? s : natsOptions_SetNoEcho(o, true);
	s = s ? s : natsOptions_SetIgnoreDiscoveredServers(o, true);
	s = s ? s : natsOptions_SetErrorHandler(o, on_error, link);
	s = s ? s : natsOptions_SetClosedCB(o, on_conn_closed, link);
	s = s ? s : set_user(o, link);
	return s ? s : c->tls ? set_tls(o, c) : NATS_OK;
}

static natsStatus subscribe(struct fg_nats_link *link, const char *subject, natsMsgHandler cb)
{
	natsSubscription **sub = &link->subs[link->nsubs];
	natsStatus s = natsConnection_Subscribe(sub, link->conn, subject, cb, link);

	if (s == NATS_OK) {
		link->nsubs++;
		/* before it may be closed: nothing that closes it has been called */
		s = natsSubscription_SetOnCompleteCB(*sub, on_complete, link);
	}
	return s;
}

static natsStatus connect_all(struct fg_nats_link *link)
{
	natsOptions *o = NULL;
	char inbox[80];
	natsStatus s = natsOptions_Create(&o);

	s = s ? s : set_all(o, link);
	s = s ? s : natsConnection_Connect(&link->conn, o);
	natsOptions_Destroy(o);
	s = s ? s : natsInbox_Create(&link->inbox);
	if (s == NATS_OK) {
		snprintf(inbox, sizeof(inbox), "%.70s.*", (const char *)link->inbox);
		s = subscribe(link, inbox, on_answer);
	}
	for (unsigned i = 0; s == NATS_OK && i < 2; i++)
		if (link->conf.subscribe[i]) {
			s = subscribe(link, link->conf.subscribe[i], on_message);
			s = s ? s :
				natsSubscription_SetPendingLimits(link->subs[link->nsubs - 1],
								  PENDING_MAX, PENDING_BYTES);
		}
	return s;
}

/* -- sending -- */

static natsStatus message_of(const struct fg_nats_link *link, const struct fg_nats_out *out,
			     natsMsg **ret_msg)
{
	char reply[100];
	const char *to = out->reply;
	natsStatus s;

	snprintf(reply, sizeof(reply), "%.70s.%x_%x", (const char *)link->inbox, out->token,
		 out->stamp);
	if (!to && !out->quiet)
		to = reply;
	s = natsMsg_Create(ret_msg, out->subject, to, out->payload.ptr, (int)out->payload.len);
	if (s == NATS_OK && out->id)
		s = natsMsgHeader_Set(*ret_msg, "Nats-Msg-Id", out->id);
	if (s == NATS_OK && out->stream)
		s = natsMsgHeader_Set(*ret_msg, "Nats-Expected-Stream", out->stream);
	if (s == NATS_OK && out->type)
		s = natsMsgHeader_Set(*ret_msg, "Content-Type", out->type);
	if (s == NATS_OK && out->after)
		s = natsMsgHeader_Set(*ret_msg, "Nats-Expected-Last-Subject-Sequence", out->after);
	return s;
}

static void publish(struct fg_nats_link *link, const struct fg_nats_out *out)
{
	natsMsg *msg = NULL;
	natsStatus s = message_of(link, out, &msg);

	/* all of it has been copied, and the next may take as long as the server likes */
	nats_queue_read(link);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(link->conn, msg);
	natsMsg_Destroy(msg);
	if (s == NATS_MAX_PAYLOAD) {
		const struct fg_nats_event e = { .kind = NATS_ANSWER,
						 .token = out->token,
						 .stamp = out->stamp,
						 .error = -EMSGSIZE };

		if (!out->quiet)
			nats_tell(link, &e, fg_str(NULL, 0), fg_str(NULL, 0), fg_str(NULL, 0));
	} else if (s != NATS_OK) {
		fail(link, s, "cannot publish");
	}
}

static void probe(struct fg_nats_link *link)
{
	const struct fg_nats_event e = { .kind = NATS_ANSWER, .token = FG_NATS_PROBE };
	natsStatus s = natsConnection_FlushTimeout(link->conn, link->conf.timeout_ms);

	if (s == NATS_OK)
		nats_tell(link, &e, fg_str(NULL, 0), fg_str(NULL, 0), fg_str(NULL, 0));
	else
		fail(link, s, "the server does not answer");
}

/* -- the thread -- */

/* Whoever still calls back has a pointer to the link. */
static bool wait_quiet(struct fg_nats_link *link)
{
	struct timespec end;
	bool quiet;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += GONE_S;
	pthread_mutex_lock(&link->lock);
	while (!(quiet = link->conn_closed && link->complete == link->nsubs))
		if (pthread_cond_timedwait(&link->changed, &link->lock, &end) == ETIMEDOUT)
			break;
	link->deaf = true;
	pthread_mutex_unlock(&link->lock);
	return quiet;
}

static void disconnect(struct fg_nats_link *link)
{
	if (link->conn) {
		natsConnection_Close(link->conn);
		link->kept = !wait_quiet(link);
		for (uint32_t i = 0; i < link->nsubs; i++)
			natsSubscription_Destroy(link->subs[i]);
		natsConnection_Destroy(link->conn);
	}
	natsInbox_Destroy(link->inbox);
	nats_ReleaseThreadMemory();
}

void *nats_thread(void *arg)
{
	struct fg_nats_link *link = arg;
	struct fg_nats_job job;
	natsStatus s = connect_all(link);

	if (s == NATS_OK) {
		const struct fg_nats_event e = {
			.kind = NATS_UP, .max_payload = natsConnection_GetMaxPayload(link->conn)
		};

		nats_tell(link, &e, fg_str(NULL, 0), fg_str(NULL, 0), fg_str(NULL, 0));
	} else {
		fail(link, s, nats_GetLastError(NULL));
	}
	while (nats_queue_take(link, &job)) {
		if (s == NATS_OK && job.probe)
			probe(link);
		else if (s == NATS_OK && job.out.subject)
			publish(link, &job.out);
		free(job.bytes);
	}
	disconnect(link);
	pthread_mutex_lock(&link->lock);
	link->ended = true;
	fg_wake_send(&link->wake);
	pthread_mutex_unlock(&link->lock);
	return NULL;
}

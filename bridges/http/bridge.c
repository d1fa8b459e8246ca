/*
 * Bridge to an HTTP server. Each connection carries one request at a time, so that with one of them
 * packs arrive in order. A pack is acknowledged by a status of 2xx and a whole answer; what a pack
 * can do nothing about (no connection, nonsense, wrong address or credentials) is a fault of the
 * sink, and the pack waits.
 */
#include <fg/registry.h>

#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MAX_S 3600 /* a server that asks for more is asked again after this */

struct http_sink {
	struct fg_sink *sink;
	struct fg_curl curl;
	CURL *probe; /* while it opens: connects, and no more */
	char probe_why[CURL_ERROR_SIZE];
	struct http_squeeze squeeze;
	struct fg_log_limit limit;
	uint32_t count;
	struct http_request requests[HTTP_CONNECTIONS_MAX];
};

#define http_of(c) ((struct http_sink *)((char *)(c)-offsetof(struct http_sink, curl)))

static const struct fg_choice methods[] = { { "POST", HTTP_POST }, { "PUT", HTTP_PUT }, { 0 } };

static const struct fg_choice codings[] = {
	{ "none", HTTP_PLAIN },
	{ "gzip", HTTP_GZIP },
	{ "zstd", HTTP_ZSTD },
	{ 0 },
};

static const struct fg_choice versions[] = { { "1.2", 12 }, { "1.3", 13 }, { 0 } };

static const struct fg_option tls_options[] = {
	{ .name = "ca", .type = FG_OPT_STRING, .offset = offsetof(struct http_tls, ca),
	  .help = "File of certificates to trust; the system's by default." },
	{ .name = "cert", .type = FG_OPT_STRING, .offset = offsetof(struct http_tls, cert),
	  .help = "File of our own certificate and its chain." },
	{ .name = "key", .type = FG_OPT_STRING, .offset = offsetof(struct http_tls, key),
	  .help = "File of our own private key." },
	{ .name = "version", .type = FG_OPT_ENUM, .offset = offsetof(struct http_tls, version),
	  .def = "1.2", .choices = versions, .help = "Least version of TLS." },
	{ .name = "insecure", .type = FG_OPT_BOOL, .offset = offsetof(struct http_tls, insecure),
	  .def = "false", .help = "Trust any server. Only for a bench." },
	{ 0 },
};

static const struct fg_option options[] = {
	{ .name = "url", .type = FG_OPT_STRING, .offset = offsetof(struct http_conf, url),
	  .flags = FG_OPT_REQUIRED, .check = http_check_url,
	  .help = "Where packs are sent: http://HOST[:80]/PATH?QUERY or https://HOST[:443]/..." },
	{ .name = "method", .type = FG_OPT_ENUM, .offset = offsetof(struct http_conf, method),
	  .def = "POST", .choices = methods, .help = "Method of the requests." },
	{ .name = "headers", .type = FG_OPT_VALUES, .offset = offsetof(struct http_conf, headers),
	  .help = "More header lines; a Content-Type takes the place of the format's." },
	{ .name = "secret_headers", .type = FG_OPT_SECRETS,
	  .offset = offsetof(struct http_conf, secret_headers),
	  .help = "Header lines whose values are secrets." },
	{ .name = "username", .type = FG_OPT_STRING, .offset = offsetof(struct http_conf, username),
	  .help = "User name (Basic)." },
	{ .name = "password", .type = FG_OPT_SECRET, .offset = offsetof(struct http_conf, password),
	  .help = "Password." },
	{ .name = "token", .type = FG_OPT_SECRET, .offset = offsetof(struct http_conf, token),
	  .help = "Token of the Authorization header." },
	{ .name = "token_type", .type = FG_OPT_STRING,
	  .offset = offsetof(struct http_conf, token_type), .def = "Bearer",
	  .help = "What stands before the token; InfluxDB 2 wants Token." },
	{ .name = "compress", .type = FG_OPT_ENUM, .offset = offsetof(struct http_conf, compress),
	  .def = "none", .choices = codings, .help = "How bodies are compressed." },
	{ .name = "timeout", .type = FG_OPT_DURATION,
	  .offset = offsetof(struct http_conf, timeout_ns), .def = "20s", .min = 100000000,
	  .max = INT64_C(600000000000), .help = "For one request with its answer." },
	{ .name = "connections", .type = FG_OPT_INT,
	  .offset = offsetof(struct http_conf, connections), .def = "1", .min = 1,
	  .max = HTTP_CONNECTIONS_MAX,
	  .help = "Requests at a time; with more than one, packs may arrive out of order." },
	{ .name = "tls", .type = FG_OPT_GROUP, .offset = offsetof(struct http_conf, tls),
	  .group = tls_options, .help = "How the server proves itself, and we to it." },
	{ 0 },
};

/* -- what became of a request -- */

static void say_fault(struct fg_sink *sink, CURLcode result, char *why)
{
	http_plain(why);
	fg_sink_fault(sink, fg_curl_errno(result), why[0] ? why : curl_easy_strerror(result));
}

static void on_probed(struct http_sink *st, CURLcode result)
{
	fg_curl_remove(&st->curl, st->probe);
	curl_easy_cleanup(st->probe);
	st->probe = NULL;
	if (result == CURLE_OK)
		fg_sink_up(st->sink);
	else
		say_fault(st->sink, result, st->probe_why);
}

/* Nothing more is sent before the time that the server has asked for (RFC 9110 section 10.2.3). */
static void on_later(struct http_sink *st, struct http_request *request, const char *why)
{
	curl_off_t seconds = 0;
	uint32_t left_out;
	char quoted[256];

	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds < 0) /* a date that is over */
		seconds = 0;
	if (seconds > 0)
		fg_sink_pause(st->sink, FG_S(seconds < PATIENCE_MAX_S ? seconds : PATIENCE_MAX_S));
	if (fg_log_allowed(&st->limit, fg_loop_now(st->sink->loop), 4, &left_out))
		fg_log(&st->sink->logger, FG_WARN, "not now", "why=%s wait=%llds left_out=%u",
		       fg_log_quote(why, strlen(why), quoted, sizeof(quoted)), (long long)seconds,
		       left_out);
}

static void on_answer(struct http_sink *st, struct http_request *request, struct fg_batch *batch)
{
	char why[200];
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	http_request_tell(request, status, why, sizeof(why));
	switch (http_verdict(status)) {
	case HTTP_TAKEN:
		fg_sink_done(st->sink, batch, 0, NULL);
		break;
	case HTTP_LATER:
		on_later(st, request, why);
		fg_sink_done(st->sink, batch, -EAGAIN, why);
		break;
	case HTTP_TOO_LARGE:
		fg_sink_done(st->sink, batch, -EMSGSIZE, why);
		break;
	case HTTP_REFUSED:
		/* in halves, until the record that is refused stands alone */
		fg_sink_done(st->sink, batch, batch->records > 1 ? -EMSGSIZE : -EBADMSG, why);
		break;
	case HTTP_UNFIT:
		fg_sink_fault(st->sink, -EACCES, why);
		return;
	}
	fg_sink_ready(st->sink);
}

static void on_done(struct fg_curl *curl, CURL *easy, CURLcode result)
{
	struct http_sink *st = http_of(curl);
	struct http_request *request = NULL;
	struct fg_batch *batch;

	if (easy == st->probe) {
		on_probed(st, result);
		return;
	}
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
	fg_curl_remove(curl, easy);
	batch = request->batch;
	request->batch = NULL;
	if (result == CURLE_OK)
		on_answer(st, request, batch);
	else
		say_fault(st->sink, result, request->why);
}

static void on_failed(struct fg_curl *curl, int error)
{
	fg_sink_fault(http_of(curl)->sink, error, "the library gave up");
}

/* -- the sink -- */

static int http_open(struct fg_sink *sink)
{
	const struct http_conf *conf = sink->conf;
	struct http_sink *st = sink->state;
	int r;

	st->sink = sink;
	st->curl.done = on_done;
	st->curl.failed = on_failed;
	r = fg_curl_init(sink->loop, &st->curl);
	if (r == 0)
		r = http_squeeze_init(&st->squeeze, (enum http_compress)conf->compress);
	for (; r == 0 && st->count < (uint32_t)conf->connections; st->count++)
		r = http_request_init(&st->requests[st->count], conf);
	st->probe = r == 0 ? fg_curl_easy() : NULL;
	if (!st->probe)
		return r < 0 ? r : -ENOMEM;
	curl_multi_setopt(st->curl.multi, CURLMOPT_MAXCONNECTS, (long)conf->connections);
	http_aim(st->probe, conf, st->probe_why);
	curl_easy_setopt(st->probe, CURLOPT_CONNECT_ONLY, 1L);
	return fg_curl_add(&st->curl, st->probe);
}

static void on_closed(struct fg_curl *curl)
{
	fg_sink_closed(http_of(curl)->sink);
}

static void http_close(struct fg_sink *sink)
{
	struct http_sink *st = sink->state;

	for (uint32_t i = 0; i < st->count; i++) {
		struct http_request *request = &st->requests[i];

		if (request->batch)
			fg_curl_remove(&st->curl, request->easy);
		http_request_fini(request);
	}
	if (st->probe) {
		fg_curl_remove(&st->curl, st->probe);
		curl_easy_cleanup(st->probe);
	}
	http_squeeze_fini(&st->squeeze);
	fg_curl_close(&st->curl, on_closed);
}

static struct http_request *idle_request(struct http_sink *st)
{
	for (uint32_t i = 0; i < st->count; i++)
		if (!st->requests[i].batch)
			return &st->requests[i];
	return NULL;
}

/* A letter that goes again is of the format in which it was refused. */
static int aim_headers(struct http_sink *st, struct http_request *request, const char *type,
		       const char **ret_bad)
{
	int r;

	if (request->type && strcmp(request->type, type) == 0)
		return 0;
	curl_slist_free_all(request->headers);
	request->headers = NULL;
	r = http_headers_new(st->sink->conf, type, &request->headers, ret_bad);
	request->type = r == 0 ? type : NULL;
	return r;
}

static int begin(struct http_sink *st, struct http_request *request, struct fg_batch *batch,
		 const char **ret_bad)
{
	int r = aim_headers(st, request, batch->content_type, ret_bad);

	if (r == 0)
		r = http_request_prepare(request, &st->squeeze, batch);
	return r < 0 ? r : fg_curl_add(&st->curl, request->easy);
}

static int http_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct http_sink *st = sink->state;
	struct http_request *request = idle_request(st);
	const char *bad = NULL;
	char why[120];
	int r;

	if (!request)
		return -EAGAIN;
	r = begin(st, request, batch, &bad);
	if (r < 0) {
		snprintf(why, sizeof(why), "%s%.80s",
			 bad ? "no header can hold the secret of " : "",
			 bad ? bad : "cannot begin a request");
		fg_sink_fault(sink, r, why);
		return -EAGAIN;
	}
	request->batch = batch;
	return 0;
}

static const char *http_target(const void *conf)
{
	return ((const struct http_conf *)conf)->url;
}

static void http_cost(const void *conf, const struct fg_cost_terms *terms, struct fg_cost *cost)
{
	const struct http_conf *c = conf;
	uint64_t connections = (uint64_t)c->connections;

	/* the library with its certificates; what is compressed, and by what */
	cost->memory += (6u << 20) + connections * (256u << 10);
	if (c->compress != HTTP_PLAIN)
		cost->memory += connections * (terms->pack + terms->pack / 64) + (4u << 20);
	/* a lookup has two */
	cost->descriptors += 2 + 3 * connections;
}

const struct fg_bridge fg_bridge_http = {
	.name = "http",
	.summary = "Sends packs as requests to an HTTP server.",
	.acknowledges = true,
	.conf_size = sizeof(struct http_conf),
	.state_size = sizeof(struct http_sink),
	.options = options,
	.check = http_check,
	.target = http_target,
	.cost = http_cost,
	.ops = {
		.open = http_open,
		.close = http_close,
		.send = http_send,
	},
};

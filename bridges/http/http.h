/* The HTTP bridge: a pack is the body of one request, the answer's status is what became of it. */
#pragma once

#include <fg/bridge.h>
#include <fg/buf.h>
#include <fg/fault.h>
#include <fg/value.h>

#include "adapt/curl.h"
#include "squeeze.h"

#define HTTP_CONNECTIONS_MAX 16

struct http_tls {
	const char *ca, *cert, *key;
	int version; /* 12: TLS 1.2, 13: TLS 1.3 */
	bool insecure;
};

struct http_conf {
	const char *url;
	int method; /* enum http_method */
	struct fg_values headers;
	struct fg_secrets secret_headers;
	const char *username;
	struct fg_secret password, token;
	const char *token_type;
	int compress; /* enum http_compress */
	int64_t timeout_ns, connections;
	struct http_tls tls;
};

enum http_method { HTTP_POST, HTTP_PUT };

/* -- what a status means (RFC 9110 section 15) -- */
enum http_verdict {
	HTTP_TAKEN,
	HTTP_LATER,	/* the same again after a while */
	HTTP_TOO_LARGE,
	HTTP_REFUSED,	/* this pack will never be taken */
	HTTP_UNFIT,	/* no pack would be: address, credentials or format are wrong */
};

enum http_verdict http_verdict(long status);

/* -- conf.c -- */
int http_check_url(const char *text, char *why, size_t cap);
void http_check(const void *conf, struct fg_faults *faults);

/* -- header.c -- */
bool http_header_name_ok(const char *name);
bool http_header_value_ok(struct fg_str value);
/* The lines of each request; owned by the caller. -ENOMEM; -EINVAL: a secret that no header can
 * hold, its header is in ret_name. */
int http_headers_new(const struct http_conf *conf, const char *content_type,
		     struct curl_slist **ret_lines, const char **ret_name);

/* -- request.c: one request at a time on one connection -- */
struct http_request {
	CURL *easy;
	struct fg_batch *batch; /* NULL: idle */
	struct curl_slist *headers; /* lent to the transfer: each its own */
	const char *type; /* they say, or NULL */
	struct fg_buf packed;
	char why[CURL_ERROR_SIZE];
	char body[128]; /* the answer's begin */
	size_t body_len, head_total;
};

/* -ENOMEM. To be given back even if it failed. */
int http_request_init(struct http_request *request, const struct http_conf *conf);
void http_request_fini(struct http_request *request);
/* Makes a transfer go to the configured address, and prove and be proved as it says. */
void http_aim(CURL *easy, const struct http_conf *conf, char *why);
/* Before each request. The body is borrowed until it has ended. -ENOMEM. */
int http_request_prepare(struct http_request *request, struct http_squeeze *squeeze,
			 struct fg_batch *batch);
/* In one line of printable ASCII without quotes: status and the begin of the answer. */
void http_request_tell(const struct http_request *request, long status, char *out, size_t cap);
/* The same of a text of the library's. */
void http_plain(char *text);

/* One request: how it is set up, what of its answer is kept, what its status means. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD_MAX ((size_t)64 << 10)
#define CONNECT_MAX_NS INT64_C(10000000000)
#define PACKED_MAX ((size_t)160 << 20)

static const short later[] = { 408, 425, 429 };
/* they say nothing of the pack */
static const short unfit[] = {
	401, 402, 403, 404, 405, 406, 407, 410, 411, 414, 415, 417, 421, 426, 428, 431,
};

static bool among(const short *list, size_t count, long status)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == status)
			return true;
	return false;
}

enum http_verdict http_verdict(long status)
{
	if (status >= 200 && status < 300)
		return HTTP_TAKEN;
	if (status >= 500 || among(later, sizeof(later) / sizeof(later[0]), status))
		return HTTP_LATER;
	if (status == 413)
		return HTTP_TOO_LARGE;
	if (status < 400 || among(unfit, sizeof(unfit) / sizeof(unfit[0]), status))
		return HTTP_UNFIT;
	return HTTP_REFUSED;
}

/* -- the answer -- */

static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;

	(void)bytes;
	request->head_total += size * count;
	return request->head_total > HEAD_MAX ? 0 : size * count;
}

/* The status is known by now, and says what became of the pack. A body that is given up would be
 * no answer, and the same pack would be sent for it again and again: it is taken until its end or
 * the request's, and dropped. */
static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_request *request = arg;
	size_t len = size * count, room = sizeof(request->body) - request->body_len;

	memcpy(request->body + request->body_len, bytes, len < room ? len : room);
	request->body_len += len < room ? len : room;
	return len;
}

void http_plain(char *text)
{
	for (; *text; text++) {
		if (*text == '"')
			*text = '\'';
		else if (*text < ' ' || *text > '~')
			*text = ' ';
	}
}

void http_request_tell(const struct http_request *request, long status, char *out, size_t cap)
{
	if (request->body_len)
		snprintf(out, cap, "HTTP status %ld: %.*s", status, (int)request->body_len,
			 request->body);
	else
		snprintf(out, cap, "HTTP status %ld", status);
	http_plain(out);
}

/* -- the request -- */

static void aim_tls(CURL *easy, const struct http_tls *tls)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION,
			 (long)(tls->version == 13 ? CURL_SSLVERSION_TLSv1_3 :
						     CURL_SSLVERSION_TLSv1_2));
	if (tls->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca);
	if (tls->cert)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert);
	if (tls->key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key);
	if (tls->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

void http_aim(CURL *easy, const struct http_conf *conf, char *why)
{
	int64_t connect = conf->timeout_ns < CONNECT_MAX_NS ? conf->timeout_ns : CONNECT_MAX_NS;

	curl_easy_setopt(easy, CURLOPT_URL, conf->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
			 strncmp(conf->url, "https:", 6) == 0 ? "https" : "http");
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect / 1000000));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(conf->timeout_ns / 1000000));
	aim_tls(easy, &conf->tls);
}

int http_request_init(struct http_request *request, const struct http_conf *conf)
{
	CURL *easy = fg_curl_easy();

	fg_buf_init(&request->packed, PACKED_MAX);
	request->easy = easy;
	if (!easy)
		return -ENOMEM;
	http_aim(easy, conf, request->why);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	if (conf->method == HTTP_PUT)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	if (conf->username) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, conf->username);
		curl_easy_setopt(easy, CURLOPT_PASSWORD,
				 conf->password.value ? conf->password.value : "");
	}
	/* without any, a length that no number holds would be none */
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)INT64_MAX);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "fieldgate");
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	return 0;
}

void http_request_fini(struct http_request *request)
{
	curl_easy_cleanup(request->easy);
	request->easy = NULL;
	curl_slist_free_all(request->headers);
	fg_buf_fini(&request->packed);
}

int http_request_prepare(struct http_request *request, struct http_squeeze *squeeze,
			 struct fg_batch *batch)
{
	struct fg_str body = batch->payload;

	if (squeeze->how != HTTP_PLAIN) {
		int r = http_squeeze(squeeze, body, &request->packed);

		if (r < 0)
			return r;
		body = fg_buf_view(&request->packed);
	}
	request->body_len = request->head_total = 0;
	request->why[0] = '\0';
	curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, body.ptr);
	return 0;
}

/* What of a configuration cannot be right. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int refuse(char *why, size_t cap, const char *text)
{
	if (why && cap)
		snprintf(why, cap, "%s", text);
	return -EINVAL;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

int http_check_url(const char *text, char *why, size_t cap)
{
	CURLU *url;
	CURLUcode rc;
	int r = 0;

	if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
		return refuse(why, cap, "expected http://HOST[:PORT]/PATH or https://...");
	/* the library would look for one behind the slashes */
	if (strstr(text, ":///"))
		return refuse(why, cap, "the host is missing");
	url = curl_url();
	if (!url)
		return 0; /* without memory, the attempt to use it says so */
	rc = curl_url_set(url, CURLUPART_URL, text, 0);
	if (rc != CURLUE_OK)
		r = refuse(why, cap, curl_url_strerror(rc));
	else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		r = refuse(
			why, cap,
			"a user does not belong into the URL: use \"username\" and \"password\"");
	else if (has_part(url, CURLUPART_FRAGMENT))
		r = refuse(why, cap, "nothing of a URL behind '#' is sent");
	curl_url_cleanup(url);
	return r;
}

static bool is_near(const char *url)
{
	return strncmp(url, "http://127.", 11) == 0 || strncmp(url, "http://localhost", 16) == 0 ||
	       strncmp(url, "http://[::1]", 12) == 0;
}

static void check_file(const char *pointer, const char *path, struct fg_faults *faults)
{
	if (path && !fg_faults_elsewhere(faults) && access(path, R_OK) < 0)
		fg_fault(faults, pointer, "%s: %s", path, strerror(errno));
}

static void check_tls(const struct http_conf *conf, bool secure, struct fg_faults *faults)
{
	const struct http_tls *tls = &conf->tls;

	if ((tls->ca || tls->cert || tls->key || tls->insecure) && !secure)
		fg_fault(faults, "/tls", "needs a https:// URL");
	if (!tls->cert != !tls->key)
		fg_fault(faults, tls->cert ? "/tls/cert" : "/tls/key",
			 "a certificate and its key belong together");
	check_file("/tls/ca", tls->ca, faults);
	check_file("/tls/cert", tls->cert, faults);
	check_file("/tls/key", tls->key, faults);
	if (tls->insecure && secure)
		fg_doubt(faults, "/tls/insecure", "the server does not have to prove who it is");
}

static void check_name(const char *group, const char *name, struct fg_faults *faults)
{
	char pointer[300];

	snprintf(pointer, sizeof(pointer), "/%s/%.250s", group, name);
	if (!http_header_name_ok(name))
		fg_fault(faults, pointer, "no header that may be set here");
}

static void check_headers(const struct http_conf *conf, struct fg_faults *faults)
{
	for (size_t i = 0; i < conf->headers.count; i++) {
		const struct fg_value *value = &conf->headers.items[i];
		char pointer[300];

		check_name("headers", conf->headers.names[i], faults);
		snprintf(pointer, sizeof(pointer), "/headers/%.250s", conf->headers.names[i]);
		if (value->kind != FG_STRING)
			fg_fault(faults, pointer, "expected a text in quotes");
		else if (!http_header_value_ok(value->s))
			fg_fault(faults, pointer, "a header's value is one line of text");
	}
	for (size_t i = 0; i < conf->secret_headers.count; i++)
		check_name("secret_headers", conf->secret_headers.names[i], faults);
}

void http_check(const void *arg, struct fg_faults *faults)
{
	const struct http_conf *conf = arg;
	bool secure = conf->url && strncmp(conf->url, "https://", 8) == 0;

	if (!conf->url)
		return;
	check_tls(conf, secure, faults);
	check_headers(conf, faults);
	if (conf->token.name && conf->username)
		fg_fault(faults, "/token", "either a token or a user with a password");
	if (conf->password.name && !conf->username)
		fg_fault(faults, "/password", "needs \"username\"");
	if (!secure && !is_near(conf->url) &&
	    (conf->token.name || conf->password.name || conf->secret_headers.count))
		fg_doubt(faults, "/url", "secrets are sent in the clear: use https://");
}

/* What of a configuration cannot be right. */
#include "nats.h"

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

/* :PORT to the end. */
static bool port_good(const char *text)
{
	unsigned n = 0;
	size_t len = 0;

	for (; text[len] >= '0' && text[len] <= '9' && len < 6; len++)
		n = n * 10 + (unsigned)(text[len] - '0');
	return len > 0 && text[len] == '\0' && n >= 1 && n <= 65535;
}

static bool host_good(const char *host, size_t len)
{
	if (len > 4 && host[0] == '[' && host[len - 1] == ']')
		return strspn(host + 1, "0123456789abcdefABCDEF:.") == len - 2;
	for (size_t i = 0; i < len; i++)
		if (host[i] <= ' ' || host[i] > '~' || strchr(":/@?#[]\"\\", host[i]))
			return false;
	return len > 0 && len < 254;
}

int nats_check_url(const char *text, char *why, size_t cap)
{
	const char *at = strstr(text, "://"), *colon;

	if (strncmp(text, "nats://", 7) != 0 && strncmp(text, "tls://", 6) != 0)
		return refuse(why, cap, "expected nats://HOST:PORT or tls://HOST:PORT");
	at += 3;
	if (strchr(at, '@'))
		return refuse(why, cap,
			      "a user does not belong into the URL: use \"username\" and "
			      "\"password\", or \"token\"");
	colon = strrchr(at, ':');
	if (!colon || !port_good(colon + 1) || strchr(colon, ']'))
		return refuse(why, cap, "expected a port behind the host, such as :4222");
	if (!host_good(at, (size_t)(colon - at)))
		return refuse(why, cap, "the host is missing or no name");
	return 0;
}

int nats_check_subject(const char *text, char *why, size_t cap)
{
	char full[NATS_SUBJECT_MAX];
	size_t i = 0;

	if (nats_subject(text, "gateway", "name", false, full) < 0 || strlen(full) > 255)
		return refuse(why, cap, "longer than a subject may be");
	do {
		size_t part = strcspn(full + i, ".");

		if (part == 0)
			return refuse(why, cap, "a part of the subject is empty");
		i += part;
	} while (full[i] == '.' && ++i);
	for (i = 0; full[i]; i++)
		if (full[i] <= ' ' || full[i] > '~' || strchr("*>\"\\{}", full[i]))
			return refuse(why, cap,
				      "a subject is published to: no blank, no * and no >; "
				      "{gateway} and {name} are filled in");
	if (full[0] == '$')
		return refuse(why, cap, "subjects with $ belong to the servers");
	return 0;
}

int nats_check_stream(const char *text, char *why, size_t cap)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr(".*>/\\\"", *p))
			return refuse(why, cap,
				      "a stream's name has no blank, no '.', '*', '>', '/', '\\'");
	return 0;
}

const char *nats_server(const struct nats_conf *conf, size_t n)
{
	if (conf->urls.count)
		return n < conf->urls.count ? conf->urls.items[n] : NULL;
	return n == 0 ? conf->url : NULL;
}

bool nats_url_secure(const char *url)
{
	return strncmp(url, "tls://", 6) == 0;
}

static bool is_near(const char *url)
{
	return strncmp(url, "nats://127.", 11) == 0 || strncmp(url, "nats://localhost:", 17) == 0 ||
	       strncmp(url, "nats://[::1]", 12) == 0;
}

/* It may come later, or be renewed just now: that keeps no gateway from starting. Opening fails as
 * long as it is not there, and is tried again. */
static void check_file(const char *pointer, const char *path, struct fg_faults *faults)
{
	if (path && !fg_faults_elsewhere(faults) && access(path, R_OK) < 0)
		fg_doubt(faults, pointer, "%s: %s", path, strerror(errno));
}

static void check_tls(const struct nats_conf *conf, bool secure, struct fg_faults *faults)
{
	const struct nats_tls *tls = &conf->tls;

	if ((tls->ca || tls->cert || tls->key || tls->server_name || tls->insecure) && !secure)
		fg_fault(faults, "/tls", "needs tls:// URLs");
	if (!tls->cert != !tls->key)
		fg_fault(faults, tls->cert ? "/tls/cert" : "/tls/key",
			 "a certificate and its key belong together");
	check_file("/tls/ca", tls->ca, faults);
	check_file("/tls/cert", tls->cert, faults);
	check_file("/tls/key", tls->key, faults);
	if (tls->insecure && secure)
		fg_doubt(faults, "/tls/insecure", "the server does not have to prove who it is");
}

static void check_user(const struct nats_conf *conf, struct fg_faults *faults)
{
	int ways = (conf->username != NULL) + (conf->token.name != NULL) +
		   (conf->nkey.name != NULL) + (conf->credentials != NULL);
	char key[FG_NATS_KEY];

	if (ways > 1)
		fg_fault(faults, conf->username ? "/username" : "/token",
			 "one of username, token, credentials and nkey, not several");
	if (conf->password.name && !conf->username)
		fg_fault(faults, "/password", "needs \"username\"");
	check_file("/credentials", conf->credentials, faults);
	if (conf->nkey.value && fg_nats_public_key(conf->nkey.value, key) == -EINVAL)
		fg_fault(faults, "/nkey", "the secret is not the seed of a user (SU...)");
}

void nats_check(const void *arg, struct fg_faults *faults)
{
	const struct nats_conf *conf = arg;
	bool secure = true, clear = false;
	const char *url;

	for (size_t i = 0; (url = nats_server(conf, i)); i++) {
		secure = secure && nats_url_secure(url);
		clear = clear || (!nats_url_secure(url) && !is_near(url));
	}
	check_tls(conf, secure, faults);
	check_user(conf, faults);
	if (clear && (conf->token.name || conf->password.name))
		fg_doubt(faults, "/url", "secrets are sent in the clear: use tls://");
	if (!conf->create && (conf->replicas != 1 || conf->max_bytes || conf->max_age_ns))
		fg_doubt(faults, "/create",
			 "replicas, max_bytes, max_age and duplicates are those of a stream that "
			 "is made: without \"create\" they have no effect");
	if (conf->create && conf->max_age_ns && conf->duplicates_ns > conf->max_age_ns)
		fg_fault(faults, "/duplicates", "longer than \"max_age\"");
}

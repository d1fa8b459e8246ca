#include "config/same_place.h"

#include <fg/str.h>
#include <strings.h>

struct url {
	struct fg_str scheme, host, port, path;
};

static const struct {
	const char *scheme, *port;
} PORTS[] = {
	{ "mqtt", "1883" },
	{ "mqtts", "8883" },
	{ "coap", "5683" },
	{ "coaps", "5684" },
};

static bool same_letters(struct fg_str a, struct fg_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static struct fg_str usual_port(struct fg_str scheme)
{
	for (size_t i = 0; i < sizeof(PORTS) / sizeof(PORTS[0]); i++)
		if (same_letters(scheme, fg_str_c(PORTS[i].scheme)))
			return fg_str_c(PORTS[i].port);
	return FG_STR("");
}

/* Takes what stands before the first of `ends`. */
static struct fg_str take(const char **at, const char *ends)
{
	struct fg_str s = fg_str(*at, strcspn(*at, ends));

	*at += s.len;
	return s;
}

/* SCHEME://HOST[:PORT][/PATH]; an IPv6 address stands in brackets. */
static bool url_split(const char *text, struct url *url)
{
	const char *at = strstr(text, "://");

	if (!at)
		return false;
	url->scheme = fg_str(text, (size_t)(at - text));
	at += 3;
	url->host = take(&at, *at == '[' ? "]/" : ":/");
	if (*at == ']') {
		url->host.len++;
		at++;
	}
	url->port = usual_port(url->scheme);
	if (*at == ':') {
		at++;
		url->port = take(&at, "/");
	}
	url->path = fg_str_c(*at == '/' && !at[1] ? "" : at);
	return true;
}

static bool this_machine(struct fg_str host)
{
	return same_letters(host, FG_STR("localhost")) || fg_str_eq_c(host, "127.0.0.1") ||
	       fg_str_eq_c(host, "[::1]");
}

static bool same(const char *a, const char *b, bool machine)
{
	struct url x, y;

	if (strcmp(a, b) == 0)
		return true;
	if (!url_split(a, &x) || !url_split(b, &y))
		return false;
	return same_letters(x.scheme, y.scheme) && fg_str_eq(x.port, y.port) &&
	       fg_str_eq(x.path, y.path) &&
	       (same_letters(x.host, y.host) ||
		(machine && this_machine(x.host) && this_machine(y.host)));
}

bool fg_same_server(const char *a, const char *b)
{
	return same(a, b, true);
}

bool fg_same_address(const char *a, const char *b)
{
	return same(a, b, false);
}

/* Reads the address to listen on. Pure: no name is looked up, no socket is opened. */
#include "listen.h"

#include <fg/str.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static bool listen_scheme(struct fg_str *rest, struct fg_coap_listen *listen)
{
	static const struct fg_str plain = { "coap://", 7 }, secure = { "coaps://", 8 };
	size_t len;

	if (fg_str_starts(*rest, plain))
		len = plain.len;
	else if (fg_str_starts(*rest, secure))
		len = secure.len;
	else
		return false;
	listen->secure = len == secure.len;
	*rest = fg_str(rest->ptr + len, rest->len - len);
	return true;
}

/* Splits HOST[:PORT] or [HOST][:PORT]; port is empty if absent. */
static bool listen_split(struct fg_str rest, struct fg_str *host, struct fg_str *port, bool *six)
{
	const char *end = rest.ptr + rest.len, *at = NULL;

	*six = rest.len && rest.ptr[0] == '[';
	if (*six) {
		const char *close = memchr(rest.ptr, ']', rest.len);

		if (!close)
			return false;
		*host = fg_str(rest.ptr + 1, (size_t)(close - rest.ptr) - 1);
		at = close + 1;
	} else {
		at = rest.len ? memchr(rest.ptr, ':', rest.len) : NULL;
		at = at ? at : end;
		*host = fg_str(rest.ptr, (size_t)(at - rest.ptr));
	}
	if (at == end) {
		*port = fg_str(end, 0);
		return true;
	}
	*port = fg_str(at + 1, (size_t)(end - at) - 1);
	return *at == ':' && port->len > 0;
}

static bool listen_port(struct fg_str text, in_port_t *ret_port)
{
	unsigned value = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text.ptr[i] - '0');
		if (value > 65535)
			return false;
	}
	*ret_port = htons((in_port_t)value);
	return value > 0;
}

static bool listen_host(struct fg_str text, bool six, struct fg_coap_listen *listen)
{
	char host[INET6_ADDRSTRLEN];

	if (fg_str_eq_c(text, "localhost") && !six)
		text = FG_STR("127.0.0.1");
	if (text.len == 0 || text.len >= sizeof(host))
		return false;
	memcpy(host, text.ptr, text.len);
	host[text.len] = '\0';
	if (six) {
		listen->in6.sin6_family = AF_INET6;
		listen->len = sizeof(listen->in6);
		return inet_pton(AF_INET6, host, &listen->in6.sin6_addr) == 1;
	}
	listen->in.sin_family = AF_INET;
	listen->len = sizeof(listen->in);
	return inet_pton(AF_INET, host, &listen->in.sin_addr) == 1;
}

static int listen_bad(const char *text, const char **ret_why)
{
	*ret_why = text;
	return -EINVAL;
}

int fg_coap_listen_parse(const char *text, struct fg_coap_listen *ret_listen, const char **ret_why)
{
	struct fg_coap_listen listen = { 0 };
	struct fg_str rest = fg_str_c(text), host, port;
	bool six;
	in_port_t number;

	if (!listen_scheme(&rest, &listen))
		return listen_bad("does not begin with coap:// or coaps://", ret_why);
	if (rest.len && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	if (!listen_split(rest, &host, &port, &six))
		return listen_bad("is not ADDRESS[:PORT] behind its scheme", ret_why);
	if (!listen_host(host, six, &listen))
		return listen_bad("has no IPv4 or [IPv6] address in it (names do not count)",
				  ret_why);
	number = htons(listen.secure ? FG_COAPS_PORT : FG_COAP_PORT);
	if (port.len && !listen_port(port, &number))
		return listen_bad("has no port between 1 and 65535", ret_why);
	if (six)
		listen.in6.sin6_port = number;
	else
		listen.in.sin_port = number;
	*ret_listen = listen;
	return 0;
}

bool fg_coap_listen_is_loopback(const struct fg_coap_listen *listen)
{
	const struct in6_addr *six = &listen->in6.sin6_addr;

	if (listen->sa.sa_family == AF_INET)
		return (ntohl(listen->in.sin_addr.s_addr) >> 24) == 127;
	if (IN6_IS_ADDR_V4MAPPED(six))
		return six->s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(six);
}

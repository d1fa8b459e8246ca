#include "console/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

void console_target(struct fg_str target, struct fg_str *ret_path, struct fg_str *ret_query)
{
	const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
	size_t len = mark ? (size_t)(mark - target.ptr) : target.len;

	*ret_path = fg_str(target.ptr, len);
	*ret_query = mark ? fg_str(mark + 1, target.len - len - 1) : fg_str(NULL, 0);
}

/* What stands before the next `mark`; *rest is what stands behind it. */
static struct fg_str cut(struct fg_str *rest, char mark)
{
	const char *at = rest->len ? memchr(rest->ptr, mark, rest->len) : NULL;
	size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
	struct fg_str part = fg_str(rest->ptr, len);

	*rest = at ? fg_str(at + 1, rest->len - len - 1) : fg_str(NULL, 0);
	return part;
}

/* One byte of a query at *at, or -1: an escape that is none. */
static int decode(struct fg_str text, size_t *at)
{
	int high, low, c = (unsigned char)text.ptr[*at];

	if (c != '%') {
		++*at;
		return c == '+' ? ' ' : c;
	}
	if (text.len - *at < 3)
		return -1;
	high = fg_hex_digit(text.ptr[*at + 1]);
	low = fg_hex_digit(text.ptr[*at + 2]);
	*at += 3;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int console_query(struct fg_str query, const char *name, char *out, size_t cap, size_t *ret_len)
{
	struct fg_str value = { 0 };
	size_t len = 0;
	bool found = false;

	while (query.len) {
		struct fg_str part = cut(&query, '&'), key = cut(&part, '=');

		if (!fg_str_eq_c(key, name))
			continue;
		if (found)
			return -EINVAL;
		found = true;
		value = part;
	}
	if (!found)
		return -ENOENT;
	for (size_t at = 0; at < value.len;) {
		int c = decode(value, &at);

		if (c <= 0)
			return -EINVAL;
		if (len + 1 >= cap)
			return -E2BIG;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	*ret_len = len;
	return 0;
}

static bool starts_nocase(struct fg_str text, const char *word)
{
	size_t len = strlen(word);

	return text.len >= len && strncasecmp(text.ptr, word, len) == 0;
}

static struct fg_str trim(struct fg_str text)
{
	while (text.len && (*text.ptr == ' ' || *text.ptr == '\t')) {
		text.ptr++;
		text.len--;
	}
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

bool console_bearer(struct fg_str header, struct fg_str *ret_token)
{
	static const char word[] = "Bearer ";

	header = trim(header);
	if (!starts_nocase(header, word))
		return false;
	*ret_token = trim(fg_str(header.ptr + strlen(word), header.len - strlen(word)));
	return ret_token->len > 0;
}

bool console_cookie(struct fg_str header, const char *name, struct fg_str *ret_value)
{
	while (header.len) {
		struct fg_str value = trim(cut(&header, ';')), key = cut(&value, '=');

		if (fg_str_eq_c(key, name) && value.len) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

bool console_same(struct fg_str given, struct fg_str secret)
{
	/* volatile: nothing may end the loop early */
	volatile unsigned char differs = given.len != secret.len || secret.len == 0;

	for (size_t i = 0; secret.len && i < given.len; i++) {
		unsigned char a = (unsigned char)given.ptr[i];
		unsigned char b = (unsigned char)secret.ptr[i % secret.len];

		differs = (unsigned char)(differs | (a ^ b));
	}
	return !differs;
}

/* The host of "HOST", "HOST:PORT" or "[V6]:PORT", without brackets. */
static struct fg_str host_of(struct fg_str text)
{
	struct fg_str rest = text;

	if (text.len && *text.ptr == '[') {
		rest = fg_str(text.ptr + 1, text.len - 1);
		return cut(&rest, ']');
	}
	return cut(&rest, ':');
}

static bool address_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	if (address->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* A numeric address, or "localhost", which is 127.0.0.1. */
static bool address_read(struct fg_str host, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;
	char text[INET6_ADDRSTRLEN];

	memset(ret, 0, sizeof(*ret));
	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	if (strcasecmp(text, "localhost") == 0)
		memcpy(text, "127.0.0.1", sizeof("127.0.0.1"));
	*ret_len = sizeof(*v4);
	ret->ss_family = AF_INET;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		return true;
	*ret_len = sizeof(*v6);
	ret->ss_family = AF_INET6;
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

bool console_host_is_loopback(struct fg_str host)
{
	struct sockaddr_storage address;
	socklen_t len;

	return address_read(host_of(host), &address, &len) && address_is_loopback(&address);
}

bool console_origin_is(struct fg_str origin, bool tls, struct fg_str host)
{
	struct fg_str scheme = tls ? FG_STR("https://") : FG_STR("http://");

	return host.len && fg_str_starts(origin, scheme) && origin.len == scheme.len + host.len &&
	       strncasecmp(origin.ptr + scheme.len, host.ptr, host.len) == 0;
}

bool console_type_is_json(struct fg_str type)
{
	static const char json[] = "application/json";

	type = trim(cut(&type, ';'));
	return type.len == strlen(json) && strncasecmp(type.ptr, json, type.len) == 0;
}

static bool port_read(struct fg_str text, in_port_t *ret_port)
{
	unsigned long port = 0;

	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text.ptr[i] - '0');
	}
	*ret_port = htons((in_port_t)port);
	return port >= 1 && port <= 65535;
}

const char *console_listen(const char *text, struct console_address *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&ret_address->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&ret_address->storage;
	struct fg_str rest = fg_str_c(text), host;
	in_port_t port;

	ret_address->tls = fg_str_starts(rest, FG_STR("https://"));
	if (!ret_address->tls && !fg_str_starts(rest, FG_STR("http://")))
		return "expected http://ADDRESS:PORT or https://ADDRESS:PORT";
	(void)cut(&rest, '/');
	(void)cut(&rest, '/');
	host = host_of(rest);
	if (!address_read(host, &ret_address->storage, &ret_address->len))
		return "expected a numeric address (127.0.0.1, [::1], 0.0.0.0) or localhost";
	rest.len -= (size_t)(host.ptr + host.len - rest.ptr);
	rest.ptr = host.ptr + host.len;
	if (ret_address->storage.ss_family == AF_INET6) {
		if (rest.len < 1 || *rest.ptr != ']')
			return "an IPv6 address stands in brackets: http://[::1]:8080";
		rest = fg_str(rest.ptr + 1, rest.len - 1);
	}
	if (rest.len < 2 || *rest.ptr != ':' ||
	    !port_read(fg_str(rest.ptr + 1, rest.len - 1), &port))
		return "expected a port (1 to 65535) behind the address, and nothing behind that";
	if (ret_address->storage.ss_family == AF_INET)
		v4->sin_port = port;
	else
		v6->sin6_port = port;
	ret_address->loopback = address_is_loopback(&ret_address->storage);
	return NULL;
}

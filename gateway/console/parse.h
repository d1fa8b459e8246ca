/* What an HTTP client says, taken apart: pure functions of foreign bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <fg/str.h>

/* The target of a request, cut at its '?'. Nothing is decoded. */
void console_target(struct fg_str target, struct fg_str *ret_path, struct fg_str *ret_query);

/*
 * The value of `name` in a query, decoded (%XX, '+'), with a NUL behind it.
 *   0           *ret_len bytes
 *   -ENOENT     it is not there
 *   -EINVAL     it is there twice, an escape is none, or it holds a NUL
 *   -E2BIG      it is longer than cap - 1 bytes
 */
int console_query(struct fg_str query, const char *name, char *out, size_t cap, size_t *ret_len);

/* The token of "Bearer TOKEN" (RFC 6750), or the value of one cookie of a Cookie header
 * (RFC 6265). False: there is none. */
bool console_bearer(struct fg_str header, struct fg_str *ret_token);
bool console_cookie(struct fg_str header, const char *name, struct fg_str *ret_value);

/* Equal or not, in a time that only the length of `given` changes. Neither is ever NULL. */
bool console_same(struct fg_str given, struct fg_str secret);

/* Whether a Host header names this machine's loopback: what a page from elsewhere cannot make a
 * browser say, whatever its name resolves to. */
bool console_host_is_loopback(struct fg_str host);
/* Whether an Origin header is that of a page that came from `host`. */
bool console_origin_is(struct fg_str origin, bool tls, struct fg_str host);
/* "application/json", with parameters or without. */
bool console_type_is_json(struct fg_str type);

struct console_address {
	struct sockaddr_storage storage;
	socklen_t len;
	bool tls, loopback;
};

/* "http://127.0.0.1:8080", "https://[::]:8443", "http://localhost:80". NULL, or why it is none. */
const char *console_listen(const char *text, struct console_address *ret_address);

/* The address a CoAP server listens on: coap://ADDRESS[:PORT] or coaps://ADDRESS[:PORT]. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define FG_COAP_PORT 5683	/* RFC 7252 section 6.1 */
#define FG_COAPS_PORT 5684	/* RFC 7252 section 6.2 */

struct fg_coap_listen {
	bool secure;		/* coaps: DTLS */
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* Takes IPv4, [IPv6] and "localhost" (127.0.0.1); names are never looked up. 0, or -EINVAL with
 * *ret_why set to what is wrong, a constant. */
int fg_coap_listen_parse(const char *text, struct fg_coap_listen *ret_listen, const char **ret_why);
/* True if nobody but this machine can reach it. */
bool fg_coap_listen_is_loopback(const struct fg_coap_listen *listen);

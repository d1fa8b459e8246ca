/*
 * One port for several processes: with SO_REUSEPORT the kernel deals datagrams out by the addresses
 * of both ends, so a client stays with one process as long as their number does.
 *
 * libcoap (4.3.1 to 4.3.5) makes and binds its socket in one call, and the option counts only if it
 * is set before. So it is let bind to a port that the kernel chooses; that is given back when the
 * socket is disconnected (udp(7): connect to AF_UNSPEC), and the same descriptor, which libcoap
 * keeps watching, can be bound once more.
 */
#include "listen.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_FDS 4096	/* how far above the others a new descriptor can be */

static bool is_same_host(const struct sockaddr_storage *name, const struct fg_coap_listen *listen)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)name;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

	if (name->ss_family != listen->sa.sa_family)
		return false;
	if (name->ss_family == AF_INET)
		return in->sin_addr.s_addr == listen->in.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&in6->sin6_addr, &listen->in6.sin6_addr);
}

static bool option_is_set(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value;
}

/* The endpoint's socket is the only one of the process that is bound to that address with the one
 * option and not yet with the other; those of clients are connected. */
static bool is_endpoint(int fd, const struct fg_coap_listen *listen)
{
	struct sockaddr_storage name = { 0 }, peer;
	socklen_t len = sizeof(name), peer_len = sizeof(peer), type_len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_DGRAM &&
	       getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
	       is_same_host(&name, listen) &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 &&
	       option_is_set(fd, SO_REUSEADDR) && !option_is_set(fd, SO_REUSEPORT);
}

static int endpoint_fd(const struct fg_coap_listen *listen)
{
	int found = -ENOTSUP;

	for (int fd = 0; fd < LOOK_FDS; fd++) {
		if (!is_endpoint(fd, listen))
			continue;
		if (found >= 0)
			return -EAGAIN;
		found = fd;
	}
	return found;
}

int fg_coap_port_share(const struct fg_coap_listen *listen)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int fd = endpoint_fd(listen), on = 1;

	if (fd < 0)
		return fd;
	if (connect(fd, &nobody, sizeof(nobody)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, &listen->sa, listen->len) < 0)
		return -errno;
	return 0;
}

/* Where the simulated devices send to: the URL's parts, and the name looked up on a worker. */
#include "cli/simulate.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

static int part_copy(char *out, size_t cap, const char *from, size_t len)
{
	if (len == 0 || len >= cap)
		return -EINVAL;
	memcpy(out, from, len);
	out[len] = '\0';
	return 0;
}

static int port_copy(const char *text, struct sim_url *url)
{
	unsigned port = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || p - text >= 5)
			return -EINVAL;
		port = port * 10 + (unsigned)(*p - '0');
	}
	if (port == 0 || port > 65535)
		return -EINVAL;
	return part_copy(url->port, sizeof(url->port), text, strlen(text));
}

/* "host", "host:port" or "[::1]:port", and at most a "/" behind it. */
static int authority_parse(const char *text, const char *default_port, struct sim_url *url)
{
	char host[300];
	size_t len = strcspn(text, "/");
	char *start = host, *end;

	if ((text[len] == '/' && text[len + 1]) || part_copy(host, sizeof(host), text, len) < 0)
		return -EINVAL;
	if (*host == '[') {
		start++;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*end++ = '\0';
	} else {
		end = host + strcspn(host, ":");
	}
	if (port_copy(*end == ':' ? end + 1 : default_port, url) < 0)
		return -EINVAL;
	*end = '\0';
	return part_copy(url->host, sizeof(url->host), start, strlen(start));
}

int sim_url_parse(const char *text, const char *default_port, struct sim_url *ret_url)
{
	const char *colon = strstr(text, "://");
	struct sim_url url = { 0 };
	int err;

	if (!colon)
		return -EINVAL;
	err = part_copy(url.scheme, sizeof(url.scheme), text, (size_t)(colon - text));
	if (err < 0)
		return err;
	if (strcmp(url.scheme, "unix") == 0)
		err = part_copy(url.host, sizeof(url.host), colon + 3, strlen(colon + 3));
	else
		err = authority_parse(colon + 3, default_port, &url);
	if (err == 0)
		*ret_url = url;
	return err;
}

static int unix_address(struct sim_lookup *lookup)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (part_copy(sun.sun_path, sizeof(sun.sun_path), lookup->url.host,
		      strlen(lookup->url.host)) < 0)
		return -ENAMETOOLONG;
	memcpy(&lookup->addr, &sun, sizeof(sun));
	lookup->addr_len = sizeof(sun);
	return 0;
}

/* One of the name's addresses, another one at each try. */
static void address_pick(struct sim_lookup *lookup, const struct addrinfo *list)
{
	const struct addrinfo *one = list;

	for (unsigned i = 0; i < lookup->tries; i++)
		one = one->ai_next ? one->ai_next : list;
	memcpy(&lookup->addr, one->ai_addr, one->ai_addrlen);
	lookup->addr_len = one->ai_addrlen;
}

/* On a worker: the look-up blocks. */
static void lookup_work(struct fg_work *work)
{
	struct sim_lookup *lookup = (struct sim_lookup *)work;
	struct addrinfo hints = { .ai_socktype = lookup->socktype }, *list = NULL;
	int rc;

	if (strcmp(lookup->url.scheme, "unix") == 0) {
		lookup->error = unix_address(lookup);
		return;
	}
	rc = getaddrinfo(lookup->url.host, lookup->url.port, &hints, &list);
	if (rc != 0) {
		lookup->error = rc == EAI_SYSTEM ? -errno : -EHOSTUNREACH;
		return;
	}
	address_pick(lookup, list);
	lookup->error = 0;
	freeaddrinfo(list);
}

static void lookup_done(struct fg_work *work)
{
	struct sim_lookup *lookup = (struct sim_lookup *)work;

	lookup->done(lookup);
}

int sim_lookup_start(struct fg_loop *loop, struct sim_lookup *lookup)
{
	lookup->work = (struct fg_work){ .work = lookup_work, .done = lookup_done };
	return fg_loop_work(loop, &lookup->work);
}

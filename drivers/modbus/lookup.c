/* Name resolution blocks, so a worker does it. It cannot be called back: whoever loses interest
 * leaves it to end by itself. */
#include "lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static void lookup_work(struct fg_work *work)
{
	struct modbus_lookup *lookup = (struct modbus_lookup *)work;
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	lookup->error = getaddrinfo(lookup->host, lookup->service, &hints, &lookup->addresses);
}

static void lookup_drop(struct modbus_lookup *lookup)
{
	if (lookup->addresses)
		freeaddrinfo(lookup->addresses);
	free(lookup->host);
	free(lookup->service);
	free(lookup);
}

static void lookup_done(struct fg_work *work)
{
	struct modbus_lookup *lookup = (struct modbus_lookup *)work;

	lookup->over = true;
	if (lookup->done)
		lookup->done(lookup->arg, lookup);
	else
		lookup_drop(lookup);
}

int modbus_lookup_begin(struct fg_loop *loop, const char *host, const char *service,
			void (*done)(void *arg, struct modbus_lookup *), void *arg,
			struct modbus_lookup **ret_lookup)
{
	struct modbus_lookup *lookup = calloc(1, sizeof(*lookup));
	int r = -ENOMEM;

	if (!lookup)
		return r;
	lookup->work.work = lookup_work;
	lookup->work.done = lookup_done;
	lookup->host = strdup(host);
	lookup->service = strdup(service);
	lookup->done = done;
	lookup->arg = arg;
	if (lookup->host && lookup->service)
		r = fg_loop_work(loop, &lookup->work);
	if (r < 0) {
		lookup_drop(lookup);
		return r;
	}
	*ret_lookup = lookup;
	return 0;
}

void modbus_lookup_free(struct modbus_lookup *lookup)
{
	if (lookup && lookup->over)
		lookup_drop(lookup);
	else if (lookup)
		lookup->done = NULL;
}

/* A host's addresses, looked up on a worker. */
#pragma once

#include <fg/loop.h>

struct addrinfo;

struct modbus_lookup {
	struct fg_work work;
	char *host, *service;
	int error;			/* of getaddrinfo */
	struct addrinfo *addresses;
	bool over;			/* the worker has ended */
	/* NULL: nobody waits any more */
	void (*done)(void *arg, struct modbus_lookup *);
	void *arg;
};

/* Begins; `done` gets it and gives it back with modbus_lookup_free(). 0 or -ENOMEM, -EAGAIN. */
int modbus_lookup_begin(struct fg_loop *loop, const char *host, const char *service,
			void (*done)(void *arg, struct modbus_lookup *), void *arg,
			struct modbus_lookup **ret_lookup);
/* Nobody waits for it any more: it goes now, or when the worker has ended. Takes NULL. */
void modbus_lookup_free(struct modbus_lookup *lookup);

/*
 * Clients that observe a last value (RFC 7641).
 *
 * libcoap lets one observe only what is a resource of its own, made before the request came. Here
 * everything that devices have is below one handler, so that ten thousand devices are no ten
 * thousand resources; and so observers are kept here, one struct for each, none for what nobody
 * observes.
 *
 * A notification is confirmable unless another one of that observer's was a moment ago. What does
 * not come through, or is answered with a reset, ends the observation; of a reset of one that was
 * not confirmable libcoap says nothing, so that one is heard with the next that is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/driver.h>

#include <coap3/coap.h>

#define FG_COAP_WATCH_MAX_AGE_S 300	/* at the latest then a value comes again */
#define FG_COAP_WATCH_CON_S 5		/* confirmable ones are so far apart, at least */
#define FG_COAP_WATCH_NON_MAX 32	/* unconfirmed ones between two of them; the rest waits */
#define FG_COAP_WATCHES_OF_ONE 32	/* of one client */

struct fg_coap_server;

struct fg_coap_watch {
	struct fg_watch watch;
	struct fg_coap_watch *next;
	struct fg_coap_server *server;
	coap_session_t *session;	/* a reference is held */
	uint64_t told_ns, con_ns;	/* when: last told anything, last confirmable */
	uint32_t nons;			/* unconfirmed ones since */
	bool dirty;
	bool over;			/* to be ended by the timer */
	uint8_t szx;
	uint8_t token_len;
	uint8_t token[8];		/* RFC 7252 section 3 */
	char path[];
};

struct fg_coap_watches {
	struct fg_coap_watch *first;
	uint32_t count;
	uint32_t sequence;		/* 24 bits */
	struct fg_timer timer;
};

void fg_coap_watches_init(struct fg_coap_server *server);
/* Ends those whose session is over, or all. */
void fg_coap_watches_end(struct fg_coap_server *server, bool all);

/* Registers, or renews. False: too many; the request is answered as a plain one. */
bool fg_coap_watch_add(struct fg_coap_server *server, coap_session_t *session,
		       coap_bin_const_t token, struct fg_str path, unsigned szx);
void fg_coap_watch_remove(struct fg_coap_server *server, const coap_session_t *session,
			  coap_bin_const_t token);
/* A confirmable notification was reset, or never acknowledged. The watch ends, but not here:
 * libcoap also says so from within coap_send(). */
void fg_coap_watch_failed(struct fg_coap_server *server, const coap_session_t *session,
			  coap_bin_const_t token);
/* The next value of the Observe option. */
uint32_t fg_coap_watch_sequence(struct fg_coap_server *server);

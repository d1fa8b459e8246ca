/*
 * An upstream that hangs up upon a pack (a broker of MQTT 3.1.1 knows no other answer to one that
 * is too large for it) says nothing about that pack, and would be sent it for ever. So after some
 * connections in a row that brought no acknowledgement the packs go one at a time; the one that is
 * hung up upon then is cut in two, until something is acknowledged. From there packs grow again,
 * until one is hung up upon once more: it may have been the network all the time.
 *
 * No number of hang-ups makes a dead letter: a single record only comes again after the back-off.
 */
#include "outbox/private.h"

#include <errno.h>

#define HANGS_MAX 5
#define ALONE_MORE 16	/* packs, beyond those that were in the window */
/* What the spool has dropped, and only a flight still has, cannot be cut any more: it takes more
 * than a bad network to say so. */
#define HANGS_CERTAIN 20
#define LIMITED_NS FG_S(3600)	/* then it is tried once more whether larger packs pass */

static bool is_hang(int error)
{
	return error == -ECONNRESET || error == -EPIPE || error == -EPROTO || error == -EMSGSIZE;
}

/* The one that was sent first, or the largest: of several that were in flight that is the one which
 * is too large, if any is. */
static struct flight *suspect(struct fg_outbox *box, bool largest)
{
	struct flight *found = NULL;

	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);

		if (flight->state == FLIGHT_SENT &&
		    (!found || (largest && flight->batch.payload.len > found->batch.payload.len)))
			found = flight;
	}
	return found;
}

bool outbox_must_wait(struct fg_outbox *box)
{
	return box->alone && suspect(box, false);
}

static void limit(struct fg_outbox *box, const struct flight *flight)
{
	uint64_t half = flight->batch.payload.len / 2;

	if (flight->kind != FLIGHT_PACK || flight->batch.records <= 1)
		return;
	if (half < box->bytes_max)
		box->bytes_max = half;
	box->limited_ns = fg_loop_now(box->sink.loop);
	box->settled = box->settled || box->grew;
	fg_log(&box->sink.logger, FG_WARN, "smaller packs", "hung_up=%llu bytes=%llu",
	       (unsigned long long)flight->batch.payload.len, (unsigned long long)box->bytes_max);
}

/* That something was too large is certain then; that it was a pack, only if nothing larger is sent
 * beside packs. */
static bool is_too_large(const struct fg_outbox *box, const struct flight *flight)
{
	return box->error == -EMSGSIZE && !box->sink.commands && !box->sink.remote &&
	       !box->sink.bridge->writes && flight->batch.payload.len > box->forward->status.len;
}

void outbox_hung(struct fg_outbox *box)
{
	struct flight *flight = suspect(box, box->error == -EMSGSIZE);

	if (!flight || !is_hang(box->error))
		return;
	if (is_too_large(box, flight)) {
		limit(box, flight);
		outbox_halve(box, flight, box->fault);
		return;
	}
	box->hangs++;
	if (box->alone)
		limit(box, flight);
	else if (box->hangs < HANGS_MAX)
		return;
	else
		box->grew = box->settled = false;
	box->alone = box->window + ALONE_MORE;
}

uint64_t outbox_bytes(const struct fg_outbox *box)
{
	return box->bytes_max < box->conf->batch.bytes ? box->bytes_max : box->conf->batch.bytes;
}

bool outbox_must_cut(const struct fg_outbox *box, const struct flight *flight)
{
	return flight->kind == FLIGHT_PACK && flight->bytes_max > box->bytes_max &&
	       flight->batch.records > 1 && flight->batch.payload.len > box->bytes_max &&
	       (flight->part_from >= fg_spool_oldest(box->forward->conf.spool) ||
		box->hangs >= HANGS_CERTAIN);
}

void outbox_heard(struct fg_outbox *box, const struct flight *flight)
{
	uint64_t full = box->conf->batch.bytes;

	box->hangs = 0;
	/* a few records do not fill it */
	if (box->bytes_max < full && !box->settled &&
	    flight->batch.payload.len > box->bytes_max / 4) {
		box->bytes_max = 2 * box->bytes_max;
		box->grew = true;
	}
	if (box->alone)
		box->alone--;
	else if (fg_loop_now(box->sink.loop) - box->limited_ns > LIMITED_NS)
		box->bytes_max = UINT64_MAX;
}

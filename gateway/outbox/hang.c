/*
 * An upstream that hangs up upon a pack (a broker of MQTT 3.1.1 knows no other answer to one that
 * is too large for it) says nothing about that pack, and would be sent it for ever. So after some
 * connections in a row that brought no acknowledgement the packs go one at a time; the one that is
 * hung up upon then is cut in two, until something is acknowledged. From there packs grow again,
 * until one is hung up upon once more: it may have been the network all the time.
 *
 * No number of hang-ups alone makes a dead letter: a network does that too. But when one that
 * cannot be smaller (a single record, a dead letter again) was hung up upon often, every second
 * connection begins with the one behind it. If several of those are taken, and it is hung up upon
 * right after, it is to blame. A window of 1 has no place for the one behind it.
 */
#include "outbox/private.h"

#include <errno.h>

#define HANGS_MAX 5
#define ALONE_MORE 16	/* packs, beyond those that were in the window */
/* What the spool has dropped, and only a flight still has, cannot be cut any more: it takes more
 * than a bad network to say so. */
#define HANGS_CERTAIN 20
#define PASSED_MIN 3	/* so many that were taken behind it */
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

static bool is_smallest(const struct flight *flight)
{
	return flight->kind != FLIGHT_PACK || flight->batch.records <= 1;
}

static bool must_pass(const struct fg_outbox *box, const struct flight *flight)
{
	return box->alone && box->hangs >= HANGS_CERTAIN && box->hangs % 2 && is_smallest(flight);
}

static struct flight *next_ready(struct fg_outbox *box, uint64_t *n)
{
	for (; *n < box->tail; ++*n)
		if (flight_at(box, *n)->state == FLIGHT_READY)
			return flight_at(box, *n);
	return NULL;
}

struct flight *outbox_next_ready(struct fg_outbox *box, struct flight **ret_passed)
{
	uint64_t n = box->head;
	struct flight *first = next_ready(box, &n);

	*ret_passed = NULL;
	if (!first || !must_pass(box, first))
		return first;
	*ret_passed = first;
	n++;
	return next_ready(box, &n);
}

static bool is_passed(struct fg_outbox *box, const struct flight *taken)
{
	uint64_t n = box->head;
	struct flight *first = next_ready(box, &n);

	if (!first || !must_pass(box, first))
		return false;
	while (++n < box->tail)
		if (flight_at(box, n) == taken)
			return true;
	return false;
}

/* The whole window, or enough of it, has been taken behind the flight; at best just now. */
static bool is_to_blame(struct fg_outbox *box, const struct flight *flight)
{
	uint32_t room = box->window - 1, enough = room < PASSED_MIN ? room : PASSED_MIN, taken = 0;

	if (box->hangs < HANGS_CERTAIN || !is_smallest(flight))
		return false;
	for (uint64_t n = box->tail; n-- > box->head && flight_at(box, n) != flight;)
		taken += flight_at(box, n)->state == FLIGHT_DONE;
	return taken > 0 && (taken == room || (box->passed && taken >= enough));
}

void outbox_hung(struct fg_outbox *box)
{
	struct flight *flight = suspect(box, box->error == -EMSGSIZE);

	if (!flight || !is_hang(box->error))
		return;
	if (is_too_large(box, flight)) {
		limit(box, flight);
		outbox_halve(box, flight, box->fault);
		outbox_advance(box); /* a dead letter is done with that, and makes room */
		return;
	}
	box->hangs++;
	if (is_to_blame(box, flight)) {
		outbox_halve(box, flight, "hung up upon, and what is behind it is taken");
		outbox_advance(box);
		box->hangs = 0;
	} else if (box->alone) {
		limit(box, flight);
	} else if (box->hangs < HANGS_MAX) {
		return;
	} else {
		box->grew = box->settled = false;
	}
	box->passed = false;
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

	/* then it is the turn of the one before it */
	box->passed = is_passed(box, flight);
	box->hangs = box->passed ? box->hangs + 1 : 0;
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

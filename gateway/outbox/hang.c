/*
 * An upstream that hangs up upon a pack (a broker of MQTT 3.1.1 knows no other answer to one that
 * is too large for it) says nothing about that pack, and would be sent it for ever. So after some
 * connections in a row that brought no acknowledgement the packs go one at a time; the one that is
 * hung up upon then is cut in two, until something is acknowledged. From there packs grow again,
 * until one is hung up upon once more: it may have been the network all the time.
 *
 * No number of hang-ups alone makes a dead letter: a network does that too. But when one that
 * cannot be smaller was hung up upon often, every second connection begins with one behind it. If
 * several of those are taken, and it is hung up upon again as the first of a connection, it is to
 * blame. That takes places in the window: where there are none, it waits. A dead letter that goes
 * again goes back without any proof, for nothing is lost by that.
 */
#include "outbox/private.h"

#include <errno.h>

#define HANGS_MAX 5
#define ALONE_MORE 16 /* packs, beyond those that were in the window */
/* What the spool has dropped, and only a flight still has, cannot be cut any more: it takes more
 * than a bad network to say so. */
#define HANGS_CERTAIN 20
#define HANGS_SUSPECT 3 /* alone */
#define PASSES_ENOUGH 3 /* or as many as have a place in the window */
#define LIMITED_NS FG_S(3600) /* then it is tried once more whether larger packs pass */

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

static bool is_suspect(const struct flight *flight)
{
	return flight->hung >= HANGS_SUSPECT &&
	       (flight->kind != FLIGHT_PACK || flight->batch.records <= 1);
}

/* The first one waits in this connection, until one behind it was taken. */
static bool is_passing(const struct fg_outbox *box)
{
	return box->alone && box->hangs >= HANGS_CERTAIN && box->hangs % 2 && !box->passed;
}

struct flight *outbox_next_ready(struct fg_outbox *box, bool *ret_worn)
{
	struct flight *first = NULL, *least = NULL;

	*ret_worn = false;
	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);

		if (flight->state != FLIGHT_READY)
			continue;
		if (!first && (!is_passing(box) || !is_suspect(flight)))
			return flight;
		if (!first)
			first = flight;
		else if (!least || flight->hung < least->hung)
			least = flight;
	}
	*ret_worn = first && (!least || least->hung);
	return least ? least : first;
}

static bool is_first(struct fg_outbox *box, const struct flight *flight)
{
	for (uint64_t n = box->head; flight_at(box, n) != flight; n++)
		if (flight_at(box, n)->state == FLIGHT_READY)
			return false;
	return true;
}

/* How many that were taken instead of the first still stand in the window. */
static uint32_t count_instead(struct fg_outbox *box)
{
	uint32_t count = 0;

	for (uint64_t n = box->head; n < box->tail; n++)
		count += flight_at(box, n)->state == FLIGHT_DONE && flight_at(box, n)->instead;
	return count;
}

/* `passed`: it was sent behind one that was taken. */
static bool is_to_blame(struct fg_outbox *box, const struct flight *flight, bool passed)
{
	uint32_t room = box->window - 1, enough = room < PASSES_ENOUGH ? room : PASSES_ENOUGH;
	/* one of them lately, if there was a place for it */
	bool lately = box->passes || box->tail - box->head >= box->window;

	if (box->hangs < HANGS_CERTAIN || !is_suspect(flight))
		return false;
	return flight->kind == FLIGHT_AGAIN ||
	       (!passed && room && lately && is_first(box, flight) && count_instead(box) >= enough);
}

void outbox_hung(struct fg_outbox *box)
{
	struct flight *flight = suspect(box, box->error == -EMSGSIZE);
	bool passed = box->passed;

	box->passed = false;
	if (!flight || !is_hang(box->error))
		return;
	if (is_too_large(box, flight)) {
		limit(box, flight);
		outbox_halve(box, flight, box->fault);
		outbox_advance(box); /* a dead letter is done with that, and makes room */
		return;
	}
	box->hangs++;
	flight->hung += box->alone > 0;
	if (is_to_blame(box, flight, passed)) {
		outbox_halve(box, flight, "hung up upon, time and again");
		outbox_advance(box);
		box->hangs = flight->kind == FLIGHT_AGAIN ? box->hangs : 0;
	} else if (box->alone) {
		limit(box, flight);
	} else if (box->hangs < HANGS_MAX) {
		return;
	} else {
		box->grew = box->settled = false;
	}
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
		flight->hung >= HANGS_CERTAIN);
}

void outbox_heard(struct fg_outbox *box, struct flight *flight)
{
	uint64_t full = box->conf->batch.bytes;

	/* then it is the turn of the one before it */
	if (is_passing(box) && !is_first(box, flight)) {
		box->passed = flight->instead = true;
		box->passes++;
	} else {
		box->hangs = box->passes = 0;
	}
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

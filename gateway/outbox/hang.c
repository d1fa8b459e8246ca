/*
 * An upstream that hangs up upon a pack (a broker of MQTT 3.1.1 knows no other answer to one that
 * is too large for it) says nothing about that pack, and would be sent it for ever. So after some
 * connections in a row that brought no acknowledgement the packs go one at a time; the one that is
 * hung up upon then is cut in two, until something is acknowledged. From there packs grow again,
 * until one is hung up upon once more: it may have been the network all the time. From there on,
 * too, nothing is sent before the upstream has given a sign of life, where it can: a connection
 * that ends without any accuses nobody.
 *
 * No number of hang-ups alone makes a dead letter: a network does that too. But when one that
 * cannot be smaller was hung up upon often, every second connection begins with a few behind it.
 * Where those are taken and it is hung up upon behind them, more often than one of them is, it is
 * to blame. That takes places in the window. Where all are taken up by such as were, they have to
 * do, if the upstream has answered in each of those connections; else it waits. An announcement
 * always waits. A dead letter that goes again goes back without any proof, for nothing is lost by
 * that.
 */
#include "outbox/private.h"

#include <errno.h>

#define HANGS_MAX 5
#define ALONE_MORE 16 /* packs, beyond those that were in the window */
/* What the spool has dropped, and only a flight still has, cannot be cut any more: it takes more
 * than a bad network to say so. */
#define HANGS_CERTAIN 20
#define HANGS_SUSPECT 3 /* alone */
/* A network that takes each of them with the same chance does so less than once in a million
 * times, whatever that chance is. Where each connection has answered before, the network is no
 * suspect; that the upstream takes no packs at all is still to be excluded. */
#define PASSES_EACH 3 /* in one connection */
#define PASSES_ENOUGH 6
#define PASSES_ANSWERED 2
/* So often packs grew, and had to become smaller again: once may have been the network. */
#define GROWTHS_MAX 3
/* What the room that a pack keeps for its head (record/pack.h) is larger than most heads. */
#define HEAD_SPARE 140
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
	return box->alone && (!box->alive || suspect(box, false));
}

void outbox_limit(struct fg_outbox *box, const struct flight *flight)
{
	/* half of its records, and what stands once in each pack */
	uint64_t half = flight->batch.payload.len / 8 * 5 + HEAD_SPARE;

	if (flight->kind != FLIGHT_PACK || flight->batch.records <= 1)
		return;
	if (half < box->bytes_max)
		box->bytes_max = half;
	box->limited_ns = fg_loop_now(box->sink.loop);
	box->settled += box->grew;
	box->grew = false;
	fg_log(&box->sink.logger, FG_WARN, "smaller packs", "pack=%llu bytes=%llu",
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

/* This connection begins with some behind the first. */
static bool is_passing(const struct fg_outbox *box)
{
	return box->alone && box->hangs >= HANGS_CERTAIN && box->hangs % 2;
}

/* What comes of it before it is done would come behind those that are sent meanwhile. */
static bool goes_in_parts(const struct fg_outbox *box, const struct flight *flight)
{
	return box->conf->order != FG_ORDER_LIVE_FIRST && flight->state != FLIGHT_DONE &&
	       flight->kind != FLIGHT_AGAIN && flight->part_to < flight->to;
}

struct flight *outbox_next_ready(struct fg_outbox *box, bool *ret_new)
{
	struct flight *first = NULL, *least = NULL;
	bool passing = is_passing(box) &&
		       box->passed < (box->answered ? PASSES_ANSWERED : PASSES_EACH);
	/* an outage makes a suspect of everything: without a place for a new one they are tried */
	bool suspects = !box->passed && box->tail - box->head >= box->window;

	*ret_new = false;
	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);
		bool ready = flight->state == FLIGHT_READY;

		if (ready && !first && (!passing || !is_suspect(flight)))
			return flight;
		if (ready && !first)
			first = flight;
		else if (ready && (suspects || !is_suspect(flight)) &&
			 (!least || flight->hung < least->hung))
			least = flight;
		if (!passing && goes_in_parts(box, flight))
			return NULL;
	}
	*ret_new = !least || least->hung;
	return least ? least : first;
}

static bool is_first(struct fg_outbox *box, const struct flight *flight)
{
	for (uint64_t n = box->head; flight_at(box, n) != flight; n++)
		if (flight_at(box, n)->state == FLIGHT_READY)
			return false;
	return true;
}

/* Nothing more can go before the first, and something of what is in the window has. */
static bool is_worn(struct fg_outbox *box)
{
	bool taken = false;

	for (uint64_t n = box->head + 1; n < box->tail; n++) {
		const struct flight *flight = flight_at(box, n);

		if (flight->state != FLIGHT_DONE && !is_suspect(flight))
			return false;
		taken |= flight->state == FLIGHT_DONE || flight->part_from > flight->from;
	}
	return taken && box->tail - box->head >= box->window;
}

/* `passed`: so many were taken before it, in this connection. */
static bool is_to_blame(struct fg_outbox *box, const struct flight *flight, uint32_t passed)
{
	uint32_t enough = box->answered ? PASSES_ANSWERED : PASSES_ENOUGH;

	if (box->hangs < HANGS_CERTAIN || !is_suspect(flight) || !is_first(box, flight))
		return false;
	if (box->answered && enough >= box->window)
		enough = box->window - 1;
	return flight->kind == FLIGHT_AGAIN ||
	       (flight->kind == FLIGHT_PACK &&
		((passed && box->passes >= enough) || (box->answered && is_worn(box))));
}

void outbox_hung(struct fg_outbox *box)
{
	struct flight *flight = suspect(box, box->error == -EMSGSIZE);
	uint32_t passed = box->passed;

	box->passed = 0;
	if (!flight || !is_hang(box->error))
		return;
	if (is_too_large(box, flight)) {
		outbox_halve(box, flight, box->fault);
		outbox_advance(box); /* a dead letter is done with that, and makes room */
		return;
	}
	if (is_first(box, flight))
		box->passes += passed;
	else if (box->passes && !(box->answered && is_suspect(flight)))
		box->passes--; /* so are others: that may be the network */
	box->hangs++;
	flight->hung += box->alone > 0;
	if (is_to_blame(box, flight, passed)) {
		outbox_halve(box, flight, "hung up upon, time and again");
		outbox_advance(box);
		box->hangs = flight->kind == FLIGHT_AGAIN ? box->hangs : 0;
	} else if (box->alone) {
		outbox_limit(box, flight);
	} else if (box->hangs < HANGS_MAX) {
		return;
	} else {
		box->grew = false;
		box->settled = 0;
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
	       flight->batch.records > 1 &&
	       flight->batch.payload.len + HEAD_SPARE > box->bytes_max &&
	       (flight->part_from >= fg_spool_oldest(box->forward->conf.spool) ||
		flight->hung >= HANGS_CERTAIN);
}

void outbox_heard(struct fg_outbox *box, struct flight *flight)
{
	uint64_t full = box->conf->batch.bytes;

	if (is_passing(box) && !is_first(box, flight)) {
		box->passed++;
	} else {
		box->hangs = box->passes = box->passed = 0;
		/* a few records do not fill it */
		if (box->bytes_max < full && box->settled < GROWTHS_MAX &&
		    flight->batch.payload.len > box->bytes_max / 4) {
			box->bytes_max = 2 * box->bytes_max;
			box->grew = true;
		}
	}
	if (box->alone) {
		box->alone--;
	} else if (fg_loop_now(box->sink.loop) - box->limited_ns > LIMITED_NS) {
		box->bytes_max = UINT64_MAX;
		box->settled = 0;
	}
}

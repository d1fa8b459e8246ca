#include "look.h"

void nats_look_begin(struct nats_look *look, uint32_t window, uint64_t floor, uint64_t begin)
{
	*look = (struct nats_look){
		.floor = floor,
		.begin = begin ? begin : 1,
		.window = window,
		.step = window,
		.next = NATS_LOOK_LAST,
	};
}

/* The part before the one that was looked through, if it takes one. */
static void part_before(struct nats_look *look)
{
	bool enough = look->floor ? look->from <= look->floor + 1 : look->known >= look->window;

	if (enough || look->from <= look->begin || look->asked >= NATS_LOOKS_MAX) {
		look->next = NATS_LOOK_DONE;
		return;
	}
	look->until = look->from;
	look->from = look->until > look->begin + look->step ? look->until - look->step :
							      look->begin;
	if (look->floor)
		look->from = look->floor + 1;
	look->at = look->from;
	look->step *= 2;
	look->next = NATS_LOOK_NEXT;
}

static void found_last(struct nats_look *look, uint64_t seq)
{
	look->last = look->from = seq;
	/* a stream that was made anew, or looks so */
	if (look->floor > seq)
		look->floor = 0;
	if (look->floor == seq)
		look->next = NATS_LOOK_DONE;
	else
		part_before(look);
}

void nats_look_found(struct nats_look *look, uint64_t seq, bool known)
{
	look->asked++;
	if (look->next == NATS_LOOK_LAST) {
		look->known += known;
		found_last(look, seq);
		return;
	}
	/* what stands behind the part has been seen; a server that goes back ends it */
	if (seq >= look->until || seq < look->at) {
		part_before(look);
		return;
	}
	look->known += known;
	look->at = seq + 1;
	if (look->at >= look->until || look->asked >= NATS_LOOKS_MAX)
		part_before(look);
}

void nats_look_none(struct nats_look *look)
{
	look->asked++;
	if (look->next == NATS_LOOK_LAST)
		look->next = NATS_LOOK_DONE;
	else
		part_before(look);
}

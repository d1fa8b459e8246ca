#include "nats.h"

static bool is_same(const struct nats_slot *slot, const struct fg_batch *batch)
{
	/* without an epoch there is no range that could be the same */
	return slot->tries && slot->epoch && slot->epoch == batch->epoch &&
	       slot->first == batch->first && slot->last == batch->last &&
	       slot->lost == batch->lost;
}

struct nats_slot *nats_slot_take(struct nats_desk *desk, struct fg_batch *batch, uint64_t now_ns)
{
	struct nats_slot *slot = &desk->slots[batch->slot];

	if (!is_same(slot, batch))
		*slot = (struct nats_slot){
			.stamp = ++desk->stamps,
			.epoch = batch->epoch,
			.first = batch->first,
			.last = batch->last,
			.lost = batch->lost,
			.first_ns = now_ns,
			.after_seq = desk->seq,
		};
	nats_id_write(desk->sink, batch, slot->id);
	slot->batch = batch;
	slot->tries++;
	slot->last_ns = now_ns;
	return slot;
}

uint64_t nats_slots_oldest(const struct nats_desk *desk)
{
	uint64_t oldest = 0;

	for (unsigned i = 0; i < NATS_WINDOW_MAX; i++) {
		const struct nats_slot *slot = &desk->slots[i];

		if (slot->tries && (!oldest || slot->first_ns < oldest))
			oldest = slot->first_ns;
	}
	return oldest;
}

uint64_t nats_slots_floor(const struct nats_desk *desk)
{
	uint64_t floor = desk->seq;

	if (!desk->looked)
		return 0;
	for (unsigned i = 0; i < NATS_WINDOW_MAX; i++)
		if (desk->slots[i].tries && desk->slots[i].after_seq < floor)
			floor = desk->slots[i].after_seq;
	return floor;
}

void nats_slots_looked(struct nats_desk *desk, uint64_t seq)
{
	desk->looked = true;
	desk->seq = seq;
	for (unsigned i = 0; i < NATS_WINDOW_MAX; i++)
		desk->slots[i].tries = 0;
}

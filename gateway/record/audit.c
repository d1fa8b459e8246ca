/* The audit's books: what came, by gateway and epoch. */
#include "record/audit.h"

#include "base/hash.h"
#include "record/audit_private.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64

struct fg_audit *fg_audit_new(void)
{
	struct fg_audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return NULL;
	audit->buckets = calloc(BUCKETS_MIN, sizeof(struct audit_epoch *));
	if (!audit->buckets)
		return fg_audit_free(audit);
	audit->nbuckets = BUCKETS_MIN;
	return audit;
}

struct fg_audit *fg_audit_free(struct fg_audit *audit)
{
	struct audit_epoch *next;

	if (!audit)
		return NULL;
	for (size_t i = 0; i < audit->nbuckets; i++)
		for (struct audit_epoch *epoch = audit->buckets[i]; epoch; epoch = next) {
			next = epoch->next;
			fg_ranges_fini(&epoch->had);
			fg_ranges_fini(&epoch->twice);
			free(epoch->losses);
			free(epoch);
		}
	free(audit->buckets);
	free(audit);
	return NULL;
}

/* -- epochs -- */

static size_t bucket_of(const struct fg_audit *audit, struct fg_str gateway, uint64_t id)
{
	return (size_t)fg_hash_str(gateway, id) & (audit->nbuckets - 1);
}

static void buckets_grow(struct fg_audit *audit)
{
	struct audit_epoch **old = audit->buckets, *epoch, *next;
	size_t nold = audit->nbuckets;
	struct audit_epoch **buckets = calloc(nold * 2, sizeof(struct audit_epoch *));

	if (!buckets) /* slower, no worse */
		return;
	audit->buckets = buckets;
	audit->nbuckets = nold * 2;
	for (size_t i = 0; i < nold; i++)
		for (epoch = old[i]; epoch; epoch = next) {
			size_t at = bucket_of(audit, fg_str_c(epoch->gateway), epoch->id);

			next = epoch->next;
			epoch->next = buckets[at];
			buckets[at] = epoch;
		}
	free(old);
}

static struct audit_epoch *epoch_new(struct fg_audit *audit, struct fg_str gateway, uint64_t id)
{
	struct audit_epoch *epoch = calloc(1, sizeof(*epoch) + gateway.len + 1);
	size_t at;

	if (!epoch)
		return NULL;
	if (audit->count >= audit->nbuckets)
		buckets_grow(audit);
	at = bucket_of(audit, gateway, id);
	memcpy(epoch->gateway, gateway.ptr, gateway.len);
	epoch->id = id;
	epoch->order = audit->count++;
	epoch->had.twice = &epoch->twice;
	epoch->next = audit->buckets[at];
	audit->buckets[at] = epoch;
	return epoch;
}

static bool epoch_is(const struct audit_epoch *epoch, struct fg_str gateway, uint64_t id)
{
	return epoch->id == id && fg_str_eq_c(gateway, epoch->gateway);
}

static struct audit_epoch *epoch_of(struct fg_audit *audit, struct fg_str gateway, uint64_t id)
{
	struct audit_epoch *epoch = audit->recent;

	if (epoch && epoch_is(epoch, gateway, id))
		return epoch;
	epoch = audit->buckets[bucket_of(audit, gateway, id)];
	while (epoch && !epoch_is(epoch, gateway, id))
		epoch = epoch->next;
	if (!epoch)
		epoch = epoch_new(audit, gateway, id);
	if (epoch)
		audit->recent = epoch;
	return epoch;
}

/* -- losses -- */

/* Reasons are few and short; those of somebody who makes them up share the last place. */
static unsigned why_of(struct fg_audit *audit, struct fg_str why)
{
	static const char rest[] = "other";

	for (unsigned i = 0; i < audit->nwhys; i++)
		if (fg_str_eq_c(why, audit->whys[i]))
			return i;
	if (why.len >= AUDIT_WHY_MAX || audit->nwhys >= AUDIT_WHYS - 1 ||
	    memchr(why.ptr, '\0', why.len)) {
		memcpy(audit->whys[AUDIT_WHYS - 1], rest, sizeof(rest));
		return AUDIT_WHYS - 1;
	}
	memcpy(audit->whys[audit->nwhys], why.ptr, why.len);
	return audit->nwhys++;
}

/* By first; of equal ones the longest, then what says the most. */
static int compare_losses(const void *one, const void *other)
{
	const struct audit_loss *a = one, *b = other;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last > b->last ? -1 : 1;
	if (a->records != b->records)
		return a->records > b->records ? -1 : 1;
	return a->why < b->why ? -1 : a->why > b->why;
}

void audit_losses_tidy(struct audit_epoch *epoch)
{
	size_t kept = 0;

	if (epoch->nlosses)
		qsort(epoch->losses, epoch->nlosses, sizeof(*epoch->losses), compare_losses);
	for (size_t i = 0; i < epoch->nlosses; i++)
		if (kept == 0 || compare_losses(&epoch->losses[kept - 1], &epoch->losses[i]) != 0)
			epoch->losses[kept++] = epoch->losses[i];
	epoch->nlosses = kept;
}

static int loss_add(struct audit_epoch *epoch, const struct audit_loss *loss)
{
	if (epoch->nlosses == epoch->losses_cap)
		audit_losses_tidy(epoch);
	if (epoch->nlosses * 2 >= epoch->losses_cap) {
		size_t cap = epoch->losses_cap ? epoch->losses_cap * 2 : 16;
		struct audit_loss *more = realloc(epoch->losses, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		epoch->losses = more;
		epoch->losses_cap = cap;
	}
	epoch->losses[epoch->nlosses++] = *loss;
	return 0;
}

/* -- packs -- */

static void reach(struct audit_epoch *epoch, uint64_t last)
{
	if (last > epoch->reach)
		epoch->reach = last;
}

static int take_prev(struct fg_audit *audit, const struct audit_pack *pack)
{
	struct audit_epoch *epoch;

	if (!pack->prev_epoch || !pack->prev_last)
		return 0;
	epoch = epoch_of(audit, pack->gateway, pack->prev_epoch);
	if (!epoch)
		return -ENOMEM;
	reach(epoch, pack->prev_last);
	if (pack->prev_last > epoch->kept)
		epoch->kept = pack->prev_last;
	return 0;
}

static void unknown_note(struct audit_epoch *epoch, uint64_t first, unsigned why)
{
	epoch->unknown[why] = true;
	if (epoch->unknown_from && epoch->unknown_from <= first)
		return;
	epoch->unknown_from = first;
	epoch->unknown_why = why;
}

static int take_range(struct fg_audit *audit, struct audit_epoch *epoch,
		      const struct audit_pack *pack)
{
	struct fg_range range = { pack->first, pack->last, pack->records };
	struct audit_loss loss = { pack->first, pack->last, pack->records, 0 };

	if (pack->why.len && pack->lost)
		loss.why = why_of(audit, pack->why);
	if (pack->unknown)
		unknown_note(epoch, pack->first, loss.why);
	reach(epoch, pack->last);
	if (pack->last < pack->first)
		return 0;
	if (!epoch->first || pack->first < epoch->first)
		epoch->first = pack->first;
	if (pack->last > epoch->last)
		epoch->last = pack->last;
	if (pack->begin && (!epoch->begin || pack->first < epoch->begin))
		epoch->begin = pack->first;
	/* numbers that the bridge does not carry are no loss */
	if (pack->lost && pack->why.len)
		return loss_add(epoch, &loss);
	return fg_ranges_add(&epoch->had, &range);
}

int fg_audit_pack(struct fg_audit *audit, const struct fg_doc *doc, const char **ret_why)
{
	struct audit_epoch *epoch;
	struct audit_pack pack;
	int r = audit_pack_read(doc, &pack, ret_why);

	if (r == 0)
		r = take_prev(audit, &pack);
	if (r < 0)
		return r;
	epoch = epoch_of(audit, pack.gateway, pack.epoch);
	return epoch ? take_range(audit, epoch, &pack) : -ENOMEM;
}

void fg_audit_malformed(struct fg_audit *audit)
{
	audit->malformed = true;
}

int fg_audit_until(struct fg_audit *audit, uint64_t id, uint64_t last)
{
	struct audit_epoch *some = NULL, *found = NULL;
	bool several = false;

	for (size_t i = 0; i < audit->nbuckets; i++)
		for (struct audit_epoch *epoch = audit->buckets[i]; epoch; epoch = epoch->next) {
			if (epoch->id == id)
				found = epoch;
			several = several || (some && strcmp(some->gateway, epoch->gateway) != 0);
			some = epoch;
		}
	if (!found && last == 0)
		return 0;
	if (!found && (!some || several)) {
		audit->demand_unmet = true;
		audit->demand_epoch = id;
		audit->demand_last = last;
		return -ENOENT;
	}
	if (!found)
		found = epoch_new(audit, fg_str_c(some->gateway), id);
	if (!found)
		return -ENOMEM;
	reach(found, last);
	if (found->kept && found->kept < last)
		found->kept = last;
	return 0;
}

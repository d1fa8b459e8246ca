/* What must be so: the ledger after each step, and at the end that nothing is lost in silence. */
#include "sim.h"

#include "outbox/private.h"
#include "spool/private.h"

#include <stdlib.h>
#include <string.h>

static void check_account(void *arg, const struct fg_account *a)
{
	uint64_t sum = a->acknowledged + a->sent + a->waiting + a->dead;

	for (int i = 0; i < FG_WHY__MAX; i++)
		sum += a->dropped[i];
	if (sum != a->due || a->waiting > a->due)
		sim_fail(arg,
			 "the ledger of %s: due %llu, acknowledged %llu, sent %llu, waiting "
			 "%llu, dead %llu, in all %llu",
			 a->name, (unsigned long long)a->due, (unsigned long long)a->acknowledged,
			 (unsigned long long)a->sent, (unsigned long long)a->waiting,
			 (unsigned long long)a->dead, (unsigned long long)sum);
}

void check_turn(struct world *w)
{
	if (w->gateway && w->gateway->forward && w->gateway->spool)
		fg_forward_accounts(w->gateway->forward, check_account, w);
}

/* Written, or synced where that is asked for. */
void check_kept(struct field *f, uint64_t upto)
{
	struct world *w = f->world;
	const struct fg_spool *spool = w->gateway->spool;
	bool each = strcmp(w->conf.commit, "each") == 0;

	if (upto > (each ? fg_spool_committed(spool) : fg_spool_accepted(spool)))
		sim_fail(w, "acknowledged up to %llu: accepted %llu, committed %llu",
			 (unsigned long long)upto, (unsigned long long)fg_spool_accepted(spool),
			 (unsigned long long)fg_spool_committed(spool));
}

static void add_waiting(void *arg, const struct fg_account *a)
{
	*(uint64_t *)arg += a->waiting;
}

bool check_drained(struct world *w)
{
	uint64_t waiting = 0;

	if (!w->gateway || !w->gateway->ready_said)
		return false;
	/* what a power cut may have taken is told before the first record behind it */
	if (w->cuts && w->heard_life != w->life)
		return false;
	for (unsigned i = 0; i < FIELDS; i++)
		if (w->field[i].nwaiting > 0)
			return false;
	for (unsigned i = 0; i < UPSTREAMS; i++)
		for (unsigned n = 0; n < IN_FLIGHT; n++)
			if (w->upstream[i].held[n].batch)
				return false;
	fg_forward_accounts(w->gateway->forward, add_waiting, &waiting);
	return waiting == 0 && w->gateway->changing == 0;
}

static bool is_lost(const struct upstream *up, uint64_t epoch, uint64_t number)
{
	for (unsigned i = 0; i < up->nlost; i++)
		if (up->lost[i].epoch == epoch && up->lost[i].first <= number &&
		    number <= up->lost[i].last)
			return true;
	return false;
}

/* A power cut takes what was not synced; where each is synced first, nothing. */
static bool may_be_cut(const struct upstream *up, const struct payload *p)
{
	if (p->sure || strcmp(up->world->conf.commit, "each") == 0)
		return false;
	for (unsigned i = 0; i < up->nunknown; i++)
		if (up->unknown[i] == p->epoch)
			return true;
	return false;
}

static void check_payload(struct upstream *up, uint32_t id)
{
	struct world *w = up->world;
	const struct payload *p = &w->payload[id];

	for (unsigned i = 0; i < p->points; i++) {
		if (up->got[id] & 1u << i || is_lost(up, p->epoch, p->first + i) ||
		    may_be_cut(up, p))
			continue;
		if (up->matched && i > 0 && (p->peer > 0 || p->device > 0))
			continue;
		sim_fail(w,
			 "u%u never got point %u of payload %u (%llu of %llx), which was "
			 "acknowledged",
			 up->index, i, id, (unsigned long long)p->first + i,
			 (unsigned long long)p->epoch);
	}
}

static void check_audit(struct upstream *up)
{
	struct world *w = up->world;
	const struct fg_spool_epoch *epoch = fg_spool_epoch(w->gateway->spool);
	struct fg_outbox *box;
	struct fg_buf json, text;
	char name[4];
	bool complete;

	snprintf(name, sizeof(name), "u%u", up->index);
	box = fg_forward_find(w->gateway->forward, name);
	if (!box)
		sim_fail(w, "%s is not there at the end", name);
	if (fg_cursor_state(box->cursor)->tiled > epoch->base)
		(void)fg_audit_until(up->audit, epoch->id,
				     fg_cursor_state(box->cursor)->tiled - epoch->base);
	fg_buf_init(&json, 8 << 20);
	fg_buf_init(&text, 8 << 20);
	if (fg_audit_report(up->audit, &json, &text, &complete) < 0)
		sim_fail(w, "no audit");
	fg_buf_char(&json, '\0');
	fg_buf_char(&text, '\0');
	if (strstr(json.data, "\"gaps\":[["))
		sim_fail(w, "u%u: a gap nobody announced:\n%s\n%s", up->index, text.data,
			 json.data);
	if (!complete && !up->nlost && !up->nunknown && !strstr(json.data, "lost\":{\""))
		sim_fail(w, "u%u misses what was not announced:\n%s", up->index, text.data);
	fg_buf_fini(&json);
	fg_buf_fini(&text);
}

void check_end(struct world *w)
{
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		struct upstream *up = &w->upstream[i];

		if (!up->exists || up->given_up)
			continue;
		check_audit(up);
		for (uint32_t id = 0; id < w->npayloads; id++)
			if (w->payload[id].acked && !w->payload[id].bad && w->payload[id].taken)
				check_payload(up, id);
		sim_say(w, "u%u: %llu packs, %llu records, %llu twice, %u losses", i,
			(unsigned long long)up->packs, (unsigned long long)up->records,
			(unsigned long long)up->twice, up->nlost);
	}
}

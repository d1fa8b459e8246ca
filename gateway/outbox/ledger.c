/*
 * The account of every bridge: due = acknowledged + sent + waiting + dead + dropped, at every
 * moment. What a cursor has passed is counted in it; what lies before it waits, but for what the
 * spool had to drop already.
 */
#include "outbox/private.h"

static void account_fill(const struct fg_cursor_state *state, uint64_t accepted,
			 struct fg_account *account)
{
	/* one that was given up was due what there was then */
	if (state->given_up)
		accepted = state->position;
	*account = (struct fg_account){
		.due = accepted - state->begin,
		.acknowledged = state->acknowledged,
		.sent = state->sent,
		.dead = state->dead,
		.waiting = accepted - state->position - fg_cursor_ahead(state),
		.position = state->position,
	};
	for (int i = 0; i < FG_WHY__MAX; i++)
		account->dropped[i] = state->dropped[i];
}

/* What stands between `held` and the oldest that can still be read is gone, but for what was cut
 * ahead of it. */
static void account_gone(struct fg_account *account, const struct fg_cursor_state *state,
			 const uint64_t *cut_to, uint64_t held, uint64_t oldest)
{
	uint64_t gone = oldest > held + 1 ? oldest - 1 - held : 0;

	for (uint32_t i = 0; gone && i < state->nislands; i++) {
		uint64_t from = state->islands[i].from,
			 to = cut_to ? cut_to[i] : state->islands[i].to;

		if (from <= held)
			from = held + 1;
		if (to >= oldest)
			to = oldest - 1;
		gone -= to >= from ? to + 1 - from : 0;
	}
	if (gone > account->waiting)
		gone = account->waiting;
	account->waiting -= gone;
	account->dropped[FG_WHY_SPOOL_FULL] += gone;
}

void fg_account_of(const struct fg_cursor_state *state, uint64_t accepted, uint64_t oldest,
		   struct fg_account *ret_account)
{
	account_fill(state, accepted, ret_account);
	account_gone(ret_account, state, NULL, state->position, oldest);
}

/* The time of day may have jumped since: only for what another boot has taken it has to do. */
int64_t outbox_taken(const struct fg_forward *forward, const struct fg_spool_view *view)
{
	const struct fg_clock *clock = forward->conf.clock;

	return view->this_boot ? view->boot_ns : clock->boot_ns - (clock->wall_ns - view->wall_ns);
}

/* When the first record behind a position that can still be read was taken, by the boot clock;
 * FG_TIME_NONE: there is none. */
static int64_t oldest_taken(const struct fg_forward *forward, uint64_t position)
{
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	int64_t taken_ns = FG_TIME_NONE;
	int r;

	if (fg_spool_reader_new(forward->conf.spool, position + 1, &reader) < 0)
		return FG_TIME_NONE;
	do {
		r = fg_spool_read(reader, &view);
	} while (r == 2);
	if (r == 1)
		taken_ns = outbox_taken(forward, &view);
	fg_spool_reader_free(reader);
	return taken_ns;
}

static void account_age(struct fg_account *account, const struct fg_forward *forward,
			uint64_t position, int64_t oldest_ns)
{
	if (!account->waiting)
		return;
	if (oldest_ns == FG_TIME_NONE)
		oldest_ns = oldest_taken(forward, position);
	if (oldest_ns != FG_TIME_NONE)
		account->oldest_s = (double)(forward->conf.clock->boot_ns - oldest_ns) / 1e9;
}

/* Packs in flight hold their records in memory: what the spool has dropped of those is not lost. */
void outbox_account(const struct fg_outbox *box, struct fg_account *ret_account)
{
	const struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	struct fg_spool *spool = box->forward->conf.spool;
	int64_t oldest_ns = FG_TIME_NONE;

	account_fill(state, fg_spool_accepted(spool), ret_account);
	ret_account->name = box->name;
	for (uint64_t n = box->head; n < box->tail; n++) {
		const struct flight *flight = &box->flights[n % box->window];

		if (flight->kind == FLIGHT_AGAIN)
			continue;
		ret_account->waiting -= flight->dropped + flight->dead;
		ret_account->dropped[flight->drop_why] += flight->dropped;
		ret_account->dead += flight->dead;
		if (oldest_ns == FG_TIME_NONE)
			oldest_ns = flight->oldest_ns;
	}
	account_gone(ret_account, state, box->cut_to, box->lane.unread - 1, fg_spool_oldest(spool));
	account_age(ret_account, box->forward, state->position, oldest_ns);
}

void fg_forward_accounts(struct fg_forward *forward,
			 void (*each)(void *arg, const struct fg_account *), void *arg)
{
	struct fg_account account;

	for (struct fg_outbox *box = forward->outboxes; box; box = box->next) {
		outbox_account(box, &account);
		each(arg, &account);
	}
	for (struct ghost *ghost = forward->ghosts; ghost; ghost = ghost->next) {
		fg_account_of(fg_cursor_state(ghost->cursor),
			      fg_spool_accepted(forward->conf.spool),
			      fg_spool_oldest(forward->conf.spool), &account);
		account.name = ghost->name;
		account_age(&account, forward, fg_cursor_state(ghost->cursor)->position,
			    FG_TIME_NONE);
		each(arg, &account);
	}
}

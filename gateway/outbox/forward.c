#include "outbox/private.h"

#include <errno.h>
#include <stdlib.h>

#define DAY_S 86400
#define SHOWN_S (31 * DAY_S)		/* how long the account of one that was given up is shown */
#define S_NS 1000000000

int fg_forward_new(const struct fg_forward_conf *conf, struct fg_forward **ret_forward)
{
	struct fg_forward *forward = calloc(1, sizeof(*forward));

	if (!forward)
		return -ENOMEM;
	forward->conf = *conf;
	pthread_mutex_init(&forward->list_lock, NULL);
	fg_buf_init(&forward->status, 64u << 10);
	fg_buf_init(&forward->will, 4u << 10);
	*ret_forward = forward;
	return 0;
}

static void ghost_free(struct ghost *ghost)
{
	fg_cursor_free(ghost->cursor);
	free(ghost);
}

struct fg_forward *fg_forward_free(struct fg_forward *forward)
{
	if (!forward)
		return NULL;
	while (forward->ghosts) {
		struct ghost *ghost = forward->ghosts;

		forward->ghosts = ghost->next;
		ghost_free(ghost);
	}
	fg_buf_fini(&forward->status);
	fg_buf_fini(&forward->will);
	pthread_mutex_destroy(&forward->list_lock);
	free(forward);
	return NULL;
}

struct fg_outbox *fg_forward_find(struct fg_forward *forward, const char *name)
{
	struct fg_outbox *box = forward->outboxes;

	while (box && (box->removing || strcmp(box->name, name) != 0))
		box = box->next;
	return box;
}

/* The spool holds what a required bridge has not had. With others alone it keeps what it can, but
 * does not refuse anything for their sake. */
static void release(struct fg_forward *forward)
{
	uint64_t upto = UINT64_MAX;
	bool required = false;

	for (struct fg_outbox *box = forward->outboxes; box; box = box->next) {
		uint64_t position = fg_cursor_state(box->cursor)->position;

		if (!box->conf->required)
			continue;
		required = true;
		if (position < upto)
			upto = position;
	}
	if (!required)
		upto = forward->outboxes ? fg_spool_in_the_way(forward->conf.spool) : 0;
	for (struct ghost *ghost = forward->ghosts; ghost; ghost = ghost->next)
		if (ghost->holds && fg_cursor_state(ghost->cursor)->position < upto)
			upto = fg_cursor_state(ghost->cursor)->position;
	if (upto == 0 || upto == forward->released)
		return;
	forward->released = upto;
	fg_spool_release(forward->conf.spool, upto);
}

const char *fg_forward_holder(const struct fg_forward *forward)
{
	uint64_t least = fg_spool_accepted(forward->conf.spool);
	const char *holder = NULL;

	for (const struct fg_outbox *box = forward->outboxes; box; box = box->next) {
		uint64_t position = fg_cursor_state(box->cursor)->position;

		if (box->conf->required && position < least) {
			least = position;
			holder = box->name;
		}
	}
	for (const struct ghost *ghost = forward->ghosts; ghost; ghost = ghost->next) {
		uint64_t position = fg_cursor_state(ghost->cursor)->position;

		if (ghost->holds && position < least) {
			least = position;
			holder = ghost->name;
		}
	}
	return holder;
}

void fg_forward_pump(struct fg_forward *forward)
{
	for (struct fg_outbox *box = forward->outboxes; box; box = box->next)
		outbox_pump(box);
	release(forward);
}

int fg_forward_sync_cursors(struct fg_forward *forward)
{
	int result = 0, r;

	pthread_mutex_lock(&forward->list_lock);
	for (struct fg_outbox *box = forward->outboxes; box; box = box->next) {
		r = fg_cursor_sync(box->cursor);
		if (r < 0)
			result = r;
	}
	for (struct ghost *ghost = forward->ghosts; ghost; ghost = ghost->next) {
		r = fg_cursor_sync(ghost->cursor);
		if (r < 0)
			result = r;
	}
	pthread_mutex_unlock(&forward->list_lock);
	return result;
}

bool fg_forward_drained(const struct fg_forward *forward)
{
	for (const struct fg_outbox *box = forward->outboxes; box; box = box->next)
		if (box->state == SINK_UP && box->head < box->tail)
			return false;
	return true;
}

bool fg_forward_settled(const struct fg_forward *forward)
{
	for (const struct fg_outbox *box = forward->outboxes; box; box = box->next)
		if (box->state == SINK_OPENING)
			return false;
	return true;
}

void fg_forward_status(struct fg_forward *forward, struct fg_str json)
{
	fg_buf_reset(&forward->status);
	fg_buf_str(&forward->status, json);
	for (struct fg_outbox *box = forward->outboxes; box; box = box->next)
		if (box->state == SINK_UP && box->sink.bridge->ops.status)
			box->sink.bridge->ops.status(&box->sink, json);
}

void fg_forward_set_will(struct fg_forward *forward, struct fg_str json)
{
	fg_buf_reset(&forward->will);
	fg_buf_str(&forward->will, json);
}

void fg_forward_on_up(struct fg_forward *forward, void (*cb)(void *arg), void *arg)
{
	forward->on_up = cb;
	forward->on_up_arg = arg;
}

static struct ghost *find_ghost(struct fg_forward *forward, const char *name)
{
	struct ghost *ghost = forward->ghosts;

	while (ghost && strcmp(ghost->name, name) != 0)
		ghost = ghost->next;
	return ghost;
}

static void ghost_link(struct fg_forward *forward, struct ghost *ghost)
{
	pthread_mutex_lock(&forward->list_lock);
	ghost->next = forward->ghosts;
	forward->ghosts = ghost;
	pthread_mutex_unlock(&forward->list_lock);
}

static void ghost_unlink(struct fg_forward *forward, struct ghost *ghost)
{
	struct ghost **at = &forward->ghosts;

	pthread_mutex_lock(&forward->list_lock);
	while (*at != ghost)
		at = &(*at)->next;
	*at = ghost->next;
	pthread_mutex_unlock(&forward->list_lock);
}

static struct ghost *ghost_new(const struct fg_forward *forward, const char *name, bool holds)
{
	size_t len = strlen(name);
	struct ghost *ghost = calloc(1, sizeof(*ghost) + len + 1);

	if (!ghost)
		return NULL;
	memcpy(ghost->name, name, len);
	ghost->holds = holds;
	fg_clock_update(forward->conf.clock);
	ghost->counted_ns = forward->conf.clock->boot_ns;
	return ghost;
}

static int note_cursor(void *arg, const char *name)
{
	struct fg_forward *forward = arg;
	struct ghost *ghost;
	bool found;

	for (const struct fg_outbox *box = forward->outboxes; box; box = box->next)
		if (strcmp(box->name, name) == 0)
			return 0; /* also one that is closing: its cursor is still its own */
	if (find_ghost(forward, name))
		return 0;
	ghost = ghost_new(forward, name, true);
	if (!ghost)
		return -ENOMEM;
	if (fg_cursor_open(forward->conf.spool_dir, name, fg_spool_accepted(forward->conf.spool),
			   &ghost->cursor, &found) < 0 ||
	    !found) {
		ghost_free(ghost);
		return 0;
	}
	ghost->holds = !fg_cursor_state(ghost->cursor)->optional &&
		       !fg_cursor_state(ghost->cursor)->given_up;
	ghost_link(forward, ghost);
	return 0;
}

/* Before anything is released again: the same bridge may be about to come back. */
void forward_keep_cursor(struct fg_forward *forward, const struct fg_outbox *box,
			 struct fg_cursor *cursor)
{
	struct ghost *ghost = ghost_new(forward, box->name, box->conf->required);

	if (!ghost) {
		fg_cursor_free(cursor);
		return;
	}
	ghost->cursor = cursor;
	ghost_link(forward, ghost);
}

struct fg_cursor *forward_take_cursor(struct fg_forward *forward, const char *name)
{
	struct ghost *ghost = find_ghost(forward, name);
	struct fg_cursor *cursor;

	if (!ghost)
		return NULL;
	cursor = ghost->cursor;
	ghost->cursor = NULL;
	ghost_unlink(forward, ghost);
	ghost_free(ghost);
	return cursor;
}

/* A ghost's day is what gateways ran without it, by the boot clock: no step of the time of day and
 * no clock that was never right can end it. */
static void ghost_count(struct fg_forward *forward, struct ghost *ghost)
{
	struct fg_cursor_state *state = fg_cursor_state(ghost->cursor);
	const struct fg_clock *clock = forward->conf.clock;
	int64_t passed_s = (clock->boot_ns - ghost->counted_ns) / S_NS;

	if (state->removed_at_s == 0)
		state->removed_at_s = clock->wall_ns > S_NS ? (uint64_t)(clock->wall_ns / S_NS) : 1;
	if (passed_s > 0) {
		state->absent_s += (uint64_t)passed_s;
		ghost->counted_ns += passed_s * S_NS;
	}
	(void)fg_cursor_write(ghost->cursor);
}

/* What it had not had is dropped, and stands in its account, which ends here. */
static void ghost_give_up(struct fg_forward *forward, struct ghost *ghost)
{
	const struct fg_logger logger = { .log = forward->conf.log,
					  .component = "outbox",
					  .name = ghost->name,
					  .level = FG_WARN };
	struct fg_cursor_state *state = fg_cursor_state(ghost->cursor);
	struct fg_spool *spool = forward->conf.spool;
	struct fg_account account;

	fg_account_of(state, fg_spool_accepted(spool), fg_spool_oldest(spool), &account);
	fg_log(&logger, FG_WARN, "removed bridge given up", "dropped=%llu why=%s",
	       (unsigned long long)account.waiting, fg_why_name(FG_WHY_BRIDGE_REMOVED));
	for (int i = 0; i < FG_WHY__MAX; i++)
		state->dropped[i] = account.dropped[i];
	state->dropped[FG_WHY_BRIDGE_REMOVED] += account.waiting;
	state->position = state->tiled = fg_spool_accepted(spool);
	state->nislands = 0;
	state->given_up = true;
	ghost->holds = false;
	(void)fg_cursor_write(ghost->cursor);
}

static void ghost_forget(struct fg_forward *forward, struct ghost *ghost)
{
	ghost_unlink(forward, ghost);
	(void)fg_cursor_remove(forward->conf.spool_dir, ghost->name);
	ghost_free(ghost);
}

void fg_forward_sweep(struct fg_forward *forward)
{
	struct ghost *next;

	(void)fg_cursor_each(forward->conf.spool_dir, note_cursor, forward);
	fg_clock_update(forward->conf.clock);
	for (struct ghost *ghost = forward->ghosts; ghost; ghost = next) {
		const struct fg_cursor_state *state = fg_cursor_state(ghost->cursor);

		next = ghost->next;
		ghost_count(forward, ghost);
		if (state->absent_s >= DAY_S && !state->given_up)
			ghost_give_up(forward, ghost);
		else if (state->absent_s >= SHOWN_S)
			ghost_forget(forward, ghost);
	}
}

/* What lingers goes once more, as far as the window takes it; the rest waits for the next start. */
void fg_forward_stop(struct fg_forward *forward)
{
	for (struct fg_outbox *box = forward->outboxes; box; box = box->next)
		box->linger_upto = fg_spool_accepted(forward->conf.spool);
	fg_forward_pump(forward);
	forward->stopping = true;
	fg_clock_update(forward->conf.clock);
	for (struct ghost *ghost = forward->ghosts; ghost; ghost = ghost->next)
		ghost_count(forward, ghost);
}

void fg_forward_date_again(struct fg_forward *forward)
{
	for (struct fg_outbox *box = forward->outboxes; box; box = box->next)
		outbox_date_again(box);
}

void fg_forward_each(const struct fg_forward *forward,
		     void (*each)(void *arg, const struct fg_outbox_info *), void *arg)
{
	for (const struct fg_outbox *box = forward->outboxes; box; box = box->next) {
		struct fg_outbox_info info = {
			.name = box->name,
			.bridge = box->sink.bridge->name,
			.fault = box->fault[0] ? box->fault : NULL,
			.up = box->state == SINK_UP,
			.acknowledges = box->acknowledges,
			.packs = box->packs,
			.records = box->records,
			.delivered = box->delivered,
			.bytes = box->bytes,
			.faults = box->faults,
			.in_flight = (uint32_t)(box->tail - box->head),
			.position = fg_cursor_state(box->cursor)->position,
			.turned_ns = box->turned_ns,
		};

		each(arg, &info);
	}
}

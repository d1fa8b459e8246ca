/*
 * What the tests of the outbox share: the real spool in a directory of its own, the real outbox, a
 * virtual clock, and a bridge that keeps what it is given until the test says what became of it.
 * What the upstream has taken is audited, and the ledger's equation is checked after every step.
 */
#pragma once

#include "spool_fixture.h"
#include "test_loop_sim.h"

#include "base/arena.h"
#include "decode/decode.h"
#include "outbox/private.h"
#include "record/audit.h"

#include <sched.h>
#include <string.h>

#define IN_FLIGHT 64

struct world {
	struct fixture f;
	struct sim sim;
	struct fg_clock clock;
	struct fg_forward *forward;
	struct fg_bridge bridge;
	struct fg_bridge_conf conf;
	struct fg_outbox *box;

	/* the upstream */
	struct fg_sink *sink;
	struct fg_batch *held[IN_FLIGHT];
	unsigned nheld;
	bool takes; /* acknowledges at once */
	bool dumb; /* does not answer to the status */
	int refuses; /* what send returns */
	int open_error;
	size_t largest; /* bytes it takes, 0: any */
	unsigned sends, opens, closes, removed;
	uint64_t records; /* taken, repeats included */
	char last[4096]; /* the pack that came last */
	char type[64];
	struct fg_audit *audit;
};

static inline void world_take(struct world *w, struct fg_batch *batch)
{
	struct fg_doc doc;
	const char *why = NULL;

	fg_doc_init(&doc, 8, 1 << 20);
	assert_non_null(batch->payload.ptr);
	assert_int_equal(fg_json_parse(batch->payload, &doc), 0);
	assert_int_equal(doc.nodes[0].children, batch->records);
	/* dead letters that go again keep what they said */
	assert_int_equal(fg_audit_pack(w->audit, &doc, &why), 0);
	w->records += batch->records;
	snprintf(w->last, sizeof(w->last), "%.*s", (int)batch->payload.len, batch->payload.ptr);
	fg_doc_fini(&doc);
}

static inline int fake_open(struct fg_sink *sink)
{
	struct world *w = (struct world *)(uintptr_t)sink->conf;

	w->sink = sink;
	w->opens++;
	w->nheld = 0;
	if (w->open_error)
		return w->open_error;
	fg_sink_up(sink);
	return 0;
}

static inline void fake_close(struct fg_sink *sink)
{
	((struct world *)(uintptr_t)sink->conf)->closes++;
	fg_sink_closed(sink);
}

static inline int fake_send(struct fg_sink *sink, struct fg_batch *batch)
{
	struct world *w = (struct world *)(uintptr_t)sink->conf;

	w->sends++;
	assert_true(batch->slot < sink->window);
	assert_true(batch->records > 0);
	snprintf(w->type, sizeof(w->type), "%s", batch->content_type);
	if (w->refuses)
		return w->refuses;
	if (w->largest && batch->payload.len > w->largest)
		return -EMSGSIZE;
	if (w->takes) {
		world_take(w, batch);
		fg_sink_done(sink, batch, 0, NULL);
		return 0;
	}
	assert_true(w->nheld < IN_FLIGHT);
	w->held[w->nheld++] = batch;
	return 0;
}

/* Set where the upstream is one that answers to the status: at once, while it is well. */
static inline void fake_status(struct fg_sink *sink, struct fg_str json)
{
	const struct world *w = (const struct world *)(uintptr_t)sink->conf;

	assert_true(json.len > 0);
	if (!w->dumb)
		fg_sink_alive(sink, true);
}

/* What became of the n-th that is held. */
static inline void world_done(struct world *w, unsigned n, int error, const char *why)
{
	struct fg_batch *batch = w->held[n];

	memmove(w->held + n, w->held + n + 1, (--w->nheld - n) * sizeof(w->held[0]));
	if (error == 0)
		world_take(w, batch);
	fg_sink_done(w->sink, batch, error, why);
}

static inline uint64_t account_sum(const struct fg_account *a)
{
	uint64_t sum = a->acknowledged + a->sent + a->waiting + a->dead;

	for (int i = 0; i < FG_WHY__MAX; i++)
		sum += a->dropped[i];
	return sum;
}

static inline void account_check(void *arg, const struct fg_account *account)
{
	(void)arg;
	if (account->waiting > account->due)
		fail_msg("%lld wait of %llu", (long long)account->waiting,
			 (unsigned long long)account->due);
	assert_int_equal(account_sum(account), account->due);
}

static inline struct fg_account world_account(struct world *w)
{
	struct fg_account account;

	fg_forward_accounts(w->forward, account_check, NULL);
	outbox_account(w->box, &account);
	return account;
}

/* Dead letters on the disk. */
static inline unsigned world_letters(struct world *w)
{
	char path[128], *line = NULL;
	FILE *file = fopen(fixture_path(&w->f, "dead/up.jsonl", path), "re");
	unsigned count = 0;
	size_t cap = 0;

	while (file && getline(&line, &cap, file) > 0)
		count++;
	free(line);
	if (file)
		fclose(file);
	return count;
}

/* Whether a pack has that text. */
static inline bool pack_has(const struct fg_batch *batch, const char *text)
{
	char pack[4096];

	snprintf(pack, sizeof(pack), "%.*s", (int)batch->payload.len, batch->payload.ptr);
	return strstr(pack, text);
}

/* A turn of the gateway as the run loop makes it, after `ns` more. */
static inline void world_turn(struct world *w, uint64_t ns)
{
	w->sim.now_ns += ns;
	fg_loop_update_now(w->sim.loop);
	fg_loop_turn(w->sim.loop, false);
	fg_forward_pump(w->forward);
	fg_forward_accounts(w->forward, account_check, NULL);
}

static inline void world_turns(struct world *w, unsigned n, uint64_t ns)
{
	while (n-- > 0)
		world_turn(w, ns);
}

/* An entry of `count` records of one device, not yet flushed. */
static inline void world_append(struct world *w, const char *device, uint32_t count)
{
	struct fg_record records[32];
	struct fg_entry entry = {
		.device = fg_str_c(device),
		.wall_ns = 1763788800000000000,
		.boot_ns = 5,
		.flags = w->clock.synced ? 0 : FG_ENTRY_UNSYNCED,
		.records = records,
		.count = count,
	};
	uint64_t last;

	assert_true(count <= 32);
	for (uint32_t i = 0; i < count; i++)
		records[i] = (struct fg_record){
			.point = FG_STR("temperature"),
			.value = { .kind = FG_INT, .i = (int64_t)i },
			.time_ns = FG_TIME_NONE,
		};
	assert_int_equal(fg_spool_append(w->f.spool, &entry, &last), 0);
}

static inline void world_entries(struct world *w, const char *device, unsigned entries,
				 uint32_t count)
{
	for (unsigned i = 0; i < entries; i++)
		world_append(w, device, count);
	assert_int_equal(fg_spool_flush(w->f.spool), 0);
}

static inline void world_up(struct world *w)
{
	struct fg_forward_conf conf = {
		.gateway = "gw",
		.spool_dir = w->f.dir,
		.loop = w->sim.loop,
		.spool = w->f.spool,
		.clock = &w->clock,
	};

	assert_int_equal(fg_forward_new(&conf, &w->forward), 0);
	assert_int_equal(fg_forward_add(w->forward, &w->conf, FG_ERROR, &w->box), 0);
}

static inline void world_removed(void *arg)
{
	((struct world *)arg)->removed++;
}

static inline void world_remove(struct world *w, struct fg_outbox *box)
{
	unsigned before = w->removed;

	fg_forward_remove(box, world_removed, w);
	for (int i = 0; i < 2000000 && w->removed == before; i++) {
		fg_loop_turn(w->sim.loop, false);
		sched_yield();
	}
	assert_int_equal(w->removed, before + 1);
}

static inline void world_down(struct world *w)
{
	world_remove(w, w->box);
	w->forward = fg_forward_free(w->forward);
	w->box = NULL;
}

/* The process dies and comes again: a new epoch. */
static inline void world_crash(struct world *w)
{
	world_down(w);
	fixture_kill(&w->f);
	fixture_open(&w->f);
	world_up(w);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fixture_begin(&w->f);
	w->f.conf.commit_ns = FG_COMMIT_NEVER;
	fixture_open(&w->f);
	w->sim.now_ns = FG_S(1000);
	w->sim.loop = fg_loop_new();
	fg_loop_set_os(w->sim.loop, &(struct fg_loop_os){ sim_now, sim_wait, &w->sim });
	fg_clock_init(&w->clock, true);
	w->takes = true;
	w->audit = fg_audit_new();
	w->bridge = (struct fg_bridge){
		.name = "fake",
		.acknowledges = true,
		.ops = { .open = fake_open, .close = fake_close, .send = fake_send },
	};
	w->conf = (struct fg_bridge_conf){
		.name = "up",
		.bridge = &w->bridge,
		.conf = w,
		.type = "fake",
		.batch = { .records = 10, .bytes = 64 << 10, .linger_ns = (int64_t)FG_MS(200) },
		.window = 4,
		.stall_ns = (int64_t)FG_S(30),
		.required = true,
		.dead_limit = 1 << 20,
	};
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	if (w->forward)
		world_down(w);
	while (w->sim.loop->closing.first)
		fg_loop_turn(w->sim.loop, false);
	fg_loop_free(w->sim.loop);
	fg_audit_free(w->audit);
	fixture_end(&w->f);
	free(w);
	return 0;
}

/* What the audit of all that was taken says; `expect` is what must stand in its JSON. Returns
 * whether it is complete. */
static inline bool world_audited(struct world *w, const char *expect)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(w->f.spool);
	struct fg_buf json, text;
	bool is_complete;

	fg_buf_init(&json, 1 << 20);
	fg_buf_init(&text, 1 << 20);
	if (fg_cursor_state(w->box->cursor)->tiled > epoch->base)
		assert_int_equal(
			fg_audit_until(w->audit, epoch->id,
				       fg_cursor_state(w->box->cursor)->tiled - epoch->base),
			0);
	assert_int_equal(fg_audit_report(w->audit, &json, &text, &is_complete), 0);
	fg_buf_char(&json, '\0');
	if (expect && !strstr(json.data, expect))
		fail_msg("%s\n%s", expect, json.data);
	fg_buf_fini(&json);
	fg_buf_fini(&text);
	return is_complete;
}

static inline void world_audit(struct world *w, bool complete, const char *expect)
{
	assert_int_equal(world_audited(w, expect), complete);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

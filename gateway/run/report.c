/* What can be seen of a gateway, as JSON. */
#include "run/private.h"

#include <inttypes.h>
#include <sys/resource.h>

#ifndef FG_VERSION
#define FG_VERSION "0"
#endif

static void add_reasons(struct fg_buf *out, const uint64_t *counts, int n, const char *(*name)(int))
{
	bool first = true;

	fg_buf_char(out, '{');
	for (int i = 0; i < n; i++) {
		if (counts[i] == 0)
			continue;
		fg_buf_printf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", name(i), counts[i]);
		first = false;
	}
	fg_buf_char(out, '}');
}

static const char *reject_name(int i)
{
	return fg_reject_name((enum fg_reject)i);
}

static const char *why_name(int i)
{
	return fg_why_name((enum fg_why)i);
}

struct listing {
	struct fg_buf *out;
	bool more;
	uint64_t now_ns;	/* the loop's */
};

static void add_account(void *arg, const struct fg_account *account)
{
	struct listing *listing = arg;
	struct fg_buf *out = listing->out;

	fg_buf_text(out, listing->more ? "," : "");
	listing->more = true;
	fg_buf_json(out, fg_str_c(account->name));
	fg_buf_printf(out,
		      ":{\"acknowledged\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"waiting\":%" PRIu64
		      ",\"dead\":%" PRIu64 ",\"dropped\":",
		      account->acknowledged, account->sent, account->waiting, account->dead);
	add_reasons(out, account->dropped, FG_WHY__MAX, why_name);
	fg_buf_printf(out, ",\"oldest_s\":%.3f}",
		      account->waiting && account->oldest_s > 0 ? account->oldest_s : 0.0);
}

void run_ledger_head(struct fg_buf *out, const char *gateway, struct fg_spool *spool)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(spool);
	const uint64_t *counters = fg_spool_counters(spool);
	uint64_t accepted = fg_spool_accepted(spool);

	fg_buf_text(out, "{\"gateway\":");
	fg_buf_json(out, fg_str_c(gateway));
	fg_buf_printf(out,
		      ",\"epoch\":\"%016" PRIx64 "\",\"last\":%" PRIu64 ",\"received\":%" PRIu64
		      ",\"suppressed\":%" PRIu64 ",\"rejected\":",
		      epoch ? epoch->id : 0, epoch ? accepted - epoch->base : 0,
		      accepted + counters[FG_COUNTER_SUPPRESSED], counters[FG_COUNTER_SUPPRESSED]);
	add_reasons(out, &counters[FG_COUNTER_REJECTED], FG_REJECT__MAX, reject_name);
	fg_buf_printf(out, ",\"accepted\":%" PRIu64 ",\"bridges\":{", accepted);
}

void run_ledger_account(struct fg_buf *out, const struct fg_account *account, bool more)
{
	struct listing listing = { out, more, 0 };

	add_account(&listing, account);
}

void fg_gateway_ledger(struct fg_gateway *gateway, struct fg_buf *out)
{
	struct listing listing = { out, false, 0 };

	fg_clock_update(&gateway->clock);
	run_ledger_head(out, gateway->id, gateway->spool);
	fg_forward_accounts(gateway->forward, add_account, &listing);
	fg_buf_text(out, "}}");
}

static void topic(struct fg_gateway *gateway, bool online, bool all, struct fg_buf *out)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(gateway->spool);

	fg_buf_printf(out,
		      "{\"state\":\"%s\",\"version\":\"%s\",\"generation\":%" PRIu64
		      ",\"config\":\"%s\",\"since\":%" PRId64 ",\"epoch\":\"%016" PRIx64
		      "\",\"last\":%" PRIu64 ",\"ledger\":",
		      online ? "online" : "offline", FG_VERSION, gateway->generation,
		      gateway->now->config->sha256,
		      fg_clock_wall_of(&gateway->clock, gateway->started_ns) / 1000000000,
		      epoch->id, fg_spool_accepted(gateway->spool) - epoch->base);
	if (all)
		run_siblings_ledger(gateway, out);
	else
		fg_gateway_ledger(gateway, out);
	if (all)
		run_siblings_list(gateway, out);
	run_applied_json(gateway, out);
	fg_buf_char(out, '}');
}

void fg_gateway_topic(struct fg_gateway *gateway, bool online, struct fg_buf *out)
{
	topic(gateway, online, true, out);
}

/* The last fault, and how long it has been up, or has not been. */
static void add_turn(struct listing *listing, const char *fault, uint64_t turned_ns)
{
	if (fault)
		fg_buf_json(listing->out, fg_str_c(fault));
	else
		fg_buf_text(listing->out, "null");
	fg_buf_printf(listing->out, ",\"state_s\":%.3f}",
		      (double)(listing->now_ns - turned_ns) / 1e9);
}

static void add_inlet(void *arg, const struct fg_inlet_info *info)
{
	static const char *const states[] = { "opening", "up", "retrying", "closing" };
	const char *state = info->away ? "away" : states[info->state];
	struct listing *listing = arg;
	struct fg_buf *out = listing->out;

	fg_buf_text(out, listing->more ? "," : "");
	listing->more = true;
	fg_buf_json(out, fg_str_c(info->name));
	fg_buf_printf(out,
		      ":{\"type\":\"%s\",\"state\":\"%s\",\"payloads\":%" PRIu64
		      ",\"records\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"faults\":%" PRIu64
		      ",\"fault\":",
		      info->driver, state, info->payloads, info->records, info->rejected,
		      info->faults);
	add_turn(listing, info->fault, info->turned_ns);
}

static void add_outbox(void *arg, const struct fg_outbox_info *info)
{
	struct listing *listing = arg;
	struct fg_buf *out = listing->out;

	fg_buf_text(out, listing->more ? "," : "");
	listing->more = true;
	fg_buf_json(out, fg_str_c(info->name));
	fg_buf_printf(out,
		      ":{\"type\":\"%s\",\"state\":\"%s\",\"packs\":%" PRIu64
		      ",\"records\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"bytes\":%" PRIu64
		      ",\"in_flight\":%u,\"faults\":%" PRIu64 ",\"fault\":",
		      info->bridge, info->up ? "up" : "retrying", info->packs, info->records,
		      info->delivered, info->bytes, info->in_flight, info->faults);
	add_turn(listing, info->fault, info->turned_ns);
}

static void add_loop(struct fg_gateway *gateway, struct fg_buf *out)
{
	static const char *const names[] = { "timers", "pending", "idle", "prepare",
					     "poll",   "check",	  "close" };
	const struct fg_loop_phases *phases = fg_loop_phases(gateway->loop);
	struct fg_loop_stats loop;

	fg_loop_stats(gateway->loop, &loop);
	fg_buf_printf(out,
		      ",\"loop\":{\"turns\":%" PRIu64 ",\"lag_p50_ms\":%.3f,\"lag_p99_ms\":%.3f"
		      ",\"longest_turn_ms\":%.3f,\"phases\":{",
		      loop.turns, (double)fg_loop_lag_ns(&loop, 500) / 1e6,
		      (double)fg_loop_lag_ns(&loop, 990) / 1e6, (double)loop.longest_turn_ns / 1e6);
	for (unsigned i = 0; i < FG_PHASE__MAX; i++)
		fg_buf_printf(out, "%s\"%s\":{\"p50_ms\":%.3f,\"p99_ms\":%.3f}", i ? "," : "",
			      names[i],
			      (double)fg_loop_phase_ns(phases, (enum fg_phase)i, 500) / 1e6,
			      (double)fg_loop_phase_ns(phases, (enum fg_phase)i, 990) / 1e6);
	fg_buf_text(out, "}}");
}

static void add_spool(struct fg_gateway *gateway, struct fg_buf *out)
{
	const char *holder = fg_forward_holder(gateway->forward);

	fg_buf_printf(out,
		      ",\"spool\":{\"bytes\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"segments\":%u"
		      ",\"committed\":%" PRIu64 ",\"oldest\":%" PRIu64 ",\"holder\":",
		      fg_spool_bytes(gateway->spool), gateway->now->config->spool.limit,
		      fg_spool_segments(gateway->spool), fg_spool_committed(gateway->spool),
		      fg_spool_oldest(gateway->spool));
	if (holder)
		fg_buf_json(out, fg_str_c(holder));
	else
		fg_buf_text(out, "null");
	fg_buf_char(out, '}');
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void add_process(struct fg_gateway *gateway, struct fg_buf *out)
{
	struct fg_intake_stats intake;
	struct rusage usage = { 0 };
	uint32_t devices = fg_devices_count(gateway->devices), late, offline;

	fg_intake_stats(gateway->intake, &intake);
	fg_liveness_count(gateway->liveness, &late, &offline);
	getrusage(RUSAGE_SELF, &usage);
	fg_buf_printf(out, ",\"devices\":%u,\"states\":{\"online\":%u,\"late\":%u,\"offline\":%u}",
		      devices, devices - late - offline, late, offline);
	fg_buf_printf(out,
		      ",\"payloads\":%" PRIu64 ",\"nulls\":%" PRIu64 ",\"nonfinite\":%" PRIu64
		      ",\"unconverted\":%" PRIu64 ",\"duplicate_keys\":%" PRIu64
		      ",\"absurd_times\":%" PRIu64 ",\"clock\":\"%s\",\"clock_steps\":%u",
		      intake.payloads, intake.nulls, intake.nonfinite, intake.unconverted,
		      intake.duplicate_keys, intake.absurd_times,
		      gateway->clock.synced ? "synced" : "unsynced", gateway->clock.steps);
	add_loop(gateway, out);
	fg_buf_printf(out, ",\"memory_kib\":%ld,\"cpu_s\":%.3f", usage.ru_maxrss,
		      seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
	add_spool(gateway, out);
}

void fg_gateway_state(struct fg_gateway *gateway, struct fg_buf *out)
{
	struct listing listing = { out, false, fg_loop_now(gateway->loop) };

	topic(gateway, true, gateway->now->config->process.count == 0, out);
	if (out->failed)
		return;
	out->len--;	/* the closing brace: more members follow */
	fg_buf_text(out, ",\"drivers\":{");
	fg_intake_each(gateway->intake, add_inlet, &listing);
	listing.more = false;
	fg_buf_text(out, "},\"links\":{");
	fg_forward_each(gateway->forward, add_outbox, &listing);
	fg_buf_char(out, '}');
	run_commands_state(gateway, out);
	add_process(gateway, out);
	fg_buf_char(out, '}');
}

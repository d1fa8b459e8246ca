/* fieldgate spool: what stands in a spool's folder, whether a gateway runs on it or not. */
#include "spool/spool.h"

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/spool_cat.h"
#include "cli/table.h"
#include "run/total.h"
#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct listing {
	const char *dir;
	struct fg_spool *spool;
	struct cli_table *table; /* or */
	struct fg_buf *json;
	bool more;
};

/* -- segments -- */

static void segment_json(struct listing *listing, const struct fg_spool_segment_info *info)
{
	fg_buf_printf(listing->json,
		      "%s{\"file\":\"%s\",\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64
		      ",\"last\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sealed\":%s}",
		      listing->more ? "," : "", info->file, info->epoch, info->first, info->last,
		      info->bytes, info->sealed ? "true" : "false");
	listing->more = true;
}

static void segment_row(struct listing *listing, const struct fg_spool_segment_info *info)
{
	cli_table_add(listing->table, "%s", info->file);
	cli_table_add(listing->table, "%016" PRIx64, info->epoch);
	if (info->last) {
		cli_table_add(listing->table, "%" PRIu64, info->first);
		cli_table_add(listing->table, "%" PRIu64, info->last);
	} else {
		cli_table_add(listing->table, "-");
		cli_table_add(listing->table, "-");
	}
	cli_table_add(listing->table, "%" PRIu64, info->bytes);
	cli_table_add(listing->table, "%s", info->sealed ? "sealed" : "open");
}

static void add_segment(void *arg, const struct fg_spool_segment_info *info)
{
	struct listing *listing = arg;

	if (listing->json)
		segment_json(listing, info);
	else
		segment_row(listing, info);
}

/* -- cursors -- */

struct place {
	uint64_t epoch, number;		/* of what was acknowledged last; 0: nothing, or long ago */
};

static struct place place_of(const struct listing *listing, uint64_t position)
{
	const struct fg_spool_epoch *epoch =
		position ? fg_spool_epoch_at(listing->spool, position) : NULL;

	return epoch ? (struct place){ epoch->id, position - epoch->base } : (struct place){ 0 };
}

static uint64_t dropped_of(const struct fg_cursor_state *state)
{
	uint64_t sum = 0;

	for (int i = 0; i < FG_WHY__MAX; i++)
		sum += state->dropped[i];
	return sum;
}

static uint64_t waiting_of(const struct listing *listing, const struct fg_cursor_state *state)
{
	return state->given_up ? 0 : fg_spool_accepted(listing->spool) - state->position;
}

static void cursor_json(struct listing *listing, const char *bridge,
			const struct fg_cursor_state *state)
{
	struct place place = place_of(listing, state->position);
	struct fg_buf *json = listing->json;
	bool more = false;

	fg_buf_text(json, listing->more ? "," : "");
	listing->more = true;
	fg_buf_json(json, fg_str_c(bridge));
	fg_buf_printf(json,
		      ":{\"epoch\":\"%016" PRIx64 "\",\"number\":%" PRIu64
		      ",\"acknowledged\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"waiting\":%" PRIu64
		      ",\"dead\":%" PRIu64 ",\"removed\":%s,\"dropped\":{",
		      place.epoch, place.number, state->acknowledged, state->sent,
		      waiting_of(listing, state), state->dead,
		      state->removed_at_s ? "true" : "false");
	for (int i = 0; i < FG_WHY__MAX; i++) {
		if (!state->dropped[i])
			continue;
		fg_buf_printf(json, "%s\"%s\":%" PRIu64, more ? "," : "",
			      fg_why_name((enum fg_why)i), state->dropped[i]);
		more = true;
	}
	fg_buf_text(json, "}}");
}

static void cursor_row(struct listing *listing, const char *bridge,
		       const struct fg_cursor_state *state)
{
	struct place place = place_of(listing, state->position);

	cli_table_add(listing->table, "%s", bridge);
	if (place.epoch)
		cli_table_add(listing->table, "%016" PRIx64 ":%" PRIu64, place.epoch, place.number);
	else
		cli_table_add(listing->table, "-");
	cli_table_add(listing->table, "%" PRIu64, state->acknowledged);
	cli_table_add(listing->table, "%" PRIu64, state->sent);
	cli_table_add(listing->table, "%" PRIu64, state->dead);
	cli_table_add(listing->table, "%" PRIu64, dropped_of(state));
	cli_table_add(listing->table, "%" PRIu64, waiting_of(listing, state));
	cli_table_add(listing->table, "%s",
		      state->given_up	  ? "given up" :
		      state->removed_at_s ? "removed" :
					    "");
}

static int add_cursor(void *arg, const char *bridge)
{
	struct listing *listing = arg;
	struct fg_cursor_state state;
	int r = fg_cursor_read(listing->dir, bridge, &state);

	if (r < 0) {
		fprintf(stderr, "cursors/%s: %s\n", bridge,
			r == -EBADMSG ? "damaged" : strerror(-r));
		return 0;
	}
	fg_cursor_clamp(&state, fg_spool_accepted(listing->spool));
	if (listing->json)
		cursor_json(listing, bridge, &state);
	else
		cursor_row(listing, bridge, &state);
	return 0;
}

/* -- the list -- */

static int list_json(const char *dir, struct fg_spool *spool, struct fg_buf *out)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(spool);
	uint64_t accepted = fg_spool_accepted(spool);
	struct listing listing = { .dir = dir, .spool = spool, .json = out };

	fg_buf_printf(out,
		      "{\"epoch\":\"%016" PRIx64 "\",\"last\":%" PRIu64 ",\"accepted\":%" PRIu64
		      ",\"segments\":[",
		      epoch ? epoch->id : 0, epoch ? accepted - epoch->base : 0, accepted);
	fg_spool_each_segment(spool, add_segment, &listing);
	fg_buf_text(out, "],\"cursors\":{");
	listing.more = false;
	(void)fg_cursor_each(dir, add_cursor, &listing);
	fg_buf_text(out, "}}");
	return FG_EXIT_OK;
}

static int list_tables(const char *dir, struct fg_spool *spool)
{
	static const char *const segments[] = { "SEGMENT", "EPOCH", ">FIRST", ">LAST",
						">BYTES",  "STATE", NULL };
	static const char *const cursors[] = { "BRIDGE",   "UP TO", ">ACKNOWLEDGED",
					       ">SENT",	   ">DEAD", ">DROPPED",
					       ">WAITING", "",	    NULL };
	struct cli_table table;
	struct listing listing = { .dir = dir, .spool = spool, .table = &table };
	bool any;

	cli_table_init(&table, segments);
	fg_spool_each_segment(spool, add_segment, &listing);
	any = table.count > 0;
	cli_table_print(&table);
	cli_table_fini(&table);
	cli_table_init(&table, cursors);
	(void)fg_cursor_each(dir, add_cursor, &listing);
	if (any && table.count)
		putchar('\n');
	cli_table_print(&table);
	cli_table_fini(&table);
	return FG_EXIT_OK;
}

/* -- verify -- */

struct verifying {
	struct fg_buf *json;	/* or NULL: lines */
	uint64_t bad;
	struct cli_progress progress;
};

static void add_bad(void *arg, const char *file, uint64_t offset, uint64_t len, const char *why)
{
	struct verifying *verifying = arg;

	cli_progress_hide(&verifying->progress);
	if (verifying->json)
		fg_buf_printf(verifying->json,
			      "%s{\"file\":\"%s\",\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64
			      ",\"why\":\"%s\"}",
			      verifying->bad ? "," : "", file, offset, len, why);
	else
		printf("%s: %" PRIu64 " bytes at %" PRIu64 ": %s\n", file, len, offset, why);
	verifying->bad++;
}

static void verified(void *arg, uint64_t bytes)
{
	struct verifying *verifying = arg;

	cli_progress_at(&verifying->progress, bytes);
}

static int verify(struct fg_spool *spool, struct fg_buf *out)
{
	struct verifying verifying = { .json = out };
	const struct fg_spool_verify tell = { &verifying, add_bad, verified };
	int64_t entries;

	if (out)
		fg_buf_text(out, "{\"damaged\":[");
	cli_progress_begin(&verifying.progress, "verify", CLI_BYTES, fg_spool_bytes(spool));
	entries = fg_spool_verify(spool, &tell);
	cli_progress_hide(&verifying.progress);
	if (out)
		fg_buf_printf(out, "],\"entries\":%" PRId64 "}", entries);
	else
		fprintf(stderr, "%" PRId64 " entries are sound, %" PRIu64 " stretches are not\n",
			entries, verifying.bad);
	return verifying.bad ? FG_EXIT_NO : FG_EXIT_OK;
}

/* Whose records they are the spool says itself, unless a configuration is named. */
static int cat(struct fg_spool *spool, const char *config)
{
	const char *own = fg_spool_gateway(spool);
	struct cli_settings settings;
	int status;

	if (!config && own[0])
		return cli_spool_cat(spool, own);
	status = cli_settings_read("spool", config, &settings);
	if (status != FG_EXIT_OK)
		return status;
	status = cli_spool_cat(spool, settings.gateway);
	cli_settings_fini(&settings);
	return status;
}

/* -- one spool, and those of the other processes below it -- */

struct doing {
	const char *config;
	bool cat, verify;
	struct fg_buf *json;	/* or NULL */
};

static int do_one(const struct doing *doing, const char *dir)
{
	struct fg_spool *spool;
	int status, r = fg_spool_open_readonly(dir, &spool);

	if (r < 0)
		return fg_cli_failed("spool", "%s: %s", dir, strerror(-r));
	if (!fg_spool_is_there(dir))
		status = fg_cli_failed("spool", NOT_A_SPOOL, dir);
	else if (doing->cat)
		status = cat(spool, doing->config);
	else if (doing->verify)
		status = verify(spool, doing->json);
	else
		status = doing->json ? list_json(dir, spool, doing->json) : list_tables(dir, spool);
	fg_spool_close(spool, NULL, NULL);
	return status;
}

static void head_of(const struct doing *doing, uint32_t index, bool first)
{
	if (doing->json)
		fg_buf_printf(doing->json, "%s\"%u\":", first ? ",\"processes\":{" : ",", index);
	else if (!doing->cat)
		printf("%sprocess %u\n", doing->verify ? "" : "\n", index);
}

static int do_all(const struct doing *doing, const char *dir)
{
	uint32_t indices[FG_PROCESSES_MAX];
	unsigned count = fg_process_folders(dir, indices, FG_PROCESSES_MAX);
	int status = do_one(doing, dir), r;
	char path[PATH_MAX];

	if (status == FG_EXIT_FAILED)
		return status;
	if (count && doing->json)
		doing->json->len--;	/* the closing brace: one more member follows */
	for (unsigned i = 0; i < count && status != FG_EXIT_FAILED; i++) {
		if (fg_process_folder(dir, indices[i], path, sizeof(path)) < 0)
			return fg_cli_failed("spool", "%s: %s", dir, strerror(ENAMETOOLONG));
		head_of(doing, indices[i], i == 0);
		r = do_one(doing, path);
		status = r > status ? r : status;
	}
	if (doing->json)
		fg_buf_text(doing->json, count ? "}}\n" : "\n");
	return status;
}

int fg_cli_spool(int argc, char **argv)
{
	const char *config = NULL;
	bool do_cat = false, do_verify = false, json = false;
	const struct fg_cli_flag flags[] = {
		{ .name = "cat", .help = "print the records, as a pack for each entry",
		  .ret_set = &do_cat },
		{ .name = "verify", .help = "check every checksum", .ret_set = &do_verify },
		{ 'c', "config", "FILE", "whose gateway's name --cat uses (the spool's own)",
		  NULL, &config },
		FG_CLI_JSON(&json),
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "spool",
		.operands = "DIR",
		.summary = "Lists a spool's segments and cursors, and those of other processes\n"
			   "below it; reads only. The packs of --cat are such as audit reads:\n"
			   "they say whether the spool has a hole.",
		.flags = flags,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct doing doing;
	struct fg_buf out;
	int status, r;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	if (do_cat && do_verify)
		return fg_cli_misuse("spool", "--cat and --verify are two things to do");
	fg_buf_init(&out, (size_t)64 << 20);
	doing = (struct doing){ config, do_cat, do_verify, json && !do_cat ? &out : NULL };
	status = do_all(&doing, argv[1]);
	if (doing.json && status != FG_EXIT_FAILED) {
		r = fg_cli_print("spool", &out);
		status = r == FG_EXIT_OK ? status : r;
	}
	fg_buf_fini(&out);
	return status;
}

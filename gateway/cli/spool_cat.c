/*
 * Every entry as a pack of its own, numbered as a bridge would that began with the oldest record
 * the spool has: so the packs are complete for an audit if the spool is.
 */
#include "cli/spool_cat.h"

#include "cli/cli.h"
#include "cli/progress.h"
#include "record/pack.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PACK_MAX ((size_t)1 << 30)

struct cat {
	struct fg_spool *spool;
	struct fg_spool_reader *reader;
	struct fg_str gateway;
	struct fg_buf text;
	bool begun;
	struct cli_progress progress;
};

static void head_of(struct cat *cat, const struct fg_spool_epoch *epoch, uint64_t first,
		    uint64_t last, struct fg_pack_head *head)
{
	*head = (struct fg_pack_head){
		.ranged = true,
		.epoch = epoch->id,
		.first = first - epoch->base,
		.last = last - epoch->base,
	};
	/* the first pack tells of nothing before it, unless there never was anything */
	if (!cat->begun && (head->first > 1 || epoch->prev_id)) {
		head->begin = true;
	} else if (head->first == 1) {
		head->prev_epoch = epoch->prev_id;
		head->prev_last = epoch->prev_last;
	}
	cat->begun = true;
}

static int print_pack(struct cat *cat, struct fg_pack *pack, const struct fg_pack_head *head)
{
	struct fg_str text = fg_pack_end(pack, head);

	if (!text.ptr)
		return -ENOMEM;
	if (fwrite(text.ptr, 1, text.len, stdout) != text.len || putchar('\n') == EOF)
		return errno ? -errno : -EIO;
	(void)cat;
	return 0;
}

static int print_entry(struct cat *cat, const struct fg_spool_view *view)
{
	struct fg_pack_head head;
	struct fg_record record;
	struct fg_pack pack;
	bool unsynced;
	int64_t time_ns = fg_spool_time(view, &unsynced);
	size_t at = 0;
	int r;

	fg_pack_begin(&pack, &cat->text, FG_PACK_JSON, cat->gateway);
	while ((r = fg_spool_record(view, &at, &record)) == 1) {
		fg_spool_date(view, time_ns, &record);
		fg_pack_add(&pack, view->device, &record, time_ns, unsynced);
	}
	if (r < 0)
		return r;
	head_of(cat, view->epoch, view->first, view->last, &head);
	return print_pack(cat, &pack, &head);
}

static int print_lost(struct cat *cat, const struct fg_spool_epoch *epoch, uint64_t from,
		      uint64_t to, const char *why)
{
	struct fg_record record = {
		.point = FG_STR("lost"),
		.value = { .kind = FG_INT, .i = (int64_t)(to - from + 1) },
		.time_ns = FG_TIME_NONE,
	};
	struct fg_pack_head head;
	struct fg_pack pack;

	head_of(cat, epoch, from, to, &head);
	head.why = why;
	fg_pack_begin(&pack, &cat->text, FG_PACK_JSON, cat->gateway);
	fg_pack_add(&pack, FG_STR("fieldgate"), &record, FG_TIME_NONE, false);
	return print_pack(cat, &pack, &head);
}

/* What cannot be read is said as a bridge says it, an epoch at a time. */
static int print_gap(struct cat *cat)
{
	enum fg_spool_gap gap;
	uint64_t from, to;
	int r = 0;

	fg_spool_reader_gap(cat->reader, &from, &to, &gap);
	while (r == 0 && from <= to) {
		const struct fg_spool_epoch *epoch = fg_spool_epoch_at(cat->spool, from);
		const struct fg_spool_epoch *end = fg_spool_epoch_at(cat->spool, to);
		uint64_t upto = to;

		if (!epoch || !end)
			break;
		while (end && end != epoch && end->base >= from) {
			upto = end->base;
			end = fg_spool_epoch_at(cat->spool, upto);
		}
		r = print_lost(cat, epoch, from, upto,
			       gap == FG_GAP_DROPPED ? "spool-full" : "damaged");
		from = upto + 1;
	}
	return r;
}

static int print_all(struct cat *cat)
{
	uint64_t oldest = fg_spool_oldest(cat->spool), accepted = fg_spool_accepted(cat->spool);
	struct fg_spool_view view;
	int r;

	cli_progress_begin(&cat->progress, "cat", CLI_RECORDS,
			   accepted >= oldest ? accepted - oldest + 1 : 0);
	if (isatty(STDOUT_FILENO)) /* there the records themselves go by */
		cat->progress.on = false;
	while ((r = fg_spool_read(cat->reader, &view)) > 0) {
		bool gap = r == 2;

		r = gap ? print_gap(cat) : print_entry(cat, &view);
		if (r < 0)
			break;
		if (!gap)
			cli_progress_at(&cat->progress, view.last - oldest + 1);
	}
	cli_progress_hide(&cat->progress);
	return r;
}

int cli_spool_cat(struct fg_spool *spool, const char *gateway)
{
	struct cat cat = { .spool = spool, .gateway = fg_str_c(gateway) };
	int r = fg_spool_reader_new(spool, fg_spool_oldest(spool), &cat.reader);

	if (r < 0)
		return fg_cli_failed("spool", "%s", strerror(-r));
	fg_buf_init(&cat.text, PACK_MAX);
	r = print_all(&cat);
	fg_buf_fini(&cat.text);
	fg_spool_reader_free(cat.reader);
	return r < 0 ? fg_cli_failed("spool", "%s", strerror(-r)) : FG_EXIT_OK;
}

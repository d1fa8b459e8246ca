/* The audit's result: what is missing of each epoch. */
#include "record/audit_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct report {
	const struct fg_audit *audit;
	struct fg_buf *json, *text;
	bool complete;
};

/* -- gaps -- */

struct gaps {
	struct fg_buf *out; /* NULL: they are only counted */
	uint64_t count, numbers;
	uint64_t told_from; /* what is missing from here on was announced; 0: nothing was */
	uint64_t told;
	uint64_t kept;
};

static void gap_add(struct gaps *gaps, uint64_t from, uint64_t to)
{
	/* An upstream that got live records first has some from behind what a power cut took. */
	if (gaps->told_from && to >= gaps->told_from) {
		uint64_t told = from > gaps->told_from ? from : gaps->told_from;

		gaps->told += to - told + 1;
		if (told == from)
			return;
		to = told - 1;
	}
	/* And if it took nothing that anybody had been told is safe, nothing was due there. */
	if (gaps->kept && !gaps->told_from && to > gaps->kept) {
		if (from > gaps->kept)
			return;
		to = gaps->kept;
	}
	gaps->count++;
	gaps->numbers += to - from + 1;
	if (!gaps->out)
		return;
	fg_buf_text(gaps->out, gaps->count > 1 ? ",[" : "[");
	fg_buf_u64(gaps->out, from);
	fg_buf_char(gaps->out, ',');
	fg_buf_u64(gaps->out, to);
	fg_buf_char(gaps->out, ']');
}

/* Walks what came and what was announced side by side, both sorted by their first number. */
static void gaps_find(const struct audit_epoch *epoch, uint64_t start, struct gaps *gaps)
{
	const struct fg_ranges *had = &epoch->had;
	uint64_t next = start;
	size_t i = 0, j = 0;

	while (i < had->len || j < epoch->nlosses) {
		bool came = j == epoch->nlosses ||
			    (i < had->len && had->items[i].first <= epoch->losses[j].first);
		uint64_t first = came ? had->items[i].first : epoch->losses[j].first;
		uint64_t last = came ? had->items[i].last : epoch->losses[j].last;

		if (first > next)
			gap_add(gaps, next, first - 1);
		if (last >= next)
			next = last + 1;
		if (came)
			i++;
		else
			j++;
	}
	if (epoch->reach >= next)
		gap_add(gaps, next, epoch->reach);
}

/* -- losses -- */

/* What was announced and has not come some other time. A number that was announced more than once,
 * in ranges cut differently, counts for the first. */
static uint64_t losses_count(const struct audit_epoch *epoch, uint64_t counts[AUDIT_WHYS])
{
	uint64_t next = 0, sum = 0;
	size_t at = 0;

	for (size_t i = 0; i < epoch->nlosses; i++) {
		const struct audit_loss *loss = &epoch->losses[i];
		uint64_t first = loss->first > next ? loss->first : next, missing;

		if (loss->last < first)
			continue;
		missing = loss->last - first + 1 -
			  fg_ranges_count(&epoch->had, first, loss->last, &at);
		if (missing > loss->records)
			missing = loss->records;
		counts[loss->why] += missing;
		sum += missing;
		next = loss->last + 1;
	}
	return sum;
}

static bool losses_write(struct report *report, const struct audit_epoch *epoch,
			 const uint64_t counts[AUDIT_WHYS])
{
	bool more = false, unknown = false;

	for (unsigned i = 0; i < AUDIT_WHYS; i++) {
		if (!counts[i] && !epoch->unknown[i])
			continue;
		fg_buf_text(report->json, more ? "," : "");
		fg_buf_json(report->json, fg_str_c(report->audit->whys[i]));
		fg_buf_printf(report->json, ":%" PRIu64, counts[i]);
		fg_buf_printf(report->text, ", lost (%s): %s%" PRIu64, report->audit->whys[i],
			      epoch->unknown[i] ? "unknown, at least " : "", counts[i]);
		unknown = unknown || epoch->unknown[i];
		more = true;
	}
	return unknown;
}

/* -- epochs -- */

/* The tiling begins with 1 if anything says that this was due, else with the mark. */
static uint64_t epoch_start(const struct audit_epoch *epoch)
{
	return epoch->begin && epoch->first != 1 ? epoch->begin : 1;
}

/* What is missing behind the place from which on nobody knows. */
static uint64_t unknown_count(const struct audit_epoch *epoch)
{
	struct gaps gaps = { .told_from = epoch->unknown_from };

	gaps_find(epoch, epoch_start(epoch), &gaps);
	return gaps.told;
}

static void epoch_write(struct report *report, const struct audit_epoch *epoch)
{
	uint64_t counts[AUDIT_WHYS] = { 0 }, lost = losses_count(epoch, counts);
	uint64_t records = fg_ranges_records(&epoch->had), twice = fg_ranges_records(&epoch->twice);
	struct gaps gaps = { .out = report->json,
			     .told_from = epoch->unknown_from,
			     .kept = epoch->kept };
	bool unknown;

	counts[epoch->unknown_why] += unknown_count(epoch);
	fg_buf_printf(report->json,
		      "\"%016" PRIx64 "\":{\"first\":%" PRIu64 ",\"last\":%" PRIu64
		      ",\"records\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"lost\":{",
		      epoch->id, epoch->first, epoch->last, records, twice);
	fg_buf_printf(report->text,
		      "%s epoch %016" PRIx64 ": %" PRIu64 "..%" PRIu64 ", %" PRIu64
		      " records, %" PRIu64 " more than once",
		      epoch->gateway, epoch->id, epoch->first, epoch->last, records, twice);
	unknown = losses_write(report, epoch, counts);
	fg_buf_text(report->json, "},\"gaps\":[");
	gaps_find(epoch, epoch_start(epoch), &gaps);
	fg_buf_text(report->json, "]}");
	if (gaps.count)
		fg_buf_printf(report->text, ", %" PRIu64 " numbers missing in %" PRIu64 " gaps",
			      gaps.numbers, gaps.count);
	fg_buf_char(report->text, '\n');
	if (gaps.count || lost || unknown)
		report->complete = false;
}

/* By gateway, then as they came. */
static int compare(const void *one, const void *other)
{
	const struct audit_epoch *a = *(const struct audit_epoch *const *)one;
	const struct audit_epoch *b = *(const struct audit_epoch *const *)other;
	int r = strcmp(a->gateway, b->gateway);

	return r ? r : a->order < b->order ? -1 : a->order > b->order;
}

static int epochs_settle(struct fg_audit *audit, struct audit_epoch **all)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < audit->nbuckets; i++)
		for (struct audit_epoch *epoch = audit->buckets[i]; epoch; epoch = epoch->next) {
			if (r == 0)
				r = fg_ranges_settle(&epoch->had);
			if (r == 0)
				r = fg_ranges_settle(&epoch->twice);
			audit_losses_tidy(epoch);
			all[n++] = epoch;
		}
	if (n)
		qsort(all, n, sizeof(struct audit_epoch *), compare);
	return r;
}

static void gateways_write(struct report *report, struct audit_epoch **all)
{
	struct fg_buf *json = report->json, epochs;

	fg_buf_init(&epochs, json->max);
	report->json = &epochs;
	for (size_t i = 0; i < report->audit->count; i++) {
		bool same = i && strcmp(all[i]->gateway, all[i - 1]->gateway) == 0;

		if (!same) {
			fg_buf_text(&epochs, i ? "}}," : "");
			fg_buf_json(&epochs, fg_str_c(all[i]->gateway));
		}
		fg_buf_text(&epochs, same ? "," : ":{\"epochs\":{");
		epoch_write(report, all[i]);
	}
	/* whether all is complete stands before the rest and is known only now */
	fg_buf_printf(json, "{\"complete\":%s,\"gateways\":{", report->complete ? "true" : "false");
	if (epochs.failed)
		json->failed = true;
	else if (epochs.len)
		fg_buf_str(json, fg_buf_view(&epochs));
	fg_buf_text(json, report->audit->count ? "}}}}" : "}}");
	fg_buf_fini(&epochs);
	report->json = json;
}

int fg_audit_report(struct fg_audit *audit, struct fg_buf *json, struct fg_buf *text,
		    bool *ret_complete)
{
	struct report report = { audit, json, text, !audit->malformed && !audit->demand_unmet };
	struct audit_epoch **all = calloc(audit->count + 1, sizeof(struct audit_epoch *));
	int r = all ? epochs_settle(audit, all) : -ENOMEM;

	if (r == 0) {
		gateways_write(&report, all);
		if (audit->demand_unmet)
			fg_buf_printf(text,
				      "epoch %016" PRIx64 ": nothing of 1..%" PRIu64 " came\n",
				      audit->demand_epoch, audit->demand_last);
		r = json->failed || text->failed ? -ENOMEM : 0;
	}
	free(all);
	if (r == 0)
		*ret_complete = report.complete;
	return r;
}

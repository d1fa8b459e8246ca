/*
 * Report policies: a value is a record if it has changed enough, not too soon after the last one,
 * and in any case once in a while. What was reported last is remembered for the points that have
 * a policy only.
 */
#include "base/hash.h"
#include "device/private.h"

#include <math.h>
#include <stdlib.h>

struct fg_reported {
	int64_t boot_ns;
	double number;
	uint64_t text;		/* hash of what is no number */
	uint32_t generation;	/* fg_devices_forget_reports() makes older ones count no more */
	uint8_t kind;
};

static struct fg_reported *reported_of(const struct fg_devices *devices,
				       const struct fg_point *point)
{
	return point->reported ? &devices->reported[point->reported - 1] : NULL;
}

/* In one array: most devices have none, and a point needs a number then and no pointer. It grows
 * slowly, so that little of it is never used. NULL: no memory. */
static struct fg_reported *reported_new(struct fg_devices *devices, struct fg_point *point)
{
	if (devices->reported_count == devices->reported_cap) {
		uint32_t cap = devices->reported_cap + devices->reported_cap / 4 + 8;
		struct fg_reported *grown = reallocarray(devices->reported, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		devices->reported = grown;
		devices->reported_cap = cap;
	}
	point->reported = ++devices->reported_count;
	return reported_of(devices, point);
}

static void summarise(const struct fg_value *value, struct fg_reported *reported)
{
	reported->number = 0;
	reported->text = 0;
	reported->kind = fg_value_is_number(value) ? FG_DOUBLE : value->kind;
	if (fg_value_is_number(value))
		reported->number = fg_value_double(value);
	else if (value->kind == FG_BOOL)
		reported->number = value->b;
	else if (value->kind != FG_NONE)
		reported->text = fg_hash_str(value->s, 0);
}

/* Any change is enough where no deadband is given, and for what is no number. */
static bool changed(const struct fg_report *report, const struct fg_reported *before,
		    const struct fg_reported *now)
{
	double step = fabs(now->number - before->number), band = report->deadband;

	if (now->kind != before->kind || now->kind != FG_DOUBLE || band <= 0)
		return now->kind != before->kind || step != 0 || now->text != before->text;
	if (report->percent)
		band = fabs(before->number) * band / 100;
	return step > 0 && step >= band;
}

bool fg_device_is_due(const struct fg_devices *devices, const struct fg_device *device,
		      const struct fg_record *record, int64_t boot_ns)
{
	const struct fg_report *report = record->report;
	const struct fg_point *point = report ? fg_device_point(device, record->point) : NULL;
	const struct fg_reported *before = point ? reported_of(devices, point) : NULL;
	struct fg_reported now;

	if (!before || before->generation != devices->reports)
		return true;
	if (boot_ns - before->boot_ns < report->min_interval_ns)
		return false;
	if (report->max_interval_ns && boot_ns - before->boot_ns >= report->max_interval_ns)
		return true;
	if (report->deadband < 0 && !report->max_interval_ns)
		return true;
	summarise(&record->value, &now);
	return changed(report, before, &now);
}

void fg_device_reported(struct fg_devices *devices, struct fg_device *device,
			const struct fg_record *record, int64_t boot_ns)
{
	struct fg_point *point = device_find_point(device, record->point);
	struct fg_reported *reported;

	if (!record->report || !point)
		return;
	reported = reported_of(devices, point);
	if (!reported)
		reported = reported_new(devices, point);
	if (!reported)
		return;	/* it is due again, which loses nothing */
	summarise(&record->value, reported);
	reported->boot_ns = boot_ns;
	reported->generation = devices->reports;
}

void fg_devices_forget_reports(struct fg_devices *devices)
{
	devices->reports++;
}

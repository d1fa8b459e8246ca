#include "intake/intake.h"

#include "intake/private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAX_NODES 200000	/* of one payload; 256 KiB of "1," are 131,072 */

static uint32_t nodes_for(uint64_t payload_max)
{
	return payload_max / 2 + 16 < MAX_NODES ? (uint32_t)(payload_max / 2 + 16) : MAX_NODES;
}

static void limits_apply(struct fg_intake *intake)
{
	const struct fg_intake_conf *conf = &intake->conf;

	fg_doc_fini(&intake->doc);
	fg_reading_fini(&intake->reading);
	fg_buf_fini(&intake->name);
	fg_doc_init(&intake->doc, conf->depth_max, conf->payload_max);
	fg_reading_init(&intake->reading, nodes_for(conf->payload_max), conf->payload_max);
	fg_buf_init(&intake->name, 4u << 20);
}

int fg_intake_new(const struct fg_intake_conf *conf, struct fg_intake **ret_intake)
{
	struct fg_intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return -ENOMEM;
	intake->conf = *conf;
	if (getrandom(&intake->seed, sizeof(intake->seed), GRND_NONBLOCK) < 0)
		intake->seed = (uintptr_t)intake;
	limits_apply(intake);
	*ret_intake = intake;
	return 0;
}

struct fg_intake *fg_intake_free(struct fg_intake *intake)
{
	if (!intake)
		return NULL;
	routes_clear(intake);
	fg_doc_fini(&intake->doc);
	fg_reading_fini(&intake->reading);
	fg_buf_fini(&intake->name);
	free(intake);
	return NULL;
}

void fg_intake_set_profiles(struct fg_intake *intake, const struct fg_profiles *profiles)
{
	routes_clear(intake);
	if (intake->profiles)
		way_rebind(intake, profiles);
	intake->profiles = profiles;
	for (struct fg_inlet *i = intake->inlets; i; i = i->next)
		intake_bind_profile(i, i->profile_name);
}

void fg_intake_set_limits(struct fg_intake *intake, uint64_t payload_max, uint32_t depth_max)
{
	intake->conf.payload_max = payload_max;
	intake->conf.depth_max = depth_max;
	limits_apply(intake);
}

void fg_intake_set_events(struct fg_intake *intake, const struct fg_intake_events *events)
{
	intake->events = *events;
}

void fg_intake_set_tap(struct fg_intake *intake, const struct fg_intake_tap *tap)
{
	intake->tap = tap ? *tap : (struct fg_intake_tap){ 0 };
}

static bool nobody_repeats(const struct fg_driver *driver)
{
	return driver->address == FG_ADDRESS_LINK || driver->address == FG_ADDRESS_DEVICE;
}

static void count_not_kept(struct fg_inlet *inlet, uint32_t payloads)
{
	uint64_t *counters = fg_spool_counters(inlet->intake->conf.spool);

	inlet->rejected += payloads;
	counters[FG_COUNTER_REJECTED + FG_REJECT_NOT_KEPT] += payloads;
}

static void turn_over(struct fg_inlet *inlet)
{
	inlet->unkept = inlet->unkept_once = 0;
	inlet->suppressed = inlet->suppressed_unkept = 0;
}

/* What was submitted in this turn is not on disk and its positions are given back: nothing of it
 * may be acknowledged. A peer that waits for an acknowledgement is cut off and sends again; on a
 * line and at QoS 0 nobody does, so it is counted. What was suppressed of a payload that comes
 * again is counted then, and of one that was not kept, not at all. */
void intake_not_kept(struct fg_intake *intake, int error)
{
	fg_devices_forget_reports(intake->conf.devices);
	if (intake->conf.liveness)
		fg_liveness_not_kept(intake->conf.liveness);
	watches_not_kept(intake);
	for (struct fg_inlet *i = intake->inlets; i; i = i->next) {
		uint64_t *suppressed =
			&fg_spool_counters(intake->conf.spool)[FG_COUNTER_SUPPRESSED];

		if (i->unkept == 0)
			continue;
		i->submitted = i->reported;
		*suppressed -= nobody_repeats(i->source.driver) ? i->suppressed_unkept :
								  i->suppressed;
		count_not_kept(i, nobody_repeats(i->source.driver) ? i->unkept : i->unkept_once);
		if (!nobody_repeats(i->source.driver))
			fg_source_fault(&i->source, error, "the spool does not take it");
		turn_over(i);
	}
}

static void report(struct fg_intake *intake, uint64_t upto)
{
	for (struct fg_inlet *i = intake->inlets; i; i = i->next) {
		if (i->submitted == i->reported || upto <= i->reported)
			continue;
		i->reported = upto < i->submitted ? upto : i->submitted;
		if (!i->close_called)
			i->source.driver->ops.kept(&i->source, upto);
	}
	if (intake->watches)
		watches_kept(intake, upto);
}

void fg_intake_keep(struct fg_intake *intake)
{
	int r;

	intake_tell_states(intake);
	r = fg_spool_flush(intake->conf.spool);
	if (r < 0) {
		intake_not_kept(intake, r);
	} else {
		if (intake->conf.liveness)
			fg_liveness_kept(intake->conf.liveness);
		for (struct fg_inlet *i = intake->inlets; i; i = i->next)
			turn_over(i);
		report(intake, intake->conf.commit_each ? fg_spool_committed(intake->conf.spool) :
							  fg_spool_accepted(intake->conf.spool));
	}
	if (!fg_spool_has_room(intake->conf.spool))
		for (struct fg_inlet *i = intake->inlets; i; i = i->next)
			intake_pause_inlet(i);
}

void fg_intake_committed(struct fg_intake *intake, uint64_t upto)
{
	if (intake->conf.commit_each)
		report(intake, upto);
}

void fg_intake_room(struct fg_intake *intake)
{
	if (intake->stopping || !fg_spool_has_room(intake->conf.spool))
		return;
	for (struct fg_inlet *i = intake->inlets; i; i = i->next) {
		/* It was we who would not listen. */
		if (i->paused && intake->conf.liveness)
			fg_liveness_deaf(intake->conf.liveness, intake_clock(intake)->boot_ns);
		intake_resume_inlet(i);
	}
}

void fg_intake_pause(struct fg_intake *intake)
{
	intake->stopping = true;
	for (struct fg_inlet *i = intake->inlets; i; i = i->next)
		intake_pause_inlet(i);
}

bool fg_intake_settled(const struct fg_intake *intake)
{
	for (const struct fg_inlet *i = intake->inlets; i; i = i->next)
		if (i->state == FG_LINK_OPENING)
			return false;
	return true;
}

void fg_intake_stats(const struct fg_intake *intake, struct fg_intake_stats *ret_stats)
{
	*ret_stats = intake->stats;
}

struct fg_inlet *fg_intake_find(struct fg_intake *intake, const char *name)
{
	struct fg_inlet *i = intake->inlets;

	while (i && (i->removing || strcmp(i->name, name) != 0))
		i = i->next;
	return i;
}

void fg_intake_each(const struct fg_intake *intake,
		    void (*each)(void *arg, const struct fg_inlet_info *), void *arg)
{
	for (const struct fg_inlet *i = intake->inlets; i; i = i->next) {
		struct fg_inlet_info info = {
			.name = i->name,
			.driver = i->source.driver->name,
			.state = i->state,
			.away = i->away,
			.fault = i->fault[0] ? i->fault : NULL,
			.payloads = i->payloads,
			.records = i->records,
			.rejected = i->rejected,
			.faults = i->faults,
			.turned_ns = i->turned_ns,
		};

		each(arg, &info);
	}
}

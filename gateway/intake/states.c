/*
 * What the gateway says of its devices: a device that falls silent or is heard again becomes a
 * record of the gateway's own, GATEWAY/fieldgate/devices/DEVICE/state, in the spool and in the
 * account like any other. A first appearance says nothing.
 */
#include "intake/private.h"

#include <errno.h>

void fg_intake_look(struct fg_intake *intake)
{
	intake->look = true;
	fg_loop_hurry(intake->conf.loop);
}

void intake_heard(struct fg_inlet *inlet, const struct route *route, struct fg_device *device)
{
	struct fg_intake *intake = inlet->intake;
	int64_t declared_ns = inlet->interval_ns;

	if (!intake->conf.liveness)
		return;
	/* Who hears a part of what a device sends cannot tell whether it has fallen silent. */
	if (inlet->shared) {
		device->heard_ns = intake_clock(intake)->boot_ns;
		return;
	}
	if (route->profile && fg_profile_conf(route->profile)->interval_ns)
		declared_ns = fg_profile_conf(route->profile)->interval_ns;
	fg_liveness_heard(intake->conf.liveness, device, declared_ns,
			  intake_clock(intake)->boot_ns);
}

static struct fg_str point_name(struct fg_intake *intake, const struct fg_device *device)
{
	fg_buf_reset(&intake->name);
	fg_buf_text(&intake->name, "devices/");
	fg_buf_str(&intake->name, fg_device_id(device));
	fg_buf_text(&intake->name, "/state");
	return intake->name.failed ? fg_str(NULL, 0) : fg_buf_view(&intake->name);
}

static int append_state(struct fg_intake *intake, const struct fg_device *device)
{
	const struct fg_clock *clock = intake_clock(intake);
	struct fg_record record = {
		.point = point_name(intake, device),
		.value = { .kind = FG_STRING, .s = fg_str_c(fg_alive_name(device->state)) },
		.time_ns = FG_TIME_NONE,
	};
	struct fg_entry entry = {
		.device = FG_STR("fieldgate"),
		.wall_ns = clock->wall_ns - clock->wall_ns % 1000000,
		.boot_ns = clock->boot_ns,
		.flags = clock->synced ? 0 : FG_ENTRY_UNSYNCED,
		.records = &record,
		.count = 1,
	};
	uint64_t pos;
	int r;

	if (!record.point.ptr)
		return -ENOMEM;
	r = fg_spool_append(intake->conf.spool, &entry, &pos);
	if (r == 0 && intake->tap.reading)
		intake->tap.reading(intake->tap.arg,
				    &(struct fg_intake_reading){
					    .device = entry.device,
					    .records = &record,
					    .count = 1,
					    .time_ns = entry.wall_ns,
					    .unsynced = entry.flags & FG_ENTRY_UNSYNCED,
				    });
	return r;
}

static void tell_some(struct fg_intake *intake)
{
	struct fg_liveness *liveness = intake->conf.liveness;
	struct fg_device *device;

	for (unsigned n = 0; (device = fg_liveness_untold(liveness)) != NULL; n++) {
		int r;

		if (n == FG_LIVENESS_BUDGET) {
			fg_loop_hurry(intake->conf.loop);
			return;
		}
		r = append_state(intake, device);
		/* it cannot be kept, now or ever */
		if (r == -EMSGSIZE || r == -EINVAL)
			r = 0;
		if (r < 0) {
			/* The spool has no room, or lost the turn: it is said later. */
			if (r != -EAGAIN && r != -ENOMEM)
				intake_not_kept(intake, r);
			return;
		}
		fg_liveness_said(liveness, device);
	}
}

void intake_tell_states(struct fg_intake *intake)
{
	if (!intake->conf.liveness || intake->stopping)
		return;
	if (intake->look) {
		intake->look =
			fg_liveness_look(intake->conf.liveness, intake_clock(intake)->boot_ns);
		if (intake->look)
			fg_loop_hurry(intake->conf.loop);
	}
	if (fg_spool_has_room(intake->conf.spool))
		tell_some(intake);
}

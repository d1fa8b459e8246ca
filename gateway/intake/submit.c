/* The way of one payload: route, profile, spool, last values. */
#include "base/name.h"
#include "intake/private.h"
#include "record/pack.h"

#include <errno.h>

#define MS_NS 1000000

static struct fg_inlet *inlet_of(struct fg_source *source)
{
	return (struct fg_inlet *)source;
}

const struct fg_clock *intake_clock(struct fg_intake *intake)
{
	uint64_t turn = fg_loop_now(intake->conf.loop);

	if (turn != intake->turn) {
		fg_clock_update(intake->conf.clock);
		intake->turn = turn;
	}
	return intake->conf.clock;
}

static void reject(struct fg_inlet *inlet, enum fg_reject why, const char *detail, size_t at,
		   const struct fg_input *input)
{
	struct fg_intake *intake = inlet->intake;
	char address[128], bytes[128];
	uint32_t left_out;

	inlet->rejected++;
	fg_spool_counters(intake->conf.spool)[FG_COUNTER_REJECTED + why]++;
	if (!fg_log_allowed(&inlet->reject_limit, fg_loop_now(intake->conf.loop), 10, &left_out))
		return;
	fg_log(&inlet->source.logger, FG_WARN, "payload rejected",
	       "reason=%s detail=\"%s\" at=%zu address=%s len=%zu begins=%s not_logged=%u",
	       fg_reject_name(why), detail, at,
	       fg_log_quote(input->address.ptr, input->address.len, address, sizeof(address)),
	       input->payload.len,
	       fg_log_quote(input->payload.ptr, input->payload.len < 32 ? input->payload.len : 32,
			    bytes, sizeof(bytes)),
	       left_out);
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	struct fg_input input = { .payload = bytes };

	reject(inlet_of(source), fg_reject_of(reason), reason, 0, &input);
}

static int read_payload(struct fg_inlet *inlet, const struct route *route,
			const struct fg_input *input, const struct fg_clock *clock)
{
	struct fg_intake *intake = inlet->intake;
	struct fg_decode_context ctx = {
		.address = input->address,
		.content_format = input->content_format,
	};
	struct fg_str prefix = fg_str(route->text + route->address_len, route->prefix_len);

	fg_doc_reset(&intake->doc, 64u << 10);
	intake->doc.now_ns = clock->wall_ns;
	intake->doc.now_right = clock->synced;
	return fg_profile_read(intake->profiles, route->profile, &ctx, input->payload, prefix,
			       &intake->doc, &intake->reading);
}

static void count_oddities(struct fg_intake_stats *stats, const struct fg_reading *reading)
{
	stats->nulls += reading->nulls;
	stats->nonfinite += reading->nonfinite;
	stats->unconverted += reading->unconverted;
	stats->duplicate_keys += reading->duplicate_keys;
	stats->absurd_times += reading->absurd_time;
}

/* Takes out what the points' report policies do not find worth a record. Returns how many; they
 * are counted when the payload is taken. */
static uint32_t suppress(struct fg_intake *intake, struct fg_device *device,
			 const struct fg_clock *clock)
{
	struct fg_reading *reading = &intake->reading;
	uint32_t kept = 0, suppressed;

	for (uint32_t i = 0; i < reading->count; i++) {
		if (reading->records[i].report &&
		    !fg_device_is_due(intake->conf.devices, device, &reading->records[i],
				      clock->boot_ns)) {
			fg_device_remember(intake->conf.devices, device, &reading->records[i],
					   clock->wall_ns, !clock->synced);
			continue;
		}
		if (kept != i)
			reading->records[kept] = reading->records[i];
		kept++;
	}
	suppressed = reading->count - kept;
	reading->count = kept;
	return suppressed;
}

static int keep_reading(struct fg_inlet *inlet, struct fg_device *device,
			const struct fg_clock *clock, uint64_t *ret_pos)
{
	struct fg_intake *intake = inlet->intake;
	struct fg_reading *reading = &intake->reading;
	struct fg_entry entry = {
		.device = fg_device_id(device),
		.wall_ns = clock->wall_ns - clock->wall_ns % MS_NS,
		.boot_ns = clock->boot_ns,
		.flags = clock->synced ? 0 : FG_ENTRY_UNSYNCED,
		.records = reading->records,
		.count = reading->count,
	};
	int r;

	if (reading->time_ns != FG_TIME_NONE) {
		entry.wall_ns = reading->time_ns;
		entry.flags = FG_ENTRY_DEVICE_TIME;
	}
	r = fg_spool_append(intake->conf.spool, &entry, ret_pos);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < reading->count; i++) {
		fg_device_remember(intake->conf.devices, device, &reading->records[i],
				   entry.wall_ns, entry.flags & FG_ENTRY_UNSYNCED);
		if (reading->records[i].report)
			fg_device_reported(intake->conf.devices, device, &reading->records[i],
					   clock->boot_ns);
	}
	if (intake->watches)
		watches_note(intake, entry.device, *ret_pos);
	if (intake->tap.reading)
		intake->tap.reading(intake->tap.arg,
				    &(struct fg_intake_reading){
					    .driver = fg_str_c(inlet->name),
					    .device = entry.device,
					    .records = reading->records,
					    .count = reading->count,
					    .time_ns = entry.wall_ns,
					    .unsynced = entry.flags & FG_ENTRY_UNSYNCED,
				    });
	return 0;
}

/* Nothing is wrong with the payload. Who can send it again is cut off, as by a disk that does not
 * take it; what came over a line or at QoS 0 is lost, and counted. */
static int out_of_memory(struct fg_inlet *inlet, const struct fg_input *input)
{
	if (inlet->source.driver->address == FG_ADDRESS_LINK || input->once) {
		reject(inlet, FG_REJECT_NOT_KEPT, "out of memory", 0, input);
		return -EBADMSG;
	}
	fg_source_fault(&inlet->source, -ENOMEM, "a payload cannot be taken");
	return -EAGAIN;
}

/* What could not be appended: too large is the payload's own fault, the rest is the spool's. */
static int append_failed(struct fg_inlet *inlet, int error, const struct fg_input *input)
{
	if (error == -EMSGSIZE) {
		reject(inlet, FG_REJECT_TOO_LARGE, "larger than half the spool", 0, input);
		return -EBADMSG;
	}
	if (error == -EINVAL) {
		reject(inlet, FG_REJECT_OTHER, "the spool has no form for it", 0, input);
		return -EBADMSG;
	}
	if (error == -ENOMEM)
		return out_of_memory(inlet, input);
	/* A write failed under the append: what was submitted before in this turn is gone too. */
	if (error != -EAGAIN)
		intake_not_kept(inlet->intake, error);
	/* Nothing else may be short of room: a smaller payload might still fit. */
	for (struct fg_inlet *i = inlet->intake->inlets; i; i = i->next)
		intake_pause_inlet(i);
	return -EAGAIN;
}

/* Why there is no device for a payload. */
static int no_device(struct fg_inlet *inlet, int error, const struct fg_input *input)
{
	if (error == -ENOMEM)
		return out_of_memory(inlet, input);
	if (error == -ENOSPC)
		reject(inlet, FG_REJECT_DEVICE_LIMIT, "more devices than limits.devices", 0, input);
	else if (error == -ENAMETOOLONG)
		reject(inlet, FG_REJECT_ADDRESS, "the device's name is too long", 0, input);
	else
		reject(inlet, FG_REJECT_ADDRESS, "no device in the address", 0, input);
	return -EBADMSG;
}

/* What is left of a reading by its report policies goes into the spool. */
static int take_reading(struct fg_inlet *inlet, struct route *route, const struct fg_clock *clock,
			const struct fg_input *input, uint64_t *ret_pos)
{
	struct fg_intake *intake = inlet->intake;
	struct fg_device *device;
	uint32_t suppressed;
	int r = route_reading_device(intake, route, intake->reading.device, &device);

	if (r < 0)
		return no_device(inlet, r, input);
	way_note(inlet, route->profile, device, input->peer);
	suppressed = suppress(intake, device, clock);
	if (intake->reading.count > 0)
		r = keep_reading(inlet, device, clock, ret_pos);
	if (r < 0)
		return append_failed(inlet, r, input);
	intake_heard(inlet, route, device);
	fg_spool_counters(intake->conf.spool)[FG_COUNTER_SUPPRESSED] += suppressed;
	inlet->suppressed += suppressed;
	if (intake->reading.count == 0)
		return 0;
	inlet->suppressed_unkept += suppressed;
	inlet->submitted = *ret_pos;
	inlet->unkept++;
	inlet->unkept_once += input->once;
	return 0;
}

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct fg_inlet *inlet = inlet_of(source);
	struct fg_intake *intake = inlet->intake;
	const struct fg_clock *clock = intake_clock(intake);
	struct route *route;
	uint64_t pos = 0;
	int r;

	if (intake->stopping)
		return -EAGAIN;
	if (input->payload.len > intake->conf.payload_max) {
		reject(inlet, FG_REJECT_TOO_LARGE, "larger than limits.payload", 0, input);
		return -EBADMSG;
	}
	r = route_find(inlet, input->address, &route);
	if (r < 0)
		return no_device(inlet, r, input);
	r = read_payload(inlet, route, input, clock);
	if (r == -ENOMEM)
		return out_of_memory(inlet, input);
	if (r < 0) {
		reject(inlet, r == -ENOTSUP ? FG_REJECT_CONTENT_FORMAT : FG_REJECT_MALFORMED,
		       intake->doc.reason ? intake->doc.reason : "?", intake->doc.at, input);
		return r == -ENOTSUP ? r : -EBADMSG;
	}
	count_oddities(&intake->stats, &intake->reading);
	if (intake->reading.count > 0)
		r = take_reading(inlet, route, clock, input, &pos);
	else if (route->device && intake->reading.device.len == 0)
		intake_heard(inlet, route, route->device);
	if (r < 0)
		return r;
	inlet->payloads++;
	inlet->records += intake->reading.count;
	intake->stats.payloads++;
	intake->stats.records += intake->reading.count;
	*ret_pos = pos;
	return 0;
}

bool fg_source_waits_for_commit(const struct fg_source *source)
{
	return ((const struct fg_inlet *)source)->intake->conf.commit_each;
}

static void add_last(struct fg_pack *pack, const struct fg_device *device,
		     const struct fg_point *point)
{
	struct fg_record record = {
		.point = fg_str_c(point->name),
		.unit = fg_str_c(point->unit),
		.value = point->value,
		.time_ns = point->time_ns,
	};

	/* a record without a value is none */
	if (point->value.kind != FG_NONE)
		fg_pack_add(pack, fg_device_id(device), &record, point->time_ns, false);
}

int fg_intake_last(struct fg_intake *intake, struct fg_str path, struct fg_buf *out)
{
	size_t n = fg_devices_split(intake->conf.devices, path);
	const struct fg_device *device = fg_devices_find(intake->conf.devices, fg_str(path.ptr, n));
	struct fg_str name = fg_str(path.ptr + n, path.len - n);
	const struct fg_point *point = NULL;
	struct fg_pack pack;
	struct fg_str text;

	if (!device)
		return -ENOENT;
	if (name.len > 0 && !(point = fg_device_point(device, fg_str(name.ptr + 1, name.len - 1))))
		return -ENOENT;
	fg_pack_begin(&pack, &intake->name, FG_PACK_JSON, fg_str_c(intake->conf.gateway));
	if (point)
		add_last(&pack, device, point);
	for (unsigned i = 0; !point && i < device->count; i++)
		add_last(&pack, device, &device->points[i]);
	text = fg_pack_end(&pack, NULL);
	if (!text.ptr)
		return -ENOMEM;
	if (pack.records == 0)
		return -ENOENT;
	fg_buf_str(out, text);
	return out->failed ? -ENOMEM : 0;
}

/* The names are looked up before the scratch buffer, where they may be, is written again. */
int fg_source_last(struct fg_source *source, struct fg_str path, struct fg_buf *out)
{
	struct fg_intake *intake = inlet_of(source)->intake;
	struct fg_str name = intake_safe_path(intake, path);
	int r = name.ptr ? fg_intake_last(intake, name, out) : -ENOMEM;

	return r == -ENOENT ? fg_intake_last(intake, path, out) : r;
}

struct listing {
	struct fg_buf *name;
	bool (*each)(void *arg, struct fg_str device);
	void *arg;
};

static bool list_device(void *arg, const struct fg_device *device)
{
	const struct listing *listing = arg;
	struct fg_str id = fg_device_id(device);
	char *room;

	fg_buf_reset(listing->name);
	room = fg_buf_reserve(listing->name, id.len);
	return room && listing->each(listing->arg, fg_str(room, fg_name_unescape(id, room)));
}

void fg_source_devices(struct fg_source *source, bool (*each)(void *arg, struct fg_str device),
		       void *arg)
{
	struct fg_intake *intake = inlet_of(source)->intake;
	struct listing listing = { &intake->name, each, arg };

	fg_devices_each(intake->conf.devices, list_device, &listing);
}

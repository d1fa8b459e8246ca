/*
 * Which message is due next, and what it says:
 *
 *   1. the node's birth, when a session begins or a host asks for it;
 *   2. the births of all devices that are known and not offline;
 *   3. of the pack that is being said, run by run of one device: its death, if the run says that
 *      it is offline; its birth, if the host does not know it or one of the metrics; the data.
 *
 * A birth says of each metric what was said last, and null of one that is new: every record is said
 * once, in data.
 */
#include "sparkplug.h"

#include <errno.h>
#include <time.h>

static const struct fg_value NOTHING = { .kind = FG_NONE };

int64_t spark_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void spark_births_begin(struct spark *s)
{
	s->node_due = true;
	s->birth = 0;
	for (uint32_t i = 0; i < s->keep->known.ndevices; i++)
		s->keep->known.devices[i]->born = false;
}

/* -- topics -- */

static bool escape_at(struct fg_str name, size_t at)
{
	struct fg_str rest = fg_str(name.ptr + at, name.len - at);

	return fg_str_starts(rest, FG_STR("_x2F_")) || fg_str_starts(rest, FG_STR("_x5F_"));
}

void spark_put_level(struct fg_buf *out, struct fg_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '/')
			fg_buf_text(out, "_x2F_");
		else if (escape_at(name, i))
			fg_buf_text(out, "_x5F_");
		else
			fg_buf_char(out, name.ptr[i]);
	}
}

static void put_topic(struct spark *s, const char *type, const struct known_device *device)
{
	fg_buf_reset(&s->topic);
	fg_buf_printf(&s->topic, "spBv1.0/%s/%s/%s", spark_conf(s)->group, type, s->node);
	if (device) {
		fg_buf_char(&s->topic, '/');
		spark_put_level(&s->topic, device->name);
	}
	fg_buf_char(&s->topic, '\0');
}

/* -- the node -- */

static void put_bdseq(const struct spark *s, struct fg_buf *out, int64_t now_ms)
{
	const struct fg_value number = { .kind = FG_INT, .i = s->keep->bdseq };

	wire_metric(out, &(struct wire_metric){ .name = FG_STR("bdSeq"),
						.time_ms = now_ms,
						.type = SPB_INT64,
						.typed = true,
						.value = &number });
}

void spark_node_death(struct spark *s, struct fg_buf *out)
{
	int64_t now_ms = spark_now_ms();

	wire_begin(out, now_ms);
	put_bdseq(s, out, now_ms);
	wire_end(out, SPB_NO_SEQ);
}

static int node_birth(struct spark *s, int64_t now_ms)
{
	const struct fg_value no = { .kind = FG_BOOL, .b = false };

	s->seq = 0;
	put_topic(s, "NBIRTH", NULL);
	wire_begin(&s->text, now_ms);
	put_bdseq(s, &s->text, now_ms);
	wire_metric(&s->text, &(struct wire_metric){ .name = FG_STR("Node Control/Rebirth"),
						     .time_ms = now_ms,
						     .type = SPB_BOOLEAN,
						     .typed = true,
						     .value = &no });
	wire_end(&s->text, s->seq);
	s->node_due = false;
	return 1;
}

/* -- devices -- */

static int device_birth(struct spark *s, struct known_device *device, int64_t now_ms)
{
	s->newborn = device;
	put_topic(s, "DBIRTH", device);
	wire_begin(&s->text, now_ms);
	for (uint32_t i = 0; i < device->nmetrics; i++) {
		const struct known_metric *m = device->metrics[i];
		bool timed = m->said && m->time_ms != INT64_MIN;

		wire_metric(&s->text, &(struct wire_metric){ .name = m->name,
							     .time_ms = timed ? m->time_ms : now_ms,
							     .type = m->type,
							     .typed = true,
							     .value = m->said ? &m->value : NULL,
							     .unit = m->unit });
	}
	wire_end(&s->text, s->seq);
	device->born = true;
	device->dead = false;
	return 1;
}

static int device_death(struct spark *s, struct known_device *device, int64_t now_ms)
{
	put_topic(s, "DDEATH", device);
	wire_begin(&s->text, now_ms);
	wire_end(&s->text, s->seq);
	device->born = false;
	device->dead = true;
	return 1;
}

/* -- runs of records -- */

/* Of whom a record of the gateway's own says that it is offline, else nothing. */
static struct fg_str offline_of(const struct fg_item *item)
{
	const struct fg_str before = FG_STR("devices/"), behind = FG_STR("/state");
	struct fg_str point = item->point;

	if (!fg_str_eq_c(item->device, "fieldgate") || item->kind != FG_ITEM_TEXT ||
	    !fg_str_eq_c(item->value->s, "offline") || point.len <= before.len + behind.len ||
	    !fg_str_starts(point, before) ||
	    memcmp(point.ptr + point.len - behind.len, behind.ptr, behind.len) != 0)
		return fg_str(NULL, 0);
	return fg_str(point.ptr + before.len, point.len - before.len - behind.len);
}

static int64_t time_of(const struct fg_item *item)
{
	return item->time_us == FG_NO_TIME ? INT64_MIN : item->time_us / 1000;
}

static const struct fg_value *value_of(const struct fg_item *item)
{
	return item->value ? item->value : &NOTHING;
}

/* The next record of the run that begins with the first one. */
static bool run_next(const struct spark *s, struct spark_place *place, uint32_t *count)
{
	struct spark_place ahead = *place;

	if (!fg_packs_next(&s->packs, &ahead.at, &ahead.item))
		return false;
	if (*count &&
	    (!fg_str_eq(ahead.item.device, place->item.device) || offline_of(&ahead.item).len))
		return false;
	*place = ahead;
	(*count)++;
	return true;
}

/* What has been said of it since then is not taken back. */
static struct known_device *death_due(const struct spark *s, const struct fg_item *item)
{
	struct fg_str name = offline_of(item);
	struct known_device *device = name.len ? known_find(&s->keep->known, name) : NULL;

	if (!device || !device->born)
		return NULL;
	return !s->saying->backlog || device->time_ms <= time_of(item) ? device : NULL;
}

/* So that a birth can say all that the run will. */
static int run_learn(struct spark *s, struct known_device **ret_device)
{
	struct spark_place place = s->place;
	struct known_device *device = NULL;
	struct known_metric *metric;
	bool changed = false;
	uint32_t count = 0;
	int r = 0;

	while (r == 0 && run_next(s, &place, &count)) {
		if (!device)
			r = known_device(&s->keep->known, place.item.device, &device);
		if (r == 0)
			r = known_metric(&s->keep->known, device, place.item.point, place.item.unit,
					 value_of(&place.item), &metric, &changed);
	}
	if (r == 0 && changed)
		device->born = false;
	*ret_device = device;
	return r;
}

/* A record that has waited, or that another one has overtaken, is not what is now. */
static bool is_history(const struct spark *s, const struct known_metric *metric, int64_t time_ms,
		       int64_t now_ms)
{
	if (s->saying->backlog && time_ms < now_ms - SPARK_NOT_NOW_MS)
		return true;
	return time_ms != INT64_MIN && metric->said && time_ms < metric->time_ms;
}

static int run_data(struct spark *s, struct known_device *device, int64_t now_ms)
{
	struct spark_place place = s->place;
	struct known_metric *metric;
	bool changed = false;
	uint32_t count = 0;
	int r = 0;

	put_topic(s, "DDATA", device);
	wire_begin(&s->text, now_ms);
	while (r == 0 && run_next(s, &place, &count)) {
		const struct fg_item *item = &place.item;
		int64_t time_ms = time_of(item);

		r = known_metric(&s->keep->known, device, item->point, item->unit, value_of(item),
				 &metric, &changed);
		if (r < 0)
			break;
		wire_metric(&s->text, &(struct wire_metric){
					      .name = item->point,
					      .time_ms = time_ms < 0 ? now_ms : time_ms,
					      .type = metric->type,
					      .historical = is_history(s, metric, time_ms, now_ms),
					      .value = item->value,
					      .why = item->why,
					      .sum = item->sum });
		known_say(&s->keep->known, metric, value_of(item), time_ms);
		if (time_ms > device->time_ms)
			device->time_ms = time_ms;
	}
	wire_end(&s->text, s->seq);
	s->place = place;
	s->emptied = false;
	return r < 0 ? r : 1;
}

static int run_say(struct spark *s, int64_t now_ms)
{
	struct spark_place ahead = s->place;
	struct known_device *device;
	uint32_t count = 0;
	int r;

	if (!run_next(s, &ahead, &count))
		return 0;
	device = death_due(s, &ahead.item);
	if (device)
		return device_death(s, device, now_ms);
	r = run_learn(s, &device);
	if (r < 0)
		return r;
	return device->born ? run_data(s, device, now_ms) : device_birth(s, device, now_ms);
}

int spark_next(struct spark *s, int64_t now_ms)
{
	const struct known *known = &s->keep->known;
	int r = 0;

	s->newborn = NULL;
	if (s->node_due)
		r = node_birth(s, now_ms);
	while (r == 0 && s->birth < known->ndevices) {
		struct known_device *device = known->devices[s->birth++];

		if (!device->born && !device->dead)
			r = device_birth(s, device, now_ms);
	}
	s->of_pack = r == 0 && s->saying;
	if (s->of_pack)
		r = run_say(s, now_ms);
	if (r > 0 && (s->text.failed || s->topic.failed))
		r = -ENOMEM;
	return r;
}

void spark_said(struct spark *s, bool said)
{
	if (said)
		s->seq++;
	else if (s->newborn)
		s->newborn->born = false;
}

#include "known.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE_FIRST 64

void known_init(struct known *known, size_t max)
{
	*known = (struct known){ .max = max };
}

static void device_free(struct known_device *device)
{
	for (uint32_t i = 0; i < device->nmetrics; i++) {
		free(device->metrics[i]->text);
		free(device->metrics[i]);
	}
	free(device->metrics);
	free(device);
}

void known_fini(struct known *known)
{
	for (uint32_t i = 0; i < known->ndevices; i++)
		device_free(known->devices[i]);
	free(known->devices);
	free(known->table);
	known_init(known, known->max);
}

void known_clear(struct known *known)
{
	known_fini(known);
}

static bool may_take(const struct known *known, size_t bytes)
{
	return known->bytes + bytes <= known->max;
}

/* FNV-1a */
static uint32_t hash_of(struct fg_str name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (uint8_t)name.ptr[i]) * 16777619u;
	return h;
}

/* The name's place in the table, or the empty one where it belongs. */
static uint32_t place_of(const struct known *known, struct fg_str name)
{
	uint32_t at = hash_of(name) & (known->ntable - 1);

	while (known->table[at] && !fg_str_eq(known->devices[known->table[at] - 1]->name, name))
		at = (at + 1) & (known->ntable - 1);
	return at;
}

struct known_device *known_find(const struct known *known, struct fg_str name)
{
	uint32_t at;

	if (!known->ntable)
		return NULL;
	at = known->table[place_of(known, name)];
	return at ? known->devices[at - 1] : NULL;
}

/* At most half full. */
static int table_grow(struct known *known)
{
	uint32_t n = known->ntable ? known->ntable * 2 : TABLE_FIRST, *table, *old = known->table;
	size_t more = (n - known->ntable) * sizeof(*table);

	if (known->ndevices * 2 < known->ntable)
		return 0;
	if (!may_take(known, more))
		return -ENOSPC;
	table = calloc(n, sizeof(*table));
	if (!table)
		return -ENOMEM;
	known->bytes += more;
	known->table = table;
	known->ntable = n;
	for (uint32_t i = 0; i < known->ndevices; i++)
		table[place_of(known, known->devices[i]->name)] = i + 1;
	free(old);
	return 0;
}

/* Room for one more pointer in a list. */
static int list_grow(struct known *known, void **list, uint32_t count, uint32_t *cap)
{
	uint32_t n = *cap ? *cap * 2 : 4;
	size_t more = (n - *cap) * sizeof(void *);
	void *bigger;

	if (count < *cap)
		return 0;
	if (!may_take(known, more))
		return -ENOSPC;
	bigger = realloc(*list, n * sizeof(void *));
	if (!bigger)
		return -ENOMEM;
	known->bytes += more;
	*list = bigger;
	*cap = n;
	return 0;
}

int known_device(struct known *known, struct fg_str name, struct known_device **ret_device)
{
	struct known_device *device = known_find(known, name);
	size_t size = sizeof(*device) + name.len;
	void *list = known->devices;
	int r;

	if (device) {
		*ret_device = device;
		return 0;
	}
	r = table_grow(known);
	if (r == 0)
		r = list_grow(known, &list, known->ndevices, &known->cap);
	known->devices = list;
	if (r == 0 && !may_take(known, size))
		r = -ENOSPC;
	if (r < 0)
		return r;
	device = calloc(1, size);
	if (!device)
		return -ENOMEM;
	memcpy(device + 1, name.ptr, name.len);
	device->name = fg_str((const char *)(device + 1), name.len);
	device->time_ms = INT64_MIN;
	known->bytes += size;
	known->devices[known->ndevices++] = device;
	known->table[place_of(known, device->name)] = known->ndevices;
	*ret_device = device;
	return 0;
}

/* Metrics come in the order of the time before. */
static struct known_metric *metric_find(struct known_device *device, struct fg_str name)
{
	for (uint32_t i = 0; i < device->nmetrics; i++) {
		uint32_t at = (device->next + i) % device->nmetrics;

		if (!fg_str_eq(device->metrics[at]->name, name))
			continue;
		device->next = at + 1;
		return device->metrics[at];
	}
	return NULL;
}

static int metric_new(struct known *known, struct known_device *device, struct fg_str name,
		      struct fg_str unit, struct known_metric **ret_metric)
{
	struct known_metric *metric;
	size_t size = sizeof(*metric) + name.len + unit.len;
	void *list = device->metrics;
	char *text;
	int r = list_grow(known, &list, device->nmetrics, &device->cap);

	device->metrics = list;
	if (r == 0 && !may_take(known, size))
		r = -ENOSPC;
	if (r < 0)
		return r;
	metric = calloc(1, size);
	if (!metric)
		return -ENOMEM;
	text = (char *)(metric + 1);
	memcpy(text, name.ptr, name.len);
	if (unit.len)
		memcpy(text + name.len, unit.ptr, unit.len);
	metric->name = fg_str(text, name.len);
	metric->unit = fg_str(text + name.len, unit.len);
	metric->time_ms = INT64_MIN;
	known->bytes += size;
	device->metrics[device->nmetrics++] = metric;
	*ret_metric = metric;
	return 0;
}

int known_metric(struct known *known, struct known_device *device, struct fg_str name,
		 struct fg_str unit, const struct fg_value *value, struct known_metric **ret_metric,
		 bool *ret_changed)
{
	struct known_metric *metric = metric_find(device, name);
	enum spb_type type = wire_type_for(metric ? metric->type : SPB_NO_TYPE, value);
	int r = 0;

	if (!metric)
		r = metric_new(known, device, name, unit, &metric);
	if (r < 0)
		return r;
	if (metric->type != type) {
		/* what was said was said in another type; any number can be said as a double */
		metric->said = metric->said && type == SPB_DOUBLE &&
			       fg_value_is_number(&metric->value);
		metric->type = type;
		*ret_changed = true;
	}
	*ret_metric = metric;
	return 0;
}

/* False: it is too long to be kept. */
static bool text_keep(struct known *known, struct known_metric *metric, struct fg_str text)
{
	char *bigger;

	if (text.len > KNOWN_TEXT_MAX)
		return false;
	if (text.len > metric->cap) {
		if (!may_take(known, text.len - metric->cap))
			return false;
		bigger = realloc(metric->text, text.len);
		if (!bigger)
			return false;
		known->bytes += text.len - metric->cap;
		metric->text = bigger;
		metric->cap = text.len;
	}
	if (text.len)
		memcpy(metric->text, text.ptr, text.len);
	metric->value.s = fg_str(metric->text ? metric->text : "", text.len);
	return true;
}

void known_say(struct known *known, struct known_metric *metric, const struct fg_value *value,
	       int64_t time_ms)
{
	if (metric->said && time_ms < metric->time_ms)
		return;
	metric->time_ms = time_ms;
	metric->said = value->kind != FG_NONE;
	metric->value = *value;
	if (value->kind == FG_STRING || value->kind == FG_DATA)
		metric->said = text_keep(known, metric, value->s);
}

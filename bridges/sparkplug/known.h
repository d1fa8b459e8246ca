/*
 * What a birth has to say: each device's metrics with what was last said of them. Learned from the
 * records that go up; bounded in bytes, beyond which nothing new can be learned.
 */
#pragma once

#include <fg/str.h>
#include <fg/value.h>

#include "wire.h"

/* Texts that are longer are not remembered: a birth says null. */
#define KNOWN_TEXT_MAX 1024

struct known_metric {
	struct fg_str name, unit;	/* behind this struct */
	enum spb_type type;
	bool said;			/* it has a value */
	struct fg_value value;		/* texts in `text` */
	int64_t time_ms;		/* INT64_MIN: none */
	char *text;
	size_t cap;
};

struct known_device {
	struct fg_str name;		/* behind this struct */
	struct known_metric **metrics;
	uint32_t nmetrics, cap;
	uint32_t next;			/* metric that is likely to be asked for next */
	bool born, dead;		/* in this session; said to be offline */
	int64_t time_ms;		/* of its newest record; INT64_MIN: none */
};

struct known {
	struct known_device **devices;
	uint32_t ndevices, cap;
	uint32_t *table;		/* hash -> 1 + index; a power of two of them */
	uint32_t ntable;
	size_t bytes, max;
};

void known_init(struct known *known, size_t max);
void known_fini(struct known *known);
/* Forgets all of it. */
void known_clear(struct known *known);
struct known_device *known_find(const struct known *known, struct fg_str name);
/* Finds or makes. -ENOSPC: the bound; -ENOMEM. */
int known_device(struct known *known, struct fg_str name, struct known_device **ret_device);
/* The same for a metric of that type and unit; *ret_changed is set if it is new or was another. */
int known_metric(struct known *known, struct known_device *device, struct fg_str name,
		 struct fg_str unit, const struct fg_value *value, struct known_metric **ret_metric,
		 bool *ret_changed);
/* What was said of it, unless something newer was. */
void known_say(struct known *known, struct known_metric *metric, const struct fg_value *value,
	       int64_t time_ms);

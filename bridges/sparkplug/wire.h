/*
 * Sparkplug B payloads in protobuf, written by hand: the few fields that an edge node says, and the
 * one that it listens to. Field numbers are those of the specification's chapter 6.
 */
#pragma once

#include <fg/buf.h>
#include <fg/value.h>

/* Data types of the specification, those that are used. */
enum spb_type {
	SPB_NO_TYPE = 0,
	SPB_INT64 = 4,
	SPB_UINT64 = 8,
	SPB_DOUBLE = 10,
	SPB_BOOLEAN = 11,
	SPB_STRING = 12,
	SPB_BYTES = 17,
};

#define SPB_NO_SEQ (-1)

struct wire_metric {
	struct fg_str name;
	int64_t time_ms;
	enum spb_type type;		/* of the value; said where `typed` */
	bool typed, historical;
	const struct fg_value *value;	/* NULL: null */
	/* properties, where they are not empty */
	struct fg_str unit, why;
	const struct fg_value *sum;
};

/* The type that a metric is to have which was `before` (SPB_NO_TYPE: new) and is to hold `value`:
 * numbers widen rather than change to and fro, but never at the cost of a digit. */
enum spb_type wire_type_for(enum spb_type before, const struct fg_value *value);

/* A payload: begin, metrics, end. What does not fit stays in out->failed. */
void wire_begin(struct fg_buf *out, int64_t time_ms);
void wire_metric(struct fg_buf *out, const struct wire_metric *metric);
void wire_end(struct fg_buf *out, int seq);

/* Whether a payload asks for a rebirth: it has the metric "Node Control/Rebirth" with true. False
 * also for what is no payload. */
bool wire_asks_rebirth(struct fg_str payload);

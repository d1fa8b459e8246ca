/*
 * Profiles, compiled: which input is whose, which value is which point. A profile turns a payload
 * into a reading: the records of one device at one time. Pure: no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/doc.h>
#include <fg/fault.h>
#include <fg/framer.h>
#include <fg/record.h>
#include <fg/registers.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "config/profile_conf.h"

struct fg_profile;
struct fg_profiles;

/*
 * Compiles all profiles; of one that is given as a text only its head, since most gateways meet
 * few of those. `find` gives a decoder by name (NULL: there is none); a shipped profile's
 * is looked for when it is first needed. Wrong patterns, ties ("the most specific match wins; a
 * tie is a fault") and unknown formats are faults at /profiles/NAME/...; then -EINVAL. The confs
 * are borrowed until the set is freed. -ENOMEM.
 */
int fg_profiles_new(const struct fg_named_profile *confs, size_t count,
		    const struct fg_decoder *(*find)(const char *name), struct fg_faults *,
		    struct fg_profiles **ret_profiles);
struct fg_profiles *fg_profiles_free(struct fg_profiles *);

size_t fg_profiles_count(const struct fg_profiles *);
const struct fg_profile *fg_profiles_at(const struct fg_profiles *, size_t index);
const struct fg_profile *fg_profiles_find(const struct fg_profiles *, const char *name);
/* The profile whose match is the most specific for the address, or NULL. *ret_taken: what {device}
 * and {point} took, empty what the pattern has not. */
const struct fg_profile *fg_profiles_match(const struct fg_profiles *, struct fg_str address,
					   struct fg_pattern_taken *ret_taken);
/* Whether this very profile's pattern takes the address. */
bool fg_profile_takes(const struct fg_profile *, struct fg_str address,
		      struct fg_pattern_taken *ret_taken);

const char *fg_profile_name(const struct fg_profile *);
/* Compiles what is left of it. What needs it whole does so by itself; where its answer has no word
 * for a lack of memory, this is to be called before. -ENOMEM. */
int fg_profile_ready(const struct fg_profile *);
/* Of one that is ready. */
const struct fg_profile_conf *fg_profile_conf(const struct fg_profile *);

/* The framer that a profile brings to a line: its own, or the one its decoder needs. False: none
 * (line it is then); profile may be NULL. */
bool fg_profile_framer(const struct fg_profile *, struct fg_framer_conf *ret_conf);

/* What has to be read for a profile of the format "registers". -EINVAL: it has another. */
int fg_profile_registers(const struct fg_profile *, struct fg_registers *ret_registers);
/* As fg_source_encode(). */
int fg_profile_encode(const struct fg_profile *, struct fg_str point, const struct fg_value *value,
		      struct fg_register_write *ret_write);

/* The records of one payload. All strings live until the next read. */
struct fg_reading {
	struct fg_record *records;
	uint32_t count, cap, max;
	struct fg_arena names;
	/* stated by the payload itself, else empty; not yet escaped */
	struct fg_str device;
	int64_t time_ns;		/* the device's own, or FG_TIME_NONE */
	uint32_t nulls, nonfinite, unconverted, duplicate_keys;
	bool absurd_time;		/* a device's time was not believed */
	bool no_memory;			/* private */
};

void fg_reading_init(struct fg_reading *, uint32_t max_records, size_t max_payload);
void fg_reading_fini(struct fg_reading *);

/*
 * Decodes the payload and picks its points. `profile` NULL: taken as it is (by content format,
 * else by its first byte). `prefix`: the point part of the address ("kitchen/lamp"), or empty;
 * points are named below it. `doc` must be reset, its now_ns set.
 *   0; -EBADMSG with doc->reason and doc->at; -ENOTSUP likewise: nothing reads its content format;
 *   -ENOMEM: nothing is wrong with the payload
 */
int fg_profile_read(const struct fg_profiles *, const struct fg_profile *profile,
		    const struct fg_decode_context *, struct fg_str payload, struct fg_str prefix,
		    struct fg_doc *doc, struct fg_reading *ret_reading);

/* The time that a value is in the form that is given, or FG_TIME_NONE. */
int64_t fg_profile_time(const struct fg_time_conf *, const struct fg_value *);

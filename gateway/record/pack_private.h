/* What the forms of a pack share; for record/pack*.c only. */
#pragma once

#include "record/pack.h"

struct pack_item {
	const struct fg_record *record;
	struct fg_str device;
	int64_t time_ns;	/* FG_TIME_NONE: none is written */
	bool unsynced;
	bool has_base_name, has_base_time;
};

void fg_pack_json_add(struct fg_pack *, const struct pack_item *);
struct fg_str fg_pack_json_end(struct fg_pack *, const struct fg_pack_head *);
void fg_pack_cbor_add(struct fg_pack *, const struct pack_item *);
struct fg_str fg_pack_cbor_end(struct fg_pack *, const struct fg_pack_head *);
void fg_pack_flat_add(struct fg_pack *, const struct pack_item *);
struct fg_str fg_pack_flat_end(struct fg_pack *, const struct fg_pack_head *);
void fg_pack_influx_add(struct fg_pack *, const struct pack_item *);
struct fg_str fg_pack_influx_end(struct fg_pack *);
void fg_pack_thingsboard_add(struct fg_pack *, const struct pack_item *);
bool fg_pack_thingsboard_takes(const struct fg_pack *, struct fg_str device);
struct fg_str fg_pack_thingsboard_end(struct fg_pack *, const struct fg_pack_head *);

/* What forms of text write alike: Unix time in seconds, numbers, and base64url in quotes. */
void fg_pack_put_time(struct fg_buf *out, int64_t time_ns);
void fg_pack_put_number(struct fg_buf *out, const struct fg_value *value);
void fg_pack_put_double(struct fg_buf *out, double d);
void fg_pack_put_data(struct fg_buf *out, struct fg_str bytes);

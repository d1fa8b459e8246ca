/* Entries and records as bytes, both ways (see spool/format.h). Pure functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

/* No fewer bytes than the entry takes. */
size_t fg_entry_bound(const struct fg_entry *entry);

/* Writes the entry without its CRC to `out`, which has room for fg_entry_bound(). Returns its
 * length, or -EINVAL: no record, a value that its kind does not allow, a device's id above 65535
 * bytes. */
int64_t fg_entry_encode(const struct fg_entry *entry, uint64_t first, char *out);

/* Puts the CRC in; `seed` is that of the segment's header. */
void fg_entry_seal(char *entry, size_t len, uint32_t seed);

/* Is this whole entry (its length has been checked) what was sealed? */
bool fg_entry_sound(const char *entry, size_t len, uint32_t seed);

/* The view of a sound entry, but for its epoch and boot. -EBADMSG: the device's id does not fit. */
int fg_entry_view(const char *entry, size_t len, struct fg_spool_view *ret_view);

/*
 * Frames that were read while there was no room for them. A line cannot be asked to send again, so
 * what was read before the pause waits here; it is no more than one read's worth and one frame.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fg/str.h>

struct serial_held {
	char *bytes;		/* frames, each behind its length */
	size_t at, len, cap;
};

/* Takes a copy at the end. 0 or -ENOMEM. */
int serial_held_push(struct serial_held *held, struct fg_str frame);
/* The first one, or false: there is none. It stays until it is dropped. */
bool serial_held_first(const struct serial_held *held, struct fg_str *ret_frame);
void serial_held_drop(struct serial_held *held);
void serial_held_fini(struct serial_held *held);

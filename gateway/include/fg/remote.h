/*
 * What a bridge hands a configuration to that came for this gateway. Whether it is one, who signed
 * it and what becomes of it is the other side's: a bridge only carries the bytes.
 */
#pragma once

#include <fg/str.h>

#define FG_REMOTE_MAX ((size_t)6 << 20)	/* bytes; of a longer one only the length counts */

struct fg_remote {
	/* `envelope` is copied. Longer than FG_REMOTE_MAX: it is not looked at. */
	void (*take)(struct fg_remote *, struct fg_str envelope);
};

#include "held.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int serial_held_push(struct serial_held *held, struct fg_str frame)
{
	size_t need = held->len + sizeof(frame.len) + frame.len;

	if (need > held->cap) {
		char *bytes = realloc(held->bytes, need * 2);

		if (!bytes)
			return -ENOMEM;
		held->bytes = bytes;
		held->cap = need * 2;
	}
	memcpy(held->bytes + held->len, &frame.len, sizeof(frame.len));
	memcpy(held->bytes + held->len + sizeof(frame.len), frame.ptr, frame.len);
	held->len = need;
	return 0;
}

bool serial_held_first(const struct serial_held *held, struct fg_str *ret_frame)
{
	size_t len;

	if (held->at == held->len)
		return false;
	memcpy(&len, held->bytes + held->at, sizeof(len));
	*ret_frame = fg_str(held->bytes + held->at + sizeof(len), len);
	return true;
}

void serial_held_drop(struct serial_held *held)
{
	struct fg_str frame;

	if (!serial_held_first(held, &frame))
		return;
	held->at += sizeof(frame.len) + frame.len;
	if (held->at == held->len)
		held->at = held->len = 0;
}

void serial_held_fini(struct serial_held *held)
{
	free(held->bytes);
	*held = (struct serial_held){ 0 };
}

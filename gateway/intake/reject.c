#include "intake/intake.h"

static const char *const names[FG_REJECT__MAX] = {
	[FG_REJECT_MALFORMED] = "malformed",
	[FG_REJECT_TOO_LARGE] = "too-large",
	[FG_REJECT_CHECKSUM] = "checksum",
	[FG_REJECT_FRAME] = "frame",
	[FG_REJECT_OVERRUN] = "overrun",
	[FG_REJECT_CONTENT_FORMAT] = "content-format",
	[FG_REJECT_ADDRESS] = "address",
	[FG_REJECT_DEVICE_LIMIT] = "device-limit",
	[FG_REJECT_NOT_KEPT] = "not-kept",
	[FG_REJECT_OTHER] = "other",
};

const char *fg_reject_name(enum fg_reject reject)
{
	return names[reject];
}

enum fg_reject fg_reject_of(const char *name)
{
	for (int i = 0; i < FG_REJECT__MAX; i++)
		if (strcmp(names[i], name) == 0)
			return (enum fg_reject)i;
	return FG_REJECT_OTHER;
}

/* What M-Bus values are (EN 13757-3, value information), by the names that libmbus made known. */
#pragma once

#include <stdbool.h>

enum fg_mbus_time {
	FG_MBUS_DECIMAL,	/* value * 10^exp10 */
	FG_MBUS_SECONDS,	/* value * 1, 60, 3600, 86400 s, by the code's last two bits */
	FG_MBUS_HOURS,		/* value * hour, day, month, year, likewise */
	FG_MBUS_MONTHS,		/* value * month, year, by the last bit */
};

struct fg_mbus_quantity {
	const char *name;
	const char *unit;	/* SenML's, or empty */
	enum fg_mbus_time time;
	int exp10;
};

/* `code`: VIF without its extension bit; 0x100 + VIFE behind FD, 0x200 + VIFE behind FB.
 * False: reserved. */
bool fg_mbus_quantity(unsigned code, struct fg_mbus_quantity *ret_quantity);

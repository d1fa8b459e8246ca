/* Both kinds are one scan over a table of units, largest last. */
#include "base/units.h"

#include "base/number.h"

#include <errno.h>

struct unit {
	const char *name;
	uint64_t factor;
};

#define SECOND 1000000000u

static const struct unit durations[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", SECOND },
	{ "m", 60ull * SECOND },
	{ "h", 3600ull * SECOND },
	{ "d", 86400ull * SECOND },
	{ "min", 60ull * SECOND },
	{ NULL, 0 },
};

static const struct unit sizes[] = {
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ NULL, 0 },
};

static int unit_parse(struct fg_str text, const struct unit *units, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text.ptr[i] - '0'), &n))
			return -ERANGE;
	}
	struct fg_str name = fg_str(text.ptr + i, text.len - i);

	if (i == 0)
		return -EINVAL;
	for (; units->name; units++) {
		if (!fg_str_eq_c(name, units->name))
			continue;
		if (__builtin_mul_overflow(n, units->factor, &n))
			return -ERANGE;
		*ret = n;
		return 0;
	}
	return -EINVAL;
}

int fg_duration_parse(struct fg_str text, int64_t *ret_ns)
{
	uint64_t n;
	int r = unit_parse(text, durations, &n);

	if (r != 0)
		return r;
	if (n > INT64_MAX)
		return -ERANGE;
	*ret_ns = (int64_t)n;
	return 0;
}

int fg_size_parse(struct fg_str text, uint64_t *ret_bytes)
{
	return unit_parse(text, sizes, ret_bytes);
}

/* `zero` is the unit that nothing is counted in. */
static size_t unit_format(uint64_t n, const struct unit *units, size_t zero, char *out)
{
	const struct unit *best = &units[n ? 0 : zero];

	for (const struct unit *u = units; n && u->name; u++) {
		if (n % u->factor == 0 && u->factor > best->factor)
			best = u;
	}
	size_t digits = fg_u64_write(n / best->factor, out), name = strlen(best->name);

	memcpy(out + digits, best->name, name);
	return digits + name;
}

size_t fg_duration_format(int64_t ns, char *out)
{
	return unit_format((uint64_t)ns, durations, 3, out);
}

size_t fg_size_format(uint64_t bytes, char *out)
{
	return unit_format(bytes, sizes, 0, out);
}

/* Two patterns and an address, a line each. What matches both must be told to overlap. */
#include <stdlib.h>

#include "base/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX = 512 };

static void check(bool good)
{
	if (!good)
		abort();
}

static void taken_check(struct fg_str taken, struct fg_str address)
{
	if (taken.ptr)
		check(taken.ptr >= address.ptr &&
		      taken.ptr + taken.len <= address.ptr + address.len);
}

static bool match(const struct fg_pattern *pattern, struct fg_str address)
{
	struct fg_pattern_taken taken = { { NULL, 0 }, { NULL, 0 } };

	if (!fg_pattern_match(pattern, address, &taken))
		return false;
	taken_check(taken.device, address);
	taken_check(taken.point, address);
	check(fg_pattern_match(pattern, address, NULL));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[MAX + 1], *second, *address;
	struct fg_pattern a, b;
	const char *why = NULL;

	if (len > MAX)
		return 0;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	second = strchr(text, '\n');
	if (!second)
		return 0;
	*second++ = '\0';
	address = strchr(second, '\n');
	if (address)
		*address++ = '\0';
	else
		address = second;
	if (fg_pattern_parse(text, &a, &why) < 0 || fg_pattern_parse(second, &b, &why) < 0) {
		check(why != NULL);
		return 0;
	}
	check((fg_pattern_compare(&a, &b) > 0) == (fg_pattern_compare(&b, &a) < 0));
	check(fg_pattern_overlap(&a, &b) == fg_pattern_overlap(&b, &a));
	if (match(&a, fg_str_c(address)) && match(&b, fg_str_c(address)))
		check(fg_pattern_overlap(&a, &b));
	return 0;
}

/* Checks of text options: patterns, pointers, names. All have the form of struct fg_option's
 * check. */
#include "config/pattern.h"
#include "base/pattern.h"

#include <fg/log.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_LEN 64
#define QUOTED 80

static int pattern_fault(const char *text, const char *reason, char *why, size_t cap)
{
	char quoted[QUOTED];

	snprintf(why, cap, "%s is not a pattern: %s",
		 fg_log_quote(text, strlen(text), quoted, sizeof(quoted)), reason);
	return -EINVAL;
}

int fg_pattern_check(const char *text, char *why, size_t cap)
{
	struct fg_pattern pattern;
	const char *reason;

	return fg_pattern_parse(text, &pattern, &reason) < 0 ?
		       pattern_fault(text, reason, why, cap) :
		       0;
}

int fg_filter_check(const char *text, char *why, size_t cap)
{
	if (strpbrk(text, "{}"))
		return pattern_fault(text, "a name has no meaning here, use '+' or '#'", why, cap);
	return fg_pattern_check(text, why, cap);
}

int fg_pointer_check(const char *text, char *why, size_t cap)
{
	const char *reason = *text && *text != '/' ? "it must begin with '/'" : NULL;
	char quoted[QUOTED];

	for (const char *p = text; !reason && *p; p++)
		if (*p == '~' && p[1] != '0' && p[1] != '1')
			reason = "'~' is written ~0 (and '/' in a key ~1)";
	if (!reason)
		return 0;
	snprintf(why, cap, "%s is not a JSON Pointer: %s",
		 fg_log_quote(text, strlen(text), quoted, sizeof(quoted)), reason);
	return -EINVAL;
}

static int check_word(const char *text, const char *letters, const char *what, char *why,
		      size_t cap)
{
	size_t len = strlen(text);
	char quoted[QUOTED];

	if (len > 0 && len <= NAME_LEN && strchr(ALNUM, text[0]) && strspn(text, letters) == len)
		return 0;
	snprintf(why, cap, "%s is not %s: 1 to 64 of %s, the first a letter or digit",
		 fg_log_quote(text, len, quoted, sizeof(quoted)), what,
		 strchr(letters, ':') ? "A-Z a-z 0-9 . _ : -" : "A-Z a-z 0-9 . _ -");
	return -EINVAL;
}

int fg_instance_name_check(const char *text, char *why, size_t cap)
{
	return check_word(text, ALNUM "._-", "a name", why, cap);
}

int fg_gateway_id_check(const char *text, char *why, size_t cap)
{
	return check_word(text, ALNUM "._-:", "a gateway's id", why, cap);
}

/* Checks of text options: patterns, pointers, names. All have the form of struct fg_option's
 * check. */
#include "config/pattern.h"

#include <fg/log.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_LEN 64
#define LEVELS_MAX 64
#define QUOTED 80

struct pattern {
	bool named;			/* names are allowed */
	struct fg_str names[LEVELS_MAX];
	size_t nnames, nlevels;
	bool many;			/* '#' or {device...} has been seen */
};

static const char *check_name(struct pattern *p, struct fg_str name)
{
	bool many = name.len > 3 && memcmp(name.ptr + name.len - 3, "...", 3) == 0;

	if (!p->named)
		return "a name has no meaning here, use '+' or '#'";
	if (many)
		name.len -= 3;
	if (name.len == 0 || name.len > NAME_LEN)
		return "a name between '{' and '}' has 1 to 64 letters";
	for (size_t i = 0; i < name.len; i++)
		if (!strchr(ALNUM "_-", name.ptr[i]) || name.ptr[i] == '\0')
			return "a name between '{' and '}' is made of A-Z a-z 0-9 _ -";
	if (many && !fg_str_eq_c(name, "device"))
		return "only {device...} takes several levels";
	for (size_t i = 0; i < p->nnames; i++)
		if (fg_str_eq(p->names[i], name))
			return "a name stands there twice";
	if (many && p->many)
		return "only one of '#' and {device...} can be there";
	p->many |= many;
	p->names[p->nnames++] = name;
	return NULL;
}

static const char *check_level(struct pattern *p, struct fg_str level, bool last)
{
	bool name = level.len > 1 && level.ptr[0] == '{' && level.ptr[level.len - 1] == '}';

	if (p->nlevels++ == LEVELS_MAX)
		return "more than 64 levels";
	if (fg_str_eq_c(level, "#")) {
		if (!last)
			return "'#' must be the last level";
		if (p->many)
			return "only one of '#' and {device...} can be there";
		p->many = true;
		return NULL;
	}
	if (fg_str_eq_c(level, "+"))
		return NULL;
	if (name)
		return check_name(p, fg_str(level.ptr + 1, level.len - 2));
	if (level.len && (memchr(level.ptr, '+', level.len) || memchr(level.ptr, '#', level.len)))
		return "'+' and '#' take a whole level";
	if (level.len && (memchr(level.ptr, '{', level.len) || memchr(level.ptr, '}', level.len)))
		return "a name between '{' and '}' takes a whole level";
	return NULL;
}

static int check_levels(struct pattern *p, const char *text, char *why, size_t cap)
{
	const char *reason = *text ? NULL : "it is empty", *end;
	char quoted[QUOTED];

	for (const char *level = text; !reason; level = end + 1) {
		end = strchrnul(level, '/');
		reason = check_level(p, fg_str(level, (size_t)(end - level)), !*end);
		if (!*end)
			break;
	}
	if (!reason)
		return 0;
	snprintf(why, cap, "%s is not a pattern: %s",
		 fg_log_quote(text, strlen(text), quoted, sizeof(quoted)), reason);
	return -EINVAL;
}

int fg_pattern_check(const char *text, char *why, size_t cap)
{
	struct pattern p = { .named = true };

	return check_levels(&p, text, why, cap);
}

int fg_filter_check(const char *text, char *why, size_t cap)
{
	struct pattern p = { .named = false };

	return check_levels(&p, text, why, cap);
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

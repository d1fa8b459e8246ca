/* Subjects and message ids. */
#include "nats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A part of a subject holds no '.', blank, '*' or '>'. What would not do, and what could be read as
 * such a byte, is written as in records: _xHH_. */
static void part_add(struct fg_str text, char *out, size_t cap, size_t *len)
{
	static const char upper[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool odd = c == '.' || c == '*' || c == '>' || c <= ' ' || c >= 0x7f ||
			   (c == '_' && i + 1 < text.len && text.ptr[i + 1] == 'x');

		if (*len + 6 > cap) {
			*len = cap;
			return;
		}
		if (!odd) {
			out[(*len)++] = (char)c;
			continue;
		}
		memcpy(out + *len, "_x", 2);
		out[*len + 2] = upper[c >> 4];
		out[*len + 3] = upper[c & 15];
		out[*len + 4] = '_';
		*len += 5;
	}
}

int nats_subject(const char *text, const char *gateway, const char *name, bool any,
		 char out[NATS_SUBJECT_MAX])
{
	size_t len = 0;

	while (*text && len + 1 < NATS_SUBJECT_MAX) {
		bool is_gateway = strncmp(text, "{gateway}", 9) == 0;
		bool is_name = strncmp(text, "{name}", 6) == 0;

		if ((is_gateway || is_name) && any)
			out[len++] = '*';
		else if (is_gateway || is_name)
			part_add(fg_str_c(is_gateway ? gateway : name), out, NATS_SUBJECT_MAX,
				 &len);
		else
			out[len++] = *text;
		text += is_gateway ? 9 : is_name ? 6 : 1;
	}
	if (*text || len + 1 > NATS_SUBJECT_MAX)
		return -ENAMETOOLONG;
	out[len] = '\0';
	return 0;
}

bool nats_subject_matches(struct fg_str filter, const char *subject)
{
	size_t i = 0;

	while (i < filter.len) {
		size_t part = strcspn(subject, ".");
		size_t end = i;

		while (end < filter.len && filter.ptr[end] != '.')
			end++;
		if (part == 0)
			return false;
		if (end - i == 1 && filter.ptr[i] == '>')
			return true;
		if ((end - i != 1 || filter.ptr[i] != '*') &&
		    (end - i != part || memcmp(filter.ptr + i, subject, part) != 0))
			return false;
		subject += part;
		i = end;
		if (*subject != '.' || i >= filter.len)
			break;
		subject++;
		i++;
	}
	return *subject == '\0' && i == filter.len;
}

/* Length of the _xHH_ that begins there, else 0. */
static size_t escape_at(struct fg_str s, size_t i)
{
	return i + 5 <= s.len && s.ptr[i] == '_' && s.ptr[i + 1] == 'x' &&
			       fg_hex_digit(s.ptr[i + 2]) >= 0 && fg_hex_digit(s.ptr[i + 3]) >= 0 &&
			       s.ptr[i + 4] == '_' ?
		       5 :
		       0;
}

size_t nats_path(struct fg_str parts, char *out)
{
	size_t len = 0, i = 0;

	while (i < parts.len) {
		size_t escaped = escape_at(parts, i);

		if (escaped && memcmp(parts.ptr + i + 2, "2E", 2) == 0) {
			out[len++] = '.';
		} else if (escaped) { /* the record's own */
			memcpy(out + len, parts.ptr + i, escaped);
			len += escaped;
		} else {
			out[len++] = parts.ptr[i] == '.' ? '/' : parts.ptr[i];
		}
		i += escaped ? escaped : 1;
	}
	return len;
}

/* -- message ids -- */

/* FNV-1a: of the same bytes the same. */
/* Quotes are ' by now, and in a subject \' then: ours has none. One that the library has cut off
 * has no end. */
bool nats_refusal_ours(const char *why, const char *own)
{
	static const char refused[] = "Permissions Violation for ";
	static const char publish[] = "Publish to '";
	const char *at = strstr(why, refused);
	size_t len;

	if (!at || strncmp(at + sizeof(refused) - 1, publish, sizeof(publish) - 1) != 0)
		return true;
	at += sizeof(refused) - 1 + sizeof(publish) - 1;
	if (strncmp(at, "$JS.", 4) == 0)
		return true;
	len = strcspn(at, "'");
	return strncmp(at, own, len) == 0 && (at[len] ? own[len] == '\0' : len > 0);
}

static uint64_t digest(struct fg_str s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return hash;
}

void nats_id_write(const struct fg_sink *sink, const struct fg_batch *batch, char out[NATS_ID_MAX])
{
	if (batch->epoch == 0)
		snprintf(out, NATS_ID_MAX, "%s/%s/%016" PRIx64, sink->gateway, sink->name,
			 digest(batch->payload));
	else
		snprintf(out, NATS_ID_MAX, "%s/%s/%016" PRIx64 ":%" PRIu64 "-%" PRIu64 "%s",
			 sink->gateway, sink->name, batch->epoch, batch->first, batch->last,
			 batch->lost ? "!lost" : "");
}

static bool skip(struct fg_str *s, const char *text)
{
	struct fg_str prefix = fg_str_c(text);

	if (!fg_str_starts(*s, prefix))
		return false;
	*s = fg_str(s->ptr + prefix.len, s->len - prefix.len);
	return true;
}

static bool number(struct fg_str *s, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s->ptr[i] - '0'), &n))
			return false;
	*s = fg_str(s->ptr + i, s->len - i);
	*ret = n;
	return i > 0;
}

static bool hex16(struct fg_str *s, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < 16; i++) {
		int digit = i < s->len ? fg_hex_digit(s->ptr[i]) : -1;

		if (digit < 0)
			return false;
		*ret = *ret << 4 | (unsigned)digit;
	}
	*s = fg_str(s->ptr + 16, s->len - 16);
	return true;
}

bool nats_id_read(const struct fg_sink *sink, struct fg_str text, struct nats_id *ret_id)
{
	*ret_id = (struct nats_id){ 0 };
	if (!skip(&text, sink->gateway) || !skip(&text, "/") || !skip(&text, sink->name) ||
	    !skip(&text, "/") || !hex16(&text, &ret_id->epoch) || !skip(&text, ":") ||
	    !number(&text, &ret_id->first) || !skip(&text, "-") || !number(&text, &ret_id->last))
		return false;
	ret_id->lost = skip(&text, "!lost");
	return text.len == 0;
}

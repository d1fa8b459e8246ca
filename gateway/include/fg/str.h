/* A borrowed stretch of bytes. It owns nothing and need not end in NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct fg_str {
	const char *ptr;
	size_t len;
};

#define FG_STR(literal) ((struct fg_str){ (literal), sizeof(literal) - 1 })

static inline struct fg_str fg_str(const char *ptr, size_t len)
{
	return (struct fg_str){ ptr, len };
}

/* The bytes of a C string; NULL gives the empty stretch. */
static inline struct fg_str fg_str_c(const char *c)
{
	return (struct fg_str){ c, c ? strlen(c) : 0 };
}

static inline bool fg_str_eq(struct fg_str a, struct fg_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool fg_str_eq_c(struct fg_str a, const char *c)
{
	return fg_str_eq(a, fg_str_c(c));
}

static inline bool fg_str_starts(struct fg_str s, struct fg_str prefix)
{
	return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

/* What a hexadecimal digit of either case is worth, or -1. */
static inline int fg_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

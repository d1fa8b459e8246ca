/*
 * A growable, bounded byte buffer. What fails (beyond `max`, out of memory) leaves the content as
 * it was and sets `failed`, which stays until the next reset: a writer appends freely and asks
 * once at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

struct fg_buf {
	char *data;
	size_t len, cap, max;
	bool failed;
};

/* Allocates nothing; the buffer never holds more than `max` bytes. */
void fg_buf_init(struct fg_buf *buf, size_t max);
void fg_buf_fini(struct fg_buf *buf);
/* Empties it and clears `failed`; the memory is kept. */
void fg_buf_reset(struct fg_buf *buf);

/* Makes room for `extra` more bytes beyond what is there. Internal to the calls below. */
char *fg_buf_grow(struct fg_buf *buf, size_t extra);

/* Room for `extra` bytes behind the content, or NULL. The caller adds to len what it wrote. */
static inline char *fg_buf_reserve(struct fg_buf *buf, size_t extra)
{
	if (extra <= buf->cap - buf->len && buf->data && !buf->failed)
		return buf->data + buf->len;
	return fg_buf_grow(buf, extra);
}

static inline void fg_buf_add(struct fg_buf *buf, const void *bytes, size_t len)
{
	char *p = fg_buf_reserve(buf, len);

	if (p && len) {
		memcpy(p, bytes, len);
		buf->len += len;
	}
}

static inline void fg_buf_char(struct fg_buf *buf, char c)
{
	char *p = fg_buf_reserve(buf, 1);

	if (p) {
		*p = c;
		buf->len++;
	}
}

static inline void fg_buf_str(struct fg_buf *buf, struct fg_str s)
{
	fg_buf_add(buf, s.ptr, s.len);
}

static inline void fg_buf_text(struct fg_buf *buf, const char *c)
{
	fg_buf_add(buf, c, strlen(c));
}

static inline struct fg_str fg_buf_view(const struct fg_buf *buf)
{
	return fg_str(buf->data, buf->len);
}

/* Numbers in decimal. */
void fg_buf_u64(struct fg_buf *buf, uint64_t n);
void fg_buf_i64(struct fg_buf *buf, int64_t n);
/* A JSON string with its quotes (RFC 8259 section 7). `s` must be UTF-8. */
void fg_buf_json(struct fg_buf *buf, struct fg_str s);
/* As printf; not for hot paths. */
void fg_buf_printf(struct fg_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

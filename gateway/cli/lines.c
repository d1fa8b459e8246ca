#include "cli/lines.h"

#include <errno.h>
#include <unistd.h>

#define READ_SIZE ((size_t)256 << 10)

void cli_lines_init(struct cli_lines *lines, int fd, size_t max_line)
{
	*lines = (struct cli_lines){ .fd = fd };
	fg_buf_init(&lines->buf, max_line + READ_SIZE);
}

/* Reads more behind what is there. 0, -EMSGSIZE (no room), -errno. */
static int fill(struct cli_lines *lines)
{
	struct fg_buf *buf = &lines->buf;
	ssize_t n;
	char *p;

	if (lines->at) {
		memmove(buf->data, buf->data + lines->at, buf->len - lines->at);
		buf->len -= lines->at;
		lines->at = 0;
	}
	p = fg_buf_reserve(buf, READ_SIZE);
	if (!p) {
		buf->failed = false;
		return -EMSGSIZE;
	}
	do {
		n = read(lines->fd, p, READ_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf->len += (size_t)n;
	lines->bytes += (uint64_t)n;
	lines->ended = n == 0;
	return 0;
}

/* Up to the end of a line that is too long. */
static int skip(struct cli_lines *lines)
{
	const char *end = NULL;
	int r = 0;

	while (r == 0 && !end && !lines->ended) {
		lines->at = 0;
		lines->buf.len = 0;
		r = fill(lines);
		end = lines->buf.len ? memchr(lines->buf.data, '\n', lines->buf.len) : NULL;
	}
	if (end)
		lines->at = (size_t)(end - lines->buf.data) + 1;
	return r < 0 ? r : -EMSGSIZE;
}

int cli_lines_next(struct cli_lines *lines, struct fg_str *ret_line)
{
	struct fg_buf *buf = &lines->buf;
	size_t seen = 0;
	int r;

	for (;;) {
		size_t len = buf->len - lines->at;
		const char *p = buf->data ? buf->data + lines->at : NULL;
		const char *end = len > seen ? memchr(p + seen, '\n', len - seen) : NULL;

		if (end || (lines->ended && len)) {
			*ret_line = fg_str(p, end ? (size_t)(end - p) : len);
			lines->at += ret_line->len + (end ? 1 : 0);
			lines->number++;
			return 1;
		}
		if (lines->ended)
			return 0;
		seen = len;
		r = fill(lines);
		if (r == -EMSGSIZE) {
			lines->number++;
			return skip(lines);
		}
		if (r < 0)
			return r;
	}
}

void cli_lines_fini(struct cli_lines *lines)
{
	fg_buf_fini(&lines->buf);
}

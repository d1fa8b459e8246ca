/* Lines are made on the stack; what is longer than one is cut. */
#include "base/log.h"

#include "base/utf8.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* below PIPE_BUF: a pipe that poll() calls writable takes it whole */
#define LINE_MAX_BYTES 2048
#define WINDOW_NS 60000000000u

static const char *const LEVELS[FG_LEVEL__MAX] = { "error", "warn", "info", "debug" };
static const char PRIORITIES[FG_LEVEL__MAX] = { '3', '4', '6', '7' };	/* sd-daemon(3) */

/* $JOURNAL_STREAM names the device and inode of what systemd gave as stderr; a redirected stderr
 * inherits the variable but is another file. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(stream, here) == 0;
}

void fg_log_init(struct fg_log *log, int fd, enum fg_level level)
{
	*log = (struct fg_log){ .fd = fd, .level = level, .journal = is_journal(fd) };
}

enum fg_level fg_log_level(const struct fg_log *log, const char *component)
{
	for (size_t i = 0; i < log->nlevels; i++)
		if (strcmp(log->levels[i].component, component) == 0)
			return log->levels[i].level;
	return log->level;
}

void fg_logger_init(struct fg_logger *logger, struct fg_log *log, const char *component,
		    const char *name)
{
	*logger = (struct fg_logger){
		.log = log,
		.component = component,
		.name = name,
		.level = fg_log_level(log, component),
	};
}

/* A line in the making; what does not fit is cut. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void line_vadd(struct line *line, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
static void line_add(struct line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line_vadd(struct line *line, const char *fmt, va_list args)
{
	/* one byte stays for the end of the line */
	size_t room = sizeof(line->text) - 1 - line->len;
	int n = vsnprintf(line->text + line->len, room, fmt, args);

	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void line_add(struct line *line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_vadd(line, fmt, args);
	va_end(args);
}

static void line_stamp(struct line *line, const struct fg_log *log, enum fg_level level)
{
	struct timespec now;
	struct tm tm;

	if (log->journal) {
		line_add(line, "<%c>", PRIORITIES[level]);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	line_add(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static void line_write(struct line *line, struct fg_log *log)
{
	struct pollfd pfd = { .fd = log->fd, .events = POLLOUT };

	/* a line is a line, whatever a value held */
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->text[i] < 0x20 || line->text[i] == 0x7f)
			line->text[i] = '?';
	line->text[line->len++] = '\n';
	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT) &&
	    write(log->fd, line->text, line->len) == (ssize_t)line->len)
		log->left_out = 0;
	else
		log->left_out++;
}

void fg_log(const struct fg_logger *logger, enum fg_level level, const char *message,
	    const char *fmt, ...)
{
	struct fg_log *log = logger->log;
	struct line line;
	va_list args;

	if (!log || level > logger->level)
		return;
	line.len = 0;
	line_stamp(&line, log, level);
	line_add(&line, "level=%s", LEVELS[level]);
	if (log->process)
		line_add(&line, " process=%u", log->process);
	line_add(&line, " component=%s", logger->component);
	if (logger->name)
		line_add(&line, " name=%s", logger->name);
	line_add(&line, " msg=\"%s\"", message);
	if (log->left_out)
		line_add(&line, " lines_left_out=%lu", log->left_out);
	if (fmt[0]) {
		line_add(&line, " ");
		va_start(args, fmt);
		line_vadd(&line, fmt, args);
		va_end(args);
	}
	line_write(&line, log);
}

bool fg_log_allowed(struct fg_log_limit *limit, uint64_t now_ns, uint32_t burst,
		    uint32_t *ret_left_out)
{
	bool fresh = limit->window_start_ns == 0 && limit->written == 0;

	if (fresh || now_ns - limit->window_start_ns >= WINDOW_NS) {
		limit->window_start_ns = now_ns;
		limit->written = 0;
	}
	if (limit->written >= burst) {
		limit->left_out++;
		return false;
	}
	limit->written++;
	*ret_left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}

/* How one piece of foreign bytes looks in a line; returns how many bytes of it that was. */
static size_t quote_piece(const char *p, const char *end, char out[8])
{
	unsigned char c = (unsigned char)*p;
	size_t n = c >= 0x80 ? fg_utf8_sequence(p, end) : 0;

	/* U+0080..U+009F are control characters too */
	if (n > 0 && !(c == 0xc2 && (unsigned char)p[1] < 0xa0)) {
		memcpy(out, p, n);
		out[n] = '\0';
		return n;
	}
	if (c == '"' || c == '\\')
		snprintf(out, 8, "\\%c", c);
	else if (c >= 0x20 && c < 0x7f)
		snprintf(out, 8, "%c", c);
	else
		snprintf(out, 8, "\\x%02X", c);
	return 1;
}

const char *fg_log_quote(const void *bytes, size_t len, char *out, size_t cap)
{
	const char *p = bytes ? bytes : "", *end = p + len;	/* NULL has no bytes */
	size_t n = 0, piece_len;
	char piece[8];

	if (cap < 8) {
		if (cap)
			out[0] = '\0';
		return out;
	}
	out[n++] = '"';
	while (p < end) {
		size_t taken = quote_piece(p, end, piece);

		piece_len = strlen(piece);
		/* room for this piece, then for "..." unless it is the last, the quote, the NUL */
		if (n + piece_len + (p + taken < end ? 3 : 0) + 2 > cap)
			break;
		memcpy(out + n, piece, piece_len);
		n += piece_len;
		p += taken;
	}
	n += (size_t)snprintf(out + n, cap - n, "%s\"", p < end ? "..." : "");
	return out;
}

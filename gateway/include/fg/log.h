/*
 * The log: logfmt lines on stderr, a level for each component, rate-limited where the outside can
 * make it repeat. Library-like code (base, record, decode, spool's reader) returns errors and does
 * not log; the driver, bridge or supervisor that knows what an error means logs it, once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fg_level { FG_ERROR, FG_WARN, FG_INFO, FG_DEBUG, FG_LEVEL__MAX };

struct fg_log;

/* Who speaks: a component ("mqtt", "spool") and the instance's name, or NULL. Embedded,
 * borrowed. */
struct fg_logger {
	struct fg_log *log;		/* NULL: silent */
	const char *component;
	const char *name;
	enum fg_level level;		/* what is above it is not written */
};

/* One line: `message` is constant text, `fmt` gives key=value pairs ("" for none).
 *   fg_log(&src->logger, FG_WARN, "connection lost", "error=%s attempt=%u", text, n);
 * Values that may hold blanks or foreign bytes go through %s of fg_log_quote(). Never a secret. */
void fg_log(const struct fg_logger *, enum fg_level, const char *message, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* At most `burst` lines a minute for one call site; what was left out is said with the next line.
 *   static-free: the caller embeds the limiter beside what it is about. */
struct fg_log_limit {
	uint64_t window_start_ns;
	uint32_t written, left_out;
};

bool fg_log_allowed(struct fg_log_limit *, uint64_t now_ns, uint32_t burst, uint32_t *ret_left_out);

/* Foreign bytes made printable (quoted, \xHH, cut with "..."), at most `cap`-1 bytes and a NUL. */
const char *fg_log_quote(const void *bytes, size_t len, char *out, size_t cap);

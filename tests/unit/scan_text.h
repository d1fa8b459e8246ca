/* A stream through a protocol's own framer as a line of text: the lengths of the good frames, then
 * bytes skipped and frames that were bad. The same however the stream is cut. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fg/framer.h>

#include "base/buf.h"

static inline void scan_text_frame(void *arg, struct fg_str frame)
{
	fg_buf_printf(arg, "%zu ", frame.len);
}

static inline char *scan_text(enum fg_framer_kind kind, struct fg_str stream, size_t step)
{
	struct fg_framer_conf conf = { .kind = kind };
	struct fg_framer framer;
	struct fg_buf out;

	if (fg_framer_init(&framer, &conf) != 0)
		abort();
	fg_buf_init(&out, 1 << 16);
	for (size_t i = 0; i < stream.len; i += step) {
		size_t n = stream.len - i < step ? stream.len - i : step;
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, stream.ptr + i, n);
		fg_framer_feed(&framer, copy, n, scan_text_frame, &out);
		free(copy);
	}
	fg_framer_end(&framer, scan_text_frame, &out);
	fg_buf_printf(&out, "s%d b%d", (int)framer.skipped, (int)framer.bad);
	fg_buf_char(&out, '\0');
	fg_framer_fini(&framer);
	return out.data;
}

struct scan_case {
	struct fg_str stream;
	const char *text;
};

#define SCAN_CASES_CHECK(kind, cases)                                                     \
	for (size_t case_at = 0; case_at < sizeof(cases) / sizeof(*(cases)); case_at++) { \
		static const size_t steps[] = { 1, 7, 100000 };                           \
                                                                                          \
		for (size_t step_at = 0; step_at < 3; step_at++) {                        \
			char *got = scan_text(kind, (cases)[case_at].stream,              \
					      steps[step_at]);                            \
                                                                                          \
			assert_string_equal(got, (cases)[case_at].text);                  \
			free(got);                                                        \
		}                                                                         \
	}

/* Any lines as packs: the report is JSON, and the order in which they come proves nothing else. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "decode/decode.h"
#include "record/audit.h"

#define LINES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int good)
{
	if (!good)
		abort();
}

static void add(struct fg_audit *audit, struct fg_str line)
{
	const char *why = NULL;
	struct fg_doc doc;
	int r;

	fg_doc_init(&doc, 4, 4096);
	if (fg_json_parse(line, &doc) == 0) {
		r = fg_audit_pack(audit, &doc, &why);
		require(r == 0 || (r == -EBADMSG && why));
	}
	fg_doc_fini(&doc);
}

static bool report(struct fg_audit *audit)
{
	struct fg_buf json, text;
	struct fg_doc doc;
	bool complete;

	fg_buf_init(&json, 1 << 20);
	fg_buf_init(&text, 1 << 20);
	require(fg_audit_report(audit, &json, &text, &complete) == 0);
	fg_doc_init(&doc, 8, json.len);
	require(fg_json_parse(fg_buf_view(&json), &doc) == 0 && doc.duplicate_keys == 0);
	fg_doc_fini(&doc);
	fg_buf_fini(&json);
	fg_buf_fini(&text);
	return complete;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_audit *there = fg_audit_new(), *back = fg_audit_new();
	const char *p = (const char *)data, *end = p + len;
	struct fg_str lines[LINES_MAX];
	size_t n = 0;

	require(there && back);
	while (p < end && n < LINES_MAX) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		lines[n++] = fg_str(p, (size_t)(stop - p));
		p = stop + 1;
	}
	for (size_t i = 0; i < n; i++) {
		add(there, lines[i]);
		add(back, lines[n - 1 - i]);
	}
	require(report(there) == report(back));
	fg_audit_free(there);
	fg_audit_free(back);
	return 0;
}

/* What an HTTP client says: its first byte chooses which of it, the rest is that. */
#include "console/parse.h"
#include "console/private.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct fg_str text, struct fg_str of)
{
	/* what was found lies within what was given */
	if (text.len && (text.ptr < of.ptr || text.ptr + text.len > of.ptr + of.len))
		abort();
}

static void fuzz_target(struct fg_str text)
{
	struct fg_str path, query;
	char out[64];
	size_t len = 0;

	console_target(text, &path, &query);
	look(path, text);
	look(query, text);
	if (console_query(query, "id", out, sizeof(out), &len) == 0 &&
	    (len >= sizeof(out) || strlen(out) != len))
		abort();
}

static void fuzz_headers(struct fg_str text)
{
	struct fg_str got;

	if (console_bearer(text, &got))
		look(got, text);
	if (console_cookie(text, "fieldgate", &got))
		look(got, text);
	(void)console_type_is_json(text);
	(void)console_host_is_loopback(text);
	(void)console_origin_is(text, false, FG_STR("127.0.0.1:8080"));
	if (console_same(text, FG_STR("secret")) != fg_str_eq_c(text, "secret"))
		abort();
}

static void fuzz_listen(struct fg_str text)
{
	struct console_address address;
	char copy[256];

	snprintf(copy, sizeof(copy), "%.*s", (int)(text.len < 255 ? text.len : 255),
		 text.len ? text.ptr : "");
	(void)console_listen(copy, &address);
}

/* Any JSON as the gateway's state. */
static void fuzz_metrics(struct fg_str text)
{
	const struct metrics_more more = { 0 };
	struct fg_buf out;
	struct fg_doc doc;

	fg_doc_init(&doc, 16, text.len);
	fg_buf_init(&out, 1 << 20);
	if (fg_json_parse(text, &doc) == 0)
		metrics_write(&doc, &more, &out);
	fg_buf_fini(&out);
	fg_doc_fini(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct fg_str) = { fuzz_target, fuzz_headers, fuzz_listen,
						      fuzz_metrics };
	char *copy = size > 1 ? malloc(size - 1) : NULL;

	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	all[data[0] % 4](fg_str(copy, size - 1));
	free(copy);
	return 0;
}

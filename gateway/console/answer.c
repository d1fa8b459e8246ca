/* What is sent, and what every answer says besides: nothing is kept by caches, nothing is shown in
 * a frame, and a page may load and run only what came from here. */
#include "console/files.h"
#include "console/private.h"

#include <stdarg.h>
#include <stdio.h>

#define ALLOW_MAX 256

static const struct {
	const char *name, *value;
} HEADERS[] = {
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
};

enum MHD_Result answer_send(struct console_request *request, unsigned status, const char *type,
			    struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	request->state = REQUEST_SENDING;
	for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++)
		(void)MHD_add_response_header(response, HEADERS[i].name, HEADERS[i].value);
	if (!MHD_get_response_header(response, "Cache-Control"))
		(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	(void)MHD_add_response_header(response, "Content-Type", type ? type : "application/json");
	result = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result answer_text(struct console_request *request, unsigned status, const char *type,
			    struct fg_str text)
{
	return answer_send(request, status, type,
			   MHD_create_response_from_buffer(text.len, (void *)(uintptr_t)text.ptr,
							   MHD_RESPMEM_MUST_COPY));
}

enum MHD_Result answer_error(struct console_request *request, unsigned status, const char *fmt, ...)
{
	struct MHD_Response *response;
	struct fg_buf text;
	char why[ALLOW_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	fg_buf_init(&text, 4096);
	fg_buf_text(&text, "{\"error\":");
	fg_buf_json(&text, fg_str_c(why));
	fg_buf_text(&text, "}\n");
	response = MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_COPY);
	fg_buf_fini(&text);
	request->console->counts.refused++;
	if (response && status == 401)
		(void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	if (response && status == 405)
		(void)MHD_add_response_header(response, "Allow", strstr(why, " ") + 1);
	if (response && status == 429)
		(void)MHD_add_response_header(response, "Retry-After", "1");
	if (response && status == 503)
		(void)MHD_add_response_header(response, "Retry-After", "5");
	return answer_send(request, status, NULL, response);
}

/* -- pages -- */

static const struct console_file *file_find(struct fg_str path)
{
	const struct console_file *file = console_files;

	if (fg_str_eq_c(path, "/"))
		path = FG_STR("/index.html");
	while (file->path && !fg_str_eq_c(path, file->path))
		file++;
	return file->path ? file : NULL;
}

bool answer_has_file(struct fg_str path)
{
	return file_find(path) != NULL;
}

enum MHD_Result answer_file(struct console_request *request)
{
	const struct console_file *file = file_find(request->path);
	bool known = fg_str_eq_c(request_header(request, "If-None-Match"), file->etag);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		known ? 0 : file->len, (void *)(uintptr_t)file->data, MHD_RESPMEM_PERSISTENT);

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, "ETag", file->etag);
	(void)MHD_add_response_header(response, "Cache-Control", "no-cache");
	if (file->gzip && !known)
		(void)MHD_add_response_header(response, "Content-Encoding", "gzip");
	return answer_send(request, known ? 304 : 200, file->type, response);
}

/*
 * GET: the last values of a device or a point as SenML JSON, and /.well-known/core (RFC 6690).
 * Blocks are cut here (Block2, RFC 7959 section 2.4) from a bounded number of kept texts; what
 * libcoap would keep for this purpose has no bound.
 */
#include <fg/buf.h>

#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_SZX 6 /* blocks of 1,024 bytes, unless the client wants smaller ones */
#define FORMAT_LINKS 40 /* application/link-format */
#define FORMAT_SENML_JSON 110

/* One GET. */
struct look {
	struct fg_coap_server *server;
	coap_session_t *session;
	const coap_pdu_t *request;
	coap_pdu_t *response;
	uint64_t key;
	unsigned format;
	uint32_t num;
	unsigned szx;
	bool blockwise;		/* Block2 was asked for */
	bool observed;		/* it is a notification, or the answer to who wants them */
};

#define OBSERVE_REGISTER 0 /* RFC 7641 section 2 */

void fg_coap_view_done(struct fg_coap_view *view)
{
	free(view->text);
	*view = (struct fg_coap_view){ 0 };
}

/* False if it was answered already. */
static bool look_read(struct look *l)
{
	uint32_t value;
	int r = fg_coap_option_number(l->request, COAP_OPTION_ACCEPT, &value);

	if (fg_coap_is_conditional(l->request)) {
		fg_coap_say(l->response, COAP_RESPONSE_CODE_BAD_OPTION, NULL);
		return false;
	}
	if (r != -ENOENT && (r < 0 || value != l->format)) {
		fg_coap_say(l->response, COAP_RESPONSE_CODE_NOT_ACCEPTABLE, NULL);
		return false;
	}
	l->szx = VIEW_SZX;
	r = fg_coap_option_number(l->request, COAP_OPTION_BLOCK2, &value);
	if (r == -ENOENT)
		return true;
	l->blockwise = true;
	l->num = value >> 4;
	if ((value & 7) < l->szx)
		l->szx = value & 7;
	if (r == 0 && (value & 7) != 7)
		return true;
	fg_coap_say(l->response, COAP_RESPONSE_CODE_BAD_OPTION, NULL);
	return false;
}

static struct fg_coap_view *look_find(struct look *l)
{
	for (size_t i = 0; i < FG_COAP_VIEWS; i++) {
		struct fg_coap_view *view = &l->server->views[i];

		if (view->owner == l->session && view->key == l->key) {
			view->used_s = l->server->now_s;
			return view;
		}
	}
	return NULL;
}

/* Keeps the text for the blocks to come, in place of the one that was not asked for the longest. */
static void look_keep(struct look *l, const char *text, size_t len)
{
	struct fg_coap_view *view = look_find(l), *views = l->server->views;
	char *copy = malloc(len);

	if (!copy)
		return;
	for (size_t i = 0; i < FG_COAP_VIEWS && !view; i++)
		if (!views[i].owner)
			view = &views[i];
	for (size_t i = 0; i < FG_COAP_VIEWS && !view; i++)
		if (i == FG_COAP_VIEWS - 1 || views[i].used_s <= views[i + 1].used_s)
			view = &views[i];
	fg_coap_view_done(view);
	memcpy(copy, text, len);
	*view = (struct fg_coap_view){
		.owner = l->session,
		.key = l->key,
		.used_s = l->server->now_s,
		.text = copy,
		.len = len,
	};
}

/* Options in the order of their numbers. */
static void look_answer(struct look *l, const char *text, size_t len)
{
	size_t size = (size_t)16 << l->szx, offset = (size_t)l->num * size;
	size_t here = len - offset < size ? len - offset : size;
	uint64_t tag = fg_coap_key(FG_COAP_KEY, fg_str(text, len));
	bool more;

	if (offset >= len && l->num > 0) {
		fg_coap_say(l->response, COAP_RESPONSE_CODE_BAD_OPTION, NULL);
		return;
	}
	more = offset + here < len;
	coap_pdu_set_code(l->response, COAP_RESPONSE_CODE_CONTENT);
	fg_coap_add_number(l->response, COAP_OPTION_ETAG, (uint32_t)(tag ^ (tag >> 32)));
	if (l->observed)
		fg_coap_add_number(l->response, COAP_OPTION_OBSERVE,
				   fg_coap_watch_sequence(l->server));
	fg_coap_add_number(l->response, COAP_OPTION_CONTENT_FORMAT, l->format);
	fg_coap_add_number(l->response, COAP_OPTION_MAXAGE,
			   l->observed ? FG_COAP_WATCH_MAX_AGE_S : 0);
	if (l->blockwise || more)
		fg_coap_add_number(l->response, COAP_OPTION_BLOCK2,
				   l->num << 4 | (more ? 8u : 0u) | l->szx);
	if (more && l->num == 0)
		fg_coap_add_number(l->response, COAP_OPTION_SIZE2, (uint32_t)len);
	coap_add_data(l->response, here, (const uint8_t *)text + offset);
}

/* A text that was made for this request. */
static void look_answer_new(struct look *l, const struct fg_buf *buf)
{
	if (buf->failed) {
		fg_coap_say(l->response, COAP_RESPONSE_CODE_INTERNAL_ERROR, "too long");
		return;
	}
	if (buf->len > (size_t)16 << l->szx)
		look_keep(l, buf->data, buf->len);
	look_answer(l, buf->data, buf->len);
}

/* A later block of what is kept; false if a text has to be made. */
static bool look_continue(struct look *l)
{
	struct fg_coap_view *view = l->num ? look_find(l) : NULL;

	if (view)
		look_answer(l, view->text, view->len);
	return view;
}

/* Begins or ends an observation, as the request wants. */
static void look_observe(struct look *l, struct fg_str path)
{
	coap_bin_const_t token = coap_pdu_get_token(l->request);
	uint32_t value;

	if (fg_coap_option_number(l->request, COAP_OPTION_OBSERVE, &value) < 0)
		return;
	if (value == OBSERVE_REGISTER)
		l->observed = fg_coap_watch_add(l->server, l->session, token, path, l->szx);
	else
		fg_coap_watch_remove(l->server, l->session, token);
}

void fg_coap_get(struct fg_coap_server *server, coap_session_t *session, const coap_pdu_t *request,
		 struct fg_str path, coap_pdu_t *response)
{
	struct look l = {
		.server = server,
		.session = session,
		.request = request,
		.response = response,
		.key = fg_coap_key(FG_COAP_KEY, path),
		.format = FORMAT_SENML_JSON,
	};
	struct fg_buf buf;

	if (!look_read(&l) || look_continue(&l))
		return;
	fg_buf_init(&buf, FG_COAP_VIEW_MAX);
	if (fg_source_last(server->source, path, &buf) < 0) {
		fg_coap_say(response, COAP_RESPONSE_CODE_NOT_FOUND, NULL);
	} else {
		look_observe(&l, path);
		look_answer_new(&l, &buf);
	}
	fg_buf_fini(&buf);
}

void fg_coap_notify(struct fg_coap_watch *watch, coap_pdu_t *pdu)
{
	struct look l = {
		.server = watch->server,
		.session = watch->session,
		.response = pdu,
		.key = fg_coap_key(FG_COAP_KEY, watch->watch.path),
		.format = FORMAT_SENML_JSON,
		.szx = watch->szx,
		.observed = true,
	};
	struct fg_buf buf;

	fg_buf_init(&buf, FG_COAP_VIEW_MAX);
	if (fg_source_last(watch->server->source, watch->watch.path, &buf) < 0)
		fg_coap_say(pdu, COAP_RESPONSE_CODE_NOT_FOUND, NULL);
	else
		look_answer_new(&l, &buf);
	fg_buf_fini(&buf);
}

/* A device's id as a path (RFC 3986 section 3.3); its own '/' is one. */
static void core_add_path(struct fg_buf *buf, struct fg_str device)
{
	for (size_t i = 0; i < device.len; i++) {
		unsigned c = (unsigned char)device.ptr[i];

		/* '-' to ':': the digits, '.' and '/' too */
		if ((c | 0x20) - 'a' < 26 || c - '-' < 14 || c == '_' || c == '~')
			fg_buf_char(buf, device.ptr[i]);
		else
			fg_buf_printf(buf, "%%%02X", c);
	}
}

/* Whole entries only. */
static bool core_add(void *arg, struct fg_str device)
{
	struct fg_buf *buf = arg;

	if (buf->max - buf->len < 3 * device.len + 20)
		return false;
	if (buf->len)
		fg_buf_char(buf, ',');
	fg_buf_text(buf, "</");
	core_add_path(buf, device);
	fg_buf_text(buf, ">;ct=110;obs");
	return !buf->failed;
}

void fg_coap_handle_core(coap_resource_t *resource, coap_session_t *session,
			 const coap_pdu_t *request, const coap_string_t *query,
			 coap_pdu_t *response)
{
	struct fg_coap_server *server = coap_get_app_data(coap_session_get_context(session));
	struct look l = {
		.server = server,
		.session = session,
		.request = request,
		.response = response,
		.key = FG_COAP_KEY,
		.format = FORMAT_LINKS,
	};
	struct fg_buf buf;

	(void)resource;
	(void)query;
	server->handled++;
	if (!look_read(&l) || look_continue(&l))
		return;
	fg_buf_init(&buf, FG_COAP_VIEW_MAX);
	fg_source_devices(server->source, core_add, &buf);
	look_answer_new(&l, &buf);
	fg_buf_fini(&buf);
}

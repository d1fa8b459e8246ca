/* What the servers say: JSON, read as if anybody could have written it. */
#include <fg/registry.h>

#include "nats.h"

#include <errno.h>
#include <stdio.h>

static const struct fg_node *member(const struct fg_doc *doc, const char *a, const char *b)
{
	const struct fg_str steps[] = { fg_str_c(a), fg_str_c(b) };

	return fg_doc_find(doc, steps, b ? 2 : 1);
}

static struct fg_str text_of(const struct fg_node *node)
{
	if (!node || node->type != FG_NODE_SCALAR || node->value.kind != FG_STRING)
		return fg_str(NULL, 0);
	return node->value.s;
}

static bool number_of(const struct fg_node *node, uint64_t *ret)
{
	if (!node || node->type != FG_NODE_SCALAR || node->value.kind != FG_INT ||
	    node->value.i < 0)
		return false;
	*ret = (uint64_t)node->value.i;
	return true;
}

void nats_plain(char *text)
{
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"')
			*p = *p == '"' ? '\'' : ' ';
}

int nats_answer_read(struct fg_doc *doc, struct fg_str body, char why[NATS_WHY_MAX])
{
	struct fg_decode_context context = { .content_format = -1 };
	const struct fg_decoder *json;
	const struct fg_node *error;
	struct fg_str text;
	uint64_t code = 0;
	int r = fg_registry_decoder("json", &json);

	fg_doc_reset(doc, (size_t)64 << 10);
	if (r == 0)
		r = json->decode(&context, body, doc);
	if (r == 0 && doc->nodes[0].type != FG_NODE_OBJECT)
		r = -EBADMSG;
	if (r < 0) {
		snprintf(why, NATS_WHY_MAX, "the server answers nonsense");
		return -EBADMSG;
	}
	error = member(doc, "error", NULL);
	if (!error || error->type == FG_NODE_NULL)
		return 0;
	text = text_of(member(doc, "error", "description"));
	if (!number_of(member(doc, "error", "err_code"), &code) || code < 1 || code > 99999)
		(void)number_of(member(doc, "error", "code"), &code);
	snprintf(why, NATS_WHY_MAX, "%.*s (%u)", (int)(text.len < 120 ? text.len : 120),
		 text.len ? text.ptr : "", (unsigned)code);
	nats_plain(why);
	return code >= 1 && code <= 99999 ? (int)code : -EBADMSG;
}

bool nats_answer_ack(const struct fg_doc *doc, const char *stream, uint64_t *ret_seq)
{
	return fg_str_eq_c(text_of(member(doc, "stream", NULL)), stream) &&
	       number_of(member(doc, "seq", NULL), ret_seq) && *ret_seq > 0;
}

bool nats_answer_stream(const struct fg_doc *doc, const char *subject,
			struct nats_stream_info *ret_info)
{
	const struct fg_node *subjects = member(doc, "config", "subjects");
	uint64_t duplicates;

	*ret_info = (struct nats_stream_info){ 0 };
	if (!number_of(member(doc, "config", "duplicate_window"), &duplicates) ||
	    duplicates > INT64_MAX ||
	    !number_of(member(doc, "state", "first_seq"), &ret_info->first_seq) ||
	    !number_of(member(doc, "state", "last_seq"), &ret_info->last_seq))
		return false;
	ret_info->duplicates_ns = (int64_t)duplicates;
	/* its items follow it, each a node */
	for (uint32_t i = 0; subjects && subjects->type == FG_NODE_ARRAY && i < subjects->children;
	     i++)
		if (nats_subject_matches(text_of(subjects + 1 + i), subject))
			ret_info->takes = true;
	return true;
}

void nats_answer_subjects(const struct fg_doc *doc, struct fg_buf *out)
{
	const struct fg_node *subjects = member(doc, "config", "subjects");

	fg_buf_reset(out);
	for (uint32_t i = 0; subjects && subjects->type == FG_NODE_ARRAY && i < subjects->children;
	     i++) {
		struct fg_str one = text_of(subjects + 1 + i);

		if (one.len == 0 || memchr(one.ptr, '\0', one.len))
			continue;
		fg_buf_str(out, one);
		fg_buf_char(out, '\0');
	}
}

/* NATS/1.0 CRLF, NAME: VALUE CRLF ..., CRLF */
static struct fg_str header_of(struct fg_str text, const char *name)
{
	size_t len = strlen(name);
	const char *p = text.ptr, *end = text.ptr + text.len;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t line = (size_t)((eol ? eol : end) - p);

		if (line > 0 && p[line - 1] == '\r')
			line--;
		if (line > len && memcmp(p, name, len) == 0 && p[len] == ':') {
			for (len++; len < line && p[len] == ' '; len++)
				;
			return fg_str(p + len, line - len);
		}
		if (!eol)
			break;
		p = eol + 1;
	}
	return fg_str(NULL, 0);
}

bool nats_answer_message(const struct fg_doc *doc, char *room, uint64_t *ret_seq,
			 struct fg_str *ret_id)
{
	struct fg_str headers = text_of(member(doc, "message", "hdrs"));
	size_t len = 0;

	*ret_id = fg_str(NULL, 0);
	if (!number_of(member(doc, "message", "seq"), ret_seq) || *ret_seq == 0)
		return false;
	if (headers.len && fg_nats_base64(headers, room, &len) < 0)
		return false;
	*ret_id = header_of(fg_str(room, len), "Nats-Msg-Id");
	return true;
}

bool nats_answer_consumer(const struct fg_doc *doc, char *name, size_t cap, uint64_t *ret_pending)
{
	struct fg_str text = text_of(member(doc, "name", NULL));
	uint64_t delivered;

	/* what has been brought already, was to be */
	if (!number_of(member(doc, "num_pending", NULL), ret_pending) || text.len == 0 ||
	    text.len >= cap || memchr(text.ptr, '\0', text.len))
		return false;
	if (number_of(member(doc, "delivered", "consumer_seq"), &delivered))
		*ret_pending += delivered;
	*(char *)mempcpy(name, text.ptr, text.len) = '\0';
	return true;
}

/* docs.nats.io, "JetStream API errors": what passes by itself. */
enum nats_verdict nats_verdict(int code)
{
	switch (code) {
	case 10054: /* message size exceeds maximum allowed */
		return NATS_VERDICT_TOO_LARGE;
	case 503:
	case 10002: /* resources of the account */
	case 10004:
	case 10005: /* a cluster that is still assembling, or is too small */
	case 10008: /* temporarily unavailable */
	case 10009: /* not the leader */
	case 10023: /* resources */
	case 10028:
	case 10041:
	case 10047:
	case 10051:
	case 10053:
	case 10077: /* the stream is full, and gives nothing up; or its disk is */
	case 10118: /* offline */
		return NATS_VERDICT_LATER;
	default:
		return NATS_VERDICT_UNFIT;
	}
}

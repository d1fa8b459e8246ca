/*
 * Commands by request and reply. What is published on
 *
 *     fieldgate.{gateway}.command.{device}.{point...}	a value, or {"id","value","expires"}
 *     fieldgate.{gateway}.command			the same with "device" and "point" in it
 *
 * is asked for; the outcome goes to the reply subject, or to fieldgate.{gateway}.outcome. Plain
 * NATS keeps nothing: what is sent while the gateway is away is lost, and whoever asks sees that
 * nobody answers. Outcomes that end while there is no connection wait for the next one; those for
 * which there is no room in the queue wait for that, and no more is heard as long as one does.
 */
#include <fg/registry.h>

#include "nats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OUTCOMES_MAX 512
#define OUTCOMES_BYTES ((size_t)512 << 10)
#define COMMAND_MAX ((size_t)64 << 10) /* beyond this the queue refuses it */

/* A reply is published with our rights: not to where servers or gateways act upon it, and not among
 * the packs. */
bool nats_reply_good(struct fg_str subject, const char *own)
{
	if (fg_str_eq_c(subject, own))
		return false;
	if (subject.len == 0 || subject.len >= NATS_SUBJECT_MAX || subject.ptr[0] == '$' ||
	    fg_str_starts(subject, FG_STR("fieldgate.")))
		return false;
	for (size_t i = 0; i < subject.len; i++)
		if (subject.ptr[i] <= ' ' || subject.ptr[i] > '~' || subject.ptr[i] == '*' ||
		    subject.ptr[i] == '>')
			return false;
	return subject.ptr[subject.len - 1] != '.';
}

/* -- outcomes -- */

static int outcome_publish(struct nats_sink *s, const char *subject, struct fg_str json)
{
	return fg_nats_send(&s->nats, &(struct fg_nats_out){ .subject = subject,
							     .payload = json,
							     .type = "application/json",
							     .copy = true,
							     .quiet = true });
}

static void outcome_drop(struct nats_desk *desk)
{
	struct nats_outcome *o = desk->outcomes;

	desk->outcomes = o->next;
	if (!o->next)
		desk->outcomes_end = &desk->outcomes;
	desk->noutcomes--;
	desk->outcome_bytes -= sizeof(*o) + strlen(o->subject) + o->json.len;
	free(o);
}

static void outcome_give_up(struct nats_desk *desk)
{
	uint32_t left_out;

	outcome_drop(desk);
	desk->given_up++;
	if (fg_log_allowed(&desk->given_up_limit, fg_loop_now(desk->sink->loop), 4, &left_out))
		fg_log(&desk->sink->logger, FG_WARN, "outcome given up, too many wait",
		       "held=%u given_up=%" PRIu64 " left_out=%u", desk->noutcomes, desk->given_up,
		       left_out);
}

static void outcome_hold(struct nats_desk *desk, struct fg_str subject, struct fg_str json)
{
	struct nats_outcome *o = calloc(1, sizeof(*o) + subject.len + 1 + json.len);

	if (!o)
		return;
	memcpy(o->bytes, subject.ptr, subject.len);
	memcpy(o->bytes + subject.len + 1, json.ptr, json.len);
	o->subject = o->bytes;
	o->json = fg_str(o->bytes + subject.len + 1, json.len);
	*desk->outcomes_end = o;
	desk->outcomes_end = &o->next;
	desk->noutcomes++;
	desk->outcome_bytes += sizeof(*o) + subject.len + json.len;
	while (desk->noutcomes > OUTCOMES_MAX || desk->outcome_bytes > OUTCOMES_BYTES)
		outcome_give_up(desk);
}

/* Those that wait, in their order; as long as one waits for room, nothing more is asked for. */
static void outcomes_send(struct nats_sink *s)
{
	struct nats_desk *desk = s->desk;
	int r = 0;

	while (desk->outcomes && r == 0) {
		r = outcome_publish(s, desk->outcomes->subject, desk->outcomes->json);
		if (r == 0)
			outcome_drop(desk);
	}
	fg_nats_hear(&s->nats, r != -EAGAIN);
}

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct fg_sink *sink = arg;
	struct nats_desk *desk = sink->keep;
	char subject[NATS_SUBJECT_MAX];

	if (reply.len)
		*(char *)mempcpy(subject, reply.ptr, reply.len) = '\0';
	else if (nats_subject("fieldgate.{gateway}.outcome", sink->gateway, sink->name, false,
			      subject) < 0)
		return;
	if (desk->open && !desk->outcomes &&
	    outcome_publish(desk->open, subject, result->json) == 0)
		return;
	outcome_hold(desk, fg_str_c(subject), result->json);
	if (desk->open)
		outcomes_send(desk->open);
}

void nats_commands_up(struct nats_sink *s)
{
	s->desk->open = s;
	outcomes_send(s);
}

void nats_commands_room(struct nats_sink *s)
{
	if (s->desk->open == s)
		outcomes_send(s);
}

void nats_commands_free(struct nats_desk *desk)
{
	while (desk->outcomes)
		outcome_drop(desk);
}

/* -- commands -- */

/* What the stream takes would be stored there; an inbox is an asker's even if it takes all. */
static bool is_good(const struct nats_sink *s, struct fg_str reply)
{
	char text[NATS_SUBJECT_MAX];

	if (!nats_reply_good(reply, s->subject))
		return false;
	if (fg_str_starts(reply, FG_STR("_INBOX.")))
		return true;
	*(char *)mempcpy(text, reply.ptr, reply.len) = '\0';
	for (size_t at = 0; at < s->takes.len; at += strlen(s->takes.data + at) + 1)
		if (nats_subject_matches(fg_str_c(s->takes.data + at), text))
			return false;
	return true;
}

static void ask(struct nats_sink *s, struct fg_str path, struct fg_str reply, struct fg_str body)
{
	bool own = is_good(s, reply);
	const struct fg_request request = {
		.path = path,
		/* of one that is too long so much that the queue sees it */
		.payload = fg_str(body.ptr, body.len <= COMMAND_MAX ? body.len : COMMAND_MAX + 1),
		.outcome = on_outcome,
		.arg = s->sink,
		.reply = own ? reply : fg_str(NULL, 0),
		.again = own,
	};

	fg_command_request(s->sink->commands, &request);
}

static struct fg_str text_member(const struct fg_doc *doc, const char *name)
{
	struct fg_str step = fg_str_c(name);
	const struct fg_node *node = fg_doc_find(doc, &step, 1);

	if (!node || node->type != FG_NODE_SCALAR || node->value.kind != FG_STRING)
		return fg_str(NULL, 0);
	return node->value.s;
}

/* Device and point stand in the text; without them the queue says what is wrong with it. */
static void ask_named(struct nats_sink *s, struct fg_str reply, struct fg_str body)
{
	struct fg_decode_context context = { .content_format = -1 };
	const struct fg_decoder *json;
	struct fg_str device = { 0 }, point = { 0 };

	fg_buf_reset(&s->text);
	fg_doc_reset(&s->doc, (size_t)64 << 10);
	if (body.len <= COMMAND_MAX && fg_registry_decoder("json", &json) == 0 &&
	    json->decode(&context, body, &s->doc) == 0) {
		device = text_member(&s->doc, "device");
		point = text_member(&s->doc, "point");
	}
	fg_buf_str(&s->text, device);
	fg_buf_char(&s->text, '/');
	fg_buf_str(&s->text, point);
	if (!s->text.failed)
		ask(s, fg_buf_view(&s->text), reply, body);
}

void nats_commands_message(struct nats_sink *s, struct fg_str subject, struct fg_str reply,
			   struct fg_str body)
{
	char path[NATS_SUBJECT_MAX];
	size_t skip = strlen(s->command);

	if (s->phase != NATS_UP_PHASE || body.len == 0 || subject.len >= sizeof(path) ||
	    !fg_str_starts(subject, fg_str_c(s->command)))
		return;
	if (subject.len == skip) {
		ask_named(s, reply, body);
	} else if (subject.ptr[skip] == '.') {
		struct fg_str parts = fg_str(subject.ptr + skip + 1, subject.len - skip - 1);

		ask(s, fg_str(path, nats_path(parts, path)), reply, body);
	}
}

int nats_commands_open(struct nats_sink *s, struct fg_nats_conf *conf)
{
	const struct fg_sink *sink = s->sink;
	int r;

	if (!sink->commands)
		return 0;
	r = nats_subject("fieldgate.{gateway}.command", sink->gateway, sink->name, false,
			 s->command);
	if (r == 0)
		r = nats_subject("fieldgate.{gateway}.command.>", sink->gateway, sink->name, false,
				 s->commands);
	if (r < 0)
		return r;
	conf->subscribe[0] = s->command;
	conf->subscribe[1] = s->commands;
	return 0;
}

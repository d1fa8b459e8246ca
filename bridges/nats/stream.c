/* Between connected and up: is the stream there, or to be made; does it take our subject; what of
 * ours does it hold. Requests to the servers' API, one at a time. */
#include "nats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct nats_conf *conf_of(const struct nats_sink *s)
{
	return s->sink->conf;
}

static void fault(struct nats_sink *s, int error, const char *what)
{
	fg_sink_fault(s->sink, error, what);
}

static void request(struct nats_sink *s, const char *call, const char *body)
{
	char subject[NATS_SUBJECT_MAX];
	struct fg_nats_out out = {
		.subject = subject,
		.payload = fg_str_c(body),
		.copy = true,
		.token = NATS_API,
		.stamp = ++s->stamp,
	};
	int r;

	s->again = false;
	if (!s->asked_ns)
		s->asked_ns = fg_loop_now(s->sink->loop);
	snprintf(subject, sizeof(subject), "$JS.API.STREAM.%s.%s", call, conf_of(s)->stream);
	r = fg_nats_send(&s->nats, &out);
	if (r < 0)
		fault(s, r, "cannot ask the server");
	else
		(void)fg_timer_start(&s->timer, (uint64_t)conf_of(s)->timeout_ns);
}

void nats_stream_ask(struct nats_sink *s)
{
	s->phase = NATS_ASKING;
	request(s, "INFO", "");
}

static void ask_create(struct nats_sink *s)
{
	const struct nats_conf *c = conf_of(s);
	char subject[NATS_SUBJECT_MAX], body[2 * NATS_SUBJECT_MAX];

	s->phase = NATS_CREATING;
	(void)nats_subject(c->subject, "", "", true, subject);
	snprintf(body, sizeof(body),
		 "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"retention\":\"limits\","
		 "\"storage\":\"file\",\"discard\":\"old\",\"num_replicas\":%" PRId64
		 ",\"max_consumers\":-1,\"max_msgs\":-1,\"max_msg_size\":-1,"
		 "\"max_bytes\":%" PRId64 ",\"max_age\":%" PRId64 ",\"duplicate_window\":%" PRId64
		 "}",
		 c->stream, subject, c->replicas, c->max_bytes ? (int64_t)c->max_bytes : -1,
		 c->max_age_ns, c->duplicates_ns);
	request(s, "CREATE", body);
}

static void go_up(struct nats_sink *s)
{
	fg_timer_stop(&s->timer);
	nats_slots_looked(s->desk, s->look.last);
	if (s->look.asked >= NATS_LOOKS_MAX)
		fg_log(&s->sink->logger, FG_WARN,
		       "so much is news in the stream that some of it may come twice", "%s", "");
	s->phase = NATS_UP_PHASE;
	nats_commands_up(s);
	fg_sink_up(s->sink);
}

static void ask_message(struct nats_sink *s)
{
	char body[NATS_SUBJECT_MAX + 80];

	if (s->look.next == NATS_LOOK_DONE) {
		go_up(s);
		return;
	}
	s->phase = NATS_LOOKING;
	if (s->look.next == NATS_LOOK_LAST)
		snprintf(body, sizeof(body), "{\"last_by_subj\":\"%s\"}", s->subject);
	else
		snprintf(body, sizeof(body), "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s\"}",
			 s->look.at, s->subject);
	request(s, "MSG.GET", body);
}

static void on_info(struct nats_sink *s, int code, const char *why)
{
	struct nats_stream_info info;
	char text[NATS_WHY_MAX];

	if (code == NATS_CODE_NO_STREAM && conf_of(s)->create && !s->created) {
		ask_create(s);
	} else if (code == NATS_CODE_NO_STREAM) {
		snprintf(text, sizeof(text), "there is no stream %.60s (\"create\" makes it)",
			 conf_of(s)->stream);
		fault(s, -ENOENT, text);
	} else if (code != 0) {
		fault(s, -EPROTO, why);
	} else if (!nats_answer_stream(&s->doc, s->subject, &info)) {
		fault(s, -EBADMSG, "the server answers nonsense");
	} else if (!info.takes) {
		snprintf(text, sizeof(text), "stream %.40s does not take the subject %.60s",
			 conf_of(s)->stream, s->subject);
		fault(s, -EADDRNOTAVAIL, text);
	} else {
		s->duplicates_ns = (uint64_t)info.duplicates_ns;
		nats_answer_subjects(&s->doc, &s->takes);
		nats_look_begin(&s->look, s->sink->window, nats_slots_floor(s->desk),
				info.first_seq);
		ask_message(s);
	}
}

/* The stream has a message of our subject: does the outbox know? */
static bool is_known(const struct nats_sink *s, struct fg_str text)
{
	struct nats_id id;
	int r;

	if (!nats_id_read(s->sink, text, &id) || id.lost)
		return false;
	r = fg_sink_has(s->sink, id.epoch, id.first, id.last);
	/* what no epoch of ours had is older than all of them */
	return r == 1 || r == -ENOENT;
}

static void on_stored(struct nats_sink *s, int code, const char *why, struct fg_str body)
{
	struct fg_str id;
	uint64_t seq;
	char *room;

	if (code == NATS_CODE_NO_MESSAGE) {
		nats_look_none(&s->look);
		ask_message(s);
		return;
	}
	if (code != 0) {
		fault(s, -EPROTO, why);
		return;
	}
	fg_buf_reset(&s->text);
	room = fg_buf_reserve(&s->text, body.len + 1);
	if (!room)
		fault(s, -ENOMEM, "no room for a message of the stream");
	else if (!nats_answer_message(&s->doc, room, &seq, &id))
		fault(s, -EBADMSG, "the server answers nonsense");
	else {
		nats_look_found(&s->look, seq, is_known(s, id));
		ask_message(s);
	}
}

void nats_stream_again(struct nats_sink *s)
{
	if (s->phase == NATS_ASKING)
		nats_stream_ask(s);
	else if (s->phase == NATS_CREATING)
		ask_create(s);
	else if (s->phase == NATS_LOOKING)
		ask_message(s);
}

static bool is_too_late(const struct nats_sink *s)
{
	return fg_loop_now(s->sink->loop) - s->asked_ns >=
	       NATS_NOBODY_TIMEOUTS * (uint64_t)conf_of(s)->timeout_ns;
}

/* Whoever asks another server asks the same cluster, so an election is waited for here, as long as
 * this server says that it is there. */
void nats_stream_late(struct nats_sink *s)
{
	if (s->again)
		nats_stream_again(s);
	else if (is_too_late(s))
		fault(s, -ETIMEDOUT, "JetStream does not answer");
	else if (!s->probing && fg_nats_probe(&s->nats) == 0)
		s->probing = true;
}

static void wait_or_fault(struct nats_sink *s, const char *why)
{
	if (is_too_late(s)) {
		fault(s, -EHOSTUNREACH, why);
		return;
	}
	s->again = true;
	(void)fg_timer_start(&s->timer, nats_pause());
}

void nats_stream_answer(struct nats_sink *s, int error, struct fg_str body)
{
	char why[NATS_WHY_MAX];
	int code;

	if (error == -EHOSTUNREACH) {
		wait_or_fault(s, "nobody answers for JetStream");
		return;
	}
	if (error < 0) {
		fault(s, error, "JetStream's answer is none");
		return;
	}
	code = nats_answer_read(&s->doc, body, why);
	if (code > 0 && nats_verdict(code) == NATS_VERDICT_LATER) {
		wait_or_fault(s, why);
		return;
	}
	s->asked_ns = 0;
	if (code == -EBADMSG) {
		fault(s, code, why);
		return;
	}
	switch (s->phase) {
	case NATS_ASKING:
		on_info(s, code, why);
		break;
	case NATS_CREATING:
		/* somebody else may have been quicker: what it is now is asked anew */
		if (code == 0)
			fg_log(&s->sink->logger, FG_INFO, "stream made", "stream=%s",
			       conf_of(s)->stream);
		s->created = true;
		if (code == 0 || code == 10058)
			nats_stream_ask(s);
		else
			fault(s, -EPROTO, why);
		break;
	case NATS_LOOKING:
		on_stored(s, code, why, body);
		break;
	default:
		break;
	}
}

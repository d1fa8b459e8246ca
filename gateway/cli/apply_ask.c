/* What `fieldgate apply` asks of the running gateway. */
#include "cli/apply.h"

#include "cli/cli.h"
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#define ANSWER_MAX ((size_t)8 << 20)
#define ANSWER_MS 10000
#define AGAIN_MS 200

static int take_line(void *arg, struct fg_str line)
{
	struct fg_buf *out = arg;

	fg_buf_str(out, line);
	fg_buf_char(out, '\n');
	return 0;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

/* -ENOENT, -ECONNREFUSED: none runs. */
static int status_ask(const struct cli_apply *apply, cJSON **ret_status)
{
	struct fg_control_result result;
	struct fg_buf out;
	int r;

	fg_buf_init(&out, ANSWER_MAX);
	r = fg_control_ask(apply->socket, FG_STR("{\"call\":\"status\"}"), ANSWER_MS, take_line,
			   &out, &result);
	fg_buf_char(&out, '\0');
	if (r == 0 && (!result.ok || out.failed))
		r = -EPROTO;
	*ret_status = r == 0 ? cJSON_Parse(out.data) : NULL;
	if (r == 0 && !*ret_status)
		r = -EPROTO;
	fg_buf_fini(&out);
	return r;
}

/* -- before -- */

static void note_up(struct fg_trial *trial, const cJSON *status, const char *member,
		    const char *kind)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(status, member))
		fg_trial_note(trial, kind, one->string, strcmp(text_of(one, "state"), "up") == 0);
}

int cli_apply_look(struct cli_apply *apply)
{
	struct fg_trial *trial = &apply->trial;
	cJSON *status;
	int r = status_ask(apply, &status);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return FG_EXIT_OK;
	if (r < 0)
		return fg_cli_failed("apply", "the gateway on %s: %s", apply->socket, strerror(-r));
	snprintf(apply->running, sizeof(apply->running), "%s", text_of(status, "config"));
	apply->pending =
		strcmp(text_of(cJSON_GetObjectItemCaseSensitive(status, "applied"), "outcome"),
		       "trying") == 0;
	note_up(trial, status, "drivers", "drivers");
	note_up(trial, status, "links", "bridges");
	trial->known = true;
	cJSON_Delete(status);
	return trial->before.failed ? fg_cli_failed("apply", "out of memory") : FG_EXIT_OK;
}

/* -- and after -- */

static void faults_show(const cJSON *answer)
{
	const cJSON *fault;

	cJSON_ArrayForEach(fault, cJSON_GetObjectItemCaseSensitive(answer, "faults")) {
		const char *severity = text_of(fault, "severity"), *at = text_of(fault, "pointer");

		fprintf(stderr, "%s%s%s%s\n", *severity == 'w' ? "warning: " : "", at,
			*at ? ": " : "", text_of(fault, "text"));
	}
}

static int given_up(const char *why)
{
	(void)fg_cli_failed("apply", "the one before stays: %s", why);
	return FG_EXIT_NO;
}

static int kept(const char *report)
{
	fprintf(stderr, "applied%s%s\n", *report ? ": " : "", report);
	return FG_EXIT_OK;
}

/* A gateway that was started meanwhile says what became of it; one that does not come back in time
 * has not come up. */
static int other_process(struct cli_apply *apply)
{
	int64_t left_ms = apply->trial.deadline_ns / 1000000 + ANSWER_MS;
	int status = -1;

	for (; status < 0 && left_ms > 0; left_ms -= AGAIN_MS) {
		const cJSON *applied;
		cJSON *answer;

		(void)poll(NULL, 0, AGAIN_MS);
		if (status_ask(apply, &answer) < 0)
			continue;
		applied = cJSON_GetObjectItemCaseSensitive(answer, "applied");
		if (strcmp(text_of(applied, "sha256"), apply->trial.sha256) == 0) {
			if (strcmp(text_of(applied, "outcome"), "done") == 0)
				status = kept("by the gateway that was started meanwhile");
			else if (strcmp(text_of(applied, "outcome"), "returned") == 0)
				status = given_up(text_of(applied, "why"));
		}
		cJSON_Delete(answer);
	}
	return status < 0 ? given_up("the gateway ended while it was tried, and is not back") :
			    status;
}

/* The lines of the answer: of the reload, and what became of it. */
static int answer_read(struct cli_apply *apply, char *lines, const struct fg_control_result *result)
{
	char *second = lines ? strchr(lines, '\n') : NULL;
	cJSON *reload, *end;
	int status;

	if (second)
		*second++ = '\0';
	reload = lines ? cJSON_Parse(lines) : NULL;
	end = second ? cJSON_Parse(second) : NULL;
	faults_show(reload);
	if (strcmp(text_of(end, "outcome"), "done") == 0) {
		status = kept(text_of(reload, "report"));
	} else if (strcmp(text_of(end, "outcome"), "returned") == 0) {
		status = given_up(text_of(end, "why"));
	} else if (result->ok) {	/* it ended before it was known */
		status = other_process(apply);
	} else {
		(void)given_up(result->error);
		status = result->status;
	}
	cJSON_Delete(reload);
	cJSON_Delete(end);
	return status;
}

int cli_apply_try(struct cli_apply *apply)
{
	int timeout_ms = (int)(apply->trial.deadline_ns / 1000000) + ANSWER_MS;
	struct fg_control_result result;
	struct fg_buf out;
	int status, r;

	fg_buf_init(&out, ANSWER_MAX);
	r = fg_control_ask(apply->socket, FG_STR("{\"call\":\"apply\"}"), timeout_ms, take_line,
			   &out, &result);
	fg_buf_char(&out, '\0');
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE)
		status = other_process(apply);
	else if (r < 0)
		status = fg_cli_failed("apply", "the gateway on %s: %s; the one before returns",
				       apply->socket, strerror(-r));
	else
		status = answer_read(apply, out.failed ? NULL : out.data, &result);
	fg_buf_fini(&out);
	return status;
}

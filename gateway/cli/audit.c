/* fieldgate audit: packs on stdin, a line each, or read back from where a bridge sends them; proves
 * them complete or names every gap. */
#include "cli/audit.h"

#include "base/units.h"
#include "decode/decode.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/lines.h"
#include "cli/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MAX ((size_t)1 << 30)
#define FAULTS_SHOWN 10
#define DEPTH 8

void cli_audit_fault(struct auditing *a, const char *what, uint64_t number, const char *why)
{
	if (a->faults++ < FAULTS_SHOWN) {
		cli_progress_hide(&a->progress);
		fprintf(stderr, "%s %" PRIu64 ": %s\n", what, number, why);
	}
	fg_audit_malformed(a->audit);
}

int cli_audit_doc(struct auditing *a, const char *what, uint64_t number)
{
	const char *why = NULL;
	int r = fg_audit_pack(a->audit, &a->doc, &why);

	a->packs += r == 0;
	if (r != -EBADMSG)
		return r;
	cli_audit_fault(a, what, number, why);
	return 0;
}

/* What stands before the pack if a subscriber printed "TOPIC PACK". */
static struct fg_str without_topic(struct fg_str line)
{
	size_t at = 0;

	while (at < line.len && line.ptr[at] != ' ' && !strchr("\"[]{}", line.ptr[at]))
		at++;
	if (at == 0 || at + 1 >= line.len || line.ptr[at] != ' ' || line.ptr[at + 1] != '[')
		return line;
	return fg_str(line.ptr + at + 1, line.len - at - 1);
}

static bool is_blank(struct fg_str line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!fg_is_space(line.ptr[i]))
			return false;
	return true;
}

static int take_line(struct auditing *a, struct fg_str line, uint64_t number)
{
	int r;

	if (is_blank(line))
		return 0;
	fg_doc_reset(&a->doc, (size_t)1 << 20);
	r = fg_json_parse(without_topic(line), &a->doc);
	if (r == 0)
		return cli_audit_doc(a, "line", number);
	if (r == -EBADMSG) {
		cli_audit_fault(a, "line", number, a->doc.reason);
		r = 0;
	}
	return r;
}

/* Bytes that are to come, if standard input is a file. */
static uint64_t input_size(void)
{
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	struct stat st;

	if (at < 0 || fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= at)
		return 0;
	return (uint64_t)(st.st_size - at);
}

static int take_all(struct auditing *a)
{
	struct cli_lines lines;
	struct fg_str line;
	int r;

	cli_lines_init(&lines, STDIN_FILENO, AUDIT_LINE_MAX);
	cli_progress_begin(&a->progress, "audit", CLI_BYTES, input_size());
	while ((r = cli_lines_next(&lines, &line)) != 0) {
		cli_progress_at(&a->progress, lines.bytes);
		if (r == -EMSGSIZE) {
			cli_audit_fault(a, "line", lines.number, "too long");
			continue;
		}
		if (r > 0)
			r = take_line(a, line, lines.number);
		if (r < 0)
			break;
	}
	cli_progress_hide(&a->progress);
	cli_lines_fini(&lines);
	return r;
}

static int report(struct auditing *a)
{
	struct fg_buf json, text;
	bool complete = false;
	int status;

	fg_buf_init(&json, REPORT_MAX);
	fg_buf_init(&text, REPORT_MAX);
	if (fg_audit_report(a->audit, &json, &text, &complete) < 0) {
		status = fg_cli_failed("audit", "out of memory");
	} else {
		fg_buf_char(&json, '\n');
		status = fg_cli_print("audit", &json);
		if (text.len)
			fwrite(text.data, 1, text.len, stderr);
		fprintf(stderr, "%s\n",
			!complete ? "not complete" :
			a->packs  ? "complete" :
				    "complete, since there was nothing: no pack was read");
		if (status == FG_EXIT_OK && !complete)
			status = FG_EXIT_NO;
	}
	fg_buf_fini(&json);
	fg_buf_fini(&text);
	return status;
}

/* The flags of the command. */
struct asked {
	const char *until, *nats, *mqtt, *wait;
	const char *stream, *subject, *topic;
	struct fg_collect collect;
};

static int read_stdin(struct auditing *a)
{
	int r = take_all(a);

	return r < 0 ? fg_cli_failed("audit", "standard input: %s", strerror(-r)) : FG_EXIT_OK;
}

static int read_packs(struct auditing *a, struct asked *asked)
{
	struct fg_collect *c = &asked->collect;

	if (!asked->nats && !asked->mqtt)
		return read_stdin(a);
	c->url = asked->nats ? asked->nats : asked->mqtt;
	c->stream = asked->stream;
	c->subject = asked->nats ? asked->subject : asked->topic;
	return cli_audit_collect(a, asked->nats ? "nats" : "mqtt", c);
}

/* SCHEME://[USER[:PASSWORD]@]HOST..., several with commas between them. */
static bool is_nats(const char *urls)
{
	for (;; urls++) {
		struct fg_str url = fg_str(urls, strcspn(urls, ","));
		bool nats = fg_str_starts(url, FG_STR("nats://"));

		if (!nats && !fg_str_starts(url, FG_STR("tls://")))
			return false;
		if (url.len == (nats ? 7 : 6) || url.ptr[url.len - 1] == '@')
			return false;
		urls += url.len;
		if (!*urls)
			return true;
	}
}

static const char *misuse(const struct asked *asked, struct auditing *a)
{
	int64_t wait_ns = (int64_t)5 * 1000000000;

	if (asked->until && !fg_audit_mark(fg_str_c(asked->until), &a->until_epoch, &a->until_last))
		return "--until takes EPOCH:LAST";
	if (asked->nats && asked->mqtt)
		return "--nats or --mqtt, not both";
	if (asked->nats && !is_nats(asked->nats))
		return "--nats takes nats://HOST:PORT or tls://HOST:PORT, several with commas";
	if ((asked->stream || asked->subject) && !asked->nats)
		return "--stream and --subject belong to --nats";
	if ((asked->topic || asked->collect.client_id) && !asked->mqtt)
		return "--topic and --client-id belong to --mqtt";
	if (!asked->collect.cert != !asked->collect.key)
		return "--cert and --key belong together";
	if (asked->wait && (fg_duration_parse(fg_str_c(asked->wait), &wait_ns) < 0 ||
			    wait_ns < 1000000 || wait_ns > (int64_t)3600 * 1000000000))
		return "--wait takes a duration, such as 5s";
	a->wait_ms = (uint32_t)(wait_ns / 1000000);
	return NULL;
}

static int run(struct auditing *a, struct asked *asked)
{
	const char *wrong = misuse(asked, a);
	int status;

	if (wrong)
		return fg_cli_misuse("audit", "%s", wrong);
	a->audit = fg_audit_new();
	if (!a->audit)
		return fg_cli_failed("audit", "out of memory");
	status = read_packs(a, asked);
	if (status != FG_EXIT_OK)
		return status;
	if (a->faults > FAULTS_SHOWN)
		fprintf(stderr, "%" PRIu64 " that are no packs in all\n", a->faults);
	if (asked->until && fg_audit_until(a->audit, a->until_epoch, a->until_last) == -ENOMEM)
		return fg_cli_failed("audit", "out of memory");
	return report(a);
}

int fg_cli_audit(int argc, char **argv)
{
	struct asked asked = { 0 };
	const struct fg_cli_flag flags[] = {
		{ .name = "until", .value = "EPOCH:LAST", .help = "where it must reach",
		  .ret_value = &asked.until },
		{ .name = "nats", .value = "URL", .help = "read a stream; several with commas",
		  .ret_value = &asked.nats },
		{ .name = "stream", .value = "NAME", .help = "which stream (FIELDGATE)",
		  .ret_value = &asked.stream },
		{ .name = "subject", .value = "FILTER", .help = "of it only this (all)",
		  .ret_value = &asked.subject },
		{ .name = "mqtt", .value = "URL", .help = "read a topic",
		  .ret_value = &asked.mqtt },
		{ .name = "topic", .value = "FILTER", .help = "which (fieldgate/+/records)",
		  .ret_value = &asked.topic },
		{ .name = "client-id", .value = "ID", .help = "of a session that was kept",
		  .ret_value = &asked.collect.client_id },
		{ .name = "wait", .value = "TIME", .help = "silence that is the end (5s)",
		  .ret_value = &asked.wait },
		{ .name = "ca", .value = "FILE", .help = "whom to trust (the system's)",
		  .ret_value = &asked.collect.ca },
		{ .name = "cert", .value = "FILE", .help = "our certificate",
		  .ret_value = &asked.collect.cert },
		{ .name = "key", .value = "FILE", .help = "its key",
		  .ret_value = &asked.collect.key },
		{ .name = "credentials", .value = "FILE", .help = "a NATS user's (.creds)",
		  .ret_value = &asked.collect.credentials },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "audit",
		.operands = "",
		.summary = "Reads packs on standard input, one a line and in any order, as an\n"
			   "upstream received them (\"TOPIC PACK\" is fine too). Proves that the\n"
			   "sequence is complete (0) or names every gap (1), as JSON.\n\n"
			   "--nats reads a stream by itself, up to what is its last message now.\n"
			   "--mqtt reads a topic until nothing has come for a while: a broker\n"
			   "gives only what comes from now on, or, under the client id of a\n"
			   "session that it keeps, what came since that was connected; once.\n"
			   "Users stand in the URL (nats://USER:PASSWORD@HOST:PORT), or in\n"
			   "FIELDGATE_USERNAME, _PASSWORD, _TOKEN and _CREDENTIALS.",
		.flags = flags,
	};
	struct auditing a = { 0 };
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	fg_doc_init(&a.doc, DEPTH, AUDIT_LINE_MAX);
	status = run(&a, &asked);
	fg_doc_fini(&a.doc);
	fg_audit_free(a.audit);
	return status;
}

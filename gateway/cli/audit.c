/* fieldgate audit: packs on stdin, a line each; proves them complete or names every gap. */
#include "record/audit.h"

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

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define REPORT_MAX ((size_t)1 << 30)
#define FAULTS_SHOWN 10
#define DEPTH 8

struct auditing {
	struct fg_audit *audit;
	struct fg_doc doc;
	uint64_t faults, packs;
	struct cli_progress progress;
};

static void fault(struct auditing *a, uint64_t line, const char *why)
{
	if (a->faults++ < FAULTS_SHOWN) {
		cli_progress_hide(&a->progress);
		fprintf(stderr, "line %" PRIu64 ": %s\n", line, why);
	}
	fg_audit_malformed(a->audit);
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
	const char *why = NULL;
	int r;

	if (is_blank(line))
		return 0;
	fg_doc_reset(&a->doc, (size_t)1 << 20);
	r = fg_json_parse(without_topic(line), &a->doc);
	if (r == 0)
		r = fg_audit_pack(a->audit, &a->doc, &why);
	else
		why = a->doc.reason;
	a->packs += r == 0;
	if (r == -EBADMSG) {
		fault(a, number, why);
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

	cli_lines_init(&lines, STDIN_FILENO, LINE_MAX_BYTES);
	cli_progress_begin(&a->progress, "audit", CLI_BYTES, input_size());
	while ((r = cli_lines_next(&lines, &line)) != 0) {
		cli_progress_at(&a->progress, lines.bytes);
		if (r == -EMSGSIZE) {
			fault(a, lines.number, "too long");
			continue;
		}
		if (r > 0)
			r = take_line(a, line, lines.number);
		if (r < 0)
			break;
	}
	cli_progress_hide(&a->progress);
	cli_lines_fini(&lines);
	if (a->faults > FAULTS_SHOWN)
		fprintf(stderr, "%" PRIu64 " malformed lines in all\n", a->faults);
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

static int run(struct auditing *a, const char *until)
{
	uint64_t epoch, last;
	int r;

	if (until && !fg_audit_mark(fg_str_c(until), &epoch, &last))
		return fg_cli_misuse("audit", "--until takes EPOCH:LAST");
	a->audit = fg_audit_new();
	if (!a->audit)
		return fg_cli_failed("audit", "out of memory");
	r = take_all(a);
	if (r == 0 && until && fg_audit_until(a->audit, epoch, last) == -ENOMEM)
		r = -ENOMEM;
	if (r < 0)
		return fg_cli_failed("audit", "standard input: %s", strerror(-r));
	return report(a);
}

int fg_cli_audit(int argc, char **argv)
{
	const char *until = NULL;
	const struct fg_cli_flag flags[] = {
		{ .name = "until", .value = "EPOCH:LAST", .help = "where it must reach",
		  .ret_value = &until },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "audit",
		.operands = "",
		.summary = "Reads packs on standard input, one a line and in any order, as an\n"
			   "upstream received them (\"TOPIC PACK\" is fine too). Proves that the\n"
			   "sequence is complete (0) or names every gap (1), as JSON.",
		.flags = flags,
	};
	struct auditing a = { 0 };
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	fg_doc_init(&a.doc, DEPTH, LINE_MAX_BYTES);
	status = run(&a, until);
	fg_doc_fini(&a.doc);
	fg_audit_free(a.audit);
	return status;
}

/*
 * fieldgate dead: the letters that an upstream refused for good, SPOOLDIR/dead/BRIDGE.jsonl, a line
 * of JSON each; those that are on their way once more stand in BRIDGE.again until they have come
 * through.
 */
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/lines.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "decode/decode.h"
#include "run/total.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define LETTER_MAX ((size_t)8 << 20)

static const char letters_end[] = ".jsonl", again_end[] = ".again";

struct dead {
	char dir[PATH_MAX];	/* the spool */
	uint32_t processes[FG_PROCESSES_MAX + 1];	/* that have a spool, the first one too */
	unsigned count;
	const char *only;	/* a bridge, or NULL */
	struct cli_table table;
	struct fg_buf *json;	/* or NULL */
	struct fg_doc doc;
	uint64_t letters, records;
	char open[NAME_MAX];	/* bridge whose list in the JSON is open, or "" */
};

/* -- one letter -- */

static struct fg_value member(const struct fg_doc *doc, const char *name)
{
	struct fg_str step = fg_str_c(name);
	const struct fg_node *node = fg_doc_find(doc, &step, 1);

	return node && node->type == FG_NODE_SCALAR ? node->value : (struct fg_value){ 0 };
}

static struct fg_str text_of(const struct fg_doc *doc, const char *name)
{
	struct fg_value value = member(doc, name);

	return value.kind == FG_STRING ? value.s : FG_STR("-");
}

static uint64_t number_of(const struct fg_doc *doc, const char *name)
{
	struct fg_value value = member(doc, name);

	return value.kind == FG_INT && value.i > 0 ? (uint64_t)value.i : 0;
}

static void letter_row(struct dead *dead, const char *bridge, bool again)
{
	struct fg_str why = text_of(&dead->doc, "why"), epoch = text_of(&dead->doc, "epoch");
	time_t time = (time_t)number_of(&dead->doc, "time");
	char when[32] = "-";
	struct tm tm;

	if (time && gmtime_r(&time, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	cli_table_add(&dead->table, "%s", bridge);
	cli_table_add(&dead->table, "%s", when);
	cli_table_add(&dead->table, "%" PRIu64, number_of(&dead->doc, "records"));
	cli_table_add(&dead->table, "%.*s:%" PRIu64 "-%" PRIu64, (int)epoch.len, epoch.ptr,
		      number_of(&dead->doc, "first"), number_of(&dead->doc, "last"));
	cli_table_add(&dead->table, "%.*s%s", (int)why.len, why.ptr,
		      again ? " (being sent again)" : "");
}

static void letter_json(struct dead *dead, const char *bridge, struct fg_str line)
{
	struct fg_buf *json = dead->json;
	bool same = strcmp(dead->open, bridge) == 0;

	if (!same) {
		fg_buf_text(json, *dead->open ? "]," : "");
		fg_buf_json(json, fg_str_c(bridge));
		snprintf(dead->open, sizeof(dead->open), "%s", bridge);
	}
	fg_buf_text(json, same ? "," : ":[");
	fg_buf_str(json, line);
}

static void letter(struct dead *dead, const char *bridge, bool again, struct fg_str line)
{
	fg_doc_reset(&dead->doc, (size_t)1 << 20);
	if (fg_json_parse(line, &dead->doc) < 0) {
		fprintf(stderr, "%s: a letter that does not read: %s\n", bridge, dead->doc.reason);
		return;
	}
	dead->letters++;
	dead->records += number_of(&dead->doc, "records");
	if (dead->json)
		letter_json(dead, bridge, line);
	else
		letter_row(dead, bridge, again);
}

/* -- the folder -- */

static bool file_path(const struct dead *dead, unsigned at, const char *bridge, const char *ending,
		      char out[PATH_MAX])
{
	char spool[PATH_MAX];
	int n;

	if (fg_process_folder(dead->dir, dead->processes[at], spool, sizeof(spool)) < 0)
		return false;
	n = snprintf(out, PATH_MAX, "%s/dead/%s%s", spool, bridge, ending);
	return n > 0 && n < PATH_MAX;
}

static int file_read(struct dead *dead, unsigned at, const char *bridge, const char *ending)
{
	struct cli_lines lines;
	char path[PATH_MAX];
	struct fg_str line;
	int fd, r;

	if (!file_path(dead, at, bridge, ending, path))
		return fg_cli_failed("dead", "%s: %s", bridge, strerror(ENAMETOOLONG));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? FG_EXIT_OK :
					 fg_cli_failed("dead", "%s: %s", path, strerror(errno));
	cli_lines_init(&lines, fd, LETTER_MAX);
	while ((r = cli_lines_next(&lines, &line)) > 0 || r == -EMSGSIZE)
		if (r > 0 && line.len)
			letter(dead, bridge, ending == again_end, line);
	cli_lines_fini(&lines);
	close(fd);
	return r < 0 ? fg_cli_failed("dead", "%s: %s", path, strerror(-r)) : FG_EXIT_OK;
}

static size_t stem_of(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	return len > end && strcmp(name + len - end, ending) == 0 ? len - end : 0;
}

static int is_letters(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (stem_of(entry->d_name, letters_end) || stem_of(entry->d_name, again_end));
}

static bool has_file(const struct dead *dead, unsigned at, const char *bridge, const char *ending)
{
	char path[PATH_MAX];

	return file_path(dead, at, bridge, ending, path) && access(path, F_OK) == 0;
}

/* Whether an earlier file of the same bridge has been come across. */
static bool was_seen(const struct dead *dead, unsigned at, const char *bridge, bool letters)
{
	if (!letters && has_file(dead, at, bridge, letters_end))
		return true;
	for (unsigned i = 0; i < at; i++)
		if (has_file(dead, i, bridge, letters_end) || has_file(dead, i, bridge, again_end))
			return true;
	return false;
}

static int folder_each(struct dead *dead, unsigned at,
		       int (*each)(struct dead *, const char *bridge))
{
	struct dirent **entries = NULL;
	char folder[PATH_MAX];
	int n, status = FG_EXIT_OK;

	if (!file_path(dead, at, "", "", folder))
		return fg_cli_failed("dead", "%s: %s", dead->dir, strerror(ENAMETOOLONG));
	n = scandir(folder, &entries, is_letters, alphasort);
	if (n < 0 && errno != ENOENT)
		return fg_cli_failed("dead", "%s: %s", folder, strerror(errno));
	for (int i = 0; i < n; i++) {
		char *name = entries[i]->d_name;
		size_t letters = stem_of(name, letters_end);

		name[letters ? letters : stem_of(name, again_end)] = '\0';
		if (status == FG_EXIT_OK && !was_seen(dead, at, name, letters > 0) &&
		    (!dead->only || strcmp(name, dead->only) == 0))
			status = each(dead, name);
		free(entries[i]);
	}
	free(entries);
	return status;
}

/* Calls each once for every bridge that has letters, or had some that are being sent again. */
static int bridges_each(struct dead *dead, int (*each)(struct dead *, const char *bridge))
{
	int status = FG_EXIT_OK;

	for (unsigned i = 0; i < dead->count && status == FG_EXIT_OK; i++)
		status = folder_each(dead, i, each);
	return status;
}

static int list_bridge(struct dead *dead, const char *bridge)
{
	int status = FG_EXIT_OK;

	for (unsigned i = 0; i < dead->count && status == FG_EXIT_OK; i++) {
		status = file_read(dead, i, bridge, again_end);
		if (status == FG_EXIT_OK)
			status = file_read(dead, i, bridge, letters_end);
	}
	return status;
}

static int list(struct dead *dead, bool json)
{
	static const char *const heads[] = { "BRIDGE", "TIME", ">RECORDS", "RANGE", "WHY", NULL };
	struct fg_buf out;
	int status;

	fg_buf_init(&out, (size_t)1 << 30);
	fg_buf_text(&out, "{\"bridges\":{");
	dead->json = json ? &out : NULL;
	cli_table_init(&dead->table, heads);
	fg_doc_init(&dead->doc, 16, LETTER_MAX);
	status = bridges_each(dead, list_bridge);
	fg_buf_text(&out, *dead->open ? "]}}\n" : "}}\n");
	if (status == FG_EXIT_OK && json)
		status = fg_cli_print("dead", &out);
	else if (status == FG_EXIT_OK)
		cli_table_print(&dead->table);
	if (!json)
		fprintf(stderr, "%" PRIu64 " letters with %" PRIu64 " records\n", dead->letters,
			dead->records);
	fg_doc_fini(&dead->doc);
	cli_table_fini(&dead->table);
	fg_buf_fini(&out);
	return status;
}

/* -- through the gateway -- */

struct acting {
	struct dead dead;	/* first: bridges_each() hands it back */
	const struct cli_target *target;
	const char *call;
	struct fg_buf *json;
	unsigned bridges;
};

static int act_on(struct dead *dead, const char *bridge)
{
	struct acting *acting = (struct acting *)dead;
	struct fg_buf answer;
	cJSON *root;
	double records;
	int status;

	fg_buf_init(&answer, (size_t)1 << 20);
	status = cli_call_one("dead", acting->target, acting->call, "bridge", bridge, &answer);
	if (status == FG_EXIT_OK) {
		fg_buf_char(&answer, '\0');
		root = cJSON_Parse(answer.data);
		records = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "records"));
		fg_buf_text(acting->json, acting->bridges++ ? "," : "");
		fg_buf_json(acting->json, fg_str_c(bridge));
		fg_buf_printf(acting->json, ":{\"records\":%.0f}", records);
		fprintf(stderr, "%s: %.0f records %s\n", bridge, records,
			strcmp(acting->call, "requeue") == 0 ? "go once more" : "are given up");
		cJSON_Delete(root);
	}
	fg_buf_fini(&answer);
	return status;
}

static int act(struct acting *acting, bool json)
{
	struct fg_buf out;
	int status;

	fg_buf_init(&out, (size_t)1 << 20);
	acting->json = &out;
	fg_buf_text(&out, "{\"bridges\":{");
	status = acting->dead.only ? act_on(&acting->dead, acting->dead.only) :
				     bridges_each(&acting->dead, act_on);
	fg_buf_text(&out, "}}\n");
	if (status == FG_EXIT_OK && json)
		status = fg_cli_print("dead", &out);
	else if (status == FG_EXIT_OK && acting->bridges == 0)
		fprintf(stderr, "no dead letters\n");
	fg_buf_fini(&out);
	return status;
}

static int find_folders(const char *config, const char *dir, struct dead *dead)
{
	struct cli_settings settings = { 0 };
	int status = dir ? FG_EXIT_OK : cli_settings_read("dead", config, &settings), n;

	if (status != FG_EXIT_OK)
		return status;
	n = snprintf(dead->dir, sizeof(dead->dir), "%s", dir ? dir : settings.spool_dir);
	cli_settings_fini(&settings);
	if (n >= PATH_MAX)
		return fg_cli_failed("dead", "%s", strerror(ENAMETOOLONG));
	if (access(dead->dir, X_OK) < 0)
		return fg_cli_failed("dead", "%s: %s", dead->dir, strerror(errno));
	dead->processes[0] = 1;
	dead->count = 1 + fg_process_folders(dead->dir, dead->processes + 1, FG_PROCESSES_MAX);
	return FG_EXIT_OK;
}

int fg_cli_dead(int argc, char **argv)
{
	struct cli_target target = { 0 };
	bool json = false, requeue = false, discard = false;
	const char *dir = NULL;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&target),
		{ .name = "requeue", .help = "send them once more", .ret_set = &requeue },
		{ .name = "discard", .help = "give them up", .ret_set = &discard },
		{ .name = "spool", .value = "DIR", .help = "the spool (spool.dir)",
		  .ret_value = &dir },
		FG_CLI_JSON(&json),
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "dead",
		.operands = "[BRIDGE]",
		.summary = "Lists the dead letters of all bridges, or of one, with their\n"
			   "reasons; or has the running gateway send them once more, or give\n"
			   "them up.",
		.flags = flags,
		.max_operands = 1,
	};
	struct acting acting = { .target = &target, .call = "requeue" };
	int status, operands = fg_cli_parse(&usage, argc, argv, &status);

	if (operands < 0)
		return status;
	if (requeue && discard)
		return fg_cli_misuse("dead", "--requeue and --discard are two things to do");
	acting.dead.only = operands ? argv[1] : NULL;
	if (discard)
		acting.call = "discard";
	status = find_folders(target.config, dir, &acting.dead);
	if (status != FG_EXIT_OK)
		return status;
	return requeue || discard ? act(&acting, json) : list(&acting.dead, json);
}

/*
 * fieldgate health: asks the running gateway and judges what it says (cli/health.h), once or until
 * a deadline; or writes the snapshot down, to be compared with later. An update asks it whether
 * what was installed may stay.
 */
#include "cli/health.h"

#include "base/units.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "control/client.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SNAPSHOT_MAX ((size_t)64 << 20)
#define ANSWER_MS 10000
#define LAG_MS 2000.0
#define EVERY_MS 1000

struct health_asked {
	struct cli_target target;
	const char *save, *since, *deadline, *lag;
	bool json;
};

/* -- the snapshot -- */

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int take_status(void *arg, struct fg_str line)
{
	cJSON *status = cJSON_ParseWithLength(line.ptr, line.len);

	if (!status)
		return -EPROTO;
	return cJSON_AddItemToObject(arg, "status", status) ? 0 : -ENOMEM;
}

struct devices_page {
	cJSON *devices;
	char next[64];
};

static int take_device(void *arg, struct fg_str line)
{
	struct devices_page *page = arg;
	cJSON *object = cJSON_ParseWithLength(line.ptr, line.len);
	const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "next"));
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "device"));
	const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "state"));
	int r = object ? 0 : -EPROTO;

	if (next) {
		snprintf(page->next, sizeof(page->next), "%s", next);
	} else if (id && state && strcmp(state, "online") == 0) {
		cJSON *interval = cJSON_DetachItemFromObjectCaseSensitive(object, "interval_s");

		if (!interval || !cJSON_AddItemToObject(page->devices, id, interval))
			r = -ENOMEM;
	}
	cJSON_Delete(object);
	return r;
}

static int ask(const char *socket, struct fg_str request, int (*line)(void *, struct fg_str),
	       void *arg)
{
	struct fg_control_result result;
	int r = fg_control_ask(socket, request, ANSWER_MS, line, arg, &result);

	return r < 0 ? r : result.ok ? 0 : -EPROTO;
}

static int ask_devices(const char *socket, cJSON *devices)
{
	struct devices_page page = { .devices = devices };
	char request[128] = "{\"call\":\"devices\"}";
	int r;

	do {
		page.next[0] = '\0';
		r = ask(socket, fg_str_c(request), take_device, &page);
		snprintf(request, sizeof(request), "{\"call\":\"devices\",\"from\":\"%s\"}",
			 page.next);
	} while (r == 0 && page.next[0]);
	return r;
}

/* 0 and *ret_snapshot, the caller's, or -errno: how the gateway did not answer. */
static int snapshot_take(const char *socket, cJSON **ret_snapshot)
{
	cJSON *snapshot = cJSON_CreateObject();
	cJSON *devices = cJSON_AddObjectToObject(snapshot, "devices");
	double begun_s = seconds_of(CLOCK_MONOTONIC), answered_s;
	int r = devices ? ask(socket, FG_STR("{\"call\":\"status\"}"), take_status, snapshot) :
			  -ENOMEM;

	answered_s = seconds_of(CLOCK_MONOTONIC);
	if (r == 0 &&
	    (!cJSON_AddNumberToObject(snapshot, "answered_ms", (answered_s - begun_s) * 1000) ||
	     !cJSON_AddNumberToObject(snapshot, "taken", seconds_of(CLOCK_REALTIME))))
		r = -ENOMEM;
	if (r == 0)
		r = ask_devices(socket, devices);
	if (r == 0)
		*ret_snapshot = snapshot;
	else
		cJSON_Delete(snapshot);
	return r;
}

static int folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return r;
}

static int text_write(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole and on the disk, or not at all: the next thing may be that the machine restarts. */
static int snapshot_save(const char *path, const cJSON *snapshot)
{
	char *text = cJSON_PrintUnformatted(snapshot), *draft = NULL;
	int fd, r;

	if (!text || asprintf(&draft, "%s.new", path) < 0) {
		cJSON_free(text);
		return -ENOMEM;
	}
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	r = fd < 0 ? -errno : text_write(fd, text);
	if (fd >= 0)
		close(fd);
	if (r == 0 && rename(draft, path) < 0)
		r = -errno;
	if (r == 0)
		r = folder_sync(path);
	else if (fd >= 0)
		unlink(draft);
	free(draft);
	cJSON_free(text);
	return r;
}

static int snapshot_load(const char *path, cJSON **ret_snapshot)
{
	char *text = malloc(SNAPSHOT_MAX);
	FILE *file = text ? fopen(path, "re") : NULL;
	int r = !text ? -ENOMEM : file ? 0 : -errno;
	size_t len = file ? fread(text, 1, SNAPSHOT_MAX, file) : 0;
	cJSON *snapshot = r == 0 ? cJSON_ParseWithLength(text, len) : NULL;

	if (r == 0 && ferror(file))
		r = -EIO;
	else if (r == 0 && !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(snapshot, "status")))
		r = -EBADMSG;
	if (file)
		fclose(file);
	free(text);
	if (r == 0)
		*ret_snapshot = snapshot;
	else
		cJSON_Delete(snapshot);
	return r;
}

/* -- what it says -- */

static int show_json(const struct cli_health *health)
{
	struct fg_buf out;
	int status;

	fg_buf_init(&out, 64u << 10);
	fg_buf_printf(&out, "{\"healthy\":%s,\"checks\":{", health->ok ? "true" : "false");
	for (size_t i = 0; i < health->count; i++) {
		const struct cli_health_check *check = &health->checks[i];

		fg_buf_printf(&out, "%s\"%s\":{\"ok\":%s,\"text\":", i ? "," : "", check->name,
			      check->ok ? "true" : "false");
		fg_buf_json(&out, fg_str_c(check->text));
		fg_buf_char(&out, '}');
	}
	fg_buf_text(&out, "}}\n");
	status = fg_cli_print("health", &out);
	fg_buf_fini(&out);
	return status;
}

static void show_table(const struct cli_health *health)
{
	static const char *const heads[] = { "CHECK", "OK", "WHAT WAS SEEN", NULL };
	struct cli_table table;

	cli_table_init(&table, heads);
	for (size_t i = 0; i < health->count; i++) {
		cli_table_add(&table, "%s", health->checks[i].name);
		cli_table_add(&table, "%s", health->checks[i].ok ? "yes" : "NO");
		cli_table_add(&table, "%s", health->checks[i].text);
	}
	cli_table_print(&table);
	cli_table_fini(&table);
}

static const char *why_not(int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "no gateway answers";
	case -ETIMEDOUT:
		return "the gateway does not answer";
	case -EPROTO:
		return "what answers is no gateway";
	default:
		return strerror(-r);
	}
}

/* -- the command -- */

static int save(const char *socket, const char *path)
{
	cJSON *snapshot = NULL;
	int r = snapshot_take(socket, &snapshot);

	if (r < 0)
		return fg_cli_failed("health", "%s: %s", socket, why_not(r));
	r = snapshot_save(path, snapshot);
	cJSON_Delete(snapshot);
	return r < 0 ? fg_cli_failed("health", "%s: %s", path, strerror(-r)) : FG_EXIT_OK;
}

static void judge_once(const char *socket, const cJSON *before,
		       const struct cli_health_limits *limits, struct cli_health *ret_health)
{
	cJSON *now = NULL;
	int r = snapshot_take(socket, &now);

	cli_health_judge(before, now, why_not(r), limits, ret_health);
	cJSON_Delete(now);
}

static int judge(const struct health_asked *asked, const char *socket, const cJSON *before,
		 const struct cli_health_limits *limits)
{
	double until_s = seconds_of(CLOCK_BOOTTIME) + fmax(limits->patience_s, 0);
	struct cli_health health;
	int status = FG_EXIT_OK;

	judge_once(socket, before, limits, &health);
	while (!health.ok && seconds_of(CLOCK_BOOTTIME) < until_s) {
		(void)poll(NULL, 0, EVERY_MS);
		judge_once(socket, before, limits, &health);
	}
	if (asked->json)
		status = show_json(&health);
	else
		show_table(&health);
	return status != FG_EXIT_OK ? status : health.ok ? FG_EXIT_OK : FG_EXIT_NO;
}

static int limits_read(const struct health_asked *asked, struct cli_health_limits *ret_limits)
{
	int64_t deadline_ns = 0, lag_ns = 0;

	*ret_limits = (struct cli_health_limits){ .lag_ms = LAG_MS, .patience_s = -1 };
	if (asked->deadline && fg_duration_parse(fg_str_c(asked->deadline), &deadline_ns) < 0)
		return fg_cli_misuse("health", "--deadline: %s is not a duration", asked->deadline);
	if (asked->lag && fg_duration_parse(fg_str_c(asked->lag), &lag_ns) < 0)
		return fg_cli_misuse("health", "--lag: %s is not a duration", asked->lag);
	if (asked->save && (asked->since || asked->deadline))
		return fg_cli_misuse("health", "--save judges nothing");
	if (asked->deadline)
		ret_limits->patience_s = (double)deadline_ns / 1e9;
	if (asked->lag)
		ret_limits->lag_ms = (double)lag_ns / 1e6;
	return FG_EXIT_OK;
}

static int health_run(const struct health_asked *asked, const struct cli_health_limits *limits)
{
	struct cli_settings settings = { 0 };
	const char *socket = asked->target.socket;
	cJSON *before = NULL;
	int status = FG_EXIT_OK, r = 0;

	if (asked->since)
		r = snapshot_load(asked->since, &before);
	if (r < 0)
		return fg_cli_failed("health", "%s: %s", asked->since,
				     r == -EBADMSG ? "no snapshot" : strerror(-r));
	if (!socket)
		status = cli_settings_read("health", asked->target.config, &settings);
	if (status == FG_EXIT_OK) {
		socket = socket ? socket : settings.socket;
		status = asked->save ? save(socket, asked->save) :
				       judge(asked, socket, before, limits);
	}
	cli_settings_fini(&settings);
	cJSON_Delete(before);
	return status;
}

int fg_cli_health(int argc, char **argv)
{
	struct health_asked asked = { 0 };
	struct cli_health_limits limits;
	const struct fg_cli_flag flags[] = {
		CLI_TARGET_FLAGS(&asked.target),
		{ 0, "save", "FILE", "write down how the gateway is now, judge nothing", NULL,
		  &asked.save },
		{ 0, "since", "FILE", "compare with what --save wrote down", NULL, &asked.since },
		{ 0, "deadline", "TIME", "ask again until all is well, so long at most", NULL,
		  &asked.deadline },
		{ 0, "lag", "TIME", "how long the loop may take (2s)", NULL, &asked.lag },
		FG_CLI_JSON(&asked.json),
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "health",
		.operands = "",
		.summary = "Judges whether the running gateway does its work: its loop, drivers,\n"
			   "devices, bridges, spool and clock. Exit status 1 if not, and why.",
		.flags = flags,
	};
	int status;

	if (fg_cli_parse(&usage, argc, argv, &status) < 0)
		return status;
	status = limits_read(&asked, &limits);
	return status != FG_EXIT_OK ? status : health_run(&asked, &limits);
}

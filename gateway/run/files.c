/*
 * Calls of the console that read files or a whole configuration, which a worker does:
 *
 *     dead bridge,limit    {"bridge":...,"letters":[...],"more":false}
 *     config               {"path":...,"sha256":...,"in_force":true,"effective":{...},
 *                           "origin":{...}}
 *     check text           {"valid":true,"faults":[...],"warnings":[...]}
 *
 * The worker has copies of all that it needs; whoever asked may have gone when it is done.
 */
#include "config/effective.h"
#include "config/sha256.h"
#include "profile/shipped.h"
#include "run/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LETTERS 100
#define LETTERS_MOST 1000
#define LETTERS_BYTES ((size_t)1 << 20)

struct job {
	struct fg_work work;
	struct fg_control_client *client;	/* NULL: has gone */
	void (*run)(struct job *);
	struct fg_buf in, out;
	char *path;
	char sha256[65];
	uint32_t limit;
	int result;		/* -errno: out says nothing */
	const char *what;	/* could not be done then */
};

static void run_check(struct job *);

static void on_gone(void *user)
{
	((struct job *)user)->client = NULL;
}

static void job_work(struct fg_work *work)
{
	struct job *job = (struct job *)work;

	if (job->in.failed || (job->run != run_check && !job->path))
		job->result = -ENOMEM;
	else
		job->run(job);
	if (job->result == 0 && job->out.failed)
		job->result = -ENOMEM;
}

static void job_done(struct fg_work *work)
{
	struct job *job = (struct job *)work;

	if (job->client && job->result < 0) {
		fg_control_fail(job->client, FG_CONTROL_FAILED, "%s: %s", job->what,
				strerror(-job->result));
	} else if (job->client) {
		fg_control_line(job->client, fg_buf_view(&job->out));
		fg_control_done(job->client);
	}
	fg_buf_fini(&job->in);
	fg_buf_fini(&job->out);
	free(job->path);
	free(job);
}

static struct job *job_new(struct fg_control_client *client, void (*run)(struct job *),
			   const char *what)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		fg_control_fail(client, FG_CONTROL_FAILED, "out of memory");
		return NULL;
	}
	job->work = (struct fg_work){ .work = job_work, .done = job_done };
	job->client = client;
	job->run = run;
	job->what = what;
	fg_buf_init(&job->in, FG_CONFIG_MAX);
	fg_buf_init(&job->out, FG_CONTROL_REPLY - 4096);
	return job;
}

static void job_begin(struct fg_gateway *gateway, struct job *job)
{
	fg_control_hold(job->client, job, on_gone);
	if (fg_loop_work(gateway->loop, &job->work) < 0) {
		job_work(&job->work);
		job_done(&job->work);
	}
}

/* -- dead letters -- */

/* A line that does not read was torn by a power cut, and was not counted either. */
static bool letter_reads(struct fg_doc *doc, struct fg_str line)
{
	fg_doc_reset(doc, 4096);
	return fg_json_parse(line, doc) == 0 && doc->nodes[0].type == FG_NODE_OBJECT;
}

static bool letters_add(struct job *job, FILE *file)
{
	char *line = NULL;
	size_t cap = 0;
	uint32_t count = 0;
	bool more = false;
	struct fg_doc doc;
	ssize_t n;

	fg_doc_init(&doc, 16, FG_CONTROL_REPLY);
	while (!more && (n = getline(&line, &cap, file)) > 0) {
		struct fg_str text = fg_str(line, (size_t)n - (line[n - 1] == '\n'));

		if (!letter_reads(&doc, text))
			continue;
		more = count == job->limit || job->out.len + text.len > LETTERS_BYTES;
		if (more)
			break;
		fg_buf_text(&job->out, count++ ? "," : "");
		fg_buf_str(&job->out, text);
	}
	fg_doc_fini(&doc);
	free(line);
	return more;
}

static void run_dead(struct job *job)
{
	FILE *file = fopen(job->path, "re");
	bool more = false;

	fg_buf_text(&job->out, "{\"bridge\":");
	fg_buf_json(&job->out, fg_buf_view(&job->in));
	fg_buf_text(&job->out, ",\"letters\":[");
	if (!file && errno != ENOENT)
		job->result = -errno;
	if (file) {
		more = letters_add(job, file);
		fclose(file);
	}
	fg_buf_printf(&job->out, "],\"more\":%s}", more ? "true" : "false");
}

void run_call_dead(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct fg_str bridge = fg_control_text(request, "bridge");
	char name[256];
	struct job *job;
	uint32_t limit;
	size_t size;

	if (bridge.len == 0) {
		fg_control_fail(client, FG_CONTROL_USAGE,
				"\"bridge\": expected the name of a bridge");
		return;
	}
	if (!run_number(client, request, "limit", LETTERS, LETTERS_MOST, &limit))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(bridge.len < 255 ? bridge.len : 255),
		 bridge.ptr);
	/* only what the configuration names: so it is no path to anywhere else */
	if (bridge.len > 255 || !fg_forward_find(gateway->forward, name)) {
		fg_control_fail(client, FG_CONTROL_NO, "no such bridge");
		return;
	}
	job = job_new(client, run_dead, "the dead letters cannot be read");
	if (!job)
		return;
	job->limit = limit;
	fg_buf_text(&job->in, name);
	size = strlen(gateway->spool_dir) + sizeof("/dead/.jsonl") + bridge.len;
	job->path = malloc(size);
	if (job->path)
		snprintf(job->path, size, "%s/dead/%s.jsonl", gateway->spool_dir, name);
	job_begin(gateway, job);
}

/* -- the configuration -- */

static void run_config(struct job *job)
{
	struct fg_buf effective, origin;
	char sha256[65];

	fg_buf_init(&effective, FG_CONTROL_REPLY);
	fg_buf_init(&origin, FG_CONTROL_REPLY);
	job->result = fg_put_read(job->path, "", &job->in);
	if (job->result == 0)
		job->result = fg_config_effective(fg_buf_view(&job->in), &effective, &origin);
	if (job->result == 0) {
		fg_sha256_hex(fg_buf_view(&job->in), sha256);
		fg_buf_text(&job->out, "{\"path\":");
		fg_buf_json(&job->out, fg_str_c(job->path));
		fg_buf_printf(&job->out,
			      ",\"sha256\":\"%s\",\"in_force\":%s,\"effective\":", sha256,
			      strcmp(sha256, job->sha256) == 0 ? "true" : "false");
		fg_buf_str(&job->out, fg_buf_view(&effective));
		fg_buf_text(&job->out, ",\"origin\":");
		fg_buf_str(&job->out, fg_buf_view(&origin));
		fg_buf_char(&job->out, '}');
	}
	fg_buf_fini(&effective);
	fg_buf_fini(&origin);
}

void run_call_config(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct fg_gateway *gateway = arg;
	struct job *job = job_new(client, run_config, "the configuration's file cannot be read");

	(void)request;
	if (!job)
		return;
	memcpy(job->sha256, gateway->now->config->sha256, sizeof(job->sha256));
	job->path = strdup(gateway->config_path);
	job_begin(gateway, job);
}

/* -- a check -- */

static void put_faults(struct fg_buf *out, const struct fg_faults *faults, bool doubts)
{
	bool more = false;

	fg_buf_char(out, '[');
	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *item = &faults->items[i];
		struct fg_buf line;

		if (item->doubt != doubts)
			continue;
		fg_buf_init(&line, 8192);
		fg_buf_printf(&line, "%s%s%s", item->pointer, *item->pointer ? ": " : "",
			      item->text);
		fg_buf_text(out, more ? "," : "");
		fg_buf_json(out, fg_buf_view(&line));
		fg_buf_fini(&line);
		more = true;
	}
	fg_buf_char(out, ']');
}

void run_faults_lists(struct fg_buf *out, const struct fg_faults *faults)
{
	fg_buf_text(out, "\"faults\":");
	put_faults(out, faults, false);
	fg_buf_text(out, ",\"warnings\":");
	put_faults(out, faults, true);
}

/* The same steps as of `fieldgate check`. */
static void run_check(struct job *job)
{
	struct fg_profile_book book;
	struct fg_faults faults;
	struct fg_config *config = NULL;
	int r;

	fg_faults_init(&faults);
	r = fg_config_parse(fg_buf_view(&job->in), fg_shipped_profiles(), &faults, &config);
	if (r == 0) {
		(void)fg_config_secrets(config, false, &faults);
		r = fg_profile_book_open(&book, config, &faults);
		if (r == 0)
			fg_profile_book_close(&book);
	}
	fg_config_free(config);
	job->result = r == -EINVAL ? 0 : r;
	fg_buf_printf(&job->out, "{\"valid\":%s,", r == 0 ? "true" : "false");
	run_faults_lists(&job->out, &faults);
	fg_buf_char(&job->out, '}');
	fg_faults_fini(&faults);
}

void run_call_check(void *arg, struct fg_control_client *client, const struct fg_doc *request)
{
	struct job *job = job_new(client, run_check, "it cannot be checked");

	if (!job)
		return;
	fg_buf_str(&job->in, fg_control_text(request, "text"));
	job_begin(arg, job);
}

/* From the bytes that a bridge has handed in to a configuration on trial, or a word why not. */
#include "run/remote.h"

#include "config/sha256.h"
#include "run/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAUSE FG_MS(250)	/* from one to the next */
#define RECORD "/fleet.json"

#define of_remote(member, ptr) \
	((struct fg_gateway *)((char *)(ptr)-offsetof(struct fg_gateway, remote.member)))

int run_remote_note(const struct run_remote *remote, const struct fg_applied *applied)
{
	return applied->version ? fg_applied_write(remote->path, applied) : 0;
}

/* -- the end of one -- */

static void let_go(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;

	run_config_unuse(remote->by);
	run_config_unuse(remote->wanted);
	remote->by = remote->wanted = NULL;
	remote->why = NULL;
	fg_buf_fini(&remote->text);
	fg_envelope_fini(&remote->envelope);
	fg_trial_fini(&remote->trial);
	remote->busy = false;
	if (gateway->stopping)
		run_stop_step(gateway);
	else
		(void)fg_timer_start(&remote->again, PAUSE);
}

/* `version` 0: nobody known has signed it, so what it says of itself is not repeated. */
static void refuse(struct fg_gateway *gateway, uint64_t version, const char *why)
{
	char quoted[512];

	fg_log(&gateway->logger, FG_WARN, "configuration from afar refused",
	       "version=%" PRIu64 " why=%s", version,
	       fg_log_quote(why, strlen(why), quoted, sizeof(quoted)));
	run_applied_set(gateway, "refused", version, version ? gateway->remote.envelope.sha256 : "",
			why);
	let_go(gateway);
}

/* -- the second worker: onto the disk -- */

int run_file_is_in_force(const struct fg_gateway *gateway, const struct run_config *now)
{
	char sha256[65] = "";
	struct fg_buf text;
	int r;

	fg_buf_init(&text, (size_t)FG_CONFIG_MAX + 4096);
	r = fg_put_read(gateway->config_path, "", &text);
	if (r == 0)
		fg_sha256_hex(fg_buf_view(&text), sha256);
	fg_buf_fini(&text);
	return r < 0 ? r : strcmp(sha256, now->config->sha256) == 0 ? 0 : -ESTALE;
}

/* Whoever is to come after it must still be known by its keys: else nobody could. */
static void work_put(struct fg_work *work)
{
	struct fg_gateway *gateway = of_remote(work, work);
	struct run_remote *remote = &gateway->remote;
	int lock, r = fg_envelope_verify(&remote->envelope, &remote->wanted->config->fleet.keys,
					 &remote->why);

	if (r == 0)
		r = fg_put_allowed(gateway->config_path);
	if (r == 0)
		r = fg_put_lock(gateway->config_path, &lock);
	if (r < 0) {
		remote->result = r;
		return;
	}
	r = run_file_is_in_force(gateway, remote->by);
	if (r == 0)
		r = run_remote_note(remote, &remote->trying);
	if (r == 0)
		r = fg_put_new(gateway->config_path, fg_buf_view(&remote->envelope.config), true,
			       &remote->trial);
	close(lock);
	remote->result = r;
}

static const char *why_not_put(const struct run_remote *remote, char out[256])
{
	if (remote->result == -EKEYREJECTED)
		snprintf(out, 256, "by the keys that it names: %s",
			 remote->why ? remote->why : "refused");
	else if (remote->result == -ESTALE)
		snprintf(out, 256, "the file was changed and not reloaded");
	else if (remote->result == -EWOULDBLOCK)
		snprintf(out, 256, "another one is being applied");
	else
		snprintf(out, 256, "it cannot be put in place: %s", strerror(-remote->result));
	return out;
}

static void go_over(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	struct run_config *before = gateway->now, *next = remote->wanted;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	remote->record = remote->trying;
	before->uses++;
	r = run_exchange(gateway, next, &faults, NULL);
	if (r == 0) {
		remote->wanted = NULL;
		run_trial_watch(gateway, &remote->trial, before);
		let_go(gateway);
	} else {
		(void)fg_put_back(gateway->config_path, &remote->trial);
		refuse(gateway, remote->envelope.version, strerror(-r));
	}
	run_config_unuse(before);
	fg_faults_fini(&faults);
}

static void on_put_done(struct fg_work *work)
{
	struct fg_gateway *gateway = of_remote(work, work);
	struct run_remote *remote = &gateway->remote;
	char why[256];

	gateway->changing--;
	gateway->trial.state = TRIAL_NONE;
	if (remote->result < 0)
		refuse(gateway, remote->envelope.version, why_not_put(remote, why));
	else if (gateway->stopping)
		let_go(gateway);	/* the next start goes on with it */
	else
		go_over(gateway);
}

/* `work` blocks; a reload and a stop wait for it. */
static void begin_work(struct fg_gateway *gateway, void (*work)(struct fg_work *),
		       void (*done)(struct fg_work *))
{
	struct run_remote *remote = &gateway->remote;

	remote->work = (struct fg_work){ .work = work, .done = done };
	gateway->changing++;
	if (fg_loop_work(gateway->loop, &remote->work) < 0) {
		work(&remote->work);
		done(&remote->work);
	}
}

static void put(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	const struct fg_envelope *envelope = &remote->envelope;

	fg_trial_init(&remote->trial);
	remote->trial.version = envelope->version;
	remote->trial.deadline_ns = gateway->now->config->fleet.deadline_ns;
	memcpy(remote->trial.sha256, envelope->sha256, sizeof(envelope->sha256));
	run_note_up(gateway, &remote->trial);
	fg_applied_set(&remote->trying, "trying", envelope->version, envelope->sha256, FG_STR(""));
	gateway->trial.state = TRIAL_PUTTING;
	begin_work(gateway, work_put, on_put_done);
}

/* -- what it says -- */

static void first_fault(const struct fg_faults *faults, char *out, size_t cap)
{
	snprintf(out, cap, "it is not valid");
	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *item = &faults->items[i];

		if (item->doubt)
			continue;
		snprintf(out, cap, "%s%s%s", item->pointer, *item->pointer ? ": " : "", item->text);
		return;
	}
}

static int what_changes(struct fg_gateway *gateway, struct fg_faults *faults)
{
	const struct fg_config *wanted = gateway->remote.wanted->config;
	struct fg_config_diff diff;
	int r;

	if (!wanted->fleet.remote) {
		fg_fault(faults, "/fleet/remote", "can be turned off on the gateway only");
		return -EINVAL;
	}
	r = fg_config_diff(gateway->now->config, wanted, faults, &diff);
	if (r == 0)
		fg_config_diff_fini(&diff);
	return r;
}

/* It is new: whether it may be tried. */
static void consider(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	struct fg_faults faults;
	char why[512];
	int r;

	fg_faults_init(&faults);
	r = run_load_text(fg_buf_view(&remote->envelope.config), &faults, &remote->wanted);
	if (r == 0)
		r = what_changes(gateway, &faults);
	if (r == -EINVAL)
		first_fault(&faults, why, sizeof(why));
	else if (r < 0)
		snprintf(why, sizeof(why), "%s", strerror(-r));
	fg_faults_fini(&faults);
	if (r < 0)
		refuse(gateway, remote->envelope.version, why);
	else
		put(gateway);
}

static void no_change(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	const struct fg_envelope *envelope = &remote->envelope;

	fg_log(&gateway->logger, FG_INFO, "configuration from afar is no change",
	       "version=%" PRIu64, envelope->version);
	run_applied_set(gateway, "done", envelope->version, envelope->sha256, "");
	remote->record = gateway->applied;
	if (run_remote_note(remote, &remote->record) < 0)
		fg_log(&gateway->logger, FG_WARN, "its version cannot be noted", "path=\"%s\"",
		       remote->path);
	let_go(gateway);
}

/* The same as the last one: what became of that is said again. */
static void known(struct fg_gateway *gateway)
{
	const struct fg_applied *record = &gateway->remote.record;

	run_applied_set(gateway, record->outcome, record->version, record->sha256, record->why);
	let_go(gateway);
}

static void decide(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	const struct fg_envelope *envelope = &remote->envelope;
	const struct fg_applied *record = &remote->record;
	bool same = strcmp(envelope->sha256, record->sha256) == 0;
	char why[128];

	if (envelope->version < record->version) {
		snprintf(why, sizeof(why), "it is older than version %" PRIu64, record->version);
		refuse(gateway, envelope->version, why);
	} else if (envelope->version == record->version && !same) {
		snprintf(why, sizeof(why), "version %" PRIu64 " is another configuration",
			 record->version);
		refuse(gateway, envelope->version, why);
	} else if (strcmp(envelope->sha256, gateway->now->config->sha256) == 0) {
		if (envelope->version == record->version && strcmp(record->outcome, "done") == 0)
			known(gateway);
		else
			no_change(gateway);
	} else if (envelope->version == record->version && strcmp(record->outcome, "trying") != 0) {
		known(gateway);
	} else {
		consider(gateway);
	}
}

/* -- the first worker: what it is, and whose -- */

static int read_signed(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	struct fg_envelope *envelope = &remote->envelope;
	int r = fg_envelope_read(fg_buf_view(&remote->text), envelope, &remote->why);

	if (r < 0)
		return r;
	if (strcmp(envelope->gateway, "*") != 0 && strcmp(envelope->gateway, gateway->id) != 0) {
		remote->why = "it is for another gateway";
		return -EBADMSG;
	}
	return fg_envelope_verify(envelope, &remote->by->config->fleet.keys, &remote->why);
}

static void work_read(struct fg_work *work)
{
	struct fg_gateway *gateway = of_remote(work, work);

	gateway->remote.result = read_signed(gateway);
}

static void on_read_done(struct fg_work *work)
{
	struct fg_gateway *gateway = of_remote(work, work);
	struct run_remote *remote = &gateway->remote;

	gateway->changing--;
	if (gateway->stopping)
		let_go(gateway);
	else if (remote->result < 0)
		refuse(gateway, 0, remote->why ? remote->why : strerror(-remote->result));
	else
		decide(gateway);
}

static void look(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	size_t len = remote->next_len;

	if (!len || remote->busy || gateway->stopping)
		return;
	if (gateway->changing > 0 || gateway->trial.state != TRIAL_NONE) {
		(void)fg_timer_start(&remote->again, PAUSE);
		return;
	}
	remote->busy = true;
	remote->text = remote->next;
	remote->next_len = 0;
	fg_buf_init(&remote->next, FG_REMOTE_MAX);
	fg_envelope_init(&remote->envelope);
	if (len > FG_REMOTE_MAX) {
		refuse(gateway, 0, "it is too long");
		return;
	}
	remote->by = gateway->now;
	remote->by->uses++;
	begin_work(gateway, work_read, on_read_done);
}

static void on_again(struct fg_timer *timer)
{
	look(of_remote(again, timer));
}

static void take(struct fg_remote *self, struct fg_str envelope)
{
	struct fg_gateway *gateway = of_remote(take, self);
	struct run_remote *remote = &gateway->remote;

	if (gateway->stopping || envelope.len == 0)
		return;
	fg_buf_reset(&remote->next);
	remote->next_len = envelope.len;
	if (envelope.len <= FG_REMOTE_MAX)
		fg_buf_str(&remote->next, envelope);
	if (remote->next.failed)
		remote->next_len = 0;
	if (!fg_timer_active(&remote->again))
		(void)fg_timer_start(&remote->again, 0);
}

/* -- from beginning to end -- */

int run_remote_open(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	size_t len = strlen(gateway->spool_dir) + sizeof(RECORD);

	remote->take.take = take;
	fg_buf_init(&remote->next, FG_REMOTE_MAX);
	fg_buf_init(&remote->text, FG_REMOTE_MAX);
	fg_envelope_init(&remote->envelope);
	fg_trial_init(&remote->trial);
	remote->path = malloc(len);
	if (!remote->path)
		return -ENOMEM;
	snprintf(remote->path, len, "%s" RECORD, gateway->spool_dir);
	return 0;
}

void run_remote_start(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;
	int r = fg_applied_read(remote->path, &remote->record);

	fg_timer_init(gateway->loop, &remote->again, on_again);
	if (r == 0)
		gateway->applied = remote->record;
	else if (r != -ENOENT)
		fg_log(&gateway->logger, FG_ERROR, "the version from afar cannot be read",
		       "path=\"%s\" error=\"%s\"", remote->path, strerror(-r));
	r = gateway->now->config->fleet.remote ? fg_put_allowed(gateway->config_path) : 0;
	if (r < 0)
		fg_log(&gateway->logger, FG_WARN, "no configuration from afar can be put in place",
		       "path=\"%s\" error=\"%s\"", gateway->config_path, strerror(-r));
}

void run_remote_close(struct fg_gateway *gateway)
{
	fg_handle_close(&gateway->remote.again.handle, NULL);
}

void run_remote_fini(struct fg_gateway *gateway)
{
	struct run_remote *remote = &gateway->remote;

	fg_buf_fini(&remote->next);
	fg_buf_fini(&remote->text);
	fg_envelope_fini(&remote->envelope);
	fg_trial_fini(&remote->trial);
	run_config_unuse(remote->by);
	run_config_unuse(remote->wanted);
	free(remote->path);
}

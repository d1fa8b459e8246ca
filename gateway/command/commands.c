/* The queue. Everything that moves a command on (a new one, one that has ended, a source that is
 * up, a device that was heard, a deadline) ends in one sweep over those that are under way. */
#include "command/command.h"

#include "base/name.h"
#include "command/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ARENA_LIMIT ((size_t)512 << 10)
#define SLEEPER_DEFAULT FG_S(3600)	/* how long a command waits for a device that sleeps */

static struct fg_commands *commands_of(struct fg_defer *defer)
{
	return (struct fg_commands *)((char *)defer - offsetof(struct fg_commands, act));
}

static void soon(struct fg_commands *commands)
{
	fg_loop_defer(commands->conf.loop, &commands->act);
}

/* -- the end of one -- */

/* The outcome is told; the job goes with the next sweep, or when its driver gives it back. */
static void end(struct job *job, enum fg_outcome outcome, const char *why)
{
	job->state = job->state == JOB_SENT ? JOB_OVER : JOB_DONE;
	/* the driver need not begin with it any more */
	job->command.deadline_ns = fg_loop_now(job->commands->conf.loop);
	command_tell(job, outcome, why);
	soon(job->commands);
}

/* There is room for another one. */
static void try_others(struct fg_commands *commands)
{
	for (struct job *job = commands->first; job; job = job->next)
		if (job->away)
			job->tried = false;
}

void fg_command_done(struct fg_command *command, enum fg_outcome outcome, const char *why)
{
	struct job *job = (struct job *)command;
	bool over = job->state == JOB_OVER;

	if (job->away)
		try_others(job->commands);
	job->state = JOB_DONE;
	if (!over)
		command_tell(job, outcome, why);
	soon(job->commands);
}

/* -- to the driver -- */

static int prepare(struct job *job, const struct fg_intake_way *way, const char **ret_why)
{
	struct fg_command *command = &job->command;
	char *device;

	fg_arena_reset(&job->rendered, ARENA_LIMIT);
	device = fg_arena_alloc(&job->rendered, way->device.len + 1);
	if (!device)
		return -ENOMEM;
	*command = (struct fg_command){
		.device = { device, fg_name_unescape(way->device, device) },
		.point = job->point,
		.value = job->value,
		.content_format = (int)way->write.conf->content_format,
		.peer = way->peer,
	};
	return fg_write_render(&way->write, command->device, &command->value, &job->rendered,
			       &command->to, &command->payload, ret_why);
}

static void hand_over(struct job *job, struct fg_source *source, uint64_t timeout_ns)
{
	uint64_t before = job->reach_ns;
	int r;

	job->source = source;
	if (before == 0)
		job->reach_ns = fg_loop_now(job->commands->conf.loop) + timeout_ns;
	job->command.deadline_ns = job->reach_ns;
	job->state = JOB_SENT;
	job->calling = true;
	r = source->driver->ops.command(source, &job->command);
	job->calling = false;
	if (r == 0 || job->state != JOB_SENT)
		return;
	job->state = JOB_WAITING;
	job->reach_ns = before;
	if (r == -EAGAIN)
		fg_intake_await(job->commands->intake, job->device);
	else
		end(job, r == -EINVAL ? FG_OUTCOME_REFUSED : FG_OUTCOME_UNREACHABLE, strerror(-r));
}

static void send_away(struct job *job)
{
	const struct fg_commands_conf *conf = &job->commands->conf;
	int r;

	job->tried = true;
	job->state = JOB_SENT;
	r = conf->elsewhere(conf->elsewhere_arg, &job->command, job->path, job->payload);
	if (r == 0)
		return;
	job->state = JOB_WAITING;
	if (r == -EMSGSIZE)
		end(job, FG_OUTCOME_REFUSED, "too long for a gateway of several processes");
	else if (r != -EAGAIN)
		end(job, FG_OUTCOME_UNREACHABLE, strerror(-r));
}

/* Found anew each time: the device may have been heard elsewhere since. */
static void try_one(struct job *job)
{
	struct fg_intake_way way;
	const char *why = "out of memory";
	int r;

	if (job->away) {
		send_away(job);
		return;
	}
	r = fg_intake_way(job->commands->intake, job->path, &way);
	job->tried = true;
	/* It was writable: its driver may be opening anew after a reload. A device that was heard
	 * as its source went down is waited for anew. */
	if (r < 0 || !way.up) {
		fg_intake_await(job->commands->intake, job->device);
		return;
	}
	r = prepare(job, &way, &why);
	if (r < 0)
		end(job, FG_OUTCOME_REFUSED, why);
	else
		hand_over(job, way.source, (uint64_t)way.write.conf->timeout_ns);
}

/* Commands of one device go one after the other. One that is away may have come back as another. */
static bool is_its_turn(const struct job *job)
{
	for (const struct job *j = job->commands->first; j != job; j = j->next)
		if ((j->state == JOB_WAITING || j->state == JOB_SENT) && j->away == job->away &&
		    fg_str_eq(j->device, job->device))
			return false;
	return true;
}

/* -- the sweep -- */

static void drop_done(struct fg_commands *commands)
{
	struct job **at = &commands->first;

	while (*at) {
		struct job *job = *at;

		if (job->state != JOB_DONE || job->calling) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		command_job_free(job);
	}
}

static uint64_t due(const struct job *job)
{
	uint64_t at = job->expires_ns;

	if (job->reach_ns && job->reach_ns < at)
		at = job->reach_ns;
	return job->state == JOB_WAITING || job->state == JOB_SENT ? at : UINT64_MAX;
}

static void over(struct job *job)
{
	if (job->reach_ns == 0 || job->expires_ns <= job->reach_ns)
		end(job, FG_OUTCOME_EXPIRED,
		    job->state == JOB_SENT ? "its time was over before the device confirmed it" :
					     "its time was over before it could be sent");
	else
		end(job, FG_OUTCOME_UNREACHABLE,
		    job->state == JOB_SENT ? "the device did not confirm it in time" :
					     "the device could not be reached");
}

static void on_act(struct fg_defer *defer)
{
	struct fg_commands *commands = commands_of(defer);
	uint64_t now = fg_loop_now(commands->conf.loop), next = UINT64_MAX;

	for (struct job *job = commands->first; job; job = job->next) {
		if (due(job) <= now)
			over(job);
		else if (job->state == JOB_WAITING && !job->tried && is_its_turn(job))
			try_one(job);
	}
	drop_done(commands);
	for (struct job *job = commands->first; job; job = job->next)
		if (due(job) < next)
			next = due(job);
	if (next == UINT64_MAX)
		fg_timer_stop(&commands->deadline);
	else
		(void)fg_timer_start_at(&commands->deadline, next);
}

static void on_deadline(struct fg_timer *timer)
{
	struct fg_commands *commands =
		(struct fg_commands *)((char *)timer - offsetof(struct fg_commands, deadline));

	soon(commands);
}

/* -- what happens to sources and devices -- */

static void on_heard(void *arg, struct fg_str device)
{
	struct fg_commands *commands = arg;

	for (struct job *job = commands->first; job; job = job->next)
		if (fg_str_eq(job->device, device))
			job->tried = false;
	soon(commands);
}

static void on_up(void *arg, struct fg_source *source)
{
	struct fg_commands *commands = arg;

	(void)source;
	for (struct job *job = commands->first; job; job = job->next)
		if (!job->sleeps)
			job->tried = false;
	if (commands->first)
		soon(commands);
}

static void on_closed(void *arg, struct fg_source *source)
{
	struct fg_commands *commands = arg;

	for (struct job *job = commands->first; job; job = job->next) {
		if (job->source != source)
			continue;
		if (job->state == JOB_SENT) {
			job->state = JOB_WAITING;
			end(job, FG_OUTCOME_UNREACHABLE,
			    "the link was lost before it was confirmed");
		} else if (job->state == JOB_OVER) {
			job->state = JOB_DONE;
			soon(commands);
		}
		job->source = NULL;
	}
}

/* -- requests -- */

static const char *no_way(int error)
{
	switch (error) {
	case -EINVAL:
		return "not DEVICE/POINT";
	case -ENOTUNIQ:
		return "the device has not been heard yet, and several profiles could be its";
	case -ENODEV:
		return "its driver takes no commands";
	default:
		return "no profile declares the point writable";
	}
}

static void split_path(struct job *job, struct fg_str device)
{
	job->device = fg_str(job->path.ptr, device.len);
	job->point = device.len < job->path.len ? fg_str(job->path.ptr + device.len + 1,
							 job->path.len - device.len - 1) :
						  fg_str("", 0);
}

static struct fg_str first_level(struct fg_str path)
{
	const char *slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;

	return fg_str(path.ptr, slash ? (size_t)(slash - path.ptr) : path.len);
}

uint32_t command_waiting(const struct fg_commands *commands)
{
	uint32_t n = commands->nfollowers;

	for (const struct job *job = commands->first; job; job = job->next)
		n += job->state == JOB_WAITING || job->state == JOB_SENT;
	return n;
}

static const char *not_now(const struct fg_commands *commands, const struct fg_request *request)
{
	if (request->retained)
		return "a retained command: it may be of any age";
	if (commands->stopping)
		return "the gateway stops";
	return command_waiting(commands) >= FG_COMMANDS_MAX ? "too many commands are under way" :
							      NULL;
}

/* What can be said at once; NULL: it may go. */
static const char *admit(struct job *job, const struct fg_request *request)
{
	struct fg_commands *commands = job->commands;
	uint64_t now = fg_loop_now(commands->conf.loop);
	struct fg_intake_way way;
	const char *why;
	int r;

	why = not_now(commands, request);
	if (why) {
		job->id_hash = 0; /* says nothing of the next time that it comes */
		return why;
	}
	why = "out of memory";
	r = fg_intake_way(commands->intake, job->path, &way);
	if (r < 0)
		return no_way(r);
	split_path(job, way.device);
	/* Whether the value can be written is seen now, not when the device wakes up. */
	if (prepare(job, &way, &why) < 0)
		return why;
	job->sleeps = job->tried = way.write.conf->sleeps;
	if (job->sleeps)
		fg_intake_await(commands->intake, job->device);
	/* Whoever says until when it is wanted gets it then; anybody else does not wait long. */
	if (job->expires_ns == UINT64_MAX && job->sleeps)
		job->expires_ns = now + SLEEPER_DEFAULT;
	else if (job->expires_ns == UINT64_MAX)
		job->reach_ns = now + (uint64_t)way.write.conf->timeout_ns;
	return NULL;
}

static void enqueue(struct job *job)
{
	struct job **at = &job->commands->first;

	while (*at)
		at = &(*at)->next;
	*at = job;
	soon(job->commands);
}

/* Where it is for, and whether it can be done, is said by the process that knows the way. */
static bool goes_away(struct job *job, const struct fg_request *request)
{
	const char *copy;

	if (!job->commands->conf.elsewhere || request->here || not_now(job->commands, request))
		return false;
	copy = fg_arena_dup(&job->arena, request->payload);
	if (!copy)
		return false;
	job->payload = fg_str(copy, request->payload.len);
	job->away = true;
	return true;
}

static void begin(struct job *job, const struct fg_request *request)
{
	struct fg_commands *commands = job->commands;
	const char *why = "out of memory";
	int r = command_parse(commands, request, job, &why);

	split_path(job, first_level(job->path));
	if (command_repeated(job, request))
		return;
	if (r == 0 && goes_away(job, request)) {
		enqueue(job);
		return;
	}
	if (r == 0 && (why = admit(job, request)) == NULL) {
		enqueue(job);
		return;
	}
	command_tell(job, FG_OUTCOME_REFUSED, why);
	command_job_free(job);
}

void fg_command_request(struct fg_commands *commands, const struct fg_request *request)
{
	struct job *job = calloc(1, sizeof(*job));

	commands->stats.requests++;
	if (!job) {
		commands->stats.outcomes[FG_OUTCOME_REFUSED]++;
		return;
	}
	fg_arena_init(&job->arena, ARENA_LIMIT);
	fg_arena_init(&job->rendered, ARENA_LIMIT);
	job->commands = commands;
	job->expires_ns = UINT64_MAX;
	job->outcome = request->outcome;
	job->arg = request->arg;
	begin(job, request);
}

static void followers_forget(struct job *job, const void *arg)
{
	struct job **at = &job->followers;

	while (*at) {
		struct job *f = *at;

		if (f->arg != arg) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		job->commands->nfollowers--;
		command_job_free(f);
	}
}

void fg_command_forget(struct fg_commands *commands, void *arg)
{
	for (struct job *job = commands->first; job; job = job->next) {
		if (job->arg == arg)
			job->outcome = NULL;
		followers_forget(job, arg);
	}
}

/* -- the whole -- */

int fg_commands_new(const struct fg_commands_conf *conf, struct fg_commands **ret_commands)
{
	struct fg_commands *commands = calloc(1, sizeof(*commands));

	if (!commands)
		return -ENOMEM;
	commands->conf = *conf;
	commands->logger = (struct fg_logger){ .log = conf->log,
					       .component = "command",
					       .level = conf->level };
	commands->act.cb = on_act;
	if (getrandom(&commands->seed, sizeof(commands->seed), GRND_NONBLOCK) < 0)
		commands->seed = (uintptr_t)commands;
	fg_doc_init(&commands->doc, 8, FG_COMMAND_PAYLOAD);
	fg_timer_init(conf->loop, &commands->deadline, on_deadline);
	*ret_commands = commands;
	return 0;
}

void fg_commands_set_intake(struct fg_commands *commands, struct fg_intake *intake)
{
	const struct fg_intake_events events = {
		.arg = commands,
		.heard = on_heard,
		.up = on_up,
		.closed = on_closed,
	};

	commands->intake = intake;
	fg_intake_set_events(intake, &events);
}

void fg_commands_stop(struct fg_commands *commands)
{
	commands->stopping = true;
	for (struct job *job = commands->first; job; job = job->next)
		if (job->state == JOB_WAITING || job->state == JOB_SENT)
			end(job, FG_OUTCOME_UNREACHABLE, "the gateway stops");
}

static void on_freed(struct fg_handle *handle)
{
	struct fg_commands *commands =
		(struct fg_commands *)((char *)handle - offsetof(struct fg_commands, deadline));

	while (commands->first) {
		struct job *next = commands->first->next;

		command_job_free(commands->first);
		commands->first = next;
	}
	fg_doc_fini(&commands->doc);
	free(commands->told);
	free(commands);
}

struct fg_commands *fg_commands_free(struct fg_commands *commands)
{
	if (!commands)
		return NULL;
	fg_loop_cancel(commands->conf.loop, &commands->act);
	fg_handle_close(&commands->deadline.handle, on_freed);
	return NULL;
}

void fg_commands_stats(const struct fg_commands *commands, struct fg_commands_stats *ret_stats)
{
	*ret_stats = commands->stats;
	ret_stats->waiting = command_waiting(commands);
}

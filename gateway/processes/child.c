/* Starting one of the processes, and its end. */
#include "processes/private.h"

#include "run/total.h"
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUSY_EVERY FG_MS(100)
#define BUSY_LOOKS 100		/* then it is started all the same, and says itself what is wrong */
#define PING_US "10000000"	/* they tell that they are alive twice in that time */

/* All that a child needs, made before there is one: behind the fork of a process that may have
 * threads nothing may be allocated. */
struct start {
	char *argv[9];
	char *envp[ENVIRONMENT_MAX + 3];
	char which[48];
	char notify[64];
};

extern char **environ;

/* What execve(2) takes is not written to, whatever its type says. */
static char *constant(const char *text)
{
	return (char *)(uintptr_t)text;
}

static bool is_ours(const char *variable)
{
	static const char *const names[] = { "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void environment_make(const struct fg_processes *all, struct start *start)
{
	size_t n = 0;

	for (char **e = environ; *e && n < ENVIRONMENT_MAX; e++)
		if (!is_ours(*e))
			start->envp[n++] = *e;
	snprintf(start->notify, sizeof(start->notify), "NOTIFY_SOCKET=%s", all->notify_name);
	start->envp[n++] = start->notify;
	start->envp[n++] = constant("WATCHDOG_USEC=" PING_US);
	start->envp[n] = NULL;
}

static void arguments_make(const struct process *process, struct start *start)
{
	const struct fg_processes_conf *conf = &process->all->conf;
	char **argv = start->argv;

	snprintf(start->which, sizeof(start->which), "%u/%d/%d", process->index,
		 (int)process->all->config->run.processes, (int)getpid());
	*argv++ = constant("fieldgate");
	*argv++ = constant("run");
	*argv++ = constant("-c");
	*argv++ = constant(conf->path);
	*argv++ = constant("--process");
	*argv++ = start->which;
	/* afterwards they read what a reload would */
	if (process->starts == 0) {
		*argv++ = constant("--source");
		*argv++ = constant(conf->source);
	}
	*argv = NULL;
}

/* In the child. A terminal's interrupt is for the parent, who tells the others. */
static void become(const struct fg_processes *all, const struct start *start)
{
	sigset_t none;

	sigemptyset(&none);
	(void)setpgid(0, 0);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	fexecve(all->exe, start->argv, start->envp);
	_exit(126);
}

/* Whether the spool is still locked, as by a process whose parent was killed and that is about to
 * end. */
static bool spool_is_busy(const struct process *process)
{
	char path[PATH_MAX];
	bool busy;
	int fd;

	if (snprintf(path, sizeof(path), "%s/lock", process->dir) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	busy = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return busy;
}

static void start_again(struct process *process, uint64_t after_ns)
{
	process->state = PROCESS_DOWN;
	(void)fg_timer_start(&process->again, after_ns);
}

void process_start(struct process *process)
{
	struct fg_processes *all = process->all;
	struct start start;
	pid_t pid;

	if (process->busy++ < BUSY_LOOKS && spool_is_busy(process)) {
		start_again(process, BUSY_EVERY);
		return;
	}
	process->busy = 0;
	environment_make(all, &start);
	arguments_make(process, &start);
	pid = fork();
	if (pid == 0)
		become(all, &start);
	if (pid < 0) {
		fg_log(&all->logger, FG_ERROR, "a process cannot be started",
		       "process=%u error=\"%s\"", process->index, strerror(errno));
		start_again(process, fg_backoff_next(&process->backoff));
		return;
	}
	process->pid = pid;
	process->state = PROCESS_STARTING;
	process->starts++;
	process->started_ns = process->heard_ns = fg_loop_update_now(all->loop);
	fg_log(&all->logger, FG_INFO, "process started", "process=%u pid=%d starts=%u%s",
	       process->index, (int)pid, process->starts,
	       process->left_over ? " left_over=yes" : "");
}

void process_tell(struct process *process, int signo)
{
	if (process->pid > 0)
		(void)kill(process->pid, signo);
}

void processes_reap(struct fg_processes *all)
{
	int status;

	for (unsigned i = 0; i < all->count; i++) {
		struct process *process = &all->items[i];

		if (process->pid <= 0 || waitpid(process->pid, &status, WNOHANG) != process->pid)
			continue;
		process->pid = 0;
		process->state = PROCESS_DOWN;
		processes_ended(process, status);
	}
}

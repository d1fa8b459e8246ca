/* What the files of run/ share. */
#pragma once

#include <fg/loop.h>

#include "command/command.h"
#include "control/control.h"
#include "profile/book.h"
#include "run/away.h"
#include "run/gateway.h"
#include "run/notify.h"
#include "run/remote.h"
#include "run/siblings.h"
#include "run/trial.h"

/* A configuration, with the profiles compiled from it. It goes when nobody uses it any
 * more: the gateway, or an instance of it that is still closing. */
struct run_config {
	struct fg_config *config;
	struct fg_profile_book book;
	unsigned uses;
};

struct fg_gateway {
	struct fg_loop *loop;
	struct fg_log *log;
	struct fg_logger logger;
	const char *config_path;
	char *id;			/* outlives the configuration it came from */
	char *spool_dir;
	struct run_config *now;
	struct run_instance *instances; /* those that are open, see instances.c */
	struct fg_log_level *levels;
	struct fg_clock clock;
	struct fg_devices *devices;
	struct fg_liveness *liveness;
	struct fg_spool *spool;
	struct fg_intake *intake;
	struct fg_forward *forward;
	struct fg_commands *commands;
	struct fg_control *control;
	struct run_tail *tails;		/* who looks on, see tail.c */
	struct run_console *console;	/* or NULL: it is not open */
	struct fg_timer console_timer;
	struct fg_defer console_defer;
	bool console_missed;
	struct run_putting *putting;	/* a configuration that came by the console */
	struct run_trial trial;
	struct run_remote remote;
	struct fg_applied applied;
	struct run_siblings siblings;
	struct run_away *away;		/* commands that another process carries out */
	unsigned naway;
	bool control_missed;
	struct fg_hook keep, forward_hook;
	struct fg_io clock_watch;
	int clock_fd;
	bool synced_seen;
	uint32_t steps_seen, syncs_seen;	/* of the clock, as last followed */
	struct fg_log_limit step_limit;
	struct fg_timer clock_timer, status_timer, sweep_timer, ready_timer, stop_timer, watchdog;
	struct fg_timer drain_timer;	/* of a process that is left over */
	struct fg_timer look_timer;	/* for devices that have fallen silent */
	int64_t look_ns;		/* when it is due, by the boot clock */
	uint64_t watchdog_ns;
	int64_t started_ns;		/* boot clock */
	uint64_t generation;
	int step;			/* of stopping */
	/* instances that are still closing after a reload or a stop */
	unsigned changing;
	bool ready_said, ready_due, stopping;
	void (*ready)(void *arg);
	void *ready_arg;
	void (*stopped)(void *arg);
	void *stopped_arg;
	void (*restart)(void *arg, const struct fg_trial *, const char *why);
	void *restart_arg;
	void (*broken)(void *arg);
	void *broken_arg;
	void (*drained)(void *arg);
	void *drained_arg;
};

/* run_config.c: takes the configuration when it succeeds. */
int run_config_new(struct fg_config *, struct fg_faults *, struct run_config **ret_config);
void run_config_unuse(struct run_config *);

/* instances.c */
int run_add_all(struct fg_gateway *);
int run_apply(struct fg_gateway *, struct run_config *next, const struct fg_config_diff *);
void run_remove_sources(struct fg_gateway *);
void run_remove_sinks(struct fg_gateway *);
enum fg_level run_level(const struct fg_gateway *, const char *component);

/* reload.c */
/* What `path` says, compiled, with its secrets. -EINVAL with faults, -errno. */
int run_load(const struct fg_gateway *, const char *path, struct fg_faults *,
	     struct run_config **ret_config);
/* The same of a text. */
int run_load_text(struct fg_str, struct fg_faults *, struct run_config **ret_config);
/* Goes over to `next`, and takes it when it succeeds: changes only what differs. -EINVAL with
 * faults: it needs a restart. `report`: a line for people, or NULL. */
int run_exchange(struct fg_gateway *, struct run_config *next, struct fg_faults *,
		 struct fg_buf *report);

/* gateway.c: to every bridge that has a status topic, if this process speaks for the gateway. */
void run_publish_status(struct fg_gateway *);

/* stop.c: whether the next step of stopping can be taken; called whenever something has ended. */
void run_stop_step(struct fg_gateway *);

/* clock.c */
void run_clock_open(struct fg_gateway *);
void run_clock_close(struct fg_gateway *);
void run_clock_ask(struct fg_timer *);	/* whether it is right; begins the timer anew */
void run_clock_follow(struct fg_gateway *);	/* once a turn, before anything is cut */

/* Calls: of the control socket, of the console (console.c), or of both. Each file says what its
 * calls take and answer. */
void run_call_ledger(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_status(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_reload(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_requeue(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_discard(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_devices(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_search(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_device(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_ready(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_spool(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_dead(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_config(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_check(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_put(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_tail(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_call_send(void *arg, struct fg_control_client *, const struct fg_doc *request);
/* What `say` writes, as the one line of an answer. */
void run_answer(struct fg_gateway *, struct fg_control_client *,
		void (*say)(struct fg_gateway *, struct fg_buf *));
/* A whole number of a request, as a text, from 1 to `most`; `otherwise` if it is not there. False:
 * it is none, and the client was told so. */
bool run_number(struct fg_control_client *, const struct fg_doc *request, const char *member,
		uint32_t otherwise, uint32_t most, uint32_t *ret_number);
/* devices.c: a device without its closing brace: {"device":...,"interval":... */
void run_device_head(const struct fg_gateway *, const struct fg_device *, struct fg_buf *out);
/* "BUCKET/OF"; what is neither is false, and the beginning. */
bool run_place_read(struct fg_str text, struct fg_devices_place *ret_place);
/* files.c: "faults":[...],"warnings":[...], a text each as `fieldgate check` prints it. */
void run_faults_lists(struct fg_buf *out, const struct fg_faults *);

/* console.c */
void run_console_start(struct fg_gateway *);
void run_console_changed(struct fg_gateway *);	/* its options */
/* Its options are what they were: opened anew if it has read files that are others now. */
void run_console_renewed(struct fg_gateway *);
void run_console_stop(struct fg_gateway *);

/* send.c */
void run_call_way(void *arg, struct fg_control_client *, const struct fg_doc *request);
void run_commands_state(struct fg_gateway *, struct fg_buf *out);

/* calls.c: what the control socket can be asked. */
int run_control_open(struct fg_gateway *);

/* report.c: the ledger in parts, for what has no running gateway. */
void run_ledger_head(struct fg_buf *out, const char *gateway, struct fg_spool *);
void run_ledger_account(struct fg_buf *out, const struct fg_account *, bool more);

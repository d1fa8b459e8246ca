/* What the files of command/ share. */
#pragma once

#include <fg/doc.h>

#include "base/arena.h"
#include "command/command.h"

#define ID_MAX 128

enum job_state {
	JOB_WAITING,	/* for its turn, its source or its device */
	JOB_SENT,	/* the driver has it */
	JOB_OVER,	/* has its outcome, and the driver has not given it back */
	JOB_DONE,	/* can go */
};

/* One command from its request to its end. Its strings are in its arena. */
struct job {
	struct fg_command command;	/* first: the driver hands it back */
	struct fg_commands *commands;
	struct job *next;		/* in order of arrival */
	struct job *followers;		/* asked for the same id since, and wait for it */
	enum job_state state;
	struct fg_source *source;	/* who has it, or had it last */
	struct fg_str path, id;		/* id: JSON text, empty: none */
	struct fg_str device, point;	/* as in records */
	struct fg_value value;		/* as it was asked for */
	uint64_t id_hash;
	uint64_t expires_ns;		/* of the loop's clock; UINT64_MAX: never said */
	uint64_t reach_ns;		/* by when it has to be confirmed; 0: not begun */
	bool sleeps;
	bool away;			/* carried out by conf.elsewhere */
	struct fg_str payload;		/* as it came, of one that is away */
	bool calling;			/* in the driver's own call */
	bool tried;			/* the driver said -EAGAIN; until something changes */
	void (*outcome)(void *arg, struct fg_str reply, const struct fg_request_result *);
	void *arg;
	struct fg_str reply;
	struct fg_arena arena;
	struct fg_arena rendered;	/* the command's strings, made anew for each try */
};

/* An id whose outcome has been told. */
struct told {
	uint64_t hash;			/* 0: none */
	enum fg_outcome outcome;
	char why[64];
};

struct fg_commands {
	struct fg_commands_conf conf;
	struct fg_logger logger;
	struct fg_intake *intake;
	struct job *first;
	struct fg_timer deadline;
	struct fg_defer act;
	struct fg_doc doc;
	struct told *told;		/* FG_COMMANDS_TOLD, from the first id on */
	uint32_t told_at;
	uint32_t nfollowers;
	uint64_t seed;
	bool stopping;
	struct fg_commands_stats stats;
};

/* request.c: what was asked for. 0; -EINVAL with *ret_why (constant text), the id is set if there
 * was one; -ENOMEM. */
int command_parse(struct fg_commands *, const struct fg_request *, struct job *,
		  const char **ret_why);

/* commands.c: how many have no outcome yet. */
uint32_t command_waiting(const struct fg_commands *);

/* outcomes.c */
/* With those who follow it. NULL. */
struct job *command_job_free(struct job *);
/* Tells it to whoever asked, nothing else. */
void command_answer(struct job *, enum fg_outcome, const char *why);
/* Tells the outcome, also to those who follow; remembers it by the id, counts it. */
void command_tell(struct job *, enum fg_outcome, const char *why);
/* The outcome of an id that has been told, or NULL. */
const struct told *command_told(const struct fg_commands *, uint64_t hash);
/* Whether the request was made before, so that it is not carried out again; then the job is taken:
 * freed, or told what becomes of the one that is under way. */
bool command_repeated(struct job *, const struct fg_request *);

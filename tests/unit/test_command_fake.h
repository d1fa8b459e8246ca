/* The queue of commands, pretended: what was asked for, and what drivers said of their commands. */
#pragma once

#include <stdio.h>
#include <string.h>

#include <fg/command.h>

struct command_fake {
	unsigned requests, forgotten, done;
	/* of the last request */
	char path[256], payload[256], reply[FG_REQUEST_REPLY];
	size_t reply_len;
	bool retained;
	void (*outcome)(void *arg, struct fg_str reply, const struct fg_request_result *);
	void *arg;
	/* of the last command that is done */
	const struct fg_command *command;
	enum fg_outcome how;
	char why[128];
	bool at_once;			/* requests are refused before the call returns */
};

static struct command_fake command_fake;

static inline void fake_outcome(enum fg_outcome outcome)
{
	static const char json[] = "{\"id\":\"1\",\"outcome\":\"x\"}";
	const struct fg_request_result result = {
		.id = FG_STR("\"1\""),
		.outcome = outcome,
		.json = { json, sizeof(json) - 1 },
	};

	command_fake.outcome(command_fake.arg, fg_str(command_fake.reply, command_fake.reply_len),
			     &result);
}

void fg_command_request(struct fg_commands *commands, const struct fg_request *request)
{
	struct command_fake *f = &command_fake;

	(void)commands;
	f->requests++;
	snprintf(f->path, sizeof(f->path), "%.*s", (int)request->path.len, request->path.ptr);
	snprintf(f->payload, sizeof(f->payload), "%.*s", (int)request->payload.len,
		 request->payload.ptr);
	f->reply_len = request->reply.len;
	if (request->reply.len)
		memcpy(f->reply, request->reply.ptr, request->reply.len);
	f->retained = request->retained;
	f->outcome = request->outcome;
	f->arg = request->arg;
	if (f->at_once)
		fake_outcome(FG_OUTCOME_REFUSED);
}

void fg_command_forget(struct fg_commands *commands, void *arg)
{
	(void)commands;
	(void)arg;
	command_fake.forgotten++;
}

void fg_command_done(struct fg_command *command, enum fg_outcome outcome, const char *why)
{
	command_fake.done++;
	command_fake.command = command;
	command_fake.how = outcome;
	snprintf(command_fake.why, sizeof(command_fake.why), "%s", why ? why : "");
}

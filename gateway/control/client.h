/* The other end of the control socket, for commands: one call, blocking. See control/control.h. */
#pragma once

#include <fg/str.h>

struct fg_control_result {
	bool ok;
	int status;		/* where not ok: of the command, 1 to 3 */
	char error[512];
};

/* Takes the last line of an answer apart. 0, -EPROTO. */
int fg_control_result_read(struct fg_str line, struct fg_control_result *ret_result);

/*
 * Sends a request (one line without its end) and gives each line of the answer to `line`, which
 * ends the conversation by returning anything but 0; the last line is taken apart into *ret_result.
 * timeout_ms: how long the gateway may say nothing at all; -1: for ever.
 *   0            *ret_result says how the call ended
 *   -ENOENT, -ECONNREFUSED   no gateway runs there; -EACCES, -ENAMETOOLONG
 *   -ETIMEDOUT   it says nothing
 *   -EPIPE       it ended before its answer did
 *   -EPROTO      what it says is no answer
 *   what `line` returned
 */
int fg_control_ask(const char *path, struct fg_str request, int timeout_ms,
		   int (*line)(void *arg, struct fg_str line), void *arg,
		   struct fg_control_result *ret_result);

/*
 * One call to another process's control socket, without waiting for it: the other end of
 * control/control.h on a loop. (For commands, which may wait, there is control/client.h.)
 */
#pragma once

#include <fg/loop.h>
#include <fg/str.h>

#include "control/client.h"

struct fg_ask;

/* `line` may be NULL. `end` is called once: error 0 and how the call ended, or -errno as
 * fg_control_ask() gives it. Neither is called from within fg_ask_new() or after fg_ask_drop(). */
struct fg_ask_ops {
	void (*line)(void *arg, struct fg_str line);
	void (*end)(void *arg, int error, const struct fg_control_result *);
};

/* Begins a call. request: one line without its end; copied. timeout_ns: how long nothing may come;
 * 0: for ever. ops is borrowed. What cannot be begun is told by `end` too. -ENOMEM. */
int fg_ask_new(struct fg_loop *loop, const char *path, struct fg_str request, uint64_t timeout_ns,
	       const struct fg_ask_ops *ops, void *arg, struct fg_ask **ret_ask);
/* Nobody waits for it any more. Not after `end`, nor from within `line`. */
void fg_ask_drop(struct fg_ask *ask);

/*
 * The other processes of the same gateway (run.processes), as the first one sees them: it speaks
 * for all of them on the status topic, so it asks their parent for the account of the others, now
 * and then and when it stops. The answer is two lines: the sum of their ledgers, and the items that
 * the parent's own answers have in "processes".
 */
#pragma once

#include <fg/loop.h>

#include "base/buf.h"
#include "control/caller.h"

struct fg_gateway;

struct run_siblings {
	struct fg_ask *ask;		/* under way, or NULL */
	struct fg_buf ledger, list;	/* as last told; empty: nothing was */
	struct fg_buf next[2];		/* as it is being told */
	unsigned lines;
};

void run_siblings_init(struct fg_gateway *);
void run_siblings_fini(struct fg_gateway *);
/* Of a gateway that runs alone: the accounts of processes that are no more (run/total.h). */
void run_siblings_remember(struct fg_gateway *);
/* Asks, unless it does already; publishes the status with the answer, or without one. False: there
 * are no others to ask for. */
bool run_siblings_ask(struct fg_gateway *);
void run_siblings_drop(struct fg_gateway *);
/* The account of all of them; of this process alone if nothing is known of the others. */
void run_siblings_ledger(struct fg_gateway *, struct fg_buf *out);
/* ,"processes":[...] if there are others. */
void run_siblings_list(struct fg_gateway *, struct fg_buf *out);
/* Both in one, as `fieldgate ledger` prints it. */
void run_siblings_total(struct fg_gateway *, struct fg_buf *out);

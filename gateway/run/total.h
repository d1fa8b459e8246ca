/*
 * The account of a gateway as a whole (run.processes): the spool in spool.dir is that of its first
 * process, those of the others stand below it in process-2, process-3 and so on, and of those that
 * were given up because there are fewer now, the last account is kept:
 *
 *     SPOOLDIR/process-K/              a spool like any other
 *     SPOOLDIR/finished/K-ID.json      the ledger of a spool (of that identity) that is no more
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "run/sum.h"

/* A sum of ledgers, and which epoch of each process reaches how far. With `within` it is a sum of
 * states (fg_gateway_state), whose member "ledger" that is. */
struct fg_total {
	bool within;
	struct fg_sum *sum;
	struct fg_buf list;		/* the items of "processes" */
	unsigned count;
	bool failed;
};

void fg_total_init(struct fg_total *, bool within);
void fg_total_fini(struct fg_total *);
/* Adds what one process says, a ledger or a state; `more`: further members of its item, each behind
 * a comma. */
void fg_total_add(struct fg_total *, uint32_t index, struct fg_str json, const char *more);
/* Adds a ledger in any case. */
void fg_total_ledger(struct fg_total *, uint32_t index, struct fg_str ledger, const char *more);
/* Adds the accounts of those that are finished. */
void fg_total_finished(struct fg_total *, const char *dir);
/* Appends the ledger of all, with "processes" where there is more than one. -ENOMEM. */
int fg_total_json(const struct fg_total *, struct fg_buf *out);

/* The same from the files of a stopped gateway; see fg_ledger_of_files(). */
int fg_total_of_files(const char *dir, const char *gateway, bool sure, struct fg_buf *out);

/* The indices of process folders below a spool, in order; returns how many. */
unsigned fg_process_folders(const char *dir, uint32_t *indices, unsigned max);
/* The folder of a process's spool. -ENAMETOOLONG. */
int fg_process_folder(const char *dir, uint32_t index, char *out, size_t cap);
/* A process that is left over has given back all it had: its account is kept, its folder goes.
 * Blocks. What was interrupted is finished by the next call. 0, -errno. */
int fg_process_finish(const char *dir, uint32_t index, const char *gateway);
/* Whether that was interrupted behind the account: then its folder only has to go. */
bool fg_process_is_finished(const char *dir, uint32_t index);

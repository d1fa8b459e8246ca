/* What the files of `fieldgate audit` share. */
#pragma once

#include <fg/bridge.h>
#include <fg/doc.h>

#include "cli/progress.h"
#include "record/audit.h"

struct auditing {
	struct fg_audit *audit;
	struct fg_doc doc;
	uint64_t faults, packs;
	struct cli_progress progress;
	uint64_t until_epoch, until_last;	/* 0: not asked for */
	uint32_t wait_ms;
	uint64_t messages;
	int error;				/* of what cannot be counted any more */
};

#define AUDIT_LINE_MAX ((size_t)64 << 20)

/* Something that is no pack: it is counted, and the first few are told. */
void cli_audit_fault(struct auditing *a, const char *what, uint64_t number, const char *why);
/* What `fg_doc` holds now. -ENOMEM. */
int cli_audit_doc(struct auditing *a, const char *what, uint64_t number);

/* audit_collect.c: everything that a bridge of that type can read back. 0, or an exit status after
 * saying why. */
int cli_audit_collect(struct auditing *a, const char *type, struct fg_collect *collect);

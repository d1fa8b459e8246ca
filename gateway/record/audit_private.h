/* What the files of the audit share. */
#pragma once

#include "record/audit.h"
#include "record/ranges.h"

#define AUDIT_WHYS 16 /* different reasons; the last counts what does not fit */
#define AUDIT_WHY_MAX 32

/* What a pack says, see audit_pack_read(). */
struct audit_pack {
	struct fg_str gateway;
	uint64_t epoch, first, last;
	uint64_t prev_epoch, prev_last; /* prev_epoch 0: none */
	bool begin;
	bool lost; /* it announces its range: with why, or as not carried */
	bool unknown; /* nobody could count */
	uint64_t records; /* it has, or that are lost */
	struct fg_str why;
};

struct audit_loss {
	uint64_t first, last, records;
	unsigned why;
};

struct audit_epoch {
	struct audit_epoch *next; /* of the same bucket */
	uint64_t id, order;
	struct fg_ranges had, twice;
	struct audit_loss *losses;
	size_t nlosses, losses_cap;
	uint64_t first, last; /* of the ranges that came; 0: none */
	uint64_t begin; /* lowest first of a pack marked so, 0: none */
	uint64_t reach; /* highest number that somebody speaks of */
	uint64_t kept; /* the last that was kept, as the epoch behind it says; 0: none does */
	bool unknown[AUDIT_WHYS];
	uint64_t unknown_from; /* nobody knows what was here and behind, 0: all is known */
	unsigned unknown_why;
	char gateway[];
};

struct fg_audit {
	struct audit_epoch **buckets;
	size_t nbuckets, count;
	struct audit_epoch *recent;
	char whys[AUDIT_WHYS][AUDIT_WHY_MAX];
	unsigned nwhys;
	bool malformed, demand_unmet;
	uint64_t demand_epoch, demand_last; /* of an epoch that nobody knows */
};

/* audit_pack.c: -EBADMSG with *ret_why. */
int audit_pack_read(const struct fg_doc *doc, struct audit_pack *ret_pack, const char **ret_why);
/* Sorts, and leaves out what was announced more than once. */
void audit_losses_tidy(struct audit_epoch *epoch);

/*
 * SPOOLDIR/lock: who has the spool, how the last run ended, and the counts that outlive it. Slots
 * are written in turn and in place, so that a torn write leaves the one before.
 */
#include "spool/private.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define EPOCH_SIZE 32
#define POWER_CUT_BIT ((uint64_t)1 << 63)

int fg_boot_id(uint8_t ret_boot[16])
{
	char text[64], *p = text;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (unsigned i = 0; i < 16; i++, p += 2) {
		unsigned byte;

		p += *p == '-';
		if (sscanf(p, "%2x", &byte) != 1)
			return -EIO;
		ret_boot[i] = (uint8_t)byte;
	}
	return 0;
}

/* -- the lock -- */

int fg_state_read_pid(int lock_fd, pid_t *ret_pid)
{
	char text[33] = "";
	intmax_t pid;

	if (pread(lock_fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%" SCNdMAX, &pid) != 1)
		return -ENOENT;
	*ret_pid = (pid_t)pid;
	return 0;
}

int fg_state_lock(struct fg_spool *spool)
{
	char pid[65];
	int r;

	spool->lock_fd =
		openat(spool->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (spool->lock_fd < 0)
		return -errno;
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* its blocks have to be there before the disk is full */
	r = spool->io->allocate(spool->lock_fd, FG_STATE_SIZE);
	if (r < 0)
		return r;
	snprintf(pid, sizeof(pid), "%-63jd\n", (intmax_t)getpid());
	return fg_spool_write_all(spool->io, spool->lock_fd, pid, sizeof(pid) - 1, 0);
}

/* -- slots -- */

static void slot_seal(char *slot, size_t size)
{
	fg_put32(slot + size - 4, fg_crc32c(0, slot, size - 4));
}

static bool slot_read(int fd, char *slot, size_t size, uint64_t at, const char *magic)
{
	return fg_read_at(fd, slot, size, at) == (ssize_t)size && memcmp(slot, magic, 8) == 0 &&
	       fg_get32(slot + size - 4) == fg_crc32c(0, slot, size - 4);
}

static void run_decode(const char *slot, struct fg_run_state *run)
{
	run->found = true;
	run->sequence = fg_get64(slot + 8);
	run->clean = fg_get32(slot + 16) == FG_RUN_CLEAN;
	run->each = fg_get32(slot + 20) & FG_SEGMENT_EACH;
	run->failing = fg_get32(slot + 20) & FG_RUN_FAILING;
	run->last = fg_get64(slot + 24);
	memcpy(run->boot, slot + 32, 16);
	run->identity = fg_get64(slot + FG_RUN_IDENTITY);
	run->epochs = fg_get32(slot + 48);
	if (run->epochs > FG_RUN_EPOCHS)
		run->epochs = FG_RUN_EPOCHS;
	for (uint32_t i = 0; i < run->epochs; i++) {
		const char *p = slot + 52 + i * EPOCH_SIZE;

		run->epoch[i] = (struct fg_spool_epoch){
			.id = fg_get64(p),
			.base = fg_get64(p + 8),
			.prev_id = fg_get64(p + 16),
			.prev_last = fg_get64(p + 24) & ~POWER_CUT_BIT,
			.power_cut = fg_get64(p + 24) & POWER_CUT_BIT,
		};
	}
}

static void tally_decode(const char *slot, struct fg_tally *tally)
{
	tally->sequence = fg_get64(slot + 8);
	tally->accepted = fg_get64(slot + 16);
	tally->committed = fg_get64(slot + 24);
	tally->floor = fg_get64(slot + 32);
	for (unsigned i = 0; i < FG_SPOOL_COUNTERS; i++)
		tally->counters[i] = fg_get64(slot + 40 + 8 * i);
}

static bool run_sane(const struct fg_run_state *run)
{
	if (run->last >= FG_POSITION_MAX)
		return false;
	for (uint32_t i = 0; i < run->epochs; i++)
		if (run->epoch[i].base >= FG_POSITION_MAX ||
		    run->epoch[i].prev_last > run->epoch[i].base)
			return false;
	return run->epochs > 0;
}

void fg_state_write_error(const struct fg_spool_io *io, int lock_fd, const uint8_t boot[16])
{
	char slot[FG_ERROR_SIZE] = { 0 };

	memcpy(slot, FG_ERROR_MAGIC, 8);
	memcpy(slot + 8, boot, 16);
	slot_seal(slot, sizeof(slot));
	(void)fg_spool_write_all(io, lock_fd, slot, sizeof(slot), FG_ERROR_AT);
}

static bool error_read(int lock_fd, const struct fg_run_state *run)
{
	char slot[FG_ERROR_SIZE];

	return slot_read(lock_fd, slot, sizeof(slot), FG_ERROR_AT, FG_ERROR_MAGIC) &&
	       memcmp(slot + 8, run->boot, 16) == 0;
}

/* Its own slot tells of the identity, else the run's. */
static void name_read(int lock_fd, struct fg_run_state *run)
{
	char slot[FG_NAME_SIZE];
	uint32_t len;

	if (!slot_read(lock_fd, slot, sizeof(slot), FG_NAME_AT, FG_NAME_MAGIC))
		return;
	len = fg_get32(slot + 16);
	if (len > FG_GATEWAY_MAX)
		return;
	run->named = true;
	run->identity = fg_get64(slot + 8);
	memcpy(run->gateway, slot + FG_NAME_GATEWAY, len);
}

int fg_state_write_name(struct fg_spool *spool)
{
	char slot[FG_NAME_SIZE] = { 0 };
	size_t len = strlen(spool->gateway);

	memcpy(slot, FG_NAME_MAGIC, 8);
	fg_put64(slot + 8, spool->identity);
	fg_put32(slot + 16, (uint32_t)len);
	memcpy(slot + FG_NAME_GATEWAY, spool->gateway, len);
	slot_seal(slot, sizeof(slot));
	return fg_spool_write_all(spool->io, spool->lock_fd, slot, sizeof(slot), FG_NAME_AT);
}

void fg_state_read(int lock_fd, struct fg_run_state *ret_run, struct fg_tally *ret_tally)
{
	char slot[FG_RUN_SIZE];

	memset(ret_run, 0, sizeof(*ret_run));
	memset(ret_tally, 0, sizeof(*ret_tally));
	for (uint64_t i = 0; i < 2; i++) {
		if (slot_read(lock_fd, slot, FG_RUN_SIZE, FG_RUN_AT + i * FG_RUN_STEP,
			      FG_RUN_MAGIC) &&
		    fg_get64(slot + 8) > ret_run->sequence)
			run_decode(slot, ret_run);
		if (slot_read(lock_fd, slot, FG_TALLY_SIZE, FG_TALLY_AT + i * FG_TALLY_STEP,
			      FG_TALLY_MAGIC) &&
		    fg_get64(slot + 8) > ret_tally->sequence)
			tally_decode(slot, ret_tally);
	}
	if (ret_run->found && !run_sane(ret_run))
		ret_run->found = false;
	ret_run->failing = ret_run->failing || error_read(lock_fd, ret_run);
	name_read(lock_fd, ret_run);
	if (ret_tally->accepted >= FG_POSITION_MAX || ret_tally->committed > ret_tally->accepted ||
	    ret_tally->floor > ret_tally->accepted)
		ret_tally->accepted = ret_tally->committed = ret_tally->floor = 0;
}

/* The latest epochs: with more than a slot holds, the oldest are forgotten. */
static void epochs_encode(const struct fg_epochs *epochs, char *slot)
{
	uint32_t skip = epochs->count > FG_RUN_EPOCHS ? epochs->count - FG_RUN_EPOCHS : 0;

	fg_put32(slot + 48, epochs->count - skip);
	for (uint32_t i = skip; i < epochs->count; i++) {
		const struct fg_spool_epoch *epoch = epochs->all[i];
		char *p = slot + 52 + (i - skip) * EPOCH_SIZE;

		fg_put64(p, epoch->id);
		fg_put64(p + 8, epoch->base);
		fg_put64(p + 16, epoch->prev_id);
		fg_put64(p + 24, epoch->prev_last | (epoch->power_cut ? POWER_CUT_BIT : 0));
	}
}

int fg_state_write_run(struct fg_spool *spool, bool clean)
{
	char slot[FG_RUN_SIZE] = { 0 }, none[FG_ERROR_SIZE] = { 0 };
	uint64_t sequence = ++spool->run_sequence;
	int r;

	memcpy(slot, FG_RUN_MAGIC, 8);
	fg_put64(slot + 8, sequence);
	fg_put32(slot + 16, clean ? FG_RUN_CLEAN : FG_RUN_OPEN);
	fg_put32(slot + 20, (spool->conf.commit_ns == FG_COMMIT_EACH ? FG_SEGMENT_EACH : 0) |
				    (spool->sync_failing ? FG_RUN_FAILING : 0));
	fg_put64(slot + 24, spool->accepted);
	memcpy(slot + 32, spool->boot, 16);
	epochs_encode(&spool->epochs, slot);
	fg_put64(slot + FG_RUN_IDENTITY, spool->identity);
	slot_seal(slot, sizeof(slot));
	r = fg_spool_write_all(spool->io, spool->lock_fd, slot, sizeof(slot),
			       FG_RUN_AT + (sequence & 1) * FG_RUN_STEP);
	if (r == 0 && !spool->sync_failing)
		(void)fg_spool_write_all(spool->io, spool->lock_fd, none, sizeof(none),
					 FG_ERROR_AT);
	return r;
}

int fg_state_write_tally(struct fg_spool *spool)
{
	struct fg_tally *tally = &spool->tally;
	char slot[FG_TALLY_SIZE];
	int r;

	if (tally->accepted == spool->accepted && tally->committed == spool->committed &&
	    tally->floor == spool->floor &&
	    memcmp(tally->counters, spool->counters, sizeof(tally->counters)) == 0)
		return 0;
	memset(slot, 0, sizeof(slot));
	memcpy(slot, FG_TALLY_MAGIC, 8);
	fg_put64(slot + 8, tally->sequence + 1);
	fg_put64(slot + 16, spool->accepted);
	fg_put64(slot + 24, spool->committed);
	fg_put64(slot + 32, spool->floor);
	for (unsigned i = 0; i < FG_SPOOL_COUNTERS; i++)
		fg_put64(slot + 40 + 8 * i, spool->counters[i]);
	slot_seal(slot, sizeof(slot));
	r = fg_spool_write_all(spool->io, spool->lock_fd, slot, sizeof(slot),
			       FG_TALLY_AT + ((tally->sequence + 1) & 1) * FG_TALLY_STEP);
	if (r < 0)
		return r;
	*tally = (struct fg_tally){
		tally->sequence + 1, spool->accepted, spool->committed, spool->floor, { 0 }
	};
	memcpy(tally->counters, spool->counters, sizeof(tally->counters));
	spool->state_dirty = true;
	return 0;
}

/* -- epochs -- */

const struct fg_spool_epoch *fg_epochs_find(const struct fg_epochs *epochs, uint64_t id)
{
	for (uint32_t i = epochs->count; i-- > 0;)
		if (epochs->all[i]->id == id)
			return epochs->all[i];
	return NULL;
}

const struct fg_spool_epoch *fg_epochs_add(struct fg_epochs *epochs,
					   const struct fg_spool_epoch *epoch)
{
	const struct fg_spool_epoch *known = fg_epochs_find(epochs, epoch->id);
	struct fg_spool_epoch **all, *copy;
	uint32_t at = epochs->count;

	if (known)
		return known;
	all = realloc(epochs->all, (epochs->count + 1) * sizeof(struct fg_spool_epoch *));
	if (!all)
		return NULL;
	epochs->all = all;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return NULL;
	*copy = *epoch;
	/* in order of time; an epoch without records has the base of the one behind it */
	while (at > 0 && (all[at - 1]->base > epoch->base || (all[at - 1]->base == epoch->base &&
							      all[at - 1]->prev_id == epoch->id))) {
		all[at] = all[at - 1];
		at--;
	}
	all[at] = copy;
	epochs->count++;
	return copy;
}

void fg_epochs_pop(struct fg_epochs *epochs)
{
	free(epochs->all[--epochs->count]);
}

void fg_epochs_fini(struct fg_epochs *epochs)
{
	for (uint32_t i = 0; i < epochs->count; i++)
		free(epochs->all[i]);
	free(epochs->all);
	*epochs = (struct fg_epochs){ 0 };
}

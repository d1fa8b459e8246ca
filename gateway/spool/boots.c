/*
 * What is known of the clocks of this boot and of earlier ones: the time of day at boot, once it
 * was known to be right. With it, entries that were stamped before that get their true time, also
 * when they leave in another boot.
 */
#include "spool/private.h"

#include "base/crc32c.h"

#include <unistd.h>

static struct fg_boot *boot_find(struct fg_spool *spool, const uint8_t *id)
{
	for (unsigned i = 0; i < FG_BOOTS; i++)
		if (spool->boots[i].sequence && memcmp(spool->boots[i].id, id, 16) == 0)
			return &spool->boots[i];
	return NULL;
}

const struct fg_spool_boot *fg_boots_find(struct fg_spool *spool, const uint8_t *id)
{
	struct fg_boot *boot = boot_find(spool, id);

	return boot ? &boot->known : NULL;
}

/* The place of this boot; the oldest gives way. */
static void boots_enter(struct fg_spool *spool)
{
	struct fg_boot *oldest = &spool->boots[0];
	uint32_t last = 0;

	spool->this_boot = boot_find(spool, spool->boot);
	for (unsigned i = 0; i < FG_BOOTS; i++) {
		if (spool->boots[i].sequence > last)
			last = spool->boots[i].sequence;
		if (spool->boots[i].sequence < oldest->sequence)
			oldest = &spool->boots[i];
	}
	if (spool->this_boot)
		return;
	*oldest = (struct fg_boot){ .sequence = last + 1 };
	memcpy(oldest->id, spool->boot, 16);
	spool->this_boot = oldest;
}

void fg_boots_read(struct fg_spool *spool)
{
	char slots[FG_BOOTS * FG_BOOT_SIZE];

	memset(spool->boots, 0, sizeof(spool->boots));
	if (spool->lock_fd >= 0 &&
	    pread(spool->lock_fd, slots, sizeof(slots), FG_BOOTS_AT) == (ssize_t)sizeof(slots)) {
		for (unsigned i = 0; i < FG_BOOTS; i++) {
			const char *slot = slots + i * FG_BOOT_SIZE;

			if (fg_get32(slot + 36) != fg_crc32c(0, slot, 36))
				continue;
			memcpy(spool->boots[i].id, slot, 16);
			spool->boots[i].known.offset_ns = (int64_t)fg_get64(slot + 16);
			spool->boots[i].known.upto_ns = (int64_t)fg_get64(slot + 24);
			spool->boots[i].sequence = fg_get32(slot + 32);
		}
	}
	boots_enter(spool);
}

int fg_spool_clock_right(struct fg_spool *spool, int64_t offset_ns, int64_t boot_ns)
{
	struct fg_boot *boot = spool->this_boot;
	char slot[FG_BOOT_SIZE];

	boot->known = (struct fg_spool_boot){ offset_ns, boot_ns };
	memcpy(slot, boot->id, 16);
	fg_put64(slot + 16, (uint64_t)offset_ns);
	fg_put64(slot + 24, (uint64_t)boot_ns);
	fg_put32(slot + 32, boot->sequence);
	fg_put32(slot + 36, fg_crc32c(0, slot, 36));
	spool->state_dirty = true;
	return fg_spool_write_all(spool->io, spool->lock_fd, slot, sizeof(slot),
				  FG_BOOTS_AT + (uint64_t)(boot - spool->boots) * FG_BOOT_SIZE);
}

int64_t fg_spool_time(const struct fg_spool_view *view, bool *ret_unsynced)
{
	int64_t ns;

	*ret_unsynced = false;
	if (!(view->flags & FG_ENTRY_UNSYNCED))
		return view->wall_ns;
	if (!view->boot || view->boot_ns > view->boot->upto_ns ||
	    __builtin_add_overflow(view->boot_ns, view->boot->offset_ns, &ns)) {
		*ret_unsynced = true;
		return view->wall_ns;
	}
	return ns - ns % 1000000;
}

void fg_spool_date(const struct fg_spool_view *view, int64_t time_ns, struct fg_record *record)
{
	if (record->time_ns == FG_TIME_NONE || !record->from_arrival || time_ns == view->wall_ns)
		return;
	if (__builtin_add_overflow(record->time_ns, time_ns - view->wall_ns, &record->time_ns))
		record->time_ns = FG_TIME_NONE;
}

/*
 * What a driver wants to know again after a restart (struct fg_source.memo): one number an
 * instance, in SPOOLDIR/memo/NAME. Losing it is harmless by its meaning, so it is neither synced
 * nor checked beyond its form.
 */
#include "intake/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool memo_path(const struct fg_inlet *inlet, char *out)
{
	const char *dir = inlet->intake->conf.spool_dir;
	int n;

	if (!dir)
		return false;
	n = snprintf(out, PATH_MAX, "%s/memo", dir);
	if (n < 0 || n >= PATH_MAX || (mkdir(out, 0750) < 0 && errno != EEXIST))
		return false;
	n = snprintf(out, PATH_MAX, "%s/memo/%s", dir, inlet->name);
	return n > 0 && n < PATH_MAX;
}

void intake_load_memo(struct fg_inlet *inlet)
{
	char path[PATH_MAX], text[17] = { 0 };
	uint64_t memo;
	int fd;

	if (!memo_path(inlet, path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, 16) == 16 && sscanf(text, "%16" SCNx64, &memo) == 1)
		inlet->source.memo = memo;
	close(fd);
}

void fg_source_remember(struct fg_source *source, uint64_t memo)
{
	const struct fg_inlet *inlet = (const struct fg_inlet *)source;
	char path[PATH_MAX], text[18];
	int fd;

	if (memo == source->memo)
		return;
	source->memo = memo;
	if (!memo_path(inlet, path))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%016" PRIx64 "\n", memo);
	/* What was cut short does not read back, which is as good as lost. */
	if (write(fd, text, 17) != 17)
		fg_log(&source->logger, FG_DEBUG, "memo not kept", "file=%s", path);
	close(fd);
}

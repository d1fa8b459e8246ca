/*
 * The configuration of one process of several. What all of them run (a driver that can, a bridge)
 * gets names of its own; what only one can run (a serial line) is dealt out by the order of names,
 * so that it stays where it is as long as the names do.
 */
#include <fg/process.h>

#include "config/config.h"
#include "config/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *fg_process_text(const struct fg_process *process, const char *fmt, ...)
{
	char text[8192];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || n >= (int)sizeof(text))
		return NULL;
	return fg_arena_dup(process->arena, fg_str(text, (size_t)n));
}

const char *fg_process_path(const struct fg_process *process, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *dot = *base ? strrchr(base + 1, '.') : NULL;
	size_t stem = dot ? (size_t)(dot - path) : strlen(path);

	if (process->index == 1)
		return path;
	return fg_process_text(process, "%.*s-%u%s", (int)stem, path, process->index, path + stem);
}

/* How many of the drivers that are dealt out come before this one by name. */
static size_t place_of(const struct fg_config *config, const bool *dealt, size_t at)
{
	size_t place = 0;

	for (size_t i = 0; i < config->ndrivers; i++)
		place += dealt[i] && strcmp(config->drivers[i].name, config->drivers[at].name) < 0;
	return place;
}

static int share_drivers(struct fg_config *config, struct fg_process *process)
{
	bool *dealt = fg_arena_array(process->arena, config->ndrivers + 1, sizeof(*dealt));

	if (!dealt)
		return -ENOMEM;
	for (size_t i = 0; i < config->ndrivers; i++) {
		struct fg_driver_conf *d = &config->drivers[i];
		int r = -ENOTSUP;

		process->name = d->name;
		if (d->driver && d->driver->share)
			r = d->driver->share(d->conf, process);
		if (r < 0 && r != -ENOTSUP)
			return r;
		dealt[i] = r < 0;
		d->shared = r == 0;
	}
	for (size_t i = 0; i < config->ndrivers; i++)
		if (dealt[i] && place_of(config, dealt, i) % process->count + 1 != process->index)
			config->drivers[i].enabled = false;
	return 0;
}

static int share_bridges(struct fg_config *config, struct fg_process *process)
{
	int r = 0;

	for (size_t i = 0; i < config->nbridges && r == 0; i++) {
		struct fg_bridge_conf *b = &config->bridges[i];

		process->name = b->name;
		if (b->bridge && b->bridge->share)
			r = b->bridge->share(b->conf, process);
		/* commands come to the first, who knows the way to the others */
		if (process->index > 1)
			b->commands = b->remote = false;
	}
	return r;
}

int fg_config_share(struct fg_config *config, uint32_t index, uint32_t count)
{
	struct fg_process process = {
		.index = index,
		.count = count,
		.gateway = config->gateway.id,
		.arena = &config->arena,
	};
	struct fg_spool_conf *spool = &config->spool;
	const char *parent = config->run.socket;
	int r;

	config->run.socket =
		fg_process_text(&process, FG_PROCESS_SOCKET, config->run.socket, index);
	if (index > 1)
		spool->dir =
			fg_process_text(&process, "%s/" FG_PROCESS_FOLDER "%u", spool->dir, index);
	if (!config->run.socket || !spool->dir)
		return -ENOMEM;
	/* what is left over takes nothing, and must not be made to give anything up */
	if (index <= count)
		spool->limit /= count;
	/* the console is the first one's, and shows that one */
	if (index > 1)
		config->console_by = NULL;
	config->process = (struct fg_process_conf){ index, count, parent };
	r = share_drivers(config, &process);
	return r < 0 ? r : share_bridges(config, &process);
}

/* -- what cannot be shared -- */

static void check_socket(const struct fg_config *config, struct fg_faults *faults)
{
	struct fg_place run = { .key = "run" }, socket = { .up = &run, .key = "socket" };

	if (strlen(config->run.socket) > FG_PROCESS_SOCKET_MAX)
		fg_fault_at(faults, &socket,
			    "longer than %d bytes: with several processes each has one of its own",
			    FG_PROCESS_SOCKET_MAX);
}

static void check_limit(const struct fg_config *config, struct fg_faults *faults)
{
	struct fg_place spool = { .key = "spool" }, limit = { .up = &spool, .key = "limit" };
	uint64_t least = (uint64_t)64 << 10;

	if (config->spool.limit / (uint64_t)config->run.processes < least)
		fg_fault_at(faults, &limit,
			    "is shared by %d processes, of which each needs 64KiB or more",
			    (int)config->run.processes);
}

void fg_load_check_processes(struct fg_load *load)
{
	const struct fg_config *config = load->config;
	struct fg_faults *faults = load->reader.faults;
	struct fg_place fleet = { .key = "fleet" }, remote = { .up = &fleet, .key = "remote" };
	struct fg_place bridges = { .key = "bridges" };

	if (config->run.processes <= 1)
		return;
	check_socket(config, faults);
	check_limit(config, faults);
	if (config->fleet.remote)
		fg_fault_at(faults, &remote, "works with one process (run.processes) only");
	for (size_t i = 0; i < config->nbridges; i++) {
		const struct fg_bridge_conf *b = &config->bridges[i];
		struct fg_place above = { .up = &bridges, .key = b->name };

		if (b->bridge && b->bridge->alone && b->bridge->alone(b->conf))
			fg_fault_at(faults, &above,
				    "cannot be shared by several processes (run.processes)");
	}
}

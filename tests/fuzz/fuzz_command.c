/*
 * A command as it comes from afar: whatever the bytes are, they are refused with a word, or read
 * into a value, an id and a time that are bounded. A first line that ends in a newline is the path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "command/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

static void job_check(const struct job *job, uint64_t now)
{
	check(job->value.kind != FG_NONE && job->value.kind != FG_DATA);
	check(job->id.len <= 6 * ID_MAX + 2);
	check(job->id.len == 0 || fg_utf8_valid(job->id));
	check((job->id.len == 0) == (job->id_hash == 0));
	check(job->expires_ns >= now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = len ? memchr(data, '\n', len) : NULL;
	size_t path = end ? (size_t)(end - data) : 0;
	struct fg_clock clock;
	struct fg_commands commands = { 0 };
	struct fg_request request = {
		.path = fg_str((const char *)data, path),
		.payload = fg_str((const char *)data + path + (end ? 1 : 0),
				  len - path - (end ? 1 : 0)),
		.reply = FG_STR("back"),
	};
	struct job job = { .commands = &commands, .expires_ns = UINT64_MAX };
	const char *why = NULL;
	int r;

	fg_clock_init(&clock, true);
	commands.conf.clock = &clock;
	commands.conf.loop = fg_loop_new();
	check(commands.conf.loop != NULL);
	fg_arena_init(&job.arena, (size_t)512 << 10);
	fg_doc_init(&commands.doc, 8, FG_COMMAND_PAYLOAD);
	r = command_parse(&commands, &request, &job, &why);
	if (r == 0)
		job_check(&job, fg_loop_now(commands.conf.loop));
	else
		check(r == -ENOMEM || (r == -EINVAL && why));
	fg_doc_fini(&commands.doc);
	fg_arena_fini(&job.arena);
	fg_loop_free(commands.conf.loop);
	return 0;
}

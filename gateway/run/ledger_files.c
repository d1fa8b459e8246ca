/* The account of a gateway from its files alone, whether it runs or not. */
#include "run/private.h"

#include <errno.h>
#include <time.h>

struct files {
	const char *dir;
	struct fg_spool *spool;
	struct fg_buf *out;
	int64_t now_ns;
	bool more;
};

static int64_t wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Age in seconds of the first record behind the position that can still be read. */
static double oldest_age(const struct files *files, uint64_t position)
{
	struct fg_spool_reader *reader;
	struct fg_spool_view view;
	double age = 0;
	int r;

	if (fg_spool_reader_new(files->spool, position + 1, &reader) < 0)
		return 0;
	do {
		r = fg_spool_read(reader, &view);
	} while (r == 2);
	if (r == 1 && files->now_ns > view.wall_ns)
		age = (double)(files->now_ns - view.wall_ns) / 1e9;
	fg_spool_reader_free(reader);
	return age;
}

static int add_bridge(void *arg, const char *bridge)
{
	struct files *files = arg;
	uint64_t accepted = fg_spool_accepted(files->spool);
	struct fg_cursor_state state;
	struct fg_account account;

	/* one that does not read, begins anew when the gateway starts */
	if (fg_cursor_read(files->dir, bridge, &state) < 0)
		return 0;
	fg_cursor_clamp(&state, accepted);
	fg_account_of(&state, accepted, fg_spool_oldest(files->spool), &account);
	account.name = bridge;
	if (account.waiting)
		account.oldest_s = oldest_age(files, state.position);
	run_ledger_account(files->out, &account, files->more);
	files->more = true;
	return 0;
}

int fg_ledger_of_files(const char *spool_dir, const char *gateway, bool sure, struct fg_buf *out)
{
	struct files files = { .dir = spool_dir, .out = out, .now_ns = wall_now() };
	int r = fg_spool_open_readonly(spool_dir, &files.spool);

	if (r < 0)
		return r;
	if (!sure && fg_spool_gateway(files.spool)[0])
		gateway = fg_spool_gateway(files.spool);
	run_ledger_head(out, gateway, files.spool);
	r = fg_cursor_each(spool_dir, add_bridge, &files);
	fg_buf_text(out, "}}");
	fg_spool_close(files.spool, NULL, NULL);
	if (r < 0)
		return r;
	return out->failed ? -ENOMEM : 0;
}

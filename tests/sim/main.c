/*
 * sim [-vtb] [-s SEED] [-n COUNT]: runs COUNT seeds from SEED on (default 1, 1), and sums up.
 * A seed that fails is named, with the last steps; -v tells all of them. -t runs each twice and
 * compares what was done. -b breaks one thing after the other; each has to be seen within COUNT
 * seeds.
 */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED_SECONDS 60 /* of the processor; a machine that is busy with others is not to blame */

struct totals {
	uint64_t seed, seeds, turns, crashes, stops, reloads, cuts, failures, payloads, records;
	uint64_t virtual_s;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void world_make(struct world *w, uint64_t seed, bool verbose)
{
	int null = w->log.fd;
	enum broken broken = w->broken;

	*w = (struct world){ 0 };
	w->log.fd = null;
	w->broken = broken;
	w->seed = seed;
	w->verbose = verbose;
	w->random = seed * 0x9e3779b97f4a7c15 + 1;
	w->product_random = seed ^ 0x5851f42d4c957f2d;
	w->hash = 0xcbf29ce484222325;
	w->now_ns = FG_S(1000);
	w->disk.dies_in = -1;
	script_begin(w);
	w->end_ns += w->now_ns;
	life_write_conf(w);
}

static void one_step(struct world *w)
{
	uint64_t cuts = w->cuts;
	bool was_alive = w->loop != NULL;

	life_turn(w);
	if (w->loop && w->stopping)
		life_stop(w);
	if (was_alive && !w->loop) {
		if (w->cuts != cuts)
			os_power_cut(w);
		life_start(w);
	}
}

static void calm(struct world *w)
{
	w->calm = true;
	w->faults = 0;
	w->disk.permille = 0;
	w->disk.dies_in = -1;
	w->disciplined = true;
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		struct upstream *up = &w->upstream[i];

		up->configured = up->exists;
		up->stalled_until = up->busy_until = 0;
		if (up->hole)
			upstream_cut(up, -EPIPE);
	}
	sim_say(w, "all is calm");
}

static void drain(struct world *w)
{
	uint64_t end = w->now_ns + FG_S(4 * 3600);

	while (w->gateway && w->gateway->changing > 0)
		one_step(w);
	if (w->gateway)
		life_reload(w);
	else /* between two lives */
		life_write_conf(w);
	while (!check_drained(w)) {
		one_step(w);
		if (w->now_ns > end)
			sim_fail(w, "it does not drain");
	}
	check_end(w);
	life_stop(w);
}

static void world_free(struct world *w)
{
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		fg_audit_free(w->upstream[i].audit);
		free(w->upstream[i].got);
		fg_buf_fini(&w->upstream[i].overtaken);
	}
	os_forget(w);
}

static uint64_t one_seed(struct totals *totals, uint64_t seed, bool verbose)
{
	const struct itimerval limit = { .it_value.tv_sec = SEED_SECONDS };
	struct world *w = sim_world();

	totals->seed = seed;
	setitimer(ITIMER_PROF, &limit, NULL);
	alarm(20 * SEED_SECONDS);
	nftw("spool", remove_one, 8, FTW_DEPTH | FTW_PHYS);
	world_make(w, seed, verbose);
	life_start(w);
	while (w->now_ns < w->end_ns)
		one_step(w);
	calm(w);
	drain(w);
	totals->seeds++;
	totals->turns += w->turns;
	totals->crashes += w->crashes;
	totals->stops += w->stops;
	totals->reloads += w->reloads;
	totals->cuts += w->cuts;
	totals->failures += w->disk.failures;
	totals->payloads += w->npayloads;
	totals->virtual_s += w->now_ns / 1000000000 - 1000;
	for (unsigned i = 0; i < UPSTREAMS; i++)
		totals->records += w->upstream[i].records;
	world_free(w);
	return w->hash;
}

static int seeds_run(struct totals *totals, uint64_t first, uint64_t count, bool verbose,
		     bool twice)
{
	for (uint64_t seed = first; seed < first + count; seed++) {
		uint64_t hash = one_seed(totals, seed, verbose);

		if (twice && one_seed(totals, seed, false) != hash) {
			fprintf(stderr, "seed %llu is not the same twice\n",
				(unsigned long long)seed);
			return 1;
		}
	}
	return 0;
}

static int folder_make(char folder[64])
{
	snprintf(folder, 64, "%s/fg-sim-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -errno;
}

static int in_child(struct totals *totals, uint64_t first, uint64_t count, bool verbose, bool twice)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		sim_world()->log.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		exit(seeds_run(totals, first, count, verbose, twice));
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return 2;
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %llu ended by signal %d\n", (unsigned long long)totals->seed,
			WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Each in silence, as far as possible: whoever fails here says what everybody wants to read. */
static int broken_run(struct totals *totals, uint64_t first, uint64_t count)
{
	static const char *const NAMES[BROKEN__MAX] = {
		[BROKEN_SYNC] = "syncs do nothing",
		[BROKEN_WRITE] = "an entry is not written",
		[BROKEN_CURSOR] = "positions are not written",
		[BROKEN_BOOT] = "a new boot is not noticed",
		[BROKEN_ANSWER] = "acknowledged, but not received",
		[BROKEN_ORDER] = "a pack is overtaken",
	};
	unsigned unseen = 0;

	for (unsigned b = BROKEN_NOTHING + 1; b < BROKEN__MAX; b++) {
		uint64_t seed = first;

		sim_world()->broken = (enum broken)b;
		while (seed < first + count && in_child(totals, seed, 1, false, false) == 0)
			seed++;
		if (seed < first + count)
			printf("%s: seen by seed %llu\n", NAMES[b], (unsigned long long)seed);
		else
			printf("%s: NOT SEEN in %llu seeds\n", NAMES[b], (unsigned long long)count);
		unseen += seed == first + count;
	}
	printf("%u of %u broken things seen\n", BROKEN__MAX - 1 - unseen, BROKEN__MAX - 1);
	return unseen ? 1 : 0;
}

static void totals_print(const struct totals *t)
{
	printf("%llu seeds: %llu virtual hours, %llu turns, %llu payloads, %llu records received, "
	       "%llu crashes, %llu power cuts, %llu stops, %llu reloads, %llu disk failures\n",
	       (unsigned long long)t->seeds, (unsigned long long)t->virtual_s / 3600,
	       (unsigned long long)t->turns, (unsigned long long)t->payloads,
	       (unsigned long long)t->records, (unsigned long long)t->crashes,
	       (unsigned long long)t->cuts, (unsigned long long)t->stops,
	       (unsigned long long)t->reloads, (unsigned long long)t->failures);
}

int main(int argc, char **argv)
{
	struct totals *totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool verbose = false, twice = false, broken = false;
	uint64_t first = 1, count = 1;
	char folder[64];
	int option, r;

	while ((option = getopt(argc, argv, "vtbs:n:")) != -1) {
		if (option == 'v')
			verbose = true;
		else if (option == 't')
			twice = true;
		else if (option == 'b')
			broken = true;
		else if (option == 's')
			first = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			count = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (totals == MAP_FAILED || folder_make(folder) < 0)
		return 2;
	if (broken) {
		r = broken_run(totals, first, count);
	} else {
		r = in_child(totals, first, count, verbose, twice);
		totals_print(totals);
	}
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return r;
}

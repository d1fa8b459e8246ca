/*
 * Power cuts. A gateway works for a while, is killed, stopped, started again, on a disk that is
 * recorded; then the states that a cut could have left are made, a gateway is started on each, and
 * what its upstreams have in the end is compared with what ever happened.
 *
 *   proof_power_cut --states N --seed S   N states; a group of up to 60 has the seeds S, S+1, ...
 *   proof_power_cut ... --keep FOLDER     starts nothing, and leaves each state in a folder of its
 *                                         own with what must hold of it, for states.py
 *   proof_power_cut --self-test --seed S  each sync of the product is left out once, and has to be
 *                                         missed
 */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATES = 20, KEPT_STATES = 2, SELF_STATES = 25, SELF_GROUPS = 60 };

struct proof {
	char root[40], live[64], cut[64], base[64], scratch[64], kept[64];
	struct history history;
	struct fg_spool_conf conf;
	uint64_t random, boots;
	/* figures */
	uint64_t states, records, groups;
	uint64_t seed; /* of the group */
	const char *keep; /* NULL: each state is judged here */
};

/* -- the life that is recorded -- */

static void conf_choose(struct proof *p)
{
	static const int64_t commits[] = { 1000000000, 1000000000, FG_COMMIT_EACH,
					   FG_COMMIT_NEVER };
	/* one that holds all that there is is never given back, and no cursor synced for that */
	static const uint64_t segments[] = { 4096, 4096, 16384, 1 << 20 };
	struct history *h = &p->history;

	p->conf = (struct fg_spool_conf){
		.limit = 4 << 20,
		.segment = segments[random_below(&p->random, 4)],
		.commit_ns = commits[random_below(&p->random, 4)],
		.when_full = FG_FULL_DROP_OLDEST,
	};
	h->dropping = random_chance(&p->random, 15);
	if (h->dropping)
		p->conf.limit = 96 << 10;
	else if (random_chance(&p->random, 20)) {
		p->conf.limit = 128 << 10;
		p->conf.when_full = FG_FULL_REFUSE;
	}
	h->each = p->conf.commit_ns == FG_COMMIT_EACH;
	h->never = p->conf.commit_ns == FG_COMMIT_NEVER;
}

static void step_append(struct world *w)
{
	for (uint32_t n = 1 + random_below(w->random, 5); n > 0; n--)
		world_append(w);
	world_flush(w);
	world_turn(w, FG_MS(1 + random_below(w->random, 10)));
}

static void step_settle(struct world *w)
{
	static const int errors[] = { -EBADMSG, -EMSGSIZE, -EAGAIN };

	for (uint32_t n = random_below(w->random, 4); n > 0 && w->nheld; n--) {
		uint32_t which = random_below(w->random, w->nheld);
		struct fg_str pack = w->held[which]->payload;
		/* who refuses to hear of a loss cannot know of it */
		bool news = memmem(pack.ptr, pack.len, "\"why\":", 6);

		world_settle(w, which,
			     !news && random_chance(w->random, 8) ?
				     errors[random_below(w->random, 3)] :
				     0);
	}
	world_turn(w, FG_MS(1));
}

static void step_drain(struct world *w)
{
	for (int i = 0; i < 40 && w->up_box->head < w->up_box->tail; i++) {
		while (w->nheld)
			world_settle(w, 0, 0);
		world_wait(w, FG_MS(20));
	}
	world_wait(w, FG_MS(1500));
}

/* False: it does not start again. */
static bool step_again(struct proof *p, struct world *w, bool clean)
{
	if (clean)
		world_stop(w);
	else
		world_kill(w);
	return world_up(w, p->live);
}

static bool step(struct proof *p, struct world *w)
{
	uint32_t r = random_below(w->random, 1000);

	if (r < 380)
		step_append(w);
	else if (r < 600)
		step_settle(w);
	else if (r < 750 && w->nworks)
		world_work(w, random_below(w->random, w->nworks));
	else if (r < 940)
		world_wait(w, FG_MS(20 + random_below(w->random, 400)));
	else if (r < 955)
		step_drain(w);
	else if (r < 975)
		return step_again(p, w, true);
	else if (r < 990)
		return step_again(p, w, false);
	else if (p->history.faulty && !disk_get()->eio_in)
		disk_get()->eio_in = 1 + random_below(w->random, 4);
	return true;
}

static void live(struct proof *p, struct world *w)
{
	bool up;

	*w = (struct world){ .history = &p->history, .random = &p->random, .conf = p->conf };
	p->history.fence = 0;
	disk_boot(++p->boots);
	disk_begin(p->live);
	disk_get()->now_ns = &w->now_ns;
	up = world_up(w, p->live);
	for (uint32_t n = 40 + random_below(&p->random, 160); up && n > 0; n--)
		up = step(p, w) && !w->fault[0];
	world_kill(w);
	if (!w->fault[0] && !disk_matches(p->scratch))
		world_fault(w, "the record is not what happened");
	disk_get()->mode = DISK_OFF;
}

/* -- and what comes behind the cut -- */

static uint32_t cut_choose(uint64_t *random)
{
	const struct disk *d = disk_get();
	uint32_t at = 1 + random_below(random, d->nops);

	if (random_chance(random, 60))
		return at;
	while (at < d->nops && d->ops[at].kind != DISK_SYNC)
		at++;
	at += random_below(random, 3);
	return at < d->nops ? at : d->nops;
}

static void recovered_work(struct world *w)
{
	for (uint32_t n = 1 + random_below(w->random, 4); n > 0; n--)
		world_append(w);
	world_flush(w);
}

/* Once more, after a clean end: all is as it was. */
static void recovered_again(struct proof *p, struct world *w)
{
	uint64_t accepted = fg_spool_accepted(w->spool), epoch = fg_spool_epoch(w->spool)->id;

	world_stop(w);
	disk_boot(++p->boots);
	if (world_up(w, p->cut) &&
	    (fg_spool_accepted(w->spool) != accepted || fg_spool_epoch(w->spool)->id != epoch))
		world_fault(w, "a clean end was not one");
}

/* Starts a gateway on what is in the folder. False: something is missing. */
static bool recover(struct proof *p, uint32_t at, uint64_t *random, char fault[256])
{
	struct history *h = &p->history;
	uint32_t count = h->count;
	struct seen after = { 0 };
	struct world w = {
		.history = h, .random = random, .conf = p->conf, .takes = &after, .instant = at
	};
	uint64_t cut_ns = disk_get()->ops[at - 1].now_ns;
	bool good;

	h->fence = count;
	w.now_ns = cut_ns;
	disk_boot(++p->boots);
	good = world_up(&w, p->cut);
	if (good && random_chance(random, 50))
		world_drain(&w);
	if (good) {
		recovered_work(&w);
		good = world_drain(&w) && judge(&w, at, cut_ns, &after);
	}
	if (good && random_chance(random, 20))
		recovered_again(p, &w);
	p->records += after.ngot;
	snprintf(fault, 256, "%s", w.fault);
	world_kill(&w);
	seen_free(&after);
	h->count = count;
	return !fault[0];
}

static bool state_keep(const struct proof *p, uint32_t at)
{
	char path[256];

	snprintf(path, sizeof(path), "%.200s/%" PRIu64, p->keep, p->states);
	assert(mkdir(path, 0750) == 0);
	folder_copy(p->cut, path);
	facts_write(&p->history, &p->conf, at, NULL, NULL, path);
	return true;
}

static bool state_judge(struct proof *p, uint32_t at, const void *skip, uint64_t seed,
			char fault[256])
{
	uint64_t random = random_seed(seed);

	disk_build(at, &random, skip, false, p->cut);
	if (getenv("PROOF_KEEP"))
		folder_copy(p->cut, p->kept);
	p->states++;
	if (p->keep)
		return state_keep(p, at);
	return recover(p, at, &random, fault);
}

/* -- groups of states -- */

static void group_begin(struct proof *p, uint64_t seed)
{
	char out[96];

	history_free(&p->history);
	p->seed = seed;
	p->random = random_seed(seed);
	disk_get()->random = random_seed(seed + 1);
	conf_choose(p);
	folder_empty(p->live);
	snprintf(out, sizeof(out), "%s/out", p->live);
	assert(mkdir(out, 0750) == 0);
}

static bool group_fault(const struct proof *p, unsigned trace, uint32_t at, const char *fault)
{
	if (getenv("PROOF_KEEP")) { /* look at what it stands on */
		fprintf(stderr, "kept in %s\n", p->scratch);
		folder_copy(p->kept, p->scratch);
		abort();
	}
	fprintf(stderr, "seed %" PRIu64 ", life %u, cut %" PRIu32 " (%s%s%s%s): %s\n", p->seed,
		trace, at,
		p->history.each	 ? "each" :
		p->history.never ? "never" :
				   "1s",
		p->history.dropping ? ", dropping" : "", p->history.faulty ? ", faulty" : "",
		p->conf.when_full == FG_FULL_REFUSE ? ", refusing" : "", fault);
	return false;
}

/* The next life begins on what this cut left. */
static void group_go_on(struct proof *p, uint64_t *random)
{
	uint32_t at = cut_choose(random);

	disk_build(at, random, NULL, false, p->base);
	history_cut(&p->history, at);
	folder_copy(p->base, p->live);
}

static bool group_run(struct proof *p, uint64_t seed, uint64_t want)
{
	unsigned lives;
	char fault[256];
	bool good = true;

	group_begin(p, seed);
	lives = 1 + random_below(&p->random, 3);
	for (unsigned n = 0; n < lives && p->states < want; n++) {
		uint64_t random = random_seed(seed * 7 + n);
		struct world w;

		p->history.faulty = p->history.faulty || random_chance(&p->random, 20);
		live(p, &w);
		if (w.fault[0])
			return group_fault(p, n, 0, w.fault);
		for (unsigned i = 0; i < (p->keep ? KEPT_STATES : STATES) && p->states < want;
		     i++) {
			uint32_t at = cut_choose(&random);

			if (!state_judge(p, at, NULL, random_next(&random), fault))
				good = group_fault(p, n, at, fault);
		}
		if (n + 1 < lives)
			group_go_on(p, &random);
	}
	p->groups++;
	return good;
}

static int states_run(struct proof *p, uint64_t seed, uint64_t want)
{
	uint64_t bad = 0;

	while (p->states < want && bad < 10)
		bad += !group_run(p, seed++, want);
	printf("%" PRIu64 " states of %" PRIu64 " lives' disks, %" PRIu64 " records: %" PRIu64
	       " faults\n",
	       p->states, p->groups, p->records, bad);
	return bad ? 1 : 0;
}

/* -- the proof of the proof -- */

struct self {
	bool seen[DISK_SITES];
	unsigned tries[DISK_SITES];
	char fault[DISK_SITES][256];
};

static void self_group(struct proof *p, struct self *s, uint64_t seed)
{
	unsigned lives = 1 + seed % 3;

	group_begin(p, seed);
	p->history.faulty = seed % 4 == 3;
	for (unsigned n = 0; n < lives; n++) {
		uint64_t random = random_seed(seed * 7 + n);
		struct world w;

		live(p, &w);
		assert(!w.fault[0]);
		for (uint32_t site = 0; site < disk_get()->nsites; site++)
			for (unsigned i = 0; i < SELF_STATES && !s->seen[site]; i++) {
				s->tries[site]++;
				s->seen[site] = !state_judge(p, cut_choose(&random),
							     disk_get()->sites[site],
							     random_next(&random), s->fault[site]);
			}
		if (n + 1 < lives)
			group_go_on(p, &random);
	}
}

extern const char __executable_start[];

/* Which function it is in; without binutils the address says less. */
static void site_name(const void *site, char *name, size_t size)
{
	char address[32], self[256] = "";
	int pipes[2];
	ssize_t n = 0;
	pid_t pid;

	snprintf(address, sizeof(address), "0x%zx",
		 (size_t)((const char *)site - __executable_start) - 1);
	snprintf(name, size, "%s", address);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || pipe(pipes) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execlp("addr2line", "addr2line", "-f", "-s", "-e", self, address, NULL);
		_exit(127);
	}
	close(pipes[1]);
	if (pid > 0) {
		n = read(pipes[0], name, size - 1);
		waitpid(pid, NULL, 0);
	}
	close(pipes[0]);
	if (n > 0)
		name[n] = '\0';
	else
		snprintf(name, size, "%s", address);
	for (char *c = name; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

static bool self_open(const struct self *s)
{
	for (uint32_t i = 0; i < disk_get()->nsites; i++)
		if (!s->seen[i])
			return true;
	return disk_get()->nsites == 0;
}

static int self_run(struct proof *p, uint64_t seed)
{
	struct self *s = calloc(1, sizeof(*s));
	uint32_t missed = 0, n;

	assert(s);
	for (unsigned group = 0; group < 24 || (group < SELF_GROUPS && self_open(s)); group++)
		self_group(p, s, seed + group);
	n = disk_get()->nsites;
	for (uint32_t i = 0; i < n; i++) {
		char name[160];

		site_name(disk_get()->sites[i], name, sizeof(name));
		printf("%s%s: %s (%u states)\n", s->seen[i] ? "" : "NOT MISSED: ", name,
		       s->seen[i] ? s->fault[i] : "nothing happens without it", s->tries[i]);
		missed += !s->seen[i];
	}
	free(s);
	printf("%u syncs left out in turn: %u of them missed\n", n, n - missed);
	return missed ? 1 : 0;
}

static void folders_make(struct proof *p)
{
	const char *where = getenv("TMPDIR");

	if (!where)
		where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(p->root, sizeof(p->root), "%.20s/fg-proof-XXXXXX", where);
	assert(mkdtemp(p->root));
	snprintf(p->live, sizeof(p->live), "%s/live", p->root);
	snprintf(p->cut, sizeof(p->cut), "%s/cut", p->root);
	snprintf(p->base, sizeof(p->base), "%s/base", p->root);
	snprintf(p->scratch, sizeof(p->scratch), "%s/scratch", p->root);
	assert(mkdir(p->live, 0750) == 0 && mkdir(p->cut, 0750) == 0);
	snprintf(p->kept, sizeof(p->kept), "%s/kept", p->root);
	assert(mkdir(p->kept, 0750) == 0);
	assert(mkdir(p->base, 0750) == 0 && mkdir(p->scratch, 0750) == 0);
	snprintf(disk_get()->boot, sizeof(disk_get()->boot), "%s/boot", p->root);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, states = 1000;
	bool self = false;
	struct proof p = { 0 };
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--self-test") == 0)
			self = true;
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--states") == 0 && i + 1 < argc)
			states = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
			p.keep = argv[++i];
		else
			return 2;
	}
	folders_make(&p);
	r = self ? self_run(&p, seed) : states_run(&p, seed, states);
	disk_end();
	history_free(&p.history);
	folder_empty(p.root);
	rmdir(p.root);
	return r;
}

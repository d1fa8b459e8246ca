/* One process after another in the same folder, each with a loop of its own. */
#include "sim.h"

#include "loop/loop_private.h"
#include "profile/shipped.h"

#include <errno.h>
#include <sys/epoll.h>

#define CONF "gateway.json"

static void write_sinks(struct world *w, FILE *out)
{
	bool more = false;

	fprintf(out, "},\n\"bridges\":{");
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		const struct upstream *up = &w->upstream[i];

		if (!up->configured)
			continue;
		fprintf(out,
			"%s\n\"u%u\":{\"type\":\"sim\",\"peer\":%u,\"start\":\"oldest\","
			"\"batch\":{\"records\":%u,\"bytes\":\"%uKiB\",\"linger\":\"%ums\"},"
			"\"window\":%u,\"stall\":\"%us\",\"order\":\"%s\",\"commands\":true%s}",
			more ? "," : "", i, i, w->conf.sink[i].records, w->conf.sink[i].kib,
			w->conf.sink[i].linger_ms, w->conf.sink[i].window, w->conf.sink[i].stall_s,
			w->conf.sink[i].live_first ? "live-first" : "oldest-first",
			up->match_some ? ",\"match\":[\"f0a/#\",\"+/p0\"]" : "");
		more = true;
	}
	fprintf(out, "}}\n");
}

void life_write_conf(struct world *w)
{
	FILE *out = fopen(CONF, "we");
	bool more = false;

	if (!out)
		sim_fail(w, "cannot write %s", CONF);
	fprintf(out,
		"{\"gateway\":{\"id\":\"gw\"},\"run\":{\"socket\":\"control.sock\"},\n"
		"\"spool\":{\"dir\":\"spool\",\"limit\":\"%uKiB\",\"segment\":\"%uKiB\","
		"\"commit\":\"%s\",\"when_full\":\"%s\"},\n"
		"\"liveness\":{\"enabled\":%s},\"clock\":{\"trust\":\"%s\"},\n"
		"\"profiles\":{\"sim\":{\"match\":\"{device}\",\"write\":{\"+\":{}}}},\n"
		"\"drivers\":{",
		w->conf.limit_kib, w->conf.segment_kib, w->conf.commit,
		w->conf.refuse ? "refuse" : "drop-oldest", w->conf.liveness ? "true" : "false",
		w->conf.trust ? "always" : "kernel");
	for (unsigned i = 0; i < FIELDS; i++) {
		if (!w->field[i].exists)
			continue;
		fprintf(out, "%s\n\"f%ua\":{\"type\":\"%s\",\"peer\":%u}", more ? "," : "", i,
			w->field[i].line ? "simline" : "sim", i);
		more = true;
	}
	write_sinks(w, out);
	if (fclose(out) != 0)
		sim_fail(w, "cannot write %s", CONF);
}

/* -- the loop's system -- */

static uint64_t sim_now(void *arg)
{
	return ((struct world *)arg)->now_ns;
}

static int sim_wait(void *arg, int epoll_fd, struct epoll_event *events, int max,
		    uint64_t timeout_ns)
{
	struct world *w = arg;
	int n = epoll_wait(epoll_fd, events, max, 0);
	uint64_t next = sim_next_due(w), until;

	if (n != 0)
		return n < 0 ? -EINTR : n;
	until = timeout_ns > UINT64_MAX - w->now_ns ? UINT64_MAX : w->now_ns + timeout_ns;
	if (next < until)
		until = next;
	if (until == UINT64_MAX)
		sim_fail(w, "nothing will ever happen again");
	if (until > w->now_ns)
		w->now_ns = until;
	fg_loop_update_now(w->loop);
	sim_run_due(w);
	return 0;
}

static struct fg_config *conf_load(struct world *w)
{
	struct fg_config *config = NULL;
	struct fg_faults faults;

	fg_faults_init(&faults);
	if (fg_config_load(CONF, fg_shipped_profiles(), &faults, &config) < 0)
		sim_fail(w, "%s: %zu faults, %s", CONF, faults.faults,
			 faults.count ? faults.items[0].text : "?");
	fg_faults_fini(&faults);
	return config;
}

static void on_stopped(void *arg)
{
	((struct world *)arg)->stopped = true;
}

static void life_end(struct world *w)
{
	unsigned turns = 0;

	while (!w->stopped) {
		if (fg_loop_turn(w->loop, true) < 0 || ++turns > 100000)
			sim_fail(w, "it does not stop");
		if (!w->disk.dead)
			check_turn(w);
	}
	w->gateway = fg_gateway_free(w->gateway);
	while (fg_loop_turn(w->loop, false) > 0)
		if (++turns > 100000)
			sim_fail(w, "something stays open behind the end");
	w->loop = fg_loop_free(w->loop);
	w->disk.dies_in = -1;
	w->stopping = false;
}

void life_start(struct world *w)
{
	struct fg_gateway_failure failure;
	struct fg_faults faults;
	struct fg_config *config;
	int r;

	w->life++;
	w->stopped = false;
	w->loop = fg_loop_new();
	fg_loop_set_os(w->loop, &(struct fg_loop_os){ sim_now, sim_wait, w });
	fg_log_init(&w->log, w->log.fd, FG_DEBUG);
	config = conf_load(w);
	fg_faults_init(&faults);
	sim_say(w, "life %u", w->life);
	r = fg_gateway_start(w->loop, &w->log, config, CONF, &faults, &failure, &w->gateway);
	fg_faults_fini(&faults);
	if (r == 0)
		return;
	sim_say(w, "does not start: %s", failure.text);
	if (!w->disk.permille && !w->disk.dead)
		sim_fail(w, "does not start: %s", failure.text);
	if (w->gateway) {
		fg_gateway_stop(w->gateway, on_stopped, w);
		life_end(w);
	} else {
		while (fg_loop_turn(w->loop, false) > 0)
			;
		w->loop = fg_loop_free(w->loop);
	}
	w->disk.dead = false;
	/* whoever starts it waits a little */
	w->now_ns += FG_S(5);
}

void life_turn(struct world *w)
{
	if (!w->loop) {
		w->disk.permille = 0;
		life_start(w);
		return;
	}
	w->turns++;
	if (fg_loop_turn(w->loop, true) < 0)
		sim_fail(w, "the loop fails");
	if (w->disk.dead)
		life_drop(w);
	else
		check_turn(w);
}

void life_stop(struct world *w)
{
	w->stops++;
	w->stopping = true;
	sim_say(w, "is stopped");
	fg_gateway_stop(w->gateway, on_stopped, w);
	life_end(w);
	if (w->disk.dead)
		w->crashes++;
	w->disk.dead = false;
}

void life_drop(struct world *w)
{
	w->disk.dead = true;
	w->crashes++;
	sim_say(w, "is dead");
	for (unsigned i = 0; i < UPSTREAMS; i++)
		upstream_allow(&w->upstream[i]);
	fg_gateway_stop(w->gateway, on_stopped, w);
	life_end(w);
	w->disk.dead = false;
}

void life_reload(struct world *w)
{
	struct fg_faults faults;
	int r;

	w->reloads++;
	life_write_conf(w);
	fg_faults_init(&faults);
	r = fg_gateway_reload(w->gateway, &faults, NULL);
	sim_say(w, "reload: %d", r);
	if (r < 0 && r != -EBUSY && !w->disk.permille)
		sim_fail(w, "reload: %d, %s", r, faults.count ? faults.items[0].text : "?");
	fg_faults_fini(&faults);
}

/*
 * `fieldgate simulate`: devices for a demonstration or a load. Readings are dealt evenly to the
 * transports that were asked for; it ends when all of them are acknowledged, or when it is told to,
 * and says on stdout what became of them.
 */
#include "cli/simulate.h"

#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 3
#define GRACE_NS FG_S(3)	/* for what is still on the way when it is told to stop */

struct sim {
	struct sim_conf conf;
	struct fg_loop *loop;
	struct fg_signal interrupt, terminate;
	struct fg_timer grace, linger;
	struct fg_defer settle;
	struct sim_stream *streams[STREAMS_MAX];
	unsigned nstreams;
	bool told, summed, ended, failed;
};

/* -- what is wanted -- */

static int number_parse(const char *text, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || number > (most - (uint64_t)(*text - '0')) / 10)
			return -EINVAL;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	*ret_number = number;
	return 0;
}

static int rate_parse(const char *text, double *ret_rate)
{
	char *end;
	double rate;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	rate = strtod(text, &end);
	if (*end || !(rate <= 1e7))
		return -EINVAL;
	*ret_rate = rate;
	return 0;
}

static int url_check(const char *text, const char *scheme, const char *or_scheme)
{
	struct sim_url url;

	if (sim_url_parse(text, "1", &url) < 0)
		return -EINVAL;
	if (strcmp(url.scheme, scheme) != 0 && (!or_scheme || strcmp(url.scheme, or_scheme) != 0))
		return -EINVAL;
	return 0;
}

/* What the flags hold as written; NULL: not given. */
struct words {
	const char *devices, *rate, *count, *linger;
};

/* The first flag whose value is none for it, or NULL. */
static const char *words_read(const struct words *words, struct sim_conf *conf)
{
	uint64_t devices = conf->devices;

	if (conf->mqtt && url_check(conf->mqtt, "mqtt", "unix") < 0)
		return "--mqtt: expected mqtt://host:port or unix:///path";
	if (conf->coap && url_check(conf->coap, "coap", NULL) < 0)
		return "--coap: expected coap://host:port";
	if (words->devices && (number_parse(words->devices, 1000000, &devices) < 0 || !devices))
		return "--devices: expected a number from 1 to 1000000";
	if (words->rate && rate_parse(words->rate, &conf->rate) < 0)
		return "--rate: expected readings per second, 0 to 10000000";
	if (words->count && number_parse(words->count, UINT64_MAX / 2, &conf->count) < 0)
		return "--count: expected a number";
	if (words->linger && fg_duration_parse(fg_str_c(words->linger), &conf->linger_ns) < 0)
		return "--linger: expected a time such as 5s";
	if (!conf->mqtt && !conf->coap && !conf->serial)
		return "one of --mqtt, --coap and --serial is needed";
	conf->devices = (uint32_t)devices;
	return NULL;
}

/* False: there is nothing to do any more, with *ret_status. */
static bool arguments_read(int argc, char **argv, struct sim_conf *conf, int *ret_status)
{
	struct words words = { 0 };
	const struct fg_cli_flag flags[] = {
		{ 0, "mqtt", "URL", "publish to a broker, QoS 1, on devices/dNNNN/telemetry", NULL,
		  &conf->mqtt },
		{ 0, "coap", "URL", "post to /dNNNN, confirmable", NULL, &conf->coap },
		{ 0, "serial", NULL, "print lines into a pseudo-terminal; its path goes to stdout",
		  &conf->serial, NULL },
		{ 0, "devices", "N", "how many devices (10)", NULL, &words.devices },
		{ 0, "rate", "R", "readings per second over all (10); 0: as fast as they are taken",
		  NULL, &words.rate },
		{ 0, "count", "N", "readings over all (0: until interrupted)", NULL, &words.count },
		{ 0, "linger", "TIME",
		  "how long the pseudo-terminal stays after the last reading (until interrupted)",
		  NULL, &words.linger },
		{ 0 },
	};
	const struct fg_cli_usage usage = {
		.name = "simulate",
		.operands = "",
		.summary = "Devices for a demonstration or a load. At the end a line of JSON\n"
			   "says what was sent and acknowledged.",
		.flags = flags,
	};
	const char *wrong;

	if (fg_cli_parse(&usage, argc, argv, ret_status) < 0)
		return false;
	wrong = words_read(&words, conf);
	if (wrong)
		*ret_status = fg_cli_misuse("simulate", "%s", wrong);
	return !wrong;
}

/* -- what came of it -- */

void sim_say(const struct sim_stream *stream, const char *what, const char *why)
{
	fprintf(stderr, "fieldgate simulate: %s: %s; %s\n", stream->ops->name, what, why);
}

static void stream_sum(const struct sim_stream *stream)
{
	printf("\"%s\":{\"sent\":%llu", stream->ops->name, (unsigned long long)stream->sent);
	if (stream->ops->acknowledges)
		printf(",\"acknowledged\":%llu,\"refused\":%llu,\"repeated\":%llu",
		       (unsigned long long)stream->acknowledged,
		       (unsigned long long)stream->refused, (unsigned long long)stream->repeated);
	printf("}");
}

static void summary_print(struct sim *sim)
{
	if (sim->summed)
		return;
	sim->summed = true;
	printf("{");
	for (unsigned i = 0; i < sim->nstreams; i++) {
		if (i)
			printf(",");
		stream_sum(sim->streams[i]);
	}
	printf("}\n");
	fflush(stdout);
}

/* -- the end -- */

static void sim_end(struct sim *sim)
{
	if (sim->ended)
		return;
	sim->ended = true;
	summary_print(sim);
	for (unsigned i = 0; i < sim->nstreams; i++)
		sim_stream_close(sim->streams[i]);
	fg_loop_cancel(sim->loop, &sim->settle);
	fg_handle_close(&sim->interrupt.handle, NULL);
	fg_handle_close(&sim->terminate.handle, NULL);
	fg_handle_close(&sim->grace.handle, NULL);
	fg_handle_close(&sim->linger.handle, NULL);
}

void sim_stream_closed(struct sim_stream *stream)
{
	/* the loop ends by itself once nothing is open; the memory goes then */
	(void)stream;
}

static bool all_done(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->nstreams; i++)
		if (!sim_stream_done(sim->streams[i]))
			return false;
	return true;
}

static void settle_look(struct fg_defer *defer)
{
	struct sim *sim = (struct sim *)((char *)defer - offsetof(struct sim, settle));

	if (sim->failed)
		sim_end(sim);
	if (sim->ended || !all_done(sim))
		return;
	summary_print(sim);
	/* what the reader of a pseudo-terminal has not read yet goes with it */
	if (!sim->conf.serial || sim->told || sim->conf.linger_ns == 0)
		sim_end(sim);
	else if (sim->conf.linger_ns > 0)
		fg_timer_start(&sim->linger, (uint64_t)sim->conf.linger_ns);
}

/* Later, because the streams call it from amid their own work. */
void sim_settled(struct sim *sim)
{
	fg_loop_defer(sim->loop, &sim->settle);
}

void sim_fail(struct sim *sim, struct sim_stream *stream, const char *what, int error)
{
	sim_say(stream, what, error ? strerror(-error) : "giving up");
	sim->failed = true;
	sim_settled(sim);
}

static void grace_over(struct fg_timer *timer)
{
	sim_end((struct sim *)((char *)timer - offsetof(struct sim, grace)));
}

static void linger_over(struct fg_timer *timer)
{
	sim_end((struct sim *)((char *)timer - offsetof(struct sim, linger)));
}

/* The first time it lets what is on the way come to its end, the second time it does not. */
static void told_to_stop(struct sim *sim)
{
	if (sim->told || sim->summed) {
		sim_end(sim);
		return;
	}
	sim->told = true;
	for (unsigned i = 0; i < sim->nstreams; i++)
		sim_stream_stop(sim->streams[i]);
	fg_timer_start(&sim->grace, GRACE_NS);
	sim_settled(sim);
}

static void interrupted(struct fg_signal *handle, int signo)
{
	(void)signo;
	told_to_stop((struct sim *)((char *)handle - offsetof(struct sim, interrupt)));
}

static void terminated(struct fg_signal *handle, int signo)
{
	(void)signo;
	told_to_stop((struct sim *)((char *)handle - offsetof(struct sim, terminate)));
}

/* -- the beginning -- */

static int stream_add(struct sim *sim, struct sim_stream *stream, const char *url)
{
	if (!stream)
		return -ENOMEM;
	stream->sim = sim;
	stream->loop = sim->loop;
	stream->url = url;
	sim->streams[sim->nstreams++] = stream;
	return 0;
}

static int streams_make(struct sim *sim)
{
	const struct sim_conf *conf = &sim->conf;
	int err = 0;

	if (conf->mqtt)
		err = stream_add(sim, sim_mqtt_new(sim->loop, conf->devices), conf->mqtt);
	if (err == 0 && conf->coap)
		err = stream_add(sim, sim_coap_new(sim->loop, conf->devices), conf->coap);
	if (err == 0 && conf->serial)
		err = stream_add(sim, sim_serial_new(sim->loop, conf->devices), NULL);
	for (unsigned i = 0; i < sim->nstreams; i++) {
		struct sim_stream *stream = sim->streams[i];

		stream->rate = conf->rate / sim->nstreams;
		stream->count = conf->count / sim->nstreams + (i < conf->count % sim->nstreams);
		/* a share of nothing is not "until interrupted" */
		if (conf->count && !stream->count)
			stream->stopping = true;
	}
	return err;
}

static void streams_open(struct sim *sim)
{
	for (unsigned i = 0; i < sim->nstreams; i++) {
		int err = sim_stream_open(sim->streams[i]);

		if (err < 0)
			sim_fail(sim, sim->streams[i], "cannot begin", err);
	}
}

static int sim_run(struct sim *sim)
{
	int err;

	fg_timer_init(sim->loop, &sim->grace, grace_over);
	fg_timer_init(sim->loop, &sim->linger, linger_over);
	sim->settle.cb = settle_look;
	err = fg_signal_init(sim->loop, &sim->interrupt, SIGINT, interrupted);
	if (err < 0)
		return err;
	err = fg_signal_init(sim->loop, &sim->terminate, SIGTERM, terminated);
	if (err < 0)
		return err;
	err = streams_make(sim);
	if (err == 0)
		streams_open(sim);
	else
		sim_end(sim);
	return fg_loop_run(sim->loop) < 0 ? -EIO : err;
}

static int sim_status(const struct sim *sim, int err)
{
	if (err < 0 || sim->failed)
		return FG_EXIT_FAILED;
	for (unsigned i = 0; i < sim->nstreams; i++)
		if (sim->streams[i]->acknowledged < sim->streams[i]->sent)
			return FG_EXIT_NO;
	return FG_EXIT_OK;
}

int fg_cli_simulate(int argc, char **argv)
{
	struct sim sim = { .conf = { .devices = 10, .rate = 10, .linger_ns = -1 } };
	int status, err;

	if (!arguments_read(argc, argv, &sim.conf, &status))
		return status;
	sim.loop = fg_loop_new();
	if (!sim.loop)
		return fg_cli_failed("simulate", "%s", strerror(errno));
	err = sim_run(&sim);
	if (err < 0)
		fg_cli_failed("simulate", "%s", strerror(-err));
	status = sim_status(&sim, err);
	for (unsigned i = 0; i < sim.nstreams; i++)
		free(sim.streams[i]);
	fg_loop_free(sim.loop);
	return status;
}

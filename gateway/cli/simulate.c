/*
 * `fieldgate simulate`: devices for a demonstration or a load. Readings are dealt evenly to the
 * transports that were asked for; it ends when all of them are acknowledged, or when it is told to,
 * and says on stdout what became of them.
 */
#include "cli/simulate.h"

#include "base/units.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX 3
#define GRACE_NS FG_S(3)	/* for what is still on the way when it is told to stop */

enum { EXIT_DONE, EXIT_NO, EXIT_USAGE, EXIT_FAILED };

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

static const char usage[] =
	"usage: fieldgate simulate [--mqtt URL] [--coap URL] [--serial]\n"
	"                          [--devices N] [--rate R] [--count N] [--linger TIME]\n"
	"\n"
	"  --mqtt URL     publish to a broker, QoS 1, on devices/dNNNN/telemetry\n"
	"                 (mqtt://host:port, unix:///path)\n"
	"  --coap URL     post to /dNNNN, confirmable (coap://host:port)\n"
	"  --serial       print JSON lines into a pseudo-terminal; its path goes to stdout\n"
	"  --devices N    how many devices (10)\n"
	"  --rate R       readings per second over all (10); 0: as fast as they are taken\n"
	"  --count N      readings over all; 0: until interrupted (0)\n"
	"  --linger TIME  how long the pseudo-terminal stays after the last reading (until\n"
	"                 interrupted)\n"
	"\n"
	"At the end a line of JSON on stdout says what was sent and acknowledged.\n";

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

enum { OPT_MQTT = 1, OPT_COAP, OPT_SERIAL, OPT_DEVICES, OPT_RATE, OPT_COUNT, OPT_LINGER, OPT_HELP };

static const struct option options[] = {
	{ "mqtt", required_argument, NULL, OPT_MQTT },
	{ "coap", required_argument, NULL, OPT_COAP },
	{ "serial", no_argument, NULL, OPT_SERIAL },
	{ "devices", required_argument, NULL, OPT_DEVICES },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "linger", required_argument, NULL, OPT_LINGER },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/* Takes one option into the configuration. 0, or -EINVAL: not a value for it. */
static int option_take(struct sim_conf *conf, int option, const char *text)
{
	uint64_t devices = 0;
	int err;

	switch (option) {
	case OPT_MQTT:
		conf->mqtt = text;
		return url_check(text, "mqtt", "unix");
	case OPT_COAP:
		conf->coap = text;
		return url_check(text, "coap", NULL);
	case OPT_SERIAL:
		conf->serial = true;
		return 0;
	case OPT_DEVICES:
		err = number_parse(text, 1000000, &devices);
		conf->devices = (uint32_t)devices;
		return err < 0 || !devices ? -EINVAL : 0;
	case OPT_RATE:
		return rate_parse(text, &conf->rate);
	case OPT_COUNT:
		return number_parse(text, UINT64_MAX / 2, &conf->count);
	default:
		return fg_duration_parse(fg_str_c(text), &conf->linger_ns);
	}
}

/* 0, or the exit status plus 1 if there is nothing to do any more. */
static int arguments_parse(int argc, char **argv, struct sim_conf *conf)
{
	int option, index = 0;

	optind = 0;	/* another table may have been read before */
	while ((option = getopt_long(argc, argv, "+", options, &index)) != -1) {
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return 1 + EXIT_DONE;
		}
		if (option == '?') {
			fputs(usage, stderr);
			return 1 + EXIT_USAGE;
		}
		if (option_take(conf, option, optarg) < 0) {
			fprintf(stderr, "fieldgate simulate: --%s %s: not a value for it\n",
				options[index].name, optarg);
			return 1 + EXIT_USAGE;
		}
	}
	if (optind < argc)
		fprintf(stderr, "fieldgate simulate: %s: not expected here\n", argv[optind]);
	else if (!conf->mqtt && !conf->coap && !conf->serial)
		fputs("fieldgate simulate: one of --mqtt, --coap, --serial is needed\n", stderr);
	else
		return 0;
	fputs(usage, stderr);
	return 1 + EXIT_USAGE;
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
		return EXIT_FAILED;
	return all_done(sim) ? EXIT_DONE : EXIT_NO;
}

int fg_cli_simulate(int argc, char **argv)
{
	struct sim sim = { .conf = { .devices = 10, .rate = 10, .linger_ns = -1 } };
	int status = arguments_parse(argc, argv, &sim.conf), err;

	if (status)
		return status - 1;
	sim.loop = fg_loop_new();
	if (!sim.loop) {
		fprintf(stderr, "fieldgate simulate: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	err = sim_run(&sim);
	if (err < 0)
		fprintf(stderr, "fieldgate simulate: %s\n", strerror(-err));
	status = sim_status(&sim, err);
	for (unsigned i = 0; i < sim.nstreams; i++)
		free(sim.streams[i]);
	fg_loop_free(sim.loop);
	return status;
}

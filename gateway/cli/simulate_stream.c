/*
 * The pace of simulated devices: a bucket of credit that fills at the stream's rate and never holds
 * more than a moment's worth, so that a stream that was held up goes on at its rate and does not
 * burst. And what the devices say.
 */
#include "cli/simulate.h"

#include <errno.h>
#include <math.h>

#define BUCKET_S 0.1		/* seconds of the rate that may be caught up */
#define SENDS_PER_TURN 256	/* so that answers are read in between */
#define TICK_NS FG_MS(1)	/* no finer than this: several readings in one write */

size_t sim_device(uint32_t device, char out[SIM_DEVICE_MAX])
{
	return (size_t)snprintf(out, SIM_DEVICE_MAX, "d%04u", device);
}

size_t sim_reading(uint32_t device, uint64_t seq, char out[SIM_READING_MAX])
{
	unsigned temperature = (unsigned)((device * 37u + seq * 3u) % 150u) + 150;
	unsigned humidity = (unsigned)((device * 13u + seq * 7u) % 600u) + 300;
	unsigned battery = 100 - (unsigned)(seq / 1000 % 100);

	return (size_t)snprintf(out, SIM_READING_MAX,
				"{\"temperature\":%u.%u,\"humidity\":%u.%u,\"battery\":%u,"
				"\"seq\":%llu}",
				temperature / 10, temperature % 10, humidity / 10, humidity % 10,
				battery, (unsigned long long)seq);
}

static bool ended(const struct sim_stream *stream)
{
	return stream->stopping || (stream->count && stream->sent >= stream->count);
}

bool sim_stream_done(const struct sim_stream *stream)
{
	return ended(stream) && stream->acknowledged + stream->refused >= stream->sent;
}

static void credit_fill(struct sim_stream *stream)
{
	uint64_t now = fg_loop_now(stream->loop);
	double most = fmax(1, stream->rate * BUCKET_S);

	stream->credit += (double)(now - stream->credit_at_ns) * 1e-9 * stream->rate;
	stream->credit = fmin(stream->credit, most);
	stream->credit_at_ns = now;
}

/* When the next whole reading is due. A blocked stream is woken by sim_stream_ready() instead. */
static void pace_next(struct sim_stream *stream)
{
	uint64_t wait_ns = 0;

	if (ended(stream) || !stream->ready)
		return;
	if (stream->rate > 0 && stream->credit < 1) {
		wait_ns = (uint64_t)((1 - stream->credit) / stream->rate * 1e9) + 1;
		if (wait_ns < TICK_NS)
			wait_ns = TICK_NS;
	}
	fg_timer_start(&stream->pace, wait_ns);
}

static void pace_due(struct fg_timer *timer)
{
	struct sim_stream *stream =
		(struct sim_stream *)((char *)timer - offsetof(struct sim_stream, pace));
	unsigned sends = 0;

	if (stream->rate > 0)
		credit_fill(stream);
	while (!ended(stream) && stream->ready && sends < SENDS_PER_TURN) {
		if (stream->rate > 0 && stream->credit < 1)
			break;
		if (stream->ops->send(stream) == -EAGAIN) {
			stream->ready = false;
			break;
		}
		stream->sent++;
		sends++;
		stream->credit -= stream->rate > 0 ? 1 : 0;
	}
	if (sends)
		stream->ops->flush(stream);
	pace_next(stream);
	if (sim_stream_done(stream))
		sim_settled(stream->sim);
}

void sim_stream_ready(struct sim_stream *stream)
{
	if (stream->ready || !stream->open)
		return;
	stream->ready = true;
	if (!fg_timer_active(&stream->pace) && !ended(stream))
		fg_timer_start(&stream->pace, 0);
}

void sim_stream_settle(struct sim_stream *stream, bool acknowledged)
{
	if (acknowledged)
		stream->acknowledged++;
	else
		stream->refused++;
	if (sim_stream_done(stream))
		sim_settled(stream->sim);
}

int sim_stream_open(struct sim_stream *stream)
{
	stream->open = true;
	stream->credit_at_ns = fg_loop_now(stream->loop);
	fg_timer_init(stream->loop, &stream->pace, pace_due);
	return stream->ops->open(stream);
}

void sim_stream_stop(struct sim_stream *stream)
{
	stream->stopping = true;
	fg_timer_stop(&stream->pace);
}

void sim_stream_close(struct sim_stream *stream)
{
	if (!stream->open)
		return;
	stream->open = false;
	sim_stream_stop(stream);
	fg_handle_close(&stream->pace.handle, NULL);
	stream->ops->close(stream);
}

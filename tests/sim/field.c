/*
 * The devices. A peer keeps what was not acknowledged and sends it again, in order, when it is
 * connected anew, as an MQTT session does; a line forgets what it has sent. The number in each
 * value says which payload and which point it is.
 */
#include "sim.h"

#include <errno.h>
#include <fg/command.h>
#include <string.h>

struct field_conf {
	int64_t peer;
};

static const struct fg_option OPTIONS[] = {
	{ .name = "peer", .type = FG_OPT_INT, .offset = offsetof(struct field_conf, peer),
	  .flags = FG_OPT_REQUIRED, .min = 0, .max = FIELDS - 1, .help = "Which of the peers." },
	{ 0 },
};

static struct field *field_of(const struct fg_source *source)
{
	return &sim_world()->field[((const struct field_conf *)source->conf)->peer];
}

/* -- payloads -- */

static size_t payload_write(const struct world *w, uint32_t id, char *out, size_t size)
{
	const struct payload *p = &w->payload[id];
	size_t n = 1;

	out[0] = '{';
	for (unsigned i = 0; i < p->points; i++)
		n += (size_t)snprintf(out + n, size - n, "%s\"p%u\":%u", i ? "," : "", i,
				      id * POINTS + i);
	if (p->pad) {
		n += (size_t)snprintf(out + n, size - n, ",\"s\":\"");
		memset(out + n, 'x', p->bytes);
		n += p->bytes;
		out[n++] = '"';
	}
	out[n++] = p->bad ? '!' : '}';
	return n;
}

static void payload_new(struct field *f)
{
	struct world *w = f->world;
	uint32_t id = w->npayloads;
	struct payload *p = &w->payload[id];

	if (f->nwaiting == WAITING || id == w->limit_payloads)
		return;
	w->npayloads++;
	*p = (struct payload){
		.peer = (uint8_t)f->index,
		.device = (uint8_t)(f->line ? 0 : sim_below(w, DEVICES)),
		.points = (uint8_t)(sim_chance(w, 700) ? sim_between(w, 1, 3) :
							 sim_between(w, 1, POINTS - 1)),
		.bad = sim_chance(w, 20),
		.pad = sim_chance(w, 150),
	};
	if (p->pad)
		p->bytes = (uint32_t)(sim_chance(w, 100) ? sim_between(w, 1, 12000) :
							   sim_between(w, 1, 500));
	f->position[f->nwaiting] = 0;
	f->waiting[f->nwaiting++] = id;
}

static void waiting_remove(struct field *f, unsigned at)
{
	memmove(f->waiting + at, f->waiting + at + 1,
		(f->nwaiting - at - 1) * sizeof(f->waiting[0]));
	memmove(f->position + at, f->position + at + 1,
		(f->nwaiting - at - 1) * sizeof(f->position[0]));
	f->nwaiting--;
	if (at < f->nsent)
		f->nsent--;
}

static void payload_taken(struct field *f, struct payload *p, uint64_t pos)
{
	const struct fg_spool_epoch *epoch = fg_spool_epoch(f->world->gateway->spool);

	p->again = p->taken;
	p->taken = true;
	p->sure = false;
	p->epoch = epoch->id;
	p->spool_pos = pos;
	p->first = pos - epoch->base + 1 - p->points - p->pad;
	p->taken_life = f->world->heard_life = f->world->life;
}

/* False: not now. */
static bool send_next(struct field *f)
{
	struct world *w = f->world;
	uint32_t id = f->waiting[f->nsent];
	struct payload *p = &w->payload[id];
	char address[8], text[16384];
	struct fg_input input = { .content_format = -1, .peer = 1 + f->index };
	uint64_t pos = 0;
	int r;

	snprintf(address, sizeof(address), "f%u%c", f->index, 'a' + p->device);
	input.address = f->line ? fg_str_c("") : fg_str_c(address);
	input.payload = fg_str(text, payload_write(w, id, text, sizeof(text)));
	r = fg_source_submit(f->source, &input, &pos);
	sim_say(w, "f%u sends %u: %d at %llu", f->index, id, r, (unsigned long long)pos);
	if (r == -EAGAIN)
		return false;
	if (r != (p->bad ? -EBADMSG : 0))
		sim_fail(w, "payload %u (%s): %d", id, p->bad ? "bad" : "good", r);
	if (r == 0)
		payload_taken(f, p, pos);
	if (r == 0 && pos < p->points)
		sim_fail(w, "payload %u got position %llu", id, (unsigned long long)pos);
	f->position[f->nsent++] = pos;
	if (r < 0 || f->line)
		waiting_remove(f, f->nsent - 1);
	return true;
}

static void send_all(struct field *f)
{
	unsigned burst = (unsigned)sim_between(f->world, 1, 40);

	while (f->up && !f->paused && f->nsent < f->nwaiting && burst-- > 0)
		if (!send_next(f))
			break;
}

static void on_send(struct world *w, void *arg)
{
	struct field *f = arg;

	if (!f->source || w->disk.dead)
		return;
	send_all(f);
	if (f->up)
		sim_at(w, sim_between(w, FG_MS(1), FG_S(1)), on_send, f, &f->age);
}

static void on_produce(struct world *w, void *arg)
{
	struct field *f = arg;
	unsigned n = sim_chance(w, 100) ? (unsigned)sim_between(w, 1, 30) : 1;

	while (n-- > 0)
		payload_new(f);
	if (!w->calm)
		sim_at(w, sim_between(w, f->every_ns / 4, f->every_ns * 2), on_produce, f, NULL);
	if (f->up && !w->disk.dead)
		send_all(f);
}

void field_begin(struct field *f)
{
	sim_at(f->world, sim_below(f->world, f->every_ns), on_produce, f, NULL);
}

void field_cut(struct field *f, int error)
{
	if (f->source && !f->world->disk.dead)
		fg_source_fault(f->source, error, "the peer has gone");
}

/* -- the driver -- */

static void on_up(struct world *w, void *arg)
{
	struct field *f = arg;

	if (sim_chance(w, w->calm ? 0 : 50)) {
		fg_source_fault(f->source, -ECONNREFUSED, "cannot connect");
		return;
	}
	f->up = true;
	f->nsent = 0;
	fg_source_up(f->source);
	sim_say(w, "f%u is up", f->index);
	sim_at(w, sim_below(w, FG_MS(50)), on_send, f, &f->age);
}

static int field_open(struct fg_source *source)
{
	struct field *f = field_of(source);
	struct world *w = f->world;

	f->source = source;
	f->age++;
	f->up = f->paused = false;
	f->command = NULL;
	if (w->disk.dead || sim_chance(w, w->calm ? 0 : 30))
		return -EIO;
	sim_at(w, sim_below(w, FG_MS(300)), on_up, f, &f->age);
	return 0;
}

static void on_closed(struct world *w, void *arg)
{
	struct field *f = arg;
	struct fg_source *source = f->source;

	(void)w;
	f->source = NULL;
	fg_source_closed(source);
}

static void field_close(struct fg_source *source)
{
	struct field *f = field_of(source);
	struct world *w = f->world;

	f->age++;
	f->up = false;
	f->nsent = 0;
	memset(f->position, 0, sizeof(f->position));
	sim_say(w, "f%u closes", f->index);
	sim_at(w, w->disk.dead ? 0 : sim_below(w, FG_MS(100)), on_closed, f, &f->age);
}

static void field_pause(struct fg_source *source)
{
	sim_say(sim_world(), "f%u paused", field_of(source)->index);
	field_of(source)->paused = true;
}

static void field_resume(struct fg_source *source)
{
	sim_say(sim_world(), "f%u resumed", field_of(source)->index);
	field_of(source)->paused = false;
}

static void field_kept(struct fg_source *source, uint64_t upto)
{
	struct field *f = field_of(source);
	struct world *w = f->world;
	bool heard = !sim_chance(w, w->calm || f->line ? 0 : 30);

	if (w->disk.dead)
		return;
	sim_say(w, "f%u kept %llu%s", f->index, (unsigned long long)upto, heard ? "" : ", unheard");
	check_kept(f, upto);
	for (unsigned i = 0; i < f->nsent;) {
		struct payload *p = &w->payload[f->waiting[i]];

		if (f->position[i] > upto) {
			i++;
			continue;
		}
		p->acked = true;
		if (heard)
			waiting_remove(f, i);
		else
			i++;
	}
	if (!heard)
		field_cut(f, -ECONNRESET);
}

static void on_commanded(struct world *w, void *arg)
{
	struct field *f = arg;
	struct fg_command *command = f->command;

	f->command = NULL;
	if (command)
		fg_command_done(command, sim_chance(w, 700) ? FG_OUTCOME_DONE : FG_OUTCOME_FAILED,
				NULL);
}

static int field_command(struct fg_source *source, struct fg_command *command)
{
	struct field *f = field_of(source);
	struct world *w = f->world;

	sim_say(w, "f%u is commanded", f->index);
	if (f->command || !f->up || sim_chance(w, 200))
		return -EAGAIN;
	if (sim_chance(w, 100))
		return -EINVAL;
	f->command = command;
	sim_at(w, sim_below(w, FG_S(3)), on_commanded, f, &f->age);
	return 0;
}

#define OPS \
	{ .open = field_open, .close = field_close, .pause = field_pause, \
	  .resume = field_resume, .kept = field_kept, .command = field_command }

const struct fg_driver sim_driver = {
	.name = "sim",
	.summary = "Simulated devices.",
	.address = FG_ADDRESS_TOPIC,
	.conf_size = sizeof(struct field_conf),
	.options = OPTIONS,
	.ops = OPS,
};

const struct fg_driver sim_line_driver = {
	.name = "simline",
	.summary = "A simulated device that cannot send again.",
	.address = FG_ADDRESS_LINK,
	.conf_size = sizeof(struct field_conf),
	.options = OPTIONS,
	.ops = OPS,
};

#include "bus.h"

#include <errno.h>

enum { SAID_A_MINUTE = 5 };

/* On a line: how long it is silent before what came is taken for all of it; USB adapters hand bytes
 * over in lumps. */
#define SILENCE_LEAST_NS FG_MS(50)
#define SILENCE_CHARS 8
/* Serial Line V1.02, 2.5.1.1: 3.5 characters; 1.75 ms above 19200 baud */
#define GAP_LEAST_NS UINT64_C(1750000)

/* -- sending -- */

static uint64_t gap_of(const struct modbus *bus)
{
	uint64_t chars = bus->link.char_ns * 7 / 2;

	if (bus->conf->gap_ns)
		return (uint64_t)bus->conf->gap_ns;
	if (bus->link.tcp)
		return 0;
	return chars > GAP_LEAST_NS ? chars : GAP_LEAST_NS;
}

static void request_send(struct modbus *bus)
{
	uint8_t frame[MODBUS_FRAME_MAX];
	uint64_t wait = (uint64_t)bus->conf->timeout_ns;
	size_t len;

	if (bus->link.tcp)
		len = modbus_frame_tcp(&bus->request, ++bus->transaction, frame);
	else
		len = modbus_frame_rtu(&bus->request, frame);
	/* both take their time on the line, which is not the device's */
	wait += bus->link.char_ns * (len + bus->request.answer + 3);
	fg_timer_stop(&bus->silence);
	fg_timer_start(&bus->timer, wait);
	modbus_link_send(&bus->link, frame, len);
}

void modbus_send(struct modbus *bus, enum modbus_work work)
{
	bus->work = work;
	bus->attempt = 0;
	request_send(bus);
}

/* The earliest one that is due, or NULL; *ret_due: when the next one is. */
static struct modbus_device *device_due(struct modbus *bus, uint64_t now, uint64_t *ret_due)
{
	struct modbus_device *first = NULL;

	for (size_t i = 0; i < bus->ndevices; i++)
		if (!first || bus->devices[i].due_ns < first->due_ns)
			first = &bus->devices[i];
	*ret_due = first ? first->due_ns : UINT64_MAX;
	return first && first->due_ns <= now ? first : NULL;
}

void modbus_next(struct modbus *bus)
{
	uint64_t now = fg_loop_now(bus->source->loop), due = 0;

	while (bus->work == MODBUS_NOTHING && bus->link.ready && !bus->closing) {
		if (now < bus->quiet_ns) {
			fg_timer_start_at(&bus->timer, bus->quiet_ns);
			return;
		}
		if (modbus_command_begin(bus))
			return;
		if (bus->paused)
			return;
		if (!bus->round && !(bus->round = device_due(bus, now, &due))) {
			fg_timer_start_at(&bus->timer, due);
			return;
		}
		if (modbus_round_go_on(bus))
			return;
	}
}

/* -- answers -- */

/* The request has come to its end, whatever it was. */
static enum modbus_work request_end(struct modbus *bus)
{
	enum modbus_work work = bus->work;

	bus->work = MODBUS_NOTHING;
	fg_timer_stop(&bus->timer);
	fg_timer_stop(&bus->silence);
	bus->quiet_ns = fg_loop_update_now(bus->source->loop) + gap_of(bus);
	return work;
}

static void request_failed(struct modbus *bus, const char *why)
{
	if (request_end(bus) == MODBUS_WRITE)
		modbus_command_end(bus, FG_OUTCOME_UNREACHABLE, why);
	else
		modbus_read_failed(bus);
	modbus_next(bus);
}

/* An answer came, so none is under way any more and the same can be asked again. */
static void request_damaged(struct modbus *bus, const char *reason, struct fg_str bytes)
{
	fg_source_reject(bus->source, reason, bytes);
	if (bus->attempt++ >= (unsigned)bus->conf->retries) {
		request_failed(bus, "the answer is damaged");
		return;
	}
	request_send(bus);
}

static void answer_take(struct modbus *bus, struct fg_str pdu)
{
	struct fg_str data = FG_STR("");
	uint8_t code = 0;
	enum modbus_answer answer = modbus_answer_read(&bus->request, pdu, &code, &data);

	if (answer == MODBUS_WRONG) {
		request_damaged(bus, "frame", pdu);
		return;
	}
	if (request_end(bus) == MODBUS_WRITE)
		modbus_command_end(bus, answer == MODBUS_GOOD ? FG_OUTCOME_DONE : FG_OUTCOME_FAILED,
				   answer == MODBUS_GOOD ? NULL : modbus_code_name(code));
	else if (answer == MODBUS_GOOD)
		modbus_read_good(bus, data);
	else
		modbus_read_refused(bus, code);
}

/* An answer that nobody waits for: late, or another unit's. */
static void foreign_note(struct modbus *bus, size_t len)
{
	uint32_t left_out;

	if (fg_log_allowed(&bus->foreign_limit, fg_loop_now(bus->source->loop), SAID_A_MINUTE,
			   &left_out))
		fg_log(&bus->source->logger, FG_INFO, "dropped what is no answer to the request",
		       "bytes=%zu not_logged=%u", len, left_out);
}

static struct modbus_found link_scan(const struct modbus *bus)
{
	const struct modbus_request *request = bus->work ? &bus->request : NULL;
	const struct modbus_link *link = &bus->link;

	if (link->tcp)
		return modbus_scan_tcp(request, bus->transaction, link->in, link->in_len);
	if (request)
		return modbus_scan_rtu(request, link->in, link->in_len);
	return (struct modbus_found){ .kind = MODBUS_SCAN_FOREIGN, .taken = link->in_len };
}

static bool found_take(struct modbus *bus, const struct modbus_found *found)
{
	uint8_t pdu[MODBUS_PDU_MAX];

	switch (found->kind) {
	case MODBUS_SCAN_FRAME:
		/* what is done with it may send, which empties the buffer */
		memcpy(pdu, found->pdu.ptr, found->pdu.len);
		modbus_link_consume(&bus->link, found->taken);
		answer_take(bus, fg_str((const char *)pdu, found->pdu.len));
		return true;
	case MODBUS_SCAN_FOREIGN:
		foreign_note(bus, found->taken);
		modbus_link_consume(&bus->link, found->taken);
		return true;
	case MODBUS_SCAN_BROKEN:
		fg_source_reject(bus->source, "frame",
				 fg_str((const char *)bus->link.in, bus->link.in_len));
		modbus_link_fault(&bus->link, -EPROTO, "the peer does not speak Modbus");
		return false;
	default:
		return false;
	}
}

void modbus_came(struct modbus_link *link)
{
	struct modbus *bus = (struct modbus *)((char *)link - offsetof(struct modbus, link));

	while (link->in_len > 0 && !link->faulted) {
		const struct modbus_found found = link_scan(bus);

		if (!found_take(bus, &found))
			break;
	}
	if (link->in_len > 0 && !link->tcp && !link->faulted) {
		uint64_t silence = link->char_ns * SILENCE_CHARS;

		fg_timer_start(&bus->silence,
			       silence > SILENCE_LEAST_NS ? silence : SILENCE_LEAST_NS);
	}
	modbus_next(bus);
}

void modbus_silence_due(struct fg_timer *timer)
{
	struct modbus *bus = (struct modbus *)((char *)timer - offsetof(struct modbus, silence));
	struct modbus_link *link = &bus->link;
	struct fg_str bytes = fg_str((const char *)link->in, link->in_len);

	if (bus->work == MODBUS_NOTHING || link->in_len == 0)
		return;
	if (modbus_rest_judge(&bus->request, link->in, link->in_len) == MODBUS_REST_DAMAGED) {
		link->in_len = 0;
		request_damaged(bus, "checksum", bytes);
		return;
	}
	foreign_note(bus, link->in_len);
	link->in_len = 0;
}

void modbus_timer_due(struct fg_timer *timer)
{
	struct modbus *bus = (struct modbus *)((char *)timer - offsetof(struct modbus, timer));

	/* It is not asked again at once: its answer may still come, and must not pass for that of
	 * the next request. */
	if (bus->work != MODBUS_NOTHING)
		request_failed(bus, "no answer");
	else
		modbus_next(bus);
}

/*
 * Commands to devices: a PUT to where the device was last heard from. That is libcoap's session of
 * the device, so it leaves from the port that the device knows, and through its DTLS. A device that
 * has been silent for so long that its session is forgotten is one that sleeps: the command waits
 * until it speaks.
 */
#include <fg/command.h>

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ACK_TIMEOUT_MIN_MS 1000
#define ACK_TIMEOUT_MAX_MS 2000	/* ACK_TIMEOUT, RFC 7252 section 4.8 */

static enum fg_coap_answer command_answered(struct fg_coap_exchange *exchange,
					    const coap_pdu_t *response, const char *why)
{
	struct fg_command *command = exchange->arg;
	coap_pdu_code_t code;
	char text[96];

	if (!response) {
		fg_command_done(command,
				strcmp(why, "reset") == 0 ? FG_OUTCOME_FAILED :
							    FG_OUTCOME_UNREACHABLE,
				why);
		return FG_COAP_ANSWER_END;
	}
	code = coap_pdu_get_code(response);
	if (code >> 5 == 2) {
		fg_command_done(command, FG_OUTCOME_DONE, NULL);
		return FG_COAP_ANSWER_END;
	}
	snprintf(text, sizeof(text), "%u.%02u %s", (unsigned)code >> 5, (unsigned)code & 31,
		 coap_response_phrase((unsigned char)code) ?
			 coap_response_phrase((unsigned char)code) :
			 "");
	fg_command_done(command, FG_OUTCOME_FAILED, text);
	return FG_COAP_ANSWER_END;
}

static bool command_write(coap_pdu_t *pdu, const struct fg_command *command)
{
	struct fg_str path = command->to.len ? command->to : command->point;
	const char *query = memchr(path.ptr, '?', path.len);
	struct fg_str rest = { NULL, 0 };
	uint8_t format[4];

	if (query) {
		rest = fg_str(query + 1, (size_t)(path.ptr + path.len - query) - 1);
		path.len = (size_t)(query - path.ptr);
	}
	if (!fg_coap_add_path(pdu, path))
		return false;
	if (command->content_format >= 0 &&
	    !coap_add_option(pdu, COAP_OPTION_CONTENT_FORMAT,
			     coap_encode_var_safe(format, sizeof(format),
						  (unsigned)command->content_format),
			     format))
		return false;
	if (!fg_coap_add_query(pdu, rest))
		return false;
	return command->payload.len == 0 ||
	       coap_add_data(pdu, command->payload.len, (const uint8_t *)command->payload.ptr);
}

static uint64_t command_due(const struct fg_coap_server *server, const struct fg_command *command)
{
	uint64_t due = fg_loop_now(server->source->loop) + FG_COAP_PATIENCE_NS;

	return command->deadline_ns && command->deadline_ns < due ? command->deadline_ns : due;
}

/* libcoap goes on repeating a request that nobody waits for any more: it would reach the device too
 * late, and until then hold up the next one (NSTART, RFC 7252 section 4.7). So the session's times
 * are made to end within the command's own, as far as libcoap takes such times. What is held up may
 * go out when its own time is over: libcoap does not give it back, nor tell of bare ACKs. */
static void session_hurry(coap_session_t *session, uint64_t patience_ns)
{
	uint64_t patience_ms = patience_ns / FG_MS(1), first_ms;
	uint16_t repeats = COAP_DEFAULT_MAX_RETRANSMIT;

	/* the last of them is waited for too; half as much again by the random factor */
	for (;; repeats--) {
		first_ms = patience_ms * 2 / 3 / ((2u << repeats) - 1);
		if (first_ms >= ACK_TIMEOUT_MIN_MS || repeats == 1)
			break;
	}
	if (first_ms < ACK_TIMEOUT_MIN_MS)
		first_ms = ACK_TIMEOUT_MIN_MS;
	if (first_ms > ACK_TIMEOUT_MAX_MS)
		first_ms = ACK_TIMEOUT_MAX_MS;
	coap_session_set_max_retransmit(session, repeats);
	coap_session_set_ack_timeout(session, (coap_fixed_point_t){ (uint16_t)(first_ms / 1000),
								    (uint16_t)(first_ms % 1000) });
}

int fg_coap_command(struct fg_source *source, struct fg_command *command)
{
	struct fg_coap_server *server = source->state;
	coap_session_t *session = fg_coap_peer_session(server, command->peer);
	struct fg_coap_exchange *exchange;
	coap_pdu_t *pdu;
	int r;

	if (!session)
		return -EAGAIN;
	r = fg_coap_exchange_new(server, session, COAP_REQUEST_CODE_PUT, &exchange, &pdu);
	if (r < 0)
		return r;
	if (!command_write(pdu, command)) {
		coap_delete_pdu(pdu);
		fg_coap_exchange_end(exchange);
		return -EMSGSIZE;
	}
	session_hurry(session, command_due(server, command) - fg_loop_now(source->loop));
	exchange->answered = command_answered;
	exchange->arg = command;
	return fg_coap_exchange_send(exchange, pdu, command_due(server, command));
}

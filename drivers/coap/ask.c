/*
 * Commands that a CoAP peer asks for: PUT or POST to /fieldgate/command/{device}/{point}. The
 * outcome is the response: piggybacked if it is known at once, else separate (RFC 7252 section
 * 5.2.2), with the outcome as JSON behind any code but 2.04.
 */
#include <fg/command.h>

#include "server.h"

#include <string.h>

#define PREFIX FG_STR("fieldgate/command/")
#define FORMAT_JSON 50

static const coap_pdu_code_t codes[] = {
	[FG_OUTCOME_DONE] = COAP_RESPONSE_CODE_CHANGED,
	[FG_OUTCOME_FAILED] = COAP_RESPONSE_CODE_BAD_GATEWAY,
	[FG_OUTCOME_EXPIRED] = COAP_RESPONSE_CODE_SERVICE_UNAVAILABLE,
	[FG_OUTCOME_UNREACHABLE] = COAP_RESPONSE_CODE_GATEWAY_TIMEOUT,
	[FG_OUTCOME_REFUSED] = COAP_RESPONSE_CODE_FORBIDDEN,
};

bool fg_coap_is_ask(struct fg_str path)
{
	return fg_str_starts(path, PREFIX);
}

static void outcome_write(coap_pdu_t *pdu, coap_pdu_code_t code,
			  const struct fg_request_result *result)
{
	coap_pdu_set_code(pdu, code);
	fg_coap_add_number(pdu, COAP_OPTION_CONTENT_FORMAT, FORMAT_JSON);
	coap_add_data(pdu, result->json.len, (const uint8_t *)result->json.ptr);
}

static void seen_answered(struct fg_coap_server *server, const struct fg_coap_asked *ask,
			  coap_pdu_code_t code)
{
	struct fg_coap_client *client = coap_session_get_app_data(ask->session);
	struct fg_coap_seen *seen = client ? fg_coap_client_find(client, ask->mid, server->now_s) :
					     NULL;

	if (!seen)
		return;
	seen->state = FG_COAP_ANSWERED;
	seen->code = (uint8_t)code;
}

static void ask_end(struct fg_coap_asked *ask)
{
	coap_session_release(ask->session);
	*ask = (struct fg_coap_asked){ 0 };
}

static struct fg_coap_asked *ask_find(struct fg_coap_server *server, struct fg_str reply)
{
	uint64_t id;

	if (reply.len != sizeof(id))
		return NULL;
	memcpy(&id, reply.ptr, sizeof(id));
	for (size_t i = 0; i < FG_COAP_ASKS; i++)
		if (server->asks[i].session && server->asks[i].id == id)
			return &server->asks[i];
	return NULL;
}

static void on_outcome(void *arg, struct fg_str reply, const struct fg_request_result *result)
{
	struct fg_coap_server *server = arg;
	struct fg_coap_asked *ask = ask_find(server, reply);
	coap_pdu_code_t code = codes[result->outcome];
	coap_pdu_t *pdu;

	if (!ask)
		return;
	seen_answered(server, ask, code);
	if (ask->response) {
		outcome_write(ask->response, code, result);
		ask_end(ask);
		return;
	}
	pdu = coap_new_pdu(ask->confirmable && fg_coap_separate_allowed(server) ? COAP_MESSAGE_CON :
										  COAP_MESSAGE_NON,
			   code, ask->session);
	if (pdu) {
		coap_add_token(pdu, ask->token_len, ask->token);
		outcome_write(pdu, code, result);
		coap_send(ask->session, pdu);
	}
	ask_end(ask);
}

bool fg_coap_ask(struct fg_coap_server *server, coap_session_t *session, const coap_pdu_t *request,
		 coap_pdu_t *response, struct fg_str path, struct fg_str payload)
{
	coap_bin_const_t token = coap_pdu_get_token(request);
	struct fg_coap_asked *ask = server->asks;
	uint64_t id = ++server->ask_id;

	while (ask < server->asks + FG_COAP_ASKS && ask->session)
		ask++;
	if (ask == server->asks + FG_COAP_ASKS)
		return false;
	*ask = (struct fg_coap_asked){
		.session = coap_session_reference(session),
		.response = response,
		.id = id,
		.mid = (uint16_t)coap_pdu_get_mid(request),
		.confirmable = coap_pdu_get_type(request) == COAP_MESSAGE_CON,
		.token_len = (uint8_t)token.length,
	};
	if (token.length)
		memcpy(ask->token, token.s, token.length);
	fg_command_request(server->source->commands,
			   &(struct fg_request){
				   .path = fg_str(path.ptr + PREFIX.len, path.len - PREFIX.len),
				   .payload = payload,
				   .outcome = on_outcome,
				   .arg = server,
				   .reply = { (const char *)&id, sizeof(id) },
				   .again = true,
			   });
	if (ask->session && ask->id == id)
		ask->response = NULL;
	return true;
}

void fg_coap_asks_end(struct fg_coap_server *server, bool all)
{
	if (all && server->source->commands)
		fg_command_forget(server->source->commands, server);
	for (size_t i = 0; i < FG_COAP_ASKS; i++)
		if (server->asks[i].session && (all || fg_coap_is_over(server->asks[i].session)))
			ask_end(&server->asks[i]);
}

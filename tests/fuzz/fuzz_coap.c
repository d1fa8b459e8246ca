/*
 * Datagrams of a CoAP client: through libcoap's parser into the driver's handler. The input is a
 * series of them, each after a byte that says how long it is (times 6, at most 1,530) and a byte
 * that says what the gateway does with it.
 */
#include <fg/buf.h>
#include <fg/command.h>

#include "../../drivers/coap/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern const struct fg_driver fg_driver_coap;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is beyond the driver. */
struct far {
	struct fg_source source;
	struct fg_coap_conf conf;
	struct fg_coap_server server;
	coap_session_t *session;
	uint64_t pos;
	int result;
};

int fg_source_submit(struct fg_source *source, const struct fg_input *input, uint64_t *ret_pos)
{
	struct far *far = (struct far *)source;

	/* both must be readable to their ends */
	(void)fg_coap_key(fg_coap_key(FG_COAP_KEY, input->address), input->payload);
	if (input->payload.len > far->conf.body || input->address.len == 0)
		abort();
	if (far->result == 0)
		*ret_pos = ++far->pos;
	return far->result;
}

void fg_source_reject(struct fg_source *source, const char *reason, struct fg_str bytes)
{
	(void)source;
	(void)reason;
	(void)fg_coap_key(FG_COAP_KEY, bytes);
}

void fg_source_up(struct fg_source *source)
{
	(void)source;
}

void fg_source_closed(struct fg_source *source)
{
	(void)source;
}

int fg_source_last(struct fg_source *source, struct fg_str path, struct fg_buf *out)
{
	(void)source;
	for (size_t i = 0; i < path.len * 100; i++)
		fg_buf_str(out, path);
	return path.ptr[0] == 'x' ? -ENOENT : 0;
}

void fg_source_devices(struct fg_source *source, bool (*each)(void *arg, struct fg_str device),
		       void *arg)
{
	(void)source;
	for (int i = 0; i < 300; i++)
		if (!each(arg, FG_STR("device")))
			return;
}

void fg_source_watch(struct fg_source *source, struct fg_watch *watch)
{
	(void)source;
	(void)watch;
}

void fg_source_unwatch(struct fg_source *source, struct fg_watch *watch)
{
	(void)source;
	(void)watch;
}

void fg_command_request(struct fg_commands *commands, const struct fg_request *request)
{
	(void)commands;
	(void)fg_coap_key(fg_coap_key(FG_COAP_KEY, request->path), request->payload);
}

void fg_command_forget(struct fg_commands *commands, void *arg)
{
	(void)commands;
	(void)arg;
}

void fg_command_done(struct fg_command *command, enum fg_outcome outcome, const char *why)
{
	(void)command;
	(void)outcome;
	(void)why;
}

/* One for all inputs: most of what a new one takes is OpenSSL's. */
static coap_context_t *context_get(void)
{
	static coap_context_t *context;

	if (context)
		return context;
	coap_startup();
	coap_set_log_level((coap_log_t)LOG_EMERG);
	context = coap_new_context(NULL);
	if (!context)
		abort();
	return context;
}

/* A session that goes nowhere: what is sent to it is lost. */
static void far_begin(struct far *far)
{
	coap_address_t address;

	*far = (struct far){ .conf = { .listen = "", .body = 4096, .clients = 2 } };
	far->source.conf = &far->conf;
	far->source.state = &far->server;
	far->server.source = &far->source;
	far->server.conf = &far->conf;
	fg_coap_clients_init(&far->server.clients, 2);
	fg_coap_bodies_init(&far->server.bodies, far->conf.body);
	coap_address_init(&address);
	address.size = sizeof(address.addr.sin);
	address.addr.sin.sin_family = AF_INET;
	address.addr.sin.sin_port = htons(9);
	address.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	far->server.context = context_get();
	coap_set_app_data(far->server.context, &far->server);
	far->session = coap_new_client_session(far->server.context, NULL, &address, COAP_PROTO_UDP);
	if (!far->session)
		abort();
}

static void far_end(struct far *far)
{
	fg_coap_drop_pending(&far->server);
	coap_session_release(far->session);
	fg_coap_clients_fini(&far->server.clients);
	fg_coap_bodies_fini(&far->server.bodies);
	if (far->server.bodies.bytes)
		abort();
	for (size_t i = 0; i < FG_COAP_VIEWS; i++)
		fg_coap_view_done(&far->server.views[i]);
}

static void far_take(struct far *far, const uint8_t *data, size_t len)
{
	coap_pdu_t *request = coap_pdu_init(COAP_MESSAGE_CON, 0, 0, 1500);
	coap_pdu_t *response = coap_pdu_init(COAP_MESSAGE_ACK, 0, 0, 1148);

	/* other codes do not reach a handler */
	if (coap_pdu_parse(COAP_PROTO_UDP, data, len, request) && coap_pdu_get_code(request) >= 1 &&
	    coap_pdu_get_code(request) <= 7) {
		bool core = coap_pdu_get_code(request) == COAP_REQUEST_CODE_GET &&
			    (coap_pdu_get_mid(request) & 1);

		(core ? fg_coap_handle_core : fg_coap_handle)(NULL, far->session, request, NULL,
							      response);
	}
	coap_delete_pdu(request);
	coap_delete_pdu(response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int results[] = { 0, 0, 0, -EBADMSG, -EAGAIN };
	struct far *far = malloc(sizeof(*far));

	far_begin(far);
	while (len > 2) {
		size_t size = (size_t)data[0] * 6;
		uint8_t mood = data[1];

		data += 2;
		len -= 2;
		size = size < len ? size : len;
		far->server.paused = mood % 16 == 15;
		far->result = results[mood % 5];
		far->server.now_s += mood >> 4;
		far_take(far, data, size);
		if (mood & 8)
			fg_driver_coap.ops.kept(&far->source, far->pos);
		data += size;
		len -= size;
	}
	far_end(far);
	free(far);
	return 0;
}

/*
 * A load of DTLS: so many devices, each with a session of its own by a pre-shared key and one
 * confirmable request outstanding. Handshakes come first; then it says "ready", waits for a line,
 * and sends. So handshakes and requests can be measured apart.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <coap3/coap.h>

enum { DEVICES = 32 };

static const char text[] = "{\"temperature\":21.5,\"humidity\":40.2,\"battery\":93,\"seq\":123456}";

struct load {
	coap_context_t *context;
	coap_session_t *devices[DEVICES];
	const char *path;
	bool put;
	unsigned long sent, answered, wanted;
};

static bool ask(struct load *load, coap_session_t *session)
{
	coap_pdu_t *pdu = coap_new_pdu(COAP_MESSAGE_CON,
				       load->put ? COAP_REQUEST_CODE_PUT : COAP_REQUEST_CODE_POST,
				       session);
	uint8_t token[8], format[2];
	size_t len;

	if (!pdu)
		return false;
	coap_session_new_token(session, &len, token);
	coap_add_token(pdu, len, token);
	coap_add_option(pdu, COAP_OPTION_URI_PATH, strlen(load->path), (const uint8_t *)load->path);
	coap_add_option(pdu, COAP_OPTION_CONTENT_FORMAT,
			coap_encode_var_safe(format, sizeof(format),
					     COAP_MEDIATYPE_APPLICATION_JSON),
			format);
	coap_add_data(pdu, sizeof(text) - 1, (const uint8_t *)text);
	load->sent++;
	return coap_send(session, pdu) != COAP_INVALID_MID;
}

static coap_response_t on_answer(coap_session_t *session, const coap_pdu_t *sent,
				 const coap_pdu_t *received, const coap_mid_t mid)
{
	struct load *load = coap_get_app_data(coap_session_get_context(session));

	(void)sent;
	(void)mid;
	if (COAP_RESPONSE_CLASS(coap_pdu_get_code(received)) == 2)
		load->answered++;
	if (load->sent < load->wanted)
		ask(load, session);
	return COAP_RESPONSE_OK;
}

static bool run(struct load *load, unsigned long wanted)
{
	load->sent = load->answered = 0;
	load->wanted = wanted;
	for (unsigned i = 0; i < DEVICES; i++)
		if (!ask(load, load->devices[i]))
			return false;
	while (load->answered < load->wanted)
		if (coap_io_process(load->context, 1000) < 0)
			return false;
	return true;
}

static bool open_devices(struct load *load, int port, const char *key)
{
	coap_dtls_cpsk_t psk = { .version = COAP_DTLS_CPSK_SETUP_VERSION };
	coap_address_t address;
	char name[] = "one";

	coap_address_init(&address);
	address.addr.sin.sin_family = AF_INET;
	address.addr.sin.sin_port = htons((uint16_t)port);
	address.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.size = sizeof(address.addr.sin);
	psk.psk_info.identity = (coap_bin_const_t){ strlen(name), (const uint8_t *)name };
	psk.psk_info.key = (coap_bin_const_t){ strlen(key), (const uint8_t *)key };
	for (unsigned i = 0; i < DEVICES; i++) {
		load->devices[i] = coap_new_client_session_psk2(load->context, NULL, &address,
								COAP_PROTO_DTLS, &psk);
		if (!load->devices[i])
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct load load = { 0 };

	if (argc != 6) {
		fprintf(stderr, "usage: %s PORT KEY PATH put|post COUNT\n", argv[0]);
		return 2;
	}
	coap_startup();
	coap_set_log_level((coap_log_t)0); /* its log goes where the answers go */
	load.context = coap_new_context(NULL);
	load.path = argv[3];
	load.put = strcmp(argv[4], "put") == 0;
	if (!load.context)
		return 1;
	coap_set_app_data(load.context, &load);
	coap_register_response_handler(load.context, on_answer);
	if (!open_devices(&load, (int)strtol(argv[1], NULL, 10), argv[2]) || !run(&load, DEVICES))
		return 1;
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF || !run(&load, strtoul(argv[5], NULL, 10)))
		return 1;
	printf("%lu\n", load.answered);
	return 0;
}

/* Devices at coaps:// whose session ends, and who come back from the same port. */
#include "test_coap_fake.h"

#include <openssl/ssl.h>

#define KEY "secretkey"
#define WATCHED "ob"

static const char *const identities[] = { "one" };
static const struct fg_secret keys[] = { { .value = KEY, .len = sizeof(KEY) - 1 } };

/* A device: a client of libcoap's, always at the same port. */
struct peer {
	struct bed *bed;
	coap_address_t own, gateway;
	coap_context_t *context;
	coap_session_t *session;
	unsigned answers;
	coap_pdu_code_t code; /* of the last of them */
	uint8_t hello[1500]; /* the one that it was let in with */
	size_t hello_len;
};

static coap_response_t peer_hears(coap_session_t *session, const coap_pdu_t *sent,
				  const coap_pdu_t *received, const coap_mid_t mid)
{
	struct peer *peer = coap_get_app_data(coap_session_get_context(session));

	(void)sent;
	(void)mid;
	peer->answers++;
	peer->code = coap_pdu_get_code(received);
	return COAP_RESPONSE_OK;
}

/* Without a session. */
static void peer_begins(struct peer *peer)
{
	coap_dtls_cpsk_t setup = { .version = COAP_DTLS_CPSK_SETUP_VERSION };

	setup.psk_info.identity = (coap_bin_const_t){ 3, (const uint8_t *)identities[0] };
	setup.psk_info.key = (coap_bin_const_t){ sizeof(KEY) - 1, (const uint8_t *)KEY };
	peer->context = coap_new_context(NULL);
	coap_set_app_data(peer->context, peer);
	coap_register_response_handler(peer->context, peer_hears);
	peer->session = coap_new_client_session_psk2(peer->context, &peer->own, &peer->gateway,
						     COAP_PROTO_DTLS, &setup);
	assert_non_null(peer->session);
}

/* It says so to the gateway. */
static void peer_ends(struct peer *peer)
{
	coap_session_release(peer->session);
	coap_free_context(peer->context);
}

/* It does not, as when its power fails. */
static void peer_is_lost(struct peer *peer)
{
	char byte;

	peer_ends(peer);
	while (recv(peer->bed->server->gate->fd, &byte, 1, MSG_DONTWAIT) > 0)
		;
}

/* What the gateway is about to read. */
static void peer_notes_hello(struct peer *peer)
{
	static const int first = 0;
	int fd = peer->bed->server->gate->fd;
	uint8_t bytes[sizeof(peer->hello)];
	ssize_t len;

	setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &first, sizeof(first));
	len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK);
	if (len < 14 || bytes[0] != 22 || bytes[13] != 1)
		return;
	peer->hello_len = (size_t)len;
	memcpy(peer->hello, bytes, peer->hello_len);
}

static void peer_turns(struct peer *peer, int count)
{
	for (int i = 0; i < count; i++) {
		coap_io_process(peer->context, COAP_IO_NO_WAIT);
		peer_notes_hello(peer);
		bed_turns(peer->bed, 1);
	}
}

static void peer_asks(struct peer *peer, coap_pdu_code_t code, const char *payload)
{
	coap_pdu_t *pdu = coap_new_pdu(COAP_MESSAGE_CON, code, peer->session);
	unsigned answers = peer->answers;

	coap_add_token(pdu, sizeof(WATCHED) - 1, (const uint8_t *)WATCHED);
	if (code == COAP_REQUEST_CODE_GET)
		coap_add_option(pdu, COAP_OPTION_OBSERVE, 0, NULL);
	coap_add_option(pdu, COAP_OPTION_URI_PATH, 3, (const uint8_t *)"dev");
	coap_add_option(pdu, COAP_OPTION_URI_PATH, 1, (const uint8_t *)"a");
	if (payload)
		coap_add_data(pdu, strlen(payload), (const uint8_t *)payload);
	coap_send(peer->session, pdu);
	for (int i = 0; i < 20 && peer->answers == answers; i++)
		peer_turns(peer, 1);
	assert_int_equal(peer->answers, answers + 1);
}

static int peer_setup(void **state)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct bed *bed;

	assert_int_equal(bed_setup((void **)&bed), 0);
	bed_close(bed);
	bed->in.closed = bed->in.up = 0;
	snprintf(bed->listen, sizeof(bed->listen), "coaps://127.0.0.1:%u",
		 ntohs(bed->address.sin_port));
	bed->conf.psk = (struct fg_secrets){ .names = identities, .items = keys, .count = 1 };
	memset(bed->server, 0, fg_driver_coap.state_size);
	assert_int_equal(fg_driver_coap.ops.open(&bed->in.source), 0);
	peer->bed = bed;
	coap_address_init(&peer->gateway);
	memcpy(&peer->gateway.addr, &bed->address, sizeof(bed->address));
	peer->gateway.size = sizeof(bed->address);
	peer->own = peer->gateway;
	coap_address_set_port(&peer->own, ntohs(free_port()));
	peer_begins(peer);
	*state = peer;
	return 0;
}

static int peer_teardown(void **state)
{
	struct peer *peer = *state;

	peer_ends(peer);
	bed_teardown((void **)&peer->bed);
	free(peer);
	return 0;
}

/* It observes, has spoken, and is being commanded. */
static void peer_is_busy(struct peer *peer, struct fg_command *command)
{
	struct bed *bed = peer->bed;

	bed->in.last = "[1]";
	peer_asks(peer, COAP_REQUEST_CODE_GET, NULL);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "1");
	assert_int_equal(peer->code, COAP_RESPONSE_CODE_CHANGED);
	assert_non_null(bed->in.watches);
	*command = (struct fg_command){
		.point = FG_STR("a"),
		.payload = FG_STR("7"),
		.content_format = -1,
		.peer = bed->in.peer,
	};
	assert_int_equal(fg_driver_coap.ops.command(&bed->in.source, command), 0);
}

static void assert_given_back(const struct peer *peer)
{
	const struct bed *bed = peer->bed;

	assert_null(bed->in.watches);
	assert_int_equal(bed->server->exchanges.count, 0);
	assert_int_equal(bed->server->clients.count, 0);
	assert_int_equal(command_fake.done, 1);
	assert_int_equal(command_fake.how, FG_OUTCOME_UNREACHABLE);
	assert_string_equal(command_fake.why, "no DTLS session");
}

/* Another socket of its port. */
static int peer_socket(const struct peer *peer)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &peer->own.addr.sa, peer->own.size), 0);
	return fd;
}

/* The hello that it was let in with, a second time. */
static void hello_again(struct peer *peer)
{
	int fd = peer_socket(peer);

	assert_int_equal(sendto(fd, peer->hello, peer->hello_len, 0, &peer->gateway.addr.sa,
				peer->gateway.size),
			 (ssize_t)peer->hello_len);
	close(fd);
	bed_turns(peer->bed, 2);
}

static void who_lost_his_session_comes_back(void **state)
{
	struct peer *peer = *state;
	struct fg_command command;

	peer_is_busy(peer, &command);
	peer_is_lost(peer);
	peer_begins(peer);
	peer_turns(peer, 4);
	assert_given_back(peer);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "2");
	assert_int_equal(peer->bed->in.submitted, 2);
}

static void who_ended_his_session_comes_back(void **state)
{
	struct peer *peer = *state;
	struct fg_command command;

	peer_is_busy(peer, &command);
	peer_ends(peer);
	bed_turns(peer->bed, 2);
	assert_given_back(peer);
	peer_begins(peer);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "2");
	assert_int_equal(peer->bed->in.submitted, 2);
}

/* It was on the way twice, or somebody who has seen it says it again. */
static void a_hello_that_comes_twice_ends_nothing(void **state)
{
	struct peer *peer = *state;

	peer_turns(peer, 2);
	assert_int_equal(coap_session_get_state(peer->session), COAP_SESSION_STATE_HANDSHAKE);
	hello_again(peer);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "1");
	hello_again(peer);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "2");
	assert_int_equal(peer->bed->in.submitted, 2);
	assert_int_equal(peer->bed->server->gate->proved, 3);
}

/* What was kept only then is nobody's to hear. */
static void nothing_is_said_to_who_has_gone(void **state)
{
	struct peer *peer = *state;
	struct bed *bed = peer->bed;
	coap_pdu_t *pdu;
	char byte;
	int fd;

	peer_asks(peer, COAP_REQUEST_CODE_POST, "1");
	bed->in.hold = true;
	pdu = coap_new_pdu(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST, peer->session);
	coap_add_option(pdu, COAP_OPTION_URI_PATH, 3, (const uint8_t *)"dev");
	coap_send(peer->session, pdu);
	peer_turns(peer, 3);
	assert_int_equal(bed->in.submitted, 2);
	peer_ends(peer);
	bed_turns(bed, 2);
	assert_int_equal(bed->server->pending.len, 1);
	fd = peer_socket(peer);
	bed->in.hold = false;
	bed_turns(bed, 2);
	assert_int_equal(bed->server->pending.len, 0);
	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0);
	close(fd);
	peer_begins(peer);
	peer_asks(peer, COAP_REQUEST_CODE_POST, "3");
}

/* What OpenSSL does not send ends the session from within coap_send(): of a notification, or of a
 * command. */
static void a_session_that_ends_while_it_is_told(void **state)
{
	struct peer *peer = *state;
	struct bed *bed = peer->bed;
	struct fg_command command = { .point = FG_STR("a"), .payload = FG_STR("7") };

	for (int i = 0; i < 2; i++) {
		bed->in.last = "[1]";
		if (i == 0)
			peer_asks(peer, COAP_REQUEST_CODE_GET, NULL);
		peer_asks(peer, COAP_REQUEST_CODE_POST, "1");
		command.peer = bed->in.peer;
		SSL_set_shutdown(
			coap_session_get_tls(fg_coap_peer_session(bed->server, command.peer), NULL),
			SSL_SENT_SHUTDOWN);
		if (i == 0)
			bed->in.watches->changed(bed->in.watches);
		else
			assert_int_equal(fg_driver_coap.ops.command(&bed->in.source, &command),
					 -EIO);
		bed_turns(bed, 4);
		assert_null(bed->in.watches);
		assert_int_equal(bed->server->exchanges.count, 0);
		peer_is_lost(peer);
		peer_begins(peer);
	}
}

#define PEER(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER(who_lost_his_session_comes_back),	     PEER(who_ended_his_session_comes_back),
		PEER(a_hello_that_comes_twice_ends_nothing), PEER(nothing_is_said_to_who_has_gone),
		PEER(a_session_that_ends_while_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

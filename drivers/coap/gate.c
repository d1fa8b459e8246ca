#include "gate.h"

#include <fg/loop.h>

#include "adapt/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECRET_LIFE FG_S(30)
#define ANSWERS_MAX 64		/* a call; the loop has others to serve */
#define UNANSWERED_MANY 500	/* within a secret's life */
#define CONTROL_MAX 128
#define AHEAD_MAX 64
#define HELLO_BEGIN 16		/* bytes that tell whether it begins like one */

enum verdict { PASS, ASK, REFUSE, AGAIN };

struct seen { /* a datagram that is still in the socket */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} from;
	struct msghdr head;
	struct iovec part;
	_Alignas(struct cmsghdr) char control[CONTROL_MAX];
	size_t len;		/* may be more than there was room for */
	struct fg_coap_hello hello;
};

/* With this option on, each look at the socket shows the datagram behind the last one. */
static bool from_the_first(struct fg_coap_gate *gate)
{
	static const int offset = 0;

	return setsockopt(gate->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0;
}

/* -- finding the socket -- */

/* One line of /proc/self/fdinfo/EPOLL: "tfd: 7 events: 19 data: 55d0c8a0 ..." */
static bool line_read(const char *line, const struct fg_coap_listen *listen,
		      struct fg_coap_gate *gate)
{
	struct fg_coap_listen bound = { .len = sizeof(bound.in6) };
	unsigned long long data;
	unsigned events;
	int fd;

	if (sscanf(line, "tfd: %d events: %x data: %llx", &fd, &events, &data) != 3 || !data ||
	    getsockname(fd, &bound.sa, &bound.len) < 0 || bound.len != listen->len)
		return false;
	/* with the port's number the rest is the same too: the process has it only once */
	if (bound.sa.sa_family != listen->sa.sa_family || bound.in.sin_port != listen->in.sin_port)
		return false;
	gate->fd = fd;
	gate->event = (const void *)(uintptr_t)data;
	return true;
}

int fg_coap_gate_open(struct fg_coap_gate *gate, coap_context_t *context,
		      const struct fg_coap_listen *listen)
{
	char path[64], line[256];
	FILE *file;

	gate->fd = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", coap_context_get_coap_fd(context));
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT || errno == EACCES ? -ENOTSUP : -errno;
	while (gate->fd < 0 && fgets(line, sizeof(line), file))
		line_read(line, listen, gate);
	fclose(file);
	if (gate->fd < 0)
		return -ENOTSUP;
	gate->runs_ahead = from_the_first(gate);
	return 0;
}

/* -- cookies -- */

/* Those made with the older secret count too, so that none is too old when it comes. */
static bool secrets_keep_up(struct fg_coap_gate *gate, uint64_t now_ns)
{
	bool both = !gate->secret_ns || now_ns - gate->secret_ns >= 2 * SECRET_LIFE;

	if (gate->secret_ns && now_ns - gate->secret_ns < SECRET_LIFE)
		return true;
	memcpy(gate->secrets[1], gate->secrets[0], FG_COAP_GATE_SECRET);
	for (int i = 0; i < 1 + both; i++)
		if (getrandom(gate->secrets[i], FG_COAP_GATE_SECRET, GRND_NONBLOCK) !=
		    FG_COAP_GATE_SECRET)
			return false;
	gate->secret_ns = now_ns;
	return true;
}

/* Of the address, and of what the hello says both times. */
static bool cookie_make(const uint8_t *secret, const struct seen *seen, uint8_t out[FG_COAP_COOKIE])
{
	char text[sizeof(seen->from.in6) + sizeof(((struct fg_coap_gate *)0)->datagram)];
	const struct fg_coap_hello *hello = &seen->hello;
	size_t len = 0;

	_Static_assert(FG_COAP_COOKIE == FG_TLS_MAC, "a cookie is a MAC");
	if (seen->from.sa.sa_family == AF_INET) {
		memcpy(text, &seen->from.in.sin_addr, len = sizeof(seen->from.in.sin_addr));
	} else {
		memcpy(text, &seen->from.in6.sin6_addr, len = sizeof(seen->from.in6.sin6_addr));
	}
	/* the port stands at the same place in both */
	memcpy(text + len, &seen->from.in.sin_port, sizeof(in_port_t));
	len += sizeof(in_port_t);
	memcpy(text + len, hello->before.ptr, hello->before.len);
	len += hello->before.len;
	memcpy(text + len, hello->behind.ptr, hello->behind.len);
	len += hello->behind.len;
	return fg_tls_mac(fg_str((const char *)secret, FG_COAP_GATE_SECRET), fg_str(text, len),
			  out);
}

/* In the same time whatever differs, and wherever. */
static bool same(const uint8_t *a, const char *b, size_t len)
{
	uint8_t differs = 0;

	for (size_t i = 0; i < len; i++)
		differs |= a[i] ^ (uint8_t)b[i];
	return !differs;
}

static bool cookie_good(const struct fg_coap_gate *gate, const struct seen *seen)
{
	uint8_t wanted[FG_COAP_COOKIE];

	if (seen->hello.cookie.len != FG_COAP_COOKIE)
		return false;
	for (int i = 0; i < 2; i++)
		if (cookie_make(gate->secrets[i], seen, wanted) &&
		    same(wanted, seen->hello.cookie.ptr, FG_COAP_COOKIE))
			return true;
	return false;
}

/* -- the datagrams -- */

static bool peek(struct fg_coap_gate *gate, struct seen *seen)
{
	ssize_t len;

	seen->part = (struct iovec){ gate->datagram, sizeof(gate->datagram) };
	seen->head = (struct msghdr){ .msg_name = &seen->from,
				      .msg_namelen = sizeof(seen->from),
				      .msg_iov = &seen->part,
				      .msg_iovlen = 1,
				      .msg_control = seen->control,
				      .msg_controllen = sizeof(seen->control) };
	do
		len = recvmsg(gate->fd, &seen->head, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	seen->len = len < 0 ? 0 : (size_t)len;
	return len >= 0;
}

/* The interface it came in by, as libcoap knows sessions by it. */
static int interface_of(struct seen *seen)
{
	struct msghdr *head = &seen->head;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
		struct in_pktinfo four;
		struct in6_pktinfo six;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof(four));
			return four.ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof(six));
			return (int)six.ipi6_ifindex;
		}
	}
	return 0;
}

static coap_session_t *session_of(coap_context_t *context, struct seen *seen)
{
	coap_address_t address;

	coap_address_init(&address);
	address.size = seen->head.msg_namelen;
	memcpy(&address.addr, &seen->from, address.size);
	return coap_session_get_by_peer(context, &address, interface_of(seen));
}

/* Who says hello has no session any more, but libcoap would hand it to the one that there is, which
 * takes no notice. That one ends, now that he has shown that he hears what is sent there (RFC 6347
 * section 4.2.8). A hello that it has answered comes twice, and ends nothing. */
static bool session_ended(coap_context_t *context, struct seen *seen)
{
	coap_session_t *session = session_of(context, seen);
	coap_tls_library_t library;
	const void *tls = coap_session_get_tls(session, &library);

	/* the random bytes come behind the version */
	if (!tls || library != COAP_TLS_LIBRARY_OPENSSL ||
	    fg_tls_answered(tls, seen->hello.before.ptr + 2))
		return false;
	coap_session_disconnected(session, COAP_NACK_TLS_FAILED);
	return true;
}

static enum verdict judge(struct fg_coap_gate *gate, coap_context_t *context, struct seen *seen)
{
	bool whole = seen->len <= sizeof(gate->datagram);
	size_t len = whole ? seen->len : sizeof(gate->datagram);

	switch (fg_coap_hello_read(fg_str((const char *)gate->datagram, len), &seen->hello)) {
	case FG_COAP_HELLO_NONE:
		return PASS;
	case FG_COAP_HELLO_SEALED:
		/* what is encrypted looks like one by chance */
		return session_of(context, seen) ? PASS : REFUSE;
	case FG_COAP_HELLO_GOOD:
		if (!whole)
			return REFUSE;
		if (!cookie_good(gate, seen))
			return ASK;
		if (session_ended(context, seen))
			return AGAIN;
		gate->proved++;
		return PASS;
	case FG_COAP_HELLO_BAD:
		break;
	}
	return REFUSE;
}

/* Takes the datagram that was seen off the socket. False: it was another one, so that none of what
 * was seen may be believed: one without a byte is shown once and passed over then. */
static bool take_off(struct fg_coap_gate *gate, const struct seen *seen)
{
	char byte;

	return recv(gate->fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) == (ssize_t)seen->len;
}

/* To where it came from, from where it was sent to. What cannot be sent at once is not: the client
 * says it again. */
static void answer(struct fg_coap_gate *gate, struct seen *seen)
{
	uint8_t cookie[FG_COAP_COOKIE], out[FG_COAP_VERIFY];

	if (!cookie_make(gate->secrets[0], seen, cookie))
		return;
	gate->asked++;
	fg_coap_hello_verify(&seen->hello, cookie, out);
	seen->part = (struct iovec){ out, sizeof(out) };
	sendmsg(gate->fd, &seen->head, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void refuse(struct fg_coap_gate *gate, struct seen *seen, const struct fg_logger *logger,
		   uint64_t now_ns)
{
	uint32_t left_out;
	char text[100];
	size_t len = seen->len < 24 ? seen->len : 24;

	if (fg_log_allowed(&gate->refused, now_ns, 10, &left_out))
		fg_log(logger, FG_WARN, "refused a malformed ClientHello", "bytes=%s left_out=%u",
		       fg_log_quote(gate->datagram, len, text, sizeof(text)), left_out);
}

/* Once in a secret's life at most. */
static void tell(struct fg_coap_gate *gate, const struct fg_logger *logger, uint64_t now_ns)
{
	if (gate->secret_ns && now_ns - gate->secret_ns < SECRET_LIFE)
		return;
	if (gate->asked > gate->proved + UNANSWERED_MANY)
		fg_log(logger, FG_WARN, "ClientHellos from addresses that do not answer",
		       "asked=%u proved=%u", gate->asked, gate->proved);
	gate->asked = gate->proved = 0;
}

/* How many of those behind the first, at most `most`, do not even begin like a ClientHello. */
static uint32_t look_ahead(struct fg_coap_gate *gate, uint32_t most)
{
	struct mmsghdr heads[AHEAD_MAX] = { 0 };
	struct iovec parts[AHEAD_MAX];
	char begins[AHEAD_MAX][HELLO_BEGIN];
	struct fg_coap_hello hello;
	int count, n = 0;

	most = most < AHEAD_MAX ? most : AHEAD_MAX;
	for (uint32_t i = 0; i < most; i++) {
		parts[i] = (struct iovec){ begins[i], HELLO_BEGIN };
		heads[i].msg_hdr.msg_iov = &parts[i];
		heads[i].msg_hdr.msg_iovlen = 1;
	}
	/* with MSG_TRUNC the next look begins behind the whole of it, however little was shown */
	count = recvmmsg(gate->fd, heads, most, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, NULL);
	while (n < count) {
		size_t len = heads[n].msg_len < HELLO_BEGIN ? heads[n].msg_len : HELLO_BEGIN;

		if (fg_coap_hello_read(fg_str(begins[n], len), &hello) != FG_COAP_HELLO_NONE)
			break;
		n++;
	}
	return (uint32_t)n;
}

uint32_t fg_coap_gate_pass(struct fg_coap_gate *gate, coap_context_t *context,
			   const struct fg_logger *logger, uint64_t now_ns, uint32_t most,
			   bool *ret_more)
{
	struct seen seen;

	*ret_more = false;
	tell(gate, logger, now_ns);
	if (!secrets_keep_up(gate, now_ns))
		return 0;
	if (gate->runs_ahead)
		from_the_first(gate);
	for (uint32_t answers = 0; answers < ANSWERS_MAX; answers++) {
		enum verdict verdict;

		if (!peek(gate, &seen))
			return 0;
		verdict = judge(gate, context, &seen);
		if (verdict == PASS)
			return 1 + (gate->runs_ahead && most > 1 ? look_ahead(gate, most - 1) : 0);
		if (verdict == AGAIN)
			break;
		if (!take_off(gate, &seen))
			from_the_first(gate);
		else if (verdict == ASK)
			answer(gate, &seen);
		else
			refuse(gate, &seen, logger, now_ns);
	}
	*ret_more = true;
	return 0;
}

#include "adapt/curl.h"

#include "adapt/tls.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct fg_curl_socket {
	struct fg_io io;
	struct fg_curl *curl;
	struct fg_curl_socket *next;
};

static void one_closed(struct fg_curl *c)
{
	if (--c->open == 0)
		c->closed(c);
}

/* -- what the library asks for -- */

static void collect(struct fg_curl *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			c->done(c, msg->easy_handle, msg->data.result);
}

static void act(struct fg_curl *c, curl_socket_t fd, int events)
{
	int running;
	CURLMcode rc = curl_multi_socket_action(c->multi, fd, events, &running);

	collect(c);
	if (rc != CURLM_OK)
		c->failed(c, rc == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO);
}

static void on_io(struct fg_io *io, unsigned events)
{
	struct fg_curl_socket *socket = (struct fg_curl_socket *)io;
	int mask = (events & FG_READ ? CURL_CSELECT_IN : 0) |
		   (events & FG_WRITE ? CURL_CSELECT_OUT : 0) |
		   (events & FG_HANGUP ? CURL_CSELECT_ERR : 0);

	act(socket->curl, io->fd, mask);
}

static void on_timer(struct fg_timer *timer)
{
	struct fg_curl *c = (struct fg_curl *)((char *)timer - offsetof(struct fg_curl, timer));

	act(c, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket_closed(struct fg_handle *handle)
{
	struct fg_curl_socket *socket = (struct fg_curl_socket *)handle;
	struct fg_curl *c = socket->curl;

	free(socket);
	one_closed(c);
}

static void socket_close(struct fg_curl_socket *socket)
{
	struct fg_curl_socket **at = &socket->curl->sockets;

	while (*at != socket)
		at = &(*at)->next;
	*at = socket->next;
	fg_handle_close(&socket->io.handle, on_socket_closed);
}

static struct fg_curl_socket *socket_new(struct fg_curl *c)
{
	struct fg_curl_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	fg_io_init(c->loop, &socket->io, on_io);
	socket->curl = c;
	socket->next = c->sockets;
	c->sockets = socket;
	c->open++;
	return socket;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct fg_curl *c = arg;
	struct fg_curl_socket *socket = known;
	unsigned want = (what & CURL_POLL_IN ? FG_READ : 0) | (what & CURL_POLL_OUT ? FG_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(c->multi, fd, NULL);
		if (socket)
			socket_close(socket);
		return 0;
	}
	if (!socket) {
		socket = socket_new(c);
		if (!socket)
			return -1;
		curl_multi_assign(c->multi, fd, socket);
	}
	return fg_io_sync(&socket->io, fd, want, !known) < 0 ? -1 : 0;
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
	struct fg_curl *c = arg;

	(void)multi;
	if (ms >= 0)
		return fg_timer_start(&c->timer, FG_MS(ms)) < 0 ? -1 : 0;
	fg_timer_stop(&c->timer);
	return 0;
}

/* -- what the bridge asks for -- */

int fg_curl_init(struct fg_loop *loop, struct fg_curl *c)
{
	c->loop = loop;
	fg_timer_init(loop, &c->timer, on_timer);
	c->open = 1;
	/* counted by the library, and cheap from the second time on */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fg_tls_beyond_repair() ? -ENOTRECOVERABLE : -ENOMEM;
	c->multi = curl_multi_init();
	if (!c->multi)
		return -ENOMEM;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return 0;
}

static void on_timer_closed(struct fg_handle *handle)
{
	one_closed((struct fg_curl *)((char *)handle - offsetof(struct fg_curl, timer)));
}

void fg_curl_close(struct fg_curl *c, void (*closed)(struct fg_curl *))
{
	c->closed = closed;
	curl_multi_cleanup(c->multi);
	c->multi = NULL;
	while (c->sockets)
		socket_close(c->sockets);
	fg_handle_close(&c->timer.handle, on_timer_closed);
}

CURL *fg_curl_easy(void)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return easy;
}

int fg_curl_add(struct fg_curl *c, CURL *easy)
{
	CURLMcode rc = curl_multi_add_handle(c->multi, easy);

	return rc == CURLM_OK ? 0 : rc == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

void fg_curl_remove(struct fg_curl *c, CURL *easy)
{
	curl_multi_remove_handle(c->multi, easy);
}

struct result_errno {
	CURLcode result;
	int error;
};

static const struct result_errno errors[] = {
	{ CURLE_OK, 0 },
	{ CURLE_URL_MALFORMAT, -EINVAL },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH },
	{ CURLE_COULDNT_CONNECT, -ECONNREFUSED },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT },
	{ CURLE_PARTIAL_FILE, -EPROTO },
	{ CURLE_WRITE_ERROR, -EPROTO },
	{ CURLE_FILESIZE_EXCEEDED, -EPROTO },
	{ CURLE_WEIRD_SERVER_REPLY, -EPROTO },
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTO },
	{ CURLE_GOT_NOTHING, -ECONNRESET },
	{ CURLE_SEND_ERROR, -ECONNRESET },
	{ CURLE_RECV_ERROR, -ECONNRESET },
	{ CURLE_PEER_FAILED_VERIFICATION, -EACCES },
	{ CURLE_SSL_CACERT_BADFILE, -EACCES },
	{ CURLE_SSL_CERTPROBLEM, -EACCES },
};

int fg_curl_errno(CURLcode result)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].result == result)
			return errors[i].error;
	if (result != CURLE_OUT_OF_MEMORY && result != CURLE_SSL_CONNECT_ERROR)
		return -EIO;
	if (fg_tls_beyond_repair())
		return -ENOTRECOVERABLE;
	return result == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EPROTO;
}

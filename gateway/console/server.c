/*
 * libmicrohttpd (0.9.75) as a citizen of the loop. What it does behind our back:
 *
 *  - Its own epoll is level-triggered for us, but connections in it are edge-triggered, and it
 *    keeps a list of those that can go on. So the descriptor does not tell all: MHD_get_timeout()
 *    does, and is asked before every sleep. 0: run it again at once.
 *  - A TLS client that stops in the middle of its handshake makes it answer 0 for ever: one core
 *    would be gone, before any login. Answers that say 0 again and again are believed EAGER times,
 *    and then once in FLOOR_NS.
 *  - A connection that is suspended is in no epoll and has no timeout: that its client has gone
 *    shows only when it is resumed and written to. To resume it does nothing by itself: its own
 *    descriptor stays silent, and it has to be run.
 *  - It never ends a connection whose client sends a byte now and then. We do, by shutdown().
 *  - With as many connections as it may have it hears nobody any more. So whoever keeps a place
 *    without asking for anything makes room before that.
 *  - All connections must be resumed before it is stopped; else it aborts the process.
 */
#include "console/parse.h"
#include "console/private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EAGER 32
#define FLOOR_NS FG_MS(10)
#define PEM_MAX ((size_t)256 << 10)
#define SEND_ROOM (64 << 10)	/* of a connection, in the kernel */
#define DEAD_MS 15000u		/* what was sent and is not acknowledged */

#define of(member, ptr) ((struct console *)(void *)((char *)(ptr)-offsetof(struct console, member)))

/* -- running it -- */

static void run(struct console *console)
{
	console->turns++;
	(void)MHD_run(console->daemon);
}

void server_hurry(struct console *console)
{
	console->due = true;
	fg_loop_hurry(console->desk->loop);
}

static void on_ready(struct fg_io *io, unsigned events)
{
	(void)events;
	run(of(io, io));
}

/* Only earlier: what comes too soon is asked anew. */
static void wait_for(struct console *console, uint64_t ns)
{
	uint64_t due_ns = fg_loop_update_now(console->desk->loop) + ns;

	if (fg_timer_active(&console->wait) && console->wait_until_ns <= due_ns)
		return;
	console->wait_until_ns = due_ns;
	(void)fg_timer_start_at(&console->wait, due_ns);
}

/* It has more to do at once. False: it has said so too often, and has to wait. */
static bool may_run(struct console *console)
{
	uint64_t now = fg_loop_update_now(console->desk->loop);

	if (console->eager < EAGER) {
		console->eager++;
	} else if (now - console->ran_ns < FLOOR_NS) {
		wait_for(console, FLOOR_NS - (now - console->ran_ns));
		return false;
	}
	console->ran_ns = now;
	return true;
}

static void on_prepare(struct fg_hook *hook)
{
	struct console *console = of(prepare, hook);
	MHD_UNSIGNED_LONG_LONG ms;

	if (console->due) {
		console->due = false;
		run(console);
	}
	if (MHD_get_timeout(console->daemon, &ms) != MHD_YES) {
		console->eager = 0;
		return;
	}
	if (ms > 0) {
		console->eager = 0;
		wait_for(console, FG_MS(ms));
		return;
	}
	if (!may_run(console))
		return;
	run(console);
	if (console->eager < EAGER)
		fg_loop_hurry(console->desk->loop);
	else
		wait_for(console, FLOOR_NS);
}

static void on_wait(struct fg_timer *timer)
{
	struct console *console = of(wait, timer);

	/* timeouts of connections are seen to by a run; one that has to wait is asked in prepare */
	if (console->eager < EAGER)
		run(console);
}

/* -- connections -- */

static void peer_end(struct console *console, struct console_peer *peer)
{
	if (peer->ended)
		return;
	peer->ended = true;
	console->npeers--;
	shutdown(peer->fd, SHUT_RDWR);
}

static bool asks_nothing(const struct console_peer *peer)
{
	return !peer->request || peer->request->state <= REQUEST_BODY;
}

/* For the next one after this: the one goes that has kept its place longest, with a handshake or a
 * request that does not end, or with nothing. */
static void make_room(struct console *console, const struct console_peer *newest)
{
	unsigned most = (unsigned)console->desk->conf->viewers + CONSOLE_OTHERS - CONSOLE_FREE;
	struct console_peer *peer, *oldest = NULL;

	if (console->npeers <= most)
		return;
	LIST_FOREACH(peer, &console->peers, link)
	if (!peer->ended && peer != newest && asks_nothing(peer) &&
	    (!oldest || peer->since_ns <= oldest->since_ns))
		oldest = peer;
	if (oldest)
		peer_end(console, oldest);
}

static void on_peer(void *cls, struct MHD_Connection *connection, void **context,
		    enum MHD_ConnectionNotificationCode code)
{
	struct console *console = cls;
	struct console_peer *peer = *context;
	const union MHD_ConnectionInfo *info;
	int room = SEND_ROOM;
	unsigned dead_ms = DEAD_MS;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (peer) {
			LIST_REMOVE(peer, link);
			console->npeers -= !peer->ended;
		}
		free(peer);
		*context = NULL;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = info ? calloc(1, sizeof(*peer)) : NULL;
	if (!peer)
		return;
	peer->fd = info->connect_fd;
	peer->since_ns = fg_loop_now(console->desk->loop);
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)setsockopt(peer->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	LIST_INSERT_HEAD(&console->peers, peer, link);
	console->npeers++;
	*context = peer;
	make_room(console, peer);
	if (!fg_timer_active(&console->sweep))
		(void)fg_timer_start(&console->sweep, FG_S(1));
}

/* Whether its time is over. Who waits for the gateway is left to that, who looks on to stream.c. */
static bool is_over(const struct console_peer *peer, uint64_t now)
{
	const struct console_request *request = peer->request;

	if (asks_nothing(peer))
		return now - peer->since_ns > CONSOLE_ASK_NS;
	if (request->state == REQUEST_ASKING || request->viewer)
		return false;
	return now - request->since_ns > CONSOLE_TAKE_NS;
}

static void on_sweep(struct fg_timer *timer)
{
	struct console *console = of(sweep, timer);
	uint64_t now = fg_loop_now(console->desk->loop);
	struct console_peer *peer;

	LIST_FOREACH(peer, &console->peers, link)
	{
		if (!is_over(peer, now))
			continue;
		console->counts.refused += !peer->ended && peer->request;
		peer_end(console, peer);
	}
	stream_tick(console);
	if (!LIST_EMPTY(&console->peers))
		(void)fg_timer_start(timer, FG_S(1));
}

static void on_burst(struct fg_timer *timer)
{
	stream_wake(of(burst, timer));
}

/* -- beginning -- */

static void on_library(void *cls, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static void on_library(void *cls, const char *fmt, va_list args)
{
	struct console *console = cls;
	char text[256], quoted[512];
	uint32_t left_out;
	int n = vsnprintf(text, sizeof(text), fmt, args);

	if (n <= 0 || !fg_log_allowed(&console->library_limit, fg_loop_now(console->desk->loop), 5,
				      &left_out))
		return;
	while (n > 0 && (n >= (int)sizeof(text) || text[n - 1] == '\n'))
		n = n >= (int)sizeof(text) ? (int)sizeof(text) - 1 : n - 1;
	fg_log(&console->desk->logger, FG_DEBUG, "libmicrohttpd", "text=%s",
	       fg_log_quote(text, (size_t)n, quoted, sizeof(quoted)));
}

/* Nothing in what a client says is decoded before it is taken apart (parse.c). */
static size_t leave_as_it_is(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static int socket_open(const struct console_address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, r = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->storage.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0 ||
	    listen(fd, 64) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static void file_note(const struct stat *st, struct console_stamp *ret_file)
{
	*ret_file = (struct console_stamp){ st->st_dev, st->st_ino, st->st_size, st->st_ctim };
}

static int pem_read(struct console *console, const char *path, char **ret_text,
		    struct console_stamp *ret_file)
{
	char quoted[256], *text = calloc(1, PEM_MAX);
	int fd = text ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, PEM_MAX - 1);
	int r = n > 0 ? 0 : n == 0 ? -ENODATA : -errno;
	struct stat st;

	if (r == 0 && fstat(fd, &st) == 0)
		file_note(&st, ret_file);
	if (fd >= 0)
		close(fd);
	if (r == 0) {
		*ret_text = text;
		return 0;
	}
	free(text);
	fg_log(&console->desk->logger, FG_ERROR, "cannot read a file of tls",
	       "path=%s error=\"%s\"", fg_log_quote(path, strlen(path), quoted, sizeof(quoted)),
	       strerror(-r));
	return r;
}

static void pem_forget(char *text)
{
	if (text)
		explicit_bzero(text, PEM_MAX);
	free(text);
}

static int daemon_start(struct console *console, int fd, char *key, char *cert)
{
	const struct fg_console_conf *conf = console->desk->conf;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const struct MHD_OptionItem secure[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, key },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, cert },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:"
							   "+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	console->daemon = MHD_start_daemon(
		flags | (console->tls ? MHD_USE_TLS : 0), 0, NULL, NULL, request_handle, console,
		MHD_OPTION_EXTERNAL_LOGGER, on_library, console,	/* must be the first */
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)conf->viewers + CONSOLE_OTHERS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CONSOLE_SILENT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONSOLE_POOL,
		MHD_OPTION_NOTIFY_CONNECTION, on_peer, console, MHD_OPTION_NOTIFY_COMPLETED,
		request_completed, console, MHD_OPTION_URI_LOG_CALLBACK, request_new, console,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, console->tls ? secure : none, MHD_OPTION_END);
	return console->daemon ? 0 : -EINVAL;
}

static int listen_on(struct console *console, const struct console_address *address)
{
	const struct fg_console_conf *conf = console->desk->conf;
	char *cert = NULL, *key = NULL;
	int fd = -1, r = 0;

	if (address->tls)
		r = pem_read(console, conf->tls.cert, &cert, &console->cert);
	if (r == 0 && address->tls)
		r = pem_read(console, conf->tls.key, &key, &console->key);
	if (r == 0)
		r = fd = socket_open(address);
	if (r >= 0)
		r = daemon_start(console, fd, key, cert);
	if (r < 0 && fd >= 0)
		close(fd);
	pem_forget(cert);
	pem_forget(key);
	return r;
}

static bool file_renewed(const char *path, const struct console_stamp *was)
{
	struct console_stamp now;
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	file_note(&st, &now);
	return now.dev != was->dev || now.ino != was->ino || now.size != was->size ||
	       now.changed.tv_sec != was->changed.tv_sec ||
	       now.changed.tv_nsec != was->changed.tv_nsec;
}

/* As long as one of them cannot be read the console stays as it is. */
bool server_renewed(const struct fg_desk *desk)
{
	const struct fg_console_tls *tls = &desk->conf->tls;
	const struct console *console = desk->state;

	return console->tls && access(tls->cert, R_OK) == 0 && access(tls->key, R_OK) == 0 &&
	       (file_renewed(tls->cert, &console->cert) || file_renewed(tls->key, &console->key));
}

static int watch(struct console *console)
{
	struct fg_loop *loop = console->desk->loop;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(console->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	fg_io_init(loop, &console->io, on_ready);
	fg_hook_init(loop, &console->prepare, FG_PHASE_PREPARE, on_prepare);
	fg_timer_init(loop, &console->wait, on_wait);
	fg_timer_init(loop, &console->sweep, on_sweep);
	fg_timer_init(loop, &console->burst, on_burst);
	console->handles = 5;
	fg_hook_start(&console->prepare);
	return info ? fg_io_sync(&console->io, info->epoll_fd, FG_READ, true) : -EINVAL;
}

int server_open(struct fg_desk *desk)
{
	struct console *console = calloc(1, sizeof(*console));
	struct console_address address = { 0 };
	int r;

	if (!console)
		return -ENOMEM;
	console->desk = desk;
	LIST_INIT(&console->peers);
	LIST_INIT(&console->requests);
	LIST_INIT(&console->viewers);
	r = console_listen(desk->conf->listen, &address) ? -EINVAL : 0;
	console->tls = address.tls;
	console->loopback = address.loopback;
	if (r == 0)
		r = listen_on(console, &address);
	if (r < 0) {
		free(console);
		return r;
	}
	desk->state = console;
	r = watch(console);
	if (r < 0) {	/* it is as good as open, and ends at once */
		fg_log(&desk->logger, FG_ERROR, "cannot watch the connections", "error=\"%s\"",
		       strerror(-r));
		return 0;
	}
	fg_log(&desk->logger, FG_INFO, "listens", "address=%s", desk->conf->listen);
	return 0;
}

/* -- end -- */

static void free_if_over(struct console *console)
{
	struct fg_desk *desk = console->desk;

	if (--console->handles > 0)
		return;
	free(console);
	desk->state = NULL;
	fg_desk_closed(desk);
}

static void on_io_closed(struct fg_handle *handle)
{
	free_if_over(of(io.handle, handle));
}

static void on_prepare_closed(struct fg_handle *handle)
{
	free_if_over(of(prepare.handle, handle));
}

static void on_wait_closed(struct fg_handle *handle)
{
	free_if_over(of(wait.handle, handle));
}

static void on_sweep_closed(struct fg_handle *handle)
{
	free_if_over(of(sweep.handle, handle));
}

static void on_burst_closed(struct fg_handle *handle)
{
	free_if_over(of(burst.handle, handle));
}

void server_close(struct fg_desk *desk)
{
	struct console *console = desk->state;
	struct console_request *request;

	console->closing = true;
	stream_end(console);
	LIST_FOREACH(request, &console->requests, link)
	request_give_up(request);
	run(console);
	fg_io_stop(&console->io);
	MHD_stop_daemon(console->daemon);
	fg_handle_close(&console->io.handle, on_io_closed);
	fg_handle_close(&console->prepare.handle, on_prepare_closed);
	fg_handle_close(&console->wait.handle, on_wait_closed);
	fg_handle_close(&console->sweep.handle, on_sweep_closed);
	fg_handle_close(&console->burst.handle, on_burst_closed);
}

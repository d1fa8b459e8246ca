/*
 * libcurl's multi interface on the loop, as found with 7.88.1:
 *
 * - It names its sockets and its one timer by callbacks, in which it must not be called: a timer of
 *   0 ms is armed, not acted on.
 * - It may close a socket before it says that it is done with it.
 * - A name is looked up on a thread of the library. Who gives up a transfer meanwhile waits for
 *   that thread, unless CURLOPT_QUICK_EXIT is set.
 * - A callback that fails ends all transfers of the multi handle: `failed` is told.
 * - Proxies named in the environment would be used unless CURLOPT_PROXY is empty.
 */
#pragma once

#include <stdbool.h>

#include <curl/curl.h>

#include <fg/loop.h>

struct fg_curl {
	struct fg_loop *loop;
	CURLM *multi;
	struct fg_timer timer;
	struct fg_curl_socket *sockets;	/* private */
	unsigned open;			/* private: handles that have not been closed */
	/* A transfer has ended; it is to be removed before it may be added again. Neither of these
	 * may call fg_curl_close(). */
	void (*done)(struct fg_curl *, CURL *easy, CURLcode result);
	void (*failed)(struct fg_curl *, int error);
	void (*closed)(struct fg_curl *);
};

/* `done` and `failed` are set by the caller. -ENOMEM. Must be closed even if it failed. */
int fg_curl_init(struct fg_loop *, struct fg_curl *);
/* All transfers have been removed. `closed` is called when the loop has nothing of it any more. */
void fg_curl_close(struct fg_curl *, void (*closed)(struct fg_curl *));

/* A transfer that cannot block, HTTP/1.1, or NULL. The caller's, by curl_easy_cleanup(). */
CURL *fg_curl_easy(void);
/* Begins a transfer; ends with `done`. -ENOMEM, -EINVAL. */
int fg_curl_add(struct fg_curl *, CURL *easy);
void fg_curl_remove(struct fg_curl *, CURL *easy);

/* -errno of a result; -ENOTRECOVERABLE: adapt/tls.h. */
int fg_curl_errno(CURLcode result);

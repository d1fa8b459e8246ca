/* Compressing a body (RFC 9110 section 8.4.1). The state is kept from one body to the next. */
#pragma once

#include <fg/buf.h>

#include <zlib.h>
#include <zstd.h>

enum http_compress { HTTP_PLAIN, HTTP_GZIP, HTTP_ZSTD };

struct http_squeeze {
	enum http_compress how;
	bool ready;
	z_stream gzip;
	ZSTD_CCtx *zstd;
};

/* -ENOMEM. To be given back even if it failed. */
int http_squeeze_init(struct http_squeeze *squeeze, enum http_compress how);
void http_squeeze_fini(struct http_squeeze *squeeze);
/* Replaces the content of `out`. -ENOMEM. */
int http_squeeze(struct http_squeeze *squeeze, struct fg_str body, struct fg_buf *out);
/* The content coding's name, or NULL. */
const char *http_squeeze_name(enum http_compress how);
